"""Fit a law to runs, and keep what came of it: draws under ArviZ's names, diagnostics, settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling._memory import require
from bayes_scaling.borrowed.conflict import TRUST, Conflict, borrow
from bayes_scaling.borrowed.model import placed
from bayes_scaling.borrowed.record import Prior
from bayes_scaling.diagnostics import Diagnostics, diagnose, identifiability
from bayes_scaling.engine import Settings, resolved
from bayes_scaling.law import Law, with_priors
from bayes_scaling.laws import law as law_by_name
from bayes_scaling.layout import Prepared, prepare
from bayes_scaling.priors import as_prior
from bayes_scaling.runs import Runs, read_runs
from bayes_scaling.sample import Draws, Progress, ready, sample
from bayes_scaling.structure import DEFAULT, Structure
from bayes_scaling.supports import to_free
from bayes_scaling.tree import MOST_NUMBERS, PRIOR_DRAWS, named, numbered, prior_groups, quantities, to_tree

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
            One row per quantity and family; ``prior share`` is the width of the central 90 % interval as a
            part of the prior's (unconstrained scale; log, if a derived quantity is positive in all draws):
            near 1, the number is the prior's and not the data's.
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
    with ThreadPoolExecutor(1) as beside:
        beside.submit(import_module, "arviz_stats.base.array")  # what judges the draws is long in loading
        ready(prepared.shape, prepared.data, resolved(settings, prepared.shape))
        # drawing the prior, and compiling what names draws, takes as long as many a fit: while the chains run
        before = beside.submit(prior_groups, prepared, settings.seed)

        def judge(prepared: Prepared, draws: Draws, settings: Settings) -> Posterior:
            return from_draws(prepared, draws, settings, before.result())

        found = settled(prepared, settings, judge, progress=progress)
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


def from_draws(
    prepared: Prepared,
    draws: Draws,
    settings: Settings | None = None,
    prior: Mapping[str, xr.Dataset] | None = None,
) -> Posterior:
    """Judge draws and give them names; the prior's groups (`prior_groups`) may be there already."""
    settings = settings or Settings()
    prior = prior_groups(prepared, settings.seed) if prior is None else prior
    return _judged(prepared, draws, settings, to_tree(prepared, draws, settings, prior))


def lean(prepared: Prepared, draws: Draws, settings: Settings) -> Posterior:
    """A posterior that can forecast and nothing else: of its groups only ``posterior`` is there."""
    values = quantities(prepared, draws.latents, rows=False)
    tree = xr.DataTree.from_dict({"posterior": numbered(named(prepared, values))})
    return _judged(prepared, draws, settings, tree)


def _judged(prepared: Prepared, draws: Draws, settings: Settings, tree: xr.DataTree) -> Posterior:
    diagnostics = diagnose(
        draws.latents,
        draws.statistics,
        max_tree_depth=settings.max_tree_depth,
        restarted=draws.restarted,
        interrupted=draws.interrupted,
        moved=draws.moved,
    )
    report = identifiability(prepared)
    return Posterior(prepared.law, prepared.runs, prepared, tree, diagnostics, report, settings)


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
        positive = (values > 0).all() and (before > 0).all()
        kind = support.get(str(name), "positive" if positive else "real")
        with np.errstate(divide="ignore", invalid="ignore"):  # a yes or no may be the same in all draws
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
            row["prior share"] = _width(kind, x) / max(_width(kind, before[..., k]), 1e-300)
            table.append(row)
    return pd.DataFrame(table).set_index("quantity")


def _width(kind: str, draws: np.ndarray) -> float:
    """Width of the central 90 % interval on the unconstrained scale."""
    low, high = np.quantile(to_free(kind, draws), [0.05, 0.95])
    return float(high - low)


def _is_scale(name: str) -> bool:
    scales = ("overdispersion", "structure_scale", "degrees_of_freedom")
    return name.endswith(("_sd", "_spread")) or name in scales


def thinned_posterior(posterior: Posterior, count: int, rng: np.random.Generator | None = None) -> Posterior:
    """The same posterior with that many of its draws as one chain: evenly spaced, or at random."""
    draws = posterior.tree["posterior"].to_dataset()
    size = draws.sizes["chain"] * draws.sizes["draw"]
    if rng is None:
        kept = np.linspace(0, size - 1, min(count, size)).round().astype(int)
    else:
        kept = np.concatenate([rng.permutation(size) for _ in range(-(-count // size))])[:count]
    chain, draw = np.divmod(kept, draws.sizes["draw"])
    at = {"chain": xr.DataArray(chain, dims="kept"), "draw": xr.DataArray(draw, dims="kept")}
    few = draws.isel(at).drop_vars(["chain", "draw"], errors="ignore")
    few = few.rename(kept="draw").expand_dims("chain")
    return replace(posterior, tree=xr.DataTree.from_dict({"posterior": few}))
