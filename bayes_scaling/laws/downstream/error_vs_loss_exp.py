"""Average error on tasks from the loss of a language model (Gadre et al. 2024, arXiv:2403.08540)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import NormalDist
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import (
    Derived,
    Golden,
    Input,
    Law,
    Limit,
    Parameter,
    Published,
    Reference,
    Response,
    successes,
)
from bayes_scaling.laws._terms import bounded_exp, log_bounded, logit_of_log

#: Loss (nat/token) at which ``ratio`` is stated.
L_REF = 3.0

#: 90 % prior intervals for an average over many tasks, for `with_priors`; the defaults suit single tasks of
#: unknown chance, `single_task_priors` those of a known one.
AVERAGE: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"eps": (0.757, 0.925), "ratio": (0.55, 0.88), "gamma": (0.458, 1.23)}
)


def log_odds(loss, *, eps, ratio, gamma):
    """Logit of ``eps (1 - (1 - ratio) exp(-gamma (L - L_REF)))``, bounded at 0.001 of eps."""
    log_share = log_bounded(1 - (1 - ratio) * bounded_exp(-gamma * (loss - L_REF)))
    return logit_of_log(jnp.log(eps) + log_share)


def loss_for(error: Any, *, eps: Any, ratio: Any, gamma: Any) -> Any:
    """Loss (nat/token) at which the expected error is ``error``; NaN from ``eps`` on."""
    left = 1 - error / eps
    return L_REF - jnp.log(jnp.where(left > 0, left, jnp.nan) / (1 - ratio)) / gamma


def single_task_priors(chance: float) -> dict[str, tuple[float, float]]:
    """90 % prior intervals for one task whose accuracy by chance is known, for `with_priors`.

    ``eps ~ Normal(1 - chance, 0.05)`` inside (0, 1), for a model with a very high loss guesses, and
    ``gamma ~ LogNormal(log 1.8, 0.6)``; ``ratio`` keeps the law's own prior. Used as
    ``with_priors(law, single_task_priors(0.25))``, or ``bs.fit(..., priors=single_task_priors(0.25))``.

    Parameters
    ----------
    chance : float
        Accuracy of guessing, from 0 up to but not including 1.

    Returns
    -------
    dict
        Parameter -> interval.

    Raises
    ------
    ValueError
        If ``chance`` lies outside [0, 1).
    """
    if not 0 <= chance < 1:
        raise ValueError(f"chance is {chance:g}, expected an accuracy of guessing: 0 up to below 1")
    around, unit = NormalDist(1 - chance, 0.05), NormalDist()
    below, above = around.cdf(0.0), around.cdf(1.0)
    low, high = (around.inv_cdf(below + p * (above - below)) for p in (0.05, 0.95))
    gamma = [1.8 * math.exp(0.6 * unit.inv_cdf(p)) for p in (0.05, 0.95)]
    return {"eps": (low, high), "gamma": (gamma[0], gamma[1])}


def at_reference(k, gamma, eps) -> dict[str, float]:
    """Published ``eps - k exp(-gamma L)`` in this law's coordinates."""
    return {"eps": eps, "ratio": 1 - k * math.exp(-gamma * L_REF) / eps, "gamma": gamma}


def _published(**rows: tuple[float, float, float]) -> dict[str, Published]:
    source = "arXiv:2403.08540, the authors' fit run again (C4 evaluation loss)"
    return {name: Published(at_reference(*row), source, "computed") for name, row in rows.items()}


LAW = Law(
    name="error_vs_loss_exp",
    title="Error on tasks from the loss, exponential",
    equation="err = eps - k exp(-gamma L) = eps (1 - (1 - ratio) exp(-gamma (L - 3)))",
    predictor=log_odds,
    predicts=Response("error", "1", "logit", scatter=(5e-3, 0.2)),
    inputs=(Input("loss", "nat/token", "validation loss on one fixed set", (2.2, 6.0)),),
    parameters=(
        Parameter("eps", (0.45, 0.98), "unit", meaning="error of a model with very high loss"),
        Parameter("ratio", (0.55, 0.97), "unit", meaning="error at a loss of 3 nat/token, over eps"),
        Parameter("gamma", (0.4, 4.0), unit="token/nat", meaning="exponent of perplexity"),
    ),
    monotone={"loss": "increasing"},
    published=_published(
        c4_17=(2.07890691, 0.75612084, 0.84974202),
        c4_46=(1.2885181, 0.97216495, 0.75894942),
        redpajama_17=(2.20648888, 0.7145903, 0.85699198),
        redpajama_46=(1.32290279, 0.89070901, 0.76084946),
        refinedweb_17=(2.21481535, 0.7070486, 0.86527952),
        refinedweb_46=(1.12806622, 0.82151975, 0.76767939),
        hellaswag_0shot=(168.7, 2.414, 0.754),
        hellaswag_10shot=(195.6, 2.463, 0.756),
        arc_easy=(22.63, 1.697, 0.722),
        winograd=(92.7, 2.364, 0.485),
        copa=(6.352, 1.282, 0.546),
        piqa=(2.535, 0.958, 0.472),
        squad=(1.17e6, 6.10, 0.999),
    ),
    golden=(
        Golden({"loss": 2.4427}, 0.4719, "redpajama_17", rtol=2e-4),
        Golden({"loss": 2.5198}, 0.4925, "redpajama_17", rtol=2e-4),
        Golden({"loss": 2.2799}, 0.4789, "c4_17", rtol=2e-4),
    ),
    derived=(
        Derived(
            "log_k",
            lambda eps, ratio, gamma: jnp.log(eps) + jnp.log1p(-ratio) + gamma * L_REF,
            meaning="log of the coefficient k as published",
        ),
        Derived("error_at_3", lambda eps, ratio: eps * ratio, meaning="error at a loss of 3 nat/token"),
        Derived(
            "loss_zero_error",
            lambda ratio, gamma: L_REF + jnp.log1p(-ratio) / gamma,
            "nat/token",
            "loss below which the law would predict negative error",
        ),
    ),
    reference=Reference(
        "Language models scale reliably with over-training and on downstream tasks",
        "Gadre et al.",
        2024,
        "2403.08540",
    ),
    checked_on=(
        "gadre_overtraining",
        "gadre_downstream",
        "pile-families",
        "gemstones_downstream",
        "pythia_evals",
        "dclm_models",
    ),
    notes=(
        "Fitted to averages over 17 or 46 tasks (`AVERAGE` holds the priors for those) and to single tasks, "
        "where eps is one less chance (`single_task_priors`). A task at chance over the whole range fits "
        "with any gamma: its eps alone is known. "
        "k, gamma and eps lie on a ridge, so the error at a loss of 3 takes the place of k; "
        "published fits with eps above 1 (coqa, lambada, qa_wikidata) are left out. Below `loss_zero_error` "
        "the law has no meaning and is bounded at 0.001 eps: a sigmoid (ladder_two_step, variant 2) has the "
        "same tail at high loss and stays inside (0, 1). The loss law of the paper is gadre_overtraining."
    ),
)

VARIANTS = {
    1: LAW,
    2: replace(
        LAW,
        checked_on=(),
        title="Wrong answers on one task from the loss, exponential",
        predicts=successes("n_wrong", "n_samples", link="logit"),
        golden=(),
        limits=(Limit("always", "error_vs_loss_exp", lambda i, v: (i, v, i, v), atol=1e-12),),
        notes=(
            "Variant 1 with a known number of items, for single tasks: eps is one less chance "
            "(`single_task_priors`). Models that "
            "answer the same items scatter less than the counts say; for those give variant 1 a standard "
            "error."
        ),
    ),
}
