"""The posterior on the published Chinchilla points against a refit, with Student-t and with Normal noise.

    BAYES_SCALING_DATA=FOLDER python benchmarks/agreement.py [--json FILE]

Besiroglu et al. (2024, arXiv:2404.10102) fit 240 points with a robust loss. The same posterior is sampled
twice: with the package's Student-t noise, and with the degrees of freedom held near 10 000, which is Normal
noise. The posterior predictive check compares the tails of the standardised residuals with those of
replicated data.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pandas as pd
from engine import load, machine, study, write

import bayes_scaling as bs
from bayes_scaling.layout import prepare
from bayes_scaling.posterior import Posterior, from_draws
from bayes_scaling.runs import Runs
from bayes_scaling.sample import sample

#: Estimates and bootstrap standard errors of Epoch's refit; ``a = beta / (alpha + beta)`` follows from them.
PUBLISHED = {"E": (1.817, 0.026), "alpha": (0.348, 0.015), "beta": (0.366, 0.021), "a": (0.513, None)}
#: Location and scale of the log of the degrees of freedom (above two) that make Student-t noise Normal.
NORMAL_TAIL = (np.log(1e4), 0.01)
TAIL = 3.0


def points() -> Runs:
    """The 240 points that Epoch fits: all but the five with the highest loss."""
    table = pd.read_csv(study("chinchilla_epoch"))
    return bs.read_runs(table.loc[table.epoch_excluded == 0, ["params", "tokens", "loss"]])


def fit_normal(runs: Runs, settings: bs.Settings | None = None) -> Posterior:
    """The same posterior with Normal noise."""
    prepared = prepare(bs.law("chinchilla"), runs)
    noise = prepared.data.noise.copy()
    noise[3] = NORMAL_TAIL
    prepared = replace(prepared, data=prepared.data._replace(noise=noise))
    return from_draws(prepared, sample(prepared.shape, prepared.data, settings), settings)


def agreement(posterior: Posterior) -> dict[str, dict[str, Any]]:
    """Posterior intervals beside the published numbers."""
    out = {}
    for name, (value, error) in PUBLISHED.items():
        draws = posterior.tree["posterior"][name].values.ravel()
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95])
        out[name] = {
            "published": value,
            "published_se": error,
            "median": float(middle),
            "sd": float(draws.std()),
            "interval": [float(low), float(high)],
            "inside": bool(low <= value <= high),
        }
    return out


def tails(posterior: Posterior) -> dict[str, dict[str, Any]]:
    """Tail statistics of the residuals, observed against replicated, draw by draw.

    Residuals are divided by the noise scale of the same draw, so that both sides know the same parameters
    (realised discrepancies; Gelman, Meng and Stern 1996).
    """
    tree, data = posterior.tree["posterior"], posterior.prepared.measured
    with jax.enable_x64(True):
        values = {p.name: tree[p.name].values.reshape(-1, 1) for p in posterior.law.parameters}
        eta = np.asarray(posterior.law.predictor(data.inputs["params"], data.inputs["tokens"], **values))
    column = {name: tree[name].values.reshape(-1, 1) for name in ("seed_sd", "seed_slope", "misfit_sd")}
    away = eta - float(posterior.prepared.data.reference)
    scale = np.hypot(column["seed_sd"] * np.exp(column["seed_slope"] * away), column["misfit_sd"])
    replicated = posterior.tree["posterior_predictive"]["loss"].values.reshape(len(eta), -1)
    sides = [np.abs(np.log(y) - eta) / scale for y in (data.response, replicated)]
    statistics = {
        "max |z|": lambda z: z.max(axis=1),
        f"fraction |z| > {TAIL:g}": lambda z: (z > TAIL).mean(axis=1),
    }
    out = {}
    for name, statistic in statistics.items():
        observed, expected = (statistic(z) for z in sides)
        out[name] = {
            "observed": float(np.median(observed)),
            "replicated": [float(q) for q in np.quantile(expected, [0.05, 0.5, 0.95])],
            "p": float(np.mean(expected >= observed)),
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="write the record to this file")
    options = parser.parse_args()
    runs, record = points(), {"machine": machine(), "load": [load()]}
    for name, fit in (
        ("student", lambda: bs.fit("chinchilla", runs, structure=None)),
        ("normal", lambda: fit_normal(runs)),
    ):
        posterior = fit()
        record[name] = {
            "diagnostics": str(posterior.diagnostics),
            "degrees_of_freedom": float(posterior.tree["posterior"]["degrees_of_freedom"].median()),
            "published": agreement(posterior),
            "tails": tails(posterior),
        }
        print(f"\n{name} noise, degrees of freedom {record[name]['degrees_of_freedom']:.1f}")
        print(posterior.diagnostics)
        print(pd.DataFrame(record[name]["published"]).T.to_string(float_format="{:.4f}".format))
        print(pd.DataFrame(record[name]["tails"]).T.to_string())
    record["load"].append(load())
    print(f"\nload {record['load']}; " + " ".join(f"{k} {v}" for k, v in machine().items()))
    write(options.json, record)


if __name__ == "__main__":
    main()
