"""Law-specific checks of the laws of repeated sampling and voting."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _zoo import derived
from scipy import integrate, special, stats

from bayes_scaling.law import mean
from bayes_scaling.laws import law
from bayes_scaling.laws._terms import laplace_amplitude
from bayes_scaling.laws.inference import (
    coverage_exp_power,
    multi_agent_phase,
    pass_at_k_mixture,
    self_consistency_power,
)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


DIFFICULTY = {"alpha": 0.15, "beta": 3.5, "top": 0.8}


@pytest.mark.parametrize("k", [1, 7, 300, 10_000])
@pytest.mark.parametrize("beta", [0.6, 3.5, 12.0])
def test_coverage_of_a_scaled_beta_is_its_hypergeometric_function(k, beta):
    for alpha, top in ((0.15, 0.1), (0.3, 0.8), (0.7, 0.03)):
        missed = integrate.quad(
            lambda u, a=alpha, c=top: (1 - c * special.betaincinv(a, beta, u)) ** k, 0, 1, limit=400
        )[0]
        if k <= 300:  # a polynomial of degree k
            assert special.hyp2f1(-k, alpha, alpha + beta, top) == pytest.approx(missed, rel=1e-5)
        found = mean(law("pass_at_k_mixture"), {"k": float(k)}, {"alpha": alpha, "beta": beta, "top": top})
        assert float(found) == pytest.approx(1 - missed, rel=2e-6)


def test_density_of_hard_problems_is_the_exponent_of_coverage():
    values = {"alpha": 0.3, "beta": 4.0, "top": 1.0}
    a = float(derived("pass_at_k_mixture", "a", **values))
    assert a * 1e4**-0.3 == pytest.approx(0.093122, rel=1e-5)
    below = float(derived("pass_at_k_mixture", "below_1_in_1e4", **DIFFICULTY))
    assert below == pytest.approx(stats.beta(0.15, 3.5).cdf(1e-4 / 0.8), rel=1e-3)


def test_likelihood_of_one_problem():
    s, n = np.array([0, 1, 40, 5000]), np.array([10_000, 100, 50, 10_000])
    found = pass_at_k_mixture.log_likelihood(s, n, alpha=0.3, beta=2.0, top=1.0)
    np.testing.assert_allclose(found, stats.betabinom(n, 0.3, 2.0).logpmf(s), rtol=1e-6)
    every = pass_at_k_mixture.log_likelihood(np.arange(31), 30, **DIFFICULTY)
    assert float(jnp.exp(every).sum()) == pytest.approx(1.0, rel=1e-9)
    # stopped at the first success, or broken off after 50 attempts
    first = pass_at_k_mixture.log_moment(1, np.arange(50), **DIFFICULTY)
    never = pass_at_k_mixture.log_moment(0, 50, **DIFFICULTY)
    assert float(jnp.exp(first).sum() + jnp.exp(never)) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("top", [0.1, 0.8])
def test_counts_of_problems_recover_the_exponent(top):
    """p ~ c Beta(0.15, 3.5) for 128 problems of 10 000 attempts, as in the paper: b = 0.15."""
    rng, truth = np.random.default_rng(0), DIFFICULTY | {"top": top}
    s = rng.binomial(10_000, top * rng.beta(0.15, 3.5, 128))
    counts, times = np.unique(s, return_counts=True)
    alphas = np.geomspace(0.08, 0.3, 45)

    def total(alpha):
        return times @ pass_at_k_mixture.log_likelihood(counts, 10_000, alpha=alpha, beta=3.5, top=top)

    log_likelihood = np.asarray(jax.lax.map(total, alphas))
    supported = alphas[log_likelihood > log_likelihood.max() - 1.92]  # 95 % by the likelihood ratio
    assert supported[0] < 0.15 < supported[-1]
    assert supported[-1] / supported[0] < 2
    for k in (1, 100):
        coverage = pass_at_k_mixture.coverage_of([10_000] * len(s), s.tolist(), k)
        expected = float(mean(law("pass_at_k_mixture"), {"k": float(k)}, truth))
        assert coverage == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / len(s)))


def test_unbiased_coverage_asks_for_enough_attempts():
    with pytest.raises(ValueError, match="found n=3, s=1, k=5"):
        pass_at_k_mixture.coverage_of([3], [1], 5)


def test_left_tails_of_difficulty_give_the_exponent_and_the_amplitude():
    """The theorem, on every row of the table: f(p) ~ C p^(b-1) near zero, -log c ~ C Gamma(b) k^-b."""
    a, b, c, rare = 0.4, 3.0, 0.5, 0.2
    odds = np.log((1 - rare) / rare) / (1 - 2 * rare)  # normalises the continuous Bernoulli
    rows = {
        "uniform": (1 / c, 1.0, lambda p: (p < c) / c, c),
        "continuous Bernoulli": (odds * (1 - rare), 1.0, lambda p: odds * rare**p * (1 - rare) ** (1 - p), 1),
        "scaled beta": (c**-a / special.beta(a, b), a, lambda p: stats.beta(a, b).pdf(p / c) / c, c),
        "scaled Kumaraswamy": (
            a * b * c**-a, a, lambda p: a * b * (p / c) ** (a - 1) * (1 - (p / c) ** a) ** (b - 1) / c, c,
        ),
    }  # fmt: skip
    for name, (amplitude, power, density, top) in rows.items():
        k = 1e6  # substitute p = v^8, which resolves the left tail

        def missed(v, density=density, k=k):
            return density(v**8) * (1 - v**8) ** k * 8 * v**7

        exact = integrate.quad(missed, 0, top ** (1 / 8), limit=500, points=[0.1, 0.2, 0.3])[0]
        assert float(laplace_amplitude(amplitude, power)) * k**-power == pytest.approx(exact, rel=0.01), name
    assert float(pass_at_k_mixture.tail_amplitude(a, b, c)) == pytest.approx(
        float(laplace_amplitude(c**-a / special.beta(a, b), a))
    )
    assert float(pass_at_k_mixture.tail_amplitude_kumaraswamy(a, b, c)) == pytest.approx(
        float(laplace_amplitude(a * b * c**-a, a))
    )


def test_uniform_success_rates():
    k = np.array([1.0, 10.0, 1000.0])
    beta = jnp.exp(pass_at_k_mixture.log_moment(0.0, k, alpha=1.0, beta=1.0, top=0.3))
    np.testing.assert_allclose(pass_at_k_mixture.missed_uniform(k, 0.0, 0.3), beta, rtol=1e-7)
    # no easy-to-miss problems: exponential
    far = pass_at_k_mixture.missed_uniform(np.array([1e3, 2e3]), 0.05, 0.3)
    assert np.log(far[1] / far[0]) == pytest.approx(1e3 * np.log(0.95), rel=0.02)


@pytest.mark.parametrize("k", [1, 300, 10_000])
def test_coverage_of_kumaraswamy_is_its_quadrature(k):
    for alpha, beta, top in ((0.15, 3.5, 0.1), (0.3, 14.0, 0.8), (0.9, 0.6, 0.5)):
        values = {"alpha": alpha, "beta": beta, "top": top}

        def missed(v, alpha=alpha, beta=beta, top=top):  # u = v^6
            rate = top * -np.expm1(np.log1p(-(v**6)) / beta)
            return np.exp(k * np.log1p(-top * (rate / top) ** (1 / alpha))) * 6 * v**5

        exact = integrate.quad(missed, 0, 1, limit=400)[0]
        found = float(mean(law("pass_at_k_mixture", 3), {"k": float(k)}, values))
        assert found == pytest.approx(1 - exact, rel=2e-6)
        moment = pass_at_k_mixture.log_moment(0, k, **values, difficulty="kumaraswamy")
        assert float(jnp.exp(moment)) == pytest.approx(exact, rel=1e-5)


def test_problems_that_nothing_solves():
    values = DIFFICULTY | {"unsolvable": 0.2}
    every = jnp.exp(pass_at_k_mixture.log_likelihood(np.arange(31), 30, **values))
    assert float(every.sum()) == pytest.approx(1.0, rel=1e-9)
    found = float(mean(law("pass_at_k_mixture", 2), {"k": 30.0}, values))
    assert found == pytest.approx(1 - float(every[0]), rel=1e-7)
    far = mean(law("coverage_exp_power", 2), {"k": 1e300}, {"a": 4.0, "b": 0.4, "solvable": 0.8})
    assert float(far) == pytest.approx(0.8, rel=1e-6)
    found = coverage_exp_power.samples_needed(0.4, a=4.0, b=0.4)
    assert float(mean(law("coverage_exp_power"), {"k": found}, {"a": 4.0, "b": 0.4})) == pytest.approx(0.4)


def test_runner_up_seldom_wins_a_vote():
    first, second = 0.5, 0.3
    assert float(self_consistency_power.vote_margin(first, second)) == pytest.approx(0.02540, abs=5e-6)
    rate = float(self_consistency_power.vote_rate(first, second))
    assert rate == pytest.approx(0.02573, abs=5e-6)
    for n in (1, 5, 20):
        a, b = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        counts = np.stack([a, b, n - a - b], axis=-1)[a + b <= n]
        chance = stats.multinomial(n, [first, second, 0.2]).pmf(counts)
        assert chance[counts[:, 1] >= counts[:, 0]].sum() <= np.exp(-rate * n)


def test_a_vote_is_never_better_than_the_best_of_its_samples():
    n, p = np.array([1, 3, 9, 31])[:, None], np.linspace(0.01, 0.99, 30)
    voted = stats.binom(n, p).sf(n // 2)
    assert (voted <= 1 - (1 - p) ** n + 1e-12).all()
    found = multi_agent_phase.majority(2 * p - 1, n.astype(float))
    np.testing.assert_allclose((1 + found) / 2, voted, atol=1e-12)


def test_excess_error_of_votes_halves_with_four_times_the_samples():
    """Margins with the density m^(-1/2)/2 of Beta(1/2, 1)."""

    def excess(n):
        return integrate.quad(lambda r: np.exp(-n * r**2), 0, 1, limit=400, points=[0.01])[0]  # m = r^2

    assert excess(4e4) / excess(1e4) == pytest.approx(0.5, rel=1e-3)
    amplitude = float(self_consistency_power.excess_amplitude(0.7, 0.5, 0.5))
    assert amplitude * 1e4**-0.5 == pytest.approx(0.7 * excess(1e4), rel=1e-3)


def test_vote_is_a_power_law_with_a_floor():
    values = {"misled": 0.3, "slip": 0.2, "q": 0.45}
    for k in (1.0, 10.0, 200.0):
        error = mean(law("power_law_offset"), {"x": k}, {"E": 0.3, "A": 0.7 * 0.2, "alpha": 0.45})
        assert 1 - float(mean(law("self_consistency_power"), {"k": k}, values)) == pytest.approx(float(error))
    k = float(self_consistency_power.samples_needed(0.32, **values))
    assert 1 - float(mean(law("self_consistency_power"), {"k": k}, values)) == pytest.approx(0.32)
    assert np.isinf(self_consistency_power.samples_needed(0.29, **values))
