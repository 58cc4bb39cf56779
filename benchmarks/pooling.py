"""Two large runs of one family forecast from its small runs, with and without the other families.

    python benchmarks/pooling.py [--json FILE]

``pile-families`` (Dey et al. 2023, arXiv:2304.03208) with the two largest Cerebras-GPT runs hidden: their
losses against the bands of the hierarchical fit of all families, and of a fit of the five other Cerebras-GPT
runs alone.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd
from engine import load, machine, write

import bayes_scaling as bs
from bayes_scaling import datasets

FAMILY = "cerebras-gpt"
HIDDEN = 2


def split() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs that are fitted, and the largest ones of the family, by compute."""
    table = datasets.load("pile-families")[["family", "params", "tokens", "compute", "loss"]]
    hidden = table[table.family == FAMILY].nlargest(HIDDEN, "compute").index
    return table.drop(hidden), table.loc[hidden].sort_values("compute")


def score(table: pd.DataFrame, hidden: pd.DataFrame) -> dict[str, Any]:
    """Fit, and forecast the hidden runs: bands, and where the losses fall in them."""
    posterior = bs.fit("chinchilla", bs.read_runs(table))
    forecast = bs.forecast(posterior, hidden[["params", "tokens"]], family=FAMILY)
    bands, losses = forecast.interval(0.9), hidden.loss.to_numpy()
    return {
        "rows": len(table),
        "diagnostics": str(posterior.diagnostics),
        "loss": losses.tolist(),
        "median": forecast.median.tolist(),
        "band": bands.T.tolist(),
        "width": (bands[1] - bands[0]).tolist(),
        "inside": ((bands[0] <= losses) & (losses <= bands[1])).tolist(),
        "level": np.mean(forecast.draws <= losses, axis=0).tolist(),
        "notes": list(forecast.notes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="write the record to this file")
    options = parser.parse_args()
    fitted, hidden = split()
    record: dict[str, Any] = {"machine": machine(), "load": [load()]}
    for name, table in (("all families", fitted), ("alone", fitted[fitted.family == FAMILY])):
        record[name] = found = score(table, hidden)
        print(f"\n{name}: {found['rows']} rows; {found['diagnostics']}")
        columns = ("loss", "median", "band", "width", "inside", "level")
        print(pd.DataFrame({c: found[c] for c in columns}, index=hidden.params.tolist()).to_string())
        print("\n".join(f"  {note}" for note in found["notes"]))
    record["load"].append(load())
    print(f"\nload {record['load']}; " + " ".join(f"{k} {v}" for k, v in machine().items()))
    write(options.json, record)


if __name__ == "__main__":
    main()
