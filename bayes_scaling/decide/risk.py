"""What a planned run may turn out to be: chances, shortfalls, and what to do about it.

Everything is read off common draws of the outcome, so it holds for any law, for an average of laws, and for
several tasks at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_scaling.chain import ChainPosterior
from bayes_scaling.decide import tasks
from bayes_scaling.decide._draws import (
    Better,
    DecisionError,
    Fitted,
    a_probability,
    better_of,
    finite,
    members,
    quantiles,
    response_name,
    sign_of,
)
from bayes_scaling.decide._outcomes import of_chain, of_models
from bayes_scaling.decide.cost import Cost
from bayes_scaling.decide.reach import Reach, reach
from bayes_scaling.decide.reading import Reading, Stakes, reading
from bayes_scaling.decide.regret import Regret, regret
from bayes_scaling.law import Response, nearest
from bayes_scaling.predict import Target


@dataclass(frozen=True)
class TaskRisk:
    """One target. Amounts are in the response's unit.

    Parameters
    ----------
    task, unit : str
    better : {"lower", "higher"}
    target : float
    probability : float
        That the target is met.
    median, mean : float
    quantiles : mapping of str to float
    shortfall : float
        Expected amount by which the target is missed, nothing where it is met.
    shortfall_if_missed : float
        The same over the draws that miss it; 0 if none does.
    level : float
    value_at_risk : float
        Outcome that is not worse with probability `level`.
    cvar : float
        Mean of the outcomes that are at least as bad.
    """

    task: str
    unit: str
    better: Better
    target: float
    probability: float
    median: float
    mean: float
    quantiles: Mapping[str, float]
    shortfall: float
    shortfall_if_missed: float
    level: float
    value_at_risk: float
    cvar: float


@dataclass(frozen=True)
class Risk:
    """The risk of a planned run.

    Parameters
    ----------
    law, family : str
    plan : mapping
    tasks : tuple of TaskRisk
    joint : float
        Probability that all targets are met.
    joint_bounds : tuple of float
        What it could be, given the tasks' own probabilities, whatever their dependence (Fréchet).
    reading : Reading
    regret : Regret, optional
        For one law with parameters and tokens; of a chain that of its loss.
    reach : Reach, optional
    notes : tuple of str
    """

    law: str
    family: str
    plan: Mapping[str, Any]
    tasks: tuple[TaskRisk, ...]
    joint: float
    joint_bounds: tuple[float, float]
    reading: Reading
    regret: Regret | None
    reach: Reach | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is infinite or unknown is None."""
        reach = self.reach and {
            "probability": self.reach.probability,
            "factor": finite(self.reach.factor),
            "at_most": self.reach.at_most,
            "plan": _scalars(self.reach.plan),
            "budget": finite(self.reach.budget),
        }
        return {
            "law": self.law,
            "family": self.family,
            "plan": _scalars(self.plan),
            "tasks": [{k: _plain(getattr(t, k)) for k in TaskRisk.__dataclass_fields__} for t in self.tasks],
            "joint": self.joint,
            "joint_bounds": list(self.joint_bounds),
            "reading": {
                "action": self.reading.action,
                "reason": self.reading.reason,
                "expected": dict(self.reading.expected),
            },
            "regret": self.regret and self.regret.to_dict(),
            "reach": reach,
            "notes": list(self.notes),
        }


def task_risk(
    outcomes: np.ndarray,
    target: float,
    *,
    better: Better = "lower",
    level: float = 0.95,
    task: str = "loss",
    unit: str = "",
) -> TaskRisk:
    """Risk of one target, from draws (S,) of the outcome.

    Raises
    ------
    DecisionError
        If the level is not between 0 and 1.
    """
    a_probability("level", level)
    sign = sign_of(better)
    excess = sign * (outcomes - target)
    missed = excess[excess > 0]
    edge = np.quantile(sign * outcomes, level)
    tail = (sign * outcomes)[sign * outcomes >= edge]
    return TaskRisk(
        task=task,
        unit=unit,
        better=better,
        target=float(target),
        probability=float((excess <= 0).mean()),
        median=float(np.median(outcomes)),
        mean=float(outcomes.mean()),
        quantiles=quantiles(outcomes),
        shortfall=float(np.maximum(excess, 0).mean()),
        shortfall_if_missed=float(missed.mean()) if missed.size else 0.0,
        level=level,
        value_at_risk=float(sign * edge),
        cvar=float(sign * tail.mean()),
    )


def joint_probability(
    outcomes: Mapping[str, np.ndarray], targets: Mapping[str, float], better: Mapping[str, Better]
) -> tuple[float, tuple[float, float]]:
    """Probability that all targets are met, from joint draws (S,) of every task, and its Fréchet bounds."""
    met = np.stack([sign_of(better[k]) * (outcomes[k] - targets[k]) <= 0 for k in targets])
    each = met.mean(axis=1)
    least = max(0.0, float(each.sum()) - (len(each) - 1))
    return float(met.all(axis=0).mean()), (least, float(each.min()))


def risk(
    model: Fitted | ChainPosterior | Mapping[str, Fitted],
    plan: Mapping[str, Any],
    target: float | Mapping[str, float],
    *,
    family: str | None = None,
    better: Better | Mapping[str, Better] | None = None,
    what: Target | None = None,
    level: float = 0.95,
    probability: float = 0.9,
    stakes: Stakes | None = None,
    cost: Cost | None = None,
    seed: int = 0,
    allow_failed: bool = False,
) -> Risk:
    """Risk of a planned run.

    Parameters
    ----------
    model : Posterior, Average, sequence of (Posterior, weight), ChainPosterior, or mapping of task to a fit
        A chain (`bayes_scaling.fit_chain`) draws its tasks and the loss before them jointly, so that targets
        of accuracies share the doubt about the loss. Posteriors of a mapping were fitted one by one: their
        draws are independent of each other, and `Risk.joint_bounds` says how much that matters.
    plan : mapping
        Inputs of the run.
    target : float or mapping of str to float
        By response or task: at most that loss, at least that accuracy (a fraction). Of a chain: by task, and
        ``loss``.
    family : str, optional
        As in `bayes_scaling.forecast`.
    better : {"lower", "higher"} or mapping, optional
        Default: as the response's name says.
    what : {"mean", "new_run", "measurement"}
        Whether the luck of the run and the error of its evaluation count. Default: a new run; of a chain its
        score on the test sets.
    level : float
        Of value at risk and CVaR.
    probability : float
        At which budget is it reached?
    stakes : Stakes, optional
    cost : Cost, optional
        For regret and budgets, and for what repeated data are worth; default 6 N D, any amount of data.
    seed : int
    allow_failed : bool
        Answer although the diagnostics failed.

    Raises
    ------
    DecisionError
        If a target is outside the range of its metric or names no task, or the plan is impossible.
    DiagnosticsRefused
        If a posterior failed its diagnostics.
    """
    a_probability("probability", probability)
    options: Any = {"family": family, "seed": seed, "allow_failed": allow_failed}
    ways: dict[str, Better]
    if isinstance(model, ChainPosterior):
        known, what = tasks.responses_of(model), what or "measurement"
        targets = read_targets(known, target)
        ways = {k: better_of(k, way or tasks.way_of(k)) for k, way in _given(better, targets).items()}
        found = of_chain(model, plan, targets, what, options, cost, curve=stakes is not None)
        loss_way: Better | None = "lower"
    else:
        models: dict[str, Fitted] = dict(model) if isinstance(model, Mapping) else {_only(model): model}
        known = {k: members(m)[0][0].law.predicts for k, m in models.items()}
        targets = read_targets(known, target)
        models = {k: models[k] for k in targets}
        ways = {k: better_of(_only(models[k]), way) for k, way in _given(better, targets).items()}
        found = of_models(models, plan, what or "new_run", options, cost)
        loss_way = next(iter(ways.values()))
    outcomes, own = found.draws, found.own
    joint, bounds = joint_probability(own, targets, ways)
    each = tuple(
        task_risk(own[k], targets[k], better=ways[k], level=level, task=k, unit=known[k].unit)
        for k in targets
    )
    advice = reading(
        joint, stakes=stakes, outcomes=next(iter(own.values())) if len(own) == 1 else own, curve=found.curve
    )
    lost = None
    if found.single is not None and all(
        {"params", "tokens"} <= {i.name for i in law.inputs} for law in found.laws
    ):
        lost = regret(found.single, found.plan, cost=cost, better=loss_way, **options)
    missed = [sign_of(ways[k]) * (outcomes[k] - targets[k]) / max(float(own[k].std()), 1e-9) for k in targets]
    return Risk(
        law=found.law,
        family=found.family,
        plan=found.plan,
        tasks=each,
        joint=joint,
        joint_bounds=bounds,
        reading=advice,
        regret=lost,
        reach=reach(found.laws[0], found.plan, np.max(missed, axis=0), probability, cost)
        if found.grows
        else None,
        notes=found.notes,
    )


def read_targets(
    responses: Mapping[str, Response], target: float | str | Mapping[str, float | str]
) -> dict[str, float]:
    """Targets by response or task, checked against the range of their metric.

    Raises
    ------
    DecisionError
        If a name is unknown, or a number is none or out of range.
    """
    if not isinstance(target, Mapping):
        if len(responses) > 1:
            raise DecisionError(
                f"one target for {len(responses)} tasks; give one for each: {', '.join(responses)}"
            )
        target = {next(iter(responses)): target}
    if not target:
        raise DecisionError(f"no target; give one for {', '.join(responses)}")
    found = {}
    for name, value in target.items():
        alone = len(responses) == 1 and name == "accuracy"  # people say accuracy where the table has counts
        key = next(iter(responses)) if alone and responses[next(iter(responses))].trials else name
        if key not in responses:
            raise DecisionError(f"target {name!r} is not predicted; {nearest(name, responses)}")
        found[key] = _in_range(name, value, responses[key])
    return found


def _in_range(name: str, value: float | str, response: Response) -> float:
    try:
        target = float(value)
    except (TypeError, ValueError):
        raise DecisionError(f"target {name} is {value!r}, expected a number") from None
    share = response.link in ("logit", "loglog")
    low, high = (0.0, 1.0) if share else (0.0, math.inf) if response.link == "log" else (-math.inf, math.inf)
    if not low < target < high:
        hint = f"; a fraction is meant, {target / 100:g}?" if share and 1 < target < 100 else ""
        raise DecisionError(
            f"target {name} is {target:g}, outside the range of {name}, {low:g} to {high:g}{hint}"
        )
    return target


def _given(better: Any, targets: Mapping[str, float]) -> dict[str, Better | None]:
    """The way of every target, where it was told."""
    return {k: better.get(k) if isinstance(better, Mapping) else better for k in targets}


def _only(model: Fitted) -> str:
    return response_name(members(model)[0][0])


def _scalars(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in plan.items() if np.ndim(v) == 0}


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
