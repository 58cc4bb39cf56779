"""Error from samples of a filtered, repeated pool (Goyal et al. 2024, arXiv:2404.07177).

Paper and code place the irreducible d differently: this is the formula, `released_code_error` the code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import (
    Derived,
    Golden,
    Input,
    Law,
    Limit,
    Parameter,
    Published,
    Reference,
    positive,
    successes,
)
from bayes_scaling.laws._terms import log_sum_exp, logit_of_log

#: Passes whose exponents are told apart; the last one stands for all that follow.
PASSES = 64
#: Error at which counts are bounded: the sum of powers may leave 1 behind, a proportion may not.
MOST_ERROR = 0.999


def log_mean(samples, pool, *, d, n1, b, tau):
    """Natural log of the expected error after ``samples`` draws from a pool of ``pool`` different ones."""
    return log_sum_exp(jnp.log(d), _log_reducible(samples, pool, _exponents(b, tau), n1))


def log_odds(samples, pool, *, d, n1, b, tau):
    """Logit of the expected error, bounded at 0.999: the sum is higher at few samples only."""
    log_error = log_mean(samples, pool, d=d, n1=n1, b=b, tau=tau)
    return logit_of_log(jnp.minimum(log_error, jnp.log(MOST_ERROR)))


def _exponents(b, tau):
    """Exponent of each pass, shape (..., PASSES + 1)."""
    return jnp.asarray(b)[..., None] * 0.5 ** (jnp.arange(PASSES + 1) / jnp.asarray(tau)[..., None])


def _log_reducible(samples, pool, exponents, n1):
    samples, pool, start = (
        x[..., None] for x in jnp.broadcast_arrays(*map(jnp.asarray, (samples, pool, n1)))
    )
    ends = jnp.minimum(samples, pool * jnp.arange(1, PASSES + 1))
    counts = jnp.concatenate([start, ends, samples], axis=-1)
    return -(exponents * jnp.diff(jnp.log(counts), axis=-1)).sum(axis=-1)


def utility(samples: Any, error: Any, *, d: Any, b: Any) -> Any:
    """Change of the error with one more fresh sample, ``dy/dn = -b (y - d)/n``: the utility of the data."""
    return -b * (error - d) / samples


def mixture_error(samples: Any, pool: Any, *, b: Any, tau: Any, n1: Any, d: Any) -> Any:
    """Expected error on a uniform mixture of pools of equal size, from the pools' own laws.

    Parameters
    ----------
    samples : float or array, shape (...)
        Samples seen.
    pool : float or array, shape (...)
        Different samples in one pool.
    b, tau : array, shape (..., pools)
        Rate of each pool, and its half-life in epochs; mixing stretches the half-life by the number of pools.
    n1, d : float or array, shape (...)
        Shared by all pools of one metric.

    Returns
    -------
    array, shape (...)
        Leading axes broadcast: ``samples`` of shape (plans, 1) against draws of ``b`` of shape (draws, pools)
        and of ``n1`` of shape (draws,) give (plans, draws).
    """
    b, tau = jnp.broadcast_arrays(jnp.asarray(b), jnp.asarray(tau))
    pools = b.shape[-1]
    exponents = _exponents(b, pools * tau).mean(axis=-2)
    return d + jnp.exp(_log_reducible(samples, pools * jnp.asarray(pool), exponents, n1))


def best_pools(samples: Any, pool: Any, *, b: Any, tau: Any, n1: Any, d: Any) -> Any:
    """How many of the best pools to mix for the lowest error at some number of samples.

    Parameters
    ----------
    samples, pool, b, tau, n1, d
        As for `mixture_error`, with the pools in order of quality, best first.

    Returns
    -------
    int array, shape (...)
        From 1 on; leading axes broadcast as there.
    """
    b, tau = jnp.broadcast_arrays(jnp.asarray(b), jnp.asarray(tau))
    errors = [
        mixture_error(samples, pool, b=b[..., :k], tau=tau[..., :k], n1=n1, d=d)
        for k in range(1, b.shape[-1] + 1)
    ]
    return jnp.argmin(jnp.stack(errors, axis=-1), axis=-1) + 1


def in_order(b: Any) -> Any:
    """Draws in which better buckets have the larger rate, as the paper finds.

    Families of a fit are exchangeable, so that their order is no part of its prior. To keep the draws for
    which this is true is the posterior under the same prior cut off where the order is broken, exactly.

    Parameters
    ----------
    b : array, shape (..., pools)
        Rates in order of quality, best first.

    Returns
    -------
    bool array, shape (...)
        Its mean is the posterior probability of the order; ``theta[in_order(b)]`` are the draws that keep it.
    """
    return (jnp.diff(jnp.asarray(b), axis=-1) < 0).all(axis=-1)


def released_code_error(samples: Any, pool: Any, *, d: Any, n1: Any, b: Any, tau: Any) -> Any:
    """Error as the paper's code has it: repeats multiply the first pass with ``d`` included.

    Takes the law's inputs and parameters. It stands here to compare with published fits alone.
    """
    fresh = _log_reducible(jnp.minimum(samples, pool), pool, _exponents(b, tau), n1)
    total = _log_reducible(samples, pool, _exponents(b, tau), n1)
    return (d + jnp.exp(fresh)) * jnp.exp(total - fresh)


def at_reference(a, b, tau, d) -> dict[str, float]:
    """Published ``(a n/1e5)^b + d``, b negative, in this law's coordinates."""
    return {"n1": 1e5 / a, "b": -b, "tau": tau, "d": d}


def _endless(inputs, values):
    there = {"E": values["d"], "A": 1.0, "alpha": values["b"]}
    return inputs, {**values, "tau": 1e20}, {"x": inputs["samples"] / values["n1"]}, there


def _one_pass(inputs, values):
    there = {"E": values["d"], "A": 1.0, "alpha": values["b"]}
    here = {**inputs, "pool": 2 * inputs["samples"]}
    return here, values, {"x": inputs["samples"] / values["n1"]}, there


#: Constant a of the paper, per 1e5 samples, by filter and metric: one for all buckets of a metric.
AMPLITUDES = {
    "tmars_imagenet": 0.022,
    "tmars_18_tasks": 0.033,
    "clip_score_imagenet": 0.021,
    "clip_score_18_tasks": 0.035,
}
_CODE = "arXiv:2404.07177, authors' code"
_EXAMPLE = at_reference(a=0.022, b=-0.131, tau=3.0, d=0.1)

LAW = Law(
    name="qqt_filtering",
    title="Error from samples seen when a filtered pool is repeated",
    equation=(
        "y = d + (n_1/n1)^-b_1 prod_(k>1) (n_k/n_(k-1))^-b_k,  b_k = b 2^(-(k-1)/tau), "
        "n_k = samples seen after pass k"
    ),
    predictor=log_mean,
    predicts=replace(positive("error", "1", centre="none"), scatter=(3e-3, 5e-2)),
    inputs=(
        Input("samples", "sample", "samples seen, repeats counted", (3.2e7, 1e10)),
        Input("pool", "sample", "different samples in the pool", (1e7, 1e9)),
    ),
    parameters=(
        Parameter("d", (0.019, 0.226), "unit", "shared", meaning="irreducible error of the metric"),
        Parameter("n1", (1e6, 1.5e7), unit="sample", pool="shared", meaning="samples at reducible error 1"),
        Parameter("b", (0.067, 0.251), meaning="utility: exponent of fresh samples"),
        Parameter("tau", (1.49, 10.7), unit="epoch", meaning="half-life of the utility under repetition"),
    ),
    floor="d",
    monotone={"samples": "decreasing", "pool": "decreasing"},
    published={
        "example_bucket": Published(_EXAMPLE, _CODE),
        **{key: Published({"n1": 1e5 / a, "d": 0.1}, _CODE) for key, a in AMPLITUDES.items()},
    },
    golden=(
        *(
            Golden({"samples": n, "pool": 12.8e6}, y, "example_bucket")
            for n, y in {3.2e7: 0.8976, 6.4e7: 0.8622, 1.28e8: 0.8469, 6.4e8: 0.8434}.items()
        ),
        *(
            Golden({"samples": n, "pool": 1e9}, y, "example_bucket")
            for n, y in {3.2e7: 0.8744, 6.4e7: 0.8072, 1.28e8: 0.7458, 6.4e8: 0.6230}.items()
        ),
    ),
    limits=(
        Limit("tau -> infinity", "power_law_offset", _endless),
        Limit("one pass", "power_law_offset", _one_pass),
    ),
    derived=(
        Derived(
            "kept_per_pass", lambda tau: 0.5 ** (1 / tau), meaning="factor on the exponent per pass, delta"
        ),
        Derived(
            "fresh_1e9",
            lambda d, n1, b: d + (1e9 / n1) ** -b,
            meaning="error after 1e9 samples that are all different",
        ),
        Derived("a", lambda n1: 1e5 / n1, meaning="constant a of the paper, per 1e5 samples"),
    ),
    reference=Reference(
        "Scaling Laws for Data Filtering: Data Curation cannot be Compute Agnostic",
        "Goyal et al.",
        2024,
        "2404.07177",
    ),
    notes=(
        "A family is a bucket of data by quality; d and n1 belong to the metric and are shared; published "
        "are those of buckets of T-MARS and of CLIP scores, on ImageNet and on 18 tasks. "
        "Better buckets have a larger b. The code of "
        "the paper puts d inside the product over passes, unlike its formula; the formula is used here, and "
        "`released_code_error` is the other. Beyond 64 passes the utility of the last one goes on. Repeats "
        "decay the exponent here, the amount of data in data_constrained. `mixture_error` predicts pools "
        "that were fitted apart, `best_pools` picks how many. The rule of the best buckets is that filtering "
        "hard pays at few samples."
    ),
)

VARIANTS = {
    1: LAW,
    2: replace(
        LAW,
        title="Wrong answers from samples seen when a filtered pool is repeated",
        predictor=log_odds,
        predicts=successes("n_wrong", "n_samples", link="logit"),
        floor="",
        golden=(
            Golden({"samples": 3.2e7, "pool": 12.8e6}, 0.8976, "example_bucket"),
            Golden({"samples": 6.4e8, "pool": 1e9}, 0.6230, "example_bucket"),
        ),
        limits=(),
        notes=(
            "Variant 1 with a known number of items, beta-binomial. An error above 0.999, which the sum of "
            "powers reaches at few samples, is bounded there. Models that answer the same items scatter less "
            "than the counts say; for those give variant 1 a standard error."
        ),
    ),
}
