"""Prior predictive: what a law expects before it has seen a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import pandas as pd

from bayes_scaling.engine import STATISTICS
from bayes_scaling.evaluate import prior_latents
from bayes_scaling.law import Input, Law
from bayes_scaling.laws import law as law_by_name
from bayes_scaling.layout import Prepared, prepare
from bayes_scaling.observe import unlink_numpy
from bayes_scaling.plot import _style as style
from bayes_scaling.plot._path import POINTS, abscissa
from bayes_scaling.plot._path import path as curve_path
from bayes_scaling.plot.curves import Look, curve, draw_bands, draw_runs, label_axes, observed
from bayes_scaling.posterior import Posterior, from_draws
from bayes_scaling.predict import NEW
from bayes_scaling.runs import Runs, read_runs
from bayes_scaling.sample import Draws

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = 30
#: Where links are cut off, so that no exponential overflows.
_FARTHEST = 700.0
#: How names of responses are written on an axis.
_WORDS = {
    "params": "parameters",
    "fid": "FID",
    "bleu": "BLEU",
    "eflop": "eFLOP",
    "tifa": "TIFA",
    "nll": "NLL",
    "p": "probability of",
}
_LOOK = Look(style.COLOURS[0], "o", "-", True)


def plot_prior_predictive(
    law: Law | str,
    runs: Runs | pd.DataFrame | None = None,
    *,
    inputs: Mapping[str, str] | None = None,
    response: str | None = None,
    draws: int = 1000,
    seed: int = 0,
    path: str | os.PathLike | None = None,
) -> Figure:
    """What the priors of a law expect: bands of a new run, before any run was seen.

    Parameters
    ----------
    law : Law or str
    runs : Runs or DataFrame, optional
        The runs to be fitted, drawn over the bands. Without them the law's mean curve is drawn over the
        typical range of its first input, or of compute, with the others in the middle of theirs; a law of
        an arbitrary quantity is then relative to the data's centre.
    inputs, response : optional
        Which columns feed a generic law, as in `bayes_scaling.fit`.
    draws : int
        Draws from the prior.
    seed : int
    path : path, optional
        Where to write the picture.

    Returns
    -------
    Figure

    Raises
    ------
    PlotError
        If the path is no place for a picture.
    LawError, RunsError
        If the law is unknown or the table lacks what it needs.
    """
    if path is not None:
        style.writable(path)
    law = law_by_name(law) if isinstance(law, str) else law
    figure = style.figure(7.2, 4.6)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    if law.predicts.link == "log":
        axes.set_yscale("log")
    if runs is None:
        _draw_law(axes, law, draws, seed)
    else:
        runs = runs if isinstance(runs, Runs) else read_runs(runs)
        _draw_runs(axes, from_prior(law, runs, inputs, response, draws, seed))
    bands = "" if runs is None else ": median, 50 % and 90 % bands"  # a law alone has a legend
    style.heading(axes, "Prior predictive", law.title + bands)
    return style.finish(figure, path)


def from_prior(
    law: Law,
    runs: Runs,
    inputs: Mapping[str, str] | None = None,
    response: str | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Posterior:
    """Draws from the prior in the form of a posterior that has learnt nothing, so that it can be forecast."""
    prepared = prepare(law, runs, inputs=inputs, response=response)
    with np.errstate(over="ignore"):  # the far tails of wide priors
        return from_draws(prepared, prior_draws(prepared, draws, seed))


def prior_draws(prepared: Prepared, draws: int, seed: int = 0) -> Draws:
    """Draws from the prior as a sampler would give them, in one chain of which nothing is to be told."""
    latents = prior_latents(prepared.shape, prepared.data, draws, seed)[None]
    nothing = {name: np.zeros(latents.shape[:2]) for name in STATISTICS}
    return Draws(latents, nothing, restarted=0, interrupted=False, seconds=0.0)


def _draw_runs(axes: Axes, prior: Posterior) -> None:
    prepared = prior.prepared
    along = abscissa(prepared, None)
    family = prior.families[0] if len(prior.families) == 1 else NEW
    plans = curve_path(prepared, along, family, None)
    u = np.array([float(along(plan)) for plan in plans])
    with np.errstate(over="ignore", invalid="ignore"):
        centre, bands = curve(prior, plans, family, "new_run")
    draw_bands(axes, u, bands, _LOOK)
    axes.plot(u, centre, color=_LOOK.colour, linewidth=1.8, zorder=3)
    grey = Look(style.INK, "o", "-", False)
    draw_runs(axes, prepared, along, dict.fromkeys(prior.families, grey), ())
    y = observed(prepared)
    if axes.get_yscale() == "log":
        axes.set_ylim(max(bands[0].min(), y.min() / 100), min(bands[-1].max() * 1.05, y.max() * 100))
    label_axes(axes, prepared, along)


def _draw_law(axes: Axes, law: Law, draws: int, seed: int) -> None:
    """The law alone over the typical range of one input, or of compute; the other inputs are held."""
    rng = np.random.default_rng(seed)
    first = next(i for i in law.inputs if i.kind == "positive")
    names = {i.name for i in law.inputs}
    along = {"params", "tokens"} if {"params", "tokens"} <= names else {first.name}
    held = [i for i in law.inputs if i.kind == "positive" and i.name not in along]
    columns = {i.name: _held(i) if i in held else _typical(i) for i in law.inputs}
    values = {p.name: np.asarray(p.constrain(rng.normal(p.location, p.scale, draws))) for p in law.parameters}

    def one(theta: Mapping[str, Any]) -> Any:
        mapped = [0 if i.name in along else None for i in law.inputs]
        return jax.vmap(lambda *xs: law.predictor(*xs, **theta), in_axes=mapped)(*columns.values())

    with jax.enable_x64(True):
        eta = np.asarray(jax.jit(jax.vmap(one))(values))
    curves = unlink_numpy(law.predicts.link, np.clip(eta, -_FARTHEST, _FARTHEST))
    x, label = np.asarray(columns[first.name]), style.named(first.meaning or first.name, first.unit)
    if len(along) > 1:
        x, label = np.asarray(columns["params"] * columns["tokens"]), "Parameters times tokens"
        if first.centre == "none":
            x, label = 6 * x, "Training compute 6ND (FLOP)"
    if first.centre == "data":
        label += ", relative to the data's centre"
    elif len(along) == 1 and _evenly(first, law):
        axes.set_xscale("linear")
    if held:
        label += f"\nat {', '.join(map(_where, held))}"
    bands = np.quantile(curves, style.QUANTILES, axis=0)
    single = axes.plot(x, curves[:LINES].T, color=style.GREY, linewidth=0.5, alpha=0.6, zorder=1.5)
    draw_bands(axes, x, bands, _LOOK)
    (middle,) = axes.plot(x, np.median(curves, axis=0), color=_LOOK.colour, linewidth=1.8, zorder=3)
    style.tidy(axes)
    axes.set_xlabel(label, fontsize=style.TEXT)
    axes.set_ylabel(_predicted(law), fontsize=style.TEXT)
    axes.set_ylim(*_span(curves, bands, axes.get_yscale() == "log"))
    style.ticks(axes.xaxis, count=7)
    style.ticks(axes.yaxis, count=7)
    _legend(axes, middle, single[0])


def _legend(axes: Axes, middle: Any, single: Any) -> None:
    from matplotlib.patches import Patch

    fills = [Patch(facecolor=_LOOK.colour, alpha=alpha) for alpha in (0.41, 0.16)]
    axes.figure.legend(
        handles=[middle, *fills, single],
        labels=["median", "50 % band", "90 % band", f"{LINES} draws of the prior"],
        loc="outside lower left",
        ncols=4,
        frameon=False,
        fontsize=style.SMALL + 0.5,
    )


def _predicted(law: Law) -> str:
    """Label of what the curve is: counts are shown as a share of their trials, events as their number."""
    predicts = law.predicts
    name = predicts.name.replace("_", " ")
    if predicts.noise == "student":
        words = " ".join(_WORDS.get(word, word) for word in name.split())
        relative = ", relative to the data's centre" if predicts.centre == "data" else ""
        return style.named(words, predicts.unit) + relative
    if predicts.noise == "beta_binomial":
        return "Success rate" if name == "n correct" else f"Share {name.removeprefix('n ')}"
    return f"Expected number {name.removeprefix('n ')}"


def _span(curves: np.ndarray, bands: np.ndarray, log: bool) -> tuple[float, float]:
    """Limits that show the bands whole, unless their ends are so far out that nothing else could be seen."""
    move, back = (np.log, np.exp) if log else (np.asarray, np.asarray)
    low, high = move(bands[0].min()), move(bands[-1].max())
    inner = move(np.quantile(curves, [0.01, 0.99]))
    if not high - low <= 2 * (inner[1] - inner[0]):
        low, high = inner
    margin = 0.03 * (high - low)
    return float(back(low - margin)), float(back(high + margin))


def _evenly(i: Input, law: Law) -> bool:
    """Whether an input is read on an even axis: a date, or small numbers that no power law makes straight."""
    low, high = i.typical
    return i.unit == "day" or (law.predicts.link != "log" and high <= 100 and high <= 100 * low)


def _held(i: Input) -> float:
    """The middle of an input's typical range; whole where its ends are small whole numbers (a choice)."""
    if i.centre == "data":
        return 1.0
    low, high = i.typical
    middle = (low * high) ** 0.5
    return float(round(middle)) if low == int(low) and high == int(high) and high <= 100 else middle


def _where(i: Input) -> str:
    name = i.name.replace("_", " ")
    return f"{name} at its centre" if i.centre == "data" else f"{name} = {style.brief(_held(i))}"


def _typical(i: Input) -> np.ndarray:
    """Values from the low to the high end of an input's typical range; a schedule that decays at the end."""
    low, high = i.typical
    if i.kind == "schedule":
        return np.stack(
            [np.repeat([8e4, 1e3], [1, 20]), np.append(high, np.geomspace(high, low, 20))], axis=1
        )
    if i.centre == "data":
        reach = min((high / low) ** 0.5, 100.0)
        low, high = 1 / reach, reach
    return np.geomspace(low, high, POINTS)
