"""Posterior + planned runs -> predictive draws, bands, and how much of the doubt is what.

Three targets: ``mean`` is the law's curve (with its structural discrepancy), ``new_run`` adds the luck of one
training run, ``measurement`` adds the error of evaluating it. All plans are drawn jointly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.average import Average
from bayes_scaling.law import Law, nearest
from bayes_scaling.measurements import compress
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import NEW, Target, noise_at, predict, spread_out
from bayes_scaling.scores import thinned
from bayes_scaling.units import number
from bayes_scaling.verdict import speaks_of_tasks, verdict

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class ForecastError(ValueError):
    """A plan cannot be forecast: an input is missing, a family is unknown, or diagnostics refuse."""


class DiagnosticsRefused(ForecastError):
    """The posterior failed its diagnostics."""


@dataclass(frozen=True)
class Forecast:
    """Predictive draws for planned runs.

    Parameters
    ----------
    law : str
        Of an average, the names of its laws, joined by " + ".
    unit : str
        Unit of the response.
    plans : tuple of mapping
        Inputs of each plan, m of them.
    families : tuple of str
        Family of each plan, ``"new"`` for one that was not measured.
    target : {"mean", "new_run", "measurement"}
    draws : array, shape (S, m)
        In the response's unit; row s is one joint draw of all plans.
    variance : mapping of str to array, shape (m,)
        ``parameter``, ``structure``, ``seed`` and ``evaluation``: they add up to the total (law of total
        variance, noise to first order in the response's unit).
    notes : tuple of str
        How far each plan lies beyond the data, and which parameters the prior decides.
    weights : mapping of str to float
        Laws that carry the forecast; they sum to one.
    """

    law: str
    unit: str
    plans: tuple[Mapping[str, Any], ...]
    families: tuple[str, ...]
    target: Target
    draws: np.ndarray
    variance: Mapping[str, np.ndarray]
    notes: tuple[str, ...]
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def median(self) -> np.ndarray:
        """Posterior predictive medians, shape (m,)."""
        return np.median(self.draws, axis=0)

    @property
    def sd(self) -> np.ndarray:
        """Square root of the total variance, shape (m,)."""
        return np.sqrt(sum(self.variance.values()))

    def quantile(self, q: float | Sequence[float]) -> np.ndarray:
        """Posterior predictive quantiles, shape (m,) or (len(q), m)."""
        return np.quantile(self.draws, q, axis=0)

    def interval(self, prob: float = 0.9) -> np.ndarray:
        """Equal-tailed credible intervals, shape (2, m)."""
        return self.quantile([(1 - prob) / 2, (1 + prob) / 2])

    def to_dataframe(self, quantiles: Sequence[float] = QUANTILES) -> pd.DataFrame:
        """One row per plan: inputs, family, mean, sd, quantiles, and shares of the variance."""
        rows = []
        total = np.maximum(self.sd**2, 1e-300)
        for j, (plan, family) in enumerate(zip(self.plans, self.families, strict=True)):
            row: dict[str, Any] = {k: v for k, v in plan.items() if np.ndim(v) == 0}
            row |= {"family": family, "target": self.target, "mean": float(self.draws[:, j].mean())}
            row["sd"] = float(self.sd[j])
            row |= {
                f"q{100 * q:g}": float(v)
                for q, v in zip(quantiles, self.quantile(quantiles)[:, j], strict=True)
            }
            row |= {f"share {name}": float(v[j] / total[j]) for name, v in self.variance.items()}
            rows.append(row)
        return pd.DataFrame(rows)

    def to_dict(self) -> list[dict[str, Any]]:
        """One JSON-ready object per plan."""
        return [
            {
                "inputs": {k: v for k, v in plan.items() if np.ndim(v) == 0},
                "family": family,
                "target": self.target,
                "median": float(self.median[j]),
                "mean": float(self.draws[:, j].mean()),
                "sd": float(self.sd[j]),
                "quantiles": {f"{q:g}": float(self.quantile(q)[j]) for q in QUANTILES},
                "variance": {name: float(v[j]) for name, v in self.variance.items()},
            }
            for j, (plan, family) in enumerate(zip(self.plans, self.families, strict=True))
        ]


def forecast(
    posterior: Posterior | Average,
    plans: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    family: str | Sequence[str] | None = None,
    target: Target = "new_run",
    evaluation_error: float | None = None,
    seed: int = 0,
    allow_failed: bool = False,
) -> Forecast:
    """Forecast planned runs.

    Parameters
    ----------
    posterior : Posterior or Average
        Of an average, draws of the laws are mixed by weight, each joint over the plans, and the variance
        between the laws' means counts as structure.
    plans : mapping, sequence of mappings, or DataFrame
        Inputs of each plan by the law's names; text such as ``"70B"`` is read as a number. For a law in
        parameters and tokens, ``compute`` with one of them gives the other by 6ND.
    family : str or sequence of str, optional
        A fitted family, or ``"new"`` for one that nobody has measured; one for all plans or one per plan.
        Default: the only family, or ``"new"`` when there are several.
    target : {"mean", "new_run", "measurement"}
    evaluation_error : float, optional
        Standard error of the planned evaluation, in the response's unit; default: the median relative error
        of the table's own standard errors, if it has them.
    seed : int
    allow_failed : bool
        Forecast although the diagnostics failed.

    Raises
    ------
    DiagnosticsRefused
        If the posterior failed its diagnostics.
    ForecastError
        If a plan lacks an input, an input is not a positive number, a schedule ends before its run, or a
        family is unknown.
    """
    if isinstance(posterior, Average):
        each = [
            forecast(
                one,
                plans,
                family=family,
                target=target,
                evaluation_error=evaluation_error,
                seed=seed + k,
                allow_failed=allow_failed,
            )
            for k, one in enumerate(posterior.posteriors)
        ]
        return _mixed(each, posterior, np.random.default_rng(seed))
    if not posterior.diagnostics.passed and not allow_failed:
        raise DiagnosticsRefused(
            f"the posterior failed its diagnostics and does not forecast:\n{posterior.diagnostics}\n"
            "Mend the cause, or say allow_failed=True to forecast all the same."
        )
    if target not in ("mean", "new_run", "measurement"):
        raise ForecastError(
            f"unknown target {target!r}; {nearest(str(target), ('mean', 'new_run', 'measurement'))}"
        )
    if evaluation_error is not None and not 0 <= evaluation_error < math.inf:
        raise ForecastError(f"evaluation_error is {evaluation_error:g}, expected a standard error: 0 or more")
    inputs, listed = read_plans(posterior.law, plans)
    families = _families(posterior, family, len(listed))
    rng = np.random.default_rng(seed)
    curves = predict(posterior, inputs, families, rng)
    noise = noise_at(posterior, curves, listed, evaluation_error)
    values, variance = spread_out(posterior, curves, noise, target, rng)
    notes = (*_doubt(posterior), *_reach(posterior, inputs), *posterior.identifiability)
    law = posterior.law
    weights = {law.label: 1.0}
    return Forecast(law.label, law.predicts.unit, listed, families, target, values, variance, notes, weights)


def _doubt(posterior: Posterior) -> tuple[str, ...]:
    """That a task cannot be predicted, before a curve through it is believed."""
    if not speaks_of_tasks(posterior):
        return ()
    found = verdict(posterior)
    return () if found.predictable else (f"not predictable from these runs: {found.reason}",)


def _mixed(each: Sequence[Forecast], whole: Average, rng: np.random.Generator) -> Forecast:
    """One forecast of several laws: draws by weight; laws that disagree add to structure."""
    weights = np.array(whole.weights)
    means = np.stack([f.draws.mean(axis=0) for f in each])
    middle = weights @ means
    variance = {
        name: np.tensordot(weights, np.stack([f.variance[name] for f in each]), 1)
        for name in each[0].variance
    }
    with np.errstate(over="ignore"):  # draws of a wide prior may have no finite variance
        variance["structure"] = variance["structure"] + weights @ (means - middle) ** 2
    notes = _attributed(each)
    notes += [f"law {law} was left out: {why}" for law, why in whole.left_out.items()]
    return replace(
        each[0],
        law=" + ".join(whole.laws),
        draws=thinned([f.draws for f in each], whole.weights, rng),
        variance=variance,
        notes=tuple(notes),
        weights=whole.laws,
    )


def _attributed(each: Sequence[Forecast]) -> list[str]:
    """Notes of several laws, once each; what not all of them say is said with their names."""
    said: dict[str, list[str]] = {}
    for one in each:
        for note in dict.fromkeys(one.notes):
            said.setdefault(note, []).append(one.law)
    return [note if len(laws) == len(each) else f"{', '.join(laws)}: {note}" for note, laws in said.items()]


def read_plans(law: Law, plans: Any) -> tuple[dict[str, np.ndarray], tuple[dict[str, Any], ...]]:
    """Plans as arrays by input (m,), schedules stacked (m, K, 2), and as plain mappings.

    Raises
    ------
    ForecastError
        All problems of all plans at once.
    """
    if isinstance(plans, pd.DataFrame):
        plans = plans.to_dict("records")
    given = [plans] if isinstance(plans, Mapping | str) else list(plans)
    if not given:
        raise ForecastError("there are no plans to forecast")
    problems: list[str] = []
    listed: list[dict[str, Any]] = []
    for j, one in enumerate(given, 1):
        if not isinstance(one, Mapping):
            raise ForecastError(
                f"plan {j} is {one!r}, expected a mapping of inputs: {', '.join(i.name for i in law.inputs)}"
            )
        listed.append(dict(one))
        problems += _read(law, listed[-1], j)
    if problems:
        raise ForecastError("; ".join(problems))
    inputs = {
        i.name: np.array([plan[i.name] for plan in listed], float) for i in law.inputs if i.kind == "positive"
    }
    for i in law.inputs:
        if i.kind == "schedule":
            inputs[i.name] = _stack([compress(np.asarray(plan[i.name], float)) for plan in listed])
    return inputs, tuple(listed)


def _read(law: Law, plan: dict[str, Any], j: int) -> list[str]:
    """Turn the inputs of a plan into numbers and derive what is missing, in place; what is wrong with it."""
    needed = {i.name for i in law.inputs if i.kind == "positive"}
    if needed - plan.keys():
        needed |= {"params", "tokens", "compute"}  # two give the third
    problems = [text for name in sorted(needed & plan.keys()) for text in _as_number(plan, name, j)]
    if problems:
        return problems
    _complete(law, plan)
    for i in law.inputs:
        if i.name not in plan:
            problems.append(
                f"plan {j} lacks the input {i.name!r} ({i.meaning}, {i.unit}); {nearest(i.name, plan)}"
            )
        elif i.kind == "schedule":
            problems += _as_schedule(plan, i.name, j)
    return problems


def _as_schedule(plan: dict[str, Any], name: str, j: int) -> list[str]:
    try:
        rates = np.asarray(plan[name], float)
    except (TypeError, ValueError):
        rates = np.array(np.nan)
    if rates.ndim != 1 or not (np.isfinite(rates).all() and (rates >= 0).all() and rates.any()):
        return [f"plan {j}: {name} must be a list with the learning rate at every step: finite, 0 or more"]
    if plan.get("step", 0) > len(rates):
        return [
            f"plan {j}: {name} has {len(rates)} steps but step is {plan['step']:g}: "
            "give a learning rate for every step"
        ]
    return []


def _as_number(plan: dict[str, Any], name: str, j: int) -> list[str]:
    try:
        plan[name] = number(plan[name]) if isinstance(plan[name], str) else float(plan[name])
    except (TypeError, ValueError) as error:
        return [f"plan {j}: {name} is {plan[name]!r}: {error}"]
    if not (math.isfinite(plan[name]) and plan[name] > 0):
        return [f"plan {j}: {name} is {plan[name]:g}, expected a positive finite number"]
    return []


def _complete(law: Law, plan: dict[str, Any]) -> None:
    """Derive what is asked for and absent by C = 6 N D: parameters or tokens if one is there, or compute."""
    wanted = {i.name for i in law.inputs}
    pair = {"params", "tokens"}
    lacking = pair & wanted - plan.keys()
    if "compute" in plan and len(lacking) == 1 and pair - lacking <= plan.keys():
        plan[lacking.pop()] = plan["compute"] / (6 * plan[(pair - lacking).pop()])
    if "compute" in wanted and "compute" not in plan and pair <= plan.keys():
        plan["compute"] = 6 * plan["params"] * plan["tokens"]


def consistent[Plan: Mapping[str, Any]](plans: Sequence[Plan]) -> Sequence[Plan]:
    """The same plans; refused if parameters, tokens and compute of one of them contradict each other.

    Rules other than C = 6 N D (attention, embeddings) change compute by less than a factor of two.

    Raises
    ------
    ForecastError
    """
    for j, plan in enumerate(plans, 1):
        trio = {name: plan[name] for name in ("params", "tokens", "compute") if plan.get(name) is not None}
        if len(trio) < 3:
            continue
        if problems := [text for name in tuple(trio) for text in _as_number(trio, name, j)]:
            raise ForecastError("; ".join(problems))
        size, seen, told = trio.values()
        if not 0.5 <= told / (6 * size * seen) <= 2.0:
            raise ForecastError(
                f"plan {j}: params {size:g} and tokens {seen:g} take {6 * size * seen:.3g} FLOP (6 N D), but "
                f"compute is {told:g}; give two of the three"
            )
    return plans


def _stack(schedules: list[np.ndarray]) -> np.ndarray:
    out = np.zeros((len(schedules), max(map(len, schedules)), 2))
    for k, schedule in enumerate(schedules):
        out[k, : len(schedule)] = schedule
    return out


def _families(posterior: Posterior, family: str | Sequence[str] | None, count: int) -> tuple[str, ...]:
    known = posterior.families
    if family is None:
        family = known[0] if len(known) == 1 else NEW
    asked = [family] * count if isinstance(family, str) else list(family)
    if len(asked) != count:
        raise ForecastError(f"{len(asked)} families for {count} plans; give one, or one per plan")
    for name in asked:
        if name != NEW and name not in known:
            raise ForecastError(f"family {name!r} was not fitted; {nearest(name, [*known, NEW])}")
    return tuple(asked)


def _reach(posterior: Posterior, inputs: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """How far each plan lies beyond the largest run, in e-folds of compute (6ND), else of each input."""
    fitted = {k: np.log(v) for k, v in posterior.prepared.measured.inputs.items() if v.ndim == 1}
    axes = {name: (np.log(inputs[name]), values) for name, values in fitted.items()}
    if {"params", "tokens"} <= fitted.keys():  # in logs, as products of any numbers that are plans are finite
        params, tokens = axes["params"], axes["tokens"]
        axes = {"compute": (params[0] + tokens[0], params[1] + tokens[1])}
    notes = []
    for name, (planned, seen) in axes.items():
        for j, value in enumerate(planned, 1):
            beyond = float(value - seen.max())
            if beyond > 0.05:
                times = math.exp(min(beyond, 700.0))
                notes.append(
                    f"plan {j} lies {beyond:.1f} e-folds of {name} ({times:.3g} times) beyond the largest run"
                )
    return tuple(notes)
