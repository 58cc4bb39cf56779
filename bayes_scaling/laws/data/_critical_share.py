"""From losses along continual pretraining to the largest share of domain data (arXiv:2407.17467)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.laws._roots import increasing_root

#: Tokens of continual pretraining at which constants are stated.
T0 = 2e10


def turning_tokens(
    weight: Any, *, drop: Any, s1: Any, rise: Any, s2: Any, fall: Any, gap: Any
) -> Any:  # fmt: skip
    """Tokens after which domain and weighted general loss fall together, the feasibility condition.

    The last root of ``d/dT (dL_dom + weight dL_gen) = 0``, with exact derivatives: before it the general
    loss rises faster than the domain loss falls. As ``weight`` grows it is the peak of the general loss.

    Parameters
    ----------
    weight : float or array
        Lagrange multiplier lambda of the general loss.
    drop, s1 : float or array
        Domain loss at the same ratio, variant 5: ``dL_dom = a1 t^s1 + b1`` with ``t = T/T0``,
        ``drop = -a1 s1 > 0`` and the exponent, of either sign.
    rise, s2, fall, gap : float or array
        Coefficients of the general loss, variant 2; see `loss_change`.

    Returns
    -------
    array
        Tokens; NaN where the sum falls throughout, so that it has no such root.
    """
    return jnp.vectorize(_turning)(weight, drop, s1, rise, s2, fall, gap)


def _turning(weight, drop, s1, rise, s2, fall, gap):
    # Over t^(s2 - 1) the condition is A t^p + B t^q = c: a log-sum-exp in log t, increasing up to infinity.
    log_A, p = jnp.log(weight * fall * (s2 + gap)), gap
    log_B, q = jnp.log(drop), s1 - s2
    log_c = jnp.log(weight * rise * s2)

    def excess(u):
        return jnp.logaddexp(log_A + p * u, log_B + q * u) - log_c

    high = (log_c - log_A) / p
    # for q < 0 the sum is lowest in between; else both terms are below c/2 at some point
    falling = q < 0
    lowest = (log_B + jnp.log(jnp.where(falling, -q, 1.0)) - log_A - jnp.log(p)) / (p - jnp.minimum(q, 0.0))
    half = log_c - jnp.log(2.0)
    below = jnp.minimum((half - log_A) / p, (half - log_B) / jnp.maximum(q, 1e-3))
    low = jnp.where(falling, lowest, below)
    exists = (excess(low) < 0) & (low < high)
    low = jnp.where(exists, low, high - 1.0)
    root = increasing_root(excess, low, high)
    return jnp.where(exists, T0 * jnp.exp(root), jnp.nan)


def tolerated_share(tolerance: Any, *, alpha: Any, s: Any, offset: Any = 0.0) -> Any:
    """Share of domain data at which the general loss ``alpha R^s + beta`` has risen by a tolerance.

    Parameters
    ----------
    tolerance : float or array
        Rise that is put up with (nat/token); 0.05 in the paper.
    alpha, s : float or array
        Positive coefficients of the general loss at the end of training: variant 4, by `rise_amplitude`.
    offset : float or array
        ``beta`` less the general loss before continual pretraining, from which the paper counts the rise; by
        default it counts from the loss without domain data.

    Returns
    -------
    array
        From 0, where nothing is tolerated, to 1.
    """
    left = jnp.maximum((tolerance - jnp.asarray(offset)) / alpha, 0.0)
    return jnp.minimum(left ** (1 / s), 1.0)


def critical_share(tokens: Any, shares: Any, turning: Any, tolerated: Any = 1.0) -> Any:
    """Critical mixture ratio: the largest share that is tolerated and turns within the tokens at hand.

    Parameters
    ----------
    tokens : float or array, shape (...)
        Tokens of the planned continual pretraining.
    shares : array, shape (..., shares)
        Shares of domain data that were tried, increasing along the last axis.
    turning : array, shape (..., shares)
        `turning_tokens` of each, in any order; in between, their logs are linear in the share. NaN, where the
        losses fall throughout, is feasible with any tokens; between it and a share that turns too late
        nothing is known, and the former counts.
    tolerated : float or array, shape (...)
        From `tolerated_share`.

    Returns
    -------
    array, shape (...)
        At most the largest share tried. NaN where no share is feasible: all that are tolerated turn too late.
        Where not even the smallest share tried is tolerated, ``tolerated`` itself if that smallest share
        turns in time: less of the domain is taken to turn no later.
    """
    shares, turning = jnp.broadcast_arrays(jnp.asarray(shares, float), jnp.asarray(turning, float))
    limit = jnp.asarray(tolerated, float)[..., None]
    at_once = jnp.isnan(turning)
    late = jnp.log(jnp.where(at_once, 1.0, turning)) - jnp.log(jnp.asarray(tokens, float))[..., None]
    in_time = at_once | (late <= 0)
    found = jnp.where(in_time & (shares <= limit), shares, -jnp.inf).max(axis=-1)
    # between neighbours, up to the limit or to where the line reaches the tokens at hand
    (left, right), (low, high) = (shares[..., :-1], shares[..., 1:]), (late[..., :-1], late[..., 1:])
    known = ~(at_once[..., :-1] | at_once[..., 1:])
    end = jnp.minimum(right, limit)
    slope = (high - low) / (right - left)
    whole = (in_time[..., :-1] & in_time[..., 1:]) | (known & (low + slope * (end - left) <= 0))
    crossing = jnp.where(known & (low <= 0), left - low / jnp.where(slope == 0, 1.0, slope), -jnp.inf)
    inside = jnp.where(left <= limit, jnp.where(whole, end, crossing), -jnp.inf)
    found = jnp.maximum(found, inside.max(axis=-1, initial=-jnp.inf))
    smallest = jnp.where(in_time[..., 0] & (shares[..., 0] > limit[..., 0]), limit[..., 0], -jnp.inf)
    found = jnp.maximum(found, smallest)
    return jnp.where(jnp.isfinite(found), found, jnp.nan)
