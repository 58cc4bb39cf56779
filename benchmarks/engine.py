"""Three engines on one posterior: this package, NumPyro's own driver, and PyMC with nutpie.

    BAYES_SCALING_DATA=FOLDER python benchmarks/engine.py [--peers] [--json FILE]

Chinchilla on the 240 points of ``chinchilla_epoch.csv`` in float64, four chains. All engines get the same
rows, the same priors and the same noise model, each in fresh processes: the first starts with empty caches,
forecasts, and then samples again with other seeds (warm); three more start with the caches that the first has
left. PyMC runs in an environment of its own, which ``--peers`` makes in the user's cache folder.

Only the standard library is imported at the top: the interpreter of PyMC runs this file too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

KEPT = ("memory", "quantiles", "divergences", "sampling", "whole", "versions")
CHAINS, DRAWS, PEER_WARMUP = 4, 1000, 1000
WARM_CALLS = 3
CACHED_STARTS = 3
TIME_LIMIT = 300
PLAN = {"params": 70e9, "tokens": 1.4e12}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
NUMPYRO_METHODS = ("sequential", "vectorized", "parallel")
NAMES = ("bayes_scaling", *NUMPYRO_METHODS, "pymc")

#: Two functions: seed -> draws (chains, draws, 9), seconds, divergences; draws -> quantiles of the forecast.
Engine = tuple[Callable[[int], tuple[Any, float, int]], Callable[[Any], Any]]

LAW_PARAMETERS = 5  # the first columns of the draws; the four terms of the noise follow


# What the other benchmarks use too


def study(name: str) -> Path:
    """Path of a study's table in the folder that ``BAYES_SCALING_DATA`` names."""
    folder = os.environ.get("BAYES_SCALING_DATA", "")
    path = Path(folder) / f"{name}.csv"
    if not folder or not path.is_file():
        sys.exit(
            f"set BAYES_SCALING_DATA to a folder that holds {path.name} (docs/data.md); it is {folder!r}"
        )
    return path


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    packages = ("bayes_scaling", "jax", "numpyro", "numpy", "arviz-stats")
    return {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages if _installed(name)},
    }


def load() -> float:
    """Load average over the last minute: beyond the number of cores, times are inflated."""
    return round(os.getloadavg()[0], 2)


def peak_memory() -> float:
    """Largest resident memory of this process so far, MiB (Linux: not that of the parent before exec)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def write(path: str | None, record: Any) -> None:
    """Write a record as JSON, if a path is given."""
    if path:
        Path(path).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def run_child(command: list[str], env: dict[str, str], limit: float) -> dict[str, Any]:
    """Last JSON line that a process prints, with the load before and after; why it failed, if it did."""
    before, began, why = load(), time.time(), {}
    environment = os.environ | env | {"BENCHMARK_BEGAN": repr(began)}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        try:
            done = subprocess.run(command, env=environment, timeout=limit, stdout=out, stderr=errors)
        except subprocess.TimeoutExpired:
            why = {"failed": f"longer than {limit:g} s"}
        else:
            if done.returncode:
                errors.seek(0)
                said = errors.read().strip().splitlines() or ["no output"]
                last = [line for line in said if line.partition(":")[0].endswith("Error")] or said
                why = {"failed": f"exit {done.returncode}: {last[-1]}"}
        out.seek(0)
        lines = [line for line in out.read().splitlines() if line.startswith("{")]
    return (json.loads(lines[-1]) if lines else {}) | why | {"load": [before, load()]}


def caches(folder: Path) -> dict[str, str]:
    """Environment in which every compiler has an empty cache of its own."""
    for part in ("jax", "numba", "pytensor"):
        (folder / part).mkdir(parents=True)
    return {
        "BENCHMARK_CACHE": str(folder / "jax"),
        "BAYES_SCALING_CACHE": str(folder / "jax"),
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}",
    }


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


# The engines


def bayes_scaling_engine(problem: dict[str, Any], _: str) -> Engine:
    import numpy as np

    import bayes_scaling as bs

    table = {name: problem[name] for name in ("params", "tokens", "loss")}
    last = {}

    def sample(seed: int) -> tuple[Any, float, int]:
        import pandas as pd

        settings = bs.Settings(seed=seed)
        posterior = bs.fit("chinchilla", pd.DataFrame(table), structure=None, settings=settings)
        last["posterior"], tree = posterior, posterior.tree["posterior"]
        seed_sd, misfit = tree["seed_sd"].values, tree["misfit_sd"].values
        noise = (
            np.hypot(seed_sd, misfit),
            tree["seed_slope"].values,
            2 * np.log(seed_sd / misfit),
            np.log(tree["degrees_of_freedom"].values - 2),
        )
        law = (np.log(tree[p.name].values[..., 0]) for p in posterior.law.parameters)
        draws = np.stack([*law, *noise], axis=-1)
        return draws, posterior.tree.attrs["sampling_seconds"], posterior.diagnostics.divergences

    def forecast(_: Any) -> Any:
        return bs.forecast(last["posterior"], PLAN).quantile(QUANTILES)[:, 0]

    return sample, forecast


def numpyro_engine(problem: dict[str, Any], method: str) -> Engine:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    numpyro.enable_x64()
    if method == "parallel":
        numpyro.set_host_device_count(CHAINS)
    jax.config.update("jax_compilation_cache_dir", os.environ["BENCHMARK_CACHE"])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

    def model(n, d, y=None):
        theta = numpyro.sample(
            "theta", dist.Normal(jnp.array(problem["location"]), jnp.array(problem["scale"])).to_event(1)
        )
        terms = numpyro.sample(
            "terms",
            dist.Normal(*jnp.array(problem["noise"]).T).to_event(1),
        )
        E, A, alpha, B, beta = jnp.exp(theta)
        mu = jnp.log(E + A * n**-alpha + B * d**-beta)
        share = 1 / (1 + jnp.exp(-terms[2]))
        away = jnp.clip(mu - jnp.log(3.0), -3.0, 3.0)
        sd = jnp.exp(terms[0]) * jnp.sqrt(share * jnp.exp(2 * terms[1] * away) + 1 - share)
        numpyro.sample("y", dist.StudentT(2 + jnp.exp(terms[3]), mu, sd), obs=y)

    rows = (
        np.array(problem["params"]) / problem["N0"],
        np.array(problem["tokens"]) / problem["D0"],
        np.log(problem["loss"]),
    )
    mcmc = MCMC(
        NUTS(model, dense_mass=True),
        num_warmup=PEER_WARMUP,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method=method,
        progress_bar=False,
    )

    def sample(seed: int) -> tuple[Any, float, int]:
        began = time.perf_counter()
        mcmc.run(jax.random.key(seed), *rows, extra_fields=("diverging",))
        got = mcmc.get_samples(group_by_chain=True)
        draws = np.concatenate([np.asarray(got["theta"]), np.asarray(got["terms"])], axis=-1)
        diverging = int(np.sum(mcmc.get_extra_fields()["diverging"]))
        return draws, time.perf_counter() - began, diverging

    return sample, lambda draws: by_hand(draws, problem)


def pymc_engine(problem: dict[str, Any], _: str) -> Engine:
    import numpy as np
    import nutpie
    import pymc as pm

    n, d = (np.array(problem[k]) / problem[unit] for k, unit in (("params", "N0"), ("tokens", "D0")))
    at, width = np.array(problem["noise"]).T
    with pm.Model() as model:
        theta = pm.Normal("theta", problem["location"], problem["scale"], shape=5)
        terms = pm.Normal("terms", at, width, shape=4)
        E, A, alpha, B, beta = (pm.math.exp(theta[k]) for k in range(5))
        mu = pm.math.log(E + A * n**-alpha + B * d**-beta)
        share = pm.math.sigmoid(terms[2])
        away = pm.math.clip(mu - np.log(3.0), -3.0, 3.0)
        sd = pm.math.exp(terms[0]) * pm.math.sqrt(share * pm.math.exp(2 * terms[1] * away) + 1 - share)
        pm.StudentT("y", nu=2 + pm.math.exp(terms[3]), mu=mu, sigma=sd, observed=np.log(problem["loss"]))
    compiled = nutpie.compile_pymc_model(model)

    def sample(seed: int) -> tuple[Any, float, int]:
        began = time.perf_counter()
        trace = nutpie.sample(
            compiled, draws=DRAWS, tune=PEER_WARMUP, chains=CHAINS, seed=seed, progress_bar=False
        )
        draws = np.concatenate([trace.posterior["theta"].values, trace.posterior["terms"].values], axis=-1)
        return draws, time.perf_counter() - began, int(trace.sample_stats["diverging"].sum())

    return sample, lambda draws: by_hand(draws, problem)


def by_hand(draws: Any, problem: dict[str, Any]) -> Any:
    """Quantiles of a new run, as a user of a sampler writes them."""
    import numpy as np

    flat = draws.reshape(-1, draws.shape[-1])
    E, A, alpha, B, beta = np.exp(flat[:, :5].T)
    total, slope, logit, tail = flat[:, 5:].T
    n, d = PLAN["params"] / problem["N0"], PLAN["tokens"] / problem["D0"]
    mu = np.log(E + A * n**-alpha + B * d**-beta)
    share = 1 / (1 + np.exp(-logit))
    sd = np.exp(total) * np.sqrt(share * np.exp(2 * slope * (mu - np.log(3.0))) + 1 - share)
    noise = np.random.default_rng(0).standard_t(2 + np.exp(tail))
    return np.quantile(np.exp(mu + sd * noise), QUANTILES)


ENGINES = {"bayes_scaling": bayes_scaling_engine, "numpyro": numpyro_engine, "pymc": pymc_engine}


def child(engine: str, method: str, problem_path: str, draws_path: str, warm: int) -> None:
    """First forecast, then warm calls: one JSON line, and the draws of the warm calls in a file."""
    began = float(os.environ["BENCHMARK_BEGAN"])
    problem = json.loads(Path(problem_path).read_text())
    sample, forecast = ENGINES[engine](problem, method)
    draws, _, divergences = sample(0)
    quantiles = [float(q) for q in forecast(draws)]
    record = {"first": time.time() - began, "quantiles": quantiles, "memory": peak_memory()}
    record |= {"sampling": [], "whole": [], "divergences": divergences}

    import numpy as np

    every = []
    for seed in range(1, warm + 1):
        start = time.perf_counter()
        draws, seconds, divergences = sample(seed)
        record["whole"].append(time.perf_counter() - start)
        record["sampling"].append(seconds)
        record["divergences"] += divergences
        every.append(draws)
    if warm:
        np.savez(draws_path, *every)
    record["versions"] = {
        name: version(name) for name in ("numpyro", "jax", "pymc", "nutpie") if _installed(name)
    }
    print(json.dumps(record))


# The run side by side


def peer_python(make: bool) -> Path | None:
    """Interpreter of the environment with PyMC and nutpie; made when asked for."""
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("bayes_scaling")) / "benchmark-peers"
    python = folder / "bin" / "python"
    if make and not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    if make:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "pymc", "nutpie"], check=True)
    return python if python.exists() else None


def problem_of_study() -> dict[str, Any]:
    """Rows, priors and noise terms, as plain numbers for every engine."""
    import numpy as np
    import pandas as pd

    import bayes_scaling as bs
    from bayes_scaling.laws._terms import D0, N0
    from bayes_scaling.layout import prepare

    table = pd.read_csv(study("chinchilla_epoch"))
    table = table[table.epoch_excluded == 0]
    data = prepare(bs.law("chinchilla"), bs.read_runs(table[["params", "tokens", "loss"]])).data
    return {
        **{name: table[name].tolist() for name in ("params", "tokens", "loss")},
        "location": data.location.tolist(),
        "scale": data.scale.tolist(),
        "noise": np.asarray(data.noise).tolist(),
        "N0": N0,
        "D0": D0,
    }


def measure(engine: str, method: str, python: str, problem: str, folder: Path, warm: int) -> dict[str, Any]:
    """Cold process with warm calls, then fresh processes with the caches of the first."""
    cache = folder / f"{engine}-{method or 'default'}"
    env = caches(cache)
    draws = cache / "draws.npz"
    command = [python, __file__, "--child", engine, "--method", method, problem, str(draws)]
    cold = run_child([*command, "--warm", str(warm)], env, TIME_LIMIT)
    if "failed" in cold:
        return {"engine": engine, "method": method, **cold}
    starts = [run_child([*command, "--warm", "0"], env, TIME_LIMIT) for _ in range(CACHED_STARTS)]
    return {
        "engine": engine,
        "method": method,
        "cold": cold["first"],
        "cached": median(start.get("first", float("nan")) for start in starts),
        "starts": [start.get("first") for start in starts],
        "load_cold": cold["load"],
        "load_cached": starts[-1]["load"],
        **judged(draws, cold),
        **{
            name: cold[name]
            for name in ("memory", "quantiles", "divergences", "sampling", "whole", "versions")
        },
    }


def judged(path: Path, cold: dict[str, Any]) -> dict[str, float]:
    """Effective sample sizes per second and R-hat, with the same code for every engine."""
    import numpy as np
    from arviz_stats.base import array_stats

    axes = {"chain_axis": 0, "draw_axis": 1}
    ess, rhat = [], []
    with np.load(path) as stored:
        for draws in stored.values():
            ess.append(array_stats.ess(draws, method="bulk", **axes))
            rhat.append(float(np.max(array_stats.rhat(draws, **axes))))
    law = [float(np.min(e[:LAW_PARAMETERS])) for e in ess]
    every = [float(np.min(e)) for e in ess]
    seconds = {"sampling": cold["sampling"], "whole": cold["whole"]}
    return {
        "ess_law": median(law),
        "ess_all": median(every),
        "rhat": max(rhat),
        "per_second_law": median(e / s for e, s in zip(law, seconds["sampling"], strict=True)),
        "per_second_all": median(e / s for e, s in zip(every, seconds["sampling"], strict=True)),
        "per_second_whole": median(e / s for e, s in zip(every, seconds["whole"], strict=True)),
    }


def report(records: list[dict[str, Any]]) -> None:
    """One line per engine, then what was asked for."""
    print(
        f"{'engine':<22}{'warm s':>8}{'call s':>8}{'ESS law':>9}{'ESS all':>9}{'law/s':>8}{'all/s':>8}"
        f"{'R-hat':>8}{'div':>5}{'cold s':>8}{'cached s':>9}{'MiB':>7}  load cold, cached"
    )
    for r in records:
        name = f"{r['engine']} {r['method']}".strip()
        if "failed" in r:
            print(f"{name:<22}failed: {r['failed']}")
            continue
        print(
            f"{name:<22}{median(r['sampling']):8.3f}{median(r['whole']):8.3f}{r['ess_law']:9.0f}{r['ess_all']:9.0f}"
            f"{r['per_second_law']:8.0f}{r['per_second_all']:8.0f}{r['rhat']:8.4f}{r['divergences']:5d}"
            f"{r['cold']:8.1f}{r['cached']:9.1f}{r['memory']:7.0f}  {r['load_cold']} {r['load_cached']}"
        )
        print(f"{'':<22}new run, quantiles {QUANTILES}: {[round(q, 4) for q in r['quantiles']]}")
    ours = next((r for r in records if r["engine"] == "bayes_scaling" and "failed" not in r), None)
    peers = [r for r in records if r["engine"] == "numpyro" and "failed" not in r]
    if not ours or not peers:
        return
    default = [r for r in peers if r["method"] == "sequential"] or peers[:1]
    for name, rivals in (("NumPyro's default driver", default), ("its best chain method", peers)):
        law, every, whole = (
            ours[key] / max(r[key] for r in rivals)
            for key in ("per_second_law", "per_second_all", "per_second_whole")
        )
        cold, cached = (ours[key] / min(r[key] for r in rivals) for key in ("cold", "cached"))
        print(
            f"against {name}: ESS per second of sampling x{law:.1f} (law), x{every:.1f} (all latents); "
            f"of the whole call x{whole:.1f}; cold x{cold:.2f}, cached x{cached:.2f} of its seconds"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--method", default="", help=argparse.SUPPRESS)
    parser.add_argument("--warm", type=int, default=WARM_CALLS, help="warm calls per engine")
    parser.add_argument("--engines", nargs="*", choices=NAMES, default=NAMES, help="only these")
    parser.add_argument("--peers", action="store_true", help="make the environment of PyMC")
    parser.add_argument("--peer-python", help="interpreter of an environment with PyMC and nutpie")
    parser.add_argument("--json", help="write the record to this file")
    options = parser.parse_args()
    if options.child:
        child(options.child, options.method, *options.files, options.warm)
        return
    python = options.peer_python or peer_python(options.peers)
    jobs = [("bayes_scaling", "", sys.executable), *(("numpyro", m, sys.executable) for m in NUMPYRO_METHODS)]
    jobs += [("pymc", "", str(python))] if python else []
    jobs = [job for job in jobs if (job[1] or job[0]) in options.engines]
    with tempfile.TemporaryDirectory() as name:
        folder, problem = Path(name), Path(name) / "problem.json"
        problem.write_text(json.dumps(problem_of_study()))
        records = [measure(e, m, p, str(problem), folder, options.warm) for e, m, p in jobs]
    print(" ".join(f"{k} {v}" for k, v in machine().items()))
    report(records)
    if not python:
        print("PyMC and nutpie were left out: --peers makes their environment")
    write(options.json, {"machine": machine(), "engines": records})


if __name__ == "__main__":
    main()
