"""A borrowed prior as JSON that people can read, and what is refused on reading."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import numpy as np

from bayes_scaling._files import cause_of, write_whole
from bayes_scaling.borrowed.record import STRUCTURE, Anchor, Prior, PriorError, Term, rows_of
from bayes_scaling.law import nearest
from bayes_scaling.supports import Support

FORMAT = "bayes_scaling prior"
#: One more whenever an older version of the package would misread the file.
FORMAT_VERSION = 1

#: Beyond these a number on the unconstrained scale is a mistake, not a belief.
_MOST_LOCATION, _MOST_SCALE = 200.0, 50.0
_LEAST_SCALE = 1e-6
#: The interval of a file must agree with its location and scale to this, in units of the scale.
_SAME = 1e-3
#: Largest file that is read.
_MOST_BYTES = 4_000_000


def save_prior(prior: Prior, path: str | os.PathLike[str]) -> Path:
    """Write a prior as JSON that people can read.

    Parameters
    ----------
    prior : Prior
    path : path

    Returns
    -------
    Path

    Raises
    ------
    PriorError
        If it cannot be written; an old file stays whole.
    """
    path = Path(path).expanduser()
    text = as_json(prior)
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise PriorError(f"cannot write the prior to {str(path)!r}: {cause_of(error)}") from error
    return path


def read_prior(path: str | os.PathLike[str]) -> Prior:
    """Read a prior that `save_prior` wrote.

    Parameters
    ----------
    path : path

    Raises
    ------
    PriorError
        If there is no such file, it is no prior, or its numbers make no sense together; with the reason.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise PriorError(f"cannot read the prior {str(path)!r}: {error.strerror or error}") from None
    if len(raw) > _MOST_BYTES:
        raise PriorError(f"{str(path)!r} is no prior: it has more than {_MOST_BYTES} bytes")
    return from_json(raw, repr(str(path)))


def as_json(prior: Prior) -> str:
    """The text of the file."""
    terms = [
        {
            "name": t.name,
            "support": t.support,
            "unit": t.unit,
            "location": t.location,
            "scale": t.scale,
            "spread": t.spread,
            "interval_90": list(t.interval),
        }
        for t in prior.terms
    ]
    anchor = prior.anchor
    record = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "package_version": prior.version or metadata.version("bayes_scaling"),
        "title": prior.title,
        "law": prior.law,
        "units": dict(prior.units),
        "bytes_per_token": prior.bytes_per_token,
        "anchor": anchor
        and {"centres": dict(anchor.centres), "shift": anchor.shift, "stretch": anchor.stretch},
        "structure": prior.structure and dict(prior.structure),
        "terms": terms,
        "correlation": [list(row) for row in prior.correlation],
        "provenance": dict(prior.provenance),
    }
    return _laid_out(record) + "\n"


def _laid_out(record: Mapping[str, Any]) -> str:
    """JSON with one term and one row of the correlation per line."""
    lines = []
    for key, value in record.items():
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).replace("\n", "\n  ")
        if key in ("terms", "correlation"):
            items = [json.dumps(v, ensure_ascii=False, allow_nan=False) for v in value]
            text = "[\n    " + ",\n    ".join(items) + "\n  ]" if items else "[]"
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}"


def from_json(text: str | bytes, where: str = "the prior") -> Prior:
    """A prior from the text of its file, checked; ``where`` begins every message."""
    try:
        record = json.loads(text, parse_constant=lambda name: f"the number {name}")
    except (ValueError, RecursionError) as error:
        raise PriorError(f"{where} is not JSON: {error}") from None
    try:
        return _record(record)
    except PriorError as error:
        raise PriorError(f"{where}: {error}") from None


_KEYS = (
    "format", "format_version", "package_version", "title", "law", "units", "bytes_per_token", "anchor",
    "structure", "terms", "correlation", "provenance",
)  # fmt: skip
_TERM = ("name", "support", "unit", "location", "scale", "spread", "interval_90")


def _record(record: Any) -> Prior:
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise PriorError(f"no {FORMAT}: expected an object with 'format': {FORMAT!r}")
    version = record.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise PriorError(f"format_version is {version!r}; this version of the package reads {FORMAT_VERSION}")
    _keys("the file", record, _KEYS)
    listed = record["terms"]
    if not isinstance(listed, list) or not listed:
        raise PriorError("terms must be a list of at least one term")
    terms = tuple(_term(i, t) for i, t in enumerate(listed, 1))
    names = [t.name for t in terms]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise PriorError(f"terms: {', '.join(twice)} stand there twice")
    anchor, structure, size = record["anchor"], record["structure"], record["bytes_per_token"]
    if anchor is not None:
        _keys("anchor", anchor, ("centres", "shift", "stretch"))
        centres = _numbers("anchor: centres", anchor["centres"], positive=True)
        shift = _number("anchor: shift", anchor["shift"])
        anchor = Anchor(centres, shift, _number("anchor: stretch", anchor["stretch"], positive=True))
    if structure is not None:
        structure = _numbers("structure", structure)
    if STRUCTURE in names and structure is None:
        raise PriorError(f"there is a term {STRUCTURE!r}, but 'structure' does not say of which discrepancy")
    units = record["units"]
    if not isinstance(units, dict) or not units or not all(isinstance(u, str) for u in units.values()):
        raise PriorError("units must say the unit of every input and of the response, as text")
    if not isinstance(record["provenance"], dict):
        raise PriorError("provenance must be an object")
    if not record["package_version"]:
        raise PriorError(
            "package_version is empty; expected the version that wrote the prior, such as '0.1.0'"
        )
    return Prior(
        law=_text("law", record["law"]),
        terms=terms,
        correlation=_correlation(record["correlation"], names),
        units=units,
        anchor=anchor,
        structure=structure,
        bytes_per_token=None if size is None else _number("bytes_per_token", size, positive=True),
        title=_text("title", record["title"]),
        provenance=record["provenance"],
        version=_text("package_version", record["package_version"]),
    )


def _term(i: int, record: Any) -> Term:
    _keys(f"term {i}", record, _TERM)
    name, support = _text(f"term {i}: name", record["name"]), record["support"]
    if support not in get_args(Support):
        raise PriorError(f"{name}: unknown support {support!r}; {nearest(str(support), get_args(Support))}")
    location, scale, spread = (_number(f"{name}: {key}", record[key]) for key in _TERM[3:6])
    if abs(location) > _MOST_LOCATION:
        raise PriorError(f"{name}: location is {location:g}; expected at most {_MOST_LOCATION:g} in size")
    if not _LEAST_SCALE <= scale <= _MOST_SCALE:
        raise PriorError(f"{name}: scale is {scale:g}; expected between {_LEAST_SCALE:g} and {_MOST_SCALE:g}")
    if not 0 <= spread <= scale * (1 + _SAME):
        raise PriorError(f"{name}: spread is {spread:g}; expected between 0 and the scale, {scale:g}")
    term = Term(name, support, location, scale, spread, _text(f"{name}: unit", record["unit"]))
    given = record["interval_90"]
    if not isinstance(given, list) or len(given) != 2:
        raise PriorError(f"{name}: interval_90 must be two numbers")
    for end, expected in zip(given, term.interval, strict=True):
        value = _number(f"{name}: interval_90", end)
        if not math.isclose(value, expected, rel_tol=_SAME * max(1.0, scale), abs_tol=_SAME * scale):
            low, high = term.interval
            raise PriorError(
                f"{name}: location and scale mean a 90 % interval of {low:.6g} to {high:.6g}, but "
                f"interval_90 says {value:.6g}: if you edited one of them, edit the other too"
            )
    return term


def _correlation(rows: Any, names: list[str]) -> tuple[tuple[float, ...], ...]:
    size = len(names)
    if not (
        isinstance(rows, list)
        and len(rows) == size
        and all(isinstance(r, list) and len(r) == size for r in rows)
    ):
        raise PriorError(f"correlation must be {size} rows of {size} numbers, one for each term")
    matrix = np.array(
        [[_number(f"correlation of {n}", v) for v in r] for n, r in zip(names, rows, strict=True)]
    )
    if not np.allclose(np.diagonal(matrix), 1) or not np.allclose(matrix, matrix.T, atol=1e-6):
        raise PriorError("correlation must be symmetric with ones on its diagonal")
    if np.abs(matrix).max() > 1 + 1e-9 or np.linalg.eigvalsh(matrix)[0] < 1e-9:
        raise PriorError("correlation is not positive definite: no draws have such correlations")
    return rows_of(matrix)


def _keys(label: str, record: Any, expected: Sequence[str]) -> None:
    if not isinstance(record, dict):
        raise PriorError(f"{label} must be an object with {', '.join(expected)}")
    missing = [k for k in expected if k not in record]
    extra = [k for k in record if k not in expected]
    if missing or extra:
        hint = "".join(f"; {k!r}: {nearest(k, expected)}" for k in extra[:1])
        raise PriorError(f"{label} lacks {missing or 'nothing'} and has too much {extra or 'nothing'}{hint}")


def _number(label: str, value: Any, *, positive: bool = False) -> float:
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or (positive and number <= 0):
        what = "a positive finite number" if positive else "a finite number"
        raise PriorError(f"{label} is {str(value)[:40]!r}; expected {what}")
    return number


def _numbers(label: str, value: Any, *, positive: bool = False) -> dict[str, float]:
    if not isinstance(value, dict):
        raise PriorError(f"{label} must be an object of numbers")
    return {k: _number(f"{label}: {k}", v, positive=positive) for k, v in value.items()}


def _text(label: str, value: Any) -> str:
    if not isinstance(value, str):
        raise PriorError(f"{label} is {str(value)[:40]!r}; expected text")
    return value
