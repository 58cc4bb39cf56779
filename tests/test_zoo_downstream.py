"""Law-specific checks of task performance, transfer, translation, mixtures and filtering."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _zoo import derived, lowest, published

from bayes_scaling.law import mean, with_priors
from bayes_scaling.laws import law
from bayes_scaling.laws.data import cmr_cpt, mnmt_joint, multilingual_ratio, nmt_bivariate, qqt_filtering
from bayes_scaling.laws.downstream import (
    bleu_log_law,
    cod_cluster_law,
    densing_time,
    densing_two_stage,
    error_vs_loss_exp,
    inverse_scaling_u,
    ladder_two_step,
    mcq_metric_chain,
    passuntil_task_law,
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


def derived_of(name: str, variant: int, quantity: str, values) -> float:
    """A derived quantity of a variant, of those parameters that it names."""
    function = next(d for d in law(name, variant).derived if d.name == quantity).function
    return float(function(**{key: values[key] for key in inspect.signature(function).parameters}))


# --- pass rates and emergence ---------------------------------------------------------------------


def seen_until(stop: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Everything that drawing until ``stop`` passes, at most ``most`` times, can show."""
    ended = [(stop, k) for k in range(stop, most + 1)]
    cut = [(j, most) for j in range(stop)]
    return tuple(map(np.array, zip(*ended, *cut, strict=True)))


@pytest.mark.parametrize("stop", [1, 2])
def test_probabilities_of_all_outcomes_sum_to_one_and_stopping_tells_nothing(stop):
    passes, draws = seen_until(stop, 12)
    arrangements = []
    for rate in (0.02, 0.4, 0.9):
        log_p = passuntil_task_law.log_likelihood(np.log(rate), passes, draws, stop)
        assert float(np.exp(log_p).sum()) == pytest.approx(1.0, rel=1e-12)
        arrangements.append(log_p - passes * np.log(rate) - (draws - passes) * np.log1p(-rate))
    assert np.ptp(arrangements, axis=0).max() < 1e-12


def test_the_pass_rate_is_unbiased_and_the_published_ratio_is_not():
    passes, draws = seen_until(2, 12)
    for rate in (0.05, 0.3, 0.8):
        p = np.exp(passuntil_task_law.log_likelihood(np.log(rate), passes, draws))
        assert (p * passuntil_task_law.pass_rate(passes, draws)).sum() == pytest.approx(rate, rel=1e-12)
        assert (p * passes / draws).sum() > rate * 1.02
    with pytest.raises(ValueError, match="until at least 2 pass, found stop=1"):
        passuntil_task_law.pass_rate(1, 5, stop=1)


def test_emergence_of_steps_and_circuits():
    x = np.geomspace(0.03, 30.0, 25)
    line = np.exp(-5 * x**-0.3)
    np.testing.assert_allclose(passuntil_task_law.emergence(x, line), 0.0, atol=1e-10)
    c, alpha = np.array([5.0, 0.5, 2.0]), np.array([0.3, 0.05, 0.9])
    steps = np.exp(-np.exp(passuntil_task_law.log_log_mean_steps(x, c=c, alpha=alpha)))
    np.testing.assert_allclose(steps, np.prod(np.exp(-c * x[:, None] ** -alpha), axis=1), rtol=1e-10)
    assert (passuntil_task_law.emergence(x, steps) > 0).all(), "steps cannot explain accelerated emergence"
    two = passuntil_task_law.circuits(x, c=np.array([2.0, 8.0]), alpha=np.array([0.05, 1.5]))
    assert (passuntil_task_law.emergence(x, two) < 0).any(), "circuits can"


def test_rates_of_a_set_and_of_items_never_passed():
    c, alpha = np.array([1.0, 4.0, 9.0]), np.array([0.2, 0.35, 0.5])
    x = np.geomspace(0.1, 100.0, 9)
    pairs = [{"c": one, "alpha": two} for one, two in zip(c, alpha, strict=True)]
    items = [mean(passuntil_task_law.LAW, {"params": x}, values) for values in pairs]
    found = passuntil_task_law.set_rate(x, c=c, alpha=alpha)
    np.testing.assert_allclose(found, np.mean(items, axis=0), rtol=1e-12)
    assert np.abs(passuntil_task_law.emergence(x, found)).max() > 1e-3, "a mean of laws is not of their form"
    # the summed loss of the reference answer, if it is a power law, gives the task law back
    summed = 4.0 * x**-0.35
    np.testing.assert_allclose(passuntil_task_law.rate_from_loss(summed), items[1], rtol=1e-12)
    assert float(passuntil_task_law.rate_from_loss(2.0, shift=0.5, slope=0.25)) == 1.0
    bent = law("passuntil_task_law", 2)
    values = {"c": 3.0, "alpha": 0.3, "curvature": -0.04}
    seen = passuntil_task_law.emergence(x, np.asarray(mean(bent, {"params": x}, values)))
    told = {d.name: float(d.function(curvature=-0.04)) for d in bent.derived}
    np.testing.assert_allclose(seen, told["emergence"], rtol=1e-9)
    assert told["accelerated"] == 1.0


# --- scores after transfer ------------------------------------------------------------------------


def test_bleu_elasticity_tokens_and_original_coefficients():
    values = bleu_log_law.at_reference(1e-3, 0.6, 1.5)
    log_A, alpha = bleu_log_law.original(**values)
    assert (log_A, alpha) == (pytest.approx(np.log(1e-3)), pytest.approx(0.6))
    score = float(mean(bleu_log_law.LAW, {"tokens": 3e11}, values))
    assert float(bleu_log_law.tokens_for(score, **values)) == pytest.approx(3e11, rel=1e-10)
    found = float(bleu_log_law.elasticity(3e11, e=values["e"], beta=values["beta"]))
    assert found == pytest.approx(0.6 * 1.5 / np.log(1e-3 * 3e11**0.6), rel=1e-10)  # as printed
    assert float(bleu_log_law.benefit(1e9, 10.0, **values)) == pytest.approx(2.991, abs=5e-4)


# --- loss to error, accuracy, score ---------------------------------------------------------------


def test_chained_predictions_of_the_overtrained_runs():
    large = {"params": 6889410560.0, "tokens": 137788211200.0}
    for corpus, plan, loss, error in (
        ("redpajama", large, 2.4427, 0.4719),
        ("redpajama", {"params": 1439795200.0, "tokens": 921468928000.0}, 2.5198, 0.4925),
        ("c4", large, 2.2799, 0.4789),
        ("refinedweb", large, None, 0.4637),
    ):
        values = published("error_vs_loss_exp", f"{corpus}_17")
        found = float(mean(law("gadre_overtraining"), plan, published("gadre_overtraining", corpus)))
        assert loss is None or found == pytest.approx(loss, rel=1e-4)
        chained = float(mean(error_vs_loss_exp.LAW, {"loss": found}, values))
        assert chained == pytest.approx(error, rel=2e-4)
        assert float(error_vs_loss_exp.loss_for(chained, **values)) == pytest.approx(found, rel=1e-9)
    values = published("error_vs_loss_exp", "redpajama_17")
    assert np.isnan(float(error_vs_loss_exp.loss_for(0.9, **values)))
    assert np.exp(derived("error_vs_loss_exp", "log_k", **values)) == pytest.approx(2.20649, rel=1e-5)


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.5, 0.98])
def test_priors_of_a_single_task_follow_its_chance(chance):
    intervals = error_vs_loss_exp.single_task_priors(chance)
    for variant in (1, 2):
        one = with_priors(law("error_vs_loss_exp", variant), intervals)
        assert one.parameter("eps").interval == intervals["eps"]
        assert one.parameter("ratio") == law("error_vs_loss_exp", variant).parameter("ratio")
    drawn = np.random.default_rng(0).normal(1 - chance, 0.05, 400_000)
    drawn = drawn[(drawn > 0) & (drawn < 1)]
    np.testing.assert_allclose(intervals["eps"], np.quantile(drawn, [0.05, 0.95]), atol=1e-3)
    gamma = 1.8 * np.exp(np.random.default_rng(1).normal(0, 0.6, 400_000))
    np.testing.assert_allclose(intervals["gamma"], np.quantile(gamma, [0.05, 0.95]), rtol=0.01)


def test_a_chance_that_is_none_is_refused():
    for wrong in (-0.1, 1.0, 25.0):
        with pytest.raises(ValueError, match=f"chance is {wrong:g}, expected an accuracy of guessing"):
            error_vs_loss_exp.single_task_priors(wrong)


def test_the_ladder_is_exponential_at_high_loss():
    # 1 - acc = (1 - chance) (1 - reach sigmoid(z)), and sigmoid(z) ~ exp(z) far below the midpoint
    chance, reach, k, L0 = 0.25, 0.9, 5.0, 0.7
    step = {"chance": chance, "reach": reach, "k": k, "L0": L0}
    for task_loss in (2.9, 3.4):
        error = 1 - float(mean(law("ladder_two_step", 2), {"task_loss": task_loss}, step))
        amplitude = (1 - chance) * reach * np.exp(k * L0)
        tail = error_vs_loss_exp.at_reference(amplitude, k, 1 - chance)
        assert error == pytest.approx(float(mean(error_vs_loss_exp.LAW, {"loss": task_loss}, tail)), rel=1e-6)


def test_the_ladder_as_printed_and_backwards():
    a, L0, k, b = -0.730, 0.767, 12.742, 0.992
    values = ladder_two_step.second_step(a, L0, k, b)
    for task_loss in (0.5, 0.6532, 1.0):
        acc = float(mean(law("ladder_two_step", 2), {"task_loss": task_loss}, values))
        assert acc == pytest.approx(a / (1 + np.exp(-k * (task_loss - L0))) + b, rel=1e-10)
        assert float(ladder_two_step.loss_for(acc, **values)) == pytest.approx(task_loss, rel=1e-10)
    assert np.isnan(np.asarray(ladder_two_step.loss_for(np.array([0.2, 0.995]), **values))).all()
    assert ladder_two_step.ceiling(a + b, values["reach"]) == pytest.approx(b)


def test_the_two_steps_of_the_ladder_make_the_chain():
    plan = {"params": 6887575552.0, "tokens": 3945065873408.0}
    for task in ("mmlu", "openbookqa"):
        both, first, second = (
            law("ladder_two_step", variant).published[task].values for variant in (1, 3, 2)
        )
        task_loss = mean(law("ladder_two_step", 3), plan, first)
        chained = mean(law("ladder_two_step", 2), {"task_loss": task_loss}, second)
        assert float(chained) == pytest.approx(float(mean(law("ladder_two_step"), plan, both)), rel=1e-12)
        left = derived_of("ladder_two_step", 3, "reducible_target", first)
        target = mean(law("ladder_two_step", 3), ladder_two_step._TARGET, first)
        assert left == pytest.approx(float(target) - first["E"], rel=1e-10)


def test_effective_size_is_the_size_at_the_reference_tokens():
    values = densing_two_stage._EXAMPLE
    for params in (1e7, 3e9, 7e10):
        score = float(mean(densing_two_stage.LAW, {"params": params, "tokens": 1e12}, values))
        assert float(densing_two_stage.effective_params(score, **values)) == pytest.approx(params, rel=1e-8)
        assert float(densing_two_stage.density(score, 2 * params, **values)) == pytest.approx(0.5, rel=1e-8)
    best = derived("densing_two_stage", "best_score_1e12",
                   **{k: values[k] for k in ("B", "beta", "chance", "reach", "k", "l")})  # fmt: skip
    none = densing_two_stage.effective_params(np.array([0.25, best + 1e-6, 0.99]), **values)
    assert np.isnan(np.asarray(none)).all()


def test_density_doubles_in_95_days_and_capacity_in_84():
    assert float(derived("densing_time", "doubling", rate=0.0073)) == pytest.approx(94.95, abs=0.005)
    assert float(densing_time.capacity_doubling(0.0073, 2.1 * 365.25)) == pytest.approx(84.5, abs=0.05)


def test_the_frontier_density_is_normal_less_exponential():
    r = np.linspace(-30.0, 10.0, 40001)
    p = np.exp(np.asarray(densing_time.log_density_below(r, 0.8, 0.3)))
    step = r[1] - r[0]
    assert p.sum() * step == pytest.approx(1.0, rel=1e-8)
    assert (r * p).sum() * step == pytest.approx(-0.8, rel=1e-6)
    assert ((r + 0.8) ** 2 * p).sum() * step == pytest.approx(0.3**2 + 0.8**2, rel=1e-6)


def test_identities_of_multiple_choice():
    level = mcq_metric_chain.metrics(np.full((1, 4), 1.3))
    assert [float(m[0]) for m in level[1:]] == pytest.approx([1 / 4, 1 - 1 / 4, 1 / 4])
    nll = -np.log(np.random.default_rng(1).dirichlet(np.ones(5), 200)[:, :4])  # some mass on no choice
    one, moved = mcq_metric_chain.metrics(nll, 2), mcq_metric_chain.metrics(nll + 0.7, 2)
    assert (np.asarray(one.p_choices) >= np.asarray(one.p_vocab)).all()
    for here, there in zip(one[1:], moved[1:], strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-12)
    odds = np.asarray(mcq_metric_chain.wrong_nll(nll, 2)) - nll[:, 2]
    np.testing.assert_allclose(one.p_choices, 1 / (1 + np.exp(-odds)), rtol=1e-12)
    np.testing.assert_allclose(one.accuracy, nll.argmin(axis=1) == 2)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    ranks = [np.unique(v, return_inverse=True, return_counts=True)[1:] for v in (x, y)]
    middle = [(np.cumsum(n) - (n - 1) / 2)[which] for which, n in ranks]
    return abs(np.corrcoef(*middle)[0, 1])


def test_every_step_of_the_chain_costs_predictability():
    rng = np.random.default_rng(7)
    compute = np.geomspace(1.0, 1e4, 12)
    right = 0.5 + 3.0 * compute**-0.15
    # wrong answers wander from model to model, independently of one another
    found = []
    for _ in range(300):
        wrong = rng.uniform(1.5, 3.5, 3) + rng.normal(0, 0.4, (12, 3))
        scores = mcq_metric_chain.metrics(np.column_stack([right, wrong]))
        with np.errstate(invalid="ignore"):
            found.append([rank_correlation(compute, np.asarray(s)) for s in (right, *scores)])
    nll, p_vocab, p_choices, brier, accuracy = np.nanmean(found, axis=0)
    assert nll == p_vocab == pytest.approx(1.0)
    assert p_choices < 0.95
    assert brier < p_choices + 1e-3
    assert accuracy < p_choices


def test_expected_accuracy_averages_over_the_scatter():
    nll = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 9.0, 9.0, 9.0]])
    spread = mcq_metric_chain.expected_metrics(nll, 0.5, 0.6, draws=4000)
    np.testing.assert_allclose(spread.accuracy, [0.25, 1.0], atol=0.02)
    common = mcq_metric_chain.expected_metrics(nll + np.arange(4) / 10, 0.5, 1.0, draws=50)
    assert float(common.accuracy[0]) == 1.0, "what the choices share does not change their order"


def test_correction_for_unlike_items_has_probability_moments():
    loss = np.random.default_rng(2).normal(1.2, 0.15, 400_000)
    p, g = np.exp(-loss), 0.25
    exact = g + (1 - g) * p.mean()
    corrected = float(cod_cluster_law.expected_accuracy(loss.mean(), loss.std(), g))
    assert corrected == pytest.approx(exact, abs=2e-5)
    by_probability = g + (1 - g) * (np.exp(-loss.mean()) + p.var() / (2 * p.mean()))
    assert by_probability == pytest.approx(exact, abs=1e-4)
    as_printed = g + (1 - g) * np.exp(-loss.mean()) + loss.var() / (2 * loss.mean())
    assert abs(as_printed - exact) > 5e-3
    assert float(cod_cluster_law.expected_accuracy(1.2, 0.0, g)) == pytest.approx(g + 0.75 * np.exp(-1.2))


def test_both_forms_of_the_cluster_law_meet():
    values = {"chance": 0.2, "b": 0.3, "c": 0.05}
    m = np.array([1e-4, 0.3, 0.9499, 0.9501, 4.0, 300.0])
    y = mean(cod_cluster_law.LAW, {"compute": 1.0}, {**values, "m": m})
    np.testing.assert_allclose(y, 0.2 + 0.8 * np.exp(-m - 0.05), rtol=1e-9)


def test_the_map_from_the_predictable_subset_to_the_full_set():
    y = np.linspace(0.0, 1.0, 41)
    np.testing.assert_allclose(cod_cluster_law.full_set(y, first=1.0, second=1.0), y, atol=1e-12)
    for shapes in ({"first": 2.1, "second": 0.6}, {"first": 0.5, "second": 1.7}):
        full = np.asarray(cod_cluster_law.full_set(y, **shapes))
        assert full[0] == 0
        assert full[-1] == 1
        assert (np.diff(full) > 0).all()
        fitted = mean(law("cod_cluster_law", 2), {"subset": y[1:-1]}, shapes)
        np.testing.assert_allclose(fitted, full[1:-1], rtol=1e-10)
    draws, items = np.array([[0.2, 0.8, 0.5], [0.4, 0.6, 0.9]]), np.array([30, 10, 60])
    kept = np.array([[True, True, False], [False, False, True]])
    np.testing.assert_allclose(cod_cluster_law.subset_accuracy(draws, items, kept), [0.35, 0.9], rtol=1e-12)
    assert np.isnan(float(cod_cluster_law.subset_accuracy(draws[0], items, np.zeros(3, bool))))


def test_clusters_of_items_are_found_and_rare_items_left_out():
    rng = np.random.default_rng(4)
    growth = np.linspace(0.0, 1.0, 6)
    kinds = [growth, growth**4, np.full(6, 0.95)]
    items = np.concatenate([kind + rng.normal(0, 0.01, (40, 6)) for kind in kinds]).clip(0, 1)
    odd = rng.uniform(0, 1, (4, 6))
    label = cod_cluster_law.clusters(np.concatenate([items, odd, np.zeros((15, 6))]))
    groups = [set(label[40 * k : 40 * (k + 1)].tolist()) - {-1} for k in range(3)]
    assert all(groups), groups
    assert len(set.union(*groups)) == sum(map(len, groups)), "no cluster mixes two kinds"
    assert (label[:120] >= 0).mean() > 0.9
    assert (label[120:] == -1).all()
    assert np.bincount(label[label >= 0]).min() >= 10
    with pytest.raises(ValueError, match=r"between 0 and 1, items by models; found shape \(2, 2\)"):
        cod_cluster_law.clusters(np.array([[0.1, 0.2], [0.5, 30.0]]))


def test_shapes_of_accuracy():
    x = np.geomspace(1e-6, 1e6, 121)

    def curve(variant, **values):
        return np.asarray(mean(law("inverse_scaling_u", variant), {"x": x}, values))

    u = curve(1, chance=0.5, x_d=-2.0, k_d=4.0, gap=4.0, k_t=4.0)
    assert u[60] < 0.05 < 0.5, "below chance between the distractor and the task"
    falling = curve(1, chance=0.5, x_d=-2.0, k_d=4.0, gap=40.0, k_t=4.0)
    bump = curve(2, chance=0.25, x_a=-2.0, k_a=4.0, harm=0.8, gap=4.0, k_b=4.0)
    parabola = curve(3, b0=0.0, b1=0.5, b2=0.3)
    rising = curve(3, b0=0.0, b1=0.5, b2=0.0)
    named = inverse_scaling_u.shape(np.stack([u, falling, bump, parabola, rising, np.full(121, 0.5)]))
    assert named.tolist() == ["U", "falling", "inverted U", "U", "rising", "other"]
    assert set(named) == set(inverse_scaling_u.SHAPES)
    assert np.log10(x)[parabola.argmin()] == pytest.approx(-0.5 / 0.6, abs=0.1)


def test_best_split_of_encoder_and_decoder():
    values = {"E": 1.2, "A": 0.5, "p_e": 0.2, "p_d": 0.3}
    assert derived("nmt_bivariate", "encoder_share", p_e=0.2, p_d=0.3) == pytest.approx(0.4)

    def split(encoder):
        return mean(nmt_bivariate.LAW, {"params_encoder": encoder, "params_decoder": 1e9 - encoder}, values)

    assert lowest(split, 1e7, 9.9e8) == pytest.approx(0.4e9, rel=1e-5)
    best = float(nmt_bivariate.best_loss(1e9, **values))
    assert best == pytest.approx(float(split(0.4e9)), rel=1e-12)
    # the closed form of the chapter, with beta at one parameter
    beta = 0.5 * nmt_bivariate.N0**0.5
    stated = beta * (0.5 / 0.2) ** 0.2 * (0.5 / 0.3) ** 0.3 * 1e9**-0.5 + 1.2
    assert best == pytest.approx(stated, rel=1e-12)
    assert [nmt_bivariate.bleu(x, c=40.0, p=1.0, most=30.0) for x in (1.0, 2.0)] == [30.0, 20.0]


def test_effective_share_and_doubling():
    shape = {"c1": 0.6, "c2": 0.8, "c3": 1.5}
    assert float(mnmt_joint.effective_share(1.0, **shape)) == 1.0
    assert np.isfinite(jax.grad(lambda p: mnmt_joint.effective_share(p, **shape))(1.0))
    values = {"E": 1.0, "A": 0.5, "alpha": 0.3, **shape}
    for weight in (0.05, 0.5, 1.0):
        at = {"params": np.array([1e8, 2e8]), "weight": weight}
        small, large = np.asarray(mean(mnmt_joint.LAW, at, values)) - 1.0
        assert large / small == pytest.approx(2**-0.3, rel=1e-10)
        # a model of this pair alone, of the effective size, is as good; fits apart find the same share
        alone = {"params": mnmt_joint.effective_params(1e8, weight, **shape), "weight": 1.0}
        assert float(mean(mnmt_joint.LAW, alone, values)) - 1.0 == pytest.approx(small, rel=1e-10)
        single = float(mean(mnmt_joint.LAW, {"params": 1e8, "weight": 1.0}, values)) - 1.0
        share = mnmt_joint.share_from_fits(single, small, 0.3)
        assert share == pytest.approx(float(mnmt_joint.effective_share(weight, **shape)), rel=1e-10)


def test_optimal_weights_of_two_pairs():
    pairs = {
        "A": np.array([0.5, 0.8]), "alpha": np.array([0.2, 0.45]),
        "c1": np.array([0.05, 0.5]), "c2": np.array([0.7, 0.8]), "c3": np.array([0.9, 1.0]),
    }  # fmt: skip
    p = np.linspace(1e-4, 1 - 1e-4, 200001)

    def total(value, params):
        parts = []
        for i, weight in enumerate((p, 1 - p)):
            f = weight + pairs["c1"][i] * weight ** pairs["c2"][i] * (1 - weight) ** pairs["c3"][i]
            parts.append(value[i] * pairs["A"][i] * (f * params / mnmt_joint.N0) ** -pairs["alpha"][i])
        return sum(parts)

    values = np.array([[1.0, 1.0], [3.0, 1.0], [0.2, 1.0]])
    found = mnmt_joint.optimal_weights(values, np.array([3e8, 3e8, 3e9]), **pairs)
    np.testing.assert_allclose(found.sum(axis=-1), 1.0, rtol=1e-12)
    for row, value, params in zip(found, values, (3e8, 3e8, 3e9), strict=True):
        assert float(row[0]) == pytest.approx(p[total(value, params).argmin()], abs=2e-4)
    # with equal exponents the frontier is the same at every size
    equal = mnmt_joint.optimal_weights(values[1], np.array([1e8, 1e10]), **pairs | {"alpha": 0.3})
    np.testing.assert_allclose(equal[0], equal[1], rtol=1e-9)


GAMMA = np.log([1.142, 1.180, 1.273, 1.142, 1.134]) / np.log(5)


def test_optimal_ratios_of_five_language_families():
    ratios = np.asarray(multilingual_ratio.optimal_ratios(GAMMA))
    np.testing.assert_allclose(ratios, [0.165, 0.208, 0.308, 0.165, 0.155], atol=1e-3)
    assert ratios.sum() == pytest.approx(1.0, rel=1e-12)
    assert (ratios**-GAMMA).sum() == pytest.approx(5.846, abs=1e-3)
    # the terms printed at equal ratios add up to 5.871; the total printed beside them, 5.946, is wrong
    assert (0.2**-GAMMA).sum() == pytest.approx(5.871, abs=1e-9)
    small = 5 * derived("multilingual_ratio", "cost_of_fifth", gamma=0.104)
    assert small == pytest.approx(5.912, abs=2e-3), "the total at 85M belongs to a mean exponent of 0.104"
    worth = np.stack([np.ones(5), [2.0, 1.0, 1.0, 1.0, 1.0]])
    several = np.asarray(multilingual_ratio.optimal_ratios(GAMMA, worth))
    np.testing.assert_allclose(several[0], ratios, rtol=1e-12)
    marginal = worth[1] * GAMMA * several[1] ** (-GAMMA - 1)
    np.testing.assert_allclose(marginal, marginal[0], rtol=1e-10)


def test_optimal_ratios_have_exact_derivatives():
    def first(gamma):
        return multilingual_ratio.optimal_ratios(gamma)[0]

    slope = jax.grad(first)(jnp.asarray(GAMMA))
    for i in (0, 2):
        h = np.zeros(5)
        h[i] = 1e-5
        assert float(slope[i]) == pytest.approx(float(first(GAMMA + h) - first(GAMMA - h)) / 2e-5, rel=1e-6)


GENERAL = {"rise": 0.1, "s2": 0.3, "fall": 0.06, "gap": 0.4}


@pytest.mark.parametrize("s1", [-0.2, 0.15, 0.3, 0.6])
def test_turning_point_of_the_weighted_losses(s1):
    def slope(t, weight, drop):  # derivative in t = T/T0
        general = GENERAL["rise"] * 0.3 * t**-0.7 - GENERAL["fall"] * 0.7 * t**-0.3
        return -drop * t ** (s1 - 1) + weight * general

    t = float(cmr_cpt.turning_tokens(400.0, drop=0.05, s1=s1, **GENERAL)) / cmr_cpt.T0
    assert slope(t, 400.0, 0.05) == pytest.approx(0.0, abs=1e-9)
    assert slope(t * 0.99, 400.0, 0.05) > 0 > slope(t * 1.01, 400.0, 0.05)
    late = float(cmr_cpt.turning_tokens(1e9, drop=0.05, s1=s1, **GENERAL))
    assert late == pytest.approx(cmr_cpt.peak_tokens(**GENERAL), rel=1e-5)


def test_turning_point_has_exact_derivatives_and_may_be_missing():
    def at(fall):
        return jnp.log(cmr_cpt.turning_tokens(400.0, drop=0.05, s1=-0.2, **{**GENERAL, "fall": fall}))

    difference = float(at(0.06 + 1e-6) - at(0.06 - 1e-6)) / 2e-6
    assert float(jax.grad(at)(0.06)) == pytest.approx(difference, rel=1e-6)
    t = cmr_cpt.turning_tokens(jnp.array([400.0, 1.0]), drop=jnp.array([0.05, 5.0]), s1=-0.2, **GENERAL)
    assert np.isnan(t).tolist() == [False, True], "a steep domain loss never waits for the general loss"


@pytest.mark.parametrize(("size", "row"), cmr_cpt._LOSSES.items())
def test_four_shares_predict_the_fifth(size, row):
    shares = np.array(cmr_cpt._SHARES)
    at_quarter = {"460M": 1.5566, "940M": 1.4546, "1.6B": 1.3999, "3.1B": 1.3303}

    def residuals(s):  # alpha and beta are linear
        columns = np.column_stack([shares[:4] ** s, np.ones(4)])
        return columns, np.linalg.lstsq(columns, row[:4])[0]

    def misfit(s):
        columns, constants = residuals(s)
        return ((columns @ constants - row[:4]) ** 2).sum()

    s = lowest(misfit, 0.05, 0.6)
    alpha, beta = residuals(s)[1]
    found = float(mean(cmr_cpt.LAW, {"share": 0.25}, cmr_cpt.at_reference(alpha, s, beta)))
    assert found == pytest.approx(row[4], rel=1e-4)
    assert abs(found - row[4]) < abs(at_quarter[size] - row[4]), "closer than the paper's own forecast"


def test_critical_share():
    general = {"alpha": 0.12, "s": 1.5}
    tolerated = float(cmr_cpt.tolerated_share(0.05, **general))
    assert general["alpha"] * tolerated ** general["s"] == pytest.approx(0.05)
    shares, turning = np.array([0.1, 0.3, 0.5]), np.array([1e9, 1e10, 1e11])
    assert float(cmr_cpt.critical_share(1e10, shares, turning)) == pytest.approx(0.3)
    assert float(cmr_cpt.critical_share(10**10.5, shares, turning)) == pytest.approx(0.4)
    assert float(cmr_cpt.critical_share(1e13, shares, turning, tolerated)) == pytest.approx(0.5)
    assert np.isnan(float(cmr_cpt.critical_share(1e8, shares, turning)))


def test_repeats_as_the_formula_writes_them():
    values = qqt_filtering._EXAMPLE
    pool, samples = 12.8e6, 6.4e8
    b = -values["b"] * 0.5 ** (np.arange(50) / 3.0)
    counts = pool * np.arange(1, 51)
    product = (counts[0] / values["n1"]) ** b[0] * np.prod((counts[1:] / counts[:-1]) ** b[1:])
    found = float(mean(qqt_filtering.LAW, {"samples": samples, "pool": pool}, values))
    assert found == pytest.approx(product + 0.1, rel=1e-10)
    for n, y in {3.2e7: 0.8890, 6.4e7: 0.8494, 1.28e8: 0.8325, 6.4e8: 0.8286}.items():
        assert float(qqt_filtering.released_code_error(n, pool, **values)) == pytest.approx(y, abs=6e-5)
    at = {"samples": np.array([1e8, 1e8 + 10]), "pool": 1e9}
    fresh, more = np.asarray(mean(qqt_filtering.LAW, at, values))
    assert (more - fresh) / 10 == pytest.approx(
        qqt_filtering.utility(1e8, fresh, d=0.1, b=values["b"]), rel=1e-5
    )


def test_errors_counted_are_errors_measured():
    at = {"samples": np.array([3.2e7, 6.4e8]), "pool": 12.8e6}
    values = qqt_filtering._EXAMPLE
    counted = mean(law("qqt_filtering", 2), at, values)
    np.testing.assert_allclose(counted, mean(qqt_filtering.LAW, at, values), rtol=1e-12)
    high = float(mean(law("qqt_filtering", 2), {"samples": 1e6, "pool": 12.8e6}, values))
    assert high == pytest.approx(0.999), "where the sum of powers is above 1"


def test_draws_that_keep_the_order_of_quality():
    ordered = [[0.2, 0.15, 0.1], [0.2, 0.1, 0.15], [0.1, 0.15, 0.2]]
    assert qqt_filtering.in_order(ordered).tolist() == [True, False, False]
    # keeping them is the prior cut off: of independent rates one in six is in order, its means are apart
    b = np.exp(np.random.default_rng(0).normal(np.log(0.13), 0.4, (20_000, 3)))
    kept = np.asarray(qqt_filtering.in_order(b))
    assert kept.mean() == pytest.approx(1 / 6, abs=0.01)
    sorted_means = np.sort(b, axis=1)[:, ::-1].mean(axis=0)
    np.testing.assert_allclose(b[kept].mean(axis=0), sorted_means, rtol=0.02)


def test_mixing_pools_stretches_their_half_life():
    shared = {"n1": 4.5e6, "d": 0.1}
    one = qqt_filtering.mixture_error(6.4e8, 12.8e6, b=np.array([0.131]), tau=np.array([3.0]), **shared)
    alone = mean(qqt_filtering.LAW, {"samples": 6.4e8, "pool": 12.8e6}, {**shared, "b": 0.131, "tau": 3.0})
    assert float(one) == pytest.approx(float(alone), rel=1e-12)
    twins = qqt_filtering.mixture_error(6.4e8, 12.8e6, b=np.full(2, 0.131), tau=np.full(2, 3.0), **shared)
    same = mean(qqt_filtering.LAW, {"samples": 6.4e8, "pool": 25.6e6}, {**shared, "b": 0.131, "tau": 6.0})
    assert float(twins) == pytest.approx(float(same), rel=1e-12)
    buckets = {"b": np.array([0.18, 0.15, 0.12, 0.10]), "tau": np.full(4, 3.0)}
    best = np.asarray(qqt_filtering.best_pools(np.array([1.3e7, 1.28e8, 2e9]), 12.8e6, **buckets, **shared))
    assert best[0] == 1, "filter hard when there is little compute"
    assert (np.diff(best) > 0).all(), "and less the more there is"
