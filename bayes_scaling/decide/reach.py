"""The budget at which a plan's targets are met with a given probability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_scaling.decide._draws import along
from bayes_scaling.decide.cost import Cost
from bayes_scaling.law import Law

#: Multiples of a plan's budget that are searched, one of them exactly 1.
FACTORS = 10.0 ** np.linspace(-2, 4, 49)
#: Place of the plan itself among them.
HERE = int(np.flatnonzero(FACTORS == 1)[0])


@dataclass(frozen=True)
class Reach:
    """The budget at which all targets are met with a probability.

    ``factor`` multiplies the plan's budget, with its ratio of tokens to parameters kept; infinite if no
    multiple that was searched reaches it. ``budget`` is that in the cost's unit, where the law knows it. If
    the least multiple that was searched (0.01) reaches it already, it is the most that is needed: `at_most`.
    """

    probability: float
    factor: float
    plan: Mapping[str, Any]
    budget: float | None

    @property
    def at_most(self) -> bool:
        """Whether less might do."""
        return bool(self.factor <= FACTORS[0])


def reach(
    law: Law, plan: Mapping[str, Any], margins: np.ndarray, probability: float, cost: Cost | None = None
) -> Reach:
    """Where a plan with a multiple of its budget first meets its targets with a probability.

    Parameters
    ----------
    law : Law
        Says how the plan grows with its budget: tokens and parameters alike.
    plan : mapping
    margins : array, shape (S, F)
        By how much each draw misses the targets at `FACTORS` times the budget, in any scale; 0 or less if it
        meets them. Their quantile crosses zero where the probability is reached, and is smooth there even if
        nothing is uncertain.
    probability : float
    cost : Cost, optional
    """
    factor = first_below(FACTORS, np.quantile(margins, probability, axis=0, method="inverted_cdf"))
    if not math.isfinite(factor):
        return Reach(probability, factor, dict(plan), None)
    there = along(law, plan, np.array([factor]))[0]
    if {"params", "tokens"} <= there.keys():
        spent = float((cost or Cost()).spent(there["params"], there["tokens"]))
        return Reach(probability, factor, there, spent)
    return Reach(probability, factor, there, there.get("compute"))


def first_below(factors: np.ndarray, values: np.ndarray) -> float:
    """Factor at which the values first fall to zero, linear in log factor; infinity if they never do."""
    met = np.flatnonzero(values <= 0)
    if not met.size:
        return math.inf
    k = int(met[0])
    if k == 0:
        return float(factors[0])
    share = values[k - 1] / (values[k - 1] - values[k])
    return float(factors[k - 1] * (factors[k] / factors[k - 1]) ** share)
