"""Coordinates of the sampler: whitening, the search for modes, and what a first warm-up teaches."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_scaling import pilot
from bayes_scaling.pilot import PAIRS, Pilot, pilot_fit
from bayes_scaling.turn import Turn, _gradient, _position, learnt, none, sources, turned
from bayes_scaling.whiten import (
    Sizes,
    Whitening,
    arrow_hessian,
    factors,
    split,
    unwhiten,
    whiten,
)

SIZES = Sizes(3, 2, 2)


@pytest.fixture
def quadratic() -> tuple[np.ndarray, np.ndarray]:
    """Mean and precision of a Gaussian whose families depend on each other only through the population."""
    rng = np.random.default_rng(0)
    d = SIZES.families * SIZES.local + SIZES.population
    precision = np.zeros((d, d))
    for f in range(SIZES.families):
        at = [2 * f, 2 * f + 1, d - 2, d - 1]
        root = rng.normal(size=(4, 4))
        precision[np.ix_(at, at)] += root @ root.T
    return rng.normal(size=d), precision + 2 * np.eye(d)


def gaussian(quadratic):
    mean, precision = quadratic
    return lambda z: (z - mean) @ precision @ (z - mean) / 2


def piloted(potential, starts) -> Pilot:
    return jax.jit(lambda z, key: pilot_fit(potential, np.zeros(8), z, SIZES, key))(starts, jax.random.key(0))


def linear_map(white: Whitening) -> np.ndarray:
    d = len(white.mode)
    return np.stack([np.asarray(unwhiten(white, e, SIZES) - white.mode) for e in np.eye(d)], axis=1)


def test_whitened_hessian_of_a_quadratic_is_the_identity(quadratic) -> None:
    with jax.enable_x64(True):
        arrow = jax.jit(lambda z: arrow_hessian(gaussian(quadratic), z, SIZES))(np.zeros(8))
        white = Whitening(quadratic[0], *factors(arrow))
        scale = linear_map(white)
    np.testing.assert_allclose(scale.T @ quadratic[1] @ scale, np.eye(8), atol=1e-10)


def test_pilot_fit_recovers_a_gaussian(quadratic) -> None:
    starts = np.random.default_rng(2).normal(size=(PAIRS, 8))
    with jax.enable_x64(True):
        pilot = piloted(gaussian(quadratic), starts)
        scale = linear_map(pilot.white)
    np.testing.assert_allclose(pilot.white.mode, quadratic[0], atol=1e-4)
    np.testing.assert_allclose(pilot.modes, np.tile(quadratic[0], (PAIRS, 1)), atol=1e-6)
    np.testing.assert_allclose(scale @ scale.T, np.linalg.inv(quadratic[1]), atol=1e-8)


def test_whiten_inverts_unwhiten(quadratic) -> None:
    with jax.enable_x64(True):
        arrow = jax.jit(lambda z: arrow_hessian(gaussian(quadratic), z, SIZES))(np.zeros(8))
        white = Whitening(quadratic[0], *factors(arrow))
        z = np.random.default_rng(1).normal(size=8) * 3
        np.testing.assert_allclose(unwhiten(white, whiten(white, z, SIZES), SIZES), z, atol=1e-12)
        np.testing.assert_allclose(whiten(white, white.mode, SIZES), 0, atol=1e-12)
    families, population = split(z, SIZES)
    assert (families.shape, population.shape) == ((3, 2), (2,))


def test_pilot_fit_reaches_the_mode_of_a_curved_potential(quadratic) -> None:
    mean, precision = quadratic

    def potential(z):
        return gaussian(quadratic)(z) + 0.1 * ((z - mean) ** 4).sum()

    with jax.enable_x64(True):
        starts = np.full((PAIRS, 8), 4.0) * np.arange(1, PAIRS + 1)[:, None]
        pilot = piloted(potential, starts)
        scale = linear_map(pilot.white)
    energies = np.asarray(pilot.energies)
    np.testing.assert_allclose(pilot.modes, np.tile(mean, (PAIRS, 1)), atol=1e-2)
    assert energies.min() >= 0
    assert energies.max() < 1e-3
    # the Gaussian is as narrow as the potential is on average around its centre, not as it is at the mode
    assert (np.diag(scale @ scale.T) < np.diag(np.linalg.inv(precision))).all()


def test_a_family_in_a_wrong_mode_starts_again_alone() -> None:
    """Two wells for each of three families: no start has them all right, and the best mode has."""

    def potential(z):
        families, population = split(z, SIZES)
        place, other = families.T
        wells = (place**2 - 4) ** 2 - tilt * place + (other - population[0]) ** 2
        return wells.sum() + (population**2).sum()

    tilt = np.array([2.0, 3.0, 5.0])

    starts = np.zeros((PAIRS, 8))
    starts[:, [0, 2, 4]] = [[-2, 2, -2], [2, -2, -2], [-2, -2, 2], [-2, -2, -2]]
    with jax.enable_x64(True):
        pilot = piloted(potential, starts)
        found = np.asarray(jax.vmap(potential)(pilot.modes))
        best = float(potential(np.array([2.06, 0, 2.09, 0, 2.14, 0, 0, 0])))
    centre, energies = np.asarray(pilot.white.mode), np.asarray(pilot.energies)
    assert (centre[[0, 2, 4]] > 1.5).all(), centre
    np.testing.assert_allclose(found - energies, best, atol=0.1)
    assert (energies >= 0).all()


def test_a_distant_family_does_not_hold_up_the_others() -> None:
    """A step is one prior standard deviation at most: a family at a thousand of them is still on its way."""
    mean = np.array([1e3, 0.0, 3.0, -2.0, 1.0, 4.0, 0.0, 0.0])
    with jax.enable_x64(True):
        pilot = piloted(gaussian((mean, np.eye(8))), np.zeros((PAIRS, 8)))
    modes = np.asarray(pilot.modes)
    assert ((modes[:, 0] > 0) & (modes[:, 0] < 999)).all(), modes[:, 0]
    np.testing.assert_allclose(modes[:, 1:], np.tile(mean[1:], (PAIRS, 1)), atol=1e-6)


@pytest.fixture
def whitened(quadratic) -> Whitening:
    """A Gaussian fit that is wrong: of another precision with the same arrow."""
    with jax.enable_x64(True):
        arrow = jax.jit(lambda z: arrow_hessian(gaussian(quadratic), z, SIZES))(np.zeros(8))
        wrong = arrow._replace(families=4 * arrow.families, coupling=0.3 * arrow.coupling)
        return Whitening(quadratic[0], *factors(wrong))


def drawn_from(quadratic, count: int) -> np.ndarray:
    return np.random.default_rng(3).multivariate_normal(quadratic[0], np.linalg.inv(quadratic[1]), count)


def test_a_turn_makes_up_for_a_wrong_fit(quadratic, whitened) -> None:
    """A Gaussian whose families meet in the population only is unit normal after it."""
    with jax.enable_x64(True):
        w = np.asarray(jax.vmap(lambda z: whiten(whitened, z, SIZES))(drawn_from(quadratic, 20_000)))
        turn = learnt(w, SIZES)
        assert turn is not None
        scale = linear_map(turned(whitened, turn))
    before, after = np.cov(w.T), scale.T @ quadratic[1] @ scale
    assert np.abs(before - np.eye(8)).max() > 0.5
    np.testing.assert_allclose(after, np.eye(8), atol=0.05)


def test_a_turn_moves_points_and_gradients_consistently(quadratic, whitened) -> None:
    rng, chains = np.random.default_rng(4), (2, 3)
    root = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2, 2)), rng.normal(size=(2, 2))
    turn = Turn(*root)
    w = rng.normal(size=(*chains, 8))
    with jax.enable_x64(True):
        after = turned(whitened, turn)
        y = _position(turn, w, SIZES)
        for at in np.ndindex(chains):
            here = unwhiten(after, y[at], SIZES), unwhiten(whitened, w[at], SIZES)
            np.testing.assert_allclose(*here, atol=1e-10)
            one = jax.grad(lambda x: gaussian(quadratic)(unwhiten(whitened, x, SIZES)))(w[at])
            other = jax.grad(lambda x: gaussian(quadratic)(unwhiten(after, x, SIZES)))(y[at])
            np.testing.assert_allclose(_gradient(turn, np.asarray(one), SIZES), other, atol=1e-8)


def test_turns_of_several_data_sets_are_those_of_each() -> None:
    rng = np.random.default_rng(6)
    each = [Turn(*(rng.normal(size=x.shape) for x in none(SIZES))) for _ in range(4)]
    both = Turn(*map(np.stack, zip(*each, strict=True)))
    w = rng.normal(size=(4, 3, 8))
    for move in (_position, _gradient):
        np.testing.assert_allclose(
            move(both, w, SIZES), [move(*one, SIZES) for one in zip(each, w, strict=True)], atol=1e-10
        )
        np.testing.assert_allclose(move(none(SIZES), w, SIZES), w, atol=1e-15)
    fits = [Whitening(rng.normal(size=8), *(rng.normal(size=x.shape) for x in one)) for one in each]
    stacked = Whitening(*map(np.stack, zip(*fits, strict=True)))
    with jax.enable_x64(True):
        for k, part in enumerate(turned(stacked, both)):
            alone = np.stack([turned(*one)[k] for one in zip(fits, each, strict=True)])
            np.testing.assert_allclose(part, alone, atol=1e-10)


def test_too_few_draws_teach_nothing() -> None:
    draws = np.random.default_rng(5).normal(size=(20, 8))
    assert learnt(draws, SIZES) is not None
    draws[3:, 0] = np.nan
    assert learnt(draws, SIZES) is None


def test_a_hopeless_chain_goes_on_from_another_place() -> None:
    """Density and volume decide together: neither a low wide mode nor a high narrow spike is hopeless."""
    rng = np.random.default_rng(8)
    draws, lp = rng.normal(size=(4, 200, 10)), rng.normal(-5, 2, size=(4, 200))
    np.testing.assert_array_equal(sources(draws, lp), np.arange(4))
    lower = lp - np.array([0, 60, 60, 0])[:, None]
    np.testing.assert_array_equal(sources(draws, lower), [0, 0, 3, 3])
    wide = draws * np.array([1, np.exp(6), 1, 1])[:, None, None]
    np.testing.assert_array_equal(sources(wide, lower - np.array([0, 0, 60, 0])[:, None]), [0, 1, 0, 3])
    spike = draws * np.array([np.exp(-6), 1, 1, 1])[:, None, None]
    np.testing.assert_array_equal(sources(spike, lp + np.array([60, 0, 0, 0])[:, None]), np.arange(4))


def test_a_chain_that_is_nowhere_is_left_to_be_restarted() -> None:
    draws, lp = np.zeros((3, 5, 2)) + np.arange(5)[:, None], np.zeros((3, 5))
    lp[1] = np.nan
    np.testing.assert_array_equal(sources(draws, lp), np.arange(3))


def test_a_step_that_makes_the_fit_worse_is_taken_back(quadratic) -> None:
    with jax.enable_x64(True):
        starts = jnp.zeros((PAIRS, 8))
        problem = pilot._problem(gaussian(quadratic), jnp.zeros(8), starts, SIZES, jax.random.key(0))
        state = pilot._begin(problem, starts)
        arrow = arrow_hessian(gaussian(quadratic), starts[0], SIZES)
        best = pilot._Gaussian(jnp.asarray(quadratic[0]), arrow, jnp.asarray(0.0))

        def stepped(fit: pilot._Fit) -> pilot._Fit:
            now = state._replace(fit=fit)
            points = pilot._around(problem, now)
            found = jax.vmap(partial(pilot._local, problem))(points)
            return pilot._averaged(problem, now, points, found).fit

        first = stepped(state.fit._replace(gaussian=best, trial=best))
        back = stepped(first._replace(trial=best._replace(centre=best.centre + 10)))
    assert float(back.rate) == float(first.rate) / 2
    assert float(back.objective) == float(first.objective)
    np.testing.assert_array_equal(np.asarray(back.gaussian.centre), quadratic[0])
    np.testing.assert_allclose(np.asarray(back.trial.centre), quadratic[0], atol=1e-8)


def test_slopes_on_the_population_that_are_noise_are_not_learnt() -> None:
    """What a few draws say of many families' slopes adds up, though no slope is there."""
    sizes, draws = Sizes(200, 2, 3), np.random.default_rng(0).normal(size=(200, 403))
    turn = learnt(draws, sizes)
    assert turn is not None
    assert (turn.coupling**2).sum(axis=(0, 1)).max() < 0.1  # 2 by least squares
    draws[:, :400] += 0.5 * draws[:, 400:401]
    turn = learnt(draws, sizes)
    assert turn is not None
    np.testing.assert_allclose(turn.coupling[:, :, 0].mean(), 0.5, atol=0.05)
    assert (turn.coupling[:, :, 1:] ** 2).sum(axis=(0, 1)).max() < 0.1
