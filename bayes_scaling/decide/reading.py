"""Go, wait or no-go: the reading of a risk, by probability or by the user's own loss function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bayes_scaling.decide._draws import Better, DecisionError, sign_of

Action = Literal["go", "wait", "no-go"]

#: Without a loss function of the user's own: go from this probability on, no-go below that one.
GO, NO_GO = 0.9, 0.5
#: Groups of draws over which an outcome is averaged given what waiting would tell.
GROUPS = 50
#: Expected losses that differ by less than this part of the largest loss are alike.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Stakes:
    """The user's own loss function, for a go / wait / no-go reading.

    Parameters
    ----------
    loss : callable
        ``loss(outcome)`` on an array (S,) of outcomes (with several tasks: on a mapping of such arrays) gives
        what running costs, net of what it brings, (S,), in the user's unit.
    no_go : float
        Loss of not running.
    wait : float
        What waiting costs, whatever is done afterwards.
    """

    loss: Callable[[Any], np.ndarray]
    no_go: float = 0.0
    wait: float = 0.0


def met_or_missed(
    targets: Mapping[str, float],
    better: Mapping[str, Better],
    *,
    met: float,
    missed: float,
    no_go: float = 0.0,
    wait: float = 0.0,
) -> Stakes:
    """Losses that only ask whether a run meets its target, or all of several.

    Parameters
    ----------
    targets : mapping of str to float
    better : mapping
        ``"lower"`` or ``"higher"`` for each target.
    met, missed : float
        Loss of a run that meets them all, and of another.
    no_go, wait : float
        As of `Stakes`.
    """

    def loss(outcome: Any) -> np.ndarray:
        each = outcome if isinstance(outcome, Mapping) else dict.fromkeys(targets, outcome)
        kept = [sign_of(better[k]) * (np.asarray(each[k]) - goal) <= 0 for k, goal in targets.items()]
        return np.where(np.all(kept, axis=0), met, missed)

    return Stakes(loss, no_go=no_go, wait=wait)


@dataclass(frozen=True)
class Reading:
    """What to do, and why.

    ``expected`` is the expected loss of each action: empty without `Stakes`. That of waiting supposes that it
    reveals the whole curve of the law (not the luck of the run) and that the better action follows: it is
    the least that waiting can cost, so a "go" or "no-go" against it stands.
    """

    action: Action
    reason: str
    expected: Mapping[Action, float]


def reading(
    probability: float,
    *,
    stakes: Stakes | None = None,
    outcomes: Any = None,
    curve: np.ndarray | None = None,
) -> Reading:
    """Go, wait or no-go.

    Parameters
    ----------
    probability : float
        That all targets are met; without `stakes` it decides: go from 0.9 on, no-go below 0.5.
    stakes : Stakes, optional
        The least expected loss decides.
    outcomes : array (S,) or mapping of such
        Draws of the outcome, for the stakes.
    curve : array (S,) or (S, tasks), optional
        The same draws without the luck of the run: what waiting could tell at best. Default: everything.
    """
    if stakes is None:
        action: Action = "go" if probability >= GO else "wait" if probability >= NO_GO else "no-go"
        return Reading(
            action,
            f"all targets are met with probability {probability:.2f}: go from {GO:g}, no-go below {NO_GO:g}",
            {},
        )
    cost = np.asarray(stakes.loss(outcomes), float)
    if cost.ndim != 1 or not np.isfinite(cost).all():
        raise DecisionError(
            f"the loss function must give one finite number per outcome; its result has shape {cost.shape}"
        )
    known = cost if curve is None else _given(cost, curve)
    expected: dict[Action, float] = {
        "go": float(cost.mean()),
        "wait": stakes.wait + float(np.minimum(known, stakes.no_go).mean()),
        "no-go": float(stakes.no_go),
    }
    # waiting that reveals nothing of use ties with acting now, up to rounding: then act
    tie = min(expected.values()) + ROUNDING * float(np.abs(cost).max())
    order: tuple[Action, ...] = ("go", "no-go", "wait")
    action = next(name for name in order if expected[name] <= tie)
    texts = ", ".join(f"{name} {value:.4g}" for name, value in expected.items())
    return Reading(action, f"least expected loss: {texts} (waiting at its best)", expected)


def _given(cost: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Expected cost (S,) given the curve: the mean over draws whose curves are alike."""
    known = curve.reshape(len(cost), -1)
    key = known[:, 0]
    if known.shape[1] > 1:  # several tasks: their best linear guess of the cost orders the draws
        design = np.column_stack([np.ones(len(cost)), known])
        key = design @ np.linalg.lstsq(design, cost, rcond=None)[0]
    out = np.empty_like(cost)
    for group in np.array_split(np.argsort(key), min(GROUPS, len(cost))):
        out[group] = cost[group].mean()
    return out
