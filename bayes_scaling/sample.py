"""Draws from the posterior by NumPyro's NUTS kernel, compiled once per shape.

The kernel (``numpyro.infer.hmc.hmc``) runs inside one ``lax.scan``, in the coordinates of a Gaussian fit
(whiten.py). On a CPU every chain is a call of the same compiled program from its own thread, on an accelerator
chains are vmapped. Chains advance in chunks, so that progress can be shown and Ctrl-C keeps what is there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import platformdirs
from numpyro import handlers
from numpyro.infer.hmc import hmc
from numpyro.infer.hmc_util import euclidean_kinetic_energy
from numpyro.infer.reparam import LocScaleReparam
from numpyro.infer.util import potential_energy

from bayes_scaling.layout import Data, Shape
from bayes_scaling.model import hierarchical
from bayes_scaling.whiten import Sizes, Whitening, gaussian_fit, split, unwhiten, whiten

#: Iterations per call of the compiled program: how often progress is shown and Ctrl-C is heard.
CHUNK = 100
#: Starting points of the Gaussian fit.
STARTS = 4
#: Other modes within this many nats of the best one start chains too.
NEARLY_AS_GOOD = 6.0
MOST_RESTARTS = 3

Progress = Callable[[int, int, int], None]

#: What a program emits at every draw, besides the latents.
STATISTICS = ("diverging", "n_steps", "acceptance_rate", "energy", "step_size", "lp")


@dataclass(frozen=True)
class Settings:
    """How to sample.

    Parameters
    ----------
    chains, warmup, draws : int
        Draws are per chain, after warm-up.
    seed : int
    target_accept : float
        Mean acceptance that the step size is adapted to.
    max_tree_depth : int
    precision : {"float64", "float32"}
    chain_method : {"auto", "threads", "vmap"}
        ``"auto"``: threads on a CPU, vmap elsewhere.
    """

    chains: int = 4
    warmup: int = 300
    draws: int = 1000
    seed: int = 0
    target_accept: float = 0.85
    max_tree_depth: int = 10
    precision: Literal["float64", "float32"] = "float64"
    chain_method: Literal["auto", "threads", "vmap"] = "auto"


@dataclass(frozen=True)
class Draws:
    """Latents and sampler statistics, with what happened on the way."""

    latents: np.ndarray  # (chains, draws, d), unconstrained
    statistics: dict[str, np.ndarray]  # (chains, draws) each
    restarted: int
    interrupted: bool
    seconds: float


class Program(NamedTuple):
    """The compiled functions of one shape; each takes the data as an argument."""

    start: Callable[..., Any]  # (data, key) -> whitening, states of all chains
    advance: Callable[..., Any]  # (data, whitening, state) -> state, (latents, statistics)


def reparametrised(shape: Shape, data: Data) -> None:
    """The model with every normal latent non-centred, so that all latents have unit prior scale."""

    def config(site: dict[str, Any]) -> LocScaleReparam | None:
        base = site["fn"].base_dist if isinstance(site["fn"], dist.ExpandedDistribution) else site["fn"]
        free = not site["is_observed"] and not site["name"].endswith("_decentered")
        return LocScaleReparam(0) if free and type(base) is dist.Normal and not site["fn"].event_dim else None

    handlers.reparam(hierarchical, config=config)(shape, data)


def prior_draw(shape: Shape, data: Data, key: Any) -> dict[str, Any]:
    """One draw of all latents from the prior, unconstrained."""
    trace = handlers.trace(handlers.seed(reparametrised, key)).get_trace(shape, data)
    return {
        name: dist.biject_to(site["fn"].support).inv(site["value"])
        for name, site in trace.items()
        if site["type"] == "sample" and not site["is_observed"]
    }


def _site_shapes(shape: Shape, data: Data) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Shapes of the family sites and of the population sites."""
    shapes = jax.eval_shape(partial(prior_draw, shape), data, jax.random.key(0))
    own = {n: s.shape for n, s in shapes.items() if shape.families > 1 and "family" in n}
    return own, {n: s.shape for n, s in shapes.items() if n not in own}


def sizes_of(shape: Shape, data: Data) -> Sizes:
    """Numbers of families, of latents per family and of population latents."""
    own, rest = _site_shapes(shape, data)
    local = sum(int(np.prod(s[1:])) for s in own.values())
    return Sizes(shape.families if local else 0, local, sum(int(np.prod(s)) for s in rest.values()))


def pack(sites: dict[str, Any], shape: Shape, data: Data) -> Any:
    """Latent sites -> flat vector, families first."""
    own, rest = _site_shapes(shape, data)
    local = [sites[n].reshape(shape.families, -1) for n in own]
    parts = [jnp.concatenate(local, axis=1).reshape(-1)] if local else []
    return jnp.concatenate([*parts, *(jnp.reshape(sites[n], -1) for n in rest)])


def unpack(z: Any, shape: Shape, data: Data) -> dict[str, Any]:
    """Flat vector -> latent sites."""
    own, rest = _site_shapes(shape, data)
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


def build(shape: Shape, settings: Settings, sizes: Sizes) -> Program:
    """The functions of one shape, not yet compiled."""

    def potential(data: Data, z: Any) -> Any:
        return potential_energy(reparametrised, (shape, data), {}, unpack(z, shape, data))

    energy = jax.jit(potential)

    def kernel(data: Data, white: Whitening) -> tuple[Callable[..., Any], Callable[..., Any]]:
        def whitened(w: Any) -> Any:
            return energy(data, unwhiten(white, w, sizes))

        return hmc(whitened, kinetic_fn=euclidean_kinetic_energy, algo="NUTS")

    options = {
        "num_warmup": settings.warmup,
        "step_size": 0.5,
        "target_accept_prob": settings.target_accept,
        "max_tree_depth": settings.max_tree_depth,
    }

    def start(data: Data, key: Any) -> tuple[Whitening, Any]:
        key_prior, key_fit, key_noise, key_chain = jax.random.split(key, 4)
        keys = jax.random.split(key_prior, STARTS)
        starts = jax.vmap(lambda k: pack(prior_draw(shape, data, k), shape, data))(keys)
        starts = starts * jnp.where(jnp.arange(STARTS) == 0, 0.05, 0.7)[:, None]
        white, modes, energies = gaussian_fit(partial(energy, data), starts, sizes, key_fit)
        # chains start around the best mode, and around others that are nearly as good
        chain = jnp.arange(settings.chains) % STARTS
        good = (energies < energies.min() + NEARLY_AS_GOOD)[chain]
        around = jax.vmap(lambda z: whiten(white, z, sizes))(modes)[chain]
        around = jnp.where(good[:, None] & jnp.isfinite(around), around, 0.0)
        first = around + jax.random.normal(key_noise, around.shape, around.dtype)
        chain_keys = jax.random.split(key_chain, settings.chains)
        begin = kernel(data, white)[0]
        return white, jax.lax.map(lambda item: begin(item[0], rng_key=item[1], **options), (first, chain_keys))

    def advance(data: Data, white: Whitening, state: Any) -> tuple[Any, Any]:
        init, step = kernel(data, white)
        # a kernel learns its options when it is initialised; the state that this makes is not used
        jax.eval_shape(lambda w: init(w, rng_key=state.rng_key, **options), state.z)

        def one(state: Any, _: None) -> tuple[Any, Any]:
            state = step(state)
            out = (state.diverging, state.num_steps, state.accept_prob, state.energy)
            out = (*out, state.adapt_state.step_size, -state.potential_energy)
            return state, (unwhiten(white, state.z, sizes), out)

        return jax.lax.scan(one, state, None, length=CHUNK)

    return Program(start, advance)


@lru_cache(maxsize=256)
def compiled(shape: Shape, settings: Settings, signature: tuple[Any, ...], vmapped: bool) -> Program:
    """Compile for data of one signature, both functions at the same time."""
    leaves, tree = signature
    data = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(size, kind) for size, kind in leaves])
    plain = build(shape, settings, sizes_of(shape, data))
    key = jax.eval_shape(lambda: jax.random.key(0))
    white, states = jax.eval_shape(plain.start, data, key)
    one = states if vmapped else jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), states)
    advance = jax.vmap(plain.advance, in_axes=(None, None, 0)) if vmapped else plain.advance
    lowered = (jax.jit(plain.start).lower(data, key), jax.jit(advance).lower(data, white, one))
    with ThreadPoolExecutor(2) as pool:
        return Program(*pool.map(lambda program: program.compile(), lowered))


def signature(data: Data) -> tuple[Any, ...]:
    """Shapes and types of the data, hashable."""
    leaves, tree = jax.tree.flatten(data)
    return tuple((x.shape, np.dtype(x.dtype)) for x in leaves), tree


def sample(
    shape: Shape,
    data: Data,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
) -> Draws:
    """Draw from the posterior.

    Parameters
    ----------
    shape, data : Shape, Data
        From `bayes_scaling.layout.prepare`.
    settings : Settings, optional
    progress : callable, optional
        ``progress(done, total, divergences)`` in iterations over all chains, called now and then.

    Returns
    -------
    Draws
        After Ctrl-C: the draws so far, equally many of each chain, with ``interrupted`` set.

    Raises
    ------
    KeyboardInterrupt
        If interrupted before any chain has finished its warm-up.
    """
    settings = settings or Settings()
    use_cache()
    began = time.perf_counter()
    vmapped = _use_vmap(settings)
    with jax.enable_x64(settings.precision == "float64"):
        data = jax.tree.map(jnp.asarray, cast(data, settings.precision))
        fixed = replace(settings, draws=0, seed=0, chain_method="auto")
        job = _Job(compiled(shape, fixed, signature(data), vmapped), data, settings, _Tally(settings, progress))
        white, states = job.program.start(data, jax.random.key(settings.seed))
    if vmapped:
        parts = [_guarded(job, white, states)]
    else:
        singles = [jax.tree.map(lambda x, c=c: x[c], states) for c in range(settings.chains)]
        parts = _in_threads(job, white, singles)
    shortest = min(part.latents.shape[1] for part in parts)
    if shortest == 0:
        raise KeyboardInterrupt("interrupted before the warm-up was over: there are no draws to keep")
    return Draws(
        latents=np.concatenate([part.latents[:, :shortest] for part in parts]),
        statistics={
            name: np.concatenate([part.statistics[k][:, :shortest] for part in parts])
            for k, name in enumerate(STATISTICS)
        },
        restarted=sum(part.restarts for part in parts),
        interrupted=shortest < settings.draws,
        seconds=time.perf_counter() - began,
    )


def cast(data: Data, precision: str) -> Data:
    """Data with floating-point leaves in the asked precision."""
    kind = np.float64 if precision == "float64" else np.float32
    return jax.tree.map(lambda x: x.astype(kind) if np.issubdtype(np.asarray(x).dtype, np.floating) else x, data)


def use_cache() -> None:
    """Keep compiled programs in the user's cache folder, unless the user has chosen otherwise.

    The environment variable ``BAYES_SCALING_CACHE`` names another folder, or ``off`` switches this off; a
    compilation cache that is already configured in JAX is left alone.
    """
    wanted = os.environ.get("BAYES_SCALING_CACHE", "")
    if wanted.lower() == "off" or jax.config.jax_compilation_cache_dir is not None:
        return
    folder = Path(wanted) if wanted else Path(platformdirs.user_cache_dir("bayes_scaling")) / "programs"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _use_vmap(settings: Settings) -> bool:
    if settings.chain_method == "auto":
        return jax.default_backend() != "cpu"
    return settings.chain_method == "vmap"


class _Tally:
    """Iterations done by all chains, and whether the user wants to stop."""

    def __init__(self, settings: Settings, progress: Progress | None) -> None:
        self.total = (settings.warmup + settings.draws) * settings.chains
        self.done = self.divergences = 0
        self.stop = threading.Event()
        self._progress, self._lock = progress, threading.Lock()

    def add(self, iterations: int, divergences: int) -> None:
        with self._lock:
            self.done, self.divergences = self.done + iterations, self.divergences + divergences
            if self._progress:
                self._progress(min(self.done, self.total), self.total, self.divergences)


class _Job(NamedTuple):
    program: Program
    data: Data
    settings: Settings
    tally: _Tally


class _Part(NamedTuple):
    """Kept iterations of some chains."""

    latents: np.ndarray  # (chains, draws, d)
    statistics: list[np.ndarray]  # (chains, draws) each
    restarts: int


def _in_threads(job: _Job, white: Whitening, states: list[Any]) -> list[_Part]:
    """Every chain in a thread of its own; the compiled program releases Python's lock while it runs."""

    def work(c: int) -> _Part:
        with jax.enable_x64(job.settings.precision == "float64"):
            part = _run(job, white, states[c], chain=c)
            for attempt in range(1, MOST_RESTARTS + 1):
                if part is not None:
                    break
                key = jax.random.fold_in(jax.random.key(job.settings.seed), attempt)
                other, fresh = job.program.start(job.data, key)
                part = _run(job, other, jax.tree.map(lambda x: x[c], fresh), chain=c, restarts=attempt)
            return part if part is not None else _run(job, white, states[c], chain=c, judge=False)

    with ThreadPoolExecutor(min(len(states), os.cpu_count() or 1)) as pool:
        futures = [pool.submit(work, c) for c in range(len(states))]
        try:
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            job.tally.stop.set()
            return [future.result() for future in futures]


def _guarded(job: _Job, white: Whitening, states: Any) -> _Part:
    """All chains in one vmapped program; a dead one shows in the diagnostics."""
    with jax.enable_x64(job.settings.precision == "float64"):
        return _run(job, white, states, chain=None, judge=False)


def _run(job: _Job, white: Whitening, state: Any, *, chain: int | None, restarts: int = 0, judge: bool = True):
    """Advance in chunks to the last draw, or to the user's wish to stop; None if the start was dead."""
    warmup, last = job.settings.warmup, job.settings.warmup + job.settings.draws
    latents: list[np.ndarray] = []
    statistics: list[list[np.ndarray]] = []
    for begin in range(0, last, CHUNK):
        try:
            if job.tally.stop.is_set():
                break
            state, out = job.program.advance(job.data, white, state)
            z, *out = (np.asarray(x) if chain is None else np.asarray(x)[None] for x in (out[0], *out[1]))
        except KeyboardInterrupt:
            job.tally.stop.set()
            break
        keep = slice(max(0, warmup - begin), last - begin)
        if keep.start < CHUNK:
            latents.append(z[:, keep])
            statistics.append([x[:, keep] for x in out])
            if judge and len(latents) == 1 and not _alive(z, out):
                return None
        job.tally.add(CHUNK * len(z), int(out[0][:, keep].sum()))
    if not latents:
        chains = job.settings.chains if chain is None else 1
        return _Part(np.empty((chains, 0, 0)), [np.empty((chains, 0))] * len(STATISTICS), restarts)
    joined = [np.concatenate(parts, axis=1) for parts in zip(*statistics, strict=True)]
    return _Part(np.concatenate(latents, axis=1), joined, restarts)


def _alive(z: np.ndarray, statistics: list[np.ndarray]) -> bool:
    """Whether chains move: finite, and not stuck at one point or with a vanished step size."""
    step = statistics[STATISTICS.index("step_size")]
    return bool(np.isfinite(z).all() and (z.std(axis=1).max() > 0) and (step > 1e-7).all())
