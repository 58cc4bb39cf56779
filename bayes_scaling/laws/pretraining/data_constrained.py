"""Loss with repeated data (Muennighoff et al. 2023, arXiv:2305.16264)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._roots import increasing_root
from bayes_scaling.laws._terms import D0, N0
from bayes_scaling.laws.pretraining import chinchilla


def worth(total: Any, unique: Any, decay: Any) -> Any:
    """Effective amount of `total` units, `unique` of them different; repeats decay over `decay` rounds."""
    unique = jnp.minimum(unique, total)
    return unique * (1 - decay * jnp.expm1(-(total / unique - 1) / decay))


def matched_params(unique: Any, *, A: Any, alpha: Any, B: Any, beta: Any) -> Any:
    """Parameters that are compute-optimal for `unique` tokens seen once, ``G (U G)^(beta/alpha)``."""
    return N0 * (alpha * A / (beta * B) * (unique / D0) ** beta) ** (1 / alpha)


def log_mean(params, tokens, unique, *, E, A, alpha, B, beta, R_D, R_N):
    """Natural log of the expected loss; A and B are loss terms (nat/token) at N0 and D0."""
    size = worth(params, matched_params(unique, A=A, alpha=alpha, B=B, beta=beta), R_N)
    return chinchilla.log_mean(size, worth(tokens, unique, R_D), E=E, A=A, alpha=alpha, B=B, beta=beta)


class Use(NamedTuple):
    """The best use of a budget, each an array of shape (...)."""

    params: Any
    tokens: Any
    epochs: Any


def best_use(
    compute: Any, unique: Any, *, A: Any, alpha: Any, B: Any, beta: Any, R_D: Any, R_N: Any
) -> Use:  # fmt: skip
    """Parameters, tokens and epochs of the lowest loss at ``compute = 6 N D`` FLOP and so many unique tokens.

    Each term of the loss is convex in the log of the tokens, so there is one minimum: where the elasticities
    of both terms are equal. Solved in logs, with exact derivatives; arrays broadcast.

    Parameters
    ----------
    compute : float or array
        Training FLOP.
    unique : float or array
        Different tokens at hand.
    A, alpha, B, beta, R_D, R_N : float or array
        The law's parameters; E does not matter.

    Returns
    -------
    Use
        With more unique tokens than are wanted, `chinchilla`'s optimum, and less than one epoch.
    """
    given = (compute, unique, A, alpha, B, beta, R_D, R_N)
    log_tokens = jnp.vectorize(_log_best_tokens)(*(jnp.asarray(x, float) for x in given))
    tokens = jnp.exp(log_tokens)
    return Use(compute / 6 / tokens, tokens, tokens / unique)


def _log_best_tokens(compute, unique, A, alpha, B, beta, R_D, R_N):
    log_budget = jnp.log(compute / 6)
    deserved = matched_params(unique, A=A, alpha=alpha, B=B, beta=beta)

    def log_force(total, different, decay, amplitude, exponent, scale):  # log of -d term/d log total
        ratio = jnp.maximum(total / different, 1.0)
        value = worth(total, different, decay)
        share = jnp.log(ratio) - (ratio - 1) / decay - jnp.log1p(-decay * jnp.expm1(-(ratio - 1) / decay))
        return jnp.log(exponent * amplitude) - exponent * jnp.log(value / scale) + share

    def excess(u):  # the pull of parameters less that of tokens
        size = log_force(jnp.exp(log_budget - u), deserved, R_N, A, alpha, N0)
        return size - log_force(jnp.exp(u), unique, R_D, B, beta, D0)

    return increasing_root(excess, jnp.zeros_like(log_budget), log_budget)


def at_reference(E, A, alpha, B, beta, R_D, R_N) -> dict[str, float]:
    """Published constants in this law's coordinates."""
    return {**chinchilla.at_reference(E=E, A=A, alpha=alpha, B=B, beta=beta), "R_D": R_D, "R_N": R_N}


def _free_repeats(inputs, values):
    """Where repeats never lose their worth, only totals count."""
    there = {k: values[k] for k in ("E", "A", "alpha", "B", "beta")}
    plan = {"params": inputs["params"], "tokens": inputs["tokens"]}
    return inputs, {**values, "R_D": 1e20, "R_N": 1e20}, plan, there


def _fresh(inputs, values):
    """Tokens seen once, and no more parameters than so many tokens deserve."""
    alpha, beta = values["alpha"], values["beta"]
    deserved = beta * values["B"] / (alpha * values["A"]) * (inputs["params"] / N0) ** alpha
    unique = max(inputs["tokens"], D0 * deserved ** (1 / beta)) * (1 + 1e-9)
    there = {k: values[k] for k in ("E", "A", "alpha", "B", "beta")}
    plan = {"params": inputs["params"], "tokens": inputs["tokens"]}
    return {**inputs, "unique": unique}, values, plan, there


LAW = Law(
    name="data_constrained",
    title="Loss from parameters and tokens when data are repeated",
    equation=(
        "L = E + A (N'/N0)^-alpha + B (D'/D0)^-beta,  D' = U + U R_D (1 - exp(-(D/U - 1)/R_D)),  "
        "N' = U_N + U_N R_N (1 - exp(-(N/U_N - 1)/R_N)),  U_N = min(N, N_opt(U)),  N0 = 5e8, D0 = 2e10"
    ),
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "total parameters", (1e7, 1e11)),
        Input("tokens", "token", "training tokens seen, repeats counted", (1e8, 1e12)),
        Input("unique", "token", "different tokens in the training set", (1e8, 1e12)),
    ),
    parameters=(
        *chinchilla.LAW.parameters,
        Parameter(
            "R_D", (6.6, 34.1), pool="tight", unit="epoch", meaning="decay of the worth of repeated tokens"
        ),
        Parameter("R_N", (1.86, 13.4), pool="tight", meaning="decay of the worth of excess parameters"),
    ),
    floor="E",
    monotone={"params": "decreasing", "tokens": "decreasing", "unique": "decreasing"},
    published={
        "muennighoff2023": Published(
            at_reference(
                E=math.exp(0.6254804),
                A=math.exp(6.255414),
                alpha=0.3526596,
                B=math.exp(7.3049974),
                beta=0.3526596,
                R_D=15.387756,
                R_N=5.309743,
            ),
            "arXiv:2305.16264",
        )
    },
    golden=(
        Golden(
            {"params": 6.34e9, "tokens": 242e9, "unique": 25e9},
            2.2256440890,
            "muennighoff2023",
            "paper",
            1e-9,
        ),
        Golden(
            {"params": 8.67e9, "tokens": 178e9, "unique": 25e9},
            2.2269634075,
            "muennighoff2023",
            "paper",
            1e-9,
        ),
    ),
    limits=(
        Limit("tokens <= unique, params <= N_opt(unique)", "chinchilla", _fresh),
        Limit("R_D, R_N -> infinity", "chinchilla", _free_repeats),
    ),
    derived=(
        Derived(
            "plateau",
            lambda R_D: 1 + R_D,
            meaning="most that unique tokens can be worth, in multiples of them",
        ),
        Derived(
            "half_life",
            lambda R_D: R_D * math.log(2),
            "epoch",
            "repeats after which a further one is worth half",
        ),
        Derived("worth_4_epochs", lambda R_D: worth(4.0, 1.0, R_D), meaning="D'/U after 4 epochs"),
        Derived("worth_16_epochs", lambda R_D: worth(16.0, 1.0, R_D), meaning="D'/U after 16 epochs"),
        Derived(
            "a", lambda alpha, beta: beta / (alpha + beta), meaning="exponent of the optimal N in compute"
        ),
    ),
    reference=Reference("Scaling Data-Constrained Language Models", "Muennighoff et al.", 2023, "2305.16264"),
    checked_on=("datablations_upto4B",),
    notes=(
        "The authors left out runs whose loss rises with further epochs, and the law cannot show such a "
        "rise: distrust it beyond about 40 epochs. `best_use` divides a budget. "
        "alpha = beta is tied in the paper. With D <= U and N <= N_opt(U) it is chinchilla."
    ),
)
