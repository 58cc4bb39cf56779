"""Law-specific checks of the laws of loss, size and compute: tables, optima and frontiers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _zoo import derived, lowest, published

from bayes_scaling.law import mean
from bayes_scaling.laws import applications, law
from bayes_scaling.laws._terms import D0, N0
from bayes_scaling.laws.generic import exponential_decay, smoothly_broken_power_law
from bayes_scaling.laws.pretraining import (
    chinchilla,
    coupled_chinchilla,
    data_constrained,
    explained_regimes,
    family_transfer,
    farseer,
    henighan,
    kaplan_nd,
    kaplan_trajectory,
    lr_annealing,
)


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


def of(name: str, quantity: str, values: dict[str, float], variant: int = 1) -> float:
    """A derived quantity of a variant, given all parameters."""
    function = next(d for d in law(name, variant).derived if d.name == quantity).function
    wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
    return float(function(**{key: values[key] for key in wanted}))


# --- generic forms --------------------------------------------------------------------------------


def test_the_extreme_of_a_free_parabola():
    values = {"A": 1.3, "alpha": 0.2, "curvature": -0.08}
    at = of("log_quadratic", "x_extreme", values, 2)
    one = law("log_quadratic", 2)
    slope = jax.grad(lambda u: one.predictor(jnp.exp(u), **values))(np.log(at))
    assert float(slope) == pytest.approx(0.0, abs=1e-12)
    assert of("log_quadratic", "y_extreme", values, 2) == pytest.approx(float(mean(one, {"x": at}, values)))


def test_segments_of_a_broken_power_law_join_where_they_should():
    """Between breaks the law is a power law whose factor the continuity constants give."""
    b, c0, c, d = 2.0, 0.1, (0.4, 0.7), (1e4, 1e12)
    values = smoothly_broken_power_law.at_reference(1e-30, b, c0, c, d, (0.05, 0.05))
    one = law("smoothly_broken_power_law", 2)
    segments = (
        (1e1, b, c0),
        (1e8, b * d[0] ** -c0, c0 + c[0]),
        (1e16, b * d[0] ** -c0 * (d[1] / d[0]) ** -(c0 + c[0]), c0 + c[0] + c[1]),
    )
    for (x, factor, slope), start in zip(segments, (1.0, *d), strict=True):
        found = float(mean(one, {"x": x}, values))
        assert found == pytest.approx(factor * (x / start) ** -slope, rel=1e-9)


def test_repeated_tokens_lose_their_worth_exponentially():
    worth = jax.grad(lambda total: data_constrained.worth(total, 1.0, 15.0))
    for repeats in (1e-9, 3.0, 20.0):
        kernel = mean(exponential_decay.LAW, {"x": repeats}, {"E": 1e-300, "A": 1.0, "tau": 15.0})
        assert float(worth(1.0 + repeats)) == pytest.approx(float(kernel), rel=1e-6)


def test_annealing_plays_out_exponentially():
    """What is left of a fall of the learning rate n steps later is decay^n."""
    decay, tau = 0.998, -1 / np.log(0.998)
    schedule = jnp.array([[1000.0, 3e-4], [5000.0, 1e-4]])
    for n in (1.0, 300.0, 4000.0):
        come = lr_annealing.annealed(1000.0 + n, schedule, decay)[1] / 2e-4
        left = mean(exponential_decay.LAW, {"x": n}, {"E": 1e-300, "A": 1.0, "tau": tau})
        assert 1 - float(come) == pytest.approx(float(left), rel=1e-9)


def test_a_measured_dimension_as_prior():
    low, high = explained_regimes.dimension_prior(12.0)
    assert np.sqrt(low * high) == pytest.approx(12.0)
    # the exponent 4/d is log-normal with a standard deviation of 0.4
    assert np.log(high / low) / (2 * 1.6448536) == pytest.approx(0.4, rel=1e-6)
    assert law("explained_regimes").parameter("dimension").interval == pytest.approx((low, high), rel=0.02)


# --- Chinchilla and its relatives -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "a0", "b0", "loss"),
    [
        ("hoffmann2022", -0.80, -0.62, 2.674),
        ("hoffmann2022_unrounded", -0.79, -0.74, 2.626),
        ("besiroglu2024", -0.79, -1.03, 2.627),
        ("muennighoff2023", -0.81, -1.06, 2.661),
        ("sardana2024", -0.09, -0.76, 2.833),
        ("krajewski2024_dense", 0.27, 0.27, 3.090),
    ],
)
def test_published_fits_at_the_reference(key, a0, b0, loss):
    values = published("chinchilla", key)
    assert np.log(values["A"]) == pytest.approx(a0, abs=0.006)
    assert np.log(values["B"]) == pytest.approx(b0, abs=0.006)
    assert float(mean(chinchilla.LAW, {"params": N0, "tokens": D0}, values)) == pytest.approx(
        loss, abs=1.5e-3
    )


@pytest.mark.parametrize(
    ("key", "a0", "b0", "loss"),
    [("c4", -0.12, -0.72, 2.88), ("redpajama", -0.35, -0.81, 2.98), ("refinedweb", -0.27, -0.76, 2.97)],
)
def test_overtraining_fits_at_the_reference(key, a0, b0, loss):
    one, values = law("gadre_overtraining"), published("gadre_overtraining", key)
    plan = {"params": N0, "tokens": D0}
    *_, additive = next(x for x in one.limits if x.becomes == "chinchilla").translate(plan, values)
    assert np.log(additive["A"]) == pytest.approx(a0, abs=0.006)
    assert np.log(additive["B"]) == pytest.approx(b0, abs=0.006)
    assert float(mean(one, plan, values)) == pytest.approx(loss, abs=0.006)


def test_chinchilla_allocation_of_the_catalogue():
    besiroglu, hoffmann = published("chinchilla", "besiroglu2024"), published("chinchilla", "hoffmann2022")
    for values, scale, ratio in ((besiroglu, 0.11963, 18.4), (hoffmann, 1.3447, 92.7)):
        inner = {k: v for k, v in values.items() if k != "E"}
        best = float(chinchilla.optimal_params(5.76e23, **inner))
        a = values["beta"] / (values["alpha"] + values["beta"])
        assert best / (5.76e23 / 6) ** a == pytest.approx(scale, rel=2e-4)
        assert 5.76e23 / 6 / best**2 == pytest.approx(ratio, abs=0.06)
    tokens = 5.76e23 / 6 / float(chinchilla.optimal_params(5.76e23, **{k: besiroglu[k] for k in inner}))
    assert tokens == pytest.approx(1.33e12, rel=5e-3)
    best = {"params": 5.76e23 / 6 / tokens, "tokens": tokens}
    assert float(mean(chinchilla.LAW, best, besiroglu)) == pytest.approx(1.9744, abs=5e-5)
    # what rounding beta does to the best ratio at 5.8e23 FLOP
    for key, ratio in (("hoffmann2022", 93), ("hoffmann2022_unrounded", 59)):
        inner = {k: v for k, v in published("chinchilla", key).items() if k != "E"}
        assert 5.8e23 / 6 / float(chinchilla.optimal_params(5.8e23, **inner)) ** 2 == pytest.approx(
            ratio, abs=1
        )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("chinchilla", published("chinchilla", "besiroglu2024")),
        ("coupled_chinchilla", {"E": 0.4, "A": 1.1, "alpha": 0.15, "B": 0.8, "beta": 0.2, "k": 0.45}),
        ("gadre_overtraining", published("gadre_overtraining", "redpajama")),
    ],
)
def test_optimal_sizes_at_1e24_flop(name, values):
    params, tokens = of(name, "params_1e24", values), of(name, "tokens_1e24", values)
    assert 6 * params * tokens == pytest.approx(1e24, rel=1e-9)

    def curve(n):
        return mean(law(name), {"params": n, "tokens": 1e24 / 6 / n}, values)

    assert lowest(curve, 1e9, 1e14) == pytest.approx(params, rel=1e-5)


def test_coupling_is_synergy_below_one_and_the_allocation_is_as_printed():
    A, B, alpha, beta = 480.0, 2000.0, 0.35, 0.37
    for k, sign in ((0.45, -1.0), (1.3, 1.0)):
        values = coupled_chinchilla.at_reference(0.4, A, alpha, B, beta, k)

        def loss(n, d, values=values):
            return jnp.exp(coupled_chinchilla.log_mean(n, d, **values))

        n, d = 3e9, 5e10
        u = A * n**-alpha + B * d**-beta
        printed = k * (k - 1) * u ** (k - 2) * alpha * A * n ** (-alpha - 1) * beta * B * d ** (-beta - 1)
        found = float(jax.grad(jax.grad(loss, 0), 1)(n, d))
        assert found == pytest.approx(printed, rel=1e-7)
        assert np.sign(found) == sign
        assert of("coupled_chinchilla", "synergy", values) == (1.0 if k < 1 else 0.0)
        total = alpha + beta
        ratio = 6 ** ((beta - alpha) / total) * (beta * B / (alpha * A)) ** (2 / total)
        ratio *= 1e24 ** ((alpha - beta) / total)
        assert of("coupled_chinchilla", "tokens_per_param_1e24", values) == pytest.approx(ratio, rel=1e-9)


def test_ties_of_the_transfer_code_are_the_ridge_that_centring_removes():
    for exponent, scale in (("alpha", 4.8e8), ("beta", 2.0e11)):
        assert np.exp(1 / family_transfer.TIE[exponent][1]) == pytest.approx(scale, rel=0.03)
    muennighoff = published("chinchilla", "muennighoff2023")
    for key, value in published("family_transfer", "choshen2024_start").items():
        assert value == pytest.approx(muennighoff[key], rel=1e-4)


def test_farseer_optimum_is_where_the_loss_is_least():
    both = [
        farseer.at_reference(a1, 0.123, 0.42, 88.0, -0.1, -5.7, -0.02, 0.17, 0.09) for a1 in (-0.124, -0.123)
    ]
    draws = {k: np.array([v[k] for v in both]) for k in both[0]}
    found = farseer.optimal_params(1e22, **draws)
    assert found.shape == (2,)
    for i in range(2):
        one = {k: float(v[i]) for k, v in draws.items()}

        def along(u, one=one):
            return farseer.log_mean(jnp.exp(u), 1e22 / 6 / jnp.exp(u), **one)

        assert float(jax.grad(along)(jnp.log(found[i]))) == pytest.approx(0.0, abs=1e-10)
        assert float(jax.grad(jax.grad(along))(jnp.log(found[i]))) > 0
        assert 10 < 1e22 / 6 / float(found[i]) ** 2 < 1000
    ratio = 1e22 / 6 / float(found[0]) ** 2
    assert float(derived("farseer", "tokens_per_param_1e22", **both[0])) == pytest.approx(ratio, rel=1e-9)


# --- Kaplan ---------------------------------------------------------------------------------------


def test_kaplan_overfitting_and_early_stopping():
    values = published("kaplan_nd", "kaplan2020_joint")
    plan = {"params": 1e9, "tokens": 1e10}
    loss = float(mean(kaplan_nd.LAW, plan, values))
    limit = values["A"] * (1e9 / N0) ** -values["alpha"]
    assert float(kaplan_nd.overfitting(1e9, 1e10, **values)) == pytest.approx(loss / limit - 1, rel=1e-9)
    needed = kaplan_nd.tokens_needed(1e9, **values)
    assert float(kaplan_nd.overfitting(1e9, needed, **values)) == pytest.approx(0.02, rel=1e-9)
    more = kaplan_nd.tokens_needed(8e9, **values) / needed
    assert float(more) == pytest.approx(4.6, abs=0.05)
    stop = kaplan_nd.stopping_steps(1e9, 1e10, **values, S_c=2.1e3, alpha_S=0.76)
    assert float(stop) == pytest.approx(2.1e3 / (loss - limit) ** (1 / 0.76), rel=1e-9)


def test_frontier_of_the_trajectory():
    values = published("kaplan_trajectory", "kaplan2020")
    at = {
        q: of("kaplan_trajectory", f"{q}_1e21", values)
        for q in ("params", "loss", "batch", "steps", "tokens")
    }
    assert 6 * at["params"] * at["tokens"] == pytest.approx(1e21, rel=1e-9)
    assert at["tokens"] == pytest.approx(at["batch"] * at["steps"], rel=1e-12)
    further = kaplan_trajectory.efficient(1e22, **values)
    exponents = {"params": "a", "tokens": "b", "batch": "batch_exponent", "steps": "steps_exponent"}
    for quantity, exponent in exponents.items():
        growth = np.log10(float(further[quantity]) / at[quantity])
        assert growth == pytest.approx(of("kaplan_trajectory", exponent, values), rel=1e-9)
    alpha_C = of("kaplan_trajectory", "alpha_C", values)
    assert np.log10(at["loss"] / float(further["loss"])) == pytest.approx(alpha_C, rel=1e-9)
    size = {k: values[k] for k in ("A", "alpha_N")}
    lowest_loss = float(kaplan_trajectory.minimum_loss(at["params"], **size))
    above = of("kaplan_trajectory", "stop_above", values)
    assert at["loss"] / lowest_loss - 1 == pytest.approx(above, rel=1e-9)
    assert above == pytest.approx(0.1, rel=1e-9)  # the paper stops about 10 % above convergence
    # at the critical batch twice the least compute is spent
    least = float(kaplan_trajectory.minimum_compute(at["params"], at["loss"], **values))
    assert least == pytest.approx(1e21 / 2, rel=1e-9)
    assert of("kaplan_trajectory", "critical_batch_2p5", values) == pytest.approx(2.55e6, rel=2e-3)


def test_minimum_steps_and_tokens_are_limits_of_the_curve():
    values = published("kaplan_trajectory", "kaplan2020")
    target = 1.1 * of("kaplan_trajectory", "minimum_loss_1e9", values)
    steps = of("kaplan_trajectory", "minimum_steps_1e9", values)
    tokens = of("kaplan_trajectory", "minimum_tokens_1e9", values)
    for batch, count in ((1e14, steps), (1e-2, tokens / 1e-2)):
        run = {"params": 1e9, "steps": count, "batch": batch}
        assert float(mean(kaplan_trajectory.LAW, run, values)) == pytest.approx(target, rel=1e-6)


# --- Henighan -------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", henighan.PER_IMAGE)
def test_losses_per_image_are_those_per_token_times_the_tokens(domain):
    C_1, alpha, floor, tokens = henighan.PER_IMAGE[domain]
    L_inf, C_0, per_token = henighan._COMPUTE[domain]
    assert per_token == alpha
    assert tokens * L_inf == pytest.approx(floor, rel=5e-3)
    assert C_0 * tokens ** (1 / alpha) == pytest.approx(C_1, rel=0.03)


def test_optimal_sizes_and_compute_scales_by_domain():
    one = law("henighan", 3)
    for domain, (C_n, beta_n) in henighan.OPTIMAL_SIZE.items():
        values = dict(one.published[domain].values)
        assert of("henighan", "C_n", values, 3) == pytest.approx(C_n, rel=1e-9)
        printed = henighan.optimal_params(1e21, C_n=C_n * henighan.PF_DAY, beta_n=beta_n)
        assert float(mean(one, {"compute": 1e21}, values)) == pytest.approx(printed, rel=1e-9)


def test_information_gain_doubles_where_the_paper_says():
    """10 % at 1e9 parameters and 20 % at 3e12 fix the line; 1 bounds it."""
    rate = 0.1 / np.log(3e12 / 1e9)
    line = {"rate": rate, "N_c": 1e9 * np.exp(-0.1 / rate)}
    assert float(henighan.information_gain(1e9, **line)) == pytest.approx(0.1)
    assert float(henighan.params_for_gain(0.2, **line)) == pytest.approx(3e12, rel=1e-9)
    bounds = henighan.information_gain(np.array([1.0, 1e60]), **line)
    np.testing.assert_array_equal(bounds, [0.0, 1.0])
    values = {"information": 8.0, "rate": 0.6}
    shared = mean(law("henighan", 4), {"params": 5e9}, values)
    N_c = of("henighan", "N_c", values, 4)
    assert float(shared) == pytest.approx(
        float(henighan.mutual_information(5e9, rate=0.6, N_c=N_c)), rel=1e-9
    )


# --- named priors ---------------------------------------------------------------------------------


def test_a_named_prior_of_an_additive_law_has_both_exponents():
    one = applications.exponent_prior("minicpm", spread=0.1)
    for name, printed in (("alpha", 0.29), ("beta", 0.23)):
        low, high = one.parameter(name).interval
        assert np.sqrt(low * high) == pytest.approx(printed)
        assert low < printed < high
    assert one.parameter("E") == law("chinchilla").parameter("E")
    assert set(applications.BETAS) <= set(applications.EXPONENTS)
