"""Scoring rules against closed forms, mixtures and stacking weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from bayes_scaling import scores

DRAWS = norm.ppf((np.arange(4000) + 0.5) / 4000)[:, None]


@pytest.mark.parametrize("y", [-2.0, 0.0, 0.7])
def test_crps_of_a_normal_is_its_closed_form(y) -> None:
    exact = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
    assert scores.crps(DRAWS, np.array([y])) == pytest.approx(exact, abs=2e-3)


def test_interval_score_is_the_width_inside_and_ten_times_the_miss_twice_outside() -> None:
    width = 2 * norm.ppf(0.95)
    inside, outside = (scores.interval_score(DRAWS, np.array([y]))[0] for y in (0.3, 3.0))
    assert inside == pytest.approx(width, abs=5e-3)
    assert outside == pytest.approx(width + 20 * (3 - width / 2), abs=0.02)


@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3))
def test_pit_is_the_distribution_function(y) -> None:
    assert scores.pit(DRAWS, np.array([y])) == pytest.approx(norm.cdf(y), abs=1e-3)


def test_pit_of_a_tie_is_in_the_middle_of_it() -> None:
    assert scores.pit(np.array([[0.0], [1.0], [1.0], [2.0]]), np.array([1.0])) == pytest.approx(0.5)


def test_covered_is_central() -> None:
    pits = np.array([0.01, 0.06, 0.5, 0.94, 0.99])
    assert scores.covered(pits, 0.9).tolist() == [False, True, True, True, False]


def test_mixture_density_is_the_mean_of_densities() -> None:
    logs = np.log(np.array([[0.1, 0.4], [0.3, 1e-200]]))
    found = scores.mixture_log_density(logs, [0.25, 0.75])
    np.testing.assert_allclose(np.exp(found), [0.25, 0.1], rtol=1e-12)


def test_stacking_finds_the_better_model_and_keeps_a_useful_mixture() -> None:
    rng = np.random.default_rng(0)
    y = np.where(rng.random(400) < 0.3, rng.normal(-3, 1, 400), rng.normal(3, 1, 400))
    logs = np.stack([norm.logpdf(y, -3), norm.logpdf(y, 3), norm.logpdf(y, 0, 9)])
    weights = scores.stacking_weights(logs, prior=0.0)
    assert weights.sum() == pytest.approx(1)
    assert weights[:2] == pytest.approx([0.3, 0.7], abs=0.06)
    best = max(
        scores.mixture_log_density(logs, w).mean() for w in np.random.default_rng(1).dirichlet([1] * 3, 300)
    )
    assert scores.mixture_log_density(logs, weights).mean() > best - 1e-3


def test_a_few_points_do_not_throw_a_model_away() -> None:
    logs = np.array([[0.0, 0.0], [-5.0, -5.0]])
    assert scores.stacking_weights(logs)[1] > 0.2
    assert scores.stacking_weights(logs, prior=0.0)[1] < 1e-3


def test_thinned_takes_rows_by_weight_and_keeps_them_joint() -> None:
    one = np.tile(np.arange(100)[:, None], (1, 2))
    mixed = scores.thinned([one, one + 1000, one + 5000], [0.5, 0.25, 0.25], np.random.default_rng(0))
    assert (mixed[:, 0] == mixed[:, 1]).all()
    shares = [(mixed[:, 0] < 1000).mean(), (mixed[:, 0] // 1000 == 1).mean(), (mixed[:, 0] > 4000).mean()]
    assert shares == pytest.approx([0.5, 0.25, 0.25])
