"""Draws as a DataTree under ArviZ's group names and the law's own names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import numpy as np
import xarray as xr

from bayes_scaling.engine import Settings
from bayes_scaling.evaluate import evaluate, prior_latents
from bayes_scaling.law import Derived
from bayes_scaling.layout import Prepared
from bayes_scaling.model import LEAST_DF
from bayes_scaling.observe import slope_numpy, unlink_numpy
from bayes_scaling.sample import Draws

#: Arrays with a row dimension are kept whole up to this many numbers, and thinned over draws beyond.
MOST_NUMBERS = 20_000_000
PRIOR_DRAWS = 500


def to_tree(
    prepared: Prepared, draws: Draws, settings: Settings, prior: Mapping[str, xr.Dataset]
) -> xr.DataTree:
    """A DataTree with ArviZ's group names, in the units of the table; ``prior`` is from `prior_groups`."""
    shape, measured = prepared.shape, prepared.measured
    every, some = _evaluated(prepared, draws.latents, settings.seed)
    groups = {
        "posterior": named(prepared, every),
        "sample_stats": xr.Dataset({k: (("chain", "draw"), v) for k, v in draws.statistics.items()}),
        "posterior_predictive": _rows(prepared, some["replicated"]),
        **prior,
        "observed_data": xr.Dataset({shape.response: ("row", measured.response)}, {"row": measured.row}),
        "constant_data": _constants(prepared),
    }
    if some is every:
        groups["log_likelihood"] = _log_likelihood(prepared, every["log_likelihood"])
    tree = xr.DataTree.from_dict({name: numbered(group) for name, group in groups.items()})
    tree.attrs.update({"law": prepared.law.name, "sampling_seconds": draws.seconds})
    return tree


def prior_groups(prepared: Prepared, seed: int) -> dict[str, xr.Dataset]:
    """The groups ``prior`` and ``prior_predictive``, for which no chain need have run."""
    before = prior_latents(prepared.shape, prepared.data, PRIOR_DRAWS, seed + 1)
    prior, some = _evaluated(prepared, before[None], 0)
    return {"prior": named(prepared, prior), "prior_predictive": _rows(prepared, some["replicated"])}


def _evaluated(
    prepared: Prepared, latents: np.ndarray, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Quantities of draws (chains, draws, d), and of those whose rows can be kept: the same, if all can."""
    chains, count, _ = latents.shape
    thin = max(1, int(np.ceil(chains * count * len(prepared.measured.response) / MOST_NUMBERS)))
    every = quantities(prepared, latents, seed, rows=thin == 1)
    return every, every if thin == 1 else quantities(prepared, latents[:, ::thin])


def quantities(
    prepared: Prepared, latents: np.ndarray, seed: int = 0, *, rows: bool = True
) -> dict[str, np.ndarray]:
    """What `bayes_scaling.evaluate.evaluate` gives, of draws (chains, draws, d) and in that order."""
    flat = latents.reshape(-1, latents.shape[-1])
    found = evaluate(prepared.shape, prepared.data, flat, seed=seed, rows=rows)
    return {k: v.reshape(len(latents), -1, *v.shape[1:]) for k, v in found.items()}


def named(prepared: Prepared, values: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Quantities of draws (chain, draw, ...) under the law's own names.

    A parameter has dimension ``family``; a pooled one also has its population location ``*_population`` (in
    its own units) and its spread between families ``*_spread`` (unconstrained units).
    """
    shape, law, families = prepared.shape, prepared.law, prepared.measured.families
    at = ("chain", "draw")
    own = values["theta"][:, :, : len(families)]
    out: dict[str, Any] = {name: ((*at, "family"), own[..., k]) for k, name in enumerate(shape.names)}
    for j, k in enumerate(shape.pooled):
        if shape.pools[k] != "separate":
            with jax.enable_x64(True):
                population = np.asarray(law.parameters[k].constrain(values["location"][..., k]))
            out[f"{shape.names[k]}_population"] = (at, population)
            out[f"{shape.names[k]}_spread"] = (at, values["spread"][..., j])
    if shape.noise == "student":
        noise, stretch = values["noise"], float(prepared.data.stretch)
        share = 1 / (1 + np.exp(-noise[..., 2]))
        total = np.exp(noise[..., 0]) * stretch
        out["seed_sd"] = (at, total * np.sqrt(share))
        out["seed_slope"] = (at, noise[..., 1] / stretch)
        out["misfit_sd"] = (at, total * np.sqrt(1 - share))
        out["degrees_of_freedom"] = (at, LEAST_DF + np.exp(noise[..., 3]))
        if noise.shape[-1] > 4:
            out["checkpoint_sd"] = (at, np.exp(noise[..., 4]) * stretch)
            out["checkpoint_correlation"] = (at, 1 / (1 + np.exp(-noise[..., 5])))
    else:
        out["overdispersion"] = (at, np.exp(values["noise"][..., 0]))
    if "structure_scale" in values:
        out["structure_scale"] = (at, values["structure_scale"])
    if "structure_weights" in values:
        weights = values["structure_weights"][:, :, : len(families)]
        out["structure_weights"] = ((*at, "family", "basis"), weights)
    if "correlation_factor" in values:
        out["correlation_factor"] = ((*at, "pooled", "pooled_other"), values["correlation_factor"])
    with jax.enable_x64(True):  # constants as published reach beyond the range of float32
        found = _derivation(law.derived)({name: own[..., k] for k, name in enumerate(shape.names)})
    out |= {name: ((*at, "family"), np.asarray(value)) for name, value in found.items()}
    return xr.Dataset(out, {"family": list(families)})


@lru_cache(maxsize=64)
def _derivation(derived: tuple[Derived, ...]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """All derived quantities of a law in one program: op by op, each would be compiled by itself."""

    def every(values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            d.name: d.function(**{a: values[a] for a in inspect.signature(d.function).parameters})
            for d in derived
        }

    return jax.jit(every)


def numbered(group: xr.Dataset) -> xr.Dataset:
    """The same with chains and draws counted from 0."""
    sizes = {dim: np.arange(group.sizes[dim]) for dim in ("chain", "draw") if dim in group.sizes}
    return group.assign_coords(sizes)


def _rows(prepared: Prepared, replicated: np.ndarray) -> xr.Dataset:
    """Replicated responses of the table's rows, in the response's unit."""
    shape, measured = prepared.shape, prepared.measured
    values = replicated[..., : len(measured.response)]
    if shape.noise == "student":
        values = np.asarray(unlink_numpy(shape.link, values))
    return xr.Dataset({shape.response: (("chain", "draw", "row"), values)}, {"row": measured.row})


def _log_likelihood(prepared: Prepared, values: np.ndarray) -> xr.Dataset:
    """Pointwise log likelihood of rows, or of whole clusters (runs, configurations) where rows share luck.

    In the response's unit, as in `predict.log_density`: laws with other links must be comparable.
    """
    shape, measured = prepared.shape, prepared.measured
    stretch = np.zeros(len(measured.response))
    if shape.noise == "student":
        stretch = np.log(np.abs(slope_numpy(shape.link, measured.response)))
    if shape.clustering == "rows" or shape.noise != "student":
        coords, dim = measured.row, "row"
    else:
        stretch = np.bincount(prepared.data.cluster[: len(stretch)], stretch)
        coords, dim = np.arange(len(stretch)), "cluster"
    density = values[..., : len(coords)] - stretch
    return xr.Dataset({shape.response: (("chain", "draw", dim), density)}, {dim: coords})


def _constants(prepared: Prepared) -> xr.Dataset:
    measured, law = prepared.measured, prepared.law
    out = {i.name: ("row", measured.inputs[i.name]) for i in law.inputs if i.kind == "positive"}
    out["family_of_row"] = ("row", np.array(measured.families, dtype=object)[measured.family])
    out["run_of_row"] = ("row", measured.run)
    if measured.trials.any():
        out[law.predicts.trials] = ("row", measured.trials)
    if measured.error.any():
        out["standard_error"] = ("row", measured.error)
    return xr.Dataset(out, {"row": measured.row})
