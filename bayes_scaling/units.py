"""Numbers as people write them, the vocabulary of columns, and their units."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Literal, cast

import numpy as np
import pandas as pd

from bayes_scaling.law import nearest

Domain = Literal["positive", "nonnegative", "real", "fraction", "label"]


class RunsError(ValueError):
    """A table of runs cannot be used as it is; the message lists every problem that was found."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One word of the vocabulary: what a column of that name holds.

    Parameters
    ----------
    unit : str
        Unit in which `Runs` keeps the column; empty where only the law knows.
    domain : {"positive", "nonnegative", "real", "fraction", "label"}
        Values that the column may take.
    plausible : tuple of float
        Outside this range the reader guesses that another unit was meant, and warns.
    aliases : tuple of str
        Other names by which the column is found when it is missing.
    """

    unit: str = ""
    domain: Domain = "positive"
    plausible: tuple[float, float] = (0.0, math.inf)
    aliases: tuple[str, ...] = ()


#: Canonical column names. Other columns are kept as they are.
VOCABULARY: Mapping[str, Quantity] = MappingProxyType(
    {
        "family": Quantity(domain="label"),
        "run": Quantity(domain="label", aliases=("run_id", "run_name")),
        "seed": Quantity(domain="label"),
        "schedule": Quantity(domain="label"),
        "params": Quantity(
            "parameter",
            plausible=(1e5, 1e14),
            aliases=(
                "N",
                "n_params",
                "num_params",
                "parameters",
                "n_parameters",
                "num_parameters",
                "total_params",
            ),
        ),
        "params_nonembed": Quantity(
            "parameter",
            plausible=(1e3, 1e14),
            aliases=("params_no_embed", "params_non_embedding", "non_embedding_params", "n_nonembed"),
        ),
        "tokens": Quantity(
            "token",
            plausible=(1e6, 1e15),
            aliases=("D", "n_tokens", "num_tokens", "training_tokens", "train_tokens"),
        ),
        "unique_tokens": Quantity("token", plausible=(1e6, 1e15), aliases=("n_unique_tokens", "unique", "U")),
        "compute": Quantity(
            "FLOP",
            plausible=(1e11, 1e30),
            aliases=("C", "flop", "flops", "compute_flop", "compute_flops", "training_flops", "train_flops"),
        ),
        "loss": Quantity(
            "nat/token",
            plausible=(0.3, 20.0),
            aliases=("L", "val_loss", "valid_loss", "validation_loss", "eval_loss", "test_loss"),
        ),
        "standard_error": Quantity(domain="nonnegative"),
        "loss_se": Quantity("nat/token", "nonnegative", aliases=("loss_stderr", "loss_std_err")),
        "bytes_per_token": Quantity("byte/token", plausible=(1.0, 20.0)),
        "accuracy": Quantity("1", "fraction"),
        "accuracy_se": Quantity("1", "nonnegative"),
        "step": Quantity("step", "nonnegative", aliases=("steps", "iteration", "iterations")),
        "batch_size": Quantity(),
        "lr": Quantity(domain="nonnegative", aliases=("learning_rate", "peak_lr")),
        "width": Quantity(),
        "depth": Quantity(),
        "k": Quantity(),
        "n_samples": Quantity("count"),
        "n_correct": Quantity("count", "nonnegative"),
        "x": Quantity(),
        "y": Quantity(domain="real"),
        "value": Quantity(domain="real"),
    }
)

#: Unit -> (unit in which its kind of quantity is kept, factor). Per-byte losses need bytes per token too.
UNITS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "parameter": ("parameter", 1.0),
        "token": ("token", 1.0),
        "FLOP": ("FLOP", 1.0),
        "PF-day": ("FLOP", 8.64e19),
        "nat/token": ("nat/token", 1.0),
        "bit/token": ("nat/token", math.log(2)),
        "digit/token": ("nat/token", math.log(10)),
        "nat/byte": ("nat/token", 1.0),
        "bit/byte": ("nat/token", math.log(2)),
        "digit/byte": ("nat/token", math.log(10)),
        "byte/token": ("byte/token", 1.0),
        "step": ("step", 1.0),
        "sequence": ("sequence", 1.0),
        "count": ("count", 1.0),
        "1": ("1", 1.0),
        "percent": ("1", 0.01),
    }
)
MULTIPLIERS: Mapping[str, float] = MappingProxyType(
    {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
)
#: Where logs of typical values lie, to choose between two units that are both possible.
_TYPICAL: Mapping[str, float] = MappingProxyType({"parameter": 1e9, "token": 1e11, "FLOP": 1e20})

_SUFFIX: Mapping[str, int] = MappingProxyType({"": 0, "k": 3, "m": 6, "b": 9, "t": 12})
_NUMBER = re.compile(r"([+-]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[+-]?\d+)?)\s*([kmbt]?)", re.IGNORECASE)


def number(text: str) -> float:
    """Read a number as people write sizes and budgets.

    Parameters
    ----------
    text : str
        Such as ``"70B"``, ``"1.4T"``, ``"125M"``, ``"20k"``, ``"3e23"`` or ``"1_000"``.

    Returns
    -------
    float

    Raises
    ------
    RunsError
        If the text has another form, or is not finite.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match:
        mantissa, suffix = match.groups()
        # Decimal, so that "2.3M" is the same float as 2.3e6.
        with contextlib.suppress(ArithmeticError):  # an exponent of a dozen digits
            value = float(Decimal(mantissa.replace("_", "")).scaleb(_SUFFIX[suffix.lower()]))
            if math.isfinite(value):
                return value
    raise RunsError(
        f"{text!r} is not a number; expected a form such as 70B, 1.4T, 125M, 20k, 3e23 or 1_000 "
        "(k, M, B, T are thousand, million, billion, trillion; no thousands commas)"
    )


def missing(cell: object) -> bool:
    """Whether a cell is empty."""
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and math.isnan(cell))


def numbers(column: pd.Series) -> tuple[np.ndarray, dict[int, str]]:
    """Read a column of numbers.

    Returns
    -------
    values : ndarray, shape (n,)
        float64, NaN where the cell is empty or not a number.
    bad : dict of int to str
        Position -> what was found, for the cells that hold something else.
    """
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), {}
    values, bad = np.full(len(column), np.nan), {}
    for i, cell in enumerate(column.to_numpy(dtype=object)):
        if missing(cell):
            continue
        try:
            values[i] = _cell(cell)
        except (TypeError, ValueError, OverflowError):
            bad[i] = shown(cell.strip() if isinstance(cell, str) else cell)
    return values, bad


def _cell(cell: object) -> float:
    if not isinstance(cell, str):
        return float(cell)  # type: ignore[arg-type]
    try:
        value = float(cell)
    except ValueError:
        return number(cell)
    return value if math.isfinite(value) else number(cell)


def shown(value: object) -> str:
    """How a value looks, in a length that fits a message."""
    try:
        return _brief(repr(value))
    except ValueError:  # Python writes out no more than 4300 digits
        return "a number of thousands of digits"


def _brief(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else text[: limit - 4] + "..." + text[-1]


def conversion(column: str, unit: str) -> tuple[str, float, bool]:
    """How to bring a column from the unit that the user states to the one in which it is kept.

    Parameters
    ----------
    column : str
        Canonical name.
    unit : str
        One of `UNITS`, also in the plural, also with a multiplier: ``"billion token"``.

    Returns
    -------
    kept : str
        Unit after the conversion.
    factor : float
        Multiplies the values.
    per_byte : bool
        Whether they must be multiplied by bytes per token as well.

    Raises
    ------
    RunsError
        If the unit is unknown or does not measure such a column.
    """
    multiplier, _, base = unit.strip().rpartition(" ")
    base = base.removesuffix("s") if base not in UNITS else base
    quantity = VOCABULARY.get(column, Quantity())
    if base not in UNITS or (multiplier and multiplier not in MULTIPLIERS):
        known = [name for name, (kept, _) in UNITS.items() if kept == quantity.unit] or list(UNITS)
        raise RunsError(
            f"units[{column!r}]: unknown unit {unit!r}; {nearest(base, known)} "
            f"({', '.join(MULTIPLIERS)} may stand in front of a count)"
        )
    kept, factor = UNITS[base]
    if quantity.domain == "label" or quantity.unit not in ("", kept):
        known = ", ".join(name for name, (other, _) in UNITS.items() if other == quantity.unit) or "no unit"
        hint = (
            "; map a loss that is not in nats, bits or digits to the column 'y'" if column == "loss" else ""
        )
        raise RunsError(f"units[{column!r}]: {column} cannot be in {unit!r}; it takes {known}{hint}")
    if multiplier and kept == "nat/token":
        raise RunsError(f"units[{column!r}]: a loss takes no multiplier, found {unit!r}")
    return kept, factor * MULTIPLIERS.get(multiplier, 1.0), base.endswith("/byte")


def guess_unit(column: str, low: float, high: float) -> str:
    """Unit in which values from low to high would be plausible for a column; empty if there is none."""
    quantity = VOCABULARY[column]
    if quantity.unit not in _TYPICAL:
        return ""
    candidates = {f"{name} {quantity.unit}": factor for name, factor in MULTIPLIERS.items()}
    if quantity.unit == "FLOP":
        candidates = {"PF-day": UNITS["PF-day"][1]}
    low, high = float(low), float(high)  # NumPy's own numbers warn where they overflow
    floor, ceiling = quantity.plausible
    fits = {unit: f for unit, f in candidates.items() if floor <= low * f and high * f <= ceiling}
    middle = math.sqrt(low) * math.sqrt(high)
    return min(
        fits, key=lambda unit: abs(math.log(middle * fits[unit] / _TYPICAL[quantity.unit])), default=""
    )


def series(frame: pd.DataFrame, name: str) -> pd.Series:
    """One column, typed as such; column names are unique here."""
    return cast(pd.Series, frame[name])


def numeric(frame: pd.DataFrame, name: str) -> bool:
    """Whether a parsed column holds numbers."""
    return series(frame, name).dtype == np.float64


def convert(
    frame: pd.DataFrame, units: Mapping[str, str], origin: Mapping[str, str], problems: list[str]
) -> dict[str, str]:
    """Bring the columns, in place, to the units in which they are kept, and say which these are.

    ``origin`` maps canonical names to the user's, which are accepted as keys of ``units`` too.
    """
    canonical = {user: name for name, user in origin.items()}
    told = {(name if name in frame else canonical.get(name, name)): unit for name, unit in units.items()}
    kept = {c: VOCABULARY[c].unit for c in frame.columns if c in VOCABULARY and VOCABULARY[c].unit}
    for name, unit in told.items():
        if name not in frame:
            problems.append(f"units: the table has no column {name!r}; {nearest(name, frame.columns)}")
            continue
        try:
            kept[name], scale = _scale(frame, name, unit)
        except RunsError as error:
            problems.append(str(error))
            continue
        followers = [f for f in _errors_of(frame, name, origin) if f not in told and numeric(frame, f)]
        for column in (name, *followers):
            frame[column] = frame[column] * scale
            kept[column] = kept[name]
    for name, unit in list(kept.items()):
        kept |= {f: unit for f in _errors_of(frame, name, origin) if f not in kept}
    return kept


def _errors_of(frame: pd.DataFrame, name: str, origin: Mapping[str, str]) -> list[str]:
    """Columns with the standard error of a column; one under a name of its own belongs to the loss."""
    user = origin.get("standard_error", "")
    owner = next((c for c in frame.columns if user in (f"{c}_se", f"{origin.get(c, c)}_se")), "loss")
    return [c for c in (f"{name}_se", *(["standard_error"] if name == owner else [])) if c in frame]


def _scale(frame: pd.DataFrame, name: str, unit: str) -> tuple[str, np.ndarray]:
    kept, factor, per_byte = conversion(name, unit)
    if not numeric(frame, name):
        raise RunsError(f"units[{name!r}]: the column holds text, which has no unit")
    scale = np.full(len(frame), factor)
    if per_byte:
        if "bytes_per_token" not in frame:
            raise RunsError(
                f"units[{name!r}]: {unit} becomes nat/token only with the mean number of bytes per token, "
                "which depends on tokenizer and text: give a column bytes_per_token, or keep the loss as 'y'"
            )
        scale = scale * frame["bytes_per_token"].to_numpy()
        lost = np.count_nonzero(~np.isnan(frame[name].to_numpy()) & np.isnan(scale))
        if lost:
            raise RunsError(f"units[{name!r}]: bytes_per_token is missing in {lost} rows that have a {name}")
    return kept, scale


def derive(
    frame: pd.DataFrame,
    kept: dict[str, str],
    rule: Callable[[np.ndarray, np.ndarray], np.ndarray] | None,
    problems: list[str],
    notes: list[str],
) -> None:
    """Add, in place, the one of params, tokens and compute that has no column, by C = 6 N D or the rule."""
    trio = {"params": "parameter", "tokens": "token", "compute": "FLOP"}
    lacking = [name for name in trio if name not in frame]
    if rule is not None and lacking != ["compute"]:
        notes.append(
            f"compute_rule is not used: it derives compute, and the table lacks {lacking or 'nothing'}"
        )
    if len(lacking) != 1 or (rule is not None and lacking != ["compute"]):
        return
    name = lacking[0]
    first, second = (frame[other].to_numpy() for other in trio if other != name)
    if name != "compute" or rule is None:
        with np.errstate(over="ignore", divide="ignore", under="ignore"):
            values = 6 * first * second if name == "compute" else second / (6 * first)
        beyond = np.count_nonzero(np.isfinite(first) & np.isfinite(second) & ~np.isfinite(values))
        if beyond:
            problems.append(
                f"{name} by C = 6 N D is beyond what a number can hold in {beyond} rows: check the units"
            )
            return
    else:
        values = np.asarray(rule(first, second), dtype=np.float64)
        known = np.isfinite(first * second)
        if values.shape != first.shape or not (np.isfinite(values[known]) & (values[known] > 0)).all():
            problems.append(
                f"compute_rule must return one positive number per row, shape {first.shape}; "
                f"found shape {values.shape}: {_brief(str(values))}"
            )
            return
    frame[name], kept[name] = values, trio[name]
