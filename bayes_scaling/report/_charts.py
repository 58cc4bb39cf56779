"""The charts of the review page, as Vega-Lite specifications with CSS variables for colours.

All numbers come from the record of the review; hovering shows them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bayes_scaling.report import _vega as vega
from bayes_scaling.report import _words as words

#: Pixels between planned runs of equal cost.
APART = 11
#: Hidden runs of a backtest in its picture.
MOST_HIDDEN = 120


def charts(review: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The specification of every chart that the review has numbers for, by name."""
    found = {"outcome": _outcome(review), "forecast": _forecast(review), "variance": _variance(review)}
    if len(review["laws"]["each"]) > 1:
        found["laws"] = _intervals(review, review["laws"]["each"])
    if "skipped" not in review["backtest"]:
        found["backtest"] = _backtest(review)
    if "skipped" not in review["alternatives"]:
        found["alternatives"] = _intervals(review, review["alternatives"]["each"])
    if "skipped" not in review["allocation"]:
        found["allocation"] = _allocation(review)
    return {name: vega.finished(chart) for name, chart in found.items()}


def _outcome(review: Mapping[str, Any]) -> Any:
    """Twenty equally likely outcomes as stacked dots."""
    import altair as alt

    question, values = review["question"], review["outcome"]["dots"]
    sign = 1 if question["better"] == "lower" else -1
    step = (values[-1] - values[0]) / 11 or 1.0
    stacks: dict[int, list[float]] = {}
    for value in values:  # no stack straddles the target
        stacks.setdefault(math.floor((value - question["target"]) / step), []).append(value)
    rows = [
        {
            "outcome": value,
            "x": question["target"] + (k + 0.5) * step,
            "y": height + 0.5,
            "said": "met" if sign * (value - question["target"]) <= 0 else "missed",
        }
        for k, stack in sorted(stacks.items())
        for height, value in enumerate(stack)
    ]
    tall = max(len(stack) for stack in stacks.values())
    near = [values[0] - step, values[-1] + step, question["target"]]
    ends = vega.ends(near)
    x = alt.X("x:Q", title=question["label"], scale=alt.Scale(domain=ends, nice=False, zero=False))
    x = x.axis(grid=False, tickCount=5, format=f".{vega.decimals(review)}f")
    met = alt.datum.said == "met"
    dots = (
        alt.Chart(vega.data(rows))
        .mark_point(size=190, filled=True, opacity=1, strokeWidth=2, stroke=vega.ACCENT)
        .encode(
            x=x,
            y=alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[0, tall + 0.4])),
            fill=alt.condition(met, alt.value(vega.ACCENT), alt.value(vega.CARD)),
            tooltip=[
                alt.Tooltip("outcome:Q", title=question["response"], format=f".{vega.decimals(review) + 1}f"),
                alt.Tooltip("said:N", title="target"),
            ],
        )
    )
    goal = alt.Chart(vega.data([{"x": question["target"], "word": "target"}]))
    side, dx = ("left", -3) if question["target"] < sum(ends) / 2 else ("right", 3)
    rule = goal.mark_rule(color=vega.INK, strokeDash=[5, 4]).encode(x=x)
    word = goal.mark_text(align=side, dx=dx, baseline="bottom", dy=-2).encode(
        x=x, y=alt.value(0), text="word:N"
    )
    return vega.described(
        alt.layer(rule, dots, word).properties(height=20 * tall + 14),
        "Twenty dots, each an equally likely outcome; those that meet the target are filled.",
    )


def _forecast(review: Mapping[str, Any]) -> Any:
    """Runs, curve with bands, planned runs, target."""
    import altair as alt

    seen, question = review["picture"], review["question"]
    curve = [{**point, "at": words.power(point["x"])} for point in seen["curve"]]
    xs = [point["x"] for point in (*seen["curve"], *seen["runs"], *seen["planned"])]
    ys = [y for point in (*seen["curve"], *seen["planned"]) for y in (point["q5"], point["q95"])]
    ys += [run["y"] for run in seen["runs"]] + [question["target"]]
    x = alt.X(
        "x:Q", title=seen["x_label"], scale=alt.Scale(type="log", domain=vega.ends(xs, log=True), nice=False)
    )
    x = x.axis(grid=False, **vega.log_axis(min(xs), max(xs), words.power))
    kind = alt.Scale(
        type="log" if seen["log_y"] else "linear", domain=vega.ends(ys, log=seen["log_y"]), nice=False
    )
    y_axis: Any = (
        vega.log_axis(min(ys), max(ys), lambda v: f"{v:g}", 5) if seen["log_y"] else {"tickCount": 5}
    )

    def y(field: str) -> Any:
        return alt.Y(f"{field}:Q", title=seen["y_label"], scale=kind, axis=alt.Axis(**y_axis))

    on = alt.Chart(vega.data(curve)).encode(x=x)
    numbers = [alt.Tooltip("at:N", title=seen["x"]), *vega.bands(review)]
    outer = on.mark_area(color=vega.ACCENT, opacity=0.16, clip=True).encode(y=y("q5"), y2="q95:Q")
    inner = on.mark_area(color=vega.ACCENT, opacity=0.28, clip=True).encode(y=y("q25"), y2="q75:Q")
    middle = on.mark_line(color=vega.ACCENT, strokeWidth=2, clip=True).encode(y=y("q50"))
    runs = [
        {**run, "at": words.power(run["x"]), "mine": run["family"] == question["family"]}
        for run in seen["runs"]
    ]
    runs.sort(key=lambda run: run["mine"])  # those of the planned family on top
    dots = (
        alt.Chart(vega.data(runs))
        .mark_point(size=42, filled=True, strokeWidth=1, stroke=vega.CARD, opacity=0.9)
        .encode(
            x=x,
            y=y("y"),
            fill=alt.condition(alt.datum.mine, alt.value(vega.ACCENT), alt.value(vega.SOFT)),
            tooltip=[
                alt.Tooltip("family:N"), *_row(runs), alt.Tooltip("at:N", title=seen["x"]),
                alt.Tooltip("y:Q", title=question["response"], format=".4~g"),
            ],
        )
    )  # fmt: skip
    planned = []
    for k, one in reversed(list(enumerate(seen["planned"]))):  # the planned run on top of its alternatives
        at = alt.Chart(vega.data([{**one, "at": words.power(one["x"])}]))
        at = at.encode(x=x, tooltip=[alt.Tooltip("name:N", title="run"), *numbers])
        look = {
            "color": vega.SOFT if k else vega.INK,
            "xOffset": APART * ((k + 1) // 2) * (-1 if k % 2 else 1),
        }
        planned += [
            at.mark_rule(strokeWidth=1.5, **look).encode(y=y("q5"), y2="q95:Q"),
            at.mark_rule(strokeWidth=4.5, **look).encode(y=y("q25"), y2="q75:Q"),
            at.mark_point(
                filled=True,
                size=45 if k else 80,
                fill=vega.CARD,
                stroke=look["color"],
                strokeWidth=2,
                opacity=1,
                xOffset=look["xOffset"],
            ).encode(y=y("q50")),
        ]
    goal = alt.Chart(vega.data([{"y": question["target"], "word": "target"}]))
    line = goal.mark_rule(color=vega.INK, strokeDash=[5, 4], strokeWidth=1).encode(y=y("y"))
    word = goal.mark_text(align="left", dx=4, dy=-7).encode(y=y("y"), x=alt.value(0), text="word:N")
    edge = alt.Chart(vega.data([{"x": seen["largest"], "word": "largest run"}]))
    wall = edge.mark_rule(color=vega.SOFT, strokeDash=[1, 3]).encode(x=x)
    name = edge.mark_text(align="right", dx=-5, dy=8, color=vega.SOFT).encode(
        x=x, y=alt.value(0), text="word:N"
    )
    layers = [outer, inner, line, wall, vega.stripes(on, numbers, "curve"), middle, dots, *planned]
    told = f"{seen['y_label']} against {seen['x_label']}: measured runs, forecast with bands, planned runs."
    return vega.described(alt.layer(*layers, word, name).properties(height=380), told)


def _row(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Tooltip of where in the table a point stands, if the points know it."""
    import altair as alt

    known = bool(rows) and "row" in rows[0]
    return [alt.Tooltip("row:Q", title="row of the table")] if known else []


def _variance(review: Mapping[str, Any]) -> Any:
    """One bar: ignorance in shades of the accent colour, luck in grey."""
    import altair as alt

    rows, start = [], 0.0
    for part in review["variance"]["parts"]:
        luck = part["name"] in words.LUCK
        rows.append(
            {
                "part": words.PARTS[part["name"]][0],
                "share": part["share"],
                "start": start,
                "end": start + part["share"],
                "middle": start + part["share"] / 2,
                "shade": words.SHADES[part["name"]],
                "luck": luck,
                "label": words.percent(part["share"]) if part["share"] > 0.1 else "",
            }
        )
        start += part["share"]
    x = alt.X("start:Q", title=None, scale=alt.Scale(domain=[0, 1], nice=False), axis=None)
    base = alt.Chart(vega.data(rows))
    bar = base.mark_bar(height=34, stroke=vega.CARD, strokeWidth=2).encode(
        x=x,
        x2="end:Q",
        fill=alt.condition(alt.datum.luck, alt.value(vega.SOFT), alt.value(vega.ACCENT)),
        fillOpacity=alt.FillOpacity("shade:Q", scale=None),
        tooltip=[
            alt.Tooltip("part:N", title="cause"),
            alt.Tooltip("share:Q", title="share of variance", format=".1%"),
        ],
    )
    text = base.mark_text(baseline="bottom", dy=-20, fontWeight=600).encode(x="middle:Q", text="label:N")
    told = "Shares of the forecast variance: " + ", ".join(
        f"{r['part']} {words.percent(r['share'])}" for r in rows
    )
    return vega.described(alt.layer(bar, text).properties(height=58), told)


def _intervals(review: Mapping[str, Any], each: Sequence[Mapping[str, Any]]) -> Any:
    """Rows of 50 % and 90 % intervals under each other, with the target."""
    import altair as alt

    question = review["question"]
    rows = [
        {"name": one["name"], "row": k, **{f"q{100 * float(q):g}": v for q, v in one["quantiles"].items()}}
        for k, one in enumerate(each)
    ]
    ends = [row[q] for row in rows for q in ("q5", "q95")] + [question["target"]]
    scale = alt.Scale(domain=vega.ends(ends), nice=False, zero=False)
    axis = alt.Axis(tickCount=5, format=f".{vega.decimals(review)}f")

    def x(field: str) -> Any:
        return alt.X(f"{field}:Q", title=question["label"], scale=scale, axis=axis)

    y = alt.Y("row:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    base = alt.Chart(vega.data(rows)).encode(
        y=y, tooltip=[alt.Tooltip("name:N", title="forecast"), *vega.bands(review)]
    )
    wide = base.mark_rule(color=vega.ACCENT, strokeWidth=2, yOffset=9).encode(x=x("q5"), x2="q95:Q")
    half = base.mark_rule(color=vega.ACCENT, strokeWidth=6, yOffset=9).encode(x=x("q25"), x2="q75:Q")
    point = base.mark_point(
        filled=True, fill=vega.CARD, stroke=vega.ACCENT, strokeWidth=2, size=80, opacity=1, yOffset=9
    )
    name = base.mark_text(align="left", dy=-9, limit=300).encode(x=alt.value(0), text="name:N")
    goal = (
        alt.Chart(vega.data([{"x": question["target"]}]))
        .mark_rule(color=vega.INK, strokeDash=[5, 4])
        .encode(x=x("x"))
    )
    chart = alt.layer(goal, wide, half, point.encode(x=x("q50")), name).properties(height=46 * len(rows))
    return vega.described(
        chart, f"{question['label']}: medians with 50 % and 90 % intervals; dashed: the target."
    )


def _backtest(review: Mapping[str, Any]) -> Any:
    """Forecasts of hidden runs against what they turned out to be."""
    import altair as alt

    tested = review["backtest"]
    relative = tested["log_error"]
    every = sorted(tested["runs"], key=lambda row: (row["factor"], row["extrapolation"]))
    stride = max(1, math.ceil(len(every) / MOST_HIDDEN))
    rows = []
    for rank, row in enumerate(every[::stride]):
        truth = row["observed"]
        off = {q: row[q] / truth - 1 if relative else row[q] - truth for q in ("q5", "median", "q95")}
        rows.append(
            {
                **{f"off_{q}": v for q, v in off.items()},
                **row,
                "rank": rank,
                "said": "inside" if row["inside"] else "outside",
            }
        )
    style = "+.0%" if relative else "+.2~g"
    title = "Forecast against truth" + (" (%)" if relative else "")

    def y(field: str) -> Any:
        return alt.Y(
            f"{field}:Q", title=title, scale=alt.Scale(zero=True), axis=alt.Axis(format=style, tickCount=5)
        )

    colour = alt.condition(alt.datum.inside, alt.value(vega.ACCENT), alt.value(vega.INK))
    x = alt.X("rank:O", title="hidden measurements, by cut and size").axis(labels=False)
    base = alt.Chart(vega.data(rows)).encode(
        x=x,
        tooltip=[
            alt.Tooltip("family:N"), *_row(rows),
            alt.Tooltip("observed:Q", format=".4~g"),
            alt.Tooltip("median:Q", title="forecast", format=".4~g"),
            alt.Tooltip("q5:Q", title="90 % from", format=".4~g"),
            alt.Tooltip("q95:Q", title="to", format=".4~g"),
            alt.Tooltip("extrapolation:Q", title="times beyond the cut", format=".2~g"),
            alt.Tooltip("said:N", title="90 % band"),
        ],
    )  # fmt: skip
    rule = base.mark_rule(strokeWidth=2, opacity=0.75).encode(y=y("off_q5"), y2="off_q95:Q", color=colour)
    fill = alt.condition(alt.datum.inside, alt.value(vega.ACCENT), alt.value(vega.CARD))
    dot = base.mark_point(filled=True, size=34, opacity=1, strokeWidth=1.5).encode(
        y=y("off_median"), stroke=colour, fill=fill
    )
    zero = alt.Chart(vega.data([{"y": 0}])).mark_rule(color=vega.INK, strokeWidth=1).encode(y=y("y"))
    told = f"{tested['held']} of {tested['hidden']} hidden measurements fell inside their 90 % bands."
    return vega.described(alt.layer(zero, rule, dot).properties(height=240), told)


def _allocation(review: Mapping[str, Any]) -> Any:
    """Expected response over sizes at the budget."""
    import altair as alt

    found, question = review["allocation"], review["question"]
    label = question["sizes"]["label"]
    rows = [{**p, "size": words.size(p["params"]), "data": words.size(p["tokens"])} for p in found["curve"]]
    sizes = [row["params"] for row in rows]
    x = alt.X(
        "params:Q",
        title="parameters",
        scale=alt.Scale(type="log", domain=[min(sizes), max(sizes)], nice=False),
    )
    x = x.axis(grid=False, **vega.log_axis(min(sizes), max(sizes), words.size))
    y = alt.Y(
        "expected:Q",
        title=f"expected {label[:1].lower()}{label[1:]}",
        scale=alt.Scale(zero=False),
    )
    y = y.axis(tickCount=5)
    base = alt.Chart(vega.data(rows)).encode(x=x)
    numbers = [
        alt.Tooltip("size:N", title="parameters"), alt.Tooltip("data:N", title="tokens"),
        alt.Tooltip("expected:Q", title="expected", format=f".{vega.decimals(review) + 1}f"),
    ]  # fmt: skip
    layers = []
    if "1 %" in found["within"]:
        low, high = found["within"]["1 %"]
        flat = alt.Chart(vega.data([{"params": low, "to": high}]))
        layers.append(flat.mark_rect(color=vega.ACCENT, opacity=0.12, clip=True).encode(x=x, x2="to:Q"))
    line = base.mark_line(color=vega.ACCENT, strokeWidth=2).encode(y=y)
    marks = [{"params": found["best"]["params"], "word": "best"}]
    planned = question["run"].get("params")
    if found["is_planned_cost"] and planned and min(sizes) <= planned <= max(sizes):
        marks.append({"params": planned, "word": "planned"})
    pins = alt.Chart(vega.data(marks)).encode(x=x)
    rule = pins.mark_rule(color=vega.INK, strokeDash=[5, 4])
    label = alt.layer(*[
        alt.Chart(vega.data([mark])).mark_text(align=side, dx=5 if side == "left" else -5).encode(
            x=x, text="word:N", y=alt.value(40)
        )
        for side, mark in zip(("right", "left"), sorted(marks, key=lambda m: m["params"]), strict=False)
    ])  # fmt: skip
    chart = alt.layer(*layers, rule, vega.stripes(base, numbers, "sizes"), line, label)
    return vega.described(
        chart.properties(height=240), "Expected outcome over model sizes that cost the same."
    )
