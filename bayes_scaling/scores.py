"""Proper scores and calibration of predictive draws; plain arrays in, plain arrays out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVELS = (0.5, 0.8, 0.9, 0.95)


def pit(draws: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Probability integral transform: share of draws (S, m) below what was observed (m,); ties count half."""
    return ((draws < observed).mean(axis=0) + (draws <= observed).mean(axis=0)) / 2


def crps(draws: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score (m,), in the unit of the draws; smaller is better.

    ``E|X - y| - E|X - X'| / 2`` (Gneiting and Raftery 2007) with the fair estimate of the second term.
    """
    size = len(draws)
    ordered = np.sort(draws, axis=0)
    weight = 2 * np.arange(1, size + 1) - size - 1
    spread = (weight[:, None] * ordered).sum(axis=0) / (size * max(size - 1, 1))
    return np.abs(draws - observed).mean(axis=0) - spread


def interval_score(draws: np.ndarray, observed: np.ndarray, prob: float = 0.9) -> np.ndarray:
    """Interval score (m,) of the central interval: its width, and a penalty where it misses."""
    low, high = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    below, above = np.maximum(low - observed, 0), np.maximum(observed - high, 0)
    return high - low + 2 / (1 - prob) * (below + above)


def covered(pits: np.ndarray, prob: float) -> np.ndarray:
    """Whether the central interval of that probability held what was observed, for each transform."""
    return np.abs(pits - 0.5) <= prob / 2


def mixture_log_density(log_densities: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Log density (m,) of a mixture of K models with log densities (K, m)."""
    weighted = log_densities + np.log(np.maximum(np.asarray(weights, float), 1e-300))[:, None]
    top = weighted.max(axis=0)
    return top + np.log(np.exp(weighted - top).sum(axis=0))


def stacking_weights(
    log_densities: np.ndarray, importance: np.ndarray | None = None, prior: float = 1.0
) -> np.ndarray:
    """Weights (K,) of models that maximise the mean log density of their mixture (Yao et al. 2018).

    Parameters
    ----------
    log_densities : array, shape (K, m)
        Log predictive density of m held-out points under K models.
    importance : array, shape (m,), optional
        Weight of each point; points that are forecast together hardly count more than one of them.
    prior : float
        Pseudo-observations of each model: a Dirichlet(1 + prior) prior, so that a few points do not throw
        away a model.

    Returns
    -------
    array, shape (K,)
        Non-negative, sums to one; by expectation maximisation, which never decreases the objective.
    """
    count, m = log_densities.shape
    importance = np.ones(m) if importance is None else np.asarray(importance, float)
    density = np.exp(log_densities - log_densities.max(axis=0))
    weights = np.full(count, 1 / count)
    for _ in range(2000):
        mixed = weights[:, None] * density
        counts = (mixed / mixed.sum(axis=0) * importance).sum(axis=1) + prior
        new = counts / counts.sum()
        if np.abs(new - weights).max() < 1e-9:
            break
        weights = new
    return weights


def thinned(draws: Sequence[np.ndarray], weights: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Joint draws of a mixture: as many rows of each model's draws (S_k, m) as its weight asks for."""
    share = np.asarray(weights, float) / np.sum(weights)
    total = min(len(d) / w for d, w in zip(draws, share, strict=True) if w > 0)
    counts = np.floor(share * total + 1e-9).astype(int)
    parts = [
        d[rng.permutation(len(d))[:n]] if n < len(d) else d for d, n in zip(draws, counts, strict=True) if n
    ]
    return np.concatenate(parts)
