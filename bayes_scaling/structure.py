"""Structural discrepancy: how far reality drifts from a law as scale leaves the data.

A Gaussian process over the centred logs of a law's inputs, in a low-rank basis, so that it costs a few
latent normals and no Cholesky factorisation of the table. Its spread grows with the distance from the centre
of the data, and it is a relative error of the part of a positive response that may still be moved
(`model.displaced`).

The defaults were chosen by leave-largest-out forecasts on public studies, each study scored with what the
others chose (docs/calibration.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

MOST_LANDMARKS = 200


@dataclass(frozen=True)
class Structure:
    """A prior on the discrepancy.

    Parameters
    ----------
    hurst : float
        Hurst exponent of the fractional Brownian motion: 0.5 is a random walk, towards 1 a straight drift.
    rank : int
        Number of basis functions.
    level : float
        Standard deviation at the centre, as a multiple of that one e-fold away from it. It spares the law
        from passing exactly through the centre of the data, which is a narrow ridge for a sampler.
    scale : tuple of float
        Location and scale of the log of its standard deviation one e-fold away from the centre.
    centre : mapping of str to float, optional
        Inputs of the run at which it is anchored; default: the geometric mean of the fitted runs. A prior
        that was borrowed from measured families brings their centre with it.
    """

    hurst: float = 0.75
    rank: int = 8
    level: float = 1.0
    scale: tuple[float, float] = (-4.5, 0.6)
    centre: Mapping[str, float] | None = None


DEFAULT = Structure()


@dataclass(frozen=True)
class Landmarks:
    """Where the discrepancy is anchored: the centre, the landmark points and the basis on them."""

    coordinates: np.ndarray  # (n, q) of the fitted rows, centred
    centre: np.ndarray  # (q,)
    points: np.ndarray  # (m, q)
    basis: np.ndarray  # (m, R): K(x, points) @ basis are the features at x
    hurst: float
    level: float


def kernel(a: np.ndarray, b: np.ndarray, hurst: float, level: float) -> np.ndarray:
    """Covariance ``level^2 + (|a|^2H + |b|^2H - |a - b|^2H) / 2``, shape (len(a), len(b))."""
    power = 2 * hurst
    left, right = np.linalg.norm(a, axis=1) ** power, np.linalg.norm(b, axis=1) ** power
    apart = np.linalg.norm(a[:, None] - b[None], axis=2) ** power
    return (left[:, None] + right[None] - apart) / 2 + level**2


def landmarks(structure: Structure, coordinates: np.ndarray, centre: np.ndarray | None = None) -> Landmarks:
    """Low-rank basis of the discrepancy over the fitted rows; coordinates (n, q) are logs of inputs."""
    centre = coordinates.mean(axis=0) if centre is None else centre
    centred = coordinates - centre
    points = np.unique(centred, axis=0)
    if len(points) > MOST_LANDMARKS:
        points = _spread_out(points, MOST_LANDMARKS)
    values, vectors = np.linalg.eigh(kernel(points, points, structure.hurst, structure.level))
    order = np.argsort(values)[::-1][: structure.rank]
    kept = np.maximum(values[order], 1e-9)
    basis = np.zeros((len(points), structure.rank))
    basis[:, : len(order)] = vectors[:, order] / np.sqrt(kept) * (values[order] > 1e-9)
    return Landmarks(centred, centre, points, basis, structure.hurst, structure.level)


def features(marks: Landmarks, centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, R) at centred coordinates (n, q), and the variance (n,) that the basis leaves out."""
    chunks = np.array_split(centred, max(1, len(centred) // 2048))
    phi = np.concatenate(
        [kernel(chunk, marks.points, marks.hurst, marks.level) @ marks.basis for chunk in chunks]
    )
    total = np.linalg.norm(centred, axis=1) ** (2 * marks.hurst) + marks.level**2
    return phi, np.maximum(total - (phi**2).sum(axis=1), 0.0)


def _spread_out(points: np.ndarray, count: int) -> np.ndarray:
    """A subset by farthest-point selection, starting from the point nearest the centre."""
    chosen = [int(np.argmin(np.linalg.norm(points, axis=1)))]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    for _ in range(count - 1):
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return points[chosen]


def residual_factor(marks: Landmarks, centred: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """A square root (m, m) of the covariance that the basis leaves out at new points (m, q)."""
    left = kernel(centred, centred, marks.hurst, marks.level) - phi @ phi.T
    values, vectors = np.linalg.eigh((left + left.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))
