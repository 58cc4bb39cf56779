"""Resolution-limited, then variance-limited scaling of one resource (Bahri et al. 2021, arXiv:2102.06701)."""

from __future__ import annotations

import math

import jax.numpy as jnp

from bayes_scaling.law import Z90, Derived, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import bend, log_power, log_sum_exp


def log_mean(x, *, E, A, dimension, turn, sharpness):
    """Natural log of the expected response; A is the excess at x0 carried on from the early regime."""
    alpha = 4 / dimension
    beyond = bend(jnp.log(x / turn), 1 / sharpness)
    return log_sum_exp(log_power(E, 0.0, 1.0), log_power(A, alpha, x) - (1 - alpha) * beyond)


def dimension_prior(dimension: float) -> tuple[float, float]:
    """90 % interval of ``dimension`` for data of a measured intrinsic dimension, to hand to `with_priors`.

    The exponent is log-normal around ``4/d`` with a standard deviation of 0.4, which leaves room for the
    weaker bounds. A kernel with eigenvalues ``i^-(1 + alpha)`` counts as ``d = 4/alpha``.
    """
    factor = math.exp(0.4 * Z90)
    return dimension / factor, dimension * factor


def _resolution_limited(inputs, values):
    here = {**values, "turn": inputs["x"] * 1e10, "sharpness": 4.0}
    return inputs, here, inputs, {"E": values["E"], "A": values["A"], "alpha": 4 / values["dimension"]}


def _variance_limited(inputs, values):
    turn = inputs["x"] * 1e-10
    here = {**values, "turn": turn, "sharpness": 4.0}
    A = values["A"] * turn ** (1 - 4 / values["dimension"])
    return inputs, here, inputs, {"E": values["E"], "A": A, "alpha": 1.0}


def _broken(inputs, values):
    alpha, sharpness = 4 / values["dimension"], values["sharpness"]
    height = values["A"] * (1 + values["turn"] ** -sharpness) ** (-(1 - alpha) / sharpness)
    there = {"a": values["E"], "b": height, "c0": alpha, "c1": 1 - alpha}
    return inputs, values, inputs, {**there, "d1": values["turn"], "f1": 1 / sharpness}


LAW = Law(
    name="explained_regimes",
    title="Excess loss that turns from exponent 4/d (resolution-limited) to 1 (variance-limited)",
    equation=(
        "y = y0 (E + A (x/x0)^-alpha (1 + (x/turn)^sharpness)^(-(1 - alpha)/sharpness)),  alpha = 4/dimension"
    ),
    predictor=log_mean,
    predicts=positive("y"),
    inputs=(Input("x", "1", "data, parameters or width", (1e-6, 1e6), centre="data"),),
    parameters=(
        Parameter(
            "E", (0.05, 1.0), unit="y0", meaning="response at infinite x, the other resource being fixed"
        ),
        Parameter("A", (0.05, 1.5), unit="y0", meaning="excess at x0 by the early regime"),
        Parameter("dimension", (6.2, 23.0), pool="partial", meaning="intrinsic dimension d of the data"),
        Parameter("turn", (0.01, 1e4), unit="x0", pool="partial", meaning="x at which the regime changes"),
        Parameter("sharpness", (0.5, 6.0), pool="tight", meaning="inverse width of the change in log x"),
    ),
    floor="E",
    monotone={"x": "decreasing"},
    limits=(
        Limit("turn -> infinity", "power_law_offset", _resolution_limited),
        Limit("turn -> 0", "power_law_offset", _variance_limited),
        Limit("always", "smoothly_broken_power_law", _broken),
    ),
    derived=(
        Derived(
            "resolution_limited",
            lambda turn: jnp.where(turn > 1, 1.0, 0.0),
            meaning="1 if the runs at x0 are still resolution-limited: average it",
        ),
        Derived("alpha", lambda dimension: 4 / dimension, meaning="resolution-limited exponent"),
        Derived(
            "excess_at_turn",
            lambda A, dimension, turn, sharpness: (
                A * turn ** (-4 / dimension) * 2 ** (-(1 - 4 / dimension) / sharpness)
            ),
            "y0",
            "excess at the change of regime",
        ),
    ),
    reference=Reference(
        "Explaining Neural Scaling Laws", "Bahri, Dyer, Kaplan, Lee, Sharma", 2021, "2102.06701"
    ),
    notes=(
        "The paper states regimes and exponents, no joint curve: this is smoothly_broken_power_law with "
        "the two exponents fixed by theory (4/d before the turn, 1 after it; in parameters P ~ width^2 the "
        "variance-limited exponent is 1/2, so give the width). 4/d holds for smooth interpolation and a "
        "quadratic loss minimum; 2/d and 1/d are weaker bounds, which the prior on d leaves room for. Data "
        "and parameters are dual: equal exponents of D and P in chinchilla test it. d depends on the data "
        "set, not on the architecture."
    ),
)
