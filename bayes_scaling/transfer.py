"""From a hierarchical posterior, a prior for a family that nobody has measured.

`transfer` marginalises the population of the families that were fitted; `regress_families` lets it depend on
what is known of a family (data recipe, architecture); `common_tokenizer` makes losses of different tokenizers
comparable first. `bayes_scaling.fit` updates the prior by the new family's first runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.borrowed.model import noise_terms, structure_of, tokenizer, units_of
from bayes_scaling.borrowed.record import (
    STRUCTURE,
    Anchor,
    Prior,
    PriorError,
    Term,
    normal_summary,
    parameter_term,
    rows_of,
)
from bayes_scaling.covariates import design, regress
from bayes_scaling.forecast import DiagnosticsRefused
from bayes_scaling.model import LEAST_DF, SPREAD_SD
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import NEW, family_draws
from bayes_scaling.runs import Runs, assemble
from bayes_scaling.supports import Support, to_free

__all__ = ["common_tokenizer", "regress_families", "transfer"]

#: Supports of the terms of `layout.NOISE` and of the overdispersion.
_SUPPORT: Mapping[str, Support] = {
    "total": "positive",
    "seed_slope": "real",
    "seed_share": "unit",
    "tail": "positive",
    "checkpoint": "positive",
    "memory": "unit",
    "overdispersion": "positive",
}


def transfer(
    posterior: Posterior,
    *,
    anchored: bool = True,
    title: str = "",
    sources: tuple[str, ...] = (),
    seed: int = 0,
    allow_failed: bool = False,
) -> Prior:
    """The prior of a new family: the population of the fitted families, its own uncertainty included.

    Parameters
    ----------
    posterior : Posterior
        Of several families, best; of one family, how families differ is the law's own prior.
    anchored : bool
        For laws that are centred on the data: ``True`` keeps the centre, for new runs of the same quantity in
        the same unit; ``False`` makes the prior relative to the centre of whatever table it is used on.
    title : str
    sources : tuple of str
        Where the runs come from, for `Prior.provenance`.
    seed : int
    allow_failed : bool
        Go on although the diagnostics failed.

    Returns
    -------
    Prior

    Raises
    ------
    DiagnosticsRefused
        If the posterior failed its diagnostics.
    PriorError
        If its families have different tokenizers.
    """
    if not posterior.diagnostics.passed and not allow_failed:
        raise DiagnosticsRefused(
            f"a posterior that failed its diagnostics makes no prior:\n{posterior.diagnostics}\n"
            "mend it, or say allow_failed=True"
        )
    prepared, law = posterior.prepared, posterior.law
    theta = family_draws(
        posterior, posterior.tree["posterior"].to_dataset(), NEW, np.random.default_rng(seed)
    ).theta
    columns = {p.name: to_free(p.support, theta[:, k]) for k, p in enumerate(law.parameters)}
    columns |= _noise_draws(posterior)
    draws = np.stack(list(columns.values()), axis=1)
    location, scale, correlation = normal_summary(draws[np.isfinite(draws).all(axis=1)])
    terms = []
    for k, name in enumerate(columns):
        m, s = float(location[k]), float(scale[k])
        if k < len(law.parameters):
            terms.append(parameter_term(law.parameters[k], m, s, _spread(posterior, k)))
        else:
            support = _SUPPORT.get(name.rpartition(".")[2], "positive")
            terms.append(Term(name, support, m, s))
    data = prepared.data
    centred = law.predicts.centre == "data" or any(i.centre == "data" for i in law.inputs)
    anchor = Anchor(dict(prepared.centres), float(data.shift), float(data.stretch))
    return Prior(
        law=law.name,
        terms=tuple(terms),
        correlation=rows_of(correlation),
        units=units_of(prepared),
        anchor=anchor if centred and anchored else None,
        structure=structure_of(prepared, anchored=anchored or not centred) if prepared.structure else None,
        bytes_per_token=tokenizer(posterior.runs),
        title=title,
        provenance=_provenance(posterior, sources),
        version=metadata.version("bayes_scaling"),
    )


def regress_families(
    posterior: Posterior,
    covariates: Mapping[str, Mapping[str, Any]] | pd.DataFrame,
    at: Mapping[str, Any],
    *,
    seed: int = 0,
    allow_failed: bool = False,
) -> Prior:
    """The prior of a new family with known covariates: a regression on the level of the families.

    For each parameter that differs between families, on its unconstrained scale::

        theta_f = x_f beta + Normal(0, sigma),    theta_f measured with error s_f

    where value and error of a family are those of its runs alone: the pull of the population is taken out of
    its posterior first, or it would flatten the slopes. beta has the law's own prior, with slopes as wide as
    the intercept per standard deviation of a covariate; given sigma all is conjugate, and sigma is summed
    out over a grid. Correlations between parameters stay those of `transfer`.

    Parameters
    ----------
    posterior : Posterior
        Of several families.
    covariates : mapping of family to mapping of covariate to value, or DataFrame indexed by family
        Numbers are standardised; text (a recipe, an architecture) becomes indicators.
    at : mapping of covariate to value
        Of the new family.
    seed, allow_failed
        As in `transfer`.

    Returns
    -------
    Prior

    Raises
    ------
    PriorError
        If there are fewer families than columns plus three, a family or covariate is missing, a covariate is
        the same everywhere, or the new family has a level that no family has.
    """
    base = transfer(posterior, seed=seed, allow_failed=allow_failed)
    x, new = design(posterior.families, covariates, at)
    law, data = posterior.law, posterior.prepared.data
    draws = posterior.tree["posterior"].to_dataset()
    terms = list(base.terms)
    for k in posterior.prepared.shape.pooled:
        p = law.parameters[k]
        if p.pool == "separate":
            continue
        own = to_free(p.support, draws[p.name].values.reshape(-1, len(posterior.families)))
        centre = to_free(p.support, draws[f"{p.name}_population"].values.ravel())
        spread = draws[f"{p.name}_spread"].values.ravel()
        own_prior = (float(data.location[k]), float(data.scale[k]), float(data.spread[k]))
        location, scale, left = regress(own, centre, spread, x, new, own_prior, SPREAD_SD)
        terms[k] = replace(terms[k], location=location, scale=scale, spread=min(left, scale))
    known = {name: value if isinstance(value, str) else float(value) for name, value in at.items()}
    return replace(base, terms=tuple(terms), provenance={**base.provenance, "covariates": known})


def common_tokenizer(runs: Runs, bytes_per_token: float | None = None) -> Runs:
    """Losses and tokens as one reference tokenizer would count them, bits per byte unchanged.

    A token of another tokenizer is another amount of text: with ``r`` its bytes per token over the
    reference's, losses are divided and numbers of tokens multiplied by ``r``. So a loss stays proportional to
    bits per byte, and a number of tokens to bytes of text.

    Parameters
    ----------
    runs : Runs
        With a column ``bytes_per_token``, complete.
    bytes_per_token : float, optional
        Of the reference; by default the geometric mean over the families.

    Returns
    -------
    Runs

    Raises
    ------
    PriorError
        If the column is missing or incomplete.
    """
    table = runs.table
    if "bytes_per_token" not in table:
        raise PriorError(
            f"{runs.source} has no column bytes_per_token: without it losses per token of different "
            "tokenizers cannot be compared"
        )
    size = table["bytes_per_token"].to_numpy(dtype=float)
    lost = np.flatnonzero(~np.isfinite(size))
    if lost.size:
        raise PriorError(f"bytes_per_token is missing in {lost.size} of {len(table)} rows of {runs.source}")
    if bytes_per_token is None:
        groups = table["family"] if "family" in table else pd.Series("all", index=table.index)
        bytes_per_token = float(np.exp(pd.Series(np.log(size)).groupby(groups.to_numpy()).mean().mean()))
    if not (np.isfinite(bytes_per_token) and bytes_per_token > 0):
        raise PriorError(f"bytes_per_token is {bytes_per_token!r}; expected a positive number")
    ratio = size / bytes_per_token
    changed = {c: table[c] / ratio for c, unit in runs.units.items() if unit == "nat/token" and c in table}
    changed |= {c: table[c] * ratio for c, unit in runs.units.items() if unit == "token" and c in table}
    table = table.assign(**changed, bytes_per_token=bytes_per_token)
    note = f"losses and tokens are those of a tokenizer with {bytes_per_token:.4g} bytes per token"
    return assemble(table, runs.units, runs.schedules, (*runs.warnings, note), runs.source)


def _noise_draws(posterior: Posterior) -> dict[str, np.ndarray]:
    """Draws of the noise and of the discrepancy's scale, unconstrained, by term."""
    prepared = posterior.prepared
    draws = posterior.tree["posterior"].to_dataset()

    def column(name: str) -> np.ndarray:
        return draws[name].values.ravel()

    if prepared.shape.noise != "student":
        values = [np.log(column("overdispersion"))]
    else:
        stretch = float(prepared.data.stretch)
        seed, misfit = column("seed_sd") / stretch, column("misfit_sd") / stretch
        slope, ratio = column("seed_slope") * stretch, 2 * (np.log(seed) - np.log(misfit))
        values = [np.log(np.hypot(seed, misfit)), slope, ratio]
        values.append(np.log(column("degrees_of_freedom") - LEAST_DF))
        if "checkpoint_sd" in draws:
            values.append(np.log(column("checkpoint_sd") / stretch))
            values.append(to_free("unit", column("checkpoint_correlation")))
    names = noise_terms(prepared.shape.noise)[: len(values)]
    out = dict(zip(names, values, strict=True))
    if "structure_scale" in draws:
        out[STRUCTURE] = np.log(column("structure_scale"))
    return out


def _spread(posterior: Posterior, k: int) -> float:
    """Posterior median of the spread between families of parameter k; 0 for what they share."""
    p, shape = posterior.law.parameters[k], posterior.prepared.shape
    if p.pool in ("shared", "separate"):
        return 0.0
    if k not in shape.pooled:
        return float(posterior.prepared.data.spread[k])
    draws = posterior.tree["posterior"].to_dataset()
    return float(np.median(draws[f"{p.name}_spread"].values))


def _provenance(posterior: Posterior, sources: tuple[str, ...]) -> dict[str, Any]:
    measured = posterior.prepared.measured
    counts = np.bincount(measured.family, minlength=len(measured.families))
    reach = {
        name: [float(values.min()), float(values.max())]
        for name, values in measured.inputs.items()
        if values.ndim == 1
    }
    return {
        "sources": list(sources) or [PurePath(posterior.runs.source).name],
        "families": {name: int(n) for name, n in zip(measured.families, counts, strict=True)},
        "ranges": reach,
        "diagnostics": str(posterior.diagnostics).splitlines()[0],
        "data_hash": posterior.runs.hash,
    }
