"""How far the risk of a plan hangs on one choice: refits with another law, prior, or table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bayes_scaling.decide._draws import Better, DecisionError, better_of, response_name
from bayes_scaling.decide._outcomes import of_models
from bayes_scaling.decide.cost import Cost
from bayes_scaling.decide.risk import read_targets, task_risk
from bayes_scaling.engine import Settings
from bayes_scaling.forecast import ForecastError
from bayes_scaling.law import Z90, Law, LawError, Parameter
from bayes_scaling.laws import law as law_by_name
from bayes_scaling.posterior import Posterior, fit
from bayes_scaling.predict import NEW, Target
from bayes_scaling.runs import Runs, RunsError, subset
from bayes_scaling.supports import from_free


def sensitivity(
    posterior: Posterior,
    plan: Mapping[str, Any],
    target: float | Mapping[str, float],
    *,
    laws: Sequence[str | Law] = (),
    widen: Sequence[float] = (0.5, 2.0),
    drop_families: bool = True,
    drop_largest: bool = True,
    family: str | None = None,
    better: Better | None = None,
    what: Target = "new_run",
    cost: Cost | None = None,
    settings: Settings | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Refit with one thing changed at a time, and compare what is said of the plan.

    Parameters
    ----------
    posterior : Posterior
        The fit as it was made; refits keep its columns, discrepancy and settings.
    plan : mapping
    target : float or mapping of the response to a float
    laws : sequence of str or Law
        Other laws of the same response.
    widen : sequence of float
        Factors on the prior's scale of all parameters (unconstrained units): 2 doubles it.
    drop_families : bool
        Leave each family out; a plan of that family becomes one of a new family.
    drop_largest : bool
        Leave the runs with the largest compute out (of laws without compute: the largest first input).
    family, better, what, cost, seed
        As in `risk`.
    settings : Settings, optional
        For the refits; default: those of the fit.

    Returns
    -------
    DataFrame
        One row per fit, the first is the fit itself: ``change``, ``law``, ``passed`` (diagnostics; what
        failed is forecast all the same), ``probability``, ``median``, ``q5``, ``q95``, ``shift`` (of the
        median), and ``problem`` where a fit could not be made.
    """
    targets = read_targets({response_name(posterior): posterior.law.predicts}, target)
    way = better_of(response_name(posterior), better)
    goal = next(iter(targets.values()))

    def row(change: str, one: Posterior) -> dict[str, Any]:
        asked = NEW if family is not None and family not in one.families else family
        drawn: Any = {"family": asked, "seed": seed, "allow_failed": True}
        # drawn as `risk` draws it, so that the fit itself has the very numbers that are told of it
        (own,) = of_models({response_name(one): one}, plan, what, drawn, cost).own.values()
        found = task_risk(own, goal, better=way)
        passed = one.diagnostics.passed
        record = {"change": change, "law": one.law.name, "passed": passed, "probability": found.probability}
        return record | {
            "median": found.median,
            "q5": found.quantiles["0.05"],
            "q95": found.quantiles["0.95"],
        }

    rows = [row("none", posterior)]
    for change in changes(posterior, laws, widen, drop_families, drop_largest):
        try:
            rows.append(row(change.name, refit(posterior, change, settings)))
        except PROBLEMS as error:
            name = change.law if isinstance(change.law, str) else (change.law or posterior.law).name
            rows.append({"change": change.name, "law": name, "problem": str(error)})
    table = pd.DataFrame(rows)
    table["shift"] = table["median"] - table["median"].iloc[0]
    return table if "problem" in table else table.assign(problem=None)


def scaled_priors(law: Law, factor: float) -> Law:
    """The same law with the scale of every prior multiplied, on the unconstrained scale."""

    def interval(p: Parameter) -> tuple[float, float]:
        ends = np.array([p.location - Z90 * factor * p.scale, p.location + Z90 * factor * p.scale])
        low, high = from_free(p.support, ends)
        return float(low), float(high)

    return replace(law, parameters=tuple(replace(p, interval=interval(p)) for p in law.parameters))


class Change(NamedTuple):
    """What is different in a refit."""

    name: str
    runs: Runs
    law: str | Law | None = None  # another law
    factor: float = 1.0  # on the scale of all priors


#: Why a refit may not be possible.
PROBLEMS = (ForecastError, LawError, RunsError)


def changes(
    posterior: Posterior,
    laws: Sequence[str | Law] = (),
    widen: Sequence[float] = (0.5, 2.0),
    drop_families: bool = True,
    drop_largest: bool = True,
) -> Iterator[Change]:
    """All that `sensitivity` changes, one at a time."""
    runs = posterior.runs
    for other in laws:
        yield Change("law", runs, law=other)
    for factor in widen:
        yield Change(f"priors {factor:g} times as wide", runs, factor=factor)
    if drop_families and len(posterior.families) > 1:
        for name in posterior.families:
            kept = (runs.table["family"] != name).to_numpy()
            yield Change(f"without family {name}", subset(runs, kept))
    if drop_largest:
        size = _size(posterior)
        gone = size >= np.nanmax(size) * (1 - 1e-9)
        if not gone.all():
            yield Change(f"without the largest run ({np.nanmax(size):.3g})", subset(runs, ~gone))


def _size(posterior: Posterior) -> np.ndarray:
    """Compute of every row of the table, or its first input."""
    table, columns = posterior.runs.table, posterior.prepared.columns
    names = [columns.get(i.name, i.name) for i in posterior.law.inputs if i.kind == "positive"]
    if {"params", "tokens"} <= set(names):
        return (table["params"] * table["tokens"]).to_numpy(float) * 6
    return table["compute" if "compute" in names or not names else names[0]].to_numpy(float)


def refit(posterior: Posterior, change: Change, settings: Settings | None = None) -> Posterior:
    """The same fit with one thing changed.

    Raises
    ------
    ForecastError, LawError, RunsError
        If it cannot be made.
    """
    prepared, own = posterior.prepared, posterior.law
    law = law_by_name(change.law) if isinstance(change.law, str) else change.law or own
    if (law.predicts.name, law.predicts.unit) != (own.predicts.name, own.predicts.unit):
        raise DecisionError(f"law {law.name!r} predicts {law.predicts.name} ({law.predicts.unit})")
    return fit(
        law if change.factor == 1 else scaled_priors(law, change.factor),
        change.runs,
        inputs=dict(prepared.columns) or None,
        response=prepared.response,
        structure=prepared.structure,
        correlate=prepared.shape.correlate,
        settings=settings or posterior.settings,
    )
