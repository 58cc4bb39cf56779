"""One scaling law for four engines: this package, NumPyro's driver, PyMC with nutpie, least squares.

By hand, for the peers: ``eta = shift + stretch log(E + sum_k A_k x_k^-alpha_k)`` with a Student-t whose scale
follows the predicted loss, families around a population where there are several, and the priors of this
package. Every engine fits data sets of one table that differ in their responses. Only the standard library is
imported at the top: the interpreter of PyMC runs this file too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

SPREAD_SD = 0.8  # of the log of the spread between families
REPLICATES = 1000

#: Data sets and seed of the first -> draws (chains, draws, quantities) and divergences of each, in any order.
Fits = Callable[[list[int], int], Iterator[tuple[Any, int]]]


# This package


def bayes_scaling_engine(problem: dict[str, Any], method: str) -> Fits:
    """As users call it; batches at once, or for comparison (``loop``) one data set after the other."""
    import numpy as np

    import bayes_scaling as bs
    from bayes_scaling.batch import sample_each
    from bayes_scaling.evaluate import evaluate
    from bayes_scaling.sample import sample

    law, prepared, data_sets = laid_out(problem)
    settings, families = bs.Settings(**problem["settings"]), problem["families"]

    def alone(sets: list[int], seed: int) -> Iterator[tuple[Any, int]]:
        """With diagnostics, replicated data and the tree."""
        for k in range(len(sets)):
            own = replace(settings, seed=seed + k)
            posterior = bs.fit(law, prepared.runs, structure=None, settings=own)
            tree = posterior.tree["posterior"]
            names = [p.name for p in law.parameters]
            parts = [np.log(tree[name].values) for name in names]
            if families > 1:
                upper = [f"{name}_{end}" for end in ("population", "spread") for name in names]
                parts += [np.log(tree[name].values)[..., None] for name in upper]
            noise = ("seed_sd", "misfit_sd", "seed_slope", "degrees_of_freedom")
            parts += [tree[name].values[..., None] for name in noise]
            yield np.concatenate(parts, axis=-1), posterior.diagnostics.divergences

    def together(sets: list[int], seed: int) -> Iterator[tuple[Any, int]]:
        chosen = [data_sets[j] for j in sets]
        work = sample_each(prepared.shape, chosen, replace(settings, seed=seed))
        if method == "loop":
            seeds = (replace(settings, seed=seed + k) for k in range(len(sets)))
            pairs = zip(chosen, seeds, strict=True)
            work = ((k, sample(prepared.shape, *pair)) for k, pair in enumerate(pairs))
        for _, drawn in work:
            flat = drawn.latents.reshape(-1, drawn.latents.shape[-1])
            found = evaluate(prepared.shape, prepared.data, flat, rows=False)
            values = [found["theta"].reshape(len(flat), -1), found["noise"]]
            shape = (*drawn.latents.shape[:2], -1)
            yield np.concatenate(values, axis=1).reshape(shape), int(drawn.statistics["diverging"].sum())

    return alone if problem["count"] == 1 else together


def laid_out(problem: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
    """The law, its prepared table, and the arrays of every data set."""
    import numpy as np
    import pandas as pd

    import bayes_scaling as bs
    from bayes_scaling.layout import prepare

    law = bs.law(problem["law"])
    prepared = prepare(law, bs.read_runs(pd.DataFrame(problem["table"])))
    data_sets = []
    for y in problem["y"]:
        padded = np.full(len(prepared.data.response), problem["shift"])
        padded[: len(y)] = y
        data_sets.append(prepared.data._replace(response=padded, target=padded))
    return law, prepared, data_sets


# By hand


def numpyro_engine(problem: dict[str, Any], method: str) -> Fits:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    numpyro.enable_x64()
    if method == "parallel":
        numpyro.set_host_device_count(problem["chains"])
    jax.config.update("jax_compilation_cache_dir", os.environ["BENCHMARK_CACHE"])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    inputs, every = np.array(problem["inputs"]), np.array(problem["y"])
    family, families = np.array(problem["family"]), problem["families"]
    location, scale, spread = (np.array(problem[k]) for k in ("location", "scale", "spread"))
    noise = np.array(problem["noise"])

    def model(y: Any) -> None:
        theta = numpyro.sample("location", dist.Normal(location, scale).to_event(1))[None]
        if families > 1:
            log_spread = numpyro.sample("log_spread", dist.Normal(jnp.log(spread), SPREAD_SD).to_event(1))
            unit = dist.Normal(0.0, 1.0).expand((families, len(location))).to_event(2)
            theta = theta + jnp.exp(log_spread) * numpyro.sample("z", unit)
            numpyro.deterministic("theta", theta)
        terms = numpyro.sample("terms", dist.Normal(noise[:, 0], noise[:, 1]).to_event(1))
        own = theta[family].T if families > 1 else theta[0][:, None]
        powers = sum(jnp.exp(own[1 + 2 * k] - own[2 + 2 * k] * np.log(x)) for k, x in enumerate(inputs))
        eta = problem["shift"] + problem["stretch"] * jnp.log(jnp.exp(own[0]) + powers)
        share = 1 / (1 + jnp.exp(-terms[2]))
        away = jnp.clip(eta - problem["reference"], -3.0, 3.0)
        sd = jnp.exp(terms[0]) * jnp.sqrt(share * jnp.exp(2 * terms[1] * away) + 1 - share)
        numpyro.sample("y", dist.StudentT(2 + jnp.exp(terms[3]), eta, problem["stretch"] * sd), obs=y)

    mcmc = MCMC(
        NUTS(model, dense_mass=True),
        num_warmup=problem["warmup"],
        num_samples=problem["draws"],
        num_chains=problem["chains"],
        chain_method=method,
        jit_model_args=True,
        progress_bar=False,
    )

    def fits(sets: list[int], seed: int) -> Iterator[tuple[Any, int]]:
        for k, j in enumerate(sets):
            mcmc.run(jax.random.key(seed + k), every[j], extra_fields=("diverging",))
            got = mcmc.get_samples(group_by_chain=True)
            names = ("theta", "location", "log_spread", "terms")
            parts = [np.asarray(got[name]) for name in names if name in got]
            draws = np.concatenate([x.reshape(*x.shape[:2], -1) for x in parts], axis=-1)
            yield draws, int(np.sum(mcmc.get_extra_fields()["diverging"]))

    return fits


def pymc_engine(problem: dict[str, Any], _: str) -> Fits:
    import numpy as np
    import nutpie
    import pymc as pm

    inputs, every = np.array(problem["inputs"]), np.array(problem["y"])
    family, families = np.array(problem["family"]), problem["families"]
    at, width = np.array(problem["noise"]).T
    count = len(problem["location"])
    with pm.Model() as model:
        y = pm.Data("y", every[0])
        location = pm.Normal("location", problem["location"], problem["scale"], shape=count)
        if families > 1:
            log_spread = pm.Normal("log_spread", np.log(problem["spread"]), SPREAD_SD, shape=count)
            unit = pm.Normal("z", 0.0, 1.0, shape=(families, count))
            theta = pm.Deterministic("theta", location + pm.math.exp(log_spread) * unit)
            own = [theta[family, k] for k in range(count)]
        else:
            own = [location[k] for k in range(count)]
        terms = pm.Normal("terms", at, width, shape=len(at))
        powers = sum(pm.math.exp(own[1 + 2 * k] - own[2 + 2 * k] * np.log(x)) for k, x in enumerate(inputs))
        eta = problem["shift"] + problem["stretch"] * pm.math.log(pm.math.exp(own[0]) + powers)
        share = pm.math.sigmoid(terms[2])
        away = pm.math.clip(eta - problem["reference"], -3.0, 3.0)
        sd = pm.math.exp(terms[0]) * pm.math.sqrt(share * pm.math.exp(2 * terms[1] * away) + 1 - share)
        tail = 2 + pm.math.exp(terms[3])
        pm.StudentT("seen", nu=tail, mu=eta, sigma=problem["stretch"] * sd, observed=y)
    compiled = nutpie.compile_pymc_model(model)

    def fits(sets: list[int], seed: int) -> Iterator[tuple[Any, int]]:
        for k, j in enumerate(sets):
            trace = nutpie.sample(
                compiled.with_data(y=every[j]),
                draws=problem["draws"],
                tune=problem["warmup"],
                chains=problem["chains"],
                seed=seed + k,
                progress_bar=False,
            )
            names = ("theta", "location", "log_spread", "terms")
            parts = [trace.posterior[name].values for name in names if name in trace.posterior]
            draws = np.concatenate([x.reshape(*x.shape[:2], -1) for x in parts], axis=-1)
            yield draws, int(trace.sample_stats["diverging"].sum())

    return fits


def least_squares_engine(problem: dict[str, Any], _: str) -> Fits:
    """The Huber loss on log responses and a bootstrap; every family is a data set, for nothing is pooled."""
    import numpy as np

    sys.path.insert(0, str(Path(__file__).parent / "extrapolation"))
    from least_squares import D0, N0, bootstrap, bootstrap_curve

    inputs, every = np.array(problem["inputs"]), np.array(problem["y"])
    family = np.array(problem["family"])

    def fits(sets: list[int], seed: int) -> Iterator[tuple[Any, int]]:
        for k, j in enumerate(sets):
            y, x = every[0] if problem["families"] > 1 else every[j], inputs
            if problem["families"] > 1:
                y, x = y[family == j], x[:, family == j]
            how = {"replicates": REPLICATES, "seed": seed + k}
            if len(x) == 2:
                largest = (N0 * x[0].max(keepdims=True), D0 * x[1].max(keepdims=True))
                yield bootstrap((N0 * x[0], D0 * x[1], np.exp(y)), largest, **how)[None], 0
            else:
                yield bootstrap_curve((x[0], np.exp(y)), x[0].max(keepdims=True), **how)[None], 0

    return fits


ENGINES = {
    "bayes_scaling": bayes_scaling_engine,
    "numpyro": numpyro_engine,
    "pymc": pymc_engine,
    "least_squares": least_squares_engine,
}
