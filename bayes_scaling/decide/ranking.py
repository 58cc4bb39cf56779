"""Candidates ranked by what they are expected to tell, and batches chosen one run after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from bayes_scaling.decide import information as info
from bayes_scaling.decide.candidates import Kind, Run
from bayes_scaling.decide.information import By, Futures, Gaussian, Joint, Stake, Told

Method = Literal["auto", "linear", "reweighted"]

#: Candidates that `auto` looks at closely: half of them for their gain per cost, half for their gain.
SHORTLIST = 12


@dataclass(frozen=True)
class Option:
    """One candidate, judged by itself.

    Parameters
    ----------
    number : int
        Place in the list that was given, from 1.
    plan, family, kind, cost
        As in `Run`.
    gain : float
        Expected reduction of what is asked for, in its own unit.
    share : float
        The same as a part of what there is now; of an entropy, the part of the standard deviation.
    per_cost : float
        ``gain / cost``.
    width : float
        Expected width of the target's 90 % band afterwards, on the link scale; never wider than now.
    linear : float
        Gain by the linear-Gaussian shortcut.
    method : {"linear", "reweighted"}
        Where ``gain`` comes from.
    ess, pareto_k : float, optional
        Of the reweighted draws: effective number and tail of the weights, medians over simulated outcomes.
    """

    number: int
    plan: Mapping[str, Any]
    family: str
    kind: Kind
    cost: float
    gain: float
    share: float
    per_cost: float
    width: float
    linear: float
    method: Method
    ess: float | None = None
    pareto_k: float | None = None


class Step(NamedTuple):
    """One run of a batch; ``cost``, ``gain``, ``share`` and ``width`` are of the batch up to here."""

    number: int
    kind: Kind
    cost: float
    gain: float
    share: float
    width: float
    method: Method


@dataclass(frozen=True)
class Question:
    """Joint draws, prices (m,) and what is asked of them."""

    joint: Joint
    price: np.ndarray
    by: By
    stake: Stake | None
    method: Method
    outcomes: int
    seed: int

    @cached_property
    def now(self) -> float:
        """What is uncertain now, or the least expected loss of an action."""
        return info.uncertainty(self.joint, self.by, self.stake)

    @cached_property
    def first(self) -> Look:
        """What each candidate would leave if it were the only one."""
        return looked_at(self, start(self))

    def gain(self, after: Any) -> Any:
        """Gain of what leaves so much."""
        return np.maximum(self.now - after, 0.0)

    def share(self, gain: float) -> float:
        """A gain as a part of what there is; of a value, of what knowing the outcome would be worth."""
        if self.by == "entropy":
            return float(1 - np.exp(-gain / self.joint.target.shape[1]))
        whole = self.now
        if self.stake is not None:
            loss = self.stake.loss(self.joint.outcome[:, 0])
            whole = self.now - float(np.minimum(loss, self.stake.no_go).mean())
        return gain / whole if whole > 0 else 0.0


class State(NamedTuple):
    """What is known after some runs of a batch."""

    level: float  # what is still uncertain
    width: float
    known: Gaussian
    futures: Futures | None  # None: linear only


class Look(NamedTuple):
    """What each of m candidates would leave, from one state."""

    linear: np.ndarray  # (m,) level afterwards, linear-Gaussian
    after: np.ndarray  # (m,) the same, by reweighting where that was done and can be believed
    widths: np.ndarray  # (m,) linear or reweighted likewise
    close: Mapping[int, tuple[Told, Futures]]  # those that were looked at closely


def options_of(ask: Question, runs: Sequence[Run]) -> tuple[tuple[Option, ...], int]:
    """All candidates, best gain per cost first, and how many were looked at closely."""
    look, found = ask.first, []
    for k, run in enumerate(runs):
        gain = float(ask.gain(look.after[k]))
        told = look.close[k][0] if k in look.close else None
        found.append(
            Option(
                number=k + 1,
                plan=run.plan,
                family=run.family,
                kind=run.kind,
                cost=run.cost,
                gain=gain,
                share=ask.share(gain),
                per_cost=gain / run.cost,
                width=float(look.widths[k]),
                linear=float(ask.gain(look.linear[k])),
                method=_method(told),
                ess=told and told.ess,
                pareto_k=told and told.pareto_k,
            )
        )
    return tuple(sorted(found, key=lambda one: -one.per_cost)), len(look.close)


def chosen(
    ask: Question, runs: Sequence[Run], most: int, *, repeats: bool, order: Sequence[int] = ()
) -> tuple[Step, ...]:
    """A batch: the first runs in a given order, the others each by its gain per cost given those before.

    It ends early when no run gains anything, or when all have been chosen and none may be repeated.
    """
    state, picked, steps = start(ask), [], []
    for n in range(most):
        only = order[n] if n < len(order) else None
        look = looked_at(ask, state, only) if n or only is not None else ask.first
        gain = (state.level - look.after) / ask.price
        if not repeats:
            gain[picked] = -np.inf
        j = int(np.argmax(gain)) if only is None else only
        if only is None and not gain[j] > 0:
            break
        told = look.close.get(j)
        believed = told is not None and info.believable(told[0])
        futures = told[1] if told is not None and believed else None
        state = State(float(look.after[j]), float(look.widths[j]), info.condition(state.known, j), futures)
        kind: Kind = "more seeds" if _again(ask, j, picked) else runs[j].kind
        picked.append(j)
        total = float(ask.gain(state.level))
        steps.append(
            Step(
                j + 1,
                kind,
                float(ask.price[picked].sum()),
                total,
                ask.share(total),
                state.width,
                "reweighted" if believed else "linear",
            )
        )
    return tuple(steps)


def start(ask: Question) -> State:
    """Nothing has been run yet."""
    drawn = None if ask.method == "linear" else info.futures(ask.joint, ask.outcomes, ask.seed)
    width = float(info.band(ask.joint.outcome).mean())
    return State(ask.now, width, info.gaussian(ask.joint), drawn)


def looked_at(ask: Question, state: State, only: int | None = None) -> Look:
    """Every candidate by the linear shortcut, the most promising, or one, by reweighting too.

    A linear figure is taken relative to the linear figure of the present state, so that the two methods can
    follow each other in one batch.
    """
    joint, by, known = ask.joint, ask.by, state.known
    before, after = (
        info.linear_now(joint, known, by, ask.stake),
        info.linear_after(joint, known, by, ask.stake),
    )
    ratio = by in ("width", "variance")
    linear = state.level * after / max(before, 1e-300) if ratio else state.level + (after - before)
    wide = info.linear_now(joint, known, "width")
    widths = state.width * info.linear_after(joint, known, "width") / max(wide, 1e-300)
    if state.futures is None:
        return Look(linear, linear, widths, {})
    near, level, close = np.arange(len(linear)), linear.copy(), {}
    if only is not None:
        near = np.array([only])
    elif ask.method == "auto":
        near = _shortlist(state.level - linear, ask.price)
    for j in near:
        futures = info.observe(joint, state.futures, int(j))
        told = info.told(joint, futures, by, ask.stake)
        close[int(j)] = (told, futures)
        if info.believable(told):
            # a band wider than before is the luck of few futures, as is a gain below 0
            level[j], widths[j] = told.after, min(told.width, state.width)
    return Look(linear, level, widths, close)


def _shortlist(gain: np.ndarray, price: np.ndarray) -> np.ndarray:
    half = SHORTLIST // 2
    return np.union1d(np.argsort(-gain / price)[:half], np.argsort(-gain)[:half])


def _again(ask: Question, j: int, picked: Sequence[int]) -> bool:
    return any(ask.joint.config[i] == ask.joint.config[j] for i in picked)


def _method(told: Told | None) -> Method:
    return "reweighted" if told is not None and info.believable(told) else "linear"
