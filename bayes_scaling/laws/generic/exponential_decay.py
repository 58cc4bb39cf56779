"""Exponential approach to a floor, plain or stretched: the rival of a power law over a finite range."""

from __future__ import annotations

import math
from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import log_decay, log_sum_exp


def log_mean(x, *, E, A, tau):
    """Natural log of ``E + A exp(-x/tau)``."""
    return log_sum_exp(jnp.log(E), log_decay(A, x / tau))


def log_mean_stretched(x, *, E, A, tau, s):
    """Natural log of ``E + A exp(-(x/tau)^s)``."""
    return log_sum_exp(jnp.log(E), log_decay(A, x / tau, s))


_law = partial(
    Law,
    name="exponential_decay",
    predicts=positive("y"),
    inputs=(Input("x", "1", "the quantity that is scaled", (1e-6, 1e6), centre="data"),),
    floor="E",
    monotone={"x": "decreasing"},
    reference=Reference("Scaling Data-Constrained Language Models", "Muennighoff et al.", 2023, "2305.16264"),
)
_PARAMETERS = (
    Parameter("E", (0.1, 1.2), unit="y0", meaning="floor"),
    Parameter("A", (0.2, 5.0), unit="y0", meaning="reducible part at x = 0"),
    Parameter("tau", (0.085, 11.8), unit="x0", meaning="scale of the decay"),
)


def _plain(inputs, values):
    there = {name: values[name] for name in ("E", "A", "tau")}
    return inputs, {**values, "s": 1.0}, inputs, there


VARIANTS = {
    1: _law(
        title="Exponential decay to a floor",
        equation="y = y0 (E + A exp(-x/(x0 tau)))",
        predictor=log_mean,
        parameters=_PARAMETERS,
        golden=(
            Golden({"x": 3 * math.log(2)}, 2.0, {"E": 1.0, "A": 2.0, "tau": 3.0}, rtol=1e-12),
            Golden({"x": 8.0}, 0.5 + 1.5 * math.exp(-2), {"E": 0.5, "A": 1.5, "tau": 4.0}, rtol=1e-12),
        ),
        derived=(
            Derived(
                "half_life", lambda tau: tau * math.log(2), "x0", "x over which the reducible part halves"
            ),
        ),
        notes="The form by which repeated data lose their value (data_constrained) and annealing plays out.",
    ),
    2: _law(
        title="Stretched exponential decay to a floor",
        equation="y = y0 (E + A exp(-(x/(x0 tau))^s)),  0 < s < 1",
        predictor=log_mean_stretched,
        parameters=(*_PARAMETERS, Parameter("s", (0.2, 0.95), "unit", "tight", meaning="stretching power")),
        golden=(
            Golden(
                {"x": 16.0}, 0.5 + 1.5 * math.exp(-2), {"E": 0.5, "A": 1.5, "tau": 4.0, "s": 0.5}, rtol=1e-12
            ),
        ),
        limits=(Limit("s = 1", "exponential_decay", _plain),),
        derived=(
            Derived(
                "half_life",
                lambda tau, s: tau * math.log(2) ** (1 / s),
                "x0",
                "x at which half of the reducible part is left",
            ),
        ),
        notes="With s < 1 it imitates a power law over a finite range: use it as the rival in a comparison.",
    ),
}
LAW = VARIANTS[1]
