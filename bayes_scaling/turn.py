"""What a first warm-up teaches about the coordinates of the sampler.

The Gaussian fit of whiten.py is too narrow along curved ridges; pooled draws of all chains show how long they
are. Families are independent given the population, so each is regressed on it and keeps a covariance of its
own: few enough numbers to be learnt for a thousand families from a few hundred draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from bayes_scaling.whiten import Sizes, Whitening, split

#: What n draws say of q numbers counts by ``n / (n + SHRINKAGE q)``; the rest is what was believed before.
SHRINKAGE = 0.2


#: Whitened draws (..., n, d) of consecutive parts of a first warm-up, and their log densities (..., n).
Chunks = Sequence[tuple[np.ndarray, np.ndarray]]

#: Chains this many nats below the best one, in density and in mass, are given up after the first warm-up.
HOPELESS = 20.0


class Turn(NamedTuple):
    """From turned to whitened coordinates: ``w_g = T_g y_g`` and ``w_f = T_f y_f + B_f w_g``.

    With a leading dimension, the turns of several data sets.
    """

    family: np.ndarray  # (F, p, p) T_f
    coupling: np.ndarray  # (F, p, g) B_f
    population: np.ndarray  # (g, g) T_g


def later_half(explored: Sequence[Chunks]) -> tuple[np.ndarray, np.ndarray]:
    """Draws (chains, n, d) and log densities (chains, n) of the second half of a round."""
    draws, lp = [], []
    for part in explored:
        w = np.concatenate([w for w, _ in part], axis=-2)
        half = w.shape[-2] // 2
        draws.append(w[..., half:, :].reshape(-1, w.shape[-2] - half, w.shape[-1]))
        lp.append(np.concatenate([lp for _, lp in part], axis=-1)[..., half:].reshape(len(draws[-1]), -1))
    return np.concatenate(draws), np.concatenate(lp)


def learnt(draws: np.ndarray, sizes: Sizes) -> Turn | None:
    """The turn after which whitened draws (n, d) are about unit normal; None if too few are finite.

    What n draws of a chain leave unknown of the slopes on the population adds up over the families, and a
    thousand of them make it stiff. So a slope counts by what the halves of the draws, of other chains where
    there are several, agree on.
    """
    draws = draws[np.isfinite(draws).all(axis=1)]
    count, cut = len(draws), sizes.families * sizes.local
    if count < 2 * (sizes.local + sizes.population):
        return None
    centred = draws - draws.mean(axis=0)
    own, shared = centred[:, :cut], centred[:, cut:]
    slopes = _slopes(centred, cut)
    first, second = (_slopes(half - half.mean(axis=0), cut) for half in np.array_split(draws, 2))
    agreed = (first * second).sum(axis=1) / np.maximum((slopes**2).sum(axis=1), np.finfo(float).tiny)
    slopes *= np.clip(agreed, 0.0, 1.0)[:, None]
    rest = (own - shared @ slopes).reshape(count, sizes.families, sizes.local)
    return Turn(
        _root(np.einsum("nfi,nfj->fij", rest, rest) / (count - 1), count),
        np.moveaxis(slopes.reshape(sizes.population, sizes.families, sizes.local), 0, -1),
        _root(shared.T @ shared / (count - 1), count),
    )


def _slopes(centred: np.ndarray, cut: int) -> np.ndarray:
    """Of the families' coordinates on those of the population, (g, F p)."""
    own, shared = centred[:, :cut], centred[:, cut:]
    ridge = SHRINKAGE * shared.shape[1] * np.eye(shared.shape[1])
    return np.linalg.solve(shared.T @ shared + ridge, shared.T @ own)


def _root(covariance: np.ndarray, count: int) -> np.ndarray:
    """Square roots (..., q, q) of covariances of so many draws, shrunk towards the identity."""
    q = covariance.shape[-1]
    weight = count / (count + SHRINKAGE * q)
    values, vectors = np.linalg.eigh(weight * covariance + (1 - weight) * np.eye(q))
    return (vectors * np.sqrt(np.maximum(values, 1e-3))[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def sources(draws: np.ndarray, lp: np.ndarray) -> np.ndarray:
    """For each chain the one from whose place it goes on: itself, or another one if its own is hopeless.

    A chain in a mode without weight stays there and would count like the others. What a mode weighs is told
    from the mean log density and from the volume of a Gaussian as wide as the draws; the density alone would
    lead all chains into the narrow spike of a vanishing scale.

    Parameters
    ----------
    draws : ndarray, shape (chains, n, d)
    lp : ndarray, shape (chains, n)
        Log density of each draw.

    Returns
    -------
    ndarray of int, shape (chains,)
    """
    chains = np.arange(len(draws))
    finite = np.isfinite(lp).all(axis=1) & np.isfinite(draws).all(axis=(1, 2))
    if finite.sum() < 2:
        return chains
    density = lp[finite].mean(axis=1)
    variance = np.maximum(draws[finite].var(axis=1), np.finfo(float).tiny)
    mass = density + np.log(variance).sum(axis=-1) / 2
    hopeless = (density < density.max() - HOPELESS) & (mass < mass.max() - HOPELESS)
    good = chains[finite][~hopeless]
    chains[np.flatnonzero(finite)[hopeless]] = good[np.arange(hopeless.sum()) % len(good)]
    return chains


def taught(explored: Sequence[Chunks], sizes: Sizes) -> tuple[Turn | None, np.ndarray]:
    """The turn that a round of the first warm-up teaches, and for each chain whose place it goes on from."""
    draws, lp = later_half(explored)
    source = sources(draws, lp)
    return learnt(np.concatenate(draws[np.unique(source)]), sizes), source


def none(sizes: Sizes) -> Turn:
    """The turn that changes nothing."""
    families, local, population = sizes
    own = np.tile(np.eye(local), (families, 1, 1))
    return Turn(own, np.zeros((families, local, population)), np.eye(population))


def turned(white: Whitening, turn: Turn) -> Whitening:
    """The whitening that takes turned coordinates."""
    family, coupling, population = (np.asarray(x, np.float64) for x in white[1:])
    bend = family @ turn.coupling @ np.linalg.inv(population)[..., None, :, :]
    parts = (family @ turn.family, coupling - bend, population @ turn.population)
    return Whitening(white.mode, *(jnp.asarray(part, white.mode.dtype) for part in parts))


class Place(NamedTuple):
    """Where chains stand."""

    z: np.ndarray  # (..., d)
    gradient: np.ndarray  # (..., d)
    potential: np.ndarray
    energy: np.ndarray


def place(state: Any) -> Place:
    """Where a state of NUTS stands."""
    return Place(*map(np.asarray, (state.z, state.z_grad, state.potential_energy, state.energy)))


def places(states: Sequence[Any], source: np.ndarray) -> list[Place]:
    """Where states of one chain each, or one state of all chains, go on if chains do so from ``source``."""
    if len(states) == len(source):
        return [place(states[k]) for k in source]
    return [Place(*(x[source] for x in place(states[0])))]


def afresh(first: Any, state: Any, at: Place, turn: Turn, sizes: Sizes) -> Any:
    """A state of NUTS at a place, in turned coordinates, with nothing adapted yet (as in the first)."""
    kind = state.z.dtype
    return first._replace(
        z=jnp.asarray(_position(turn, at.z, sizes), kind),
        z_grad=jnp.asarray(_gradient(turn, at.gradient, sizes), kind),
        potential_energy=jnp.asarray(at.potential, kind),
        energy=jnp.asarray(at.energy, kind),
        rng_key=state.rng_key,
    )


def _position(turn: Turn, w: np.ndarray, sizes: Sizes) -> np.ndarray:
    """Turned coordinates of whitened ones, (..., d); with turns of several data sets (data set, ..., d)."""
    family, coupling, population = _beside(turn, w)
    w_f, w_g = split(w, sizes)
    y_f = np.linalg.inv(family) @ (w_f[..., None] - coupling @ w_g[..., None, :, None])
    return _joined(y_f[..., 0], (np.linalg.inv(population) @ w_g[..., None])[..., 0])


def _gradient(turn: Turn, gradient: np.ndarray, sizes: Sizes) -> np.ndarray:
    """A gradient with respect to whitened coordinates, with respect to turned ones; shapes of `_position`."""
    family, coupling, population = (np.swapaxes(x, -1, -2) for x in _beside(turn, gradient))
    of_f, of_g = split(gradient, sizes)
    of_g = of_g[..., None] + (coupling @ of_f[..., None]).sum(axis=-3)
    return _joined((family @ of_f[..., None])[..., 0], (population @ of_g)[..., 0])


def _beside(turn: Turn, values: np.ndarray) -> Turn:
    """The turn with dimensions of one where the values (..., d) have chains."""
    sets = turn.population.ndim - 2
    chains = (1,) * (values.ndim - 1 - sets)
    return Turn(*(x.reshape(*x.shape[:sets], *chains, *x.shape[sets:]) for x in turn))


def _joined(own: np.ndarray, shared: np.ndarray) -> np.ndarray:
    return np.concatenate([own.reshape(*own.shape[:-2], -1), shared], axis=-1)
