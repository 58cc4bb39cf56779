"""Samples from which group arithmetic generalises (Tian 2025, arXiv:2509.21519)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws._terms import hill, logit

#: Part of the seeds that do otherwise for reasons of their own; keeps far sides of the threshold finite.
LAPSE = 1e-4


def logit_mean(samples, group_order, *, kappa, width):
    """Log odds that a seed generalises."""
    threshold = critical_samples(group_order, kappa=kappa)
    return logit(LAPSE + (1 - 2 * LAPSE) * hill(samples, threshold, 1 / width))


def critical_samples(group_order: Any, *, kappa: Any, dimension: Any = 1.0, failure: Any = 1.0) -> Any:
    """Samples that keep the generalising features: ``kappa d^2 M ln(M/failure)``.

    Parameters
    ----------
    group_order : float or array
        M, two or more; there are ``M^2`` pairs in all.
    dimension : float or array
        Of the irreducible representation; 1 for cyclic groups.
    failure : float or array
        Probability of failure.
    """
    return kappa * dimension**2 * group_order * jnp.log(jnp.maximum(group_order / failure, 2.0))


def critical_fraction(group_order: Any, *, kappa: Any) -> Any:
    """`critical_samples` over all pairs: falls as ``ln M / M``."""
    return critical_samples(group_order, kappa=kappa) / group_order**2


def _near_threshold(inputs, values):
    """A wide threshold: the odds are a power of the samples."""
    width = 2.0 + values["width"]
    x = float(inputs["samples"] / critical_samples(inputs["group_order"], kappa=values["kappa"]))
    return inputs, {**values, "width": width}, {"x": x}, {"A": 1.0, "alpha": -1 / width}


LAW = Law(
    name="grokking_feature_samples",
    title="Share of seeds that generalise, from samples and group order",
    equation="logit(p) = ln(n/n*) / width,  n* = kappa M ln M",
    predictor=logit_mean,
    predicts=successes(name="n_generalised", trials="n_seeds", link="logit"),
    inputs=(
        Input("samples", "sample", "training pairs n", (10.0, 1e5)),
        Input("group_order", "1", "order of the group M", (10.0, 300.0)),
    ),
    parameters=(
        Parameter("kappa", (0.19, 5.2), meaning="samples at the threshold over M ln M"),
        Parameter("width", (0.0125, 0.392), pool="tight", meaning="width of the threshold in log samples"),
    ),
    monotone={"samples": "increasing", "group_order": "decreasing"},
    golden=(
        # kappa = 1 and M = 100: the threshold is at 460.517 of 10 000 pairs
        Golden({"samples": 460.517, "group_order": 100.0}, 0.5, {"kappa": 1.0, "width": 0.1}),
    ),
    limits=(Limit("a wide threshold: the odds", "power_law", _near_threshold, atol=2e-2),),
    derived=(
        Derived(
            "samples_97",
            lambda kappa: critical_samples(97.0, kappa=kappa),
            "sample",
            "threshold of arithmetic modulo 97",
        ),
        Derived(
            "fraction_97",
            lambda kappa: critical_fraction(97.0, kappa=kappa),
            meaning="the same over all pairs",
        ),
    ),
    reference=Reference("Provable Scaling Laws of Feature Emergence", "Tian", 2025, "2509.21519"),
    notes=(
        "The theorem gives n* up to a constant, for a loss without label noise. Seeds generalise or do "
        "not: count them, and do not average their accuracy. Doubling M multiplies n* by 2 (1 + ln 2 / ln M)."
    ),
)
