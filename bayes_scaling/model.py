"""The hierarchical NumPyro model, written once for every law.

For run i of family f at inputs x, with the law's function m and its link g::

    eta_i   = shift + stretch * m(x_i; theta_f) + delta_f(x_i)
    theta_f : unconstrained ~ Normal(location, spread)       (pooled parameters; location and spread learnt)
    delta_f : structural discrepancy, features(x) . weights_f (structure.py)
    y_i     = g^-1(eta_i + noise_i)                          (observe.py)
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from bayes_scaling import observe
from bayes_scaling.law import TO_SUPPORT, unlink
from bayes_scaling.layout import Data, Shape

#: The Student-t tail: degrees of freedom are this plus Gamma(2, 0.2), so that the variance is finite.
LEAST_DF = 2.0
#: Log-normal prior of the checkpoint-level standard deviation on the link scale (laws/3, 11b-11c, widened).
CHECKPOINT_SD = (-6.9, 1.0)


def hierarchical(shape: Shape, data: Data) -> None:
    """The NumPyro model of one table of runs (module docstring)."""
    theta = family_parameters(shape, data)
    eta = expected(shape, data, theta)
    numpyro.deterministic("eta", eta)
    if shape.noise == "beta_binomial":
        over = numpyro.sample("overdispersion", dist.HalfNormal(0.01))
        p = unlink(shape.link, eta)
        likelihood = observe.beta_binomial(p, over + 1e-9, data.trials, data.valid)
    else:
        likelihood = _student(shape, data, eta)
    independent = shape.clustering == "rows" or shape.noise == "beta_binomial"
    with numpyro.plate("rows", data.response.shape[0]) if independent else nullcontext():
        numpyro.sample(shape.response, likelihood, obs=data.response)


def family_parameters(shape: Shape, data: Data) -> Any:
    """Sample the parameters of every family; shape (F, P), constrained."""
    with numpyro.plate("parameters", len(shape.names)):
        location = numpyro.sample("location", dist.Normal(data.location, data.scale))
    pooled = np.array(shape.pooled, dtype=int)
    latent = jnp.broadcast_to(location, (shape.families, len(shape.names)))
    if pooled.size:
        own = _family_effects(shape, data, location, pooled)
        latent = latent.at[:, pooled].set(own) if pooled.size < len(shape.names) else own
    theta = constrained(shape, latent)
    numpyro.deterministic("theta", theta)
    return theta


def _family_effects(shape: Shape, data: Data, location: Any, pooled: np.ndarray) -> Any:
    """Unconstrained parameters of the families around the population, shape (F, pooled)."""
    separate = np.array([shape.pools[k] == "separate" for k in pooled])
    with numpyro.plate("pooled", pooled.size):
        spread = numpyro.sample("spread", dist.HalfNormal(data.spread[pooled]))
    centre = jnp.where(separate, data.location[pooled], location[pooled])
    spread = jnp.where(separate, data.scale[pooled], spread)
    with numpyro.plate("families", shape.families, dim=-2), numpyro.plate("pooled", pooled.size, dim=-1):
        if not shape.correlate:
            return numpyro.sample("family", dist.Normal(centre, spread))
        z = numpyro.sample("family", dist.Normal(0.0, 1.0))
    factor = numpyro.sample("correlation_factor", dist.LKJCholesky(pooled.size, 2.0))
    return centre + spread * (z @ factor.T)


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
    """Link-scale prediction of every row, discrepancy included; shape (n,)."""
    rows = of_rows(theta, data.family)
    eta = data.shift + data.stretch * predict_rows(shape, data.inputs, data.schedule, rows)
    if shape.rank:
        scale = numpyro.sample("structure_scale", dist.LogNormal(data.structure[0], data.structure[1]))
        with numpyro.plate("families", shape.families, dim=-2), numpyro.plate("basis", shape.rank, dim=-1):
            weights = numpyro.sample("structure_family", dist.Normal(0.0, 1.0))
        delta = scale * sum(data.features[:, r] * w for r, w in enumerate(of_rows(weights, data.family)))
        eta = displaced(shape, eta, delta, data.shift, rows)
    return observe.bounded(eta, data.shift)


def predict_rows(shape: Shape, inputs: tuple[Any, ...], schedule: Any, rows: list[Any]) -> Any:
    """The law's function over rows: inputs (n,) or schedules picked by row, parameters (n,) or scalar."""
    columns = tuple(
        x[schedule] if is_schedule else x for x, is_schedule in zip(inputs, shape.schedules, strict=True)
    )
    values = dict(zip(shape.names, rows, strict=True))
    axes = {name: 0 if jnp.ndim(value) else None for name, value in values.items()}
    return jax.vmap(lambda xs, v: shape.predictor(*xs, **v), in_axes=(0, axes))(columns, values)


def displaced(shape: Shape, eta: Any, delta: Any, shift: Any, rows: list[Any]) -> Any:
    """Apply a discrepancy on the log of the reducible part, or on the link scale if there is no floor."""
    if not shape.floor or shape.link != "log":
        return eta + delta
    floor = jnp.log(rows[shape.names.index(shape.floor)]) + shift
    reducible = eta + jnp.log(-jnp.expm1(jnp.minimum(floor - eta, -1e-7)))
    return jnp.logaddexp(floor, reducible + delta)


def seed_scale(seed: Any, eta: Any, reference: Any) -> Any:
    """Seed-level standard deviation: ``log sd = s0 + s1 (g(mean) - g(reference))``, ``seed = (s0, s1)``."""
    return jnp.exp(seed[0] + seed[1] * jnp.clip(eta - reference, -3.0, 3.0))


def _student(shape: Shape, data: Data, eta: Any) -> dist.Distribution:
    with numpyro.plate("noise", 2):
        seed_law = numpyro.sample("seed", dist.Normal(data.seed[:, 0], data.seed[:, 1]))
    misfit = numpyro.sample("misfit", dist.HalfNormal(data.misfit)) * data.stretch
    df = LEAST_DF + numpyro.sample("seed_tail", dist.Gamma(2.0, 0.2))
    seed = seed_scale(seed_law, eta, data.reference) * data.stretch
    if shape.clustering == "rows":
        return observe.student(df, eta, jnp.sqrt(seed**2 + misfit**2 + data.error**2), data.valid)
    if shape.clustering == "replicates":
        within, between = jnp.sqrt(seed**2 + data.error**2), jnp.broadcast_to(misfit, eta.shape)
        correlation = jnp.zeros_like(eta)
    else:
        wobble = numpyro.sample("checkpoint_sd", dist.LogNormal(*CHECKPOINT_SD)) * data.stretch
        memory = numpyro.sample("checkpoint_correlation", dist.Beta(8.0, 2.0))
        within, between = jnp.sqrt(wobble**2 + data.error**2), jnp.sqrt(seed**2 + misfit**2)
        follows = jnp.isfinite(data.gap)
        correlation = jnp.where(follows, memory ** jnp.where(follows, data.gap, 1.0), 0.0)
    return observe.ClusteredStudentT(
        df, eta, within, between, correlation, data.cluster, data.valid, clusters=shape.clusters
    )
