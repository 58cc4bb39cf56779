"""The commands ``allocate`` and ``risk``: how to split a budget, and what a planned run risks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_scaling import _arguments as arguments
from bayes_scaling import _cli_tasks as tasked
from bayes_scaling import _options as options
from bayes_scaling._fitting import Fitting, fitted

if TYPE_CHECKING:
    from bayes_scaling.average import Average
    from bayes_scaling.chain import Chain, Tasks
    from bayes_scaling.decide import Allocation, Cost, Duel, Risk, Stakes
    from bayes_scaling.decide._draws import Better
    from bayes_scaling.posterior import Posterior
    from bayes_scaling.rivals import Candidate
    from bayes_scaling.runs import Runs

LawName = Annotated[
    str | None,
    typer.Option("--law", "-l", help="One law (default: an average of laws for such a table)."),
]
GroupValue = Annotated[
    str | None, typer.Option("--group-value", metavar="NAME", help="Family of the runs, or 'new'.")
]
Allow = Annotated[bool, typer.Option("--allow-failed", help="Answer although the diagnostics failed.")]
_Inference = Annotated[
    str, typer.Option("--inference-tokens", metavar="TOKENS", help="Tokens served; the budget pays for them.")
]
_Unique = Annotated[
    str | None, typer.Option("--unique-tokens", metavar="TOKENS", help="Different tokens that there are.")
]
_Memory = Annotated[
    str | None, typer.Option("--memory-limit", metavar="PARAMS", help="Largest model that fits.")
]
_Size = Annotated[
    list[str] | None, typer.Option("--size", metavar="PARAMS", help="A size that can be trained; repeatable.")
]
Flop = Annotated[str, typer.Option("--flop", metavar="NUMBER", help="Training FLOP per parameter and token.")]
Price = Annotated[
    str | None, typer.Option("--price-per-flop", metavar="PRICE", help="Budgets are then prices, not FLOP.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("allocate")(allocate)
    app.command("risk")(risk)


def allocate(
    data: options.TableOrPosterior,
    budget: Annotated[
        list[str], typer.Option("--budget", metavar="FLOP", help="Training and serving; repeatable.")
    ],
    law: LawName = None,
    laws: options.LawNames = None,
    inference_tokens: _Inference = "0",
    unique_tokens: _Unique = None,
    memory_limit: _Memory = None,
    size: _Size = None,
    flop: Flop = "6",
    price_per_flop: Price = None,
    hold: Annotated[
        str | None, typer.Option("--hold", metavar="NAME=VALUE,...", help="The law's other inputs.")
    ] = None,
    group: options.GroupBy = None,
    group_value: GroupValue = None,
    as_json: options.Json = False,
    allow_failed: Allow = False,
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
    """The compute-optimal parameters and tokens at a budget, and how flat the optimum is."""
    from bayes_scaling import _render, decide
    from bayes_scaling.decide._draws import positive
    from bayes_scaling.decide.allocate import check_trade_off

    cost = cost_of(flop, inference_tokens, unique_tokens, memory_limit, size, price_per_flop)
    budgets = [positive("--budget", text, cost.unit) for text in budget]
    fitting = Fitting(law, laws, group, prior, x, y, column, unit, no_structure, chains, warmup, draws, seed)
    held: dict[str, float] = {}

    def ask(asked: Sequence[Candidate], runs: Runs) -> None:
        each = [one.law for one in asked]
        arguments.check_family(group_value, arguments.common_families(asked, runs))
        for plan in arguments.plans(each, [hold] if hold else [], {}):
            held.update({name: positive(f"--hold {name}", text) for name, text in plan.items()})
        check_trade_off(each, held, cost)
        for one in budgets:
            cost.candidates(one)

    posterior = fitted(data, fitting, ask)
    found = [
        decide.allocate(
            posterior, each, cost=cost, held=held, family=group_value, seed=seed, allow_failed=allow_failed
        )
        for each in budgets
    ]
    if as_json:
        answer = {"allocations": [one.to_dict() for one in found], "notes": list(posterior.runs.warnings)}
        _render.print_json(_render.judged(posterior) | answer)
    else:
        _show_allocations(posterior, found)


def risk(
    data: options.TableOrPosterior,
    at: Annotated[
        str, typer.Option("--at", metavar="NAME=VALUE,...", help="The planned run: params=70B,tokens=1.4T.")
    ],
    target: Annotated[
        list[str],
        typer.Option(
            "--target",
            metavar="NAME=VALUE",
            help="loss=2.0: at most; accuracy=0.7: at least; TASK=0.7: by way of the loss; repeatable.",
        ),
    ],
    gain: Annotated[
        str | None,
        typer.Option("--gain", help="What a run that meets its targets is worth: your own losses decide."),
    ] = None,
    loss: Annotated[str | None, typer.Option("--loss", help="What a run that misses one loses.")] = None,
    wait: Annotated[str | None, typer.Option("--wait", help="What waiting costs.")] = None,
    versus: Annotated[
        str | None,
        typer.Option("--versus", metavar="NAME=VALUE,...", help="Another plan to compare it with."),
    ] = None,
    law: LawName = None,
    laws: options.LawNames = None,
    better: Annotated[
        str | None, typer.Option(help="lower or higher, where the response's name does not say.")
    ] = None,
    level: Annotated[float, typer.Option(help="Probability of value at risk and CVaR.")] = 0.95,
    probability: Annotated[float, typer.Option(help="At which budget is the target met so surely?")] = 0.9,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Refit with other priors, without families or the largest.")
    ] = False,
    other_law: Annotated[
        list[str] | None, typer.Option("--other-law", help="Refit with this law too; repeatable.")
    ] = None,
    inference_tokens: _Inference = "0",
    memory_limit: _Memory = None,
    flop: Flop = "6",
    price_per_flop: Price = None,
    group: options.GroupBy = None,
    group_value: GroupValue = None,
    as_json: options.Json = False,
    allow_failed: Allow = False,
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
    """The risk of a planned run: the probability of its target, and by how much it may miss it."""
    from bayes_scaling import _render, decide
    from bayes_scaling.average import Average
    from bayes_scaling.decide._draws import a_probability, better_of
    from bayes_scaling.decide.risk import read_targets
    from bayes_scaling.decide.tasks import responses, way_of

    cost = cost_of(flop, inference_tokens, None, memory_limit, None, price_per_flop)
    fitting = Fitting(law, laws, group, prior, x, y, column, unit, no_structure, chains, warmup, draws, seed)
    goals: Any = arguments.mapping("--target", target)
    plans: list[dict[str, Any]] = []
    way: Any = better

    a_probability("--level", level)
    a_probability("--probability", probability)
    amounts = amounts_of(gain, loss, wait)
    others = [arguments.named_law(name) for name in other_law or ()]

    def ask_chain(spec: Chain, table: Tasks, asked: Sequence[Candidate]) -> None:
        tasked.alone(
            {"--versus": versus, "--sensitivity": sensitivity, "--other-law": others, "--better": better}
        )
        each = spec.loss_laws
        arguments.check_family(group_value, arguments.common_families(asked, table.runs))
        plans.extend(arguments.checked(each, arguments.plans(each, [at], arguments.fed(asked))))
        read_targets(responses(table.names, each[0].predicts), goals)

    whole = tasked.chained(data, fitting, goals, ask_chain)
    if whole is not None:
        answer = decide.risk(
            whole, plans[0], goals, family=group_value, level=level, probability=probability, cost=cost,
            stakes=stakes_of(goals, {name: way_of(name) for name in goals}, amounts), seed=seed,
            allow_failed=allow_failed,
        )  # fmt: skip
        if as_json:
            notes = list(whole.tasks.runs.warnings)
            _render.print_json({**tasked.judged(whole), "risk": answer.to_dict(), "notes": notes})
        else:
            assert whole.loss is not None  # the default chain goes through the loss
            _show_risk(whole.loss, answer, None, None)
        return

    def ask(asked: Sequence[Candidate], runs: Runs) -> None:
        each, first = [one.law for one in asked], asked[0]
        arguments.check_family(group_value, arguments.common_families(asked, runs))
        arguments.needs_one_law(asked, {"--sensitivity": sensitivity, "--other-law": others})
        texts = [at, *([versus] if versus else [])]
        plans.extend(arguments.checked(each, arguments.plans(each, texts, arguments.fed(asked))))
        name = first.response or first.law.predicts.name
        read_targets({name: first.law.predicts}, goals)
        better_of(name, way)

    posterior = fitted(data, fitting, ask)
    asked: Any = {"family": group_value, "better": way, "seed": seed}
    answer = decide.risk(
        posterior, plans[0], goals, level=level, probability=probability, cost=cost,
        stakes=stakes_of(goals, {name: better_of(name, way) for name in goals}, amounts),
        allow_failed=allow_failed, **asked,
    )  # fmt: skip
    duel = decide.beats(posterior, *plans, allow_failed=allow_failed, **asked) if versus else None
    changed = None
    if (sensitivity or others) and not isinstance(posterior, Average):
        changed = decide.sensitivity(
            posterior,
            plans[0],
            goals,
            laws=others,
            widen=(0.5, 2.0) if sensitivity else (),
            drop_families=sensitivity,
            drop_largest=sensitivity,
            **asked,
        )
    if as_json:
        record = {**_render.judged(posterior), "risk": answer.to_dict(), "versus": duel and duel.to_dict()}
        if changed is not None:
            record["sensitivity"] = json.loads(changed.to_json(orient="records"))
        _render.print_json(record | {"notes": list(posterior.runs.warnings)})
    else:
        _show_risk(posterior, answer, duel, changed)


def amounts_of(gain: str | None, loss: str | None, wait: str | None) -> tuple[float, float, float] | None:
    """What success brings, what failure and waiting cost; None if nothing was said."""
    from bayes_scaling.decide._draws import positive

    if not (gain or loss or wait):
        return None
    if gain is None or loss is None:
        raise arguments.UsageError(
            "your own losses need --gain and --loss: what a run that meets its targets is worth, and what "
            "another loses"
        )
    costs = 0.0 if wait is None or wait.strip() == "0" else positive("--wait", wait)
    return positive("--gain", gain), positive("--loss", loss), costs


def stakes_of(
    goals: Mapping[str, float | str],
    ways: Mapping[str, Better],
    amounts: tuple[float, float, float] | None,
) -> Stakes | None:
    """Go gains so much where all targets are met, and loses so much elsewhere; no-go costs nothing."""
    from bayes_scaling.decide.reading import met_or_missed

    if amounts is None:
        return None
    won, lost, costs = amounts
    each = {name: float(goal) for name, goal in goals.items()}
    return met_or_missed(each, ways, met=-won, missed=lost, wait=costs)


def cost_of(
    flop: str,
    inference: str,
    unique: str | None,
    memory: str | None,
    sizes: Sequence[str] | None,
    price: str | None,
) -> Cost:
    from bayes_scaling.decide import Cost
    from bayes_scaling.decide._draws import positive

    return Cost(
        flop=positive("--flop", flop),
        inference_tokens=0.0
        if inference.strip() == "0"
        else positive("--inference-tokens", inference, "tokens"),
        unique_tokens=None if unique is None else positive("--unique-tokens", unique, "tokens"),
        memory_limit_params=math.inf if memory is None else positive("--memory-limit", memory, "parameters"),
        sizes=tuple(positive("--size", size, "parameters") for size in sizes or ()),
        price_per_flop=None if price is None else positive("--price-per-flop", price),
    )


def print_head(posterior: Posterior | Average, notes: Sequence[str]) -> Any:
    """Diagnostics and notes; the console that they were printed on."""
    from bayes_scaling import _render
    from bayes_scaling.average import Average

    console, notes = _render.new_console(), [*posterior.runs.warnings, *notes]
    if isinstance(posterior, Average):
        _render.average_head(console, posterior, notes)
    else:
        _render.head(console, posterior, [*notes, *posterior.identifiability])
    return console


def _show_allocations(posterior: Posterior | Average, found: Sequence[Allocation]) -> None:
    from bayes_scaling._render import new_table
    from bayes_scaling.plot import brief, fixed

    console = print_head(posterior, [note for one in found for note in one.notes])
    first = found[0]
    table = new_table(f"budget ({first.cost.unit})", "", "params", "tokens", "ratio", first.response)
    for one in found:
        best = one.best
        numbers = (brief(best["params"]), brief(best["tokens"]), f"{best['ratio']:.3g}", fixed(best["value"]))
        table.add_row(brief(one.budget), "best", *numbers)
        ends = {name: one.quantile(name, (0.05, 0.95)) for name in one.draws}
        spans = [f"{brief(ends[name][0])} to {brief(ends[name][1])}" for name in ("params", "tokens")]
        spans += ["{:.3g} to {:.3g}".format(*ends["ratio"]), " to ".join(map(fixed, ends["value"]))]
        table.add_row("", "90 %", *spans)
        flat = one.within(1.0)
        if flat.size:
            table.add_row("", "within 1 %", f"{brief(flat.min())} to {brief(flat.max())}")
    console.print(table)


def _show_risk(posterior: Posterior | Average, answer: Risk, duel: Duel | None, changed: Any) -> None:
    from bayes_scaling._render import new_table
    from bayes_scaling.plot import brief, fixed

    console = print_head(posterior, answer.notes)
    table = new_table("question", "answer")
    if len(answer.tasks) > 1:
        low, high = answer.joint_bounds
        table.add_row(
            "P(all targets)", f"{answer.joint:.3f}; {low:.3f} to {high:.3f} whatever the dependence"
        )
    for task in answer.tasks:
        sense = "<=" if task.better == "lower" else ">="
        table.add_row(f"P({task.task} {sense} {task.target:g})", f"{task.probability:.3f}")
        ends = " to ".join(fixed(task.quantiles[q]) for q in ("0.05", "0.95"))
        table.add_row("median, 90 %", f"{fixed(task.median)}, {ends}")
        table.add_row("expected shortfall", f"{task.shortfall:.3g}; {task.shortfall_if_missed:.3g} if missed")
        table.add_row(
            f"value at risk, CVaR ({task.level:g})", f"{fixed(task.value_at_risk)}, {fixed(task.cvar)}"
        )
    if answer.regret is not None:
        best = answer.regret.best
        low, high = answer.regret.interval
        table.add_row("regret", f"{answer.regret.mean:.3g} ({low:.3g} to {high:.3g})")
        table.add_row("best plan of that budget", f"{brief(best['params'])} on {brief(best['tokens'])}")
    if answer.reach is not None:
        far = answer.reach
        text = f"{far.factor:.3g} times the plan" + ("" if far.budget is None else f", {brief(far.budget)}")
        text = text if math.isfinite(far.factor) else "not within 10 000 times the plan"
        table.add_row(f"budget for P = {far.probability:g}", text)
    table.add_row("reading", f"{answer.reading.action}: {answer.reading.reason}")
    if duel is not None:
        table.add_row("P(better than the other plan)", f"{duel.probability:.3f}")
        ends = " to ".join(f"{duel.difference[q]:.3g}" for q in ("0.05", "0.95"))
        table.add_row("difference, 90 %", f"{duel.mean_difference:.3g}, {ends}")
        where = (
            f"at {duel.crossing:.3g} times both" if math.isfinite(duel.crossing) else "not that we can see"
        )
        table.add_row("they cross", where)
    console.print(table)
    if changed is not None:
        table = new_table("changed", "law", "P", "median", "90 %")
        for _, row in changed.iterrows():
            if isinstance(row["problem"], str):
                table.add_row(row["change"], row["law"], "", "", row["problem"])
                continue
            failed = "" if row["passed"] else " (diagnostics failed)"
            ends = f"{fixed(row['q5'])} to {fixed(row['q95'])}{failed}"
            table.add_row(row["change"], row["law"], f"{row['probability']:.3f}", fixed(row["median"]), ends)
        console.print(table)
