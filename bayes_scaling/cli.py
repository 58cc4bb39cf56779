"""The command line ``bayes-scaling``: a thin skin over the public functions.

Exit codes: 0 done, 2 bad input, 3 the posterior failed its diagnostics and does not forecast. With ``--json``
standard output holds one JSON value and nothing else; messages and progress go to standard error.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bayes_scaling import _arguments as arguments

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
            typer.echo(f"error: {error}{hint}", err=True)
            raise typer.Exit(code) from None


def _exit_code(error: ValueError | OSError) -> int | None:
    """None for what is a defect of the program, which keeps its traceback."""
    from bayes_scaling.datasets import DataSetError
    from bayes_scaling.forecast import DiagnosticsRefused, ForecastError
    from bayes_scaling.law import LawError
    from bayes_scaling.plot import PlotError
    from bayes_scaling.runs import RunsError
    from bayes_scaling.storage import StorageError

    if isinstance(error, DiagnosticsRefused):
        return REFUSED
    known = (DataSetError, ForecastError, LawError, OSError, PlotError, RunsError, StorageError)
    bad = isinstance(error, (*known, arguments.UsageError)) and not isinstance(error, BrokenPipeError)
    return BAD_INPUT if bad else None


app = typer.Typer(
    cls=_Group,
    name="bayes-scaling",
    help="Bayesian scaling laws: from a table of training runs to a forecast with credible bands.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A table (.csv .tsv .parquet .jsonl .json) or a built-in name.")
]
_LawName = Annotated[
    str, typer.Option("--law", "-l", help="A law, as 'laws' lists them; NAME:2 is its second variant.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
_GroupBy = Annotated[str | None, typer.Option("--group", help="Column with the family (default: 'family').")]
_Prior = Annotated[
    list[str] | None,
    typer.Option("--prior", metavar="NAME=LOW,HIGH", help="Another 90 % prior interval; repeatable."),
]
_X = Annotated[
    str | None, typer.Option("--x", metavar="COLUMN", help="Column that feeds a law of one input.")
]
_Y = Annotated[str | None, typer.Option("--y", metavar="COLUMN", help="Column that the law predicts.")]
_Column = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=THEIRS", help="Our name of a column and the table's; repeatable."),
]
_Unit = Annotated[
    list[str] | None,
    typer.Option(
        "--unit", metavar="COLUMN=UNIT", help="'tokens=billion token', 'loss=bit/token'; repeatable."
    ),
]
_Chains = Annotated[int, typer.Option(min=1, help="Chains.")]
_Warmup = Annotated[int, typer.Option(min=1, help="Warm-up iterations of each chain.")]
_Draws = Annotated[int, typer.Option(min=1, help="Draws of each chain; more follow while too few count.")]
_Seed = Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")]


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(version_of("bayes_scaling"))
        raise typer.Exit


@app.command("laws")
def list_laws(as_json: _Json = False) -> None:
    """List the laws of the zoo."""
    from bayes_scaling import _render
    from bayes_scaling.laws import folder, law, laws

    every = [(folder(name), law(name)) for name in laws()]
    if as_json:
        _print_json([_render.law_record(where, one) for where, one in every])
    else:
        _render.laws(every)


@app.command()
def describe(
    law: Annotated[str, typer.Argument(metavar="LAW", help="Name of a law.")], as_json: _Json = False
) -> None:
    """Describe a law: equation, inputs, priors, published values, limits, reference."""
    from bayes_scaling import _render
    from bayes_scaling.laws import folder

    one = arguments.named_law(law)
    if as_json:
        _print_json(_render.law_record(folder(one.name), one))
    else:
        _render.law(folder(one.name), one)


@app.command("datasets")
def list_datasets(as_json: _Json = False) -> None:
    """List the built-in data sets."""
    from bayes_scaling import _render, datasets

    every = [datasets.describe(name) for name in datasets.names()]
    if as_json:
        _print_json([asdict(one) for one in every])
    else:
        _render.data_sets(every)


@app.command()
def fit(
    data: _Data,
    law: _LawName,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the posterior, such as posterior.nc.")],
    group: _GroupBy = None,
    prior: _Prior = None,
    x: _X = None,
    y: _Y = None,
    column: _Column = None,
    unit: _Unit = None,
    chains: _Chains = 4,
    warmup: _Warmup = 300,
    draws: _Draws = 1500,
    seed: _Seed = 0,
) -> None:
    """Fit a law to a table of runs and save the posterior."""
    from bayes_scaling import _render
    from bayes_scaling.engine import Settings
    from bayes_scaling.storage import save

    arguments.check_folder(out)
    one = arguments.named_law(law)
    runs = arguments.table(data, group, column, unit)
    settings = Settings(chains=chains, warmup=warmup, draws=draws, seed=seed)
    posterior = arguments.fitted(one, runs, x, y, prior, settings)
    save(posterior, out)
    _render.fitted(posterior)
    typer.echo(f"Wrote the posterior to {out}", err=True)


@app.command("forecast")
def forecast_runs(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A table, a built-in name, or a posterior saved by 'fit'.")
    ],
    at: Annotated[
        list[str],
        typer.Option("--at", metavar="NAME=VALUE,...", help="A planned run: params=70B,tokens=1.4T."),
    ],
    law: Annotated[
        str | None, typer.Option("--law", "-l", help="The law to fit; a saved posterior knows its own.")
    ] = None,
    group: _GroupBy = None,
    group_value: Annotated[
        list[str] | None,
        typer.Option("--group-value", metavar="NAME", help="Family of the runs, or 'new'; repeatable."),
    ] = None,
    target: Annotated[str, typer.Option(help="mean, new_run or measurement.")] = "new_run",
    as_json: _Json = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="File for a picture, such as forecast.png.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File for the posterior, such as posterior.nc.")
    ] = None,
    allow_failed: Annotated[
        bool, typer.Option("--allow-failed", help="Forecast although the diagnostics failed.")
    ] = False,
    prior: _Prior = None,
    x: _X = None,
    y: _Y = None,
    column: _Column = None,
    unit: _Unit = None,
    chains: _Chains = 4,
    warmup: _Warmup = 300,
    draws: _Draws = 1500,
    seed: _Seed = 0,
) -> None:
    """Forecast planned runs, each for each family, with 50 % and 90 % bands."""
    from bayes_scaling import _render
    from bayes_scaling.engine import Settings
    from bayes_scaling.forecast import forecast, read_plans
    from bayes_scaling.measurements import measurements
    from bayes_scaling.plot import plot_forecast, writable
    from bayes_scaling.storage import save

    # everything that can be wrong with the question is found before the sampler starts
    wanted = arguments.one_of_targets(target)
    for path in filter(None, (plot, out)):
        arguments.check_folder(path)
    if plot is not None:
        writable(plot)
    if arguments.is_posterior(data):
        fitting = {"--group": group, "--prior": prior, "--x": x, "--y": y, "--column": column, "--unit": unit}
        posterior = arguments.saved(data, law, [name for name, value in fitting.items() if value])
        plans = arguments.plans(posterior.law, at, posterior.prepared.columns)
        read_plans(posterior.law, plans)
        pairs = arguments.pair_up(plans, group_value, posterior.families)
    else:
        one = arguments.named_law(law)
        runs = arguments.table(data, group, column, unit)
        inputs = arguments.feeding(one, x)
        plans = arguments.plans(one, at, inputs or {})
        read_plans(one, plans)
        families = measurements(runs, one, inputs=inputs, response=y).families
        pairs = arguments.pair_up(plans, group_value, families)
        settings = Settings(chains=chains, warmup=warmup, draws=draws, seed=seed)
        posterior = arguments.fitted(one, runs, x, y, prior, settings)
    if out is not None:
        save(posterior, out)
        typer.echo(f"Wrote the posterior to {out}", err=True)
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
        judged = {"passed": posterior.diagnostics.passed, **asdict(posterior.diagnostics)}
        answer = {
            "law": posterior.law.name,
            "diagnostics": judged,
            "forecasts": result.to_dict(),
            "notes": notes,
        }
        _print_json(answer)
    else:
        _render.forecast(posterior, result, notes)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="bayes-scaling")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(_finite(value), indent=2, allow_nan=False, ensure_ascii=False))


def _finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity: null stands for them."""
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
