"""What is known of a run in flight: its alarms, the rest of its path, the value at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from bayes_scaling.decide import _flight as flight
from bayes_scaling.decide._alarm import Boundaries
from bayes_scaling.decide._flight import Points
from bayes_scaling.decide.watch import Watch
from bayes_scaling.forecast import QUANTILES

#: The weights have degenerated above this Pareto k or below this effective number of draws.
MOST_K, LEAST_ESS = 0.7, 100.0


def good(pareto_k: float, ess: float) -> bool:
    """Whether weights can be trusted."""
    return bool(pareto_k <= MOST_K and ess >= LEAST_ESS)


@dataclass(frozen=True)
class Alarm:
    """A run that has left its plan: where it first did, and what the boundary was there."""

    kind: Literal["below plan", "above plan"]
    at: float
    fraction: float
    value: float
    boundary: float


@dataclass(frozen=True, eq=False)
class Monitored:
    """What the points of a run say.

    Parameters
    ----------
    watch : Watch
        To go on with; it holds the refit, if there was one.
    response, unit : str
    points : Points
        Those that count, n of them.
    boundaries : Boundaries
        Of the alarm at the points, (n,) each.
    percentile : array, shape (n,)
        Where each point lies in the plan's band, between 0 and 1.
    alarms : tuple of Alarm
        The first of each kind.
    at : array, shape (m,)
        Progress of the places of the bands: those of the points, then of the rest of the run.
    plan_band : array, shape (5, m)
        Quantiles 5, 25, 50, 75, 95 % of a run that goes to plan.
    ahead : array, shape (5, m - n)
        The same of the rest of this run, given its points.
    final : array, shape (S,)
        Draws of the value at the end, given the points.
    history : array, shape (n + 1, 5)
        Quantiles of the value at the end, given the first 0, 1, ... n points.
    pareto_k, ess : array, shape (n + 1,)
        How far the weights behind each can be trusted: k above 0.7 or a small effective number of draws say
        that they cannot.
    moved : tuple of int
        Numbers of points after which the weights had degenerated and the draws were moved, which is
        approximate; since the last fit.
    refitted : str
        Why the law was fitted again at this call; empty if it was not.
    notes : tuple of str
    """

    watch: Watch
    response: str
    unit: str
    points: Points
    boundaries: Boundaries
    percentile: np.ndarray
    alarms: tuple[Alarm, ...]
    at: np.ndarray
    plan_band: np.ndarray
    ahead: np.ndarray
    final: np.ndarray
    history: np.ndarray
    pareto_k: np.ndarray
    ess: np.ndarray
    moved: tuple[int, ...] = ()
    refitted: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def fraction(self) -> float:
        """The part of the run that is done."""
        return self.points.last / self.watch.end

    @property
    def done(self) -> bool:
        """Whether the last point of the plan is there."""
        return self.fraction >= 1 - flight.SAME

    @property
    def reliable(self) -> bool:
        """Whether the weights behind the forecast of the end can be trusted."""
        return good(self.pareto_k[-1], self.ess[-1])

    @property
    def tells_end(self) -> bool:
        """Whether there is a forecast of the end to tell: weights on next to no draws leave none."""
        return self.reliable or self.done

    def quantile(self, q: float | Sequence[float]) -> np.ndarray:
        """Quantiles of the value at the end."""
        return np.quantile(self.final, q)

    def interval(self, prob: float = 0.9) -> np.ndarray:
        """Equal-tailed credible interval of the value at the end, shape (2,)."""
        return self.quantile([(1 - prob) / 2, (1 + prob) / 2])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; a boundary that cannot be crossed is None, and so is an end that nothing tells."""
        watch, n = self.watch, len(self.points)
        levels = [f"{q:g}" for q in QUANTILES]

        def band(values: np.ndarray) -> dict[str, list[float]]:
            return {q: row.tolist() for q, row in zip(levels, values, strict=True)}

        def plain(values: np.ndarray) -> list[float | None]:
            return [float(v) if np.isfinite(v) else None for v in values]

        return {
            "law": watch.posterior.law.name,
            "family": watch.family,
            "response": self.response,
            "unit": self.unit,
            "plan": {k: v for k, v in watch.plan.items() if np.ndim(v) == 0},
            "progress": watch.progress,
            "start": watch.start,
            "end": watch.end,
            "fraction": self.fraction,
            "done": self.done,
            "level": watch.level,
            "side": watch.side,
            "widen": watch.widen,
            "points": {
                "at": self.points.at.tolist(),
                "value": self.points.value.tolist(),
                "percentile": self.percentile.tolist(),
                "below": plain(self.boundaries.below),
                "above": plain(self.boundaries.above),
            },
            "alarms": [{k: getattr(a, k) for k in Alarm.__dataclass_fields__} for a in self.alarms],
            "final": {q: float(v) for q, v in zip(levels, self.quantile(QUANTILES), strict=True)}
            if self.tells_end
            else None,
            "history": {"points": list(range(n + 1)), **band(self.history.T)},
            "plan_band": {"at": self.at.tolist(), **band(self.plan_band)},
            "ahead": {"at": self.at[n:].tolist(), **band(self.ahead)},
            "pareto_k": float(self.pareto_k[-1]),
            "ess": float(self.ess[-1]),
            "reliable": self.reliable,
            "moved": list(self.moved),
            "refitted": self.refitted or None,
            "points_fitted": watch.absorbed,
            "notes": list(self.notes),
        }
