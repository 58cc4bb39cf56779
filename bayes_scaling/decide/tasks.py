"""Accuracies as targets: what a chain predicts, and joint draws of its tasks and of their loss."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from bayes_scaling.chain import ChainPosterior, TaskForecast, forecast_tasks
from bayes_scaling.chain.tasks import task_columns
from bayes_scaling.decide._draws import Better, DecisionError, laws_of, members
from bayes_scaling.law import Law, Response, nearest
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import Target
from bayes_scaling.runs import Runs

#: What the loss is called among the targets of a chain.
LOSS = "loss"


def known_tasks(runs: Runs) -> tuple[str, ...]:
    """Tasks of which a table, long or wide, has accuracies."""
    if {"task", "accuracy"} <= set(runs.table.columns):
        return tuple(dict.fromkeys(runs.table["task"].astype(str)))
    return task_columns(runs)


def tasks_among(runs: Runs, targets: Iterable[str]) -> tuple[str, ...]:
    """Those targets that are tasks of a table; none if all are quantities that a single law predicts.

    Raises
    ------
    DecisionError
        If a target is nearly the name of a task, and no column.
    """
    known, names = known_tasks(runs), [name for name in targets if name != LOSS]
    for name in names:
        if name not in (*known, *runs.table.columns) and difflib.get_close_matches(name, known, 1):
            raise DecisionError(f"target {name!r} is no task of {runs.source}; {nearest(name, known)}")
    return tuple(name for name in names if name in known)


def responses_of(posterior: ChainPosterior) -> dict[str, Response]:
    """What a chain predicts, by the names that targets have: an accuracy of every task, and the loss."""
    loss = None if posterior.loss is None else members(posterior.loss)[0][0].law.predicts
    return responses(posterior.tasks.names, loss)


def responses(tasks: Iterable[str], loss: Response | None) -> dict[str, Response]:
    """The same before anything is fitted."""
    return {name: Response(name, "1", "logit") for name in tasks} | ({LOSS: loss} if loss else {})


def way_of(name: str) -> Better:
    """Which way a target of a chain is better."""
    return "lower" if name == LOSS else "higher"


def laws_before(posterior: ChainPosterior) -> list[Law]:
    """The laws that take the inputs of a run: of the loss, or of the tasks themselves."""
    first = posterior.loss or posterior.task_loss
    return [posterior.chain.task_law] if first is None else [one.law for one, _ in members(first)]


def named(posterior: ChainPosterior, loss: Posterior | None = None) -> str:
    """The laws of a chain in the order in which they follow: ``chinchilla -> accuracy_sigmoid``."""
    first = loss or posterior.loss or posterior.task_loss
    last = posterior.chain.task_law.name
    return last if first is None else f"{laws_of(first)} -> {last}"


def task_draws(
    posterior: ChainPosterior, plans: list[Mapping[str, Any]], target: Target, options: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], TaskForecast]:
    """Joint draws (S, m) of the accuracy of every task and of the loss; row s is one draw of all of them."""
    cast = forecast_tasks(posterior, plans, target=target, **options)
    return draws_of(cast), cast


def draws_of(cast: TaskForecast) -> dict[str, np.ndarray]:
    """Draws (S, m) by task, and of the loss that the accuracies come from."""
    found = {name: cast.draws[:, :, t] for t, name in enumerate(cast.tasks)}
    return found if cast.loss is None else {**found, LOSS: cast.loss}


def doubts(cast: TaskForecast, targets: Iterable[str]) -> list[str]:
    """Targets that cannot be predicted from these runs, and why."""
    asked = set(targets)
    return [
        f"task {one.task} is not predictable from these runs: {one.reason}"
        for one in cast.verdicts
        if one.task in asked and not one.predictable
    ]
