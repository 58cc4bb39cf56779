"""From the loss of an answer to accuracy on multiple choice (Schaeffer et al. 2024, arXiv:2406.04391)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, Response
from bayes_scaling.laws._terms import D0, N0


def log_odds(compute, *, odds, a, b, a_wrong, b_wrong):
    """Logit of the right answer's share of the choices: its NLL, taken from that of all wrong answers."""
    log_x = jnp.log(compute)
    return odds - a * jnp.expm1(-b * log_x) + a_wrong * jnp.expm1(-b_wrong * log_x)


class Metrics(NamedTuple):
    """Scores of items, each an array of shape (...)."""

    p_vocab: Any
    p_choices: Any
    brier: Any
    accuracy: Any


def metrics(nll: Any, correct: Any = 0) -> Metrics:
    """Every score of multiple choice from the negative log likelihoods of the choices.

    Parameters
    ----------
    nll : array, shape (..., J)
        Negative log probability of each choice, summed over its tokens or averaged: one of the two.
    correct : int or int array, shape (...)
        Which choice is right.

    Returns
    -------
    Metrics
        Probability of the right choice among all texts and among the choices; Brier score, in [0, 2];
        accuracy, 1 over the number of choices tied for first place, or 0.
    """
    nll = jnp.asarray(nll)
    right = jax.nn.one_hot(jnp.asarray(correct), nll.shape[-1], dtype=nll.dtype)
    share = jax.nn.softmax(-nll, axis=-1)
    first = nll == nll.min(axis=-1, keepdims=True)
    return Metrics(
        p_vocab=jnp.exp(-(right * nll).sum(axis=-1)),
        p_choices=(right * share).sum(axis=-1),
        brier=((right - share) ** 2).sum(axis=-1),
        accuracy=(right * first).sum(axis=-1) / first.sum(axis=-1),
    )


def wrong_nll(nll: Any, correct: Any = 0) -> Any:
    """Negative log of the probability mass on the wrong choices; its surplus is the logit of `p_choices`.

    Parameters
    ----------
    nll, correct
        As for `metrics`.
    """
    nll = jnp.asarray(nll)
    right = jax.nn.one_hot(jnp.asarray(correct), nll.shape[-1], dtype=bool)
    return -jax.nn.logsumexp(jnp.where(right, -jnp.inf, -nll), axis=-1)


def expected_metrics(
    nll: Any, sd: float, correlation: float, correct: Any = 0, *, draws: int = 1000, seed: int = 0
) -> Metrics:
    """Scores averaged over the scatter of the choices about their scaling laws.

    Accuracy is a step function, so a data set's accuracy is the mean of this over its items, not the score
    of the mean likelihoods.

    Parameters
    ----------
    nll : array, shape (..., J)
        Expected negative log likelihood of each choice.
    sd : float
        Standard deviation of one choice (nat).
    correlation : float
        Correlation between the choices of an item, 0 to 1. What they share moves `p_vocab` alone.
    correct : int or int array, shape (...)
    draws, seed : int
        Monte Carlo draws, and where they start.

    Raises
    ------
    ValueError
        If ``correlation`` lies outside 0 to 1 or ``sd`` is negative.
    """
    if not (0 <= correlation <= 1 and sd >= 0):
        raise ValueError(
            f"expected sd >= 0 and a correlation from 0 to 1; found sd={sd}, correlation={correlation}"
        )
    rng, nll = np.random.default_rng(seed), jnp.asarray(nll)
    common = rng.normal(size=(draws, *nll.shape[:-1], 1)) * correlation**0.5
    noise = sd * (common + rng.normal(size=(draws, *nll.shape)) * (1 - correlation) ** 0.5)
    return Metrics(*(m.mean(axis=0) for m in metrics(nll + noise, correct)))


def _frozen(inputs, values):
    """With frozen wrong answers the share is a logistic in the right answer's NLL ``a (C/C0)^-b``."""
    there = {
        "E": 1e-30, "A": values["a"], "alpha": values["b"], "B": 1e-30, "beta": 0.3,
        "chance": 1e-300, "reach": 1 - 1e-15, "k": 1.0, "L0": values["odds"] + values["a"],
    }  # fmt: skip
    plan = {"params": inputs["compute"] * N0, "tokens": D0}
    return inputs, {**values, "b_wrong": 0.0}, plan, there


LAW = Law(
    name="mcq_metric_chain",
    title="Share of the right answer among the choices, right and wrong answers scaling apart",
    equation=(
        "p_choices = sigmoid(W(C) - NLL(C)),  NLL = E + a (C/C0)^-b for the right answer, "
        "W = E_wrong + a_wrong (C/C0)^-b_wrong for the mass on wrong ones,  odds = W - NLL at C0"
    ),
    predictor=log_odds,
    predicts=replace(Response("p_choices", "1", "logit"), scatter=(1.5e-2, 0.5)),
    inputs=(Input("compute", "FLOP", "training compute", (1e18, 1e25), centre="data"),),
    parameters=(
        Parameter("odds", (-2.5, 2.0), "real", meaning="logit of the right answer's share at C0"),
        Parameter("a", (0.1, 3.0), unit="nat", meaning="reducible NLL of the right answer at C0"),
        Parameter("b", (0.066, 0.341), pool="tight", meaning="its exponent"),
        Parameter("a_wrong", (0.1, 3.0), unit="nat", meaning="changing part of W at C0"),
        Parameter("b_wrong", (-0.0645, 0.2645), "real", "tight", meaning="its exponent, of either sign"),
    ),
    golden=(
        Golden(
            {"compute": 1.0},
            0.25,
            {"odds": -1.0986122886681098, "a": 1.0, "b": 0.2, "a_wrong": 1.0, "b_wrong": 0.1},
            rtol=1e-9,
        ),
        Golden(
            {"compute": 1e5},
            0.5,
            {"odds": -0.9, "a": 1.0, "b": 0.2, "a_wrong": 1.0, "b_wrong": 0.0},
            rtol=1e-9,
        ),
    ),
    limits=(Limit("wrong answers frozen", "ladder_two_step", _frozen),),
    derived=(
        Derived("share", lambda odds: jax.nn.sigmoid(odds), meaning="the right answer's share at C0"),
        Derived(
            "slope",
            lambda a, b, a_wrong, b_wrong: a * b - a_wrong * b_wrong,
            meaning="growth of the log odds per e-fold of compute at C0",
        ),
        Derived(
            "rivals_grow",
            lambda a, b, a_wrong, b_wrong: jnp.where(a_wrong * b_wrong > a * b, 1.0, 0.0),
            meaning="1 if the wrong answers gain faster than the right one at C0; average it",
        ),
    ),
    reference=Reference(
        "Why Has Predicting Downstream Capabilities of Frontier AI Models with Scale Remained Elusive?",
        "Schaeffer et al.",
        2024,
        "2406.04391",
    ),
    notes=(
        "The chain NLL -> p_vocab -> p_choices -> Brier, accuracy is `metrics`; the paper's point is that "
        "every step after p_vocab needs the wrong answers, so they get a scaling law here, that of their "
        "total mass (a choice of this package). p_choices sees E and E_wrong only through their difference. "
        "A family is an item, or a task with the mean logit. Do not fit accuracy: push draws of each choice "
        "through `expected_metrics`. Fit single choices' NLL by power_law_offset, rising ones by log_linear."
    ),
)
