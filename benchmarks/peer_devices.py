"""Many data sets at once on JAX's default device, against the same posteriors on the CPU: a part of peers.py.

On an accelerator all data sets and chains are one vmapped program; on the CPU they go through threads. Every
size and precision has a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from engine import caches, peak_memory, run_child
from peer_models import laid_out

#: Data sets whose posteriors on the device and on the CPU are compared.
COMPARED = 100
CPU = {"JAX_PLATFORMS": "cpu"}


def accelerator() -> str:
    """JAX's default backend, asked in a process of its own."""
    program = "import jax, json; print(json.dumps({'backend': jax.default_backend()}))"
    return run_child([sys.executable, "-c", program], {}, 120).get("backend", "cpu")


def devices(
    problem: Path, sizes: list[int], folder: Path, *, rehearse: bool, limit: float
) -> list[dict[str, Any]]:
    """The table of sizes and precisions; ``rehearse`` makes it on the CPU, vmapped."""
    import numpy as np

    folder.mkdir()
    environment = caches(folder)
    method, where = ("vmap", CPU) if rehearse else ("auto", {})
    reference = ("CPU, threads", min(COMPARED, max(sizes)), "float64", "threads", CPU)
    asked = [("device", n, kind, method, where) for kind in ("float64", "float32") for n in sizes]
    records, moments = [], None
    for place, size, kind, chains, extra in (reference, *asked):
        out = folder / f"{chains}-{size}-{kind}.npz"
        command = [sys.executable, __file__, str(problem), str(size), kind, chains, str(out)]
        record = {"place": place, "size": size, "precision": kind}
        record |= run_child(command, environment | extra, limit)
        if "failed" not in record:
            with np.load(out) as stored:
                found = [stored[name] for name in stored]
            moments = found if place == reference[0] else moments
            if moments and moments is not found:
                record |= apart(found, moments)
        records.append(record)
    return records


def child(problem: str, size: int, precision: str, method: str, out: str) -> None:
    """Two calls with other seeds: one JSON line, and moments of the first posteriors."""
    began = float(os.environ["BENCHMARK_BEGAN"])
    given = json.loads(Path(problem).read_text())
    given["y"] = given["y"][:size]

    import jax
    import numpy as np
    from arviz_stats.base import array_stats

    import bayes_scaling as bs
    from bayes_scaling.batch import sample_each

    _, prepared, data_sets = laid_out(given)
    own = given["settings"] | {"most_draws": given["settings"]["draws"], "precision": precision}
    record: dict[str, Any] = {"backend": jax.default_backend()}
    moments: dict[int, tuple[Any, ...]] = {}
    for seed, call in enumerate(("cold", "warm")):
        start = time.perf_counter()
        first, divergences = {}, 0
        settings = bs.Settings(**own, chain_method=method, seed=seed * size)
        for i, drawn in sample_each(prepared.shape, data_sets, settings):
            divergences += int(drawn.statistics["diverging"].sum())
            if i < COMPARED:
                first[i] = drawn.latents.astype(float)
        record[call] = time.time() - began if call == "cold" else time.perf_counter() - start
        record |= {"divergences": divergences, "memory": peak_memory(), "device_memory": _device_memory()}
        for i, z in first.items():
            ess = array_stats.ess(z, method="bulk", chain_axis=0, draw_axis=1)
            moments[i] = (z.mean(axis=(0, 1)), z.std(axis=(0, 1)), ess)
    record["ess"] = median(float(ess.min()) for *_, ess in moments.values())
    np.savez(out, *(np.stack(x) for x in zip(*(moments[i] for i in sorted(moments)), strict=True)))
    print(json.dumps(record))


def _device_memory() -> float | None:
    """Largest memory in use on the device so far, MiB, where it tells."""
    import jax

    told = jax.local_devices()[0].memory_stats() or {}
    return told["peak_bytes_in_use"] / 2**20 if "peak_bytes_in_use" in told else None


def apart(one: list[Any], other: list[Any]) -> dict[str, float]:
    """Differences of posterior means in Monte Carlo standard errors (root mean square near 1), and of sds."""
    import numpy as np

    n = min(len(one[0]), len(other[0]))
    (mean, sd, ess), (mean_cpu, sd_cpu, ess_cpu) = ([x[:n] for x in each] for each in (one, other))
    z = (mean - mean_cpu) / np.sqrt(sd**2 / ess + sd_cpu**2 / ess_cpu)
    ratio = np.log(sd / sd_cpu)
    return {
        "compared": n,
        "z_rms": float(np.sqrt(np.mean(z**2))),
        "z_beyond_3": float(np.mean(np.abs(z) > 3)),
        "sd_ratio": float(np.exp(np.median(ratio))),
        "sd_ratio_worst": float(np.exp(np.abs(ratio).max())),
    }


def report_devices(records: list[dict[str, Any]]) -> None:
    """One line per size and precision."""
    heads = "backend,sets,precision,cold s,warm s,fits/s,ESS,div,MiB,dev MiB,z rms,beyond 3,sd x,worst"
    print("\ndevices\n" + "".join(f"{x:>10}" for x in heads.split(",")) + "  load")
    for r in records:
        print(f"{r.get('backend', r['place']):>10}{r['size']:10d}{r['precision']:>10}", end="")
        if "failed" in r:
            print(f"  failed: {r['failed']}")
            continue
        memory = (r["memory"], r["device_memory"] or float("nan"))
        print(f"{r['cold']:10.1f}{r['warm']:10.2f}{r['size'] / r['warm']:10.1f}{r['ess']:10.0f}", end="")
        print(f"{r['divergences']:10d}" + "".join(f"{x:10.0f}" for x in memory), end="")
        against = ("z_rms", "z_beyond_3", "sd_ratio", "sd_ratio_worst")
        print("".join(f"{r[k]:10.3f}" if k in r else f"{'-':>10}" for k in against), f" {r['load']}")


if __name__ == "__main__":
    child(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
