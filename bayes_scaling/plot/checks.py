"""Posterior predictive check: whether the fitted law would have produced these data."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_scaling.observe import link_numpy
from bayes_scaling.plot import _style as style
from bayes_scaling.plot.curves import response_label
from bayes_scaling.posterior import Posterior
from bayes_scaling.scores import covered

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Up to so many rows every one has its own bar; beyond, bands of neighbouring rows.
MOST_BARS = 120


def plot_predictive_check(posterior: Posterior, *, path: str | os.PathLike | None = None) -> Figure:
    """Residuals against fitted values with predictive bands, and the histogram of probability transforms.

    The residual is taken on the link scale (for losses: of the logarithm, a relative error) from the median
    of the posterior predictive. The probability integral transform (PIT) is where a row lies in its own
    predictive distribution: uniform if the model is right, a valley if its bands are too narrow, a hill if
    they are too wide.

    Parameters
    ----------
    posterior : Posterior
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
    fitted, residual, replicated, pit = residuals(posterior)
    figure = style.figure(8.2, 3.9)
    left, right = figure.subplots(1, 2, width_ratios=[1.9, 1.0])
    draw_residuals(left, posterior, fitted, residual, replicated)
    draw_pit(right, pit)
    inside = {p: int(covered(pit, p).sum()) for p in (0.5, 0.9)}
    held = (
        f"{100 * p:.0f} % bands hold {k} of {len(pit)} ({100 * k / len(pit):.0f} %)"
        for p, k in inside.items()
    )
    subtitle = ", ".join(held)
    style.heading(left, "Posterior predictive check", subtitle)
    return style.finish(figure, path)


def residuals(posterior: Posterior) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fitted response (n,), residual (n,) and replicated residuals (S, n) on the link scale, PIT (n,).

    The probability transform of counts is randomised within the observed count, as usual for discrete data.
    """
    prepared = posterior.prepared
    link, name = prepared.shape.link, prepared.shape.response
    observed = prepared.measured.response
    draws = posterior.tree["posterior_predictive"].to_dataset()
    replicated = draws[name].values.reshape(-1, len(observed))
    ties = np.random.default_rng(0).random(len(observed))
    pit = (replicated < observed).mean(axis=0) + ties * (replicated == observed).mean(axis=0)
    if prepared.shape.noise == "beta_binomial":  # half a success keeps the link of none and of all finite
        trials = prepared.measured.trials
        observed, replicated = (observed + 0.5) / (trials + 1), (replicated + 0.5) / (trials + 1)
    if prepared.shape.noise == "negative_binomial":
        observed, replicated = observed + 0.5, replicated + 0.5
    fitted = np.median(replicated, axis=0)
    centre = link_numpy(link, fitted)
    return fitted, link_numpy(link, observed) - centre, link_numpy(link, replicated) - centre, pit


def draw_residuals(
    axes: Axes, posterior: Posterior, fitted: np.ndarray, residual: np.ndarray, replicated: np.ndarray
) -> None:
    """Residuals over bars (few rows) or bands (many) of what the model expects of them."""
    log = posterior.prepared.shape.link == "log"
    percent = 100.0 if log else 1.0
    order = np.argsort(fitted, kind="stable")
    fitted, residual, replicated = fitted[order], percent * residual[order], percent * replicated[:, order]
    if log:
        axes.set_xscale("log")
    if len(fitted) <= MOST_BARS:
        q05, q25, q75, q95 = np.quantile(replicated, style.QUANTILES, axis=0)
        axes.vlines(fitted, q05, q95, color="#9cc8e3", linewidth=1.8, zorder=1, label="90 % predictive")
        axes.vlines(fitted, q25, q75, color="#4b97c6", linewidth=5.0, zorder=2, label="50 % predictive")
    else:
        bins = np.array_split(np.arange(len(fitted)), min(40, len(fitted) // 6))
        x = np.array([np.median(fitted[rows]) for rows in bins])
        q05, q25, q75, q95 = np.array([np.quantile(replicated[:, rows], style.QUANTILES) for rows in bins]).T
        axes.fill_between(x, q05, q95, color="#c5dfef", linewidth=0, zorder=1, label="90 % predictive")
        axes.fill_between(x, q25, q75, color="#8bbfdd", linewidth=0, zorder=2, label="50 % predictive")
    axes.axhline(0, color=style.GREY, linewidth=0.9, zorder=3)
    size = 4.5 if len(fitted) <= MOST_BARS else 3.0
    marks: dict[str, Any] = {"mfc": "white", "mec": style.INK, "mew": 0.9, "markersize": size}
    axes.plot(fitted, residual, "o", zorder=4, label="observed", **marks)
    style.tidy(axes)
    label = response_label(posterior.prepared)
    axes.set_xlabel(f"Fitted {label[:1].lower()}{label[1:]}", fontsize=style.TEXT)
    axes.set_ylabel("Residual of the log (%)" if log else "Residual on the link scale", fontsize=style.TEXT)
    style.ticks(axes.xaxis)
    style.ticks(axes.yaxis)
    figure, (handles, labels) = axes.get_figure(root=True), axes.get_legend_handles_labels()
    if figure is not None:
        small = style.SMALL + 0.5
        figure.legend(handles, labels, loc="outside lower left", ncols=3, frameon=False, fontsize=small)


def draw_pit(axes: Axes, pit: np.ndarray) -> None:
    """Histogram of the transforms with the 90 % range that each bar has under uniformity."""
    from matplotlib.ticker import MaxNLocator
    from scipy.stats import binom

    bins = 10 if len(pit) >= 50 else 5
    counts, edges = np.histogram(pit, bins=bins, range=(0, 1))
    low, high = binom.ppf([0.05, 0.95], len(pit), 1 / bins)
    axes.axhspan(low, high, color=style.PALE, zorder=0)
    axes.axhline(len(pit) / bins, color=style.GREY, linewidth=0.9, zorder=1)
    axes.stairs(counts, edges, fill=True, color=style.COLOURS[0], alpha=0.45, zorder=2)
    axes.stairs(counts, edges, color=style.COLOURS[0], linewidth=1.2, zorder=3)
    note = "grey: 90 % range of each bar if calibrated"
    axes.text(0, 1.02, note, transform=axes.transAxes, fontsize=style.SMALL, color=style.GREY, va="bottom")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.15 * max(counts.max(), high))
    style.tidy(axes)
    axes.grid(False)
    axes.set_xlabel("Predictive percentile (PIT)", fontsize=style.TEXT)
    axes.set_ylabel("Measurements", fontsize=style.TEXT)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
