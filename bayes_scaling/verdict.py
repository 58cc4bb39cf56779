"""Whether accuracy can be predicted from these runs at all, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bayes_scaling.laws import folder
from bayes_scaling.observe import slope_numpy, unlink_numpy
from bayes_scaling.posterior import Posterior, thinned_posterior
from bayes_scaling.predict import Curves, noise_at, predict

#: Draws with which residuals are judged.
RESIDUAL_DRAWS = 200
#: Probability that is asked for, and the normal quantile that "more than its noise" means.
SURE, Z = 0.9, 1.6449
#: Posterior over prior standard deviation of the steepness from which on it is the prior's.
MOST_PRIOR = 0.8
#: Standard deviation of one model's score around the curve from which on a forecast of it says little.
MOST_SCATTER = 0.03
#: Part of the learnt variance that is the run's own whatever the items are said to explain.
LEAST_OWN = 0.1
#: Parameters that say how steeply a task rises; those of the second row where a law has none of the first.
STEEPNESS = (
    ("slope", "task_slope", "by_params", "by_tokens", "k", "gamma"),
    ("beta_N", "beta_D", "w1", "k_d", "k_a", "b", "h", "alpha"),
)
#: Responses that are a share of right or of wrong answers.
RIGHT, WRONG = ("accuracy", "score", "p_choices", "n_correct"), ("error", "n_wrong")


@dataclass(frozen=True)
class Verdict:
    """Whether a task is predictable from the runs, and why.

    Parameters
    ----------
    task : str
    predictable : bool
    reason : str
    above_chance : float
        Posterior probability that the best fitted model is above the floor by more than its item noise.
    rise : float
        Posterior probability that the task rises over the fitted models by more than item noise.
    prior_share : float
        Posterior over prior standard deviation of the log steepness; the smallest, if there are several.
    scatter : float
        Standard deviation of one model's score around the curve at the best fitted model, items included.
    """

    task: str
    predictable: bool
    reason: str
    above_chance: float
    rise: float
    prior_share: float
    scatter: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class Items:
    """The test set of a task.

    Parameters
    ----------
    count : float
        Number of items; 0 if unknown.
    share : float
        Standard deviation of a score on it as a share of the binomial one.
    included : bool
        Whether the learnt scatter holds their sampling too.
    """

    count: float
    share: float
    included: bool


def own_scatter(posterior: Posterior, eta: np.ndarray, items: Items) -> np.ndarray:
    """Standard deviation (S, m) of a run's own scatter around the curve, without its items, link scale."""
    noise = noise_at(posterior, Curves(eta, eta), [{}] * eta.shape[1], 0.0)
    total = noise.seed**2 + noise.misfit**2
    if items.included and items.count > 0:
        p = np.clip(unlink_numpy(posterior.prepared.shape.link, eta), 1e-4, 1 - 1e-4)
        total = np.maximum(total - items.share**2 / (items.count * p * (1 - p)), LEAST_OWN * total)
    return np.sqrt(np.broadcast_to(total, eta.shape))


def speaks_of_tasks(posterior: Posterior) -> bool:
    """Whether its law is one of downstream accuracy, on a scale that ends at none and at all."""
    law = posterior.law
    named = law.predicts.name in (*RIGHT, *WRONG) and law.predicts.link in ("logit", "loglog")
    return named and folder(law.name) == "downstream"


def verdict(posterior: Posterior, *, items: float | None = None, task: str = "") -> Verdict:
    """Whether a task can be predicted from the runs to which a law of accuracy was fitted, and why (not).

    It can if, with probability 0.9 each, the best of these runs is above the floor and above the worst by
    more than the sampling of the items explains, if the data and not the prior say how steeply it rises, and
    if one run scatters around the curve by no more than three points. `forecast` notes a refusal.

    Parameters
    ----------
    posterior : Posterior
        Of a downstream law that predicts accuracy, error or counts of them.
    items : float, optional
        Number of items of the test set. Default: the number of trials, where the table has counts; else
        differences of up to a point count as noise.
    task : str, optional
        What the verdict calls it. Default: the law.

    Raises
    ------
    ValueError
        If the law does not predict a share of right answers, or the number of items is not positive.
    """
    if not speaks_of_tasks(posterior):
        raise ValueError(
            f"law {posterior.law.label!r} predicts {posterior.law.predicts.name!r}; "
            f"a verdict is on downstream laws of {', '.join((*RIGHT, *WRONG))}"
        )
    if items is not None and not items > 0:
        raise ValueError(f"items is {items:g}, expected the number of items of the test set: 1 or more")
    included = not posterior.prepared.measured.error.any()
    return judged(task or posterior.law.label, posterior, Items(items or 0.0, 1.0, included))


def judged(task: str, posterior: Posterior, items: Items, labels: Sequence[str] | None = None) -> Verdict:
    """The verdict on one fitted law of a task.

    Parameters
    ----------
    task : str
        What the verdict calls it.
    posterior : Posterior
        Of a law of accuracy or error.
    items : Items
        The task's test set.
    labels : sequence of str, optional
        Groups of the posterior that are the task's own; default: all.
    """
    few = thinned_posterior(posterior, RESIDUAL_DRAWS)
    measured, law = few.prepared.measured, few.law
    groups = np.array([measured.families[f] for f in measured.family])
    own = np.full(len(groups), True) if labels is None else np.isin(groups, list(labels))
    inputs = {name: x[own] for name, x in measured.inputs.items()}
    curve = predict(few, inputs, groups[own].tolist(), np.random.default_rng(0)).eta
    p = unlink_numpy(few.prepared.shape.link, curve)
    p = 1 - p if law.predicts.name in WRONG else p
    middle = np.median(p, axis=0)
    best, worst = int(np.argmax(middle)), int(np.argmin(middle))
    if not items.count and law.predicts.noise == "beta_binomial":
        items = replace(items, count=float(measured.trials[own][best]))
    spread = middle[best] * (1 - middle[best])
    noise = Z * items.share * np.sqrt(spread / items.count) if items.count else 0.01
    above = float((p[:, best] - _floor(few, groups[own][best]) > noise).mean())
    rise = float((p[:, best] - p[:, worst] > np.sqrt(2) * noise).mean())
    share = _prior_share(few, groups[own][best])
    around = scatter(few, curve[:, [best]], items)
    reason = ""
    if above < SURE:
        reason = (
            f"no fitted model is surely above chance: the best, at {100 * middle[best]:.1f} %, is so with "
            f"probability {above:.2f}"
        )
    elif rise < SURE:
        reason = f"over the fitted models it does not surely rise: with probability {rise:.2f}"
    elif share > MOST_PRIOR:
        reason = f"how steeply it rises is the prior's and not the data's ({100 * share:.0f} % of its spread)"
    elif around > MOST_SCATTER:
        reason = f"scores of alike models scatter by {100 * around:.1f} points around any curve"
    predictable = not reason
    reason = reason or f"it rises from {100 * middle[worst]:.1f} to {100 * middle[best]:.1f} % in the runs"
    return Verdict(task, predictable, reason, above, rise, share, around)


def scatter(few: Posterior, curve: np.ndarray, items: Items) -> float:
    """Standard deviation, in accuracy, of one model's score around a curve (S, 1) on the link scale."""
    link = few.prepared.shape.link
    own = 0.0
    if few.prepared.shape.noise == "student":
        slope = slope_numpy(link, unlink_numpy(link, curve))
        own = float(np.median(np.abs(slope) * own_scatter(few, curve, items)))
    p = float(np.median(unlink_numpy(link, curve)))
    if few.prepared.shape.noise == "beta_binomial":
        over = float(np.median(few.tree["posterior"]["overdispersion"]))
        own = np.sqrt(p * (1 - p) * over / (1 + over))
    sampling = items.share * np.sqrt(p * (1 - p) / items.count) if items.count else 0.0
    return float(np.hypot(own, sampling))


def _floor(few: Posterior, label: str) -> np.ndarray:
    """Draws (S,) of the accuracy of a model that learnt nothing; 0 if the law has none."""
    draws = few.tree["posterior"].to_dataset().sel(family=label)
    for name in ("floor", "chance"):
        if name in draws:
            return draws[name].values.ravel()
    return 1 - draws["eps"].values.ravel() if "eps" in draws else np.zeros(1)


def _prior_share(few: Posterior, label: str) -> float:
    draws = few.tree["posterior"].to_dataset().sel(family=label)
    for names in STEEPNESS:
        shares = []
        for parameter in few.law.parameters:
            if parameter.name in names and parameter.support in ("positive", "real"):
                values = draws[parameter.name].values
                values = np.log(values) if parameter.support == "positive" else values
                before = np.hypot(parameter.scale, _pool_spread(few, parameter.name))
                shares.append(float(values.std() / before))
        if shares:
            return min(shares)
    return 0.0


def _pool_spread(few: Posterior, name: str) -> float:
    k = few.prepared.shape.names.index(name)
    return float(few.prepared.data.spread[k]) if k in few.prepared.shape.pooled else 0.0
