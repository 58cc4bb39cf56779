"""How seconds and memory grow with the number of runs and with the number of families.

    python benchmarks/growth.py [--limit SECONDS] [--chains 4 --warmup 300 --draws 1500] [--json FILE]

Simulated Chinchilla runs (coefficients of Besiroglu et al. 2024, 0.3 % Student-t scatter): one family of 1e3,
1e4 and 1e5 runs, then 10, 100 and 1 000 families of 10 runs each. Every size has a process of its own with a
time limit; the parts of one fit are timed apart: start (import), preparing the arrays, the first sampling
(with compilation), a second sampling with another seed, and naming the draws (diagnostics, log likelihood,
replicates). Chains do not go on for want of effective draws, so that all sizes do the same number of steps of
the sampler; ``gradients`` is what one of them took.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from dataclasses import replace
from typing import Any

from engine import machine, peak_memory, run_child, write

RUNS = (1_000, 10_000, 100_000)
FAMILIES = (10, 100, 1_000)
RUNS_PER_FAMILY = 10
SCATTER, DEGREES_OF_FREEDOM = 3e-3, 5.0
FAMILY_SPREAD = {"E": 0.08, "A": 0.08, "alpha": 0.04, "B": 0.08, "beta": 0.04}
PARTS = ("start", "prepare", "first", "again", "name")


def simulated(runs: int, families: int) -> Any:
    """A table of runs, equally many of each family."""
    import numpy as np
    import pandas as pd

    import bayes_scaling as bs
    from bayes_scaling.laws._terms import D0, N0

    rng = np.random.default_rng(0)
    family = np.arange(runs) % families
    params, tokens = np.exp(rng.uniform(np.log([3e7, 1e9]), np.log([3e9, 1e11]), (runs, 2))).T
    spread = FAMILY_SPREAD if families > 1 else dict.fromkeys(FAMILY_SPREAD, 0.0)
    published = bs.law("chinchilla").published["besiroglu2024"].values
    v = {k: x * np.exp(spread[k] * rng.standard_normal(families))[family] for k, x in published.items()}
    mean = v["E"] + v["A"] * (params / N0) ** -v["alpha"] + v["B"] * (tokens / D0) ** -v["beta"]
    loss = mean * np.exp(SCATTER * rng.standard_t(DEGREES_OF_FREEDOM, runs))
    names = np.array([f"f{k:04d}" for k in range(families)])
    return pd.DataFrame({"family": names[family], "params": params, "tokens": tokens, "loss": loss})


def child(runs: int, families: int, chains: int, warmup: int, draws: int) -> None:
    """One fit in parts; a JSON line after every part, so that a fit that is cut off shows how far it came."""
    record: dict[str, Any] = {"runs": runs, "families": families}
    began = float(os.environ["BENCHMARK_BEGAN"])

    import bayes_scaling as bs
    from bayes_scaling.layout import prepare
    from bayes_scaling.posterior import from_draws
    from bayes_scaling.sample import sample

    settings = bs.Settings(chains=chains, warmup=warmup, draws=draws, most_draws=draws)
    table = simulated(runs, families)
    record["start"], mark = time.time() - began, time.perf_counter()

    def done(part: str, **more: Any) -> None:
        nonlocal mark
        record.update({part: time.perf_counter() - mark, "memory": peak_memory(), **more})
        print(json.dumps(record), flush=True)
        mark = time.perf_counter()

    prepared = prepare(bs.law("chinchilla"), bs.read_runs(table))
    done("prepare")
    first = sample(prepared.shape, prepared.data, settings)
    done("first", latents=first.latents.shape[-1], gradients=float(first.statistics["n_steps"].mean()))
    again = sample(prepared.shape, prepared.data, replace(settings, seed=1))
    done("again", draws=again.latents.shape[1])
    posterior = from_draws(prepared, first, settings)
    done("name", ess=posterior.diagnostics.ess_bulk, rhat=posterior.diagnostics.rhat)


def slope(sizes: list[int], values: list[float]) -> float:
    """Least-squares slope of log value on log size."""
    x, y = [math.log(s) for s in sizes], [math.log(v) for v in values]
    mx, my = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)


def report(records: list[dict[str, Any]], size: str) -> dict[str, float]:
    """Table of one series and its slopes; the last step is told apart, where constant costs weigh least."""
    keys = (*PARTS, "memory", "latents", "gradients", "draws", "ess", "rhat")
    print(f"\n{'runs':>8}{'families':>9}" + "".join(f"{k:>10}" for k in keys) + "  load")
    for r in records:
        cells = "".join(f"{r[k]:10.4g}" if k in r else f"{'-':>10}" for k in keys)
        print(f"{r['runs']:8d}{r['families']:9d}{cells}  {r['load']}" + f"  {r.get('failed', '')}")
    slopes = {}
    for part in ("prepare", "again", "name", "memory"):
        good = [r for r in records if part in r and (part != "memory" or "failed" not in r)]
        if len(good) > 1:
            sizes, values = [r[size] for r in good], [r[part] for r in good]
            slopes[part] = slope(sizes, values)
            slopes[f"{part}, last step"] = slope(sizes[-2:], values[-2:])
    print("slope of log on log " + size + ": " + ", ".join(f"{k} {v:.2f}" for k, v in slopes.items()))
    return slopes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=float, default=300, help="seconds per size")
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=300)
    parser.add_argument("--draws", type=int, default=1500)
    parser.add_argument("--runs", nargs="*", type=int, default=RUNS)
    parser.add_argument("--families", nargs="*", type=int, default=FAMILIES)
    parser.add_argument("--json", help="write the record to this file")
    options = parser.parse_args()
    if options.child:
        child(*options.child, options.chains, options.warmup, options.draws)
        return
    length = [f"--{k}={getattr(options, k)}" for k in ("chains", "warmup", "draws")]
    print(" ".join(f"{k} {v}" for k, v in machine().items()), *length)
    record: dict[str, Any] = {"machine": machine(), "length": length}
    for size, sizes in (
        ("runs", [(n, 1) for n in options.runs]),
        ("families", [(RUNS_PER_FAMILY * f, f) for f in options.families]),
    ):
        records = []
        for runs, families in sizes:
            with tempfile.TemporaryDirectory() as cache:
                command = [sys.executable, __file__, *length, "--child", str(runs), str(families)]
                found = run_child(command, {"BAYES_SCALING_CACHE": cache}, options.limit)
            records.append({"runs": runs, "families": families} | found)
        if records:
            record[size] = {"records": records, "slopes": report(records, size)}
    write(options.json, record)


if __name__ == "__main__":
    main()
