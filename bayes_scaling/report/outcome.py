"""What became of a forecast: where the truth fell in the quantiles that were recorded."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from bayes_scaling.report._parse import RecordError, brief
from bayes_scaling.report._schema import Record
from bayes_scaling.scores import LEVELS, covered
from bayes_scaling.units import number

#: An outcome this many widths of the 80 % band away from the median is probably in another unit.
FAR = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A truth against its forecast.

    Parameters
    ----------
    record : str
        SHA-256 of the record.
    quantity : str
    plan : int
        Number of the plan, from 1.
    truth, median : float
        In the unit of the forecast.
    pit : float
        Probability integral transform: the forecast's probability of a value below the truth; uniform
        between 0 and 1 over many outcomes if the forecasts are calibrated.
    """

    record: str
    quantity: str
    plan: int
    truth: float
    median: float
    pit: float

    @property
    def band(self) -> float | None:
        """Probability of the narrowest reported band that holds the truth; None if it lies outside of all."""
        return next((p for p in LEVELS if covered(self.pit, p)), None)


def parse_outcome(text: str) -> tuple[str, float]:
    """Quantity and value of ``loss=1.93``.

    Raises
    ------
    RecordError
        If it is not of that form, or the value is not a finite number.
    """
    quantity, equals, value = (part.strip() for part in text.partition("="))
    try:
        truth = number(value)
    except ValueError:
        truth = math.nan
    if not (quantity and equals and math.isfinite(truth)):
        raise RecordError(f"outcome {brief(text)}: expected QUANTITY=NUMBER, such as loss=1.93")
    return quantity, truth


def judge(record: Record, quantity: str, truth: float, *, plan: int = 1) -> Outcome:
    """Where a truth falls in the recorded quantiles.

    Between two quantiles the distribution is interpolated. Within a tie (rates of few trials), and beyond the
    outermost quantiles, the transform is spread evenly over the probability that lies there, by a number that
    the record's hash fixed beforehand: so it is exactly uniform for a calibrated forecast, and repeatable.

    Parameters
    ----------
    record : Record
    quantity : str
    truth : float
        In the unit of the forecast.
    plan : int
        From 1.

    Raises
    ------
    RecordError
        If the record has no such quantity or plan, or the truth is not finite.
    """
    levels, values = np.array(record.levels), np.array(record.plan(quantity, plan).quantiles)
    if not math.isfinite(truth):
        raise RecordError(f"the outcome of {quantity} is {truth}, expected a finite number")
    digest = hashlib.sha256(f"{record.sha256}:{quantity}:{plan}".encode("utf-8", "backslashreplace")).digest()
    spread = (int.from_bytes(digest[:6]) + 0.5) / 2**48
    low, high = _below(levels, values, truth)
    pit = low + spread * (high - low)
    return Outcome(record.sha256, quantity, plan, float(truth), float(np.interp(0.5, levels, values)), pit)


def _below(levels: np.ndarray, values: np.ndarray, truth: float) -> tuple[float, float]:
    """Probability of less than the truth, and of no more than it; they are equal where there is no tie."""
    first, after = (int(np.searchsorted(values, truth, side)) for side in ("left", "right"))
    edges = np.concatenate([[0.0], levels, [1.0]])  # edges[k + 1] belongs to values[k]
    ties = after - first
    if ties == 1:
        return float(levels[first]), float(levels[first])
    if ties > 1:  # where the tie begins and ends between two levels is not known: the middle, or the end
        low = (edges[first] + edges[first + 1]) / 2 if first else 0.0
        high = (edges[after] + edges[after + 1]) / 2 if after < len(levels) else 1.0
        return float(low), float(high)
    if first in (0, len(values)):
        return float(edges[first]), float(edges[first + 1])
    share = (truth - values[first - 1]) / (values[first] - values[first - 1])
    at = float(levels[first - 1] + share * (levels[first] - levels[first - 1]))
    return at, at


def band_of(record: Record, quantity: str, plan: int, prob: float) -> tuple[float, float]:
    """Ends of the central band of that probability, in the unit of the forecast."""
    ends = np.interp([(1 - prob) / 2, (1 + prob) / 2], record.levels, record.plan(quantity, plan).quantiles)
    return float(ends[0]), float(ends[1])


def far_off(record: Record, outcome: Outcome) -> bool:
    """Whether an outcome lies so far out that its unit, or its plan, is probably another."""
    low, high = band_of(record, outcome.quantity, outcome.plan, 0.8)
    return abs(outcome.truth - outcome.median) > FAR * (high - low)
