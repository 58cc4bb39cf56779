"""What follows from a draw of the latents: parameters, predictions, log likelihood, replicated data.

One compiled program evaluates a block of draws of any table of the same shape.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers

from bayes_scaling.engine import TRACING
from bayes_scaling.latents import constrain, pack, prior_draw, reparametrised, signature, unpack
from bayes_scaling.layout import Data, Shape
from bayes_scaling.observe import ClusteredStudentT
from bayes_scaling.sample import cast, use_cache

#: Draws per call of the compiled program; fewer where their rows would be more numbers than this.
BLOCK = 250
MOST_NUMBERS = 5_000_000

#: Sets the random numbers of the prior apart.
_PRIOR = 1
#: Named quantities of one draw that are kept; sites that a model lacks are left out.
KEPT = (
    "theta",
    "location",
    "spread",
    "noise",
    "structure_scale",
    "structure_weights",
    "correlation_factor",
)


def evaluate(
    shape: Shape, data: Data, latents: np.ndarray, *, seed: int = 0, rows: bool = True
) -> dict[str, Any]:
    """Quantities of every draw.

    Parameters
    ----------
    shape, data : Shape, Data
    latents : array, shape (draws, d)
    seed : int
        For the replicated data.
    rows : bool
        Whether to return what has a row dimension (``eta``, ``log_likelihood``, ``replicated``).

    Returns
    -------
    dict of str to array
        First dimension draws. ``replicated`` is on the link scale, or counts.
    """
    use_cache()
    total, block = len(latents), BLOCK
    if rows:
        block = max(1, min(BLOCK, MOST_NUMBERS // len(data.valid)))
    padded = np.concatenate([latents, np.repeat(latents[-1:], -total % block, axis=0)])
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, cast(data, "float64"))
        run = _program(shape, signature(data), rows)
        keys = jax.random.split(jax.random.key(seed), len(padded))

        def part(at: int) -> dict[str, np.ndarray]:
            with jax.enable_x64(True):  # a setting of the thread
                some = padded[at : at + block].astype(np.float64)
                return jax.tree.map(np.asarray, run(data, some, keys[at : at + block]))

        with TRACING:
            parts = [part(0)]  # compiles; the others share the cores
        with ThreadPoolExecutor() as pool:
            parts += pool.map(part, range(block, len(padded), block))
    return {name: np.concatenate([part[name] for part in parts])[:total] for name in parts[0]}


def prior_latents(shape: Shape, data: Data, draws: int, seed: int = 0) -> np.ndarray:
    """Latents drawn from the prior, shape (draws, d).

    They share no random number with what `evaluate` replicates from them with the same seed: data that were
    made with the noise that also made their truth are not data of the model.
    """
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, cast(data, "float64"))
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), _PRIOR), draws)
        with TRACING:
            return np.asarray(_prior(shape, signature(data), draws)(data, keys))


@lru_cache(maxsize=128)
def _prior(shape: Shape, _: tuple[Any, ...], draws: int) -> Any:
    return jax.jit(
        jax.vmap(lambda data, key: pack(prior_draw(shape, data, key), shape, data), in_axes=(None, 0))
    )


@lru_cache(maxsize=256)
def _program(shape: Shape, _: tuple[Any, ...], rows: bool) -> Any:
    def one(data: Data, z: Any, key: Any) -> dict[str, Any]:
        values = constrain(unpack(z, shape, data))
        trace = handlers.trace(handlers.substitute(reparametrised, data=values)).get_trace(shape, data)
        out = {name: trace[name]["value"] for name in KEPT if name in trace}
        if rows:
            likelihood = trace[shape.response]["fn"]
            grouped = isinstance(likelihood, ClusteredStudentT)
            observed = data.response
            out["eta"] = trace["eta"]["value"]
            out["log_likelihood"] = (
                likelihood.pointwise(observed) if grouped else likelihood.log_prob(observed)
            )
            out["replicated"] = likelihood.sample(key)
        return out

    return jax.jit(lambda data, z, keys: jax.lax.map(lambda item: one(data, *item), (z, keys), batch_size=25))
