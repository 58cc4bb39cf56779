"""Task score against fine-tuning examples (Raghavendra et al. 2024, arXiv:2410.03717)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive, successes
from bayes_scaling.laws._terms import log_power, logit

#: Fine-tuning examples at which the score is stated.
EXAMPLES0 = 1000.0


def logit_score(examples, *, score0, h):
    """Logit of the score, a line in the log of the examples."""
    return logit(score0) + h * jnp.log(examples / EXAMPLES0)


def log_score(examples, *, score0, h):
    """Natural log of ``score0 (D/D0)^h``; the printed exponent is ``1/b = h``."""
    return log_power(score0, -h, examples / EXAMPLES0)


def at_reference(a: float, b: float) -> dict[str, float]:
    """Published ``P = a D^(1/b)`` in this law's coordinates."""
    return {"score0": a * EXAMPLES0 ** (1 / b), "h": 1 / b}


def _line(inputs, values):
    a = float(logit(values["score0"]))
    return inputs, values, {"x": inputs["examples"] / EXAMPLES0}, {"a": a, "b": values["h"]}


def _small_score(inputs, values):
    here = {**values, "score0": 1e-9 * values["score0"]}
    there = {"A": here["score0"], "alpha": -values["h"]}
    return inputs, here, {"x": inputs["examples"] / EXAMPLES0}, there


def _generic(inputs, values):
    there = {"A": values["score0"], "alpha": -values["h"]}
    return inputs, values, {"x": inputs["examples"] / EXAMPLES0}, there


_law = partial(
    Law,
    name="finetune_power",
    inputs=(Input("examples", "example", "fine-tuning examples", (100.0, 2e4)),),
    parameters=(
        Parameter("score0", (0.135, 0.865), "unit", meaning="score after 1000 examples"),
        Parameter(
            "h", (0.0094, 0.294), pool="tight", meaning="slope in log examples, 1/b; belongs to the task"
        ),
    ),
    monotone={"examples": "increasing"},
    reference=Reference(
        "Revisiting the Superficial Alignment Hypothesis", "Raghavendra et al.", 2024, "2410.03717"
    ),
)
_START = (
    "Start at some 100 examples: style is learnt before that. Families are models, or models on tasks; "
    "larger models shift score0."
)

VARIANTS = {
    1: _law(
        title="Share of correct answers from fine-tuning examples, bounded",
        equation="logit P = logit score0 + h log(D/1000)",
        predictor=logit_score,
        predicts=successes("n_correct", "n_samples", link="logit"),
        golden=(Golden({"examples": 4000.0}, 2 / 3, {"score0": 0.5, "h": 0.5}, rtol=1e-9),),
        limits=(
            Limit("always: a line on the logit", "log_linear", _line),
            Limit("small scores", "power_law", _small_score),
        ),
        derived=(
            Derived(
                "examples_half",
                lambda score0, h: EXAMPLES0 * ((1 - score0) / score0) ** (1 / h),
                "example",
                "examples for a score of 1/2",
            ),
        ),
        notes=f"The printed power law, variant 2, is the limit of this for small scores. {_START}",
    ),
    2: _law(
        title="Task score from fine-tuning examples, power law as printed",
        equation="P = a D^(1/b) = score0 (D/1000)^h",
        predictor=log_score,
        predicts=replace(positive("score", "1", centre="none"), scatter=(5e-3, 0.1)),
        golden=(Golden({"examples": 8000.0}, 0.4, {"score0": 0.2, "h": 1 / 3}, rtol=1e-9),),
        limits=(Limit("always", "power_law", _generic),),
        derived=(Derived("b", lambda h: 1 / h, meaning="b of the printed D^(1/b)"),),
        notes=f"Crosses 1 in the end: for scores that stay well below their ceiling. {_START}",
    ),
}
LAW = VARIANTS[1]
