"""Losses and critical mixture ratio of continual pretraining (Gu et al. 2024, arXiv:2407.17467).

The paper equates T = 250 with 5e11 tokens, against its own unit of 2e8 tokens, by which it is 5e10; tokens
are counted here. Its unbounded law of the critical ratio is put on the logit.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import (
    Derived,
    Golden,
    Input,
    Law,
    Parameter,
    Published,
    Reference,
    Response,
    loss,
    real,
)
from bayes_scaling.laws._roots import increasing_root
from bayes_scaling.laws._terms import log_bounded

#: Share of domain data, tokens of continual pretraining and parameters at which constants are stated.
R0, T0, S0 = 0.5, 2e10, 1e9


def log_domain_loss(share, *, level, slope, s):
    """Natural log of ``alpha R^s + beta``: the level and the fall per e-fold of R are stated at R0."""
    return log_bounded(level - slope / s * jnp.expm1(s * jnp.log(share / R0)))


def loss_change(tokens, *, offset, rise, s2, fall, gap):
    """Change of the general loss: forgetting first, then recovery."""
    log_t = jnp.log(tokens / T0)
    return offset + rise * jnp.exp(s2 * log_t) - fall * jnp.exp((s2 + gap) * log_t)


def log_odds_critical(params, tokens, *, u0, u1, u2):
    """Logit of the critical mixture ratio."""
    return u0 + u1 * jnp.log(tokens / T0) + u2 * jnp.log(params / S0)


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
        Domain loss at the same ratio, ``dL_dom = a1 t^s1 + b1`` with ``t = T/T0``: ``drop = -a1 s1 > 0`` and
        the exponent, of either sign.
    rise, s2, fall, gap : float or array
        Coefficients of the general loss, see `loss_change`.

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


def tolerated_share(tolerance: Any, *, alpha: Any, s: Any) -> Any:
    """Share of domain data at which the general loss ``alpha R^s + beta`` has risen by a tolerance.

    Parameters
    ----------
    tolerance : float or array
        Rise above the loss without domain data that is put up with (nat/token); 0.05 in the paper.
    alpha, s : float or array
        Positive coefficients of the general loss at the end of training.
    """
    return jnp.minimum((tolerance / alpha) ** (1 / s), 1.0)


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


def at_reference(alpha, s, beta) -> dict[str, float]:
    """Published ``alpha R^s + beta`` of the domain loss, alpha negative, in this law's coordinates."""
    return {"level": alpha * R0**s + beta, "slope": -alpha * s * R0**s, "s": s}


def peak_tokens(*, rise, s2, fall, gap):
    """Tokens at which the general loss is highest."""
    return T0 * (rise * s2 / (fall * (s2 + gap))) ** (1 / gap)


_law = partial(
    Law,
    name="cmr_cpt",
    reference=Reference(
        "CMR Scaling Law: Predicting Critical Mixture Ratios for Continual Pre-training",
        "Gu et al.",
        2024,
        "2407.17467",
    ),
)
_SOURCE = "arXiv:2407.17467, least squares on the printed losses"
_LOSSES = {
    "460M": (1.4628, 1.4844, 1.5122, 1.5387, 1.5561),
    "940M": (1.3723, 1.3910, 1.4155, 1.4385, 1.4538),
    "1.6B": (1.3242, 1.3416, 1.3643, 1.3854, 1.3994),
    "3.1B": (1.2585, 1.2750, 1.2965, 1.3170, 1.3305),
}
#: Least squares on the four printed ratios; nothing is printed about u1, which they do not depend on.
_CRITICAL = {"u0": -0.557341, "u1": 0.3, "u2": 0.410976}
_ARITHMETIC = {"offset": 0.01, "rise": 0.1, "s2": 0.2, "fall": 0.06, "gap": 0.3}
_SHARES = (1.0, 3 / 4, 1 / 2, 1 / 3, 1 / 4)

VARIANTS = {
    1: _law(
        title="Domain loss after continual pretraining, from the share of domain data",
        equation="L = alpha R^s + beta = level - (slope/s) ((R/R0)^s - 1),  R0 = 1/2",
        predictor=log_domain_loss,
        predicts=replace(loss("nat/token"), scatter=(2e-5, 2e-3)),
        inputs=(Input("share", "1", "share of domain data in the mixture", (0.05, 1.0)),),
        parameters=(
            Parameter("level", (0.9, 1.9), unit="nat/token", meaning="loss at share 1/2"),
            Parameter("slope", (0.0336, 0.0901), unit="nat/token", meaning="fall per e-fold of it there"),
            Parameter("s", (0.114, 0.284), pool="tight", meaning="exponent of the share"),
        ),
        monotone={"share": "decreasing"},
        published={
            "finance_460M": Published(at_reference(-0.42283875, 0.17965356, 1.88572637), _SOURCE, "computed"),
            "finance_940M": Published(at_reference(-0.3742853, 0.17704455, 1.74661999), _SOURCE, "computed"),
            "finance_1.6B": Published(at_reference(-0.31789257, 0.19457279, 1.64212261), _SOURCE, "computed"),
            "finance_3.1B": Published(at_reference(-0.34658251, 0.16791668, 1.60512542), _SOURCE, "computed"),
        },
        golden=tuple(
            Golden({"share": R}, L, f"finance_{size}", "paper", 1.5e-4)
            for size, row in _LOSSES.items()
            for R, L in zip(_SHARES, row, strict=True)
        ),
        derived=(
            Derived(
                "pure",
                lambda level, slope, s: jnp.exp(log_domain_loss(1.0, level=level, slope=slope, s=s)),
                "nat/token",
                "loss when all data are of the domain",
            ),
            Derived(
                "at_quarter",
                lambda level, slope, s: jnp.exp(log_domain_loss(0.25, level=level, slope=slope, s=s)),
                "nat/token",
                "loss at share 1/4",
            ),
        ),
        notes=(
            "At a fixed number of tokens; a family is a model size in a domain. s hardly differs between "
            "sizes, the level falls with size. The printed losses follow to 2e-4. alpha < 0 < s."
        ),
    ),
    2: _law(
        title="Change of the general loss along continual pretraining",
        equation="dL = offset + rise t^s2 - fall t^(s2 + gap),  t = T/2e10",
        predictor=loss_change,
        predicts=replace(real("loss_change", "nat/token", centre="none"), scatter=(2e-4, 5e-3)),
        inputs=(Input("tokens", "token", "tokens of continual pretraining", (1e8, 1e11)),),
        parameters=(
            Parameter("offset", (-0.03, 0.03), "real", unit="nat/token", meaning="change at the very start"),
            Parameter("rise", (0.02, 0.5), unit="nat/token", meaning="forgetting by 2e10 tokens, a2"),
            Parameter("s2", (0.019, 0.59), pool="tight", meaning="its exponent"),
            Parameter("fall", (0.005, 0.4), unit="nat/token", meaning="recovery by 2e10 tokens, -a3"),
            Parameter("gap", (0.019, 0.59), pool="tight", meaning="surplus of the recovery's exponent"),
        ),
        golden=(
            Golden({"tokens": 2e10}, 0.05, _ARITHMETIC, rtol=1e-9),
            Golden({"tokens": 2e8}, 0.0438107, _ARITHMETIC, rtol=1e-5),
        ),
        derived=(
            Derived(
                "peak",
                lambda rise, s2, fall, gap: jnp.log10(rise * s2 / (fall * (s2 + gap))) / gap,
                "decade",
                "where the general loss is highest, from 2e10 tokens",
            ),
        ),
        notes=(
            "At a fixed share; a family is a share, size and domain. Signs and order of the exponents, which "
            "let it rise and then fall, are this package's choice. `turning_tokens`, `tolerated_share` and "
            "`critical_share` make a critical ratio of it, draw by draw. Checkpoints of one run are not "
            "independent."
        ),
    ),
    3: _law(
        title="Critical mixture ratio from parameters and tokens",
        equation="logit R = u0 + u1 log(T/2e10) + u2 log(S/1e9)",
        predictor=log_odds_critical,
        predicts=Response("critical_share", "1", "logit", scatter=(1e-2, 0.2)),
        inputs=(
            Input("params", "parameter", "parameters of the model", (1e8, 1e11)),
            Input("tokens", "token", "tokens of continual pretraining", (1e9, 1e12)),
        ),
        parameters=(
            Parameter("u0", (-2.5, 1.0), "real", meaning="logit at 1e9 parameters, 2e10 tokens"),
            Parameter("u1", (0.03, 0.98), pool="tight", meaning="growth with tokens"),
            Parameter("u2", (0.03, 0.98), pool="tight", meaning="growth with parameters"),
        ),
        monotone={"params": "increasing", "tokens": "increasing"},
        golden=tuple(
            Golden({"params": S, "tokens": T0}, R, _CRITICAL, "paper", 0.03)
            for S, R in {4.6e8: 0.298, 9.4e8: 0.349, 1.6e9: 0.414, 3.1e9: 0.478}.items()
        ),
        derived=(
            Derived(
                "share_7B",
                lambda u0, u1, u2: 1 / (1 + jnp.exp(-log_odds_critical(7e9, 1e11, u0=u0, u1=u1, u2=u2))),
                meaning="critical ratio of 7e9 parameters on 1e11 tokens",
            ),
        ),
        notes=(
            "The printed a4 T^s4 + b3 exceeds 1 at many tokens, although the paper argues that the ratio "
            "tends to 1: its logit is linear in the logs here, as a choice of this package. The paper says "
            "that T = 250 is 5e11 tokens; by its unit of 2e8 tokens it is 5e10. A family is a domain: the "
            "printed ratios are of finance; of academic papers it is 0.367 at 460M."
        ),
    ),
}
LAW = VARIANTS[1]
