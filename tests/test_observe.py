"""Densities of the observation models against SciPy, and their draws against their densities."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from bayes_scaling.observe import (
    BOUND,
    ClusteredStudentT,
    beta_binomial,
    bounded,
    negative_binomial,
    student,
    unlink_numpy,
)


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def clustered(seed: int, sizes: tuple[int, ...], padding: int = 0, ar: bool = True):
    """A random distribution over clusters of these sizes, and the covariance of each cluster."""
    rng = np.random.default_rng(seed)
    n, total = sum(sizes), sum(sizes) + padding
    cluster = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), np.full(padding, len(sizes))])
    first = np.concatenate([[True], cluster[1:] != cluster[:-1]])
    correlation = np.where(first, 0.0, rng.uniform(0.1, 0.95, total) if ar else 0.0)
    loc, within, between = rng.normal(size=total), rng.uniform(0.2, 2, total), rng.uniform(0.2, 2, total)
    df, valid = rng.uniform(2.5, 9), (np.arange(total) < n).astype(float)
    one = ClusteredStudentT(
        df, loc, within, between, correlation, cluster, valid, clusters=len(sizes) + (padding > 0)
    )
    covariances = []
    for c in range(len(sizes)):
        at = np.flatnonzero(cluster[:n] == c)
        chain = np.eye(len(at))
        for i in range(len(at)):
            for j in range(i):  # the correlation of two rows is the product of the steps between them
                chain[i, j] = chain[j, i] = np.prod(correlation[at[j + 1 : i + 1]])
        shared = np.outer(between[at], between[at])
        covariances.append((at, shared + within[at][:, None] * chain * within[at]))
    return one, covariances


@pytest.mark.parametrize("ar", [True, False])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cluster_density_is_a_multivariate_t(seed, padding, ar) -> None:
    one, covariances = clustered(seed, (4, 1, 3, 7, 1), padding, ar)
    y = np.random.default_rng(seed + 10).normal(size=len(one.loc)) * 3
    expected = [stats.multivariate_t(one.loc[at], cov, one.df).logpdf(y[at]) for at, cov in covariances]
    np.testing.assert_allclose(one.pointwise(y)[: len(expected)], expected, rtol=1e-10)
    np.testing.assert_allclose(one.log_prob(y), sum(expected), rtol=1e-10)


def test_padding_has_no_density_and_no_gradient() -> None:
    one, _ = clustered(0, (3, 2), padding=4)
    y = np.zeros(9)
    assert float(one.pointwise(y)[-1]) == 0.0
    slope = jax.grad(lambda y: one.log_prob(y))(y)
    assert np.all(np.asarray(slope)[5:] == 0)
    assert np.all(np.asarray(slope)[:5] != 0)


def test_a_row_alone_is_plain_student() -> None:
    one, _ = clustered(3, (1,) * 6)
    y = np.random.default_rng(1).normal(size=6)
    scale = np.hypot(one.within, one.between)
    np.testing.assert_allclose(one.pointwise(y), stats.t(one.df, one.loc, scale).logpdf(y), rtol=1e-12)
    plain = student(one.df, one.loc, scale, one.valid)
    np.testing.assert_allclose(plain.log_prob(y), one.pointwise(y), rtol=1e-12)


def test_draws_scatter_as_the_density_says() -> None:
    one, covariances = clustered(4, (3, 2))
    one = ClusteredStudentT(
        9.0, one.loc, one.within, one.between, one.correlation, one.cluster, one.valid, clusters=2
    )
    draws = np.asarray(one.sample(jax.random.key(0), (100_000,)))
    np.testing.assert_allclose(draws.mean(axis=0), one.loc, atol=0.05)
    expected = np.zeros((5, 5))
    for at, covariance in covariances:
        expected[np.ix_(at, at)] = covariance * 9 / 7
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.cov(draws.T) / scale, expected / scale, atol=0.03)
    # a cluster shares its tail: its Mahalanobis distance over its size is F-distributed
    for at, covariance in covariances:
        centred = draws[:, at] - np.asarray(one.loc)[at]
        distance = np.einsum("si,ij,sj->s", centred, np.linalg.inv(covariance), centred) / len(at)
        assert stats.kstest(distance, stats.f(len(at), 9.0).cdf).pvalue > 1e-3


@pytest.mark.parametrize("over", [1e-3, 0.05, 0.8])
def test_beta_binomial_is_scipys(over) -> None:
    p, n = np.array([0.02, 0.3, 0.5, 0.97]), np.array([10.0, 25.0, 400.0, 1000.0])
    k = np.round(n * np.array([0.1, 0.2, 0.55, 1.0]))
    found = beta_binomial(p, over, n, np.ones(4)).log_prob(k)
    np.testing.assert_allclose(found, stats.betabinom(n, p / over, (1 - p) / over).logpmf(k), rtol=1e-6)


def test_beta_binomial_variance_is_as_documented() -> None:
    p, over, n = 0.3, 0.05, 40
    counts = stats.betabinom(n, p / over, (1 - p) / over)
    assert counts.var() == pytest.approx(n * p * (1 - p) * (1 + (n - 1) / (1 + 1 / over)), rel=1e-12)
    assert float(beta_binomial(p, over, n, 1.0).variance) == pytest.approx(counts.var(), rel=1e-9)


def test_beta_binomial_padding_and_certainty_are_finite() -> None:
    found = beta_binomial(
        np.array([0.0, 1.0, 0.5]), 1e-3, np.array([9.0, 9.0, 0.0]), np.array([1.0, 1.0, 0.0])
    )
    values = np.asarray(found.log_prob(np.array([0.0, 9.0, 0.0])))
    assert np.all(np.isfinite(values))
    assert values[2] == 0


@pytest.mark.parametrize("over", [1e-3, 0.05, 0.8, 4.0])
def test_negative_binomial_is_scipys(over) -> None:
    mean, k = np.array([0.02, 0.7, 3.0, 400.0]), np.array([0.0, 2.0, 3.0, 450.0])
    expected = stats.nbinom(1 / over, 1 / (1 + over * mean))
    one = negative_binomial(mean, over, np.ones(4))
    np.testing.assert_allclose(one.log_prob(k), expected.logpmf(k), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(one.variance, expected.var(), rtol=1e-9)
    np.testing.assert_allclose(expected.var(), mean + over * mean**2, rtol=1e-9)


def test_negative_binomial_without_overdispersion_is_poisson() -> None:
    found = negative_binomial(np.array([3.0]), 1e-7, np.ones(1)).log_prob(np.array([5.0]))
    np.testing.assert_allclose(found, stats.poisson(3.0).logpmf(5), rtol=1e-5)


def test_negative_binomial_padding_has_no_density() -> None:
    found = negative_binomial(np.array([2.0, 2.0]), 0.1, np.array([1.0, 0.0])).log_prob(np.array([0.0, 0.0]))
    assert float(found[0]) == pytest.approx(-10 * np.log(1.2))
    assert float(found[1]) == 0.0


def test_student_masks_padding() -> None:
    one = student(4.0, np.zeros(3), np.ones(3), np.array([1.0, 0.0, 1.0]))
    assert isinstance(one, dist.Distribution)
    np.testing.assert_allclose(one.log_prob(np.ones(3)), np.array([1, 0, 1]) * stats.t(4).logpdf(1.0))


@pytest.mark.parametrize(
    ("link", "value", "mean"),
    [("log", 0.0, 1.0), ("identity", 2.5, 2.5), ("logit", 0.0, 0.5), ("loglog", 0.0, np.exp(-1))],
)
def test_inverse_links(link, value, mean) -> None:
    assert unlink_numpy(link, np.array(value)) == pytest.approx(mean, rel=1e-14)


def test_predictions_far_from_the_reference_are_bounded() -> None:
    eta = np.array([-1e9, -1.0, 0.0, 1e300])
    np.testing.assert_allclose(bounded(eta, 2.0), [2 - BOUND, -1.0, 0.0, 2 + BOUND])
