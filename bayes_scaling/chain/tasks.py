"""A table of runs with task accuracies, wide or long -> one row per model and task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_scaling import _checks as check
from bayes_scaling.chain.benchmarks import benchmark
from bayes_scaling.forecast import ForecastError
from bayes_scaling.law import nearest
from bayes_scaling.runs import Runs, subset
from bayes_scaling.units import numeric

PREFIX = "acc_"
#: Names of a long table's column with the number of test items, and with the accuracy of a guess.
ITEMS = ("n_examples", "n_items", "items")
CHANCE = ("random_accuracy", "chance")
#: Columns that tell two models of a long table apart.
_MODEL = ("family", "run", "seed", "replicate", "step", "tokens", "params", "compute")
#: Columns that a long table may have beside a run's inputs and that belong to the task.
_OF_TASK = ("task", "accuracy", "accuracy_se", "task_loss", *ITEMS, *CHANCE)
_CARRIED = ("run", "step", "params", "tokens", "compute", "loss")


class ChainError(ForecastError):
    """Tasks or plans do not fit together: an unknown task, no accuracy, nothing between run and task."""


@dataclass(frozen=True, eq=False)
class Tasks:
    """Accuracies of models on tasks.

    Parameters
    ----------
    table : DataFrame
        One row per model and task: ``task``, ``family``, ``accuracy``, ``items`` (0 if unknown), ``se``
        (standard error of sampling the items; 0 if unknown), ``chance`` (NaN if unknown), and what the table
        of runs says of the model: ``run``, ``params``, ``tokens``, ``compute``, ``loss``, ``task_loss``.
    names : tuple of str
        The tasks, in the order asked for.
    runs : Runs
        One row per model: what the loss side is fitted to.
    """

    table: pd.DataFrame
    names: tuple[str, ...]
    runs: Runs

    def chance(self, task: str) -> float:
        """Accuracy of a guess; NaN if unknown."""
        return float(self.table.loc[self.table["task"] == task, "chance"].iloc[0])

    def items(self, task: str) -> float:
        """Number of test items, from the table, the benchmark or the standard errors; 0 if unknown."""
        mine = self.table[self.table["task"] == task]
        if (mine["items"] > 0).any():
            return float(np.median(mine.loc[mine["items"] > 0, "items"]))
        p, se = mine["accuracy"].to_numpy(), mine["se"].to_numpy()
        known = (se > 0) & (p > 0) & (p < 1)
        return float(np.median((p * (1 - p))[known] / se[known] ** 2)) if known.any() else 0.0


def read_tasks(runs: Runs, tasks: Sequence[str] | None = None) -> Tasks:
    """Find task accuracies in a table of runs.

    Parameters
    ----------
    runs : Runs
        Wide, one column per task (``hellaswag`` or ``acc_hellaswag``, with an optional ``se_hellaswag`` or
        ``hellaswag_se`` and ``bpb_hellaswag`` for the loss on its answers); or long, columns ``task`` and
        ``accuracy``, optionally ``accuracy_se``, ``n_examples``, ``random_accuracy`` and ``task_loss``. What
        a table does not say of items and chance is looked up for common benchmarks.
    tasks : sequence of str, optional
        Default: all.

    Raises
    ------
    ChainError
        If a task is not there, or an accuracy is not a fraction.
    """
    long = {"task", "accuracy"} <= set(runs.table.columns)
    known = tuple(dict.fromkeys(runs.table["task"].astype(str))) if long else task_columns(runs)
    if not known:
        raise ChainError(
            f"{runs.source} has no task accuracies: expected columns named like common benchmarks or "
            f"{PREFIX}NAME, or the columns task and accuracy"
        )
    asked = [known] if tasks is None else [tuple(dict.fromkeys(tasks))]
    names = asked[0]
    for name in names:
        if name not in known:
            raise ChainError(f"there is no task {name!r} in {runs.source}; {nearest(name, known)}")
    if not names:
        raise ChainError(f"name at least one task; known: {', '.join(known)}")
    table = _long(runs, names) if long else _wide(runs, names)
    table = table[np.isfinite(table["accuracy"])].reset_index(drop=True)
    bad = table[(table["accuracy"] < 0) | (table["accuracy"] > 1)]
    if len(bad):
        found = bad["accuracy"].iloc[0]
        raise ChainError(
            f"accuracies must be fractions from 0 to 1; found {found:g} for task {bad['task'].iloc[0]!r} "
            "(percent are read with the unit 'percent')"
        )
    empty = [name for name in names if name not in set(table["task"])]
    if empty:
        raise ChainError(f"task {empty[0]!r} has no measured accuracy in {runs.source}")
    return Tasks(table, names, subset(runs, _models(runs.table)) if long else runs)


def task_columns(runs: Runs) -> tuple[str, ...]:
    """Tasks of a wide table by the names of its columns."""
    table = runs.table
    taken = {*check.inputs_of(table), "row", "loss"}
    names = [c for c in table.columns if c not in taken and numeric(table, c)]
    return tuple(
        c.removeprefix(PREFIX) for c in names if c.startswith(PREFIX) or (benchmark(c) and not _is_error(c))
    )


def _is_error(column: str) -> bool:
    return column.endswith("_se") or column.startswith(("se_", "bpb_"))


def _carried(runs: Runs) -> pd.DataFrame:
    """What the task side knows of each model."""
    table = runs.table
    kept = {c: table[c].to_numpy() for c in _CARRIED if c in table}
    family = table["family"].astype(str).to_numpy() if "family" in table else np.full(len(table), "all")
    return pd.DataFrame({"family": family, **kept})


def _wide(runs: Runs, names: Sequence[str]) -> pd.DataFrame:
    table, models, frames = runs.table, _carried(runs), []

    def first(*columns: str) -> np.ndarray | None:
        return next((table[c].to_numpy(float) for c in columns if c in table), None)

    for name in names:
        column = f"{PREFIX}{name}"
        known, p = benchmark(name), first(column, name)
        assert p is not None  # the name comes from these columns
        se = first(f"se_{name}", f"{name}_se", f"{column}_se")
        items = np.full(len(table), float(known.items) if known and se is None else 0.0)
        chance = known.chance if known else np.nan
        frame = models.assign(task=name, accuracy=p, items=items, se=_sampling(p, items, se), chance=chance)
        answers = first(f"bpb_{name}")
        frames.append(frame if answers is None else frame.assign(task_loss=answers))
    return pd.concat(frames, ignore_index=True)


def _long(runs: Runs, names: Sequence[str]) -> pd.DataFrame:
    table, task = runs.table, runs.table["task"].astype(str)
    known = {name: benchmark(name) for name in names}

    def first(columns: Sequence[str], default: dict[str, float]) -> np.ndarray:
        fallback = task.map(default).to_numpy(float)
        column = next((table[c].to_numpy(float) for c in columns if c in table), None)
        return fallback if column is None else np.where(np.isfinite(column), column, fallback)

    p = table["accuracy"].to_numpy(float)
    given = table["accuracy_se"].to_numpy(float) if "accuracy_se" in table else None
    usual = {name: float(b.items) if b and given is None else 0.0 for name, b in known.items()}
    items = first(ITEMS, usual)
    chance = first(CHANCE, {name: b.chance if b else np.nan for name, b in known.items()})
    frame = _carried(runs).assign(task=task, accuracy=p, items=items, chance=chance)
    frame = frame.assign(se=_sampling(p, items, given))
    if "task_loss" in table:
        frame = frame.assign(task_loss=table["task_loss"].to_numpy(float))
    return frame[task.isin(names).to_numpy()].reset_index(drop=True)


def _sampling(p: np.ndarray, items: np.ndarray, given: np.ndarray | None) -> np.ndarray:
    """Standard error of sampling the items: as given, else binomial; 0 where neither is known."""
    shrunk = (p * items + 1) / (items + 2)
    binomial = np.where(items > 0, np.sqrt(np.maximum(shrunk * (1 - shrunk), 0) / np.maximum(items, 1)), 0.0)
    return binomial if given is None else np.where(given > 0, given, binomial)


def _models(table: pd.DataFrame) -> np.ndarray:
    """The first row of each model of a long table."""
    keys = [c for c in _MODEL if c in table] + ["loss"] * ("loss" in table)
    return ~table.duplicated(keys).to_numpy()
