"""Straight line in the log of one quantity: the first-order limit of a power law."""

from __future__ import annotations

import math

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Parameter, Reference, real


def mean_value(x, *, a, b):
    """``a + b log x``."""
    return a + b * jnp.log(x)


LAW = Law(
    name="log_linear",
    title="Line in log x",
    equation="y = y0 + s (a + b log(x/x0)),  y0, s = mean and standard deviation of the fitted y",
    predictor=mean_value,
    predicts=real("y"),
    inputs=(Input("x", "1", "the quantity that is scaled", (1e-6, 1e6), centre="data"),),
    parameters=(
        Parameter("a", (-1.65, 1.65), "real", unit="s", meaning="level at x0, from the mean response"),
        Parameter("b", (-1.65, 1.65), "real", "tight", unit="s", meaning="change per e-fold of x"),
    ),
    golden=(
        Golden({"x": math.e}, 3.0, {"a": 1.0, "b": 2.0}),
        Golden({"x": 1e-2}, -2.302585, {"a": 0.0, "b": 0.5}),
    ),
    derived=(Derived("per_decade", lambda b: b * math.log(10), unit="s", meaning="change per decade of x"),),
    reference=Reference(
        "Scaling Laws for Autoregressive Generative Modeling", "Henighan et al.", 2020, "2010.14701"
    ),
    notes=(
        "What a power law with a floor becomes as its exponent vanishes (A = -b/alpha, up to a constant). "
        "Used for mutual information against parameters, lambda log(N/N_c), and for many scores against "
        "compute; a bounded score wants its logit as the response."
    ),
)
