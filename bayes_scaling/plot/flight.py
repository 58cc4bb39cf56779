"""A run in flight: its path against the plan, its distance from it, and the narrowing forecast of its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from bayes_scaling.decide.monitored import LEAST_ESS, MOST_K, Monitored
from bayes_scaling.plot import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAN, RUN, ALARM = style.COLOURS[0], style.COLOURS[1], style.INK
UNIT_OF = {"step": "steps", "tokens": "tokens", "compute": "FLOP", "samples": "samples", "hours": "hours"}


def plot_monitor(monitored: Monitored, *, path: str | os.PathLike | None = None) -> Figure:
    """A run in flight against its plan.

    Above, the 50 % and 90 % bands of a run that goes to plan, the points so far, and the 90 % band of the
    rest of this run. Middle, the same as distance from the plan's median, with the boundaries of the alarm:
    the run has left its plan where a point lies beyond a dashed line. Below, the forecast of the end after
    every point; a cross where the weights behind it had degenerated.

    Parameters
    ----------
    monitored : Monitored
    path : path, optional
        Where to write the picture.

    Returns
    -------
    Figure

    Raises
    ------
    PlotError
        If the path is no place for a picture.
    """
    if path is not None:
        style.writable(path)
    figure = style.figure(7.2, 7.6)
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[1.2, 1.1, 1.0])
    done = 100 * monitored.at / monitored.watch.end
    n = len(monitored.points)
    positive = monitored.watch.posterior.law.predicts.link == "log"
    _path(top, monitored, done, positive)
    _distance(middle, monitored, done, positive)
    _end(bottom, monitored, done[:n])
    for axes in (top, middle, bottom):
        style.tidy(axes)
        axes.set_xlim(-1.5, 101.5)
    for axes in (middle, bottom):
        style.ticks(axes.yaxis, count=5)
    style.ticks(top.yaxis, count=5)
    style.ticks(bottom.xaxis)
    unit = UNIT_OF.get(monitored.watch.progress, monitored.watch.progress)
    bottom.set_xlabel(
        f"Part of the run (%); it ends at {style.brief(monitored.watch.end)} {unit}", fontsize=style.TEXT
    )
    state = "; ".join(f"{a.kind} since {100 * a.fraction:.0f} %" for a in monitored.alarms) or "to plan"
    low, centre, high = monitored.quantile([0.05, 0.5, 0.95])
    title = f"Run in flight, {100 * monitored.fraction:.0f} % done: {state}"
    end = f"{monitored.response} at the end {centre:.4g}, 90 % {low:.4g} to {high:.4g}"
    family = monitored.watch.family
    style.heading(
        top,
        title,
        end + (f", family {family}" if family not in ("all", "new") else "") + f"; {_law(monitored)}",
    )
    return style.finish(figure, path)


def _law(monitored: Monitored) -> str:
    return monitored.watch.posterior.law.name


def _path(axes: Axes, found: Monitored, done: np.ndarray, positive: bool) -> None:
    q05, q25, q50, q75, q95 = found.plan_band
    axes.fill_between(done, q05, q95, color=PLAN, alpha=0.16, linewidth=0, label="plan, 90 %")
    axes.fill_between(done, q25, q75, color=PLAN, alpha=0.28, linewidth=0, label="plan, 50 %")
    axes.plot(done, q50, color=PLAN, linewidth=1.0, label="plan, median")
    n = len(found.points)
    if found.ahead.shape[1]:
        style_of = {"color": RUN, "linewidth": 1.2, "linestyle": style.LINES[2]}
        axes.plot(done[n:], found.ahead[0], **style_of, label="rest of this run, 90 %")
        axes.plot(done[n:], found.ahead[-1], **style_of)
    _points(axes, found, done[:n], found.points.value, "points")
    if positive:
        axes.set_yscale("log")
    axes.set_ylabel(style.named(found.response, found.unit), fontsize=style.TEXT)
    axes.legend(fontsize=style.SMALL, frameon=False, loc="upper right", ncols=2)


def _distance(axes: Axes, found: Monitored, done: np.ndarray, relative: bool) -> None:
    """Distance from the plan's median: in per cent for a positive quantity, else in its unit."""
    centre, n = found.plan_band[2], len(found.points)

    def apart(values: np.ndarray, where: slice = slice(None)) -> np.ndarray:
        base = centre[where]
        return 100 * (values / base - 1) if relative else values - base

    q05, q25, _, q75, q95 = (apart(row) for row in found.plan_band)
    axes.fill_between(done, q05, q95, color=PLAN, alpha=0.16, linewidth=0)
    axes.fill_between(done, q25, q75, color=PLAN, alpha=0.28, linewidth=0)
    axes.axhline(0, color=PLAN, linewidth=1.0)
    first = slice(0, n)
    for bound in found.boundaries:
        known = np.isfinite(bound)
        axes.plot(
            done[:n][known], apart(bound, first)[known], color=ALARM, linewidth=1.0, linestyle=style.LINES[1],
            label=f"alarm ({100 * found.watch.level:g} % of runs to plan)" if bound is found.boundaries.above
            else None,
        )  # fmt: skip
    if found.ahead.shape[1]:
        for row in (found.ahead[0], found.ahead[-1]):
            axes.plot(
                done[n:], apart(row, slice(n, None)), color=RUN, linewidth=1.2, linestyle=style.LINES[2]
            )
    _points(axes, found, done[:n], apart(found.points.value, first), None)
    axes.set_ylabel(
        "From plan (%)" if relative else style.named("from plan", found.unit), fontsize=style.TEXT
    )
    if n:
        axes.legend(fontsize=style.SMALL, frameon=False, loc="upper right")


def _points(axes: Axes, found: Monitored, done: np.ndarray, values: np.ndarray, label: str | None) -> None:
    """Points of the run, hollow; those where an alarm first went off are filled and ringed."""
    axes.plot(
        done, values, "o", mfc="white", mec=RUN, mew=1.1, markersize=4.0, label=label, zorder=5, linestyle=""
    )
    for alarm in found.alarms:
        k = int(np.flatnonzero(found.points.at == alarm.at)[0])
        axes.plot(done[k], values[k], "s", color=ALARM, markersize=7.0, zorder=6)


def _end(axes: Axes, found: Monitored, done: np.ndarray) -> None:
    """Forecast of the end against how much of the run was seen."""
    x = np.concatenate([[0.0], done])
    good = (found.pareto_k <= MOST_K) & (found.ess >= LEAST_ESS)
    q05, q25, q50, q75, q95 = found.history.T
    axes.vlines(x[good], q05[good], q95[good], color=RUN, linewidth=1.1)
    axes.vlines(x[good], q25[good], q75[good], color=RUN, linewidth=3.2)
    axes.plot(x[good], q50[good], "o", mfc="white", mec=RUN, mew=1.1, markersize=4.5, linestyle="")
    if not good.all():
        for k in np.flatnonzero(~good):
            axes.plot(x[k], 0.03, "x", color=style.GREY, markersize=4, transform=axes.get_xaxis_transform())
        axes.plot([], [], "x", color=style.GREY, markersize=4, linestyle="", label="weights degenerated")
    if found.done:
        axes.axhline(found.points.value[-1], color=style.INK, linewidth=0.9, label="came out")
    if found.done or not good.all():
        axes.legend(fontsize=style.SMALL, frameon=False, loc="upper right")
    axes.set_ylabel(style.named(f"{found.response} at the end", found.unit), fontsize=style.TEXT)
