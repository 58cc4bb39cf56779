"""Task accuracy from latent capabilities of published models (Ruan et al. 2024, arXiv:2405.10938)."""

from __future__ import annotations

import math
from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws._terms import logit_with_floor
from bayes_scaling.laws.downstream._capabilities import as_inputs as as_inputs
from bayes_scaling.laws.downstream._capabilities import capabilities as capabilities


def logit_1(capability_1, *, floor, w0, w1):
    """Logit of the accuracy from one capability."""
    return logit_with_floor(w0 + w1 * jnp.log(capability_1), floor)


def logit_2(capability_1, capability_2, *, floor, w0, w1, w2):
    """Logit of the accuracy from two capabilities."""
    return logit_with_floor(w0 + w1 * jnp.log(capability_1) + w2 * jnp.log(capability_2), floor)


def logit_3(capability_1, capability_2, capability_3, *, floor, w0, w1, w2, w3):
    """Logit of the accuracy from three capabilities."""
    score = w0 + w1 * jnp.log(capability_1) + w2 * jnp.log(capability_2) + w3 * jnp.log(capability_3)
    return logit_with_floor(score, floor)


def _no_floor(inputs, values):
    here = {**values, "floor": 1e-40}
    return inputs, here, {"x": inputs["capability_1"]}, {"a": values["w0"], "b": values["w1"]}


def _only_the_first(count: int):
    def translate(inputs, values):
        here = {**values, **{f"w{k}": 0.0 for k in range(2, count + 1)}}
        there = {name: values[name] for name in ("floor", "w0", "w1")}
        return inputs, here, {"capability_1": inputs["capability_1"]}, there

    return Limit("the other capabilities do not matter", "obs_scaling", translate)


def _inputs(count: int) -> tuple[Input, ...]:
    return tuple(
        Input(f"capability_{k}", "1", f"exp of the standardised principal component {k}", (0.135, 7.4))
        for k in range(1, count + 1)
    )


def _weights(count: int) -> tuple[Parameter, ...]:
    return (
        Parameter("floor", (0.01, 0.19), "unit", "shared", meaning="accuracy by chance"),
        Parameter("w0", (-3.3, 3.3), "real", "shared", meaning="logit above the floor of the average model"),
        *(
            Parameter(f"w{k}", (-3.3, 3.3), "real", "shared", meaning=f"weight of capability {k}")
            for k in range(1, count + 1)
        ),
    )


_law = partial(
    Law,
    name="obs_scaling",
    predicts=successes("n_correct", "n_samples", link="logit"),
    reference=Reference(
        "Observational Scaling Laws and the Predictability of Language Model Performance",
        "Ruan, Maddison, Hashimoto",
        2024,
        "2405.10938",
    ),
    checked_on=("obsscaling_base_llm",),
    notes=(
        "Capabilities are principal components of benchmark scores (`capabilities` fills gaps, `as_inputs` "
        "gives exp of the standardised scores, for inputs are positive). "
        "Weights are shared: all families meet in the capabilities, and how a family turns compute into "
        "them is capability_compute. The scores enter as exact; their errors are small beside those of a "
        "single task when they rest on many items. The authors fit models of up to 8.4e22 FLOP and test "
        "beyond."
    ),
)
_AT_HALF = {"capability_1": math.e, "capability_2": math.exp(0.5), "capability_3": math.exp(-1.0)}

VARIANTS = {
    1: _law(
        title="Task accuracy from one capability",
        equation="Y = b + (1 - b) sigmoid(w0 + w1 S_1)",
        predictor=logit_1,
        inputs=_inputs(1),
        parameters=_weights(1),
        golden=(Golden({"capability_1": math.e}, 0.55, {"floor": 0.1, "w0": -2.0, "w1": 2.0}, rtol=1e-9),),
        limits=(Limit("no floor: a sigmoid, linear on the logit", "log_linear", _no_floor),),
        derived=(
            Derived(
                "midpoint", lambda w0, w1: -w0 / w1, meaning="capability half way from floor to 1, in sd"
            ),
        ),
    ),
    2: _law(
        title="Task accuracy from two capabilities",
        equation="Y = b + (1 - b) sigmoid(w0 + w1 S_1 + w2 S_2)",
        predictor=logit_2,
        inputs=_inputs(2),
        parameters=_weights(2),
        limits=(_only_the_first(2),),
    ),
    3: _law(
        title="Task accuracy from three capabilities",
        equation="Y = b + (1 - b) sigmoid(w0 + w1 S_1 + w2 S_2 + w3 S_3)",
        predictor=logit_3,
        inputs=_inputs(3),
        parameters=_weights(3),
        golden=(
            Golden(_AT_HALF, 0.55, {"floor": 0.1, "w0": -1.0, "w1": 0.5, "w2": 2.0, "w3": 0.5}, rtol=1e-9),
        ),
        limits=(_only_the_first(3),),
    ),
}
LAW = VARIANTS[1]
