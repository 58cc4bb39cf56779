"""The command ``review``: everything that is known of a planned run, on one page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_scaling import _arguments as arguments
from bayes_scaling import _cli_decide as deciding
from bayes_scaling import _cli_tasks as tasked
from bayes_scaling import _options as options
from bayes_scaling._cli_ledger import LedgerPath
from bayes_scaling._fitting import Fitting, fitted

if TYPE_CHECKING:
    from bayes_scaling.chain import Chain, Tasks
    from bayes_scaling.report import Review
    from bayes_scaling.rivals import Candidate
    from bayes_scaling.runs import Runs


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("review")(review_run)


def review_run(
    context: typer.Context,
    data: options.TableOrPosterior,
    plan: Annotated[
        Path, typer.Option("--plan", help="What is planned, with targets and costs: a TOML file.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File for the page, such as review.html.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option("--record", help="File for the pre-registration, such as record.json; never replaced."),
    ] = None,
    ledger: LedgerPath = None,
    no_ledger: Annotated[
        bool, typer.Option("--no-ledger", help="Do not enter the record in the ledger.")
    ] = False,
    law: deciding.LawName = None,
    laws: options.LawNames = None,
    no_backtest: Annotated[
        bool, typer.Option("--no-backtest", help="Do not hide the largest runs and forecast them.")
    ] = False,
    factors: Annotated[
        str, typer.Option(metavar="NUMBER,...", help="The largest run is so many times beyond each cut.")
    ] = "8,30,100,300",
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Refit with other priors, without families or the largest.")
    ] = False,
    group: options.GroupBy = None,
    as_json: options.Json = False,
    allow_failed: deciding.Allow = False,
    prior: options.Prior = None,
    x: options.X = None,
    y: options.Y = None,
    column: options.Column = None,
    unit: options.Unit = None,
    no_structure: options.NoStructure = False,
    chains: options.Chains = 4,
    warmup: options.Warmup = 300,
    draws: options.Draws = 1500,
    seed: options.Seed = 0,
) -> None:
    """Review a planned run on one page: its chances, the evidence for them, and what else could be done."""
    from bayes_scaling import _render
    from bayes_scaling._progress import bar
    from bayes_scaling.decide.tasks import responses
    from bayes_scaling.report.page import check_place
    from bayes_scaling.report.plan import checked, read_plan
    from bayes_scaling.report.review import review

    if out is None and not as_json:
        raise arguments.UsageError("where to? say --out review.html, or --json")
    if out is not None:
        check_place(out)
    if record is not None:
        arguments.check_folder(record)
        if record.exists():
            raise arguments.UsageError(
                f"--record {record} exists and a record is never replaced; choose another name"
            )
    _ledger_of(record, ledger, no_ledger)
    planned, cuts = read_plan(plan), arguments.numbers("--factors", factors)
    fitting = Fitting(law, laws, group, prior, x, y, column, unit, no_structure, chains, warmup, draws, seed)

    def ask(asked: Sequence[Candidate], runs: Runs) -> None:
        first = asked[0]
        families = arguments.common_families(asked, runs)
        checked(
            planned, [one.law for one in asked], first.response or first.law.predicts.name, families, runs
        )

    def ask_chain(spec: Chain, table: Tasks, asked: Sequence[Candidate]) -> None:
        predicts = responses(table.names, spec.loss_laws[0].predicts)
        families = arguments.common_families(asked, table.runs)
        checked(planned, spec.loss_laws, predicts, families, table.runs)

    posterior = tasked.chained(data, fitting, planned.targets, ask_chain) or fitted(data, fitting, ask)
    with bar("backtest: preparing") as progress:
        found = review(
            posterior,
            planned,
            backtest=not no_backtest,
            factors=cuts,
            sensitivity=sensitivity,
            out=out,
            record=record,
            ledger=record is not None and not no_ledger and (ledger or True),
            command=command_of(context),
            seed=seed,
            allow_failed=allow_failed,
            progress=progress,
        )
    for path, what in ((record, "record"), (out, "page")):
        if path is not None:
            typer.echo(f"Wrote the {what} to {path}", err=True)
    if found.entered:
        typer.echo(f"Entered the record in the ledger {found.entered}", err=True)
    if as_json:
        _render.print_json(found.to_dict())
    else:
        _show(found)


def _ledger_of(record: Path | None, ledger: Path | None, no_ledger: bool) -> None:
    """Refuse a ledger that cannot keep the record, before anything is fitted."""
    from bayes_scaling.report.ledger import check_place

    if ledger is not None and no_ledger:
        raise arguments.UsageError("--ledger and --no-ledger contradict each other; give one of the two")
    if ledger is not None and record is None:
        raise arguments.UsageError("--ledger keeps the record of a review: say --record FILE too")
    if record is not None and not no_ledger:
        check_place(ledger)


def command_of(context: Any) -> str:
    """The command line as it was given, with the options that differ from their defaults."""
    words = ["bayes-scaling", context.command.name]
    for one in context.command.params:
        value = context.params.get(one.name)
        if value is None or value == one.default or value in ((), []):
            continue
        if one.param_type_name == "argument":
            words.append(str(value))
        elif one.is_flag:
            words.append(one.opts[0])
        else:
            for each in value if isinstance(value, list | tuple) else [value]:
                words += [one.opts[0], str(each)]
    return shlex.join(words)


def _show(found: Review) -> None:
    """The verdict in three lines; the page has the rest."""
    from bayes_scaling._render import new_console
    from bayes_scaling.report import _words as words

    verdict, outcome, question = found.verdict, found.outcome, found.question
    digits = words.decimals(found.variance["sd"])
    console, unit = new_console(), "" if question["unit"] == "1" else f" {question['unit']}"
    chance = words.percent(verdict["probability"])
    goal = f"{words.target_words(question['better'])} {question['target']:g}{unit}"
    each = found.targets["each"]
    what = f"all {len(each)} targets" if len(each) > 1 else f"{question['response']} {goal}"
    console.print(f"{words.ACTIONS[verdict['action']][0]}: {what} with probability {chance}")
    for one in each if len(each) > 1 else ():
        sense = f"{words.target_words(one['better'])} {one['target']:g}"
        console.print(f"  {one['called']} {sense}: {words.percent(one['probability'])}")
    if stakes := question["stakes"]:
        of = f" {question['stakes_unit']}" if question["stakes_unit"] else ""
        each_end = (f"{name.replace('_', '-')} {words.size(value)}{of}" for name, value in stakes.items())
        console.print(f"Least expected loss decides; the stakes: {', '.join(each_end)}")
    for alarm in found.alarms:
        console.print(f"(!) {alarm}")
    low, high = (outcome["quantiles"][q] for q in ("0.05", "0.95"))
    middle = f"Median of the {question['response']}" if len(each) > 1 else "Median"
    console.print(
        f"{middle} {outcome['median']:.{digits}f}{unit}, 90 % {low:.{digits}f} to {high:.{digits}f}"
    )
    if verdict["action"] == "wait" and not found.next_run.get("worth_it", {"yes": True})["yes"]:
        console.print(words.WAIT_FOR_NOTHING)
    if found.registered:
        console.print(f"Pre-registered in {found.registered}, SHA-256 {found.record.sha256}")
