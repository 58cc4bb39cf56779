"""A Gaussian fit to the posterior: modes first, then the Gaussian nearest to it.

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

from bayes_scaling.whiten import (
    Arrow,
    Sizes,
    Whitening,
    arrow_hessian,
    diagonal,
    factors,
    log_volume,
    newton_step,
    unwhiten,
)

#: Newton's method tries a step and a shorter one, and stops when no start gains more than this many nats.
SHORTER = 0.25
LEAST_DROP = 1e-4

#: Steps of a round, and of one in which the best start still gains more than `SAME` nats a step.
NEWTON_STEPS = 40
MOST_NEWTON_STEPS = 160

#: Starts of Newton's method, which are as many as antithetic pairs of draws of the variational iteration.
PAIRS = 4

#: Modes within `SAME` nats are the same. If fewer than `AGREEING` starts find the best one, families start
#: again, one at a time or all together, in up to `ROUNDS` further rounds.
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


class _Problem(NamedTuple):
    """What does not change from step to step."""

    potential: Callable[[Any], Any]
    held: Any  # (d,) extra precision while modes are sought
    hold: Arrow  # the same
    draws: Any  # (2 S, d) unit normals, in antithetic pairs
    unknown: _Local  # of S points that have not been evaluated
    sizes: Sizes
    key: Any


class Pilot(NamedTuple):
    """A Gaussian around the best mode, and the modes (S, d) of the last round, (S,) nats above the best."""

    white: Whitening
    modes: Any
    energies: Any


def pilot_fit(potential: Callable[[Any], Any], held: Any, starts: Any, sizes: Sizes, key: Any) -> Pilot:
    """Modes near some starts, and the Gaussian nearest to the posterior around the best of them.

    Newton's method with two step lengths per start, in rounds: where fewer than three agree on the best mode,
    a family may be in a wrong one, and since families are independent given the population it starts again
    alone; or all of them are, and start again together. Then the variational Newton iteration. Both evaluate
    the same number of points by the same code, so that the model is compiled into the program only once.

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
    problem = _problem(potential, held, starts, sizes, key)

    def step(state: _State) -> _State:
        points = jax.lax.cond(state.seeking, partial(_trials, problem), partial(_around, problem), state)
        found = jax.lax.map(partial(_local, problem), points)
        seek, fit = partial(_searched, problem), partial(_averaged, problem)
        return jax.lax.cond(state.seeking, seek, fit, state, points, found)

    state = jax.lax.while_loop(lambda state: state.fitted < VARIATIONAL_STEPS, step, _begin(problem, starts))
    gaussian, search = state.fit.gaussian, state.search
    return Pilot(
        _whitening(gaussian), search.z, _energies(problem, search.at.energy, search.z) - gaussian.energy
    )


def _problem(potential: Callable[[Any], Any], held: Any, starts: Any, sizes: Sizes, key: Any) -> _Problem:
    count, kind = len(starts), starts.dtype
    draws = jax.random.normal(key, starts.shape, kind)
    hold = diagonal(held, sizes)
    blank = jax.tree.map(lambda x: jnp.zeros((count, *x.shape), kind), hold)
    unknown = _Local(jnp.full(count, jnp.inf, kind), jnp.zeros_like(starts), blank)
    return _Problem(potential, held, hold, jnp.concatenate([draws, -draws]), unknown, sizes, key)


def _begin(problem: _Problem, starts: Any) -> _State:
    empty = jax.tree.map(lambda x: x[0], problem.unknown.arrow)
    endless = problem.unknown.energy[0]
    nowhere = _Gaussian(starts[0], empty, endless)
    rate = jnp.asarray(DAMPING, starts.dtype)
    fit = _Fit(nowhere, jnp.zeros_like(starts[0]), empty, nowhere, endless, rate)
    return _State(_from(problem, starts), fit, *map(jnp.asarray, (True, 0, 0, 0)))


def _local(problem: _Problem, z: Any) -> _Local:
    energy, gradient = jax.value_and_grad(problem.potential)(z)
    return _Local(energy, gradient, arrow_hessian(problem.potential, z, problem.sizes))


# The search for modes


def _from(problem: _Problem, z: Any) -> _Search:
    """A search that begins at points (S, d)."""
    return _Search(z, problem.unknown, jnp.ones_like(z[:, 0]), problem.unknown.energy)


def _energies(problem: _Problem, energy: Any, z: Any) -> Any:
    """What is minimised, (S,): energies with what holds the scales."""
    total = energy + (problem.held * z**2).sum(axis=1) / 2
    return jnp.where(jnp.isfinite(total), total, jnp.inf)


def _trials(problem: _Problem, state: _State) -> Any:
    """Points (2 S, d) to be tried: Newton's steps from all starts, and shorter ones."""
    search = state.search

    def direction(item: tuple[Any, _Local]) -> Any:
        z, at = item
        arrow = jax.tree.map(jnp.add, at.arrow, problem.hold)
        gradient = jnp.nan_to_num(at.gradient + problem.held * z, posinf=0.0, neginf=0.0)
        return newton_step(Whitening(jnp.zeros_like(z), *factors(arrow)), gradient, problem.sizes)

    step = search.length[:, None] * jax.lax.map(direction, (search.z, search.at))
    return jnp.concatenate([search.z - step, search.z - SHORTER * step])


def _searched(problem: _Problem, state: _State, points: Any, found: _Local) -> _State:
    """The better one of two trials is kept; where starts disagree at the end, families start again."""
    search, best = state.search, state.fit.gaussian
    count = len(search.z)
    total = _energies(problem, found.energy, points)
    now = _energies(problem, search.at.energy, search.z)
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
    search = _where(again, _from(problem, _restarted(problem, best.centre, state.rounds)), search)
    return state._replace(
        search=search,
        fit=state.fit._replace(gaussian=best, trial=best),
        seeking=~over | again,
        tried=jnp.where(over, 0, tried),
        rounds=state.rounds + over,
    )


def _restarted(problem: _Problem, z: Any, rounds: Any) -> Any:
    """Points (S, d): every other one is ``z`` with another family somewhere else, the others are all new.

    Families that hardly differ are in a wrong mode together.
    """
    (count, d), sizes = problem.unknown.gradient.shape, problem.sizes
    fresh = AWAY * jax.random.normal(jax.random.fold_in(problem.key, rounds), (count, d), z.dtype)
    if sizes.families < 2:
        return fresh
    index = jnp.arange(count)
    family = (rounds * count + index) // 2 % sizes.families
    alone = jnp.repeat(jax.nn.one_hot(family, sizes.families, dtype=bool), sizes.local, axis=1)
    moved = jnp.pad(alone, ((0, 0), (0, sizes.population))) | (index % 2 == 1)[:, None]
    return jnp.where(moved, fresh, z)


# The variational iteration


def _around(problem: _Problem, state: _State) -> Any:
    """Draws (2 S, d) of the Gaussian that is tried, from the same unit normals in all steps."""
    white = _whitening(state.fit.trial)
    return jax.vmap(lambda w: unwhiten(white, w, problem.sizes))(problem.draws)


def _averaged(problem: _Problem, state: _State, points: Any, found: _Local) -> _State:
    """A damped step from the Gaussian that was tried, or a shorter one from the last if it was worse."""
    fit = state.fit
    finite = jnp.isfinite(found.gradient).all(axis=1)
    for block in found.arrow:
        finite &= jnp.isfinite(block).reshape(len(points), -1).all(axis=1)
    share = finite / jnp.maximum(finite.sum(), 1.0)

    def average(values: Any) -> Any:
        return jnp.tensordot(share, jnp.nan_to_num(values, posinf=0.0, neginf=0.0), 1)

    objective = found.energy.mean() - log_volume(_whitening(fit.trial))
    objective = jnp.where(jnp.isfinite(objective) & finite.any(), objective, jnp.inf)
    better = objective <= fit.objective + SLACK
    here = (fit.trial, average(found.gradient), jax.tree.map(average, found.arrow))
    gaussian, gradient, hessian = _where(better, here, (fit.gaussian, fit.gradient, fit.hessian))
    rate = jnp.where(better, jnp.minimum(2 * fit.rate, DAMPING), fit.rate / 2)
    precision = jax.tree.map(lambda old, new: (1 - rate) * old + rate * new, gaussian.precision, hessian)
    step = newton_step(_whitening(gaussian._replace(precision=precision)), gradient, problem.sizes)
    trial = gaussian._replace(precision=precision, centre=gaussian.centre - rate * step)
    fit = _Fit(gaussian, gradient, hessian, trial, jnp.minimum(objective, fit.objective), rate)
    return state._replace(fit=fit, fitted=state.fitted + 1)


def _whitening(gaussian: _Gaussian) -> Whitening:
    return Whitening(gaussian.centre, *factors(gaussian.precision))


def _where(condition: Any, this: Any, that: Any) -> Any:
    """One of two records of arrays."""
    return jax.tree.map(partial(jnp.where, condition), this, that)
