"""Seconds per split of a backtest and per curve, with compiled programs.

    BAYES_SCALING_DATA=... python benchmarks/extrapolation/speed.py [--splits 51] [--jobs 1]

The studies of size_and_data.py are cut at many places, until there are that many splits; every backtest runs
twice, and the second time, with another seed, is the one that counts. Curves are simulated broken power laws
of 100 points, the last twenty hidden. ``--jobs`` is the number of threads that joblib gives to the cells; a
fit has a thread for each of its two chains already.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
from studies import size_and_data

import bayes_scaling as bs
from bayes_scaling.backtest import QUICK

FACTORS = (8, 12, 20, 30, 50, 80, 100, 160, 300)
CURVES, POINTS, FITTED = 5, 100, 80


def timed[Found](work: Callable[[int], Found]) -> tuple[Found, float]:
    """What the second of two calls gives, which take the seed, and its seconds."""
    work(1)
    began = time.perf_counter()
    found = work(2)
    return found, time.perf_counter() - began


def splits(laws: list[str] | None, wanted: int) -> tuple[int, float]:
    """How many splits there were, and the seconds that they took."""
    count, seconds = 0, 0.0
    for _, table in size_and_data():
        runs = bs.read_runs(table[["params", "tokens", "loss"]].astype(float).reset_index(drop=True))

        def work(seed: int, runs: bs.Runs = runs) -> bs.Backtest:
            return bs.backtest(runs, laws, factors=FACTORS, settings=replace(QUICK, seed=seed))

        tested, spent = timed(work)
        count, seconds = count + len(tested.splits), seconds + spent
        if count >= wanted:
            break
    return count, seconds


def curve(seed: int) -> bs.Runs:
    """A hundred points of a power law with a break and a floor, and scatter of half a per cent."""
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 1e4, POINTS)
    mean = 0.3 + 2 * x**-0.2 * (1 + (x / 100) ** 2) ** -0.1
    return bs.read_runs(pd.DataFrame({"x": x, "y": mean * np.exp(0.005 * rng.standard_normal(POINTS))}))


def curves(laws: list[str] | None) -> float:
    """Seconds of fitting and forecasting one curve, mean over several."""
    factor = 1e4 / float(np.geomspace(1, 1e4, POINTS)[FITTED])

    def work(seed: int) -> None:
        for k in range(CURVES):
            bs.backtest(curve(k), laws, factors=[factor], settings=replace(QUICK, seed=seed))

    return timed(work)[1] / CURVES


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splits", type=int, default=51)
    parser.add_argument("--laws", nargs="*", default=["chinchilla", "average"], help="of the splits")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with joblib.parallel_config(backend="threading", n_jobs=options.jobs):
        for name in options.laws:
            count, seconds = splits(None if name == "average" else [name], options.splits)
            each = seconds / count
            print(
                f"{name}: {count} splits in {seconds:.1f} s, {each:.2f} s each, {51 * each:.0f} s for 51",
                flush=True,
            )
        for name in ("power_law_offset", "saturating_m4", "smoothly_broken_power_law"):
            print(f"{name}: {curves([name]):.2f} s for a curve of {POINTS} points", flush=True)
        print(f"the default average: {curves(None):.2f} s for a curve of {POINTS} points")


if __name__ == "__main__":
    main()
