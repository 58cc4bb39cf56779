"""Fit both sides of a chain.

Accuracy depends on the loss that this very run has reached. With measured losses the joint posterior is
therefore the product of two posteriors::

    p(theta_loss, theta_task | data) = p(theta_loss | losses) p(theta_task | accuracies, losses)

and the sides are sampled one after the other, each with its own compiled program, with no approximation.
It is not exact where a model has an accuracy but no loss (it is left out of the task side) and as far as a
measured loss is itself uncertain (its evaluation error is small beside the scatter of accuracies).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bayes_scaling.average import Average
from bayes_scaling.chain.spec import Chain
from bayes_scaling.chain.spec import chain as make_chain
from bayes_scaling.chain.tasks import ChainError, Tasks, read_tasks
from bayes_scaling.compare import average
from bayes_scaling.engine import Settings
from bayes_scaling.law import Law, Parameter, with_priors
from bayes_scaling.layout import prepare
from bayes_scaling.posterior import Posterior, lean, settled, thinned_posterior
from bayes_scaling.predict import NEW, predict
from bayes_scaling.runs import Runs, read_runs
from bayes_scaling.verdict import RESIDUAL_DRAWS

#: Half the width of the floor's 90 % prior interval around a known chance.
AROUND_CHANCE = 0.03
#: Floors of open answers, of tasks below chance (as shares of their lowest scores), of unknown tasks.
OPEN, BELOW, UNKNOWN = (5e-4, 0.03), (0.5, 1.2), (0.01, 0.45)
#: Prior interval of the scatter on the logit: share of that of the items, and upper end.
LEAST_SCATTER, MOST_SCATTER = 0.8, 0.3
#: Fewest models of a task that make a posterior.
LEAST_MODELS = 4

QUICK = Settings(chains=4, warmup=300, draws=500, most_draws=1000)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class TaskPosterior:
    """The task law fitted to one task, or to the tasks of one chance level.

    Parameters
    ----------
    posterior : Posterior
        Of its tree, only the group ``posterior`` is there.
    tasks : tuple of str
    includes_items : bool
        Whether the learnt scatter holds that of sampling the items too.
    """

    posterior: Posterior
    tasks: tuple[str, ...]
    includes_items: bool


@dataclass(frozen=True)
class ChainPosterior:
    """A fitted chain.

    Parameters
    ----------
    chain : Chain
    tasks : Tasks
    loss, task_loss : Posterior, Average or None
        What lies between run and task; the groups of ``task_loss`` are the tasks.
    blocks : tuple of TaskPosterior
    correlation : float
        Between the residuals of different tasks of one model.
    """

    chain: Chain
    tasks: Tasks
    loss: Posterior | Average | None
    task_loss: Posterior | Average | None
    blocks: tuple[TaskPosterior, ...]
    correlation: float

    @property
    def families(self) -> tuple[str, ...]:
        """Lines of models that can be forecast: those with a loss, where the route goes through it."""
        return self.tasks.runs.families if self.loss is None else self.loss.families

    def block(self, task: str) -> TaskPosterior:
        """The posterior that a task belongs to."""
        return next(block for block in self.blocks if task in block.tasks)

    def label(self, task: str, family: str) -> str:
        """The group of the task law for a task and a line of models; ``"new"`` if it was not measured."""
        label = _label(self.chain, task, family)
        return label if label in self.block(task).posterior.families else NEW


def fit_chain(
    chain: Chain | None,
    runs: Runs | pd.DataFrame | Tasks,
    tasks: Sequence[str] | None = None,
    *,
    loss: Posterior | Average | None = None,
    settings: Settings = QUICK,
    progress: Progress | None = None,
) -> ChainPosterior:
    """Fit a loss law and a task law to one table.

    Parameters
    ----------
    chain : Chain or None
        ``None`` is `chain` with its defaults.
    runs : Runs, DataFrame or Tasks
        See `read_tasks`.
    tasks : sequence of str, optional
        Default: all that the table has.
    loss : Posterior or Average, optional
        The loss side, if it is fitted already.
    settings : Settings
    progress : callable, optional
        ``progress(done, total, what)``.

    Raises
    ------
    ChainError
        If a task is unknown or too few models have both an accuracy and what lies before it.
    RunsError
        If the table lacks what the loss law needs.
    """
    spec = chain or make_chain()
    if not isinstance(runs, Tasks):
        runs = read_tasks(runs if isinstance(runs, Runs) else read_runs(runs), tasks)
    elif tasks is not None:
        raise ChainError("name tasks either here or in read_tasks, not in both")
    frames = _blocks(spec, runs)
    count = len(frames) + bool(spec.loss_laws)
    if spec.route in ("loss", "both") and loss is None:
        loss = average(runs.runs, spec.loss_laws, structure=spec.structure, settings=settings)
    elif spec.route in ("direct", "task_loss"):
        loss = None
    task_loss = None
    if spec.route in ("task_loss", "both"):
        table = _task_losses(runs.table)
        task_loss = average(table, spec.loss_laws, structure=spec.structure, settings=settings)
    if progress and spec.loss_laws:
        progress(1, count, "loss")
    pad = (max(map(len, frames.values())), max(f["group"].nunique() for f in frames.values()))
    blocks = []
    for names, frame in frames.items():
        fitted = _fitted(spec, frame, pad, settings)
        blocks.append(TaskPosterior(fitted, names, _includes_items(spec)))
        if progress:
            progress(count - len(frames) + len(blocks), count, ", ".join(names))
    found = ChainPosterior(spec, runs, loss, task_loss, tuple(blocks), 0.0)
    return replace(found, correlation=_correlation(found, frames))


def floor_interval(rows: pd.DataFrame) -> tuple[float, float]:
    """90 % prior interval of the accuracy of a model that learnt nothing, for the rows of one task.

    Around a known chance. A task on which models score clearly below chance is one whose wrong answers
    attract them (raw likelihoods of long answers do): its floor is lower, and known to a factor only.
    """
    p, chance = rows["accuracy"].to_numpy(), float(rows["chance"].iloc[0])
    if not np.isfinite(chance):
        return UNKNOWN
    if chance < AROUND_CHANCE:
        return OPEN
    low, se = float(np.quantile(p, 0.1)), float(np.median(rows["se"]))
    if low < chance - max(3 * se, AROUND_CHANCE):
        return max(BELOW[0] * low, OPEN[0]), min(max(BELOW[1] * low, OPEN[1]), chance)
    return chance - AROUND_CHANCE, chance + AROUND_CHANCE


def _label(chain: Chain, task: str, family: str) -> str:
    return {"task": task, "family": family, "task x family": f"{task} | {family}"}[chain.grouping]


def _blocks(spec: Chain, tasks: Tasks) -> dict[tuple[str, ...], pd.DataFrame]:
    """Rows of each posterior of the task law, by its tasks."""
    table, needed = tasks.table, [i.name for i in spec.task_law.inputs]
    lacking = [name for name in needed if name not in table]
    if lacking:
        raise ChainError(
            f"the route {spec.route!r} needs {lacking[0]!r} beside the accuracies; {tasks.runs.source} has "
            f"{', '.join(c for c in ('loss', 'task_loss', 'params', 'tokens', 'compute') if c in table)}"
        )
    table = table[(table[needed] > 0).all(axis=1)]
    for name in {"loss", "task_loss"} & set(needed):
        best = table.groupby("task")[name].transform("min")
        table = table[np.log(table[name] / best) <= spec.within]
    counts = table["task"].value_counts()
    few = [name for name in tasks.names if counts.get(name, 0) < LEAST_MODELS]
    if few:
        raise ChainError(
            f"task {few[0]!r} has {counts.get(few[0], 0)} models with an accuracy and "
            f"{' and '.join(needed)}; expected {LEAST_MODELS} or more"
        )
    labels = [_label(spec, t, f) for t, f in zip(table["task"], table["family"], strict=True)]
    table = table.assign(group=labels)
    each = {name: table[table["task"] == name] for name in tasks.names}
    if spec.grouping == "family":
        return {(name,): frame for name, frame in each.items()}
    alike: dict[tuple[float, float], list[str]] = {}
    for name, frame in each.items():
        alike.setdefault(floor_interval(frame), []).append(name)
    return {tuple(names): pd.concat([each[n] for n in names]) for names in alike.values()}


def with_floor(law: Law, interval: tuple[float, float]) -> Law:
    """The task law with that prior for its accuracy at chance, whatever it calls it."""
    names = {p.name for p in law.parameters}
    low, high = interval
    for name in ("floor", "chance"):
        if name in names:
            return with_priors(law, {name: interval})
    return with_priors(law, {"eps": (1 - high, 1 - low)}) if "eps" in names else law


def as_response(law: Law, frame: pd.DataFrame, same_items: float) -> dict[str, np.ndarray]:
    """Columns that the task law predicts, from accuracies.

    Counts scatter less on a fixed test set too: they are given out of ``items / same_items^2``, of which the
    binomial standard deviation is ``same_items`` times that of the items.
    """
    p, items, se = (frame[c].to_numpy(float) for c in ("accuracy", "items", "se"))
    if law.predicts.noise == "beta_binomial":
        if not (items > 0).all():
            raise ChainError(
                f"law {law.name!r} counts right answers: give the number of items (n_examples) of every task"
            )
        worth = np.round(items / same_items**2)
        return {law.predicts.name: np.round(p * worth), law.predicts.trials: worth}
    # half an item keeps the logit of none and of all right finite
    p = np.where(items > 0, (p * items + 0.5) / (items + 1), np.clip(p, 1e-3, 1 - 1e-3))
    name = law.predicts.name
    return {name: 1 - p if name == "error" else p, f"{name}_se": same_items * se}


def _fitted(spec: Chain, frame: pd.DataFrame, pad: tuple[int, int], settings: Settings) -> Posterior:
    law = with_floor(spec.task_law, floor_interval(frame))
    if spec.grouping == "family":  # lines of models differ less on one task than tasks do
        law = replace(law, parameters=tuple(_tight(p) for p in law.parameters))
    same_items = spec.same_items
    if _includes_items(spec):
        law, same_items = _with_scatter(law, frame, same_items), 0.0
    columns = {i.name: frame[i.name].to_numpy() for i in law.inputs}
    columns |= {c: frame[c].to_numpy() for c in ("run", "step", "tokens") if c in frame}
    columns |= as_response(law, frame, same_items)
    table = read_runs(pd.DataFrame({"family": frame["group"].to_numpy(), **columns}))
    prepared = prepare(law, table, structure=spec.task_structure, pad=pad)
    return settled(prepared, settings, lean)


def _includes_items(spec: Chain) -> bool:
    """Models of one task share its number of items, so that the error need not be told row by row.

    Then the discrepancy's weights are sampled in coordinates that know the whole scatter.
    """
    return spec.grouping == "family" and spec.task_law.predicts.noise == "student"


def _with_scatter(law: Law, frame: pd.DataFrame, same_items: float) -> Law:
    """The task law with a prior of the scatter, on the link scale, that starts at what the items make."""
    p, se = frame["accuracy"].to_numpy(), frame["se"].to_numpy()
    known = (se > 0) & (p > 0.01) & (p < 0.99)
    if not known.any():
        return law
    items = same_items * float(np.median(se[known] / (p * (1 - p))[known]))
    low, high = LEAST_SCATTER * items, max(MOST_SCATTER, 4 * items)
    return replace(law, predicts=replace(law.predicts, scatter=(low, high)))


def _tight(parameter: Parameter) -> Parameter:
    return replace(parameter, pool="tight") if parameter.pool == "partial" else parameter


def _task_losses(table: pd.DataFrame) -> Runs:
    """The losses on the answers of the tasks as a table of runs, whose families are the tasks."""
    kept = [c for c in ("run", "step", "params", "tokens", "compute") if c in table]
    frame = table.loc[table["task_loss"] > 0, [*kept, "task", "task_loss"]]
    return read_runs(frame.rename(columns={"task": "family", "task_loss": "loss"}))


def _correlation(found: ChainPosterior, frames: dict[tuple[str, ...], pd.DataFrame]) -> float:
    """Mean correlation of the residuals of two tasks over the models; 0 if there is one task."""
    columns = {}
    for block in found.blocks:
        frame, posterior = frames[block.tasks], thinned_posterior(block.posterior, RESIDUAL_DRAWS)
        measured = posterior.prepared.measured
        if posterior.law.predicts.noise != "student":
            return 0.0
        groups = [measured.families[f] for f in measured.family]
        curves = predict(posterior, measured.inputs, groups, np.random.default_rng(0))
        observed = np.asarray(posterior.prepared.data.target)[: len(groups)]
        left = pd.Series(observed - np.median(curves.eta, axis=0), index=measured.row).sort_index()
        rows = frame.iloc[left.index]
        keys = [c for c in ("family", "run", "step", "params", "tokens", "loss") if c in rows]
        for task in block.tasks:
            mine = (rows["task"] == task).to_numpy()
            index = pd.MultiIndex.from_frame(rows.loc[mine, keys])
            series = pd.Series(left.to_numpy()[mine], index=index)
            columns[task] = series[~series.index.duplicated()]
    if len(columns) < 2:
        return 0.0
    matrix = pd.DataFrame(columns).corr(method="spearman", min_periods=8).to_numpy()
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    pairs = pairs[np.isfinite(pairs)]
    return float(np.clip(pairs.mean(), 0.0, 0.9)) if pairs.size else 0.0
