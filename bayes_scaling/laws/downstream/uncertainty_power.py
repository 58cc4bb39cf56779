"""Predictive uncertainty against the size of the training set (Rosso et al. 2025, arXiv:2506.09648)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import log_power, log_sum_exp

#: Training examples at which the amplitudes are stated.
SAMPLES0 = 1e4


def log_mean(samples, part, *, A_aleatoric, gamma_aleatoric, A_epistemic, gamma_epistemic):
    """Natural log of the aleatoric (part 1), epistemic (2) or total (3) uncertainty."""
    aleatoric = log_power(A_aleatoric, gamma_aleatoric, samples / SAMPLES0)
    epistemic = log_power(A_epistemic, gamma_epistemic, samples / SAMPLES0)
    total = log_sum_exp(aleatoric, epistemic)
    return jnp.where(part < 1.5, aleatoric, jnp.where(part < 2.5, epistemic, total))


def samples_needed(target: Any, *, A_epistemic: Any, gamma_epistemic: Any) -> Any:
    """Training examples at which the epistemic uncertainty is ``target``; infinite if it does not fall."""
    needed = SAMPLES0 * (A_epistemic / target) ** (1 / gamma_epistemic)
    return jnp.where(gamma_epistemic > 0, needed, jnp.inf)


def linear_regression(samples: Any, features: int, noise: float) -> Any:
    """Mean epistemic variance of Bayesian linear regression: known noise variance, flat prior, normal design.

    ``noise * features / (samples - features - 1)``: the exponent tends to 1, an exact test of the law.
    """
    return noise * features / (samples - features - 1)


def _epistemic(inputs, values):
    there = {"A": values["A_epistemic"], "alpha": values["gamma_epistemic"]}
    return {**inputs, "part": 2.0}, values, {"x": inputs["samples"] / SAMPLES0}, there


def _constant_noise(inputs, values):
    here = {**values, "gamma_aleatoric": 0.0}
    there = {"E": values["A_aleatoric"], "A": values["A_epistemic"], "alpha": values["gamma_epistemic"]}
    return {**inputs, "part": 3.0}, here, {"x": inputs["samples"] / SAMPLES0}, there


_EXAMPLE = {"A_aleatoric": 0.4, "gamma_aleatoric": 0.1, "A_epistemic": 0.2, "gamma_epistemic": 0.5}

LAW = Law(
    name="uncertainty_power",
    title="Aleatoric, epistemic and total uncertainty from training examples",
    equation="AU = A_a (n/1e4)^-gamma_a,  EU = A_e (n/1e4)^-gamma_e,  TU = AU + EU",
    predictor=log_mean,
    predicts=replace(positive("uncertainty", "nat", centre="none"), scatter=(0.02, 0.5)),
    inputs=(
        Input("samples", "example", "training examples", (1e2, 1e7)),
        Input("part", "1", "1 aleatoric, 2 epistemic, 3 total", (1.0, 3.0)),
    ),
    parameters=(
        Parameter("A_aleatoric", (0.02, 2.0), unit="nat", meaning="aleatoric uncertainty at 1e4 examples"),
        Parameter(
            "gamma_aleatoric", (-0.147, 0.347), "real", "partial", meaning="exponent of the aleatoric part"
        ),
        Parameter("A_epistemic", (1e-3, 1.0), unit="nat", meaning="epistemic uncertainty at 1e4 examples"),
        Parameter(
            "gamma_epistemic", (-0.258, 1.058), "real", "partial", meaning="exponent of the epistemic part"
        ),
    ),
    golden=tuple(
        Golden({"samples": 1e6, "part": part}, value, _EXAMPLE, rtol=1e-6)
        for part, value in ((1.0, 0.252383), (2.0, 0.02), (3.0, 0.272383))
    ),
    limits=(
        Limit("epistemic", "power_law", _epistemic),
        Limit("total with constant aleatoric part", "power_law_offset", _constant_noise),
    ),
    derived=(
        Derived(
            "factor_10",
            lambda gamma_epistemic: jnp.where(gamma_epistemic > 0, 10 ** (1 / gamma_epistemic), jnp.inf),
            meaning="factor of examples that makes the epistemic part ten times smaller",
        ),
        Derived(
            "epistemic_share",
            lambda A_aleatoric, A_epistemic: A_epistemic / (A_aleatoric + A_epistemic),
            meaning="epistemic share of the total at 1e4 examples",
        ),
    ),
    reference=Reference("Scaling Laws for Uncertainty in Deep Learning", "Rosso et al.", 2025, "2506.09648"),
    notes=(
        "One row is one of the three, by the column part. Total = aleatoric + epistemic holds exactly, so at "
        "most two of them are power laws; the paper fits one to each. Exponents of the epistemic part run "
        "from 0 to 1 with the method of inference and may be negative; 1 is the theory of an identifiable "
        "parametric model. Families are methods on a data set. From S posterior samples the epistemic part "
        "has a relative error of some sqrt(2/(S - 1))."
    ),
)
