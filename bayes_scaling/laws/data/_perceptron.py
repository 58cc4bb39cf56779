"""Data pruning in the teacher-student perceptron, solved exactly (Sorscher et al. 2022, arXiv:2206.14486).

A student learns the labels of a teacher from Gaussian examples, of which only the share with the smallest
teacher margin is kept; the student maximises its own margin. In high dimension the result depends on the
kept examples per dimension and on the kept share alone.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, ndtri

_POINTS = 1001  # odd, for Simpson's rule
_FAR = 10.0  # where the unit normal measure is cut off


def examples_needed(error: float, kept: float = 1.0) -> float:
    """Kept examples per dimension at which the student's error is ``error``.

    Parameters
    ----------
    error : float
        Classification error of the student, ``arccos(R) / pi`` with R its overlap with the teacher.
    kept : float
        Share of the examples that is kept, the hardest for the teacher; 1 is no pruning.

    Returns
    -------
    float
        Kept examples per dimension; divided by ``kept`` it is the number before pruning.

    Raises
    ------
    ValueError
        If ``error`` is not inside (0, 1/2) or ``kept`` not inside (0, 1].

    Notes
    -----
    With the overlap R given, the two self-consistency equations share the factor ``2 alpha / kept``:
    their ratio fixes the margin, one of them the number of examples.
    """
    if not (0 < error < 0.5 and 0 < kept <= 1):
        raise ValueError(f"expected 0 < error < 1/2 and 0 < kept <= 1; found error={error}, kept={kept}")
    R, rest = math.cos(math.pi * error), math.sin(math.pi * error)  # rest is sqrt(1 - R^2)
    low, high = 0.0, 1e4
    for _ in range(80):
        margin = (low + high) / 2
        first, second = _integrals(margin, R, rest, kept)
        low, high = (margin, high) if first / second > R / rest**2 else (low, margin)
    return kept * rest**2 / (2 * _integrals((low + high) / 2, R, rest, kept)[1])


def _integrals(margin: float, R: float, rest: float, kept: float) -> tuple[float, float]:
    """Right-hand sides of the equations for R and for ``1 - R^2``, over ``2 alpha / kept``."""
    # The integrands change over a width `rest` around zero, hence points that are dense there.
    u = np.linspace(math.asinh(-_FAR / rest), math.asinh(min(margin, _FAR) / rest), _POINTS)
    t = rest * np.sinh(u)
    simpson = np.full(_POINTS, 2.0)
    simpson[1::2], simpson[0], simpson[-1] = 4.0, 1.0, 1.0
    measure = simpson * (u[1] - u[0]) / 3 * rest * np.cosh(u)
    measure *= np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    widest = -ndtri((1 - kept) / 2)  # teacher margin of the easiest kept example; infinite without pruning
    inside = np.exp(-((R * t) ** 2) / (2 * rest**2))
    cut = np.exp(-((widest - R * t) ** 2) / (2 * rest**2))
    first = measure @ ((inside - cut) * (margin - t)) / (math.sqrt(2 * math.pi) * rest)
    share = ndtr(R * t / rest) - ndtr((R * t - widest) / rest)
    return float(first), float(measure @ (share * (margin - t) ** 2))
