"""The command line ``bayes-scaling``: a thin skin over the public functions.

Exit codes: 0 done, 2 bad input, 3 the posterior failed its diagnostics and does not forecast. With ``--json``
standard output holds one JSON value and nothing else; messages and progress go to standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from bayes_scaling import _arguments as arguments
from bayes_scaling import (
    _cli_backtest,
    _cli_chain,
    _cli_decide,
    _cli_design,
    _cli_ledger,
    _cli_monitor,
    _cli_review,
    _cli_transfer,
)
from bayes_scaling import _options as options
from bayes_scaling._fitting import Fitting, fitted, kept

if TYPE_CHECKING:
    from bayes_scaling.rivals import Candidate
    from bayes_scaling.runs import Runs

BAD_INPUT, REFUSED = 2, 3


class _Group(TyperGroup):
    """Turns errors about input into one message and an exit code, whichever command they come from."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            code = _exit_code(error)
            if code is None:
                raise
            hint = "\nHere: --warmup, --draws, --prior, or --allow-failed." if code == REFUSED else ""
            typer.echo(f"error: {options.in_options(str(error))}{hint}", err=True)
            raise typer.Exit(code) from None


def _exit_code(error: ValueError | OSError) -> int | None:
    """None for what is a defect of the program, which keeps its traceback."""
    from bayes_scaling._memory import MemoryRefused
    from bayes_scaling.average import AverageError
    from bayes_scaling.backtest import BacktestError
    from bayes_scaling.datasets import DataSetError
    from bayes_scaling.forecast import DiagnosticsRefused, ForecastError
    from bayes_scaling.law import LawError
    from bayes_scaling.plot import PlotError
    from bayes_scaling.priors import PriorError
    from bayes_scaling.report import CalibrationError, LedgerError, RecordError
    from bayes_scaling.runs import RunsError
    from bayes_scaling.storage import StorageError

    if isinstance(error, DiagnosticsRefused):
        return REFUSED
    known = (
        arguments.UsageError, AverageError, BacktestError, CalibrationError, DataSetError, ForecastError,
        LawError, LedgerError, MemoryRefused, OSError, PlotError, PriorError, RecordError, RunsError,
        StorageError,
    )  # fmt: skip
    return BAD_INPUT if isinstance(error, known) and not isinstance(error, BrokenPipeError) else None


app = typer.Typer(
    cls=_Group,
    name="bayes-scaling",
    help="Bayesian scaling laws: from a table of training runs to a forecast with credible bands.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(version_of("bayes_scaling"))
        raise typer.Exit


@app.command("laws")
def list_laws(as_json: options.Json = False) -> None:
    """List the laws of the zoo, one line each."""
    from bayes_scaling import _render, _render_laws
    from bayes_scaling.laws import folder, law, laws, variants

    every = [(folder(name), law(name)) for name in laws()]
    if as_json:
        records = [_render_laws.law_record(where, one, variants(one.name)) for where, one in every]
        _render.print_json(records)
    else:
        _render_laws.laws(every)


@app.command()
def describe(
    law: Annotated[str, typer.Argument(metavar="LAW", help="Name of a law; NAME:2 is its second variant.")],
    as_json: options.Json = False,
) -> None:
    """Describe a law: equation, variants, inputs, priors, published values, limits, studies, reference."""
    from bayes_scaling import _render, _render_laws
    from bayes_scaling.laws import folder, variants

    one = arguments.named_law(law)
    where, several = folder(one.name), variants(one.name)
    if as_json:
        _render.print_json(_render_laws.law_record(where, one, several))
    else:
        _render_laws.law(where, one, several)


@app.command("datasets")
def list_datasets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Describe this one.")] = None,
    as_json: options.Json = False,
) -> None:
    """List the built-in data sets, embedded or fetched at first use; or describe one with its columns."""
    from bayes_scaling import _render, datasets

    every = [datasets.describe(one) for one in ([name] if name else datasets.names())]
    if as_json:
        records = [asdict(one) | {"embedded": one.embedded} for one in every]
        _render.print_json(records[0] if name else records)
    elif name:
        _render.data_set(every[0])
    else:
        _render.data_sets(every)


@app.command()
def fit(
    data: options.Table,
    law: options.LawName,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the posterior, such as posterior.nc.")],
    group: options.GroupBy = None,
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
    """Fit a law to a table of runs and save the posterior."""
    from bayes_scaling import _render
    from bayes_scaling.engine import Settings

    arguments.check_folder(out, data)
    one = arguments.named_law(law)
    runs = arguments.table(data, group, column, unit)
    settings = Settings(chains=chains, warmup=warmup, draws=draws, seed=seed)
    structure = arguments.structured(no_structure)
    posterior = arguments.fitted(one, runs, x, y, prior, settings, structure)
    kept(posterior, out)
    _render.fitted(posterior)


@app.command("forecast")
def forecast_runs(
    data: options.TableOrPosterior,
    at: Annotated[
        list[str],
        typer.Option("--at", metavar="NAME=VALUE,...", help="A planned run: params=70B,tokens=1.4T."),
    ],
    law: Annotated[
        str | None,
        typer.Option("--law", "-l", help="One law (default: an average of laws for such a table)."),
    ] = None,
    laws: options.LawNames = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", metavar="NAME", help="Accuracy on a task, by way of the loss; repeatable."),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Of several laws: equal, or stacking by a backtest on the table.")
    ] = "equal",
    group: options.GroupBy = None,
    group_value: Annotated[
        list[str] | None,
        typer.Option("--group-value", metavar="NAME", help="Family of the runs, or 'new'; repeatable."),
    ] = None,
    target: Annotated[str, typer.Option(help="mean, new_run or measurement.")] = "new_run",
    as_json: options.Json = False,
    plot: options.Picture = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File for the posterior, such as posterior.nc.")
    ] = None,
    allow_failed: Annotated[
        bool, typer.Option("--allow-failed", help="Forecast although the diagnostics failed.")
    ] = False,
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
    """Forecast planned runs, each for each family, with 50 % and 90 % bands."""
    from bayes_scaling import _render
    from bayes_scaling.average import Average
    from bayes_scaling.engine import Settings
    from bayes_scaling.forecast import forecast
    from bayes_scaling.plot import plot_forecast, writable
    from bayes_scaling.posterior import Posterior

    # everything that can be wrong with the question is found before the sampler starts
    wanted, weighed = arguments.one_of_targets(target), arguments.one_of_weights(weights)
    for path in filter(None, (plot, out)):
        arguments.check_folder(path, data)
    if plot is not None:
        writable(plot)
    if task:
        idle = {"--weights": weights != "equal", "--plot": plot, "--out": out, "--prior": prior, "--x": x}
        _cli_chain.alone({**idle, "--y": y, "--laws": law and laws})
        _cli_chain.forecast_tasks(
            arguments.table(data, group, column, unit),
            task,
            at,
            laws=[arguments.named_law(law)] if law else arguments.named_laws(laws),
            groups=group_value,
            target=wanted,
            settings=Settings(chains=chains, warmup=warmup, draws=draws, seed=seed),
            structure=arguments.structured(no_structure),
            as_json=as_json,
            allow_failed=allow_failed,
        )
        return
    fitting = Fitting(
        law, laws, group, prior, x, y, column, unit, no_structure, chains, warmup, draws, seed, weighed
    )
    pairs: list[tuple[dict[str, Any], str]] = []

    def ask(asked: Sequence[Candidate], runs: Runs) -> None:
        each = [one.law for one in asked]
        planned = arguments.checked(each, arguments.plans(each, at, arguments.fed(asked)))
        pairs.extend(arguments.pair_up(planned, group_value, arguments.common_families(asked, runs)))

    posterior = fitted(data, fitting, ask, {"--out": out})
    if isinstance(posterior, Average) and not allow_failed:
        arguments.must_pass(posterior)
    if out is not None and isinstance(posterior, Posterior):
        kept(posterior, out)
    result = forecast(
        posterior,
        [plan for plan, _ in pairs],
        family=[family for _, family in pairs],
        target=wanted,
        seed=seed,
        allow_failed=allow_failed,
    )
    if plot is not None:
        plot_forecast(posterior, forecasts=result, path=plot)
        typer.echo(f"Wrote the picture to {plot}", err=True)
    notes = list(dict.fromkeys([*posterior.runs.warnings, *result.notes]))
    if as_json:
        answer = {**_render.judged(posterior), "forecasts": result.to_dict(), "notes": notes}
        _render.print_json(answer)
    else:
        _render.forecast(posterior, result, notes)


for _topic in (
    _cli_backtest,
    _cli_decide,
    _cli_design,
    _cli_monitor,
    _cli_review,
    _cli_transfer,
    _cli_ledger,
):
    _topic.register(app)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="bayes-scaling")


if __name__ == "__main__":
    main()
