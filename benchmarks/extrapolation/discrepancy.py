"""Kinds of structural discrepancy, scored on the largest runs of public studies.

    BAYES_SCALING_DATA=... python benchmarks/extrapolation/discrepancy.py [--kinds KIND ...] [--resume FOLDER]
                                                                          [--laws a,b] [--lengths L ...]

Each kind of path (`bayes_scaling.Structure`) with several prior locations of the log of its scale, and a
stationary one with several lengths, under one law or the average of several. The second table gives each
study the length and location that the *other* studies like best, by CRPS and by log score, so that no study
chooses for itself.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd
from size_and_data import SHOWN
from studies import size_and_data

import bayes_scaling as bs
from bayes_scaling.structure import Kind

SCALES = {
    "fractional": (-5.0, -4.5, -4.0),
    "integrated": (-6.0, -5.25, -4.5),
    "exponents": (-5.25, -4.5, -3.75),
    "stationary": (-4.75, -4.25, -3.75),
}
LENGTHS = (1.5, 2.0, 3.0)
#: By which the scale is chosen; times this it is a loss.
SIGN = {"crps": 1, "log_score": -1}


def tested(path: bs.Structure, laws: list[str], resume: Path | None) -> pd.DataFrame:
    """Scores by study, means over its cuts."""
    found = []
    for study, table in size_and_data():
        runs = bs.read_runs(table[["params", "tokens", "loss"]].astype(float).reset_index(drop=True))
        result = bs.backtest(runs, laws, structure=path, resume=resume)
        splits = result.by_split()
        found.append(splits.loc[splits.law == result.best, SHOWN].mean().rename(study))
    return pd.DataFrame(found)


def paths(kind: Kind, lengths: list[float]) -> dict[str, bs.Structure]:
    """What is compared of one kind, by a name for the tables."""
    if kind != "stationary":
        return {f"scale {s}": bs.Structure(kind=kind, scale=(s, 0.6)) for s in SCALES[kind]}
    return {
        f"length {length:g}, scale {s}": bs.Structure(kind=kind, length=length, scale=(s, 0.6))
        for length in lengths
        for s in SCALES[kind]
    }


def overall(by_study: pd.DataFrame) -> pd.Series:
    """Means over studies, and the lowest coverage of a study."""
    return pd.concat([by_study.mean(), pd.Series({"least coverage_0.9": by_study["coverage_0.9"].min()})])


def left_out(by_path: dict[str, pd.DataFrame], criterion: str) -> pd.DataFrame:
    """Scores of each study with the path that is best, on average, on the other studies."""
    loss = pd.DataFrame({name: found[criterion] for name, found in by_path.items()}) * SIGN[criterion]
    chosen = {study: loss.drop(index=study).mean().idxmin() for study in loss.index}
    return pd.DataFrame({study: by_path[name].loc[study] for study, name in chosen.items()}).T


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="*", choices=list(SCALES), default=list(SCALES))
    parser.add_argument("--lengths", nargs="*", type=float, default=list(LENGTHS), help="of stationary paths")
    parser.add_argument("--laws", default="chinchilla", help="comma between them: their average is scored")
    parser.add_argument("--resume", type=Path, help="folder that keeps finished cells")
    options = parser.parse_args()
    rows, honest = {}, {}
    for kind in options.kinds:
        by_path = {}
        for name, path in paths(kind, options.lengths).items():
            began = time.perf_counter()
            by_path[name] = tested(path, options.laws.split(","), options.resume)
            rows[kind, name] = overall(by_path[name])
            found = rows[kind, name].round(4).to_dict()
            print(f"{kind}, {name}: {found}, {time.perf_counter() - began:.0f} s", flush=True)
        honest |= {(kind, name): overall(left_out(by_path, name)) for name in SIGN}
    with pd.option_context(
        "display.width", 200, "display.max_columns", 20, "display.float_format", "{:.4f}".format
    ):
        print(pd.DataFrame(rows).T.to_string())
        print("length and scale chosen on the other studies:")
        print(pd.DataFrame(honest).T.to_string())


if __name__ == "__main__":
    main()
