"""Share of problems solved in k samples (Brown et al. 2024, arXiv:2407.21787)."""

from __future__ import annotations

import math
from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, successes
from bayes_scaling.laws._terms import log_power, log_power_offset

#: Parameters at which ``a`` and ``b`` are stated where they depend on the size.
N_REF = 1e9


def log_log_mean(k, *, a, b):
    """``log(-log c)`` of the coverage ``c = exp(-a k^-b)``."""
    return log_power(a, b, k)


def log_log_mean_ceiling(k, *, a, b, solvable):
    """``log(-log c)`` of ``c = solvable exp(-a k^-b)``."""
    return log_power_offset(-jnp.log(solvable), a, b, k)


def log_log_mean_sizes(k, params, *, a, b, u, v):
    """``log(-log c)`` with ``a`` falling and ``b`` rising as powers of the model size."""
    return log_power(a, u, params / N_REF) - b * (params / N_REF) ** v * jnp.log(k)


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


def _all_solvable(inputs, values):
    return inputs, {**values, "solvable": 1 - 1e-15}, inputs, {"a": values["a"], "b": values["b"]}


def _with_floor(inputs, values):
    there = {"E": -math.log(values["solvable"]), "A": values["a"], "alpha": values["b"]}
    return inputs, values, {"x": inputs["k"]}, there


def _one_size(inputs, values):
    return {**inputs, "params": N_REF}, values, {"k": inputs["k"]}, {"a": values["a"], "b": values["b"]}


def _one_sample(inputs, values):
    there = {"c": values["a"], "alpha": values["u"]}
    return {**inputs, "k": 1.0}, values, {"params": inputs["params"] / N_REF}, there


_law = partial(
    Law,
    name="coverage_exp_power",
    predicts=successes(name="n_correct", trials="n_samples", link="loglog"),
    reference=Reference(
        "Large Language Monkeys: Scaling Inference Compute with Repeated Sampling",
        "Brown et al.",
        2024,
        "2407.21787",
    ),
)
_K = Input("k", "sample", "samples per problem", (1.0, 1e4))
_A = Parameter("a", (1.67, 12.0), unit="nat", meaning="-log of the success rate of one sample")
_B = Parameter("b", (0.172, 0.643), meaning="exponent of samples")

# 15.9 % with one sample and 56 % with 250 (abstract) fix a and b; so do 82.9 % with 100 and 98.44 % with 1e4
_SWE_BENCH_LITE = {"a": 1.839, "b": 0.209}
_LLAMA_3_8B_MATH = {"a": 2.24, "b": 0.538}

VARIANTS = {
    1: _law(
        checked_on=("language_monkeys",),
        title="Coverage of repeated sampling",
        equation="c(k) = exp(-a k^-b)",
        predictor=log_log_mean,
        inputs=(_K,),
        parameters=(_A, _B),
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
            Golden({"k": 1.0}, 0.159, _SWE_BENCH_LITE, "abstract", rtol=1e-3),
            Golden({"k": 250.0}, 0.56, _SWE_BENCH_LITE, "abstract", rtol=2e-3),
            Golden({"k": 5.0}, 0.269, _SWE_BENCH_LITE, rtol=2e-3),
            Golden({"k": 100.0}, 0.829, _LLAMA_3_8B_MATH, "paper*", rtol=1e-3),
            Golden({"k": 1e4}, 0.9844, _LLAMA_3_8B_MATH, "paper*", rtol=1e-3),
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
                "samples_half",
                lambda a, b: samples_needed(0.5, a=a, b=b),
                "sample",
                "samples for coverage 1/2",
            ),
        ),
        notes=(
            "A family is a model on a benchmark. The original writes exp(a k^b) with both constants "
            "negative. The published fits are those of Schaeffer et al. 2025; among them log a and log b "
            "correlate by -0.86. Their Llama 3 8B jailbreaks follow no power: coverage rises faster. On "
            "SWE-bench Lite the law through 1 and 250 samples says 26.9 % with five, where 29.6 % were "
            "seen. Coverages at several k from the same samples are almost one observation: keep three or "
            "four well-spaced k, or fit pass_at_k_mixture to counts of problems. On one task the curves of "
            "a model family are nearly one curve, shifted in log k."
        ),
    ),
    2: _law(
        title="Coverage of repeated sampling, some problems unsolvable",
        equation="c(k) = solvable exp(-a k^-b)",
        predictor=log_log_mean_ceiling,
        inputs=(_K,),
        parameters=(
            _A,
            _B,
            Parameter("solvable", (0.717, 0.994), "unit", "separate", meaning="coverage of endless sampling"),
        ),
        monotone={"k": "increasing"},
        limits=(
            Limit("all problems are solvable", "coverage_exp_power", _all_solvable),
            Limit("the response is -log c", "power_law_offset", _with_floor),
        ),
        derived=(
            Derived(
                "accuracy", lambda a, solvable: solvable * jnp.exp(-a), meaning="success rate of one sample"
            ),
        ),
        notes=(
            "For benchmarks with problems that no sample solves, such as broken ones. Unless coverage "
            "levels off within the data the ceiling cannot be told from a small exponent."
        ),
    ),
    3: _law(
        title="Coverage of repeated sampling from samples and model size",
        equation="c(k, N) = exp(-a (N/1e9)^-u k^-(b (N/1e9)^v))",
        predictor=log_log_mean_sizes,
        inputs=(_K, Input("params", "parameter", "total parameters N", (7e7, 1e11))),
        parameters=(
            _A,
            _B,
            Parameter("u", (0.019, 0.59), pool="tight", meaning="exponent of parameters in a"),
            Parameter("v", (0.019, 0.59), pool="tight", meaning="exponent of parameters in b"),
        ),
        monotone={"params": "increasing", "k": "increasing"},
        published={
            "pythia": Published(
                {"a": 5.2862, "b": 0.29834, "u": 0.12876, "v": 0.10154},
                "least squares in logs on the seven Pythia rows of arXiv:2502.17578",
                "computed",
            )
        },
        golden=(Golden({"k": 100.0, "params": 1e9}, 0.2623, "pythia", rtol=1e-3),),
        limits=(
            Limit("1e9 parameters", "coverage_exp_power", _one_size),
            Limit("one sample: the pass rate of a task", "passuntil_task_law", _one_sample),
        ),
        derived=(
            Derived(
                "samples_half_7B",
                lambda a, b, u, v: samples_needed(0.5, a=a * 7**-u, b=b * 7**v),
                "sample",
                "samples with which 7e9 parameters reach coverage 1/2",
            ),
        ),
        notes="Families are model families on a benchmark; sizes outside the data are extrapolated.",
    ),
}
LAW = VARIANTS[1]
