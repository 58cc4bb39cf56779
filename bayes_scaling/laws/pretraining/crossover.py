"""Two recipes, two saturating power laws, and where they cross (Xiao 2024; Stanic et al. 2023)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._roots import bisect
from bayes_scaling.laws._terms import log_power_offset

_WIDEST = 80.0  # natural log of the farthest crossing looked for, in units of x0


def curves(E, ratio_E, A, ratio_A, alpha, ratio_alpha) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """``(E, A, alpha)`` of recipe 1 and of recipe 2."""
    return (E, A, alpha), (E * ratio_E, A * ratio_A, alpha * ratio_alpha)


def log_mean(x, recipe, *, E, ratio_E, A, ratio_A, alpha, ratio_alpha):
    """Natural log of the curve of recipe 1 or 2."""
    first, second = curves(E, ratio_E, A, ratio_A, alpha, ratio_alpha)
    E, A, alpha = (jnp.where(recipe < 1.5, one, two) for one, two in zip(first, second, strict=True))
    return log_power_offset(E, A, alpha, x)


def from_curves(first: tuple[float, float, float], second: tuple[float, float, float]) -> dict[str, float]:
    """Two curves ``E + A x^-alpha``, each ``(E, A, alpha)``, in this law's coordinates."""
    (E, A, alpha), (E2, A2, alpha2) = first, second
    ratios = {"ratio_E": E2 / E, "ratio_A": A2 / A, "ratio_alpha": alpha2 / alpha}
    return {"E": E, "A": A, "alpha": alpha, **ratios}


def _gap(u, E, ratio_E, A, ratio_A, alpha, ratio_alpha):
    """``y_1 - y_2`` at ``log x = u``, divided by the larger term so that its sign survives far away."""
    (E1, A1, a1), (E2, A2, a2) = curves(E, ratio_E, A, ratio_A, alpha, ratio_alpha)
    one, two = jnp.log(A1) - a1 * u, jnp.log(A2) - a2 * u
    top = jnp.maximum(one, two)
    return (E1 - E2) * jnp.exp(-top) + jnp.exp(one - top) - jnp.exp(two - top)


def _turn(E, ratio_E, A, ratio_A, alpha, ratio_alpha):
    """``log x`` of the only extremum of the gap: there is at most one crossing on either side of it."""
    log_ratio = jnp.log(ratio_alpha * ratio_A)
    turn = log_ratio / (alpha * (ratio_alpha - 1.0))
    return jnp.clip(jnp.nan_to_num(turn, nan=0.0, posinf=_WIDEST, neginf=-_WIDEST), -_WIDEST, _WIDEST)


def _root(low, high, values):
    """Crossing of the gap between two points, as x, or nan if it does not change sign there."""
    changes = _gap(low, *values) * _gap(high, *values) < 0
    return jnp.where(changes, jnp.exp(bisect(lambda u: _gap(u, *values), low, high)), jnp.nan)


def crossings(E, ratio_E, A, ratio_A, alpha, ratio_alpha) -> tuple[Any, Any]:
    """First and last crossing of the two curves.

    Parameters
    ----------
    E, ratio_E, A, ratio_A, alpha, ratio_alpha : float or array
        The law's parameters; arrays broadcast.

    Returns
    -------
    tuple of array
        The x of the early and of the late crossing, in units of x0; ``nan`` where there is none. Two curves
        with offsets cross twice at most, once on either side of the point where they run parallel.
    """
    values = jnp.broadcast_arrays(
        *(jnp.asarray(v, float) for v in (E, ratio_E, A, ratio_A, alpha, ratio_alpha))
    )
    turn = _turn(*values)
    far = jnp.full_like(turn, _WIDEST)
    return _root(-far, turn, values), _root(turn, far, values)


def crossing(E, ratio_E, A, ratio_A, alpha, ratio_alpha) -> Any:
    """The last crossing in x (the early one if it is the only one); ``nan`` where there is none."""
    early, late = crossings(E, ratio_E, A, ratio_A, alpha, ratio_alpha)
    return jnp.where(jnp.isnan(late), early, late)


def late_winner(E, ratio_E, A, ratio_A, alpha, ratio_alpha) -> Any:
    """1 where recipe 2 is the better one far beyond the last crossing, else 0: its mean is a probability."""
    far = _WIDEST * jnp.ones_like(jnp.asarray(alpha * ratio_alpha, float))
    return jnp.where(_gap(far, E, ratio_E, A, ratio_A, alpha, ratio_alpha) > 0, 1.0, 0.0)


def ahead(x, E, ratio_E, A, ratio_A, alpha, ratio_alpha) -> Any:
    """1 where recipe 2 has the lower curve at ``x`` (in units of x0), else 0: its mean is a probability."""
    u = jnp.log(x) * jnp.ones_like(jnp.asarray(alpha * ratio_alpha, float))
    return jnp.where(_gap(u, E, ratio_E, A, ratio_A, alpha, ratio_alpha) > 0, 1.0, 0.0)


def _same_recipe(inputs, values):
    there = {name: values[name] for name in ("E", "A", "alpha")}
    return {**inputs, "recipe": 1.0}, values, {"x": inputs["x"]}, there


_EXAMPLE = from_curves((1.8, 20.0, 0.15), (1.7, 60.0, 0.18))

LAW = Law(
    name="crossover",
    title="Two recipes and the scale at which one overtakes the other",
    equation="y_1 = y0 (E + A (x/x0)^-alpha),  y_2 = y0 (ratio_E E + ratio_A A (x/x0)^-(ratio_alpha alpha))",
    predictor=log_mean,
    predicts=positive("y"),
    inputs=(
        Input(
            "x", "1", "the quantity that is scaled (compute, hours, parameters)", (1e-6, 1e6), centre="data"
        ),
        Input("recipe", "1", "1 for the first recipe, 2 for the second", (1.0, 2.0)),
    ),
    parameters=(
        Parameter("E", (0.1, 1.2), unit="y0", meaning="floor of recipe 1"),
        Parameter("ratio_E", (0.967, 1.034), meaning="floor of recipe 2 over that of recipe 1"),
        Parameter("A", (0.05, 1.5), unit="y0", meaning="reducible part of recipe 1 at x0"),
        Parameter("ratio_A", (0.6, 1.67), meaning="reducible part of recipe 2 over that of recipe 1"),
        Parameter("alpha", (0.09, 0.7), meaning="exponent of recipe 1", pool="tight"),
        Parameter(
            "ratio_alpha", (0.82, 1.22), meaning="exponent of recipe 2 over that of recipe 1", pool="tight"
        ),
    ),
    monotone={"x": "decreasing"},
    golden=tuple(
        Golden({"x": 9.337e11, "recipe": recipe}, 2.120257, _EXAMPLE, rtol=1e-6) for recipe in (1.0, 2.0)
    ),
    limits=(Limit("recipe 1", "power_law_offset", _same_recipe),),
    derived=(
        Derived("crossing", crossing, "x0", "last crossing of the two curves; nan if there is none"),
        Derived(
            "early_crossing",
            lambda E, ratio_E, A, ratio_A, alpha, ratio_alpha: crossings(
                E, ratio_E, A, ratio_A, alpha, ratio_alpha
            )[0],
            "x0",
            "crossing before the curves run parallel; nan if there is none",
        ),
        Derived(
            "crosses",
            lambda E, ratio_E, A, ratio_A, alpha, ratio_alpha: jnp.where(
                jnp.isnan(crossing(E, ratio_E, A, ratio_A, alpha, ratio_alpha)), 0.0, 1.0
            ),
            meaning="1 if the curves cross at all: average it",
        ),
        Derived(
            "ahead_at_x0",
            lambda E, ratio_E, A, ratio_A, alpha, ratio_alpha: ahead(
                1.0, E, ratio_E, A, ratio_A, alpha, ratio_alpha
            ),
            meaning="1 if recipe 2 is the better one at x0: average it (`ahead` does so at any x)",
        ),
        Derived("late_winner", late_winner, meaning="1 if recipe 2 wins at very large x: average it"),
        Derived(
            "exponent_gain", lambda alpha, ratio_alpha: alpha * (ratio_alpha - 1), meaning="alpha_2 - alpha_1"
        ),
    ),
    reference=Reference(
        "Rethinking Conventional Wisdom in Machine Learning: From Generalization to Scaling",
        "Xiao",
        2024,
        "2409.15156",
    ),
    notes=(
        "Neither source prints a formula or coefficients (Languini Kitchen, arXiv:2309.11197, extrapolates "
        "a crossing at 5e4 accelerator-hours); the curves are power_law_offset. The recipe is coded 1 or 2 "
        "in its own column, families are pairs of recipes. The chapter's prior on the difference of "
        "exponents, Normal(0, 0.03), is stated as a ratio so that both stay positive. A crossing is a "
        "ratio of differences and heavy-tailed where the exponents nearly agree: report late_winner and "
        "quantiles of the crossing, never its mean. The larger floor loses in the end, whatever the "
        "exponents."
    ),
)
