"""Many data sets of one shape at once.

On a CPU the compiled program of engine.py is called from as many threads as there are cores, each at work on
a data set of its own; on an accelerator pilot fit, both warm-ups and all chains of many data sets are one
vmapped program.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import batched, chain, islice
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bayes_scaling.engine import CHUNK, STATISTICS, Program, Settings, compiled
from bayes_scaling.latents import signature, sizes_of
from bayes_scaling.layout import Data, Shape
from bayes_scaling.sample import (
    MOST_RESTARTS,
    Draws,
    Part,
    Tally,
    alive,
    cast,
    drawn,
    fixed,
    joined,
    over,
    rounds,
    use_cache,
    use_vmap,
)
from bayes_scaling.turn import Place, Turn, afresh, none, place, taught, turned
from bayes_scaling.whiten import flat_size

#: Bytes that one vmapped call and the draws that it brings may take, on the device and on the host.
MOST_BYTES = 4 * 2**30
#: Numbers of working memory for every row of a chain, about: what the compiler says is asked afterwards.
PER_ROW = 70


class BatchError(ValueError):
    """Data sets that one program cannot serve."""


def sample_many(
    shape: Shape,
    data_sets: Sequence[Data],
    settings: Settings | None = None,
    *,
    seeds: Sequence[int] | None = None,
) -> list[Draws]:
    """Draw from the posteriors of many data sets.

    Parameters
    ----------
    shape : Shape
    data_sets : sequence of Data
        From `bayes_scaling.layout.prepare` with the same ``pad``, or made from one by ``_replace``.
    settings : Settings, optional
        ``chain_method`` chooses between threads and one vmapped program, as in
        `bayes_scaling.sample.sample`.
    seeds : sequence of int, optional
        One for each data set; ``settings.seed`` and those that follow it, if not given.

    Returns
    -------
    list of Draws
        In the order of the data sets. On threads, each is what `bayes_scaling.sample.sample` gives with that
        seed; where data sets are vmapped, ``seconds`` counts from the call to the end of a data set's group.

    Raises
    ------
    BatchError
        If the arrays of two data sets differ in shape or type, or seeds are not as many as data sets.
    KeyboardInterrupt
        After Ctrl-C: what is finished by then is what `sample_each` has given.
    """
    found = dict(sample_each(shape, data_sets, settings, seeds=seeds))
    return [found[i] for i in range(len(data_sets))]


def sample_each(
    shape: Shape,
    data_sets: Sequence[Data],
    settings: Settings | None = None,
    *,
    seeds: Sequence[int] | None = None,
) -> Iterator[tuple[int, Draws]]:
    """Index and draws of every data set as it is finished: for more draws than memory holds.

    Parameters, draws and errors are those of `sample_many`.
    """
    settings = settings or Settings()
    seeds = range(settings.seed, settings.seed + len(data_sets)) if seeds is None else seeds
    if len(seeds) != len(data_sets):
        raise BatchError(f"{len(data_sets)} data sets need as many seeds, found {len(seeds)}")
    if not data_sets:
        return iter(())
    _check_alike(data_sets)
    use_cache()
    found = _vmapped if use_vmap(settings) else _on_threads
    return found(shape, data_sets, settings, seeds)


def _check_alike(data_sets: Sequence[Data]) -> None:
    wanted = signature(data_sets[0])
    for i, data in enumerate(data_sets):
        if signature(data) == wanted:
            continue
        for name, one, other in zip(Data._fields, data_sets[0], data, strict=True):
            here, there = _told(other), _told(one)
            if here != there:
                raise BatchError(
                    f"data set {i} differs from the first in {name!r}: {here} against {there}; "
                    "lay out all tables with the same pad=(rows, families), or sample each size by itself"
                )


def _told(field: Any) -> str:
    return ", ".join(f"{x.dtype} {list(x.shape)}" for x in map(np.asarray, jax.tree.leaves(field)))


# On threads


def _on_threads(
    shape: Shape, data_sets: Sequence[Data], settings: Settings, seeds: Sequence[int]
) -> Iterator[tuple[int, Draws]]:
    """A data set is one thread's from its pilot fit to its last draw, so that no core waits for another."""
    cores = os.cpu_count() or 1
    workers = min(cores, len(data_sets))
    within = cores // workers if cores > workers else 0
    stop = threading.Event()

    def one(i: int) -> tuple[int, Draws]:
        own = replace(settings, seed=seeds[i])
        return i, drawn(shape, data_sets[i], own, Tally(own, stop=stop), within)

    pool, left, running = ThreadPoolExecutor(workers), iter(range(len(data_sets))), set()
    try:
        while True:
            running |= {pool.submit(one, i) for i in islice(left, 2 * workers - len(running))}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:  # also after Ctrl-C, and when the caller wants no more
        stop.set()
        pool.shutdown(cancel_futures=True)


# In one vmapped program


class _Job(NamedTuple):
    program: Program
    data_sets: Sequence[Data]
    settings: Settings
    seeds: Sequence[int]
    size: int  # data sets of one call


class _Group(NamedTuple):
    """Data sets that advance together; to fill the program, the last one is there several times."""

    members: tuple[int, ...]
    parts: tuple[Part, ...]  # what each member has brought, with all its chains
    stand: tuple[Data, Any, Any]  # data, whitening, state: what `Program.advance` takes


def _vmapped(
    shape: Shape, data_sets: Sequence[Data], settings: Settings, seeds: Sequence[int]
) -> Iterator[tuple[int, Draws]]:
    """Group by group; those with a dead start begin anew, those that lack draws go on together."""
    began = time.perf_counter()
    job = _job(shape, data_sets, settings, seeds)
    waiting, unfinished, draws = tuple(range(len(data_sets))), [], settings.draws
    for attempt in range(MOST_RESTARTS + 1):
        dead: list[int] = []
        for members in batched(waiting, job.size):
            group, lost = _sifted(job, _advanced(job, _started(job, members, attempt), draws), attempt)
            dead += lost
            finished, rest = _judged(job, group, draws, time.perf_counter() - began)
            yield from finished
            unfinished.append(rest)
        waiting = tuple(dead)
    while any(group.members for group in unfinished):
        draws += settings.draws
        groups, unfinished = _regrouped(job, unfinished), []
        for group in groups:
            finished, rest = _judged(job, _advanced(job, group, draws), draws, time.perf_counter() - began)
            yield from finished
            unfinished.append(rest)


def _at_once(shape: Shape, data: Data, settings: Settings, count: int) -> int:
    """Data sets of one call: a power of two, so that few programs serve all counts."""
    d, number = flat_size(sizes_of(shape, data)), np.dtype(settings.precision).itemsize
    kept, emitted = 2 * settings.draws * (d + len(STATISTICS)), CHUNK * (2 * d + len(STATISTICS))
    each = number * settings.chains * (kept + emitted + PER_ROW * len(data.valid))
    return min(2 ** (count - 1).bit_length(), 2 ** int(np.log2(max(MOST_BYTES // each, 1))))


def _job(shape: Shape, data_sets: Sequence[Data], settings: Settings, seeds: Sequence[int]) -> _Job:
    """Compile for as many data sets as fit; half as many, should the compiler say that they do not."""
    with _precise(settings):
        data = cast(data_sets[0], settings.precision)
        size = _at_once(shape, data, settings, len(data_sets))
        while True:
            program = compiled(shape, fixed(settings), signature(data), True, data_sets=size)
            if size == 1 or program.working <= MOST_BYTES:
                return _Job(program, data_sets, settings, seeds, size)
            size //= 2


def _precise(settings: Settings) -> Any:
    return jax.enable_x64(settings.precision == "float64")


def _started(job: _Job, members: tuple[int, ...], attempt: int) -> _Group:
    """Pilot fits of all members, and the turn of their coordinates; a dead start gets another key."""
    filled = members + members[-1:] * (job.size - len(members))
    with _precise(job.settings):
        each = [cast(job.data_sets[i], job.settings.precision) for i in filled]
        data = jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *each)
        keys = jax.vmap(jax.random.key)(jnp.asarray([job.seeds[i] for i in filled]))
        if attempt:
            keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, attempt)
        stand = (data, *job.program.start(data, keys))
    fresh = Part(None, None, 0, [], [], attempt)  # type: ignore[arg-type]
    group = _Group(members, (fresh,) * len(members), stand)
    return group if attempt else _turned(job, group)


def _turned(job: _Job, group: _Group) -> _Group:
    """The first warm-up, as in sample.py: every data set's draws turn its own coordinates."""
    data, white, first = group.stand
    state, sizes = first, job.program.sizes
    moved = np.zeros((job.size, job.settings.chains), bool)
    with _precise(job.settings):
        for chunks in rounds(job.settings.warmup):
            begin, explored = state, []
            for _ in range(chunks):
                state, (_, out, w) = job.program.advance(data, white, state)
                explored.append((np.asarray(w), np.asarray(out[STATISTICS.index("lp")])))
            each = [taught([[(w[k], lp[k]) for w, lp in explored]], sizes) for k in range(job.size)]
            turn = Turn(*map(np.stack, zip(*(one or none(sizes) for one, _ in each), strict=True)))
            source = np.stack([source for _, source in each])
            at = Place(*(x[np.arange(job.size)[:, None], source] for x in place(state)))
            white, state = turned(white, turn), afresh(first, state, at, turn, sizes)
            well = np.array([one is not None for one, _ in each])
            moved |= well[:, None] & (source != np.arange(job.settings.chains))
            if not well.all():  # these begin again where this round began
                state = jax.tree.map(
                    lambda new, old, well=well: jnp.where(well.reshape(-1, *[1] * (new.ndim - 1)), new, old),
                    state,
                    begin,
                )
    parts = (part._replace(moved=int(moved[k].sum())) for k, part in enumerate(group.parts))
    return group._replace(parts=tuple(parts), stand=(data, white, state))


def _advanced(job: _Job, group: _Group, draws: int) -> _Group:
    """Bring all members to that many draws."""
    data, white, state = group.stand
    iteration, warmup, chunks = group.parts[0].iteration, job.settings.warmup, []
    while iteration < warmup + draws:
        state, (z, out, _) = job.program.advance(data, white, state)
        if iteration + CHUNK > warmup:
            chunks.append([np.asarray(x)[:, :, max(0, warmup - iteration) :] for x in (z, *out)])
        iteration += CHUNK
    latents, *statistics = (np.concatenate(x, axis=2) for x in zip(*chunks, strict=True))
    parts = (
        part._replace(
            iteration=iteration,
            latents=[*part.latents, latents[k]],
            statistics=[*part.statistics, [x[k] for x in statistics]],
        )
        for k, part in enumerate(group.parts)
    )
    return _Group(group.members, tuple(parts), (data, white, state))


def _sifted(job: _Job, group: _Group, attempt: int) -> tuple[_Group, list[int]]:
    """Those that live, and those that shall begin anew; of the dead to the last a beginning is kept."""
    count = CHUNK - job.settings.warmup % CHUNK
    cut = tuple(
        part._replace(
            latents=[part.latents[0][:, :count]], statistics=[[x[:, :count] for x in part.statistics[0]]]
        )
        for part in group.parts
    )
    well = np.array([alive(part) for part in cut])
    if attempt < MOST_RESTARTS:
        return _picked(job, group, well), [i for i, good in zip(group.members, well, strict=True) if not good]
    parts = zip(group.parts, cut, well, strict=True)
    return group._replace(parts=tuple(part if good else short for part, short, good in parts)), []


def _judged(job: _Job, group: _Group, draws: int, seconds: float) -> tuple[list[tuple[int, Draws]], _Group]:
    """What is finished, and the group of the others."""
    found = [joined([part], draws, seconds, False) for part in group.parts]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        last = np.array(list(pool.map(lambda one: over(one, draws, job.settings), found)), bool)
    finished = [(i, one) for i, one, done in zip(group.members, found, last, strict=True) if done]
    return finished, _picked(job, group, ~last)


def _picked(job: _Job, group: _Group, chosen: np.ndarray) -> _Group:
    """Some of the members, in arrays of their own."""
    index = np.flatnonzero(chosen)
    if len(index) == len(group.members):
        return group
    with _precise(job.settings):
        stand = jax.tree.map(lambda x: x[index], group.stand)
    parts = tuple(_own(group.parts[k]) for k in index)
    return _Group(tuple(group.members[k] for k in index), parts, stand)


def _own(part: Part) -> Part:
    """A part that does not hold the arrays of its group."""
    latents = [x.copy() for x in part.latents]
    return part._replace(latents=latents, statistics=[[x.copy() for x in each] for each in part.statistics])


def _regrouped(job: _Job, groups: list[_Group]) -> list[_Group]:
    """The members of several groups in as few as hold them."""
    members = tuple(chain.from_iterable(group.members for group in groups))
    parts = tuple(chain.from_iterable(group.parts for group in groups))
    out, counts = [], [len(group.members) for group in groups]
    with _precise(job.settings):
        each = [group.stand for group in groups]
        stand = jax.tree.map(
            lambda *x: jnp.concatenate([a[:n] for a, n in zip(x, counts, strict=True)]), *each
        )
        for at in batched(range(len(members)), job.size):
            index = np.array(at + at[-1:] * (job.size - len(at)))
            some = jax.tree.map(lambda x, index=index: x[index], stand)
            out.append(_Group(members[at[0] : at[-1] + 1], parts[at[0] : at[-1] + 1], some))
    return out
