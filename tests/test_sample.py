"""The sampler: repeatability, compilation, interruption, precision."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.monitoring
import numpy as np
import pytest

import bayes_scaling as bs
from bayes_scaling import sample as sampling
from bayes_scaling import turn
from bayes_scaling.engine import STATISTICS
from bayes_scaling.layout import Prepared, prepare
from bayes_scaling.posterior import from_draws
from bayes_scaling.sample import Draws, Part, alive, joined, sample, use_cache
from tests._simulate import power_table

#: A length of warm-up that no other test uses, so that the programs of this module are compiled in it.
SETTINGS = bs.Settings(chains=2, warmup=220, draws=400, most_draws=400, seed=1)


class Compilations:
    """Counts programs that JAX hands to its compiler (or finds in its cache of compiled programs)."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, event: str, duration: float, **_: object) -> None:
        self.count += event == "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def compilations() -> Iterator[Compilations]:
    counter = Compilations()
    jax.monitoring.register_event_duration_secs_listener(counter)
    yield counter
    jax.monitoring.unregister_event_duration_listener(counter)


def prepared(**options) -> Prepared:
    return prepare(bs.law("power_law"), bs.read_runs(power_table(**options)))


def draw(settings: bs.Settings = SETTINGS, **options) -> Draws:
    one = prepared()
    return sample(one.shape, one.data, settings, **options)


@pytest.fixture(scope="module")
def reference() -> Draws:
    return draw()


def test_second_data_set_of_a_bucket_compiles_nothing(compilations) -> None:
    """From the table to the forecast, in one process."""
    assert not jax.config.jax_enable_x64
    first = bs.fit("power_law", power_table(14), settings=SETTINGS)
    bs.forecast(first, {"x": 1e6}, allow_failed=True)
    assert compilations.count >= 4, "the counter counts"
    before = compilations.count
    second = bs.fit("power_law", power_table(11, alpha=0.5, seed=3), settings=replace(SETTINGS, seed=9))
    bs.forecast(second, {"x": 1e7}, allow_failed=True)
    assert compilations.count == before
    assert not jax.config.jax_enable_x64, "float64 stays inside"
    medians = [p.summary().loc["alpha", "median"] for p in (first, second)]
    np.testing.assert_allclose(medians, [0.2, 0.5], atol=0.02)


def test_same_seed_same_draws(reference) -> None:
    again, other = draw(), draw(replace(SETTINGS, seed=2))
    np.testing.assert_array_equal(again.latents, reference.latents)
    assert reference.latents.dtype == np.float64
    assert reference.latents.shape[:2] == (2, 400)
    assert not np.any(reference.latents[0] == reference.latents[1]), "chains differ"
    assert not np.any(other.latents == reference.latents)
    assert set(reference.statistics) == set(STATISTICS)
    assert not reference.interrupted
    assert reference.restarted == 0


def assert_same_posterior(one: Draws, other: Draws) -> None:
    """Means within five standard errors of their difference, spreads within 30 %."""
    a, b = (d.latents.reshape(-1, d.latents.shape[-1]) for d in (one, other))
    error = np.hypot(a.std(axis=0), b.std(axis=0)) / np.sqrt(
        150
    )  # effective draws of the worst latent, at least
    assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < 5 * error)
    np.testing.assert_allclose(a.std(axis=0), b.std(axis=0), rtol=0.3)


#: Another program on two counts at once, because each costs a compilation.
VMAP_FLOAT32 = replace(SETTINGS, chain_method="vmap", precision="float32")


def test_vmapped_chains_in_float32_agree_with_threads_in_float64(reference) -> None:
    single = draw(VMAP_FLOAT32)
    assert single.latents.shape == reference.latents.shape
    assert single.latents.dtype == np.float32
    assert np.isfinite(single.latents).all()
    assert_same_posterior(single, reference)


def test_goes_on_until_the_gate_is_passed() -> None:
    settings = replace(SETTINGS, draws=100, most_draws=500)
    longer = draw(settings)
    chains, draws, _ = longer.latents.shape
    assert chains == 2
    assert draws in (200, 300, 400, 500), "one hundred draws are not enough"
    assert from_draws(prepared(), longer, settings).diagnostics.draws == draws


def test_progress_is_told() -> None:
    told: list[tuple[int, int, int]] = []
    draw(progress=lambda *now: told.append(now))
    done = [d for d, _, _ in told]
    assert done == sorted(done)
    assert done[0] == 100, "the first chunk of the first warm-up"
    warmups = 300 + 220  # the first is taken in whole chunks
    assert {total for _, total, _ in told} == {2 * (warmups + 400)}
    assert told[-1][0] == 2 * (warmups + 400)


def test_odd_numbers_of_draws_are_kept_exactly() -> None:
    assert draw(replace(SETTINGS, draws=130, most_draws=130)).latents.shape[1] == 130


# ---------------------------------------------------------------------------------------- interruption


def raised() -> None:
    raise KeyboardInterrupt


def pressed() -> None:
    """What Ctrl-C does: the signal goes to the main thread."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.fixture
def heard() -> Iterator[None]:
    """Python's own handler of Ctrl-C: a shell that starts the tests in the background has it switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("interrupt", [raised, pressed])
def test_interrupt_keeps_the_draws_so_far(interrupt, reference) -> None:
    long = replace(SETTINGS, draws=20_000, most_draws=20_000)
    once = iter([interrupt])

    def progress(done: int, total: int, divergences: int) -> None:
        if done >= 1600:
            next(once, lambda: None)()

    stopped = draw(long, progress=progress)
    assert stopped.interrupted
    chains, draws, _ = stopped.latents.shape
    assert 1 <= chains <= 2
    assert 0 < draws < 20_000
    kept = min(draws, 400)
    for chain in stopped.latents[:, :kept]:  # one that was far behind the other is left out
        assert any(np.array_equal(chain, whole[:kept]) for whole in reference.latents)
    diagnostics = from_draws(prepared(), stopped, long).diagnostics
    assert diagnostics.interrupted
    assert not diagnostics.passed
    assert f"interrupted: {draws} draws per chain were kept." in diagnostics.problems


def test_interrupt_during_warmup_leaves_nothing() -> None:
    def at_once(done: int, total: int, divergences: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="before the warm-up was over"):
        draw(progress=at_once)


def part(lengths: tuple[int, ...], restarts: int = 0, value: float | None = None, step: float = 0.1) -> Part:
    """One chain with chunks of draws of these lengths."""
    rng = np.random.default_rng(sum(lengths))
    latents = [rng.normal(size=(1, n, 3)) if value is None else np.full((1, n, 3), value) for n in lengths]
    statistics = [[np.full((1, n), step) for _ in STATISTICS] for n in lengths]
    return Part(None, None, 0, latents, statistics, restarts)  # type: ignore[arg-type]


def test_chains_that_had_not_begun_do_not_cost_the_others_their_draws() -> None:
    """With four chains on two cores, the last two begin when the first two are done."""
    side_by_side = joined([part((80, 100)), part((80, 100)), part(()), part(())], 180, 1.0, True)
    assert side_by_side.latents.shape == (2, 180, 3)
    assert side_by_side.interrupted
    side_by_side = joined([part((80, 100)), part((80, 100)), part((80,)), part(())], 180, 1.0, True)
    assert side_by_side.latents.shape == (2, 180, 3), "2 x 180 draws are more than 3 x 80"
    side_by_side = joined([part((80, 100)), part((80, 80)), part((80, 80))], 180, 1.0, True)
    assert side_by_side.latents.shape == (3, 160, 3)
    assert side_by_side.statistics["energy"].shape == (3, 160)


# ----------------------------------------------------------------------------------------- dead starts


def test_what_a_dead_chain_is() -> None:
    assert alive(part((80,)))
    assert not alive(part((80,), value=0.1)), "stuck at one point"
    assert not alive(part((80,), value=np.nan))
    assert not alive(part((80,), step=1e-9)), "the step size has vanished"
    two = part((80,))
    stuck = np.concatenate([two.latents[0], np.full((1, 80, 3), 0.1)])
    assert not alive(two._replace(latents=[stuck])), "one of two chains that are vmapped"


@pytest.mark.parametrize("method", ["threads", "vmap"])
def test_dead_starts_are_begun_anew(monkeypatch, reference, method) -> None:
    """The first verdict on every chain is that it is dead."""
    verdicts: list[bool] = []
    lock = threading.Lock()

    def alive(one: Part) -> bool:
        with lock:
            verdicts.append(one.restarts > 0)
        return one.restarts > 0

    monkeypatch.setattr(sampling, "alive", alive)
    again = draw(SETTINGS if method == "threads" else VMAP_FLOAT32)
    assert again.restarted == (2 if method == "threads" else 1)
    assert not again.interrupted
    assert again.latents.shape == reference.latents.shape
    assert not np.any(again.latents == reference.latents), "other starts, other draws"
    assert False in verdicts


@pytest.mark.parametrize("method", ["threads", "vmap"])
def test_chains_that_move_are_counted(monkeypatch, reference, method) -> None:
    """Of two chains one may be below the other in density and mass; here that makes it give its place up."""
    monkeypatch.setattr(turn, "HOPELESS", 0.0)
    settings = SETTINGS if method == "threads" else VMAP_FLOAT32
    found = [draw(replace(settings, seed=seed)) for seed in range(5)]
    moved = [one for one in found if one.moved]
    assert reference.moved == 0
    assert moved
    assert from_draws(prepared(), moved[0], settings).diagnostics.moved == moved[0].moved
    for one in moved:
        assert np.isfinite(one.latents).all()
        assert not (one.latents[0] == one.latents[1]).all(axis=-1).any(), "from one place, and on their own"


def test_a_chain_that_stays_dead_is_no_interruption(monkeypatch) -> None:
    monkeypatch.setattr(sampling, "alive", lambda one: False)
    dead = draw()
    assert not dead.interrupted
    assert dead.restarted == 2
    assert dead.latents.shape[1] < SETTINGS.draws
    assert not from_draws(prepared(), dead, SETTINGS).diagnostics.passed


# ------------------------------------------------------------------------------------ compilation cache

CACHE_OPTIONS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture
def no_cache() -> Iterator[None]:
    """JAX as a user finds it; what the tests before have set comes back afterwards."""
    before = {name: getattr(jax.config, name) for name in CACHE_OPTIONS}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_cache_can_be_switched_off(no_cache, monkeypatch) -> None:
    monkeypatch.setenv("BAYES_SCALING_CACHE", "off")
    use_cache()
    assert jax.config.jax_compilation_cache_dir is None


def test_cache_folder_can_be_chosen(no_cache, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("BAYES_SCALING_CACHE", str(tmp_path / "mine"))
    use_cache()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mine")


def test_cache_is_in_the_users_folder_by_default(no_cache, monkeypatch) -> None:
    monkeypatch.delenv("BAYES_SCALING_CACHE", raising=False)
    use_cache()
    folder = jax.config.jax_compilation_cache_dir
    assert folder is not None
    assert folder.endswith(os.path.join("bayes_scaling", "programs"))


def test_a_cache_that_the_user_has_chosen_in_jax_stays(no_cache, monkeypatch, tmp_path) -> None:
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    monkeypatch.setenv("BAYES_SCALING_CACHE", str(tmp_path / "mine"))
    use_cache()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)


FIRST_FORECAST = """
import jax.monitoring
missed = []
jax.monitoring.register_event_listener(lambda event, **_: missed.extend(["cache_misses" in event]))
import bayes_scaling as bs
table = bs.datasets.load("pile-families")
few = bs.Settings(chains=2, warmup=50, draws=50, most_draws=50)
one = table[table.family == table.family.iloc[0]]
posterior = bs.fit("power_law_offset", one, inputs={"x": "params"}, response="loss", settings=few)
bs.forecast(posterior, {"x": "70B"}, allow_failed=True)
print(sum(missed))
"""


def test_a_fresh_process_takes_every_program_from_the_cache(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("BAYES_SCALING_CACHE", str(tmp_path))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    command = [sys.executable, "-c", FIRST_FORECAST]
    cold, cached = (int(subprocess.check_output(command, text=True)) for _ in range(2))
    assert cold > 5
    assert cached == 0
