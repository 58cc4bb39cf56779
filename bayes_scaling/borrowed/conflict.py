"""Borrow a prior: put it in place of the law's own, after the new family's first runs have judged it.

The borrowed prior competes with the law's own, vague one. With prior predictive densities m of the first runs
under each, the borrowed one keeps the weight (a robust mixture; Schmidli et al. 2014, Biometrics 70, 1023)::

    w = w0 m_borrowed / (w0 m_borrowed + (1 - w0) m_vague)

and the prior that is used is the normal with the central 90 % intervals of that mixture: a small rest of the
vague part hardly widens it, where its variance would swamp the borrowed one, and half of it is nearly vague.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bayes_scaling.borrowed.model import anchored, noise_terms, tokenizer, with_prior
from bayes_scaling.borrowed.record import STRUCTURE, Prior, PriorError, from_covariance, normal_summary
from bayes_scaling.evaluate import evaluate, prior_latents
from bayes_scaling.law import Z90
from bayes_scaling.layout import Data, Prepared, coordinates
from bayes_scaling.runs import Runs

#: First runs that judge a borrowed prior: enough for level and slope, few enough for plain Monte Carlo.
FIRST = 3
#: Draws from each prior, and how many at a time.
DRAWS, CHUNK = 20_000, 2_000
#: Weight of the borrowed prior before any run is seen.
TRUST = 0.9
#: Below this p-value the text speaks of a conflict. The weight is learnt whatever the p-value.
CONFLICT = 0.05


@dataclass(frozen=True, slots=True)
class Conflict:
    """How a borrowed prior fared on the first runs of a new family, and what became of it.

    Parameters
    ----------
    p_value, vague_p_value : float
        Prior predictive p-values of the first runs, under the borrowed prior and under the law's own: how
        often simulated runs lie as far from the centre (Mahalanobis distance, link scale).
    weight : float
        Weight of the borrowed prior in the mixture, learnt.
    log_bayes_factor, error : float
        Of the borrowed prior over the law's own, and its Monte Carlo standard error.
    runs : int
        Measurements that judged.
    widened : mapping of str to (float, float)
        Term -> its scale as borrowed and as used, on the unconstrained scale.
    used : Prior
        The prior that was used.
    notes : tuple of str
        What could not be checked.
    """

    p_value: float
    vague_p_value: float
    weight: float
    log_bayes_factor: float
    error: float
    runs: int
    widened: Mapping[str, tuple[float, float]]
    used: Prior
    notes: tuple[str, ...] = ()

    @property
    def conflicting(self) -> bool:
        """Whether the first runs are improbable under the borrowed prior."""
        return self.p_value < CONFLICT

    def __str__(self) -> str:
        times = [after / before for before, after in self.widened.values()]
        verdict = "conflicts with" if self.conflicting else "agrees with"
        some = f"{self.runs} measurement{'s' * (self.runs > 1)}"
        text = (
            f"the borrowed prior {verdict} {some} of these runs (p = {self.p_value:.3g}); it keeps "
            f"weight {self.weight:.2g} against the law's own prior, and its scales were multiplied by "
            f"{min(times):.3g} to {max(times):.3g}"
        )
        if self.conflicting and self.vague_p_value < CONFLICT:
            text += (
                f". The law's own prior does not expect these runs either (p = {self.vague_p_value:.3g}): "
                "check their units, and that the law fits them"
            )
        return ". ".join((text, *self.notes))


def borrow(
    prepared: Prepared, prior: Prior, *, trust: float = TRUST, draws: int = DRAWS, seed: int = 0
) -> tuple[Prepared, Conflict]:
    """Put a borrowed prior in place, widened by what the first runs say.

    Parameters
    ----------
    prepared : Prepared
    prior : Prior
    trust : float
        Weight of the borrowed prior before any run is seen, inside (0, 1).
    draws : int
        Draws from each of the two priors.
    seed : int

    Returns
    -------
    Prepared, Conflict

    Raises
    ------
    PriorError
        If the prior is of another law, or in other units.
    """
    if not 0 < trust < 1:
        raise PriorError(f"trust is {trust:g}; expected a weight between 0 and 1, both excluded")
    borrowed = with_prior(prepared, prior)
    # around one and the same anchor, so that parameters mean the same under both
    vague = anchored(prepared, prior.anchor)
    rows = _first(prepared)
    judged = [_predictive(one, rows, draws, seed + k) for k, one in enumerate((borrowed, vague))]
    observed = prepared.data.response[rows]
    p_values = [_p_value(one.replicated, observed) for one in judged]
    (log_borrowed, error), (log_vague, other) = (_log_mean(one.log_density) for one in judged)
    factor = log_borrowed - log_vague
    weight = _weight(trust, factor)
    used = mixed(prior, vague, weight)
    before = {t.name: t.scale for t in prior.terms}
    conflict = Conflict(
        p_value=p_values[0],
        vague_p_value=p_values[1],
        weight=weight,
        log_bayes_factor=factor,
        error=float(np.hypot(error, other)),
        runs=len(rows),
        widened={t.name: (before[t.name], t.scale) for t in used.terms},
        used=used,
        notes=_unchecked(prepared.runs, prior),
    )
    return with_prior(prepared, used), conflict


def mixed(prior: Prior, vague: Prepared, weight: float) -> Prior:
    """The normal with the 90 % intervals of ``weight * prior + (1 - weight) * (the law's own prior)``."""
    data, law = vague.data, vague.law
    several = vague.shape.families > 1
    own: dict[str, tuple[float, float, float]] = {}
    for k, p in enumerate(law.parameters):
        between = data.spread[k] if several and p.pool not in ("shared", "separate") else 0.0
        own[p.name] = (data.location[k], np.hypot(data.scale[k], between), data.spread[k])
    names = noise_terms(vague.shape.noise)[: len(data.noise)]
    own |= {name: (m, s, 0.0) for name, (m, s) in zip(names, data.noise, strict=True)}
    if vague.structure:
        own[STRUCTURE] = (*data.structure, 0.0)
    own = {t.name: own.get(t.name, (t.location, t.scale, t.spread)) for t in prior.terms}
    centre, width, between = (np.array(column, dtype=float) for column in zip(*own.values(), strict=True))
    borrowed = np.array([t.location for t in prior.terms]), np.array([t.scale for t in prior.terms])
    low, high = (_quantile(prob, weight, borrowed, (centre, width)) for prob in (0.05, 0.95))
    scale = (high - low) / (2 * Z90)
    correlation = weight * np.asarray(prior.correlation) + (1 - weight) * np.eye(len(scale))
    covariance = correlation * np.outer(scale, scale)
    differ = np.array([t.spread for t in prior.terms])
    log_spread = weight * np.log(np.maximum(differ, 1e-12)) + (1 - weight) * np.log(
        np.maximum(between, 1e-12)
    )
    spread = np.where(differ > 0, np.minimum(np.exp(log_spread), np.sqrt(np.diagonal(covariance))), 0.0)
    return from_covariance(prior, (low + high) / 2, covariance, spread)


def _quantile(
    prob: float, weight: float, one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Quantile of mixtures of two normals, given by location and scale, by bisection."""
    from scipy.special import ndtr

    far = [(m - 10 * s, m + 10 * s) for m, s in (one, other)]
    low, high = np.minimum(far[0][0], far[1][0]), np.maximum(far[0][1], far[1][1])
    for _ in range(80):
        middle = (low + high) / 2
        below = weight * ndtr((middle - one[0]) / one[1])
        below += (1 - weight) * ndtr((middle - other[0]) / other[1])
        low, high = np.where(below < prob, middle, low), np.where(below < prob, high, middle)
    return (low + high) / 2


def _unchecked(runs: Runs, prior: Prior) -> tuple[str, ...]:
    if prior.units.get("loss") != "nat/token" or (prior.bytes_per_token and tokenizer(runs)):
        return ()
    who = "the prior" if not prior.bytes_per_token else runs.source
    return (f"Whether the tokenizer is the same is not known: {who} does not say bytes_per_token",)


# --- the first runs ----------------------------------------------------------------------------------------


class _Predictive(NamedTuple):
    log_density: np.ndarray  # (S,) of the first runs together
    replicated: np.ndarray  # (S, rows)


def _first(prepared: Prepared) -> np.ndarray:
    """Rows of up to `FIRST` clusters, spread over their scales from the smallest to the largest."""
    measured, data = prepared.measured, prepared.data
    along = coordinates(prepared.law, measured.inputs).sum(axis=1)
    cluster = data.cluster[: len(along)] if prepared.shape.clustering != "rows" else np.arange(len(along))
    order = np.argsort(along, kind="stable")
    # of each cluster the last measurement: the end of a run, not a checkpoint on its way
    last = {int(cluster[i]): int(i) for i in order}
    kept = np.array([i for i in order if last[int(cluster[i])] == i])
    at = np.unique(np.linspace(0, len(kept) - 1, FIRST).round().astype(int))
    return kept[at]


def _predictive(prepared: Prepared, rows: np.ndarray, draws: int, seed: int) -> _Predictive:
    shape, data = prepared.shape, _only(prepared.data, rows)
    parts = []
    for k in range(-(-draws // CHUNK)):
        found = evaluate(
            shape, data, prior_latents(shape, data, CHUNK, 1000 * seed + k), seed=1000 * seed + k
        )
        total = found["log_likelihood"].reshape(CHUNK, -1).sum(axis=1)
        parts.append(_Predictive(np.where(np.isfinite(total), total, -np.inf), found["replicated"][:, rows]))
    return _Predictive(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _only(data: Data, rows: np.ndarray) -> Data:
    """The same arrays with all other rows masked; rows that are far apart do not follow each other."""
    valid = np.zeros_like(data.valid)
    valid[rows] = 1.0
    return data._replace(valid=valid, gap=np.full_like(data.gap, np.inf))


def _log_mean(log_density: np.ndarray) -> tuple[float, float]:
    """Log of the mean density, and its Monte Carlo standard error."""
    top = log_density.max()
    if not np.isfinite(top):
        return -np.inf, 0.0
    weight = np.exp(log_density - top)
    mean = weight.mean()
    return float(top + np.log(mean)), float(weight.std() / mean / np.sqrt(len(weight)))


def _weight(trust: float, log_bayes_factor: float) -> float:
    """Posterior probability of the borrowed prior; one that was never drawn near the runs has none."""
    if np.isnan(log_bayes_factor):
        return 0.0
    odds = np.log(trust) - np.log1p(-trust) + log_bayes_factor
    return float(1 / (1 + np.exp(-np.clip(odds, -700, 700))))


def _p_value(replicated: np.ndarray, observed: np.ndarray) -> float:
    """Mid-p of the Mahalanobis distance from the centre of the replicates; at least half a draw."""
    location, scale, correlation = normal_summary(replicated)
    inverse = np.linalg.inv(correlation)

    def distance(values: Any) -> Any:
        z = (values - location) / np.maximum(scale, 1e-12)
        return np.einsum("...i,ij,...j->...", z, inverse, z)

    simulated, found = distance(replicated), distance(observed)
    return float(max((simulated > found).mean() + (simulated == found).mean() / 2, 0.5 / len(simulated)))
