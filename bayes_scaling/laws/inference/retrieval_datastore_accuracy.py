"""Task accuracy with a datastore of retrieved text (after Shao et al. 2024, arXiv:2407.12854)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws._terms import logit
from bayes_scaling.laws.inference.retrieval_datastore_loglinear import S0

#: 90 % prior intervals of the slope by kind of task, for `with_priors`; the default covers both.
SLOPES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"knowledge": (0.009, 0.294), "reasoning": (-0.082, 0.082)}
)


def logit_mean(datastore_tokens, *, alone, slope):
    """Log odds of a right answer."""
    return logit(alone) + slope * jnp.log1p(datastore_tokens / S0)


def _large(inputs, values):
    odds, x = values["alone"] / (1 - values["alone"]), 1e9 * inputs["datastore_tokens"] / S0
    return {"datastore_tokens": x * S0}, values, {"x": x}, {"A": odds, "alpha": -values["slope"]}


LAW = Law(
    name="retrieval_datastore_accuracy",
    title="Task accuracy from the size of a datastore",
    equation="logit(accuracy) = logit(alone) + slope ln(1 + S/S0),  S0 = 1e9",
    predictor=logit_mean,
    predicts=successes(name="n_correct", trials="n_samples", link="logit"),
    inputs=(Input("datastore_tokens", "token", "tokens in the datastore", (1e6, 2e12)),),
    parameters=(
        Parameter("alone", (0.15, 0.85), "unit", meaning="accuracy without a datastore"),
        Parameter("slope", (-0.1, 0.3), "real", "tight", meaning="log odds per e-fold of datastore"),
    ),
    golden=(
        # odds of one, times 1401^0.1
        Golden({"datastore_tokens": 1.4e12}, 1 / (1 + 1401**-0.1), {"alone": 0.5, "slope": 0.1}),
    ),
    limits=(Limit("S >> S0: the odds", "power_law", _large),),
    derived=(
        Derived(
            "accuracy_1p4T",
            lambda alone, slope: 1 / (1 + (1 - alone) / alone * (1 + 1.4e12 / S0) ** -slope),
            meaning="with the largest datastore, 1.4e12 tokens",
        ),
    ),
    reference=Reference(
        "Scaling Retrieval-Based Language Models with a Trillion-Token Datastore",
        "Shao et al.",
        2024,
        "2407.12854",
    ),
    notes=(
        "Families are tasks of one model. Knowledge tasks gain (slopes up to about 0.3), reasoning tasks "
        "little or nothing, so the slope has no sign: SLOPES has an interval for each kind. Form and S0 are "
        "ours; the source prints none."
    ),
)
