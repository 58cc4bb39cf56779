"""The learnt scale of the seed against the spread of replicated runs.

    BAYES_SCALING_DATA=FOLDER python benchmarks/seeds.py [--json FILE]

``datablations_upto4B.csv`` (Muennighoff et al. 2023, arXiv:2305.16264): eight configurations of a 2.8B model
on 55e9 tokens were trained with five seeds each, one on fresh data and seven on repeated data. Runs on fresh
data are fitted with ``chinchilla``, runs on repeated data with ``data_constrained``. For each replicated
configuration, the standard deviation of the log loss over its replicates is compared with the posterior of
the seed's scale there, and with its posterior predictive distribution (the same statistic on replicated
tables).

The table has no replicates at any size but 2.8B: what it shows of small and of large scale is one size.
"""

from __future__ import annotations

import argparse
from typing import Any

import jax
import numpy as np
import pandas as pd
from engine import load, machine, study, write

import bayes_scaling as bs
from bayes_scaling.posterior import Posterior

#: Beyond about this many passes over the data the law cannot show that the loss rises again (its notes).
MOST_EPOCHS = 44.0
PROB = 0.9


def tables() -> dict[str, pd.DataFrame]:
    """Runs on fresh data, and runs on repeated data within the reach of the law."""
    table = pd.read_csv(study("datablations_upto4B")).sort_values(["params", "unique_tokens", "tokens"])
    fresh = table.unique_tokens == table.tokens
    # the law falls with every further epoch; the authors too left out runs whose loss rises with them
    best = table.groupby(["params", "unique_tokens"]).loss.transform("idxmin")
    falling = table.tokens <= table.tokens.loc[best].to_numpy()
    columns = ["run", "params", "tokens", "unique_tokens", "loss"]
    return {
        "fresh": table.loc[fresh, columns],
        "repeated": table.loc[~fresh & falling & (table.epochs <= MOST_EPOCHS), columns],
    }


def compare(posterior: Posterior) -> pd.DataFrame:
    """One row per replicated configuration: spread of the replicates, and what the posterior says of it."""
    data, tree = posterior.prepared.measured, posterior.tree["posterior"]
    replicated = posterior.tree["posterior_predictive"]["loss"].values
    replicated = np.log(replicated.reshape(-1, replicated.shape[-1]))
    values = {p.name: tree[p.name].values.reshape(-1, 1) for p in posterior.law.parameters}
    column = {name: tree[name].values.reshape(-1, 1) for name in ("seed_sd", "seed_slope", "misfit_sd")}
    rows = []
    for config in np.flatnonzero(np.bincount(data.config) > 2):
        mine = np.flatnonzero(data.config == config)
        inputs = {name: x[mine[:1]] for name, x in data.inputs.items()}
        with jax.enable_x64(True):
            eta = np.asarray(posterior.law.predictor(*inputs.values(), **values))
        away = np.clip(eta - float(posterior.prepared.data.reference), -3.0, 3.0)
        seed = (column["seed_sd"] * np.exp(column["seed_slope"] * away)).ravel()
        spread = np.log(data.response[mine]).std(ddof=1)
        predicted = replicated[:, mine].std(axis=1, ddof=1)
        low, high = (1 - PROB) / 2, (1 + PROB) / 2
        scale, band = np.quantile(seed, [low, 0.5, high]), np.quantile(predicted, [low, 0.5, high])
        rows.append(
            {
                **{name: float(x[0]) for name, x in inputs.items()},
                "seeds": len(mine),
                "loss": float(data.response[mine].mean()),
                "fitted": float(np.exp(np.median(eta))),
                "spread": float(spread),
                "seed scale": [float(x) for x in scale],
                "predicted spread": [float(x) for x in band],
                "inside": bool(band[0] <= spread <= band[2]),
                "p": float(np.mean(predicted >= spread)),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="write the record to this file")
    parser.add_argument("--only", nargs="*", choices=["fresh", "repeated"], default=["fresh", "repeated"])
    options = parser.parse_args()
    record: dict[str, Any] = {"machine": machine(), "load": [load()]}
    laws = {"fresh": ("chinchilla", {}), "repeated": ("data_constrained", {"unique": "unique_tokens"})}
    for name, table in tables().items():
        if name not in options.only:
            continue
        law, inputs = laws[name]
        posterior = bs.fit(law, bs.read_runs(table), inputs=inputs)
        found = compare(posterior)
        record[name] = {
            "law": law,
            "rows": len(table),
            "diagnostics": str(posterior.diagnostics),
            "configurations": found.to_dict("records"),
        }
        print(f"\n{name} data, law {law}, {len(table)} runs: {posterior.diagnostics}")
        print(posterior.summary().to_string(float_format="{:.4g}".format))
        print(found.to_string(float_format="{:.4g}".format))
    record["load"].append(load())
    print(f"\nload {record['load']}; " + " ".join(f"{k} {v}" for k, v in machine().items()))
    write(options.json, record)


if __name__ == "__main__":
    main()
