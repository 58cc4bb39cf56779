"""Coverage of repeated sampling from how hard problems are (Schaeffer et al. 2025, arXiv:2502.17578)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betaln, gammaln, logsumexp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws.inference.coverage_exp_power import pass_at_k

#: Ends of the grid in the logit of a success rate over ``top``, and its step; beyond the ends the density of
#: the beta distribution is a geometric series. The trapezoid rule's error is below 1e-8 at this step.
REACH, STEP = 24.0, 0.5
#: Step for likelihoods: thousands of attempts pin a success rate to a narrow peak.
FINE = 0.02


def _weights(alpha: Any, beta: Any, step: float) -> tuple[Any, Any]:
    """Log probabilities of the nodes, last axis, and the success rates over ``top`` there."""
    t = np.arange(-REACH, REACH + step / 2, step)
    alpha, beta = jnp.asarray(alpha)[..., None], jnp.asarray(beta)[..., None]
    log_w = -alpha * np.logaddexp(0, -t) - beta * np.logaddexp(0, t)
    tails = -jnp.log(-jnp.expm1(-step * jnp.concatenate(jnp.broadcast_arrays(alpha, beta), axis=-1)))
    log_w = log_w.at[..., 0].add(tails[..., 0]).at[..., -1].add(tails[..., 1])
    return log_w - logsumexp(log_w, axis=-1, keepdims=True), 1 / (1 + np.exp(-t))


def log_log_mean(k, *, alpha, beta, top):
    """``log(-log c)`` of the coverage ``c = 1 - E (1-p)^k``."""
    log_w, x = _weights(alpha, beta, STEP)
    log_miss = k * jnp.log1p(-top * x)
    missed = jnp.exp(log_w + log_miss).sum()
    solved = (jnp.exp(log_w) * -jnp.expm1(log_miss)).sum()
    # each of the two sums is exact to rounding where it is the smaller one
    nats = jnp.where(solved < 0.5, -jnp.log(solved), -jnp.log1p(-jnp.minimum(missed, 0.6)))
    return jnp.log(nats)


def log_moment(solved: Any, failed: Any, *, alpha: Any, beta: Any, top: Any) -> Any:
    """``log E p^solved (1-p)^failed`` with ``p = top * Beta(alpha, beta)``; all arguments broadcast.

    It is the log likelihood of a problem whose attempts came in a known order: ``log_moment(1, t - 1)`` for
    sampling that stopped at its first success in attempt t, ``log_moment(0, cap)`` where it was broken off.
    """
    solved, failed, alpha, beta, top = jnp.broadcast_arrays(
        *(jnp.asarray(a, float) for a in (solved, failed, alpha, beta, top))
    )
    log_w, x = _weights(alpha, beta, FINE)
    solved, failed, top = solved[..., None], failed[..., None], top[..., None]
    return logsumexp(log_w + solved * jnp.log(top * x) + failed * jnp.log1p(-top * x), axis=-1)


def log_likelihood(successes: Any, attempts: Any, *, alpha: Any, beta: Any, top: Any) -> Any:
    """Log probability of ``successes`` in ``attempts`` on one problem; beta-binomial if ``top`` is one."""
    s, n = jnp.asarray(successes, float), jnp.asarray(attempts, float)
    choose = gammaln(n + 1) - gammaln(s + 1) - gammaln(n - s + 1)
    return choose + log_moment(s, n - s, alpha=alpha, beta=beta, top=top)


def coverage_of(attempts: Iterable[int], successes: Iterable[int], k: int) -> float:
    """Unbiased coverage at ``k`` samples: mean of `pass_at_k` over problems.

    Raises
    ------
    ValueError
        If a problem has fewer than ``k`` attempts, or more successes than attempts.
    """
    return float(np.mean([pass_at_k(n, s, k) for n, s in zip(attempts, successes, strict=True)]))


def tail_amplitude(alpha: Any, beta: Any, top: Any) -> Any:
    """``a`` of the asymptote ``-log c = a k^-alpha``."""
    return jnp.exp(gammaln(alpha + beta) - gammaln(beta) - alpha * jnp.log(top))


def _many_samples(inputs, values):
    """The asymptote needs ``k top >> 1``, and a coverage near one, which light tails reach soonest."""
    here = {**values, "alpha": 2 + values["alpha"]}
    k = 1e7 / values["top"] * max(1.0, values["beta"] / 10)
    there = {"a": float(tail_amplitude(**here)), "b": here["alpha"]}
    return {"k": k}, here, {"k": k}, there


LAW = Law(
    name="pass_at_k_mixture",
    title="Coverage of repeated sampling, from the spread of difficulty",
    equation="c(k) = 1 - E (1 - p)^k,  p ~ top Beta(alpha, beta);  -log c -> a k^-alpha",
    predictor=log_log_mean,
    predicts=successes(name="n_correct", trials="n_samples", link="loglog"),
    inputs=(Input("k", "sample", "samples per problem", (1.0, 1e4)),),
    parameters=(
        Parameter("alpha", (0.146, 0.758), meaning="exponent of the density of hard problems, plus one"),
        Parameter("beta", (0.525, 14.1), pool="separate", meaning="exponent of easy problems"),
        Parameter("top", (0.03, 0.81), "unit", "separate", meaning="success rate of the easiest problem"),
    ),
    monotone={"k": "increasing"},
    golden=(
        Golden({"k": 1e4}, 1 - 0.093112, {"alpha": 0.3, "beta": 4.0, "top": 1.0}, rtol=1e-6),
        # E p = top alpha / (alpha + beta)
        Golden({"k": 1.0}, 0.1 * 0.15 / 3.65, {"alpha": 0.15, "beta": 3.5, "top": 0.1}, rtol=1e-6),
        # uniform on (0, B): (1 - (1-B)^(k+1)) / (B (k+1)) is missed
        Golden({"k": 9.0}, 1 - (1 - 0.8**10) / 2, {"alpha": 1.0, "beta": 1.0, "top": 0.2}, rtol=1e-6),
    ),
    limits=(Limit("k -> infinity", "coverage_exp_power", _many_samples, atol=2e-3),),
    derived=(
        Derived(
            "accuracy",
            lambda alpha, beta, top: top * alpha / (alpha + beta),
            meaning="success rate of one sample",
        ),
        Derived("a", tail_amplitude, "nat", "amplitude of -log c = a k^-alpha at large k"),
        Derived(
            "below_1_in_1e4",
            lambda alpha, beta, top: share_below(1e-4, alpha=alpha, beta=beta, top=top),
            meaning="share of problems with a success rate below 1e-4",
        ),
    ),
    reference=Reference(
        "How Do Large Language Monkeys Get Their Power (Laws)?", "Schaeffer et al.", 2025, "2502.17578"
    ),
    notes=(
        "A family is a model on a benchmark. The exponent of coverage in samples is the exponent of the "
        "density of success rates near zero, plus one, so counts per problem estimate it far better than a "
        "curve: log_likelihood is that of one problem. alpha is about 0.27 to 0.40 in the paper. A share of "
        "problems that nothing solves is left out: unless attempts number many times 1/p it cannot be told "
        "from a small alpha."
    ),
)


def share_below(rate: Any, *, alpha: Any, beta: Any, top: Any) -> Any:
    """Share of problems with a success rate below ``rate``, which is far below ``top`` (leading order)."""
    return jnp.exp(alpha * jnp.log(rate / top) - jnp.log(alpha) - betaln(alpha, beta))
