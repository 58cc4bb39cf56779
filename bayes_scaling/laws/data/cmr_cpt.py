"""Losses and critical mixture ratio of continual pretraining (Gu et al. 2024, arXiv:2407.17467).

The paper equates T = 250 with 5e11 tokens, against its own unit of 2e8 tokens, by which it is 5e10; tokens
are counted here. Its unbounded law of the critical ratio is put on the logit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
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
    Response,
    loss,
    real,
)
from bayes_scaling.laws._terms import box_cox, log_bounded
from bayes_scaling.laws.data._critical_share import T0 as T0
from bayes_scaling.laws.data._critical_share import critical_share as critical_share
from bayes_scaling.laws.data._critical_share import tolerated_share as tolerated_share
from bayes_scaling.laws.data._critical_share import turning_tokens as turning_tokens

#: Share of domain data and parameters at which constants are stated; T0 is that of tokens.
R0, S0 = 0.5, 1e9


def log_domain_loss(share, *, level, slope, s):
    """Natural log of ``alpha R^s + beta``: the level and the fall per e-fold of R are stated at R0."""
    return log_bounded(level - slope * box_cox(jnp.log(share / R0), s))


def loss_change(tokens, *, offset, rise, s2, fall, gap):
    """Change of the general loss: forgetting first, then recovery."""
    log_t = jnp.log(tokens / T0)
    return offset + rise * jnp.exp(s2 * log_t) - fall * jnp.exp((s2 + gap) * log_t)


def log_general_loss(share, *, level, slope, s):
    """Natural log of the general loss ``alpha R^s + beta``, which rises with the share of domain data."""
    return log_domain_loss(share, level=level, slope=-slope, s=s)


def domain_change(tokens, *, level, drop, s1):
    """Change of the domain loss along training, ``a1 t^s1 + b1`` with ``drop = -a1 s1``; a log at s1 = 0."""
    return level - drop * box_cox(jnp.log(tokens / T0), s1)


def log_odds_critical(params, tokens, *, u0, u1, u2):
    """Logit of the critical mixture ratio."""
    return u0 + u1 * jnp.log(tokens / T0) + u2 * jnp.log(params / S0)


def rise_amplitude(slope: Any, s: Any) -> Any:
    """``alpha`` of the general loss as printed, from the slope at R0 of variant 4."""
    return slope / (s * R0**s)


def at_reference(alpha, s, beta) -> dict[str, float]:
    """Published ``alpha R^s + beta`` of the domain loss, alpha negative, in this law's coordinates."""
    return {"level": alpha * R0**s + beta, "slope": -alpha * s * R0**s, "s": s}


def rising_at_reference(alpha, s, beta) -> dict[str, float]:
    """``alpha R^s + beta`` of the general loss, alpha positive, in the coordinates of variant 4."""
    return {**at_reference(alpha, s, beta), "slope": alpha * s * R0**s}


def change_at_reference(a1, s1, b1) -> dict[str, float]:
    """``a1 t^s1 + b1`` of the domain loss, ``t = T/T0`` and ``a1 s1 < 0``, in those of variant 5."""
    return {"level": a1 + b1, "drop": -a1 * s1, "s1": s1}


def peak_tokens(*, rise, s2, fall, gap):
    """Tokens at which the general loss is highest."""
    return T0 * (rise * s2 / (fall * (s2 + gap))) ** (1 / gap)


def _falling(inputs, values):
    return inputs, {**values, "slope": -values["slope"]}, inputs, values


def _logarithmic(inputs, values):
    there = {"a": values["level"], "b": -values["drop"]}
    return inputs, {**values, "s1": 0.0}, {"x": inputs["tokens"] / T0}, there


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
_SHARE = (Input("share", "1", "share of domain data in the mixture", (0.05, 1.0)),)
_TOKENS = (Input("tokens", "token", "tokens of continual pretraining", (1e8, 1e11)),)
_SOURCE = "arXiv:2407.17467, least squares on the printed losses"
_LOSSES = {
    "460M": (1.4628, 1.4844, 1.5122, 1.5387, 1.5561),
    "940M": (1.3723, 1.3910, 1.4155, 1.4385, 1.4538),
    "1.6B": (1.3242, 1.3416, 1.3643, 1.3854, 1.3994),
    "3.1B": (1.2585, 1.2750, 1.2965, 1.3170, 1.3305),
}
#: Least squares on the four printed ratios; nothing is printed about u1, which they do not depend on.
_CRITICAL = {"u0": -0.557341, "u2": 0.410976}
_RATIOS = "arXiv:2407.17467, least squares on the logits of the printed ratios at 2e10 tokens"
_ARITHMETIC = {"offset": 0.01, "rise": 0.1, "s2": 0.2, "fall": 0.06, "gap": 0.3}
_SHARES = (1.0, 3 / 4, 1 / 2, 1 / 3, 1 / 4)

VARIANTS = {
    1: _law(
        title="Domain loss after continual pretraining, from the share of domain data",
        equation="L = alpha R^s + beta = level - (slope/s) ((R/R0)^s - 1),  R0 = 1/2",
        predictor=log_domain_loss,
        predicts=replace(loss("nat/token"), scatter=(2e-5, 2e-3)),
        inputs=_SHARE,
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
        inputs=_TOKENS,
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
            "let it rise and then fall, are this package's choice. With draws of variants 4 and 5, "
            "`turning_tokens`, `tolerated_share` and `critical_share` make a critical ratio of it. "
            "Checkpoints of one run are not independent."
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
        published={
            "finance": Published(_CRITICAL, _RATIOS, "computed"),
            "academic": Published(
                {"u0": math.log(0.367 / 0.633) - _CRITICAL["u2"] * math.log(0.46), "u2": _CRITICAL["u2"]},
                "arXiv:2407.17467, the printed ratio 0.367 at 460M with the growth of finance",
                "computed",
            ),
        },
        golden=tuple(
            Golden({"params": S, "tokens": T0}, R, {**_CRITICAL, "u1": 0.3}, "paper", 0.03)
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
    4: _law(
        title="General loss after continual pretraining, from the share of domain data",
        equation="L = alpha R^s + beta = level + (slope/s) ((R/R0)^s - 1),  R0 = 1/2",
        predictor=log_general_loss,
        predicts=replace(loss("nat/token", "general_loss"), scatter=(2e-5, 2e-3)),
        inputs=_SHARE,
        parameters=(
            Parameter("level", (1.2, 3.5), unit="nat/token", meaning="loss at share 1/2"),
            Parameter("slope", (0.01, 0.3), unit="nat/token", meaning="rise per e-fold of it there"),
            Parameter("s", (0.3, 3.0), pool="tight", meaning="exponent of the share"),
        ),
        monotone={"share": "increasing"},
        golden=tuple(
            Golden({"share": R}, L, rising_at_reference(0.12, 1.5, 2.0), rtol=1e-9)
            for R, L in {1.0: 2.12, 0.25: 2.015}.items()
        ),
        limits=(Limit("a slope of the other sign: the domain loss", "cmr_cpt", _falling),),
        derived=(
            Derived(
                "tolerated",
                lambda slope, s: tolerated_share(0.05, alpha=rise_amplitude(slope, s), s=s),
                meaning="share at which the loss is 0.05 nat/token above that without domain data",
            ),
        ),
        notes=(
            "Variant 1's form with a positive amplitude: 0 < alpha, s. Nothing is printed about its values; "
            "the priors, this package's, let 0.05 nat/token be tolerated at any share. A family is a model "
            "size in a domain."
        ),
    ),
    5: _law(
        title="Change of the domain loss along continual pretraining",
        equation="dL = a1 t^s1 + b1 = level - drop (t^s1 - 1)/s1,  t = T/2e10",
        predictor=domain_change,
        predicts=replace(real("domain_loss_change", "nat/token", centre="none"), scatter=(2e-4, 5e-3)),
        inputs=_TOKENS,
        parameters=(
            Parameter("level", (-0.6, 0.0), "real", unit="nat/token", meaning="change by 2e10 tokens"),
            Parameter("drop", (0.005, 0.2), unit="nat/token", meaning="fall per e-fold of tokens there"),
            Parameter("s1", (-0.6, 0.6), "real", "tight", meaning="exponent; below 0 the loss settles"),
        ),
        monotone={"tokens": "decreasing"},
        golden=(
            Golden({"tokens": 2e10}, -0.2, change_at_reference(0.3, -0.2, -0.5), rtol=1e-9),
            Golden({"tokens": 2e8}, 0.2535659, change_at_reference(0.3, -0.2, -0.5), rtol=1e-6),
        ),
        limits=(Limit("s1 = 0", "log_linear", _logarithmic),),
        derived=(
            Derived(
                "by_1e11",
                lambda level, drop, s1: domain_change(1e11, level=level, drop=drop, s1=s1),
                "nat/token",
                "change by 1e11 tokens",
            ),
        ),
        notes=(
            "At a fixed share; a family is a share, size and domain. The sign of s1 is left open, that of "
            "a1 s1 is not: the loss falls. Nothing is printed about the values; the priors are this "
            "package's. Checkpoints of one run are not independent."
        ),
    ),
}
LAW = VARIANTS[1]
