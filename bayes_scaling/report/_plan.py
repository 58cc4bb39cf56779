"""plan.toml: what is planned, with targets, costs, deadline, alternatives and candidates for a next run."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

from bayes_scaling.decide import Cost, DecisionError
from bayes_scaling.decide._draws import Better, positive
from bayes_scaling.law import nearest

KEYS = (
    "title", "note", "family", "better", "deadline", "run", "targets", "cost", "stakes",
    "alternatives", "candidates", "review",
)  # fmt: skip
COSTS = (*(f.name for f in fields(Cost)), "budget", "currency")
STAKES = ("met", "missed", "no_go", "wait")
#: Keys of a candidate or an alternative that are not inputs of a law.
OWN = {"alternatives": ("name",), "candidates": ("name", "cost", "days", "family")}
#: Largest file that is read as a plan.
MOST_BYTES = 1_000_000
EXAMPLE = '[run] with params = "70B" and tokens = "1.4T"'


class PlanError(DecisionError):
    """A plan that cannot be read, or that is impossible."""


@dataclass(frozen=True)
class Option:
    """A run with a name: an alternative, or a candidate for the next small run.

    Parameters
    ----------
    name : str
    inputs : mapping
    cost : float, optional
        In the unit of `Cost`, of a candidate.
    days : float, optional
        How long it takes.
    family : str, optional
        Of a candidate; default: that of the plan.
    """

    name: str
    inputs: Mapping[str, Any]
    cost: float | None = None
    days: float | None = None
    family: str | None = None


@dataclass(frozen=True)
class ReviewPlan:
    """What a review is about.

    Parameters
    ----------
    run : mapping
        Inputs of the planned run.
    targets : mapping of str to float
        At most that loss, at least that accuracy. Several: accuracies on tasks of the table, and ``loss``.
    title, note : str
    family : str, optional
        A family of the table or ``"new"``; default: the only one, or ``"new"``.
    better : {"lower", "higher"}, optional
        Default: as the response's name says.
    deadline : date, optional
    cost : Cost
    budget : float, optional
        In the unit of the cost; default: what the planned run costs.
    currency : str
        What prices are in.
    priced : bool
        Whether the plan says what a run costs, so that candidates need not.
    stakes : mapping of str to float
        ``met``, ``missed``, ``no_go`` and ``wait``: losses of the four ends; empty for none.
    alternatives, candidates : tuple of Option
    sensitivity : bool
        Whether the page also says how far it hangs on priors, families and the largest run; several fits.
    text : str
        The plan as it was written.
    """

    run: Mapping[str, Any]
    targets: Mapping[str, Any]
    title: str = "Risk review"
    note: str = ""
    family: str | None = None
    better: Better | None = None
    deadline: date | None = None
    cost: Cost = field(default_factory=Cost)
    budget: float | None = None
    currency: str = ""
    priced: bool = False
    stakes: Mapping[str, float] = field(default_factory=dict)
    alternatives: tuple[Option, ...] = ()
    candidates: tuple[Option, ...] = ()
    sensitivity: bool = False
    text: str = ""

    @property
    def unit(self) -> str:
        """Unit of costs and budgets: FLOP, or the currency."""
        return self.cost.unit if self.cost.price_per_flop is None else self.currency or "price"


def read_plan(source: ReviewPlan | Mapping[str, Any] | str | os.PathLike[str]) -> ReviewPlan:
    """A plan from a TOML file, or from a mapping of the same keys.

    Parameters
    ----------
    source : path, mapping or ReviewPlan

    Raises
    ------
    PlanError
        If there is no such file, it is no TOML, a key is unknown or missing, or a value makes no sense.
    """
    if isinstance(source, ReviewPlan):
        return source
    if isinstance(source, Mapping):
        return _parse(source, "the plan", "")
    path = Path(source).expanduser()
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise PlanError(f"{path} is not a plan: it has more than {MOST_BYTES} bytes")
        text = raw.decode("utf-8")
        tree = tomllib.loads(text)
    except OSError as error:
        raise PlanError(f"cannot read the plan {str(path)!r}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise PlanError(f"{path} is not a plan: expected a TOML file in UTF-8") from None
    except PlanError:
        raise
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, tables without end
        raise PlanError(f"{path} is not TOML: {error}; numbers such as 70B are written in quotes") from None
    return _parse(tree, str(path), text)


def _parse(tree: Mapping[str, Any], where: str, text: str) -> ReviewPlan:
    _known(tree, KEYS, where)
    run, targets = (_table(tree, name, where) for name in ("run", "targets"))
    if not run:
        raise PlanError(f"{where} says nothing about the run that is planned; expected {EXAMPLE}")
    if not targets:
        raise PlanError(f"{where} has no target; expected [targets] with, for example, loss = 2.0")
    costs = _table(tree, "cost", where)
    _known(costs, COSTS, f"{where}: [cost]")
    deadline = tree.get("deadline")
    if isinstance(deadline, datetime):
        deadline = deadline.date()
    if deadline is not None and not isinstance(deadline, date):
        raise PlanError(f"{where}: deadline is {deadline!r}, expected a date without quotes: 2027-03-31")
    cost = _cost(costs, where)
    budget = costs.get("budget")
    words = {name: tree[name] for name in ("title", "note", "family", "better") if name in tree}
    for name, value in [*words.items(), *({k: v for k, v in costs.items() if k == "currency"}).items()]:
        if not isinstance(value, str):
            raise PlanError(f"{where}: {name} is {value!r}, expected text in quotes")
    return ReviewPlan(
        **words,
        run=run,
        targets=targets,
        deadline=deadline,
        cost=cost,
        budget=None if budget is None else _positive(f"{where}: [cost] budget", budget),
        currency=costs.get("currency", ""),
        priced=bool(costs.keys() - {"budget", "currency"}),
        stakes=_stakes(_table(tree, "stakes", where), where),
        alternatives=_options(tree, "alternatives", where),
        candidates=_options(tree, "candidates", where),
        sensitivity=_sensitivity(_table(tree, "review", where), where),
        text=text,
    )


def _sensitivity(given: Mapping[str, Any], where: str) -> bool:
    _known(given, ("sensitivity",), f"{where}: [review]")
    wanted = given.get("sensitivity", False)
    if not isinstance(wanted, bool):
        raise PlanError(f"{where}: [review] sensitivity is {wanted!r}, expected true or false")
    return wanted


def _cost(given: Mapping[str, Any], where: str) -> Cost:
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("budget", "currency"):
            continue
        if name == "sizes":
            if not isinstance(value, list):
                raise PlanError(
                    f"{where}: [cost] sizes is {value!r}, expected a list of numbers of parameters"
                )
            values[name] = tuple(_positive(f"{where}: [cost] sizes", one) for one in value)
        elif name == "inference_tokens" and value in (0, 0.0, "0"):
            values[name] = 0.0
        else:
            values[name] = _positive(f"{where}: [cost] {name}", value)
    try:
        return Cost(**values)
    except DecisionError as error:
        raise PlanError(f"{where}: [cost]: {error}") from None


def _stakes(given: Mapping[str, Any], where: str) -> dict[str, float]:
    if not given:
        return {}
    _known(given, STAKES, f"{where}: [stakes]")
    for name in ("met", "missed"):
        if name not in given:
            raise PlanError(
                f"{where}: [stakes] needs both met and missed: the losses with and without success"
            )
    found = {"no_go": 0.0, "wait": 0.0, **given}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise PlanError(f"{where}: [stakes] {name} is {value!r}, expected a finite number")
    return {name: float(found[name]) for name in STAKES}


def _options(tree: Mapping[str, Any], kind: str, where: str) -> tuple[Option, ...]:
    given = tree.get(kind, [])
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise PlanError(f"{where}: {kind} is {given!r}, expected tables, each headed [[{kind}]]")
    found: list[Option] = []
    for k, one in enumerate(given, 1):
        inputs = {name: value for name, value in one.items() if name not in OWN[kind]}
        name = one.get("name", f"{kind.removesuffix('s')} {k}")
        if not isinstance(name, str) or not name.strip():
            raise PlanError(f"{where}: {kind} {k}: name is {name!r}, expected text in quotes")
        if name in (other.name for other in found):
            raise PlanError(f"{where}: two {kind} are called {name!r}")
        if not inputs:
            raise PlanError(f"{where}: {kind} {name!r} has no inputs; expected those of {EXAMPLE}")
        numbers = {
            key: _positive(f"{where}: {kind} {name!r}: {key}", one[key])
            for key in ("cost", "days")
            if kind == "candidates" and key in one
        }
        family = one.get("family") if kind == "candidates" else None
        if family is not None and not isinstance(family, str):
            raise PlanError(f"{where}: {kind} {name!r}: family is {family!r}, expected text in quotes")
        found.append(Option(name, inputs, family=family, **numbers))
    return tuple(found)


def _table(tree: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    value = tree.get(name, {})
    if not isinstance(value, Mapping):
        raise PlanError(f"{where}: {name} is {value!r}, expected a table headed [{name}]")
    return dict(value)


def _known(given: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise PlanError(f"{where} has an unknown key {name!r}; {nearest(name, known)}")


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool):
        raise PlanError(f"{name} is {value!r}, expected a positive number")
    try:
        return positive(name, value)
    except DecisionError as error:
        raise PlanError(str(error)) from None
