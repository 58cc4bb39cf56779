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


#: Numbers of the Monte Carlo that there are at once.
MOST_NUMBERS = 2**21


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


def wrong_split(nll: Any, correct: Any = 0) -> Any:
    """How the wrong choices of an item share their probability mass, shape (..., J - 1).

    Parameters
    ----------
    nll, correct
        As for `metrics`; the choices keep their order.
    """
    nll = jnp.asarray(nll)
    choices = jnp.arange(nll.shape[-1])
    others = jnp.argsort(choices == jnp.asarray(correct)[..., None], axis=-1, stable=True)[..., :-1]
    shape = (*jnp.broadcast_shapes(nll.shape[:-1], others.shape[:-1]), nll.shape[-1])
    others = jnp.broadcast_to(others, (*shape[:-1], others.shape[-1]))
    return jax.nn.softmax(-jnp.take_along_axis(jnp.broadcast_to(nll, shape), others, axis=-1), axis=-1)


def expected_metrics(
    nll: Any, sd: Any, correlation: Any, correct: Any = 0, *, draws: int = 1000, seed: int = 0
) -> Metrics:
    """Scores averaged over the scatter of the choices about their scaling laws.

    Accuracy is a step function, so a data set's accuracy is the mean of this over its items, not the score
    of the mean likelihoods.

    Parameters
    ----------
    nll : array, shape (..., J)
        Expected negative log likelihood of each choice.
    sd : float or array, shape (...)
        Standard deviation of one choice (nat).
    correlation : float or array, shape (...)
        Correlation between the choices of an item, 0 to 1. What they share moves `p_vocab` alone.
    correct : int or int array, shape (...)
    draws, seed : int
        Monte Carlo draws, and where they start; items and draws of a posterior scatter independently.

    Returns
    -------
    Metrics
        Arrays of the shape to which all leading axes broadcast.

    Raises
    ------
    ValueError
        If a ``correlation`` lies outside 0 to 1 or an ``sd`` is negative.
    """
    nll, sd, correlation = (np.asarray(x, float) for x in (nll, sd, correlation))
    if not (((correlation >= 0) & (correlation <= 1)).all() and (sd >= 0).all()):
        raise ValueError(
            f"expected sd >= 0 and a correlation from 0 to 1; found sd={sd}, correlation={correlation}"
        )
    lead = np.broadcast_shapes(nll.shape[:-1], sd.shape, correlation.shape, np.shape(correct))
    nll = np.broadcast_to(nll, (*lead, nll.shape[-1]))
    shared, own = (sd * correlation**0.5)[..., None], (sd * (1 - correlation) ** 0.5)[..., None]
    rng, left = np.random.default_rng(seed), draws
    total = [np.zeros(lead) for _ in Metrics._fields]
    while left:  # a few draws at a time: those of a posterior times the items may be many
        few = min(left, max(1, MOST_NUMBERS // max(nll.size, 1)))
        common = rng.normal(size=(few, *lead, 1))
        scattered = nll + shared * common + own * rng.normal(size=(few, *nll.shape))
        total = [t + m.sum(axis=0) for t, m in zip(total, metrics(scattered, correct), strict=True)]
        left -= few
    return Metrics(*(jnp.asarray(t) / draws for t in total))


def expected_scores(log_odds: Any, split: Any, sd: Any = 0.0, *, draws: int = 1000, seed: int = 0) -> Metrics:
    """Scores of items from draws of this law: where a fit ends and accuracy begins.

    The law says what part of the choices' mass is right, ``split`` how the rest is shared: together they are
    the negative log likelihoods of all choices, up to what the choices of an item have in common.

    Parameters
    ----------
    log_odds : array, shape (...)
        What the law predicts, logit of `p_choices`: for example (draws, items), from a forecast of the mean.
    split : array, shape (..., J - 1)
        From `wrong_split`, for example that of the largest models, averaged in logs.
    sd : float or array, shape (...)
        Standard deviation of a measured log odds about the law. It is shared out among independent choices,
        of which each has ``sd/sqrt(1 + sum of squares of split)``: to second order the log odds have the mean
        and scatter that the law says. What the choices have in common moves nothing here.
    draws, seed : int
        As for `expected_metrics`; without scatter one draw is exact.

    Returns
    -------
    Metrics
        Of the broadcast shape; `p_vocab` is NaN, for the law knows differences of likelihoods only.

    Raises
    ------
    ValueError
        If an ``sd`` is negative.
    """
    log_odds, split, sd = (np.asarray(x, float) for x in (log_odds, split, sd))
    squares = (split**2).sum(axis=-1)
    each = sd / np.sqrt(1 + squares)
    # a mass that scatters is on average larger than its typical value, and the law is of the average log
    log_odds = log_odds + each**2 * (1 - squares) / 2
    wrong = log_odds[..., None] - np.log(split)
    nll = np.concatenate([np.zeros((*wrong.shape[:-1], 1)), wrong], axis=-1)
    found = expected_metrics(nll, each, 0.0, draws=draws if np.any(sd > 0) else 1, seed=seed)
    return found._replace(p_vocab=jnp.full_like(found.brier, jnp.nan))


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
        "A family is an item, or a task with the mean logit. Do not fit accuracy: push draws of this law "
        "through `expected_scores`, with the wrong answers' split of their mass (`wrong_split`), or draws of "
        "each choice through `expected_metrics`, having fitted single choices' NLL by power_law_offset, "
        "rising ones by log_linear."
    ),
)
