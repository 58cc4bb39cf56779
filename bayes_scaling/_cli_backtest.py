"""The commands ``backtest`` and ``compare``: how good forecasts of hidden runs were, and of which law."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayes_scaling import _arguments as arguments
from bayes_scaling import _options as options

if TYPE_CHECKING:
    from bayes_scaling.rivals import Candidate


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("backtest")(backtest_runs)
    app.command("compare")(compare_laws)


def backtest_runs(
    data: options.Table,
    laws: options.LawNames = None,
    factors: Annotated[
        str, typer.Option(metavar="NUMBER,...", help="The largest run is so many times beyond each cut.")
    ] = "8,30,100,300",
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keeps what is done, to go on after an interruption."),
    ] = None,
    plot: options.Picture = None,
    as_json: options.Json = False,
    group: options.GroupBy = None,
    x: options.X = None,
    y: options.Y = None,
    column: options.Column = None,
    unit: options.Unit = None,
    no_structure: options.NoStructure = False,
    chains: options.Chains = 2,
    warmup: options.Warmup = 200,
    draws: Annotated[int, typer.Option(min=1, help="Draws of each chain.")] = 300,
    seed: options.Seed = 0,
) -> None:
    """Hide the largest runs, forecast them from the others, and score the bands."""
    from bayes_scaling import _render
    from bayes_scaling._progress import bar
    from bayes_scaling.backtest import backtest
    from bayes_scaling.engine import Settings
    from bayes_scaling.plot import plot_backtest, writable

    if plot is not None:
        arguments.check_folder(plot)
        writable(plot)
    if resume is not None and resume.exists() and not resume.is_dir():
        raise arguments.UsageError(f"--resume {resume}: expected a folder, found a file")
    cuts, named = arguments.numbers("--factors", factors), arguments.named_laws(laws)
    runs = arguments.table(data, group, column, unit)
    asked = arguments.rivals(runs, named, x, y)
    with bar("backtest: preparing") as progress:
        tested = backtest(
            runs,
            [one.law for one in asked],
            factors=cuts,
            inputs=arguments.fed(asked) or None,
            response=y,
            structure=arguments.structured(no_structure),
            settings=Settings(chains=chains, warmup=warmup, draws=draws, most_draws=draws, seed=seed),
            resume=resume,
            progress=progress,
        )
    if plot is not None:
        plot_backtest(tested, path=plot)
        typer.echo(f"Wrote the picture to {plot}", err=True)
    if as_json:
        _render.print_json(tested.to_dict())
    else:
        _render.backtest(tested, log=_relative(asked))


def compare_laws(
    data: options.Table,
    laws: options.LawNames = None,
    methods: Annotated[
        str, typer.Option(metavar="NAME,...", help="loo: a run; family: a family; largest: the largest runs.")
    ] = "loo,largest",
    as_json: options.Json = False,
    group: options.GroupBy = None,
    x: options.X = None,
    y: options.Y = None,
    column: options.Column = None,
    unit: options.Unit = None,
    no_structure: options.NoStructure = False,
    chains: options.Chains = 2,
    warmup: options.Warmup = 200,
    draws: options.Draws = 500,
    seed: options.Seed = 0,
) -> None:
    """Score rival laws by what they say of runs that they have not seen."""
    from typing import cast

    from bayes_scaling import _render
    from bayes_scaling.compare import METHODS, Method, compare
    from bayes_scaling.engine import Settings

    wanted = [arguments.choice("--methods", one.strip(), METHODS, "method") for one in methods.split(",")]
    named = arguments.named_laws(laws)
    runs = arguments.table(data, group, column, unit)
    asked = arguments.rivals(runs, named, x, y)
    found = compare(
        runs,
        [one.law for one in asked],
        methods=[cast("Method", one) for one in dict.fromkeys(wanted)],
        inputs=arguments.fed(asked) or None,
        response=y,
        structure=arguments.structured(no_structure),
        settings=Settings(chains=chains, warmup=warmup, draws=draws, seed=seed),
    )
    if as_json:
        _render.print_json(_render.comparison_record(found))
    else:
        _render.comparison(found)


def _relative(asked: tuple[Candidate, ...]) -> bool:
    """Whether errors are logarithms of forecast over observed."""
    response = asked[0].law.predicts
    return response.link == "log" and response.noise == "student"
