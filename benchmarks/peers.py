"""Beside its peers, in one run: seconds, effective draws per second and memory of this package, with ratios.

    BAYES_SCALING_DATA=FOLDER python benchmarks/peers.py [--peers] [--problem NAME ...] [--resume FOLDER]
                                                         [--json FILE]

chinchilla  240 points of ``chinchilla_epoch.csv``, by the processes and models of engine.py
hierarchy   10 simulated families of 10 runs, partially pooled
curves      92 simulated curves of 24 points, a power law with a floor, each fitted by itself
sbc         1 000 data sets of 32 runs, drawn from the prior of Chinchilla
import      ``import bayes_scaling`` against ``import numpyro``
devices     where JAX has an accelerator: 1, 100 and 10 000 data sets of ``sbc`` at once, against the CPU

Engines: this package; NumPyro's driver, compiled once for all data sets (``jit_model_args``); PyMC with
nutpie, compiled once too (``with_data``); least squares with the Huber loss and 1 000 bootstraps. A peer that
has not done all data sets of a batch within ``--budget`` seconds has its total extrapolated from those that
it has done; the table says from how many. Cold is a fresh process with empty caches, from its start; warm is
the same work once everything is imported and compiled. ESS is the smallest bulk ESS over the law's
parameters, the population and the noise; bootstrap replicates are independent and count as 1 000 draws,
though of no posterior.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from engine import (
    caches,
    load,
    machine,
    measure,
    peak_memory,
    peer_python,
    problem_of_study,
    run_child,
    study,
    write,
)
from peer_devices import accelerator, devices, report_devices
from peer_models import ENGINES, REPLICATES

PROBLEMS = ("chinchilla", "hierarchy", "curves", "sbc", "import", "devices")
CHAINS, WARMUP, DRAWS = 4, 1000, 1000
REPEATS = 2  # warm calls where there is one data set
SIZES = (1, 100, 10_000)
IMPORTS = 5


# The problems, as plain numbers for every engine


def problem(name: str, count: int = 1) -> dict[str, Any]:
    """Rows, priors and responses; with a count, so many data sets drawn from the prior."""
    import numpy as np
    import pandas as pd
    from growth import simulated

    import bayes_scaling as bs
    from bayes_scaling.evaluate import evaluate, prior_latents
    from bayes_scaling.laws._terms import D0, N0
    from bayes_scaling.layout import prepare

    law, units = "chinchilla", (N0, D0)
    how: dict[str, Any] = {"chains": CHAINS, "warmup": WARMUP, "draws": DRAWS, "settings": {}}
    if name == "chinchilla":
        table = pd.read_csv(study("chinchilla_epoch"))
        table = table[table.epoch_excluded == 0][["params", "tokens", "loss"]].reset_index(drop=True)
    elif name == "hierarchy":
        table = simulated(100, 10)
    elif name == "curves":
        table = pd.DataFrame({"x": np.geomspace(1.0, 1e4, 24), "y": 1.0})
        law, units = "power_law_offset", (1.0,)
    else:
        table = simulated(32, 1)
        how |= {"chains": 2, "warmup": 500, "draws": 300}
        how["settings"] = {"chains": 2, "warmup": 200, "draws": 300, "most_draws": 300}
    prepared = prepare(bs.law(law), bs.read_runs(table))
    data, n = prepared.data, len(table)
    y = data.response[None, :n]
    if count > 1:
        latents = prior_latents(prepared.shape, data, count, seed=7)
        y = evaluate(prepared.shape, data, latents, seed=7)["replicated"][:, :n]
    numbers = ("shift", "stretch", "reference", "location", "scale", "spread", "noise")
    return {
        "law": law,
        "count": count,
        "table": table.to_dict("list"),
        "inputs": [(x[:n] / unit).tolist() for x, unit in zip(data.inputs, units, strict=True)],
        "y": y.tolist(),
        "family": data.family[:n].tolist(),
        "families": len(prepared.measured.families),
        **{name: np.asarray(getattr(data, name)).tolist() for name in numbers},
        **how,
    }


# One engine on one problem, in a process of its own


def child(engine: str, method: str, path: str, draws_path: str, budget: float) -> None:
    """Seconds to the first posterior, then the work in hand until the budget is spent: one JSON line."""
    began = float(os.environ["BENCHMARK_BEGAN"])
    given = json.loads(Path(path).read_text())
    fits = ENGINES[engine](given, method)
    record: dict[str, Any] = {}
    if engine != "least_squares":  # which compiles nothing
        next(fits([0], 0))
        record["first"] = time.time() - began

    import numpy as np

    count = given["families"] if engine == "least_squares" and given["families"] > 1 else given["count"]
    sets = list(range(count)) if count > 1 else [0] * REPEATS
    every, divergences, start = [], 0, time.perf_counter()
    work = fits(sets, 1)
    for draws, diverging in work:
        every.append(draws)
        divergences += diverging
        record.setdefault("first", time.time() - began)
        record["seconds"] = time.perf_counter() - start
        if record["seconds"] > budget:
            break
    work.close()
    record |= {"done": len(every), "of": count, "divergences": divergences, "memory": peak_memory()}
    np.savez(draws_path, *every)
    print(json.dumps(record))


def judged(engine: str, path: Path) -> dict[str, Any]:
    """Smallest bulk ESS of a typical fit and of all together, and fits above R-hat 1.01: one code for all."""
    import numpy as np
    from arviz_stats.base import array_stats

    with np.load(path) as stored:
        every = list(stored.values())
    if engine == "least_squares":
        return {"ess": REPLICATES, "ess_sum": REPLICATES * len(every), "unmixed": 0}
    axes = {"chain_axis": 0, "draw_axis": 1}
    ess = [float(np.nanmin(array_stats.ess(draws, method="bulk", **axes))) for draws in every]
    rhat = [float(np.nanmax(array_stats.rhat(draws, **axes))) for draws in every]
    return {"ess": median(ess), "ess_sum": sum(ess), "unmixed": sum(r > 1.01 for r in rhat)}


def measured(engine: str, method: str, python: str, path: Path, folder: Path, options: Any) -> dict[str, Any]:
    """One engine on one problem: cold, warm, draws per second, memory."""
    cache = folder / f"{path.stem}-{engine}-{method or 'default'}"
    environment, draws = caches(cache), cache / "draws.npz"
    # this package does a batch in full, if the limit allows
    budget = options.budget if engine != "bayes_scaling" or method else 0.8 * options.limit
    command = [python, __file__, "--child", engine, "--method", method, "--budget", str(budget)]
    got = run_child([*command, str(path), str(draws)], environment, options.limit)
    if "failed" in got:
        return {"engine": engine, "method": method, **got}
    each, found = got["seconds"] / got["done"], judged(engine, draws)
    return {
        "engine": engine,
        "method": method,
        "cold": got["first"] + (got["of"] - 1) * each,
        "warm": got["of"] * each,
        "per_second": found["ess_sum"] / got["seconds"],
        **found,
        **got,
    }


def by_engine(engine: str, method: str, python: str, folder: Path) -> dict[str, Any]:
    """The record of engine.py on the 240 points, in the terms of this table."""
    path = folder / "study.json"
    path.write_text(json.dumps(problem_of_study()))
    got = measure(engine, method, python, str(path), folder, REPEATS)
    if "failed" in got:
        return got
    return got | {
        "warm": median(got["whole"]),
        "ess": got["ess_all"],
        "per_second": got["per_second_whole"],
        "unmixed": int(got["rhat"] > 1.01),
        "done": REPEATS,
        "of": 1,
        "load": got["load_cold"],
    }


# Import


def import_times() -> dict[str, Any]:
    """Seconds of ``import`` of both packages, in turn."""
    found: dict[str, list[float]] = {"numpyro": [], "bayes_scaling": []}
    program = "from time import perf_counter as t; a = t(); import {}; print('{{\"seconds\":', t() - a, '}}')"
    before = load()
    for _ in range(IMPORTS):
        for name, times in found.items():
            times.append(run_child([sys.executable, "-c", program.format(name)], {}, 60)["seconds"])
    ratio = median(found["bayes_scaling"]) / median(found["numpyro"])
    return {"seconds": found, "ratio": ratio, "load": [before, load()]}


# The run side by side


def report(name: str, records: list[dict[str, Any]]) -> None:
    """One line per engine; ratios are this package's advantage."""
    ours = records[0] if "failed" not in records[0] else None
    heads = "done,cold s,cached s,warm s,ESS,ESS/s,MiB,div,unmixed,cold x,warm x,ESS/s x"
    print(f"\n{name}\n{'engine':<20}" + "".join(f"{x:>10}" for x in heads.split(",")) + "  load")
    for r in records:
        print(f"{r['engine'] + ' ' + r['method']:<20}", end="")
        if "failed" in r:
            print(f"failed: {r['failed']}")
            continue
        done = f"{r['done']}/{r['of']}" if r["of"] > 1 else "1"
        cached = f"{r['cached']:.1f}" if "cached" in r else "-"
        print(f"{done:>10}{r['cold']:10.1f}{cached:>10}{r['warm']:10.2f}{r['ess']:10.0f}", end="")
        print(f"{r['per_second']:10.0f}{r['memory']:10.0f}{r['divergences']:10d}{r['unmixed']:10d}", end="")
        if ours:
            gains = (r["cold"] / ours["cold"], r["warm"] / ours["warm"], ours["per_second"] / r["per_second"])
            print("".join(f"{x:10.2f}" for x in gains), end="")
        print(f"  {r['load']}")
    short = [r["engine"] for r in records if "failed" not in r and r["done"] < r["of"]]
    if short:
        print(f"cold and warm of {', '.join(short)} are extrapolated from the data sets done")


def jobs_of(name: str, python: str | None) -> Iterator[tuple[str, str, str]]:
    """Engine, method and interpreter of every record of a problem."""
    alone = name in ("chinchilla", "hierarchy")
    yield "bayes_scaling", "", sys.executable
    if not alone:
        yield "bayes_scaling", "loop", sys.executable
    yield "numpyro", "sequential", sys.executable
    if alone:  # chains side by side compile anew for every data set
        yield "numpyro", "parallel", sys.executable
    if python:
        yield "pymc", "", python
    yield "least_squares", "", sys.executable


def kept(folder: Path | None, name: str, make: Callable[[], Any]) -> Any:
    """The record of an earlier run, or a new one, which is kept unless something in it failed."""
    path = folder / f"{name}.json" if folder else None
    if path and path.exists():
        return json.loads(path.read_text())
    record = make()
    if path and '"failed"' not in json.dumps(record):
        write(str(path), record)
    return record


def run(name: str, python: str | None, folder: Path, options: Any) -> Any:
    """Measure one problem and print its table."""
    path = folder / f"{name}.json"
    if name == "import":
        found = kept(options.resume, name, import_times)
        times = ", ".join(f"{k} {median(v):.2f} s" for k, v in found["seconds"].items())
        print(f"\nimport, medians of {IMPORTS}: {times}; ratio {found['ratio']:.3f}; load {found['load']}")
    elif name == "devices":
        if not options.rehearse and accelerator() == "cpu":
            print("\ndevices: left out, for JAX has no accelerator here")
            return None
        path.write_text(json.dumps(problem("sbc", max(options.sizes))))
        how = {"rehearse": options.rehearse, "limit": options.limit}
        found = kept(options.resume, name, lambda: devices(path, options.sizes, folder / "devices", **how))
        report_devices(found)
    else:
        count = {"curves": options.curves, "sbc": options.sbc}.get(name, 1)
        path.write_text(json.dumps(problem(name, count)))

        def one(engine: str, *where: str) -> dict[str, Any]:
            if name == "chinchilla" and engine != "least_squares":
                return by_engine(engine, *where, folder)
            return measured(engine, *where, path, folder, options)

        jobs = {"-".join(filter(None, (name, *job[:2]))): job for job in jobs_of(name, python)}
        found = [kept(options.resume, key, lambda job=job: one(*job)) for key, job in jobs.items()]
        report(name, found)
    sys.stdout.flush()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--method", default="", help=argparse.SUPPRESS)
    parser.add_argument("--problem", nargs="+", choices=PROBLEMS, default=PROBLEMS)
    parser.add_argument("--curves", type=int, default=92, help="data sets of the batch of curves")
    parser.add_argument("--sbc", type=int, default=1000, help="data sets of the calibration")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="data sets at once on a device")
    parser.add_argument("--rehearse", action="store_true", help="the table of devices on the CPU, vmapped")
    parser.add_argument("--budget", type=float, default=15, help="seconds that a peer has for a batch")
    parser.add_argument("--limit", type=float, default=300, help="seconds per process")
    parser.add_argument("--peers", action="store_true", help="make the environment of PyMC")
    parser.add_argument("--peer-python", help="interpreter of an environment with PyMC and nutpie")
    parser.add_argument("--resume", type=Path, help="folder that keeps finished records")
    parser.add_argument("--json", help="write the record to this file")
    options = parser.parse_args()
    if options.child:
        child(options.child, options.method, *options.files, options.budget)
        return
    if options.resume:
        options.resume.mkdir(parents=True, exist_ok=True)
    python = options.peer_python or peer_python(options.peers)
    record: dict[str, Any] = {"machine": machine()}
    print(" ".join(f"{k} {v}" for k, v in machine().items()), f"load {load()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.problem:
            record[name] = run(name, python and str(python), Path(folder), options)
    if not python:
        print("PyMC and nutpie were left out: --peers makes their environment")
    write(options.json, record)


if __name__ == "__main__":
    main()
