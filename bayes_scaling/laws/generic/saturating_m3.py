"""Power law that saturates in x (M3 of Alabdulmohsin et al. 2022, arXiv:2209.06640)."""

from __future__ import annotations

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import log_sum_exp


def log_mean(x, *, A, alpha, gamma):
    """Natural log of ``A (1/x + gamma)^alpha``."""
    return jnp.log(A) + alpha * log_sum_exp(-jnp.log(x), jnp.log(gamma))


def _unsaturated(inputs, values):
    here = {**values, "gamma": 1e-12 / inputs["x"]}
    return inputs, here, inputs, {"A": values["A"], "alpha": values["alpha"]}


_ARITHMETIC = {"A": 20.0, "alpha": 0.3, "gamma": 1e-8}

LAW = Law(
    name="saturating_m3",
    title="Power law that saturates at large x (M3)",
    equation="y = y0 A (x0/x + gamma)^alpha",
    predictor=log_mean,
    predicts=positive("y"),
    inputs=(Input("x", "1", "the quantity that is scaled", (1e-6, 1e6), centre="data"),),
    parameters=(
        Parameter("A", (0.3, 3.0), unit="y0", meaning="level at x0 without saturation (beta of the paper)"),
        Parameter(
            "alpha", (0.176, 0.91), pool="tight", meaning="exponent before saturation (c of the paper)"
        ),
        Parameter(
            "gamma", (1.6e-4, 0.115), unit="1/x0", meaning="inverse of the x at which the curve saturates"
        ),
    ),
    monotone={"x": "decreasing"},
    golden=(
        Golden({"x": 1e4}, 1.26195, _ARITHMETIC, rtol=1e-5),
        Golden({"x": 1e6}, 0.31793, _ARITHMETIC, rtol=2e-5),
        Golden({"x": 1e8}, 0.09803, _ARITHMETIC),
        Golden({"x": 1e12}, 0.07962, _ARITHMETIC),
    ),
    limits=(Limit("gamma -> 0", "power_law", _unsaturated),),
    derived=(
        Derived("limit", lambda A, alpha, gamma: A * gamma**alpha, "y0", "response at unlimited x"),
        Derived("x_saturation", lambda gamma: 1 / gamma, "x0", "where the power law ends"),
    ),
    reference=Reference(
        "Revisiting Neural Scaling Laws in Language and Vision",
        "Alabdulmohsin, Neyshabur, Zhai",
        2022,
        "2209.06640",
    ),
    notes=(
        "log(gamma x_max) has the prior Normal(-2, 2); x_max is taken as 32 times the geometric mean of x, "
        "as for x over three decades."
    ),
)
