"""Reading a table from a file, in the forms in which people keep them."""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from bayes_scaling._checks import listing, spelt
from bayes_scaling._memory import require
from bayes_scaling.units import RunsError

#: Memory that reading takes over the size of the file; a million rows: 13 (.csv), 9 (.jsonl), 15 (.parquet).
CELLS = 15.0

_MAGIC = {
    b"PK": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file (name it .parquet)",
    b"%PDF": "a PDF document",
}


def load(table: pd.DataFrame | str | os.PathLike) -> tuple[pd.DataFrame, str]:
    """The table as the user wrote it, and where it comes from.

    Raises
    ------
    RunsError
        If there is no such file, or it is empty, or it is not a table.
    MemoryRefused
        If it is larger than there is memory for.
    """
    if isinstance(table, pd.DataFrame):
        frame, source = table.set_axis([spelt(c) for c in table.columns], axis=1), "DataFrame"
    elif isinstance(table, str | os.PathLike):
        path, source = Path(table).expanduser(), os.fspath(table)
        frame = _read(path)
    else:
        raise RunsError(f"a table of runs is a DataFrame or a path, not {type(table).__name__}")
    repeated = sorted(set(frame.columns[frame.columns.duplicated()]))
    if repeated:
        raise RunsError(f"{source}: two columns have the same name: {', '.join(map(repr, repeated))}")
    if frame.empty:
        raise RunsError(f"{source} is empty: it has {len(frame)} rows and {frame.shape[1]} columns")
    return frame.reset_index(drop=True), source


def no_such_file(path: Path) -> str:
    """What to say of a path where nothing is: with the nearest name in its folder."""
    folder = path.parent
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    hint = f"did you mean {str(folder / close[0])!r}?" if close else "no file there has a similar name"
    return f"there is no file {str(path)!r}; " + (hint if names else f"no files in {str(folder)!r}")


def _read(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise RunsError(no_such_file(path))
    if path.is_dir():
        raise RunsError(f"{str(path)!r} is a folder; expected a file: {', '.join(_READERS)}")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise RunsError(f"{str(path)!r} has no known ending; expected one of {', '.join(_READERS)}")
    try:
        size = path.stat().st_size
        require({"cells": CELLS * size}, f"reading {str(path)!r}", "read a part of it")
        data = path.read_bytes()
    except OSError as error:
        raise RunsError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    if not data.strip():
        raise RunsError(f"{str(path)!r} is empty")
    return reader(path, data)


def _text(path: Path, data: bytes) -> str:
    """Decode a text file, or say what it is instead."""
    kind = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), "")
    if not kind and b"\0" in data:
        kind = "a binary file (or text that is not UTF-8)"
    try:
        text = "" if kind else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        kind, text = "a binary file (or text that is not UTF-8)", ""
    if text.lstrip()[:1] == "<":
        kind = "a web page or XML"
    if kind:
        raise RunsError(f"{str(path)!r} is not a table: it looks like {kind}; expected {', '.join(_READERS)}")
    return text


def _delimited(separator: str) -> Callable[[Path, bytes], pd.DataFrame]:
    def read(path: Path, data: bytes) -> pd.DataFrame:
        try:
            lines = csv.reader(io.StringIO(_text(path, data), newline=""), delimiter=separator, strict=True)
            header, *rows = [[cell.strip() for cell in line] for line in lines if line] or [[]]
        except csv.Error as error:
            raise RunsError(f"{str(path)!r} is not a table: {error}") from None
        if not header:
            raise RunsError(f"{str(path)!r} is empty")
        if len(header) == 1:
            for other, name in (
                (";", "semicolons"),
                ("\t", "tabs (name the file .tsv)"),
                (",", "commas (.csv)"),
            ):
                if other in header[0]:
                    raise RunsError(
                        f"{str(path)!r} has one column {header[0]!r}: are its cells parted by {name}?"
                    )
        ragged = {i: f"{len(row)} cells" for i, row in enumerate(rows, 1) if len(row) != len(header)}
        if ragged:
            found = listing(ragged)
            raise RunsError(f"{str(path)!r} is not a table: the header has {len(header)} cells but {found}")
        columns = zip(*rows, strict=True) if rows else ([] for _ in header)
        frame = pd.concat([pd.Series(list(c), dtype=object) for c in columns], axis=1)
        frame.columns = pd.Index(header, dtype=object)
        # A first column without a name is the index that DataFrame.to_csv writes.
        return frame.iloc[:, 1:] if header[0] == "" else frame

    return read


def _json(path: Path, data: bytes) -> pd.DataFrame:
    text = _text(path, data)
    rows: list[object] = []
    try:
        if text.lstrip().startswith("["):
            rows = json.loads(text, parse_constant=str)
        else:
            for line in text.splitlines():
                if line.strip():
                    # NaN and Infinity stay text, so that they are reported and not taken for empty cells.
                    rows.append(json.loads(line, parse_constant=str))
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, lists without end
        where, why = f"line {len(rows) + 1}", getattr(error, "msg", error)
        raise RunsError(f"{str(path)!r} is not a table: {where} is not JSON ({why})") from None
    for i, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise RunsError(
                f"{str(path)!r} is not a table: line {i} is not an object of column names and values"
            )
    names = dict.fromkeys(name for row in rows for name in row)  # type: ignore[attr-defined]
    columns = {spelt(n): pd.Series([row.get(n) for row in rows], dtype=object) for n in names}  # type: ignore
    return pd.DataFrame(columns)


def _parquet(path: Path, data: bytes) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(data), engine="pyarrow")
    except ImportError:
        raise RunsError(
            f"reading {str(path)!r} needs pyarrow: pip install pyarrow, or save it as .csv"
        ) from None
    except (OSError, ValueError) as error:  # pyarrow's own errors derive from these
        raise RunsError(f"{str(path)!r} is not a table in Parquet format: {error}") from None


_READERS: Mapping[str, Callable[[Path, bytes], pd.DataFrame]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".parquet": _parquet,
    ".jsonl": _json,
    ".ndjson": _json,
    ".json": _json,
}
