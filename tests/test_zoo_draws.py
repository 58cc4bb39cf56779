"""Functions that follow from a law take arrays of posterior draws: leading axes broadcast."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from bayes_scaling.law import Law, mean
from bayes_scaling.laws import law
from bayes_scaling.laws.data import cmr_cpt, qqt_filtering
from bayes_scaling.laws.downstream import mcq_metric_chain, sloth

DRAWS = 40


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


def drawn(seed: int, **spans: tuple[float, float, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Log-uniform draws of each name: low, high and shape beyond the draws."""
    rng = np.random.default_rng(seed)
    return {
        name: np.exp(rng.uniform(np.log(low), np.log(high), (DRAWS, *shape)))
        for name, (low, high, shape) in spans.items()
    }


def row(values: dict[str, np.ndarray], index: int) -> dict[str, np.ndarray]:
    return {name: column[index] for name, column in values.items()}


# --- filtered pools ---------------------------------------------------------------------------------


POOLS = drawn(
    1, b=(0.05, 0.25, (4,)), tau=(1.5, 10.0, (4,)), n1=(1e6, 1e7, ()), d=(0.05, 0.2, ())
)  # fmt: skip


def test_errors_of_mixtures_follow_the_draws():
    found = np.asarray(qqt_filtering.mixture_error(6.4e8, 12.8e6, **POOLS))
    assert found.shape == (DRAWS,)
    for i in (0, 17, 39):
        one = qqt_filtering.mixture_error(6.4e8, 12.8e6, **row(POOLS, i))
        assert found[i] == pytest.approx(float(one), rel=1e-12)
    grid = np.array([[3.2e7], [1.28e8], [6.4e8]])
    table = np.asarray(qqt_filtering.mixture_error(grid, 12.8e6, **POOLS))
    assert table.shape == (3, DRAWS)
    np.testing.assert_allclose(table[2], found, rtol=1e-12)
    released = qqt_filtering.released_code_error(
        6.4e8, 12.8e6, d=POOLS["d"], n1=POOLS["n1"], b=POOLS["b"][:, 0], tau=POOLS["tau"][:, 0]
    )
    assert released.shape == (DRAWS,)


def test_the_number_of_pools_follows_the_draws():
    grid = np.array([[1.3e7], [1.28e8], [2e9]])
    found = np.asarray(qqt_filtering.best_pools(grid, 12.8e6, **POOLS))
    assert found.shape == (3, DRAWS)
    for i in (0, 17, 39):
        alone = [int(qqt_filtering.best_pools(n, 12.8e6, **row(POOLS, i))) for n in grid[:, 0]]
        assert found[:, i].tolist() == alone
    scalar = np.asarray(qqt_filtering.best_pools(1.28e8, 12.8e6, **POOLS))
    np.testing.assert_array_equal(scalar, found[1])


# --- continual pretraining --------------------------------------------------------------------------


SHARES = np.array([0.1, 0.2, 0.3, 0.4, 0.5])


def largest_feasible(tokens: float, turning: np.ndarray, tolerated: float = 1.0) -> float:
    """By search on a fine grid, where two neighbours are known; no NaN."""
    fine = np.linspace(SHARES[0], min(SHARES[-1], tolerated), 400_001)
    feasible = np.interp(fine, SHARES, np.log(turning)) <= np.log(tokens)
    return float(fine[feasible].max()) if feasible.any() else np.nan


@pytest.mark.parametrize("tolerated", [1.0, 0.37])
def test_the_critical_share_is_the_largest_feasible_one_of_every_draw(tolerated):
    turning = np.exp(np.random.default_rng(2).normal(np.log(2e10), 1.5, (DRAWS, 5)))
    turning[0] = [1e9, 5e10, 3e9, 4e9, 5e10]
    found = np.asarray(cmr_cpt.critical_share(2e10, SHARES, turning, tolerated))
    assert found.shape == (DRAWS,)
    expected = [largest_feasible(2e10, one, tolerated) for one in turning]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    several = cmr_cpt.critical_share(np.array([[1e9], [2e10], [1e12]]), SHARES, turning, tolerated)
    assert several.shape == (3, DRAWS)
    np.testing.assert_allclose(several[1], found)
    each = cmr_cpt.critical_share(2e10, SHARES, turning, np.full(DRAWS, tolerated))
    np.testing.assert_allclose(each, found)


def test_a_share_at_which_the_losses_fall_throughout_is_feasible_at_once():
    never = np.full(5, np.nan)
    assert float(cmr_cpt.critical_share(1.0, SHARES, never)) == 0.5
    assert float(cmr_cpt.critical_share(1.0, SHARES, never, 0.37)) == pytest.approx(0.37)
    # nothing is known between such a share and one that turns too late
    late = np.array([np.nan, np.nan, 1e12, 1e13, 1e13])
    assert float(cmr_cpt.critical_share(1e10, SHARES, late)) == pytest.approx(0.2)
    mixed = np.array([np.nan, 1e9, 1e11, 1e12, np.nan])
    assert float(cmr_cpt.critical_share(1e10, SHARES, mixed)) == pytest.approx(0.5)
    assert float(cmr_cpt.critical_share(1e10, SHARES, mixed, 0.45)) == pytest.approx(0.25)
    # a tolerance below all shares that were tried, and none that turns in time
    assert float(cmr_cpt.critical_share(1e10, SHARES, never, 0.04)) == pytest.approx(0.04)
    assert np.isnan(float(cmr_cpt.critical_share(1e8, SHARES, np.full(5, 1e9), 0.04)))


def slope_at(tokens: float, one: Law, **values: float) -> float:
    return float(jax.grad(lambda t: one.predictor(t, **values))(tokens))


def test_a_critical_share_follows_from_draws_of_three_laws():
    """Domain loss along training (variant 5), general loss along it (2) and against the share (4)."""
    general, domain = (law("cmr_cpt", variant) for variant in (2, 5))
    names = ("rise", "s2", "fall", "gap")
    grown = np.linspace(0.5, 1.5, 5)  # forgetting grows with the share of domain data
    spread = drawn(
        3, rise=(0.09, 0.11, (5,)), s2=(0.28, 0.32, (5,)), fall=(0.055, 0.065, (5,)), gap=(0.38, 0.42, (5,)),
        drop=(0.04, 0.06, (5,)),
    )  # fmt: skip
    spread["rise"] = spread["rise"] * grown
    s1 = np.random.default_rng(4).normal(-0.2, 0.05, (DRAWS, 5))
    turning = np.asarray(cmr_cpt.turning_tokens(100.0, s1=s1, **spread))
    assert turning.shape == (DRAWS, 5)
    # there, the slopes of the two laws cancel
    for i in (0, 39):
        t, values = turning[i, 3], {name: spread[name][i, 3] for name in names}
        falls = slope_at(t, domain, level=-0.2, drop=spread["drop"][i, 3], s1=s1[i, 3])
        assert falls == pytest.approx(-100.0 * slope_at(t, general, offset=0.0, **values), rel=1e-8)
    tolerance = drawn(5, slope=(0.05, 0.2, ()), s=(0.8, 1.5, ()))
    alpha = cmr_cpt.rise_amplitude(tolerance["slope"], tolerance["s"])
    tolerated = np.asarray(cmr_cpt.tolerated_share(0.05, alpha=alpha, s=tolerance["s"]))
    found = np.asarray(cmr_cpt.critical_share(2e10, SHARES, turning, tolerated))
    assert found.shape == (DRAWS,)
    kept = np.isfinite(found)
    assert kept.any()
    assert (found[kept] <= np.minimum(tolerated, 0.5)[kept] + 1e-12).all()
    at_rise = [
        float(mean(law("cmr_cpt", 4), {"share": r}, {"level": 2.0, **row(tolerance, 0)}))
        for r in (tolerated[0], 1e-12)
    ]
    assert tolerated[0] == 1.0 or at_rise[0] - at_rise[1] == pytest.approx(0.05, rel=1e-6)


def test_a_tolerance_may_count_from_the_loss_before_training():
    shares = np.asarray(cmr_cpt.tolerated_share(0.05, alpha=0.12, s=1.5, offset=np.array([0.0, 0.02, 0.06])))
    np.testing.assert_allclose(0.12 * shares[:2] ** 1.5 + [0.0, 0.02], 0.05, rtol=1e-12)
    assert shares[2] == 0.0, "more is lost without any domain data"


def test_printed_ratios_are_those_of_the_published_coefficients():
    finance, academic = (law("cmr_cpt", 3).published[key].values for key in ("finance", "academic"))
    ratios = {4.6e8: 0.298, 9.4e8: 0.349, 1.6e9: 0.414, 3.1e9: 0.478}
    for params, printed in ratios.items():
        at = {"params": params, "tokens": cmr_cpt.T0}
        assert float(mean(law("cmr_cpt", 3), at, {**finance, "u1": 0.2})) == pytest.approx(printed, rel=0.03)
    small = {"params": 4.6e8, "tokens": cmr_cpt.T0}
    assert float(mean(law("cmr_cpt", 3), small, {**academic, "u1": 0.2})) == pytest.approx(0.367, rel=1e-12)


# --- multiple choice --------------------------------------------------------------------------------


def test_expected_scores_take_a_scatter_for_every_item_and_draw():
    nll = np.array([[1.0, 1.2, 1.5, 2.0], [0.5, 0.6, 2.0, 2.0], [2.0, 1.0, 1.1, 3.0]])
    sd, correlation = np.array([0.2, 0.5, 0.0]), np.array([0.0, 0.6, 0.3])
    each = mcq_metric_chain.expected_metrics(nll, sd, correlation, draws=4000)
    assert each.accuracy.shape == (3,)
    for i in range(3):
        one = mcq_metric_chain.expected_metrics(nll[i], sd[i], correlation[i], draws=4000)
        for here, there in zip(each, one, strict=True):
            assert float(here[i]) == pytest.approx(float(there), abs=0.04)
    assert float(each.accuracy[2]) == 0.0
    grown = mcq_metric_chain.expected_metrics(nll, sd[:2, None], 0.0, draws=50)
    assert grown.brier.shape == (2, 3)
    with pytest.raises(ValueError, match="sd >= 0 and a correlation from 0 to 1"):
        mcq_metric_chain.expected_metrics(nll, np.array([0.2, -0.1, 0.3]), 0.5)
    with pytest.raises(ValueError, match="sd >= 0 and a correlation from 0 to 1"):
        mcq_metric_chain.expected_metrics(nll, 0.2, np.array([0.2, 0.1, 1.3]))


def test_scores_of_multiple_choice_follow_from_the_log_odds_and_the_split_of_wrong_answers():
    nll = np.random.default_rng(5).gamma(2.0, 1.0, (30, 4))
    right = np.arange(30) % 4
    exact = mcq_metric_chain.metrics(nll, right)
    odds = np.asarray(mcq_metric_chain.wrong_nll(nll, right)) - nll[np.arange(30), right]
    split = np.asarray(mcq_metric_chain.wrong_split(nll, right))
    np.testing.assert_allclose(split.sum(axis=-1), 1.0, rtol=1e-12)
    found = mcq_metric_chain.expected_scores(odds, split)
    for here, there in zip(found[1:], exact[1:], strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-10, atol=1e-12)
    assert np.isnan(found.p_vocab).all(), "the law knows differences only"
    spread = mcq_metric_chain.expected_scores(odds + np.zeros((7, 1)), split, np.full((7, 1), 0.8), draws=40)
    assert spread.accuracy.shape == (7, 30)
    assert ((spread.accuracy > 0) & (spread.accuracy < 1)).any()
    # mean and scatter of the log odds are those that were asked for
    wide = mcq_metric_chain.expected_scores(np.array([0.0, -1.2]), np.full(3, 1 / 3), 0.5, draws=50_000)
    odds = np.random.default_rng(0).normal(0.0, 0.5, 500_000) + np.array([[0.0], [-1.2]])
    np.testing.assert_allclose(wide.p_choices, (1 / (1 + np.exp(-odds))).mean(axis=1), atol=2e-3)


# --- skills -----------------------------------------------------------------------------------------


def test_scores_of_skills_follow_the_draws():
    rng = np.random.default_rng(6)
    params, tokens, chance = np.array([3e9, 7e10]), np.array([2e12, 1.5e13]), np.array([0.25, 0.1, 0.5])
    draws = {
        "levels": rng.normal(size=(DRAWS, 2, 2)),
        "slopes": rng.uniform(0, 0.5, (DRAWS, 2, 3)),
        "loadings": rng.uniform(0.5, 1.5, (DRAWS, 3, 2)),
        "shifts": rng.normal(size=(DRAWS, 3)),
    }
    found = np.asarray(sloth.benchmark_scores(params, tokens, chance=chance, **draws))
    assert found.shape == (DRAWS, 2, 3)
    for i in (0, 39):
        one = sloth.benchmark_scores(params, tokens, chance=chance, **row(draws, i))
        np.testing.assert_allclose(found[i], one, rtol=1e-12)
    fixed = {**draws, "loadings": draws["loadings"][0], "shifts": draws["shifts"][0]}
    assert sloth.benchmark_scores(params, tokens, chance=chance, **fixed).shape == (DRAWS, 2, 3)
