"""Targets that are accuracies on tasks: the chain behind them, for the commands ``risk`` and ``review``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bayes_scaling import _arguments as arguments
from bayes_scaling._fitting import Fitting

if TYPE_CHECKING:
    from bayes_scaling.chain import Chain, ChainPosterior, Tasks
    from bayes_scaling.rivals import Candidate


def chained(
    data: str,
    how: Fitting,
    targets: Mapping[str, Any],
    ask: Callable[[Chain, Tasks, Sequence[Candidate]], None],
) -> ChainPosterior | None:
    """The default chain, where targets are accuracies on tasks of a table; None where they are not.

    Parameters
    ----------
    data : str
    how : Fitting
    targets : mapping
    ask : callable
        Checks the question against the chain, the tasks and the laws of the loss, before the sampler starts.
    """
    from bayes_scaling.chain import chain, fit_chain, read_tasks
    from bayes_scaling.decide.tasks import LOSS, tasks_among
    from bayes_scaling.engine import Settings
    from bayes_scaling.rivals import candidates

    if set(targets) <= {LOSS} or how.y or arguments.is_posterior(data):
        return None
    runs = arguments.table(data, how.group, how.column, how.unit)
    names = tasks_among(runs, targets)
    if not names:
        return None
    alone({"--prior": how.prior, "--x": how.x})
    laws = [arguments.named_law(how.law)] if how.law else arguments.named_laws(how.laws)
    structure = arguments.structured(how.no_structure)
    spec = chain(laws, structure=structure, task_structure=None if structure is None else "default")
    table = read_tasks(runs, names)
    ask(spec, table, candidates(table.runs, spec.loss_laws))
    settings = Settings(chains=how.chains, warmup=how.warmup, draws=how.draws, seed=how.seed)
    return fit_chain(spec, table, settings=settings)


def alone(others: Mapping[str, Any]) -> None:
    """Refuse options that do nothing beside targets of tasks."""
    idle = [name for name, value in others.items() if value]
    if idle:
        raise arguments.UsageError(f"{', '.join(idle)} cannot be used together with a target that is a task")


def judged(whole: ChainPosterior) -> dict[str, Any]:
    """Laws and diagnostics of both sides as JSON."""
    from bayes_scaling import _render
    from bayes_scaling._cli_chain import task_diagnostics

    assert whole.loss is not None  # the default chain goes through the loss
    sides = {"task_law": whole.chain.task_law.name, "task_diagnostics": task_diagnostics(whole)}
    return {**_render.judged(whole.loss), **sides}
