"""Simulated studies: small tables of runs, and data drawn from a law's own prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import bayes_scaling as bs
from bayes_scaling.evaluate import evaluate, prior_latents
from bayes_scaling.layout import Data, Prepared, prepare
from bayes_scaling.posterior import Posterior

#: The laws on which the package was built; between them they use every kind of input, link and noise.
FOUNDATION = (
    "power_law",
    "power_law_offset",
    "log_linear",
    "chinchilla",
    "kaplan_nd",
    "smoothly_broken_power_law",
    "lr_annealing",
    "coverage_exp_power",
)
FAMILIES = ("a", "b", "c")
FEW = bs.Settings(chains=2, warmup=200, draws=200, most_draws=200)

#: Chinchilla's law as refitted by Besiroglu et al. (2024).
TRUTH = dict(bs.law("chinchilla").published["besiroglu2024"].values)


def power_table(rows: int = 14, alpha: float = 0.2, seed: int = 0) -> pd.DataFrame:
    """One family on a power law with 1 % of noise."""
    rng = np.random.default_rng(seed)
    x = np.geomspace(1.0, 1e4, rows)
    return pd.DataFrame({"x": x, "y": 3 * x**-alpha * np.exp(0.01 * rng.standard_normal(rows))})


def chinchilla_table(seeds: int = 4, sd: float = 0.004, seed: int = 0) -> pd.DataFrame:
    """Three families at five configurations, 1e9 parameters on 2e10 tokens among them, with replicates."""
    rng = np.random.default_rng(seed)
    frame = grid(seeds, params=np.geomspace(1e8, 1e10, 5), tokens=[2e9, 2e10, 2e10, 3e10, 4e11])
    shift = np.repeat([0.0, 0.02, -0.03], len(frame) // 3)
    law = bs.law("chinchilla")
    loss = [
        float(np.exp(law.predictor(n, d, **TRUTH))) for n, d in zip(frame.params, frame.tokens, strict=True)
    ]
    return frame.assign(loss=loss * np.exp(shift + sd * rng.standard_normal(len(frame))))


def grid(seeds: int, **columns: Any) -> pd.DataFrame:
    """Families x configurations x seeds, where a configuration is one entry of each column."""
    count = len(next(iter(columns.values())))
    frame = pd.DataFrame({name: np.tile(np.repeat(v, seeds), len(FAMILIES)) for name, v in columns.items()})
    frame["family"] = np.repeat(FAMILIES, count * seeds)
    return frame.assign(seed=np.tile(np.arange(seeds), count * len(FAMILIES)))


@cache
def chinchilla_fit() -> Posterior:
    """A short fit of the bare law to `chinchilla_table`, made once in a test session."""
    return bs.fit("chinchilla", chinchilla_table(), structure=None, settings=FEW)


@cache
def design(name: str, seeds: int = 4) -> Prepared:
    """Runs of three families and several seeds, laid out for a foundation law; responses are placeholders."""
    if name == "chinchilla" or name == "kaplan_nd":
        runs = bs.read_runs(chinchilla_table(seeds).assign(loss=3.0))
    elif name == "lr_annealing":
        runs = _annealing(seeds)
    elif name == "coverage_exp_power":
        runs = bs.read_runs(grid(seeds, k=np.geomspace(1, 1000, 5)).assign(n_samples=500, n_correct=100))
    else:
        # six parameters and a break: with five sizes the prior decides, and no chain finds its way
        sizes = 12 if name == "smoothly_broken_power_law" else 5
        runs = bs.read_runs(grid(seeds, x=np.geomspace(1e-2, 1e2, sizes)).assign(y=1.0))
    return prepare(bs.law(name), runs)


def _annealing(seeds: int) -> bs.Runs:
    """Checkpoints of runs that follow one of two schedules of differing lengths."""
    cosine = 3e-4 * (0.55 + 0.45 * np.cos(np.linspace(0, np.pi, 8000)))
    schedules = {"cosine": cosine, "step": np.repeat([3e-4, 9e-5], [9000, 3000])}
    rows = []
    for family in FAMILIES:
        for seed in range(seeds):
            name = "cosine" if seed % 2 else "step"
            steps = np.linspace(0.2, 1.0, 5) * len(schedules[name])
            label = {"family": family, "run": f"{family}{seed}", "seed": seed, "schedule": name, "loss": 3.0}
            rows += [{**label, "step": step} for step in steps]
    return bs.read_runs(pd.DataFrame(rows), schedules=schedules)


def typical(name: str) -> Prepared:
    """Runs of two families at random inputs of a law's typical ranges, or under schedules."""
    law = bs.law(name)
    if any(i.kind == "schedule" for i in law.inputs):
        return prepare(law, _annealing(2))
    rng, predicts = np.random.default_rng(0), law.predicts
    table = pd.DataFrame({i.name: np.exp(rng.uniform(*np.log(i.typical), 12)) for i in law.inputs})
    table["family"] = ["a", "b"] * 6
    # a column called loss is in nats per token
    response = "bpb" if predicts.unit == "bit/byte" else predicts.name
    if predicts.noise == "student":
        low, high = (1.0, 4.0) if predicts.link in ("log", "identity") else (0.2, 0.8)
        table[response] = np.linspace(low, high, 12)
    else:
        table[response] = np.arange(12)
    if predicts.trials:
        table[predicts.trials] = 100
    return prepare(law, bs.read_runs(table), response=None if response == predicts.name else response)


def replications(
    prepared: Prepared, count: int, seed: int = 0
) -> Iterator[tuple[Data, Mapping[str, np.ndarray]]]:
    """Data drawn from the prior of a model, each with the quantities that it was drawn with.

    Only the responses are new: what is centred on the data stays where the design put it, so that truth and
    posterior mean the same and credible intervals are exactly calibrated.
    """
    shape, data = prepared.shape, prepared.data
    latents = prior_latents(shape, data, count, seed)
    drawn = evaluate(shape, data, latents, seed=seed)
    for s in range(count):
        truth = {name: drawn[name][s] for name in ("theta", "location", "spread", "noise") if name in drawn}
        yield data._replace(response=drawn["replicated"][s]), truth
