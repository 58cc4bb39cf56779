"""Loss of a language family from size, tokens and its sampling ratio (He et al. 2024, arXiv:2410.12883).

The normalised losses that the paper prints at equal ratios add up to 5.871, not to its total of 5.946; the
terms are taken for right here.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._roots import increasing_root
from bayes_scaling.laws.pretraining import chinchilla


def log_mean(params, tokens, ratio, *, E, A, alpha, B, beta, gamma):
    """Natural log of the expected loss of one language family."""
    alone = chinchilla.log_mean(params, tokens, E=E, A=A, alpha=alpha, B=B, beta=beta)
    return alone - gamma * jnp.log(ratio)


def optimal_ratios(gamma: Any, worth: Any = 1.0) -> Any:
    """Sampling ratios that minimise ``sum_i worth_i p_i^-gamma_i`` with ``sum_i p_i = 1``.

    Parameters
    ----------
    gamma : array, shape (..., families)
        Exponents of the ratios.
    worth : float or array, shape (..., families)
        Weight of each family times its loss at ratio 1. With the losses normalised by that loss, 1: the
        optimum then depends on neither parameters nor tokens.

    Returns
    -------
    array, shape (..., families)
        ``p_i = (worth_i gamma_i / lambda)^(1/(1 + gamma_i))``, with exact derivatives.
    """
    gamma, worth = jnp.broadcast_arrays(jnp.asarray(gamma, float), jnp.asarray(worth, float))
    return jnp.vectorize(_optimal, signature="(k),(k)->(k)")(gamma, worth)


def _optimal(gamma, worth):
    level, power = jnp.log(worth * gamma), 1 / (1 + gamma)

    def log_total(shift):  # shift is -log lambda
        return jax.nn.logsumexp(power * (level + shift))

    # the sum lies between its largest term and that many times it, so the root between these two
    end = jnp.min(-level)
    shift = increasing_root(log_total, end - jnp.log(float(gamma.shape[0])) / power.min(), end)
    return jnp.exp(power * (level + shift))


def _alone(inputs, values):
    there = {k: values[k] for k in ("E", "A", "alpha", "B", "beta")}
    plan = {k: inputs[k] for k in ("params", "tokens")}
    return {**inputs, "ratio": 1.0}, values, plan, there


#: Losses at ratio 1/5 over those at ratio 1, at 1.2e9 parameters; the order of the families is not told.
_NORMALISED = (1.142, 1.180, 1.273, 1.142, 1.134)
_PRINTED = "arXiv:2410.12883, from a normalised loss at ratio 1/5 as quoted in reviews: "

LAW = Law(
    name="multilingual_ratio",
    title="Loss of a language family from parameters, tokens and its sampling ratio",
    equation="L = (E + A (N/N0)^-alpha + B (D/D0)^-beta) p^-gamma,  N0 = 5e8, D0 = 2e10",
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "non-embedding parameters", (5e7, 1e11)),
        Input("tokens", "token", "training tokens seen, of all languages", (1e9, 1e13)),
        Input("ratio", "1", "sampling ratio of the family, above 0 and at most 1", (0.01, 1.0)),
    ),
    parameters=(
        *chinchilla.LAW.parameters,
        Parameter("gamma", (0.052, 0.193), pool="partial", meaning="exponent of the sampling ratio"),
    ),
    monotone={"params": "decreasing", "tokens": "decreasing", "ratio": "decreasing"},
    published={
        **{
            f"family_{i}_1.2B": Published({"gamma": math.log(x) / math.log(5)}, f"{_PRINTED}{x}", "computed")
            for i, x in enumerate(_NORMALISED, 1)
        },
        "mean_85M": Published(
            {"gamma": math.log(5.912 / 5) / math.log(5)}, f"{_PRINTED}5.912 in total", "computed"
        ),
    },
    golden=(
        Golden(
            {"params": 70e9, "tokens": 1.4e12, "ratio": 0.2},
            1.9739 * 0.2**-0.0825,
            {**chinchilla.LAW.published["besiroglu2024"].values, "gamma": 0.0825},
        ),
    ),
    limits=(Limit("ratio = 1", "chinchilla", _alone),),
    derived=(
        Derived("cost_of_half", lambda gamma: 2**gamma, meaning="factor on the loss when the ratio halves"),
        Derived("cost_of_fifth", lambda gamma: 5**gamma, meaning="factor on the loss at ratio 1/5"),
    ),
    reference=Reference(
        "Scaling Laws for Multilingual Language Models", "He, Benhaim, Patra, et al.", 2024, "2410.12883"
    ),
    notes=(
        "A family of runs is a language family. Its loss depends on its own ratio alone; log L is linear in "
        "log p with one slope at every size, and the ratio multiplies the irreducible loss too (see "
        "mnmt_joint for the contrast). The paper's column of normalised losses does not add up to its total; "
        "exponents from its terms at ratio 0.2 are 0.078 to 0.150 at 1.2e9 parameters, 0.104 on average at "
        "8.5e7. E is not declared a floor: below ratio 1 "
        "the loss stays above E p^-gamma."
    ),
)
