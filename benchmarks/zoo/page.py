"""docs/zoo.md, made of the outcomes that run.py keeps and of the remarks in remarks.py.

python benchmarks/zoo/page.py --resume FOLDER [--out docs/zoo.md]
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import downstream
import inference
import pretraining
from cases import number
from remarks import HEAD, REMARKS, TITLES

CHAPTERS = {
    "Pretraining losses": pretraining.CASES,
    "Downstream scores": downstream.CASES,
    "Inference, discoveries, reinforcement learning": inference.CASES,
}
COLUMNS = ["law", "data", "quantity", "median, 90 % interval", "published", "inside", "s", "diagnostics"]


def markdown(columns: list[str], rows: Iterable[list[Any]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def rows_of(fit: dict[str, Any]) -> list[list[str]]:
    """The rows of one fit; what holds for all of them stands in the first."""
    verdict = "passed" if fit["passed"] else f"**failed**: {fit['diagnostics']}"
    families = f", {fit['families']} families" if fit["families"] > 1 else ""
    head = [f"`{fit['law']}`, {fit['structure']}", f"{fit['data']} ({fit['rows']} rows{families})"]
    seconds = f"{fit['sampling']:.1f} / {fit['wall']:.1f}"
    rows = []
    for q in fit["quantities"]:
        known = math.isfinite(q["published"])
        within = q["low"] <= q["published"] <= q["high"]
        name = f"{q['name']} ({q['family']})" if q["family"] else q["name"]
        middle = f"{number(q['median'])} [{number(q['low'])}, {number(q['high'])}]"
        published = f"{number(q['published'])} ({q['source']})" if known else "-"
        inside = ("yes" if within else "**no**") if known else "-"
        first = not rows
        rows.append(
            [
                *(head if first else ("", "")),
                name,
                middle,
                published,
                inside,
                seconds if first else "",
                verdict if first else "",
            ]
        )
    return rows or [[*head, "-", "-", "-", "-", seconds, verdict]]


def shortened(rows: list[list[str]]) -> list[list[str]]:
    """Sources are named where they change."""
    last = ""
    for row in rows:
        value, _, source = row[4].partition(" (")
        if source and source == last:
            row[4] = value
        last = source or last
    return rows


def finished(name: str, folder: Path) -> list[dict[str, Any]]:
    """The fits of a case that are done."""
    for path in (folder / f"{name}.jsonl", folder / f"{name}.partial"):
        if path.exists():
            return [json.loads(line) for line in path.read_text().splitlines()]
    return []


def case(name: str, folder: Path) -> str:
    """The section of one case."""
    parts = [f"### {TITLES.get(name, name)}", ""]
    fits, failed = finished(name, folder), folder / f"{name}.failed"
    why = failed.read_text().strip() if failed.exists() else "not run yet"
    if not fits:
        return "\n".join([*parts, f"No result: {why}.", "", REMARKS.get(name, ""), ""])
    parts += [markdown(COLUMNS, shortened([row for fit in fits for row in rows_of(fit)])), ""]
    for fit in fits:
        for table in fit["tables"]:
            parts += [
                f"{table['title']}:" if table["title"] else "",
                "",
                markdown(table["columns"], table["rows"]),
                "",
            ]
    if not (folder / f"{name}.jsonl").exists():
        parts += [f"Further fits of this case: {why}.", ""]
    if name in REMARKS:
        parts += [REMARKS[name], ""]
    return "\n".join(parts)


def everything(folder: Path) -> list[dict[str, Any]]:
    """All fits, in the order of the page."""
    return [fit for cases in CHAPTERS.values() for name in cases for fit in finished(name, folder)]


def tally(folder: Path) -> str:
    """How many published numbers lie inside, and how many fits passed."""
    fits = everything(folder)
    known = [q for fit in fits for q in fit["quantities"] if math.isfinite(q["published"])]
    inside = sum(q["low"] <= q["published"] <= q["high"] for q in known)
    passed = sum(fit["passed"] for fit in fits)
    return (
        f"{len(fits)} fits, of which {passed} pass their diagnostics; {inside} of {len(known)} published "
        "numbers lie inside our 90 % intervals."
    )


def conditions(folder: Path) -> str:
    """Dates, machine and versions."""
    fits = everything(folder)
    days = sorted({fit["when"][:10] for fit in fits})
    versions = ", ".join(f"{k} {v}" for k, v in fits[-1]["versions"].items())
    loads = [fit["load"] for fit in fits]
    return (
        f"**Conditions.** {' to '.join(dict.fromkeys((days[0], days[-1])))}; 2 CPU cores, of which a fit "
        f"had one, shared with other work (load {min(loads):.0f} to {max(loads):.0f}); {versions}."
    )


def page(folder: Path) -> str:
    """The whole page."""
    parts = ["# The zoo on real data", "", HEAD, "", conditions(folder), "", tally(folder), ""]
    for chapter, cases in CHAPTERS.items():
        parts += [f"## {chapter}", ""]
        parts += [case(name, folder) for name in cases]
    return "\n".join(parts).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resume", type=Path, required=True, help="folder with the finished cases")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "docs" / "zoo.md")
    options = parser.parse_args()
    options.out.write_text(page(options.resume))


if __name__ == "__main__":
    main()
