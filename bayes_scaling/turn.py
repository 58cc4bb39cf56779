"""What a first warm-up teaches about the coordinates of the sampler.

The Gaussian fit of whiten.py is too narrow along curved ridges; pooled draws of all chains show how long they
are. Families are independent given the population, so each is regressed on it and keeps a covariance of its
own: few enough numbers to be learnt for a thousand families from a few hundred draws.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from bayes_scaling.whiten import Sizes, Whitening

#: What n draws say of q numbers counts by ``n / (n + SHRINKAGE q)``; the rest is what was believed before.
SHRINKAGE = 0.2


class Turn(NamedTuple):
    """From turned to whitened coordinates: ``w_g = T_g y_g`` and ``w_f = T_f y_f + B_f w_g``."""

    family: np.ndarray  # (F, p, p) T_f
    coupling: np.ndarray  # (F, p, g) B_f
    population: np.ndarray  # (g, g) T_g


def learnt(draws: np.ndarray, sizes: Sizes) -> Turn | None:
    """The turn after which whitened draws (n, d) are about unit normal; None if too few are finite."""
    draws = draws[np.isfinite(draws).all(axis=1)]
    count, cut = len(draws), sizes.families * sizes.local
    if count < 2 * (sizes.local + sizes.population):
        return None
    centred = draws - draws.mean(axis=0)
    own, shared = centred[:, :cut], centred[:, cut:]
    ridge = SHRINKAGE * sizes.population * np.eye(sizes.population)
    slopes = np.linalg.solve(shared.T @ shared + ridge, shared.T @ own)  # (g, F p)
    rest = (own - shared @ slopes).reshape(count, sizes.families, sizes.local)
    return Turn(
        _root(np.einsum("nfi,nfj->fij", rest, rest) / (count - 1), count),
        np.moveaxis(slopes.reshape(sizes.population, sizes.families, sizes.local), 0, -1),
        _root(shared.T @ shared / (count - 1), count),
    )


def _root(covariance: np.ndarray, count: int) -> np.ndarray:
    """Square roots (..., q, q) of covariances of so many draws, shrunk towards the identity."""
    q = covariance.shape[-1]
    weight = count / (count + SHRINKAGE * q)
    values, vectors = np.linalg.eigh(weight * covariance + (1 - weight) * np.eye(q))
    return (vectors * np.sqrt(np.maximum(values, 1e-3))[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def turned(white: Whitening, turn: Turn) -> Whitening:
    """The whitening that takes turned coordinates."""
    family, coupling, population = (np.asarray(x, np.float64) for x in white[1:])
    bend = family @ turn.coupling @ np.linalg.inv(population)
    parts = (family @ turn.family, coupling - bend, population @ turn.population)
    return Whitening(white.mode, *(jnp.asarray(part, white.mode.dtype) for part in parts))


def afresh(first: Any, state: Any, turn: Turn, sizes: Sizes) -> Any:
    """Where a state of NUTS stands, in turned coordinates, with nothing adapted yet (as in the first)."""
    kind = state.z.dtype
    return first._replace(
        z=jnp.asarray(_position(turn, np.asarray(state.z), sizes), kind),
        z_grad=jnp.asarray(_gradient(turn, np.asarray(state.z_grad), sizes), kind),
        potential_energy=state.potential_energy,
        energy=state.energy,
        rng_key=state.rng_key,
    )


def _position(turn: Turn, w: np.ndarray, sizes: Sizes) -> np.ndarray:
    """Turned coordinates (..., d) of whitened ones."""
    w_f, w_g = _split(w, sizes)
    y_f = w_f - np.einsum("fij,...j->...fi", turn.coupling, w_g)
    y_f = np.einsum("fij,...fj->...fi", np.linalg.inv(turn.family), y_f)
    return _joined(y_f, w_g @ np.linalg.inv(turn.population).T)


def _gradient(turn: Turn, gradient: np.ndarray, sizes: Sizes) -> np.ndarray:
    """A gradient (..., d) with respect to whitened coordinates, with respect to turned ones."""
    of_f, of_g = _split(gradient, sizes)
    of_g = of_g + np.einsum("fij,...fi->...j", turn.coupling, of_f)
    return _joined(np.einsum("fij,...fi->...fj", turn.family, of_f), of_g @ turn.population)


def _split(values: np.ndarray, sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    cut = sizes.families * sizes.local
    return values[..., :cut].reshape(*values.shape[:-1], sizes.families, sizes.local), values[..., cut:]


def _joined(own: np.ndarray, shared: np.ndarray) -> np.ndarray:
    return np.concatenate([own.reshape(*own.shape[:-2], -1), shared], axis=-1)
