"""Coordinates in which a posterior with families is close to a unit normal, at a cost linear in their number.

Families touch each other only through the population, so the Hessian is an arrow: F small blocks, one block
for the population, and what couples them. ``p + g`` Hessian-vector products give all of it, and its Cholesky
factor whitens the posterior, so that NUTS takes a few steps a draw.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

#: Curvatures are kept above this: every latent has unit prior scale, so a posterior flatter than that is the
#: sign of a bad starting point and not of a wide posterior.
LEAST_CURVATURE = 0.5


class Whitening(NamedTuple):
    """``z_g = mode_g + S w_g`` and ``z_f = mode_f + A_f w_f - K_f S w_g``."""

    mode: Any  # (F p + g,)
    family: Any  # (F, p, p) A: inverse transposed Cholesky factors of the family blocks
    coupling: Any  # (F, p, g) K
    population: Any  # (g, g) S


class Sizes(NamedTuple):
    """Families, latents of one family, latents of the population."""

    families: int
    local: int
    population: int


def flat_size(sizes: Sizes) -> int:
    """Number of latents."""
    return sizes.families * sizes.local + sizes.population


def split(z: Any, sizes: Sizes) -> tuple[Any, Any]:
    """Flat vectors (..., d) -> (..., F, p) family latents and (..., g) population latents."""
    cut = sizes.families * sizes.local
    return z[..., :cut].reshape(*z.shape[:-1], sizes.families, sizes.local), z[..., cut:]


def unwhiten(white: Whitening, w: Any, sizes: Sizes) -> Any:
    """From whitened coordinates to the latents."""
    w_f, w_g = split(w, sizes)
    z_g = white.population @ w_g
    if not sizes.local or not sizes.families:
        return white.mode + z_g
    z_f = jnp.einsum("fij,fj->fi", white.family, w_f) - jnp.einsum("fij,j->fi", white.coupling, z_g)
    return white.mode + jnp.concatenate([z_f.reshape(-1), z_g])


def whiten(white: Whitening, z: Any, sizes: Sizes) -> Any:
    """From the latents to whitened coordinates: the inverse of `unwhiten`."""
    z_f, z_g = split(z - white.mode, sizes)
    w_g = jnp.linalg.solve(white.population, z_g)
    if not sizes.local or not sizes.families:
        return w_g
    w_f = jnp.linalg.solve(white.family, (z_f + jnp.einsum("fij,j->fi", white.coupling, z_g))[..., None])
    return jnp.concatenate([w_f.reshape(-1), w_g])


class Arrow(NamedTuple):
    """Blocks of a Hessian in which families are independent given the population."""

    families: Any  # (F, p, p)
    coupling: Any  # (F, p, g)
    population: Any  # (g, g)


def arrow_hessian(potential: Callable[[Any], Any], z: Any, sizes: Sizes) -> Arrow:
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


def factors(arrow: Arrow) -> tuple[Any, Any, Any]:
    """Whitening matrices A, K and S of an arrow Hessian."""
    blocks, coupling, population = arrow
    if blocks.shape[0] * blocks.shape[1] == 0:
        return blocks, coupling, _inverse_factor(_sane(population))
    family = _inverse_factor(_sane(blocks))
    half = jnp.einsum("fji,fjk->fik", family, coupling)
    schur = population - jnp.einsum("fik,fil->kl", half, half)
    return family, jnp.einsum("fij,fjk->fik", family, half), _inverse_factor(_sane(schur))


def newton_step(white: Whitening, gradient: Any, sizes: Sizes) -> Any:
    """Newton's step, bounded: precision^-1 times a gradient where that is short.

    The population moves, and the families with it, by at most one prior standard deviation in any latent;
    each family's own step is bounded alone, or the one furthest from its mode would hold up all others.
    """
    linear = white._replace(mode=jnp.zeros_like(gradient))
    _, pull = jax.vjp(lambda w: unwhiten(linear, w, sizes), jnp.zeros_like(gradient))
    w = pull(gradient)[0]
    cut = sizes.families * sizes.local
    together = _bounded(unwhiten(linear, w.at[:cut].set(0.0), sizes))
    own, _ = split(unwhiten(linear, w.at[cut:].set(0.0), sizes), sizes)
    return together.at[:cut].add(_bounded(own).reshape(-1))


def _bounded(steps: Any) -> Any:
    """Steps (..., p) of at most one prior standard deviation in any of their latents."""
    return steps / jnp.maximum(1.0, jnp.abs(steps).max(axis=-1, keepdims=True, initial=0.0))


def log_volume(white: Whitening) -> Any:
    """Log determinant of the map from whitened coordinates to the latents."""
    blocks = (white.family, white.population)
    return sum(jnp.log(jnp.diagonal(x, axis1=-2, axis2=-1)).sum() for x in blocks)


def diagonal(values: Any, sizes: Sizes) -> Arrow:
    """The arrow of a diagonal matrix."""
    local, population = split(values, sizes)
    families = jax.vmap(jnp.diag)(local) if local.size else jnp.zeros((sizes.families, 0, 0), values.dtype)
    coupling = jnp.zeros((sizes.families, sizes.local, sizes.population), values.dtype)
    return Arrow(families, coupling, jnp.diag(population))
