"""How far a review hangs on one choice: its laws alone, and refits with other priors or part of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bayes_scaling.decide._draws import Fitted, laws_of, members
from bayes_scaling.decide.sensitivity import PROBLEMS, changes, refit
from bayes_scaling.predict import NEW
from bayes_scaling.report import _joint as joint
from bayes_scaling.report import _sections as sections
from bayes_scaling.report._joint import Joint
from bayes_scaling.report._plan import ReviewPlan

Progress = Callable[[int, int, str], None]


def sensitivity(drawn: Joint, plan: ReviewPlan, wanted: bool, progress: Progress | None) -> dict[str, Any]:
    """What the planned run would be told with one thing changed; the first row is what the page says.

    Refits keep the weights of an average. Their draws are those of the same question with the same seed, so
    that rows do not differ by chance alone.
    """
    if not wanted:
        return {
            "skipped": "not asked for; [review] sensitivity = true or --sensitivity, which take several fits"
        }
    if drawn.chain is not None:
        return {
            "skipped": "the fits of a chain are not made again; decide.sensitivity takes a law of the loss"
        }
    first, *others = [_row("none", drawn.model, drawn)]
    each = sections.by_law(drawn)["each"]
    if len(each) > 1:  # known already
        others += [
            {
                "change": f"only {one['name']}",
                "law": one["name"],
                **{name: one[name] for name in ("passed", "probability", "median", "quantiles")},
                "problem": None,
            }
            for one in each
        ]
    asked = list(changes(members(drawn.model)[0][0]))
    for k, change in enumerate(asked):
        if progress:
            progress(k, len(asked), change.name)
        try:
            again = [(refit(one, change), weight) for one, weight in members(drawn.model)]
            known = all(drawn.family in one.families for one, _ in again)
            about = replace(plan, family=drawn.family if known else NEW, stakes={})
            others.append(_row(change.name, again, joint.draw(again, about, drawn.seed, allow_failed=True)))
        except PROBLEMS as error:
            others.append({"change": change.name, "law": laws_of(drawn.model), "problem": str(error)})
    for one in others:
        one["shift"] = None if one["problem"] else one["median"] - first["median"]
    return {"each": [{**first, "shift": 0.0}, *others]}


def _row(change: str, model: Fitted, drawn: Joint) -> dict[str, Any]:
    risk = sections.risk_of(drawn.aims[0], 0)
    return {
        "change": change,
        "law": laws_of(model),
        "passed": all(one.diagnostics.passed for one, _ in members(model)),
        "probability": sections.chance(drawn, 0),
        "median": risk.median,
        "quantiles": dict(risk.quantiles),
        "problem": None,
    }
