"""Draws from the posterior, chain by chain.

On a CPU every chain is a call of the same compiled program from its own thread, on an accelerator the chains
are vmapped; several devices share them. Chains advance in chunks, so that progress can be shown and Ctrl-C
keeps what is there.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import platformdirs

from bayes_scaling._memory import available, require
from bayes_scaling.diagnostics import mixing
from bayes_scaling.engine import CHUNK, STATISTICS, Program, Settings, compiled
from bayes_scaling.latents import signature
from bayes_scaling.layout import Data, Shape
from bayes_scaling.turn import Chunks, afresh, places, taught, turned
from bayes_scaling.whiten import Whitening, flat_size

MOST_RESTARTS = 3

#: Arrays of the size of the draws that there are at once, where they are judged and named.
COPIES = 5

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Draws:
    """Latents and sampler statistics, with what happened on the way."""

    latents: np.ndarray  # (chains, draws, d), unconstrained
    statistics: dict[str, np.ndarray]  # (chains, draws) each
    restarted: int
    interrupted: bool
    seconds: float
    moved: int = 0


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
        After Ctrl-C: the draws so far, equally many of each chain that is kept, with ``interrupted`` set.

    Raises
    ------
    KeyboardInterrupt
        If interrupted before any chain has finished its warm-up.
    MemoryRefused
        If there is no memory for it.
    """
    settings = settings or Settings()
    use_cache()
    tally, cores = Tally(settings, progress), os.cpu_count() or 1
    return drawn(shape, data, settings, tally, cores, _devices(settings.chains))


def drawn(
    shape: Shape,
    data: Data,
    settings: Settings,
    tally: Tally,
    threads: int,
    devices: tuple[Any, ...] = (),
) -> Draws:
    """What `sample` does, on at most that many threads; with 0, in the caller's."""
    began = time.perf_counter()
    together = use_vmap(settings) or bool(devices)
    with jax.enable_x64(settings.precision == "float64"):
        data, program = _program(shape, data, settings, devices)
        settings = affordable(program, shape, data, settings, 1 if together else max(threads, 1))
        job = _Job(program, data, settings, tally, together, threads)
        white, states = program.start(data, jax.random.key(settings.seed))
        parts = [Part(white, state, 0, [], [], 0) for state in ([states] if together else states)]
        parts = _turned(job, parts)
    draws = 0
    while True:
        draws += settings.draws
        parts = _advance(job, parts, draws)
        result = joined(parts, draws, time.perf_counter() - began, tally.stop.is_set())
        try:
            if result.interrupted or over(result, draws, settings):
                return result
        except KeyboardInterrupt:
            return replace(result, interrupted=True)
        tally.extend()


def ready(shape: Shape, data: Data, settings: Settings) -> None:
    """Compile what `sample` needs, which then begins at once."""
    use_cache()
    with jax.enable_x64(settings.precision == "float64"):
        _program(shape, data, settings, _devices(settings.chains))


def _program(shape: Shape, data: Data, settings: Settings, devices: tuple[Any, ...]) -> tuple[Data, Program]:
    """Data on the device in the asked precision, and the compiled program for them."""
    data = jax.tree.map(jnp.asarray, cast(data, settings.precision))
    return data, compiled(shape, fixed(settings), signature(data), use_vmap(settings), devices)


def over(result: Draws, draws: int, settings: Settings) -> bool:
    """Whether no more draws follow: dead to the last restart, as many as may be taken, or enough."""
    dead = result.latents.shape[1] < draws
    return dead or draws + settings.draws > settings.most_draws or enough(result.latents)


def enough(latents: np.ndarray) -> bool:
    """Whether draws (chains, draws, d) reach the effective sample size and R-hat of the gate."""
    return mixing(latents).good


def cast(data: Data, precision: str) -> Data:
    """Data with floating-point leaves in the asked precision."""
    kind = np.float64 if precision == "float64" else np.float32
    return jax.tree.map(
        lambda x: x.astype(kind) if np.issubdtype(np.asarray(x).dtype, np.floating) else x, data
    )


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
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def fixed(settings: Settings) -> Settings:
    """Settings without those on which no compiled program depends."""
    return replace(settings, draws=0, most_draws=0, seed=0, chain_method="auto")


def use_vmap(settings: Settings) -> bool:
    """Whether chains are vmapped: by itself on everything but a CPU."""
    if settings.chain_method == "auto":
        return jax.default_backend() != "cpu"
    return settings.chain_method == "vmap"


def affordable(program: Program, shape: Shape, data: Data, settings: Settings, calls: int) -> Settings:
    """Settings whose ``most_draws`` there is memory for; refused if there is none even for ``draws``.

    ``calls`` of the program run at the same time.
    """
    on_host = jax.default_backend() == "cpu"  # an accelerator has memory of its own, and refuses by itself
    working = min(calls, settings.chains) * program.working if on_host else 0.0
    latents = flat_size(program.sizes)
    each = 8.0 * COPIES * settings.chains * (latents + shape.families * len(shape.names))
    require(
        {"draws": each * settings.draws, "the sampler at work": working},
        f"a fit of {len(data.valid)} rows and {shape.families} families, {settings.chains} chains of "
        f"{settings.draws} draws of {latents} numbers,",
        "ask for fewer draws or chains, or fit fewer rows or families",
    )
    room = (available() - working) / each
    if settings.most_draws <= room:
        return settings
    return replace(settings, most_draws=max(settings.draws, int(room)))


def _devices(chains: int) -> tuple[Any, ...]:
    """Devices of this process that share the chains equally; none if there is one, or one was chosen."""
    if jax.config.jax_default_device is not None:
        return ()
    found = jax.local_devices()
    count = max(n for n in range(1, len(found) + 1) if chains % n == 0)
    return tuple(found[:count]) if count > 1 else ()


class Tally:
    """Iterations done by all chains, and whether the user wants to stop."""

    def __init__(
        self, settings: Settings, progress: Progress | None = None, stop: threading.Event | None = None
    ) -> None:
        self.more = settings.draws * settings.chains
        self.total = settings.warmup * settings.chains + self.more
        self.done = self.divergences = 0
        self.stop = stop or threading.Event()
        self._progress, self._lock = progress, threading.Lock()

    def add(self, iterations: int, divergences: int) -> None:
        """Count iterations of any chain and tell the user."""
        with self._lock:
            self.done, self.divergences = self.done + iterations, self.divergences + divergences
            if self._progress:
                try:
                    self._progress(min(self.done, self.total), self.total, self.divergences)
                except KeyboardInterrupt:  # a callback may ask for the same as Ctrl-C
                    self.stop.set()

    def explore(self, warmup: int, chains: int) -> None:
        """A first warm-up comes on top: whole chunks of it."""
        self.total += math.ceil(warmup / CHUNK) * CHUNK * chains

    def extend(self) -> None:
        """Take more draws than was planned."""
        self.total += self.more


class _Job(NamedTuple):
    program: Program
    data: Data
    settings: Settings
    tally: Tally
    together: bool  # all chains in one call
    threads: int


class Part(NamedTuple):
    """One chain, or all chains that advance together: where it stands and what it has brought."""

    white: Whitening
    state: Any
    iteration: int
    latents: list[np.ndarray]  # (chains, some draws, d) each
    statistics: list[list[np.ndarray]]  # by `STATISTICS`, (chains, some draws) each
    restarts: int
    moved: int = 0  # chains that the first warm-up gave up where they were


def _turned(job: _Job, parts: list[Part]) -> list[Part]:
    """A first warm-up of all chains together: its draws turn the coordinates, then every chain starts afresh.

    In two rounds: what one learns lets the next see further. Hopeless chains go on from where others are.
    """
    job.tally.explore(job.settings.warmup, job.settings.chains)
    first, sizes = [part.state for part in parts], job.program.sizes
    moved = np.zeros(job.settings.chains, bool)
    for chunks in rounds(job.settings.warmup):
        states, explored = _explored(job, parts, chunks)
        if job.tally.stop.is_set():
            return parts
        turn, source = taught(explored, sizes)
        if turn is None:
            return parts
        moved |= source != np.arange(len(source))
        with jax.enable_x64(job.settings.precision == "float64"):
            white = turned(parts[0].white, turn)
            each = zip(parts, first, states, places(states, source), np.split(moved, len(parts)), strict=True)
            parts = [
                part._replace(white=white, state=afresh(begin, state, at, turn, sizes), moved=int(lost.sum()))
                for part, begin, state, at, lost in each
            ]
    return parts


def _explored(job: _Job, parts: list[Part], chunks: int) -> tuple[list[Any], Sequence[Chunks]]:
    """States of all parts after some chunks, and what each has drawn on the way."""
    explored: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in parts]

    def work(c: int) -> Any:
        with jax.enable_x64(job.settings.precision == "float64"):
            state = parts[c].state
            for _ in range(chunks):
                if job.tally.stop.is_set():
                    break
                state, (_, out, w) = job.program.advance(job.data, parts[c].white, state)
                explored[c].append((np.asarray(w), np.asarray(out[STATISTICS.index("lp")])))
                job.tally.add(w.size // w.shape[-1], 0)
            return state

    return _in_threads(job, work, len(parts)), explored


def rounds(warmup: int) -> tuple[int, ...]:
    """Chunks of the rounds of the first warm-up, the shorter one first."""
    chunks = math.ceil(warmup / CHUNK)
    return tuple(n for n in (chunks // 2, chunks - chunks // 2) if n)


def _in_threads(job: _Job, work: Callable[[int], Any], count: int) -> list[Any]:
    """Results of ``work(0), work(1), ...``, each in its own thread; Ctrl-C asks them all to stop.

    The compiled program releases Python's lock while it runs, so threads use as many cores as there are.
    """
    if not job.threads:
        return [work(c) for c in range(count)]
    with ThreadPoolExecutor(min(count, job.threads)) as pool:
        futures = [pool.submit(work, c) for c in range(count)]
        try:
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            job.tally.stop.set()
            return [future.result() for future in futures]


def joined(parts: list[Part], draws: int, seconds: float, stopped: bool) -> Draws:
    """Chains side by side and equally long; with few cores a stop leaves some without draws."""
    restarted, moved, chains = sum(p.restarts > 0 for p in parts), sum(p.moved for p in parts), len(parts)
    parts = [part for part in parts if part.latents]
    if not parts:
        raise KeyboardInterrupt("interrupted before the warm-up was over: there are no draws to keep")
    lengths = [min(draws, sum(z.shape[1] for z in part.latents)) for part in parts]
    shortest = min(lengths)
    if stopped:  # as many draws as can be had of equally long chains
        shortest = max(lengths, key=lambda n: n * sum(length >= n for length in lengths))
    parts = [part for part, length in zip(parts, lengths, strict=True) if length >= shortest]
    latents = [np.concatenate(part.latents, axis=1) for part in parts]

    def statistic(k: int) -> np.ndarray:
        series = [np.concatenate([chunk[k] for chunk in part.statistics], axis=1) for part in parts]
        return np.concatenate([x[:, :shortest] for x in series])

    return Draws(
        latents=np.concatenate([z[:, :shortest] for z in latents]),
        statistics={name: statistic(k) for k, name in enumerate(STATISTICS)},
        restarted=restarted,
        interrupted=stopped and (shortest < draws or len(parts) < chains),
        seconds=seconds,
        moved=moved,
    )


def _advance(job: _Job, parts: list[Part], draws: int) -> list[Part]:
    """Bring every part to that many draws; a dead start is tried again from elsewhere."""

    def work(c: int) -> Part:
        with jax.enable_x64(job.settings.precision == "float64"):
            part = _run(job, parts[c], draws)
            for attempt in range(1, MOST_RESTARTS + 1):
                if parts[c].iteration or not part.latents or alive(part):
                    break
                key = jax.random.fold_in(jax.random.key(job.settings.seed), attempt)
                white, states = job.program.start(job.data, key)
                state = states if job.together else states[c]
                part = _run(job, Part(white, state, 0, [], [], attempt), draws)
            return part

    return _in_threads(job, work, len(parts))


def _run(job: _Job, part: Part, draws: int) -> Part:
    """Advance in chunks to the last draw, to the user's wish to stop, or to the sign of a dead start."""
    warmup, last = job.settings.warmup, job.settings.warmup + draws
    while part.iteration < last and not job.tally.stop.is_set():
        state, (z, out, _) = job.program.advance(job.data, part.white, part.state)
        z, out = np.asarray(z), [np.asarray(x) for x in out]
        if z.ndim == 2:
            z, out = z[None], [x[None] for x in out]
        kept = slice(max(0, warmup - part.iteration), None)
        latents, statistics = part.latents, part.statistics
        if kept.start < CHUNK:
            latents, statistics = [*latents, z[:, kept]], [*statistics, [x[:, kept] for x in out]]
        part = part._replace(
            state=state, iteration=part.iteration + CHUNK, latents=latents, statistics=statistics
        )
        job.tally.add(CHUNK * len(z), int(out[0][:, kept].sum()))
        if len(latents) == 1 and not alive(part):
            break
    return part


def alive(part: Part) -> bool:
    """Whether all chains move: finite, not stuck at one point, and with a step size that has not vanished."""
    z, step = part.latents[-1], part.statistics[-1][STATISTICS.index("step_size")]
    moving = np.ptp(z, axis=1).max(axis=-1) > 0
    return bool(np.isfinite(z).all() and moving.all() and (step > 1e-7).all())
