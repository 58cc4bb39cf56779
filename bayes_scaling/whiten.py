"""A Gaussian fit to the posterior and whitening by it, at a cost linear in the number of families.

Families touch each other only through the population, so the Hessian is an arrow: F small blocks, one block
for the population, and what couples them. ``p + g`` Hessian-vector products give all of it, and its Cholesky
factor turns the posterior into something close to a unit normal, in which NUTS takes a few steps a draw.

The joint mode of a hierarchy is a poor centre: every family is fitted exactly and the noise vanishes. So
Newton's method only finds the neighbourhood, and a variational Newton iteration (Khan and Lin 2017,
arXiv:1703.04265) moves to the Gaussian whose gradient vanishes and whose precision is the Hessian *on average
over itself*.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

#: Curvatures are kept above this: every latent has unit prior scale, so a posterior flatter than that is the
#: sign of a bad starting point and not of a wide posterior.
LEAST_CURVATURE = 0.5
NEWTON_STEPS = 40

#: Up to this many latents the warm-up learns a whole matrix on top; how much of the identity it is shrunk to.
MOST_TURNED = 150
SHRINKAGE = 0.2

#: Antithetic pairs of draws, and iterations, of the variational Newton iteration.
PAIRS = 8
VARIATIONAL_STEPS = 40
DAMPING = 0.3


class Whitening(NamedTuple):
    """``z_g = mode_g + S w_g`` and ``z_f = mode_f + A_f w_f - K_f S w_g``."""

    mode: Any  # (F p + g,)
    family: Any  # (F, p, p) A: inverse transposed Cholesky factors of the family blocks
    coupling: Any  # (F, p, g) K
    population: Any  # (g, g) S
    turn: Any  # (d, d) learnt from the warm-up and applied first, or (0, 0) for none


class Sizes(NamedTuple):
    """Families, latents of one family, latents of the population."""

    families: int
    local: int
    population: int


def split(z: Any, sizes: Sizes) -> tuple[Any, Any]:
    """Flat vector -> (F, p) family latents and (g,) population latents."""
    cut = sizes.families * sizes.local
    return z[:cut].reshape(sizes.families, sizes.local), z[cut:]


def unwhiten(white: Whitening, w: Any, sizes: Sizes) -> Any:
    """From whitened coordinates to the latents."""
    w = white.turn @ w if white.turn.size else w
    w_f, w_g = split(w, sizes)
    z_g = white.population @ w_g
    if not sizes.local or not sizes.families:
        return white.mode + z_g
    z_f = jnp.einsum("fij,fj->fi", white.family, w_f) - jnp.einsum("fij,j->fi", white.coupling, z_g)
    return white.mode + jnp.concatenate([z_f.reshape(-1), z_g])


def whiten(white: Whitening, z: Any, sizes: Sizes) -> Any:
    """From the latents to whitened coordinates: the inverse of `unwhiten` before any turn is learnt."""
    z_f, z_g = split(z - white.mode, sizes)
    w_g = jnp.linalg.solve(white.population, z_g)
    if not sizes.local or not sizes.families:
        return w_g
    w_f = jnp.linalg.solve(white.family, (z_f + jnp.einsum("fij,j->fi", white.coupling, z_g))[..., None])
    return jnp.concatenate([w_f.reshape(-1), w_g])


def gaussian_fit(potential: Callable[[Any], Any], mode: Any, sizes: Sizes, key: Any) -> Whitening:
    """The Gaussian nearest to a posterior, by a variational Newton iteration.

    Parameters
    ----------
    potential : callable
        Negative log density of a flat vector (F p + g,).
    mode : array, shape (F p + g,)
        Where to begin.
    sizes : Sizes
    key : JAX random key

    Returns
    -------
    Whitening
        Centre and inverse factor of the fitted Gaussian.
    """
    draws = jax.random.normal(key, (PAIRS, len(mode)), mode.dtype)
    draws = jnp.concatenate([draws, -draws])

    def local(z: Any) -> tuple[Any, Arrow, Any]:
        gradient, arrow = jax.grad(potential)(z), _arrow(potential, z, sizes)
        finite = jnp.isfinite(gradient).all() & jnp.isfinite(arrow.population).all()
        return gradient, arrow, (finite & jnp.isfinite(arrow.families).all()).astype(z.dtype)

    def step(carry: tuple[Any, Arrow], _: None) -> tuple[tuple[Any, Arrow], None]:
        centre, precision = carry
        white = Whitening(centre, *_factor(precision), jnp.eye(0))
        gradients, arrows, weight = jax.lax.map(lambda w: local(unwhiten(white, w, sizes)), draws)
        share = weight / jnp.maximum(weight.sum(), 1.0)

        def average(values: Any) -> Any:
            return jnp.tensordot(share, jnp.nan_to_num(values, posinf=0.0, neginf=0.0), 1)

        rate = DAMPING * (weight.sum() > 0)
        precision = jax.tree.map(lambda old, new: (1 - rate) * old + rate * average(new), precision, arrows)
        white = Whitening(centre, *_factor(precision), jnp.eye(0))
        return (centre - rate * _bounded(_solve(white, average(gradients), sizes)), precision), None

    begin = (mode, _arrow(potential, mode, sizes))
    (centre, precision), _ = jax.lax.scan(step, begin, None, length=VARIATIONAL_STEPS)
    return Whitening(centre, *_factor(precision), _turn(sizes))


class Arrow(NamedTuple):
    """Blocks of a Hessian in which families are independent given the population."""

    families: Any  # (F, p, p)
    coupling: Any  # (F, p, g)
    population: Any  # (g, g)


def _arrow(potential: Callable[[Any], Any], z: Any, sizes: Sizes) -> Arrow:
    """The Hessian at a point, by one product with it for each latent of a family and of the population."""
    families, local, population = sizes
    gradient = jax.grad(potential)

    def product(v: Any) -> Any:
        return jax.jvp(gradient, (z,), (v,))[1]

    tile = jnp.tile(jnp.eye(local, dtype=z.dtype), (1, families))
    zeros = jnp.zeros((local, population), z.dtype)
    probes_f = jnp.concatenate([tile, zeros], axis=1)
    probes_g = jnp.eye(len(z), dtype=z.dtype)[families * local :]
    columns = jax.lax.map(product, jnp.concatenate([probes_f, probes_g]), batch_size=64)
    by_family = columns[:, : families * local].reshape(local + population, families, local)
    blocks = jnp.moveaxis(by_family[:local], 0, 2)
    coupling = jnp.moveaxis(by_family[local:], 0, 2)
    return Arrow(blocks, coupling, columns[local:, families * local :])


def _sane(matrix: Any) -> Any:
    """Symmetric part with eigenvalues made positive and kept above `LEAST_CURVATURE`."""
    matrix = jnp.nan_to_num((matrix + jnp.swapaxes(matrix, -1, -2)) / 2, nan=0.0, posinf=1e12, neginf=-1e12)
    values, vectors = jnp.linalg.eigh(matrix)
    values = jnp.clip(jnp.abs(values), LEAST_CURVATURE, 1e14)
    return (vectors * values[..., None, :]) @ jnp.swapaxes(vectors, -1, -2)


def _inverse_factor(matrix: Any) -> Any:
    """``L^-T`` of the Cholesky factorisation ``matrix = L L^T``."""
    lower = jnp.linalg.cholesky(matrix)
    eye = jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)
    inverse = jax.scipy.linalg.solve_triangular(lower, eye, lower=True)
    return jnp.swapaxes(inverse, -1, -2)


def _turn(sizes: Sizes) -> Any:
    """No turn yet; the place is kept only where a whole matrix is affordable."""
    d = sizes.families * sizes.local + sizes.population
    return jnp.eye(d if d <= MOST_TURNED else 0)


def learnt_turn(draws: np.ndarray) -> np.ndarray:
    """Square root (d, d) of the covariance of whitened warm-up draws (n, d), shrunk towards the identity."""
    n, d = draws.shape
    weight = n / (n + SHRINKAGE * d)
    covariance = weight * np.cov(draws.T).reshape(d, d) + (1 - weight) * np.eye(d)
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 1e-3))) @ vectors.T


def _factor(arrow: Arrow) -> tuple[Any, Any, Any]:
    """Whitening matrices A, K and S of an arrow Hessian."""
    blocks, coupling, population = arrow
    if blocks.shape[0] * blocks.shape[1] == 0:
        return blocks, coupling, _inverse_factor(_sane(population))
    family = _inverse_factor(_sane(blocks))
    half = jnp.einsum("fji,fjk->fik", family, coupling)
    schur = population - jnp.einsum("fik,fil->kl", half, half)
    return family, jnp.einsum("fij,fjk->fik", family, half), _inverse_factor(_sane(schur))


def _solve(white: Whitening, gradient: Any, sizes: Sizes) -> Any:
    """Precision^-1 times a gradient: the whitening map applied to its transpose applied to it."""
    linear = white._replace(mode=jnp.zeros_like(gradient))
    _, pull = jax.vjp(lambda w: unwhiten(linear, w, sizes), jnp.zeros_like(gradient))
    return unwhiten(linear, pull(gradient)[0], sizes)


def _bounded(step: Any) -> Any:
    """A step of at most one prior standard deviation in any latent."""
    return step / jnp.maximum(1.0, jnp.abs(step).max())


def newton(potential: Callable[[Any], Any], start: Any, sizes: Sizes) -> tuple[Any, Any]:
    """Minimise from one start; a step is halved until the potential falls."""
    lengths = 0.5 ** jnp.arange(10, dtype=start.dtype)

    def safe(z: Any) -> Any:
        value = potential(z)
        return jnp.where(jnp.isfinite(value), value, jnp.inf)

    def step(carry: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
        z, energy, _, count = carry
        white = Whitening(jnp.zeros_like(z), *_factor(_arrow(potential, z, sizes)), jnp.eye(0))
        gradient = jnp.nan_to_num(jax.grad(potential)(z), posinf=0.0, neginf=0.0)
        direction = _bounded(_solve(white, gradient, sizes))
        trials = z - lengths[:, None] * direction
        energies = jax.lax.map(safe, trials)
        best = jnp.argmin(energies)
        better = energies[best] < energy
        new = jnp.where(better, trials[best], z)
        drop = jnp.where(better, energy - energies[best], 0.0)
        return new, jnp.where(better, energies[best], energy), drop, count + 1

    def going(carry: tuple[Any, Any, Any, Any]) -> Any:
        return (carry[3] < NEWTON_STEPS) & ((carry[2] > 1e-4) | (carry[3] == 0))

    first = (start, safe(start), jnp.asarray(jnp.inf, start.dtype), 0)
    mode, energy, _, _ = jax.lax.while_loop(going, step, first)
    return mode, energy
