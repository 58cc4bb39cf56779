"""What a case of the zoo is: a law fitted to one public study, and the record that is kept of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling.law import Law, mean
from bayes_scaling.posterior import Posterior

SETTINGS = bs.Settings(chains=4, warmup=300, draws=500, most_draws=2000)
#: As long as `bayes_scaling.fit` goes on by itself, for fits that need it.
LONGER = bs.Settings(chains=4, warmup=300, draws=500)
LEVELS = (0.05, 0.5, 0.95)


def read(name: str) -> pd.DataFrame:
    """The table of a study, from the folder that ``BAYES_SCALING_DATA`` names."""
    folder = os.environ.get("BAYES_SCALING_DATA", "")
    path = Path(folder) / f"{name}.csv"
    if not folder or not path.is_file():
        raise SystemExit(f"set BAYES_SCALING_DATA to the folder that holds {name}.csv; found {folder!r}")
    return pd.read_csv(path)


@dataclass
class Quantity:
    """A number of the posterior beside a published one (NaN: none)."""

    name: str
    family: str
    median: float
    low: float
    high: float
    published: float = float("nan")
    source: str = ""


@dataclass
class Table:
    """A further table that a case prints, ready for the page."""

    title: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass
class Outcome:
    """One fit: what was fitted to what, how it sampled, and what came out."""

    law: str
    data: str
    rows: int
    families: int
    structure: str
    sampling: float
    wall: float
    passed: bool
    diagnostics: str
    quantities: list[Quantity] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


#: Fits of one case, one after another, so that each is kept as soon as it is done.
Case = Callable[[], Iterable[Outcome]]


def fit(
    law: Law | str,
    frame: pd.DataFrame | bs.Runs,
    data: str,
    *,
    settings: bs.Settings = SETTINGS,
    **options: Any,
) -> tuple[Posterior, Outcome]:
    """Fit a law, by default bare as published fits are, and begin the record of it."""
    structure = options.pop("structure", None)
    law = bs.law(law) if isinstance(law, str) else law
    began = time.perf_counter()
    runs = frame if isinstance(frame, bs.Runs) else bs.read_runs(frame)
    posterior = bs.fit(law, runs, structure=structure, settings=settings, **options)
    wall = time.perf_counter() - began
    found = posterior.diagnostics
    text = (
        f"R-hat {found.rhat:.3f}, ESS {min(found.ess_bulk, found.ess_tail):.0f}, "
        f"{found.divergences} divergent of {found.chains} x {found.draws}"
    )
    return posterior, Outcome(
        law=law.label,
        data=data,
        rows=len(posterior.prepared.measured.response),
        families=len(posterior.families),
        structure="bare" if structure is None else "with discrepancy",
        sampling=float(posterior.tree.attrs["sampling_seconds"]),
        wall=wall,
        passed=found.passed,
        diagnostics=text,
    )


def draws_of(posterior: Posterior, name: str, family: str = "") -> np.ndarray:
    """All draws of a parameter, derived quantity or noise scale, shape (S,)."""
    values = posterior.tree["posterior"][name]
    if "family" in values.dims:
        values = values.isel(family=posterior.families.index(family) if family else 0)
    return values.values.reshape(-1)


def quantity(
    posterior: Posterior, name: str, family: str = "", published: float = float("nan"), source: str = ""
) -> Quantity:
    """Median and 90 % interval of one number of the posterior."""
    low, middle, high = np.quantile(draws_of(posterior, name, family), LEVELS)
    return Quantity(name, family, float(middle), float(low), float(high), float(published), source)


def against(
    posterior: Posterior,
    published: str | Mapping[str, float],
    family: str = "",
    names: Iterable[str] = (),
    source: str = "",
) -> list[Quantity]:
    """Parameters and derived quantities beside a published record, in the law's coordinates."""
    law = posterior.law
    if isinstance(published, str):
        record = law.published[published]
        published, source = record.values, source or record.source
    derived = {d.name: d for d in law.derived}
    found = []
    for name in names or [p.name for p in law.parameters]:
        if name in derived:
            value = float(given(derived[name].function, published))
        else:
            value = published.get(name, float("nan"))
        found.append(quantity(posterior, name, family, value, source))
    return found


def given(function: Callable[..., Any], values: Mapping[str, float]) -> Any:
    """A derived quantity at published values; NaN where it needs one that was not published."""
    import inspect

    needed = inspect.signature(function).parameters
    return function(**{n: values[n] for n in needed}) if set(needed) <= set(values) else float("nan")


def forecasts(
    posterior: Posterior,
    plans: pd.DataFrame,
    truth: Iterable[float],
    labels: Iterable[str],
    *,
    title: str,
    families: list[str] | str | None = None,
    target: str = "new_run",
    published: Iterable[str] = (),
    **options: Any,
) -> Table:
    """Hidden runs beside their forecasts: truth, median, 90 % band, relative error of the median."""
    names = [i.name for i in posterior.law.inputs]
    found = bs.forecast(posterior, plans[names], family=families, target=target, allow_failed=True, **options)
    low, middle, high = np.quantile(found.draws, LEVELS, axis=0)
    rows = []
    notes = list(published) or [""] * len(plans)
    for label, y, a, m, b, note in zip(labels, truth, low, middle, high, notes, strict=True):
        error = 100 * abs(m / y - 1)
        inside = "yes" if a <= y <= b else "no"
        rows.append(
            [label, number(y), number(m), f"[{number(a)}, {number(b)}]", inside, f"{error:.2f} %", note]
        )
    columns = ["run", "measured", "median", "90 % band", "inside", "relative error", "published error"]
    if not any(notes):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return Table(title, columns, rows)


def coverage(table: Table) -> str:
    """How many rows of a table of forecasts lie in their bands."""
    at = table.columns.index("inside")
    inside = sum(row[at] == "yes" for row in table.rows)
    return f"{inside} of {len(table.rows)} inside their 90 % bands"


def counted(table: Table) -> Table:
    """The table with its `coverage` in the title."""
    return replace(table, title=f"{table.title}: {coverage(table)}")


def number(value: float) -> str:
    """Four digits, without a trailing exponent where a plain number is short."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.3e}"


def law_mean(law: Law, inputs: Mapping[str, Any], values: Mapping[str, float]) -> float:
    """The law's expected response at published values."""
    return float(mean(law, inputs, values))
