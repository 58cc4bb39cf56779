"""What all pictures share: colours, markers, ticks, numbers as people read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_scaling._files import obstacle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

#: Colour-blind safe (Okabe and Ito), dark ones first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#8A6D00", "#3E8FC4")
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
INK, GREY, PALE = "#222222", "#6b6b6b", "#dddddd"
#: Ends of the 90 % and of the 50 % band.
QUANTILES = (0.05, 0.25, 0.75, 0.95)

TEXT, SMALL = 9.0, 7.5

_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


class PlotError(ValueError):
    """A picture cannot be drawn or written as asked."""


def figure(width: float, height: float) -> Figure:
    """A figure outside of pyplot's list of figures, laid out so that nothing is cut off."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=160, layout="constrained")


def writable(path: str | os.PathLike) -> Path:
    """Check before the work that a picture can be written there.

    Raises
    ------
    PlotError
        If the ending is no format that matplotlib writes, the folder does not exist or may not be written to.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    path = Path(path).expanduser()
    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix.lower().removeprefix(".") not in known:
        raise PlotError(f"{str(path)!r} has no ending of a picture; expected one of .{', .'.join(known)}")
    if problem := obstacle(path):
        raise PlotError(problem)
    return path


def finish(figure: Figure, path: str | os.PathLike | None) -> Figure:
    """Write the figure if a path is given.

    Raises
    ------
    PlotError
        If the path is no place for a picture.
    OSError
        If it cannot be written.
    """
    if path is not None:
        figure.savefig(writable(path))
    return figure


def brief(value: float, digits: int = 3) -> str:
    """A number as people write sizes: 111M, 1.4T, 3e23, 0.0012."""
    value = float(f"{value:.{digits}g}")
    for factor, suffix in _SUFFIXES:
        if factor <= abs(value) < 1e15:
            return f"{value / factor:.{max(digits, 3)}g}{suffix}"
    return f"{value:.{digits}g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def fixed(value: float) -> str:
    """A result with three significant digits, trailing zeros kept: 1.40, 0.0120; long numbers as `brief`."""
    return f"{value:#.3g}".rstrip(".") if 1e-3 <= abs(value) < 999.5 else brief(value)


def tidy(axes: Axes) -> None:
    """Two spines, pale grid, small ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(True, which="major", color="#ececec", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", labelsize=SMALL + 0.5, color=GREY, labelcolor=INK)


def ticks(axis: Axis, *, count: int = 6) -> None:
    """Readable ticks for the limits that the axis has now; powers of ten only where numbers get long."""
    from matplotlib import ticker

    low, high = axis.get_view_interval()
    if axis.get_scale() == "log":
        at = log_ticks(low, high, count)
        axis.set_major_locator(ticker.FixedLocator(at))
        decades = np.log10(high / low)
        few = len(at) < 2 or decades > 12 or decades < 0.5
        axis.set_minor_locator(
            ticker.NullLocator() if few else ticker.LogLocator(subs=range(2, 10), numticks=40)
        )
        axis.set_minor_formatter(ticker.NullFormatter())
        axis.set_major_formatter(ticker.FuncFormatter(lambda v, _: power_or_brief(v)))
        return
    axis.set_major_locator(ticker.MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(ticker.FuncFormatter(lambda v, _: f"{v:g}".replace("-", "\N{MINUS SIGN}")))


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """At most ``count`` round numbers for a logarithmic axis: those of the finest pattern that fits."""
    from matplotlib import ticker

    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    patterns: list[tuple[int, tuple[float, ...]]] = [(k, (1.0,)) for k in (6, 5, 4, 3, 2, 1)]
    patterns += [(1, (1.0, 3.0)), (1, (1.0, 2.0, 5.0)), (1, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))]
    best: list[float] = []
    for every, mantissas in patterns:
        at = [float(f"{m}e{k}") for k in range(first, last + 1) if k % every == 0 for m in mantissas]
        at = [v for v in at if low <= v <= high]
        best = at if len(best) <= len(at) <= count else best
    if len(best) < max(3, count - 3):  # less than a decade: evenly spaced numbers serve better
        even = ticker.MaxNLocator(count - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        even = [float(f"{v:.6g}") for v in even if low <= v <= high]
        best = even if len(best) < len(even) <= count else best
    return best


def power_or_brief(value: float) -> str:
    """Tick label: 2.5, 70B; a power of ten beyond 1e15 and below 1e-4."""
    if value <= 0:
        return ""
    exponent = int(np.floor(np.log10(value) + 1e-9))
    if -4 <= exponent < 15:
        return brief(value, 4)
    mantissa = value / 10.0**exponent
    head = "" if abs(mantissa - 1) < 1e-6 else f"{mantissa:.3g}\\times"
    return f"${head}10^{{{exponent}}}$"


def heading(axes: Axes, title: str, subtitle: str) -> None:
    """Bold title and a grey line under it, both flush left."""
    axes.set_title(title, loc="left", fontsize=TEXT + 2, fontweight="bold", color=INK, pad=20)
    axes.text(0, 1.02, subtitle, transform=axes.transAxes, fontsize=TEXT - 0.5, color=GREY, va="bottom")


def named(meaning: str, unit: str) -> str:
    """Axis label: what it is, and its unit unless there is none or the words say it."""
    text = meaning[:1].upper() + meaning[1:]
    return text if unit in ("", "1") or unit in meaning else f"{text} ({unit})"
