"""The commands ``transfer`` and ``priors``: priors for families that nobody has measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_scaling import _arguments as arguments
from bayes_scaling import _options as options

if TYPE_CHECKING:
    from bayes_scaling.borrowed.record import Prior
    from bayes_scaling.posterior import Posterior

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("transfer")(transfer_prior)
    app.command("priors")(list_priors)


def transfer_prior(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A table, a built-in name, or a posterior saved by 'fit'.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the prior, such as prior.json.")],
    law: Annotated[
        str | None, typer.Option("--law", "-l", help="The law to fit; a saved posterior knows its own.")
    ] = None,
    title: Annotated[str, typer.Option(help="A line that says what the prior is of.")] = "",
    relative: Annotated[
        bool,
        typer.Option("--relative", help="A law centred on its data: hold at the centre of any other table."),
    ] = False,
    allow_failed: Annotated[
        bool, typer.Option("--allow-failed", help="Go on although the diagnostics failed.")
    ] = False,
    group: Annotated[
        str | None, typer.Option("--group", help="Column with the family (default: 'family').")
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option("--prior", metavar="NAME=LOW,HIGH", help="Another 90 % prior interval; repeatable."),
    ] = None,
    x: Annotated[
        str | None, typer.Option("--x", metavar="COLUMN", help="Column that feeds a law of one input.")
    ] = None,
    y: Annotated[
        str | None, typer.Option("--y", metavar="COLUMN", help="Column that the law predicts.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", metavar="NAME=THEIRS", help="Our name of a column and the table's; repeatable."
        ),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option("--unit", metavar="COLUMN=UNIT", help="'loss=bit/byte', say; repeatable."),
    ] = None,
    chains: Annotated[int, typer.Option(min=1, help="Chains.")] = 4,
    warmup: Annotated[int, typer.Option(min=1, help="Warm-up iterations of each chain.")] = 300,
    draws: Annotated[int, typer.Option(min=1, help="Draws of each chain.")] = 1500,
    seed: options.Seed = 0,
    as_json: _Json = False,
) -> None:
    """Learn from measured families the prior of one that nobody has measured."""
    from bayes_scaling.engine import Settings
    from bayes_scaling.transfer import transfer

    arguments.check_folder(out, data)
    if arguments.is_posterior(data):
        fitting = {"--group": group, "--prior": prior, "--x": x, "--y": y, "--column": column}
        fitting |= {"--unit": unit}
        posterior = arguments.saved(data, law, [name for name, value in fitting.items() if value])
    else:
        one = arguments.named_law(law)
        runs = arguments.table(data, group, column, unit)
        settings = Settings(chains=chains, warmup=warmup, draws=draws, seed=seed)
        posterior = arguments.fitted(one, runs, x, y, prior, settings)
    found = transfer(posterior, anchored=not relative, title=title, seed=seed, allow_failed=allow_failed)
    _wrote(found, posterior, out, as_json)


def _wrote(prior: Prior, posterior: Posterior, out: Path, as_json: bool) -> None:
    from bayes_scaling.borrowed.file import save_prior

    save_prior(prior, out)
    if as_json:
        typer.echo(json.dumps({"out": str(out), **_as_record(prior)}, indent=2, ensure_ascii=False))
        return
    typer.echo(f"Prior of a new family from {len(posterior.families)} measured: law {prior.law}")
    _print_terms(prior)
    typer.echo(f"Wrote the prior to {out}", err=True)


def list_priors(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One pack, or a file ending in .json.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """List the prior packs, or show one: its numbers, and where they were learnt."""
    from bayes_scaling.priors import as_prior, priors
    from bayes_scaling.priors import prior as pack

    if name is not None:
        one = as_prior(name)
        if as_json:
            typer.echo(json.dumps(_as_record(one), indent=2, ensure_ascii=False))
            return
        typer.echo(f"{name}: {one.title}" if one.title else name)
        typer.echo(f"Law: {one.law}")
        for source in one.provenance.get("sources", ()):
            typer.echo(f"From: {source}")
        typer.echo(f"Families: {', '.join(one.provenance.get('families', ())) or 'not said'}")
        _print_terms(one)
        return
    every = {known: pack(known) for known in priors()}
    if as_json:
        records = [{"name": known, **_as_record(one)} for known, one in every.items()]
        typer.echo(json.dumps(records, indent=2, ensure_ascii=False))
        return
    for known, one in every.items():
        families = len(one.provenance.get("families", ()))
        typer.echo(f"{known} (law {one.law}, {families} {'family' if families == 1 else 'families'})")
        typer.echo(f"  {one.title}")
    typer.echo("'bayes-scaling priors NAME' tells more.")


def _print_terms(prior: Prior) -> None:
    from rich.console import Console
    from rich.table import Table

    from bayes_scaling.plot import fixed

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("term", "90 %", "unit"):
        table.add_column(heading, overflow="fold")
    for term in prior.terms:
        low, high = term.interval
        table.add_row(term.name, f"{fixed(low)} to {fixed(high)}", term.unit)
    Console(highlight=False, markup=False).print(table)


def _as_record(prior: Prior) -> dict[str, Any]:
    from bayes_scaling.borrowed.file import as_json

    return json.loads(as_json(prior))
