"""What a pre-registration holds, its canonical text and hash, and the strict way back from text."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from itertools import pairwise
from typing import Any

from bayes_scaling.law import nearest
from bayes_scaling.report._parse import Node, RecordError, brief, parse_json

FORMAT = "bayes_scaling pre-registration"
#: One more whenever an older version of the package would misread the record.
FORMAT_VERSION = 1
#: Closer probabilities and larger quantiles are refused, so that interpolation stays finite.
LEAST_STEP, MOST = 1e-9, 1e100


@dataclass(frozen=True, slots=True)
class Plan:
    """One planned run and what was forecast for it.

    Parameters
    ----------
    inputs : mapping of str to float or str
        A schedule of learning rates is told by its length and its SHA-256.
    family : str
    quantiles : tuple of float
        At `Record.levels`, not decreasing, in the unit of `Predicted`.
    """

    inputs: Mapping[str, float | str]
    family: str
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Predicted:
    """The forecast of one quantity.

    Parameters
    ----------
    quantity : str
        Name under which the truth will be told: ``loss``, ``accuracy``.
    unit : str
    target : {"new_run", "measurement"}
    laws : mapping of str to float
        Law -> weight; they add up to one.
    plans : tuple of Plan
    """

    quantity: str
    unit: str
    target: str
    laws: Mapping[str, float]
    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A pre-registration.

    Parameters
    ----------
    id : str
        Random; a copy that was changed and hashed anew still has it.
    created : str
        UTC, ISO 8601.
    package_version : str
    data_hash : str
        `Runs.hash` of the table that was fitted.
    rows : int
        Rows of that table.
    settings : mapping
        How the forecast was made; plain JSON.
    note : str
    levels : tuple of float
        Probabilities of the quantiles, increasing, inside (0, 1).
    forecasts : tuple of Predicted
        One per quantity.
    sha256 : str
        Of the canonical JSON of all the above.
    """

    id: str
    created: str
    package_version: str
    data_hash: str
    rows: int
    settings: Mapping[str, Any]
    note: str
    levels: tuple[float, ...]
    forecasts: tuple[Predicted, ...]
    sha256: str = ""

    def predicted(self, quantity: str) -> Predicted:
        """The forecast of that quantity.

        Raises
        ------
        RecordError
            If nothing was forecast under that name.
        """
        for one in self.forecasts:
            if one.quantity == quantity:
                return one
        known = [one.quantity for one in self.forecasts]
        raise RecordError(f"the record does not forecast {brief(quantity)}; {nearest(quantity, known)}")

    def plan(self, quantity: str, number: int) -> Plan:
        """The plan of that number, from 1.

        Raises
        ------
        RecordError
            If there is no such quantity or plan.
        """
        plans = self.predicted(quantity).plans
        if not 1 <= number <= len(plans):
            raise RecordError(
                f"the record has no plan {number} of {quantity}; its plans are 1 to {len(plans)}"
            )
        return plans[number - 1]


def to_json(record: Record) -> str:
    """The record as indented JSON, with its SHA-256."""
    tree = {"format": FORMAT, "format_version": FORMAT_VERSION} | asdict(record)
    tree["sha256"] = _digest(tree)
    text = json.dumps(tree, indent=1, allow_nan=False)
    return text + "\n"


def _digest(tree: Mapping[str, Any]) -> str:
    """SHA-256 of all but the hash itself: keys sorted, no white space, ASCII, shortest decimal numbers."""
    content = {name: value for name, value in tree.items() if name != "sha256"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def parse_record(content: str | bytes) -> Record:
    """A record from its JSON, checked.

    Raises
    ------
    RecordError
        If it is too large, not such a record, of a newer version, was changed, or makes no sense.
    """
    try:
        tree = parse_json(content)
        if not isinstance(tree, dict) or tree.get("format") != FORMAT:
            raise RecordError(f'is not a pre-registration: expected JSON with "format": {json.dumps(FORMAT)}')
        version = Node(tree.get("format_version"), "format_version").whole(1)
        if version > FORMAT_VERSION:
            raise RecordError(
                f"has format {version}, and this version reads up to {FORMAT_VERSION}: upgrade bayes_scaling"
            )
        digest, said = _digest(tree), Node(tree.get("sha256"), "sha256").text()
        if said != digest:
            raise RecordError(
                f"was changed after it was written: its content has SHA-256 {digest[:12]}..., "
                f"and it says {brief(said[:12])}...; score the original"
            )
        return _record(Node(tree, ""))
    except RecursionError:
        raise RecordError("is nested too deeply to be a pre-registration") from None


def _record(root: Node) -> Record:
    at = root.fields("format", "format_version", *(f.name for f in fields(Record)))
    levels = tuple(node.number() for node in at["levels"].items(least=3))
    if not all(b - a > LEAST_STEP for a, b in pairwise((0.0, *levels, 1.0))):
        raise RecordError("levels: expected increasing probabilities inside (0, 1)")
    settings = at["settings"].value
    if not isinstance(settings, dict):
        raise RecordError(f"settings is {brief(settings)}, expected an object")
    created = at["created"].text()
    try:
        utc = datetime.fromisoformat(created).utcoffset()
    except ValueError:
        utc = None
    if utc is None or utc.total_seconds():
        raise RecordError(f"created is {brief(created)}, expected a time in UTC, ISO 8601")
    forecasts = tuple(_predicted(node, levels) for node in at["forecasts"].items(least=1))
    names = [one.quantity for one in forecasts]
    if len(set(names)) < len(names):
        raise RecordError(f"forecasts: a quantity occurs twice in {', '.join(names)}")
    plain = {name: at[name].text(least=1) for name in ("id", "package_version", "data_hash", "sha256")}
    return Record(
        **plain,
        created=created,
        rows=at["rows"].whole(1),
        settings=settings,
        note=at["note"].text(lines=True),
        levels=levels,
        forecasts=forecasts,
    )


def _predicted(node: Node, levels: Sequence[float]) -> Predicted:
    at = node.fields(*(f.name for f in fields(Predicted)))
    target = at["target"].text()
    if target not in ("new_run", "measurement"):
        raise RecordError(f"{at['target'].where} is {brief(target)}, expected new_run or measurement")
    laws = {name: one.number() for name, one in at["laws"].members().items()}
    if not laws or min(laws.values()) <= 0 or not math.isclose(sum(laws.values()), 1, abs_tol=1e-6):
        raise RecordError(
            f"{at['laws'].where}: expected positive weights that add up to one, found {brief(laws)}"
        )
    quantity = at["quantity"].text(least=1)
    if "=" in quantity or quantity != quantity.strip():
        raise RecordError(f"{at['quantity'].where} is {brief(quantity)}, expected a plain name, such as loss")
    plans = tuple(_plan(one, levels) for one in at["plans"].items(least=1))
    return Predicted(quantity, at["unit"].text(), target, laws, plans)


def _plan(node: Node, levels: Sequence[float]) -> Plan:
    at = node.fields(*(f.name for f in fields(Plan)))
    inputs = {
        name: one.value if isinstance(one.value, str) else one.number()
        for name, one in at["inputs"].members().items()
    }
    quantiles = tuple(one.number() for one in at["quantiles"].items(least=1))
    where = at["quantiles"].where
    if len(quantiles) != len(levels):
        raise RecordError(f"{where}: {len(quantiles)} quantiles for {len(levels)} levels")
    if max(map(abs, quantiles)) > MOST:
        raise RecordError(f"{where}: expected numbers up to {MOST:g}")
    if any(a > b for a, b in pairwise(quantiles)):
        raise RecordError(f"{where}: expected quantiles that do not decrease")
    return Plan(inputs, at["family"].text(least=1), quantiles)
