"""Alarms whose false-alarm rate holds over a whole run, whenever one looks and whenever one stops.

Simulated runs that go to plan are looked at where the real one is. At every look the boundary is put so that
as many of those that never crossed it before cross it now as the error to be spent allows (Lan and DeMets
1983, "Discrete sequential boundaries for clinical trials"): the whole run is what is calibrated, under
whatever joint distribution the simulated runs have. A boundary depends on where the run was looked at up to
then and on nothing later, so that no alarm is ever taken back.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Side = Literal["both", "above", "below"]


class Boundaries(NamedTuple):
    """Where the alarm goes off, at n looks; infinite where it cannot."""

    below: np.ndarray  # (n,)
    above: np.ndarray  # (n,)


def spent(fraction: np.ndarray, level: float) -> np.ndarray:
    """False-alarm probability that may be used up when that part of the run is done.

    Its square root: a third of the level within the first ninth of the run, where stopping saves most.
    """
    return level * np.sqrt(np.clip(fraction, 0.0, 1.0))


def boundaries(runs: np.ndarray, fraction: np.ndarray, level: float, side: Side) -> Boundaries:
    """Boundaries at n looks from N simulated runs (N, n) that go to plan.

    Two-sided alarms share the level: half of it for each side, a run that crosses both counted twice.
    """
    each = spent(fraction, level / 2 if side == "both" else level)
    nowhere = np.full(len(fraction), np.inf)
    above = nowhere if side == "below" else _upper(runs, each)
    below = -nowhere if side == "above" else -_upper(-runs, each)
    return Boundaries(below, above)


def _upper(runs: np.ndarray, share: np.ndarray) -> np.ndarray:
    waiting = np.ones(len(runs), bool)
    bound = np.full(runs.shape[1], np.inf)
    for k in range(runs.shape[1]):
        due = int(len(runs) * share[k]) - int((~waiting).sum())
        if due <= 0:
            continue
        values = runs[waiting, k]
        last, first = np.partition(values, [len(values) - due - 1, len(values) - due])[
            [len(values) - due - 1, len(values) - due]
        ]
        bound[k] = (last + first) / 2
        waiting &= runs[:, k] <= bound[k]
    return bound
