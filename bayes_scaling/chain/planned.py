"""Planned runs before the task law: draws of what lies between run and task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.chain.fitting import ChainPosterior
from bayes_scaling.forecast import Forecast, ForecastError, forecast, read_plans
from bayes_scaling.law import nearest
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import NEW, Target

#: Joint draws of a forecast, at most.
MOST_DRAWS = 4000


@dataclass(frozen=True)
class Planned:
    """Draws of the curves that lie between run and task, and the luck around them.

    Parameters
    ----------
    plans : tuple of mapping
    families : tuple of str
    size : int
        Number of draws S.
    curve, luck : dict of str to array, shape (S, m, T) or (S, m, 1)
        By input of the task law; their product is what a run reaches.
    own : tuple of two arrays, shape (m,)
        Parts of the variance of the curve and of the luck that are not structure.
    notes : tuple of str
    """

    plans: tuple[Mapping[str, Any], ...]
    families: tuple[str, ...]
    size: int
    curve: dict[str, np.ndarray]
    luck: dict[str, np.ndarray]
    own: tuple[np.ndarray, np.ndarray]
    notes: tuple[str, ...]


def planned(posterior: ChainPosterior, plans: Any, target: Target, asked: Mapping[str, Any]) -> Planned:
    """Draws of what the task law takes, for planned runs.

    Parameters
    ----------
    posterior : ChainPosterior
    plans : as in `bayes_scaling.forecast`
    target : {"mean", "new_run", "measurement"}
    asked : mapping
        ``family``, ``seed`` and ``allow_failed`` of `bayes_scaling.forecast`.
    """
    if target not in ("mean", "new_run", "measurement"):
        raise ForecastError(
            f"unknown target {target!r}; {nearest(str(target), ('mean', 'new_run', 'measurement'))}"
        )
    if posterior.chain.route == "direct":
        return _direct(posterior, plans, asked["family"])
    found: dict[str, tuple[Forecast, Forecast]] = {}
    if posterior.loss is not None:
        found["loss"] = _both(posterior.loss, plans, asked)
    if posterior.task_loss is not None:
        found["task_loss"] = _of_tasks(posterior, plans, asked)
    curve, luck = {}, {}
    size = min(MOST_DRAWS, *(len(middle.draws) for middle, _ in found.values()))
    rng = np.random.default_rng(asked["seed"] + 1)
    first, run = next(iter(found.values()))
    m = len(first.plans)
    for name, (middle, lucky) in found.items():
        kept = rng.permutation(len(middle.draws))[:size]
        curve[name] = middle.draws[kept].reshape(size, m, -1)
        factor = (
            lucky.draws[kept] / middle.draws[kept] if target != "mean" else np.ones_like(middle.draws[kept])
        )
        luck[name] = factor.reshape(size, m, -1)
    total = np.maximum(sum(first.variance.values()), 1e-300)
    seed = run.variance["seed"]
    around = seed + run.variance["structure"] - first.variance["structure"]
    own = (first.variance["parameter"] / total, np.clip(seed / np.maximum(around, 1e-300), 0.0, 1.0))
    return Planned(first.plans, first.families, size, curve, luck, own, first.notes)


def _both(model: Any, plans: Any, asked: Mapping[str, Any]) -> tuple[Forecast, Forecast]:
    """The curve and a new run with the same draws of the parameters: the same seed draws them first."""
    return forecast(model, plans, target="mean", **asked), forecast(model, plans, target="new_run", **asked)


def _of_tasks(posterior: ChainPosterior, plans: Any, asked: Mapping[str, Any]) -> tuple[Forecast, Forecast]:
    """Losses on the answers of every task; what is told of plans is that of the first task."""
    names = posterior.tasks.names
    listed = plans.to_dict("records") if isinstance(plans, pd.DataFrame) else plans
    listed = [listed] if isinstance(listed, Mapping) else list(listed)
    families = families_of(posterior, asked["family"], len(listed))
    every = [plan for plan in listed for _ in names]
    both = _both(posterior.task_loss, every, {**asked, "family": [n for _ in listed for n in names]})
    step = len(names)
    middle, run = (
        replace(
            one,
            plans=one.plans[::step],
            families=families,
            variance={k: v[::step] for k, v in one.variance.items()},
        )
        for one in both
    )
    return middle, run


def _direct(posterior: ChainPosterior, plans: Any, family: Any) -> Planned:
    inputs, listed = read_plans(posterior.chain.task_law, plans)
    families = families_of(posterior, family, len(listed))
    size = min(MOST_DRAWS, *(_size(block.posterior) for block in posterior.blocks))
    curve = {k: np.broadcast_to(x, (size, len(listed)))[..., None] for k, x in inputs.items()}
    luck = {k: np.ones_like(x) for k, x in curve.items()}
    none = np.ones(len(listed))
    return Planned(listed, families, size, curve, luck, (none, none), ())


def _size(posterior: Posterior) -> int:
    sizes = posterior.tree["posterior"].sizes
    return sizes["chain"] * sizes["draw"]


def families_of(posterior: ChainPosterior, family: Any, count: int) -> tuple[str, ...]:
    """Family of each plan, as `bayes_scaling.forecast` reads it."""
    known = posterior.families
    if family is None:
        family = known[0] if len(known) == 1 else NEW
    asked = [family] * count if isinstance(family, str) else list(family)
    if len(asked) != count:
        raise ForecastError(f"{len(asked)} families for {count} plans; give one, or one per plan")
    for name in asked:
        if name not in (*known, NEW):
            raise ForecastError(f"family {name!r} was not fitted; {nearest(name, [*known, NEW])}")
    return tuple(asked)
