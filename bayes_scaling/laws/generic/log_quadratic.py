"""Parabola in logs: slices at equal compute, learning-rate and batch sweeps, growth of a logit."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import log_power


def log_mean(x, *, A, x_opt, curvature):
    """Natural log of the expected response around its minimum ``A`` at ``x_opt``."""
    return jnp.log(A) + curvature / 2 * jnp.log(x / x_opt) ** 2


def log_mean_free(x, *, A, alpha, curvature):
    """Natural log of the expected response with slope ``-alpha`` and any curvature at x0."""
    return log_power(A, alpha, x) + curvature / 2 * jnp.log(x) ** 2


_law = partial(
    Law,
    name="log_quadratic",
    predicts=positive("y"),
    inputs=(Input("x", "1", "the quantity that is swept", (1e-4, 1e4), centre="data"),),
    reference=Reference(
        "Training Compute-Optimal Large Language Models", "Hoffmann et al.", 2022, "2203.15556"
    ),
)


def _straight(inputs, values):
    return inputs, {**values, "curvature": 0.0}, inputs, {"A": values["A"], "alpha": values["alpha"]}


VARIANTS = {
    1: _law(
        title="Parabola in logs with an optimum",
        equation="log y = log y0 + log A + (1/2) curvature log(x/(x0 x_opt))^2",
        predictor=log_mean,
        parameters=(
            Parameter("A", (0.5, 1.5), unit="y0", meaning="lowest response"),
            Parameter("x_opt", (0.085, 11.8), unit="x0", meaning="where the response is lowest"),
            Parameter(
                "curvature", (0.00386, 0.1036), pool="tight", meaning="second derivative of log y in log x"
            ),
        ),
        golden=(
            Golden({"x": 2.0}, 1.0031, {"A": 1.0, "x_opt": 1.0, "curvature": 0.0127}),
            Golden({"x": 4.0}, 1.012, {"A": 1.0, "x_opt": 1.0, "curvature": 0.0127}, rtol=5e-4),
        ),
        derived=(
            Derived(
                "c1", lambda x_opt, curvature: -curvature * jnp.log(x_opt), meaning="log-log slope at x0"
            ),
            Derived(
                "cost_of_doubling",
                lambda curvature: jnp.expm1(curvature / 2 * jnp.log(2.0) ** 2),
                meaning="relative loss from a factor of two beside the optimum",
            ),
        ),
        notes=(
            "c0 + c1 w + (1/2) c2 w^2 with c2 > 0, in the coordinates that a sweep is about: the optimum, "
            "its height and its curvature. For slices of parameters or learning rate the curvature is 0.01 "
            "to 0.02."
        ),
    ),
    2: _law(
        title="Parabola in logs of either sign",
        equation="log y = log y0 + log A - alpha w + (1/2) curvature w^2,  w = log(x/x0)",
        predictor=log_mean_free,
        parameters=(
            Parameter("A", (0.3, 3.0), unit="y0", meaning="response at x0"),
            Parameter("alpha", (-0.9, 0.9), "real", "tight", meaning="minus the log-log slope at x0"),
            Parameter(
                "curvature", (-0.1, 0.1), "real", "tight", meaning="second derivative of log y in log x"
            ),
        ),
        golden=(Golden({"x": 4.0}, 1.012, {"A": 1.0, "alpha": 0.0, "curvature": 0.0127}, rtol=5e-4),),
        limits=(Limit("curvature = 0", "power_law", _straight),),
        derived=(
            Derived(
                "x_extreme",
                lambda alpha, curvature: jnp.exp(alpha / curvature),
                "x0",
                "where the parabola is flat: lowest there if the curvature is positive, else highest",
            ),
            Derived(
                "y_extreme",
                lambda A, alpha, curvature: A * jnp.exp(-(alpha**2) / (2 * curvature)),
                "y0",
                "response there",
            ),
        ),
        notes="For growth that bends, such as the largest attention logit against parameters.",
    ),
}
LAW = VARIANTS[1]
