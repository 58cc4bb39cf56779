"""The shared fit, and posteriors of known coefficients, for the tests of decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import xarray as xr

import bayes_scaling as bs
from bayes_scaling.law import mean
from bayes_scaling.laws import law
from bayes_scaling.posterior import Posterior
from tests._simulate import TRUTH, chinchilla_fit

PLAN = {"params": 7e10, "tokens": 1.4e12}


@cache
def fitted() -> Posterior:
    """Three families on Besiroglu's coefficients, ``a`` exactly; convergence is not what is tested."""
    posterior = chinchilla_fit()
    return replace(posterior, diagnostics=replace(posterior.diagnostics, problems=()))


@cache
def drifting() -> Posterior:
    """One family with a structural discrepancy, in a shape that the tests of storage compile as well."""
    rng = np.random.default_rng(4)
    params = np.geomspace(5e7, 8e9, 20)
    tokens = 20 * params * np.exp(rng.normal(size=20))
    losses = mean(law("chinchilla"), {"params": params, "tokens": tokens}, TRUTH)
    table = pd.DataFrame({"params": params, "tokens": tokens, "loss": np.asarray(losses)})
    few = bs.Settings(chains=2, warmup=200, draws=100, most_draws=100)
    found = bs.fit("chinchilla", bs.read_runs(table), structure=bs.Structure(rank=4), settings=few)
    return replace(found, diagnostics=replace(found.diagnostics, problems=()))


def known(values: Mapping[str, float] = TRUTH) -> Posterior:
    """The same posterior, every draw of every family with the same coefficients and no discrepancy."""
    draws = fitted().tree["posterior"].to_dataset()
    silent = dict.fromkeys({"structure_scale", "structure_weights"} & set(draws), 0.0)
    for name, value in {**values, **silent}.items():
        draws[name] = draws[name] * 0 + value
    return replace(fitted(), tree=xr.DataTree.from_dict({"posterior": draws}))
