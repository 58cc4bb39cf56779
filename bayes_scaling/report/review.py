"""The review of a planned run: everything that its page says, as one record of plain numbers.

One joint forecast gives the draws of the run, of its alternatives, of the curve in the picture and of larger
and smaller budgets; whatever the page says about outcomes is read off those draws.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bayes_scaling.average import Average
from bayes_scaling.backtest import FACTORS, Backtest
from bayes_scaling.chain import ChainPosterior, chain, fit_chain, read_tasks
from bayes_scaling.compare import average
from bayes_scaling.decide._draws import finite, members, response_name
from bayes_scaling.decide.reading import GO, NO_GO, reading
from bayes_scaling.decide.tasks import LOSS, responses, responses_of, tasks_among
from bayes_scaling.law import Law
from bayes_scaling.measurements import measurements
from bayes_scaling.plot.curves import response_label
from bayes_scaling.posterior import Posterior
from bayes_scaling.report import _chained as chained
from bayes_scaling.report import _changed as changed
from bayes_scaling.report import _evidence as evidence
from bayes_scaling.report import _joint as joint
from bayes_scaling.report import _sections as sections
from bayes_scaling.report._joint import Joint
from bayes_scaling.report._schema import Record
from bayes_scaling.report._terms import cost_of, stakes_of
from bayes_scaling.report.ledger import check_place as check_ledger
from bayes_scaling.report.ledger import enter
from bayes_scaling.report.plan import PlanError, ReviewPlan, checked, read_plan
from bayes_scaling.report.record import make_record, predicted, write_record
from bayes_scaling.rivals import candidates
from bayes_scaling.runs import Runs

FORMAT, FORMAT_VERSION = "bayes_scaling review", 1

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Review:
    """A risk review. Every section is JSON-ready; see docs/review.md for what is in it.

    Parameters
    ----------
    question : mapping
        What is planned: title, run, target, costs, deadline.
    verdict : mapping
        ``action``, ``reason``, ``probability`` (of all targets), and the expected losses of the actions if
        stakes were given.
    targets : mapping
        Probabilities of every target and, jointly, of all of them, with the bounds of that.
    outcome : mapping
        Of the first target's quantity, which the picture shows too:
        Median, quantiles, shortfall, value at risk; ``dots``: twenty equally likely outcomes; ``reach``: the
        budget at which the target is met with 90 %; ``regret`` against the best plan of equal cost.
    picture : mapping
        Measured runs, the curve with its bands, planned runs.
    variance, laws, sensitivity, backtest, diagnostics, alternatives, allocation, next_run, repeat : mapping
        What a section that was left out has instead is ``{"skipped": reason}``.
    notes : tuple of str
    alarms : tuple of str
        Why the numbers are not to be trusted: diagnostics that failed, tasks that cannot be predicted.
    record : Record
        The pre-registration of these forecasts.
    registered : str, optional
        Name of the file that it was written to.
    entered : str, optional
        The ledger that it was entered in.
    """

    question: Mapping[str, Any]
    verdict: Mapping[str, Any]
    targets: Mapping[str, Any]
    outcome: Mapping[str, Any]
    picture: Mapping[str, Any]
    variance: Mapping[str, Any]
    laws: Mapping[str, Any]
    sensitivity: Mapping[str, Any]
    backtest: Mapping[str, Any]
    diagnostics: Mapping[str, Any]
    alternatives: Mapping[str, Any]
    allocation: Mapping[str, Any]
    next_run: Mapping[str, Any]
    repeat: Mapping[str, Any]
    notes: tuple[str, ...]
    alarms: tuple[str, ...]
    record: Record
    registered: str | None = None
    entered: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: what ``--json`` prints and what the page shows."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        registered, entered = found.pop("registered"), found.pop("entered")
        about = {"id": self.record.id, "created": self.record.created, "sha256": self.record.sha256}
        found["record"] = registered and {**about, "file": registered, "ledger": entered}
        return joint.plain({"format": FORMAT, "format_version": FORMAT_VERSION, **found})


def review(
    model: Posterior | Average | ChainPosterior | Runs,
    plan: ReviewPlan | Mapping[str, Any] | str | os.PathLike[str],
    *,
    laws: Sequence[Law | str] | None = None,
    backtest: Backtest | bool = True,
    factors: Sequence[float] = FACTORS,
    sensitivity: bool = False,
    out: str | os.PathLike[str] | None = None,
    record: str | os.PathLike[str] | None = None,
    ledger: str | os.PathLike[str] | bool = False,
    command: str = "",
    seed: int = 0,
    allow_failed: bool = False,
    progress: Progress | None = None,
) -> Review:
    """Review a planned run: its chances, the evidence for them, and what else could be done.

    Parameters
    ----------
    model : Posterior, Average, ChainPosterior or Runs
        A fit, or a table of runs, to which an average of laws is fitted; a chain, if targets are tasks of it.
    plan : path of a plan.toml, mapping of its keys, or ReviewPlan
    laws : sequence of Law or str, optional
        For a table: which laws (of the loss, if targets are tasks); default: those for such a table.
    backtest : bool or Backtest
        Whether to hide the largest runs and forecast them by the same laws; or one that was made before.
    factors : sequence of float
        Cuts of the backtest.
    sensitivity : bool
        Whether to fit again with other priors, without each family and without the largest run, as the plan
        may ask for too.
    out : path, optional
        Where to write the page; needs the extra ``bayes_scaling[report]``.
    record : path, optional
        Where to write the pre-registration; such a file is never replaced.
    ledger : path or bool
        Where to enter that record too, so that it can be neither forgotten nor changed; True for the ledger
        of `bayes_scaling.report.default_path`. The command does so unless it is told not to.
    command : str
        What the page says to run for the same review.
    seed : int
    allow_failed : bool
        Review although the diagnostics failed; the page says so.
    progress : callable, optional
        Of the backtest and of the refits: ``progress(done, total, what)``.

    Raises
    ------
    PlanError
        If the plan is impossible.
    DiagnosticsRefused
        If a posterior failed its diagnostics.
    PageError
        If the page cannot be written, or a package for it is not installed.
    RecordError
        If the record cannot be written, or its file exists.
    LedgerError
        If the ledger cannot be written.
    """
    from bayes_scaling.report.page import check_place, write_page

    asked = read_plan(plan)
    if out is not None:
        check_place(out)
    place = _ledger(ledger, record)
    if isinstance(model, Runs):
        model = _fitted(model, laws, asked)
    elif laws is not None:
        raise PlanError("laws are for a table of runs; a fitted model brings its own")
    if isinstance(model, ChainPosterior):
        chained.check_route(model)
        if set(asked.targets) == {LOSS}:
            model = model.loss or model  # nothing is asked of its tasks
    whole = model.loss if isinstance(model, ChainPosterior) else model
    assert whole is not None
    posteriors = [one for one, _ in members(whole)]
    first = posteriors[0]
    families = [name for name in first.families if all(name in one.families for one in posteriors)]
    predicts = responses_of(model) if isinstance(model, ChainPosterior) else response_name(first)
    asked = checked(asked, [one.law for one in posteriors], predicts, families, first.runs)
    if isinstance(model, ChainPosterior):
        drawn, more = chained.draw(model, asked, seed, allow_failed), chained.task_sides(model)
        tested = chained.backtested(drawn, backtest, factors, progress)
    else:
        drawn, more = joint.draw(model, asked, seed, allow_failed), []
        tested = evidence.backtested(model, backtest, factors, progress)
    verdict, outcome = _judged(drawn, asked)
    diagnostics = evidence.diagnosed(whole, drawn.family, more)
    alarms = chained.alarms_of(diagnostics, drawn.doubts)
    made = make_record(
        [
            predicted(joint.registered(drawn, aim), quantity=aim.name if drawn.chain else None)
            for aim in drawn.aims
        ],
        first.runs,
        settings={
            "seed": seed,
            "sampler": asdict(first.settings),
            "targets": {aim.name: [joint.sense_of(aim), aim.goal] for aim in drawn.aims},
            "probability": verdict["probability"],
            "alarms": alarms,
        },
        note=asked.title,
    )
    found = Review(
        question=_question(drawn, asked, made.forecasts[0].quantity),
        verdict=verdict,
        targets=sections.targets(drawn),
        outcome=outcome,
        picture=sections.picture(drawn, asked),
        variance=sections.variance(drawn),
        laws=sections.by_law(drawn),
        sensitivity=changed.sensitivity(drawn, asked, sensitivity or asked.sensitivity, progress),
        backtest=tested,
        diagnostics=diagnostics,
        alternatives=evidence.alternatives(drawn, asked),
        allocation=evidence.allocation(drawn, asked),
        next_run=evidence.next_run(drawn, asked),
        repeat=evidence.repeat(whole, asked, made, drawn, command),
        notes=drawn.notes,
        alarms=tuple(alarms),
        record=made,
        registered=None if record is None else Path(record).name,
        entered=place and str(place),
    )
    if record is not None:
        write_record(made, record)
    if place is not None:
        enter(made, path=place)
    if out is not None:
        write_page(found, out)
    return found


def _ledger(ledger: str | os.PathLike[str] | bool, record: object) -> Path | None:
    """The ledger to enter the record in, checked before anything is fitted."""
    if ledger is False:
        return None
    if record is None:
        raise PlanError("a ledger keeps records: say where to write this one, record='record.json'")
    return check_ledger(None if ledger is True else ledger)


def _fitted(
    runs: Runs, laws: Sequence[Law | str] | None, asked: ReviewPlan
) -> Posterior | Average | ChainPosterior:
    """What a table is reviewed with; a plan that is impossible is refused before anything is sampled."""
    names = tasks_among(runs, asked.targets)
    spec = chain(laws) if names else None
    table = read_tasks(runs, names) if names else None
    each = candidates(table.runs if table else runs, spec.loss_laws if spec else laws)
    first, fitted = each[0], [
        measurements(runs, one.law, inputs=one.inputs or None, response=one.response).families for one in each
    ]  # fmt: skip
    families = [name for name in fitted[0] if all(name in others for others in fitted)]
    own = first.response or first.law.predicts.name
    predicts = responses(names, first.law.predicts) if names else own
    checked(asked, [one.law for one in each], predicts, families, runs)
    return average(runs, laws) if table is None else fit_chain(spec, table)


def _judged(drawn: Joint, plan: ReviewPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    """The verdict and the outcome of the planned run."""
    task, missed = sections.risk_of(drawn.aims[0], 0), sections.margins(drawn, 0)
    chance = sections.chance(drawn, 0)
    # the stakes only ask whether all targets are met: whether the worst margin is 0 or less
    advice = reading(chance, stakes=stakes_of(plan, 0.0, "lower"), outcomes=missed, curve=drawn.smooth)
    verdict = {
        "action": advice.action,
        "reason": advice.reason,
        "expected": dict(advice.expected),
        "probability": chance,
        "go_from": GO,
        "no_go_below": NO_GO,
    }
    outcome = {
        **sections.numbers(task),
        "dots": sections.dots(drawn),
        "reach": sections.reached(drawn, plan),
        "regret": evidence.regretted(drawn, plan),
    }
    return verdict, outcome


def _question(drawn: Joint, plan: ReviewPlan, quantity: str) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    first, lead = drawn.posteriors[0], drawn.aims[0]
    return {
        "title": plan.title,
        "note": plan.note,
        "run": joint.scalars(plan.run),
        "units": {i.name: i.unit for one in drawn.posteriors for i in one.law.inputs},
        "meanings": {i.name: i.meaning for one in drawn.posteriors for i in one.law.inputs},
        "family": drawn.family,
        "response": lead.called,
        "quantity": quantity,
        "label": lead.label,
        "unit": lead.unit,
        "sizes": {  # what the sections about sizes and further runs are about
            "response": joint.called(first, response_name(first)),
            "label": response_label(first.prepared),
            "unit": first.law.predicts.unit,
        },
        "better": drawn.better,
        "target": drawn.goal,
        "deadline": plan.deadline and plan.deadline.isoformat(),
        "days_left": plan.deadline and (plan.deadline - today).days,
        "cost": cost_of(plan, plan.run),
        "cost_unit": plan.unit,
        "flop": flop_of(plan),
        "budget": plan.budget,
        "stakes": dict(plan.stakes),
        "stakes_unit": plan.currency,
        "rule": plan.cost.to_dict(),
    }


def flop_of(plan: ReviewPlan) -> float | None:
    """FLOP of training the planned run, where its inputs say it."""
    if {"params", "tokens"} <= plan.run.keys():
        return finite(plan.cost.training(plan.run["params"], plan.run["tokens"]))
    return finite(plan.run.get("compute"))
