"""The main picture: runs by family, the law's curve with its bands, and the planned runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from bayes_scaling.average import Average
from bayes_scaling.forecast import Forecast, forecast
from bayes_scaling.layout import Prepared
from bayes_scaling.plot import _style as style
from bayes_scaling.plot._path import Abscissa, abscissa, column_of, path, rows_of
from bayes_scaling.plot._planned import draw_planned, family_word
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import NEW, Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Families with a marker of their own in the legend; the others share one.
MOST_NAMED = 12
#: Laws of an average that the subtitle names.
MOST_LAWS = 3
#: Draws for a smooth band.
SMOOTH = 8000
#: Families whose curves are drawn when nothing is planned.
MOST_CURVES = 4

_WHAT: Mapping[str, str] = {
    "mean": "the mean curve",
    "new_run": "a new run",
    "measurement": "a new measurement",
}


class Look(NamedTuple):
    """How one family is drawn."""

    colour: str
    marker: str
    line: Any
    filled: bool


def plot_forecast(
    posterior: Posterior | Average,
    plans: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame | None = None,
    *,
    forecasts: Forecast | Sequence[Forecast] | None = None,
    family: str | Sequence[str] | None = None,
    x: str | None = None,
    target: Target = "new_run",
    allow_failed: bool = False,
    path: str | os.PathLike | None = None,
) -> Figure:
    """Response against compute: the runs by family, the curve with 50 % and 90 % bands, the planned runs.

    Every family that is forecast has one curve: along the trend of its inputs over its data, then straight in
    the logs of the inputs to its farthest planned run.

    Parameters
    ----------
    posterior : Posterior or Average
        Of an average, the curve and its bands are those of the mixture of its laws.
    plans : mapping, sequence of mappings or DataFrame, optional
        Planned runs, as `bayes_scaling.forecast` takes them.
    forecasts : Forecast or sequence of Forecast, optional
        Forecasts made before, instead of ``plans``; their targets must be the same.
    family : str or sequence of str, optional
        Family of the plans (default: the only one, or ``"new"``). Without plans: whose curves to draw over
        the data, by default every family's if there are few.
    x : str, optional
        ``"compute"``, the default for laws in parameters and tokens (6ND), or an input of the law.
    target : {"mean", "new_run", "measurement"}
        What the bands and ``plans`` are about; that of ``forecasts`` where these are given.
    allow_failed : bool
        Forecast ``plans`` although the diagnostics failed.
    path : path, optional
        Where to write the picture; the ending decides the format.

    Returns
    -------
    Figure

    Raises
    ------
    PlotError
        If both plans and forecasts are given, the forecasts differ in target, ``x`` is unknown, the path is
        no place for a picture, or only some laws of an average need a learning-rate schedule.
    ForecastError
        If a plan cannot be forecast, or the diagnostics refuse.
    """
    made = _forecasts(posterior, plans, forecasts, family, target, allow_failed)
    if path is not None:
        style.writable(path)
    first = _first(posterior)
    prepared = first.prepared
    along = abscissa(prepared, x)
    target = made[0].target if made else target
    planned = [
        (plan, name, f, j)
        for f in made
        for j, (plan, name) in enumerate(zip(f.plans, f.families, strict=True))
    ]
    shown = list(dict.fromkeys(name for _, name, *_ in planned)) or _asked(posterior, family)
    looks = _looks(posterior.families, shown)
    figure = style.figure(8.2, 5.2)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    if prepared.shape.link == "log" and observed(prepared).min() > 0:
        axes.set_yscale("log")
    others = draw_runs(axes, prepared, along, looks, shown)
    handles: list[Any] = []
    for name in shown:
        own = [plan for plan, its, _, _ in planned if its == name]
        farthest = max(own, key=lambda plan: float(along(plan)), default=None)
        faint = 1.0 if planned or len(shown) == 1 else 0.5
        handles += draw_curve(axes, posterior, along, name, farthest, target, looks[name], faint)
    handles += others + _band_handles(target, bool(planned))
    _limits(axes, prepared)
    if planned:
        draw_planned(axes, first, along, planned, {name: look[:2] for name, look in looks.items()})
    label_axes(axes, prepared, along)
    families = "1 family" if len(posterior.families) == 1 else f"{len(posterior.families)} families"
    subtitle = f"Fitted to {len(prepared.measured.response)} measurements of {families}"
    title = first.law.title
    if isinstance(posterior, Average):
        title = f"Average of {len(posterior.laws)} laws" if len(posterior.laws) > 1 else title
        subtitle += f": {_weights(posterior)}"
    if not all(one.diagnostics.passed for one in _each(posterior)):
        subtitle += " \N{EM DASH} the sampler's diagnostics FAILED"
    style.heading(axes, title, subtitle)
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=min(4, len(handles)),
        frameon=False,
        fontsize=style.SMALL + 0.5,
        handlelength=2.6,
        columnspacing=1.6,
    )
    return style.finish(figure, path)


def _each(posterior: Posterior | Average) -> tuple[Posterior, ...]:
    return posterior.posteriors if isinstance(posterior, Average) else (posterior,)


def _first(posterior: Posterior | Average) -> Posterior:
    """The posterior whose runs and axes are drawn: all laws of an average have the same table."""
    return _each(posterior)[0]


def _weights(whole: Average) -> str:
    """The laws that weigh most, and how much."""
    heaviest = sorted(whole.laws.items(), key=lambda item: -item[1])
    named = [f"{law} {100 * weight:.0f} %" for law, weight in heaviest[:MOST_LAWS]]
    rest = len(heaviest) - len(named)
    return ", ".join([*named, *([f"{rest} more"] if rest else [])])


def _forecasts(
    posterior: Posterior | Average,
    plans: Any,
    forecasts: Forecast | Sequence[Forecast] | None,
    family: str | Sequence[str] | None,
    target: Target,
    allow_failed: bool,
) -> list[Forecast]:
    if plans is not None and forecasts is not None:
        raise style.PlotError("give plans or forecasts, not both: forecasts carry their own plans")
    if plans is not None:
        return [forecast(posterior, plans, family=family, target=target, allow_failed=allow_failed)]
    made = [forecasts] if isinstance(forecasts, Forecast) else list(forecasts or ())
    if len({f.target for f in made}) > 1:
        found = ", ".join(sorted({f.target for f in made}))
        raise style.PlotError(f"forecasts of different targets do not share bands: {found}")
    law = " + ".join(one.law.name for one in _each(posterior))
    for f in made:
        if f.law != law:
            raise style.PlotError(f"the forecast is of law {f.law!r}, the posterior of {law!r}")
    return made


def _asked(posterior: Posterior | Average, family: str | Sequence[str] | None) -> list[str]:
    """Families whose curves are drawn when nothing is planned."""
    if family is not None:
        return [family] if isinstance(family, str) else list(dict.fromkeys(family))
    return list(posterior.families) if len(posterior.families) <= MOST_CURVES else [NEW]


def _looks(families: Sequence[str], shown: Sequence[str]) -> dict[str, Look]:
    """Colours and lines for families with a curve, greys for the others, a marker for each."""
    looks, greys = {}, ("#555555", "#8a8a8a", "#a9a9a9")
    for k, name in enumerate([*shown, *(f for f in families if f not in shown)]):
        mine = name in shown
        colour = style.COLOURS[k % len(style.COLOURS)] if mine else greys[k % len(greys)]
        looks[name] = Look(
            colour, style.MARKERS[k % len(style.MARKERS)], style.LINES[k % len(style.LINES)], mine
        )
    return looks


def observed(prepared: Prepared) -> np.ndarray:
    """Responses of the fitted rows as they are drawn: shares of trials where they are counts."""
    measured = prepared.measured
    counts = prepared.shape.noise == "beta_binomial"
    return measured.response / measured.trials if counts else measured.response


def draw_runs(
    axes: Axes, prepared: Prepared, along: Abscissa, looks: Mapping[str, Look], shown: Sequence[str]
) -> list[Any]:
    """The fitted runs; returns what the legend shows of those whose curve is not shown."""
    measured, y = prepared.measured, observed(prepared)
    u = along(measured.inputs)
    crowd = 1.0 if len(y) <= 300 else 0.5
    common: dict[str, Any] = {"ls": "none", "markersize": 5.5 * crowd**0.5, "markeredgewidth": 0.9}
    counts = np.bincount(measured.family, minlength=len(measured.families))
    order = sorted(range(len(counts)), key=lambda k: (not looks[measured.families[k]].filled, -counts[k]))
    apart, rest = order[:MOST_NAMED], order[MOST_NAMED:]
    handles = []
    for k in apart:
        look, name = looks[measured.families[k]], measured.families[k]
        rows = rows_of(prepared, name)
        face, edge = (look.colour, "white") if look.filled else ("white", look.colour)
        above = 4.5 if look.filled else 4.0
        drawn = axes.plot(
            u[rows], y[rows], look.marker, mfc=face, mec=edge, zorder=above, label=family_word(name), **common
        )
        handles += [] if name in shown else drawn
    if rest:
        rows = np.flatnonzero(np.isin(measured.family, rest))
        label = f"{len(rest)} more families"
        handles += axes.plot(
            u[rows], y[rows], ".", mfc=style.GREY, mec="none", zorder=4, label=label, **common
        )
    return handles


def draw_curve(
    axes: Axes,
    posterior: Posterior | Average,
    along: Abscissa,
    family: str,
    plan: Mapping[str, Any] | None,
    target: Target,
    look: Look,
    faint: float = 1.0,
) -> list[Any]:
    """Median of the law's mean curve, and the 50 % and 90 % bands of the target around it."""
    from matplotlib.lines import Line2D

    first, *others = (one.prepared for one in _each(posterior))
    plans = path(first, along, family, plan, others)
    u = np.array([float(along(p)) for p in plans])
    centre, bands = curve(posterior, plans, family, target)
    draw_bands(axes, u, bands, look, faint)
    axes.plot(u, centre, color=look.colour, linewidth=1.8, linestyle=look.line, zorder=3)
    marker = "" if family == NEW else look.marker
    entry = Line2D([], [], color=look.colour, linestyle=look.line, linewidth=1.8, marker=marker, mec="white")
    entry.set_label(family_word(family))
    return [entry]


def curve(
    posterior: Posterior | Average, plans: list[dict[str, Any]], family: str, target: Target
) -> tuple[np.ndarray, ...]:
    """Median of the mean curve (m,), and the quantiles of `style.QUANTILES` of the target (4, m).

    Points of a curve are drawn with luck of their own, so few draws make a ragged band: posterior draws are
    used several times over.
    """
    centre = forecast(posterior, plans, family=family, target="mean", allow_failed=True)
    repeats = int(np.clip(SMOOTH / len(centre.draws), 1, 16))
    draws = [
        forecast(posterior, plans, family=family, target=target, seed=seed, allow_failed=True).draws
        for seed in range(repeats)
    ]
    return centre.median, np.quantile(np.concatenate(draws), style.QUANTILES, axis=0)


def draw_bands(axes: Axes, u: np.ndarray, bands: np.ndarray, look: Look, faint: float = 1.0) -> None:
    """The 50 % and 90 % bands, quantiles (4, m) as in `style.QUANTILES`; the edge is for black and white."""
    q05, q25, q75, q95 = bands
    axes.fill_between(u, q05, q95, color=look.colour, alpha=0.16 * faint, linewidth=0, zorder=1)
    axes.fill_between(u, q25, q75, color=look.colour, alpha=0.30 * faint, linewidth=0, zorder=1)
    for edge in (q05, q95):
        axes.plot(u, edge, color=look.colour, linewidth=0.6, linestyle=look.line, alpha=0.7 * faint, zorder=2)


def _band_handles(target: Target, planned: bool) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=style.GREY, alpha=0.45, label=f"50 % band of {_WHAT[target]}"),
        Patch(facecolor=style.GREY, alpha=0.18, label=f"90 % band of {_WHAT[target]}"),
    ]
    if planned:
        handles.append(
            Line2D(
                [], [], color=style.INK, marker="o", mfc="white", mew=1.4, markersize=6.5, label="planned run"
            )
        )
    return handles


def _limits(axes: Axes, prepared: Prepared) -> None:
    """Room around the data; a band that explodes far from them does not squeeze everything else."""
    y = observed(prepared)
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        reach = max(np.log(y.max() / y.min()), 0.2)
        axes.set_ylim(max(low, y.min() * np.exp(-2.5 * reach)), min(high, y.max() * np.exp(1.5 * reach)))
    elif prepared.shape.noise != "beta_binomial":
        reach = max(float(np.ptp(y)), 1e-12)
        axes.set_ylim(max(low, y.min() - 2.5 * reach), min(high, y.max() + 2.5 * reach))


def label_axes(axes: Axes, prepared: Prepared, along: Abscissa) -> None:
    """Names and units of both axes, and readable ticks."""
    style.tidy(axes)
    axes.set_xlabel(along.label, fontsize=style.TEXT, color=style.INK)
    axes.set_ylabel(response_label(prepared), fontsize=style.TEXT, color=style.INK)
    style.ticks(axes.xaxis, count=7)
    style.ticks(axes.yaxis, count=7)


def response_label(prepared: Prepared) -> str:
    """Name and unit of the response, as the user's table has it."""
    response = prepared.law.predicts
    if response.noise == "beta_binomial":
        return f"Success rate ({response.name} of {response.trials})"
    column = column_of(prepared, prepared.measured.response)
    if response.unit == "1" and column:
        return style.named(column.replace("_", " "), prepared.runs.units.get(column, ""))
    return style.named(response.name.replace("_", " "), response.unit)
