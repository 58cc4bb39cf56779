"""What the command line says of laws: the list of all, and all that is known of one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from bayes_scaling._render import new_console, new_table
from bayes_scaling.law import Law
from bayes_scaling.plot import brief, fixed

_NOISE = {
    "student": "Student-t noise on the {link} scale",
    "beta_binomial": "counts of successes",
    "negative_binomial": "counts of events",
}
_UNCHECKED = "not yet fitted to a public study"
#: A terminal narrower than this shows no inputs.
LEAST_WIDTH = 100


def law_record(folder: str, one: Law, variants: Mapping[int, Law]) -> dict[str, Any]:
    """A law as JSON; ``variants`` are all of its name."""
    predicts, inputs, parameters = one.predicts, one.inputs, one.parameters
    return {
        "name": one.name,
        "variant": one.variant,
        "title": one.title,
        "folder": folder,
        "equation": one.equation,
        "predicts": {
            "name": predicts.name,
            "unit": predicts.unit,
            "link": predicts.link,
            "noise": predicts.noise,
            "trials": predicts.trials,
            "centre": predicts.centre,
        },
        "inputs": [
            {
                "name": i.name,
                "unit": i.unit,
                "meaning": i.meaning,
                "kind": i.kind,
                "typical": list(i.typical),
                "centre": i.centre,
            }
            for i in inputs
        ],
        "parameters": [
            {
                "name": p.name,
                "unit": p.unit,
                "meaning": p.meaning,
                "prior": list(p.interval),
                "support": p.support,
                "pool": p.pool,
            }
            for p in parameters
        ],
        "floor": one.floor,
        "monotone": dict(one.monotone),
        "published": {
            key: {"values": dict(record.values), "source": record.source, "tag": record.tag}
            for key, record in one.published.items()
        },
        "derived": [
            {
                "name": d.name,
                "unit": d.unit,
                "meaning": d.meaning,
                "of": list(inspect.signature(d.function).parameters),
            }
            for d in one.derived
        ],
        "limits": [{"when": limit.when, "becomes": limit.becomes} for limit in one.limits],
        "notes": one.notes,
        "variants": [{"name": v.label, "title": v.title} for v in variants.values()],
        "checked_on": list(one.checked_on),
        "reference": asdict(one.reference),
    }


def laws(every: Sequence[tuple[str, Law]]) -> None:
    """All laws by folder, a line each: whole where they are piped, cut to fit a terminal."""
    console = new_console()
    for line in law_lines(every, console.width if console.is_terminal else None):
        console.print(line, soft_wrap=True)


def law_lines(every: Sequence[tuple[str, Law]], width: int | None = None) -> list[Text]:
    """A line per law and per folder, none longer than ``width``; None is as long as it takes."""
    rows = [(f"  {one.name}", one.title, ", ".join(i.name for i in one.inputs)) for _, one in every]
    most = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        rest = width - most[0] - 2
        most[2] = min(most[2], max(rest // 3, rest - most[1] - 2)) if width >= LEAST_WIDTH else 0
        most[1] = max(min(most[1], rest - most[2] - (2 if most[2] else 0)), 0)
    lines, before = [], ""
    for (folder, _), row in zip(every, rows, strict=True):
        if folder != before:
            lines.append(Text(f"{folder}/", style="bold"))
            before = folder
        shown = (_cut(text, room).ljust(room) for text, room in zip(row, most, strict=True) if room)
        lines.append(Text(_cut("  ".join(shown).rstrip(), width)))
    return [*lines, Text(_cut("'bayes-scaling describe LAW' tells more.", width))]


def law(folder: str, one: Law, variants: Mapping[int, Law]) -> None:
    """All that is known of one law; ``variants`` are all of its name."""
    console = new_console()
    console.print(Text(f"{one.label}  ({folder})", style="bold"))
    console.print(one.title)
    console.print(Padding(Text(one.equation), (1, 0, 1, 2)))
    if len(variants) > 1:
        told = new_table("variant", "title")
        for v in variants.values():
            told.add_row(v.label, v.title)
        console.print(told)
    r = one.predicts
    how = _NOISE[r.noise].format(link=r.link)
    console.print(f"Predicts {r.name} ({r.unit}): {how}")
    inputs = new_table("input", "unit", "typical", "meaning")
    for i in one.inputs:
        inputs.add_row(i.name, i.unit, _range(*i.typical), i.meaning)
    console.print(inputs)
    parameters = new_table("parameter", "90 % prior", "unit", "pool", "meaning")
    for p in one.parameters:
        parameters.add_row(p.name, _range(*p.interval), p.unit, p.pool, p.meaning)
    console.print(parameters)
    if one.published:
        _published(console, one)
    if one.derived:
        derived = new_table("derived", "unit", "meaning")
        for d in one.derived:
            derived.add_row(d.name, d.unit, d.meaning)
        console.print(derived)
    for limit in one.limits:
        console.print(f"Limit: {limit.when} gives {limit.becomes}")
    if one.notes:
        console.print(f"Notes: {one.notes}")
    console.print(f"Checked on: {', '.join(one.checked_on) or _UNCHECKED}")
    ref = one.reference
    arxiv = f" arXiv:{ref.arxiv}" if ref.arxiv else ""
    console.print(f"Reference: {ref.authors} ({ref.year}). {ref.title}.{arxiv}")


def _published(console: Console, one: Law) -> None:
    table = new_table("published", *(p.name for p in one.parameters), "source")
    for key, record in one.published.items():
        values = (fixed(record.values[p.name]) if p.name in record.values else "" for p in one.parameters)
        table.add_row(key, *values, f"{record.source} [{record.tag}]")
    console.print(table)


def _cut(text: str, most: int | None) -> str:
    return text if most is None or len(text) <= most else text[: max(most - 1, 0)].rstrip() + "…"


def _range(low: float, high: float) -> str:
    return f"{brief(low)} to {brief(high)}"
