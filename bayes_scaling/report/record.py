"""A forecast written down before the truth is known: a small JSON record under a SHA-256 of its own.

The hash covers everything in the record, in a canonical form, so that layout does not matter and content
does. It shows that a record was changed only to those who have the hash from elsewhere: print it, put it in
the ticket, or enter the record in a ledger when it is made.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_scaling._files import cause_of, write_whole
from bayes_scaling.forecast import Forecast
from bayes_scaling.law import LawError
from bayes_scaling.laws import law as law_by_name
from bayes_scaling.report._parse import MOST_BYTES, RecordError
from bayes_scaling.report._schema import Plan, Predicted, Record, parse_record, to_json
from bayes_scaling.runs import Runs

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Probabilities of the recorded quantiles; both ends of the 50, 80, 90 and 95 % bands are among them.
LEVELS = tuple(k / 200 for k in range(1, 200))
#: Significant digits of a recorded quantile.
DIGITS = 9


def predicted(
    forecast: Forecast,
    *,
    quantity: str | None = None,
    unit: str | None = None,
    laws: Mapping[str, float] | None = None,
) -> Predicted:
    """What a forecast says of one quantity, as it goes into a record.

    Parameters
    ----------
    forecast : Forecast
    quantity : str, optional
        Default: what the law predicts; ``success_rate`` (unit 1) for a law of counts of successes, whose
        forecasts are rates. Needed for a law that is not in the zoo.
    unit : str, optional
        Default: that of the forecast.
    laws : mapping of str to float, optional
        Law -> weight; default: what the forecast says.

    Raises
    ------
    RecordError
        If the target is the mean curve (which nobody will ever observe), a draw is not finite, the quantity
        is not known, or weights are not positive numbers that add up to one.
    """
    if forecast.target == "mean":
        raise RecordError(
            "a forecast of target 'mean' cannot be scored: the mean curve is never observed; "
            "forecast target 'new_run' or 'measurement'"
        )
    if laws is None:
        laws = {k: w for k, w in forecast.weights.items() if w > 0} or {forecast.law: 1.0}
    if quantity is None or unit is None:
        own_quantity, own_unit = _quantity(forecast, laws) if quantity is None else (quantity, forecast.unit)
        quantity, unit = quantity or own_quantity, unit or own_unit
    draws = np.asarray(forecast.draws, float)
    if not np.isfinite(draws).all():
        raise RecordError(f"{np.sum(~np.isfinite(draws))} of {draws.size} draws of {quantity} are not finite")
    quantiles = np.quantile(draws, LEVELS, axis=0).T
    plans = tuple(
        Plan(_inputs(plan), family, tuple(float(f"{q:.{DIGITS}g}") for q in row))
        for plan, family, row in zip(forecast.plans, forecast.families, quantiles, strict=True)
    )
    return Predicted(quantity, unit, forecast.target, {k: float(w) for k, w in laws.items()}, plans)


def make_record(
    forecasts: Forecast | Predicted | Sequence[Forecast | Predicted],
    runs: Runs,
    *,
    settings: Mapping[str, Any] | DataclassInstance | None = None,
    note: str = "",
    now: datetime | None = None,
) -> Record:
    """Pre-register forecasts.

    Parameters
    ----------
    forecasts : Forecast, Predicted, or a sequence of them
        One per quantity; `predicted` names the quantity and the weights of several laws.
    runs : Runs
        The table that was fitted.
    settings : mapping or dataclass, optional
        How the forecast was made, such as ``posterior.settings``; must be plain JSON.
    note : str
    now : datetime, optional
        With its time zone; default: the clock.

    Raises
    ------
    RecordError
        If something cannot be recorded; see `predicted`.
    """
    several = [forecasts] if isinstance(forecasts, Forecast | Predicted) else list(forecasts)
    now = now or datetime.now(UTC)
    if now.tzinfo is None:
        raise RecordError(f"now is {now.isoformat()}, without a time zone; say datetime.now(UTC)")
    record = Record(
        id=secrets.token_hex(8),
        created=now.astimezone(UTC).isoformat(timespec="seconds"),
        package_version=metadata.version("bayes_scaling"),
        data_hash=runs.hash,
        rows=len(runs),
        settings=asdict(settings) if is_dataclass(settings) else dict(settings or {}),
        note=note,
        levels=LEVELS,
        forecasts=tuple(one if isinstance(one, Predicted) else predicted(one) for one in several),
    )
    try:
        text = to_json(record)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(
            f"the record cannot be written as JSON: {error}; give plain numbers and text"
        ) from None
    return parse_record(text)  # what is written can be read, or is refused now


def _quantity(forecast: Forecast, laws: Mapping[str, float]) -> tuple[str, str]:
    found = set()
    for name in laws:
        try:
            response = law_by_name(name).predicts
        except LawError:
            raise RecordError(
                f"law {name!r} is not in the zoo: say what it predicts, predicted(forecast, quantity='loss')"
            ) from None
        counts = response.noise == "beta_binomial"
        found.add(("success_rate", "1") if counts else (response.name, forecast.unit))
    if len(found) != 1:
        names = ", ".join(sorted(name for name, _ in found)) or "nothing"
        raise RecordError(f"the laws predict {names}: say which, predicted(forecast, quantity=...)")
    return found.pop()


def _inputs(plan: Mapping[str, Any]) -> dict[str, float | str]:
    out: dict[str, float | str] = {}
    for name, value in plan.items():
        if isinstance(value, str):
            out[name] = value
        elif np.ndim(value) == 0:
            out[name] = float(value)
        else:
            rates = np.ascontiguousarray(value, dtype="<f8")
            out[name] = f"{len(rates)} values, SHA-256 {hashlib.sha256(rates.tobytes()).hexdigest()}"
    return out


def write_record(record: Record, path: str | os.PathLike[str]) -> Path:
    """Write a record to a new file, whole or not at all.

    Parameters
    ----------
    record : Record
    path : path
        Usually ending in ``.json``. A file that is already there is never replaced: it may be the only
        witness of an earlier forecast.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    RecordError
        If there is such a file already, or it cannot be written; nothing is left behind.
    """
    path = Path(path).expanduser()
    if not path.parent.is_dir():
        raise RecordError(
            f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}; make it first"
        )
    try:
        write_whole(path, to_json(record).encode("ascii"), replace=False)
    except FileExistsError:
        raise RecordError(
            f"{str(path)!r} exists and a record is never replaced; choose another name"
        ) from None
    except OSError as error:
        raise RecordError(f"cannot write {str(path)!r}: {cause_of(error)}") from error
    return path


def read_record(path: str | os.PathLike[str]) -> Record:
    """Read a record that `write_record` wrote.

    Raises
    ------
    RecordError
        If there is no such file, it is too large, not such a record, of a newer version, or was changed.
    """
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            raise RecordError(f"{str(path)!r} is a folder; expected a record, such as record.json")
        if path.exists() and not path.is_file():
            raise RecordError(f"{str(path)!r} is not a plain file; expected a record, such as record.json")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise RecordError(f"there is no file {str(path)!r}") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{str(path)!r} cannot be read: {error}") from None
    try:
        return parse_record(content)
    except RecordError as error:
        raise RecordError(f"{str(path)!r} {error}") from None
