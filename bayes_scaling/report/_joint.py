"""The draws of a review: planned run, alternatives, curve and other budgets, in one joint forecast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from bayes_scaling.chain import ChainPosterior
from bayes_scaling.decide._draws import (
    Better,
    Fitted,
    along,
    better_of,
    members,
    mixed,
    rays,
    response_name,
)
from bayes_scaling.decide.reach import FACTORS
from bayes_scaling.decide.tasks import named
from bayes_scaling.forecast import Forecast, forecast
from bayes_scaling.law import Law
from bayes_scaling.plot._path import Abscissa, abscissa, path
from bayes_scaling.plot.curves import response_label
from bayes_scaling.posterior import Posterior
from bayes_scaling.report.plan import ReviewPlan


@dataclass(frozen=True)
class Aim:
    """One target, and the draws (S, m) of its quantity, of all runs and in the same order as those of others.

    Parameters
    ----------
    name : str
        Its key in the plan.
    called, label, unit : str
        What people call the quantity; with its unit, on an axis.
    better : {"lower", "higher"}
    goal : float
    draws : array, shape (S, m)
    task : bool
        Whether it is an accuracy that a chain predicts.
    """

    name: str
    called: str
    label: str
    unit: str
    better: Better
    goal: float
    draws: np.ndarray
    task: bool = False


@dataclass(frozen=True)
class Joint:
    """One joint forecast of everything that a review asks.

    Parameters
    ----------
    model : Posterior, Average or sequence
        Of a chain, its loss side: what stands in the sections about sizes, laws and further runs.
    posteriors : tuple of Posterior
        Of every law, with draws in proportion to its weight.
    weights : tuple of float
    casts : tuple of Forecast
        Of every law; column 0 is the planned run, then the alternatives, the curve, other budgets.
    aims : tuple of Aim
        The targets; the first one is what the pictures show.
    curve, budgets : slice
        Columns of the curve, and of `FACTORS` times the planned budget.
    smooth : array, shape (S,), optional
        Column 0 without the luck of the run, where stakes ask for it; (S, targets) of several.
    chain : ChainPosterior, optional
        Where targets are accuracies on tasks.
    doubts : tuple of str
        Targets that cannot be predicted from these runs, and why.
    """

    model: Fitted
    posteriors: tuple[Posterior, ...]
    weights: tuple[float, ...]
    casts: tuple[Forecast, ...]
    aims: tuple[Aim, ...]
    curve: slice
    budgets: slice
    plans: tuple[Mapping[str, Any], ...]
    along: Abscissa
    family: str
    smooth: np.ndarray | None
    seed: int
    allow_failed: bool
    chain: ChainPosterior | None = None
    doubts: tuple[str, ...] = ()

    @property
    def draws(self) -> np.ndarray:
        """Draws (S, m) of the first target's quantity, of all laws one after the other."""
        return self.aims[0].draws

    @property
    def goal(self) -> float:
        """The first target."""
        return self.aims[0].goal

    @property
    def better(self) -> Better:
        """Which way the first target's quantity is better."""
        return self.aims[0].better

    @property
    def sizes_better(self) -> Better:
        """Which way the response of `model` is better."""
        return self.better if self.chain is None else "lower"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the forecasts say beside their numbers, of the planned run only."""
        told = [note for cast in self.casts for note in cast.notes]
        unclear = {
            note for one in self.posteriors for note in one.identifiability
        }  # told with the diagnostics
        own = [
            note.replace("plan 1 ", "the planned run ")
            for note in told
            if not _of_others(note) and note not in unclear
        ]
        return tuple(dict.fromkeys([*self.posteriors[0].runs.warnings, *own]))


def _of_others(note: str) -> bool:
    return note.startswith("plan ") and not note.startswith("plan 1 ")


class Asked(NamedTuple):
    """All runs that a review asks about."""

    plans: list[dict[str, Any]]
    family: str
    along: Abscissa
    curve: slice
    budgets: slice


def asked_of(posteriors: Sequence[Posterior], plan: ReviewPlan, options: Mapping[str, Any]) -> Asked:
    """The planned run, its alternatives, the curve of the picture, and the run at other budgets."""
    first = posteriors[0]
    family = forecast(first, plan.run, target="mean", **options).families[0]
    axis = abscissa(first.prepared, None)
    own = [dict(plan.run), *(dict(one.inputs) for one in plan.alternatives)]
    curve = _curve(first, posteriors[1:], axis, family, plan.run)
    plans = [*own, *curve, *_budgets([one.law for one in posteriors], plan.run)]
    middle = len(own) + len(curve)
    return Asked(plans, family, axis, slice(len(own), middle), slice(middle, len(plans)))


def draw(model: Fitted, plan: ReviewPlan, seed: int, allow_failed: bool) -> Joint:
    """Forecast it all at once.

    Raises
    ------
    DiagnosticsRefused
        If a posterior failed its diagnostics.
    """
    posteriors = mixed(model)
    first = posteriors[0]
    options: Any = {"family": plan.family, "seed": seed, "allow_failed": allow_failed}
    plans, family, axis, curve, budgets = asked_of(posteriors, plan, options)
    taken = [plan.cost.counted(one.law, plans) for one in posteriors]
    each = list(zip(posteriors, taken, strict=True))
    casts = tuple(forecast(one, own, target="new_run", **options) for one, own in each)
    smooth = None
    if plan.stakes:  # the same seed and plans give the same curves
        means = [forecast(one, own, target="mean", **options).draws[:, 0] for one, own in each]
        smooth = np.concatenate(means)
    name, goal = next(iter(plan.targets.items()))
    aim = Aim(
        name=name,
        called=called(first, name),
        label=response_label(first.prepared),
        unit=first.law.predicts.unit,
        better=better_of(response_name(first), plan.better),
        goal=goal,
        draws=np.concatenate([cast.draws for cast in casts]),
    )
    total = len(aim.draws)
    return Joint(
        model=model,
        posteriors=posteriors,
        weights=tuple(len(cast.draws) / total for cast in casts),
        casts=casts,
        aims=(aim,),
        curve=curve,
        budgets=budgets,
        plans=tuple(plans),
        along=axis,
        family=family,
        smooth=smooth,
        seed=seed,
        allow_failed=allow_failed,
    )


def _curve(
    first: Posterior, others: Sequence[Posterior], axis: Abscissa, family: str, run: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Points of the curve in the picture, without the planned run, which has a column of its own."""
    points = path(first.prepared, axis, family, run, [one.prepared for one in others])
    here = float(axis(run))
    return [point for point in points if abs(math.log(float(axis(point)) / here)) > 1e-9]


def _budgets(laws: Sequence[Law], run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The run at all multiples of its budget but one; empty where the laws do not say how it grows."""
    if not rays(laws[0]) or any(rays(law) != rays(laws[0]) for law in laws):
        return []
    grown = along(laws[0], run, FACTORS[FACTORS != 1])
    held = {k: v for k, v in run.items() if k != "compute"}
    return [{**held, **one} for one in grown]


def called(posterior: Posterior, name: str) -> str:
    """What people call the response."""
    rate = posterior.law.predicts.noise == "beta_binomial"
    return "success rate" if rate else name.replace("_", " ")


def sense_of(aim: Aim) -> str:
    """How an outcome meets its target, in a record."""
    return "<=" if aim.better == "lower" else ">="


def registered(drawn: Joint, aim: Aim) -> Forecast:
    """The forecast of the run and its alternatives, as it goes into a record."""
    count = drawn.curve.start
    heaviest = max(drawn.casts, key=lambda cast: len(cast.draws))
    weights: dict[str, float] = {}
    for one, weight in members(drawn.model):
        name = one.law.name if drawn.chain is None else named(drawn.chain, one)
        weights[name] = weights.get(name, 0.0) + weight
    return replace(
        heaviest,
        law=" + ".join(weights),
        plans=drawn.plans[:count],
        families=heaviest.families[:count],
        unit=aim.unit,
        # what a loss will be measured as is not part of a chain
        target="new_run" if drawn.chain and not aim.task else heaviest.target,
        draws=aim.draws[:, :count],
        variance={},
        weights=weights,
    )


def scalars(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs without schedules."""
    return {name: value for name, value in inputs.items() if np.ndim(value) == 0}


def plain(value: Any) -> Any:
    """Only what JSON knows; None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
