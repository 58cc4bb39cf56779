"""BLEU after finetuning from pretraining tokens (Isik et al. 2024, arXiv:2402.04177)."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import D0, log_bounded, softplus


def log_mean(tokens, *, f, e, beta):
    """Natural log of ``(log(A D_p^alpha))^beta``, with score f and elasticity e at D0."""
    return jnp.log(f) + beta * log_bounded(1 + e / beta * jnp.log(tokens / D0))


def log_mean_misaligned(tokens, *, f, e, beta, harm):
    """The same less a growing harm of pretraining on other languages than those of the task."""
    law = jnp.exp(log_mean(tokens, f=f, e=e, beta=beta))
    return log_bounded(law - harm * softplus(jnp.log(tokens / D0)))


def elasticity(tokens: Any, *, e: Any, beta: Any) -> Any:
    """``dlog f / dlog D_p`` at ``tokens`` pretraining tokens."""
    return e / (1 + e / beta * jnp.log(tokens / D0))


def tokens_for(score: Any, *, f: Any, e: Any, beta: Any) -> Any:
    """Pretraining tokens at which the law reaches a score."""
    return D0 * jnp.exp(beta / e * ((score / f) ** (1 / beta) - 1))


def benefit(tokens: Any, scratch: Any, *, f: Any, e: Any, beta: Any) -> Any:
    """Score gained by pretraining on ``tokens``, over the score ``scratch`` of a model without it."""
    return jnp.exp(log_mean(tokens, f=f, e=e, beta=beta)) - scratch


def at_reference(A, alpha, beta) -> dict[str, float]:
    """Published ``(log(A D_p^alpha))^beta`` in this law's coordinates."""
    u = math.log(A) + alpha * math.log(D0)
    return {"f": u**beta, "e": alpha * beta / u, "beta": beta}


def original(f: Any, e: Any, beta: Any) -> tuple[Any, Any]:
    """``log A`` and ``alpha`` of the published form."""
    u = f ** (1 / beta)
    alpha = e * u / beta
    return u - alpha * math.log(D0), alpha


_law = partial(
    Law,
    name="bleu_log_law",
    predicts=replace(positive("bleu", "1", centre="none"), reference=25.0, scatter=(1.3e-3, 4e-2)),
    inputs=(Input("tokens", "token", "pretraining tokens", (1e9, 1e12)),),
    reference=Reference(
        "Scaling Laws for Downstream Task Performance of Large Language Models",
        "Isik et al.",
        2024,
        "2402.04177",
    ),
)

_SHARED = (
    Parameter("f", (11.0, 56.9), meaning="score at D0 pretraining tokens"),
    Parameter("e", (0.0094, 0.294), meaning="dlog f/dlog D_p at D0"),
    Parameter("beta", (0.316, 3.16), pool="tight", meaning="power of the log"),
)

_POSITIVE_LOG = "The law holds where A D_p^alpha > 1; below, the log is bounded at 0.001 of its value at D0."

VARIANTS = {
    1: _law(
        title="BLEU after finetuning from pretraining tokens",
        equation="f = (log(A D_p^alpha))^beta = f0 (1 + (e/beta) log(D_p/D0))^beta,  D0 = 2e10",
        predictor=log_mean,
        parameters=_SHARED,
        monotone={"tokens": "increasing"},
        golden=(
            Golden({"tokens": 1e9}, 12.991, at_reference(1e-3, 0.6, 1.5), rtol=1e-4),
            Golden({"tokens": D0}, math.log(1e-3 * D0**0.6) ** 1.5, at_reference(1e-3, 0.6, 1.5), rtol=1e-9),
        ),
        derived=(
            Derived(
                "elasticity_1e12", lambda e, beta: elasticity(1e12, e=e, beta=beta), meaning="at 1e12 tokens"
            ),
        ),
        notes=(
            "Published without coefficients that could be checked. A, alpha and beta lie on a ridge, so the "
            "level and the elasticity at D0 are the coordinates; the log is natural (another base rescales "
            "f); `original` gives A and alpha back. A family is a language pair with a pretraining mixture "
            "and a size of the finetuning set; with much finetuning data e goes to 0 (recalled, not "
            "checked). The half-normal prior of e is a log-normal one here. " + _POSITIVE_LOG
        ),
    ),
    2: _law(
        title="BLEU after finetuning when pretraining is misaligned with the task",
        equation="f = f0 (1 + (e/beta) log(D_p/D0))^beta - harm log(1 + D_p/D0),  D0 = 2e10",
        predictor=log_mean_misaligned,
        parameters=(
            *_SHARED,
            Parameter("harm", (0.06, 2.0), pool="separate", meaning="score lost per e-fold of tokens"),
        ),
        limits=(
            Limit(
                "harm = 0",
                "bleu_log_law",
                lambda inputs, v: (inputs, {**v, "harm": 0.0}, inputs, {k: v[k] for k in ("f", "e", "beta")}),
            ),
        ),
        derived=(
            Derived(
                "misaligned",
                lambda harm: jnp.where(harm > 0.5, 1.0, 0.0),
                meaning="1 if more than half a point is lost per e-fold; average it",
            ),
        ),
        notes=(
            "The harm is a model of this package for what the paper reports: with moderate misalignment BLEU "
            "fluctuates or worsens while the cross-entropy keeps falling. Do not predict BLEU through the "
            "cross-entropy where harm is credibly positive. " + _POSITIVE_LOG
        ),
    ),
}
LAW = VARIANTS[1]
