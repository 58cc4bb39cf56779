"""What a plan gives away against the best plan that costs the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_scaling.decide._draws import (
    MOST_GRID_DRAWS,
    Better,
    Fitted,
    better_of,
    mixed,
    positive,
    response_name,
    sign_of,
)
from bayes_scaling.decide.allocate import check_trade_off, curves
from bayes_scaling.decide.cost import Cost


@dataclass(frozen=True)
class Regret:
    """What a plan gives away against the best plan of the same budget, in the response's unit.

    ``mean`` and the 90 % interval are of the plan's curve minus the best plan's on common draws; ``best`` is
    the plan with the best expected response. The mean is negative if nothing that was searched is better.
    """

    budget: float
    best: Mapping[str, float]
    mean: float
    interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "budget": self.budget,
            "best": dict(self.best),
            "mean": self.mean,
            "interval": [*self.interval],
        }


def regret(
    model: Fitted,
    plan: Mapping[str, Any],
    *,
    cost: Cost | None = None,
    family: str | None = None,
    better: Better | None = None,
    points: int = 200,
    seed: int = 0,
    allow_failed: bool = False,
) -> Regret:
    """Regret of a plan against the best split of what it costs.

    Parameters
    ----------
    plan : mapping
        Inputs of the planned run; all but ``params`` and ``tokens`` are held.

    Raises
    ------
    DecisionError
        As `allocate` does, and if the cost does not allow the plan itself.
    """
    cost, posteriors = cost or Cost(), mixed(model, MOST_GRID_DRAWS)
    direction = better_of(response_name(posteriors[0]), better)
    size = positive("params", plan.get("params", ""), "parameters")
    seen = positive("tokens", plan.get("tokens", ""), "tokens")
    cost.check_size(size, "the plan")
    others = {i.name for one in posteriors for i in one.law.inputs} - {"params", "tokens"}
    held = {name: plan[name] for name in others if name in plan}
    check_trade_off([one.law for one in posteriors], held, cost)
    budget = float(cost.spent(size, seen))
    params, tokens = cost.candidates(budget, points)
    _, full, _ = curves(
        posteriors, np.append(params, size), np.append(tokens, seen), cost, held, family, seed, allow_failed
    )
    worse = sign_of(direction) * full
    k = int(worse[:, :-1].mean(axis=0).argmin())
    lost = worse[:, -1] - worse[:, k]
    low, high = np.quantile(lost, (0.05, 0.95))
    best = {"params": params[k], "tokens": tokens[k], "value": full[:, k].mean()}
    return Regret(
        budget, {n: float(v) for n, v in best.items()}, float(lost.mean()), (float(low), float(high))
    )
