"""Were the bands of a backtest honest: its probability transforms, and its forecasts against the truth."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayes_scaling.backtest import AVERAGE, Backtest
from bayes_scaling.plot import _style as style
from bayes_scaling.scores import POINTS, covered, simultaneous_band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PROB = 0.95
#: Laws with a line of their own beside the one that is judged.
MOST_LAWS = 4


def plot_backtest(backtest: Backtest, *, path: str | os.PathLike | None = None) -> Figure:
    """Calibration of a backtest, and its forecasts of the hidden runs.

    Left, the empirical distribution of the probability integral transforms (PIT: where the truth lies in its
    forecast) less that of uniform ones, for the average of the laws and for each. Calibrated forecasts stay
    in the grey 95 % simultaneous band. An arch above it: forecasts were too high; a bowl below: too low; up
    first and then down: bands too narrow; down and then up: too wide. The band counts a measurement that is
    hidden by several cuts once; runs beyond one cut still share the error of one curve, so that leaving it by
    little says little.

    Right, forecast medians with 90 % bars against what was observed, for the average or the only law; the
    smaller the factor of its cut, the closer a run lies to what was fitted. Filled marks: the bar holds the
    truth.

    Parameters
    ----------
    backtest : Backtest
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
    table, best = backtest.table, backtest.best
    mine = table[table["law"] == best]
    figure = style.figure(9.2, 5.0)
    left, right = figure.subplots(1, 2)
    draw_transforms(left, table, best)
    draw_hidden(right, mine)
    inside = covered(mine["pit"], 0.9).groupby(mine["factor"]).mean().mean()
    who = "the average of the laws" if best == AVERAGE else best
    style.heading(left, "Backtest: is the truth where it was forecast?", "PIT of hidden measurements")
    held = f"90 % bars of {who} held {100 * inside:.0f} %"
    right.text(
        0, 1.02, held, transform=right.transAxes, fontsize=style.TEXT - 0.5, color=style.GREY, va="bottom"
    )
    return style.finish(figure, path)


def draw_transforms(axes: Axes, table: pd.DataFrame, best: str) -> None:
    """Empirical distribution of the transforms less the diagonal, one line per law, over the band."""
    runs = table.loc[table["law"] == best, "row"].nunique()
    x = np.concatenate([[0.0], POINTS, [1.0]])
    low, high = (np.concatenate([[0.0], end - POINTS, [0.0]]) for end in simultaneous_band(runs, PROB))
    note = f"{100 * PROB:.0f} % band if calibrated"
    axes.fill_between(x, low, high, color=style.PALE, linewidth=0, zorder=1, label=note)
    axes.axhline(0, color=style.GREY, linewidth=0.9, zorder=2)
    others = [law for law in table["law"].unique() if law != best][:MOST_LAWS]
    looks: list[tuple[str, dict[str, Any]]] = [
        (best, {"color": style.INK, "linewidth": 2.0, "zorder": 4}),
        *(
            (law, {"color": colour, "linewidth": 1.2, "linestyle": line, "zorder": 3})
            for law, colour, line in zip(others, style.COLOURS, (*style.LINES[1:], "-"), strict=False)
        ),
    ]
    for law, look in looks:
        pit = np.sort(table.loc[table["law"] == law, "pit"].to_numpy())
        at = np.concatenate([[0.0], np.repeat(pit, 2), [1.0]])  # before and after every step
        share = np.repeat(np.arange(len(pit) + 1), 2) / len(pit)
        axes.plot(at, share - at, label=law, **look)
    style.tidy(axes)
    axes.set_xlim(0, 1)
    axes.margins(y=0.08)
    style.ticks(axes.yaxis)
    axes.set_xlabel("Predictive percentile of the truth (PIT)", fontsize=style.TEXT)
    axes.set_ylabel("Share of truths up to there, less the percentile", fontsize=style.TEXT)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.12), ncols=2, frameon=False, fontsize=style.SMALL)


def draw_hidden(axes: Axes, mine: pd.DataFrame) -> None:
    """Forecasts of the hidden runs against what was observed; colour and mark tell the cut."""
    ends = mine[["q5", "q95"]].to_numpy()
    values = np.concatenate([mine["observed"].to_numpy(), mine["median"].to_numpy()])
    truth, log = mine["observed"].to_numpy(), bool((values > 0).all())
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    grouped = mine.groupby("factor", sort=True)
    span = np.log(truth.max() / truth.min()) if log else np.ptp(truth)
    for k, (factor, rows) in enumerate(grouped):
        colour, marker = style.COLOURS[k % len(style.COLOURS)], style.MARKERS[k % len(style.MARKERS)]
        aside = 0.008 * span * (k - (len(grouped) - 1) / 2)  # bars of one run at several cuts
        u = rows["observed"].to_numpy()
        u = u * np.exp(aside) if log else u + aside
        axes.vlines(u, rows["q5"], rows["q95"], color=colour, linewidth=1.1, alpha=0.75, zorder=2)
        held = ((rows["q5"] <= rows["observed"]) & (rows["observed"] <= rows["q95"])).to_numpy()
        for inside in (True, False):
            chosen = held == inside
            face = colour if inside else "white"
            axes.plot(
                u[chosen], rows["median"].to_numpy()[chosen], marker, mfc=face, mec=colour, mew=1.0, ms=5.0,
                zorder=4, label=f"cut at 1/{factor:g}" if inside else None,
            )  # fmt: skip
    room = np.exp(0.06 * span + 1e-9) if log else 0.06 * span + 1e-12
    low, high = truth.min(), truth.max()
    low, high = (low / room, high * room) if log else (low - room, high + room)
    axes.plot([low, high], [low, high], color=style.GREY, linewidth=0.9, zorder=1)
    axes.set_xlim(low, high)
    if log:  # bars that go far beyond every median do not squeeze the others
        ends = np.clip(ends, values.min() / 3, 3 * values.max())
    axes.set_ylim(min(low, ends.min()), max(high, ends.max()))
    style.tidy(axes)
    style.ticks(axes.xaxis)
    style.ticks(axes.yaxis)
    axes.set_xlabel("Observed", fontsize=style.TEXT)
    axes.set_ylabel("Forecast", fontsize=style.TEXT)
    axes.legend(
        title="open: the bar missed",
        title_fontsize=style.SMALL,
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(0, -0.12),
        ncols=2,
        frameon=False,
        fontsize=style.SMALL,
    )
