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
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

#: Curvatures are kept above this: every latent has unit prior scale, so a posterior flatter than that is the
#: sign of a bad starting point and not of a wide posterior.
LEAST_CURVATURE = 0.5

#: Newton's method tries a step and a shorter one, and stops when no start gains more than this many nats.
SHORTER = 0.25
LEAST_DROP = 1e-4

#: Steps of a round, and of one in which the best start still gains more than `SAME` nats a step.
NEWTON_STEPS = 40
MOST_NEWTON_STEPS = 160

#: Starts of Newton's method, which are as many as antithetic pairs of draws of the variational iteration.
PAIRS = 4

#: Modes within `SAME` nats are the same. If fewer than `AGREEING` starts find the best one, families start
#: again, one at a time, in up to `ROUNDS` further rounds.
SAME = 1.0
AGREEING = 3
ROUNDS = 4
#: Standard deviation, in prior units, of starts away from the centre of the prior.
AWAY = 0.7

#: Steps of the variational iteration, and how far each goes. One after which the objective is more than
#: `SLACK` nats above the lowest so far is taken back, and a step of half the length tried.
VARIATIONAL_STEPS = 30
DAMPING = 0.3
SLACK = 5.0


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


def _step(white: Whitening, gradient: Any, sizes: Sizes) -> Any:
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
    """A Gaussian of the variational iteration, which begins at the best mode found, of that energy."""

    centre: Any  # (d,)
    precision: Arrow
    energy: Any


class _Fit(NamedTuple):
    """The variational iteration: a Gaussian, what its draws say on average, and the one to be tried next."""

    gaussian: _Gaussian
    gradient: Any  # (d,)
    hessian: Arrow
    trial: _Gaussian
    objective: Any  # the lowest so far
    rate: Any


class _State(NamedTuple):
    search: _Search
    fit: _Fit
    seeking: Any
    tried: Any  # steps of this round
    rounds: Any  # rounds that are over
    fitted: Any  # variational steps


class Pilot(NamedTuple):
    """A Gaussian around the best mode, and the modes (S, d) of the last round, (S,) nats above the best."""

    white: Whitening
    modes: Any
    energies: Any


def pilot_fit(potential: Callable[[Any], Any], held: Any, starts: Any, sizes: Sizes, key: Any) -> Pilot:
    """Modes near some starts, and the Gaussian nearest to the posterior around the best of them.

    Newton's method with two step lengths per start, in rounds: where fewer than three agree on the best mode,
    a family may be in a wrong one, and since families are independent given the population it starts again
    alone. Then the variational Newton iteration. Both evaluate the same number of points by the same code,
    so that the model is compiled into the program only once.

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
    kind = starts.dtype
    draws = jax.random.normal(key, (count, d), kind)
    draws = jnp.concatenate([draws, -draws])
    held_arrow = _diagonal(held, sizes)
    blank = jax.tree.map(lambda x: jnp.zeros((count, *x.shape), kind), held_arrow)
    unknown = _Local(jnp.full(count, jnp.inf, kind), jnp.zeros_like(starts), blank)

    def begun(z: Any) -> _Search:
        return _Search(z, unknown, jnp.ones(count, kind), unknown.energy)

    def energies(energy: Any, z: Any) -> Any:
        total = energy + (held * z**2).sum(axis=1) / 2
        return jnp.where(jnp.isfinite(total), total, jnp.inf)

    def directions(search: _Search) -> Any:
        def one(item: tuple[Any, _Local]) -> Any:
            z, at = item
            arrow = jax.tree.map(jnp.add, at.arrow, held_arrow)
            gradient = jnp.nan_to_num(at.gradient + held * z, posinf=0.0, neginf=0.0)
            white = Whitening(jnp.zeros_like(z), *_factor(arrow))
            return _step(white, gradient, sizes)

        return jax.lax.map(one, (search.z, search.at))

    def trials(state: _State) -> Any:
        search = state.search
        step = search.length[:, None] * directions(search)
        return jnp.concatenate([search.z - step, search.z - SHORTER * step])

    def around(state: _State) -> Any:
        white = _whitening(state.fit.trial)
        return jax.vmap(lambda w: unwhiten(white, w, sizes))(draws)

    def searched(state: _State, points: Any, found: _Local) -> _State:
        search, best = state.search, state.fit.gaussian
        total = energies(found.energy, points)
        now = energies(search.at.energy, search.z)
        shorter = total[count:] < total[:count]
        index = jnp.arange(count) + count * shorter
        better = total[index] < now

        def chosen(new: Any, old: Any) -> Any:
            return jnp.where(better.reshape(-1, *[1] * (old.ndim - 1)), new[index], old)

        length = jnp.where(better, jnp.where(shorter, search.length / 2, 1.0), search.length * SHORTER**2)
        drop = jnp.where(better, now - total[index], jnp.where(length > 1e-4, jnp.inf, 0.0))
        at = jax.tree.map(chosen, found, search.at)
        search = _Search(chosen(points, search.z), at, length, drop)
        now = jnp.minimum(now, total[index])
        first = jnp.argmin(now)
        new = _Gaussian(search.z[first], jax.tree.map(lambda x: x[first], at.arrow), now[first])
        best = _where(new.energy < best.energy, new, best)

        # once a family has started again, all others are where they were: starts that agree say little
        wanted = jnp.where(state.rounds == 0, AGREEING, count)
        tried = state.tried + 1
        most = jnp.where(drop[first] > SAME, MOST_NEWTON_STEPS, NEWTON_STEPS)
        over = (tried >= most) | ~(drop > LEAST_DROP).any()
        again = over & ((now < best.energy + SAME).sum() < wanted) & (state.rounds < ROUNDS)
        search = _where(again, begun(restarted(best.centre, state.rounds)), search)
        return state._replace(
            search=search,
            fit=state.fit._replace(gaussian=best, trial=best),
            seeking=~over | again,
            tried=jnp.where(over, 0, tried),
            rounds=state.rounds + over,
        )

    def restarted(z: Any, rounds: Any) -> Any:
        fresh = AWAY * jax.random.normal(jax.random.fold_in(key, rounds), starts.shape, kind)
        if sizes.families < 2:
            return fresh
        family = (rounds * count + jnp.arange(count)) % sizes.families
        alone = jnp.repeat(jax.nn.one_hot(family, sizes.families, dtype=bool), sizes.local, axis=1)
        return jnp.where(jnp.pad(alone, ((0, 0), (0, sizes.population))), fresh, z)

    def averaged(state: _State, points: Any, found: _Local) -> _State:
        fit = state.fit
        finite = jnp.isfinite(found.gradient).all(axis=1)
        for block in found.arrow:
            finite &= jnp.isfinite(block).reshape(len(points), -1).all(axis=1)
        share = finite / jnp.maximum(finite.sum(), 1.0)

        def average(values: Any) -> Any:
            return jnp.tensordot(share, jnp.nan_to_num(values, posinf=0.0, neginf=0.0), 1)

        # the draws are the same in all steps, so that what is minimised can be compared
        objective = found.energy.mean() - _log_volume(_whitening(fit.trial))
        objective = jnp.where(jnp.isfinite(objective) & finite.any(), objective, jnp.inf)
        better = objective <= fit.objective + SLACK
        here = (fit.trial, average(found.gradient), jax.tree.map(average, found.arrow))
        gaussian, gradient, hessian = _where(better, here, (fit.gaussian, fit.gradient, fit.hessian))
        rate = jnp.where(better, jnp.minimum(2 * fit.rate, DAMPING), fit.rate / 2)
        precision = jax.tree.map(lambda old, new: (1 - rate) * old + rate * new, gaussian.precision, hessian)
        trial = gaussian._replace(precision=precision)
        trial = trial._replace(centre=gaussian.centre - rate * _step(_whitening(trial), gradient, sizes))
        objective = jnp.minimum(objective, fit.objective)
        fit = _Fit(gaussian, gradient, hessian, trial, objective, rate)
        return state._replace(fit=fit, fitted=state.fitted + 1)

    def step(state: _State) -> _State:
        points = jax.lax.cond(state.seeking, trials, around, state)
        found = jax.lax.map(partial(_local, potential, sizes=sizes), points)
        return jax.lax.cond(state.seeking, searched, averaged, state, points, found)

    endless = jnp.asarray(jnp.inf, kind)
    empty = jax.tree.map(lambda x: x[0], blank)
    nowhere = _Gaussian(starts[0], empty, endless)
    fit = _Fit(nowhere, jnp.zeros(d, kind), empty, nowhere, endless, jnp.asarray(DAMPING, kind))
    state = _State(begun(starts), fit, *map(jnp.asarray, (True, 0, 0, 0)))
    state = jax.lax.while_loop(lambda state: state.fitted < VARIATIONAL_STEPS, step, state)
    gaussian, search = state.fit.gaussian, state.search
    return Pilot(_whitening(gaussian), search.z, energies(search.at.energy, search.z) - gaussian.energy)


def _local(potential: Callable[[Any], Any], z: Any, sizes: Sizes) -> _Local:
    energy, gradient = jax.value_and_grad(potential)(z)
    return _Local(energy, gradient, _arrow(potential, z, sizes))


def _whitening(gaussian: _Gaussian) -> Whitening:
    return Whitening(gaussian.centre, *_factor(gaussian.precision))


def _log_volume(white: Whitening) -> Any:
    """Log determinant of the map from whitened coordinates to the latents."""
    blocks = (white.family, white.population)
    return sum(jnp.log(jnp.diagonal(x, axis1=-2, axis2=-1)).sum() for x in blocks)


def _where(condition: Any, this: Any, that: Any) -> Any:
    """One of two records of arrays."""
    return jax.tree.map(partial(jnp.where, condition), this, that)


def _diagonal(values: Any, sizes: Sizes) -> Arrow:
    """The arrow of a diagonal matrix."""
    local, population = split(values, sizes)
    families = jax.vmap(jnp.diag)(local) if local.size else jnp.zeros((sizes.families, 0, 0), values.dtype)
    coupling = jnp.zeros((sizes.families, sizes.local, sizes.population), values.dtype)
    return Arrow(families, coupling, jnp.diag(population))
