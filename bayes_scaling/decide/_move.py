"""Draws of a posterior moved to where new points put them, when weights alone no longer do.

The likelihood of the points is let in by degrees; after each, the draws are resampled and shaken by a kernel
that keeps their mean and covariance (Liu and West 2001, "Combined parameter and state estimation in
simulation-based filtering"). It is cheap and approximate: shapes other than the first two moments blur.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr

from bayes_scaling.law import Support
from bayes_scaling.layout import CHECKPOINTS
from bayes_scaling.model import LEAST_DF
from bayes_scaling.posterior import Posterior
from bayes_scaling.supports import from_free, to_free

#: Width of the kernel, in standard deviations of the draws.
WIDTH = 0.3
#: Part of the draws that must stay effective when a degree of the likelihood is let in.
KEPT = 0.5
#: Degrees after which it is given up.
MOST_DEGREES = 60

_NOISE: dict[str, Support] = {
    "seed_sd": "positive",
    "seed_slope": "real",
    "misfit_sd": "positive",
    "degrees_of_freedom": "positive",
    "checkpoint_sd": "positive",
    "checkpoint_correlation": "unit",
    "structure_scale": "positive",
}


def with_wobble(posterior: Posterior, rng: np.random.Generator) -> Posterior:
    """The posterior with draws of how checkpoints wobble: from the prior, where no fitted run has several."""
    draws = posterior.tree["posterior"].to_dataset()
    if "checkpoint_sd" in draws:
        return posterior
    z = rng.standard_normal((2, *draws["seed_sd"].shape))
    (centre, spread), (logit, scale) = CHECKPOINTS
    stretch = float(posterior.prepared.data.stretch)
    wobble = np.exp(centre + spread * z[0]) * stretch
    memory = 1 / (1 + np.exp(-(logit + scale * z[1])))
    at = ("chain", "draw")
    draws = draws.assign(checkpoint_sd=(at, wobble), checkpoint_correlation=(at, memory))
    return replace(posterior, tree=xr.DataTree.from_dict({"posterior": draws}))


def moved(
    posterior: Posterior,
    family: str,
    log_likelihood: Callable[[Posterior], np.ndarray],
    rng: np.random.Generator,
) -> Posterior | None:
    """Draws given further points, equally weighted; None if they cannot be moved there.

    Parameters
    ----------
    posterior : Posterior
        In one chain of S draws.
    family : str
        A fitted family: a new one has no draws of its own to move.
    log_likelihood : callable
        Of the points, (S,), under the draws of a posterior.
    """
    if family not in posterior.families:
        return None
    let_in, free = 0.0, _free(posterior, family)
    for _ in range(MOST_DEGREES):
        value = log_likelihood(posterior)
        value = np.where(np.isfinite(value), value, -1e30)
        degree = _degree(value, 1 - let_in)
        weights = np.exp(degree * (value - value.max()))
        weights /= weights.sum()
        centre = weights @ free
        spread = (free - centre).T @ ((free - centre) * weights[:, None])
        values, vectors = np.linalg.eigh(spread)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        chosen = free[rng.choice(len(free), len(free), p=weights)]
        fresh = rng.standard_normal(free.shape) @ root.T
        free = centre + np.sqrt(1 - WIDTH**2) * (chosen - centre) + WIDTH * fresh
        posterior = _with_free(posterior, family, free)
        let_in += degree
        if let_in >= 1 - 1e-9:
            return posterior
    return None


def _degree(value: np.ndarray, most: float) -> float:
    """The largest power of a likelihood, up to the given one, that leaves enough draws effective."""

    def effective(power: float) -> float:
        weights = np.exp(power * (value - value.max()))
        return float(weights.sum() ** 2 / (weights**2).sum())

    if effective(most) >= KEPT * len(value):
        return most
    low, high = 0.0, most
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= KEPT * len(value) else (low, middle)
    return max(low, 1e-12)


def _free(posterior: Posterior, family: str) -> np.ndarray:
    """Unconstrained draws (S, d) of all that the path and luck of a run of this family depend on."""
    draws = posterior.tree["posterior"].to_dataset()
    own = draws.sel(family=family)
    columns = [to_free(p.support, own[p.name].values.ravel()) for p in posterior.law.parameters]
    for name, support in _NOISE.items():
        if name in draws:
            columns.append(to_free(support, draws[name].values.ravel() - _least(name)))
    if "structure_weights" in draws:
        columns += list(own["structure_weights"].values.reshape(len(columns[0]), -1).T)
    return np.stack(columns, axis=1)


def _least(name: str) -> float:
    return LEAST_DF if name == "degrees_of_freedom" else 0.0


def _with_free(posterior: Posterior, family: str, free: np.ndarray) -> Posterior:
    draws = posterior.tree["posterior"].to_dataset().copy(deep=True)
    columns = iter(free.T)
    at = {"family": family}
    for p in posterior.law.parameters:
        draws[p.name].loc[at] = np.asarray(from_free(p.support, next(columns)))[None]
    for name, support in _NOISE.items():
        if name in draws:
            draws[name][:] = (np.asarray(from_free(support, next(columns))) + _least(name))[None]
    if "structure_weights" in draws:
        rest = np.stack(list(columns), axis=1)
        draws["structure_weights"].loc[at] = rest[None]
    return replace(posterior, tree=xr.DataTree.from_dict({"posterior": draws}))
