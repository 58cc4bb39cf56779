"""The command ``next``: which run, or batch of runs, to make before a large one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_scaling import _arguments as arguments
from bayes_scaling import _cli_answers as answers
from bayes_scaling import _cli_decide as deciding
from bayes_scaling import _options as options
from bayes_scaling._fitting import Fitting, fitted

if TYPE_CHECKING:
    from bayes_scaling.average import Average
    from bayes_scaling.decide import NextRun
    from bayes_scaling.law import Law
    from bayes_scaling.posterior import Posterior
    from bayes_scaling.rivals import Candidate
    from bayes_scaling.runs import Runs

#: Candidates that the table shows; ``--json`` has all of them.
MOST_SHOWN = 20
#: What a candidate may say beside its inputs, and of which two give the third by C = 6 N D.
OWN, DERIVED = ("cost", "family"), ("params", "tokens", "compute")


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("next")(next_run)


def next_run(
    data: options.TableOrPosterior,
    at: Annotated[
        list[str],
        typer.Option(
            "--at", metavar="NAME=VALUE,...", help="The large run: params=70B,tokens=1.4T; repeatable."
        ),
    ],
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            "--candidate",
            metavar="NAME=VALUE,...",
            help="A run that could be made: params=400M,tokens=8B[,cost=..][,family=..]; repeatable.",
        ),
    ] = None,
    candidates: Annotated[
        Path | None, typer.Option("--candidates", help="A CSV file of such runs, one column per input.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Runs to choose together.")] = 1,
    width: Annotated[
        float | None,
        typer.Option("--width", help="Instead, the cheapest batch that narrows the 90 % band to this."),
    ] = None,
    fewest: Annotated[
        int | None,
        typer.Option(
            "--fewest",
            min=0,
            help="With --width: configurations to rest on; default: three per parameter of the law.",
        ),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="width, variance or entropy.")] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="NAME=VALUE", help="Go or no-go at loss=2.0; with --gain, --loss."),
    ] = None,
    gain: Annotated[
        str | None, typer.Option("--gain", help="Worth of a large run that meets --target, in your unit.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option("--loss", help="What one that misses it loses, in your unit.")
    ] = None,
    least: Annotated[
        float, typer.Option("--least", help="Part of the band that a run must take off to be worth it.")
    ] = 0.02,
    no_repeats: Annotated[
        bool, typer.Option("--no-repeats", help="Choose no candidate twice for one batch.")
    ] = False,
    law: deciding.LawName = None,
    laws: options.LawNames = None,
    flop: deciding.Flop = "6",
    price_per_flop: deciding.Price = None,
    group: options.GroupBy = None,
    group_value: deciding.GroupValue = None,
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
    """Which run to make next: what candidates are expected to tell about a large run, for what they cost."""
    from bayes_scaling import _render, decide
    from bayes_scaling.decide._draws import better_of
    from bayes_scaling.decide.candidates import read_asked
    from bayes_scaling.decide.design import check_question
    from bayes_scaling.decide.risk import read_targets

    cost = deciding.cost_of(flop, "0", None, None, None, price_per_flop)
    fitting = Fitting(law, laws, group, prior, x, y, column, unit, no_structure, chains, warmup, draws, seed)
    listed: list[dict[str, Any]] = []
    plans: list[dict[str, Any]] = []
    goals: dict[str, float] = {}

    def ask(asked: Sequence[Candidate], runs: Runs) -> None:
        each, first, fed = [one.law for one in asked], asked[0], arguments.fed(asked)
        known = arguments.common_families(asked, runs)
        arguments.check_family(group_value, known)
        plans.extend(arguments.checked(each, arguments.plans(each, at, fed)))
        rows = [_candidate(text, each, fed) for text in candidate or ()] + _listed(candidates, each, fed)
        if not rows:
            raise arguments.UsageError(
                "there are no candidates; say --candidate NAME=VALUE,... or --candidates FILE"
            )
        read_asked(each, plans, what="target", cost=cost, families=known)
        read_asked(each, rows, what="candidate", cost=cost, families=known)
        if amounts is not None:
            _one_unit(plans, rows, price_per_flop)
        listed.extend(rows)
        if target is not None:
            name = first.response or first.law.predicts.name
            goals.update(read_targets({name: first.law.predicts}, arguments.mapping("--target", [target])))
            better_of(name, None)

    _gain_and_loss(target, gain, loss)
    amounts = deciding.amounts_of(gain, loss, None)
    how: Any = {"batch": batch, "by": by, "width": width, "fewest": fewest, "least": least}
    check_question(stakes=amounts is not None, **how)
    posterior = fitted(data, fitting, ask)
    stakes = deciding.stakes_of(goals, {name: better_of(name, None) for name in goals}, amounts)
    found = decide.next_run(
        posterior, plans, listed, cost=cost, stakes=stakes, family=group_value, seed=seed,
        allow_failed=allow_failed, repeats=not no_repeats, **how,
    )  # fmt: skip
    if as_json:
        notes = {"table_notes": list(posterior.runs.warnings)}
        _render.print_json(_render.judged(posterior) | found.to_dict() | notes)
    else:
        _show(posterior, found)


def _candidate(text: str, laws: Sequence[Any], fed: Any) -> dict[str, Any]:
    """A candidate's inputs, with its cost and family where it says them."""
    parts = [part.strip() for part in text.split(",")]
    inputs = [part for part in parts if part.partition("=")[0].strip() not in OWN]
    told = arguments.mapping("--candidate", [part for part in parts if part not in inputs], where=text)
    plan = deciding.plans_of("--candidate", laws, [",".join(inputs)], fed)[0] if inputs else {}
    return {**plan, **told}


def _listed(path: Path | None, laws: Sequence[Law], fed: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of a file of candidates, whose columns are inputs of the laws, ``cost`` and ``family``."""
    if path is None:
        return []
    import pandas as pd

    from bayes_scaling.law import nearest

    if not path.is_file():
        raise arguments.UsageError(f"--candidates {path}: there is no such file")
    try:
        rows = pd.read_csv(path, skipinitialspace=True).to_dict("records")
    except (ValueError, UnicodeDecodeError) as error:
        why = str(error).strip().splitlines()[0]  # pandas ends some messages with an empty line
        raise arguments.UsageError(f"--candidates {path}: no table with a header line ({why})") from None
    if not rows:
        raise arguments.UsageError(f"--candidates {path}: there are no rows below its header")
    called = {column: name for name, column in fed.items()}
    inputs = [i.name for law in laws for i in law.inputs]
    known = list(dict.fromkeys([*inputs, *called, *DERIVED, *OWN]))
    for column in map(str, rows[0]):
        if column not in known:
            raise arguments.UsageError(
                f"--candidates {path}: no law has an input {column!r}; {nearest(column, known)}"
            )
    return [{called.get(str(name), str(name)): value for name, value in row.items()} for row in rows]


def _one_unit(plans: Sequence[Any], rows: Sequence[Any], price: str | None) -> None:
    """Refuse what the user gains in one unit beside costs in another."""
    if len(plans) > 1:
        raise arguments.UsageError(f"--gain and --loss are of one large run, found {len(plans)} --at")
    if price is None and not any("cost" in row for row in rows):
        raise arguments.UsageError(
            "--gain and --loss are in your unit and the costs in FLOP; say --price-per-flop PRICE, or for "
            "each candidate cost=... in your unit"
        )


def _gain_and_loss(target: str | None, gain: str | None, loss: str | None) -> None:
    if target is None and (gain or loss):
        raise arguments.UsageError(
            "--gain and --loss need --target NAME=VALUE, at which a large run is a success"
        )
    if target is not None and not (gain and loss):
        raise arguments.UsageError(
            "--target needs --gain and --loss: what a run that meets it is worth, and what another loses"
        )


def _show(posterior: Posterior | Average, found: NextRun) -> None:
    from bayes_scaling._render import new_table
    from bayes_scaling.plot import brief

    console = answers.print_head(posterior, found.notes)
    per = "per cent" if found.by != "value" else "gain"
    columns = ("cost", per, "of best per cost", "band")
    best = max(found.best.per_cost, 1e-300)

    def amount(share: float, gain: float) -> str:
        return f"{gain:.3g}" if found.by == "value" else f"{100 * share:.2g}"

    table = new_table("candidate", "run", "kind", *columns, right=columns)
    table.title = f"By {found.by}; the target's 90 % band is {found.width:.3g} wide ({found.scale})"
    for one in found.options[:MOST_SHOWN]:
        run = ", ".join(
            f"{k} {brief(v)}" for k, v in one.plan.items() if isinstance(v, float) and k != "compute"
        )
        told = (
            brief(one.cost),
            amount(one.share, one.gain),
            f"{one.per_cost / best:.2f}",
            f"{one.width:.3g}",
        )
        table.add_row(str(one.number), run, one.kind, *told)
    console.print(table)
    if len(found.options) > MOST_SHOWN:
        console.print(f"... and {len(found.options) - MOST_SHOWN} more")
    if len(found.batch) > 1:
        table = new_table("batch", "candidate", "kind", "cost", per, "band", right=("cost", per, "band"))
        for k, step in enumerate(found.batch, 1):
            told = (brief(step.cost), amount(step.share, step.gain), f"{step.width:.3g}")
            table.add_row(str(k), str(step.number), step.kind, *told)
        table.title = "Together: cost, gain and band of the batch up to each run"
        console.print(table)
    reason = str(found.worth_it)
    console.print(f"{reason[0].upper()}{reason[1:]}.")
