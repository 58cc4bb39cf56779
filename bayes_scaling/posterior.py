"""Fit a law to runs, and keep what came of it: draws under ArviZ's names, diagnostics, settings."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling._memory import require
from bayes_scaling.borrowed.conflict import TRUST, Conflict, borrow
from bayes_scaling.borrowed.model import placed
from bayes_scaling.borrowed.record import Prior
from bayes_scaling.diagnostics import Diagnostics, diagnose, identifiability
from bayes_scaling.engine import Settings, resolved
from bayes_scaling.evaluate import evaluate, prior_latents
from bayes_scaling.law import Derived, Law, with_priors
from bayes_scaling.laws import law as law_by_name
from bayes_scaling.layout import Prepared, prepare
from bayes_scaling.model import LEAST_DF
from bayes_scaling.observe import unlink_numpy
from bayes_scaling.priors import as_prior
from bayes_scaling.runs import Runs, read_runs
from bayes_scaling.sample import Draws, Progress, sample
from bayes_scaling.structure import DEFAULT, Structure
from bayes_scaling.supports import to_free

#: Arrays with a row dimension are kept whole up to this many numbers, and thinned over draws beyond.
MOST_NUMBERS = 20_000_000
PRIOR_DRAWS = 500
#: Arrays of that size that there are at once: predictions, log likelihoods, replicated responses, and copies.
ROW_ARRAYS = 7
#: Mean acceptance of the second try, after divergent transitions.
SMALL_STEPS = 0.99


@dataclass(frozen=True)
class Posterior:
    """A fitted law.

    Parameters
    ----------
    law : Law
    runs : Runs
    prepared : Prepared
        The padded arrays that were sampled, with centres and landmarks.
    tree : DataTree
        Groups ``posterior``, ``sample_stats``, ``posterior_predictive``, ``log_likelihood``,
        ``observed_data``, ``constant_data``, ``prior`` and ``prior_predictive``; dimensions ``chain``,
        ``draw``, ``family``, ``run``.
    diagnostics : Diagnostics
    identifiability : tuple of str
        What the data cannot decide; told before sampling.
    settings : Settings
    conflict : Conflict or None
        How a borrowed prior agreed with the first runs, and what was made of it.
    """

    law: Law
    runs: Runs
    prepared: Prepared
    tree: xr.DataTree
    diagnostics: Diagnostics
    identifiability: tuple[str, ...]
    settings: Settings
    conflict: Conflict | None = None

    @property
    def families(self) -> tuple[str, ...]:
        """Families that were fitted."""
        return self.prepared.measured.families

    def summary(self, *, prob: float = 0.9) -> pd.DataFrame:
        """Median, credible interval, R-hat and bulk ESS of every parameter, derived quantity and noise scale.

        Parameters
        ----------
        prob : float
            Probability of the equal-tailed credible interval.

        Returns
        -------
        DataFrame
            One row per quantity and family; ``prior share`` is the part of the prior's standard deviation
            that is left (unconstrained scale): near 1, the number is the prior's and not the data's.
        """
        return summarise(self, prob)

    def __repr__(self) -> str:
        state = "passed" if self.diagnostics.passed else "FAILED diagnostics"
        return f"Posterior({self.law.label}, {len(self.runs)} rows, {len(self.families)} families, {state})"


def fit(
    law: Law | str,
    runs: Runs | pd.DataFrame,
    *,
    inputs: Mapping[str, str] | None = None,
    response: str | None = None,
    priors: Mapping[str, tuple[float, float]] | None = None,
    structure: Structure | None = DEFAULT,
    correlate: bool = False,
    prior: Prior | str | os.PathLike[str] | None = None,
    trust: float = TRUST,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Posterior:
    """Sample the posterior of a law given runs.

    Parameters
    ----------
    law : Law or str
        A law, or the name of one in the zoo.
    runs : Runs or DataFrame
        A DataFrame is read with `read_runs` under its default column names.
    inputs : mapping of str to str, optional
        Which column feeds which input of a generic law, for example ``{"x": "compute"}``.
    response : str, optional
        Which column feeds a generic response, for example ``"loss"``.
    priors : mapping of str to (float, float), optional
        Other 90 % prior intervals, by parameter.
    structure : Structure or None
        Structural discrepancy; ``None`` gives the bare law.
    correlate : bool
        Correlate parameters over families (LKJ prior).
    prior : Prior, name or path, optional
        Prior of an unmeasured family: from `bayes_scaling.transfer`, a prior pack, or a file. It is checked
        against the first runs, and widened where they disagree (`Posterior.conflict`).
    trust : float
        Weight of that prior against the law's own before any run is seen.
    settings : Settings, optional
        If divergent transitions are all that fails the diagnostics, a second try takes steps as small as a
        mean acceptance of 0.99 asks for; `Posterior.settings` tells.
    progress : callable, optional
        ``progress(done, total, divergences)``.

    Raises
    ------
    LawError, RunsError
        If the law is unknown or the table lacks what the law needs.
    PriorError
        If the borrowed prior is of another law, in other units or not readable.
    MemoryRefused
        If there is no memory for it; the message says how much it would take.
    """
    law = law_by_name(law) if isinstance(law, str) else law
    law = with_priors(law, priors) if priors else law
    runs = runs if isinstance(runs, Runs) else read_runs(runs)
    borrowed = None if prior is None else as_prior(prior)
    structure = placed(structure, borrowed) if borrowed else structure
    prepared = prepare(law, runs, inputs=inputs, response=response, structure=structure, correlate=correlate)
    conflict = None
    if borrowed:
        prepared, conflict = borrow(prepared, borrowed, trust=trust, seed=(settings or Settings()).seed)
    settings = settings or Settings()
    _room_for_rows(len(prepared.measured.response), settings)
    found = settled(prepared, settings, from_draws, progress=progress)
    return replace(found, conflict=conflict)


def _room_for_rows(rows: int, settings: Settings) -> None:
    """Refuse a table whose predictions, likelihoods and replicated responses there is no memory for."""
    counts = (settings.chains * max(settings.draws, settings.most_draws), PRIOR_DRAWS)
    kept = [min(count * rows, max(MOST_NUMBERS, rows)) for count in counts]
    require(
        {"what is kept of every row": 8.0 * ROW_ARRAYS * sum(kept)},
        f"a fit of {rows} rows",
        "fit fewer rows, or one row of each configuration",
    )


def settled(
    prepared: Prepared,
    settings: Settings,
    judge: Callable[[Prepared, Draws, Settings], Posterior],
    *,
    progress: Progress | None = None,
) -> Posterior:
    """Sample and judge (`from_draws`, `lean`); once more with smaller steps if only divergences fail."""
    settings = resolved(settings, prepared.shape)
    found = judge(prepared, sample(prepared.shape, prepared.data, settings, progress=progress), settings)
    if found.diagnostics.only_divergences and (settings.target_accept or 0.0) < SMALL_STEPS:
        smaller = replace(settings, target_accept=SMALL_STEPS)
        again = judge(prepared, sample(prepared.shape, prepared.data, smaller, progress=progress), smaller)
        if again.diagnostics.passed or again.diagnostics.divergences < found.diagnostics.divergences:
            return again
    return found


def from_draws(prepared: Prepared, draws: Draws, settings: Settings | None = None) -> Posterior:
    """Judge draws and give them names."""
    settings = settings or Settings()
    return _judged(prepared, draws, settings, to_tree(prepared, draws, settings))


def lean(prepared: Prepared, draws: Draws, settings: Settings) -> Posterior:
    """A posterior that can forecast and nothing else: of its groups only ``posterior`` is there."""
    chains, _, d = draws.latents.shape
    values = evaluate(prepared.shape, prepared.data, draws.latents.reshape(-1, d), rows=False)
    by_chain = {k: v.reshape(chains, -1, *v.shape[1:]) for k, v in values.items()}
    tree = xr.DataTree.from_dict({"posterior": _numbered(named(prepared, by_chain))})
    return _judged(prepared, draws, settings, tree)


def _judged(prepared: Prepared, draws: Draws, settings: Settings, tree: xr.DataTree) -> Posterior:
    diagnostics = diagnose(
        draws.latents,
        draws.statistics,
        max_tree_depth=settings.max_tree_depth,
        restarted=draws.restarted,
        interrupted=draws.interrupted,
    )
    report = identifiability(prepared)
    return Posterior(prepared.law, prepared.runs, prepared, tree, diagnostics, report, settings)


def to_tree(prepared: Prepared, draws: Draws, settings: Settings) -> xr.DataTree:
    """A DataTree with ArviZ's group names, in the units of the table."""
    shape, data, measured = prepared.shape, prepared.data, prepared.measured
    chains, count, d = draws.latents.shape
    n = len(measured.response)
    thin = max(1, int(np.ceil(chains * count * n / MOST_NUMBERS)))
    every = evaluate(shape, data, draws.latents.reshape(-1, d), seed=settings.seed, rows=thin == 1)
    some = every if thin == 1 else evaluate(shape, data, draws.latents[:, ::thin].reshape(-1, d))
    before = prior_latents(shape, data, PRIOR_DRAWS, settings.seed + 1)
    few = max(1, int(np.ceil(PRIOR_DRAWS * n / MOST_NUMBERS)))
    prior = evaluate(shape, data, before, rows=few == 1)
    unseen = prior if few == 1 else evaluate(shape, data, before[::few])

    def by_chain(values: np.ndarray, of: int = chains) -> np.ndarray:
        return values.reshape(of, -1, *values.shape[1:])

    groups = {
        "posterior": named(prepared, {k: by_chain(v) for k, v in every.items()}),
        "sample_stats": xr.Dataset({k: (("chain", "draw"), v) for k, v in draws.statistics.items()}),
        "posterior_predictive": _rows(prepared, by_chain(some["replicated"])),
        "prior": named(prepared, {k: by_chain(v, 1) for k, v in prior.items()}),
        "prior_predictive": _rows(prepared, by_chain(unseen["replicated"], 1)),
        "observed_data": xr.Dataset({shape.response: ("row", measured.response)}, {"row": measured.row}),
        "constant_data": _constants(prepared),
    }
    if thin == 1:
        groups["log_likelihood"] = _log_likelihood(prepared, by_chain(every["log_likelihood"]))
    tree = xr.DataTree.from_dict({name: _numbered(group) for name, group in groups.items()})
    tree.attrs.update({"law": prepared.law.name, "sampling_seconds": draws.seconds})
    return tree


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


def summarise(posterior: Posterior, prob: float = 0.9) -> pd.DataFrame:
    """Table behind `Posterior.summary`."""
    from arviz_stats.base.array import array_stats

    draws, prior = posterior.tree["posterior"].to_dataset(), posterior.tree["prior"].to_dataset()
    low, high = (1 - prob) / 2, (1 + prob) / 2
    single = len(posterior.families) == 1
    support = {p.name: p.support for p in posterior.law.parameters}
    support |= {f"{p.name}_population": p.support for p in posterior.law.parameters}
    support |= {str(name): "positive" for name in draws.data_vars if _is_scale(str(name))}
    table = []
    for name in draws.data_vars:
        if name in ("structure_weights", "correlation_factor"):
            continue
        values, before = draws[name].values, prior[name].values
        cells = values.reshape(*values.shape[:2], -1)
        before = before.reshape(*before.shape[:2], -1)
        labels = posterior.families if "family" in draws[name].dims and not single else [""]
        kind = support.get(str(name), "real")
        rhat = array_stats.rhat(cells, chain_axis=0, draw_axis=1)
        ess = array_stats.ess(cells, chain_axis=0, draw_axis=1)
        for k, label in enumerate(labels):
            x = cells[..., k].ravel()
            row = {
                "quantity": f"{name}[{label}]" if label else str(name),
                "median": np.median(x),
                "sd": x.std(),
            }
            row[f"{100 * low:g} %"], row[f"{100 * high:g} %"] = np.quantile(x, [low, high])
            row["R-hat"], row["ESS"] = float(np.ravel(rhat)[k]), float(np.ravel(ess)[k])
            row["prior share"] = to_free(kind, x).std() / max(to_free(kind, before[..., k]).std(), 1e-300)
            table.append(row)
    return pd.DataFrame(table).set_index("quantity")


def _is_scale(name: str) -> bool:
    scales = ("overdispersion", "structure_scale", "degrees_of_freedom")
    return name.endswith(("_sd", "_spread")) or name in scales


def _numbered(group: xr.Dataset) -> xr.Dataset:
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
    """Pointwise log likelihood of rows, or of whole clusters (runs, configurations) where rows share luck."""
    shape, measured = prepared.shape, prepared.measured
    if shape.clustering == "rows" or shape.noise != "student":
        coords, dim = measured.row, "row"
    else:
        coords, dim = np.arange(int(prepared.data.cluster[: len(measured.response)].max()) + 1), "cluster"
    return xr.Dataset({shape.response: (("chain", "draw", dim), values[..., : len(coords)])}, {dim: coords})


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
