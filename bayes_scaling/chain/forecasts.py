"""Fitted chain + planned runs -> joint draws of their accuracies, and how much of the doubt is what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.chain.fitting import ChainPosterior
from bayes_scaling.chain.planned import Planned, planned
from bayes_scaling.chain.propagate import (
    Items,
    RunLuck,
    TaskDraws,
    curves_at,
    run_luck,
    scores,
    seed_share,
    task_draws,
)
from bayes_scaling.chain.tasks import ChainError
from bayes_scaling.chain.verdicts import verdicts
from bayes_scaling.forecast import DiagnosticsRefused, Forecast
from bayes_scaling.law import nearest
from bayes_scaling.posterior import thinned_posterior
from bayes_scaling.predict import Target, squared_correlation
from bayes_scaling.verdict import Verdict

#: Parts of the variance; they add up to the total.
PARTS = ("loss_parameters", "task_parameters", "structure", "seed", "items")


@dataclass(frozen=True)
class TaskForecast:
    """Joint predictive draws of m planned runs on T tasks.

    Parameters
    ----------
    tasks : tuple of str
    plans : tuple of mapping
    families : tuple of str
    target : {"mean", "new_run", "measurement"}
    draws : array, shape (S, m, T)
        Accuracies; row s is one joint draw of all plans and tasks.
    frozen : array, shape (5, m, T, T)
        Covariance between tasks that is left when more and more blocks of draws are held: none, the loss law,
        the task laws, the luck of the loss, the luck of the scores; what the last leaves is item sampling.
    shares : array, shape (4, m, T)
        Part of each of the first four blocks that is not structure.
    verdicts : tuple of Verdict
    notes : tuple of str
    law : str
    loss : array, shape (S, m), or None
        Losses of the same draws; None where the route does not go through the loss.
    """

    tasks: tuple[str, ...]
    plans: tuple[Mapping[str, Any], ...]
    families: tuple[str, ...]
    target: Target
    draws: np.ndarray
    frozen: np.ndarray
    shares: np.ndarray
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    law: str
    loss: np.ndarray | None = None

    def task(self, name: str) -> Forecast:
        """The forecast of one task.

        Raises
        ------
        ChainError
            If it was not forecast.
        """
        return self.average([name])

    def average(self, tasks: Sequence[str] | None = None, weights: Sequence[float] | None = None) -> Forecast:
        """The forecast of a weighted average over tasks, whose errors may be correlated.

        Parameters
        ----------
        tasks : sequence of str, optional
            Default: all.
        weights : sequence of float, optional
            Default: equal. They are normalised.

        Raises
        ------
        ChainError
            If a task was not forecast, or weights do not fit.
        """
        names = list(self.tasks if tasks is None else tasks)
        for name in names:
            if name not in self.tasks:
                raise ChainError(f"task {name!r} was not forecast; {nearest(name, self.tasks)}")
        given = np.ones(len(names)) if weights is None else np.asarray(weights, float)
        if given.shape != (len(names),) or (given < 0).any() or not given.sum() > 0:
            raise ChainError(f"expected {len(names)} weights, not negative and not all zero; found {weights}")
        w = np.zeros(len(self.tasks))
        for name, weight in zip(names, given / given.sum(), strict=True):
            w[self.tasks.index(name)] += weight
        law = self.law if len(names) == 1 else f"{self.law}, mean of {len(names)} tasks"
        draws = self.draws @ w
        variance = self._variance(w, draws.var(axis=0))
        return Forecast(
            law, "1", self.plans, self.families, self.target, draws, variance, self.notes, {self.law: 1.0}
        )

    def _variance(self, w: np.ndarray, total: np.ndarray) -> dict[str, np.ndarray]:
        left = np.einsum("kmtu,t,u->km", self.frozen, w, w)
        left = np.minimum.accumulate(np.maximum(left, 0.0), axis=0) * (total / np.maximum(left[0], 1e-300))
        block = left - np.vstack([left[1:], np.zeros((1, left.shape[1]))])
        own = np.einsum("kmt,t->km", self.shares, w)
        structure = ((1 - own) * block[:4]).sum(axis=0)
        seed = own[2] * block[2] + own[3] * block[3]
        return dict(
            zip(PARTS, (own[0] * block[0], own[1] * block[1], structure, seed, block[4]), strict=True)
        )

    def covariance(self, plan: int = 0) -> pd.DataFrame:
        """Predictive covariance (T, T) between the tasks of one plan."""
        matrix = np.atleast_2d(np.cov(self.draws[:, plan], rowvar=False))
        return pd.DataFrame(matrix, self.tasks, self.tasks)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per task and plan, as `Forecast.to_dataframe`, with ``task`` and ``predictable``."""
        frames = []
        for verdict in self.verdicts:
            frame = self.task(verdict.task).to_dataframe()
            frame.insert(0, "task", verdict.task)
            frames.append(frame.assign(predictable=verdict.predictable))
        return pd.concat(frames, ignore_index=True)

    def to_dict(self) -> list[dict[str, Any]]:
        """One JSON-ready object per task and plan."""
        return [{"task": name, **one} for name in self.tasks for one in self.task(name).to_dict()]


def forecast_tasks(
    posterior: ChainPosterior,
    plans: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    family: str | Sequence[str] | None = None,
    target: Target = "measurement",
    seed: int = 0,
    allow_failed: bool = False,
) -> TaskForecast:
    """Forecast the accuracies of planned runs.

    Parameters
    ----------
    posterior : ChainPosterior
    plans, family, seed, allow_failed
        As in `bayes_scaling.forecast`.
    target : {"mean", "new_run", "measurement"}
        The curve; what one new run is able to do, with the luck of its loss and of its scores around the
        curve; or its score on the tasks' fixed test sets, which adds the sampling of their items.

    Returns
    -------
    TaskForecast

    Raises
    ------
    DiagnosticsRefused
        If a posterior failed its diagnostics.
    ForecastError, ChainError
        If a plan or a family is wrong.
    """
    failed = [b for b in posterior.blocks if not b.posterior.diagnostics.passed]
    if failed and not allow_failed:
        names = ", ".join(name for block in failed for name in block.tasks)
        raise DiagnosticsRefused(
            f"the task law failed its diagnostics for {names} and does not forecast:\n"
            f"{failed[0].posterior.diagnostics}\n"
            "Mend the cause, or say allow_failed=True to forecast all the same."
        )
    asked = {"family": family, "seed": seed, "allow_failed": allow_failed}
    state = planned(posterior, plans, target, asked)
    rng = np.random.default_rng(seed)
    size, m = state.size, len(state.plans)
    shared = rng.standard_normal((size, m))
    tasks: list[list[tuple[TaskDraws, np.ndarray, RunLuck]]] = []
    cache: dict[int, Any] = {}
    for name in posterior.tasks.names:
        block = posterior.block(name)
        if id(block) not in cache:
            cache[id(block)] = thinned_posterior(block.posterior, size, rng)
        labels = [posterior.label(name, f) for f in state.families]
        parts = []
        for label in dict.fromkeys(labels):
            mine = np.array([j for j, one in enumerate(labels) if one == label])
            drawn = task_draws(cache[id(block)], label, len(mine), rng)
            parts.append((drawn, mine, run_luck(drawn, shared[:, mine], posterior.correlation, rng)))
        tasks.append(parts)

    order = rng.permutation(size)
    same = np.arange(size)

    def evaluated(curve: np.ndarray, luck: np.ndarray, run: np.ndarray, items: np.ndarray) -> np.ndarray:
        return _evaluate(posterior, state, tasks, target, (curve, luck, run, items))

    draws = evaluated(same, same, same, same)
    copies = (
        evaluated(np.argsort(order), same, same, same)[order],  # holds the loss law alone
        evaluated(same, order, order, order),
        evaluated(same, same, order, order),
        evaluated(same, same, same, order),
    )
    # all parts from the same pairs of draws, so that a part that is nothing is exactly that
    frozen = [np.einsum("smt,smu->mtu", draws - c, draws - c) / (2 * size) for c in (draws[order], *copies)]
    return TaskForecast(
        posterior.tasks.names,
        state.plans,
        state.families,
        target,
        draws,
        np.stack(frozen),
        _shares(state, tasks),
        verdicts(posterior),
        state.notes,
        posterior.chain.task_law.name,
        state.curve["loss"][..., 0] * state.luck["loss"][..., 0] if "loss" in state.curve else None,
    )


def _evaluate(
    posterior: ChainPosterior,
    state: Planned,
    tasks: list[list[tuple[TaskDraws, np.ndarray, RunLuck]]],
    target: Target,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    """Accuracies (S, m, T), with draws of the loss law, its luck, the luck of scores and items as told."""
    curve, luck, run, items = rows
    inputs = {name: x[curve] * state.luck[name][luck] for name, x in state.curve.items()}
    out = np.zeros((state.size, len(state.plans), len(tasks)))
    for t, parts in enumerate(tasks):
        name = posterior.tasks.names[t]
        test_set = items_of(posterior, name)
        for drawn, mine, own in parts:
            x = {k: v[:, mine, t if v.shape[2] > 1 else 0] for k, v in inputs.items()}
            eta = curves_at(drawn, x).eta
            chance = None if target == "mean" else RunLuck(own.run[run], own.tail[run], own.items[items])
            out[:, mine, t] = scores(drawn, eta, chance, test_set, target == "measurement")
    return out


def items_of(posterior: ChainPosterior, task: str) -> Items:
    """The test set of a task."""
    included = posterior.block(task).includes_items
    return Items(posterior.tasks.items(task), posterior.chain.same_items, included)


def _shares(state: Planned, tasks: list[list[tuple[TaskDraws, np.ndarray, RunLuck]]]) -> np.ndarray:
    """Part of each block of draws that is not structure, shape (4, m, T)."""
    out = np.ones((4, len(state.plans), len(tasks)))
    out[0], out[2] = state.own[0][:, None], state.own[1][:, None]
    for t, parts in enumerate(tasks):
        for drawn, mine, _ in parts:
            typical = {
                k: np.broadcast_to(
                    np.median(v[:, mine, t if v.shape[2] > 1 else 0], axis=0), (state.size, len(mine))
                )
                for k, v in state.curve.items()
            }
            curves = curves_at(drawn, typical)
            out[1, mine, t] = squared_correlation(curves.bare, curves.eta)
            out[3, mine, t] = seed_share(drawn, curves.eta)
    return out
