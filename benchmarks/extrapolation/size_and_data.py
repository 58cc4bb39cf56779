"""Forecasts of the largest runs of public studies from their small ones, scored beside the common practice.

    BAYES_SCALING_DATA=... python benchmarks/extrapolation/size_and_data.py [--resume FOLDER] [--all]

Prints one table of means over studies (of means over cuts) and one by study. ``--all`` adds each rival law
alone and the average.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from least_squares import bootstrap
from studies import size_and_data

import bayes_scaling as bs
from bayes_scaling import scores
from bayes_scaling.backtest import Backtest

SHOWN = ["coverage_0.5", "coverage_0.8", "coverage_0.9", "coverage_0.95", "mae", "bias", "crps", "log_score"]


def practice(runs: bs.Runs, tested: Backtest) -> pd.DataFrame:
    """Scores of least squares with a bootstrap on the splits of a backtest."""
    table, rows = runs.table, []
    for split in tested.splits:
        fit, plan = table.iloc[split.fitted], table.iloc[split.hidden]
        columns = [fit[c].to_numpy(float) for c in ("params", "tokens", "loss")]
        draws = np.log(bootstrap(tuple(columns), (plan.params.to_numpy(float), plan.tokens.to_numpy(float))))
        truth = np.log(plan.loss.to_numpy(float))
        pits, error = scores.pit(draws, truth), np.median(draws, axis=0) - truth
        row = {f"coverage_{level:g}": scores.covered(pits, level).mean() for level in scores.LEVELS}
        row |= {"mae": np.abs(error).mean(), "bias": error.mean(), "crps": scores.crps(draws, truth).mean()}
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resume", help="folder that keeps finished cells")
    parser.add_argument("--all", action="store_true", help="each rival law alone, and the average")
    options = parser.parse_args()
    began, seconds, found = time.perf_counter(), 0.0, []
    for study, table in size_and_data():
        columns = table[["params", "tokens", "loss"]].astype(float).reset_index(drop=True)
        runs = bs.read_runs(columns)
        ways = {
            "Student-t noise, no discrepancy": (["chinchilla"], None),
            "this package's default": (None, bs.Structure()),
        }
        if options.all:
            laws = ["chinchilla", "gadre_overtraining", "coupled_chinchilla", "kaplan_nd"]
            ways |= {f"{law} alone": ([law], bs.Structure()) for law in laws}
        for name, (laws, structure) in ways.items():
            start = time.perf_counter()
            tested = bs.backtest(runs, laws, structure=structure, resume=options.resume)
            seconds += time.perf_counter() - start
            splits = tested.by_split()
            splits = splits[splits.law == tested.best]
            found.append(splits.assign(study=study, method=name))
        found.append(practice(runs, tested).assign(study=study, method="least squares, bootstrap"))
        print(f"{study}: {len(tested.splits)} splits", flush=True)
    scored = pd.concat(found, ignore_index=True)
    by_study = scored.groupby(["method", "study"], sort=False)[SHOWN].mean()
    overall = by_study.groupby("method", sort=False).mean()
    overall["least coverage_0.9"] = by_study["coverage_0.9"].groupby("method", sort=False).min()
    with pd.option_context(
        "display.width", 200, "display.max_columns", 20, "display.float_format", "{:.4f}".format
    ):
        print(overall.to_string())
        print(by_study.loc["this package's default"].to_string())
    print(f"{seconds:.0f} s of backtests, {time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
