"""Law-specific checks of the laws of reinforcement learning, capacity, vision, theory and discovery."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from _zoo import derived, published
from scipy import integrate

import bayes_scaling as bs
from bayes_scaling.forecast import forecast
from bayes_scaling.law import mean
from bayes_scaling.laws import law
from bayes_scaling.laws.inference import (
    activation_sparsity,
    bit_level_total_bits,
    cnn_compound_scaling_cost,
    discovery_poisson_linear,
    grokking_feature_samples,
    knowledge_capacity_bits,
    patch_size_power_offset,
    rl_posttrain_loglinear,
    rl_sigmoid_compute,
    sgd_noise_temperature,
    softmax_radius,
)
from bayes_scaling.units import RunsError


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


# --- reinforcement learning and capacity ----------------------------------------------------------


def test_exponents_of_rl_saturate_in_the_model_size():
    for key, size, k in (("base", 7, 0.0436), ("base", 72, 0.121), ("instruct", 72, 0.104)):
        own = {name: published("rl_posttrain_loglinear", key)[name] for name in ("k_max", "N0")}
        assert float(derived("rl_posttrain_loglinear", f"k_{size}B", **own)) == pytest.approx(k, abs=6e-4)
    hours = float(rl_sigmoid_compute.compute_needed(0.972, B=1.92, C_mid=2542.0))
    assert hours == pytest.approx(16e3, rel=0.02)


def test_larger_models_overtake_smaller_ones_where_the_digitised_lines_do():
    """32e9 parameters are ahead of 72e9 below some 3e19 FLOP (base) and 1e20 (instruct)."""
    one = law("rl_posttrain_loglinear", 3)
    for key, where, tolerance in (("base", 3.2e19, 0.05), ("instruct", 1.2e20, 0.4)):  # 0.02 in log10 E: 0.4
        values = dict(one.published[key].values)
        x, nats = rl_posttrain_loglinear.crossing(32e9, 72e9, "compute", **values)
        assert np.log10(x) == pytest.approx(np.log10(where), abs=tolerance)
        passed = [float(mean(one, {"params": n, "compute": x}, values)) for n in (32e9, 72e9)]
        assert passed[0] == pytest.approx(passed[1], rel=1e-9)
        assert passed[0] == pytest.approx(1 - np.exp(-nats), rel=1e-3)


def test_intercepts_of_rl_saturate_in_the_model_size_as_digitised():
    sizes = np.array([0.5, 1.5, 3, 7, 14, 32, 72])
    rows = {
        ("compute", "base"): [0.056, 0.193, 0.345, 0.678, 1.098, 1.627, 2.103],
        ("compute", "instruct"): [0.024, 0.086, 0.172, 0.369, 0.670, 1.166, 1.696],
        ("samples", "base"): [0.004, 0.026, 0.039, 0.066, 0.120, 0.182, 0.245],
    }
    for (along, key), intercepts in rows.items():
        values = dict(law("rl_posttrain_loglinear", 3 if along == "compute" else 4).published[key].values)
        k = rl_posttrain_loglinear.slope(sizes * 1e9, k_max=values["k_max"], N0=values["N0"])
        gap = rl_posttrain_loglinear.saturating_gap(sizes * 1e9, along, **values)
        far = np.log(rl_posttrain_loglinear.X_REF[along])
        found = (np.asarray(k) * far - np.asarray(gap)) / np.log(10)
        np.testing.assert_allclose(found, intercepts, atol=0.02)  # the reading error


def test_pass_rate_of_rl_is_hills_curve_with_a_power_law_at_its_end():
    values = {"A": 0.61, "start": 0.4, "B": 1.92, "C_mid": 2542.0}
    hours = np.array([300.0, 2542.0, 3e4, 1e6, 4e6])
    rate = np.asarray(mean(law("rl_sigmoid_compute"), {"gpu_hours": hours}, values))
    hill = {"low": 0.61 * 0.4, "rise": 0.61 * 0.6, "middle": 2542.0, "steepness": 1.92}
    np.testing.assert_allclose(rate, mean(law("saturating_hill"), {"x": hours}, hill), rtol=1e-12)
    late = {"E": 1 - 0.61, "A": 0.61 * 0.6, "alpha": 1.92}
    failed = mean(law("power_law_offset"), {"x": hours[3:] / 2542.0}, late)
    np.testing.assert_allclose(1 - rate[3:], failed, rtol=1e-9)
    # the linearised form
    line = np.log((0.61 - 0.61 * 0.4) / (rate - 0.61 * 0.4) - 1)
    np.testing.assert_allclose(line, 1.92 * (np.log(2542.0) - np.log(hours)), rtol=1e-6, atol=1e-9)


def test_penalties_divide_the_capacity():
    bits, own = knowledge_capacity_bits, {"R_inf": 2.1, "e_half": 100.0, "q": 1.0}
    assert float(bits.capacity(100.0, **own)) == pytest.approx(1.05)
    assert float(bits.capacity(100.0, bits.PENALTY["junk_7_of_8", 100], **own)) == pytest.approx(1.05 / 20)
    junk = [bits.PENALTY["junk_7_of_8", e] for e in (100, 300, 600, 1000)]
    assert junk == sorted(junk, reverse=True)


def test_bits_of_biographies():
    bits = knowledge_capacity_bits
    values = 2.0 * (12 * 28 * 200) * 200 * 300 * 100 * 263
    assert pytest.approx(np.log2(values), abs=5e-3) == bits.BIO_BITS
    assert float(bits.biography_bits(20e6)) == pytest.approx(1.01e9, rel=3e-3)
    # a model that lists every name equally and knows every value has learnt everything
    known = bits.biography_bits_learnt(1e6, np.log(1e6), 0.0)
    assert float(known) == pytest.approx(float(bits.biography_bits(1e6)))
    table = (1e4, 5.0, 2.0, 64.0, 8.0, 32.0)
    known = bits.table_bits_learnt(*table, np.log(1e4), 0.0, np.log(64.0), of=1e8)
    assert float(known) == pytest.approx(
        float(bits.table_bits(*table, of=1e8)) - 5 * 64 * np.log2(64), rel=1e-9
    )
    assert float(bits.params_needed(1.8e9)) == pytest.approx(1e9)
    plan = {"params": 1e8, "exposures": 1e5, "data_bits": 1.5e8}
    learnt = mean(bits.LAW, plan, {"R_inf": 2.2, "e_half": 100.0, "q": 1.0})
    assert float(learnt) == pytest.approx(1.5, rel=5e-3)  # up to 1.8 is learnt almost completely


def test_four_bits_win_at_fixed_total_bits_if_they_keep_more_than_half():
    found = bit_level_total_bits.best_width(np.array([0.4, 0.6, 0.9]), np.array([0.5, 0.5, 0.9]))
    np.testing.assert_array_equal(found, [8.0, 4.0, 3.0])


def test_sparsity_halves_in_its_half_life_and_grows_with_width():
    sizes = {"0p2B": (0.2, 7.2), "0p4B": (0.4, 24), "0p8B": (0.8, 83), "1p2B": (1.2, 148), "2p4B": (2.4, 242)}
    for name, (billions, tokens) in sizes.items():
        half = published("activation_sparsity", f"relu_{name}")["half"] * billions
        assert half == pytest.approx(tokens * 1e9, rel=0.02), name
    shape = activation_sparsity.limit_of_shape(np.array([10.0, 50.0, 1000.0]), h0=0.01, h1=6e-4, cap=0.08)
    np.testing.assert_allclose(shape, [0.016, 0.04, 0.08], rtol=1e-3)


def test_sparsity_of_silu_is_a_power_law_with_a_negative_amplitude():
    values = published("activation_sparsity_silu", "silu_1p2B")
    tokens = np.array([5e10, 4e11])
    below = mean(law("power_law"), {"x": tokens / 2e10}, {"A": values["c"], "alpha": values["al"]})
    found = mean(law("activation_sparsity_silu"), {"tokens": tokens}, values)
    np.testing.assert_allclose(found, values["A0"] - below, rtol=1e-12)


# --- vision, optimisation, theory -----------------------------------------------------------------


def test_losses_of_patches_are_as_digitised():
    patches = np.array([16.0, 8, 4, 2, 1])
    rows = {
        "deit_b_64": [1.111, 0.927, 0.870, 0.841, 0.816],
        "adventurer_b_128": [0.945, 0.873, 0.850, 0.835, 0.813],
        "adventurer_b_224": [0.719, 0.678, 0.654, 0.645, 0.636],
        "deit_b_128": [1.010, 0.882, 0.838, 0.820, 0.806],
        "adventurer_l_128": [0.900, 0.838, 0.811, 0.802, 0.790],
    }
    for name, losses in rows.items():
        values = published("patch_size_power_offset", name)
        own = 2 * patches if name == "deit_b_128" else patches
        found = mean(law("patch_size_power_offset"), {"patch": own}, values)
        np.testing.assert_allclose(found, losses, rtol=0.02)  # digitised exponents are good to 10 %
    assert patch_size_power_offset.sequence_length(224, 1) == 50_176


def test_crossovers_of_theory_laws():
    values = {"c": 0.01, "delta": 1.2, "gamma": 0.6}
    T = sgd_noise_temperature.critical_temperature(np.array([1e3, 1e4]), **values)
    change = mean(law("sgd_noise_temperature"), {"temperature": T, "examples": np.array([1e3, 1e4])}, values)
    np.testing.assert_allclose(change, 1.0, rtol=1e-9)
    assert T[1] / T[0] == pytest.approx(10**-0.5)
    np.testing.assert_allclose(
        sgd_noise_temperature.best_temperature_exponent(np.array([3, 5])), [1 / 2, 2 / 3]
    )
    n = grokking_feature_samples.critical_samples(np.array([50.0, 100.0]), kappa=0.7)
    assert n[1] / n[0] == pytest.approx(2 * (1 + np.log(2) / np.log(50)))
    f = grokking_feature_samples.critical_fraction(np.array([50.0, 100.0]), kappa=0.7)
    assert f[1] / f[0] == pytest.approx(n[1] / n[0] / 4)


def test_activations_of_a_scaled_network():
    for width, depth in ((0.8, 0.1), (1 / 3, 1 / 3), (1.0, 0.0)):
        d, w, r = cnn_compound_scaling_cost.compound(4.0, width, depth)
        assert d * w**2 * r**2 == pytest.approx(4.0)
        assert d * w * r**2 == pytest.approx(4 ** cnn_compound_scaling_cost.activation_exponent(width))
        assert d * w**2 == pytest.approx(4 ** cnn_compound_scaling_cost.params_exponent(width, depth))


def test_radius_of_a_softmax_is_the_nearest_zero_of_its_sum():
    margin, spread = np.array([0.0, 0.5, -3.0]), 2.0
    zero = (-margin + 1j * np.pi) / spread
    np.testing.assert_allclose(1 + np.exp(margin + zero * spread), 0, atol=1e-12)
    found = softmax_radius.radius(spread, margin)
    np.testing.assert_allclose(found, np.abs(zero), rtol=1e-12)
    assert (np.asarray(found) >= softmax_radius.radius(spread)).all()


# --- counts of events -----------------------------------------------------------------------------

#: Cumulative number of finds every 200 GPU-hours from 0 to 7000, read from the paper's figure.
FOUND = "0 0 0 1 1 3 5 6 9 11 16 20 23 27 34 35 40 45 53 58 62 64 65 69 71 74 77 83 88 91 94 97 98 99 102 106"


def test_least_squares_on_the_cumulative_finds():
    hours, count = 0.2 * np.arange(36), np.array([int(c) for c in FOUND.split()])
    slope, intercept = np.polyfit(hours, count, 1)
    assert (slope, intercept) == pytest.approx((17.3, -12.5), abs=0.05)
    assert np.corrcoef(hours, count)[0, 1] ** 2 == pytest.approx(0.984, abs=5e-4)
    late = hours > 0.99
    assert np.polyfit(hours[late], count[late], 1)[0] == pytest.approx(18.4, abs=0.05)


def test_a_rate_of_discoveries_is_fitted_and_forecast():
    found = np.diff([int(count) for count in FOUND.split()])
    table = pd.DataFrame({"hours": 200.0 * np.arange(1, 36), "interval": 200.0, "n_found": found})
    few = bs.Settings(chains=2, warmup=200, draws=400, most_draws=400)
    posterior = bs.fit("discovery_poisson_linear", bs.read_runs(table), settings=few)
    draws = posterior.tree["posterior"].to_dataset()
    # 106 finds in 7000 hours: with this prior the rate is that of the sample to a few per cent
    assert float(draws["r"].median()) == pytest.approx(106 / 7000, rel=0.05)
    assert 0.08 < float(np.log(draws["r"]).std()) < 0.25
    assert 0.001 < float(draws["overdispersion"].median()) < 0.5
    replicated = posterior.tree["posterior_predictive"]["n_found"].values
    assert (replicated == np.round(replicated)).all()
    plan = {"hours": 8000.0, "interval": 1000.0}
    targets = ("mean", "new_run", "measurement")
    by = {t: forecast(posterior, plan, target=t, allow_failed=True) for t in targets}
    assert by["mean"].median[0] == pytest.approx(15.1, rel=0.06)
    sd = [float(by[target].sd[0]) for target in by]
    assert sd[0] < sd[1] < sd[2]
    # the split of the variance against the draws
    total = sum(float(v[0]) for v in by["measurement"].variance.values())
    assert by["measurement"].draws.var() == pytest.approx(total, rel=0.35)
    assert (by["measurement"].draws == np.round(by["measurement"].draws)).all()


def test_events_must_be_whole_numbers():
    table = pd.DataFrame({"hours": [200.0, 400.0, 600.0], "interval": 200.0, "n_found": [1.0, 2.5, -1.0]})
    with pytest.raises(RunsError, match=r"n_found: .*-1.*(?s:.)*n_found: .*2\.5.*expected whole numbers"):
        bs.fit("discovery_poisson_linear", bs.read_runs(table))


def test_a_late_start_counts_fewer_hours():
    hours, lag = 7e3, 1200.0
    counted = integrate.quad(lambda h: 1 - np.exp(-h / lag), 0, hours)[0]
    assert float(discovery_poisson_linear.delayed(hours, lag)) == pytest.approx(counted, rel=1e-9)
    values, one = {"r": 0.02, "lag": lag}, law("discovery_poisson_linear", 2)
    ends = np.arange(200.0, 7001.0, 200.0)
    parts = float(mean(one, {"hours": ends, "interval": 200.0}, values).sum())
    whole = float(mean(one, {"hours": hours, "interval": hours}, values))
    assert whole == pytest.approx(parts, rel=1e-9)
    assert whole == pytest.approx(0.02 * counted, rel=1e-9)
