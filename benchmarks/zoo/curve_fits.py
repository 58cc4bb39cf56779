"""Laws of whole loss curves under learning-rate schedules, on the public curves of three model sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from cases import Outcome, Quantity, Table, against, fit, number
from schedules import curves, in_rows, thinned

import bayes_scaling as bs
from bayes_scaling.law import Law


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


def _curve_case(name: str, key: str, published: dict[str, str]) -> list[Outcome]:
    table, rates = curves()
    rows = thinned(table, 16)
    fitted = rows[rows.split == "fit"]
    runs = bs.read_runs(
        fitted[["family", "run", "step", "loss"]], schedules={r: rates[r] for r in set(fitted.run)}
    )
    posterior, found = fit(name, runs, "multipowerlaw_curves, the authors' 3 schedules, every 16th point")
    for family in posterior.families:
        found.quantities += against(posterior, key.format(family), family)
    lines = []
    for family in posterior.families:
        test = table[(table.family == family) & (table.split == "target")]
        test = test.groupby("run").nth(slice(4, None, 24)).reset_index(drop=True)
        plans = [{"step": float(s), "schedule": rates[r]} for s, r in zip(test.step, test.run, strict=True)]
        cast = bs.forecast(posterior, plans, family=family, target="new_run", allow_failed=True)
        low, middle, high = np.quantile(cast.draws, (0.05, 0.5, 0.95), axis=0)
        test = test.assign(error=np.abs(middle - test.loss), inside=(low <= test.loss) & (test.loss <= high))
        spread = test.groupby("run").loss.transform("mean")
        squares = pd.DataFrame({"run": test.run, "r": test.error**2, "t": (test.loss - spread) ** 2})
        sums = squares.groupby("run").sum()
        worst = (test.error / test.loss).max()
        lines.append(
            [family, len(test), number(test.groupby("run").error.mean().mean()),
             f"{(1 - sums.r / sums.t).mean():.4f}", f"{100 * worst:.2f} %",
             f"{100 * test.inside.mean():.0f} %", published[family]]
        )  # fmt: skip
    columns = ["size", "points", "MAE", "R2", "worst error", "inside the 90 % band", "published: MAE, worst"]
    found.tables = [Table("Six further schedules, forecast", columns, lines)]
    if name == "multi_power":
        found.tables.append(residual_table(posterior.law, found.quantities, key))
    return [found]


def lr_annealing_case() -> list[Outcome]:
    published = {"25M": "0.0048, 0.54 %", "100M": "0.0047, 0.72 %", "400M": "0.0065, 0.82 %"}
    return _curve_case("lr_annealing", "mpl_{}", published)


def multi_power_case() -> list[Outcome]:
    published = {
        "25M": "0.00376, 0.41 % (R2 0.9988)",
        "100M": "0.00435, 0.58 % (R2 0.9983)",
        "400M": "0.00484, 1.0 % (R2 0.9978)",
    }
    return _curve_case("multi_power", "luo2025_{}", published)
