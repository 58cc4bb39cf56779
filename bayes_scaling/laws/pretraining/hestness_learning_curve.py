"""Generalisation error against training-set size (Hestness et al. 2017, arXiv:1712.00409)."""

from __future__ import annotations

from functools import partial

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import log_power, log_power_offset

#: Published exponents by domain as 90 % prior intervals for ``with_priors``: the spread between architectures
#: of a domain, 1 % of the exponent where the paper measured it, 5 % elsewhere. All belong to the best model
#: of each data size but ``translation_single``, which is for variant 2 (the paper gives 0.30 and 0.36).
EXPONENTS = {
    "word_lm": (0.0648, 0.0670),
    "character_lm": (0.090, 0.099),
    "translation": (0.122, 0.135),
    "translation_single": (0.285, 0.378),
    "imagenet_top1": (0.294, 0.325),
    "imagenet_top5": (0.464, 0.513),
    "imagenet_loss": (0.333, 0.368),
    "speech": (0.2956, 0.3025),
}


def log_mean(samples, *, A, alpha):
    """Natural log of ``A m^-alpha``, the best model of each data size."""
    return log_power(A, alpha, samples)


def log_mean_single(samples, *, E, A, alpha):
    """Natural log of ``E + A m^-alpha``, one model on growing data."""
    return log_power_offset(E, A, alpha, samples)


def _no_floor(inputs, values):
    here = {**values, "E": values["A"] * 1e-12 * inputs["samples"] ** -values["alpha"]}
    return inputs, here, inputs, {"A": values["A"], "alpha": values["alpha"]}


def _single_is_generic(inputs, values):
    return inputs, values, {"x": inputs["samples"]}, values


_law = partial(
    Law,
    name="hestness_learning_curve",
    predicts=positive("error"),
    inputs=(
        Input(
            "samples",
            "sample",
            "size of the training set (tokens, images, hours)",
            (1e4, 1e11),
            centre="data",
        ),
    ),
    monotone={"samples": "decreasing"},
    reference=Reference(
        "Deep Learning Scaling is Predictable, Empirically", "Hestness et al.", 2017, "1712.00409"
    ),
)
_PARAMETERS = (
    Parameter("A", (0.3, 3.0), unit="y0", pool="separate", meaning="level; it moves with the architecture"),
    Parameter("alpha", (0.043, 0.524), pool="rigid", meaning="exponent, -beta_g; belongs to the domain"),
)

VARIANTS = {
    1: _law(
        title="Learning curve of the best model per data size",
        equation="eps = y0 A (m/m0)^-alpha",
        predictor=log_mean,
        parameters=_PARAMETERS,
        published={
            "word_lm": Published({"A": 11.9, "alpha": 0.066}, "arXiv:1712.00409", "paper*"),
            "translation": Published({"A": 3.87, "alpha": 0.128}, "arXiv:1712.00409", "paper*"),
        },
        golden=(
            Golden({"samples": 1e7}, 4.107, "word_lm"),
            Golden({"samples": 1e8}, 3.528, "word_lm"),
            Golden({"samples": 1e7}, 0.4917, "translation"),
        ),
        limits=(Limit("always", "power_law", _single_is_generic),),
        derived=(
            Derived("doubling", lambda alpha: 2.0**-alpha, meaning="factor on the error when data double"),
        ),
        notes=(
            "Families are architectures of one domain: they share the exponent to about 1 % and differ in "
            "the level; do not pool exponents across domains (EXPONENTS has one interval for each). Leave "
            "out the plateau of small data, or use saturating_m4 or smoothly_broken_power_law for the whole "
            "curve."
        ),
    ),
    2: _law(
        title="Learning curve of one model, with a floor",
        equation="eps = y0 (E + A (m/m0)^-alpha)",
        predictor=log_mean_single,
        parameters=(
            Parameter("E", (0.1, 1.2), unit="y0", pool="separate", meaning="error left, gamma"),
            *_PARAMETERS,
        ),
        floor="E",
        limits=(
            Limit("E -> 0", "hestness_learning_curve", _no_floor),
            Limit("always", "power_law_offset", _single_is_generic),
        ),
        notes="A single model stops improving at its capacity; in translation, exponents 0.30 and 0.36.",
    ),
}
LAW = VARIANTS[1]
