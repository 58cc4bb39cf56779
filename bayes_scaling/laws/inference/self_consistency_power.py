"""Accuracy of a majority vote over n samples (Feng, Alonso, Odonnat 2025, arXiv:2511.12309)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws._terms import log_sum_exp

#: Samples of a plain vote that one sample of Blend-ASC is worth: the two versions of the paper.
BLEND_ASC = (6.8, 4.8)


def logit_mean(k, *, misled, slip, q):
    """Log odds of a right vote; the error is ``misled + (1 - misled) slip k^-q``."""
    log_excess = jnp.log(slip) - q * jnp.log(k)
    log_right = jnp.log1p(-misled) + jnp.log1p(-jnp.exp(log_excess))
    return log_right - log_sum_exp(jnp.log(misled), jnp.log1p(-misled) + log_excess)


def vote_margin(first: Any, second: Any) -> Any:
    """``(sqrt(p1) - sqrt(p2))^2`` of the probabilities of the two most likely answers, p1 >= p2."""
    return (jnp.sqrt(first) - jnp.sqrt(second)) ** 2


def vote_rate(first: Any, second: Any) -> Any:
    """Exponent r, nats per sample: the runner-up wins a vote of n with probability at most ``exp(-r n)``."""
    return -jnp.log1p(-vote_margin(first, second))


def samples_needed(error: Any, *, misled: Any, slip: Any, q: Any) -> Any:
    """Samples per question at which the error is ``error``; infinite below ``misled``."""
    excess = (error - misled) / ((1 - misled) * slip)
    return jnp.where(excess > 0, jnp.maximum(excess, 1e-300) ** (-1 / q), jnp.inf)


def _no_misled(inputs, values):
    here = {**values, "misled": 1e-25, "slip": 1e-9 * values["slip"]}
    return inputs, here, {"x": inputs["k"]}, {"A": 1 / here["slip"], "alpha": -values["q"]}


LAW = Law(
    name="self_consistency_power",
    title="Accuracy of a majority vote",
    equation="error(k) = misled + (1 - misled) slip k^-q",
    predictor=logit_mean,
    predicts=successes(name="n_correct", trials="n_samples", link="logit"),
    inputs=(Input("k", "sample", "samples per question that vote", (1.0, 1e3)),),
    parameters=(
        Parameter(
            "misled", (0.08, 0.92), "unit", meaning="share of questions whose commonest answer is wrong"
        ),
        Parameter("slip", (0.05, 0.6), "unit", meaning="error of one sample on the other questions"),
        Parameter("q", (0.331, 0.754), pool="tight", meaning="exponent of samples"),
    ),
    monotone={"k": "increasing"},
    golden=(
        # q = 1/2: four times the samples halve the excess error, 0.8 * 0.4 -> 0.16
        Golden({"k": 1.0}, 0.48, {"misled": 0.2, "slip": 0.4, "q": 0.5}, "paper*", rtol=1e-9),
        Golden({"k": 4.0}, 0.64, {"misled": 0.2, "slip": 0.4, "q": 0.5}, "paper*", rtol=1e-9),
    ),
    limits=(Limit("rare errors, none misled: odds of being right", "power_law", _no_misled),),
    derived=(
        Derived("accuracy_one", lambda misled, slip: (1 - misled) * (1 - slip), meaning="of one sample"),
        Derived("accuracy_limit", lambda misled: 1 - misled, meaning="of a vote without end"),
        Derived(
            "to_halve_excess", lambda q: 2 ** (1 / q), meaning="factor of samples that halves the excess"
        ),
    ),
    reference=Reference("Optimal Self-Consistency", "Feng, Alonso, Odonnat", 2025, "2511.12309"),
    notes=(
        "A family is a model on a benchmark. q = 1/2 where the density of vote margins m goes as m^(-1/2) "
        "near zero, which holds if sqrt(p1) - sqrt(p2) has a finite density there. The printed amplitude is "
        "(1 - misled) slip, so that errors stay below one. Questions with a wrong commonest answer get worse "
        "as votes are added, which a power law leaves out: drop k = 1 and 2 of multiple choice if the first "
        "points bend. Blend-ASC reaches the error of a plain vote of g k samples with k: BLEND_ASC."
    ),
)
