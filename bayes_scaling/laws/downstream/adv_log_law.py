"""Success rate of black-box attacks against training data and model size (2025)."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

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
    real,
    successes,
)
from bayes_scaling.laws._terms import logit

#: Training images and parameters at which the level is stated.
SAMPLES0, PARAMS0 = 1e8, 1e8


def _decades(samples, params):
    return jnp.log10(samples / SAMPLES0), jnp.log10(params / PARAMS0)


def mean_rate(samples, params, *, level, b_D, b_N):
    """Attack success rate as a share, linear in decades of data and of parameters."""
    data, size = _decades(samples, params)
    return level + b_D * data + b_N * size


def logit_rate(samples, params, *, level, b_D, b_N):
    """Logit of the attack success rate; level is a share, slopes are in logits per decade."""
    data, size = _decades(samples, params)
    return logit(level) + b_D * data + b_N * size


def _one_model(inputs, values):
    x = inputs["samples"] / SAMPLES0
    level = values["level"] + values["b_N"] * math.log10(inputs["params"] / PARAMS0)
    return inputs, values, {"x": x}, {"a": level, "b": values["b_D"] / math.log(10)}


def _one_model_logit(inputs, values):
    inputs, values, there, line = _one_model(inputs, values)
    shift = math.log(values["level"] / (1 - values["level"])) - values["level"]
    return inputs, values, there, {**line, "a": line["a"] + shift}


_law = partial(
    Law,
    name="adv_log_law",
    inputs=(
        Input("samples", "1", "training images", (1.2e6, 2.2e10)),
        Input("params", "parameter", "parameters", (1e6, 1e10)),
    ),
    derived=(
        Derived(
            "data_decades_per_params_decade",
            lambda b_D, b_N: b_N / b_D,
            meaning="decades of data that do as much as one decade of parameters",
        ),
    ),
    reference=Reference(
        "The Impact of Scaling Training Data on Adversarial Robustness", "Zimmerli et al.", 2025
    ),
)
_POOLING = (
    "Families are attacks (or training objectives): they differ in level and slopes. The published averages, "
    "-3.2 and -13.4 percentage points per decade, are reported one at a time; whether they were fitted "
    "jointly is not said. Curation of the data matters more than its volume."
)

VARIANTS = {
    1: _law(
        title="Attack success rate, linear in decades of data and parameters",
        equation="ASR = level + b_D log10(D/1e8) + b_N log10(N/1e8)",
        predictor=mean_rate,
        predicts=replace(real("attack_success", "1", centre="none"), reference=0.5, scatter=(0.01, 0.2)),
        parameters=(
            Parameter("level", (0.1, 0.9), "real", "partial", meaning="rate at 1e8 images and parameters"),
            Parameter("b_D", (-0.079, 0.019), "real", "partial", "1/decade", "change per decade of data"),
            Parameter(
                "b_N", (-0.229, -0.031), "real", "partial", "1/decade", "change per decade of parameters"
            ),
        ),
        published={
            "average": Published(
                {"b_D": -0.032, "b_N": -0.134},
                "average effects over attacks, each told by itself",
                "abstract",
            )
        },
        golden=(
            Golden(
                {"samples": 1e10, "params": 1e8},
                0.5 - 0.064,
                {"level": 0.5, "b_D": -0.032, "b_N": -0.134},
                tag="abstract",
                rtol=1e-9,
            ),
        ),
        limits=(Limit("one model size", "log_linear", _one_model),),
        notes=f"Rates are shares, not percent. A line leaves [0, 1] in the end: see variant 2. {_POOLING}",
    ),
    2: _law(
        title="Successful attacks, logit linear in decades of data and parameters",
        equation="logit ASR = logit level + b_D log10(D/1e8) + b_N log10(N/1e8)",
        predictor=logit_rate,
        predicts=successes("n_fooled", "n_samples", link="logit"),
        parameters=(
            Parameter("level", (0.1, 0.9), "unit", "partial", meaning="rate at 1e8 images and parameters"),
            Parameter("b_D", (-0.32, 0.08), "real", "partial", "logit/decade", "change per decade of data"),
            Parameter(
                "b_N", (-0.92, -0.12), "real", "partial", "logit/decade", "change per decade of parameters"
            ),
        ),
        limits=(Limit("one model size", "log_linear", _one_model_logit),),
        notes=f"Slopes near a rate of one half are a quarter of these in the rate itself. {_POOLING}",
    ),
}
LAW = VARIANTS[1]
