"""What was believed before and after: prior and posterior densities of every parameter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bayes_scaling.diagnostics import PRIOR_SHARE
from bayes_scaling.plot import _style as style
from bayes_scaling.posterior import Posterior
from bayes_scaling.supports import from_free, to_free

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
#: Families with a line of their own; more of them would only blur.
MOST_LINES = 6

#: Quantities that are not parameters of the law: what they are, for the panel's second line.
_NOISE: Mapping[str, str] = {
    "seed_sd": "luck of the seed, sd on the link scale",
    "seed_slope": "how the luck grows with the response",
    "misfit_sd": "sd between configurations",
    "degrees_of_freedom": "tail of the noise",
    "checkpoint_sd": "sd of checkpoints of one run",
    "checkpoint_correlation": "correlation of checkpoints",
    "overdispersion": "spread of success rates",
    "structure_scale": "structural discrepancy per e-fold",
}


class Panel(NamedTuple):
    """One quantity: its draws before and after."""

    name: str
    meaning: str
    unit: str
    support: str
    prior: np.ndarray  # (draws,)
    posterior: np.ndarray  # (draws,) of the population, or of the only value
    families: dict[str, np.ndarray]  # of each family, where they differ
    normal: tuple[float, float] | None = (
        None  # location and scale of the prior, unconstrained, where it is known
    )


def plot_prior_posterior(posterior: Posterior, *, path: str | os.PathLike | None = None) -> Figure:
    """Prior against posterior densities of every parameter and noise scale.

    Every density is drawn to the same height, so that shapes and places can be compared. Positive quantities
    have a logarithmic axis. With several families the thick line is the population, thin lines are families.
    A panel tells how much of the prior's standard deviation is left (unconstrained scale): near 100 %, the
    data say nothing about this number.

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
    every = panels(posterior)
    columns = min(COLUMNS, len(every))
    rows = -(-len(every) // columns)
    figure = style.figure(2.35 * columns, 1.75 * rows + 0.9)
    grid = figure.subplots(rows, columns, squeeze=False)
    colours = {name: style.COLOURS[k % len(style.COLOURS)] for k, name in enumerate(posterior.families)}
    for axes in grid.flat[len(every) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, every, strict=False):
        draw_panel(axes, panel, colours)
    figure.suptitle(
        f"Prior and posterior: {posterior.law.title}",
        x=0.01,
        ha="left",
        fontsize=style.TEXT + 2,
        fontweight="bold",
        color=style.INK,
    )
    handles = _legend([p for p in every if p.families], colours)
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=min(5, len(handles)),
        frameon=False,
        fontsize=style.SMALL + 0.5,
    )
    return style.finish(figure, path)


def panels(posterior: Posterior) -> list[Panel]:
    """Law parameters, then spreads between families, then noise."""
    after, before = posterior.tree["posterior"].to_dataset(), posterior.tree["prior"].to_dataset()
    names, found = [p.name for p in posterior.law.parameters], []
    several = len(posterior.families) > 1
    for p in posterior.law.parameters:
        one = f"{p.name}_population" if f"{p.name}_population" in after else p.name
        draws = after[one] if one != p.name else after[p.name].isel(family=0)
        first = before[one] if one != p.name else before[p.name].isel(family=0)
        apart = several and p.pool != "shared" and len(posterior.families) <= 20
        families = (
            {f: after[p.name].sel(family=f).values.ravel() for f in posterior.families} if apart else {}
        )
        values = first.values.ravel(), draws.values.ravel()
        found.append(Panel(p.name, p.meaning, p.unit, p.support, *values, families, (p.location, p.scale)))
    spreads = {f"{name}_spread": f"spread of {name} between families" for name in names}
    for name, meaning in {**spreads, **_NOISE}.items():
        if name in after:
            x, x0 = after[name].values.ravel(), before[name].values.ravel()
            support = {"seed_slope": "real", "checkpoint_correlation": "unit"}.get(name, "positive")
            found.append(Panel(name, meaning, "1", support, x0, x, {}))
    return found


def draw_panel(axes: Axes, panel: Panel, colours: Mapping[str, str]) -> None:
    """One small picture."""
    free = [to_free(panel.support, panel.prior), to_free(panel.support, panel.posterior)]
    low, high = np.quantile(free[0], [0.02, 0.98])
    inner = [
        np.quantile(to_free(panel.support, x), [0.005, 0.995])
        for x in (panel.posterior, *panel.families.values())
    ]
    low, high = min(low, *(i[0] for i in inner)), max(high, *(i[1] for i in inner))
    grid = np.linspace(low - 0.04 * (high - low), high + 0.04 * (high - low), 400)
    x = from_free(panel.support, grid)
    if panel.support == "positive":
        axes.set_xscale("log")
    elif panel.support == "unit":
        axes.set_xscale("logit" if x.min() < 0.02 or x.max() > 0.98 else "linear")
    mine = density(free[1], grid)
    prior = density(free[0], grid, 1.5)
    if panel.normal:
        prior = np.exp(-0.5 * ((grid - panel.normal[0]) / panel.normal[1]) ** 2)
        prior = prior / prior.max()
    axes.fill_between(x, prior, color=style.PALE, linewidth=0, zorder=1)
    axes.plot(x, prior, color=style.GREY, linewidth=1.0, linestyle=(0, (4, 1.5)), zorder=2)
    for k, (name, draws) in enumerate(panel.families.items()):
        few = len(panel.families) <= MOST_LINES
        colour, line = (colours[name], style.LINES[k % len(style.LINES)]) if few else (style.GREY, "-")
        own = density(to_free(panel.support, draws), grid)
        axes.plot(x, own, color=colour, linewidth=0.9, linestyle=line, alpha=0.9 if few else 0.5, zorder=3)
    axes.plot(x, mine, color=style.INK, linewidth=1.9, zorder=4)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(0, 1.3)
    style.tidy(axes)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    if axes.get_xscale() != "logit":
        style.ticks(axes.xaxis, count=4)
    unit = "" if panel.unit in ("", "1") else f" ({panel.unit})"
    axes.set_title(
        panel.name + unit, loc="left", fontsize=style.TEXT, fontweight="bold", color=style.INK, pad=12
    )
    axes.text(
        0,
        1.02,
        panel.meaning,
        transform=axes.transAxes,
        fontsize=style.SMALL - 0.5,
        color=style.GREY,
        va="bottom",
    )
    left = free[1].std() / (panel.normal[1] if panel.normal else max(free[0].std(), 1e-300))
    axes.text(
        0.99, 0.97, f"sd: {100 * left:.0f} % of prior", transform=axes.transAxes, fontsize=style.SMALL - 0.5,
        color=style.INK if left < PRIOR_SHARE else "#B00020", ha="right", va="top",
    )  # fmt: skip


def density(values: np.ndarray, grid: np.ndarray, smooth: float = 1.0) -> np.ndarray:
    """Gaussian kernel estimate with Silverman's bandwidth, scaled to a height of one."""
    values = values[np.isfinite(values)]
    values = values[:: max(1, len(values) // 4000)]
    quarter = np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.34
    width = 0.9 * smooth * (min(values.std(), quarter) or values.std() or 1e-12) * len(values) ** -0.2
    width = max(width, 1.5 * (grid[1] - grid[0]))
    total = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).sum(axis=1)
    return total / max(total.max(), 1e-300)


def _legend(with_families: list[Panel], colours: Mapping[str, str]) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=style.PALE, edgecolor=style.GREY, linestyle="--", label="prior"),
        Line2D([], [], color=style.INK, linewidth=1.9, label="posterior"),
    ]
    if not with_families:
        return handles
    handles[1].set_label("posterior of the population")
    names = list(with_families[0].families)
    if len(names) > MOST_LINES:
        return [*handles, Line2D([], [], color=style.GREY, linewidth=0.9, label="families")]
    return handles + [
        Line2D(
            [],
            [],
            color=colours[name],
            linewidth=1.1,
            linestyle=style.LINES[k % len(style.LINES)],
            label=name,
        )
        for k, name in enumerate(names)
    ]
