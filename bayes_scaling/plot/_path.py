"""Along which inputs a curve is drawn: from a family's data to a planned run, straight in the logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_scaling.law import Law, nearest
from bayes_scaling.layout import Prepared
from bayes_scaling.plot._style import PlotError, named
from bayes_scaling.predict import NEW
from bayes_scaling.units import VOCABULARY

POINTS = 64
#: An input with so few values (a recipe, a number of bits) is held at the plan's and not interpolated.
FEW = 3


@dataclass(frozen=True)
class Abscissa:
    """What runs along x: training compute 6ND, or one input of the law."""

    name: str
    label: str
    follows: tuple[str, ...]  # inputs that change along x by themselves

    def __call__(self, inputs: Mapping[str, Any]) -> np.ndarray:
        """Values at some inputs, shape (m,)."""
        columns = [np.asarray(inputs[name], float) for name in self.follows]
        return 6 * columns[0] * columns[1] if len(columns) == 2 else columns[0]


def positive(law: Law) -> list[str]:
    """Names of the inputs that are one number per run."""
    return [i.name for i in law.inputs if i.kind == "positive"]


def abscissa(prepared: Prepared, x: str | None) -> Abscissa:
    """The x axis of that name; compute where the law knows it, else the first input.

    Raises
    ------
    PlotError
        If the law has no such input.
    """
    law, names = prepared.law, positive(prepared.law)
    columns = {column_of(prepared, prepared.measured.inputs[name]): name for name in names}
    pair = ("params", "tokens")
    if x == "compute" or x is None:
        if set(pair) <= set(names):
            return Abscissa("compute", "Training compute 6ND (FLOP)", pair)
        x = x and columns.get("compute", x)
    name = columns.get(x, x) if x else "compute" if "compute" in names else names[0]
    if name not in names:
        known = [*names, *(["compute"] if set(pair) <= set(names) else [])]
        raise PlotError(f"law {law.name!r} cannot be drawn against {x!r}; {nearest(str(x), known)}")
    i = next(i for i in law.inputs if i.name == name)
    column = column_of(prepared, prepared.measured.inputs[name])
    if column not in (None, name):
        meaning = "training compute" if column == "compute" else column
        return Abscissa(column, named(meaning, prepared.runs.units.get(column, "")), (name,))
    return Abscissa(name, named(i.meaning or name, i.unit), (name,))


def column_of(prepared: Prepared, values: np.ndarray) -> str | None:
    """The column of the user's table that holds these values of the fitted rows.

    A generic law takes its x and y from any column, and a picture should name that one.
    """
    rows = prepared.runs.table.iloc[prepared.measured.row]
    same = [
        name
        for name in rows.columns
        if name != "row" and rows[name].dtype == np.float64 and np.array_equal(rows[name].to_numpy(), values)
    ]
    known = [name for name in same if name in VOCABULARY]
    return next(iter([*known, *same]), None)


def rows_of(prepared: Prepared, family: str) -> np.ndarray:
    """Indices of the measurements of a family; of all of them for a new one."""
    measured = prepared.measured
    if family == NEW:
        return np.arange(len(measured.response))
    return np.flatnonzero(measured.family == measured.families.index(family))


def path(
    prepared: Prepared,
    along: Abscissa,
    family: str,
    plan: Mapping[str, Any] | None,
    others: Sequence[Prepared] = (),
) -> list[dict[str, Any]]:
    """Plans along a curve: the trend of a family's inputs over its data, then straight to its planned run.

    The trend is the least-squares line of the log of every input against the log of x, which keeps x = 6ND.
    ``others`` are other laws of the same table, whose inputs the plans must have too.
    """
    rows, inputs = _inputs(prepared, rows_of(prepared, family), others)
    u = np.log(along(inputs))
    ends = np.array([u.min(), u.max()])
    flat = np.ptp(u) < 1e-6
    target = float(np.log(along(plan))) if plan else None
    schedule = _schedule(prepared, rows, plan)
    if schedule is not None:
        target = min(target or np.inf, float(np.log(len(schedule))))
        ends = np.minimum(ends, target)
    knots = ends[:1] if flat else ends
    if target is not None:
        knots = np.unique(np.append(knots, target))
    grid = np.linspace(knots[0], knots[-1], POINTS)
    columns: dict[str, np.ndarray] = {}
    for name, values in inputs.items():
        held = _held(values, float(plan[name]) if plan else None) if name not in along.follows else None
        if held is not None:
            columns[name] = np.full(POINTS, held)
            continue
        slope, middle = (0.0, np.log(values).mean()) if flat else np.polyfit(u - u.mean(), np.log(values), 1)
        known = middle + slope * (knots - u.mean())
        if plan and schedule is None and not ends[0] <= target <= ends[1]:
            known[knots == target] = np.log(float(plan[name]))
        columns[name] = np.exp(np.interp(grid, knots, known))
    if schedule is None:
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return _scheduled(prepared.law, columns, schedule)


def _inputs(
    prepared: Prepared, rows: np.ndarray, others: Sequence[Prepared]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Inputs of all laws, of those of the rows that all of them were fitted to."""
    measured = prepared.measured
    known = [{row: j for j, row in enumerate(other.measured.row)} for other in others]
    rows = np.array([j for j in rows if all(measured.row[j] in own for own in known)], int)
    inputs = {name: measured.inputs[name][rows] for name in positive(prepared.law)}
    for other, own in zip(others, known, strict=True):
        if any(i.kind == "schedule" and i.name not in measured.inputs for i in other.law.inputs):
            raise PlotError(
                f"{prepared.law.name} and {other.law.name} cannot share a picture: one has a schedule"
            )
        same = [own[measured.row[j]] for j in rows]
        inputs |= {n: other.measured.inputs[n][same] for n in positive(other.law) if n not in inputs}
    return rows, inputs


def _held(values: np.ndarray, planned: float | None) -> float | None:
    """The level of a discrete input to draw the curve at: the planned one, else the most frequent."""
    found, counts = np.unique(values, return_counts=True)
    if not 1 < len(found) <= FEW or (planned is not None and planned not in found):
        return None
    return float(found[np.argmax(counts)]) if planned is None else planned


def _schedule(prepared: Prepared, rows: np.ndarray, plan: Mapping[str, Any] | None) -> np.ndarray | None:
    """Learning rate at every step of the curve: the plan's, else of the family's longest schedule."""
    name = next((i.name for i in prepared.law.inputs if i.kind == "schedule"), None)
    if name is None:
        return None
    if plan:
        return np.asarray(plan[name], float)
    segments = prepared.measured.inputs[name][np.unique(prepared.measured.schedule[rows])]
    longest = segments[np.argmax(segments[:, :, 0].sum(axis=1))]
    return np.repeat(longest[:, 1], longest[:, 0].round().astype(int))


def _scheduled(law: Law, columns: Mapping[str, np.ndarray], schedule: np.ndarray) -> list[dict[str, Any]]:
    """A plan per step of the grid, each with the schedule up to there."""
    name = next(i.name for i in law.inputs if i.kind == "schedule")
    first = positive(law)[0]
    plans = []
    for row in zip(*columns.values(), strict=True):
        plan = dict(zip(columns, row, strict=True))
        steps = int(np.clip(round(plan[first]), 1, len(schedule)))
        plans.append(plan | {first: float(steps), name: schedule[:steps]})
    return plans
