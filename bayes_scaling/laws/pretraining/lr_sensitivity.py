"""Sensitivity of the final loss to the learning rate, by model size (Wortsman et al. 2023)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bayes_scaling.law import Derived, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import N0, log_power


def sensitivity(learning_rate: Any, losses: Any, initial: float) -> float:
    """Mean excess loss over a sweep, ``E[min(loss(eta), initial)] - min loss``, eta log-uniform.

    Parameters
    ----------
    learning_rate, losses : array, (n,)
        The sweep, in any order; a diverged run may be given as ``nan`` or ``inf``.
    initial : float
        Loss at initialisation, the ceiling of every run (nat/token).

    Returns
    -------
    float
        Trapezoid rule in the log of the learning rate, nat/token.

    Raises
    ------
    ValueError
        If there are fewer than two learning rates, or no run ended below `initial`.
    """
    lr = np.asarray(learning_rate, float)
    order = np.argsort(lr)
    if lr.size < 2 or not lr[order[0]] > 0 or lr[order[0]] == lr[order[-1]]:
        raise ValueError(f"a sweep needs two or more different positive learning rates, found {lr.tolist()}")
    y = np.nan_to_num(np.asarray(losses, float), nan=initial, posinf=initial)
    y = np.minimum(y, initial)[order]
    if y.min() >= initial:
        raise ValueError(f"no run of the sweep ended below the loss at initialisation, {initial}")
    u = np.log(lr[order])
    return float(np.trapezoid(y - y.min(), u) / (u[-1] - u[0]))


def log_mean(params, *, level, q):
    """Natural log of the sensitivity; level is its value at N0."""
    return log_power(level, -q, params / N0)


def _power_law(inputs, values):
    return inputs, values, {"x": inputs["params"] / N0}, {"A": values["level"], "alpha": -values["q"]}


LAW = Law(
    name="lr_sensitivity",
    title="Sensitivity of the final loss to the learning rate, by size",
    equation="LRS = level (N/N0)^q,  LRS = E_eta[min(loss(eta), loss_0)] - min_eta loss,  N0 = 5e8",
    predictor=log_mean,
    predicts=replace(positive("sensitivity", "nat/token", centre="none"), scatter=(0.02, 0.4)),
    inputs=(Input("params", "parameter", "parameters", (1e7, 1e11)),),
    parameters=(
        Parameter("level", (0.01, 2.0), unit="nat/token", meaning="sensitivity at N0"),
        Parameter("q", (-0.3, 0.7), "real", "partial", meaning="exponent of parameters"),
    ),
    limits=(Limit("always", "power_law", _power_law),),
    derived=(
        Derived(
            "growth_per_decade", lambda q: 10.0**q, meaning="factor of sensitivity per tenfold parameters"
        ),
    ),
    reference=Reference(
        "Small-scale proxies for large-scale Transformer training instabilities",
        "Wortsman et al.",
        2023,
        "2309.14322",
    ),
    notes=(
        "Measure the sensitivity of a sweep with `sensitivity`; the paper sweeps 3e-4 to 3e-1. q > 0 "
        "without qk-layernorm or z-loss, near 0 with them. No fitted coefficients were seen, hence no "
        "golden number; families are interventions."
    ),
)
