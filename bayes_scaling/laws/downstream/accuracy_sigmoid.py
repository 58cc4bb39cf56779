"""Accuracy on a task as a sigmoid between chance and a ceiling (Bhagia et al. 2024, arXiv:2412.04403)."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, Response
from bayes_scaling.laws._terms import D0, N0, logit_between


def from_loss(loss, *, floor, reach, level, slope):
    """Logit of the accuracy from the loss, relative to the centre of the data."""
    return logit_between(level + slope * (1 - loss), floor, reach)


def from_task_loss(task_loss, *, floor, reach, level, task_slope):
    """Logit of the accuracy from the loss on the task's own answers."""
    return logit_between(level + task_slope * (1 - task_loss), floor, reach)


def from_both(loss, task_loss, *, floor, reach, level, slope, task_slope):
    """Logit of the accuracy from both losses."""
    return logit_between(level + slope * (1 - loss) + task_slope * (1 - task_loss), floor, reach)


def from_size_and_data(params, tokens, *, floor, reach, level, by_params, by_tokens):
    """Logit of the accuracy straight from parameters and tokens, by their logs."""
    return logit_between(level + by_params * jnp.log(params) + by_tokens * jnp.log(tokens), floor, reach)


def ceiling(floor, reach):
    """Accuracy of a perfect model on this test set."""
    return floor + (1 - floor) * reach


_SHARED = (
    Parameter("floor", (0.1, 0.5), "unit", "shared", meaning="accuracy of a model that learnt nothing"),
    Parameter("reach", (0.8, 0.995), "unit", "shared", meaning="part of the gap above the floor that closes"),
    Parameter("level", (-4.0, 2.0), "real", meaning="logit of the closed part at the data's centre"),
)
_SLOPE = Parameter("slope", (1.5, 18.0), meaning="steepness per relative change of the loss")
_TASK_SLOPE = Parameter("task_slope", (1.0, 14.0), meaning="steepness per relative change of the task loss")
_LOSS = Input("loss", "nat/token", "validation loss on one fixed set", (1.5, 6.0), centre="data")
_TASK_LOSS = Input("task_loss", "bit/byte", "loss of the right answer", (0.3, 2.0), centre="data")

_law = partial(
    Law,
    name="accuracy_sigmoid",
    predicts=Response("accuracy", "1", "logit", scatter=(5e-3, 0.3)),
    reference=Reference(
        "Establishing Task Scaling Laws via Compute-Efficient Model Ladders",
        "Bhagia et al.",
        2024,
        "2412.04403",
    ),
    derived=(Derived("ceiling", ceiling, meaning="accuracy of a perfect model on this test set"),),
    notes=(
        "A family is a task, or a line of models on one task. Level and slope are stated at the centre of "
        "the data, where they are hardly correlated, instead of midpoint and steepness. Accuracies scatter "
        "as Student-t on the logit with a known standard error, because models that answer the same test "
        "items scatter less than binomially, which no beta-binomial can say. Floor and reach belong to the "
        "test set. Give floor its known chance by a narrow prior; a task that is scored by raw likelihood "
        "can lie below chance. For lines of models on one task pool level and slope tightly."
    ),
)
_AT = {"floor": 0.25, "reach": 0.9, "level": 0.0}


def _two_step(inputs, values):
    """With a floor of chance, the second step of `ladder_two_step`: ``k = slope / L0``."""
    there = {
        "E": 1e-30, "A": inputs["task_loss"], "alpha": 0.3, "B": 1e-30, "beta": 0.3,
        "chance": values["floor"], "reach": values["reach"], "k": values["task_slope"],
        "L0": 1.0 + values["level"] / values["task_slope"],
    }  # fmt: skip
    return inputs, values, {"params": N0, "tokens": D0}, there


VARIANTS = {
    1: _law(
        checked_on=("pile-families", "gadre_downstream", "gemstones_downstream"),
        title="Accuracy on a task from the loss, sigmoid",
        equation="acc = floor + (1 - floor) reach sigmoid(level + slope (1 - L/L0))",
        predictor=from_loss,
        inputs=(_LOSS,),
        parameters=(*_SHARED, _SLOPE),
        monotone={"loss": "decreasing"},
        golden=(Golden({"loss": 1.0}, 0.5875, {**_AT, "slope": 6.0}, rtol=1e-9),),
    ),
    2: _law(
        title="Accuracy on a task from the task's loss, sigmoid",
        equation="acc = floor + (1 - floor) reach sigmoid(level + task_slope (1 - l/l0))",
        predictor=from_task_loss,
        inputs=(_TASK_LOSS,),
        parameters=(*_SHARED, _TASK_SLOPE),
        monotone={"task_loss": "decreasing"},
        golden=(Golden({"task_loss": 1.0}, 0.5875, {**_AT, "task_slope": 6.0}, rtol=1e-9),),
        limits=(Limit("the second step alone", "ladder_two_step", _two_step),),
    ),
    3: _law(
        title="Accuracy on a task from the loss and the task's loss, sigmoid",
        equation="acc = floor + (1 - floor) reach sigmoid(level + slope (1 - L/L0) + task_slope (1 - l/l0))",
        predictor=from_both,
        inputs=(_LOSS, _TASK_LOSS),
        parameters=(*_SHARED, _SLOPE, _TASK_SLOPE),
        monotone={"loss": "decreasing", "task_loss": "decreasing"},
        golden=(
            Golden(
                {"loss": 1.0, "task_loss": 1.0},
                0.5875,
                {**_AT, "slope": 3.0, "task_slope": 3.0},
                rtol=1e-9,
            ),
        ),
    ),
    4: _law(
        checked_on=("pythia_evals",),
        title="Accuracy on a task straight from parameters and tokens, sigmoid",
        equation="acc = floor + (1 - floor) reach sigmoid(level + by_params log(N/N0) + by_tokens log(D/D0))",
        predictor=from_size_and_data,
        inputs=(
            Input("params", "parameter", "total parameters", (1e7, 1e12), centre="data"),
            Input("tokens", "token", "training tokens seen", (1e8, 2e13), centre="data"),
        ),
        parameters=(
            *_SHARED,
            Parameter("by_params", (0.1, 1.2), meaning="logits of the closed part per e-fold of parameters"),
            Parameter("by_tokens", (0.1, 1.2), meaning="logits of the closed part per e-fold of tokens"),
        ),
        monotone={"params": "increasing", "tokens": "increasing"},
        golden=(
            Golden(
                {"params": 1.0, "tokens": 1.0}, 0.5875, {**_AT, "by_params": 0.4, "by_tokens": 0.3}, rtol=1e-9
            ),
        ),
    ),
}
LAW = VARIANTS[1]
