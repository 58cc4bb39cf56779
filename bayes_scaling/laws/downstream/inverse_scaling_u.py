"""Accuracy that falls and may rise again with scale (McKenzie et al. 2023, arXiv:2306.09479)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws._terms import logit, logit_both, logit_either, logit_with_floor

#: What `shape` tells apart.
SHAPES = ("rising", "falling", "U", "inverted U", "other")


def _decades(x):
    return jnp.log(x) / math.log(10)


def log_odds_distractor(x, *, chance, x_d, k_d, gap, k_t):
    """Logit of ``T + (1 - T) chance (1 - Q)``: solved, or guessed without falling for the distractor."""
    at = _decades(x)
    fooled, solved = k_d * (at - x_d), k_t * (at - x_d - gap)
    return logit_either(solved, logit_both(logit(chance), -fooled))


def log_odds_inverted(x, *, chance, x_a, k_a, harm, gap, k_b):
    """Logit of ``(chance + (1 - chance) S_a) (1 - harm S_b)``: learnt, then partly lost."""
    at = _decades(x)
    learnt = logit_with_floor(k_a * (at - x_a), chance)
    lost = logit_both(logit(harm), k_b * (at - x_a - gap))
    return logit_both(learnt, -lost)


def log_odds_quadratic(x, *, b0, b1, b2):
    """A parabola in the decades of scale."""
    at = _decades(x)
    return b0 + b1 * at + b2 * at**2


def shape(accuracy: Any, tolerance: float = 1e-6) -> Any:
    """Shape of curves given on a grid of increasing scale.

    Parameters
    ----------
    accuracy : array, shape (..., points)
        For example the draws of a forecast's mean.
    tolerance : float
        Steps smaller than this count as level.

    Returns
    -------
    ndarray of str, shape (...)
        One of `SHAPES`; the share of draws with a shape is its probability. Level curves are "other".
    """
    curves = np.asarray(accuracy, dtype=float)
    rows = curves.reshape(-1, curves.shape[-1])
    found = np.empty(len(rows), dtype=object)
    for i, row in enumerate(rows):
        signs = np.sign(np.where(np.abs(np.diff(row)) > tolerance, np.diff(row), 0.0))
        signs = signs[signs != 0]
        turns = tuple(signs[np.insert(signs[1:] != signs[:-1], 0, True)]) if len(signs) else ()
        named = {(1,): "rising", (-1,): "falling", (-1, 1): "U", (1, -1): "inverted U"}
        found[i] = named.get(turns, "other")
    return found.astype(str).reshape(curves.shape[:-1])


_law = partial(
    Law,
    name="inverse_scaling_u",
    predicts=successes("n_correct", "n_samples", link="logit"),
    inputs=(Input("x", "1", "the scale: compute or parameters", (1e-6, 1e6), centre="data"),),
    reference=Reference("Inverse Scaling: When Bigger Isn't Better", "McKenzie et al.", 2023, "2306.09479"),
)

_CHANCE = Parameter("chance", (0.1, 0.6), "unit", "tight", meaning="accuracy of guessing")
_STEEP = (0.88, 4.55)
_PLACE, _GAP = (-3.3, 3.3), (0.19, 5.9)
_DISTRACTED = {"chance": 0.5, "x_d": -1.0, "k_d": 4.0, "gap": 2.0, "k_t": 4.0}

VARIANTS = {
    1: _law(
        title="U-shaped accuracy: an easy distractor is learnt before the task",
        equation=(
            "p = T + (1 - T) chance (1 - Q),  T = sigmoid(k_t (u - x_d - gap)), Q = sigmoid(k_d (u - x_d)), "
            "u = log10(x/x0)"
        ),
        predictor=log_odds_distractor,
        parameters=(
            _CHANCE,
            Parameter("x_d", _PLACE, "real", unit="decade", meaning="where the distractor is learnt"),
            Parameter("k_d", _STEEP, unit="1/decade", pool="tight", meaning="steepness of that"),
            Parameter("gap", _GAP, unit="decade", meaning="how much later the task is learnt"),
            Parameter("k_t", _STEEP, unit="1/decade", pool="tight", meaning="steepness of that"),
        ),
        golden=(
            # T = sigmoid(-4), Q = sigmoid(4)
            Golden({"x": 1.0}, 0.0268175631, _DISTRACTED, rtol=1e-8),
            Golden({"x": 1e-12}, 0.5, _DISTRACTED, rtol=1e-9),
        ),
        derived=(
            Derived(
                "x_t", lambda x_d, gap: x_d + gap, "decade", "where the task is learnt, from x0"
            ),
        ),
        notes=(
            "The paper prints no form; the three here are this package's. This one encodes its cause of an "
            "easy distractor. Limits: chance at small scale, 0 between the two, 1 in the end; a large gap is "
            "pure inverse scaling. Keep it among the laws compared even where accuracy only falls: later "
            "models turned many of the tasks upwards (recalled, not checked). A family is a task or a series "
            "of models; `shape` turns draws into probabilities of shapes. Unbounded metrics: "
            "smoothly_broken_power_law."
        ),
    ),
    2: _law(
        title="Inverted-U-shaped accuracy: learnt, then partly lost",
        equation=(
            "p = (chance + (1 - chance) S_a) (1 - harm S_b),  S_a = sigmoid(k_a (u - x_a)), "
            "S_b = sigmoid(k_b (u - x_a - gap)), u = log10(x/x0)"
        ),
        predictor=log_odds_inverted,
        parameters=(
            _CHANCE,
            Parameter("x_a", _PLACE, "real", unit="decade", meaning="where the task is learnt"),
            Parameter("k_a", _STEEP, unit="1/decade", pool="tight", meaning="steepness of that"),
            Parameter("harm", (0.05, 0.95), "unit", meaning="part that is lost in the end"),
            Parameter("gap", _GAP, unit="decade", meaning="how much later the loss sets in"),
            Parameter("k_b", _STEEP, unit="1/decade", pool="tight", meaning="steepness of that"),
        ),
        golden=(
            Golden({"x": 1e30}, 0.7,
                   {"chance": 0.25, "x_a": 0.0, "k_a": 2.0, "harm": 0.3, "gap": 2.0, "k_b": 2.0}, rtol=1e-9),
            Golden({"x": 1.0}, 0.625 * (1 - 0.3 / (1 + math.exp(4.0))),
                   {"chance": 0.25, "x_a": 0.0, "k_a": 2.0, "harm": 0.3, "gap": 2.0, "k_b": 2.0}, rtol=1e-9),
        ),
        derived=(
            Derived("final", lambda harm: 1 - harm, meaning="accuracy at very large scale"),
        ),
        notes="See variant 1.",
    ),
    3: _law(
        title="Accuracy with a parabola in its logit",
        equation="logit p = b0 + b1 u + b2 u^2,  u = log10(x/x0)",
        predictor=log_odds_quadratic,
        parameters=(
            Parameter("b0", (-1.65, 1.65), "real", meaning="logit at the typical scale"),
            Parameter("b1", (-1.65, 1.65), "real", unit="1/decade", meaning="slope there"),
            Parameter("b2", (-1.65, 1.65), "real", unit="1/decade^2", meaning="curvature; above 0 is a U"),
        ),
        limits=(
            Limit(
                "b2 = 0",
                "log_linear",
                lambda i, v: (
                    i, {**v, "b2": 0.0}, i, {"a": v["b0"], "b": v["b1"] / math.log(10)},
                ),
            ),
        ),
        derived=(
            Derived(
                "turn", lambda b1, b2: -b1 / (2 * b2), "decade", "where the curve turns, from x0"
            ),
            Derived(
                "u_shaped", lambda b2: jnp.where(b2 > 0, 1.0, 0.0), meaning="1 if it is U-shaped; average it"
            ),
        ),
        notes="Runs to 0 or 1 outside the data: a summary of a range, not a forecast. See variant 1.",
    ),
}  # fmt: skip
LAW = VARIANTS[1]
