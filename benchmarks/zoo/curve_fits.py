"""Laws of whole loss curves under learning-rate schedules, on the public curves of three model sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from cases import LEVELS, Outcome, Quantity, Table, against, fit
from schedules import curves, in_rows, thinned

import bayes_scaling as bs
from bayes_scaling.law import Law
from bayes_scaling.posterior import Posterior

#: Plans forecast at once: their draws, times the rows of a schedule, are in memory together.
PLANS = 32


def log_curves(law: Law, values: Mapping[str, float], table: pd.DataFrame) -> np.ndarray:
    """Log loss at every point of the curves of one size."""
    parts = []
    with jax.enable_x64(True):
        for schedule, curve in table.groupby("schedule", sort=False):
            step = curve.step.to_numpy(float)
            rows = jnp.asarray(in_rows(str(schedule), step, curve.lr.to_numpy()))

            def at(t, rows=rows):
                return law.predictor(t, rows, **values)

            parts.append(np.asarray(jax.lax.map(jax.jit(at), jnp.asarray(step), batch_size=64)))
    return np.concatenate(parts)


def residual_table(law: Law, quantities: Iterable[Quantity], key: str) -> Table:
    """Root mean square log residuals on every point of the fitted schedules: our medians, and published."""
    table, _ = curves()
    table = table[table.split == "fit"]
    ours: dict[str, dict[str, float]] = {}
    for q in quantities:
        ours.setdefault(q.family, {})[q.name] = q.median
    lines = []
    for family, medians in ours.items():
        part = table[table.family == family].sort_values(["schedule", "step"])
        truth = np.log(part.loss.to_numpy())
        off = [
            log_curves(law, values, part) - truth
            for values in (medians, law.published[key.format(family)].values)
        ]
        rms = [f"{np.sqrt(np.mean(x**2)):.5f}" for x in off]
        lines.append([family, len(part), *rms, *(f"{x.mean():+.5f}" for x in off)])
    columns = ["size", "points", "rms, our medians", "rms, published", "mean, our medians", "mean, published"]
    title = "Residuals of the log loss on every point of the three fitted schedules, warm-up as a ramp"
    return Table(title, columns, lines)


def further_schedules(
    posterior: Posterior, table: pd.DataFrame, rates: Mapping[str, np.ndarray], published: Mapping[str, str]
) -> list[list[str | int]]:
    """A line per size: the published measures on every point of its six target curves, and the bands.

    R2, mean absolute error (MAE), mean and largest relative error (PredE, WorstE) are those of a curve; as in
    the paper, the mean over the curves is told.
    """
    lines: list[list[str | int]] = []
    for family in posterior.families:
        test = table[(table.family == family) & (table.split == "target")].reset_index(drop=True)
        plans = [{"step": float(s), "schedule": rates[r]} for s, r in zip(test.step, test.run, strict=True)]
        parts = [_band(posterior, plans[i : i + PLANS], family) for i in range(0, len(plans), PLANS)]
        low, middle, high = np.concatenate(parts, axis=1)
        test = test.assign(off=middle - test.loss, inside=(low <= test.loss) & (test.loss <= high))
        r2, *errors = np.mean([_measures(curve) for _, curve in test.groupby("run")], axis=0)
        found = [f"{r2:.4f}", *(f"{e:.5f}" for e in errors), f"{100 * test.inside.mean():.0f} %"]
        lines.append([family, len(test), *found, published[family]])
    return lines


def _measures(curve: pd.DataFrame) -> tuple[float, ...]:
    relative = (curve.off / curve.loss).abs()
    r2 = 1 - (curve.off**2).mean() / curve.loss.var(ddof=0)
    return r2, curve.off.abs().mean(), relative.mean(), relative.max()


def _band(posterior: Posterior, plans: list[dict[str, Any]], family: str) -> np.ndarray:
    cast = bs.forecast(posterior, plans, family=family, target="new_run", allow_failed=True)
    return np.quantile(cast.draws, LEVELS, axis=0)


def _curve_case(name: str, key: str, published: Mapping[str, str], told: str) -> list[Outcome]:
    table, rates = curves()
    rows = thinned(table, 16)
    fitted = rows[rows.split == "fit"]
    runs = bs.read_runs(
        fitted[["family", "run", "step", "loss"]], schedules={r: rates[r] for r in set(fitted.run)}
    )
    posterior, found = fit(name, runs, "multipowerlaw_curves, the authors' 3 schedules, every 16th point")
    for family in posterior.families:
        found.quantities += against(posterior, key.format(family), family)
    columns = ["size", "points", "R2", "MAE", "PredE", "WorstE", "inside the 90 % band", told]
    title = "Six further schedules, every point, forecast; means over the curves"
    found.tables = [Table(title, columns, further_schedules(posterior, table, rates, published))]
    if name == "multi_power":
        found.tables.append(residual_table(posterior.law, found.quantities, key))
    return [found]


def lr_annealing_case() -> list[Outcome]:
    recomputed = {"25M": "0.0048, 0.0054", "100M": "0.0047, 0.0072", "400M": "0.0065, 0.0082"}
    return _curve_case("lr_annealing", "mpl_{}", recomputed, "recomputed: MAE, WorstE")


def multi_power_case() -> list[Outcome]:
    published = {
        "25M": "0.9988, 0.00376, 0.00110, 0.00409",
        "100M": "0.9983, 0.00435, 0.00142, 0.00583",
        "400M": "0.9978, 0.00484, 0.00168, 0.00995",
    }
    return _curve_case("multi_power", "luo2025_{}", published, "published: R2, MAE, PredE, WorstE")
