"""The hierarchical NumPyro model, written once for every law.

For run i of family f at inputs x, with the law's function m and its link g::

    eta_i   = shift + stretch * m(x_i; theta_f) + delta_f(x_i)
    theta_f : unconstrained ~ Normal(location, spread)       (pooled parameters; location and spread learnt)
    delta_f : structural discrepancy, features(x) . weights_f (structure.py)
    y_i     = g^-1(eta_i + noise_i)                          (observe.py)
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from bayes_scaling import observe
from bayes_scaling.law import unlink
from bayes_scaling.layout import Data, Shape
from bayes_scaling.structure import LEAST_MOVED
from bayes_scaling.supports import TO_SUPPORT

#: The Student-t tail: degrees of freedom are this plus a log-normal, so that the variance is finite.
LEAST_DF = 2.0

#: Standard deviation of the log of the spread between families. A log-normal keeps it off zero, where the
#: posterior of a hierarchy has a funnel (Chung et al. 2013, "A nondegenerate penalized likelihood
#: estimator").
SPREAD_SD = 0.8


#: Standard deviation of a count on the link scale, about; only coordinates of the sampler depend on it.
TYPICAL_COUNT_NOISE = 0.2


class Population(NamedTuple):
    """What all families share: one draw of the upper level of the hierarchy."""

    location: Any  # (P,) unconstrained; for a "separate" parameter its prior mean
    factor: Any  # (p, p): effects of a family are ``factor @ z`` with z unit normal
    noise: Any  # terms of `layout.NOISE`, or the log of the overdispersion
    structure_scale: Any  # ()


def hierarchical(shape: Shape, data: Data) -> None:
    """The NumPyro model of one table of runs (module docstring)."""
    upper = population(shape, data)
    own = delta = None
    if shape.pooled:
        with (
            numpyro.plate("families", shape.families, dim=-2),
            numpyro.plate("pooled", len(shape.pooled), dim=-1),
        ):
            own = numpyro.sample("family", dist.Normal(*family_prior(shape, data, upper)))
    theta = constrained(shape, family_latents(shape, data, upper, own))
    eta = expected(shape, data, theta)
    if shape.rank:
        centre, width = conditional_weights(shape, data, eta, upper)
        with numpyro.plate("families", shape.families, dim=-2), numpyro.plate("basis", shape.rank, dim=-1):
            z = numpyro.sample(
                "structure_family", dist.Normal(-centre / width, upper.structure_scale / width)
            )
        weights = centre + width * z
        numpyro.deterministic("structure_weights", jnp.einsum("frs,fs->fr", data.rotation, weights))
        delta = sum(data.features[:, r] * w for r, w in enumerate(of_rows(weights, data.family)))
        eta = displaced(eta, delta, data.base)
    numpyro.deterministic("theta", theta)
    numpyro.deterministic("eta", eta)
    independent = shape.clustering == "rows" or shape.noise != "student"
    with numpyro.plate("rows", data.response.shape[0]) if independent else nullcontext():
        numpyro.sample(shape.response, likelihood(shape, data, eta, upper.noise), obs=data.response)


def population(shape: Shape, data: Data) -> Population:
    """Sample the upper level: population means, spreads between families, noise, scale of the discrepancy."""
    with numpyro.plate("parameters", len(shape.names)):
        location = numpyro.sample("location", dist.Normal(data.location, data.scale))
    pooled = np.array(shape.pooled, dtype=int)
    factor = jnp.zeros((0, 0))
    if pooled.size:
        with numpyro.plate("pooled", pooled.size):
            log_spread = numpyro.sample("log_spread", dist.Normal(jnp.log(data.spread[pooled]), SPREAD_SD))
        separate = np.array([shape.pools[k] == "separate" for k in pooled])
        spread = jnp.where(separate, data.scale[pooled], jnp.exp(log_spread))
        numpyro.deterministic("spread", spread)
        factor = jnp.diag(spread)
        if shape.correlate:
            lower = numpyro.sample("correlation_factor", dist.LKJCholesky(pooled.size, 2.0))
            factor = spread[:, None] * lower
    own = np.array([pool == "separate" and shape.families > 1 for pool in shape.pools])
    location = jnp.where(own, data.location, location)
    with numpyro.plate("noise_terms", len(data.noise)):
        noise = numpyro.sample("noise", dist.Normal(data.noise[:, 0], data.noise[:, 1]))
    scale = jnp.zeros(())
    if shape.rank:
        scale = jnp.exp(numpyro.sample("log_structure", dist.Normal(data.structure[0], data.structure[1])))
        numpyro.deterministic("structure_scale", scale)
    return Population(location, factor, noise, scale)


def family_prior(shape: Shape, data: Data, upper: Population) -> tuple[Any, Any]:
    """Location and scale of the latents of the families, each (F, p), between non-centred and centred.

    A family with few runs is best sampled non-centred (0), one that its runs pin down centred (1). Between
    them ``theta = location + spread^(1 - c) (x - c location)`` with ``x ~ Normal(c location, spread^c)`` is
    the same prior (Gorinova, Moore, Hoffman 2019, arXiv:1906.03028).
    """
    if shape.correlate:
        return jnp.zeros((shape.families, len(shape.pooled))), 1.0
    share = data.centring[:, None]
    return share * upper.location[np.array(shape.pooled)], jnp.diagonal(upper.factor) ** share


def family_latents(shape: Shape, data: Data, upper: Population, own: Any) -> Any:
    """Unconstrained parameters of the families, shape (F, P)."""
    latent = jnp.broadcast_to(upper.location, (shape.families, len(shape.names)))
    if own is None:
        return latent
    pooled = np.array(shape.pooled)
    centre, _ = family_prior(shape, data, upper)
    if shape.correlate:
        return latent.at[:, pooled].add(own @ upper.factor.T)
    spread = jnp.diagonal(upper.factor) ** (1 - data.centring[:, None])
    return latent.at[:, pooled].add(spread * (own - centre))


def conditional_weights(shape: Shape, data: Data, eta: Any, upper: Population) -> tuple[Any, Any]:
    """Centre and width (F, R) of the discrepancy's weights given the law's curve, for Gaussian noise.

    On the log of the part that it moves a discrepancy is linear; in a basis that makes the features of a
    family orthogonal, regression of the residuals on them has a closed form. The model samples ``z`` with
    ``weights = centre + width z``, whose prior ``z ~ Normal(-centre / width, scale / width)`` is
    ``weights ~ Normal(0, scale)``; given the data z is close to unit normal whatever the law's parameters and
    scales are, so that the posterior has no funnel and no narrow ridge along what the discrepancy makes up
    for. The Student-t noise counts by its Fisher information.
    """
    _, moved = _parts(eta, data.base)
    gap = (data.target - eta - moved) * data.valid
    noise = TYPICAL_COUNT_NOISE**2
    if shape.noise == "student":
        df = LEAST_DF + jnp.exp(upper.noise[3])
        noise = jnp.exp(2 * upper.noise[0]) * data.stretch**2 * (df + 3) / (df + 1)
    rows = data.projected * gap[:, None]
    if shape.families == 1:
        needed = rows.sum(axis=0, keepdims=True)
    else:
        needed = jax.ops.segment_sum(rows, data.family, shape.families)
    precision = data.gram + noise / upper.structure_scale**2
    return needed / precision, jnp.sqrt(noise / precision)


def constrained(shape: Shape, latent: Any) -> Any:
    """Map unconstrained parameters (..., P) into their supports."""
    if len(set(shape.supports)) == 1:
        return TO_SUPPORT[shape.supports[0]](latent)
    columns = [TO_SUPPORT[support](latent[..., k]) for k, support in enumerate(shape.supports)]
    return jnp.stack(columns, axis=-1)


def of_rows(table: Any, family: Any) -> list[Any]:
    """Columns of a table (F, K), picked for each row; scalars if there is one family (no slow gather)."""
    return [column[0] if len(column) == 1 else column[family] for column in table.T]


def expected(shape: Shape, data: Data, theta: Any) -> Any:
    """Link-scale prediction of every row, shape (n,), from parameters (F, P); rows at one point share it."""
    inputs, schedule, family = data.inputs, data.schedule, data.family
    repeated = len(data.points) < len(data.point)
    if repeated:
        schedule, family = schedule[data.points], family[data.points]
        inputs = tuple(
            x if whole else x[data.points] for x, whole in zip(inputs, shape.schedules, strict=True)
        )
    eta = data.shift + data.stretch * predict_rows(shape, inputs, schedule, of_rows(theta, family))
    eta = observe.bounded(eta, data.shift, unit_of(shape, data.stretch))
    return eta[data.point] if repeated else eta


def unit_of(shape: Shape, stretch: Any) -> Any:
    """What counts as one on the link scale: the stretch of a real response, which may be in any unit."""
    return stretch if shape.link == "identity" else 1.0


def predict_rows(shape: Shape, inputs: tuple[Any, ...], schedule: Any, rows: list[Any]) -> Any:
    """The law's function over rows: inputs (n,) or schedules picked by row, parameters (n,) or scalar."""
    columns = tuple(
        x[schedule] if is_schedule else x for x, is_schedule in zip(inputs, shape.schedules, strict=True)
    )
    values = dict(zip(shape.names, rows, strict=True))
    axes = {name: 0 if jnp.ndim(value) else None for name, value in values.items()}
    return jax.vmap(lambda xs, v: shape.predictor(*xs, **v), in_axes=(0, axes))(columns, values)


def displaced(eta: Any, delta: Any, base: Any) -> Any:
    """Move predictions on the link scale by a discrepancy (n,).

    Of a positive response, the part above ``exp(base)`` is multiplied by ``exp(delta)``: a loss drifts the
    less the nearer it is to what cannot be reduced. Without a base, delta adds to the link scale.
    """
    kept, moved = _parts(eta, base)
    return eta + jnp.logaddexp(kept, moved + delta)


def _parts(eta: Any, base: Any) -> tuple[Any, Any]:
    """Logs of the shares of a response that a discrepancy leaves alone, and that it moves."""
    kept = jnp.minimum(base - eta, -LEAST_MOVED)
    return kept, jnp.log(-jnp.expm1(kept))


def seed_and_misfit(log_total: Any, slope: Any, logit_share: Any, away: Any) -> tuple[Any, Any]:
    """Standard deviations of the seed and of the misfit of a configuration.

    At the reference they make up ``exp(log_total)``, of whose square the seed has ``sigmoid(logit_share)``:
    with one run of each configuration only their sum is in the data. Away from it ``log seed`` has the slope
    given.
    """
    share = jax.nn.sigmoid(logit_share)
    seed = jnp.exp(log_total + slope * jnp.clip(away, -3.0, 3.0)) * jnp.sqrt(share)
    return seed, jnp.exp(log_total) * jnp.sqrt(1 - share)


class RowNoise(NamedTuple):
    """Scales of the rows on the link scale."""

    within: Any  # (n,) own
    between: Any  # (n,) shared in a cluster
    df: Any  # ()


def row_noise(shape: Shape, data: Data, eta: Any, noise: Any) -> RowNoise:
    """Scales of the Student-t noise at predictions ``eta``."""
    away = eta - data.reference
    if shape.link == "identity":
        away = away / data.stretch
    seed, misfit = seed_and_misfit(noise[0], noise[1], noise[2], away)
    seed, misfit, df = seed * data.stretch, misfit * data.stretch, LEAST_DF + jnp.exp(noise[3])
    if shape.clustering == "rows":
        return RowNoise(jnp.sqrt(seed**2 + misfit**2 + data.error**2), jnp.zeros_like(eta), df)
    if shape.clustering == "replicates":
        return RowNoise(jnp.sqrt(seed**2 + data.error**2), jnp.broadcast_to(misfit, eta.shape), df)
    wobble = jnp.exp(noise[4]) * data.stretch
    return RowNoise(jnp.sqrt(wobble**2 + data.error**2), jnp.sqrt(seed**2 + misfit**2), df)


def likelihood(shape: Shape, data: Data, eta: Any, noise: Any) -> dist.Distribution:
    """How the measured responses scatter around the predictions of their rows."""
    if shape.noise == "beta_binomial":
        return observe.beta_binomial(unlink(shape.link, eta), jnp.exp(noise[0]), data.trials, data.valid)
    if shape.noise == "negative_binomial":
        return observe.negative_binomial(unlink(shape.link, eta), jnp.exp(noise[0]), data.valid)
    rows = row_noise(shape, data, eta, noise)
    if shape.clustering == "rows":
        return observe.student(rows.df, eta, rows.within, data.valid)
    follows = jnp.isfinite(data.gap)
    correlation = jnp.zeros_like(eta)
    if shape.clustering == "checkpoints":
        correlation = jnp.where(follows, jax.nn.sigmoid(noise[5]) ** jnp.where(follows, data.gap, 1.0), 0.0)
    return observe.ClusteredStudentT(
        rows.df,
        eta,
        rows.within,
        rows.between,
        correlation,
        data.cluster,
        data.valid,
        clusters=shape.clusters,
    )
