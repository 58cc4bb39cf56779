"""Optimal batch size from tokens (Li et al. 2025, arXiv:2503.04715)."""

from __future__ import annotations

import math
from dataclasses import replace

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import D0, log_power


def log_mean(tokens, *, batch, r):
    """Natural log of the optimal batch (tokens); batch is its value at D0."""
    return log_power(batch, -r, tokens / D0)


def _power_law(inputs, values):
    return inputs, values, {"x": inputs["tokens"] / D0}, {"A": values["batch"], "alpha": -values["r"]}


LAW = Law(
    name="step_law_batch",
    title="Optimal batch size (Step Law)",
    equation="B* = batch (D/D0)^r,  D0 = 2e10",
    predictor=log_mean,
    predicts=replace(positive("batch_tokens", "token", centre="none"), scatter=(0.02, 0.4)),
    inputs=(Input("tokens", "token", "training tokens", (1e9, 1e13)),),
    parameters=(
        Parameter("batch", (2.3e5, 8.6e5), unit="token", meaning="optimal batch at D0, of the recipe"),
        Parameter("r", (0.489, 0.653), pool="tight", meaning="exponent of tokens"),
    ),
    monotone={"tokens": "increasing"},
    published={
        "li2025": Published({"batch": 0.58 * D0**0.571, "r": 0.571}, "arXiv:2503.04715", "paper*"),
        "li2025_bootstrap": Published(
            {"batch": math.exp(-0.556) * D0**0.571, "r": 0.571},
            "arXiv:2503.04715, mean of the authors' 1000 bootstrap fits (SD of r .019)",
        ),
    },
    golden=(
        Golden({"tokens": 1.4e12}, 5.00e6, "li2025", rtol=1e-3),
        Golden({"tokens": 1e11}, 1.108e6, "li2025", rtol=5e-4),
        Golden({"tokens": 4e10}, 6.57e5, "li2025", rtol=1e-3),
    ),
    limits=(Limit("always", "power_law", _power_law),),
    derived=(
        Derived(
            "steps_exponent",
            lambda r: 1 - r,
            meaning="exponent of tokens in the number of steps at the optimal batch",
        ),
        Derived(
            "batch_1400B",
            lambda batch, r: batch * (1.4e12 / D0) ** r,
            "token",
            "optimal batch at 1.4e12 tokens",
        ),
    ),
    reference=Reference("Predictable Scale: Part I, Step Law", "Li et al.", 2025, "2503.04715"),
    checked_on=("steplaw_dense",),
    notes="Intercept and exponent are correlated at -.999 at D = 1, hence the centring at D0.",
)
