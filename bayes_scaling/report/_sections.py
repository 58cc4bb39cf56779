"""What a review reads off its joint draws: chances, budgets, picture, causes of doubt, every law alone."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from bayes_scaling.decide import TaskRisk, joint_probability, task_risk
from bayes_scaling.decide._draws import Better, finite, members, quantiles, sign_of
from bayes_scaling.decide.reach import FACTORS, HERE, reach
from bayes_scaling.layout import Prepared
from bayes_scaling.plot._path import Abscissa
from bayes_scaling.plot.curves import observed
from bayes_scaling.report._joint import Aim, Joint, scalars
from bayes_scaling.report._terms import cost_of
from bayes_scaling.report._words import LUCK
from bayes_scaling.report.plan import PlanError, ReviewPlan

#: Probability at which the budget that reaches the target is looked for.
SURE = 0.9
#: Equally likely outcomes that stand for the forecast.
DOTS = 20
#: Measured runs in the picture; of more, evenly spaced ones are shown.
MOST_RUNS = 1500
#: Parts of the variance, in the order of the page.
PARTS = (
    "parameter", "loss_parameters", "task_parameters", "structure", "laws", "seed", "evaluation", "items",
)  # fmt: skip
#: Parts that are told even where they are nothing.
ALWAYS = ("parameter", "loss_parameters", "task_parameters", "seed")


def risk_of(aim: Aim, column: int) -> TaskRisk:
    """Risk of one column against a target."""
    return task_risk(aim.draws[:, column], aim.goal, better=aim.better, task=aim.name, unit=aim.unit)


def margins(drawn: Joint, columns: Any) -> np.ndarray:
    """By how much some columns miss their targets, the worst of them where there are several; 0 or less: met.

    Several are put on one scale by the spread of the planned run's outcomes.
    """
    each = [sign_of(aim.better) * (aim.draws[:, columns] - aim.goal) for aim in drawn.aims]
    if len(each) == 1:
        return each[0]
    scales = [max(float(aim.draws[:, 0].std()), 1e-9) for aim in drawn.aims]
    return np.max([one / scale for one, scale in zip(each, scales, strict=True)], axis=0)


def chance(drawn: Joint, column: int, rows: slice = slice(None)) -> float:
    """Probability that a column meets all targets, over some of the draws."""
    return float((margins(drawn, column)[rows] <= 0).mean())


def targets(drawn: Joint) -> dict[str, Any]:
    """Every target of the planned run, and all of them jointly."""
    each = [risk_of(aim, 0) for aim in drawn.aims]
    own = {aim.name: aim.draws[:, 0] for aim in drawn.aims}
    goals: dict[str, float] = {aim.name: aim.goal for aim in drawn.aims}
    ways: dict[str, Better] = {aim.name: aim.better for aim in drawn.aims}
    joint, bounds = joint_probability(own, goals, ways)
    told = [{"called": aim.called, **numbers(one)} for aim, one in zip(drawn.aims, each, strict=True)]
    return {"joint": joint, "joint_bounds": list(bounds), "each": told}


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
    missed = np.insert(margins(drawn, drawn.budgets), HERE, margins(drawn, 0), axis=1)
    found = reach(drawn.posteriors[0].law, plan.run, missed, SURE, plan.cost)
    there = scalars(found.plan)
    return {
        "probability": SURE,
        "factor": finite(found.factor),
        "at_most": found.at_most,
        "run": there if math.isfinite(found.factor) else None,
        "cost": cost_of(plan, there) if math.isfinite(found.factor) else None,
        "searched_to": float(FACTORS[-1]),
    }


def picture(drawn: Joint, plan: ReviewPlan) -> dict[str, Any]:
    """The measured runs, the curve with its bands, and the planned runs."""
    runs = _runs(drawn.posteriors[0].prepared, drawn.along) if drawn.chain is None else scores(drawn)
    shown = np.unique(np.linspace(0, len(runs) - 1, min(len(runs), MOST_RUNS)).round().astype(int))
    log = drawn.chain is None and drawn.posteriors[0].prepared.shape.link == "log"
    largest = max(run["x"] for run in runs)
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
        "y_label": drawn.aims[0].label,
        "log_y": bool(log and min(run["y"] for run in runs) > 0),
        "largest": largest,
        "beyond": float(drawn.along(plan.run)) / largest,
        "measured": len(runs),
        "runs": [runs[j] for j in shown],
        "curve": sorted(points, key=lambda point: point["x"]),
        "planned": planned,
    }


def _runs(prepared: Prepared, axis: Abscissa) -> list[dict[str, Any]]:
    """The measured runs as points of the picture."""
    measured, numbered = prepared.measured, prepared.runs.table["row"].to_numpy()
    x, y = axis(measured.inputs), observed(prepared)
    return [
        {
            "x": float(x[j]),
            "y": float(y[j]),
            "family": str(measured.families[measured.family[j]]),
            "row": int(numbered[measured.row[j]]),
        }
        for j in range(len(y))
    ]


def scores(drawn: Joint) -> list[dict[str, Any]]:
    """The measured accuracies on the first target's task as points of the picture.

    Raises
    ------
    PlanError
        If the table does not say beside them where on the axis they lie.
    """
    assert drawn.chain is not None
    table = drawn.chain.tasks.table
    lacking = [name for name in drawn.along.follows if name not in table]
    if lacking:
        raise PlanError(f"the accuracies cannot be drawn: {lacking[0]!r} is not known of their models")
    mine = table[table["task"] == drawn.aims[0].name]
    x, y = drawn.along({name: mine[name] for name in drawn.along.follows}), mine["accuracy"].to_numpy()
    return [
        {"x": float(at), "y": float(score), "family": str(family)}
        for at, score, family in zip(x, y, mine["family"], strict=True)
        if at > 0
    ]


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
    luck = sum(parts.get(name, 0.0) for name in LUCK)
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
            if name in parts and (parts[name] > 0 or name in ALWAYS)
        ],
    }


def by_law(drawn: Joint) -> dict[str, Any]:
    """What each law says alone, and how much it counts."""
    each, start = [], 0
    for (one, weight), cast in zip(members(drawn.model), drawn.casts, strict=True):
        alone = task_risk(cast.draws[:, 0], drawn.goal, better=drawn.better)
        rows, start = slice(start, start + len(cast.draws)), start + len(cast.draws)
        each.append(
            {
                "name": one.law.name,
                "title": one.law.title,
                "equation": one.law.equation,
                "weight": weight,
                "probability": chance(drawn, 0, rows),
                "median": alone.median,
                "quantiles": dict(alone.quantiles),
                "passed": one.diagnostics.passed,
            }
        )
    left_out = dict(getattr(drawn.model, "left_out", {}))
    last = drawn.chain and drawn.chain.chain.task_law
    return {"each": each, "left_out": left_out, "task_law": last and last.name}
