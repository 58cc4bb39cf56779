"""Saturating curve in the log of one quantity: Hill's equation, a logistic in log x."""

from __future__ import annotations

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, real
from bayes_scaling.laws._terms import hill


def mean_value(x, *, low, rise, middle, steepness):
    """``low + rise / (1 + (middle/x)^steepness)``."""
    return low + rise * hill(x, middle, steepness)


def _shallow(inputs, values):
    """A slow rise is a line in log x of a quarter of the product of rise and steepness."""
    tiny = 1e-6
    here = {**values, "low": values["low"] - 0.5 / tiny, "rise": 1 / tiny, "steepness": tiny}
    here["middle"] = 1.0
    return inputs, here, inputs, {"a": values["low"], "b": 0.25}


LAW = Law(
    name="saturating_hill",
    title="Saturating curve in log x (Hill)",
    equation="y = y0 + s (low + rise / (1 + (middle/x)^steepness)),  y0, s = mean and sd of the fitted y",
    predictor=mean_value,
    predicts=real("y"),
    inputs=(Input("x", "1", "the quantity that is scaled", (1e-6, 1e6), centre="data"),),
    parameters=(
        Parameter("low", (-3.0, 0.5), "real", unit="s", meaning="level at small x, from the mean response"),
        Parameter("rise", (0.6, 8.0), unit="s", meaning="height of the rise"),
        Parameter("middle", (0.03, 30.0), unit="x0", meaning="x at half the rise"),
        Parameter(
            "steepness", (0.3, 3.0), pool="tight", meaning="exponent of x at the foot and the shoulder"
        ),
    ),
    monotone={"x": "increasing"},
    golden=(
        Golden({"x": 5.0}, 1.5, {"low": 1.0, "rise": 1.0, "middle": 5.0, "steepness": 2.0}),
        Golden({"x": 15.0}, 1.9, {"low": 1.0, "rise": 1.0, "middle": 5.0, "steepness": 2.0}),
    ),
    limits=(Limit("shallow", "log_linear", _shallow, atol=1e-4),),
    derived=(Derived("ceiling", lambda low, rise: low + rise, unit="s", meaning="level at large x"),),
    reference=Reference(
        "The Art of Scaling Reinforcement Learning Compute for LLMs", "Khatri et al.", 2025, "2510.13786"
    ),
    checked_on=("figures of arXiv:2509.25300",),
    notes=(
        "For scores that level off at both ends. A falling score wants its negative, or 1 minus it, as the "
        "response. Counts of successes have rl_sigmoid_compute, the same curve for a proportion."
    ),
)
