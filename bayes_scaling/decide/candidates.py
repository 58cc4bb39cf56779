"""Runs that could be made next: their costs, their kinds, and their joint draws with a target."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from bayes_scaling.decide._draws import (
    MOST_GRID_DRAWS,
    DecisionError,
    Fitted,
    members,
    mixed,
    positive,
    with_unique,
)
from bayes_scaling.decide.cost import Cost
from bayes_scaling.decide.information import Joint
from bayes_scaling.forecast import (
    DiagnosticsRefused,
    ForecastError,
    consistent,
    forecast,
    read_plans,
)
from bayes_scaling.law import Law, nearest
from bayes_scaling.observe import slope_numpy, unlink_numpy
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import NEW, Curves, Target, noise_at, predict

Kind = Literal["more seeds", "larger", "smaller", "other ratio", "in between"]

#: Logs of inputs that agree to this are one configuration; ratios this far out of those measured are others.
SAME, NEAR = 1e-6, 0.01
#: Degrees of freedom that stand for a normal.
NORMAL_DF = 1e6
#: Slopes of a link are not taken for flatter than this: at the edge of its range an outcome tells nothing.
LEAST_SLOPE = 1e-6


@dataclass(frozen=True)
class Run:
    """A run that could be made.

    Parameters
    ----------
    plan : mapping
        Inputs of the laws.
    family : str
    cost : float
    kind : {"more seeds", "larger", "smaller", "other ratio", "in between"}
        Against the runs of its family in the table: the same configuration once more, beyond the largest or
        below the smallest, or tokens per parameter that none of them has.
    """

    plan: Mapping[str, Any]
    family: str
    cost: float
    kind: Kind


def read_runs_asked(
    model: Fitted,
    asked: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    what: Literal["target", "candidate"],
    cost: Cost,
    family: str | None = None,
    allow_failed: bool = False,
) -> tuple[Run, ...]:
    """Plans with their family and cost, which a plan may say itself; targets need no cost (NaN).

    Raises
    ------
    DecisionError
        If there is none, a plan is impossible, or a cost is missing.
    DiagnosticsRefused
        If a posterior failed its diagnostics.
    """
    posteriors = [one for one, _ in members(model)]
    first = posteriors[0]
    known = [name for name in first.families if all(name in one.families for one in posteriors)]
    given = read_asked([one.law for one in posteriors], asked, what=what, cost=cost, families=known)
    usual = ""
    for one in posteriors:
        try:
            cast = forecast(one, given[0].plan, family=family, target="mean", allow_failed=allow_failed)
        except DiagnosticsRefused:
            raise
        except ForecastError as error:
            raise DecisionError(re.sub(r"\bplan (\d+)", rf"{what} \1", str(error))) from None
        usual = cast.families[0]
    return tuple(
        Run(one.plan, one.family or usual, one.cost, kind_of(first, one.plan, one.family or usual))
        for one in given
    )


class Asked(NamedTuple):
    """A run that is asked about, before anything is fitted."""

    plan: dict[str, Any]
    family: str | None  # None: that of the question
    cost: float  # NaN for a target


def read_asked(
    laws: Sequence[Law],
    asked: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    what: Literal["target", "candidate"],
    cost: Cost,
    families: Sequence[str],
) -> tuple[Asked, ...]:
    """Plans in numbers, with their family and cost, checked against the laws alone.

    Raises
    ------
    DecisionError
        If there is none, a plan is impossible, a family is unknown, or a cost is missing.
    """
    given = asked.to_dict("records") if isinstance(asked, pd.DataFrame) else asked
    given = [given] if isinstance(given, Mapping) else list(given)
    if not given:
        raise DecisionError(f"there are no {what}s; give at least one run, such as {_example(laws[0])}")
    for k, one in enumerate(given, 1):
        if not isinstance(one, Mapping):
            raise DecisionError(f"{what} {k} is {one!r}, expected a run such as {_example(laws[0])}")
    rows = [{str(k): v for k, v in one.items() if not _missing(v)} for one in given]
    plans: list[dict[str, Any]] = [{} for _ in rows]
    for law in laws:
        try:
            read = consistent(read_plans(law, with_unique(law, rows, cost))[1])
        except ForecastError as error:
            raise DecisionError(re.sub(r"\bplan (\d+)", rf"{what} \1", str(error))) from None
        inputs = {i.name for i in law.inputs} | {"params", "tokens", "compute"}
        for plan, found in zip(plans, read, strict=True):
            plan |= {name: found[name] for name in found if name in inputs}
    named = [str(row["family"]) if "family" in row else None for row in rows]
    for k, name in enumerate(named, 1):
        if name not in (None, *families, NEW):
            raise DecisionError(
                f"{what} {k}: family {name!r} was not fitted; {nearest(str(name), [*families, NEW])}"
            )
    spent = [math.nan] * len(rows) if what == "target" else _costs(laws[0], rows, plans, cost)
    return tuple(Asked(*one) for one in zip(plans, named, spent, strict=True))


def cost_of(plan: Mapping[str, Any], cost: Cost) -> float | None:
    """What a plan costs by 6ND or the user's rule; None if it has no size and data."""
    if {"params", "tokens"} <= plan.keys():
        return float(cost.spent(plan["params"], plan["tokens"]))
    if "compute" in plan:
        return float(plan["compute"]) * (cost.price_per_flop or 1.0)
    return None


def _costs(
    law: Law, rows: Sequence[Mapping[str, Any]], plans: Sequence[Mapping[str, Any]], cost: Cost
) -> list[float]:
    """Own costs of the candidates, or those by the rule: never both, for their units may differ."""
    own = ["cost" in row for row in rows]
    if any(own):
        if not all(own):
            raise DecisionError(
                f"candidate {own.index(False) + 1} has no cost, candidate {own.index(True) + 1} has one; "
                "give a cost to each, or to none for 6 N D"
            )
        return [positive(f"candidate {k}: cost", row["cost"]) for k, row in enumerate(rows, 1)]
    found = [cost_of(plan, cost) for plan in plans]
    if None in found:
        raise DecisionError(
            f"candidate {found.index(None) + 1} has no cost: law {law.name!r} has no params and tokens from "
            "which 6 N D would follow; say cost=..., for each candidate"
        )
    return [positive(f"candidate {k}: cost", price) for k, price in enumerate(found, 1)]


def kind_of(posterior: Posterior, plan: Mapping[str, Any], family: str) -> Kind:
    """What a run adds to the runs of its family; of a new family, to those of all."""
    measured = posterior.prepared.measured
    mine = np.ones(len(measured.response), bool)
    if family in measured.families:
        mine = measured.family == measured.families.index(family)
        if _before(posterior, plan, family):
            return "more seeds"
    names = [i.name for i in posterior.law.inputs if i.kind == "positive"]
    fitted = {name: measured.inputs[name][mine] for name in names}
    if {"params", "tokens"} <= fitted.keys():
        size, seen = plan["params"] * plan["tokens"], fitted["params"] * fitted["tokens"]
        ratio, ratios = plan["tokens"] / plan["params"], fitted["tokens"] / fitted["params"]
    else:
        size, seen = plan[names[0]], fitted[names[0]]
        ratio, ratios = 1.0, np.ones(1)
    if size > seen.max() * (1 + SAME):
        return "larger"
    if ratio > ratios.max() * (1 + NEAR) or ratio < ratios.min() * (1 - NEAR):
        return "other ratio"
    return "smaller" if size < seen.min() * (1 - SAME) else "in between"


def _before(posterior: Posterior, plan: Mapping[str, Any], family: str) -> int:
    """Runs of that configuration in the table."""
    measured = posterior.prepared.measured
    if family not in measured.families:
        return 0
    same = measured.family == measured.families.index(family)
    for i in posterior.law.inputs:
        if i.kind == "schedule":
            return 0  # whether two schedules are one configuration is not judged
        same &= np.abs(np.log(measured.inputs[i.name]) - np.log(plan[i.name])) < SAME
    return len(np.unique(measured.run[same]))


def joint_of(
    model: Fitted,
    targets: Sequence[Run],
    candidates: Sequence[Run],
    *,
    what: Target = "new_run",
    cost: Cost | None = None,
    seed: int = 0,
) -> Joint:
    """Joint draws of targets and candidates; those of an average are its laws' draws by weight.

    A configuration that was measured before has a misfit of which its runs already tell: one more run of it
    counts with the noise that gives the same information as one more of them.

    Raises
    ------
    DecisionError
        If the laws predict on different scales.
    """
    posteriors = mixed(model, MOST_GRID_DRAWS)
    links = {one.law.name: one.law.predicts.link for one in posteriors}
    if len(set(links.values())) > 1:
        scales = ", ".join(f"{name} {link}" for name, link in links.items())
        raise DecisionError(f"the laws predict on different scales ({scales}); average laws of one scale")
    t, every = len(targets), [*targets, *candidates]
    parts: list[tuple[np.ndarray, ...]] = []
    for one in posteriors:
        rng = np.random.default_rng(seed)
        plans = [run.plan for run in every]
        inputs, _ = read_plans(one.law, plans if cost is None else cost.counted(one.law, plans))
        curves = predict(one, inputs, [run.family for run in every], rng)
        misfit, luck, error, df = noise_of(one, curves)
        own = {"mean": 0.0, "new_run": misfit**2 + luck**2}.get(what, misfit**2 + luck**2 + error**2)
        scale = np.sqrt(np.broadcast_to(own, curves.eta.shape))[:, :t]
        tail = np.sqrt(df[:, None] / rng.chisquare(np.broadcast_to(df[:, None], scale.shape)))
        around = rng.standard_normal(scale.shape) * tail * scale
        shared, fresh = misfit[:, t:], np.sqrt(luck**2 + error**2)[:, t:]
        counts = np.array([_before(one, run.plan, run.family) for run in candidates])
        parts.append(
            (curves.eta[:, :t], around, curves.eta[:, t:], *_known_misfit(shared, fresh, counts), df)
        )
    target, luck, curve, shared, fresh, df = (np.concatenate(values) for values in zip(*parts, strict=True))
    names = [i.name for i in posteriors[0].law.inputs if i.kind == "positive"]
    keys = [(run.family, *(f"{run.plan[name]:.6g}" for name in names)) for run in candidates]
    config = np.array([keys.index(key) for key in keys])
    return Joint(target, luck, curve, shared, fresh, df, config)


def noise_of(posterior: Posterior, curves: Curves) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Misfit, seed and evaluation (S, m) as standard deviations on the link scale, and the tail (S,).

    Counts have binomial or Poisson noise with overdispersion, taken to the link scale by its slope.
    """
    kind, link = posterior.prepared.shape.noise, posterior.prepared.shape.link
    shape = curves.eta.shape
    if kind == "student":
        noise = noise_at(posterior, curves, [{}] * shape[1], None)
        misfit, seed, error = (np.broadcast_to(x, shape) for x in (noise.misfit, noise.seed, noise.error))
        return misfit, seed, error, noise.df[:, 0]
    over = posterior.tree["posterior"].to_dataset()["overdispersion"].values.reshape(-1, 1) + 1e-9
    mean = unlink_numpy(link, curves.eta)
    if kind == "beta_binomial":
        trials = max(float(np.median(posterior.prepared.measured.trials)), 1.0)
        luck, counting = (mean * (1 - mean) * part for part in (over / (1 + over), 1 / (1 + over) / trials))
    else:
        luck, counting = over * mean**2, mean
    slope = np.maximum(np.abs(slope_numpy(link, mean)), LEAST_SLOPE)
    return np.zeros(shape), np.sqrt(luck) / slope, np.sqrt(counting) / slope, np.full(shape[0], NORMAL_DF)


def _known_misfit(shared: np.ndarray, fresh: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scales (S, m) for configurations of which ``counts`` (m,) runs are in the table.

    With n runs the mean of a configuration has the variance ``v(n) = shared^2 + fresh^2 / n`` around the
    curve; run n + 1 adds the precision ``1 / v(n + 1) - 1 / v(n)``.
    """
    n = np.maximum(counts, 1)
    before, after = (shared**2 + fresh**2 / k for k in (n, n + 1))
    again = np.sqrt(before * after * n * (n + 1)) / np.maximum(fresh, 1e-12)
    old = counts > 0
    return np.where(old, 0.0, shared), np.where(old, again, fresh)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _example(law: Law) -> str:
    usual = {"params": "400M", "tokens": "8B", "compute": "1e20"}
    return ",".join(f"{i.name}={usual.get(i.name, '...')}" for i in law.inputs)
