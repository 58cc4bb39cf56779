"""A run in flight: where its points should lie, whether they still go to plan, and where it will end.

The plan's band is the posterior predictive of the whole path. Points that come reweight the draws of the
posterior with their joint likelihood (Pareto-smoothed importance sampling, Vehtari et al. 2024,
arXiv:1507.02646), in which all checkpoints share the luck of their run; where the weights degenerate, the
draws are moved (_move.py), or the law is fitted again with the points added. Alarms compare the points with
the plan as it was made, so that neither weights nor fits touch their false-alarm rate.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling.decide import _flight as flight
from bayes_scaling.decide._alarm import Boundaries, boundaries
from bayes_scaling.decide._draws import DecisionError, mixed, response_name
from bayes_scaling.decide._flight import Points
from bayes_scaling.decide._luck import Luck, Prefixes, has_checkpoints, luck_at, paths, prefixes, seen
from bayes_scaling.decide._move import moved, with_wobble
from bayes_scaling.decide.monitored import Alarm, Monitored, good
from bayes_scaling.decide.watch import Watch
from bayes_scaling.forecast import QUANTILES
from bayes_scaling.measurements import compress
from bayes_scaling.observe import link_numpy, slope_numpy, unlink_numpy
from bayes_scaling.posterior import Posterior, fit
from bayes_scaling.predict import predict
from bayes_scaling.runs import Runs
from bayes_scaling.sample import Progress

#: Draws that carry the forecast, and simulated runs that carry the alarm, at least.
MOST_DRAWS, SIMULATED = 4_000, 20_000
#: Places of the path beside the points.
PLACES = 40


def read_run(watch: Watch, run: Runs | pd.DataFrame | str | os.PathLike[str] | None) -> Points:
    """The points of a run that count.

    Raises
    ------
    RunsError
        If it is no table.
    DecisionError
        If columns, units or values are none of a run of this plan.
    """
    if run is None:
        return flight.none_yet()
    return flight.read_points(watch.posterior, watch.plan, watch.start, run)


def monitor(
    watch: Watch,
    run: Points | Runs | pd.DataFrame | str | os.PathLike[str] | None = None,
    *,
    refit: bool = True,
    progress: Progress | None = None,
) -> Monitored:
    """What the points of a run say: alarms, the rest of the path, the value at the end.

    Parameters
    ----------
    watch : Watch
        That of the plan, or of what was monitored last (`Monitored.watch`), which spares a second refit.
    run : table or path, optional
        All points so far, in order. Default: none yet.
    refit : bool
        Fit the law again, with the points added, when the weights have degenerated; otherwise the draws are
        moved, in seconds and approximately.
    progress : callable, optional
        Of the refit.

    Raises
    ------
    RunsError, DecisionError
        If the table is none of a run of this plan.
    """
    points = run if isinstance(run, Points) else read_run(watch, run)
    if watch.absorbed > len(points):
        watch = replace(watch, base=None, base_family="", absorbed=0)  # another run, or a shorter one
    found = _judged(watch, points)
    if found.reliable and not found.moved:
        return found
    first = found.moved[0] if found.moved else len(points)
    why = f"after {first} points the weights had degenerated"
    if not refit:
        so = "the draws were moved, which is approximate" if found.reliable else "do not trust the forecast"
        return replace(found, notes=(*found.notes, f"{why}: {so}"))
    base, name = _refitted(watch, points, progress)
    found = _judged(replace(watch, base=base, base_family=name, absorbed=len(points)), points)
    notes = [*found.notes, f"{why}; the law was fitted again with all {len(points)}"]
    if not base.diagnostics.passed:
        notes.append(f"that fit failed its diagnostics: {'; '.join(base.diagnostics.problems)}")
    return replace(found, refitted=why, notes=tuple(notes))


def widening(found: Sequence[Monitored], ends: Sequence[float], prob: float = 0.9) -> float:
    """Factor by which forecasts of the end must be widened to hold what came out, at least 1.

    The smallest with which the central intervals of finished runs, monitored before their end, hold their
    ends with this probability for the next run like them (the rank of split conformal prediction). For
    `watch(..., widen=...)`, where a law is too sure of itself.

    Parameters
    ----------
    found : sequence of Monitored
        Of finished runs, from some of their points; not widened.
    ends : sequence of float
        What came out.
    prob : float
        Of the intervals.

    Raises
    ------
    DecisionError
        If there are too few runs for that probability.
    """
    if len(found) != len(ends) or math.ceil(prob * (len(found) + 1)) > len(found):
        raise DecisionError(
            f"{len(found)} monitored runs with {len(ends)} ends; expected as many of both, and for "
            f"probability {prob:g} at least {math.ceil(prob / (1 - prob) - 1e-9)}"
        )
    ratios = []
    for one, end in zip(found, ends, strict=True):
        low, middle, high = one.quantile([(1 - prob) / 2, 0.5, (1 + prob) / 2])
        ratios.append(abs(end - middle) / max(high - middle if end > middle else middle - low, 1e-300))
    return max(1.0, float(np.sort(ratios)[math.ceil(prob * (len(ratios) + 1)) - 1]))


def _refitted(watch: Watch, points: Points, progress: Progress | None) -> tuple[Posterior, str]:
    posterior, prepared = watch.posterior, watch.posterior.prepared
    runs, name = flight.with_points(posterior, watch.plan, watch.family, points)
    base = fit(
        posterior.law,
        runs,
        inputs=prepared.columns or None,
        response=prepared.response,
        structure=prepared.structure,
        correlate=prepared.shape.correlate,
        prior=posterior.conflict.used if posterior.conflict else None,
        settings=posterior.settings,
        progress=progress,
    )
    return base, name


class _Path(NamedTuple):
    """Draws of one posterior along the run."""

    eta: np.ndarray  # (S, m)
    luck: Luck


def _path(watch: Watch, posterior: Posterior, family: str, at: np.ndarray, error: np.ndarray) -> _Path:
    """The law and its luck at the places ``at`` (m,), on the link scale."""
    rng = np.random.default_rng(watch.seed)
    inputs = {}
    for i in posterior.law.inputs:
        if i.kind == "schedule":
            segments = compress(np.asarray(watch.plan[i.name], float))
            inputs[i.name] = np.broadcast_to(segments, (len(at), *segments.shape))
        else:
            inputs[i.name] = flight.along(posterior.law, watch.plan, i.name, at)
    eta = predict(posterior, inputs, [family] * len(at), rng).eta
    typical = float(np.median(np.diff(np.log(_grid(watch)))))
    return _Path(eta, luck_at(posterior, eta, error, typical))


class _State(NamedTuple):
    """Draws that carry the forecast: which points they have absorbed, and their path."""

    posterior: Posterior
    family: str
    absorbed: int
    path: _Path
    told: Prefixes | None

    def ratio(self, k: int) -> np.ndarray:
        """Log likelihood (S,) of the points from the absorbed ones to the k-th."""
        if self.told is None or k <= self.absorbed:
            return np.zeros(len(self.path.eta))
        known = self.told.log_likelihood
        return known[:, k - 1] - (known[:, self.absorbed - 1] if self.absorbed else 0.0)


def _grid(watch: Watch) -> np.ndarray:
    return np.linspace(max(watch.start, watch.end / PLACES), watch.end, PLACES)


class Plan(NamedTuple):
    """The points beside simulated runs that go to plan."""

    at: np.ndarray  # (m,) progress of the points, then of the rest of the run
    error: np.ndarray  # (m,) on the link scale
    path: _Path
    simulated: np.ndarray  # (N, m) in the response's unit


def against_plan(watch: Watch, points: Points) -> Plan:
    """Simulate runs that go to plan at the points and at the rest of the run."""
    n, link = len(points), watch.posterior.law.predicts.link
    grid = _grid(watch)
    at = np.concatenate([points.at, grid[grid > (points.at[-1] if n else 0.0) * (1 + flight.SAME)]])
    error = np.zeros(len(at))
    error[:n] = points.error / np.abs(slope_numpy(link, points.value))
    error[n:] = np.median(error[:n]) if n else 0.0
    path = _path(watch, carriers(watch, watch.posterior), watch.family, at, error)
    return Plan(at, error, path, unlink_numpy(link, _simulated(path, at, watch.seed)))


def alarms(watch: Watch, points: Points, plan: Plan) -> tuple[Boundaries, tuple[Alarm, ...]]:
    """Boundaries at the points (n,), and the first alarm of each kind."""
    n = len(points)
    bounds = boundaries(plan.simulated[:, :n], points.at / watch.end, watch.level, watch.side)
    return bounds, _alarms(watch, points, bounds)


def _judged(watch: Watch, points: Points) -> Monitored:
    n, link = len(points), watch.posterior.law.predicts.link
    plan = against_plan(watch, points)
    at, simulated, y = plan.at, plan.simulated, link_numpy(link, points.value)
    bounds, off = alarms(watch, points, plan)

    def state(posterior: Posterior, family: str, absorbed: int) -> _State:
        path = _path(watch, posterior, family, at, plan.error)
        return _State(posterior, family, absorbed, path, _told(path, at[:n], y))

    first = carriers(watch, watch.posterior)
    now = _State(first, watch.family, 0, plan.path, _told(plan.path, at[:n], y))
    rng = np.random.default_rng([watch.seed, 0])
    history, quality = np.empty((n + 1, len(QUANTILES))), np.empty((n + 1, 2))
    weights, moves = np.zeros(0), []
    for k in range(n + 1):
        if watch.base is not None and k == watch.absorbed:
            now, moves = state(carriers(watch, watch.base), watch.base_family, k), []
        weights, *quality[k] = _weights(now.ratio(k))
        if not good(*quality[k]):
            new = moved(
                now.posterior,
                now.family,
                lambda one, now=now, k=k: state(one, now.family, now.absorbed).ratio(k),
                rng,
            )
            if new is not None:
                now = state(new, now.family, k)
                weights, *quality[k] = _weights(now.ratio(k))
                moves.append(k)
        ends = _ahead(now, at, k, slice(-1, None), rng)
        middle, spread = _weighted(ends[:, 0], weights, (0.5,)), watch.widen if k else 1.0
        history[k] = _weighted(unlink_numpy(link, middle + spread * (ends[:, 0] - middle)), weights)
    kept = _resampled(weights, rng)
    rest = _ahead(now, at, n, slice(n, None), rng)[kept]
    middle = np.median(rest, axis=0)
    rest = unlink_numpy(link, middle + (watch.widen if n else 1.0) * (rest - middle))
    final = rest[:, -1] if rest.shape[1] else np.full(len(kept), points.value[-1])
    ahead = np.quantile(rest, QUANTILES, axis=0) if rest.shape[1] else np.zeros((len(QUANTILES), 0))
    notes = list(points.notes)
    if not has_checkpoints(watch.posterior):
        notes.append("no fitted run has several checkpoints: how they wobble within a run is the prior's")
    return Monitored(
        watch=watch,
        response=response_name(watch.posterior),
        unit=watch.posterior.law.predicts.unit,
        points=points,
        boundaries=bounds,
        percentile=(simulated[:, :n] < points.value).mean(axis=0),
        alarms=off,
        at=at,
        plan_band=np.quantile(simulated, QUANTILES, axis=0),
        ahead=ahead,
        final=final,
        history=history,
        pareto_k=quality[:, 0],
        ess=quality[:, 1],
        moved=tuple(moves),
        notes=tuple(dict.fromkeys(notes)),
    )


def _simulated(plan: _Path, at: np.ndarray, seed: int) -> np.ndarray:
    """Runs that go to plan, on the link scale: the same curves, each with several lucks."""
    start, times = seen(plan.luck, None, 0), -(-SIMULATED // len(plan.eta))
    lucks = [np.random.default_rng([seed, 1 + j]) for j in range(times)]
    return np.concatenate([paths(plan.luck, at, plan.eta, start, 0.0, rng) for rng in lucks])


def _told(path: _Path, at: np.ndarray, y: np.ndarray) -> Prefixes | None:
    if not len(y):
        return None
    luck = _places(path.luck, slice(0, len(y)))
    return prefixes(luck, at, y - path.eta[:, : len(y)])


def _places(luck: Luck, where: slice) -> Luck:
    return luck._replace(within=luck.within[:, where], between=luck.between[:, where])


def carriers(watch: Watch, posterior: Posterior) -> Posterior:
    """The draws that carry the forecast: not too many, as one chain, with the wobble of checkpoints."""
    few = mixed(posterior, MOST_DRAWS)[0]
    draws = few.tree["posterior"]
    if draws.sizes["chain"] > 1:  # as one chain
        flat = (
            draws.to_dataset().drop_vars(["chain", "draw"]).stack(kept=("chain", "draw"), create_index=False)
        )
        one = flat.rename(kept="draw").expand_dims("chain").transpose("chain", "draw", ...)
        few = replace(few, tree=xr.DataTree.from_dict({"posterior": one}))
    return with_wobble(few, np.random.default_rng([watch.seed, 0]))


def _weights(ratio: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Smoothed weights of draws with these log likelihoods (S,), their Pareto k and effective number."""
    if not ratio.any():
        return np.full(len(ratio), 1 / len(ratio)), 0.0, float(len(ratio))
    from arviz_stats.base.array import array_stats

    smoothed, pareto_k = array_stats.psislw(ratio - ratio.max())
    weights = np.exp(smoothed - smoothed.max())
    weights /= weights.sum()
    return weights, float(pareto_k), float(1 / (weights**2).sum())


def _ahead(now: _State, at: np.ndarray, k: int, where: slice, rng: np.random.Generator) -> np.ndarray:
    """Draws of the path at later places, given the first k points; before any weights."""
    path = now.path
    if not len(at[where]):
        return np.zeros((len(path.eta), 0))
    so_far, last = seen(path.luck, now.told, k), at[k - 1] if k else 0.0
    return paths(_places(path.luck, where), at[where], path.eta[:, where], so_far, last, rng)


def _weighted(values: np.ndarray, weights: np.ndarray, levels: Sequence[float] = QUANTILES) -> np.ndarray:
    """Quantiles of weighted draws."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return np.interp(levels, total - weights[order] / 2, values[order])


def _resampled(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices of as many draws, in proportion to their weights (systematic resampling)."""
    at = (np.arange(len(weights)) + rng.random()) / len(weights)
    return np.minimum(np.searchsorted(np.cumsum(weights), at), len(weights) - 1)


def _alarms(watch: Watch, points: Points, bounds: Boundaries) -> tuple[Alarm, ...]:
    n, found = len(points), []
    crossed: dict[Literal["below plan", "above plan"], tuple[np.ndarray, np.ndarray]] = {
        "below plan": (points.value < bounds.below[:n], bounds.below),
        "above plan": (points.value > bounds.above[:n], bounds.above),
    }
    for kind, (out, bound) in crossed.items():
        if out.any():
            k = int(np.argmax(out))
            at, value = float(points.at[k]), float(points.value[k])
            found.append(Alarm(kind, at, at / watch.end, value, float(bound[k])))
    return tuple(sorted(found, key=lambda alarm: alarm.at))
