"""Accuracy of a majority vote over n samples (Feng, Alonso, Odonnat 2025, arXiv:2511.12309)."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, successes
from bayes_scaling.laws._terms import laplace_amplitude, log_power, log_sum_exp

#: Samples of a plain vote that one of Blend-ASC is worth: first version (abstract), later one (paper*).
BLEND_ASC = (6.8, 4.8)


def logit_mean(k, *, misled, slip, q):
    """Log odds of a right vote; the error is ``misled + (1 - misled) slip k^-q``."""
    log_excess = log_power(slip, q, k)
    log_right = jnp.log1p(-misled) + jnp.log1p(-jnp.exp(log_excess))
    return log_right - log_sum_exp(jnp.log(misled), jnp.log1p(-misled) + log_excess)


def logit_mean_blend(k, method, *, misled, slip, q, gain):
    """The same where a sample of method 2 is worth ``gain`` samples of a plain vote, method 1."""
    return logit_mean(jnp.where(method < 1.5, k, gain * k), misled=misled, slip=slip, q=q)


def vote_margin(first: Any, second: Any) -> Any:
    """``(sqrt(p1) - sqrt(p2))^2`` of the probabilities of the two most likely answers, p1 >= p2."""
    return (jnp.sqrt(first) - jnp.sqrt(second)) ** 2


def vote_rate(first: Any, second: Any) -> Any:
    """Exponent r, nats per sample: the runner-up wins a vote of n with probability at most ``exp(-r n)``."""
    return -jnp.log1p(-vote_margin(first, second))


def excess_amplitude(aligned: Any, density: Any, q: Any) -> Any:
    """``A`` of the excess error ``A k^-q`` if margins m of questions have the density ``density m^(q-1)``.

    Parameters
    ----------
    aligned : float or array
        Share of questions whose commonest answer is right.
    density, q : float or array
        Of the margins of those questions near zero; ``q = 1/2`` where ``sqrt(p1) - sqrt(p2)`` has a finite
        density there.
    """
    return aligned * laplace_amplitude(density, q)


def samples_needed(error: Any, *, misled: Any, slip: Any, q: Any) -> Any:
    """Samples per question at which the error is ``error``; infinite below ``misled``."""
    excess = (error - misled) / ((1 - misled) * slip)
    return jnp.where(excess > 0, jnp.maximum(excess, 1e-300) ** (-1 / q), jnp.inf)


def _plain(inputs, values):
    there = {name: values[name] for name in ("misled", "slip", "q")}
    return {**inputs, "method": 1.0}, values, {"k": inputs["k"]}, there


def _no_misled(inputs, values):
    here = {**values, "misled": 1e-25, "slip": 1e-9 * values["slip"]}
    return inputs, here, {"x": inputs["k"]}, {"A": 1 / here["slip"], "alpha": -values["q"]}


_law = partial(
    Law,
    name="self_consistency_power",
    predicts=successes(name="n_correct", trials="n_samples", link="logit"),
    monotone={"k": "increasing"},
    reference=Reference("Optimal Self-Consistency", "Feng, Alonso, Odonnat", 2025, "2511.12309"),
)
_K = Input("k", "sample", "samples per question that vote", (1.0, 1e3))
_SHARED = (
    Parameter("misled", (0.08, 0.92), "unit", meaning="share of questions whose commonest answer is wrong"),
    Parameter("slip", (0.05, 0.6), "unit", meaning="error of one sample on the other questions"),
    Parameter("q", (0.331, 0.754), pool="tight", meaning="exponent of samples"),
)
_HALF = {"misled": 0.2, "slip": 0.4, "q": 0.5}

VARIANTS = {
    1: _law(
        title="Accuracy of a majority vote",
        equation="error(k) = misled + (1 - misled) slip k^-q",
        predictor=logit_mean,
        inputs=(_K,),
        parameters=_SHARED,
        golden=(
            # q = 1/2: four times the samples halve the excess error, 0.8 * 0.4 -> 0.16
            Golden({"k": 1.0}, 0.48, _HALF, rtol=1e-9),
            Golden({"k": 4.0}, 0.64, _HALF, rtol=1e-9),
        ),
        limits=(Limit("rare errors, none misled: odds of being right", "power_law", _no_misled),),
        derived=(
            Derived("accuracy_one", lambda misled, slip: (1 - misled) * (1 - slip), meaning="of one sample"),
            Derived("accuracy_limit", lambda misled: 1 - misled, meaning="of a vote without end"),
            Derived(
                "to_halve_excess", lambda q: 2 ** (1 / q), meaning="factor of samples that halves the excess"
            ),
        ),
        notes=(
            "A family is a model on a benchmark. q = 1/2 where the density of vote margins m goes as "
            "m^(-1/2) near zero, which holds if sqrt(p1) - sqrt(p2) has a finite density there. The printed "
            "amplitude is (1 - misled) slip, so that errors stay below one. Questions with a wrong "
            "commonest answer get worse as votes are added, which a power law leaves out: drop k = 1 and 2 "
            "of multiple choice if the first points bend."
        ),
    ),
    2: _law(
        title="Accuracy of a majority vote, plain and by Blend-ASC",
        equation="error(k) = misled + (1 - misled) slip (g k)^-q,  g = 1 for method 1, gain for method 2",
        predictor=logit_mean_blend,
        inputs=(_K, Input("method", "1", "1 for a plain vote, 2 for Blend-ASC", (1.0, 2.0))),
        parameters=(
            *_SHARED,
            Parameter(
                "gain", (2.59, 9.66), pool="tight", meaning="plain samples that one of method 2 is worth"
            ),
        ),
        golden=(Golden({"k": 1.0, "method": 2.0}, 0.64, {**_HALF, "gain": 4.0}, rtol=1e-9),),
        limits=(Limit("a plain vote", "self_consistency_power", _plain),),
        derived=(Derived("saved", lambda gain: 1 - 1 / gain, meaning="share of the samples that it saves"),),
        notes=(
            "Blend-ASC allots samples to questions as their votes come in: k is the mean number of samples. "
            "It reached the accuracy of a plain vote with a 6.8th of the samples in the first version of the "
            "paper, with a 4.8th in a later one."
        ),
    ),
}
LAW = VARIANTS[1]
