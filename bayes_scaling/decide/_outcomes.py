"""Draws of a planned run at all multiples of its budget: of laws fitted one by one, or of a chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bayes_scaling.chain import ChainPosterior
from bayes_scaling.decide import tasks
from bayes_scaling.decide._draws import (
    DecisionError,
    Fitted,
    along,
    as_taken,
    joint_draws,
    laws_of,
    members,
    rays,
)
from bayes_scaling.decide.cost import Cost
from bayes_scaling.decide.reach import FACTORS, HERE
from bayes_scaling.law import Law
from bayes_scaling.predict import Target


class Outcomes(NamedTuple):
    """What a plan may turn out to be."""

    law: str
    laws: tuple[Law, ...]  # those that take the inputs of the run
    plan: Mapping[str, Any]
    family: str
    draws: dict[str, np.ndarray]  # (S, F) by response or task, at `FACTORS` times the budget if that is known
    curve: np.ndarray | None  # (S, tasks) of the plan, without luck
    grows: bool
    single: Fitted | None  # the one fit whose sizes can be traded for data
    notes: tuple[str, ...]

    @property
    def own(self) -> dict[str, np.ndarray]:
        """Draws (S,) of the plan itself."""
        return {name: values[:, _here(self.grows)] for name, values in self.draws.items()}


def of_models(
    models: Mapping[str, Fitted],
    plan: Mapping[str, Any],
    what: Target,
    options: Mapping[str, Any],
    cost: Cost | None = None,
) -> Outcomes:
    """Fits of one response each, drawn one by one, so that the draws of different ones are independent."""
    laws = tuple(one.law for m in models.values() for one, _ in members(m))
    grows = _grow_alike(laws)
    asked: list[Any] = [
        {**options, "cost": cost, "seed": options["seed"] + 1000 * k} for k in range(len(models))
    ]
    casts = [
        joint_draws(one, [plan], target="mean", **how)[1]
        for one, how in zip(models.values(), asked, strict=True)
    ]
    plans = _multiples(laws, casts[0].plans[0], grows)
    draws, smooth = {}, []
    for (name, one), how in zip(models.items(), asked, strict=True):
        draws[name], _ = joint_draws(one, plans, target=what, **how)
        smooth.append(joint_draws(one, plans, target="mean", **how)[0][:, _here(grows)])
    shortest = min(map(len, draws.values()))
    return Outcomes(
        law=" & ".join(dict.fromkeys(map(laws_of, models.values()))),
        laws=laws,
        plan=casts[0].plans[0],
        family=casts[0].families[0],
        draws={name: values[:shortest] for name, values in draws.items()},
        curve=np.stack([values[:shortest] for values in smooth], axis=1),
        grows=grows,
        single=next(iter(models.values())) if len(models) == 1 else None,
        notes=tuple(dict.fromkeys(note for cast in casts for note in cast.notes)),
    )


def of_chain(
    posterior: ChainPosterior,
    plan: Mapping[str, Any],
    targets: Mapping[str, float],
    what: Target,
    options: Mapping[str, Any],
    cost: Cost | None = None,
    *,
    curve: bool,
) -> Outcomes:
    """Tasks and loss of one chain, on the same draws; the curve only where it is asked for."""
    laws = tuple(tasks.laws_before(posterior))
    grows = _grow_alike(laws)
    (told, *_), once = _taken(laws, [plan], cost)
    _, cast = tasks.task_draws(posterior, once, "mean", options)
    _, plans = _taken(laws, _multiples(laws, told, grows), cost)
    found, _ = tasks.task_draws(posterior, plans, what, options)
    smooth = None
    if curve:  # the same seed and plans give the same curves
        means, _ = tasks.task_draws(posterior, plans, "mean", options)
        smooth = np.stack([means[name][:, _here(grows)] for name in targets], axis=1)
    return Outcomes(
        law=tasks.named(posterior),
        laws=laws,
        plan=told,
        family=cast.families[0],
        draws={name: found[name] for name in targets},
        curve=smooth,
        grows=grows,
        single=posterior.loss,
        notes=tuple(dict.fromkeys([*tasks.doubts(cast, targets), *cast.notes])),
    )


def _taken(
    laws: tuple[Law, ...], plans: list[Mapping[str, Any]], cost: Cost | None
) -> tuple[tuple[dict[str, Any], ...], list[Mapping[str, Any]]]:
    """Plans as asked, and as all laws of a chain take them, which is forecast from one list of plans."""
    own = {any(i.name == "unique" for i in law.inputs) for law in laws}
    if cost is not None and cost.unique_tokens is not None and len(own) > 1:
        names = ", ".join(law.name for law in laws)
        raise DecisionError(
            f"the laws {names} count repeated data each in its own way: choose laws that all have the input "
            "'unique', or none"
        )
    for law in laws[:-1]:  # what any of them derives is in the plans of all
        plans = [*as_taken(law, plans, cost)[0]]
    told, counted = as_taken(laws[-1], plans, cost)
    return told, [*counted]


def _grow_alike(laws: tuple[Law, ...]) -> bool:
    return bool(rays(laws[0])) and all(rays(law) == rays(laws[0]) for law in laws)


def _multiples(laws: tuple[Law, ...], plan: Mapping[str, Any], grows: bool) -> list[Mapping[str, Any]]:
    """The plan at all multiples of its budget, on common draws: its chances and where they rise agree."""
    return [*along(laws[0], plan, FACTORS)] if grows else [plan]


def _here(grows: bool) -> int:
    """Column of the plan itself among `_multiples`."""
    return HERE if grows else 0
