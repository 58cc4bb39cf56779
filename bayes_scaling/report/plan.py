"""What is impossible in a plan, told in one line before any fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bayes_scaling.decide import DecisionError
from bayes_scaling.decide._draws import better_of, with_unique
from bayes_scaling.decide.cost import Cost
from bayes_scaling.decide.risk import read_targets
from bayes_scaling.forecast import ForecastError, consistent, read_plans
from bayes_scaling.law import Law, Response, nearest
from bayes_scaling.predict import NEW
from bayes_scaling.report._plan import MOST_BYTES as MOST_BYTES
from bayes_scaling.report._plan import OWN, Option
from bayes_scaling.report._plan import PlanError as PlanError
from bayes_scaling.report._plan import ReviewPlan as ReviewPlan
from bayes_scaling.report._plan import read_plan as read_plan
from bayes_scaling.report._terms import cost_of
from bayes_scaling.runs import Runs

#: Of these three, two give the third by C = 6 N D.
DERIVED = ("params", "tokens", "compute")


def checked(
    plan: ReviewPlan,
    laws: Sequence[Law],
    predicts: str | Mapping[str, Response],
    families: Sequence[str],
    runs: Runs,
) -> ReviewPlan:
    """The plan with its inputs as numbers, after all laws have found theirs in it, and with all costs.

    Parameters
    ----------
    laws : sequence of Law
        Every one has to find its inputs.
    predicts : str or mapping of str to Response
        What one law predicts; of a chain, its tasks and the loss.
    families : sequence of str
        Those that are fitted.
    runs : Runs

    Raises
    ------
    PlanError
        If an input is missing, unknown or not positive, a target is out of its metric's range, a family was
        not measured, the run or an alternative has a size that the cost does not allow, a candidate has no
        cost, or the budget is below the smallest run of the table or below what the planned run costs.
    """
    known = [*families, NEW]
    for where, name in (
        ("", plan.family),
        *((f"candidate {one.name!r}: ", one.family) for one in plan.candidates),
    ):
        if name is not None and name not in known:
            raise PlanError(f"{where}family {name!r} is not in the table; {nearest(name, known)}")
    try:
        targets = _targets(plan, laws, predicts)
    except PlanError:
        raise
    except DecisionError as error:
        raise PlanError(f"[targets]: {error}") from None
    run = _inputs(laws, plan.run, "[run]", plan.cost)
    named = {
        kind: tuple(
            replace(one, inputs=_inputs(laws, one.inputs, f"{kind} {one.name!r}", plan.cost, OWN[kind]))
            for one in getattr(plan, kind)
        )
        for kind in OWN
    }
    _check_sizes(plan.cost, [("[run]", run), *((repr(o.name), o.inputs) for o in named["alternatives"])])
    if plan.stakes and plan.cost.price_per_flop is None and isinstance(predicts, str):
        _check_unit(named["candidates"])
    candidates = tuple(_priced(plan, one) for one in named["candidates"])
    spent = cost_of(plan, run)
    _check_budget(plan, runs)
    if plan.budget is not None and spent is not None and spent > plan.budget * (1 + 1e-9):
        raise PlanError(
            f"[run] costs {spent:.4g} {plan.unit}, more than the budget of {plan.budget:.4g}: "
            "raise [cost] budget or plan a smaller run"
        )
    return replace(plan, run=run, targets=targets, candidates=candidates, alternatives=named["alternatives"])


def _targets(
    plan: ReviewPlan, laws: Sequence[Law], predicts: str | Mapping[str, Response]
) -> dict[str, float]:
    if isinstance(predicts, str):
        if len(plan.targets) > 1:
            raise PlanError(
                f"a review of one quantity has one target, found {', '.join(map(str, plan.targets))}; "
                "several are accuracies on tasks of the table, and its loss"
            )
        found = read_targets({predicts: laws[0].predicts}, dict(plan.targets))
        better_of(predicts, plan.better)
        return found
    if plan.better is not None:
        raise PlanError("better is known of accuracies and of their loss; leave it out")
    return read_targets(predicts, dict(plan.targets))


def _check_sizes(cost: Cost, runs: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse runs above the memory limit, or of another size than those that can be trained."""
    for what, inputs in runs:
        try:
            if "params" in inputs:
                cost.check_size(inputs["params"], what)
        except DecisionError as error:
            raise PlanError(f"{error} ([cost])") from None


def _check_unit(candidates: Sequence[Option]) -> None:
    """Refuse candidates priced in FLOP, whose gain is in the unit of the stakes."""
    lacking = next((one.name for one in candidates if one.cost is None), None)
    if lacking is not None:
        raise PlanError(
            f"candidate {lacking!r} costs FLOP and the stakes are in your unit; say [cost] price_per_flop, "
            "or cost = ... for each candidate"
        )


def _check_budget(plan: ReviewPlan, runs: Runs) -> None:
    """Refuse a budget that does not even pay for the smallest run of the table."""
    if plan.budget is None or not {"params", "tokens"} <= set(runs.table.columns):
        return
    trained = plan.cost.training(runs.table["params"], runs.table["tokens"])
    least = float(np.nanmin(trained)) * (plan.cost.price_per_flop or 1.0)
    if plan.budget < least:
        raise PlanError(
            f"[cost] budget of {plan.budget:.4g} {plan.unit} is below the smallest run of the table, "
            f"{least:.4g}"
        )


def _priced(plan: ReviewPlan, one: Option) -> Option:
    """A candidate with its cost: its own, or by the rule of the plan's [cost]."""
    cost = one.cost
    if cost is None and plan.priced:  # a small run is trained and never served
        cost = cost_of(replace(plan, cost=replace(plan.cost, inference_tokens=0.0)), one.inputs)
    if cost is None:
        raise PlanError(
            f"candidate {one.name!r} has no cost; say cost = ... in {plan.unit}, or how runs are priced: "
            "[cost] with flop = 6 (FLOP per parameter and token)"
        )
    return replace(one, cost=cost)


def _inputs(
    laws: Sequence[Law], given: Mapping[str, Any], where: str, cost: Cost, own: Sequence[str] = ()
) -> dict[str, Any]:
    """Inputs as numbers; what several laws derive from each other is in it too."""
    inputs = [i.name for law in laws for i in law.inputs]
    known = dict.fromkeys([*inputs, *(DERIVED if set(inputs) & set(DERIVED) else ())])
    who = (
        f"law {laws[0].name!r} has" if len(laws) == 1 else f"the laws {', '.join(o.name for o in laws)} have"
    )
    for name in given:
        if name not in known:
            raise PlanError(f"{where}: {who} no input {name!r}; {nearest(name, [*known, *own])}")
    read = dict(given)
    for law in laws:
        try:
            (read,) = consistent(read_plans(law, with_unique(law, [read], cost))[1])
        except ForecastError as error:
            text = str(error).replace("plan 1: ", "").replace("plan 1 ", "it ")
            raise PlanError(f"{where}: {text}") from None
    return read
