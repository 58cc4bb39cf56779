"""The draws of a review: planned run, alternatives, curve and other budgets, in one joint forecast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bayes_scaling.decide import TaskRisk, task_risk
from bayes_scaling.decide._draws import (
    Better,
    Fitted,
    along,
    better_of,
    finite,
    members,
    mixed,
    quantiles,
    rays,
    response_name,
    sign_of,
)
from bayes_scaling.decide.reach import FACTORS, reach
from bayes_scaling.forecast import Forecast, forecast
from bayes_scaling.law import Law
from bayes_scaling.plot._path import Abscissa, abscissa, path
from bayes_scaling.plot.curves import observed, response_label
from bayes_scaling.posterior import Posterior
from bayes_scaling.report.plan import ReviewPlan, cost_of

#: Probability at which the budget that reaches the target is looked for.
SURE = 0.9
#: Equally likely outcomes that stand for the forecast.
DOTS = 20
#: Measured runs in the picture; of more, evenly spaced ones are shown.
MOST_RUNS = 1500
#: Parts of the variance, in the order of the page.
PARTS = ("parameter", "structure", "laws", "seed", "evaluation")


@dataclass(frozen=True)
class Joint:
    """One joint forecast of everything that a review asks.

    Parameters
    ----------
    model : Posterior, Average or sequence
    posteriors : tuple of Posterior
        Of every law, with draws in proportion to its weight.
    weights : tuple of float
    casts : tuple of Forecast
        Of every law; column 0 is the planned run, then the alternatives, the curve, other budgets.
    draws : array, shape (S, m)
        Those of all laws, one after the other.
    curve, budgets : slice
        Columns of the curve, and of `FACTORS` times the planned budget.
    smooth : array, shape (S,), optional
        Column 0 without the luck of the run, where stakes ask for it.
    """

    model: Fitted
    posteriors: tuple[Posterior, ...]
    weights: tuple[float, ...]
    casts: tuple[Forecast, ...]
    draws: np.ndarray
    curve: slice
    budgets: slice
    plans: tuple[Mapping[str, Any], ...]
    along: Abscissa
    family: str
    response: str
    label: str
    better: Better
    goal: float
    smooth: np.ndarray | None
    seed: int
    allow_failed: bool

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


def draw(model: Fitted, plan: ReviewPlan, seed: int, allow_failed: bool) -> Joint:
    """Forecast it all at once.

    Raises
    ------
    DiagnosticsRefused
        If a posterior failed its diagnostics.
    """
    posteriors = mixed(model)
    first, laws = posteriors[0], [one.law for one in posteriors]
    options: Any = {"family": plan.family, "seed": seed, "allow_failed": allow_failed}
    family = forecast(first, plan.run, target="mean", **options).families[0]
    way, (name, goal) = better_of(response_name(first), plan.better), next(iter(plan.targets.items()))
    axis = abscissa(first.prepared, None)
    own = [dict(plan.run), *(dict(one.inputs) for one in plan.alternatives)]
    curve = _curve(first, posteriors[1:], axis, family, plan.run)
    other = _budgets(laws, plan.run)
    plans = [*own, *curve, *other]
    casts = tuple(forecast(one, plans, target="new_run", **options) for one in posteriors)
    smooth = None
    if plan.stakes:  # the same seed and plans give the same curves
        means = [forecast(one, plans, target="mean", **options).draws[:, 0] for one in posteriors]
        smooth = np.concatenate(means)
    total = sum(len(cast.draws) for cast in casts)
    return Joint(
        model=model,
        posteriors=posteriors,
        weights=tuple(len(cast.draws) / total for cast in casts),
        casts=casts,
        draws=np.concatenate([cast.draws for cast in casts]),
        curve=slice(len(own), len(own) + len(curve)),
        budgets=slice(len(own) + len(curve), len(plans)),
        plans=tuple(plans),
        along=axis,
        family=family,
        response=name,
        label=response_label(first.prepared),
        better=way,
        goal=goal,
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


def risk_of(drawn: Joint, column: int) -> TaskRisk:
    """Risk of one column against the target."""
    unit = drawn.posteriors[0].law.predicts.unit
    return task_risk(drawn.draws[:, column], drawn.goal, better=drawn.better, task=drawn.response, unit=unit)


def numbers(task: TaskRisk) -> dict[str, Any]:
    """A risk as JSON."""
    return {**asdict(task), "quantiles": dict(task.quantiles)}


def dots(drawn: Joint) -> list[float]:
    """Twenty equally likely outcomes, increasing."""
    levels = (np.arange(DOTS) + 0.5) / DOTS
    return [float(v) for v in np.quantile(drawn.draws[:, 0], levels)]


def reached(drawn: Joint, plan: ReviewPlan) -> dict[str, Any] | None:
    """The budget at which the target is met with 90 %."""
    if drawn.budgets.start == drawn.budgets.stop:
        return None
    here = int(np.flatnonzero(FACTORS == 1)[0])
    values = np.insert(drawn.draws[:, drawn.budgets], here, drawn.draws[:, 0], axis=1)
    margins = sign_of(drawn.better) * (values - drawn.goal)
    found = reach(drawn.posteriors[0].law, plan.run, margins, SURE, plan.cost)
    there = scalars(found.plan)
    return {
        "probability": SURE,
        "factor": finite(found.factor),
        "run": there if math.isfinite(found.factor) else None,
        "cost": cost_of(plan, there) if math.isfinite(found.factor) else None,
        "searched_to": float(FACTORS[-1]),
    }


def picture(drawn: Joint, plan: ReviewPlan) -> dict[str, Any]:
    """The measured runs, the curve with its bands, and the planned runs."""
    prepared = drawn.posteriors[0].prepared
    measured, numbered = prepared.measured, prepared.runs.table["row"].to_numpy()
    x, y = drawn.along(measured.inputs), observed(prepared)
    shown = np.unique(np.linspace(0, len(y) - 1, min(len(y), MOST_RUNS)).round().astype(int))
    runs = [
        {
            "x": float(x[j]),
            "y": float(y[j]),
            "family": str(measured.families[measured.family[j]]),
            "row": int(numbered[measured.row[j]]),
        }
        for j in shown
    ]
    columns = [0, *range(drawn.curve.start, drawn.curve.stop)]
    points = [{"x": float(drawn.along(drawn.plans[j])), **_bands(drawn.draws[:, j])} for j in columns]
    names = ["planned run", *(one.name for one in plan.alternatives)]
    planned = [
        {"name": name, "x": float(drawn.along(drawn.plans[j])), **_bands(drawn.draws[:, j])}
        for j, name in enumerate(names)
    ]
    return {
        "x": drawn.along.name,
        "x_label": drawn.along.label,
        "y_label": drawn.label,
        "log_y": bool(prepared.shape.link == "log" and y.min() > 0),
        "largest": float(x.max()),
        "beyond": float(drawn.along(plan.run)) / float(x.max()),
        "measured": len(y),
        "runs": runs,
        "curve": sorted(points, key=lambda point: point["x"]),
        "planned": planned,
    }


def _bands(values: np.ndarray) -> dict[str, float]:
    return {f"q{100 * float(level):g}": value for level, value in quantiles(values).items()}


def variance(drawn: Joint) -> dict[str, Any]:
    """Variance of the planned run's outcome by cause; laws that disagree are a cause of their own."""
    weights = np.array(drawn.weights)
    parts = {
        name: float(weights @ [cast.variance[name][0] for cast in drawn.casts])
        for name in drawn.casts[0].variance
    }
    means = np.array([cast.draws[:, 0].mean() for cast in drawn.casts])
    parts["laws"] = float(weights @ (means - weights @ means) ** 2)
    total = sum(parts.values())
    luck = parts["seed"] + parts["evaluation"]
    return {
        "total": total,
        "sd": math.sqrt(total),
        "ignorance": (total - luck) / max(total, 1e-300),
        "luck": luck / max(total, 1e-300),
        "parts": [
            {
                "name": name,
                "variance": parts[name],
                "sd": math.sqrt(parts[name]),
                "share": parts[name] / max(total, 1e-300),
            }
            for name in PARTS
            if name in parts and (parts[name] > 0 or name in ("parameter", "seed"))
        ],
    }


def by_law(drawn: Joint) -> dict[str, Any]:
    """What each law says alone, and how much it counts."""
    each = []
    for (one, weight), cast in zip(members(drawn.model), drawn.casts, strict=True):
        alone = task_risk(cast.draws[:, 0], drawn.goal, better=drawn.better)
        each.append(
            {
                "name": one.law.name,
                "title": one.law.title,
                "equation": one.law.equation,
                "weight": weight,
                "probability": alone.probability,
                "median": alone.median,
                "quantiles": dict(alone.quantiles),
                "passed": one.diagnostics.passed,
            }
        )
    left_out = dict(getattr(drawn.model, "left_out", {}))
    return {"each": each, "left_out": left_out}


def registered(drawn: Joint) -> Forecast:
    """The forecast of the run and its alternatives, as it goes into a record."""
    count = drawn.curve.start
    heaviest = max(drawn.casts, key=lambda cast: len(cast.draws))
    weights: dict[str, float] = {}
    for one, weight in members(drawn.model):
        weights[one.law.name] = weights.get(one.law.name, 0.0) + weight
    return replace(
        heaviest,
        law=" + ".join(weights),
        plans=heaviest.plans[:count],
        families=heaviest.families[:count],
        draws=drawn.draws[:, :count],
        variance={name: values[:count] for name, values in heaviest.variance.items()},
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
