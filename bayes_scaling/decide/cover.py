"""The cheapest set of runs that narrows a band to a given width, in the linear-Gaussian approximation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayes_scaling.decide._draws import Fitted, members
from bayes_scaling.decide.information import (
    Gaussian,
    Joint,
    band,
    condition,
    gaussian,
    linear_after,
    width_with,
)

#: Configurations per parameter of the law from which a narrow band is believed (docs/decisions.md).
PER_PARAMETER = 3
#: Greedy sets are built by gain over these powers of the cost; the cheapest of them is kept.
POWERS = (1.0, 0.75, 0.5, 0.25, 0.0)


class Few(NamedTuple):
    """Configurations that are measured, and how many a narrow band should rest on."""

    measured: int
    needed: int

    @property
    def lacking(self) -> int:
        """How many are to be made yet."""
        return max(self.needed - self.measured, 0)

    def __str__(self) -> str:
        fewer = f"narrow bands from fewer than {self.needed} hold less often than they say"
        return f"from {self.measured} configurations; {fewer}"


ENOUGH = Few(0, 0)


def few_of(model: Fitted, fewest: int | None) -> Few:
    """Configurations of a table, and how many there should be: as asked, or `PER_PARAMETER`."""
    each = [one.prepared for one, _ in members(model)]
    parameters = max(len(one.law.parameters) for one in each)
    needed = PER_PARAMETER * parameters if fewest is None else fewest
    return Few(min(len(np.unique(one.measured.config)) for one in each), needed)


def width_after(joint: Joint, known: Gaussian, chosen: Sequence[int]) -> float:
    """Expected width of the band after the outcomes of some candidates; one may be there more than once."""
    t, picked = known.targets, np.array(chosen, int)
    if not picked.size:
        return float(band(joint.outcome).mean())
    at = t + picked
    inner = known.covariance[np.ix_(at, at)] + np.diag(known.noise[picked])
    cross = known.covariance[:t, at]
    told = cross @ np.linalg.solve(inner, cross.T)
    after = np.maximum(np.diagonal(known.covariance)[:t] - np.diagonal(told), 0.0)
    return float(width_with(joint, after[:, None])[0])


def cheapest(
    joint: Joint, cost: np.ndarray, width: float, *, most: int, repeats: bool = True
) -> tuple[list[int], bool]:
    """Candidates to run, in the order in which they were chosen, and whether they reach the width.

    Greedy by gain per cost, where a gain beyond the width does not count (Wolsey 1982); then runs that turn
    out not to be needed are dropped, dearest first. If no set of at most `most` runs reaches the width, the
    set that comes nearest.
    """
    known = gaussian(joint)
    sets = [_greedy(joint, known, cost**power, width, most, repeats) for power in POWERS]
    reached = [
        _pruned(joint, known, cost, width, one) for one in sets if width_after(joint, known, one) <= width
    ]
    if reached:
        return min(reached, key=lambda one: cost[one].sum()), True
    return min(sets, key=lambda one: width_after(joint, known, one)), False


def _greedy(
    joint: Joint, known: Gaussian, price: np.ndarray, width: float, most: int, repeats: bool
) -> list[int]:
    chosen: list[int] = []
    now = float(band(joint.outcome).mean())
    while now > width and len(chosen) < most:
        after = linear_after(joint, known, "width")
        gain = np.maximum(now - np.maximum(after, width), 0.0)
        if not repeats:
            gain[chosen] = -1.0
        j = int(np.argmax(gain / price))
        if gain[j] <= 1e-9 * now:
            break
        chosen.append(j)
        known, now = condition(known, j), float(after[j])
    return chosen


def _pruned(
    joint: Joint, known: Gaussian, cost: np.ndarray, width: float, chosen: Sequence[int]
) -> list[int]:
    kept = list(chosen)
    for j in sorted(chosen, key=lambda j: -cost[j]):
        fewer = list(kept)
        fewer.remove(j)
        if width_after(joint, known, fewer) <= width:
            kept = fewer
    return kept
