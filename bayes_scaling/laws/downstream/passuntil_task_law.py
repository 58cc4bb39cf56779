"""Pass rate of a task from model size (Hu et al. 2023, arXiv:2310.03262).

The ratio of passes to draws, which an early version calls unbiased, is the maximum of the likelihood and
biased upwards: `pass_rate` is the unbiased estimate.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws._terms import log_power


def log_log_mean(params, *, c, alpha):
    """``F = log(-log PU)`` of the pass rate ``PU = exp(-c x^-alpha)``."""
    return log_power(c, alpha, params)


def log_log_mean_curved(params, *, c, alpha, curvature):
    """``F`` with a quadratic term: the test for accelerated emergence."""
    return log_power(c, alpha, params) + curvature * jnp.log(params) ** 2


def log_log_mean_steps(params: Any, *, c: Any, alpha: Any) -> Any:
    """``F`` of a task that takes several steps, each passed by its own task law.

    The pass rate is the product over steps, so ``F`` is a log-sum-exp of lines in log N: always convex.

    Parameters
    ----------
    params : float or array, shape (...)
    c, alpha : array, shape (steps,)
    """
    return jax.nn.logsumexp(log_power(c, alpha, jnp.asarray(params)[..., None]), axis=-1)


def set_rate(params: Any, *, c: Any, alpha: Any) -> Any:
    """Pass rate of a set of items, the mean of the items' laws, which is not itself of that form.

    Parameters
    ----------
    params : float or array, shape (...)
    c, alpha : array, shape (items,)
        Coefficients of the items, at the unit in which ``params`` is given.
    """
    return jnp.exp(-jnp.exp(log_power(c, alpha, jnp.asarray(params)[..., None]))).mean(axis=-1)


def rate_from_loss(loss: Any, *, shift: Any = 0.0, slope: Any = 1.0) -> Any:
    """Pass rate of an item that was never passed, ``exp(shift - slope loss)`` and at most 1.

    Fit shift and slope on items that were passed, extrapolate the loss of the reference answer by
    `power_law_offset`, and put its draws in here. With the loss summed over the answer's tokens the defaults
    are the probability of that very answer. The link is this package's; the paper regresses in two stages.
    """
    return jnp.exp(jnp.minimum(shift - slope * jnp.asarray(loss), 0.0))


def circuits(params: Any, *, c: Any, alpha: Any) -> Any:
    """Pass rate of a model with several circuits for one task, joined by a soft vote.

    Parameters
    ----------
    params : float or array, shape (...)
    c, alpha : array, shape (circuits,)

    Returns
    -------
    array, shape (...)
        ``sum_i w_i P_i`` with ``P_i = exp(-c_i x^-alpha_i)`` and ``w = softmax(P)``; it has stretches of
        accelerated emergence. That the softmax is of the rates is recalled, not checked.
    """
    rate = jnp.exp(-jnp.exp(log_power(c, alpha, jnp.asarray(params)[..., None])))
    return (jax.nn.softmax(rate, axis=-1) * rate).sum(axis=-1)


def pass_rate(passes: Any, draws: Any, stop: int = 2) -> np.ndarray:
    """Unbiased estimate of the pass rate from samples drawn until ``stop`` of them pass.

    Parameters
    ----------
    passes, draws : int or array
        Passes seen and samples drawn, on each problem.
    stop : int, default 2
        Passes after which drawing stops; problems with fewer passes ran into the limit of draws.

    Returns
    -------
    array
        ``(stop - 1)/(draws - 1)`` where drawing stopped by itself, ``passes/draws`` where it hit the limit:
        unbiased for any limit. The ratio ``passes/draws`` throughout, as published, is the maximum of the
        likelihood and biased upwards.

    Raises
    ------
    ValueError
        If ``stop`` is below 2, for which there is no unbiased estimate but "passed at once".
    """
    if stop < 2:
        raise ValueError(f"pass_rate needs samples drawn until at least 2 pass, found stop={stop}")
    passes, draws = np.asarray(passes), np.asarray(draws)
    return np.where(passes >= stop, (stop - 1) / np.maximum(draws - 1, 1), passes / draws)


def log_likelihood(log_rate: Any, passes: Any, draws: Any, stop: int = 2) -> Any:
    """Log probability of what was seen, drawing until ``stop`` passes or a limit of draws.

    Parameters
    ----------
    log_rate : float or array
        ``log PU``, negative; for the law it is ``-exp(F)``.
    passes, draws : int or array
        As for `pass_rate`.
    stop : int, default 2

    Returns
    -------
    array
        Negative binomial where drawing stopped, binomial where it ran into the limit. Both are a constant
        away from the binomial of ``passes`` in ``draws``, so counts may go into a fit as they are.
    """
    # the last draw of a stopped series is a pass, so only the others can be arranged
    other = jnp.where(jnp.asarray(passes) >= stop, 1.0, 0.0)
    ways = gammaln(draws - other + 1) - gammaln(passes - other + 1) - gammaln(draws - passes + 1.0)
    return ways + passes * log_rate + (draws - passes) * jnp.log(-jnp.expm1(log_rate))


def emergence(params: Any, rate: Any) -> np.ndarray:
    """Second derivative of ``F = log(-log PU)`` in log N, by which the paper defines emergence.

    Parameters
    ----------
    params : array, shape (sizes,)
        At least three different sizes, increasing.
    rate : array, shape (..., sizes)
        Pass rates between 0 and 1.

    Returns
    -------
    array, shape (..., sizes - 2)
        Twice the second divided difference at each inner size. Negative: super-scaling growth, accelerated
        emergence. Zero: the scaling law. Positive: sub-scaling growth.
    """
    x, F = np.log(params), np.log(-np.log(rate))
    slope = np.diff(F, axis=-1) / np.diff(x)
    return 2 * np.diff(slope, axis=-1) / (x[2:] - x[:-2])


_law = partial(
    Law,
    name="passuntil_task_law",
    # at a pass rate of 1e-3 log PU scatters by 0.1 to 2, and so F by 0.015 to 0.3
    predicts=replace(successes("n_correct", "n_samples", link="loglog"), overdispersion=(1e-5, 4e-3)),
    inputs=(Input("params", "parameter", "non-embedding parameters", (3e7, 1e11), centre="data"),),
    reference=Reference(
        "Predicting Emergent Abilities with Infinite Resolution Evaluation", "Hu et al.", 2023, "2310.03262"
    ),
)

_SHARED = (
    Parameter(
        "c", (1.35, 36.3), pool="separate", unit="nat", meaning="-log of the pass rate at the typical size N0"
    ),
    Parameter("alpha", (0.112, 0.805), meaning="task exponent"),
)

_ARITHMETIC = {"c": 5.0, "alpha": 0.3}

VARIANTS = {
    1: _law(
        title="Pass rate of a task from parameters",
        equation="PU = exp(-c (N/N0)^-alpha)",
        predictor=log_log_mean,
        parameters=_SHARED,
        monotone={"params": "increasing"},
        golden=tuple(
            Golden({"params": N}, value, _ARITHMETIC, rtol=2e-3)
            for N, value in {0.03: 6.06e-7, 0.1: 4.65e-5, 0.5: 2.12e-3, 1.5: 1.195e-2, 2.4: 2.14e-2}.items()
        ),
        limits=(
            Limit(
                "the response is -log PU",
                "power_law",
                lambda inputs, v: (inputs, v, {"x": inputs["params"]}, {"A": v["c"], "alpha": v["alpha"]}),
            ),
        ),
        derived=(
            Derived("rate", lambda c: jnp.exp(-c), meaning="pass rate at N0"),
            Derived(
                "size_half",
                lambda c, alpha: jnp.log10(c / jnp.log(2.0)) / alpha,
                "decade",
                "size at which half of the samples pass, from N0",
            ),
        ),
        notes=(
            "Only for tasks that guessing cannot pass. A family is an item or a task: the mean of item laws "
            "is not of this form, so give a row per item, or per task of like items. Rows count passes "
            "out of draws; `log_likelihood` says why drawing until a number of passes changes nothing in a "
            "fit. An early version calls its passes/draws unbiased, which it is not; `pass_rate` is. "
            "c grows with the length of the answer. `set_rate` averages items; `rate_from_loss` is for items "
            "that were never passed. The paper hits HumanEval at 2.4e9 parameters to 0.05 % (0.05987 of "
            "0.05990), Date Understanding to 1.7 %, Emoji Movie to 19 %; its coefficients are not printed. "
            "Runs scatter by a beta-binomial whose prior is narrower than that of other counts, for rates of "
            "1e-3: with it, as with the half-normal(0.1) of log(-log PU), log PU scatters by about 0.5 there."
        ),
    ),
    2: _law(
        title="Pass rate of a task with curvature: the test for accelerated emergence",
        equation="log(-log PU) = log c - alpha log(N/N0) + curvature log(N/N0)^2",
        predictor=log_log_mean_curved,
        parameters=(
            *_SHARED,
            Parameter("curvature", (-0.082, 0.082), "real", "tight", meaning="half of d2F/d(log N)^2"),
        ),
        limits=(
            Limit(
                "curvature = 0",
                "passuntil_task_law",
                lambda inputs, v: (
                    inputs,
                    {**v, "curvature": 0.0},
                    inputs,
                    {"c": v["c"], "alpha": v["alpha"]},
                ),
            ),
        ),
        derived=(
            Derived(
                "emergence",
                lambda curvature: 2 * curvature,
                meaning="d2F/d(log N)^2: below 0 accelerated emergence, 0 the scaling law, above 0 slower",
            ),
            Derived(
                "accelerated",
                lambda curvature: jnp.where(curvature < 0, 1.0, 0.0),
                meaning="1 if emergence is accelerated; average it",
            ),
        ),
        notes=(
            "A task of many steps has positive curvature (`log_log_mean_steps`), so steps cannot explain "
            "negative curvature; several circuits can (`circuits`). Not for extrapolation: a parabola turns."
        ),
    ),
}
LAW = VARIANTS[1]
