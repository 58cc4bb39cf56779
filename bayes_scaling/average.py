"""Several laws fitted to the same runs, with weights: what no single law can say about its own failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bayes_scaling.posterior import Posterior
from bayes_scaling.runs import Runs


class AverageError(ValueError):
    """Laws cannot be averaged: they predict different things, or there is none."""


@dataclass(frozen=True)
class Average:
    """Posteriors of rival laws and their weights.

    Parameters
    ----------
    posteriors : tuple of Posterior
    weights : tuple of float
        One per posterior, not negative; normalised here.
    left_out : mapping of str to str
        Laws that could not be fitted, and why.

    Raises
    ------
    AverageError
        If there is no posterior, weights do not fit, or the laws predict different responses.
    """

    posteriors: tuple[Posterior, ...]
    weights: tuple[float, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.posteriors:
            reasons = "; ".join(f"{law}: {why}" for law, why in self.left_out.items())
            raise AverageError(f"there is no posterior to average{': ' + reasons if reasons else ''}")
        total = sum(self.weights)
        if len(self.weights) != len(self.posteriors) or min(self.weights) < 0 or not total > 0:
            raise AverageError(
                f"{len(self.posteriors)} posteriors need as many weights, not negative and not all zero; "
                f"found {self.weights}"
            )
        object.__setattr__(self, "weights", tuple(w / total for w in self.weights))
        units = {p.prepared.response or p.law.predicts.name: p.law.predicts.noise for p in self.posteriors}
        if len(units) > 1:
            raise AverageError(f"the laws predict different responses: {', '.join(units)}")

    @property
    def runs(self) -> Runs:
        """The table that all laws were fitted to."""
        return self.posteriors[0].runs

    @property
    def families(self) -> tuple[str, ...]:
        """Families that were fitted."""
        return self.posteriors[0].families

    @property
    def laws(self) -> dict[str, float]:
        """Weight of each law."""
        return {p.law.label: w for p, w in zip(self.posteriors, self.weights, strict=True)}

    def __repr__(self) -> str:
        return "Average(" + ", ".join(f"{law} {w:.2f}" for law, w in self.laws.items()) + ")"
