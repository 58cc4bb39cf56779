"""What is planned of a run in flight, and the points of it that have come."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling import _checks as check
from bayes_scaling.decide._draws import DecisionError, response_name
from bayes_scaling.forecast import read_plans
from bayes_scaling.law import Law, nearest
from bayes_scaling.posterior import Posterior
from bayes_scaling.runs import Runs, assemble, read_runs
from bayes_scaling.units import numeric

#: Inputs along which a run proceeds, in the order in which they are looked for.
PROGRESS = ("step", "tokens", "compute", "samples", "examples", "hours", "gpu_hours")
#: Points that follow the last one within this part of the run are passed over: they tell the same.
NEAREST = 1 / 256
#: A run may end so much beyond its plan, and a repeated input differ so much from it, by rounding.
SAME = 1e-6


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a run, in order.

    Parameters
    ----------
    at : array, shape (n,)
        Progress of the points: steps, tokens, compute.
    value, error : array, shape (n,)
        Response and its known standard error (0 where unknown), in the response's unit.
    last : float
        Progress of the last row of the table, whether or not it counts as a point; 0 without any.
    notes : tuple of str
    """

    at: np.ndarray
    value: np.ndarray
    error: np.ndarray
    last: float
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.at)


def none_yet() -> Points:
    """No points."""
    nothing = np.zeros(0)
    return Points(nothing, nothing, nothing, 0.0)


def progress_of(law: Law) -> str:
    """The input along which a run of this law proceeds.

    Raises
    ------
    DecisionError
        If there is none.
    """
    scalars = [i.name for i in law.inputs if i.kind == "positive"]
    for name in PROGRESS:
        if name in scalars:
            return name
    if len(scalars) == 1:
        return scalars[0]
    raise DecisionError(
        f"law {law.name!r} has no input along which a run proceeds; its inputs are {', '.join(scalars)}, "
        f"expected one of {', '.join(PROGRESS)}"
    )


def read_plan(posterior: Posterior, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan of one run in numbers: its inputs at the end, and the schedule.

    A schedule may be the name of one that was fitted; without an end the run ends with its schedule.

    Raises
    ------
    ForecastError, DecisionError
        If an input is missing or impossible, or the schedule is unknown.
    """
    law, given = posterior.law, dict(plan)
    for i in law.inputs:
        if i.kind != "schedule" or not isinstance(given.get(i.name), str):
            continue
        known = posterior.runs.schedules
        if given[i.name] not in known:
            raise DecisionError(f"schedule {given[i.name]!r} was not fitted; {nearest(given[i.name], known)}")
        given[i.name] = known[given[i.name]]
    curve = next((given[i.name] for i in law.inputs if i.kind == "schedule" and i.name in given), None)
    if curve is not None and np.ndim(curve) == 1:
        given.setdefault(progress_of(law), float(len(curve)))
    return read_plans(law, given)[1][0]


def fill_plan(posterior: Posterior, runs: Runs, given: Mapping[str, Any]) -> dict[str, Any]:
    """A plan completed by what the table of the run says of its constant inputs and of its schedule.

    Raises
    ------
    DecisionError
        If neither says where the run ends.
    """
    law, plan = posterior.law, dict(given)
    progress, table = progress_of(law), runs.table
    for i in law.inputs:
        column = posterior.prepared.columns.get(i.name, i.name)
        if i.name in plan:
            continue
        if i.kind == "schedule":
            names = table["schedule"].dropna().unique() if "schedule" in table else []
            if len(names) == 1 and names[0] in posterior.runs.schedules:
                plan[i.name] = str(names[0])
        elif i.name != progress and column in table and numeric(table, column):
            values = table[column].dropna().unique()
            if len(values) == 1:
                plan[i.name] = float(values[0])
    has_schedule = any(i.kind == "schedule" and i.name in plan for i in law.inputs)
    derivable = progress in ("tokens", "compute") and {"compute", "tokens"} & plan.keys()
    if progress not in plan and not has_schedule and not derivable:
        unit = next(i.unit for i in law.inputs if i.name == progress)
        raise DecisionError(
            f"where does the run end? say its {progress} at the end ({unit}), such as --at {progress}=..."
        )
    return plan


def read_points(
    posterior: Posterior,
    plan: Mapping[str, Any],
    start: float,
    table: Runs | pd.DataFrame | str | os.PathLike[str],
) -> Points:
    """The points of a run that count, in order.

    Raises
    ------
    RunsError
        If it is no table.
    DecisionError
        All else that is wrong with it: columns, units, other runs, steps that go back or pass the end.
    """
    runs = table if isinstance(table, Runs) else read_runs(table)
    law, frame, row = posterior.law, runs.table, runs.table["row"].to_numpy()
    progress, response = progress_of(law), response_name(posterior)
    column = posterior.prepared.columns.get(progress, progress)
    problems = _problems(posterior, plan, runs, column, response)
    if problems:
        raise DecisionError(f"{runs.source}: " + "; ".join(problems))
    at, value = frame[column].to_numpy(float), frame[response].to_numpy(float)
    there = np.isfinite(value)
    problems += _out_of_order(column, at, there, row, float(plan[progress]))
    if law.predicts.link == "log" and (value[there] <= 0).any():
        bad = np.flatnonzero(there & (value <= 0))
        problems.append(
            f"{response} is {value[bad[0]]:g} in {check.rows(bad, row)}, expected a positive number"
        )
    if law.predicts.link in ("logit", "loglog") and ((value[there] <= 0) | (value[there] >= 1)).any():
        problems.append(f"{response} must lie between 0 and 1, without the ends")
    if problems:
        raise DecisionError(f"{runs.source}: " + "; ".join(problems))
    name = next((c for c in ("standard_error", f"{response}_se") if c in frame), None)
    error = np.nan_to_num(frame[name].to_numpy(float)) if name else np.zeros(len(frame))
    last = float(at[there][-1]) if there.any() else 0.0
    early = there & (at < start)
    kept = _apart(at, there & ~early, float(plan[progress]))
    notes = list(runs.warnings)
    if early.any():
        notes.append(f"{early.sum()} points before {column} {start:g} do not count: the law starts there")
    passed = int((there & ~early).sum() - kept.sum())
    if passed:
        notes.append(f"{passed} points lie within 1/256 of the run of the one before and are passed over")
    return Points(at[kept], value[kept], error[kept], last, tuple(notes))


def _problems(
    posterior: Posterior, plan: Mapping[str, Any], runs: Runs, progress: str, response: str
) -> list[str]:
    """What is wrong with the columns of the table of a run."""
    frame, law, problems = runs.table, posterior.law, []
    measured = [c for c in frame.columns if c != "row" and numeric(frame, c)]
    for name in (progress, response):
        if name not in measured:
            problems.append(f"there is no column {name!r} of numbers; {nearest(name, measured)}")
        elif posterior.runs.units.get(name, "") != runs.units.get(name, ""):
            problems.append(
                f"{name} is in {runs.units.get(name) or 'no known unit'}, but the law was fitted in "
                f"{posterior.runs.units.get(name) or 'no known unit'}; convert it, or say its unit"
            )
    for name in ("run", "family", "seed"):
        several = frame[name].dropna().unique() if name in frame else []
        if len(several) > 1:
            problems.append(
                f"column {name!r} names {len(several)}: {', '.join(map(str, several[:4]))}; expected one run"
            )
    for i in law.inputs:
        column = posterior.prepared.columns.get(i.name, i.name)
        if i.kind != "positive" or column == progress or column not in measured or column in PROGRESS:
            continue
        values = frame[column].dropna().to_numpy(float)
        other = values[np.abs(values / float(plan[i.name]) - 1) > SAME]
        if other.size:
            problems.append(f"{column} is {other[0]:g} but the plan says {float(plan[i.name]):g}")
    return problems


def _out_of_order(column: str, at: np.ndarray, there: np.ndarray, row: np.ndarray, end: float) -> list[str]:
    problems = []
    lost = np.flatnonzero(there & ~(np.isfinite(at) & (at >= 0)))
    if lost.size:
        return [f"{column} is missing or negative in {check.rows(lost, row)}"]
    where = np.flatnonzero(there)
    back = np.flatnonzero(np.diff(at[where]) <= 0)
    if back.size:
        a, b = where[back[0]], where[back[0] + 1]
        verb = "again" if at[a] == at[b] else f"after {at[a]:g} in row {row[a]}"
        problems.append(
            f"{column} goes back: {at[b]:g} in row {row[b]} {verb}; expected one run with increasing {column}"
        )
    beyond = where[at[where] > end * (1 + SAME)]
    if beyond.size:
        problems.append(
            f"{column} is {at[beyond[0]]:g} in row {row[beyond[0]]}, beyond the end of the plan at {end:g}"
        )
    return problems


def _apart(at: np.ndarray, counts: np.ndarray, end: float) -> np.ndarray:
    """The first point, those apart from the one kept before, and the end; stable as points come."""
    kept, before = np.zeros(len(at), bool), -np.inf
    for k in np.flatnonzero(counts):
        if at[k] - before >= end * NEAREST * (1 - 1e-9) or at[k] >= end * (1 - SAME):
            kept[k], before = True, at[k]
    return kept


def with_points(
    posterior: Posterior, plan: Mapping[str, Any], family: str, points: Points
) -> tuple[Runs, str]:
    """The fitted table with the points of the run added, and the family that it is given there."""
    runs, law, label = posterior.runs, posterior.law, "run in flight"
    progress = progress_of(law)
    named = family if family in posterior.families else label
    rows: dict[str, Any] = {"run": label, "family": named, response_name(posterior): points.value}
    for i in law.inputs:
        column = posterior.prepared.columns.get(i.name, i.name)
        if i.kind == "positive":
            rows[column] = points.at if i.name == progress else along(law, plan, i.name, points.at)
    schedules = dict(runs.schedules)
    for i in law.inputs:
        if i.kind == "schedule":
            rows["schedule"], schedules[label] = label, np.asarray(plan[i.name], float)
    error = f"{response_name(posterior)}_se"
    if points.error.any():
        rows["standard_error" if "standard_error" in runs.table else error] = points.error
    table = runs.table.copy()
    if "family" not in table:
        table["family"] = "all"
    if "run" not in table:
        table["run"] = pd.Series([None] * len(table), dtype=object)
    if schedules and "schedule" not in table:  # the fitted rows follow the schedule of their run's name
        table["schedule"] = table["run"]
    added = pd.DataFrame(rows)
    added["row"] = table["row"].max() + 1 + np.arange(len(points))
    whole = pd.concat([table, added], ignore_index=True)
    for name in map(str, whole.columns):  # labels stay objects, and what no row has stays empty
        if not numeric(whole, name):
            whole[name] = whole[name].astype(object).where(whole[name].notna(), None)
    return assemble(whole, runs.units, schedules, runs.warnings, runs.source), named


def along(law: Law, plan: Mapping[str, Any], name: str, at: np.ndarray) -> np.ndarray:
    """An input along the run: what grows with progress grows in proportion, the rest stays as planned."""
    end = float(plan[progress_of(law)])
    return float(plan[name]) * (at / end if name in PROGRESS else np.ones_like(at))
