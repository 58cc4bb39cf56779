"""Clusters of test items by difficulty: repeated mean shift (arXiv:2502.17262, section on clustering)."""

from __future__ import annotations

import numpy as np


def clusters(
    features: np.ndarray, *, smallest: int = 10, quantile: float = 0.1, widest: float | None = None
) -> np.ndarray:
    """Group items whose pass rates grow alike.

    Mean shift finds centres among the free items; items farther than the radius from their centre and those
    in clusters that are too small are set free again, until nothing changes.

    Parameters
    ----------
    features : ndarray, shape (items, models)
        Pass rate of every item by every small model.
    smallest : int, default 10
        Items that a cluster needs.
    quantile : float, default 0.1
        The radius is the mean distance from an item to the farthest of this part of its neighbours.
    widest : float, optional
        The largest radius; a tenth of the largest possible distance by default, 0.3 for nine models.

    Returns
    -------
    ndarray of int, shape (items,)
        Cluster of each item; -1 for items that belong to none, such as those that no model ever passes.

    Raises
    ------
    ValueError
        If ``features`` is not a table of pass rates between 0 and 1.
    """
    rates = np.asarray(features, dtype=float)
    if rates.ndim != 2 or not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError(
            f"features must be pass rates between 0 and 1, items by models; found shape {rates.shape}"
            + (f" from {rates.min():g} to {rates.max():g}" if rates.size else "")
        )
    largest = 0.1 * rates.shape[1] ** 0.5 if widest is None else widest
    label = np.full(len(rates), -1)
    found = 0
    free = np.flatnonzero(rates.any(axis=1))
    while len(free) >= max(smallest, 1):
        radius = min(_bandwidth(rates[free], quantile), largest)
        centres = _mean_shift(rates[free], radius)
        distance = _distances(rates[free], centres)
        nearest = np.where(distance.min(axis=1) <= radius, distance.argmin(axis=1), -1)
        size = np.bincount(nearest[nearest >= 0], minlength=len(centres))
        kept = np.flatnonzero(size >= smallest)
        if not len(kept):
            break
        for cluster in kept:
            label[free[nearest == cluster]] = found
            found += 1
        free = free[~np.isin(nearest, kept)]
    return label


def _distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    squares = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * points @ centres.T
    return np.sqrt(np.maximum(squares, 0.0))


def _bandwidth(points: np.ndarray, quantile: float) -> float:
    """Mean distance to the farthest of the nearest ``quantile`` of the points; the point itself counts."""
    neighbours = max(int(len(points) * quantile), 1)
    return float(np.partition(_distances(points, points), neighbours - 1, axis=1)[:, neighbours - 1].mean())


def _mean_shift(points: np.ndarray, radius: float, most: int = 300) -> np.ndarray:
    """Centres of a flat kernel, densest first and at least a radius apart."""
    radius = max(radius, 1e-6)  # like items lie on one another
    centres, moving = points.copy(), np.arange(len(points))
    for _ in range(most):
        near = _distances(centres[moving], points) <= radius
        shifted = near @ points / near.sum(axis=1, keepdims=True)
        moved = np.linalg.norm(shifted - centres[moving], axis=1) > 1e-3 * radius
        centres[moving] = shifted
        moving = moving[moved]
        if not len(moving):
            break
    density = (_distances(centres, points) <= radius).sum(axis=1)
    chosen: list[int] = []
    for i in np.lexsort((*centres.T, -density)):
        if not chosen or _distances(centres[[i]], centres[chosen]).min() >= radius:
            chosen.append(i)
    return centres[chosen]
