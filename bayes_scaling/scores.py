"""Proper scores and calibration of predictive draws; plain arrays in, plain arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LEVELS = (0.5, 0.8, 0.9, 0.95)
#: Points of the unit interval at which a simultaneous band holds.
POINTS = np.arange(1, 100) / 100


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


def covered(pits: Any, prob: float) -> Any:
    """Whether the central interval of that probability held what was observed, for each transform."""
    return np.abs(pits - 0.5) <= prob / 2


def ecdf(pits: np.ndarray) -> np.ndarray:
    """Share of the transforms up to each of `POINTS`."""
    return np.searchsorted(np.sort(pits), POINTS, side="right") / len(pits)


def simultaneous_band(count: int, prob: float) -> tuple[np.ndarray, np.ndarray]:
    """Band that holds the empirical distribution of uniform numbers at all of `POINTS` at once.

    Pointwise binomial bands of one common level (Säilynoja, Bürkner & Vehtari 2022, arXiv:2103.10522). Their
    joint probability is computed exactly, by following the counts, a Markov chain, from point to point; the
    band is the narrowest of at least the wanted probability.

    Parameters
    ----------
    count : int
        Number of uniform numbers.
    prob : float

    Returns
    -------
    low, high : array, shape (99,)
        Ends of the band, as shares.
    """
    accepted, refused = np.log((1 - prob) / len(POINTS)), np.log(2 * (1 - prob))  # Bonferroni; too narrow
    for _ in range(16):
        middle = (accepted + refused) / 2
        if _joint(*_pointwise(count, np.exp(middle)), count) >= prob:
            accepted = middle
        else:
            refused = middle
    low, high = _pointwise(count, np.exp(accepted))
    return low / count, high / count


def uniformity(pits: np.ndarray, prob: float) -> tuple[float, bool]:
    """Largest distance of the transforms' distribution from uniform, and whether it stays in its band.

    The band is `simultaneous_band`; ranks of a truth among draws are transforms too, as shares of the draws.
    """
    share, (low, high) = ecdf(pits), simultaneous_band(len(pits), prob)
    return float(np.abs(share - POINTS).max()), bool(((low <= share) & (share <= high)).all())


def _pointwise(count: int, tails: float) -> tuple[np.ndarray, np.ndarray]:
    """Binomial counts that leave out at most half of that probability on each side, at every point."""
    from scipy.stats import binom

    low, high = binom.ppf(tails / 2, count, POINTS), binom.ppf(1 - tails / 2, count, POINTS)
    return low.astype(int), high.astype(int)


def _joint(low: np.ndarray, high: np.ndarray, count: int) -> float:
    """Probability that the counts of uniform numbers up to every point lie between these, ends included."""
    from scipy.special import gammaln

    log_factorial = gammaln(np.arange(count + 1) + 1.0)
    now, mass, before = np.array([0]), np.array([1.0]), 0.0
    for point, least, most in zip(POINTS, low, high, strict=True):
        then, step = np.arange(least, most + 1), (point - before) / (1 - before)
        rest, gained = count - now[:, None], then[None, :] - now[:, None]
        possible = gained >= 0
        gained = np.where(possible, gained, 0)
        lost = rest - gained
        log_mass = (
            log_factorial[rest] - log_factorial[gained] - log_factorial[np.maximum(lost, 0)]
            + gained * np.log(step) + lost * np.log1p(-step)
        )  # fmt: skip
        mass = mass @ np.where(possible, np.exp(log_mass), 0.0)
        now, before = then, point
    return float(mass.sum())


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
