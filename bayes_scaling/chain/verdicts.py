"""Whether a task can be predicted from these runs at all, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bayes_scaling.chain.fitting import RESIDUAL_DRAWS, ChainPosterior, thinned_posterior
from bayes_scaling.chain.propagate import Items, own_scatter
from bayes_scaling.observe import slope_numpy, unlink_numpy
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import predict

#: Probability that is asked for, and the normal quantile that "more than its noise" means.
SURE, Z = 0.9, 1.6449
#: Posterior over prior standard deviation of the steepness from which on it is the prior's.
MOST_PRIOR = 0.8
#: Standard deviation of one model's score around the curve from which on a forecast of it says little.
MOST_SCATTER = 0.03
#: Parameters that say how steeply a task rises.
STEEPNESS = ("slope", "task_slope", "by_params", "by_tokens", "k", "gamma")


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


def verdicts(posterior: ChainPosterior) -> tuple[Verdict, ...]:
    """One verdict per task, in the order of the tasks.

    Parameters
    ----------
    posterior : ChainPosterior
    """
    return tuple(_judged(posterior, task) for task in posterior.tasks.names)


def _judged(chain: ChainPosterior, task: str) -> Verdict:
    block = chain.block(task)
    items = Items(chain.tasks.items(task), chain.chain.same_items, block.includes_items)
    labels = [chain.label(task, family) for family in chain.families]
    return judged(task, block.posterior, items, labels)


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
    p = 1 - p if law.predicts.name == "error" else p
    middle = np.median(p, axis=0)
    best, worst = int(np.argmax(middle)), int(np.argmin(middle))
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
    shares = []
    for parameter in few.law.parameters:
        if parameter.name in STEEPNESS and parameter.support == "positive":
            before = np.hypot(parameter.scale, _pool_spread(few, parameter.name))
            shares.append(float(np.log(draws[parameter.name].values).std() / before))
    return min(shares, default=0.0)


def _pool_spread(few: Posterior, name: str) -> float:
    k = few.prepared.shape.names.index(name)
    return float(few.prepared.data.spread[k]) if k in few.prepared.shape.pooled else 0.0
