"""Saturating power law: a floor and a power of one quantity (M2 of Alabdulmohsin et al. 2022)."""

from __future__ import annotations

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import log_power_offset


def log_mean(x, *, E, A, alpha):
    """Natural log of ``E + A x^-alpha``."""
    return log_power_offset(E, A, alpha, x)


def _no_floor(inputs, values):
    here = {**values, "E": values["A"] * 1e-12 * inputs["x"] ** -values["alpha"]}
    return inputs, here, inputs, {"A": values["A"], "alpha": values["alpha"]}


def henighan(floor: float, x_c: float, alpha: float) -> dict[str, float]:
    """Published ``L_inf + (x_c / x)^alpha`` in this law's coordinates."""
    return {"E": floor, "A": x_c**alpha, "alpha": alpha}


LAW = Law(
    name="power_law_offset",
    title="Power law with a floor",
    equation="y = y0 (E + A (x/x0)^-alpha)",
    predictor=log_mean,
    predicts=positive("y"),
    inputs=(Input("x", "1", "the quantity that is scaled", (1e-6, 1e6), centre="data"),),
    parameters=(
        Parameter("E", (0.1, 1.2), unit="y0", meaning="floor, relative to the typical response"),
        Parameter("A", (0.05, 1.5), unit="y0", meaning="reducible part at x0"),
        Parameter("alpha", (0.09, 0.7), meaning="exponent", pool="tight"),
    ),
    floor="E",
    monotone={"x": "decreasing"},
    published={
        "henighan2020_image8_N": Published(henighan(3.12, 80.0, 0.24), "arXiv:2010.14701", "paper"),
        "henighan2020_video_N": Published(henighan(1.01, 3.7e4, 0.24), "arXiv:2010.14701", "paper"),
    },
    golden=(
        Golden({"x": 1e6}, 3.2239, "henighan2020_image8_N"),
        Golden({"x": 1e9}, 1.0964, "henighan2020_video_N"),
    ),
    limits=(Limit("E -> 0", "power_law", _no_floor),),
    derived=(Derived("slope", lambda E, A, alpha: -alpha * A / (E + A), meaning="log-log slope at x0"),),
    reference=Reference(
        "Revisiting Neural Scaling Laws in Language and Vision",
        "Alabdulmohsin, Neyshabur, Zhai",
        2022,
        "2209.06640",
    ),
    checked_on=("rnsl_benchmark_language", "double_descent_nano"),
    notes="E, A and alpha trade off on one curve: read the local slope, -alpha (1 - E/y), not alpha alone.",
)
