"""Refits on other processes and machines through joblib, and chains over several JAX devices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import cloudpickle
import dask
import jax
import joblib
import numpy as np
import pandas as pd
import psutil
import pytest
from arviz_stats.base.array import array_stats
from distributed import Client, LocalCluster

import bayes_scaling as bs
from bayes_scaling.layout import prepare
from bayes_scaling.rivals import Candidate
from bayes_scaling.sample import _devices, sample
from tests._simulate import power_table
from tests.test_backtest import FEW, bent

ROOT = Path(__file__).parent.parent
FACTORS = (10, 30, 100, 300)


def backtested(**options) -> bs.Backtest:
    return bs.backtest(bent(), "power_law", factors=FACTORS, structure=None, settings=FEW, **options)


@pytest.fixture(scope="module")
def serial() -> bs.Backtest:
    return backtested()


# --- processes and machines --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two worker processes with their nannies, on this machine only and without a dashboard."""
    silent = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    address = {"dashboard_address": "127.0.0.1:0"}  # the scheduler's port for HTTP, which it always has
    with (
        dask.config.set(silent),
        LocalCluster(
            **options, dashboard_address=None, scheduler_kwargs=address, memory_limit=None, silence_logs=60
        ) as cluster,
    ):
        yield cluster


def test_the_cluster_of_these_tests_listens_to_this_machine_only(cluster) -> None:
    own = psutil.Process()
    family = [own, *own.children(recursive=True)]
    listening = [
        (one.laddr.ip, one.laddr.port)
        for process in family
        for one in process.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3, "a scheduler and two workers"
    assert {address for address, _ in listening} == {"127.0.0.1"}
    for path in ("", "status", "info/main/workers.html"):
        asked = HTTPConnection("127.0.0.1", cluster.scheduler.http_server.port, timeout=10)
        asked.request("GET", f"/{path}")
        assert asked.getresponse().status == 404
        asked.close()


def test_a_worker_that_is_killed_costs_nothing_but_time(cluster, serial) -> None:
    done: list[int] = []
    found: list[bs.Backtest] = []

    def work() -> None:
        with Client(cluster), joblib.parallel_config(backend="dask"):
            found.append(backtested(progress=lambda count, *_: done.append(count)))

    thread = threading.Thread(target=work)
    thread.start()
    with Client(cluster, set_as_default=False) as client:
        pids = client.run(os.getpid)
        busy = dict.fromkeys(pids, 0)
        deadline = time.monotonic() + 60
        while max(busy.values()) < 3:  # a cell is in work, and not only on its way
            assert time.monotonic() < deadline
            time.sleep(0.1)
            working = client.processing()
            busy = {address: (n + 1 if working.get(address) else 0) for address, n in busy.items()}
        victim = max(busy, key=lambda address: busy[address])
        lost, finished = working[victim], len(done)
        os.kill(pids[victim], signal.SIGKILL)
    thread.join(timeout=120)
    assert not thread.is_alive()
    assert lost
    assert finished < len(FACTORS), "it was killed in the middle"
    assert not psutil.pid_exists(pids[victim])
    assert done == [1, 2, 3, 4]
    pd.testing.assert_frame_equal(found[0].table, serial.table, check_exact=True)
    assert found[0].notes == serial.notes


def three_families() -> bs.Runs:
    parts = [power_table(alpha=alpha, seed=k) for k, alpha in enumerate((0.18, 0.2, 0.22))]
    return bs.read_runs(pd.concat([p.assign(family=f) for p, f in zip(parts, "abc", strict=True)]))


@pytest.mark.slow
def test_refits_of_compare_go_to_the_cluster(cluster) -> None:
    def compared() -> bs.Comparison:
        methods = ("loo", "family")
        return bs.compare(three_families(), ["power_law"], methods=methods, structure=None, settings=FEW)

    with Client(cluster) as client, joblib.parallel_config(backend="dask"):
        before = sum(client.run(_cpu_seconds).values())
        there = compared()
        worked = sum(client.run(_cpu_seconds).values()) - before
    here = compared()
    assert worked > 0.5, "the workers did the work"
    pd.testing.assert_frame_equal(there.table, here.table, check_exact=True)
    assert there.notes == here.notes
    assert list(here.table["method"]) == ["loo", "family"]
    assert list(here.table["units"]) == [42, 3]


def _cpu_seconds() -> float:
    return time.process_time()


@pytest.mark.slow
def test_cells_go_to_processes_of_this_machine(serial) -> None:
    with joblib.parallel_config(backend="loky", n_jobs=2):
        pd.testing.assert_frame_equal(backtested().table, serial.table, check_exact=True)


@pytest.mark.parametrize("name", bs.laws())
def test_a_law_arrives_elsewhere_as_the_same_law(name) -> None:
    """The function too is the same: a worker compiles it once, and not again for every cell."""
    one = Candidate(bs.law(name), {}, None)
    there = cloudpickle.loads(cloudpickle.dumps(one))
    assert there.law.predictor is one.law.predictor
    assert there.law.parameters == one.law.parameters
    assert there.law.predicts == one.law.predicts


# --- devices -----------------------------------------------------------------------------------------------

#: The shape of tests/test_backtest_cli.py.
SETTINGS = bs.Settings(chains=2, warmup=100, draws=400, most_draws=400, seed=2, target_accept=0.95)

ON_TWO_DEVICES = """
    import sys
    from dataclasses import replace
    import jax, numpy as np
    from bayes_scaling.sample import _devices
    from tests.test_many_machines import SETTINGS, drawn
    found = {"devices": len(jax.local_devices()), "used": len(_devices(2))}
    for method in ("threads", "vmap"):
        found[method] = drawn(replace(SETTINGS, chain_method=method)).latents
    np.savez(sys.argv[1], **found)
"""


def drawn(settings: bs.Settings):
    prepared = prepare(bs.law("power_law"), bs.read_runs(power_table()))
    return sample(prepared.shape, prepared.data, settings)


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> dict[str, np.ndarray]:
    """Draws of two chains on two devices, in a process of its own."""
    path = tmp_path_factory.mktemp("devices") / "draws.npz"
    flags = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ON_TWO_DEVICES), str(path)],
        capture_output=True, text=True, timeout=300, cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(path) as found:
        return dict(found)


def test_chains_mapped_over_two_devices_are_those_of_one(shared) -> None:
    assert shared["devices"] == shared["used"] == 2
    one = drawn(SETTINGS).latents
    assert one.shape == shared["threads"].shape == (2, 400, one.shape[-1])
    # the same steps, rounded differently; the difference grows from draw to draw
    np.testing.assert_allclose(shared["threads"][:, :100], one[:, :100], atol=1e-6)
    assert apart(shared["threads"], one) < 4


def test_chains_vmapped_over_two_devices_have_the_same_posterior(shared) -> None:
    mapped, vmapped = shared["threads"], shared["vmap"]
    assert mapped.shape == vmapped.shape
    assert apart(mapped, vmapped) < 4
    np.testing.assert_allclose(np.std(vmapped, axis=(0, 1)), np.std(mapped, axis=(0, 1)), rtol=0.25)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference of means over draws (chains, draws, d), in standard errors."""
    error = [np.mean(x, axis=(0, 1)) for x in (one, other)]
    spread = [np.var(x, axis=(0, 1)) / array_stats.ess(x, chain_axis=0, draw_axis=1) for x in (one, other)]
    return float((np.abs(error[0] - error[1]) / np.sqrt(spread[0] + spread[1])).max())


def test_devices_are_shared_by_equally_many_chains(monkeypatch) -> None:
    monkeypatch.setattr(jax, "local_devices", lambda: list("abcdefgh"))
    assert {n: len(_devices(n)) for n in (1, 2, 3, 4, 6, 8, 10, 16)} == {
        1: 0, 2: 2, 3: 3, 4: 4, 6: 6, 8: 8, 10: 5, 16: 8,
    }  # fmt: skip
    monkeypatch.undo()
    with jax.default_device(jax.devices()[0]):
        assert _devices(4) == (), "who chose one device gets it"
