"""Helpers of the law-specific tests: published values, derived quantities, numeric optima."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bayes_scaling.laws import law


def published(name: str, key: str) -> dict[str, float]:
    """Published coefficients of a law."""
    return dict(law(name).published[key].values)


def derived(name: str, quantity: str, **values: Any) -> Any:
    """A derived quantity of a law at some values of its parameters."""
    return next(d for d in law(name).derived if d.name == quantity).function(**values)


def lowest(curve: Callable[[Any], Any], low: float, high: float) -> float:
    """Where a convex function of one positive number is lowest, by ternary search in its log."""
    low, high = np.log(low), np.log(high)
    for _ in range(200):
        one, two = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, two) if float(curve(np.exp(one))) < float(curve(np.exp(two))) else (one, high)
    return float(np.exp((low + high) / 2))
