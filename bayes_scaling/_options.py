"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

#: Arguments of Python as errors and notes name them -> the options that do the same.
_AS_OPTIONS = (
    (r"inputs=\{'x': '([^']*)'\}", r"--x \1"),
    (r"(?:inputs|columns)=\{'([^']*)': '([^']*)'\}", r"--column \1=\2"),
    (r"columns=\{'([^']*)': \.\.\.\}", r"--column \1=..."),
    (r"units=\{'([^']*)': '([^' ]*)'\}", r"--unit \1=\2"),
    (r"units=\{'([^']*)': '([^']*)'\}", r"--unit '\1=\2'"),
    (r"response='([^']*)'", r"--y \1"),
    (r"say read_runs\(.*schedules=.*\)", "in JSON lines, a column 'schedule' may hold lists of rates"),
    (r"structure=None", "--no-structure"),
    (r"allow_failed=True", "--allow-failed"),
    (r"\bcolumns\['([^']*)'\]", r"--column \1"),
    (r"\bunits\['([^']*)'\]", r"--unit \1"),
)

Table = Annotated[
    str, typer.Argument(metavar="DATA", help="A table (.csv .tsv .parquet .jsonl .json) or a built-in name.")
]
TableOrPosterior = Annotated[
    str, typer.Argument(metavar="DATA", help="A table, a built-in name, or a posterior saved by 'fit'.")
]
LawName = Annotated[
    str, typer.Option("--law", "-l", help="A law, as 'laws' lists them; NAME:2 is its second variant.")
]
LawNames = Annotated[
    str | None,
    typer.Option("--laws", metavar="NAME,...", help="Rival laws (default: those for such a table)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
Picture = Annotated[
    Path | None, typer.Option("--plot", help="File for a picture; its ending is the format: out.png.")
]
GroupBy = Annotated[str | None, typer.Option("--group", help="Column with the family (default: 'family').")]
Prior = Annotated[
    list[str] | None,
    typer.Option(
        "--prior",
        metavar="NAME=LOW,HIGH|PACK|FILE",
        help="Another 90 % prior interval, a prior pack or a file of 'transfer'; repeatable.",
    ),
]
X = Annotated[str | None, typer.Option("--x", metavar="COLUMN", help="Column that feeds a law of one input.")]
Y = Annotated[str | None, typer.Option("--y", metavar="COLUMN", help="Column that the law predicts.")]
Column = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=THEIRS", help="Our name of a column and the table's; repeatable."),
]
Unit = Annotated[
    list[str] | None,
    typer.Option(
        "--unit", metavar="COLUMN=UNIT", help="'tokens=billion token', 'loss=bit/token'; repeatable."
    ),
]
NoStructure = Annotated[
    bool,
    typer.Option("--no-structure", help="Trust the law as it is: no structural discrepancy around it."),
]
Chains = Annotated[int, typer.Option(min=1, help="Chains.")]
Warmup = Annotated[int, typer.Option(min=1, help="Warm-up iterations of each chain.")]
Draws = Annotated[int, typer.Option(min=1, help="Draws of each chain; more follow while too few count.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of all random numbers.")]


def in_options(text: str) -> str:
    """A message of the package, with what it says to do said for the command line."""
    for argument, option in _AS_OPTIONS:
        text = re.sub(argument, option, text)
    return text
