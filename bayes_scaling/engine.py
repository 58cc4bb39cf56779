"""The compiled programs of one shape: a pilot fit that sets the coordinates, and NUTS in them.

The kernel is NumPyro's own (``numpyro.infer.hmc.hmc``), run inside ``lax.scan``, in the coordinates of a
Gaussian fit (pilot.py, whiten.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpyro.infer.hmc import hmc
from numpyro.infer.hmc_util import euclidean_kinetic_energy

from bayes_scaling.latents import energy, scales, sizes_of
from bayes_scaling.layout import Data, Shape
from bayes_scaling.pilot import AWAY, PAIRS, pilot_fit
from bayes_scaling.whiten import Sizes, Whitening, flat_size, unwhiten, whiten

#: Iterations per call of the compiled program: how often progress is shown and Ctrl-C is heard.
CHUNK = 100
#: Deepest tree of a warm-up: trajectories that no coordinates shorten yet would take most of the time.
WARMUP_DEPTH = 8
#: Precision, in prior units, with which the pilot fit holds the logs of scales at their prior means; one for
#: each family, if there are more: the spike at a vanishing spread grows with their number.
HELD = 25.0
#: Other modes within this many nats of the best one start chains too.
NEARLY_AS_GOOD = 6.0

#: Mean acceptance of models with families or not, with a discrepancy or not.
ACCEPT = {(False, False): 0.9, (True, False): 0.95, (False, True): 0.95, (True, True): 0.98}

#: Held while a model is traced: NumPyro's handlers are on one stack for all threads.
TRACING = threading.RLock()

#: What a program emits at every draw, besides the latents.
STATISTICS = ("diverging", "n_steps", "acceptance_rate", "energy", "step_size", "lp")


@dataclass(frozen=True)
class Settings:
    """How to sample.

    Parameters
    ----------
    chains, warmup, draws : int
        Draws are per chain, after warm-up.
    most_draws : int
        While the smallest effective sample size is below 400 or R-hat above 1.01, the chains go on, by
        ``draws`` at a time, up to this many draws each, or as many as there is memory for.
    seed : int
    target_accept : float, optional
        Mean acceptance that the step size is adapted to. Default: 0.9 for a bare law of one family, whose
        posterior is nearly Gaussian in the sampler's coordinates, 0.95 with families or a discrepancy, 0.98
        with both.
    max_tree_depth : int
    precision : {"float64", "float32"}
    chain_method : {"auto", "threads", "vmap"}
        ``"auto"``: threads on a CPU, vmap elsewhere. Several JAX devices share the chains either way.
    """

    chains: int = 4
    warmup: int = 300
    draws: int = 1500
    most_draws: int = 9000
    seed: int = 0
    target_accept: float | None = None
    max_tree_depth: int = 10
    precision: Literal["float64", "float32"] = "float64"
    chain_method: Literal["auto", "threads", "vmap"] = "auto"


def resolved(settings: Settings, shape: Shape) -> Settings:
    """Settings with the mean acceptance of a model filled in where none was asked for."""
    if settings.target_accept is not None:
        return settings
    return replace(settings, target_accept=ACCEPT[shape.families > 1, shape.rank > 0])


class Program(NamedTuple):
    """The compiled functions of one shape; each takes the data as an argument."""

    start: Callable[
        ..., Any
    ]  # (data, key) -> white, states of all chains (a list, if each is a call by itself)
    advance: Callable[..., Any]  # (data, whitening, state) -> state, (latents, statistics, whitened)
    sizes: Sizes
    working: float = 0.0  # bytes that a call takes, at most


def build(shape: Shape, settings: Settings, sizes: Sizes) -> Program:
    """The functions of one shape, not yet compiled."""

    @jax.jit
    def potential(data: Data, z: Any) -> Any:
        return energy(shape, data, z)

    def kernel(data: Data, white: Whitening) -> tuple[Callable[..., Any], Callable[..., Any]]:
        def whitened(w: Any) -> Any:
            return potential(data, unwhiten(white, w, sizes))

        return hmc(whitened, kinetic_fn=euclidean_kinetic_energy, algo="NUTS")

    options = {
        "num_warmup": settings.warmup,
        "step_size": 0.5,
        "target_accept_prob": settings.target_accept,
        "max_tree_depth": (min(settings.max_tree_depth, WARMUP_DEPTH), settings.max_tree_depth),
    }

    def start(data: Data, key: Any) -> tuple[Whitening, Any]:
        key_start, key_fit, key_noise, key_chain = jax.random.split(key, 4)
        # latents have unit prior scale, about: one start near the prior's centre, others further out
        kind = jnp.float64 if settings.precision == "float64" else jnp.float32
        starts = jax.random.normal(key_start, (PAIRS, flat_size(sizes)), kind)
        starts = starts * jnp.where(jnp.arange(PAIRS) == 0, 0.05, AWAY).astype(kind)[:, None]
        # the joint density of a hierarchy has spikes where a scale vanishes: the search holds the scales
        held = max(HELD, shape.families) * scales(shape, data).astype(kind)
        white, modes, energies = pilot_fit(partial(potential, data), held, starts, sizes, key_fit)
        # chains start around the fit, and around other modes that are nearly as good
        chain = jnp.arange(settings.chains) % PAIRS
        other = (chain > 0) & (energies < NEARLY_AS_GOOD)[chain]
        around = jax.lax.map(lambda z: whiten(white, z, sizes), modes)[chain]
        around = jnp.where(other[:, None] & jnp.isfinite(around), around, 0.0)
        first = around + jax.random.normal(key_noise, around.shape, around.dtype)
        begin = kernel(data, white)[0]
        chain_keys = jax.random.split(key_chain, settings.chains)
        return white, jax.lax.map(
            lambda item: begin(item[0], rng_key=item[1], **options), (first, chain_keys)
        )

    def advance(data: Data, white: Whitening, state: Any) -> tuple[Any, Any]:
        init, step = kernel(data, white)
        # a kernel learns its options when it is initialised; the state that this makes is not used
        jax.eval_shape(lambda w: init(w, rng_key=state.rng_key, **options), state.z)

        def one(state: Any, _: None) -> tuple[Any, Any]:
            state = step(state)
            out = (state.diverging, state.num_steps, state.accept_prob, state.energy)
            out = (*out, state.adapt_state.step_size, -state.potential_energy)
            return state, (unwhiten(white, state.z, sizes), out, state.z)

        return jax.lax.scan(one, state, None, length=CHUNK)

    return Program(start, advance, sizes)


def compiled(
    shape: Shape,
    settings: Settings,
    signature: tuple[Any, ...],
    vmapped: bool,
    devices: tuple[Any, ...] = (),
    data_sets: int = 0,
) -> Program:
    """Compile for data of one signature, both functions at the same time.

    With several devices, ``advance`` takes and gives the states of all chains, equally many on each device.
    With a number of data sets, both functions are vmapped over as many of them.
    """
    with TRACING:
        return _compiled(shape, resolved(settings, shape), signature, vmapped, devices, data_sets)


@lru_cache(maxsize=256)
def _compiled(
    shape: Shape,
    settings: Settings,
    signature: tuple[Any, ...],
    vmapped: bool,
    devices: tuple[Any, ...],
    data_sets: int,
) -> Program:
    leaves, tree = signature
    data = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(size, kind) for size, kind in leaves])
    sizes = sizes_of(shape, data)
    plain = build(shape, settings, sizes)
    key = jax.eval_shape(lambda: jax.random.key(0))
    start = plain.start
    advance = jax.vmap(plain.advance, in_axes=(None, None, 0)) if vmapped else plain.advance
    if data_sets:
        start, advance = jax.vmap(start), jax.vmap(advance)
        data, key = jax.tree.map(lambda x: jax.ShapeDtypeStruct((data_sets, *x.shape), x.dtype), (data, key))
    single = not (vmapped or devices)
    begin = jax.jit(partial(_apart, start) if single else start).trace(data, key)
    white, states = begin.out_info
    run, places = shared_out(advance, vmapped, devices) if devices else (jax.jit(advance), None)
    lowered = (begin.lower(), run.lower(data, white, states[0] if single else states))
    with ThreadPoolExecutor(2) as pool:
        start, advance = pool.map(lambda program: program.compile(), lowered)
    found = Program(start, advance, sizes, max(map(_working, (start, advance))))
    if places is None:
        return found
    # what lies elsewhere is moved; states are in their place from the second call on
    return found._replace(advance=lambda *arguments: advance(*jax.device_put(arguments, places)))


def _apart(start: Callable[..., Any], data: Data, key: Any) -> tuple[Whitening, list[Any]]:
    """States of single chains: taken apart outside, every kind of leaf would need a program of its own."""
    white, states = start(data, key)
    chains = len(states.potential_energy)
    return white, [jax.tree.map(itemgetter(c), states) for c in range(chains)]


def shared_out(
    advance: Callable[..., Any], vmapped: bool, devices: tuple[Any, ...]
) -> tuple[Any, tuple[NamedSharding, ...]]:
    """All chains in one program in which no device waits for another, and where its arguments lie."""
    mesh = Mesh(np.array(devices), ("chain",))
    whole, share = PartitionSpec(), PartitionSpec("chain")
    specs = (whole, whole, share)

    def own(data: Data, white: Whitening, states: Any) -> Any:
        return advance(data, white, states) if vmapped else jax.lax.map(partial(advance, data, white), states)

    run = jax.shard_map(own, mesh=mesh, in_specs=specs, out_specs=share, check_vma=False)
    places = tuple(NamedSharding(mesh, spec) for spec in specs)
    return jax.jit(run, in_shardings=places), places


def _working(program: Any) -> float:
    """Bytes that a call of a compiled program takes."""
    known = program.memory_analysis()
    return float(known.temp_size_in_bytes + known.output_size_in_bytes) if known else 0.0
