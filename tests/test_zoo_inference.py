"""Law-specific checks of the laws of inference, reinforcement learning, capacity and vision."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from _zoo import derived, published
from scipy import integrate, special, stats

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
    kinetics_cost,
    knowledge_capacity_bits,
    multi_agent_phase,
    pass_at_k_mixture,
    patch_size_power_offset,
    rag_compute_allocation,
    retrieval_datastore_loglinear,
    rl_sigmoid_compute,
    self_consistency_power,
    sgd_noise_temperature,
    spec_decoding_loglinear,
)
from bayes_scaling.units import RunsError


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


# --- repeated sampling and voting -----------------------------------------------------------------

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


def test_counts_of_problems_recover_the_exponent():
    """p ~ c Beta(0.15, 3.5) for 400 problems of 10 000 attempts, as in the paper: b = 0.15."""
    rng = np.random.default_rng(0)
    s = rng.binomial(10_000, 0.8 * rng.beta(0.15, 3.5, 400))
    alphas = np.geomspace(0.08, 0.3, 45)

    def total(alpha):
        return pass_at_k_mixture.log_likelihood(s, 10_000, alpha=alpha, beta=3.5, top=0.8).sum()

    best = alphas[int(np.argmax(jax.lax.map(total, alphas)))]
    assert best == pytest.approx(0.15, rel=0.15)
    found = [pass_at_k_mixture.coverage_of([10_000] * 400, s.tolist(), k) for k in (1, 100)]
    for k, coverage in zip((1.0, 100.0), found, strict=True):
        expected = float(mean(law("pass_at_k_mixture"), {"k": k}, DIFFICULTY))
        assert coverage == pytest.approx(expected, abs=0.06)
    with pytest.raises(ValueError, match="found n=3, s=1, k=5"):
        pass_at_k_mixture.coverage_of([3], [1], 5)


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


def test_vote_is_a_power_law_with_a_floor():
    values = {"misled": 0.3, "slip": 0.2, "q": 0.45}
    for k in (1.0, 10.0, 200.0):
        error = mean(law("power_law_offset"), {"x": k}, {"E": 0.3, "A": 0.7 * 0.2, "alpha": 0.45})
        assert 1 - float(mean(law("self_consistency_power"), {"k": k}, values)) == pytest.approx(float(error))
    k = float(self_consistency_power.samples_needed(0.32, **values))
    assert 1 - float(mean(law("self_consistency_power"), {"k": k}, values)) == pytest.approx(0.32)
    assert np.isinf(self_consistency_power.samples_needed(0.29, **values))


# --- retrieval, cost, agents ----------------------------------------------------------------------


def test_allocation_of_context_is_optimal_and_vectorised():
    values = published("rag_compute_allocation", "gemini_1_5_flash")
    own = {name: values[name] for name in ("a_docs", "a_shots", "b_docs", "b_shots")}
    w_docs, w_shots = rag_compute_allocation.weights(np.array([0.0, 1.0]), 0.5, **own)
    plan = rag_compute_allocation.optimal_allocation(1e5, 1000.0, 500.0, w_docs=w_docs, w_shots=w_shots)
    assert plan.docs.shape == plan.shots.shape == plan.rounds.shape == (2,)
    np.testing.assert_allclose(plan.docs * 1000 + plan.shots * 500, 1e5)
    other = np.linspace(0.01, 0.99, 99)[:, None] * 1e5
    score = w_docs * np.log(other / 1000) + w_shots * np.log((1e5 - other) / 500)
    best = w_docs * np.log(plan.docs) + w_shots * np.log(plan.shots)
    assert (score <= best).all()
    # published rounds are not worth their context; a weight that exceeds the others is
    for a_rounds, rounds in ((values["a_rounds"], 1.0), (0.6, 5.0)):
        found = rag_compute_allocation.optimal_allocation(
            1e5, 1e3, 500.0, w_docs=w_docs, w_shots=w_shots, a_rounds=a_rounds, most_rounds=5.0
        )
        np.testing.assert_array_equal(found.rounds, rounds)
        np.testing.assert_allclose(found.rounds * (found.docs * 1000 + found.shots * 500), 1e5)
    gain = float(derived("rag_compute_allocation", "per_doubled_docs", a_docs=0.325))
    assert gain == pytest.approx(0.2253, abs=5e-5)
    x = np.linspace(-2, 2, 4)
    np.testing.assert_allclose(rag_compute_allocation.unsquash(rag_compute_allocation.squash(x)), x)


def test_datastore_is_worth_training_tokens():
    values = published("chinchilla", "besiroglu2024") | {"gain": 0.01}
    own = {name: values[name] for name in ("B", "beta", "gain")}
    tokens = float(retrieval_datastore_loglinear.tokens_worth(1e10, 1e11, **own))
    plans = ({"tokens": 1e11, "datastore_tokens": 1e10}, {"tokens": tokens, "datastore_tokens": 1e-6})
    one, two = (float(mean(law("retrieval_datastore_loglinear"), p | {"params": 1e9}, values)) for p in plans)
    assert one == pytest.approx(two, rel=1e-9)
    assert float(retrieval_datastore_loglinear.total_flop(1e9, 2e10, 1e8, 1e12)) == 1.2e20 + 2e20


QWEN3_8B = {"params": 8.19e9, "kv_elements": 73728.0, "query_groups": 4.0}


def test_cost_is_the_sum_over_generated_tokens():
    """Attention of token t reads a cache of prompt + t; trials share the prompt."""
    prompt, n, trials, i = 300, 2000, 3, 562.5
    length = prompt + np.arange(n) + 0.5
    p, d, r = (QWEN3_8B[k] for k in ("params", "kv_elements", "query_groups"))
    flop = trials * (2 * p * n + 2 * r * d * length.sum())
    bytes_moved = 2 * d * (prompt * n + trials * (length - prompt).sum())
    found = kinetics_cost.eflop(prompt_tokens=prompt, output_tokens=n, trials=trials, **QWEN3_8B)
    assert float(found) == pytest.approx(flop + i * bytes_moved, rel=1e-9)
    assert i == kinetics_cost.INTENSITY


@pytest.mark.parametrize("budget", [100, 800, 1500, 10**6])
def test_sparse_attention_reads_at_most_its_budget(budget):
    prompt, n = 300, 1000
    read = np.minimum(budget, prompt + np.arange(n) + 0.5).sum()
    found = kinetics_cost.sparse_eflop(
        prompt_tokens=prompt, output_tokens=n, trials=2.0, kv_budget=float(budget), **QWEN3_8B
    )
    d, r = QWEN3_8B["kv_elements"], QWEN3_8B["query_groups"]
    expected = 2 * (2 * QWEN3_8B["params"] * n + 2 * r * d * read + 562.5 * 2 * d * read)
    assert float(found) == pytest.approx(expected, rel=1e-6)
    searched = kinetics_cost.sparse_eflop(
        prompt_tokens=prompt, output_tokens=n, trials=2.0, kv_budget=float(budget), block=16.0, **QWEN3_8B
    )
    assert float(searched) > float(found)


def test_budget_is_spent_and_split_best():
    own = QWEN3_8B | {"prompt_tokens": 500.0}
    trials = kinetics_cost.affordable_trials(1e16, output_tokens=4000.0, **own)
    tokens = kinetics_cost.affordable_tokens(1e16, trials=trials, **own)
    assert float(tokens) == pytest.approx(4000.0, rel=1e-9)

    def success(trials, tokens):
        return 1 - (1 - 0.6 / (1 + (5000 / tokens) ** 2)) ** trials

    lengths, budgets = np.geomspace(500, 32_000, 60), np.array([1e13, 3e15, 1e16, 1e17])
    split = kinetics_cost.optimal_split(budgets, success, lengths, **own)
    assert split.success.shape == (4,)
    assert split.success[0] == split.trials[0] == 0  # one short answer costs more
    cost = kinetics_cost.eflop(output_tokens=split.output_tokens, trials=split.trials, **own)
    assert (np.asarray(cost)[1:] <= budgets[1:]).all()
    assert (np.diff(split.success) > 0).all()
    for k in (1, 2, 3):
        n = np.floor(kinetics_cost.affordable_trials(budgets[k], output_tokens=lengths, **own))
        assert success(n, lengths).max() == pytest.approx(float(split.success[k]))
    np.testing.assert_allclose(kinetics_cost.kv_exponent(np.array([1.18, 1.27])), [0.24, 0.34], atol=6e-3)
    tokens, budget = kinetics_cost.sparse_optimum(np.array([1e14, 2e14]))
    assert tokens[1] / tokens[0] == pytest.approx(1.74, abs=2e-3)
    assert (budget[1] + 212) / (budget[0] + 212) == pytest.approx(1.19, abs=2e-3)


def test_phase_boundary_and_exponent_of_teams():
    slopes = multi_agent_phase.majority_slope(np.array([3.0, 5.0, 7.0, 9.0]))
    np.testing.assert_allclose(slopes, [1.5, 1.875, 2.1875, 2.4609375], rtol=1e-10)
    assert float(multi_agent_phase.critical_fidelity(3.0, rho=0.0)) == pytest.approx(2 / 3)
    s = multi_agent_phase.organisation_exponent(np.array([3.0, 5.0, 101.0]), gamma=1.0, rho=0.0)
    np.testing.assert_allclose(s, [0.369, 0.391, 0.452], atol=5e-4)
    own = {"gamma": 0.95, "rho": 0.2}
    assert float(multi_agent_phase.amplification(3.0, **own)) == pytest.approx(1.33)
    assert float(multi_agent_phase.organisation_exponent(3.0, **own)) == pytest.approx(0.2596, abs=5e-5)


def test_signal_dies_below_the_boundary_and_settles_above_it():
    rho = 0.2
    edge = float(multi_agent_phase.critical_fidelity(3.0, rho=rho))
    below, above = multi_agent_phase.fixed_point(3.0, gamma=edge * np.array([0.9, 1.1]), rho=rho)
    assert float(below) < 1e-6 < 0.1 < float(above)
    assert float(multi_agent_phase.layer(above, 3.0, gamma=1.1 * edge, rho=rho)) == pytest.approx(
        float(above)
    )
    assert np.isinf(multi_agent_phase.mixing_levels(1e-3, 3.0, gamma=0.9 * edge, rho=rho))
    values = {"rho": rho, "m0": 100.0, "kappa": 0.05, "beta": 0.1}
    plan = {"fan_in": 3.0, "message_tokens": 300.0}
    one, team = (
        2 * float(mean(law("multi_agent_phase"), plan | p, values)) - 1
        for p in ({"agents": 1.0, "agent_tokens": 9e3}, {"agents": 9.0, "agent_tokens": 1e3})
    )
    s = multi_agent_phase.organisation_exponent(3.0, gamma=1 - np.exp(-3), rho=rho)
    assert team / one == pytest.approx(9 ** (float(s) - 0.1), rel=0.01)
    ceiling = 0.6
    budget = float(multi_agent_phase.budget_threshold(ceiling, kappa=0.05, beta=0.1))
    assert float(multi_agent_phase.leaf_bias(budget, kappa=0.05, beta=0.1)) == pytest.approx(ceiling)


def test_risk_of_stars_and_trees():
    floor = multi_agent_phase.tree_risk_floor(3.0, 0.2, rho=0.4)
    assert float(multi_agent_phase.star_risk(floor, 3.0, 0.2, rho=0.4)) == pytest.approx(float(floor))
    assert float(multi_agent_phase.most_in_a_star(8192.0, 300.0)) == 27


def test_accepted_tokens_are_bounded_by_the_draft():
    acceptance, draft = np.linspace(0.05, 0.999, 40), np.array([1.0, 4.0, 16.0])[:, None]
    tau = np.asarray(spec_decoding_loglinear.accepted(acceptance, draft))
    assert ((tau >= 1) & (tau <= draft + 1)).all()
    assert (np.diff(tau, axis=1) > 0).all()
    assert float(spec_decoding_loglinear.accepted(0.5, 2.0)) == pytest.approx(1.75)
    assert float(spec_decoding_loglinear.speedup(0.5, 2.0, 0.0)) == pytest.approx(1.75)


# --- reinforcement learning, capacity, vision, theory ---------------------------------------------


def test_exponents_of_rl_saturate_in_the_model_size():
    for key, size, k in (("base", 7, 0.0436), ("base", 72, 0.121), ("instruct", 72, 0.104)):
        own = {name: published("rl_posttrain_loglinear", key)[name] for name in ("k_max", "N0")}
        assert float(derived("rl_posttrain_loglinear", f"k_{size}B", **own)) == pytest.approx(k, abs=6e-4)
    hours = float(rl_sigmoid_compute.compute_needed(0.972, B=1.92, C_mid=2542.0))
    assert hours == pytest.approx(16e3, rel=0.02)


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
    found = [published("activation_sparsity", f"relu_{n}")["half"] for n in ("0p2B", "1p2B", "2p4B")]
    np.testing.assert_allclose(np.array(found) * [0.2, 1.2, 2.4], [7.2e9, 148e9, 242e9], rtol=0.01)
    shape = activation_sparsity.limit_of_shape(np.array([10.0, 50.0, 1000.0]), h0=0.01, h1=6e-4, cap=0.08)
    np.testing.assert_allclose(shape, [0.016, 0.04, 0.08], rtol=1e-3)


def test_losses_of_patches_are_as_digitised():
    patches = np.array([16.0, 8, 4, 2, 1])
    rows = {
        "deit_b_64": [1.111, 0.927, 0.870, 0.841, 0.816],
        "adventurer_b_128": [0.945, 0.873, 0.850, 0.835, 0.813],
        "adventurer_b_224": [0.719, 0.678, 0.654, 0.645, 0.636],
        "adventurer_l_128": [0.900, 0.838, 0.811, 0.802, 0.790],
    }
    for name, losses in rows.items():
        values = published("patch_size_power_offset", name)
        found = mean(law("patch_size_power_offset"), {"patch": patches}, values)
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


# --- counts of events -----------------------------------------------------------------------------

#: Cumulative number of finds every 200 GPU-hours from 0 to 7000, read from the paper's figure.
FOUND = "0 0 0 1 1 3 5 6 9 11 16 20 23 27 34 35 40 45 53 58 62 64 65 69 71 74 77 83 88 91 94 97 98 99 102 106"


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
