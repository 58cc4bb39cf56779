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
from bayes_scaling._cli_answers import show_allocations, show_risk
from bayes_scaling._fitting import Fitting, fitted

if TYPE_CHECKING:
    from bayes_scaling.chain import Chain, Tasks
    from bayes_scaling.decide import Cost, Stakes
    from bayes_scaling.decide._draws import Better
    from bayes_scaling.law import Law
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
    from bayes_scaling.decide.allocate import check_budget, check_trade_off
    from bayes_scaling.measurements import measurements

    cost = cost_of(flop, inference_tokens, unique_tokens, memory_limit, size, price_per_flop)
    budgets = [positive("--budget", text, cost.unit) for text in budget]
    fitting = Fitting(law, laws, group, prior, x, y, column, unit, no_structure, chains, warmup, draws, seed)
    held: dict[str, float] = {}

    def ask(asked: Sequence[Candidate], runs: Runs) -> None:
        each = [one.law for one in asked]
        arguments.check_family(group_value, arguments.common_families(asked, runs))
        for plan in plans_of("--hold", each, [hold] if hold else [], {}):
            held.update({name: positive(f"--hold {name}", text) for name, text in plan.items()})
        check_trade_off(each, held, cost)
        first = asked[0]
        fit_to = measurements(runs, first.law, inputs=first.inputs or None, response=first.response).inputs
        for one in budgets:
            check_budget(fit_to, one, cost)
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
        show_allocations(posterior, found)


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
    unique_tokens: _Unique = None,
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

    cost = cost_of(flop, inference_tokens, unique_tokens, memory_limit, None, price_per_flop)
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
        plans.extend(_planned(each, [at], arguments.fed(asked), cost))
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
            show_risk(whole.loss, answer, None, None)
        return

    def ask(asked: Sequence[Candidate], runs: Runs) -> None:
        each, first = [one.law for one in asked], asked[0]
        arguments.check_family(group_value, arguments.common_families(asked, runs))
        arguments.needs_one_law(asked, {"--sensitivity": sensitivity, "--other-law": others})
        texts = [at, *([versus] if versus else [])]
        plans.extend(_planned(each, texts, arguments.fed(asked), cost))
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
    duel = decide.beats(posterior, *plans, cost=cost, allow_failed=allow_failed, **asked) if versus else None
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
            cost=cost,
            **asked,
        )
    if as_json:
        record = {**_render.judged(posterior), "risk": answer.to_dict(), "versus": duel and duel.to_dict()}
        if changed is not None:
            record["sensitivity"] = json.loads(changed.to_json(orient="records"))
        _render.print_json(record | {"notes": list(posterior.runs.warnings)})
    else:
        show_risk(posterior, answer, duel, changed)


def plans_of(
    option: str, laws: Sequence[Law], texts: Sequence[str], fed: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Inputs that another option than ``--at`` gives; what is wrong with them names that option."""
    try:
        return arguments.plans(laws, texts, fed)
    except arguments.UsageError as error:
        raise arguments.UsageError(str(error).replace("--at", option, 1)) from None


def _planned(
    laws: Sequence[Law], texts: Sequence[str], fed: Mapping[str, str], cost: Cost
) -> list[dict[str, Any]]:
    """The runs that are asked about, in numbers; refused where a law or the cost does not allow them."""
    from bayes_scaling.decide._draws import with_unique

    asked: Sequence[Any] = arguments.plans(laws, texts, fed)
    for law in laws:
        asked = with_unique(law, asked, cost)
    planned = arguments.checked(laws, [dict(one) for one in asked])
    for text, one in zip(texts, planned, strict=True):
        if "params" in one:
            cost.check_size(one["params"], text)
    return planned


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
