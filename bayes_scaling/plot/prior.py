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
from bayes_scaling.layout import prepare
from bayes_scaling.observe import BOUND, unlink_numpy
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
        typical range of its inputs; a law of an arbitrary quantity is then relative to the data's centre.
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
    style.heading(axes, "Prior predictive", f"{law.title}: median, 50 % and 90 % bands")
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
    latents = prior_latents(prepared.shape, prepared.data, draws, seed)[None]
    nothing = {name: np.zeros(latents.shape[:2]) for name in STATISTICS}
    with np.errstate(over="ignore"):  # the far tails of wide priors
        return from_draws(prepared, Draws(latents, nothing, restarted=0, interrupted=False, seconds=0.0))


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
    """The law alone over the typical range of its inputs, all of which rise together."""
    rng = np.random.default_rng(seed)
    first = next(i for i in law.inputs if i.kind == "positive")
    columns = {i.name: _typical(i) for i in law.inputs}
    values = {p.name: np.asarray(p.constrain(rng.normal(p.location, p.scale, draws))) for p in law.parameters}

    def one(theta: Mapping[str, Any]) -> Any:
        scheduled = [0 if i.kind == "positive" else None for i in law.inputs]
        return jax.vmap(lambda *xs: law.predictor(*xs, **theta), in_axes=scheduled)(*columns.values())

    with jax.enable_x64(True):
        eta = np.asarray(jax.jit(jax.vmap(one))(values))
    curves = unlink_numpy(law.predicts.link, np.clip(eta, -BOUND, BOUND))
    x, label = columns[first.name], style.named(first.meaning or first.name, first.unit)
    if {"params", "tokens"} <= columns.keys():
        x, label = 6 * columns["params"] * columns["tokens"], "Training compute 6ND (FLOP)"
    elif first.centre == "data":
        label += ", relative to the data's centre"
    axes.plot(x, curves[:LINES].T, color=style.GREY, linewidth=0.5, alpha=0.6, zorder=1.5)
    draw_bands(axes, x, np.quantile(curves, style.QUANTILES, axis=0), _LOOK)
    axes.plot(x, np.median(curves, axis=0), color=_LOOK.colour, linewidth=1.8, zorder=3)
    style.tidy(axes)
    unit = law.predicts.unit if law.predicts.noise == "student" else ""
    name = law.predicts.name.replace("_", " ") if unit else "success rate"
    relative = ", relative to the data's centre" if law.predicts.centre == "data" else ""
    axes.set_xlabel(label, fontsize=style.TEXT)
    axes.set_ylabel(style.named(name, unit) + relative, fontsize=style.TEXT)
    low, high = np.quantile(curves, [0.01, 0.99])
    axes.set_ylim(low, high)
    style.ticks(axes.xaxis, count=7)
    style.ticks(axes.yaxis, count=7)


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
