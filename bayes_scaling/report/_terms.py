"""What a plan says of money: the cost of a run, and the losses of its ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bayes_scaling.decide import Stakes
from bayes_scaling.decide._draws import Better
from bayes_scaling.decide.reading import met_or_missed

if TYPE_CHECKING:
    from bayes_scaling.report.plan import ReviewPlan


def cost_of(plan: ReviewPlan, inputs: Mapping[str, Any]) -> float | None:
    """What a run costs in the unit of the plan; None where its inputs do not say it."""
    if {"params", "tokens"} <= inputs.keys():
        return float(plan.cost.spent(inputs["params"], inputs["tokens"]))
    if "compute" in inputs:
        return float(inputs["compute"]) * (plan.cost.price_per_flop or 1.0)
    return None


def stakes_of(plan: ReviewPlan, target: float, better: Better) -> Stakes | None:
    """The losses of the plan as a function of one outcome."""
    return met_or_missed({"": target}, {"": better}, **plan.stakes) if plan.stakes else None
