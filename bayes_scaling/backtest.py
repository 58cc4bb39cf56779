"""Hide the large runs, forecast them from the small ones, and score the bands."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bayes_scaling import scores
from bayes_scaling.cells import Cell, Split, mixture, stored_cell
from bayes_scaling.engine import Settings
from bayes_scaling.law import Law
from bayes_scaling.measurements import measurements
from bayes_scaling.rivals import Candidate, candidates, scale_of
from bayes_scaling.runs import Runs, run_of_row
from bayes_scaling.structure import DEFAULT, Structure

FACTORS = (8.0, 30.0, 100.0, 300.0)
LEAST_RUNS = 6
#: Of what was observed: a draw below that, which a law without the log link may give, is scored as that.
LEAST_SHARE = 1e-3
AVERAGE = "average"

#: Bands need a few hundred draws, not the tails of every parameter: a backtest samples less than a fit.
QUICK = Settings(chains=2, warmup=200, draws=300, most_draws=300, target_accept=0.9)

Progress = Callable[[int, int, str], None]


class BacktestError(ValueError):
    """A table cannot be split as asked."""


@dataclass(frozen=True)
class Backtest:
    """Scores of forecasts of hidden runs.

    Parameters
    ----------
    table : DataFrame
        One row per law, split and hidden measurement: ``law``, ``factor`` (of the split), ``cut``, ``n_fit``,
        ``n_hidden``, ``row`` (of the user's table), ``family``, ``extrapolation`` (scale of the run over the
        cut), ``observed``, ``median``, ``q5``, ``q95``, ``pit``, ``error`` (log of forecast over observed for
        positive responses, where no forecast counts as less than a thousandth of what was observed; else the
        difference), ``crps`` and ``interval_score`` (90 %) on the same scale,
        ``width`` of the 90 % band on it, ``log_score`` (log density in the response's unit).
    splits : tuple of Split
    axis : str
        Column that was cut.
    notes : tuple of str
        Cuts that were left out, and where the sampler had trouble.
    """

    table: pd.DataFrame
    splits: tuple[Split, ...]
    axis: str
    notes: tuple[str, ...]

    def by_split(self) -> pd.DataFrame:
        """Mean scores of every law and split."""
        return _means(self.table, ["law", "factor", "n_fit", "n_hidden"])

    def overall(self) -> pd.DataFrame:
        """Mean over splits of the mean scores of each, by law, the average of laws first."""
        splits = self.by_split().drop(columns=["factor", "n_fit", "n_hidden"])
        return splits.groupby("law", sort=False).mean().reset_index()

    @property
    def best(self) -> str:
        """What to judge the method by: the average if several laws took part, else the only law."""
        return str(self.table["law"].iloc[0])

    def advice(self) -> str:
        """Whether past bands on this very table were too narrow or too wide, and by how much."""
        mine = self.table[self.table["law"] == self.best]
        covered = scores.covered(mine["pit"], 0.9)
        inside, held = float(_split_mean(mine, covered)), int(np.sum(covered))
        z = np.abs(_normal_scores(mine["pit"].to_numpy()))
        stretch = float(np.quantile(z, 0.9) / 1.6449)
        cuts = f" on average over {len(self.splits)} cuts" if len(self.splits) > 1 else ""
        said = f"90 % bands of {self.best} held {100 * inside:.0f} %{cuts}"
        said += f" ({held} of {len(mine)} hidden measurements)"
        if len(self.splits) * len(mine) < 10:
            return f"{said}: too few to judge the bands."
        if inside < 0.82 and stretch > 1.1:
            return f"{said}: too narrow here, by a factor of about {stretch:.1f}. Widen plans accordingly."
        if inside > 0.97 and stretch < 0.75:
            return f"{said}: wider than needed here, by a factor of about {1 / stretch:.1f}."
        return f"{said}: neither too narrow nor too wide on this table."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``splits`` (one object per law and split) and ``overall`` (by law)."""
        return {
            "axis": self.axis,
            "splits": [_record(row) for _, row in self.by_split().iterrows()],
            "overall": {str(row["law"]): _record(row.drop("law")) for _, row in self.overall().iterrows()},
            "advice": self.advice(),
            "notes": list(self.notes),
        }


def backtest(
    runs: Runs,
    laws: Sequence[Law | str] | Law | str | None = None,
    *,
    factors: Sequence[float] = FACTORS,
    inputs: Mapping[str, str] | None = None,
    response: str | None = None,
    structure: Structure | None = DEFAULT,
    settings: Settings = QUICK,
    resume: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Forecast the largest runs of a table from the others, at several cuts.

    Parameters
    ----------
    runs : Runs
    laws : sequence of Law or str, optional
        Default: the rival laws for this kind of table. With several, their equal-weight average is scored
        too, as law ``"average"``.
    factors : sequence of float
        The scale of the largest run over the largest that is fitted. A cut that leaves fewer than six runs or
        hides none, or that repeats another, is left out and noted.
    inputs, response : optional
        As in `fit`.
    structure : Structure or None
        Structural discrepancy.
    settings : Settings
        Of the sampler, for every split.
    resume : path, optional
        Folder that keeps every finished cell, so that an interrupted backtest goes on where it was.
    progress : callable, optional
        ``progress(done, total, what)``.

    Returns
    -------
    Backtest

    Raises
    ------
    BacktestError
        If no cut can be used.
    RunsError
        If a law lacks a column.

    Notes
    -----
    Whole runs are hidden: all checkpoints of a run that goes beyond the cut. One compiled program of a law
    serves all cuts. Cells go through joblib, so ``joblib.parallel_config`` sends them to other cores or
    machines.
    """
    single = isinstance(laws, Law | str)
    asked = candidates(runs, [laws] if single else laws, inputs=inputs, response=response)  # type: ignore[list-item]
    axis, found, notes = splits_of(runs, asked, factors)
    jobs = [(one, split) for one in asked for split in found]
    rows = max(len(split.fitted) for split in found)
    pad = (rows, len(runs.families))
    work = [delayed(stored_cell)(resume, runs, one, split, structure, settings, pad) for one, split in jobs]
    cells: dict[tuple[str, float], Cell] = {}
    running: Any = Parallel(return_as="generator")(work)
    for done, ((one, split), cell) in enumerate(zip(jobs, running, strict=True), 1):
        cells[one.name, split.factor] = cell
        if progress:
            progress(done, len(jobs), f"{one.name}, 1/{split.factor:g}")
        if cell.divergences > 0.01 * len(cell.draws) or cell.rhat > 1.05:
            notes.append(
                f"{one.name} at 1/{split.factor:g}: {cell.divergences} divergences, R-hat {cell.rhat:.2f}, "
                f"ESS {cell.ess:.0f}"
            )
    names = [one.name for one in asked]
    frames = []
    for split in found:
        group = {name: cells[name, split.factor] for name in names}
        if len(names) > 1:
            group = {AVERAGE: mixture(list(group.values()), [1.0] * len(names)), **group}
        frames += [_scored(runs, asked[0], split, axis, name, cell) for name, cell in group.items()]
    table = pd.concat(frames, ignore_index=True)
    order = [AVERAGE, *names] if len(names) > 1 else names
    table = table.sort_values("law", key=lambda c: c.map(order.index), kind="stable", ignore_index=True)
    return Backtest(table, tuple(found), axis, tuple(notes))


def splits_of(
    runs: Runs, asked: Sequence[Candidate], factors: Sequence[float]
) -> tuple[str, list[Split], list[str]]:
    """The cuts that can be used, and why the others cannot."""
    bad = [f for f in factors if not 1 < f < np.inf]
    if bad or not factors:
        raise BacktestError(f"factors must be finite numbers above 1, found {list(factors)}")
    axis, scale = scale_of(runs, asked[0])
    usable = np.zeros(len(runs), bool)
    rows = [measurements(runs, one.law, inputs=one.inputs, response=one.response).row for one in asked]
    usable[reduce(np.intersect1d, rows)] = True
    usable &= np.isfinite(scale)
    run = run_of_row(runs.table)
    largest = pd.Series(np.where(usable, scale, -np.inf)).groupby(run).transform("max").to_numpy()
    found: list[Split] = []
    notes = []
    for factor in sorted(set(map(float, factors))):
        cut = scale[usable].max() / factor * (1 + 1e-9)
        fitted, hidden = usable & (largest <= cut), usable & (scale > cut)
        count = len(np.unique(run[fitted]))
        if count < LEAST_RUNS:
            notes.append(f"cut at 1/{factor:g} of the largest {axis} leaves {count} runs, fewer than six")
        elif not hidden.any():
            notes.append(f"cut at 1/{factor:g} of the largest {axis} hides no run")
        elif found and len(found[-1].fitted) == fitted.sum():
            notes.append(f"cut at 1/{factor:g} hides the same runs as 1/{found[-1].factor:g}")
        else:
            largest_fitted = float(scale[fitted].max())
            found.append(Split(factor, largest_fitted, np.flatnonzero(fitted), np.flatnonzero(hidden)))
    if not found:
        raise BacktestError(
            f"no cut of {runs.source} can be scored: {'; '.join(notes)}. Give other factors, or a table with "
            "at least six small runs."
        )
    return axis, found, notes


def _scored(runs: Runs, first: Candidate, split: Split, axis: str, name: str, cell: Cell) -> pd.DataFrame:
    """Scores of every hidden measurement."""
    table = runs.table.iloc[split.hidden]
    column = first.response or first.law.predicts.name
    column = column if column in table else ("loss" if "loss" in table else "value")
    observed = table[column].to_numpy(float)
    draws = np.asarray(cell.draws, float)
    if first.law.predicts.noise == "beta_binomial":
        observed = observed / table[first.law.predicts.trials].to_numpy(float)
    pits = scores.pit(draws, observed)
    log = first.law.predicts.link == "log" and first.law.predicts.noise == "student"
    on, truth = (draws, observed)
    if log:
        on, truth = np.log(np.maximum(draws, LEAST_SHARE * observed)), np.log(observed)
    q5, median, q95 = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
    width = np.quantile(on, 0.95, axis=0) - np.quantile(on, 0.05, axis=0)
    families = table["family"].to_numpy(object) if "family" in table else np.full(len(table), "all", object)
    return pd.DataFrame(
        {
            "law": name,
            "factor": split.factor,
            "cut": split.cut,
            "n_fit": len(split.fitted),
            "n_hidden": len(split.hidden),
            "row": table["row"].to_numpy(),
            "family": families,
            "extrapolation": table[axis].to_numpy(float) / split.cut,
            "observed": observed,
            "median": median,
            "q5": q5,
            "q95": q95,
            "pit": pits,
            "error": np.median(on, axis=0) - truth,
            "crps": scores.crps(on, truth),
            "interval_score": scores.interval_score(on, truth),
            "width": width,
            "log_score": cell.log_density,
        }
    )


def _means(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    rows = []
    for key, group in table.groupby(by, sort=False):
        record: dict[str, Any] = dict(zip(by, key, strict=True))
        for level in scores.LEVELS:
            record[f"coverage_{level:g}"] = float(scores.covered(group["pit"].to_numpy(), level).mean())
        for name in ("crps", "interval_score", "log_score", "width"):
            record[name] = float(group[name].mean())
        error = group["error"].to_numpy()
        record |= {"mae": float(np.abs(error).mean()), "rmsle": float(np.sqrt((error**2).mean()))}
        record |= {"bias": float(error.mean()), "extrapolation": float(group["extrapolation"].max())}
        rows.append(record)
    return pd.DataFrame(rows)


def _split_mean(table: pd.DataFrame, values: pd.Series) -> float:
    return float(values.groupby(table["factor"]).mean().mean())


def _normal_scores(pits: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    return ndtri(np.clip(pits, 1e-3, 1 - 1e-3))


def _record(row: pd.Series) -> dict[str, Any]:
    """A row of scores as JSON: coverages in one object, by level."""
    flat = {str(k): v.item() if hasattr(v, "item") else v for k, v in row.items()}
    levels = {k.removeprefix("coverage_"): flat.pop(k) for k in list(flat) if k.startswith("coverage_")}
    return {**flat, "coverage": levels}
