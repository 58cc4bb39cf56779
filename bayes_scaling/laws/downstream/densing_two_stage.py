"""Score by way of the loss, and its inverse, the effective size (Xiao et al. 2024, arXiv:2412.04315)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, Response, successes
from bayes_scaling.laws._terms import D0, N0, log_power, log_sum_exp
from bayes_scaling.laws.downstream import ladder_two_step

#: Tokens on which a reference model of the effective size is trained.
D_REF = 1e12


def log_odds(params, tokens, *, A, alpha, B, beta, chance, reach, k, l):  # noqa: E741
    """Logit of the score; A and B are loss terms (nat/token) at N0 and D0."""
    log_loss = log_sum_exp(log_power(A, alpha, params / N0), log_power(B, beta, tokens / D0))
    return ladder_two_step.log_odds(
        ladder_two_step.bounded_loss(log_loss), chance=chance, reach=reach, k=k, L0=l
    )


def effective_params(
    score: Any, *, A: Any, alpha: Any, B: Any, beta: Any, chance: Any, reach: Any, k: Any, l: Any  # noqa: E741
) -> Any:  # fmt: skip
    """Parameters that a reference model trained on ``D_REF`` tokens needs for a score.

    Parameters
    ----------
    score : float or array
        Between chance and ceiling.
    A, alpha, B, beta, chance, reach, k, l : float or array
        This law's parameters.

    Returns
    -------
    array
        NaN for scores at or below chance and for those that no size reaches on ``D_REF`` tokens.
    """
    excess = ladder_two_step.loss_for(score, chance=chance, reach=reach, k=k, L0=l) - _data_term(B, beta)
    return N0 * (jnp.where(excess > 0, excess, jnp.nan) / A) ** (-1 / alpha)


def density(
    score: Any, params: Any, *,
    A: Any, alpha: Any, B: Any, beta: Any, chance: Any, reach: Any, k: Any, l: Any,  # noqa: E741
) -> Any:  # fmt: skip
    """Effective parameters per parameter of a model with some score; takes this law's parameters."""
    reference = effective_params(
        score, A=A, alpha=alpha, B=B, beta=beta, chance=chance, reach=reach, k=k, l=l
    )
    return reference / params


def _data_term(B, beta):
    return B * (D_REF / D0) ** -beta


_SECOND = {p.name: p for p in ladder_two_step.VARIANTS[2].parameters}

_EXAMPLE = {
    "A": 0.2, "alpha": 0.25, "B": 0.2, "beta": 0.25, "chance": 0.25, "reach": 0.96, "k": 15.0, "l": 0.4,
}  # fmt: skip

LAW = Law(
    name="densing_two_stage",
    title="Score from parameters and tokens of reference models; its inverse is the effective size",
    equation=(
        "S = chance + (1 - chance) reach sigmoid(k (l - L)),  L = A (N/N0)^-alpha + B (D/D0)^-beta,  "
        "N0 = 5e8, D0 = 2e10"
    ),
    predictor=log_odds,
    predicts=Response("score", "1", "logit", scatter=(1e-2, 0.3)),
    inputs=(
        Input("params", "parameter", "total parameters", (5e6, 1e11)),
        Input("tokens", "token", "training tokens seen", (5e7, 2e13)),
    ),
    parameters=(
        Parameter("A", (0.063, 0.63), unit="nat/token", meaning="size term at N0"),
        Parameter("alpha", (0.11, 0.57), pool="tight", meaning="exponent of parameters"),
        Parameter("B", (0.063, 0.63), unit="nat/token", meaning="data term at D0"),
        Parameter("beta", (0.11, 0.57), pool="tight", meaning="exponent of tokens"),
        replace(_SECOND["chance"], interval=(0.05, 0.5), pool="tight", meaning="score at very high loss"),
        replace(_SECOND["reach"], interval=(0.87, 0.998), pool="tight"),
        Parameter("k", (4.7, 47.0), unit="token/nat", pool="tight", meaning="steepness"),
        Parameter("l", (0.11, 0.45), unit="nat/token", pool="tight", meaning="loss half-way"),
    ),
    monotone={"params": "increasing", "tokens": "increasing"},
    golden=(Golden({"params": N0, "tokens": D0}, 0.25 + 0.75 * 0.96 / 2, _EXAMPLE, rtol=1e-9),),
    limits=(
        Limit(
            "E = 0 there",
            "ladder_two_step",
            lambda i, v: (i, v, i, {**{n: x for n, x in v.items() if n != "l"}, "E": 1e-30, "L0": v["l"]}),
        ),
    ),
    derived=(
        Derived("ceiling", ladder_two_step.ceiling, meaning="score at very low loss"),
        Derived(
            "best_score_1e12",
            lambda B, beta, chance, reach, k, l: jax.nn.sigmoid(  # noqa: E741
                ladder_two_step.log_odds(_data_term(B, beta), chance=chance, reach=reach, k=k, L0=l)
            ),
            meaning="score of an infinite reference model on 1e12 tokens: beyond it no effective size exists",
        ),
    ),
    reference=Reference("Densing Law of LLMs", "Xiao et al.", 2024, "2412.04315"),
    notes=(
        "The loss is that of a reference solution given the instruction, and has no irreducible part. The "
        "printed sigmoid leaves the sign of gamma open; here k = -gamma > 0. Errors of the effective size "
        "grow without bound near chance and ceiling: put draws, not means, into `effective_params` and "
        "`density`. The paper's coefficients are not printed. A family is a benchmark. Scores come from "
        "reports without numbers of items, hence normal on the logit; counts are for variant 2."
    ),
)

VARIANTS = {
    1: LAW,
    2: replace(
        LAW,
        title="Right answers from parameters and tokens of reference models",
        predicts=successes("n_correct", "n_samples", link="logit"),
        golden=(),
        limits=(Limit("always", "densing_two_stage", lambda i, v: (i, v, i, v), atol=1e-12),),
        notes="Variant 1 for tests with a known number of items.",
    ),
}
