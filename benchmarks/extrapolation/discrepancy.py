"""Kinds of structural discrepancy, scored on the largest runs of public studies.

    BAYES_SCALING_DATA=... python benchmarks/extrapolation/discrepancy.py [--kinds KIND ...] [--resume FOLDER]

Chinchilla with each kind of path (`bayes_scaling.Structure`) and several prior locations of the log of its
scale. The second table gives each study the location that the *other* studies like best, by CRPS and by log
score, so that no study chooses for itself.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd
from size_and_data import SHOWN
from studies import size_and_data

import bayes_scaling as bs

SCALES = {
    "fractional": (-5.0, -4.5, -4.0),
    "integrated": (-6.0, -5.25, -4.5),
    "exponents": (-5.25, -4.5, -3.75),
    "stationary": (-4.5, -3.75, -3.0),
}
#: By which the scale is chosen; times this it is a loss.
SIGN = {"crps": 1, "log_score": -1}


def tested(kind: str, scale: float, resume: Path | None) -> pd.DataFrame:
    """Scores by study, means over its cuts."""
    found = []
    for study, table in size_and_data():
        runs = bs.read_runs(table[["params", "tokens", "loss"]].astype(float).reset_index(drop=True))
        path = bs.Structure(kind=kind, scale=(scale, 0.6))
        splits = bs.backtest(runs, ["chinchilla"], structure=path, resume=resume).by_split()
        found.append(splits[SHOWN].mean().rename(study))
    return pd.DataFrame(found)


def overall(by_study: pd.DataFrame) -> pd.Series:
    """Means over studies, and the lowest coverage of a study."""
    return pd.concat([by_study.mean(), pd.Series({"least coverage_0.9": by_study["coverage_0.9"].min()})])


def left_out(by_scale: dict[float, pd.DataFrame], criterion: str) -> pd.DataFrame:
    """Scores of each study with the scale that is best, on average, on the other studies."""
    loss = pd.DataFrame({s: found[criterion] for s, found in by_scale.items()}) * SIGN[criterion]
    chosen = {study: loss.drop(index=study).mean().idxmin() for study in loss.index}
    return pd.DataFrame({study: by_scale[scale].loc[study] for study, scale in chosen.items()}).T


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="*", choices=list(SCALES), default=list(SCALES))
    parser.add_argument("--resume", type=Path, help="folder that keeps finished cells")
    options = parser.parse_args()
    rows, honest = {}, {}
    for kind in options.kinds:
        by_scale = {}
        for scale in SCALES[kind]:
            began = time.perf_counter()
            by_scale[scale] = tested(kind, scale, options.resume)
            rows[kind, scale] = overall(by_scale[scale])
            found = rows[kind, scale].round(4).to_dict()
            print(f"{kind} {scale}: {found}, {time.perf_counter() - began:.0f} s", flush=True)
        honest |= {(kind, name): overall(left_out(by_scale, name)) for name in SIGN}
    with pd.option_context(
        "display.width", 200, "display.max_columns", 20, "display.float_format", "{:.4f}".format
    ):
        print(pd.DataFrame(rows).T.to_string())
        print("scale chosen on the other studies:")
        print(pd.DataFrame(honest).T.to_string())


if __name__ == "__main__":
    main()
