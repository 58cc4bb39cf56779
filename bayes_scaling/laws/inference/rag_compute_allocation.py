"""Score of long-context retrieval from documents, shots and rounds (Yue et al. 2024, arXiv:2410.04343)."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, Response
from bayes_scaling.laws._terms import log_product, logit

#: Constants of the paper's link: scores lie between LOW and LOW + RANGE, in standard deviations.
RANGE, STEEPNESS, MIDDLE, LOW = 3.30, 1.81, 0.46, -2.18
#: Documents, shots and rounds among which the paper chooses, and its budgets of tokens.
DOCS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SHOTS = (0, *(2**i for i in range(9)))
ROUNDS = (1, 2, 3, 4, 5)
BUDGETS = (16e3, 32e3, 128e3, 1e6, 5e6)


def mean_value(docs, shots, rounds, doc_gain, shot_gain, *, a_docs, a_shots, a_rounds, b_docs, b_shots, c):
    """Expected standardised score; gains enter as ``exp(gain)``, so that they are positive."""
    w_docs, w_shots = weights(
        jnp.log(doc_gain), jnp.log(shot_gain), a_docs=a_docs, a_shots=a_shots, b_docs=b_docs, b_shots=b_shots
    )
    return squash(c + log_product(1.0, (w_docs, docs), (w_shots, shots), (a_rounds, rounds)))


def squash(score: Any) -> Any:
    """The paper's sigma: from the scale on which configurations add up to the standardised score."""
    return RANGE / (1 + jnp.exp(-STEEPNESS * (score + MIDDLE))) + LOW


def unsquash(standardised: Any) -> Any:
    """Inverse of `squash`."""
    return logit((standardised - LOW) / RANGE) / STEEPNESS - MIDDLE


def weights(
    doc_gain: Any, shot_gain: Any, *, a_docs: Any, a_shots: Any, b_docs: Any, b_shots: Any
) -> tuple[Any, Any]:
    """What an e-fold of documents, and of shots, adds to the score of a task with those gains."""
    return a_docs + b_docs * doc_gain, a_shots + b_shots * shot_gain


class Allocation(NamedTuple):
    """How a budget of tokens is spent; not rounded to whole documents."""

    docs: Any
    shots: Any
    rounds: Any


def optimal_allocation(
    budget: Any,
    doc_tokens: Any,
    shot_tokens: Any,
    *,
    w_docs: Any,
    w_shots: Any,
    a_rounds: Any = 0.0,
    most_rounds: Any = 1.0,
) -> Allocation:
    """Documents, shots and rounds that maximise the score within ``budget`` tokens; arguments broadcast.

    The score is linear in logs, so tokens are split in proportion to the weights. A round repeats the whole
    context: rounds pay, all or none, if ``a_rounds > w_docs + w_shots``.

    Parameters
    ----------
    budget : float or array
        Tokens over all rounds.
    doc_tokens, shot_tokens : float or array
        Length of a document and of an example.
    w_docs, w_shots : float or array
        From `weights`; where one is not positive nothing is spent on it.
    a_rounds, most_rounds : float or array
        Weight and cap of the rounds; the default is a single round.
    """
    w_docs, w_shots = jnp.maximum(w_docs, 0.0), jnp.maximum(w_shots, 0.0)
    total = w_docs + w_shots
    rounds = jnp.where(a_rounds > total, most_rounds, 1.0)
    per_weight = budget / rounds / jnp.maximum(total, 1e-30)
    return Allocation(
        per_weight * w_docs / doc_tokens, per_weight * w_shots / shot_tokens, rounds + 0 * per_weight
    )


def best_on_grid(
    budget: Any,
    doc_tokens: float,
    shot_tokens: float,
    *,
    w_docs: Any,
    w_shots: Any,
    a_rounds: Any = 0.0,
    prompt_tokens: float = 0.0,
    shift: float = 0.01,
) -> Allocation:
    """The best of the paper's grid of whole documents, shots and rounds within ``budget`` tokens.

    Parameters
    ----------
    budget : float or array
        Tokens over all rounds; must pay for the prompt.
    doc_tokens, shot_tokens, prompt_tokens : float
        Length of a document, of an example, and of what every round holds besides.
    w_docs, w_shots, a_rounds : float or array
        As for `optimal_allocation`; they broadcast with the budget.
    shift : float
        Added to documents and shots, so that none has a logarithm; the paper's value was not seen.

    Raises
    ------
    ValueError
        If a budget does not pay for the prompt.
    """
    if np.min(budget) < prompt_tokens:
        raise ValueError(
            f"a budget of {np.min(budget):g} tokens does not pay for a prompt of {prompt_tokens:g}"
        )
    docs, shots, rounds = np.array(list(product(DOCS, SHOTS, ROUNDS)), float).T
    length = rounds * (prompt_tokens + docs * doc_tokens + shots * shot_tokens)
    budget, w_docs, w_shots, a_rounds = (
        jnp.asarray(a, float)[..., None] for a in jnp.broadcast_arrays(budget, w_docs, w_shots, a_rounds)
    )
    score = log_product(1.0, (w_docs, docs + shift), (w_shots, shots + shift), (a_rounds, rounds))
    best = jnp.argmax(jnp.where(length <= budget, score, -jnp.inf), axis=-1)
    return Allocation(*(jnp.asarray(a)[best] for a in (docs, shots, rounds)))


def _near_the_middle(inputs, values):
    """Where effects are small, the score is a line in the log of the documents."""
    tiny = 1e-3
    here = {name: tiny * value for name, value in values.items()} | {"c": -MIDDLE}
    there = {"docs": inputs["docs"], "shots": 1.0, "rounds": 1.0, "doc_gain": 1.0, "shot_gain": 1.0}
    slope = RANGE * STEEPNESS / 4
    return there, here, {"x": inputs["docs"]}, {"a": LOW + RANGE / 2, "b": slope * here["a_docs"]}


LAW = Law(
    name="rag_compute_allocation",
    title="Score of retrieval from documents, shots and rounds",
    equation="sigma^-1(P) = (a + b i) . ln(docs, shots, rounds) + c,  "
    "sigma(x) = 3.30 / (1 + exp(-1.81 (x + 0.46))) - 2.18",
    predictor=mean_value,
    predicts=Response("standardised_score", "sd", "identity", scatter=(0.1, 0.6)),
    inputs=(
        Input("docs", "document", "retrieved documents plus a small shift", (1.0, 1e3)),
        Input("shots", "example", "examples in the context plus a small shift", (1.0, 256.0)),
        Input("rounds", "round", "rounds of retrieval and generation", (1.0, 5.0)),
        Input("doc_gain", "1", "exp of the gain of one document over none, for the task", (0.5, 3.0)),
        Input("shot_gain", "1", "exp of the gain of one example over none, for the task", (0.5, 3.0)),
    ),
    parameters=(
        Parameter("a_docs", (-0.18, 0.48), "real", "shared", meaning="score per e-fold of documents"),
        Parameter("a_shots", (-0.18, 0.48), "real", "shared", meaning="score per e-fold of examples"),
        Parameter("a_rounds", (-0.18, 0.48), "real", "shared", meaning="score per e-fold of rounds"),
        Parameter("b_docs", (-0.164, 0.164), "real", "shared", meaning="change of a_docs with the gain"),
        Parameter("b_shots", (-0.164, 0.164), "real", "shared", meaning="change of a_shots with the gain"),
        Parameter("c", (-1.85, 0.45), "real", meaning="score of one of each, of the task"),
    ),
    published={
        "gemini_1_5_flash": Published(
            {
                "a_docs": 0.325,
                "a_shots": 0.101,
                "a_rounds": 0.177,
                "b_docs": -0.067,
                "b_shots": -0.008,
                "c": -0.730,
            },
            "arXiv:2410.04343, Gemini 1.5 Flash",
        )
    },
    golden=(
        Golden(
            {"docs": 100.0, "shots": 4.0, "rounds": 1.0, "doc_gain": 1.0, "shot_gain": 1.0},
            0.8635,
            "gemini_1_5_flash",
        ),
    ),
    limits=(Limit("small effects, near the middle of the link", "log_linear", _near_the_middle),),
    derived=(
        Derived(
            "per_doubled_docs", lambda a_docs: a_docs * jnp.log(2.0), "1", "score of twice the documents"
        ),
        Derived(
            "share_docs",
            lambda a_docs, a_shots: (
                jnp.maximum(a_docs, 0) / jnp.maximum(jnp.maximum(a_docs, 0) + jnp.maximum(a_shots, 0), 1e-30)
            ),
            meaning="share of the context for documents, in a task without gains",
        ),
    ),
    reference=Reference("Inference Scaling for Long-Context RAG", "Yue et al.", 2024, "2410.04343"),
    notes=(
        "A family is a task; a, b belong to the language model. Scores are standardised over the study, and "
        "none of something is written as the small shift of the source. The published mean squared error, "
        "0.085, is that of the standardised score: under every link that the paper tries, MSE / (1 - R^2) "
        "is the same 0.88. With the best configuration at each budget (optimal_allocation, or best_on_grid "
        "of the paper's choices) the score is nearly linear in the log of the budget up to 1e6 tokens "
        "(log_linear), flatter beyond. The published fit reached 96.6 % of the best score on other domains, "
        "and from 128e3 tokens came within 2.8 % at 1e6 and 5.6 % at 5e6. A raw proportion wants a logit: "
        "the odds are then a power of each input where the gains are left out."
    ),
)
