"""The latents of a model as one flat vector of unit normals: families first, population last."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.distributions import constraints
from numpyro.infer.reparam import LocScaleReparam
from numpyro.infer.util import potential_energy

from bayes_scaling.layout import Data, Shape
from bayes_scaling.model import hierarchical
from bayes_scaling.whiten import Sizes, split


def _decentred(site: dict[str, Any]) -> LocScaleReparam | None:
    """Give normals of the population unit scale; those of the families have it already."""
    named = site["name"] in ("location", "log_spread", "noise", "log_structure")
    return LocScaleReparam(0) if named else None


def reparametrised(shape: Shape, data: Data) -> None:
    """The model with all normals non-centred, so that every latent has unit prior scale."""
    handlers.reparam(hierarchical, config=_decentred)(shape, data)


def prior_draw(shape: Shape, data: Data, key: Any) -> dict[str, Any]:
    """One draw of all latents from the prior, unconstrained."""
    trace = handlers.trace(handlers.seed(reparametrised, key)).get_trace(shape, data)
    return {
        name: dist.biject_to(site["fn"].support).inv(site["value"])
        for name, site in trace.items()
        if site["type"] == "sample" and not site["is_observed"]
    }


def signature(data: Data) -> tuple[Any, ...]:
    """Shapes and types of the data, hashable."""
    leaves, tree = jax.tree.flatten(data)
    return tuple((x.shape, np.dtype(x.dtype)) for x in leaves), tree


def site_shapes(shape: Shape, data: Data) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Shapes of the family sites and of the population sites."""
    return _site_shapes(shape, signature(data))


@lru_cache(maxsize=256)
def _site_shapes(shape: Shape, signature: tuple[Any, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    leaves, tree = signature
    like = [jax.ShapeDtypeStruct(size, jax.dtypes.canonicalize_dtype(kind)) for size, kind in leaves]
    data = jax.tree.unflatten(tree, like)
    shapes = jax.eval_shape(partial(prior_draw, shape), data, jax.random.key(0))
    own = {n: s.shape for n, s in shapes.items() if n in ("family", "structure_family")}
    return own, {n: s.shape for n, s in shapes.items() if n not in own}


def sizes_of(shape: Shape, data: Data) -> Sizes:
    """Numbers of families, of latents per family and of population latents."""
    own, rest = site_shapes(shape, data)
    local = sum(int(np.prod(s[1:])) for s in own.values())
    return Sizes(shape.families if local else 0, local, sum(int(np.prod(s)) for s in rest.values()))


def pack(sites: dict[str, Any], shape: Shape, data: Data) -> Any:
    """Latent sites -> flat vector, families first."""
    own, rest = site_shapes(shape, data)
    local = [sites[n].reshape(shape.families, -1) for n in own]
    parts = [jnp.concatenate(local, axis=1).reshape(-1)] if local else []
    return jnp.concatenate([*parts, *(jnp.reshape(sites[n], -1) for n in rest)])


def unpack(z: Any, shape: Shape, data: Data) -> dict[str, Any]:
    """Flat vector -> latent sites."""
    own, rest = site_shapes(shape, data)
    families, population = split(z, sizes_of(shape, data))
    sites, at = {}, 0
    for name, size in own.items():
        width = int(np.prod(size[1:]))
        sites[name] = families[:, at : at + width].reshape(size)
        at += width
    at = 0
    for name, size in rest.items():
        width = int(np.prod(size))
        sites[name] = population[at : at + width].reshape(size)
        at += width
    return sites


def scales(shape: Shape, data: Data) -> Any:
    """1 for latents that are the log of a scale (spreads, noise, discrepancy), 0 for the others; flat."""
    own, rest = site_shapes(shape, data)
    logs = ("log_spread", "noise", "log_structure")
    marked = {n: np.full(s, n.startswith(logs), float) for n, s in {**own, **rest}.items()}
    return pack(marked, shape, data)


def energy(shape: Shape, data: Data, z: Any) -> Any:
    """Negative log density of the flat vector."""
    return potential_energy(reparametrised, (shape, data), {}, unpack(z, shape, data))


def constrain(sites: dict[str, Any]) -> dict[str, Any]:
    """Latent sites in their supports; all are real but the Cholesky factor of a correlation."""
    name = "correlation_factor"
    if name not in sites:
        return sites
    return {**sites, name: dist.biject_to(constraints.corr_cholesky)(sites[name])}
