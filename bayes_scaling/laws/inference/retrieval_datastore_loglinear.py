"""Language-model loss with a datastore of retrieved text (after Shao et al. 2024, arXiv:2407.12854)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, loss
from bayes_scaling.laws._terms import log_bounded
from bayes_scaling.laws.pretraining import chinchilla

#: Datastore, in tokens, from which on the gain counts.
S0 = 1e9


def log_mean(params, tokens, datastore_tokens, *, E, A, alpha, B, beta, gain):
    """Natural log of the expected loss."""
    alone = jnp.exp(chinchilla.log_mean(params, tokens, E=E, A=A, alpha=alpha, B=B, beta=beta))
    return log_bounded(alone - gain * jnp.log1p(datastore_tokens / S0))


def total_flop(
    params: Any, tokens: Any, encoder_params: Any, datastore_tokens: Any, served_tokens: Any = 0.0
) -> Any:
    """FLOP of pretraining, of embedding the datastore once, and of serving: ``6 N D + 2 N_e S + 2 N T``."""
    return 6 * params * tokens + 2 * encoder_params * datastore_tokens + 2 * params * served_tokens


def tokens_worth(datastore_tokens: Any, tokens: Any, *, B: Any, beta: Any, gain: Any) -> Any:
    """Training tokens that give a model without datastore the same loss; infinite past its data limit."""
    term = B * (tokens / chinchilla.D0) ** -beta - gain * jnp.log1p(datastore_tokens / S0)
    return jnp.where(term > 0, chinchilla.D0 * (jnp.maximum(term, 1e-300) / B) ** (-1 / beta), jnp.inf)


def _no_datastore(inputs, values):
    there = {name: values[name] for name in ("E", "A", "alpha", "B", "beta")}
    plan = {"params": inputs["params"], "tokens": inputs["tokens"]}
    return {**plan, "datastore_tokens": 1e-3}, values, plan, there


LAW = Law(
    name="retrieval_datastore_loglinear",
    title="Loss from parameters, tokens and the size of a datastore",
    equation="L = E + A (N/N0)^-alpha + B (D/D0)^-beta - gain ln(1 + S/S0),  S0 = 1e9",
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        *chinchilla.LAW.inputs,
        Input("datastore_tokens", "token", "tokens in the datastore", (1e6, 2e12)),
    ),
    parameters=(
        *chinchilla.LAW.parameters,
        Parameter("gain", (0.003, 0.1), "positive", unit="nat/token", meaning="gain per e-fold of datastore"),
    ),
    monotone={"params": "decreasing", "tokens": "decreasing", "datastore_tokens": "decreasing"},
    golden=(
        # loss of chinchilla without datastore, 1.9739 (besiroglu2024), less 0.02 ln(1 + 1400)
        Golden(
            {"params": 70e9, "tokens": 1.4e12, "datastore_tokens": 1.4e12},
            1.9739 - 0.02 * 7.244942,
            {**chinchilla.LAW.published["besiroglu2024"].values, "gain": 0.02},
        ),
    ),
    limits=(Limit("no datastore", "chinchilla", _no_datastore),),
    derived=(
        Derived(
            "gain_1p4T",
            lambda gain: gain * jnp.log1p(1.4e12 / S0),
            "nat/token",
            "gain of the largest datastore, 1.4e12 tokens",
        ),
    ),
    reference=Reference(
        "Scaling Retrieval-Based Language Models with a Trillion-Token Datastore",
        "Shao et al.",
        2024,
        "2407.12854",
    ),
    notes=(
        "The source states improvement without saturation up to 1.4e12 tokens and prints no formula: the "
        "logarithm and the reference S0 are ours. Replicates are subsamples of the datastore. Accuracy on "
        "tasks: retrieval_datastore_accuracy."
    ),
)
