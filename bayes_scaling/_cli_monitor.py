"""The command ``monitor``: a run in flight against its plan."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_scaling import _arguments as arguments
from bayes_scaling import _options as options

if TYPE_CHECKING:
    from bayes_scaling.decide.monitored import Monitored
    from bayes_scaling.decide.watch import Watch
    from bayes_scaling.posterior import Posterior
    from bayes_scaling.runs import Runs

#: Separator of the tables that can grow line by line.
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("monitor")(monitor)


def monitor(
    posterior: Annotated[str, typer.Argument(metavar="POSTERIOR", help="A posterior saved by 'fit'.")],
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The points of one run so far (.csv, .tsv).")],
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="NAME=VALUE,...",
            help="The plan: its inputs at the end, tokens=140B or step=24000,schedule=rates.txt.",
        ),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Read the file again as it grows, until the run ends or Ctrl-C.")
    ] = False,
    level: Annotated[float, typer.Option(help="False-alarm probability over the whole run.")] = 0.05,
    side: Annotated[str, typer.Option(help="Which departures give an alarm: both, above or below.")] = "both",
    start: Annotated[
        str | None, typer.Option("--start", metavar="NUMBER", help="Points count from here on.")
    ] = None,
    widen: Annotated[
        float,
        typer.Option(help="Widens the forecast of the end, for a law too sure of itself."),
    ] = 1.0,
    group_value: Annotated[
        str | None, typer.Option("--group-value", metavar="NAME", help="Family of the run, or 'new'.")
    ] = None,
    no_refit: Annotated[
        bool, typer.Option("--no-refit", help="Never fit again; say so where the weights degenerate.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks of --follow.")] = 10.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON value; with --follow one object per line.")
    ] = False,
    plot: options.Picture = None,
    allow_failed: Annotated[
        bool, typer.Option("--allow-failed", help="Watch although the diagnostics failed.")
    ] = False,
    column: options.Column = None,
    unit: options.Unit = None,
    seed: options.Seed = 0,
) -> None:
    """Watch a run in flight: whether it is below or above plan, and where it will end."""
    from bayes_scaling import _render, decide
    from bayes_scaling.plot import plot_monitor, writable

    if plot is not None:
        arguments.check_folder(plot)
        writable(plot)
    if not arguments.is_posterior(posterior):
        raise arguments.UsageError(
            f"{posterior!r} is no posterior; save one with 'fit ... --out posterior.nc'"
        )
    if follow and run.suffix.lower() not in SEPARATORS:
        raise arguments.UsageError(f"--follow reads {' and '.join(SEPARATORS)}, not {run.name!r}")
    arguments._must_exist(str(run))
    fitted = arguments.saved(posterior, None, [])
    asked: Any = {"family": group_value, "level": level, "side": side, "seed": seed, "widen": widen}
    asked |= {"start": None if start is None else arguments.numbers("--start", start)[0]}
    how = {"columns": arguments.mapping("--column", column), "units": arguments.mapping("--unit", unit)}
    watched, shown = None, 0
    try:
        for runs in _tables(run, how, follow, every):
            if watched is None:
                watched = _watch(fitted, at, runs, {**asked, "allow_failed": allow_failed})
            points = decide.read_run(watched, runs)
            if follow and len(points) == shown and not _over(watched, points.last):
                continue
            shown = len(points)
            found = decide.monitor(watched, points, refit=not no_refit)
            watched = found.watch
            if plot is not None:
                plot_monitor(found, path=plot)
            if follow:
                typer.echo(json.dumps(found.to_dict()) if as_json else _line(found))
                sys.stdout.flush()
            elif as_json:
                _render.print_json(found.to_dict())
            else:
                _show(found)
            if found.done:
                return
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)


def _watch(fitted: Posterior, at: str, runs: Runs, asked: dict[str, Any]) -> Watch:
    """The plan as told, completed by the table of the run; a schedule may be the name of a fitted one."""
    from bayes_scaling import decide

    names = {i.name for i in fitted.law.inputs if i.kind == "schedule"}
    plan: dict[str, Any] = {}
    for name, value in arguments.mapping("--at", at.split(",") if at else [], where=at).items():
        if name in names and value in fitted.runs.schedules:
            plan[name] = value
        else:
            plan |= arguments.plans(fitted.law, [f"{name}={value}"], fitted.prepared.columns)[0]
    return decide.watch(fitted, decide.fill_plan(fitted, runs, plan), **asked)


def _tables(run: Path, how: dict[str, Any], follow: bool, every: float) -> Iterator[Runs]:
    """The table of the run; of one that grows, all its whole lines whenever there are more."""
    from bayes_scaling.runs import read_runs

    if not follow:
        yield read_runs(run, **how)
        return
    before, told = None, False
    while True:
        text = whole_lines(run)
        if text.count("\n") < 2 and not told:
            typer.echo("waiting for points", err=True)
            told = True
        if text != before and text.count("\n") > 1:
            yield read_runs(_frame(text, SEPARATORS[run.suffix.lower()]), **how)
        before = text
        time.sleep(every)


def whole_lines(path: Path) -> str:
    """The text of a file up to its last line end: a line that is being written does not count yet."""
    data = path.expanduser().read_bytes()
    return data[: data.rfind(b"\n") + 1].decode("utf-8-sig", errors="replace")


def _frame(text: str, separator: str) -> Any:
    import pandas as pd

    try:
        return pd.read_csv(io.StringIO(text), sep=separator, dtype=object, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise arguments.UsageError(f"the run's table cannot be read: {error}") from None


def _over(watched: Watch, last: float) -> bool:
    from bayes_scaling.decide._flight import SAME

    return last >= watched.end * (1 - SAME)


def _line(found: Monitored) -> str:
    """One line about a run in flight."""
    from bayes_scaling.plot import brief, fixed

    low, middle, high = found.quantile([0.05, 0.5, 0.95])
    state = ", ".join(f"ALARM {a.kind} at {found.watch.progress} {brief(a.at)}" for a in found.alarms)
    last = f"{found.response} {found.points.value[-1]:.4g}" if len(found.points) else "no points that count"
    refit = f"; refitted: {found.refitted}" if found.refitted else ""
    where = f"{found.watch.progress} {brief(found.points.last)} ({100 * found.fraction:.0f} %)"
    ends = f"at the end {fixed(middle)} ({low:.4g} to {high:.4g})"
    if not found.tells_end:
        ends = "WEIGHTS DEGENERATED, the end is unknown"
    return f"{where}: {last}; {state or 'to plan'}; {ends}{refit}"


def _show(found: Monitored) -> None:
    from bayes_scaling._render import new_console, new_table, print_notes
    from bayes_scaling.plot import brief

    watched, console = found.watch, new_console()
    console.print(f"{watched.posterior.law.title}: run in flight, family {watched.family}")
    print_notes(console, found.notes)
    table = new_table("question", "answer")
    done = f"{brief(found.points.last)} of {brief(watched.end)} ({100 * found.fraction:.0f} %)"
    table.add_row(f"done ({watched.progress})", f"{done}, {len(found.points)} points count")
    for alarm in found.alarms:
        where = f"{watched.progress} {brief(alarm.at)}: {alarm.value:.4g}, boundary {alarm.boundary:.4g}"
        table.add_row(f"ALARM {alarm.kind}", where)
    if not found.alarms:
        table.add_row("alarm", "none")
    table.add_row(
        "false alarms", f"in {100 * watched.level:g} % of runs that go to plan, side {watched.side}"
    )
    if len(found.points):
        table.add_row(
            "last point", f"{found.points.value[-1]:.4g}, percentile {100 * found.percentile[-1]:.0f}"
        )
    for name, (low, _, middle, _, high), known in zip(
        ("before the run", "now"), found.history[[0, -1]], (True, found.tells_end), strict=True
    ):
        told = f"{middle:.4g}, 90 % {low:.4g} to {high:.4g}" if known else "unknown: the weights degenerated"
        table.add_row(f"{found.response} at the end, {name}", told)
    table.add_row("weights", f"Pareto k {found.pareto_k[-1]:.2f}, {found.ess[-1]:.0f} effective draws")
    console.print(table)
