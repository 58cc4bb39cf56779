"""Smoothly broken power law with one to three breaks (Caballero et al. 2022, arXiv:2210.14891)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import bend, log_power, log_sum_exp


def log_mean_1(x, *, a, b, c0, c1, d1, f1):
    """Natural log of the expected response, one break."""
    return _log_mean(x, a, b, c0, (c1,), (jnp.log(d1),), (f1,))


def log_mean_2(x, *, a, b, c0, c1, d1, f1, c2, gap2, f2):
    """Natural log of the expected response, two breaks; the second lies ``gap2`` e-folds after the first."""
    place = jnp.log(d1)
    return _log_mean(x, a, b, c0, (c1, c2), (place, place + gap2), (f1, f2))


def log_mean_3(x, *, a, b, c0, c1, d1, f1, c2, gap2, f2, c3, gap3, f3):
    """Natural log of the expected response, three breaks."""
    place = jnp.log(d1)
    return _log_mean(x, a, b, c0, (c1, c2, c3), (place, place + gap2, place + gap2 + gap3), (f1, f2, f3))


def _log_mean(x, a, b, c0, slopes, places, widths):
    log_x = jnp.log(x)
    falling = log_power(b, c0, x)
    for c, place, f in zip(slopes, places, widths, strict=True):
        falling -= c * (bend(log_x - place, f) - bend(-place, f))  # b stays the height at x = 1
    return log_sum_exp(jnp.log(a), falling)


def at_reference(a, b, c0, c, d, f) -> dict[str, float]:
    """Published ``a + b x^-c0 prod (1 + (x/d_i)^(1/f_i))^(-c_i f_i)`` in this law's coordinates."""
    values = {"a": a, "b": b, "c0": c0}
    for i, (c_i, d_i, f_i) in enumerate(zip(c, d, f, strict=True), start=1):
        values["b"] *= math.exp(-c_i * f_i * math.log1p(math.exp(-math.log(d_i) / f_i)))
        place = {"d1": d_i} if i == 1 else {f"gap{i}": math.log(d_i / d[i - 2])}
        values |= {f"c{i}": c_i, **place, f"f{i}": f_i}
    return values


def _parameters(breaks: int) -> tuple[Parameter, ...]:
    # With more breaks the first one is expected earlier; together they cover the data and two decades beyond.
    first = {1: (1e-3, 1e3), 2: (1e-4, 30.0), 3: (1e-4, 3.0)}[breaks]
    parameters = [
        Parameter("a", (0.01, 1.2), unit="y0", meaning="limit for large x"),
        Parameter("b", (0.1, 4.0), unit="y0", meaning="reducible part at x0"),
        Parameter("c0", (-0.34, 0.64), "real", "tight", meaning="exponent before the first break"),
    ]
    for i in range(1, breaks + 1):
        place = (
            Parameter("d1", first, unit="x0", meaning="place of the first break")
            if i == 1
            else Parameter(f"gap{i}", (0.7, 9.0), unit="e-fold", meaning=f"log d_{i} - log d_{i - 1}")
        )
        parameters += [
            Parameter(f"c{i}", (-1.65, 1.65), "heavy", meaning=f"change of exponent at break {i}"),
            place,
            Parameter(f"f{i}", (0.08, 1.12), unit="e-fold", meaning=f"width of break {i}; small is sharp"),
        ]
    return tuple(parameters)


def _no_break(inputs, values):
    here = {name: 0.0 if name == "c1" else value for name, value in values.items()}
    return inputs, here, inputs, {"E": values["a"], "A": values["b"], "alpha": values["c0"]}


def _break_far_ahead(inputs, values):
    here = {**values, "d1": max(inputs["x"], 1.0) * 1e30}
    return inputs, here, inputs, {"E": values["a"], "A": values["b"], "alpha": values["c0"]}


def _after_a_plateau(inputs, values):
    """With c0 = 0 and no limit it is a plateau and then a power law of exponent c1."""
    level = values["b"] * inputs["x"] ** -values["c1"]
    here = {**values, "a": level * 1e-12, "c0": 0.0, "d1": min(inputs["x"], 1.0) * 1e-30}
    return inputs, here, inputs, {"A": values["b"], "alpha": values["c1"]}


def _one_break(inputs, values):
    here = {name: 0.0 if name in {"c2", "c3"} else value for name, value in values.items()}
    return inputs, here, inputs, {name: values[name] for name in ("a", "b", "c0", "c1", "d1", "f1")}


def _law(breaks: int, predictor: Callable[..., Any], **records: Any) -> Law:
    return Law(
        name="smoothly_broken_power_law",
        title=f"Smoothly broken power law, {breaks} break{'s' if breaks > 1 else ''}",
        equation=(
            "y = y0 [a + b' w^-c0 prod_i (1 + (w/d_i)^(1/f_i))^(-c_i f_i)],  w = x/x0, "
            "d_i = d_(i-1) exp(gap_i), b' such that the second term is b at w = 1"
        ),
        predictor=predictor,
        predicts=positive("y"),
        inputs=(Input("x", "1", "the quantity that is scaled", (1e-6, 1e6), centre="data"),),
        parameters=_parameters(breaks),
        floor="a",
        reference=Reference("Broken Neural Scaling Laws", "Caballero et al.", 2022, "2210.14891"),
        notes=(
            "The published b is the height of the first segment carried to x = 1; here b is the reducible "
            "part at x0, whose prior does not depend on where the breaks are. The prior of "
            "c_i has the tails of a Student-t: most breaks are mild, some are not. A break outside the data "
            "leaves its c, f and place to the prior."
        ),
        **records,
    )


ADDITION = at_reference(0.41388453, 2.27727229, 0.05507735, [5.66290382], [612.58362], [0.05919304])
THREE_BREAKS = at_reference(
    1e-3, 4.66e3, 0.05, c=[0.49, -0.811, 2.1], d=[3e6, 1e14, 2e20], f=[1.1, 1.425, 0.05]
)

VARIANTS = {
    1: _law(
        1,
        log_mean_1,
        checked_on=("rnsl_benchmark_language", "double_descent_nano"),
        published={"caballero2022_addition": Published(ADDITION, "arXiv:2210.14891, authors' code", "paper")},
        golden=(
            Golden({"x": 160.0}, 2.13582, "caballero2022_addition"),
            Golden({"x": 512.0}, 2.00363, "caballero2022_addition"),
            Golden({"x": 736.0}, 0.96558, "caballero2022_addition"),
            Golden({"x": 928.0}, 0.56260, "caballero2022_addition"),
        ),
        limits=(
            Limit("c1 = 0", "power_law_offset", _no_break),
            Limit("d1 -> infinity", "power_law_offset", _break_far_ahead),
            Limit("a, c0 = 0, far beyond the break", "power_law", _after_a_plateau),
        ),
        derived=(Derived("slope_after", lambda c0, c1: -(c0 + c1), meaning="log-log slope after the break"),),
    ),
    2: _law(
        2,
        log_mean_2,
        checked_on=("double_descent_nano",),
        limits=(Limit("c2 = 0", "smoothly_broken_power_law", _one_break),),
        derived=(
            Derived(
                "slope_after", lambda c0, c1, c2: -(c0 + c1 + c2), meaning="log-log slope after the breaks"
            ),
            Derived("d2", lambda d1, gap2: d1 * jnp.exp(gap2), "x0", "place of the second break"),
        ),
    ),
    3: _law(
        3,
        log_mean_3,
        checked_on=("double_descent_nano",),
        published={
            "caballero2022_demo": Published(THREE_BREAKS, "arXiv:2210.14891, authors' demonstration", "paper")
        },
        golden=(
            Golden({"x": 1e3}, 3297.8, "caballero2022_demo"),
            Golden({"x": 1e10}, 27.722, "caballero2022_demo"),
            Golden({"x": 1e17}, 1.2573, "caballero2022_demo"),
        ),
        limits=(Limit("c2 = c3 = 0", "smoothly_broken_power_law", _one_break),),
        derived=(
            Derived(
                "slope_after",
                lambda c0, c1, c2, c3: -(c0 + c1 + c2 + c3),
                meaning="log-log slope after the breaks",
            ),
            Derived("d2", lambda d1, gap2: d1 * jnp.exp(gap2), "x0", "place of the second break"),
            Derived("d3", lambda d1, gap2, gap3: d1 * jnp.exp(gap2 + gap3), "x0", "place of the third break"),
        ),
    ),
}
LAW = VARIANTS[1]
