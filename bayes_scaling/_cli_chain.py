"""``forecast DATA --task NAME``: accuracies of planned runs, by way of their loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from bayes_scaling import _arguments as arguments

if TYPE_CHECKING:
    from bayes_scaling.chain import ChainPosterior, TaskForecast
    from bayes_scaling.engine import Settings
    from bayes_scaling.predict import Target
    from bayes_scaling.runs import Runs
    from bayes_scaling.structure import Structure

#: The smallest part of the variance that is printed.
LEAST_SHARE = 0.05
_WHAT = {
    "mean": "the law's curve",
    "new_run": "one new run",
    "measurement": "the score of one new run on the test set",
}


def alone(others: Mapping[str, Any]) -> None:
    """Refuse options of ``forecast`` that do nothing beside ``--task``."""
    idle = [name for name, value in others.items() if value]
    if idle:
        raise arguments.UsageError(f"{', '.join(idle)} cannot be used together with --task")


def forecast_tasks(
    runs: Runs,
    tasks: Sequence[str],
    at: Sequence[str],
    *,
    laws: Sequence[Any] | None,
    groups: Sequence[str] | None,
    target: Target,
    settings: Settings,
    structure: Structure | None,
    as_json: bool,
    allow_failed: bool,
) -> None:
    """Fit both sides of the default chain, and print the forecast of every task.

    Parameters
    ----------
    runs : Runs
    tasks, at : sequence of str
        Tasks, and plans as ``--at`` gives them.
    laws : sequence of Law, optional
        Laws of the loss.
    groups : sequence of str, optional
        Families of the planned runs.
    target : {"mean", "new_run", "measurement"}
    settings : Settings
    structure : Structure or None
        ``None`` also takes the task law as it is.
    as_json, allow_failed : bool
    """
    from bayes_scaling import _render
    from bayes_scaling.chain import chain, fit_chain, read_tasks
    from bayes_scaling.chain import forecast_tasks as forecast
    from bayes_scaling.rivals import candidates

    table = read_tasks(runs, tasks)
    drift = "default" if structure is not None else None
    spec = chain(list(laws) if laws else None, structure=structure, task_structure=drift)
    asked = candidates(table.runs, spec.loss_laws)
    planned = arguments.checked(spec.loss_laws, arguments.plans(spec.loss_laws, at, arguments.fed(asked)))
    pairs = arguments.pair_up(planned, groups, arguments.common_families(asked, table.runs))
    posterior = fit_chain(spec, table, settings=settings)
    result = forecast(
        posterior,
        [plan for plan, _ in pairs],
        family=[family for _, family in pairs],
        target=target,
        seed=settings.seed,
        allow_failed=allow_failed,
    )
    notes = list(dict.fromkeys([*runs.warnings, *result.notes]))
    if as_json:
        assert posterior.loss is not None  # the default chain goes through the loss
        answer = {
            **_render.judged(posterior.loss),
            "task_law": result.law,
            "task_diagnostics": task_diagnostics(posterior),
            "forecasts": result.to_dict(),
            "verdicts": [one.to_dict() for one in result.verdicts],
            "notes": notes,
        }
        if len(result.tasks) > 1:
            answer["average"] = result.average().to_dict()
        _render.print_json(answer)
    else:
        show(posterior, result, notes)


def task_diagnostics(posterior: ChainPosterior) -> dict[str, Any]:
    """Diagnostics of the task law by task."""
    each = {name: block.posterior.diagnostics for block in posterior.blocks for name in block.tasks}
    return {
        name: {"passed": found.passed, "problems": list(found.problems), "rhat": found.rhat}
        for name, found in each.items()
    }


def show(posterior: ChainPosterior, result: TaskForecast, notes: Sequence[str]) -> None:
    """Print one row per task and plan, the average over tasks, and the verdicts."""
    from rich.console import Console
    from rich.table import Table

    from bayes_scaling.plot import brief
    from bayes_scaling.posterior import Posterior

    console = Console(highlight=False, markup=False)
    between = posterior.loss
    laws = between.law.name if isinstance(between, Posterior) else " + ".join(between.laws if between else ())
    models = len(posterior.tasks.runs)
    console.print(f"Accuracy by {result.law} from the loss by {laws}; {models} models")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title_justify="left")
    table.title = f"accuracy (%): {_WHAT[result.target]}"
    for heading in ("task", "plan", "family", "median", "50 %", "90 %", "variance"):
        table.add_column(heading, overflow="fold")
    names = [*result.tasks, *(["average"] if len(result.tasks) > 1 else [])]
    doubtful = {one.task for one in result.verdicts if not one.predictable}
    for name in names:
        found = result.average() if name == "average" else result.task(name)
        q05, q25, q50, q75, q95 = 100 * found.quantile([0.05, 0.25, 0.5, 0.75, 0.95])
        total = found.sd**2
        for j, (plan, family) in enumerate(zip(found.plans, found.families, strict=True)):
            inputs = "\n".join(f"{k} {brief(float(v))}" for k, v in plan.items())
            shares = {k: v[j] / max(total[j], 1e-300) for k, v in found.variance.items()}
            doubt = "\n".join(
                f"{k.replace('_', ' ')} {100 * s:.0f} %" for k, s in shares.items() if s >= LEAST_SHARE
            )
            table.add_row(
                f"{name} (!)" if name in doubtful else name, inputs, family, f"{q50[j]:.1f}",
                f"{q25[j]:.1f} to {q75[j]:.1f}", f"{q05[j]:.1f} to {q95[j]:.1f}", doubt,
            )  # fmt: skip
    console.print(table)
    for one in result.verdicts:
        if not one.predictable:
            console.print(f"(!) {one.task}: not predictable from these runs: {one.reason}")
    for note in notes:
        typer.echo(f"note: {note}", err=True)
