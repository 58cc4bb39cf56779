"""Accuracies of hidden large models, forecast from small ones: the chain beside the usual plug-in fit.

    BAYES_SCALING_DATA=FOLDER python benchmarks/downstream.py [--study NAME] [--route ROUTE] [--json FILE]

Of each study the largest models (by compute) are hidden, the chain is fitted to the others, and their scores
on every task are forecast without their losses. Beside it, fitted to the same models: step one, Chinchilla by
the Huber loss on log loss for each line of models; step two, a sigmoid with free floor and ceiling by least
squares on loss and accuracy (Bhagia et al. 2024). The plug-in fit gives no band.

Errors are in accuracy points (per cent of the items). A task that the chain judges not predictable is listed
and kept apart: its forecasts are scored too, but do not enter the means.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from engine import study
from scipy.optimize import least_squares

import bayes_scaling as bs
from bayes_scaling.chain import Chain, Tasks, backtest_tasks, chain, read_tasks
from bayes_scaling.chain.spec import DIRECT_STRUCTURE, TASK_STRUCTURE
from bayes_scaling.runs import subset
from bayes_scaling.structure import Structure

sys.path.insert(0, str(Path(__file__).parent / "extrapolation"))
from least_squares import fitted as huber
from least_squares import log_loss

SETTINGS = bs.Settings(chains=2, warmup=200, draws=400, most_draws=1600, target_accept=0.9)
MEANS = ["error", "plug_in_error", "noise", "bias", "width", "log_score"]
STARTS = np.array(
    [
        (e, a, 0.35, b, 0.35)
        for e in np.log([0.8, 1.6])
        for a in np.log([0.2, 0.8])
        for b in np.log([0.2, 0.8])
    ]
)


@dataclass(frozen=True)
class Study:
    """One table of models and tasks, and how much larger the largest hidden model is than the fitted ones."""

    name: str
    runs: bs.Runs
    tasks: tuple[str, ...] | None
    factor: float
    route: str = "loss"


def studies() -> Iterator[Study]:
    """The five studies, one of them by two routes: its models have losses in the table of another."""
    yield Study("pile_families", bs.read_runs(study("pile_families")), None, 8)
    gadre = pd.read_csv(study("gadre_downstream"))
    gadre = gadre[gadre.loss_c4_val < 5.5].rename(columns={"loss_c4_val": "loss"})
    yield Study("gadre_downstream", bs.read_runs(gadre), None, 8)
    gem = pd.read_csv(study("gemstones_downstream"))
    gem = gem[(gem.tokens / 5e10).round(2) % 1 < 0.05].drop(columns=["run", "step"])
    gem = gem[gem.tokens > 0.8e11]
    yield Study("gemstones_downstream", bs.read_runs(gem), None, 8)
    dclm = pd.read_csv(study("dclm_models"))
    dclm = dclm[dclm.loss_val < 4].rename(columns={"loss_val": "loss"})
    several = dclm.groupby("family").params.transform("nunique") > 1
    tasks = tuple(c[4:] for c in dclm if c.startswith("acc_"))
    lists = dclm[several].drop(columns=["run"])
    yield Study("dclm_models", bs.read_runs(lists), tasks, 4)
    pythia = pd.read_csv(study("pythia_evals"))
    pythia = pythia[(pythia.shots == 0) & pythia.step.isin([16000, 64000, 143000])].drop(
        columns=["run", "step"]
    )
    yield Study("pythia_evals", bs.read_runs(pythia), None, 8, "direct")
    losses = pd.read_csv(study("pile_families"))[["family", "params", "loss"]].dropna().drop_duplicates()
    final = pythia[pythia.tokens == pythia.tokens.max()].assign(params=lambda t: t.params.astype(float))
    final = pd.merge_asof(
        final.sort_values("params"),
        losses.assign(family=losses.family.str.replace("-", "_")).sort_values("params"),
        on="params", by="family", direction="nearest", tolerance=1e8,
    )  # fmt: skip
    yield Study("pythia_evals with losses", bs.read_runs(final), None, 8)


def fitted_part(one: Study) -> Tasks:
    """The models that are fitted, by the rule of `backtest_tasks`."""
    table = one.runs.table
    compute = 6 * table["params"].to_numpy() * table["tokens"].to_numpy()
    return read_tasks(subset(one.runs, compute <= compute.max() / one.factor * (1 + 1e-9)), one.tasks)


def plug_in(tasks: Tasks, hidden: pd.DataFrame) -> pd.DataFrame:
    """Step one and step two by least squares for each line of models: forecast of every hidden row."""
    out = np.full(len(hidden), np.nan)
    known = tasks.table.dropna(subset=["loss"]) if "loss" in tasks.table else tasks.table.iloc[:0]
    models = known.drop_duplicates(["family", "params", "tokens", "loss"])
    place = {index: k for k, index in enumerate(hidden.index)}
    for family, rows in hidden.groupby("family"):
        mine = models[models.family == family]
        mine = mine if len(mine) >= 5 else models
        if len(mine) < 5:
            continue
        theta = huber(*(mine[c].to_numpy() for c in ("params", "tokens", "loss")), STARTS)
        loss = np.exp(log_loss(theta, rows["params"].to_numpy(), rows["tokens"].to_numpy()))
        rows = rows.assign(forecast_loss=loss)
        for task, some in rows.groupby("task"):
            points = known[known.task == task]
            own = points[points.family == family]
            points = own if len(own) >= 5 else points
            guess = sigmoid(points["loss"].to_numpy(), points["accuracy"].to_numpy())
            for index, value in zip(some.index, guess(some["forecast_loss"].to_numpy()), strict=True):
                out[place[index]] = value
    return pd.Series(out, index=hidden.index)


def sigmoid(loss: np.ndarray, accuracy: np.ndarray) -> Any:
    """``b + a / (1 + exp(-k (L - L0)))`` with -1 <= a <= 0, k >= 0, 0 <= b <= 1, by least squares."""

    def curve(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        a, k, middle, b = theta
        return b + a / (1 + np.exp(-np.clip(k * (x - middle), -50, 50)))

    best = None
    for k in (1.0, 3.0, 8.0):
        for middle in (np.median(loss), loss.min()):
            start = np.clip([-0.6, k, middle, 0.9], [-1, 0, 0, 0], [0, np.inf, np.inf, 1])
            found = least_squares(
                lambda t: curve(t, loss) - accuracy, start, bounds=([-1, 0, 0, 0], [0, 50, 20, 1])
            )
            best = found if best is None or found.cost < best.cost else best
    return lambda x: curve(best.x, x)


def scored(one: Study, spec: Chain) -> pd.DataFrame:
    """One row per hidden model and task, in accuracy points."""
    table = backtest_tasks(spec, one.runs, one.tasks, factor=one.factor, settings=SETTINGS)
    table = table.assign(
        study=one.name, route=spec.route, bias=100 * table.error, error=100 * table.error.abs(),
        width=100 * table.width, noise=100 * table.noise * np.sqrt(2 / np.pi), plug_in=np.nan,
    )  # fmt: skip
    if "loss" in one.runs.table:
        table["plug_in"] = plug_in(fitted_part(one), table)
    return table.assign(plug_in_error=100 * (table.plug_in - table.accuracy).abs())


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means per task."""
    return table.groupby("task", sort=False)[["predictable", "inside", *MEANS]].mean().astype(float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", action="append")
    parser.add_argument("--route", choices=["loss", "direct"])
    parser.add_argument("--grouping", default="family")
    parser.add_argument("--no-structure", action="store_true")
    parser.add_argument("--scale", type=float, help="log scale of the task discrepancy's prior")
    parser.add_argument("--same-items", type=float, default=0.7)
    parser.add_argument("--tasks", help="only these, by commas")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    frames = []
    for one in studies():
        if asked.study and one.name not in asked.study:
            continue
        tasks = tuple(asked.tasks.split(",")) if asked.tasks else one.tasks
        one = replace(one, tasks=tasks, route=asked.route or one.route)
        drift: Structure | None = DIRECT_STRUCTURE if one.route == "direct" else TASK_STRUCTURE
        if asked.scale is not None:
            drift = replace(drift, scale=(asked.scale, drift.scale[1]))
        spec = chain(
            route=one.route,
            grouping=asked.grouping,
            task_structure=None if asked.no_structure else drift,
            same_items=asked.same_items,
        )
        began = time.time()
        table = scored(one, spec)
        frames.append(table)
        hidden = len(table.drop_duplicates(["family", "params", "tokens"]))
        print(f"\n{one.name}: route {one.route}, {len(fitted_part(one).runs)} models, {hidden} hidden, "
              f"{time.time() - began:.0f} s")  # fmt: skip
        print(summary(table).round(2).to_string())
        for name, rows in (("predictable", table[table.predictable]), ("not", table[~table.predictable])):
            if len(rows):
                mean = rows.groupby("task")[MEANS].mean().mean()
                print(f"{name}: {rows.task.nunique()} tasks, error {mean.error:.2f} points (plug-in "
                      f"{mean.plug_in_error:.2f}, items alone {mean.noise:.2f}), 90 % bands hold "
                      f"{100 * rows.inside.mean():.0f} %, bias {mean.bias:+.2f}, width {mean.width:.1f}, "
                      f"log score {mean.log_score:.2f}", flush=True)  # fmt: skip
    if asked.json:
        everything = pd.concat(frames, ignore_index=True)
        asked.json.write_text(json.dumps(everything.to_dict("records"), default=str, indent=1))


if __name__ == "__main__":
    main()
