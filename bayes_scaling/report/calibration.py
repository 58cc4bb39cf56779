"""The team's own calibration: how often the truth fell where the forecasts said it would."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_scaling.law import Z90
from bayes_scaling.plot import _style as style
from bayes_scaling.report.outcome import Outcome
from bayes_scaling.scores import LEVELS, POINTS, covered, simultaneous_band, uniformity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PROB = 0.9
#: Larger relative errors are those of a truth that is zero but for rounding.
MOST = 1e9


class CalibrationError(ValueError):
    """There is nothing from which a calibration could be drawn."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many outcomes one band held.

    Parameters
    ----------
    prob : float
        What the band promised.
    held, count : int
    low, high : float
        Ends of the 90 % Jeffreys interval of the share that it holds in the long run.
    """

    prob: float
    held: int
    count: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Share of the outcomes that it held."""
        return self.held / self.count


@dataclass(frozen=True, slots=True)
class Calibration:
    """Summary of a ledger.

    Parameters
    ----------
    count, records : int
        Outcomes, and pre-registrations from which they come. Plans of one record share their errors: many
        plans of few records say less than the intervals of `coverage` claim.
    coverage : tuple of Coverage
        Of the 50, 80, 90 and 95 % bands.
    mean_pit : float
        0.5 if calibrated; less if forecasts tend to be above the truth.
    mean_pit_range : tuple of float
        Where 90 % of mean PITs of so many calibrated forecasts lie (normal approximation).
    bias : float or None
        Mean of (median - truth) / |truth|: positive if forecasts tend to be above the truth. None if all
        truths are zero; those that are zero are left out.
    error : float or None
        Mean of |median - truth| / |truth|.
    uniform : bool
        Whether the PITs stay inside the 90 % band of `scores.simultaneous_band`.
    """

    count: int
    records: int
    coverage: tuple[Coverage, ...]
    mean_pit: float
    mean_pit_range: tuple[float, float]
    bias: float | None
    error: float | None
    uniform: bool


def calibrate(outcomes: Sequence[Outcome]) -> Calibration:
    """Coverage, mean PIT and bias of outcomes.

    Raises
    ------
    CalibrationError
        If there are none.
    """
    if not outcomes:
        raise CalibrationError("there are no outcomes yet: 'bayes-scaling score RECORD --outcome loss=1.93'")
    pit = np.array([one.pit for one in outcomes])
    errors = np.array([(one.median - one.truth) / abs(one.truth) for one in outcomes if one.truth])
    errors = errors[np.abs(errors) < MOST]
    half = Z90 / math.sqrt(12 * len(pit))
    return Calibration(
        count=len(pit),
        records=len({one.record for one in outcomes}),
        coverage=tuple(_coverage(p, int(covered(pit, p).sum()), len(pit)) for p in LEVELS),
        mean_pit=float(pit.mean()),
        mean_pit_range=(max(0.0, 0.5 - half), min(1.0, 0.5 + half)),
        bias=float(errors.mean()) if errors.size else None,
        error=float(np.abs(errors).mean()) if errors.size else None,
        uniform=uniformity(pit, PROB)[1],
    )


def _coverage(prob: float, held: int, count: int) -> Coverage:
    low, high = jeffreys(held, count)
    return Coverage(prob, held, count, low, high)


def jeffreys(held: int, count: int, prob: float = PROB) -> tuple[float, float]:
    """Equal-tailed Jeffreys interval of a binomial share (Brown, Cai & DasGupta 2001, section 4.3).

    Parameters
    ----------
    held, count : int
    prob : float

    Returns
    -------
    tuple of float
        Its ends; 0 where nothing was held, and 1 where all was.
    """
    from scipy.special import betaincinv

    a, b = held + 0.5, count - held + 0.5
    low = float(betaincinv(a, b, (1 - prob) / 2)) if held else 0.0
    return low, float(betaincinv(a, b, (1 + prob) / 2)) if held < count else 1.0


# --- picture -----------------------------------------------------------------------------------------------


def plot_calibration(outcomes: Sequence[Outcome], *, path: str | os.PathLike | None = None) -> Figure:
    """PITs of all outcomes against uniformity, and how many outcomes each band held.

    Left, the empirical distribution of the PITs and the 90 % simultaneous band in which that of calibrated
    forecasts lies; right, the share of outcomes that each band held, with its Jeffreys interval.

    Parameters
    ----------
    outcomes : sequence of Outcome
    path : path, optional
        Where to write the picture.

    Returns
    -------
    Figure

    Raises
    ------
    CalibrationError
        If there are no outcomes.
    PlotError
        If the path is no place for a picture.
    """
    if path is not None:
        style.writable(path)
    found = calibrate(outcomes)
    figure = style.figure(8.2, 3.9)
    left, right = figure.subplots(1, 2, width_ratios=[1.55, 1.0])
    _draw_pit(left, np.sort([one.pit for one in outcomes]))
    _draw_coverage(right, found)
    style.heading(left, "Calibration of the team's own forecasts", _subtitle(found))
    return style.finish(figure, path)


def _subtitle(found: Calibration) -> str:
    bias = "" if found.bias is None else f", bias {signed(100 * found.bias)} %"
    return f"{counted(found.count, 'outcome')} of {counted(found.records, 'record')}{bias}"


def counted(count: int, noun: str) -> str:
    """1 record, 2 records."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def signed(value: float) -> str:
    """A number with its sign, to a tenth: +1.2."""
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def _draw_pit(axes: Axes, pit: np.ndarray) -> None:
    low, high = simultaneous_band(len(pit), PROB)
    x = np.concatenate([[0.0], POINTS, [1.0]])
    low, high = (np.concatenate([[0.0], side, [1.0]]) for side in (low, high))
    axes.fill_between(x, low, high, color=style.PALE, linewidth=0, zorder=1)
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.9, zorder=2)
    at, share = np.concatenate([[0.0], pit, [1.0]]), np.arange(len(pit) + 1) / len(pit)
    axes.stairs(share, at, baseline=None, color=style.COLOURS[0], linewidth=1.7, zorder=3)
    axes.plot(
        pit, np.full(len(pit), -0.03), "|", color=style.INK, markersize=6, markeredgewidth=0.8, zorder=4
    )
    style.tidy(axes)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.06, 1.02)
    style.ticks(axes.yaxis)
    axes.set_xlabel("Predictive percentile of the truth (PIT)", fontsize=style.TEXT)
    axes.set_ylabel("Share of outcomes up to there", fontsize=style.TEXT)
    note = "grey: 90 % of calibrated\nforecasters stay inside"
    small = {"fontsize": style.SMALL, "color": style.GREY}
    axes.text(0.98, 0.06, note, transform=axes.transAxes, ha="right", va="bottom", zorder=5, **small)


def _draw_coverage(axes: Axes, found: Calibration) -> None:
    places = np.arange(len(found.coverage))[::-1]
    for y, one in zip(places, found.coverage, strict=True):
        axes.plot([100 * one.low, 100 * one.high], [y, y], color="#8bbfdd", linewidth=5, zorder=2)
        axes.plot(100 * one.share, y, "o", color=style.COLOURS[0], markersize=6, zorder=4, clip_on=False)
        axes.plot([100 * one.prob] * 2, [y - 0.3, y + 0.3], color=style.INK, linewidth=1.6, zorder=3)
        told = f"{one.held} of {one.count}"
        axes.text(2, y + 0.16, told, fontsize=style.SMALL, color=style.INK)
    style.tidy(axes)
    axes.grid(False, axis="y")
    axes.set_yticks(places, [f"{100 * one.prob:g} %" for one in found.coverage])
    axes.set_ylim(-0.6, len(places) - 0.4)
    axes.set_xlim(0, 102)
    axes.set_xlabel("Outcomes inside the band (%)", fontsize=style.TEXT)
    axes.set_ylabel("Band", fontsize=style.TEXT)
    note = "bar: 90 % Jeffreys interval, stroke: promised"
    axes.text(0, 1.02, note, transform=axes.transAxes, fontsize=style.SMALL, color=style.GREY, va="bottom")
