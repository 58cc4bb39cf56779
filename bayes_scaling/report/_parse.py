"""JSON from a file that anybody may have edited: parsed strictly, and every surprise becomes one error."""

from __future__ import annotations

import json
import math
import reprlib
from dataclasses import dataclass
from typing import Any

from bayes_scaling.law import nearest

#: A record of a hundred plans takes half a megabyte.
MOST_BYTES = 8 * 2**20


class RecordError(ValueError):
    """A forecast cannot be recorded, or a file is not a record that can be scored."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value inside a JSON document, and where it stands."""

    value: Any
    where: str

    def _refuse(self, expected: str) -> RecordError:
        return RecordError(f"{self.where or 'the record'} is {brief(self.value)}, expected {expected}")

    def fields(self, *names: str) -> dict[str, Node]:
        """Members of an object that has exactly these."""
        found = self.members()
        lacking, extra = [n for n in names if n not in found], [n for n in found if n not in names]
        if lacking or extra:
            told = [f"lacks {', '.join(lacking)}"] if lacking else []
            told += [f"has an unknown field {brief(n)} ({nearest(n, names)})" for n in extra[:1]]
            raise RecordError(f"{self.where or 'the record'} {' and '.join(told)}")
        return found

    def members(self) -> dict[str, Node]:
        """All members of an object."""
        if not isinstance(self.value, dict):
            raise self._refuse("an object")
        prefix = f"{self.where}." if self.where else ""
        return {
            name: Node(one, prefix + (name if name.isidentifier() else brief(name)))
            for name, one in self.value.items()
        }

    def items(self, *, least: int = 0) -> list[Node]:
        """Members of a list of at least so many."""
        if not isinstance(self.value, list) or len(self.value) < least:
            raise self._refuse(f"a list of {least} or more")
        return [Node(one, f"{self.where}[{k}]") for k, one in enumerate(self.value, 1)]

    def text(self, *, least: int = 0, lines: bool = False) -> str:
        """A string of at least so many characters; printable, unless it may have lines."""
        if isinstance(self.value, str) and len(self.value) >= least and (lines or self.value.isprintable()):
            return self.value
        raise self._refuse("text" if lines else f"printable text of {least} or more characters")

    def number(self) -> float:
        """A finite number."""
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            try:
                value = float(self.value)
            except OverflowError:
                value = math.inf
            if math.isfinite(value):
                return value
        raise self._refuse("a finite number")

    def whole(self, least: int) -> int:
        """A whole number of at least so much."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < least:
            raise self._refuse(f"a whole number, {least} or more")
        return self.value


def parse_json(content: str | bytes) -> Any:
    """A JSON document without NaN, infinities, and names given twice.

    Raises
    ------
    RecordError
        If it is too large or not such a document.
    """
    if len(content) > MOST_BYTES:
        raise RecordError(f"is larger than {MOST_BYTES // 2**20} MiB, which no record is")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once)
    except RecordError:
        raise
    except ValueError as error:  # syntax, UTF-8, whole numbers of thousands of digits
        raise RecordError(f"is not JSON: {error}") from None


def brief(value: Any) -> str:
    """A value in an error message: at most a line."""
    shown = _SHORT.repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


_SHORT = reprlib.Repr(maxstring=60, maxother=60, maxlong=40, maxlevel=2, maxdict=3, maxlist=3)


def _no_constant(name: str) -> None:
    raise RecordError(f"holds {name}, which is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise RecordError(f"holds {brief(text)}, which is no finite number")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordError(f"gives {brief(twice)} twice in one object")
    return found
