"""One-dimensional curves of a published benchmark: the rest of each from its beginning.

    BAYES_SCALING_DATA=... python benchmarks/extrapolation/curves.py [--set language|nano|double-descent]
                                                                    [--laws a,b] [--resume FOLDER]

RMSLE is the root mean square of log errors per curve, then the mean over curves; the log likelihood is that
of the target values, divided by their curve's largest fitted value where the file is not normalised
(Alabdulmohsin et al. 2022, arXiv:2209.06640; Lee et al. 2025, arXiv:2505.23032).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
from studies import folder

import bayes_scaling as bs
from bayes_scaling import scores
from bayes_scaling.backtest import QUICK
from bayes_scaling.cells import Cell, Split, mixture, stored_cell
from bayes_scaling.rivals import candidates
from bayes_scaling.runs import subset
from bayes_scaling.structure import DEFAULT


def curves(which: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name and table with x, y and split of every curve of a set."""
    if which == "language":
        table = pd.read_csv(folder() / "rnsl_benchmark_language.csv")
        for run, curve in table.groupby("run", sort=False):
            curve = curve.rename(columns={"seen": "x", "value": "y"}).drop_duplicates(["x", "y"])
            yield str(run), curve[["x", "y", "split"]]
        return
    table = pd.read_csv(folder() / "double_descent_nano.csv")
    for task, curve in table.groupby("task", sort=False):
        nano = "nano" in str(task).lower()
        if nano == (which == "nano"):
            yield str(task), curve.rename(columns={"value": "y"})[["x", "y", "split"]].drop_duplicates()


def forecast_curve(
    table: pd.DataFrame, laws: list[str] | None, resume: str | None
) -> tuple[Cell, dict[str, Cell]]:
    """The average of laws, and each law, on the target part of one curve."""
    runs = bs.read_runs(table[["x", "y"]].astype(float).reset_index(drop=True))
    fitted = np.flatnonzero((table["split"] == "fit").to_numpy())
    hidden = np.flatnonzero((table["split"] == "target").to_numpy())
    split = Split(np.nan, float(runs.table["x"].to_numpy()[fitted].max()), fitted, hidden)
    pad = (64 if len(fitted) <= 64 else 128, 1)
    keep = np.zeros(len(runs), bool)
    keep[fitted] = True
    cells = {
        one.name: stored_cell(resume, runs, one, split, DEFAULT, QUICK, pad)
        for one in candidates(subset(runs, keep), laws)
    }
    return mixture(list(cells.values()), [1.0] * len(cells)), cells


def row(cell: Cell, y: np.ndarray, unit: float) -> dict[str, float]:
    """Scores of one curve; ``unit`` is what its values are divided by."""
    error = np.log(np.median(cell.draws, axis=0)) - np.log(y)
    pits = scores.pit(np.asarray(cell.draws, float), y)
    return {
        "rmsle": float(np.sqrt((error**2).mean())),
        "log_likelihood": float(cell.log_density.mean() + np.log(unit)),
        "coverage_0.5": float(scores.covered(pits, 0.5).mean()),
        "coverage_0.9": float(scores.covered(pits, 0.9).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", default="language", choices=["language", "nano", "double-descent"])
    parser.add_argument("--laws", help="comma between them (default: those of this package)")
    parser.add_argument("--resume", help="folder that keeps finished cells")
    options = parser.parse_args()
    found, seconds = [], []
    for name, table in curves(options.set):
        target = table[table["split"] == "target"]
        if target.empty or (table["split"] == "fit").sum() < 4:
            print(f"{name}: no target, or fewer than four points to fit")
            continue
        start = time.perf_counter()
        whole, cells = forecast_curve(table, options.laws and options.laws.split(","), options.resume)
        seconds.append(time.perf_counter() - start)
        y, largest = target["y"].to_numpy(float), float(table.loc[table["split"] == "fit", "y"].max())
        unit = largest if options.set != "language" or largest > 1 else 1.0
        for law, cell in {"average": whole, **cells}.items():
            found.append({"curve": name, "law": law, **row(cell, y, unit)})
        print(f"{name}: {found[-len(cells) - 1]}", flush=True)
    scored = pd.DataFrame(found)
    print(scored.groupby("law", sort=False).mean(numeric_only=True).round(4).to_string())
    print(f"{np.median(seconds):.2f} s for a typical curve, {np.sum(seconds):.0f} s in all")


if __name__ == "__main__":
    main()
