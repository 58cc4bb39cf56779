"""Odd tables, broken files, kills, too little memory, two processes at once: what is refused, what holds."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bayes_scaling as bs
from bayes_scaling import _files, _memory
from bayes_scaling._memory import MemoryRefused
from bayes_scaling.borrowed.record import PriorError
from bayes_scaling.engine import Program, _compiled
from bayes_scaling.evaluate import evaluate, prior_latents
from bayes_scaling.layout import prepare
from bayes_scaling.posterior import Posterior
from bayes_scaling.report.plan import MOST_BYTES, PlanError, ReviewPlan, read_plan
from bayes_scaling.runs import Runs, RunsError
from bayes_scaling.sample import affordable, sample
from bayes_scaling.storage import StorageError, load, save
from bayes_scaling.whiten import Sizes
from tests._simulate import power_table
from tests.test_backtest import FEW, bent

ROOT = Path(__file__).parent.parent
#: The shape of tests/test_backtest_cli.py.
TINY = bs.Settings(chains=2, warmup=100, draws=100, most_draws=100)
FUZZ = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def child(program: str, *arguments: object, **variables: str) -> subprocess.Popen[str]:
    """Another process that runs a program of this page."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program), *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **variables},
    )  # fmt: skip


def ended(process: subprocess.Popen[str], seconds: float = 120) -> str:
    """What it printed; it must have ended well."""
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, err
    return out


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return bs.fit("power_law", bs.read_runs(power_table()), structure=None, settings=TINY)


@pytest.fixture(scope="module")
def saved(posterior, tmp_path_factory) -> Path:
    return save(posterior, tmp_path_factory.mktemp("saved") / "posterior.nc")


# --- tables ------------------------------------------------------------------------------------------------

KNOWN = (
    "params", "tokens", "compute", "loss", "accuracy", "family", "run", "seed", "step", "x", "y", "value",
    "row", "standard_error", "loss_se", "n_correct", "n_samples", "schedule", "lr", "N", "D", "val_loss",
)  # fmt: skip
NAMES = st.sampled_from(KNOWN) | st.text(max_size=6)
NUMBERS = [1e308, 5e-324, -0.0, 10**400, 10**5000, -1, 0, 1, 2**63, np.float32(3), True]
TEXTS = ["70B", "1e999", "nan", "", " ", "7e", "1e99999999999k", "9" * 5000 + "B"]
THINGS = [None, pd.NA, pd.NaT, pd.Timestamp(0), b"7", (1, 2), [], [0.1], {}, 1j, np.arange(2)]
CELLS = st.floats() | st.integers() | st.text(max_size=5) | st.sampled_from([*NUMBERS, *TEXTS, *THINGS])
PLAIN, POSITIVE = st.floats(1e-3, 1e3), st.floats(5e-324, 1.7e308)
LAWS = ("power_law", ("x", "y")), ("chinchilla", ("params", "tokens", "loss"))


def outcome(error: type[ValueError], work: Callable[..., Any], *given: Any, **named: Any) -> tuple[Any, str]:
    """What a reader gives, or the words with which it refuses; any other error is the test's."""
    try:
        return work(*given, **named), ""
    except error as refused:
        return None, str(refused)


@st.composite
def frames(draw: Callable[..., Any]) -> pd.DataFrame:
    """Tables of any columns, some of plain numbers, with rows repeated."""
    rows, law = draw(st.integers(0, 6)), draw(st.sampled_from(LAWS))
    columns = [*draw(st.sampled_from([law[1], ()])), *draw(st.lists(NAMES, max_size=4))]
    kinds = [draw(st.sampled_from([PLAIN, POSITIVE, CELLS])) for _ in columns]
    cells = [draw(st.lists(kind, min_size=rows, max_size=rows)) for kind in kinds]
    each = [pd.Series(c, dtype=object if draw(st.booleans()) else None) for c in cells]
    frame = pd.concat(each, axis=1) if each else pd.DataFrame(index=range(rows))
    frame.columns = columns
    return pd.concat([frame] * draw(st.integers(1, 2)))


@FUZZ
@given(frames())
def test_any_table_is_read_or_refused(frame) -> None:
    """And what is read can be laid out for a law in finite numbers, or that is refused."""
    runs, refused = outcome(RunsError, bs.read_runs, frame)
    if runs is None:
        assert refused
        return
    assert isinstance(runs, Runs)
    assert len(runs) == len(frame)
    for name, _ in LAWS:
        prepared, _ = outcome(RunsError, prepare, bs.law(name), runs, structure=bs.Structure())
        if prepared is not None:
            finite = prepared.data._replace(gap=0.0, base=0.0)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(finite))


BAD = st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
SOUND = {
    "csv": power_table(4).to_csv(index=False).encode(),
    "tsv": power_table(4).to_csv(index=False, sep="\t").encode(),
    "jsonl": power_table(4).to_json(orient="records", lines=True).encode(),
    "json": power_table(4).to_json(orient="records").encode(),
    "parquet": power_table(4).to_parquet(),
}


@st.composite
def damaged(draw: Callable[..., Any], sound: bytes) -> bytes:
    """A file of which a part is replaced, dropped or repeated."""
    start = draw(st.integers(0, len(sound)))
    stop = min(len(sound), start + draw(st.integers(0, 20)))
    return sound[:start] + draw(BAD | st.just(sound[start:stop] * 2)) + sound[stop:]


@FUZZ
@given(data=st.data(), ending=st.sampled_from(sorted(SOUND)))
def test_any_file_is_a_table_or_refused(tmp_path, data, ending) -> None:
    path = tmp_path / f"table.{ending}"
    path.write_bytes(data.draw(BAD | damaged(SOUND[ending])))
    runs, refused = outcome(RunsError, bs.read_runs, path)
    assert str(path) in (refused if runs is None else runs.source)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.json", b"[" * 100_000),
        ("digits.json", b'[{"x": ' + b"7" * 10_000 + b"}]"),
        ("digits.csv", b"x,y\n" + b"7" * 10_000 + b",1\n"),
        ("wide.csv", b"x" * 200_000 + b",y\n1,2\n"),
        ("mark.csv", b"\xef\xbb\xbf"),
    ],
)
def test_tables_made_to_break_the_reader(tmp_path, name, content) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunsError, match=r".*") as caught:
        bs.read_runs(tmp_path / name)
    assert len(str(caught.value)) < 1000


def test_names_of_any_script_survive(tmp_path) -> None:
    names = ["Ωμέγα", "模型", "модель", "e\u0301", "é", "👩‍🔬", "a\u202eb"]
    table = power_table(14).assign(family=names * 2)
    runs = bs.read_runs(table)
    assert runs.families == tuple(sorted(names)), "also where two look alike"
    table.to_csv(tmp_path / "runs.csv", index=False)
    again = bs.read_runs(tmp_path / "runs.csv")
    assert again.families == runs.families
    assert again.hash == runs.hash


def test_half_a_character_is_spelt_out(tmp_path) -> None:
    """JSON can say what no file can hold."""
    path = tmp_path / "runs.json"
    path.write_text(r'[{"x": 1, "y": 2, "family": "a\ud800", "\udfff": 3}]')
    runs = bs.read_runs(path)
    assert runs.families == (r"a\ud800",)
    assert r"\udfff" in runs.table


# --- plans -------------------------------------------------------------------------------------------------

PLAN = (
    b'title = "T"\nfamily = "new"\ndeadline = 2027-03-31\n[run]\nparams = "70B"\ntokens = "1.4T"\n'
    b'[targets]\nloss = 2\n[cost]\nprice_per_flop = 2e-18\nbudget = "2M"\nsizes = ["7B"]\n'
    b'[[candidates]]\nparams = "1B"\ntokens = "20B"\ndays = 3\n[stakes]\nmet = -5\nmissed = 2\n'
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([10**400, "70B"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
KEYS = (
    "title",
    "family",
    "better",
    "deadline",
    "run",
    "targets",
    "cost",
    "stakes",
    "alternatives",
    "candidates",
)


@FUZZ
@given(damaged(PLAN))
def test_any_text_is_a_plan_or_refused(tmp_path, text) -> None:
    (tmp_path / "plan.toml").write_bytes(text)
    found, refused = outcome(PlanError, read_plan, tmp_path / "plan.toml")
    assert isinstance(found, ReviewPlan) or "plan.toml" in refused


@FUZZ
@given(data=st.data(), key=st.sampled_from(KEYS))
def test_any_value_in_a_plan_is_taken_or_refused(data, key) -> None:
    tree = tomllib.loads(PLAN.decode())
    where, name = tree, key
    if isinstance(tree.get(key), dict) and data.draw(st.booleans()):
        where, name = tree[key], data.draw(st.sampled_from(sorted(tree[key])) | st.text(max_size=4))
    where[name] = data.draw(VALUES)
    found, refused = outcome(PlanError, read_plan, tree)
    assert isinstance(found, ReviewPlan) or refused


@pytest.mark.parametrize(
    "text",
    [
        b"x = " + b"[" * 50_000,
        b"a" * 10_000 + b".b = 1",
        b"x = " + b"9" * 9_000,
        b"\xff",
        b"# " + b"x" * MOST_BYTES,
    ],
)
def test_plans_made_to_break_the_reader(tmp_path, text) -> None:
    (tmp_path / "plan.toml").write_bytes(text)
    with pytest.raises(PlanError, match=r"plan\.toml"):
        read_plan(tmp_path / "plan.toml")


# --- prior packs -------------------------------------------------------------------------------------------

PACK = (ROOT / "bayes_scaling" / "priors" / "chinchilla.json").read_bytes()


@FUZZ
@given(damaged(PACK))
def test_any_text_is_a_prior_or_refused(tmp_path, text) -> None:
    (tmp_path / "prior.json").write_bytes(text)
    found, refused = outcome(PriorError, bs.read_prior, tmp_path / "prior.json")
    assert isinstance(found, bs.Prior) or "prior.json" in refused


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"format": ' + b"1" * 9_000 + b"}", b" " * 4_000_001 + PACK]
)
def test_priors_made_to_break_the_reader(tmp_path, text) -> None:
    (tmp_path / "prior.json").write_bytes(text)
    with pytest.raises(PriorError, match=r"prior\.json"):
        bs.read_prior(tmp_path / "prior.json")


# --- saved posteriors --------------------------------------------------------------------------------------

STORING = """
    import json, os, random, signal, sys, time
    from dataclasses import replace
    from pathlib import Path
    from bayes_scaling.storage import StorageError, load, save
    sound, folder, copies, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    rng, path, counts = random.Random(0), folder / "damaged.nc", {"refused": 0, "read": 0}
    for k in range(copies):
        content = bytearray(sound.read_bytes())
        for _ in range(rng.choice([1, 1, 8, 64])):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        if k % 4 == 0:
            at = rng.randrange(len(content))
            content[at : at + 512] = rng.randbytes(512)
        if k % 10 == 0:
            del content[rng.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            load(path)
            counts["read"] += 1
        except StorageError as error:
            assert str(path) in str(error) and chr(10) not in str(error), error
            counts["refused"] += 1
    one, path = load(sound), folder / "posterior.nc"
    two = replace(one, identifiability=("another",))
    save(one, path)
    for _ in range(kills):
        pid = os.fork()
        if not pid:
            while True:
                save(two, path)
                save(one, path)
        time.sleep(rng.uniform(0.02, 0.15))
        os.kill(pid, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        assert load(path).identifiability in (one.identifiability, two.identifiability), "one, whole"
    print(json.dumps(counts))
"""


@pytest.fixture(scope="module")
def stored(saved, tmp_path_factory) -> tuple[Path, dict[str, int]]:
    """A folder in which damaged copies were read and saving was killed, and how many copies were refused."""
    folder = tmp_path_factory.mktemp("stored")
    return folder, json.loads(ended(child(STORING, saved, folder, 24, 8 * hasattr(os, "fork"))))


def test_damaged_posteriors_are_refused_and_break_nothing(stored) -> None:
    """In a process of its own, which a fault in the C library would end."""
    counts = stored[1]
    assert counts["refused"] + counts["read"] == 24
    assert counts["refused"] >= 3, "those that were cut off at least"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
def test_a_kill_while_saving_leaves_the_old_file_or_the_new(posterior, stored) -> None:
    folder = stored[0]
    left = list(folder.glob(".bayes-scaling-*.tmp"))
    assert len(left) <= 8, "what was being written at a kill"
    assert {file.name for file in folder.iterdir()} == {"damaged.nc", "posterior.nc", *(x.name for x in left)}
    day = time.time() - _files.ABANDONED - 60
    for file in left:
        os.utime(file, (day, day))
    young = folder / ".bayes-scaling-0.tmp"
    young.touch()
    save(posterior, folder / "posterior.nc")
    assert list(folder.glob(".bayes-scaling-*.tmp")) == [young], "a later save sweeps up what is old"


class Bomb:
    """What runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_no_file_runs_code(saved, tmp_path) -> None:
    """Pickles in every place that holds text or arrays: none is opened."""
    sprung = tmp_path / "sprung"
    bomb = pickle.dumps(Bomb(sprung))
    text = bomb.decode("latin-1")
    (tmp_path / "copy.nc").write_bytes(saved.read_bytes())
    with h5py.File(tmp_path / "copy.nc", "r+") as file:
        for name in ("settings", "diagnostics", "law_record", "columns", "response"):
            file.attrs[name] = np.void(bomb)
        file.attrs["law"] = "os:system"
    with pytest.raises(StorageError):
        load(tmp_path / "copy.nc")
    for name, read in (
        ("plan.toml", read_plan),
        ("prior.json", bs.read_prior),
        ("table.json", bs.read_runs),
        ("table.parquet", bs.read_runs),
        ("posterior.nc", load),
    ):
        for content in (bomb, json.dumps({"format": "!!python/object/apply:os.mkdir", "x": text}).encode()):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(ValueError, match=r".*"):
                read(tmp_path / name)
    cells = tmp_path / "cells"
    bs.backtest(bent(), "power_law", factors=[100], structure=None, settings=FEW, resume=cells)
    (cell,) = cells.glob("*.npz")
    np.savez(cell, **dict.fromkeys(("draws", "log_density"), np.array([Bomb(sprung)], dtype=object)))
    again = bs.backtest(bent(), "power_law", factors=[100], structure=None, settings=FEW, resume=cells)
    assert np.isfinite(again.table["crps"]).all(), "computed anew"
    assert not sprung.exists()
    pickle.loads(bomb)
    assert sprung.exists(), "the bomb is one"


# --- kills -------------------------------------------------------------------------------------------------

KILLED = """
    import sys
    import bayes_scaling as bs
    from tests.test_hardening import killable
    killable(sys.argv[1])
"""
FACTORS = (10, 30, 100, 300)


def killable(folder: Path | None) -> bs.Backtest:
    return bs.backtest(bent(), "power_law", factors=FACTORS, structure=None, settings=FEW, resume=folder)


def test_a_killed_backtest_goes_on_where_it_was(tmp_path) -> None:
    folder = tmp_path / "cells"
    process = child(KILLED, folder)
    while not (files := list(folder.glob("*.npz"))):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    kept = {file: file.stat().st_mtime_ns for file in folder.glob("*.npz")}
    assert set(files) <= set(kept)
    assert len(kept) < len(FACTORS), "it was killed before the end"
    resumed = killable(folder)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept, "what was done is not done again"
    assert len(list(folder.glob("*.npz"))) == len(FACTORS)
    pd.testing.assert_frame_equal(resumed.table, killable(None).table, check_exact=True)


# --- memory ------------------------------------------------------------------------------------------------


def test_a_fit_beyond_the_memory_is_refused_with_its_size(posterior) -> None:
    """45 TB of draws: 8 bytes, 5 copies, 2 chains, 5e10 draws, 6 latents and 2 parameters."""
    began = time.perf_counter()
    with pytest.raises(
        MemoryRefused,
        match=r"^a fit of 16 rows and 1 families, 2 chains of 50000000000 draws of \d+ numbers, needs about "
        r"\d+(\.\d+)? TB of memory, .* of it for draws, and [\d.]+ [GM]B are free: ask for fewer draws",
    ):
        bs.fit("power_law", posterior.runs, structure=None, settings=replace(TINY, draws=5 * 10**10))
    assert time.perf_counter() - began < 30


def test_what_is_free_can_be_told(posterior, monkeypatch) -> None:
    monkeypatch.setenv(_memory.VARIABLE, "2e5")
    with pytest.raises(MemoryRefused, match=r"needs about .* 200 kB are free: .*BAYES_SCALING_MEMORY=off"):
        bs.fit("power_law", posterior.runs, structure=None, settings=TINY)
    monkeypatch.setenv(_memory.VARIABLE, "plenty")
    with pytest.raises(MemoryRefused, match=r"BAYES_SCALING_MEMORY is 'plenty'; expected bytes"):
        _memory.available()
    monkeypatch.setenv(_memory.VARIABLE, "off")
    assert _memory.available() == np.inf
    monkeypatch.delenv(_memory.VARIABLE)
    assert 1e8 < _memory.available() < 1e15


def test_chains_go_on_only_as_long_as_there_is_memory(posterior, monkeypatch) -> None:
    """8 bytes, 5 copies, 2 chains of 10 latents and 2 parameters: 960 bytes for one more draw of each."""
    prepared, long = posterior.prepared, replace(TINY, most_draws=400)
    program = Program(lambda: None, lambda: None, Sizes(0, 0, 10), working=1e4)
    for free, most in ((1e4 + 960 * 250, 250), (1e4 + 960 * 401, 400), (1e4 + 960 * 101, 101)):
        monkeypatch.setenv(_memory.VARIABLE, str(free))
        assert affordable(program, prepared.shape, prepared.data, long, 1).most_draws == most
    monkeypatch.setenv(_memory.VARIABLE, str(1e4 + 960 * 99))
    with pytest.raises(MemoryRefused, match=r"2 chains of 100 draws of 10 numbers, needs about 106 kB"):
        affordable(program, prepared.shape, prepared.data, long, 1)


def test_a_table_with_a_family_for_every_row_is_refused_before_its_design_is_made(monkeypatch) -> None:
    table = power_table(2000).assign(family=[f"f{k}" for k in range(2000)])
    monkeypatch.setenv(_memory.VARIABLE, "5e7")
    with pytest.raises(MemoryRefused, match=r"outliers among 2000 rows, with 20\d\d columns, needs about 96"):
        prepare(bs.law("power_law"), bs.read_runs(table), structure=bs.Structure())


def test_a_file_that_declares_more_than_there_is_memory_for_is_refused(saved, tmp_path) -> None:
    """A few kilobytes that would unpack to eight terabytes."""
    path = tmp_path / "bomb.nc"
    path.write_bytes(saved.read_bytes())
    with h5py.File(path, "r+") as file:
        scale = file.create_dataset("n", shape=(10**12,), dtype="f8", chunks=(10**6,), compression="gzip")
        scale.make_scale("n")
    assert path.stat().st_size < 2 * saved.stat().st_size
    with pytest.raises(MemoryRefused, match=r"bomb\.nc' needs about 8 TB of memory, and .* are free"):
        load(path)


def test_a_table_larger_than_the_memory_is_refused(tmp_path, monkeypatch) -> None:
    power_table(4000).to_csv(tmp_path / "runs.csv", index=False)
    monkeypatch.setenv(_memory.VARIABLE, "1e6")
    with pytest.raises(MemoryRefused, match=r"runs\.csv' needs about 2\.\d+ MB of memory, and 1 MB are free"):
        bs.read_runs(tmp_path / "runs.csv")


@pytest.mark.slow
def test_a_million_rows_are_read_in_reasonable_time(tmp_path) -> None:
    """Checkpoints of ten thousand runs; docs/reliability.md has the time as measured."""
    rng, runs = np.random.default_rng(0), 10_000
    table = pd.DataFrame(
        {
            "family": np.repeat(rng.choice(["a", "b", "c"], runs), 100),
            "run": np.repeat(np.arange(runs), 100),
            "params": np.repeat(10 ** rng.uniform(7, 10, runs), 100),
            "tokens": np.tile(np.geomspace(1e8, 1e11, 100), runs),
            "loss": rng.uniform(2, 4, 100 * runs),
        }
    )
    table.to_csv(tmp_path / "runs.csv", index=False)
    began = time.perf_counter()
    direct = bs.read_runs(table)
    between = time.perf_counter()
    read = bs.read_runs(tmp_path / "runs.csv")
    assert between - began < 30
    assert time.perf_counter() - between < 60
    assert len(direct) == len(read) == 1_000_000
    assert direct.hash == read.hash


@pytest.mark.slow
def test_the_size_that_is_told_is_about_the_size_that_is_taken() -> None:
    """Of many rows and of many families, in a process that has compiled before."""
    for kind in ("rows", "families"):
        told, taken = json.loads(ended(child(MEASURED, kind), 580).splitlines()[-1])
        assert 0.7 * taken < told < 3 * taken, kind


MEASURED = """
    import gc, json, sys
    from dataclasses import replace
    import numpy as np
    import pandas as pd
    import bayes_scaling as bs
    from bayes_scaling import posterior, sample

    def told(parts, *_):
        sizes.append(sum(parts.values()))

    def status(name):
        with open("/proc/self/status") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

    sizes = []
    sample.require = posterior.require = told
    rows, families = (20_000, 1) if sys.argv[1] == "rows" else (300, 60)
    rng = np.random.default_rng(0)
    x = np.tile(np.geomspace(1, 1e4, rows // families), families)
    y = 3 * x**-0.2 * np.exp(0.01 * rng.standard_normal(rows))
    family = np.repeat([f"f{k}" for k in range(families)], rows // families)
    runs = bs.read_runs(pd.DataFrame({"x": x, "y": y, "family": family}))
    draws = 400 if families == 1 else 10_000
    many = bs.Settings(chains=2, warmup=100, draws=draws, most_draws=draws)
    bs.fit("power_law", runs, structure=None, settings=replace(many, draws=100, most_draws=100))
    sizes.clear()
    gc.collect()
    before = status("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    bs.fit("power_law", runs, structure=None, settings=many)
    print(json.dumps([max(sizes), status("VmHWM") - before]))
"""


# --- determinism -------------------------------------------------------------------------------------------


def test_a_seed_decides_every_draw(posterior) -> None:
    again = bs.fit("power_law", posterior.runs, structure=None, settings=TINY)
    for group in ("posterior", "posterior_predictive", "prior", "prior_predictive"):
        assert again.tree[group].to_dataset().identical(posterior.tree[group].to_dataset())
    other = bs.fit("power_law", posterior.runs, structure=None, settings=replace(TINY, seed=1))
    assert not np.array_equal(other.tree["posterior"]["alpha"], posterior.tree["posterior"]["alpha"])


def test_batches_of_any_size_give_the_same_numbers(posterior) -> None:
    prepared = posterior.prepared
    latents = prior_latents(prepared.shape, prepared.data, 260)
    whole = evaluate(prepared.shape, prepared.data, latents)
    one = evaluate(prepared.shape, prepared.data, latents[255:256])
    for name in ("theta", "eta", "log_likelihood"):
        np.testing.assert_allclose(one[name][0], whole[name][255], rtol=1e-12)


@pytest.mark.slow
def test_blocks_of_any_size_give_the_same_numbers(posterior, monkeypatch) -> None:
    prepared = posterior.prepared
    latents = prior_latents(prepared.shape, prepared.data, 260)
    whole = evaluate(prepared.shape, prepared.data, latents)
    monkeypatch.setattr("bayes_scaling.evaluate.MOST_NUMBERS", 60 * len(prepared.data.valid))
    small = evaluate(prepared.shape, prepared.data, latents)
    for name in whole:
        np.testing.assert_allclose(small[name], whole[name], rtol=1e-12)


# --- compiled programs -------------------------------------------------------------------------------------

COMPILING = """
    import sys, time
    import numpy as np
    import bayes_scaling as bs
    from bayes_scaling.evaluate import evaluate, prior_latents
    from bayes_scaling.layout import prepare
    from bayes_scaling.sample import use_cache
    from tests._simulate import power_table
    prepared = prepare(bs.law("power_law"), bs.read_runs(power_table()))
    use_cache()
    latents = prior_latents(prepared.shape, prepared.data, 10)
    print(repr(evaluate(prepared.shape, prepared.data, latents)["log_likelihood"].sum()))
"""


@pytest.mark.slow
def test_two_processes_fill_one_cache(tmp_path) -> None:
    """Both compile the same programs into an empty folder at the same time."""
    cache = {"BAYES_SCALING_CACHE": str(tmp_path)}
    first, second = (ended(process) for process in [child(COMPILING, **cache) for _ in range(2)])
    assert np.isfinite(float(first.split("(")[-1].rstrip(")\n")))
    assert first == second
    assert list(tmp_path.glob("*-cache")), "there is something in it"


@pytest.mark.slow
def test_a_damaged_cache_is_no_obstacle(tmp_path) -> None:
    cache = {"BAYES_SCALING_CACHE": str(tmp_path)}
    first = ended(child(COMPILING, **cache))
    for file in tmp_path.glob("*-cache"):
        file.write_bytes(file.read_bytes()[:100])
    assert ended(child(COMPILING, **cache)) == first


def test_threads_compile_and_sample_the_same(posterior) -> None:
    prepared = posterior.prepared
    _compiled.cache_clear()
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: sample(prepared.shape, prepared.data, TINY).latents, range(2)))
    np.testing.assert_array_equal(both[0], both[1])
    np.testing.assert_array_equal(both[0], sample(prepared.shape, prepared.data, TINY).latents)
