"""Two plans on common draws: which one is better, by how much, and at which scale that turns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_scaling.decide._draws import (
    Better,
    DecisionError,
    Fitted,
    along,
    better_of,
    finite,
    joint_draws,
    members,
    quantiles,
    rays,
    response_name,
    sign_of,
)
from bayes_scaling.decide.cost import Cost
from bayes_scaling.predict import Target

#: Multiples of both budgets among which a crossing is searched.
FACTORS = np.geomspace(1e-2, 1e4, 31)


@dataclass(frozen=True)
class Duel:
    """Plan A against plan B.

    Parameters
    ----------
    a, b : mapping
    families : tuple of str
    probability : float
        P(A is better than B).
    difference : mapping of str to float
        Quantiles of A minus B, in the response's unit.
    mean_difference : float
    crossing : float
        Multiple of both budgets, nearest to one, at which the expected curves of the two cross; infinite if
        they do not between 0.01 and 10 000. Tokens per parameter of each plan stay.
    crossing_interval : tuple of float
        90 % interval of the same for single draws, over those that cross; a draw contains the discrepancy.
    crossing_share : float
        Share of the draws that cross.
    notes : tuple of str
    """

    a: Mapping[str, Any]
    b: Mapping[str, Any]
    families: tuple[str, str]
    probability: float
    difference: Mapping[str, float]
    mean_difference: float
    crossing: float
    crossing_interval: tuple[float, float]
    crossing_share: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is infinite or unknown is None."""
        return {
            "a": {k: v for k, v in self.a.items() if np.ndim(v) == 0},
            "b": {k: v for k, v in self.b.items() if np.ndim(v) == 0},
            "families": list(self.families),
            "probability": self.probability,
            "difference": dict(self.difference),
            "mean_difference": self.mean_difference,
            "crossing": finite(self.crossing),
            "crossing_interval": [finite(x) for x in self.crossing_interval],
            "crossing_share": self.crossing_share,
            "notes": list(self.notes),
        }


def beats(
    model: Fitted,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    *,
    versus: Fitted | None = None,
    family: str | tuple[str, str] | None = None,
    better: Better | None = None,
    what: Target = "new_run",
    cost: Cost | None = None,
    seed: int = 0,
    allow_failed: bool = False,
) -> Duel:
    """Probability that plan A turns out better than plan B, and where that turns.

    Parameters
    ----------
    model : Posterior, Average, or sequence of (Posterior, weight)
    a, b : mapping
        Inputs of the two runs.
    versus : same as model, optional
        Where B's outcome comes from another fit (another recipe, say): its draws are independent of A's.
    family : str or pair of str, optional
        Of A and of B.
    better : {"lower", "higher"}, optional
        Default: as the response's name says.
    what : {"mean", "new_run", "measurement"}
    cost : Cost, optional
        Of it only how many tokens are different, beyond which data repeat.
    seed : int
    allow_failed : bool
        Answer although the diagnostics failed.

    Raises
    ------
    DecisionError
        If the two fits predict different quantities, or a plan is impossible.
    """
    names = [response_name(members(m)[0][0]) for m in (model, versus or model)]
    if names[0] != names[1]:
        raise DecisionError(
            f"plans can be compared on one response only, found {names[0]!r} and {names[1]!r}"
        )
    sign = sign_of(better_of(names[0], better))
    pair = (family, family) if family is None or isinstance(family, str) else tuple(family)
    if len(pair) != 2:
        raise DecisionError(f"family names {len(pair)} families for two plans; give one, or one for each")

    def outcomes(first: list[Any], second: list[Any], target: Target) -> tuple[np.ndarray, np.ndarray, Any]:
        options: Any = {"target": target, "cost": cost, "allow_failed": allow_failed}
        m = len(first)
        if versus is None:
            each: Any = None if pair[0] is None else [pair[0]] * m + [pair[1]] * m
            draws, cast = joint_draws(model, [*first, *second], family=each, seed=seed, **options)
            return (
                draws[:, :m],
                draws[:, m:],
                (cast.plans[0], cast.plans[m], cast.families[0], cast.families[m]),
            )
        left, one = joint_draws(model, first, family=pair[0], seed=seed, **options)
        right, two = joint_draws(versus, second, family=pair[1], seed=seed + 1000, **options)
        shortest = min(len(left), len(right))
        about = (one.plans[0], two.plans[0], one.families[0], two.families[0])
        return left[:shortest], right[:shortest], about

    left, right, (plan_a, plan_b, family_a, family_b) = outcomes([a], [b], what)
    gap = sign * (left - right)[:, 0]
    crossing, interval, share, notes = math.inf, (math.nan, math.nan), 0.0, []
    laws = [members(m)[0][0].law for m in (model, versus or model)]
    if rays(laws[0]) and rays(laws[1]):
        curves = outcomes(along(laws[0], plan_a, FACTORS), along(laws[1], plan_b, FACTORS), "mean")
        apart = sign * (curves[0] - curves[1])
        crossing = crossings(apart.mean(axis=0)[None])[0]
        each = crossings(apart)
        share = float(np.isfinite(each).mean())
        if share:
            low, high = np.quantile(each[np.isfinite(each)], (0.05, 0.95))
            interval = (float(low), float(high))
    else:
        notes.append(f"law {laws[0].name!r} does not say what a larger budget is: no crossing was searched")
    return Duel(
        a=plan_a,
        b=plan_b,
        families=(family_a, family_b),
        probability=float((gap < 0).mean() + (gap == 0).mean() / 2),
        difference=quantiles((left - right)[:, 0]),
        mean_difference=float((left - right).mean()),
        crossing=float(crossing),
        crossing_interval=interval,
        crossing_share=share,
        notes=tuple(notes),
    )


def crossings(apart: np.ndarray, factors: np.ndarray = FACTORS) -> np.ndarray:
    """Factor (S,) nearest to one at which each row of differences (S, m) changes sign; infinity if none.

    Where the difference is already zero over the whole range nothing crosses.
    """
    x = np.log(factors)
    here, there = apart[:, :-1], apart[:, 1:]
    turns = (here != 0) & (here * there <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x[:-1] + np.diff(x) * here / (here - there)
    distance = np.where(turns, np.abs(at), np.inf)
    k = distance.argmin(axis=1)
    row = np.arange(len(apart))
    return np.exp(np.where(turns.any(axis=1), at[row, k], np.inf))
