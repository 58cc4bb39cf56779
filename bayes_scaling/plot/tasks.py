"""Accuracies against the loss: what was measured, the task law, and planned runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from bayes_scaling.chain import ChainPosterior, TaskForecast, Tasks, verdicts
from bayes_scaling.observe import unlink_numpy
from bayes_scaling.plot import _style as style
from bayes_scaling.posterior import thinned_posterior
from bayes_scaling.predict import predict
from bayes_scaling.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
#: Points of a curve, and draws that its band rests on.
GRID, DRAWS = 40, 600


def plot_tasks(
    posterior: ChainPosterior,
    forecast: TaskForecast | None = None,
    *,
    hidden: Tasks | None = None,
    family: str | None = None,
    path: str | os.PathLike | None = None,
) -> Figure:
    """Accuracy against the loss for every task of a chain.

    Points are measured models, one mark per line of models; the curve is the task law with its drift for one
    line (median and 90 % band); bars are planned runs: 90 % of their loss across, 90 % of their accuracy up.
    The frame of a task that is not predictable is grey and says so.

    Parameters
    ----------
    posterior : ChainPosterior
        Through the loss.
    forecast : TaskForecast, optional
        Planned runs to draw.
    hidden : Tasks, optional
        Models that were measured but not fitted, drawn as open marks.
    family : str, optional
        Line of models of the curve; default: that of the first planned run, else the first.
    path : path, optional
        Where to write the picture.

    Returns
    -------
    Figure

    Raises
    ------
    PlotError
        If the chain does not go through the loss alone, the family was not measured, or the path is no place
        for a picture.
    """
    if path is not None:
        style.writable(path)
    if posterior.chain.route != "loss":
        raise style.PlotError(f"plot_tasks draws the route 'loss', not {posterior.chain.route!r}")
    known = posterior.families
    shown = family or (forecast.families[0] if forecast else known[0])
    if shown not in (*known, "new"):
        raise style.PlotError(f"family {shown!r} was not measured; known: {', '.join(known)}")
    names = posterior.tasks.names
    rows = -(-len(names) // COLUMNS)
    across = min(len(names), COLUMNS)
    figure = style.figure(2.5 * across + 0.6, 2.35 * rows + 0.7)
    panels = np.atleast_1d(figure.subplots(rows, across, squeeze=False)).ravel()
    judged = {one.task: one for one in (forecast.verdicts if forecast else verdicts(posterior))}
    for panel, name in zip(panels, names, strict=False):
        draw_task(panel, posterior, name, shown, forecast, judged[name], hidden)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=style.SMALL)
    return style.finish(figure, path)


def draw_task(
    axes: Axes,
    posterior: ChainPosterior,
    task: str,
    family: str,
    forecast: TaskForecast | None,
    verdict: Verdict,
    hidden: Tasks | None = None,
) -> None:
    """One panel: points, curve, planned runs."""
    table = posterior.tasks.table
    mine = table[(table["task"] == task) & (table["loss"] > 0)]
    looks = {line: k for k, line in enumerate(sorted(set(mine["family"])))}
    if hidden is not None:
        others = hidden.table[(hidden.table["task"] == task) & (hidden.table["loss"] > 0)]
        for line, models in others.groupby("family"):
            k = looks.setdefault(str(line), len(looks))
            axes.plot(
                models["loss"], 100 * models["accuracy"], style.MARKERS[k % len(style.MARKERS)], ms=4.5,
                mfc="white", mec=style.COLOURS[k % len(style.COLOURS)], zorder=5,
                label=f"{line}, not fitted" if line not in set(mine["family"]) else None,
            )  # fmt: skip
    for line, models in mine.groupby("family"):
        k = looks[str(line)]
        axes.plot(
            models["loss"], 100 * models["accuracy"], style.MARKERS[k % len(style.MARKERS)], ms=4.0, mew=0.6,
            mec="white", color=style.COLOURS[k % len(style.COLOURS)], label=str(line), zorder=3,
        )  # fmt: skip
    low, high = mine["loss"].min(), mine["loss"].max()
    if forecast is not None and forecast.loss is not None:
        low = min(low, float(np.quantile(forecast.loss, 0.05)))
    grid = np.geomspace(0.98 * low, 1.01 * high, GRID)
    few = thinned_posterior(posterior.block(task).posterior, DRAWS)
    label = posterior.label(task, family)
    curves = predict(few, {"loss": grid}, [label] * GRID, np.random.default_rng(0))
    p = unlink_numpy(few.prepared.shape.link, curves.eta)
    p = 100 * (1 - p if few.law.predicts.name == "error" else p)
    q5, q50, q95 = np.quantile(p, [0.05, 0.5, 0.95], axis=0)
    axes.fill_between(grid, q5, q95, color=style.PALE, linewidth=0, zorder=1)
    axes.plot(grid, q50, color=style.INK, linewidth=1.2, zorder=2, label=f"law, {family}")
    if forecast is not None:
        _draw_plans(axes, forecast, task)
    axes.invert_xaxis()
    style.tidy(axes)
    style.ticks(axes.xaxis, count=4)
    style.ticks(axes.yaxis, count=5)
    chance = posterior.tasks.chance(task)
    if np.isfinite(chance) and chance > 0:
        axes.axhline(100 * chance, color=style.GREY, linewidth=0.8, linestyle=style.LINES[2], zorder=1)
    title = task if verdict.predictable else f"{task}: not predictable"
    colour = style.INK if verdict.predictable else style.GREY
    axes.set_title(title, loc="left", fontsize=style.TEXT, fontweight="bold", color=colour)
    axes.set_xlabel("Loss (nat/token)", fontsize=style.SMALL)
    axes.set_ylabel("Accuracy (%)", fontsize=style.SMALL)


def _draw_plans(axes: Axes, forecast: TaskForecast, task: str) -> None:
    if forecast.loss is None:
        return
    found = forecast.task(task)
    low, high = 100 * found.interval(0.9)
    for j, middle in enumerate(100 * found.median):
        loss = np.quantile(forecast.loss[:, j], [0.05, 0.5, 0.95])
        label = "planned, 90 %" if j == 0 else ""  # an empty one stays out of the legend
        axes.vlines(loss[1], low[j], high[j], color=style.INK, linewidth=2.0, zorder=4, label=label)
        axes.hlines(middle, loss[0], loss[2], color=style.INK, linewidth=2.0, zorder=4)
