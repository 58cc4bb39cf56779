"""Posterior draws at new inputs: the law's curve, its discrepancy, and the luck around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from bayes_scaling.layout import Shape, bucket, coordinates
from bayes_scaling.model import SPREAD_SD, displaced, predict_rows, unit_of
from bayes_scaling.observe import bounded, link_numpy, slope_numpy, unlink_numpy
from bayes_scaling.posterior import Posterior
from bayes_scaling.runs import NEW as NEW
from bayes_scaling.structure import features, residual_factor
from bayes_scaling.supports import from_free, to_free

Target = Literal["mean", "new_run", "measurement"]

#: Student-t noise with fewer degrees of freedom counts as this many in variances (never in draws).
LEAST_VARIANCE_DF = 2.1


class Curves(NamedTuple):
    """Predictions of S draws at m plans, on the link scale."""

    bare: np.ndarray  # (S, m) the law alone
    eta: np.ndarray  # (S, m) with its structural discrepancy


class LinkNoise(NamedTuple):
    """Standard deviations around the curve on the link scale, and the tail; (S, m) or (S, 1)."""

    seed: np.ndarray
    misfit: np.ndarray
    error: np.ndarray
    df: np.ndarray


def predict(
    posterior: Posterior,
    inputs: Mapping[str, np.ndarray],
    families: Sequence[str],
    rng: np.random.Generator,
) -> Curves:
    """Curves at new inputs, drawn jointly.

    Parameters
    ----------
    posterior : Posterior
    inputs : mapping of str to array
        Shape (m,) each; schedules (m, K, 2).
    families : sequence of str
        Family of each plan; ``"new"`` draws one new family, the same for all such plans.
    """
    prepared = posterior.prepared
    draws = posterior.tree["posterior"].to_dataset()
    own = {name: family_draws(posterior, draws, name, rng) for name in dict.fromkeys(families)}
    theta = np.stack([own[name].theta for name in families], axis=1)
    delta = np.zeros(theta.shape[:2])
    if prepared.marks is not None:
        at = coordinates(prepared.law, inputs) - prepared.marks.centre
        phi, _ = features(prepared.marks, at)
        root = residual_factor(prepared.marks, at, phi)
        scale = draws["structure_scale"].values.reshape(-1, 1)
        for name, family in own.items():
            mine = [j for j, f in enumerate(families) if f == name]
            loose = rng.standard_normal((len(theta), root.shape[1])) @ root.T
            delta[:, mine] = (family.weights @ phi.T + scale * loose)[:, mine]
        delta = delta * float(prepared.data.stretch)
    return _evaluate(posterior, inputs, theta, delta)


class _Family(NamedTuple):
    theta: np.ndarray  # (S, P) constrained
    weights: np.ndarray  # (S, R) of the discrepancy's features


def family_draws(posterior: Posterior, draws: xr.Dataset, name: str, rng: np.random.Generator) -> _Family:
    """Parameters of a measured family, or of a new one drawn around the population."""
    prepared = posterior.prepared
    shape, law, data = prepared.shape, prepared.law, prepared.data
    weights = np.zeros((draws.sizes["chain"] * draws.sizes["draw"], 0))
    if name != NEW:
        chosen = draws.sel(family=name)
        theta = np.stack([chosen[p.name].values.ravel() for p in law.parameters], axis=1)
        if shape.rank:
            weights = chosen["structure_weights"].values.reshape(-1, shape.rank)
        return _Family(theta, weights)
    size = len(weights)
    z = rng.standard_normal((size, len(law.parameters)))
    if shape.correlate:
        factor = draws["correlation_factor"].values.reshape(size, len(shape.pooled), -1)
        z[:, list(shape.pooled)] = np.einsum("sij,sj->si", factor, z[:, list(shape.pooled)])
    columns = []
    for k, p in enumerate(law.parameters):
        first = draws[p.name].isel(family=0).values.ravel()
        if p.pool == "shared":
            columns.append(first)
            continue
        if p.pool == "separate":
            centre, spread = np.full(size, data.location[k]), np.full(size, data.scale[k])
        elif k in shape.pooled:
            centre = to_free(p.support, draws[f"{p.name}_population"].values.ravel())
            spread = draws[f"{p.name}_spread"].values.ravel()
        else:  # one family was fitted: how families differ is the prior's
            centre, spread = (
                to_free(p.support, first),
                data.spread[k] * np.exp(SPREAD_SD * rng.standard_normal(size)),
            )
        columns.append(np.asarray(from_free(p.support, centre + spread * z[:, k])))
    weights = rng.standard_normal((size, shape.rank))
    if shape.rank:
        weights = weights * draws["structure_scale"].values.reshape(-1, 1)
    return _Family(np.stack(columns, axis=1), weights)


def _evaluate(
    posterior: Posterior, inputs: Mapping[str, np.ndarray], theta: np.ndarray, delta: np.ndarray
) -> Curves:
    """The law at m plans for S draws, padded so that one compiled program serves any number of plans."""
    prepared = posterior.prepared
    m = theta.shape[1]
    extra = bucket(m) - m
    columns = []
    for i in prepared.law.inputs:
        x = inputs[i.name] if i.kind == "schedule" else inputs[i.name] / prepared.centres[i.name]
        columns.append(np.concatenate([x, np.repeat(x[-1:], extra, axis=0)]))
    theta = np.concatenate([theta, np.repeat(theta[:, -1:], extra, axis=1)], axis=1)
    delta = np.concatenate([delta, np.zeros((len(delta), extra))], axis=1)
    with jax.enable_x64(True):
        bare, eta = _program(prepared.shape)(
            tuple(columns), theta, delta, prepared.data.shift, prepared.data.stretch, prepared.data.base
        )
    return Curves(np.asarray(bare)[:, :m], np.asarray(eta)[:, :m])


@lru_cache(maxsize=128)
def _program(shape: Shape) -> Any:
    def one(inputs: Any, theta: Any, delta: Any, shift: Any, stretch: Any, base: Any) -> tuple[Any, Any]:
        rows = list(theta.T)
        bare = shift + stretch * predict_rows(shape, inputs, jnp.arange(len(delta)), rows)
        unit = unit_of(shape, stretch)
        return bounded(bare, shift, unit), bounded(displaced(bare, delta, base), shift, unit)

    return jax.jit(jax.vmap(one, in_axes=(None, 0, 0, None, None, None)))


def noise_at(
    posterior: Posterior, curves: Curves, plans: Sequence[Mapping[str, Any]], error: float | None
) -> LinkNoise:
    """Noise around the curves: seed, misfit of a configuration, evaluation; zero for counts."""
    prepared = posterior.prepared
    draws = posterior.tree["posterior"].to_dataset()
    zero = np.zeros((len(curves.eta), 1))
    if prepared.shape.noise != "student":
        return LinkNoise(zero, zero, zero, zero)

    def column(name: str) -> np.ndarray:
        return draws[name].values.reshape(-1, 1)

    furthest = 3.0 * float(prepared.data.stretch)
    away = np.clip(curves.eta - float(prepared.data.reference), -furthest, furthest)
    seed = column("seed_sd") * np.exp(column("seed_slope") * away)
    if "checkpoint_sd" in draws:
        seed = np.sqrt(seed**2 + column("checkpoint_sd") ** 2)
    relative = prepared.data.error[prepared.data.error > 0]
    typical = float(np.median(relative)) if relative.size else 0.0
    mean = unlink_numpy(prepared.shape.link, curves.eta)
    given = (
        np.abs(error / slope_numpy(prepared.shape.link, mean))
        if error is not None
        else np.full_like(mean, typical)
    )
    return LinkNoise(seed, column("misfit_sd"), given, column("degrees_of_freedom"))


def spread_out(
    posterior: Posterior,
    curves: Curves,
    noise: LinkNoise,
    target: Target,
    rng: np.random.Generator,
    *,
    trials: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draws of the target (S, m) in the response's unit, and the split of its variance (m,) each.

    Counts of successes are rates; ``trials`` (m,) are the table's median by default.

    What the curve's variance owes to the parameters is what a linear regression on the bare law explains; the
    rest, and the misfit of single configurations, is structure. Noise enters to first order.
    """
    link, kind = posterior.prepared.shape.link, posterior.prepared.shape.noise
    mean = unlink_numpy(link, curves.eta)
    explained = squared_correlation(curves.bare, curves.eta)
    total = mean.var(axis=0)
    none = np.zeros(mean.shape[1])
    variance = {
        "parameter": explained * total,
        "structure": (1 - explained) * total,
        "seed": none,
        "evaluation": none,
    }
    if target == "mean":
        return mean, variance
    if kind == "negative_binomial":
        return _events(posterior, mean, variance, target, rng)
    if kind == "beta_binomial":
        return _counts(posterior, mean, variance, target, rng, trials)
    slope = slope_numpy(link, mean) ** 2 * (1 + 2 / np.maximum(noise.df - 2, LEAST_VARIANCE_DF - 2))
    variance["structure"] = variance["structure"] + _typical_mean(slope * noise.misfit**2)
    variance["seed"] = _typical_mean(slope * noise.seed**2)
    scale = noise.misfit**2 + noise.seed**2
    if target == "measurement":
        variance["evaluation"] = _typical_mean(slope * noise.error**2)
        scale = scale + noise.error**2
    tail = np.sqrt(noise.df / rng.chisquare(np.broadcast_to(noise.df, mean.shape)))
    return unlink_numpy(link, curves.eta + rng.standard_normal(mean.shape) * tail * np.sqrt(scale)), variance


def _counts(
    posterior: Posterior,
    p: np.ndarray,
    variance: dict[str, np.ndarray],
    target: Target,
    rng: np.random.Generator,
    trials: np.ndarray | None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Success rates: overdispersion is the seed's part, a finite number of trials the evaluation's."""
    over = posterior.tree["posterior"].to_dataset()["overdispersion"].values.reshape(-1, 1) + 1e-9
    p = np.clip(p, 1e-6, 1 - 1e-6)
    variance["seed"] = (p * (1 - p) * over / (1 + over)).mean(axis=0)
    rate = rng.beta(p / over, (1 - p) / over)
    if target == "new_run":
        return rate, variance
    if trials is None:
        trials = np.full(p.shape[1], np.median(posterior.prepared.measured.trials))
    trials = np.asarray(trials, int)
    variance["evaluation"] = (p * (1 - p) / (1 + over) / trials).mean(axis=0)
    return rng.binomial(trials, rate) / trials, variance


def _events(
    posterior: Posterior,
    mean: np.ndarray,
    variance: dict[str, np.ndarray],
    target: Target,
    rng: np.random.Generator,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Numbers of events: overdispersion is the seed's part, Poisson counting the evaluation's."""
    over = posterior.tree["posterior"].to_dataset()["overdispersion"].values.reshape(-1, 1) + 1e-9
    variance["seed"] = _typical_mean(over * mean**2)
    rate = rng.gamma(1 / over, np.clip(mean, 1e-9, 1e15) * over)
    if target == "new_run":
        return rate, variance
    variance["evaluation"] = _typical_mean(mean)
    return rng.poisson(rate).astype(float), variance


def _typical_mean(values: np.ndarray) -> np.ndarray:
    """Mean over draws, the largest half per cent cut to its edge: one wild new family must not decide it."""
    return np.minimum(values, np.quantile(values, 0.995, axis=0)).mean(axis=0)


def squared_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared correlation (m,) of the columns of curves (S, m); 1 where they are the same or do not vary.

    Of bare and whole curves it is the part of the variance that the law's parameters explain.
    """
    if a is b or np.array_equal(a, b):
        return np.ones(a.shape[1])
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    power = (a**2).mean(axis=0) * (b**2).mean(axis=0)
    r2 = (a * b).mean(axis=0) ** 2 / np.maximum(power, 1e-300)
    return np.where(power > 0, np.minimum(r2, 1.0), 1.0)


def log_density(
    posterior: Posterior, curves: Curves, noise: LinkNoise, observed: np.ndarray, trials: np.ndarray
) -> np.ndarray:
    """Log posterior predictive density (m,) of measurements, in the response's unit; of counts, log mass.

    The mean over draws of the density around each draw's curve, without smoothing.
    """
    from scipy import stats

    link, kind = posterior.prepared.shape.link, posterior.prepared.shape.noise
    if kind == "student":
        scale = np.sqrt(noise.seed**2 + noise.misfit**2 + noise.error**2)
        density = stats.t.logpdf(link_numpy(link, observed), noise.df, curves.eta, scale)
        each = density - np.log(np.abs(slope_numpy(link, observed)))
    else:
        over = posterior.tree["posterior"].to_dataset()["overdispersion"].values.reshape(-1, 1) + 1e-9
        mean = unlink_numpy(link, curves.eta)
        if kind == "beta_binomial":
            p = np.clip(mean, 1e-6, 1 - 1e-6)
            each = stats.betabinom.logpmf(observed, trials, p / over, (1 - p) / over)
        else:
            each = stats.nbinom.logpmf(observed, 1 / over, 1 / (1 + over * np.clip(mean, 1e-9, 1e15)))
    top = each.max(axis=0)
    return top + np.log(np.exp(each - top).mean(axis=0))
