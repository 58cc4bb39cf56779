"""The next small run: which run, or batch of runs, tells most about a large one for what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.decide import information as info
from bayes_scaling.decide._draws import (
    DecisionError,
    Fitted,
    finite,
    laws_of,
    members,
    positive,
    response_name,
)
from bayes_scaling.decide.candidates import Run, joint_of, read_runs_asked
from bayes_scaling.decide.cost import Cost
from bayes_scaling.decide.cover import ENOUGH, Few, cheapest, few_of
from bayes_scaling.decide.information import By
from bayes_scaling.decide.ranking import Method, Option, Question, Step, chosen, options_of
from bayes_scaling.decide.reading import Stakes
from bayes_scaling.law import Link, nearest
from bayes_scaling.observe import unlink_numpy
from bayes_scaling.predict import Target

BY: tuple[By, ...] = ("width", "variance", "entropy", "value")
METHODS: tuple[Method, ...] = ("auto", "linear", "reweighted")
TARGETS: tuple[Target, ...] = ("mean", "new_run", "measurement")

#: Without stakes, a run that takes less than this off what is uncertain is not worth it.
LEAST = 0.02
#: A gain of less than this part of its cost is told as none.
NOTHING = 1e-6


@dataclass(frozen=True)
class Worth:
    """Whether another run is worth it, and why; true or false as a condition."""

    yes: bool
    reason: str

    def __bool__(self) -> bool:
        return self.yes

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class NextRun:
    """Candidates for the next run, best first.

    Parameters
    ----------
    law, response : str
    by : {"width", "variance", "entropy", "value"}
    scale : str
        Scale of widths: "relative" for a positive response (its logarithm), "logit", ...
    unit : str
        Unit of costs.
    targets : tuple of Run
    now : float
        What is uncertain now, in the measure of ``by``; for "value" the least expected loss of an action.
    width : float
        Of the target's 90 % band now.
    options : tuple of Option
        All candidates by gain per cost.
    batch : tuple of Step
        The runs to make together, in the order of choice.
    worth_it : Worth
    notes : tuple of str
    """

    law: str
    response: str
    by: By
    scale: str
    unit: str
    targets: tuple[Run, ...]
    now: float
    width: float
    options: tuple[Option, ...]
    batch: tuple[Step, ...]
    worth_it: Worth
    notes: tuple[str, ...]

    @property
    def best(self) -> Option:
        """The candidate with the largest gain per cost."""
        return self.options[0]

    def to_dataframe(self) -> pd.DataFrame:
        """One row per candidate, best first; inputs have columns of their own."""
        rows = [asdict(one) for one in self.options]
        return pd.DataFrame([{**_scalars(row.pop("plan")), **row} for row in rows])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "law": self.law,
            "response": self.response,
            "by": self.by,
            "scale": self.scale,
            "unit": self.unit,
            "targets": [{"inputs": _scalars(run.plan), "family": run.family} for run in self.targets],
            "now": self.now,
            "width": self.width,
            "options": [_record(one) for one in self.options],
            "batch": [step._asdict() for step in self.batch],
            "worth_it": {"yes": self.worth_it.yes, "reason": self.worth_it.reason},
            "notes": list(self.notes),
        }


def next_run(
    model: Fitted,
    target: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    candidates: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    batch: int = 1,
    by: By | None = None,
    stakes: Stakes | None = None,
    width: float | None = None,
    fewest: int | None = None,
    repeats: bool = True,
    cost: Cost | None = None,
    family: str | None = None,
    what: Target = "new_run",
    least: float = LEAST,
    least_per_cost: float = 0.0,
    method: Method = "auto",
    outcomes: int = 64,
    currency: str = "",
    seed: int = 0,
    allow_failed: bool = False,
) -> NextRun:
    """Rank runs that could be made next by what they are expected to tell about a target.

    Parameters
    ----------
    model : Posterior, Average, or sequence of (Posterior, weight)
        Of an average, an outcome also tells which law to believe.
    target : mapping, sequence of mappings, or DataFrame
        The large run, or several; of widths and variances their mean counts, of entropy the joint one.
    candidates : same as target
        Runs that could be made; each may say its ``cost`` (all or none of them) and its ``family``.
    batch : int
        Runs to choose together: one after the other by gain per cost, given the simulated outcomes of those
        before. The same configuration again is one more seed.
    by : {"width", "variance", "entropy", "value"}, optional
        The target's 90 % band, variance or entropy, on the link scale; or the expected value of sample
        information, which needs `stakes` and is the default with them.
    stakes : Stakes, optional
        Loss of running the target and of not doing so, in the unit of the costs.
    width : float, optional
        Instead, the cheapest batch (of at most `batch` runs) that is expected to narrow the band to this.
    fewest : int, optional
        With `width`: configurations that the table and the batch should have together. Narrow bands from
        fewer hold less often than they say, so the batch is filled up by gain per cost. Default: three per
        parameter of the law.
    repeats : bool
        Whether a candidate may be chosen more than once.
    cost : Cost, optional
        Default: 6 N D.
    family : str, optional
        Of target and candidates, as in `bayes_scaling.forecast`.
    what : {"mean", "new_run", "measurement"}
        What is to be known of the target: its curve, or what a run of it turns out to be.
    least, least_per_cost : float
        Stopping rule without stakes: a run is worth it if it takes off at least this part of what is
        uncertain, and at least this part per unit of cost. With stakes: if it gains more than it costs.
    method : {"auto", "linear", "reweighted"}
        ``linear`` conditions the joint covariance of the draws; ``reweighted`` simulates outcomes and
        reweights the draws by their likelihood; ``auto`` does so for the most promising candidates. Where the
        weights rest on too few draws, the linear figure stands, and a note says so.
    outcomes : int
        Simulated outcomes per candidate.
    currency : str
        What stakes and costs are in, for the words.
    seed : int
    allow_failed : bool
        Answer although the diagnostics failed.

    Raises
    ------
    DecisionError
        If there are no candidates, one is impossible or without cost, or the question contradicts itself.
    DiagnosticsRefused
        If a posterior failed its diagnostics.
    """
    by = check_question(
        by=by, stakes=stakes is not None, width=width, what=what, method=method, batch=batch,
        outcomes=outcomes, least=least, least_per_cost=least_per_cost, fewest=fewest,
    )  # fmt: skip
    cost = cost or Cost()
    asked: Any = {"cost": cost, "family": family, "allow_failed": allow_failed}
    targets = read_runs_asked(model, target, what="target", **asked)
    runs = read_runs_asked(model, candidates, what="candidate", **asked)
    first = members(model)[0][0]
    link = first.law.predicts.link
    stake = None if stakes is None else _stake(stakes, link, targets, candidates, cost)
    joint = joint_of(model, targets, runs, what=what, cost=cost, seed=seed)
    price = np.array([run.cost for run in runs])
    ask = Question(joint, price, by, stake, method, outcomes, seed)
    options, close = options_of(ask, runs)
    band, notes = float(info.band(joint.outcome).mean()), []
    order: list[int] = []
    few = ENOUGH
    if width is not None:
        order, reached = cheapest(joint, price, width, most=batch, repeats=repeats)
        if not reached:
            notes.append(
                f"at most {batch} of these runs are not expected to narrow the band from {band:.3g} to "
                f"{width:.3g}; the batch comes nearest"
            )
        few, repeats = few_of(model, fewest), False
        batch = min(batch, max(len(order), few.lacking))
        if few.lacking > len(order):
            notes.append(f"this fit is {few}")
        few = few if band <= width else ENOUGH
    steps = chosen(ask, runs, batch, repeats=repeats, order=order)
    poor = sum(one.ess is not None and one.method == "linear" for one in options)
    if poor:
        notes.append(
            f"too few draws could have given the outcomes of {poor} of the {close} candidates looked at "
            "closely: their figures are linear-Gaussian"
        )
    return NextRun(
        law=laws_of(model),
        response=response_name(first),
        by=by,
        scale={"log": "relative"}.get(link, link),
        unit="as given" if _own_costs(candidates) else cost.unit,
        targets=targets,
        now=ask.now,
        width=band,
        options=options,
        batch=steps,
        worth_it=worth(options, steps, by, least, least_per_cost, width, currency, few),
        notes=tuple(notes),
    )


def worth(
    options: Sequence[Option],
    steps: Sequence[Step],
    by: By,
    least: float = LEAST,
    least_per_cost: float = 0.0,
    width: float | None = None,
    unit: str = "",
    few: Few = ENOUGH,
) -> Worth:
    """The stopping rule, over single runs and the batch as a whole.

    Without stakes another run is worth it if it takes off at least `least` of what is uncertain, and
    `least_per_cost` per unit of cost; with them, if it is expected to gain more than it costs. If a width is
    asked for, what is already as narrow needs no run, unless `few` says that it rests on too few. ``unit``
    is that of costs, for the words.
    """
    if few.lacking and steps:
        return Worth(True, f"another run is worth it: the band is no wider than {width:g} already, but {few}")
    if not steps and width is not None:
        return Worth(False, f"another run is not worth it: the band is no wider than {width:g} already")
    each = [(f"candidate {o.number}", o.gain, o.share, o.cost) for o in options]
    each += [(f"the batch of {len(steps)}", s.gain, s.share, s.cost) for s in steps[1:][-1:]]
    if by == "value":
        name, gain, _, cost = max(each, key=lambda one: one[1] - one[3])
        of = f" {unit}" if unit else ""
        # what is left of a gain by rounding is none
        gains = f"{gain:.3g}{of}" if gain > NOTHING * cost else "nothing"
        said = f"{name} is expected to gain {gains} and costs {cost:.3g}{of}"
        if gain > cost:
            return Worth(True, f"another run is worth it: {said}")
        return Worth(False, f"another run is not worth it: no run gains more than it costs; {said}")
    noun = {"width": "band", "variance": "variance", "entropy": "standard deviation"}[by]
    good = [one for one in each if one[2] >= least and one[2] / one[3] >= least_per_cost]
    if good:
        name, _, share, cost = max(good, key=lambda one: one[2] / one[3])
        said = f"{name} is expected to take {100 * share:.2g} % off the target's {noun} for {cost:.3g}"
        return Worth(True, f"another run is worth it: {said}")
    name, _, share, cost = max(each, key=lambda one: one[2])
    per = f" or {100 * least_per_cost:.3g} % per unit of cost" if least_per_cost else ""
    return Worth(
        False,
        f"another run is not worth it: none takes {100 * least:.3g} %{per} off the target's {noun}; "
        f"the most, {100 * share:.2g} % for {cost:.3g}, is {name}'s",
    )


def check_question(
    *,
    by: str | None = None,
    stakes: bool = False,
    width: float | None = None,
    what: str = "new_run",
    method: str = "auto",
    batch: int = 1,
    outcomes: int = 1,
    least: float = 0.0,
    least_per_cost: float = 0.0,
    fewest: int | None = None,
) -> By:
    """What is asked of `next_run`, after its contradictions were refused; ``stakes``: whether there are any.

    Raises
    ------
    DecisionError
    """
    found: Any = by or ("value" if stakes else "width")
    for name, value, known in (("by", found, BY), ("method", method, METHODS), ("what", what, TARGETS)):
        if value not in known:
            raise DecisionError(f"{name} is {value!r}; {nearest(str(value), known)}")
    if (found == "value") != stakes:
        raise DecisionError(
            "by='value' needs stakes: the loss of running the target, and of not doing so"
            if not stakes
            else f"stakes are given, but by={found!r} does not use them; say by='value' or leave it out"
        )
    if width is not None and found != "width":
        raise DecisionError(f"a width to reach is given, but by={found!r}; say by='width' or leave it out")
    if width is not None:
        positive("width", width)
    for name, value in (("batch", batch), ("outcomes", outcomes)):
        if not (isinstance(value, int) and value >= 1):
            raise DecisionError(f"{name} is {value!r}, expected a whole number, 1 or more")
    if fewest is not None and (width is None or not (isinstance(fewest, int) and fewest >= 0)):
        raise DecisionError(
            f"fewest is {fewest!r}; expected a whole number, 0 or more, and with it the width to reach"
        )
    for name, share in (("least", least), ("least_per_cost", least_per_cost)):
        if not 0 <= share < math.inf:
            raise DecisionError(f"{name} is {share:g}, expected 0 or more")
    return found


def _stake(stakes: Stakes, link: Link, targets: Sequence[Run], candidates: Any, cost: Cost) -> info.Stake:
    """The user's loss function on the link scale."""
    if len(targets) > 1:
        raise DecisionError(f"stakes are of one target, found {len(targets)}")
    if cost.price_per_flop is None and not _own_costs(candidates):
        raise DecisionError(
            "the stakes are in your unit and the costs in FLOP; say Cost(price_per_flop=...), or give a cost "
            "in your unit to each candidate"
        )

    def loss(values: np.ndarray) -> np.ndarray:
        found = np.asarray(stakes.loss(np.asarray(unlink_numpy(link, values))), float)
        if found.shape != values.shape or not np.isfinite(found).all():
            raise DecisionError(
                f"the loss function must give one finite number per outcome; its result for {values.shape} "
                f"outcomes has shape {found.shape}"
            )
        return found

    return info.Stake(loss, float(stakes.no_go))


def _own_costs(candidates: Any) -> bool:
    if isinstance(candidates, pd.DataFrame):
        return "cost" in candidates and bool(candidates["cost"].notna().any())
    given = [candidates] if isinstance(candidates, Mapping) else candidates
    return any("cost" in one for one in given)


def _scalars(plan: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in plan.items() if np.ndim(v) == 0}


def _record(one: Option) -> dict[str, Any]:
    found = asdict(one)
    numbers = {k: finite(v) for k, v in found.items() if isinstance(v, float)}
    return {**found, **numbers, "plan": _scalars(one.plan)}
