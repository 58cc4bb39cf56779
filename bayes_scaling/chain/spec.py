"""What is chained: a law of what lies between run and task, a law of the task, and its groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bayes_scaling.chain.tasks import ChainError
from bayes_scaling.law import Law, nearest
from bayes_scaling.laws import law as law_by_name
from bayes_scaling.structure import DEFAULT, Structure

Route = Literal["loss", "task_loss", "both", "direct"]
Grouping = Literal["task", "family", "task x family"]

ROUTES: tuple[Route, ...] = ("loss", "task_loss", "both", "direct")
GROUPINGS: tuple[Grouping, ...] = ("task", "family", "task x family")
#: Variant of `accuracy_sigmoid` by route.
_VARIANT = {"loss": 1, "task_loss": 2, "both": 3, "direct": 4}
#: What the measured column may be called, and how it follows from accuracy.
RESPONSES = ("accuracy", "error", "n_correct")

#: Drift of a task from its sigmoid, on the logit and per e-fold of the loss (docs/downstream.md).
TASK_STRUCTURE = Structure(kind="fractional", rank=4, level=0.2, scale=(math.log(0.3), 0.8))
#: The same per e-fold of parameters or tokens, for tasks straight from those.
DIRECT_STRUCTURE = Structure(kind="fractional", rank=8, level=0.3, scale=(math.log(0.05), 0.8))
#: Standard deviation of a score on a fixed test set, as a share of that of binomial sampling.
SAME_ITEMS = 0.7
#: E-folds of the loss above the best measured one within which the task law is fitted.
WITHIN = 0.4


@dataclass(frozen=True)
class Chain:
    """How accuracy follows from a run.

    Parameters
    ----------
    loss_laws : tuple of Law
        Laws of the loss, averaged with equal weights; empty for the route straight from the inputs.
    task_law : Law
    route : {"loss", "task_loss", "both", "direct"}
        What lies between run and accuracy.
    grouping : {"task", "family", "task x family"}
        What the task law's groups are. ``"family"``: lines of models, one posterior per task. ``"task"``: the
        tasks of one chance level, all lines of models alike. ``"task x family"``: each pair.
    structure, task_structure : Structure or None
        Structural discrepancy of the loss laws and of the task law.
    same_items : float
        Standard deviation of a score on a fixed test set, as a share of the binomial one: models that answer
        the same items agree on the easy and on the hard ones. A law of counts is given more items for it.
    within : float
        The task law is fitted to models whose loss is at most this many e-folds above the best one: a sigmoid
        holds over a stretch of losses, and no planned run lies at the high end.
    """

    loss_laws: tuple[Law, ...]
    task_law: Law
    route: Route
    grouping: Grouping
    structure: Structure | None = DEFAULT
    task_structure: Structure | None = TASK_STRUCTURE
    same_items: float = SAME_ITEMS
    within: float = WITHIN


def chain(
    loss_law: Law | str | Sequence[Law | str] | None = None,
    task_law: Law | str | None = None,
    *,
    route: Route | None = None,
    grouping: Grouping = "family",
    structure: Structure | None = DEFAULT,
    task_structure: Structure | Literal["default"] | None = "default",
    same_items: float = SAME_ITEMS,
    within: float = WITHIN,
) -> Chain:
    """Join a loss law and a task law.

    Parameters
    ----------
    loss_law : Law, str or sequence, optional
        Default: the average of `chinchilla` and `gadre_overtraining`.
    task_law : Law or str, optional
        A law whose inputs are ``loss``, ``task_loss``, both, or those of a plan, and that predicts
        ``accuracy``, ``error`` or ``n_correct``. Default: `accuracy_sigmoid`, its variant for the route.
    route : {"loss", "task_loss", "both", "direct"}, optional
        Default: as the task law's inputs say, else ``"loss"``.
    grouping, structure, task_structure, same_items, within
        As in `Chain`.

    Raises
    ------
    ChainError
        If the laws cannot be joined.
    """
    if route is not None and route not in ROUTES:
        raise ChainError(f"unknown route {route!r}; {nearest(str(route), ROUTES)}")
    if grouping not in GROUPINGS:
        raise ChainError(f"unknown grouping {grouping!r}; {nearest(str(grouping), GROUPINGS)}")
    if not 0 < same_items <= 1:
        raise ChainError(f"same_items is {same_items:g}, expected a share of the binomial scatter: 0 to 1")
    if not within > 0:
        raise ChainError(f"within is {within:g}, expected e-folds of the loss above the best: more than 0")
    if task_law is None:
        task_law = law_by_name("accuracy_sigmoid", _VARIANT[route or "loss"])
    task = law_by_name(task_law) if isinstance(task_law, str) else task_law
    if task.predicts.name not in RESPONSES:
        raise ChainError(
            f"law {task.name!r} predicts {task.predicts.name!r}, expected one of {', '.join(RESPONSES)}"
        )
    found = _route_of(task)
    if route is not None and route != found:
        raise ChainError(f"law {task.name!r} goes by the route {found!r}, not {route!r}")
    if any(i.kind == "schedule" for i in task.inputs):
        raise ChainError(f"law {task.name!r} takes a schedule; a task law takes losses, sizes or compute")
    given = ("chinchilla", "gadre_overtraining") if loss_law is None else loss_law
    listed = [given] if isinstance(given, Law | str) else list(given)
    laws = tuple(law_by_name(one) if isinstance(one, str) else one for one in listed)
    for one in laws:
        if one.predicts.link != "log":
            raise ChainError(f"law {one.name!r} predicts {one.predicts.name!r}, expected a law of the loss")
    drift = task_structure
    if task_structure == "default":
        drift = DIRECT_STRUCTURE if found == "direct" else TASK_STRUCTURE
    assert not isinstance(drift, str)
    return Chain(
        () if found == "direct" else laws, task, found, grouping, structure, drift, same_items, within
    )


def _route_of(task: Law) -> Route:
    """What the inputs of a task law say about its place."""
    names = {i.name for i in task.inputs}
    if names == {"loss"}:
        return "loss"
    if names == {"task_loss"}:
        return "task_loss"
    if names == {"loss", "task_loss"}:
        return "both"
    if names & {"loss", "task_loss"}:
        raise ChainError(
            f"law {task.name!r} takes {', '.join(sorted(names))}: losses and other inputs together cannot be "
            "chained"
        )
    return "direct"
