"""The review of a chain: accuracies on tasks as targets, drawn jointly with the loss that they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.backtest import Backtest, BacktestError
from bayes_scaling.chain import ChainError, ChainPosterior, TaskForecast, Tasks, fit_chain, forecast_tasks
from bayes_scaling.chain.holdout import scored_rows
from bayes_scaling.decide import tasks
from bayes_scaling.decide._draws import mixed
from bayes_scaling.plot.curves import response_label
from bayes_scaling.predict import NEW
from bayes_scaling.report._joint import Aim, Joint, asked_of
from bayes_scaling.report.plan import PlanError, ReviewPlan
from bayes_scaling.runs import RunsError, subset

Progress = Callable[[int, int, str], None]

#: Joint draws of a chain, at most: those of `bayes_scaling.chain`.
MOST_DRAWS = 4_000
#: What tells two planned models apart, and how many must be left to fit.
MODEL, LEAST_FITTED = ("family", "params", "tokens"), 6


def check_route(model: ChainPosterior) -> None:
    """Refuse chains that do not go through the loss.

    Raises
    ------
    PlanError
    """
    if model.loss is None:
        raise PlanError(
            f"a review takes a chain that goes through the loss, found the route {model.chain.route!r}; "
            "decide.risk takes any"
        )


def draw(model: ChainPosterior, plan: ReviewPlan, seed: int, allow_failed: bool) -> Joint:
    """Forecast it all at once: every law of the loss with its share of the draws, followed by the task law.

    Raises
    ------
    DiagnosticsRefused
        If a posterior failed its diagnostics.
    """
    assert model.loss is not None
    posteriors = mixed(model.loss, MOST_DRAWS)
    options: Any = {"family": plan.family, "seed": seed, "allow_failed": allow_failed}
    asked = asked_of(posteriors, plan, options)

    def forecasts(target: Any) -> list[TaskForecast]:
        each = [(replace(model, loss=one), plan.cost.counted(one.law, asked.plans)) for one in posteriors]
        return [forecast_tasks(one, plans, target=target, **options) for one, plans in each]

    made = forecasts("measurement")
    draws = _joined(made)
    names = sorted(plan.targets, key=lambda name: name == tasks.LOSS)  # tasks come first
    smooth = None
    if plan.stakes:  # the same seed and plans give the same curves
        curves = _joined(forecasts("mean"))
        smooth = np.stack([curves[name][:, 0] for name in names], axis=1)
    total = len(draws[names[0]])
    return Joint(
        model=model.loss,
        posteriors=posteriors,
        weights=tuple(len(one.draws) / total for one in made),
        casts=tuple(one.task(names[0]) for one in made),
        aims=tuple(_aim(model, posteriors[0], name, plan.targets[name], draws[name]) for name in names),
        curve=asked.curve,
        budgets=asked.budgets,
        plans=tuple(asked.plans),
        along=asked.along,
        family=asked.family,
        smooth=smooth,
        seed=seed,
        allow_failed=allow_failed,
        chain=model,
        doubts=tuple(tasks.doubts(made[0], names)),
    )


def _joined(made: Sequence[TaskForecast]) -> dict[str, np.ndarray]:
    """Draws (S, m) of every task and of the loss, those of all laws one after the other."""
    each = [tasks.draws_of(one) for one in made]
    return {name: np.concatenate([one[name] for one in each]) for name in each[0]}


def _aim(model: ChainPosterior, first: Any, name: str, goal: float, draws: np.ndarray) -> Aim:
    way = tasks.way_of(name)
    if name == tasks.LOSS:
        return Aim(name, name, response_label(first.prepared), first.law.predicts.unit, way, goal, draws)
    called = f"accuracy on {name}"
    return Aim(name, called, called[:1].upper() + called[1:], "1", way, goal, draws, task=True)


def task_sides(model: ChainPosterior) -> list[dict[str, Any]]:
    """Diagnostics of the task law, one entry per posterior of it, as those of the laws of the loss."""
    found = []
    for block in model.blocks:
        judged = block.posterior.diagnostics
        found.append(
            {
                "law": f"{block.posterior.law.name}: {', '.join(block.tasks)}",
                "passed": judged.passed,
                **{k: v for k, v in asdict(judged).items() if k != "problems"},
                "ess": min(judged.ess_bulk, judged.ess_tail),
                "problems": list(judged.problems),
                "identifiability": list(block.posterior.identifiability),
                "parameters": [],
            }
        )
    return found


def backtested(
    drawn: Joint, wanted: Backtest | bool, factors: Sequence[float], progress: Progress | None
) -> dict[str, Any]:
    """The largest models of the table, hidden and forecast by the same chain, cut by cut."""
    if isinstance(wanted, Backtest):
        raise PlanError("a Backtest is of one quantity; of a chain say backtest=True or False")
    if not wanted:
        return {"skipped": "not asked for"}
    model = drawn.chain
    assert model is not None
    names = tuple(aim.name for aim in drawn.aims if aim.task)
    rows, cuts, why = [], [], ""
    for k, factor in enumerate(factors):
        if progress:
            progress(k, len(factors), f"cut at 1/{factor:g}")
        try:
            cut, fitted, table = _cut(model, names, factor, drawn.seed)
        except (BacktestError, ChainError, RunsError) as error:
            why = why or str(error)
            continue
        hidden = len(model.tasks.runs) - fitted
        cuts.append({"factor": float(factor), "fitted": fitted, "hidden": hidden})
        rows += [_hidden(row, factor, cut, len(names) > 1) for row in table.to_dict("records")]
    if not rows:
        return {"skipped": why or "no cut was asked for"}
    errors = np.array([row["error"] for row in rows])
    held, off = sum(row["inside"] for row in rows), float(np.abs(errors).mean())
    unlike = len({round(weight, 2) for weight in drawn.weights}) > 1
    return {
        "method": tasks.named(model),
        "axis": "compute",
        "cuts": cuts,
        "overall": {
            "coverage": {"0.5": None, "0.9": held / len(rows)},
            "mae": off,
            "bias": float(errors.mean()),
            "crps": float(np.mean([row["crps"] for row in rows])),
        },
        "log_error": False,
        "held": held,
        "hidden": len(rows),
        "runs": rows,
        "advice": f"{held} of {len(rows)} hidden scores fell inside their 90 % bands; the medians were off "
        f"by {100 * off:.1f} points of accuracy on average.",
        "notes": ["the backtest weighs the laws of the loss equally"] if unlike else [],
    }


def _cut(
    model: ChainPosterior, names: tuple[str, ...], factor: float, seed: int
) -> tuple[float, int, pd.DataFrame]:
    """The largest fitted compute, how many models were fitted, and the scores of the hidden ones."""
    runs, scored = model.tasks.runs, model.tasks.table
    if not {"params", "tokens"} <= set(runs.table.columns):
        raise BacktestError("hiding the largest models needs the columns params and tokens")
    compute = (6 * runs.table["params"] * runs.table["tokens"]).to_numpy(float)
    small = compute <= np.nanmax(compute) / factor * (1 + 1e-9)
    if small.sum() < LEAST_FITTED or small.all():
        left = int(small.sum())
        raise BacktestError(f"a cut at 1/{factor:g} leaves {left} models, fewer than six or all of them")
    cut = float(compute[small].max()) * (1 + 1e-9)
    size = (6 * scored["params"] * scored["tokens"]).to_numpy(float)
    asked = scored["task"].isin(names).to_numpy()
    fitted = Tasks(scored[asked & (size <= cut)].reset_index(drop=True), names, subset(runs, small))
    hidden = scored[asked & (size > cut)]
    made = fit_chain(model.chain, fitted, settings=model.blocks[0].posterior.settings)
    plans = hidden.drop_duplicates([*MODEL])[[*MODEL]]
    family = [one if one in made.families else NEW for one in plans["family"]]
    inputs = plans[["params", "tokens"]].to_dict("records")
    cast = forecast_tasks(made, inputs, family=family, seed=seed, allow_failed=True)  # type: ignore[arg-type]
    return cut, int(small.sum()), scored_rows(cast, hidden, plans, [*MODEL], model.chain.same_items)


def _hidden(row: Any, factor: float, cut: float, several: bool) -> dict[str, Any]:
    task = f" on {row['task']}" if several else ""
    return {
        "factor": float(factor),
        "family": f"{row['family']}{task}",
        "extrapolation": 6 * row["params"] * row["tokens"] / cut,
        "observed": float(row["accuracy"]),
        **{name: float(row[name]) for name in ("median", "q5", "q95", "error", "crps")},
        "inside": bool(row["inside"]),
    }


def alarms_of(diagnostics: dict[str, Any], doubts: Sequence[str]) -> list[str]:
    """Why the numbers of a review are not to be trusted; empty for a sound one."""
    failed = [one["law"] for one in diagnostics["laws"] if not one["passed"]]
    told = [f"The sampler's diagnostics failed for {', '.join(failed)}."] if failed else []
    return [*told, *(f"{text[:1].upper()}{text[1:]}." for text in doubts)]
