"""The luck of one run along its path: how its checkpoints scatter together, and what those seen tell.

On the link scale the checkpoints of a run are ``eta + between u + within e`` with one ``u`` for the whole
run, AR(1) residuals ``e`` in the log of its progress, and one Student-t tail for all of them: the noise model
of `bayes_scaling.observe`, here for S draws at once and for every first k checkpoints.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from bayes_scaling.model import unit_of
from bayes_scaling.posterior import Posterior


class Luck(NamedTuple):
    """Noise of S draws at n places of a path."""

    within: np.ndarray  # (S, n) sd of the AR(1) residual
    between: np.ndarray  # (S, n) sd of what the whole run shares
    log_memory: np.ndarray  # (S, 1) log of the correlation of checkpoints one typical gap apart
    df: np.ndarray  # (S,)
    gap: float  # the typical gap: distance in the log of progress


class Seen(NamedTuple):
    """What the first k checkpoints say of the luck of their run, for S draws."""

    count: int
    mean: np.ndarray  # (S,) of u
    variance: np.ndarray  # (S,) of u, before the tail
    residual: np.ndarray  # (S,) of the last checkpoint
    between: np.ndarray  # (S,) there
    within: np.ndarray  # (S,) there
    widening: np.ndarray  # (S,) squared scale of the conditional Student-t
    df: np.ndarray  # (S,)


class Prefixes(NamedTuple):
    """The first k of n checkpoints, k = 1..n: log likelihood, and the sums that condition on them."""

    log_likelihood: np.ndarray  # (S, n)
    zb: np.ndarray
    bb: np.ndarray
    quadratic: np.ndarray
    residual: np.ndarray  # (S, n)


def has_checkpoints(posterior: Posterior) -> bool:
    """Whether the fitted table measured runs several times, so that their wobble was learnt."""
    return posterior.prepared.shape.clustering == "checkpoints"


def luck_at(posterior: Posterior, eta: np.ndarray, error: np.ndarray, gap: float) -> Luck:
    """Noise at predictions ``eta`` (S, n) with known errors (n,) on the link scale.

    ``gap`` is the typical gap where the fitted table has no checkpoints.
    """
    draws = posterior.tree["posterior"].to_dataset()
    prepared = posterior.prepared

    def column(name: str) -> np.ndarray:
        return draws[name].values.reshape(-1, 1)

    unit = float(unit_of(prepared.shape, prepared.data.stretch))
    away = np.clip(eta - float(prepared.data.reference), -3.0 * unit, 3.0 * unit)
    seed = column("seed_sd") * np.exp(column("seed_slope") * away)
    between = np.sqrt(seed**2 + column("misfit_sd") ** 2)
    df = column("degrees_of_freedom").ravel()
    wobble, memory = column("checkpoint_sd"), column("checkpoint_correlation")
    gap = _typical(posterior) if has_checkpoints(posterior) else gap
    within = np.sqrt(wobble**2 + error**2)
    return Luck(within, between, np.log(np.clip(memory, 1e-12, 1 - 1e-12)), df, gap)


def _typical(posterior: Posterior) -> float:
    """The distance between checkpoints in which the correlation was learnt."""
    position, gap = posterior.prepared.measured.position, posterior.prepared.data.gap
    inner = np.flatnonzero(np.isfinite(gap[: len(position)]))
    return float(np.median((position[inner] - position[inner - 1]) / gap[inner]))


def correlations(luck: Luck, at: np.ndarray) -> np.ndarray:
    """Log correlation (S, n) of each place with the one before it; -inf for the first. ``at`` is progress."""
    steps = np.diff(np.log(at)) / luck.gap
    first = np.full((len(luck.df), 1), -np.inf)
    return np.concatenate([first, luck.log_memory * np.maximum(steps, 1e-9)], axis=1)


def prefixes(luck: Luck, at: np.ndarray, residual: np.ndarray) -> Prefixes:
    """Joint log likelihood (S, n) of the first k residuals (S, n) on the link scale, for every k.

    The closed form of `observe.ClusteredStudentT`, with running sums in the place of totals.
    """
    log_rho = correlations(luck, at)
    rho, innovation = np.exp(log_rho), np.sqrt(-np.expm1(2 * log_rho))

    def whiten(values: np.ndarray) -> np.ndarray:
        scaled = values / luck.within
        before = np.concatenate([np.zeros((len(scaled), 1)), scaled[:, :-1]], axis=1)
        return (scaled - rho * before) / innovation

    z, b = whiten(residual), whiten(luck.between)
    bb, zb = np.cumsum(b * b, axis=1), np.cumsum(z * b, axis=1)
    quadratic = np.cumsum(z * z, axis=1) - zb**2 / (1 + bb)
    log_det = np.cumsum(2 * np.log(luck.within * innovation), axis=1) + np.log1p(bb)
    df, size = luck.df[:, None], np.arange(1, residual.shape[1] + 1)
    value = (
        gammaln((df + size) / 2)
        - gammaln(df / 2)
        - size / 2 * np.log(df * np.pi)
        - log_det / 2
        - (df + size) / 2 * np.log1p(quadratic / df)
    )
    return Prefixes(value, zb, bb, quadratic, residual)


def seen(luck: Luck, found: Prefixes | None, k: int) -> Seen:
    """The luck of the run after its first k checkpoints; k = 0 is before any."""
    size = len(luck.df)
    if k == 0 or found is None:
        none, one = np.zeros(size), np.ones(size)
        return Seen(0, none, one, none, none, one, one, luck.df)
    j = k - 1
    shrink = 1 + found.bb[:, j]
    return Seen(
        k,
        found.zb[:, j] / shrink,
        1 / shrink,
        found.residual[:, j],
        luck.between[:, j],
        luck.within[:, j],
        (luck.df + found.quadratic[:, j]) / (luck.df + k),
        luck.df + k,
    )


def paths(
    luck: Luck, at: np.ndarray, eta: np.ndarray, so_far: Seen, last: float, rng: np.random.Generator
) -> np.ndarray:
    """One path (S, m) per draw at the places ``at`` (m,) after ``last``, given what was seen.

    ``luck`` and ``eta`` (S, m) are those of these places.
    """
    size, m = eta.shape
    tail = np.sqrt(so_far.widening * so_far.df / rng.chisquare(so_far.df))
    u = so_far.mean + tail * np.sqrt(so_far.variance) * rng.standard_normal(size)
    steps = np.diff(np.log(np.concatenate([[last if so_far.count else at[0]], at]))) / luck.gap
    log_rho = luck.log_memory * np.maximum(steps, 0.0)
    if not so_far.count:
        log_rho[:, 0] = -np.inf
    rho, innovation = np.exp(log_rho), np.sqrt(-np.expm1(2 * log_rho))
    state = (so_far.residual - so_far.between * u) / so_far.within
    out = np.empty((size, m))
    for k in range(m):
        # place by place, so that more places later leave the earlier ones as they are
        state = rho[:, k] * state + innovation[:, k] * tail * rng.standard_normal(size)
        out[:, k] = eta[:, k] + luck.between[:, k] * u + luck.within[:, k] * state
    return out
