"""The commands ``score`` and ``ledger``: what became of forecasts that were written down beforehand."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bayes_scaling.report import Calibration, Ledger, Outcome, Record
    from bayes_scaling.report._schema import Plan

WIDTH = 80

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
LedgerPath = Annotated[
    Path | None,
    typer.Option("--ledger", help="The ledger (default: $BAYES_SCALING_LEDGER, else in your data folder)."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("score")(score)
    app.command("ledger")(ledger)


def score(
    record: Annotated[
        Path, typer.Argument(metavar="RECORD", help="A pre-registration, such as record.json.")
    ],
    outcome: Annotated[
        list[str], typer.Option("--outcome", metavar="NAME=VALUE", help="The truth: loss=1.93; repeatable.")
    ],
    plan: Annotated[
        list[int] | None,
        typer.Option(
            "--plan", min=1, help="Number of its plan, from 1; one for all outcomes, or one for each."
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help="The record's hash, as it was told at the time, or its beginning."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put these in the place of outcomes in the ledger.")
    ] = False,
    ledger: LedgerPath = None,
    as_json: _Json = False,
) -> None:
    """Say where the truth fell in a forecast that was written down before, and keep it in the ledger."""
    from bayes_scaling.report import append, default_path, judge, parse_outcome, read_record
    from bayes_scaling.report.outcome import far_off

    one = read_record(record)
    _same_hash(one, sha256)
    told = [parse_outcome(text) for text in outcome]
    numbers = _plans(one, [quantity for quantity, _ in told], plan or [])
    found = [judge(one, q, truth, plan=k) for (q, truth), k in zip(told, numbers, strict=True)]
    append(one, found, replace=replace, path=ledger)
    notes = [_far(one, x) for x in found if far_off(one, x)]
    path = str(ledger or default_path())
    if as_json:
        _print_json(
            {
                "record": one.sha256,
                "created": one.created,
                "ledger": path,
                "outcomes": [_outcome_record(one, x) for x in found],
                "notes": notes,
            }
        )
        return
    for x in found:
        typer.echo(textwrap.fill(_sentence(one, x), WIDTH))
    for note in notes:
        typer.echo(textwrap.fill(f"Note: {note}", WIDTH))
    typer.echo(f"Forecast of {one.created}, SHA-256 {one.sha256[:12]}; kept in {path}")


def ledger(
    ledger: LedgerPath = None,
    quantity: Annotated[
        str | None, typer.Option("--quantity", help="Only outcomes of that quantity, such as loss.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="File for a picture: calibration.png.")] = None,
    as_json: _Json = False,
) -> None:
    """Draw the team's own calibration from the ledger: coverage of the bands, bias, PIT."""
    from bayes_scaling.law import nearest
    from bayes_scaling.plot import writable
    from bayes_scaling.report import LedgerError, calibrate, plot_calibration, read_ledger

    if plot is not None:
        writable(plot)
    kept = read_ledger(ledger)
    known = dict.fromkeys(x.quantity for x in kept.outcomes)
    if quantity is not None and quantity not in known:
        raise LedgerError(f"the ledger has no outcome of {quantity!r}; {nearest(quantity, known)}")
    outcomes = [x for x in kept.outcomes if quantity in (None, x.quantity)]
    found = calibrate(outcomes) if outcomes else None
    if plot is not None:
        plot_calibration(outcomes, path=plot)
        typer.echo(f"Wrote the picture to {plot}", err=True)
    if as_json:
        _print_json(_ledger_record(kept, found, outcomes))
    else:
        _tell(kept, found)


def _plans(record: Record, quantities: Sequence[str], given: Sequence[int]) -> list[int]:
    """Number of the plan of every outcome; it must be told where there are several."""
    from bayes_scaling.report import RecordError

    if len(given) not in (0, 1, len(quantities)):
        raise RecordError(
            f"{len(given)} plans for {len(quantities)} outcomes: give --plan once, or for each outcome"
        )
    numbers = list(given) * (len(quantities) if len(given) == 1 else 1) or [1] * len(quantities)
    for quantity, number in zip(quantities, numbers, strict=True):
        plans = record.predicted(quantity).plans
        if len(plans) > 1 and not given:
            listed = "; ".join(f"{k} is {_inputs(one)}" for k, one in enumerate(plans, 1))
            raise RecordError(
                f"the record has {len(plans)} plans of {quantity}: say which with --plan; {listed}"
            )
        if list(zip(quantities, numbers, strict=True)).count((quantity, number)) > 1:
            raise RecordError(f"two outcomes of {quantity}, plan {number}: give one, or --plan for each")
    return numbers


def _inputs(plan: Plan) -> str:
    """Of a plan, in one line: params 70B, tokens 1.4T."""
    from bayes_scaling.plot import brief

    return ", ".join(f"{k} {brief(v) if isinstance(v, float) else v}" for k, v in plan.inputs.items())


def _same_hash(record: Record, told: str | None) -> None:
    from bayes_scaling.report import RecordError

    if told is None:
        return
    if len(told) < 8:
        raise RecordError(f"--sha256 {told}: expected 8 digits or more")
    if not record.sha256.startswith(told.lower()):
        raise RecordError(
            f"this is not the record of that hash: it has SHA-256 {record.sha256[:12]}..., "
            f"and {told[:12]}... was told; score the original"
        )


def _far(record: Record, x: Outcome) -> str:
    unit = record.predicted(x.quantity).unit
    return (
        f"{x.quantity} = {x.truth:g} lies far outside of all bands: is it in {unit!r}, and of plan {x.plan}? "
        "If not, score again with --replace"
    )


def _sentence(record: Record, x: Outcome) -> str:
    from bayes_scaling.plot import fixed
    from bayes_scaling.report.outcome import band_of

    plan, what = record.plan(x.quantity, x.plan), record.predicted(x.quantity)
    low, high = (fixed(end) for end in band_of(record, x.quantity, x.plan, 0.9))
    where = f"inside the {100 * x.band:g} % band" if x.band else "outside of the 95 % band"
    unit = f" {what.unit}" if what.unit not in ("", "1") else ""
    return (
        f"Plan {x.plan} ({plan.family}): {x.quantity} {x.truth:g}{unit} fell at {100 * x.pit:.1f} % of the "
        f"forecast, {where}; the median was {fixed(x.median)}, the 90 % band {low} to {high}"
    )


def _tell(kept: Ledger, found: Calibration | None) -> None:
    from bayes_scaling.report.calibration import counted, signed

    typer.echo(f"Ledger {kept.path}")
    gone = f" ({kept.replaced} replaced)" if kept.replaced else ""
    waiting = f"; without an outcome: {counted(kept.awaiting, 'forecast')}" if kept.awaiting else ""
    typer.echo(f"{counted(kept.records, 'record')}, {counted(len(kept.outcomes), 'outcome')}{gone}{waiting}")
    if found is None:
        return
    typer.echo("\nband     held           share   90 % interval")
    for one in found.coverage:
        held, interval = f"{one.held} of {one.count}", f"{100 * one.low:.0f} % to {100 * one.high:.0f} %"
        typer.echo(f"{100 * one.prob:g} %     {held:<12} {100 * one.share:5.0f} %   {interval}")
    low, high = found.mean_pit_range
    typer.echo(
        f"\nMean PIT {found.mean_pit:.2f} (calibrated: 0.50, {low:.2f} to {high:.2f} in 90 % of cases)"
    )
    if found.bias is not None and found.error is not None:
        side = "above" if found.bias > 0 else "below"
        typer.echo(
            f"Bias {signed(100 * found.bias)} % (medians {side} the truth), "
            f"mean absolute error {100 * found.error:.1f} %"
        )
    verdict = "stay inside" if found.uniform else "LEAVE"
    typer.echo(f"The PITs {verdict} the 90 % simultaneous band of calibrated forecasts")
    if found.records < found.count:
        note = (
            "Note: plans of one record share their errors, so the intervals are narrower than they should be"
        )
        typer.echo(textwrap.fill(note, WIDTH))


def _outcome_record(record: Record, x: Outcome) -> dict[str, Any]:
    from bayes_scaling.report.outcome import band_of
    from bayes_scaling.scores import LEVELS, covered

    plan, what = record.plan(x.quantity, x.plan), record.predicted(x.quantity)
    bands = {
        f"{p:g}": {
            "interval": list(band_of(record, x.quantity, x.plan, p)),
            "inside": bool(covered(x.pit, p)),
        }
        for p in LEVELS
    }
    told = asdict(x) | {"unit": what.unit, "target": what.target, "family": plan.family, "bands": bands}
    del told["record"]
    return told


def _ledger_record(kept: Ledger, found: Calibration | None, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    calibration = asdict(found) if found else None
    if found and calibration:
        for one, row in zip(found.coverage, calibration["coverage"], strict=True):
            row["share"] = one.share
    return {
        "ledger": str(kept.path),
        "records": kept.records,
        "awaiting": kept.awaiting,
        "replaced": kept.replaced,
        "calibration": calibration,
        "outcomes": [asdict(x) for x in outcomes],
    }


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))
