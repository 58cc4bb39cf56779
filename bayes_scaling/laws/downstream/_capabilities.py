"""Capability scores of models from a table of benchmarks with gaps (Ruan et al. 2024, arXiv:2405.10938)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Capabilities(NamedTuple):
    """Principal components of a table of n models and k benchmarks."""

    scores: np.ndarray  # (n, m) centred, in the unit of the benchmarks
    loadings: np.ndarray  # (m, k) orthonormal rows; each sums to a positive number
    explained: np.ndarray  # (m,) share of the variance
    filled: np.ndarray  # (n, k) the table with its gaps filled


def capabilities(table: Any, components: int = 3, *, max_steps: int = 1000) -> Capabilities:
    """Capability scores of models: the leading principal components of their benchmark scores.

    Gaps are filled first, by the best rank-1 approximation of the standardised table, again and again until
    they stay. The components are then those of the centred table in its own unit.

    Parameters
    ----------
    table : array, shape (n, k)
        Score of each model on each benchmark, NaN where it was not measured.
    components : int
        Number m of components, at most ``min(n, k)``.
    max_steps : int
        Bound on the iterations; it is reached only where hardly anything was measured.

    Raises
    ------
    ValueError
        If the table is not two-dimensional, has fewer columns or rows than components, or a benchmark has
        fewer than two different scores, or a model none.
    """
    raw = np.asarray(table, float)
    if raw.ndim != 2 or not 1 <= components <= min(raw.shape):
        raise ValueError(
            f"expected a table (models, benchmarks) of {components} or more of each; found shape {raw.shape}"
        )
    gaps = np.isnan(raw)
    if gaps.all(axis=1).any():
        raise ValueError(f"no score in rows {np.flatnonzero(gaps.all(axis=1)).tolist()}: leave them out")
    flat = [j for j in range(raw.shape[1]) if len(np.unique(raw[~gaps[:, j], j])) < 2]
    if flat:
        raise ValueError(f"fewer than two different scores in columns {flat}: leave them out")
    filled = np.where(gaps, np.nanmean(raw, axis=0), raw)
    for _ in range(max_steps if gaps.any() else 0):
        mean, sd = filled.mean(axis=0), filled.std(axis=0)
        u, s, v = np.linalg.svd((filled - mean) / sd, full_matrices=False)
        change = np.where(gaps, mean + sd * s[0] * np.outer(u[:, 0], v[0]) - filled, 0.0)
        filled = filled + change
        if np.abs(change / sd).max() < 1e-8:
            break
    u, s, v = np.linalg.svd(filled - filled.mean(axis=0), full_matrices=False)
    sign = np.where(v.sum(axis=1) < 0, -1.0, 1.0)
    return Capabilities(
        scores=(u * s * sign)[:, :components],
        loadings=(v * sign[:, None])[:components],
        explained=(s**2 / (s**2).sum())[:components],
        filled=filled,
    )


def as_inputs(scores: Any) -> np.ndarray:
    """Scores as columns of a table of runs: exp of each standardised component, shape (n, m).

    Inputs of laws are positive numbers whose logs enter, as sizes are; the law `obs_scaling` takes the log
    back.
    """
    s = np.asarray(scores, float)
    return np.exp((s - s.mean(axis=0)) / s.std(axis=0))
