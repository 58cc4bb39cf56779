"""Adversarial error against the size of the perturbation (Cubuk et al. 2017, arXiv:1711.02846)."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive, successes
from bayes_scaling.laws._terms import log_power


def log_error(epsilon, *, A, B):
    """Natural log of ``A e^B``."""
    return log_power(A, -B, epsilon)


def log_log_accuracy(epsilon, *, A, B):
    """``log(-log(accuracy))`` of the bounded form, ``error = 1 - exp(-A e^B)``."""
    return log_error(epsilon, A=A, B=B)


def _generic(inputs, values):
    return inputs, values, {"x": inputs["epsilon"]}, {"A": values["A"], "alpha": -values["B"]}


_law = partial(
    Law,
    name="adv_eps_power",
    inputs=(Input("epsilon", "1", "size of the perturbation", (1e-4, 1e-1), centre="data"),),
    reference=Reference("Intriguing Properties of Adversarial Examples", "Cubuk et al.", 2017, "1711.02846"),
)
_EXPONENT = Parameter(
    "B", (0.771, 1.429), pool="shared", meaning="exponent; 1 for a flat density of logit gaps"
)
_POOLING = "Families are pairs of model and attack, of one exponent; it is universal and near 1."

VARIANTS = {
    1: _law(
        title="Adversarial error before it saturates",
        equation="err = A (e/e0)^B",
        predictor=log_error,
        predicts=replace(positive("error", "1", centre="none"), scatter=(0.01, 0.3)),
        parameters=(Parameter("A", (1e-3, 0.5), pool="separate", meaning="error at e0"), _EXPONENT),
        monotone={"epsilon": "increasing"},
        golden=(Golden({"epsilon": 2.0}, 0.2, {"A": 0.1, "B": 1.0}, rtol=1e-9),),
        limits=(Limit("always", "power_law", _generic),),
        derived=(Derived("doubling", lambda B: 2.0**B, meaning="factor on the error when e doubles"),),
        notes=f"{_POOLING} Leave out perturbations that fool the model most of the time, or take variant 2.",
    ),
    2: _law(
        title="Accuracy under attack, through to saturation",
        equation="accuracy = exp(-A (e/e0)^B)",
        predictor=log_log_accuracy,
        predicts=successes("n_correct", "n_samples", link="loglog"),
        parameters=(
            Parameter("A", (1e-2, 5.0), pool="separate", meaning="-log of the accuracy at e0"),
            _EXPONENT,
        ),
        monotone={"epsilon": "decreasing"},
        golden=(Golden({"epsilon": 3.0}, 0.5, {"A": math.log(2) / 3, "B": 1.0}, rtol=1e-9),),
        limits=(Limit("the response is -log accuracy", "power_law", _generic),),
        derived=(
            Derived(
                "epsilon_half",
                lambda A, B: (math.log(2) / A) ** (1 / B),
                "e0",
                "perturbation that fools the model half of the time",
            ),
        ),
        notes=f"A proposal: its small-e limit is the printed law. {_POOLING}",
    ),
}
LAW = VARIANTS[1]
