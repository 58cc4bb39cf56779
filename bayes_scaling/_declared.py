"""What the declaration of a law must satisfy, and what it is told where it does not."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, get_args

Pool = Literal["shared", "rigid", "tight", "partial", "separate"]
Link = Literal["log", "identity", "logit", "loglog"]
Noise = Literal["student", "beta_binomial", "negative_binomial"]
Kind = Literal["positive", "schedule"]
Centre = Literal["none", "data"]

KINDS, CENTRES = get_args(Kind), get_args(Centre)
#: Links that go with each noise: the mean of counts is a rate or a number of events.
LINKS: Mapping[Noise, tuple[Link, ...]] = MappingProxyType(
    {"student": get_args(Link), "beta_binomial": ("logit", "loglog"), "negative_binomial": ("log",)}
)


class LawError(ValueError):
    """A law is declared or asked for wrongly."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest known name, and all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return f"{guess}known: {', '.join(names) or 'none'}"


def one_of(label: str, found: Any, known: Sequence[str]) -> None:
    """Refuse a word that is none of the known ones.

    Raises
    ------
    LawError
    """
    if found not in known:
        raise LawError(f"{label} is {found!r}; {nearest(str(found), known)}")


def increasing(label: str, interval: Any, low: float = -math.inf, high: float = math.inf) -> None:
    """Refuse what is no interval strictly between two numbers.

    Raises
    ------
    LawError
    """
    numbers = isinstance(interval, tuple | list) and len(interval) == 2
    if not (numbers and low < interval[0] < interval[1] < high):
        within = f"({low:g}, {high:g})"
        raise LawError(f"{label} is {interval!r}, expected two numbers that increase inside {within}")


def check_input(one: Any) -> None:
    """Refuse an `Input` with an unknown word or a range that is none.

    Raises
    ------
    LawError
    """
    where = f"input {one.name!r}"
    one_of(f"{where}: kind", one.kind, KINDS)
    one_of(f"{where}: centre", one.centre, CENTRES)
    if not 0 < one.typical[0] <= one.typical[1] < math.inf:
        raise LawError(f"{where}: the typical range is {one.typical}, expected two positive numbers in order")


def check_response(one: Any) -> None:
    """Refuse a `Response` with an unknown word, a link that its noise does not take, or no interval.

    Raises
    ------
    LawError
    """
    where = f"response {one.name!r}"
    one_of(f"{where}: noise", one.noise, tuple(LINKS))
    one_of(f"{where}: link of {one.noise} noise", one.link, LINKS[one.noise])
    one_of(f"{where}: centre", one.centre, CENTRES)
    if bool(one.trials) != (one.noise == "beta_binomial"):
        needs = "needs the column of its trials" if not one.trials else "has no trials"
        raise LawError(f"{where}: trials is {one.trials!r}, but {one.noise} noise {needs}")
    if one.link == "log" and not 0 < one.reference < math.inf:
        raise LawError(f"{where}: reference is {one.reference!r}, expected a positive number")
    increasing(f"{where}: scatter", one.scatter, 0.0)
    increasing(f"{where}: seed_share", one.seed_share, 0.0, 1.0)
    increasing(f"{where}: seed_slope", one.seed_slope)
    if one.overdispersion is not None:
        increasing(f"{where}: overdispersion", one.overdispersion, 0.0)


def same_names(label: str, declared: list[str], expected: list[str]) -> None:
    """Refuse names that are not those of the law's function.

    Raises
    ------
    LawError
    """
    missing = [n for n in expected if n not in declared]
    extra = [n for n in declared if n not in expected]
    if not missing and not extra:
        if label.endswith("inputs") and declared != expected:
            raise LawError(f"{label} are declared as {declared} but the function takes them as {expected}")
        return
    hints = "; ".join(nearest(name, expected) for name in extra)
    raise LawError(
        f"{label} and the function's signature differ: declared but not in the function {extra}, "
        f"in the function but not declared {missing}" + (f"; {hints}" if hints else "")
    )
