"""Largest attention logit, extrapolated to warn of instability (Wortsman et al. 2023, arXiv:2309.14322)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive, successes
from bayes_scaling.laws._terms import N0

#: Learning rate at which the level is stated, and the largest logit that training survives.
LR0 = 1e-2
THRESHOLD = 1e4


def log_mean(params, learning_rate, *, level, g1, g2, g3):
    """Natural log of the largest attention logit; level is its value at N0 and LR0."""
    n = jnp.log(params / N0)
    return jnp.log(level) + g1 * n + g2 * n**2 + g3 * jnp.log(learning_rate / LR0)


def critical_learning_rate(params: float, threshold: float, *, level: Any, g1: Any, g2: Any, g3: Any) -> Any:
    """Learning rate at which the largest logit of a model of `params` parameters reaches `threshold`."""
    at_reference = log_mean(params, LR0, level=level, g1=g1, g2=g2, g3=g3)
    return LR0 * jnp.exp((jnp.log(threshold) - at_reference) / g3)


def logit_diverged(params, learning_rate, *, lr_c, fall, width):
    """Log odds that a run diverges; lr_c is the learning rate of even odds at N0."""
    return (jnp.log(learning_rate / lr_c) + fall * jnp.log(params / N0)) / width


def _fixed_lr(inputs, values):
    here = {**values, "g2": 0.0}
    A = values["level"] * (inputs["learning_rate"] / LR0) ** values["g3"]
    return inputs, here, {"x": inputs["params"] / N0}, {"A": A, "alpha": -values["g1"]}


def _bent(inputs, values):
    """At a fixed learning rate: a parabola in log N, here one that opens upwards."""
    g1, g2 = values["g1"], 0.05 + abs(values["g2"])
    A = values["level"] * (inputs["learning_rate"] / LR0) ** values["g3"] * jnp.exp(-(g1**2) / (4 * g2))
    there = {"A": A, "x_opt": jnp.exp(-g1 / (2 * g2)), "curvature": 2 * g2}
    return inputs, {**values, "g2": g2}, {"x": inputs["params"] / N0}, there


def _odds(inputs, values):
    """At a fixed size the log odds are a line in the log of the learning rate."""
    lr_c = values["lr_c"] * (inputs["params"] / N0) ** -values["fall"]
    there = {"a": -jnp.log(lr_c) / values["width"], "b": 1 / values["width"]}
    return inputs, values, {"x": inputs["learning_rate"]}, there


_law = partial(
    Law,
    name="logit_growth",
    inputs=(
        Input("params", "parameter", "parameters", (1e7, 1e11)),
        Input("learning_rate", "1", "peak learning rate", (3e-4, 3e-1)),
    ),
    reference=Reference(
        "Small-scale proxies for large-scale Transformer training instabilities",
        "Wortsman et al.",
        2023,
        "2309.14322",
    ),
)

VARIANTS = {
    1: _law(
        title="Growth of the largest attention logit with size and learning rate",
        equation="Lmax = level exp(g1 n + g2 n^2) (eta/LR0)^g3,  n = log(N/N0),  N0 = 5e8, LR0 = 1e-2",
        predictor=log_mean,
        predicts=replace(positive("max_logit", "1", centre="none"), scatter=(0.03, 0.7)),
        parameters=(
            Parameter("level", (50.0, 2e4), meaning="largest logit at N0 and LR0"),
            Parameter("g1", (-0.32, 1.32), "real", "tight", meaning="slope in log parameters at N0"),
            Parameter("g2", (-0.082, 0.082), "real", "tight", meaning="curvature in log parameters"),
            Parameter("g3", (0.18, 1.82), "real", "tight", meaning="exponent of the learning rate"),
        ),
        limits=(
            Limit("g2 = 0, fixed learning rate", "power_law", _fixed_lr),
            Limit("g2 > 0, fixed learning rate", "log_quadratic", _bent),
        ),
        derived=(
            Derived(
                "critical_lr_4p8B",
                lambda level, g1, g2, g3: critical_learning_rate(
                    4.8e9, THRESHOLD, level=level, g1=g1, g2=g2, g3=g3
                ),
                meaning="learning rate at which 4.8e9 parameters reach the threshold of 1e4",
            ),
            Derived(
                "unstable_4p8B",
                lambda level, g1, g2: jnp.where(
                    log_mean(4.8e9, LR0, level=level, g1=g1, g2=g2, g3=0.0) > jnp.log(THRESHOLD), 1.0, 0.0
                ),
                meaning="1 if 4.8e9 parameters at learning rate 1e-2 exceed the threshold; average it",
            ),
        ),
        notes=(
            "The quadratic in log N and the threshold of 1e4 are from memory of the paper and were not "
            "checked against it, so there is no golden number. The prior on the level is vague. The same law "
            "extrapolates the root mean square of gradients towards AdamW's epsilon (of 1e-8; below it, "
            "updates shrink). Variant 2 is for runs that diverged."
        ),
    ),
    2: _law(
        title="Probability that a run diverges, by size and learning rate",
        equation="logit P = (log(eta/lr_c) + fall log(N/N0)) / width,  N0 = 5e8",
        predictor=logit_diverged,
        predicts=successes("n_diverged", "n_runs", link="logit"),
        parameters=(
            Parameter("lr_c", (1e-3, 1.0), meaning="learning rate of even odds at N0"),
            Parameter("fall", (-0.3, 0.9), "real", "tight", meaning="minus its exponent in parameters"),
            Parameter("width", (0.15, 1.5), unit="e-fold", meaning="learning rates over which the odds turn"),
        ),
        monotone={"learning_rate": "increasing"},
        golden=(
            # even odds at the critical rate, the odds of e one width above it
            Golden(
                {"params": 5e9, "learning_rate": 0.01},
                0.5,
                {"lr_c": 0.1, "fall": 1.0, "width": 0.2},
                rtol=1e-9,
            ),
            Golden(
                {"params": 5e8, "learning_rate": 0.2},
                0.8,
                {"lr_c": 0.1, "fall": 1.0, "width": 0.5},
                rtol=1e-9,
            ),
        ),
        limits=(Limit("fixed size, the log odds", "log_linear", _odds),),
        derived=(
            Derived(
                "critical_lr_4p8B",
                lambda lr_c, fall: lr_c * (4.8e9 / N0) ** -fall,
                meaning="learning rate at which 4.8e9 parameters diverge in one run of two",
            ),
        ),
        notes=(
            "Counts of diverged runs out of those of a size and learning rate; seeds vary strongly near the "
            "edge. Without qk-layernorm and z-loss the critical rate falls with size."
        ),
    ),
}
LAW = VARIANTS[1]
