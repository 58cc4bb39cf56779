"""A table of training runs: read, checked, and in known units."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_scaling import _checks as check
from bayes_scaling._tables import load
from bayes_scaling.units import VOCABULARY, RunsError, convert, derive, missing, number, numeric

__all__ = ["Runs", "RunsError", "assemble", "number", "read_runs", "run_of_row", "subset"]

#: Name of a family that nobody has measured.
NEW = "new"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Runs:
    """A checked table of training runs.

    Parameters
    ----------
    table : DataFrame
        One row per measurement, in the user's order, under canonical column names. Column ``row`` is the
        number of the row in the user's table (from 1, header not counted).
    units : mapping of str to str
        Column -> unit.
    families : tuple of str
        Sorted; ``("all",)`` when the table has no family column.
    schedules : mapping of str to ndarray
        Name -> learning rate at every step, shape (T,); T may differ.
    hash : str
        SHA-256 of columns, values, units and schedules; the same in every process.
    warnings : tuple of str
        What looks implausible, with a guess, and which columns were found by an alias.
    source : str
        Path, or ``"DataFrame"``.
    """

    table: pd.DataFrame
    units: Mapping[str, str]
    families: tuple[str, ...]
    schedules: Mapping[str, np.ndarray]
    hash: str
    warnings: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        columns = [c for c in self.table.columns if c != "row"]
        reach = ""
        compute = self.table["compute"].dropna().to_numpy() if "compute" in columns else np.empty(0)
        if compute.size:
            reach = f", compute {compute.min():.3g} to {compute.max():.3g} FLOP"
        names = ", ".join(self.families[:8]) + (", ..." if len(self.families) > 8 else "")
        return (
            f"Runs({len(self)} rows, {run_of_row(self.table, _RUN).max() + 1} runs, "
            f"{'family' if len(self.families) == 1 else 'families'} {names}{reach}, "
            f"columns: {', '.join(columns)})"
        )


def read_runs(
    table: pd.DataFrame | str | os.PathLike,
    *,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    family: str | None = None,
    run: str | None = None,
    seed: str | None = None,
    error: str | None = None,
    schedules: Mapping[str, Sequence[float]] | None = None,
    compute_rule: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> Runs:
    """Read a table of training runs and check it.

    Parameters
    ----------
    table : DataFrame or path
        A file ends in .csv, .tsv, .parquet, .jsonl, .ndjson or .json (one object per line, or one list).
        Text such as ``"70B"`` is read as a number; an empty cell is a missing value.
    columns : mapping of str to str, optional
        Canonical name -> the table's column. Common names such as ``N`` or ``val_loss`` are found without it
        where only one fits, and reported in `Runs.warnings`.
    units : mapping of str to str, optional
        Column -> the unit in which the table gives it, where that is not the default (parameter, token, FLOP,
        nat/token): ``{"tokens": "billion token", "loss": "bit/token"}``. Per-byte losses need a column
        ``bytes_per_token``. Standard errors (``loss_se``, or `error`) follow their quantity.
    family, run, seed, error : str, optional
        Columns of the table with the group that a law pools over, the training run (rows that share it are
        its checkpoints; without it each row is a run), the seed, and the standard error of the response.
    schedules : mapping of str to sequence of float, optional
        Name -> learning rate at every step. Column ``schedule``, else ``run``, says which row follows which.
        Lists in a column ``schedule`` or ``lr`` of the table do the same.
    compute_rule : callable, optional
        ``compute_rule(params, tokens)`` in FLOP on arrays, instead of 6 N D (Kaplan et al. 2020). With it,
        only compute is derived; without it, whichever of params, tokens and compute has no column. A given
        column is never overwritten or filled up.

    Returns
    -------
    Runs

    Raises
    ------
    RunsError
        With all problems of the table at once: what was found, in which rows, and what was expected.
    """
    frame, source = load(table)
    problems: list[str] = []
    notes: list[str] = []
    row = np.arange(1, len(frame) + 1)
    named = {"family": family, "run": run, "seed": seed, "standard_error": error}
    given = {name: column for name, column in named.items() if column is not None}
    frame, origin = check.rename(frame, columns or {}, given, problems, notes)
    curves = check.curves(frame, schedules or {}, problems)
    frame = check.parse(frame, row, problems)
    kept = convert(frame, units or {}, origin, problems)
    for name in frame.columns:
        if numeric(frame, name) and (name in VOCABULARY or name.endswith("_se")):
            domain = VOCABULARY[name].domain if name in VOCABULARY else "nonnegative"
            check.in_domain(name, frame[name].to_numpy(), domain, row, problems)
    if "loss" in frame:
        check.nats("loss", frame["loss"].to_numpy(), problems)
    nameless = np.flatnonzero(frame["family"].isna()) if "family" in frame else ()
    if len(nameless):
        problems.append(f"family: no name in {check.rows(nameless, row)}; expected one for every row")
    reserved = np.flatnonzero(frame["family"] == NEW) if "family" in frame else ()
    if len(reserved):
        problems.append(
            f"family: {NEW!r} in {check.rows(reserved, row)} names a family that nobody has measured; "
            "rename this one"
        )
    check.run_ids(frame, row, problems)
    if curves:
        check.schedules(frame, curves, problems, notes)
    if not any(numeric(frame, name) and frame[name].notna().any() for name in frame.columns):
        found = ", ".join(map(repr, frame.columns[:8]))
        problems.append(f"not a table of runs: no column holds numbers; columns found: {found}")
    if not problems:
        derive(frame, kept, compute_rule, problems, notes)
    if problems:
        raise RunsError(check.message(source, problems))
    for name in frame.columns:
        if name in VOCABULARY and numeric(frame, name):
            check.plausible(name, frame[name].to_numpy(), row, notes)
    frame["row"] = row
    return assemble(frame, kept, curves, tuple(notes), source)


def subset(runs: Runs, keep: np.ndarray) -> Runs:
    """The rows where `keep` is true, and the families that are left.

    Parameters
    ----------
    runs : Runs
    keep : ndarray of bool, shape (len(runs),)

    Raises
    ------
    RunsError
        If the mask has another shape or type, or keeps nothing.
    """
    mask = np.asarray(keep)
    if mask.dtype != bool or mask.shape != (len(runs),):
        raise RunsError(
            f"expected a boolean mask of shape ({len(runs)},), found {mask.dtype} of shape {mask.shape}"
        )
    if not mask.any():
        raise RunsError(f"the mask keeps none of the {len(runs)} rows")
    table = runs.table.take(np.flatnonzero(mask)).reset_index(drop=True)
    return assemble(table, runs.units, runs.schedules, runs.warnings, runs.source)


def assemble(
    table: pd.DataFrame,
    units: Mapping[str, str],
    schedules: Mapping[str, np.ndarray],
    notes: tuple[str, ...],
    source: str,
) -> Runs:
    """`Runs` of a table that is checked already, with its families and its hash."""
    families = tuple(sorted(set(table["family"]))) if "family" in table else ("all",)
    return Runs(table, units, families, schedules, _hash(table, units, schedules), notes, source)


def _hash(table: pd.DataFrame, units: Mapping[str, str], schedules: Mapping[str, np.ndarray]) -> str:
    """Content only: neither the order of the columns nor the numbers of the rows matter."""
    digest = hashlib.sha256()
    for name in sorted(set(table.columns) - {"row"}):
        digest.update(repr((name, units.get(name, ""), len(table))).encode())
        if numeric(table, name):
            digest.update((table[name].to_numpy() + 0.0).astype("<f8").tobytes())
        else:
            cells = table[name].to_numpy(dtype=object)
            digest.update(repr([None if missing(c) else _text(c) for c in cells]).encode())
    for name in sorted(schedules):
        digest.update(repr((name, len(schedules[name]))).encode() + schedules[name].astype("<f8").tobytes())
    return digest.hexdigest()


def _text(cell: object) -> str:
    try:
        return str(cell)
    except ValueError:  # a whole number of more digits than Python writes out
        return hex(cell)  # type: ignore[arg-type]


_RUN = ("family", "run", "seed", "replicate")


def run_of_row(table: pd.DataFrame, apart: Sequence[str] = (*_RUN, *check.INDEX)) -> np.ndarray:
    """Number of the run of each row, by first appearance; a row without a run id is a run of its own.

    Rows of one run id that differ in a column of ``apart`` (seed, task, ...) are not its checkpoints.
    """
    if "run" not in table:
        return np.arange(len(table))
    keys = [c for c in dict.fromkeys(apart) if c in table]
    codes = table.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
    alone = table["run"].isna().to_numpy()
    return pd.factorize(np.where(alone, -1 - np.arange(len(table)), codes))[0]
