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

#: Curvatures are kept above this: every latent has unit prior scale, so a posterior flatter than that is the
#: sign of a bad starting point and not of a wide posterior.
LEAST_CURVATURE = 0.5
NEWTON_STEPS = 40

#: Newton's method tries a step and a shorter one, and stops when no start gains more than this many nats.
SHORTER = 0.25
LEAST_DROP = 1e-4

#: Starts of Newton's method, which are as many as antithetic pairs of draws of the variational iteration.
PAIRS = 4
VARIATIONAL_STEPS = 30
DAMPING = 0.3


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


class _Local(NamedTuple):
    """Energy, gradient and Hessian at some points, first dimension the points."""

    energy: Any
    gradient: Any
    arrow: Arrow


class _Search(NamedTuple):
    """Newton's method from all starts at once."""

    z: Any  # (S, d)
    at: _Local
    length: Any  # (S,) of the next step
    drop: Any  # (S,) of the energy in the last one


class _Gaussian(NamedTuple):
    centre: Any  # (d,)
    precision: Arrow


class Pilot(NamedTuple):
    """What a pilot fit finds: a Gaussian, and the modes (S, d) with their energies (S,)."""

    white: Whitening
    modes: Any
    energies: Any


def pilot_fit(potential: Callable[[Any], Any], held: Any, starts: Any, sizes: Sizes, key: Any) -> Pilot:
    """Modes near some starts, and the Gaussian nearest to the posterior around the best of them.

    Newton's method with two step lengths per start, then the variational Newton iteration. Both evaluate the
    same number of points by the same code, so that the model is compiled into the program only once.

    Parameters
    ----------
    potential : callable
        Negative log density of a flat vector (F p + g,).
    held : array, shape (F p + g,)
        Extra precision of every latent while modes are sought, and only then.
    starts : array, shape (PAIRS, F p + g)
    sizes : Sizes
    key : JAX random key

    Returns
    -------
    Pilot
    """
    count, d = starts.shape
    draws = jax.random.normal(key, (count, d), starts.dtype)
    draws = jnp.concatenate([draws, -draws])
    held_arrow = _diagonal(held, sizes)

    def local(z: Any) -> _Local:
        energy, gradient = jax.value_and_grad(potential)(z)
        return _Local(energy, gradient, _arrow(potential, z, sizes))

    def directions(search: _Search) -> Any:
        def one(item: tuple[Any, _Local]) -> Any:
            z, at = item
            arrow = jax.tree.map(jnp.add, at.arrow, held_arrow)
            gradient = jnp.nan_to_num(at.gradient + held * z, posinf=0.0, neginf=0.0)
            white = Whitening(jnp.zeros_like(z), *_factor(arrow))
            return _bounded(_solve(white, gradient, sizes))

        return jax.lax.map(one, (search.z, search.at))

    def trials(state: tuple[_Search, _Gaussian]) -> Any:
        search = state[0]
        step = search.length[:, None] * directions(search)
        return jnp.concatenate([search.z - step, search.z - SHORTER * step])

    def around(state: tuple[_Search, _Gaussian]) -> Any:
        white = Whitening(state[1].centre, *_factor(state[1].precision))
        return jax.vmap(lambda w: unwhiten(white, w, sizes))(draws)

    def searched(state: tuple[_Search, _Gaussian], points: Any, found: _Local) -> tuple[_Search, _Gaussian]:
        search, _ = state
        total = found.energy + (held * points**2).sum(axis=1) / 2
        total = jnp.where(jnp.isfinite(total), total, jnp.inf)
        now = search.at.energy + (held * search.z**2).sum(axis=1) / 2
        shorter = total[count:] < total[:count]
        index = jnp.arange(count) + count * shorter
        better = total[index] < now

        def chosen(new: Any, old: Any) -> Any:
            return jnp.where(better.reshape(-1, *[1] * (old.ndim - 1)), new[index], old)

        length = jnp.where(better, jnp.where(shorter, search.length / 2, 1.0), search.length * SHORTER**2)
        drop = jnp.where(better, now - total[index], jnp.where(length > 1e-4, jnp.inf, 0.0))
        at = jax.tree.map(chosen, found, search.at)
        search = _Search(chosen(points, search.z), at, length, drop)
        # the Gaussian begins at the best mode so far
        best = jnp.argmin(search.at.energy + (held * search.z**2).sum(axis=1) / 2)
        return search, _Gaussian(search.z[best], jax.tree.map(lambda x: x[best], search.at.arrow))

    def averaged(state: tuple[_Search, _Gaussian], points: Any, found: _Local) -> tuple[_Search, _Gaussian]:
        search, (centre, precision) = state
        finite = jnp.isfinite(found.gradient).all(axis=1)
        for block in found.arrow:
            finite &= jnp.isfinite(block).reshape(len(points), -1).all(axis=1)
        share = finite / jnp.maximum(finite.sum(), 1.0)

        def average(values: Any) -> Any:
            return jnp.tensordot(share, jnp.nan_to_num(values, posinf=0.0, neginf=0.0), 1)

        rate = DAMPING * finite.any()
        precision = jax.tree.map(
            lambda old, new: (1 - rate) * old + rate * average(new), precision, found.arrow
        )
        white = Whitening(centre, *_factor(precision))
        centre = centre - rate * _bounded(_solve(white, average(found.gradient), sizes))
        return search, _Gaussian(centre, precision)

    def step(carry: tuple[Any, Any, tuple[_Search, _Gaussian]]) -> tuple[Any, Any, tuple[_Search, _Gaussian]]:
        tried, fitted, state = carry
        seeking = (fitted == 0) & (tried < NEWTON_STEPS) & (state[0].drop > LEAST_DROP).any()
        points = jax.lax.cond(seeking, trials, around, state)
        found = jax.lax.map(local, points)
        state = jax.lax.cond(seeking, searched, averaged, state, points, found)
        return tried + seeking, fitted + ~seeking, state

    empty = jax.tree.map(lambda x: jnp.zeros((count, *x.shape), x.dtype), jax.eval_shape(local, starts[0]))
    unknown = empty._replace(energy=jnp.full(count, jnp.inf, starts.dtype))
    search = _Search(starts, unknown, jnp.ones(count, starts.dtype), jnp.full(count, jnp.inf, starts.dtype))
    gaussian = _Gaussian(starts[0], jax.tree.map(lambda x: x[0], unknown.arrow))
    _, _, (search, gaussian) = jax.lax.while_loop(
        lambda carry: carry[1] < VARIATIONAL_STEPS, step, (0, 0, (search, gaussian))
    )
    energies = search.at.energy + (held * search.z**2).sum(axis=1) / 2
    white = Whitening(gaussian.centre, *_factor(gaussian.precision))
    return Pilot(white, search.z, energies)


def _diagonal(values: Any, sizes: Sizes) -> Arrow:
    """The arrow of a diagonal matrix."""
    local, population = split(values, sizes)
    families = jax.vmap(jnp.diag)(local) if local.size else jnp.zeros((sizes.families, 0, 0), values.dtype)
    coupling = jnp.zeros((sizes.families, sizes.local, sizes.population), values.dtype)
    return Arrow(families, coupling, jnp.diag(population))
