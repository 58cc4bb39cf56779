"""Observation models: how a measured number scatters around its law (a small closed set).

On the link scale a row of a table of runs is

    y_i = eta_i + s_c t_c,   and t_c is Student-t distributed jointly over the rows of one cluster c

A cluster is what shares luck: one run with its checkpoints, or one configuration with its seeds. Its
covariance is ``between between^T + AR(1)``; a row alone in its cluster is plain Student-t. Random effects
are integrated out in closed form (Sherman-Morrison), so ten thousand runs add no latent variable.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from numpyro.distributions import constraints

from bayes_scaling.law import Link

#: Predictions stay this far from the reference on the link scale; the tests show that the bound is idle.
BOUND = 40.0


class ClusteredStudentT(dist.Distribution):
    r"""Student-t over rows, joint within clusters, with shared shifts and AR(1) residuals.

    Rows must be sorted so that a cluster is contiguous. With ``z`` the AR(1)-whitened residual and ``b`` the
    whitened shared loading of a cluster of ``m`` rows, the quadratic form and log determinant are

    .. math::
        q = z'z - (z'b)^2 / (1 + b'b), \qquad
        \log|\Sigma| = \sum_i \log s_i^2 (1 - \rho_i^2) + \log(1 + b'b).

    Parameters
    ----------
    df : array, shape ()
        Degrees of freedom.
    loc, within, between : arrays, shape (n,)
        Centre, own scale and shared scale of each row.
    correlation : array, shape (n,)
        AR(1) correlation with the previous row; 0 for the first row of a cluster.
    cluster : int array, shape (n,)
        Cluster of each row, in ``range(clusters)``, not decreasing.
    valid : array, shape (n,)
        1 for rows of the table, 0 for padding.
    clusters : int
        Number of clusters, padding included.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"df": constraints.positive, "loc": constraints.real_vector}
    support: ClassVar[Any] = constraints.real_vector
    pytree_data_fields = ("df", "loc", "within", "between", "correlation", "cluster", "valid")
    pytree_aux_fields = ("clusters",)

    def __init__(
        self, df, loc, within, between, correlation, cluster, valid, *, clusters, validate_args=None
    ):
        self.df, self.loc, self.within, self.between = df, loc, within, between
        self.correlation, self.cluster, self.valid, self.clusters = correlation, cluster, valid, clusters
        super().__init__(event_shape=jnp.shape(loc), validate_args=validate_args)

    def _total(self, rows: Any) -> Any:
        return jax.ops.segment_sum(rows * self.valid, self.cluster, self.clusters, indices_are_sorted=True)

    def _whiten(self, values: Any) -> Any:
        """Innovations of a series given on the rows, divided by their standard deviation."""
        scaled = values / self.within
        previous = jnp.concatenate([jnp.zeros(1, scaled.dtype), scaled[:-1]])
        return (scaled - self.correlation * previous) / jnp.sqrt(1 - self.correlation**2)

    def pointwise(self, value: Any) -> Any:
        """Log density of each cluster, shape (clusters,); 0 for padding."""
        z, b = self._whiten(value - self.loc), self._whiten(self.between)
        bb = self._total(b * b)
        quadratic = self._total(z * z) - self._total(z * b) ** 2 / (1 + bb)
        log_det = self._total(2 * jnp.log(self.within) + jnp.log1p(-(self.correlation**2))) + jnp.log1p(bb)
        size, df = self._total(jnp.ones_like(self.loc)), self.df
        return (
            gammaln((df + size) / 2)
            - gammaln(df / 2)
            - size / 2 * jnp.log(df * jnp.pi)
            - log_det / 2
            - (df + size) / 2 * jnp.log1p(quadratic / df)
        )

    def log_prob(self, value: Any) -> Any:
        """Log density of the whole table."""
        return self.pointwise(value).sum()

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> Any:
        """Draws of shape ``sample_shape + (n,)``."""
        if sample_shape:
            keys = jax.random.split(key, sample_shape[0])
            return jax.vmap(lambda k: self.sample(k, sample_shape[1:]))(keys)
        rows, shared, mixing = jax.random.split(key, 3)
        fresh = jax.random.normal(rows, self.loc.shape, self.loc.dtype)
        fresh = fresh * jnp.sqrt(1 - self.correlation**2)

        def step(previous, item):
            now = item[0] * previous + item[1]
            return now, now

        _, residual = jax.lax.scan(step, jnp.zeros((), self.loc.dtype), (self.correlation, fresh))
        luck = jax.random.normal(shared, (self.clusters,), self.loc.dtype)[self.cluster]
        tail = jnp.sqrt(self.df / 2 / jax.random.gamma(mixing, self.df / 2, (self.clusters,)))[self.cluster]
        return self.loc + tail * (self.within * residual + self.between * luck)


class PolarStudentT(dist.StudentT):
    """Student-t whose draws come from two uniforms each, without the rejection steps of a gamma variate.

    ``sqrt(df (u^(-2/df) - 1)) cos(2 pi v)`` (Bailey 1994, Mathematics of Computation 62).
    """

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> Any:
        """Draws of shape ``sample_shape + batch_shape``."""
        first, second = jax.random.split(key)
        df, loc, scale = (jnp.asarray(x) for x in (self.df, self.loc, self.scale))
        shape, kind = sample_shape + self.batch_shape, jnp.result_type(loc, float)
        u = 1 - jax.random.uniform(first, shape, kind)  # in (0, 1]
        radius = jnp.sqrt(df * jnp.expm1(-2 / df * jnp.log(u)))
        angle = 2 * jnp.pi * jax.random.uniform(second, shape, kind)
        return loc + scale * radius * jnp.cos(angle)


def student(df: Any, loc: Any, scale: Any, valid: Any) -> dist.Distribution:
    """Independent Student-t rows, padding masked."""
    return PolarStudentT(df, loc, scale).mask(valid > 0)


def beta_binomial(probability: Any, overdispersion: Any, trials: Any, valid: Any) -> dist.Distribution:
    """Counts of successes; variance is ``n p (1 - p)`` times ``1 + (n - 1) / (1 + 1 / overdispersion)``."""
    p = jnp.clip(probability, 1e-6, 1 - 1e-6)
    count = jnp.asarray(trials, int)  # NumPyro samples whole trials only
    return dist.BetaBinomial(p / overdispersion, (1 - p) / overdispersion, count).mask(valid > 0)


def negative_binomial(mean: Any, overdispersion: Any, valid: Any) -> dist.Distribution:
    """Counts of events; variance is ``mean + overdispersion * mean^2``, which tends to Poisson."""
    return dist.NegativeBinomial2(jnp.maximum(mean, 1e-9), 1 / overdispersion).mask(valid > 0)


def unlink_numpy(link: Link, value: np.ndarray) -> np.ndarray:
    """Inverse link on the host, for arrays that are too large to be worth a transfer."""
    if link == "log":
        return np.exp(np.minimum(value, 700.0))
    if link == "logit":
        return 1 / (1 + np.exp(np.minimum(-value, 700.0)))
    if link == "loglog":
        return np.exp(-np.exp(np.minimum(value, 700.0)))
    return value


def link_numpy(link: Link, y: np.ndarray) -> np.ndarray:
    """``g(y)`` on the host."""
    if link == "log":
        return np.log(y)
    if link == "logit":
        return np.log(y) - np.log1p(-y)
    return np.log(-np.log(y)) if link == "loglog" else y


def slope_numpy(link: Link, mean: np.ndarray) -> np.ndarray:
    """Derivative of the response with respect to the link scale, on the host; negative for ``loglog``."""
    if link == "log":
        return mean
    if link == "logit":
        return mean * (1 - mean)
    return mean * np.log(mean) if link == "loglog" else np.ones_like(mean)


def bounded(eta: Any, reference: Any, unit: Any = 1.0) -> Any:
    """Keep a prediction finite when the sampler's first steps leave the law's support."""
    return jnp.clip(eta, reference - BOUND * unit, reference + BOUND * unit)
