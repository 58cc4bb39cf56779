"""Planned runs in the picture: error bars, and labels in the margin that keep clear of each other."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_scaling.forecast import Forecast
from bayes_scaling.plot import _style as style
from bayes_scaling.plot._path import Abscissa
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import NEW

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Planned runs with a label of their own.
MOST_LABELS = 6


def draw_planned(
    axes: Axes,
    posterior: Posterior,
    along: Abscissa,
    planned: Sequence[tuple[Mapping[str, Any], str, Forecast, int]],
    looks: Mapping[str, tuple[str, str]],
) -> None:
    """Planned runs with their error bars, set apart where they share their x, and labelled in the margin."""
    at = np.array([float(along(plan)) for plan, *_ in planned])
    fitted = along(posterior.prepared.measured.inputs)
    apart = 0.016 * np.log(max(at.max(), fitted.max()) / min(at.min(), fitted.min()))
    labels = []
    for k, (plan, name, f, j) in enumerate(planned):
        twins = np.flatnonzero(np.abs(np.log(at / at[k])) < apart / 2)
        here = at[k] * np.exp(apart * (np.flatnonzero(twins == k)[0] - (len(twins) - 1) / 2))
        q05, q25, q50, q75, q95 = f.quantile([0.05, 0.25, 0.5, 0.75, 0.95])[:, j]
        colour, marker = looks[name]
        axes.vlines(here, q05, q95, color=colour, linewidth=1.3, zorder=5)
        axes.vlines(here, q25, q75, color=colour, linewidth=4.0, zorder=5)
        axes.plot(here, q50, marker, mfc="white", mec=colour, mew=1.5, markersize=6.5, zorder=6)
        labels.append((here, q50, _label(posterior, along, plan, name, (q05, q50, q95)), colour))
    largest = float(fitted.max())
    if at.max() > 1.2 * largest:
        axes.axvline(largest, color=style.GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        note = f"largest run: {style.power_or_brief(float(f'{largest:.2g}'))} "
        axes.annotate(
            note,
            (largest, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-2, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=style.SMALL,
            color=style.GREY,
        )
    if len(labels) <= MOST_LABELS:
        _margin_labels(axes, labels)


def _label(
    posterior: Posterior, along: Abscissa, plan: Mapping[str, Any], name: str, q: Sequence[float]
) -> str:
    numbers = {i.name: style.brief(float(plan[i.name])) for i in posterior.law.inputs if i.kind == "positive"}
    if len(numbers) == 1:
        numbers = dict.fromkeys([along.name], *numbers.values())
    counted = ("params", "tokens")
    inputs = ", ".join(f"{v}~{key}" if key in counted else f"{key}~{v}" for key, v in numbers.items())
    inputs = textwrap.fill(inputs, 28).replace("~", " ")  # a name stays with its number
    low, middle, high = map(style.fixed, q)
    first = "" if name == "all" else f"{family_word(name)}\n"
    return f"{first}{inputs}\n{middle}  [{low}, {high}]"


def _margin_labels(axes: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Labels to the right of the axes, at the height of their points but clear of each other."""
    low, high = axes.get_ylim()
    log = axes.get_yscale() == "log"

    def fraction(y: float) -> float:
        return float(np.log(y / low) / np.log(high / low)) if log else (y - low) / (high - low)

    order = sorted(range(len(labels)), key=lambda k: fraction(labels[k][1]))
    lines = max(text.count("\n") + 1 for *_, text, _ in labels)
    room = min(0.05 * lines, 1 / len(labels))
    heights = np.array([np.clip(fraction(labels[k][1]), room / 2, 1 - room / 2) for k in order])
    for _ in range(200):  # push neighbours apart, evenly to both sides
        overlap = room - np.diff(heights)
        if not (overlap > 1e-3).any():
            break
        for k in np.flatnonzero(overlap > 1e-3):
            heights[k] -= overlap[k] / 2
            heights[k + 1] += overlap[k] / 2
        heights = np.clip(heights, room / 2, 1 - room / 2)
    for k, height in zip(order, heights, strict=True):
        u, y, text, colour = labels[k]
        axes.annotate(
            text,
            (u, y),
            xytext=(1.03, height),
            textcoords="axes fraction",
            va="center",
            ha="left",
            fontsize=style.SMALL + 0.5,
            linespacing=1.25,
            color=style.INK,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "alpha": 0.6, "shrinkB": 5},
        )


def family_word(family: str) -> str:
    """What a family is called in the legend."""
    return {NEW: "a new family", "all": "runs"}.get(family, family)
