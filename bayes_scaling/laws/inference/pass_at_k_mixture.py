"""Coverage of repeated sampling from how hard problems are (Schaeffer et al. 2025, arXiv:2502.17578)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betaln, gammaln, logsumexp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws._terms import laplace_amplitude, log_sum_exp
from bayes_scaling.laws.inference.coverage_exp_power import pass_at_k

#: How success rates over ``top`` are distributed: both have the exponents ``alpha`` at zero, ``beta`` at one.
Difficulty = Literal["beta", "kumaraswamy"]

#: Ends of the grid in the logit of a success rate over ``top``, and its step; beyond the ends the density of
#: the beta distribution is a geometric series. The trapezoid rule's error is below 1e-8 at this step.
REACH, STEP = 24.0, 0.5
#: Step for likelihoods: thousands of attempts pin a success rate to a narrow peak.
FINE = 0.02


def _weights(alpha: Any, beta: Any, step: float, difficulty: Difficulty = "beta") -> tuple[Any, Any]:
    """Log probabilities of the nodes, last axis, and the success rates over ``top`` there."""
    t = np.arange(-REACH, REACH + step / 2, step)
    log_x, log_rest = -np.logaddexp(0, -t), -np.logaddexp(0, t)
    alpha, beta = jnp.broadcast_arrays(jnp.asarray(alpha)[..., None], jnp.asarray(beta)[..., None])
    if difficulty == "beta":
        log_w = alpha * log_x + beta * log_rest
        low = -jnp.log(-jnp.expm1(-step * alpha))
    else:
        log_w = alpha * log_x + log_rest + (beta - 1) * jnp.log(-jnp.expm1(alpha * log_x))
        # no geometric series: the exact mass below the first node (Euler and Maclaurin)
        first = jnp.exp(alpha * log_x[0])
        below = -jnp.expm1(beta * jnp.log1p(-first)) / (alpha * beta * step)
        rise = alpha * (1 - (beta - 1) * first / (1 - first))
        low = jnp.log(below * jnp.exp(-log_w[..., :1]) + 0.5 + step * rise / 12)
    high = -jnp.log(-jnp.expm1(-step * beta))
    log_w = log_w.at[..., 0].add(low[..., 0]).at[..., -1].add(high[..., 0])
    return log_w - logsumexp(log_w, axis=-1, keepdims=True), 1 / (1 + np.exp(-t))


def _log_log(k, log_w, x, top):
    """``log(-log c)`` of ``c = 1 - E (1 - top x)^k``."""
    log_miss = k * jnp.log1p(-top * x)
    missed = jnp.exp(log_w + log_miss).sum()
    solved = (jnp.exp(log_w) * -jnp.expm1(log_miss)).sum()
    # each of the two sums is exact to rounding where it is the smaller one
    nats = jnp.where(solved < 0.5, -jnp.log(solved), -jnp.log1p(-jnp.minimum(missed, 0.6)))
    return jnp.log(nats)


def log_log_mean(k, *, alpha, beta, top):
    """``log(-log c)`` of the coverage ``c = 1 - E (1-p)^k``."""
    return _log_log(k, *_weights(alpha, beta, STEP), top)


def log_log_mean_unsolvable(k, *, alpha, beta, top, unsolvable):
    """The same if nothing solves a share of the problems."""
    solvable = log_log_mean(k, alpha=alpha, beta=beta, top=top)
    return log_sum_exp(solvable, jnp.log(-jnp.log1p(-unsolvable)))


def log_log_mean_kumaraswamy(k, *, alpha, beta, top):
    """The same as `log_log_mean` with Kumaraswamy's distribution of difficulty."""
    return _log_log(k, *_weights(alpha, beta, STEP, "kumaraswamy"), top)


def log_moment(
    solved: Any, failed: Any, *, alpha: Any, beta: Any, top: Any, difficulty: Difficulty = "beta"
) -> Any:
    """``log E p^solved (1-p)^failed`` with ``p`` of the law, ``top`` times a beta; all arguments broadcast.

    It is the log likelihood of a problem whose attempts came in a known order: ``log_moment(1, t - 1)`` for
    sampling that stopped at its first success in attempt t, ``log_moment(0, cap)`` where it was broken off.
    """
    solved, failed, alpha, beta, top = jnp.broadcast_arrays(
        *(jnp.asarray(a, float) for a in (solved, failed, alpha, beta, top))
    )
    log_w, x = _weights(alpha, beta, FINE, difficulty)
    solved, failed, top = solved[..., None], failed[..., None], top[..., None]
    return logsumexp(log_w + solved * jnp.log(top * x) + failed * jnp.log1p(-top * x), axis=-1)


def log_likelihood(
    successes: Any,
    attempts: Any,
    *,
    alpha: Any,
    beta: Any,
    top: Any,
    unsolvable: Any = 0.0,
    difficulty: Difficulty = "beta",
) -> Any:
    """Log probability of ``successes`` in ``attempts`` on one problem; all arguments broadcast.

    Beta-binomial with the beta distribution, ``top = 1`` and no share of the problems ``unsolvable``.
    """
    s, n = jnp.asarray(successes, float), jnp.asarray(attempts, float)
    choose = gammaln(n + 1) - gammaln(s + 1) - gammaln(n - s + 1)
    seen = choose + log_moment(s, n - s, alpha=alpha, beta=beta, top=top, difficulty=difficulty)
    seen = seen + jnp.log1p(-unsolvable)
    return jnp.where(s > 0, seen, jnp.logaddexp(seen, jnp.log(unsolvable)))


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
    return laplace_amplitude(jnp.exp(-betaln(alpha, beta)) * top**-alpha, alpha)


def tail_amplitude_kumaraswamy(alpha: Any, beta: Any, top: Any) -> Any:
    """The same for Kumaraswamy's distribution."""
    return laplace_amplitude(alpha * beta * top**-alpha, alpha)


def missed_uniform(k: Any, low: Any, high: Any) -> Any:
    """Share missed by k samples, ``E (1-p)^k``, if p is uniform; exponential in k unless ``low`` is zero."""
    return ((1 - low) ** (k + 1) - (1 - high) ** (k + 1)) / ((high - low) * (k + 1))


def _many_samples(inputs, values):
    """The asymptote needs ``k top >> 1``, and a coverage near one, which light tails reach soonest."""
    here = {**values, "alpha": 2 + values["alpha"]}
    k = 1e7 / values["top"] * max(1.0, values["beta"] / 10)
    there = {"a": float(tail_amplitude(**here)), "b": here["alpha"]}
    return {"k": k}, here, {"k": k}, there


def share_below(rate: Any, *, alpha: Any, beta: Any, top: Any) -> Any:
    """Share of problems with a success rate below ``rate``, which is far below ``top`` (leading order)."""
    return jnp.exp(alpha * jnp.log(rate / top) - jnp.log(alpha) - betaln(alpha, beta))


def _all_solvable(inputs, values):
    there = {name: values[name] for name in ("alpha", "beta", "top")}
    return inputs, {**values, "unsolvable": 1e-30}, inputs, there


def _power(inputs, values):
    """With ``beta = 1`` both distributions are a power of a uniform number."""
    here = {**values, "beta": 1.0}
    return inputs, here, inputs, here


_law = partial(
    Law,
    name="pass_at_k_mixture",
    predicts=successes(name="n_correct", trials="n_samples", link="loglog"),
    inputs=(Input("k", "sample", "samples per problem", (1.0, 1e4)),),
    monotone={"k": "increasing"},
    reference=Reference(
        "How Do Large Language Monkeys Get Their Power (Laws)?", "Schaeffer et al.", 2025, "2502.17578"
    ),
)
_SHARED = (
    Parameter("alpha", (0.146, 0.758), meaning="exponent of the density of hard problems, plus one"),
    Parameter("beta", (0.525, 14.1), pool="separate", meaning="exponent of easy problems"),
    Parameter("top", (0.03, 0.81), "unit", "separate", meaning="success rate of the easiest problem"),
)
_ACCURACY = Derived(
    "accuracy", lambda alpha, beta, top: top * alpha / (alpha + beta), meaning="success rate of one sample"
)

VARIANTS = {
    1: _law(
        checked_on=("language_monkeys",),
        title="Coverage of repeated sampling, from the spread of difficulty",
        equation="c(k) = 1 - E (1 - p)^k,  p ~ top Beta(alpha, beta);  -log c -> a k^-alpha",
        predictor=log_log_mean,
        parameters=_SHARED,
        golden=(
            Golden({"k": 1e4}, 1 - 0.093112, {"alpha": 0.3, "beta": 4.0, "top": 1.0}, rtol=1e-6),
            # E p = top alpha / (alpha + beta)
            Golden({"k": 1.0}, 0.1 * 0.15 / 3.65, {"alpha": 0.15, "beta": 3.5, "top": 0.1}, rtol=1e-6),
            # uniform on (0, B): (1 - (1-B)^(k+1)) / (B (k+1)) is missed
            Golden({"k": 9.0}, 1 - (1 - 0.8**10) / 2, {"alpha": 1.0, "beta": 1.0, "top": 0.2}, rtol=1e-6),
        ),
        limits=(Limit("k -> infinity", "coverage_exp_power", _many_samples, atol=2e-3),),
        derived=(
            _ACCURACY,
            Derived("a", tail_amplitude, "nat", "amplitude of -log c = a k^-alpha at large k"),
            Derived(
                "below_1_in_1e4",
                lambda alpha, beta, top: share_below(1e-4, alpha=alpha, beta=beta, top=top),
                meaning="share of problems with a success rate below 1e-4",
            ),
        ),
        notes=(
            "A family is a model on a benchmark. The exponent of coverage in samples is the exponent of the "
            "density of success rates near zero, plus one, so counts per problem estimate it far better than "
            "a curve, with a tenth of the error in the paper: log_likelihood is that of one problem. alpha "
            "is about 0.27 to 0.40 in the paper. The asymptote holds where coverage is near one."
        ),
    ),
    2: _law(
        title="Coverage of repeated sampling, some problems unsolvable",
        equation="c(k) = (1 - unsolvable) (1 - E (1 - p)^k),  p ~ top Beta(alpha, beta)",
        predictor=log_log_mean_unsolvable,
        parameters=(
            *_SHARED,
            Parameter("unsolvable", (0.0057, 0.283), "unit", "separate", meaning="share of such problems"),
        ),
        limits=(Limit("all problems are solvable", "pass_at_k_mixture", _all_solvable),),
        derived=(
            Derived(
                "accuracy",
                lambda alpha, beta, top, unsolvable: (1 - unsolvable) * top * alpha / (alpha + beta),
                meaning="success rate of one sample",
            ),
        ),
        notes=(
            "Problems that nothing solves and a small alpha look alike unless attempts number many times "
            "1/p: then the posterior of the share is its prior."
        ),
    ),
    3: _law(
        title="Coverage of repeated sampling, Kumaraswamy's spread of difficulty",
        equation="c(k) = 1 - E (1 - p)^k,  p ~ top Kumaraswamy(alpha, beta);  -log c -> a k^-alpha",
        predictor=log_log_mean_kumaraswamy,
        parameters=_SHARED,
        limits=(Limit("beta = 1", "pass_at_k_mixture", _power),),
        derived=(
            Derived("a", tail_amplitude_kumaraswamy, "nat", "amplitude of -log c = a k^-alpha at large k"),
        ),
        notes="The paper's alternative to the beta distribution, a power law at both ends too.",
    ),
}
LAW = VARIANTS[1]
