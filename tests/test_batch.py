"""Many data sets at once: on threads and in one vmapped program, which give the same posteriors."""

from __future__ import annotations

import threading
from dataclasses import replace

import jax
import numpy as np
import pytest

import bayes_scaling as bs
from bayes_scaling import batch, turn
from bayes_scaling.batch import BatchError, sample_each, sample_many
from bayes_scaling.layout import Data, Shape, prepare
from bayes_scaling.sample import Draws, Part, sample, use_vmap
from tests._simulate import power_table

SETTINGS = bs.Settings(chains=2, warmup=200, draws=400, most_draws=400, seed=3)
#: Another program on two counts at once, because each costs a compilation.
VMAPPED = replace(SETTINGS, chain_method="vmap", precision="float32")
ALPHAS = (0.2, 0.5, 0.1)


@pytest.fixture(scope="module")
def tables() -> tuple[Shape, list[Data]]:
    """Three power laws of one shape."""
    law = bs.law("power_law")
    runs = [bs.read_runs(power_table(14 - k, alpha, seed=k)) for k, alpha in enumerate(ALPHAS)]
    all_of = [prepare(law, one) for one in runs]
    return all_of[0].shape, [one.data for one in all_of]


@pytest.fixture(scope="module")
def threaded(tables) -> list[Draws]:
    return sample_many(*tables, SETTINGS)


def two(*_: object) -> int:
    """Two data sets in a call, so that three make two groups and the second is filled up."""
    return 2


@pytest.fixture
def pairs(monkeypatch) -> None:
    monkeypatch.setattr(batch, "_at_once", two)


@pytest.fixture(scope="module")
def vmapped(tables) -> list[Draws]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "_at_once", two)
        return sample_many(*tables, VMAPPED)


def test_on_threads_each_is_what_sample_gives(tables, threaded) -> None:
    shape, data_sets = tables
    for i, data in enumerate(data_sets):
        alone = sample(shape, data, replace(SETTINGS, seed=SETTINGS.seed + i))
        np.testing.assert_array_equal(threaded[i].latents, alone.latents)
        np.testing.assert_array_equal(threaded[i].statistics["energy"], alone.statistics["energy"])


def test_one_data_set_gets_all_threads(tables, threaded) -> None:
    shape, data_sets = tables
    (alone,) = sample_many(shape, data_sets[:1], SETTINGS)
    np.testing.assert_array_equal(alone.latents, threaded[0].latents)


def test_vmapped_in_float32_agrees_with_threads_in_float64(threaded, vmapped) -> None:
    for one, other in zip(vmapped, threaded, strict=True):
        assert one.latents.shape == other.latents.shape
        assert one.latents.dtype == np.float32
        assert set(one.statistics) == set(other.statistics)
        a, b = (d.latents.reshape(-1, d.latents.shape[-1]) for d in (one, other))
        # effective draws of the worst latent: 150, at least
        error = np.hypot(a.std(axis=0), b.std(axis=0)) / np.sqrt(150)
        assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < 5 * error)
        np.testing.assert_allclose(a.std(axis=0), b.std(axis=0), rtol=0.3)
    means = [d.latents.mean(axis=(0, 1)) for d in vmapped]
    assert min(np.abs(means[i] - means[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 0.3, "data differ"


def test_the_path_is_chosen_by_itself(tables, monkeypatch) -> None:
    assert not use_vmap(SETTINGS), "this is a CPU"
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert use_vmap(SETTINGS)
    assert not use_vmap(replace(SETTINGS, chain_method="threads"))
    taken = []
    monkeypatch.setattr(batch, "_vmapped", lambda *_: taken.append("vmapped") or iter(()))
    list(sample_each(*tables, SETTINGS))
    assert taken == ["vmapped"]


@pytest.mark.usefixtures("pairs")
def test_those_that_lack_draws_go_on_together(tables, vmapped, monkeypatch) -> None:
    """The first and the last data set, of two groups, go on in one; the one between is finished."""

    def over(result: Draws, draws: int, settings: bs.Settings) -> bool:
        return draws == 800 or np.array_equal(result.latents, vmapped[1].latents)

    monkeypatch.setattr(batch, "over", over)
    found = list(sample_each(*tables, replace(VMAPPED, most_draws=800)))
    assert [i for i, _ in found] == [1, 0, 2]
    for i, longer in found:
        assert longer.latents.shape[1] == (400 if i == 1 else 800)
        assert longer.statistics["energy"].shape == longer.latents.shape[:2]
        np.testing.assert_array_equal(longer.latents[:, :400], vmapped[i].latents)


@pytest.mark.usefixtures("pairs")
def test_chains_that_move_are_counted(tables, vmapped, monkeypatch) -> None:
    monkeypatch.setattr(turn, "HOPELESS", 0.0)
    found = sample_many(*tables, VMAPPED)
    assert [one.moved for one in vmapped] == [0, 0, 0]
    assert max(one.moved for one in found) == 1
    for one in found:
        assert np.isfinite(one.latents).all()
        assert not (one.latents[0] == one.latents[1]).all(axis=-1).any(), "from one place, and on their own"


@pytest.mark.usefixtures("pairs")
def test_dead_starts_are_begun_anew(tables, vmapped, monkeypatch) -> None:
    shape, data_sets = tables
    doomed = vmapped[0].latents[0, 0]

    def alive(part: Part) -> bool:
        return not np.array_equal(part.latents[0][0, 0], doomed)

    monkeypatch.setattr(batch, "alive", alive)
    found = sample_many(shape, data_sets, VMAPPED)
    assert [one.restarted for one in found] == [1, 0, 0]
    assert found[0].latents.shape == vmapped[0].latents.shape
    # single numbers of a narrow posterior may coincide in float32; one whole draw would exceed this share
    same = found[0].latents == vmapped[0].latents
    assert same.mean() < 0.001, "another start, other draws"
    np.testing.assert_array_equal(found[2].latents, vmapped[2].latents)


@pytest.mark.usefixtures("pairs")
def test_what_stays_dead_is_given_back_short(tables, vmapped, monkeypatch) -> None:
    shape, data_sets = tables
    monkeypatch.setattr(batch, "alive", lambda part: False)
    (dead,) = sample_many(shape, data_sets[:1], VMAPPED)
    assert dead.latents.shape[1] == batch.CHUNK
    assert dead.restarted == 1
    assert not dead.interrupted


def test_as_many_at_once_as_memory_allows(tables) -> None:
    shape, data_sets = tables
    sizes = [batch._at_once(shape, data_sets[0], SETTINGS, n) for n in (1, 2, 5, 92, 10**9)]
    assert sizes[:4] == [1, 2, 8, 128]
    assert 1000 < sizes[4] < 10**6
    longer = batch._at_once(shape, data_sets[0], replace(SETTINGS, draws=4000), 10**9)
    assert longer < sizes[4]


def test_data_sets_of_other_sizes_are_refused(tables) -> None:
    shape, data_sets = tables
    large = prepare(bs.law("power_law"), bs.read_runs(power_table(20))).data
    told = r"data set 1 differs .* 'inputs': float64 \[32\] against float64 \[16\]; lay out"
    with pytest.raises(BatchError, match=told):
        sample_many(shape, [data_sets[0], large], SETTINGS)


def test_every_data_set_can_have_its_own_seed(tables, threaded) -> None:
    shape, data_sets = tables
    (alone,) = sample_many(shape, data_sets[2:], SETTINGS, seeds=[SETTINGS.seed + 2])
    np.testing.assert_array_equal(alone.latents, threaded[2].latents)
    with pytest.raises(BatchError, match="3 data sets need as many seeds, found 1"):
        sample_many(shape, data_sets, SETTINGS, seeds=[1])


def test_no_data_sets_no_draws(tables) -> None:
    assert sample_many(tables[0], [], SETTINGS) == []


def test_who_wants_no_more_stops_the_threads(tables) -> None:
    shape, data_sets = tables
    work = sample_each(shape, data_sets * 50, SETTINGS)
    i, drawn = next(work)
    assert 0 <= i < 4
    assert drawn.latents.shape[1] == 400
    work.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if "ThreadPool" in t.name]


def test_ctrl_c_stops_the_threads(tables, monkeypatch) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "wait", pressed)
    with pytest.raises(KeyboardInterrupt):
        sample_many(*tables, SETTINGS)
    assert not [t for t in threading.enumerate() if "ThreadPool" in t.name]
