"""What a review says beside the forecast: backtest, diagnostics, alternatives, budget, next run, versions."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np

from bayes_scaling.average import Average
from bayes_scaling.backtest import Backtest, BacktestError, backtest
from bayes_scaling.decide import DecisionError, allocate, beats, regret
from bayes_scaling.decide import next_run as decide_next_run
from bayes_scaling.decide._draws import Fitted, laws_of, members, quantiles, sign_of
from bayes_scaling.decide.design import LEAST
from bayes_scaling.decide.tasks import named
from bayes_scaling.diagnostics import LEAST_BFMI, LEAST_ESS, MOST_RHAT, PRIOR_SHARE
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import NEW
from bayes_scaling.report import _joint as joint
from bayes_scaling.report import _sections as sections
from bayes_scaling.report._joint import Joint
from bayes_scaling.report._schema import Record
from bayes_scaling.report._terms import cost_of, stakes_of
from bayes_scaling.report.plan import ReviewPlan
from bayes_scaling.runs import RunsError

Progress = Callable[[int, int, str], None]

#: Points of the curve of expected responses over sizes, and how far above the best one it is drawn.
POINTS, REACH = 81, 0.08
#: Packages whose versions decide the numbers.
PACKAGES = ("bayes_scaling", "jax", "jaxlib", "numpyro", "numpy", "arviz", "pandas", "xarray")


def skipped(reason: str) -> dict[str, Any]:
    """A section that was left out, and why."""
    return {"skipped": reason}


def backtested(
    model: Fitted, made: Backtest | bool, factors: Sequence[float], progress: Progress | None
) -> dict[str, Any]:
    """The largest runs of the table, hidden and forecast by the very same laws and discrepancy."""
    if made is False:
        return skipped("not asked for")
    tested = made
    if not isinstance(tested, Backtest):
        each = [one for one, _ in members(model)]
        prepared = each[0].prepared
        try:
            tested = backtest(
                each[0].runs,
                [one.law for one in each],
                factors=factors,
                inputs={k: v for one in each for k, v in one.prepared.columns.items()} or None,
                response=prepared.response,
                structure=prepared.structure,
                progress=progress,
            )
        except (BacktestError, RunsError) as error:
            return skipped(str(error))
    response = members(model)[0][0].law.predicts
    mine = tested.table[tested.table["law"] == tested.best]
    overall = tested.to_dict()["overall"][tested.best]
    names = ("factor", "family", "row", "extrapolation", "observed", "median", "q5", "q95", "error")
    rows = [
        {**dict(zip(names, row, strict=True)), "inside": bool(row[6] <= row[4] <= row[7])}
        for row in mine[list(names)].itertuples(index=False, name=None)
    ]
    return {
        "method": tested.best,
        "axis": tested.axis,
        "cuts": [
            {"factor": one.factor, "fitted": len(one.fitted), "hidden": len(one.hidden)}
            for one in tested.splits
        ],
        "overall": overall,
        "log_error": response.link == "log" and response.noise == "student",
        "held": sum(row["inside"] for row in rows),
        "hidden": len(rows),
        "runs": rows,
        "advice": tested.advice(),
        "notes": [*tested.notes, *_unlike(model)],
    }


def _unlike(model: Fitted) -> list[str]:
    """In what the backtest's method differs from the forecast's."""
    each = members(model)
    notes = []
    if any(one.conflict is not None for one, _ in each):
        notes.append("the backtest does without the borrowed prior")
    if len({round(weight, 6) for _, weight in each}) > 1:
        notes.append("the backtest weighs its laws equally, the forecast does not")
    return notes


def diagnosed(model: Fitted, family: str, more: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """How the sampler went, and which parameters the prior decides, of every law; ``more`` are task laws."""
    laws = []
    for one, _ in members(model):
        found = one.diagnostics
        laws.append(
            {
                "law": one.law.name,
                "passed": found.passed,
                **{k: v for k, v in asdict(found).items() if k != "problems"},
                "ess": min(found.ess_bulk, found.ess_tail),
                "problems": list(found.problems),
                "identifiability": list(one.identifiability),
                "parameters": _parameters(one, family),
            }
        )
    laws += more
    return {
        "laws": laws,
        "passed": all(one["passed"] for one in laws),
        "most_rhat": MOST_RHAT,
        "least_ess": LEAST_ESS,
        "least_bfmi": LEAST_BFMI,
        "prior_share": PRIOR_SHARE,
    }


def _parameters(one: Posterior, family: str) -> list[dict[str, Any]]:
    """The law's parameters for the planned family, and how much of the prior's doubt is left of each."""
    if "prior" not in one.tree.children:  # a posterior that can only forecast
        return []
    table, found = one.summary(), []
    for p in one.law.parameters:
        names = [f"{p.name}_population", p.name] if family == NEW else [f"{p.name}[{family}]", p.name]
        name = next((name for name in [*names, f"{p.name}[{one.families[0]}]"] if name in table.index), None)
        if name is None:
            continue
        row: Any = table.loc[name]
        share = float(row["prior share"])
        found.append(
            {
                "name": p.name,
                "unit": p.unit,
                "meaning": p.meaning,
                "median": float(row["median"]),
                "q5": float(row["5 %"]),
                "q95": float(row["95 %"]),
                "prior_share": share,
                "decided_by": "prior" if share > PRIOR_SHARE else "data",
            }
        )
    return found


def alternatives(drawn: Joint, plan: ReviewPlan) -> dict[str, Any]:
    """The planned run against each alternative, on the same draws."""
    if not plan.alternatives:
        return skipped("the plan names no alternatives")
    each = [_option(drawn, 0, "planned run", plan.run, plan)]
    sign = sign_of(drawn.better)
    for k, one in enumerate(plan.alternatives, 1):
        gap = drawn.draws[:, 0] - drawn.draws[:, k]
        worse = sign * gap
        duel = beats(
            drawn.model, plan.run, one.inputs, cost=plan.cost, family=drawn.family,
            better=drawn.sizes_better, seed=drawn.seed, allow_failed=drawn.allow_failed,
        )  # fmt: skip
        about = duel.to_dict()
        each.append(
            {
                **_option(drawn, k, one.name, one.inputs, plan),
                "plan_better": float((worse < 0).mean() + (worse == 0).mean() / 2),
                "difference": quantiles(gap),
                "crossing": about["crossing"],
                "crossing_interval": about["crossing_interval"],
                "crossing_share": about["crossing_share"],
            }
        )
    return {"each": each}


def _option(drawn: Joint, column: int, name: str, inputs: Any, plan: ReviewPlan) -> dict[str, Any]:
    risk = sections.risk_of(drawn.aims[0], column)
    return {
        "name": name,
        "inputs": joint.scalars(inputs),
        "cost": cost_of(plan, inputs),
        "median": risk.median,
        "quantiles": dict(risk.quantiles),
        "probability": sections.chance(drawn, column),
    }


def regretted(drawn: Joint, plan: ReviewPlan) -> dict[str, Any] | None:
    """What the plan gives away against the best plan of equal cost; None for laws without a trade-off."""
    if any(not {"params", "tokens"} <= {i.name for i in one.law.inputs} for one in drawn.posteriors):
        return None
    try:
        lost = regret(
            drawn.model, plan.run, cost=plan.cost, family=drawn.family, better=drawn.sizes_better,
            seed=drawn.seed, allow_failed=drawn.allow_failed,
        )  # fmt: skip
    except DecisionError as error:
        return skipped(str(error))
    return lost.to_dict()


def allocation(drawn: Joint, plan: ReviewPlan) -> dict[str, Any]:
    """The best split of the budget, and all sizes that are nearly as good."""
    budget = plan.budget if plan.budget is not None else cost_of(plan, plan.run)
    if budget is None:
        return skipped("the laws have no parameters and tokens between which a budget is split")
    held = {k: v for k, v in plan.run.items() if k not in ("params", "tokens")}
    known = {i.name for one in drawn.posteriors for i in one.law.inputs}
    try:
        found = allocate(
            drawn.model, budget, cost=plan.cost, held={k: v for k, v in held.items() if k in known},
            family=drawn.family, better=drawn.sizes_better, seed=drawn.seed,
            allow_failed=drawn.allow_failed,
        )  # fmt: skip
    except DecisionError as error:
        return skipped(str(error))
    sign = sign_of(drawn.sizes_better)
    near = sign * (found.expected - found.best["value"]) <= REACH * abs(found.best["value"])
    kept = np.flatnonzero(near)
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, min(POINTS, len(kept))).round().astype(int))]
    return {
        **found.to_dict(),
        "is_planned_cost": plan.budget is None,
        "curve": [
            {"params": float(n), "tokens": float(d), "expected": float(v)}
            for n, d, v in zip(found.params[kept], found.tokens[kept], found.expected[kept], strict=True)
        ],
    }


def next_run(drawn: Joint, plan: ReviewPlan) -> dict[str, Any]:
    """Which candidate is worth making first; those that take longer than there is time are left out."""
    if not plan.candidates:
        return skipped("the plan names no candidates for a next run")
    left = None if plan.deadline is None else (plan.deadline - datetime.now(UTC).date()).days
    late = [one for one in plan.candidates if left is not None and one.days is not None and one.days > left]
    given = [one for one in plan.candidates if one not in late]
    notes = [f"{one.name} takes {one.days:g} days and the deadline is in {left}: left out" for one in late]
    if not given:
        return skipped(f"no candidate is done before the deadline ({'; '.join(notes)})")
    # of a chain the candidates are judged by what they tell of its loss, and stakes are about accuracies
    stakes = None if drawn.chain else stakes_of(plan, drawn.goal, drawn.better)
    found = decide_next_run(
        drawn.model,
        dict(plan.run),
        [{**one.inputs, "cost": one.cost, **({"family": one.family} if one.family else {})} for one in given],
        stakes=stakes,
        cost=plan.cost,
        currency=plan.currency,
        family=drawn.family,
        seed=drawn.seed,
        allow_failed=drawn.allow_failed,
    )
    names = {k: one.name for k, one in enumerate(given, 1)}

    def worded(text: str) -> str:
        return re.sub(r"\bcandidate (\d+)\b", lambda m: names.get(int(m[1]), m[0]), text)

    told = found.to_dict()
    worth = [k for k, one in enumerate(found.options) if one.share >= LEAST]
    pick = max(worth, key=lambda k: found.options[k].share / found.options[k].cost, default=None)
    return {
        **told,
        "pick": pick if found.worth_it.yes else None,
        "options": [{**one, "name": names[one["number"]]} for one in told["options"]],
        "least": LEAST,
        "worth_it": {"yes": found.worth_it.yes, "reason": worded(found.worth_it.reason)},
        "notes": [*notes, *map(worded, told["notes"])],
    }


def repeat(model: Fitted, plan: ReviewPlan, record: Record, drawn: Joint, command: str) -> dict[str, Any]:
    """All that is needed to make the same review again."""
    each = [one for one, _ in members(model)]
    first = each[0]
    structure = first.prepared.structure
    return {
        "created": record.created,
        "command": command,
        "data": {
            "source": first.runs.source,
            "hash": first.runs.hash,
            "rows": len(first.runs),
            "measurements": len(first.prepared.measured.response),
            "families": list(first.families),
        },
        "laws": named(drawn.chain) if drawn.chain else laws_of(model),
        "averaged": isinstance(model, Average) and len(each) > 1,
        "structure": structure and asdict(structure),
        "settings": asdict(first.settings),
        "seed": drawn.seed,
        "draws": len(drawn.draws),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
        "plan": plan.text,
        "plan_sha256": hashlib.sha256(plan.text.encode()).hexdigest() if plan.text else None,
    }
