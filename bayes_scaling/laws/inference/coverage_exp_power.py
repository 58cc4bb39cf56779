"""Share of problems solved in k samples (Brown et al. 2024, arXiv:2407.21787)."""

from __future__ import annotations

import math

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, successes
from bayes_scaling.laws._terms import log_power


def log_log_mean(k, *, a, b):
    """``log(-log c)`` of the coverage ``c = exp(-a k^-b)``."""
    return log_power(a, b, k)


def pass_at_k(n: int, s: int, k: int) -> float:
    """Unbiased estimate of the chance that at least one of ``k`` samples solves a problem.

    ``1 - C(n-s, k) / C(n, k)``; the plug-in ``1 - (1 - s/n)^k`` is biased.

    Parameters
    ----------
    n, s : int
        Samples drawn and successes among them, on one problem.
    k : int
        Samples allowed, at most ``n``.

    Raises
    ------
    ValueError
        If not ``0 <= s <= n`` and ``1 <= k <= n``.
    """
    if not (0 <= s <= n and 1 <= k <= n):
        raise ValueError(f"pass_at_k needs 0 <= s <= n and 1 <= k <= n; found n={n}, s={s}, k={k}")
    if n - s < k:
        return 1.0
    return 1 - math.comb(n - s, k) / math.comb(n, k)


def samples_needed(coverage, *, a, b):
    """Samples per problem at which the expected coverage is ``coverage``."""
    return (a / -jnp.log(coverage)) ** (1 / b)


def _published(**rows: tuple[float, float]) -> dict[str, Published]:
    source = "arXiv:2502.17578, tables 1 and 2"
    return {name: Published({"a": a, "b": b}, source, "paper") for name, (a, b) in rows.items()}


LAW = Law(
    name="coverage_exp_power",
    title="Coverage of repeated sampling",
    equation="c(k) = exp(-a k^-b)",
    predictor=log_log_mean,
    predicts=successes(name="n_correct", trials="n_samples", link="loglog"),
    inputs=(Input("k", "sample", "samples per problem", (1.0, 1e4)),),
    parameters=(
        Parameter("a", (1.67, 12.0), unit="nat", meaning="-log of the success rate of one sample"),
        Parameter("b", (0.172, 0.643), meaning="exponent of samples"),
    ),
    monotone={"k": "increasing"},
    published=_published(
        pythia_70m=(8.026, 0.194),
        pythia_160m=(6.591, 0.280),
        pythia_410m=(5.524, 0.286),
        pythia_1b=(5.452, 0.315),
        pythia_2_8b=(4.104, 0.336),
        pythia_6_9b=(4.255, 0.348),
        pythia_12b=(4.113, 0.370),
        claude_3_5_opus_jailbreak=(2.630, 0.448),
        claude_3_5_sonnet_jailbreak=(3.436, 0.312),
        gpt4o_jailbreak=(3.639, 0.395),
        gpt4o_mini_jailbreak=(3.637, 0.492),
        gemini_1_5_flash_jailbreak=(6.158, 0.303),
        gemini_1_5_pro_jailbreak=(6.296, 0.256),
    ),
    golden=(
        Golden({"k": 1.0}, 0.0164, "pythia_12b", rtol=3e-3),
        Golden({"k": 100.0}, 0.473, "pythia_12b", rtol=1e-3),
        Golden({"k": 1e4}, 0.873, "pythia_12b", rtol=6e-4),
        Golden({"k": 1e4}, 0.261, "pythia_70m", rtol=2e-3),
        Golden({"k": 5.0}, 0.269, {"a": 1.839, "b": 0.209}, rtol=2e-3),
    ),
    limits=(
        Limit(
            "the response is -log c",
            "power_law",
            lambda inputs, v: (inputs, v, {"x": inputs["k"]}, {"A": v["a"], "alpha": v["b"]}),
        ),
    ),
    derived=(
        Derived("accuracy", lambda a: jnp.exp(-a), meaning="success rate of one sample"),
        Derived(
            "samples_half", lambda a, b: samples_needed(0.5, a=a, b=b), "sample", "samples for coverage 1/2"
        ),
    ),
    reference=Reference(
        "Large Language Monkeys: Scaling Inference Compute with Repeated Sampling",
        "Brown et al.",
        2024,
        "2407.21787",
    ),
    notes=(
        "A family is a model on a benchmark. The original writes exp(a k^b) with both constants negative. "
        "The published fits are those of Schaeffer et al. 2025; among them log a and log b correlate by "
        "-0.86. Coverages at several k from the same samples are almost one observation: keep three or four "
        "well-spaced k. A share of problems that no sample solves needs a ceiling, which this law lacks."
    ),
)
