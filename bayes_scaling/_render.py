"""What the command line prints: tables for people, readable at 80 columns, and records for ``--json``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bayes_scaling._options import in_options
from bayes_scaling.average import Average
from bayes_scaling.datasets import DataSet
from bayes_scaling.plot import brief, fixed

if TYPE_CHECKING:
    from bayes_scaling.backtest import Backtest
    from bayes_scaling.compare import Comparison
    from bayes_scaling.diagnostics import Diagnostics
    from bayes_scaling.forecast import Forecast
    from bayes_scaling.posterior import Posterior

_TARGET = {"mean": "mean curve", "new_run": "one new run", "measurement": "one measurement of a new run"}
_METHOD = {
    "loo": "Leave one run out",
    "family": "Leave a family out",
    "largest": "Hide the largest runs",
}
#: Shares of the variance below this are not shown.
LEAST_SHARE = 0.005
MOST_ROWS = 40


def data_sets(every: Iterable[DataSet]) -> None:
    """The built-in data sets, one line each."""
    table = new_table("name", "numbers", "title")
    for one in every:
        table.add_row(one.name, "embedded" if one.embedded else "fetched", one.title)
    new_console().print(table)


def data_set(one: DataSet) -> None:
    """One built-in data set: columns, source, notes."""
    console = new_console()
    console.print(Text(one.name, style="bold"))
    console.print(one.title)
    table = new_table("column", "unit", "meaning")
    for name, column in one.columns.items():
        table.add_row(name, column.unit, column.meaning)
    console.print(table)
    console.print(f"Source: {one.citation}")
    console.print(f"Licence: {one.licence}")
    if one.home is None:
        console.print("Embedded: part of this package.")
    else:
        for path in one.home.files:
            console.print(f"Fetched at first use: {one.home.url(path)}")
    for note in one.notes:
        console.print(f"- {note}")


def fitted(posterior: Posterior) -> None:
    """Diagnostics, what the data cannot decide, and the parameters."""
    console = new_console()
    head(console, posterior, [*posterior.runs.warnings, *posterior.identifiability])
    summary = posterior.summary()
    if len(summary) > MOST_ROWS:  # families apart: the population tells the story
        summary = summary[~summary.index.str.contains(r"\[")]
    table = new_table("quantity", "median", "90 %", "R-hat", "ESS", "prior share")
    for name, row in summary.iterrows():
        interval = f"{fixed(row['5 %'])} to {fixed(row['95 %'])}"
        numbers = (f"{row['R-hat']:.3f}", f"{row['ESS']:.0f}", f"{100 * row['prior share']:.0f} %")
        table.add_row(str(name), fixed(row["median"]), interval, *numbers)
    console.print(table)


def forecast(posterior: Posterior | Average, result: Forecast, notes: Sequence[str]) -> None:
    """Diagnostics, notes, and one row per planned run and family."""
    console = new_console()
    if isinstance(posterior, Average):
        average_head(console, posterior, notes)
        each = [one.law for one in posterior.posteriors]
    else:
        head(console, posterior, notes)
        each = [posterior.law]
    names = list(dict.fromkeys(i.name for law in each for i in law.inputs if i.kind == "positive"))
    apart = len(names) <= 2  # more inputs would not leave room for the numbers
    table = new_table("#", *(names if apart else ["plan"]), "family", "median", "50 %", "90 %", "variance")
    table.columns[-1].no_wrap = True
    response = each[0].predicts
    what = "success rate" if response.noise == "beta_binomial" else f"{response.name} ({result.unit})"
    table.title = f"{what} of {_TARGET[result.target]}"
    q05, q25, q50, q75, q95 = result.quantile([0.05, 0.25, 0.5, 0.75, 0.95])
    total = result.sd**2
    for j, (plan, family) in enumerate(zip(result.plans, result.families, strict=True)):
        shares = {name: v[j] / max(total[j], 1e-300) for name, v in result.variance.items()}
        doubt = "\n".join(f"{name} {100 * s:.0f} %" for name, s in shares.items() if s >= LEAST_SHARE)
        values = [brief(float(plan[name])) for name in names]
        inputs = values if apart else ["\n".join(map(" ".join, zip(names, values, strict=True)))]
        half, most = f"{fixed(q25[j])}\nto {fixed(q75[j])}", f"{fixed(q05[j])}\nto {fixed(q95[j])}"
        table.add_row(str(j + 1), *inputs, family, fixed(q50[j]), half, most, doubt)
    console.print(table)


def judged(posterior: Posterior | Average) -> dict[str, Any]:
    """The law, or laws and weights, and the diagnostics as JSON; of an average the worst, and each law's."""
    if not isinstance(posterior, Average):
        return {"law": posterior.law.label, "diagnostics": _diagnosed(posterior.diagnostics)}
    each = {one.law.label: one.diagnostics for one in posterior.posteriors}
    worst = max(each.values(), key=lambda d: (not d.passed, np.nan_to_num(d.rhat), -d.ess_bulk))
    by_law = {name: _diagnosed(diagnostics) for name, diagnostics in each.items()}
    return {
        "law": " + ".join(posterior.laws),
        "laws": posterior.laws,
        "diagnostics": {**_diagnosed(worst), "by_law": by_law},
    }


def backtest(tested: Backtest, log: bool) -> None:
    """Scores over all splits, and of each; ``log``: errors are logarithms of forecast over observed."""
    console = new_console()
    hidden = len(tested.table[["factor", "row"]].drop_duplicates())
    console.print(f"{len(tested.splits)} cuts of {tested.axis}, {hidden} hidden measurements")
    for note in tested.notes:
        console.print(Text(f"Note: {note}"))
    scores = ("in 50 %", "in 90 %", "CRPS", "RMSLE" if log else "RMSE", "bias", "log score")
    overall = new_table("law", *scores, right=scores)
    overall.title = "All cuts: shares that the bands held, and mean scores"
    for _, row in tested.overall().iterrows():
        overall.add_row(row["law"], *_scores(row))
    overall.columns[0].no_wrap = True
    console.print(overall)
    for factor, rows in tested.by_split().groupby("factor"):
        table = new_table("law", *scores, right=scores)
        table.columns[0].no_wrap = True
        fitted, hidden = rows["n_fit"].iloc[0], rows["n_hidden"].iloc[0]
        table.title = f"Cut at 1/{factor:g} of the largest {tested.axis}: {fitted} fitted, {hidden} hidden"
        for _, row in rows.iterrows():
            table.add_row(row["law"], *_scores(row))
        console.print(table)
    console.print(tested.advice())


def _scores(row: Any) -> tuple[str, ...]:
    held = (f"{100 * row[f'coverage_{level:g}']:.0f} %" for level in (0.5, 0.9))
    return (
        *held,
        f"{row['crps']:.3g}",
        f"{row['rmsle']:.3g}",
        f"{row['bias']:+.2g}",
        f"{row['log_score']:.2f}",
    )


def comparison(found: Comparison) -> None:
    """One table per method, best law first."""
    console = new_console()
    for note in found.notes:
        console.print(Text(f"Note: {note}"))
    numbers = ("elpd", "se", "difference", "its se", "weight")
    for method, rows in found.table.groupby("method", sort=False):
        loo = rows["pareto_k"].notna().any()
        table = new_table("law", *numbers, *(["Pareto k"] if loo else []), right=(*numbers, "Pareto k"))
        table.title = f"{_METHOD[str(method)]}: mean log density of {rows['units'].iloc[0]} units"
        for _, row in rows.iterrows():
            values = [f"{row[name]:.3g}" for name in ("elpd", "se", "difference", "difference_se")]
            values += [f"{row['weight']:.2f}", *([f"{row['pareto_k']:.2f}"] if loo else [])]
            table.add_row(row["law"], *values)
        console.print(table)


def comparison_record(found: Comparison) -> dict[str, Any]:
    """A comparison as JSON: rows by method, best law first."""
    methods = {
        str(method): [
            {str(k): v.item() if hasattr(v, "item") else v for k, v in row.items()}
            for row in rows.drop(columns="method").to_dict("records")
        ]
        for method, rows in found.table.groupby("method", sort=False)
    }
    return {"methods": methods, "notes": list(found.notes)}


def print_json(value: Any) -> None:
    """One JSON value on standard output; null stands for what is not finite, which JSON does not know."""
    typer.echo(json.dumps(_finite(value), indent=2, allow_nan=False, ensure_ascii=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _diagnosed(found: Diagnostics) -> dict[str, Any]:
    return {"passed": found.passed, **asdict(found)}


def head(console: Console, posterior: Posterior, notes: Sequence[str]) -> None:
    console.print(f"{posterior.law.title}: {_counted(posterior)}")
    console.print(Text(f"Diagnostics {posterior.diagnostics}"))
    print_notes(console, notes)


def average_head(console: Console, whole: Average, notes: Sequence[str]) -> None:
    """Which laws carry the forecast."""
    count, lost = len(whole.posteriors), len(whole.left_out)
    who = f"Average of {count} laws" if count > 1 else whole.posteriors[0].law.title
    without = f" ({lost} of {count + lost} left out)" if lost else ""
    console.print(f"{who}{without}: {_counted(whole.posteriors[0])}")
    table = new_table("law", "weight", "diagnostics")
    for one, weight in zip(whole.posteriors, whole.weights, strict=True):
        d = one.diagnostics
        numbers = f"R-hat {d.rhat:.3f}, ESS {min(d.ess_bulk, d.ess_tail):.0f}, {d.divergences} divergences"
        words = [f"{'passed' if d.passed else 'FAILED'}: {numbers}", *d.problems]
        table.add_row(one.law.label, f"{weight:.2f}", "\n".join(words))
    console.print(table)
    print_notes(console, notes)


def _counted(posterior: Posterior) -> str:
    n, families = len(posterior.prepared.measured.response), len(posterior.families)
    return f"{n} measurements, {families} {'family' if families == 1 else 'families'}"


def print_notes(console: Console, notes: Sequence[str]) -> None:
    for note in dict.fromkeys(notes):
        console.print(Text(f"Note: {in_options(note)}"))


def new_console() -> Console:
    return Console(highlight=False, markup=False)


def new_table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left", title_style="bold"
    )
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name in right else "left")
    return table
