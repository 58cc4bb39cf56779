"""Law-specific checks of the laws of retrieval, cost and agents; deterministic laws in other places."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _zoo import derived, published

from bayes_scaling.decide.allocate import optimum_at
from bayes_scaling.decide.cost import Cost
from bayes_scaling.law import Input, Law, Parameter, Reference, mean, successes, with_priors
from bayes_scaling.laws import law
from bayes_scaling.laws.inference import (
    coverage_exp_power,
    kinetics_cost,
    multi_agent_phase,
    rag_compute_allocation,
    retrieval_datastore_accuracy,
    retrieval_datastore_loglinear,
    spec_decoding_loglinear,
)
from bayes_scaling.laws.inference.kinetics_cost import QWEN3


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


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


def test_best_configuration_of_the_grid():
    rag = rag_compute_allocation
    values = published("rag_compute_allocation", "gemini_1_5_flash")
    weights = {"w_docs": values["a_docs"], "w_shots": values["a_shots"], "a_rounds": values["a_rounds"]}
    lengths = {"doc_tokens": 250.0, "shot_tokens": 600.0, "prompt_tokens": 400.0}
    best = rag.best_on_grid(np.array(rag.BUDGETS), **lengths, **weights)
    spent = best.rounds * (400 + best.docs * 250 + best.shots * 600)
    assert (np.asarray(spent) <= rag.BUDGETS).all()

    def score(docs, shots, rounds):
        gains = {"doc_gain": 1.0, "shot_gain": 1.0}
        plan = {"docs": docs + 0.01, "shots": shots + 0.01, "rounds": rounds, **gains}
        return np.asarray(mean(law("rag_compute_allocation"), plan, values))

    found = score(*best)
    rng = np.random.default_rng(0)
    for budget, highest in zip(rag.BUDGETS, found, strict=True):
        docs, shots, rounds = (rng.choice(of, 2000).astype(float) for of in (rag.DOCS, rag.SHOTS, rag.ROUNDS))
        fits = rounds * (400 + docs * 250 + shots * 600) <= budget
        assert score(docs, shots, rounds)[fits].max() <= highest + 1e-9
    # on the scale where effects add up, the frontier is nearly a line in the log of the budget to 1e6 tokens
    additive, e_folds = np.asarray(rag.unsquash(found)), np.log(rag.BUDGETS)
    line = np.polyval(np.polyfit(e_folds[:4], additive[:4], 1), e_folds)
    assert np.abs(additive - line)[:4].max() < 0.1 * np.ptp(additive[:4])
    assert additive[3] < additive[4] < line[4], "flatter beyond"
    with pytest.raises(ValueError, match="a budget of 300 tokens does not pay for a prompt of 400"):
        rag.best_on_grid(300.0, **lengths, **weights)


def test_odds_of_the_score_are_a_power_of_the_documents():
    rag = rag_compute_allocation
    values = published("rag_compute_allocation", "gemini_1_5_flash") | {"b_docs": 0.0, "b_shots": 0.0}
    plan = {
        "docs": np.array([10.0, 20.0, 40.0]),
        "shots": 4.0,
        "rounds": 1.0,
        "doc_gain": 1.3,
        "shot_gain": 0.8,
    }
    share = (np.asarray(mean(law("rag_compute_allocation"), plan, values)) - rag.LOW) / rag.RANGE
    odds = share / (1 - share)
    np.testing.assert_allclose(odds[1:] / odds[:-1], 2 ** (rag.STEEPNESS * values["a_docs"]), rtol=1e-9)
    assert float(rag.unsquash(0.8635)) == pytest.approx(0.9067, abs=1e-3)


def test_slopes_of_a_datastore_by_kind_of_task():
    for kind, interval in retrieval_datastore_accuracy.SLOPES.items():
        one = with_priors(law("retrieval_datastore_accuracy"), {"slope": interval})
        assert one.parameter("slope").interval == interval, kind


def test_datastore_is_worth_training_tokens():
    values = published("chinchilla", "besiroglu2024") | {"gain": 0.01}
    own = {name: values[name] for name in ("B", "beta", "gain")}
    tokens = float(retrieval_datastore_loglinear.tokens_worth(1e10, 1e11, **own))
    plans = ({"tokens": 1e11, "datastore_tokens": 1e10}, {"tokens": tokens, "datastore_tokens": 1e-6})
    one, two = (float(mean(law("retrieval_datastore_loglinear"), p | {"params": 1e9}, values)) for p in plans)
    assert one == pytest.approx(two, rel=1e-9)
    assert float(retrieval_datastore_loglinear.total_flop(1e9, 2e10, 1e8, 1e12)) == 1.2e20 + 2e20


QWEN3_8B = QWEN3["8B"]._asdict()


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


def test_caches_and_plain_flop_of_the_models_compared():
    for name, gigabytes in (("0.6B", 3.5), ("32B", 8.0)):
        assert 2 * QWEN3[name].kv_elements * 32_768 / 2**30 == pytest.approx(gigabytes)
    # equal in equivalent FLOP, not in FLOP of the parameters alone (in 1e12)
    for name, tokens, tera in (("14B", 8192, 242), ("4B", 24_576, 198)):
        assert 2 * QWEN3[name].params * tokens / 1e12 == pytest.approx(tera, rel=3e-3)
    cost = [
        kinetics_cost.eflop(prompt_tokens=0.0, output_tokens=tokens, trials=1.0, **QWEN3[name]._asdict())
        for name, tokens in (("14B", 8192.0), ("4B", 9216.0))
    ]
    assert cost[0] / cost[1] == pytest.approx(1.0, abs=0.1)


def test_best_model_length_and_cache_for_a_budget():
    """Candidates are models by lengths; the small model is best while the large one is not affordable."""
    lengths = np.geomspace(500, 16_000, 12)
    names = ("0.6B", "14B")
    each = kinetics_cost.Model(*np.repeat(np.array([QWEN3[n] for n in names]).T, len(lengths), axis=1))
    ceiling = np.repeat([0.3, 0.8], len(lengths))
    tokens = np.tile(lengths, 2)

    def success(trials, output_tokens):
        one = kinetics_cost.answer_accuracy(output_tokens, ceiling=ceiling, half=2000.0, steepness=2.0)
        return -jnp.expm1(trials * jnp.log1p(-one))

    own = {**each._asdict(), "prompt_tokens": 300.0}
    dense = kinetics_cost.optimal_split(np.array([4e12, 1e15]), success, tokens, **own)
    assert [int(i) // len(lengths) for i in dense.choice] == [0, 1]
    np.testing.assert_array_equal(tokens[np.asarray(dense.choice)], dense.output_tokens)
    sparse = kinetics_cost.optimal_split(np.array([4e12, 1e15]), success, tokens, kv_budget=256.0, **own)
    assert (sparse.success >= dense.success).all()
    assert sparse.success[1] > dense.success[1]
    chosen = {name: value[np.asarray(sparse.choice)] for name, value in each._asdict().items()}
    cost = kinetics_cost.sparse_eflop(
        prompt_tokens=300.0,
        output_tokens=sparse.output_tokens,
        trials=sparse.trials,
        kv_budget=256.0,
        **chosen,
    )
    assert (np.asarray(cost) <= [4e12, 1e15]).all()


def test_a_deterministic_cost_serves_inside_another_law():
    """Coverage from a budget of equivalent FLOP: as many samples as it buys."""

    def log_log_mean(budget, params, *, a, b, growth):
        cache = QWEN3["8B"].kv_elements * (params / QWEN3["8B"].params) ** growth
        trials = kinetics_cost.affordable_trials(budget, params, 300.0, 4000.0, cache, 4.0)
        return coverage_exp_power.log_log_mean(trials, a=a, b=b)

    one = Law(
        name="coverage_of_a_budget",
        title="Coverage from a budget of inference",
        equation="c = exp(-a N(budget)^-b)",
        predictor=log_log_mean,
        predicts=successes(),
        inputs=(
            Input("budget", "FLOP", "equivalent FLOP per problem", (1e15, 1e18)),
            Input("params", "parameter", "active parameters", (1e8, 1e11)),
        ),
        parameters=(
            *law("coverage_exp_power").parameters,
            Parameter("growth", (0.07, 0.73), "unit", meaning="exponent of the cache in parameters"),
        ),
        reference=Reference("a test", "nobody", 2026),
    )
    values = {"a": 4.0, "b": 0.35, "growth": float(kinetics_cost.kv_exponent(1.18))}
    budgets = np.array([1e16, 1e17])
    coverage = mean(one, {"budget": budgets, "params": 8.19e9}, values)
    trials = kinetics_cost.affordable_trials(budgets, output_tokens=4000.0, prompt_tokens=300.0, **QWEN3_8B)
    np.testing.assert_allclose(coverage, mean(law("coverage_exp_power"), {"k": trials}, values_of(values)))
    gradient = jax.grad(lambda v: log_log_mean(1e16, 4e9, **v))(values)
    assert all(np.isfinite(g) and g != 0 for g in gradient.values())


def values_of(values):
    return {name: values[name] for name in ("a", "b")}


def test_a_deterministic_cost_serves_in_an_allocation():
    """A budget that pays for training and for answering questions, attention and its memory included."""

    def served(params):
        cache = QWEN3["8B"].kv_elements * (params / QWEN3["8B"].params) ** 0.24
        return 1e9 * np.asarray(kinetics_cost.eflop(params, 300.0, 4000.0, 1.0, cache, 4.0))

    chinchilla, values = law("chinchilla"), published("chinchilla", "besiroglu2024")
    plain = optimum_at(chinchilla, values, 1e24)
    cost = Cost(flop=lambda params, tokens: 6 * params * tokens + served(params))
    found = optimum_at(chinchilla, values, 1e24, cost=cost)
    assert found.best["params"] < plain.best["params"]
    n, d = found.best["params"], found.best["tokens"]
    assert 6 * n * d + served(n) == pytest.approx(1e24, rel=1e-6)
    for other in (0.5 * n, 0.9 * n, 1.1 * n, 2 * n):
        left = (1e24 - served(other)) / (6 * other)
        if left > 0:
            there = float(mean(chinchilla, {"params": other, "tokens": left}, values))
            assert there >= found.best["value"] - 1e-9


def test_phase_boundary_and_exponent_of_teams():
    slopes = multi_agent_phase.majority_slope(np.array([3.0, 5.0, 7.0, 9.0]))
    np.testing.assert_allclose(slopes, [1.5, 1.875, 2.1875, 2.4609375], rtol=1e-10)
    assert float(multi_agent_phase.critical_fidelity(3.0, rho=0.0)) == pytest.approx(2 / 3)
    s = multi_agent_phase.organisation_exponent(np.array([3.0, 5.0, 101.0]), gamma=1.0, rho=0.0)
    np.testing.assert_allclose(s, [0.369, 0.391, 0.452], atol=5e-4)
    assert 0.49 < float(multi_agent_phase.organisation_exponent(1e12 + 1, gamma=1.0, rho=0.0)) < 0.5
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
    grown = [
        float(multi_agent_phase.clipped_bias(leaf, 9.0, 3.0, gamma=0.95, rho=rho)) for leaf in (1e-4, 0.9)
    ]
    assert grown[0] == pytest.approx(1e-4 * 1.33**2)
    assert grown[1] == pytest.approx(float(multi_agent_phase.fixed_point(3.0, gamma=0.95, rho=rho)))
    faded = multi_agent_phase.clipped_bias(0.1, 9.0, 3.0, gamma=0.9 * edge, rho=rho)
    assert float(faded) == pytest.approx(0.1 * 0.9**2)
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
