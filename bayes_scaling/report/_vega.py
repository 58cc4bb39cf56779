"""What all charts of the review page share: colours as CSS variables, axes, tooltips, their script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from bayes_scaling.plot._style import log_ticks
from bayes_scaling.report import _words as words

ACCENT, INK, SOFT, LINE, CARD = (f"var(--{name})" for name in ("accent", "ink", "soft", "line", "page"))
#: Room round a chart, in pixels: what stands at its ends is not cut off.
PADDING = {"left": 0, "right": 2, "top": 4, "bottom": 0}

CONFIG = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    "background": "transparent",
    "view": {"stroke": "transparent"},
    "axis": {
        "labelColor": SOFT, "titleColor": SOFT, "labelFontSize": 12, "titleFontSize": 12, "gridColor": LINE,
        "titleFontWeight": "normal", "domain": False, "ticks": False, "labelPadding": 8, "titlePadding": 10,
        "labelOverlap": "greedy",
    },
    "text": {"color": INK, "fontSize": 12},
}  # fmt: skip


@cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that can stand inside an HTML file."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version).replace(
        "</script", r"<\/script"
    )


def finished(chart: Any) -> dict[str, Any]:
    """The specification of a chart that is as wide as its box."""
    fitted = {"type": "fit-x", "contains": "padding"}
    made = chart.properties(width="container", autosize=fitted, padding=PADDING).configure(**CONFIG).to_dict()
    made.pop("$schema", None)  # an address that nothing should look up
    return made


def data(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows inside the specification."""
    import altair as alt

    return alt.InlineData(values=[dict(row) for row in rows])


def stripes(base: Any, numbers: Sequence[Any], name: str) -> Any:
    """Invisible stripes under every point of a curve that light up and show its numbers."""
    import altair as alt

    hover = alt.selection_point(name=f"hover_{name}", on="pointerover", clear="pointerout", empty=False)
    lit = alt.condition(hover, alt.value(0.16), alt.value(0))
    return (
        base.mark_rule(color=SOFT, strokeWidth=14)
        .encode(opacity=lit, tooltip=list(numbers))
        .add_params(hover)
    )


def bands(review: Mapping[str, Any]) -> list[Any]:
    """Tooltips of a median with its bands."""
    import altair as alt

    style = f".{decimals(review)}f"
    names = {"q50": "median", "q25": "50 % from", "q75": "50 % to", "q5": "90 % from", "q95": "90 % to"}
    return [alt.Tooltip(f"{field}:Q", title=title, format=style) for field, title in names.items()]


def log_axis(low: float, high: float, word: Callable[[float], str], count: int = 7) -> dict[str, Any]:
    """Round ticks of a logarithmic axis, worded by a function."""
    values = log_ticks(low, high, count)
    told = " : ".join(f"datum.value == {value!r} ? '{word(value)}'" for value in values)
    return {"values": values, "labelExpr": f"{told} : ''" if values else "''"}


def ends(values: Sequence[float], log: bool = False) -> list[float]:
    """Both ends of an axis, with a little room."""
    low, high = min(values), max(values)
    if log:
        room = (high / low) ** 0.04
        return [low / room, high * room]
    room = 0.04 * (high - low) or 1.0
    return [low - room, high + room]


def decimals(review: Mapping[str, Any]) -> int:
    """Decimals of outcomes."""
    return words.decimals(review["variance"]["sd"])


def described(chart: Any, text: str) -> Any:
    """The chart with words for those who do not see it."""
    return chart.properties(description=text)
