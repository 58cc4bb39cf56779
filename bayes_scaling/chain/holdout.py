"""Hide the largest models, forecast their accuracies from the others, and compare rival routes by that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bayes_scaling.backtest import BacktestError
from bayes_scaling.chain.fitting import QUICK, fit_chain
from bayes_scaling.chain.forecasts import TaskForecast, forecast_tasks
from bayes_scaling.chain.spec import Chain, Route, chain
from bayes_scaling.chain.tasks import ChainError, read_tasks
from bayes_scaling.engine import Settings
from bayes_scaling.predict import NEW
from bayes_scaling.runs import Runs, subset
from bayes_scaling.scores import crps, stacking_weights, thinned

#: Routes that compete when none are named.
RIVALS: tuple[Route, ...] = ("loss", "direct")
#: Kernel width of the log score, as a share of the standard deviation of the draws, and in accuracy.
BANDWIDTH = (0.25, 1e-3)


def backtest_tasks(
    spec: Chain | None,
    runs: Runs,
    tasks: Sequence[str] | None = None,
    *,
    factor: float = 8.0,
    settings: Settings = QUICK,
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of forecasts of hidden large models on every task.

    Parameters
    ----------
    spec : Chain or None
        ``None`` is `chain` with its defaults.
    runs, tasks : optional
        As in `read_tasks`; the table has params and tokens.
    factor : float
        Compute (6ND) of the largest model over that of the largest which is fitted.
    settings : Settings
    seed : int

    Returns
    -------
    DataFrame
        One row per hidden model and task: ``task``, ``family``, ``params``, ``tokens``, ``accuracy``,
        ``median``, ``q5``, ``q95``, ``error`` and ``width`` (of the 90 % band) as fractions, ``inside``,
        ``crps``, ``log_score``, ``predictable``, ``reason`` and ``noise`` (standard error of the items).

    Raises
    ------
    BacktestError
        If the cut hides no model, or leaves fewer than six.
    """
    if not 1 < factor < np.inf:
        raise BacktestError(f"factor is {factor:g}, expected a finite number above 1")
    table = runs.table
    if not {"params", "tokens"} <= set(table.columns):
        raise BacktestError("hiding the largest models needs the columns params and tokens")
    compute = 6 * table["params"].to_numpy(float) * table["tokens"].to_numpy(float)
    small = compute <= np.nanmax(compute) / factor * (1 + 1e-9)
    if not small.any() or small.all():
        raise BacktestError(f"a cut at 1/{factor:g} of the largest compute leaves or hides no model")
    whole = read_tasks(runs, tasks)
    fitted = read_tasks(subset(runs, small), whole.names)
    if len(fitted.runs) < 6:
        raise BacktestError(f"a cut at 1/{factor:g} leaves {len(fitted.runs)} models, fewer than six")
    rows = whole.table
    hidden = rows[6 * rows["params"] * rows["tokens"] > compute[small].max() * (1 + 1e-9)]
    posterior = fit_chain(spec, fitted, settings=settings)
    keys = ["family", "params", "tokens"]
    plans = hidden.drop_duplicates(keys)[keys]
    known = posterior.families
    result = forecast_tasks(
        posterior,
        plans[["params", "tokens"]].to_dict("records"),
        family=[f if f in known else NEW for f in plans["family"]],
        seed=seed,
        allow_failed=True,
    )
    return scored_rows(result, hidden, plans, keys, posterior.chain.same_items)


def scored_rows(
    result: TaskForecast, hidden: pd.DataFrame, plans: pd.DataFrame, keys: list[str], same_items: float
) -> pd.DataFrame:
    """Hidden rows beside what was forecast of them; ``plans`` are the rows of `hidden[keys]`, once each."""
    place = {row: j for j, row in enumerate(plans.itertuples(index=False, name=None))}
    at = [place[row] for row in hidden[keys].itertuples(index=False, name=None)]
    draws = result.draws[:, at, [result.tasks.index(name) for name in hidden["task"]]]
    truth = hidden["accuracy"].to_numpy()
    q5, median, q95 = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
    verdict = {one.task: one for one in result.verdicts}
    return hidden[[*keys, "task", "accuracy", "items"]].assign(
        median=median,
        q5=q5,
        q95=q95,
        error=median - truth,
        width=q95 - q5,
        inside=(q5 <= truth) & (truth <= q95),
        crps=crps(draws, truth),
        log_score=_log_score(draws, truth),
        predictable=[verdict[name].predictable for name in hidden["task"]],
        reason=[verdict[name].reason for name in hidden["task"]],
        noise=same_items * hidden["se"].to_numpy(),
    )


def _log_score(draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Log density (m,) of the truth under draws (S, m), smoothed by a normal kernel."""
    width = BANDWIDTH[0] * draws.std(axis=0) + BANDWIDTH[1]
    z = (truth - draws) / width
    density = np.exp(-0.5 * z**2).mean(axis=0) / (width * np.sqrt(2 * np.pi))
    return np.log(np.maximum(density, 1e-12))


@dataclass(frozen=True)
class RouteComparison:
    """Rival routes from run to accuracy, by their forecasts of the largest models.

    Parameters
    ----------
    table : DataFrame
        One row per route and task: means of ``error`` (absolute), ``inside``, ``crps`` and ``log_score``.
    weights : mapping of str to float
        Stacking weights of the routes; every task counts the same.
    left_out : mapping of str to str
        Routes that cannot be gone on this table, and why.
    """

    table: pd.DataFrame
    weights: Mapping[str, float]
    left_out: Mapping[str, str]


def compare_routes(
    runs: Runs,
    tasks: Sequence[str] | None = None,
    routes: Sequence[Route | Chain] = RIVALS,
    *,
    factor: float = 8.0,
    settings: Settings = QUICK,
) -> RouteComparison:
    """Compare rival routes by leaving the largest models out.

    Parameters
    ----------
    runs, tasks, factor, settings
        As in `backtest_tasks`.
    routes : sequence of str or Chain
        ``"loss"``, ``"task_loss"``, ``"both"``, ``"direct"``, or chains.

    Raises
    ------
    ChainError
        If no route can be gone.
    """
    found: dict[str, pd.DataFrame] = {}
    left_out: dict[str, str] = {}
    for one in routes:
        spec = one if isinstance(one, Chain) else chain(route=one)
        name = spec.route if not isinstance(one, Chain) else f"{spec.route}: {spec.task_law.name}"
        try:
            found[name] = backtest_tasks(spec, runs, tasks, factor=factor, settings=settings)
        except ChainError as error:
            left_out[name] = str(error)
    if not found:
        raise ChainError(f"no route can be gone: {'; '.join(left_out.values())}")
    keys = ["family", "params", "tokens", "task"]
    each = {name: frame.drop_duplicates(keys).set_index(keys) for name, frame in found.items()}
    common = None
    for frame in each.values():
        common = frame.index if common is None else common.intersection(frame.index)
    assert common is not None
    points = np.stack([frame.loc[common, "log_score"].to_numpy() for frame in each.values()])
    tasks_of = common.get_level_values("task")
    importance = 1 / tasks_of.value_counts().loc[tasks_of].to_numpy(float)
    weights = stacking_weights(points, importance)
    means = [
        frame.loc[common]
        .assign(error=lambda f: f["error"].abs(), route=name)
        .groupby(["route", "task"], sort=False)[["error", "inside", "crps", "log_score"]]
        .mean()
        for name, frame in each.items()
    ]
    table = pd.concat(means).reset_index()
    return RouteComparison(table, dict(zip(each, map(float, weights), strict=True)), left_out)


def average_routes(forecasts: Sequence[TaskForecast], weights: Sequence[float]) -> TaskForecast:
    """One forecast of several routes: draws mixed by weight; routes that disagree add to structure.

    Parameters
    ----------
    forecasts : sequence of TaskForecast
        Of the same plans and tasks.
    weights : sequence of float
        Not negative; they are normalised.

    Raises
    ------
    ChainError
        If the forecasts are not of the same plans, families and tasks, or weights do not fit.
    """
    share = np.asarray(weights, float)
    if len(forecasts) != len(share) or not len(share) or (share < 0).any() or not share.sum() > 0:
        raise ChainError(f"{len(forecasts)} forecasts need as many weights, not negative and not all zero")
    first = forecasts[0]
    for one in forecasts[1:]:
        same = (one.tasks, one.families, one.target, one.draws.shape[1]) == (
            first.tasks, first.families, first.target, first.draws.shape[1],
        )  # fmt: skip
        if not same:
            raise ChainError("the forecasts must be of the same plans, families, tasks and target")
    share = share / share.sum()
    shape = first.draws.shape[1:]
    rng = np.random.default_rng(0)
    flat = thinned([one.draws.reshape(len(one.draws), -1) for one in forecasts], share.tolist(), rng)
    apart = np.stack([one.draws.mean(axis=0) for one in forecasts])
    apart = apart - np.tensordot(share, apart, 1)
    between = np.einsum("k,kmt,kmu->mtu", share, apart, apart)
    frozen = np.tensordot(share, np.stack([one.frozen for one in forecasts]), 1)
    frozen[:2] += between  # counts with the task laws, as structure
    shares = np.tensordot(share, np.stack([one.shares for one in forecasts]), 1)
    held = np.einsum("kmtt->kmt", frozen)
    task_law = np.maximum(held[1] - held[2], 1e-300)
    shares[1] *= np.clip(1 - np.einsum("mtt->mt", between) / task_law, 0.0, 1.0)
    verdicts = tuple(
        next((v for v in each if v.predictable), each[0])
        for each in zip(*(one.verdicts for one in forecasts), strict=True)
    )
    notes = tuple(dict.fromkeys(note for one in forecasts for note in one.notes))
    return replace(
        first,
        draws=flat.reshape(-1, *shape),
        frozen=frozen,
        shares=shares,
        verdicts=verdicts,
        notes=notes,
        law=" + ".join(dict.fromkeys(one.law for one in forecasts)),
        loss=None,
    )
