"""What the command line prints: tables for people, readable at 80 columns, and records for ``--json``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bayes_scaling.datasets import DataSet
from bayes_scaling.law import Law
from bayes_scaling.plot import brief, fixed

if TYPE_CHECKING:
    from bayes_scaling.forecast import Forecast
    from bayes_scaling.posterior import Posterior

_TARGET = {"mean": "mean curve", "new_run": "one new run", "measurement": "one measurement of a new run"}
#: Shares of the variance below this are not shown.
LEAST_SHARE = 0.005
MOST_ROWS = 40


def law_record(folder: str, one: Law) -> dict[str, Any]:
    """A law as JSON."""
    return {
        "name": one.name,
        "title": one.title,
        "folder": folder,
        "equation": one.equation,
        "predicts": {"name": one.predicts.name, "unit": one.predicts.unit, "link": one.predicts.link},
        "inputs": [
            {"name": i.name, "unit": i.unit, "meaning": i.meaning, "kind": i.kind} for i in one.inputs
        ],
        "parameters": [
            {
                "name": p.name,
                "unit": p.unit,
                "meaning": p.meaning,
                "prior": list(p.interval),
                "support": p.support,
                "pool": p.pool,
            }
            for p in one.parameters
        ],
        "reference": asdict(one.reference),
    }


def laws(every: Iterable[tuple[str, Law]]) -> None:
    """All laws, by folder."""
    console, table, before = _console(), _table("law", "title", "inputs"), ""
    table.columns[0].no_wrap = True
    for folder, one in every:
        if folder != before:
            table.add_row(Text(f"{folder}/", style="bold"))
            before = folder
        table.add_row(f"  {one.name}", one.title, ", ".join(i.name for i in one.inputs))
    console.print(table)
    console.print("'bayes-scaling describe LAW' tells more.")


def law(folder: str, one: Law) -> None:
    """All that is known of one law."""
    console = _console()
    console.print(Text(f"{one.name}  ({folder})", style="bold"))
    console.print(one.title)
    console.print(Padding(Text(one.equation), (1, 0, 1, 2)))
    r = one.predicts
    how = "counts of successes" if r.noise == "beta_binomial" else f"Student-t noise on the {r.link} scale"
    console.print(f"Predicts {r.name} ({r.unit}): {how}")
    inputs = _table("input", "unit", "typical", "meaning")
    for i in one.inputs:
        inputs.add_row(i.name, i.unit, _range(*i.typical), i.meaning)
    console.print(inputs)
    parameters = _table("parameter", "90 % prior", "unit", "pool", "meaning")
    for p in one.parameters:
        parameters.add_row(p.name, _range(*p.interval), p.unit, p.pool, p.meaning)
    console.print(parameters)
    if one.published:
        published = _table("published", *(p.name for p in one.parameters), "source")
        for key, record in one.published.items():
            values = (fixed(record.values[p.name]) for p in one.parameters)
            published.add_row(key, *values, f"{record.source} [{record.tag}]")
        console.print(published)
    if one.derived:
        derived = _table("derived", "unit", "meaning")
        for d in one.derived:
            derived.add_row(d.name, d.unit, d.meaning)
        console.print(derived)
    for limit in one.limits:
        console.print(f"Limit: {limit.when} gives {limit.becomes}")
    if one.notes:
        console.print(f"Notes: {one.notes}")
    ref = one.reference
    arxiv = f" arXiv:{ref.arxiv}" if ref.arxiv else ""
    console.print(f"Reference: {ref.authors} ({ref.year}). {ref.title}.{arxiv}")


def data_sets(every: Iterable[DataSet]) -> None:
    """The built-in data sets."""
    console = _console()
    for one in every:
        console.print(Text(one.name, style="bold"))
        console.print(Padding(one.title, (0, 0, 0, 2)))
        table = _table("column", "unit", "meaning")
        for name, column in one.columns.items():
            table.add_row(name, column.unit, column.meaning)
        console.print(Padding(table, (0, 0, 0, 2)))
        console.print(Padding(f"Source: {one.citation}", (0, 0, 0, 2)))
        for note in one.notes:
            console.print(Padding(Text(f"- {note}"), (0, 0, 0, 2)))


def fitted(posterior: Posterior) -> None:
    """Diagnostics, what the data cannot decide, and the parameters."""
    console = _console()
    _head(console, posterior, [*posterior.runs.warnings, *posterior.identifiability])
    summary = posterior.summary()
    if len(summary) > MOST_ROWS:  # families apart: the population tells the story
        summary = summary[~summary.index.str.contains(r"\[")]
    table = _table("quantity", "median", "90 %", "R-hat", "ESS", "prior share")
    for name, row in summary.iterrows():
        interval = f"{fixed(row['5 %'])} to {fixed(row['95 %'])}"
        numbers = (f"{row['R-hat']:.3f}", f"{row['ESS']:.0f}", f"{100 * row['prior share']:.0f} %")
        table.add_row(str(name), fixed(row["median"]), interval, *numbers)
    console.print(table)


def forecast(posterior: Posterior, result: Forecast, notes: Sequence[str]) -> None:
    """Diagnostics, notes, and one row per planned run and family."""
    console = _console()
    _head(console, posterior, notes)
    names = [i.name for i in posterior.law.inputs if i.kind == "positive"]
    apart = len(names) <= 2  # more inputs would not leave room for the numbers
    table = _table("#", *(names if apart else ["plan"]), "family", "median", "50 %", "90 %", "variance")
    table.columns[-1].no_wrap = True
    count = posterior.law.predicts.noise == "beta_binomial"
    what = "success rate" if count else f"{posterior.law.predicts.name} ({result.unit})"
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


def _head(console: Console, posterior: Posterior, notes: Sequence[str]) -> None:
    n, families = len(posterior.prepared.measured.response), len(posterior.families)
    several = "family" if families == 1 else "families"
    console.print(f"{posterior.law.title}: {n} measurements, {families} {several}")
    console.print(Text(f"Diagnostics {posterior.diagnostics}"))
    for note in dict.fromkeys(notes):
        console.print(Text(f"Note: {note}"))


def _console() -> Console:
    return Console(highlight=False, markup=False)


def _table(*columns: str) -> Table:
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left", title_style="bold"
    )
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _range(low: float, high: float) -> str:
    return f"{brief(low)} to {brief(high)}"
