"""Step at which training with a softmax collapses (Sao 2026, arXiv:2603.13552)."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, Response


def log_mean(spread, margin, *, c):
    """Natural log of the step at which training collapses: ``c`` times the radius."""
    return jnp.log(c) + jnp.log(radius(spread, margin))


def radius(spread: Any, margin: Any = 0.0) -> Any:
    """Step within which the Taylor series of the loss converges; arguments broadcast.

    Parameters
    ----------
    spread : float or array
        Largest less smallest derivative of the logits along the step (logit per unit of step).
    margin : float or array
        Difference of two logits before the step: exact for two classes. Zero, the default, gives the lower
        bound ``pi / spread``, which holds for any number of classes.

    Returns
    -------
    array
        Modulus of the zero ``(-margin + i pi) / spread`` of the partition function
        ``1 + exp(margin + step spread)``.
    """
    return jnp.hypot(margin, math.pi) / spread


def _no_margin(inputs, values):
    there = {"A": values["c"] * math.pi, "alpha": 1.0}
    return {**inputs, "margin": 1e-9}, values, {"x": inputs["spread"]}, there


LAW = Law(
    name="softmax_radius",
    title="Step at which training with a softmax collapses",
    equation="step = c sqrt(margin^2 + pi^2) / spread",
    predictor=log_mean,
    predicts=Response("onset_step", "1", "log", scatter=(0.05, 0.5)),
    inputs=(
        Input("spread", "1", "largest less smallest derivative of the logits along the step", (1e-3, 1e3)),
        Input("margin", "1", "difference of two logits; a small number for the bound", (1e-2, 10.0)),
    ),
    parameters=(Parameter("c", (0.5, 4.0), pool="tight", meaning="collapse over the radius"),),
    monotone={"spread": "decreasing", "margin": "increasing"},
    published={"radius": Published({"c": 1.0}, "arXiv:2603.13552, exact for two classes", "abstract")},
    golden=(
        Golden({"spread": 1.0, "margin": 1e-9}, math.pi, "radius", rtol=1e-9),
        Golden({"spread": 2.0, "margin": math.pi}, math.pi / 2**0.5, "radius", rtol=1e-9),
    ),
    limits=(Limit("no margin: the bound for any number of classes", "power_law", _no_margin),),
    derived=(Derived("bound", lambda c: c * math.pi, meaning="step times spread at collapse, no margin"),),
    reference=Reference(
        "Ghosts of Softmax: Complex Singularities That Limit Safe Step Sizes in Cross-Entropy",
        "Sao",
        2026,
        "2603.13552",
    ),
    notes=(
        "The radius is exact algebra, c = 1; where training collapses in units of it is what is measured. "
        "No model of the paper failed inside the radius, and the spread of the onset over temperatures, a "
        "standard deviation of 0.992, shrank to 0.164 in units of it. Abstracts often quote the radius "
        "without its root. Families are architectures."
    ),
)
