"""Power law between a start value and a floor (M4 of Alabdulmohsin et al. 2022, arXiv:2209.06640)."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._roots import increasing_root
from bayes_scaling.laws._terms import log_power, log_sum_exp, softplus


def log_mean(x, *, E, drop, A, alpha, bend):
    """Natural log of the root y of ``(y - E)/(1 - (y - E)/drop)^bend = A x^-alpha``."""
    # With y = E + drop v the equation is log v - bend log(1 - v) = level, increasing in t = logit v.
    level = log_power(A, alpha, x) - jnp.log(drop)
    low = jnp.minimum(level, 0.0) - (bend + 1) * math.log(2) - 1
    high = jnp.maximum(level + math.log(2), 0.0) * jnp.maximum(1.0, 1 / jnp.maximum(bend, 1e-3)) + 2
    # The left side is t + (bend - 1) softplus(t): it bends one way, from one line to another. From the nearer
    # of the two lines' roots Newton's steps do not overshoot.
    far = level / jnp.maximum(bend, 1e-3)
    start = jnp.clip(jnp.where(bend > 1, jnp.minimum(level, far), jnp.maximum(level, far)), low, high)
    t = increasing_root(lambda t: t + (bend - 1) * softplus(t) - level, low, high, start)
    return log_sum_exp(jnp.log(E), jnp.log(drop) + jax.nn.log_sigmoid(t))


def _no_bend(inputs, values):
    # A start value far above the power law keeps the root inside (E, E + drop).
    here = {**values, "bend": 0.0, "drop": 1e3 * values["A"] * inputs["x"] ** -values["alpha"]}
    return inputs, here, inputs, {name: values[name] for name in ("E", "A", "alpha")}


def at_reference(beta, c, alpha, err_inf, err_0) -> dict[str, float]:
    """Published symbols of ``(err - err_inf)/(err_0 - err)^alpha = beta x^c`` in this law's coordinates."""
    drop = err_0 - err_inf
    return {"E": err_inf, "drop": drop, "A": beta * drop**alpha, "alpha": -c, "bend": alpha}


def _start_far_above(inputs, values):
    here = {**values, "drop": 1e12 * values["A"] * inputs["x"] ** -values["alpha"]}
    return inputs, here, inputs, {name: values[name] for name in ("E", "A", "alpha")}


_ARITHMETIC = at_reference(beta=50.0, c=-0.35, alpha=0.8, err_inf=0.1, err_0=0.99)

LAW = Law(
    name="saturating_m4",
    title="Sigmoid-like power law from a start value to a floor (M4)",
    equation="(y/y0 - E)/(1 - (y/y0 - E)/drop)^bend = A (x/x0)^-alpha",
    predictor=log_mean,
    predicts=positive("y"),
    inputs=(Input("x", "1", "the quantity that is scaled", (1e-6, 1e6), centre="data"),),
    parameters=(
        Parameter("E", (0.1, 1.2), unit="y0", meaning="floor, err_inf"),
        Parameter("drop", (0.5, 5.0), unit="y0", meaning="start value less floor, err_0 - err_inf"),
        Parameter("A", (0.1, 5.0), unit="y0", meaning="reducible part at x0, were the start far above it"),
        Parameter("alpha", (0.176, 0.91), pool="tight", meaning="exponent after the start, -c"),
        Parameter("bend", (0.15, 3.5), meaning="slowness of the start, alpha of the paper"),
    ),
    floor="E",
    monotone={"x": "decreasing"},
    golden=(
        Golden({"x": 1e3}, 0.87728, _ARITHMETIC, rtol=1e-5),
        Golden({"x": 1e5}, 0.55600, _ARITHMETIC, rtol=1e-5),
        Golden({"x": 1e7}, 0.24081, _ARITHMETIC, rtol=2.5e-5),
        Golden({"x": 1e9}, 0.13134, _ARITHMETIC, rtol=4e-5),
    ),
    limits=(
        Limit("bend = 0", "power_law_offset", _no_bend),
        Limit("drop -> infinity", "power_law_offset", _start_far_above),
    ),
    derived=(Derived("start", lambda E, drop: E + drop, "y0", "response before any learning, err_0"),),
    reference=Reference(
        "Revisiting Neural Scaling Laws in Language and Vision",
        "Alabdulmohsin, Neyshabur, Zhai",
        2022,
        "2209.06640",
    ),
    checked_on=("rnsl_benchmark_language", "double_descent_nano"),
    notes=(
        "Has no closed form: the unique root is found by safeguarded Newton steps in the logit of the "
        "remaining share, with derivatives from the implicit function theorem. The start value is often "
        "known (one less chance, or the log of the vocabulary): give drop a narrow prior then. The published "
        "beta is A drop^-bend: data far below the start say A, and hardly beta. The "
        "half-normal prior of the paper's alpha is a log-normal one here."
    ),
)
