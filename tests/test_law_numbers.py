"""Numbers of single laws: what the sources state beyond the value of the law at a point."""

from __future__ import annotations

import _laws
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_scaling.law import Values, mean, with_priors
from bayes_scaling.laws import law


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


def derived(name: str, quantity: str, values: Values, variant: int = 1) -> float:
    """One derived quantity at given parameters."""
    (one,) = [d for d in law(name, variant).derived if d.name == quantity]
    wanted = one.function.__code__.co_varnames[: one.function.__code__.co_argcount]
    return float(one.function(**{key: values[key] for key in wanted}))


def test_log_linear_is_the_first_order_limit_of_a_power_law():
    x = np.geomspace(1e-3, 1e3, 7)
    b, alpha = 0.3, 1e-4
    level = b / alpha
    curve = np.exp([_laws.predict("power_law", 1)({"x": v}, {"A": level, "alpha": -alpha}) for v in x])
    line = [_laws.predict("log_linear", 1)({"x": v}, {"a": 0.0, "b": b}) for v in x]
    np.testing.assert_allclose(curve - level, line, atol=b * alpha * np.log(1e3) ** 2)


def test_lr_annealing_is_the_double_sum_of_the_paper():
    rng = np.random.default_rng(8)
    lengths, rates = rng.integers(2, 30, 4), np.array([3e-4, 1e-4, 2e-4, 0.0])
    eta, decay, s = np.repeat(rates, lengths), 0.93, 40
    momentum, s2, previous = 0.0, 0.0, eta[0]
    for rate in eta[:s]:
        momentum = decay * momentum + previous - rate
        s2, previous = s2 + momentum, rate
    schedule = np.concatenate([np.stack([lengths, rates], 1), np.zeros((2, 2))])
    found = _laws.module("lr_annealing").annealed(s, schedule, decay)
    np.testing.assert_allclose(found[0], eta[:s].sum(), rtol=1e-12)
    np.testing.assert_allclose(found[1], s2 * (1 - decay), rtol=1e-12)


def test_warm_up_carries_no_momentum_and_padding_changes_nothing():
    annealed = _laws.module("lr_annealing").annealed
    warm = np.array([[100.0, 1e-4], [100.0, 2e-4], [800.0, 3e-4], [500.0, 1e-4]])
    padded = np.concatenate([warm, np.zeros((2, 2))])
    s1, fallen = annealed(1000.0, warm, 0.99)
    assert float(s1) == pytest.approx(100 * 1e-4 + 100 * 2e-4 + 800 * 3e-4)
    assert float(fallen) == 0.0
    for step in (50.0, 1001.0, 1500.0, 4000.0):  # also after the end
        np.testing.assert_array_equal(annealed(step, warm, 0.99), annealed(step, padded, 0.99))
    assert float(annealed(1400.0, warm, 0.99)[1]) == pytest.approx(2e-4 * (1 - 0.99**400))


def test_pass_at_k_is_unbiased():
    pass_at_k = _laws.module("coverage_exp_power").pass_at_k
    n, k, p = 12, 5, 0.13
    chance = [
        float(np.prod([(n - i) / (i + 1) for i in range(s)])) * p**s * (1 - p) ** (n - s)
        for s in range(n + 1)
    ]
    expected = sum(c * pass_at_k(n, s, k) for s, c in enumerate(chance))
    assert expected == pytest.approx(1 - (1 - p) ** k, rel=1e-12)
    assert pass_at_k(10, 8, 3) == 1.0
    assert pass_at_k(10_000, 0, 100) == 0.0
    with pytest.raises(ValueError, match="found n=10, s=2, k=11"):
        pass_at_k(10, 2, 11)


def test_kaplan_says_how_many_tokens_a_model_needs():
    kaplan = _laws.module("kaplan_nd")
    values = kaplan.LAW.published["kaplan2020_joint"].values
    needed = float(kaplan.tokens_needed(1e9, **values))
    assert needed / 1e9 ** (0.076 / 0.103) == pytest.approx(5.5e3, rel=0.01)
    ratio = mean(kaplan.LAW, {"params": 1e9, "tokens": needed}, values) / mean(
        kaplan.LAW, {"params": 1e9, "tokens": 1e40}, values
    )
    assert float(ratio) == pytest.approx(1.02, rel=1e-9)


def test_a_broken_power_law_is_the_printed_product():
    a, b, c0, c, d, f = 1e-3, 4.66e3, 0.05, [0.49, -0.811, 2.1], [3e6, 1e14, 2e20], [1.1, 1.425, 0.05]
    one = law("smoothly_broken_power_law", 3)
    values = one.published["caballero2022_demo"].values
    for x in np.geomspace(1e2, 1e20, 10):
        printed = b * x**-c0
        for c_i, d_i, f_i in zip(c, d, f, strict=True):
            printed *= (1 + (x / d_i) ** (1 / f_i)) ** (-c_i * f_i)
        assert float(mean(one, {"x": x}, values)) == pytest.approx(a + printed, rel=1e-10)

    def log_excess(log_x):
        return jnp.log(mean(one, {"x": jnp.exp(log_x)}, {**values, "a": 1e-300}))

    assert float(jax.grad(log_excess)(jnp.log(1e25))) == pytest.approx(-1.829, abs=1e-3)


def _residual_m4(inputs, values, y):
    left = np.log(y - values["E"]) - values["bend"] * np.log1p((values["E"] - y) / values["drop"])
    return left - np.log(values["A"]) + values["alpha"] * np.log(inputs["x"])


def _residual_trajectory(inputs, values, y):
    lowest = values["A"] * (inputs["params"] / 5e8) ** -values["alpha_N"]
    steps = inputs["steps"] / (1 + values["batch_ref"] * (y / 3) ** -values["zeta"] / inputs["batch"])
    return np.log(y - lowest) - np.log(values["T"] * (steps / 1e4) ** -values["alpha_S"])


@pytest.mark.parametrize(
    ("name", "residual"), [("saturating_m4", _residual_m4), ("kaplan_trajectory", _residual_trajectory)]
)
def test_implicit_laws_solve_their_equation_with_exact_derivatives(name, residual):
    one, rng = law(name), np.random.default_rng(3)
    inputs, drawn = _laws.random_inputs(one, rng, 300), _laws.random_values(one, rng, 300)

    def predicted(unconstrained, x):
        return one.predictor(*(x[i.name] for i in one.inputs), **_laws.constrained(one, unconstrained))

    values = {key: np.asarray(column) for key, column in _laws.constrained(one, drawn).items()}
    y = np.exp(np.asarray(jax.jit(jax.vmap(predicted))(drawn, inputs)))
    start = values["E"] + values["drop"] if name == "saturating_m4" else np.inf
    clear = (y - values.get("E", 0) > 1e-4 * y) & (start - y > 1e-4 * y)  # else the residual itself cancels
    assert clear.mean() > 0.7
    assert np.abs(residual(inputs, values, y)[clear]).max() < 1e-8

    # Slope and curvature along a random direction in the parameters, against central differences.
    toward = {p.name: rng.normal() for p in one.parameters}

    def along(t, u, x):
        return predicted({key: u[key] + t * toward[key] for key in u}, x)

    step, few = 1e-4, slice(0, 20)
    some = {key: v[few] for key, v in drawn.items()}, {key: v[few] for key, v in inputs.items()}
    at = jax.jit(jax.vmap(along, (None, 0, 0)))
    slope = jax.jit(jax.vmap(jax.grad(along), (None, 0, 0)))
    curvature = jax.jit(jax.vmap(jax.grad(jax.grad(along)), (None, 0, 0)))(0.0, *some)
    np.testing.assert_allclose(
        slope(0.0, *some), (at(step, *some) - at(-step, *some)) / (2 * step), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_allclose(
        curvature, (slope(step, *some) - slope(-step, *some)) / (2 * step), rtol=1e-5, atol=1e-7
    )


def test_saturating_m4_starts_at_its_start_and_ends_at_its_floor():
    values = {"E": 0.1, "drop": 0.89, "A": 50.0, "alpha": 0.35, "bend": 0.8}
    assert float(mean(law("saturating_m4"), {"x": 1e-40}, values)) == pytest.approx(0.99, rel=1e-9)
    assert float(mean(law("saturating_m4"), {"x": 1e60}, values)) == pytest.approx(0.1, rel=1e-9)


def test_critical_batch_minimum_steps_and_tokens():
    kaplan = _laws.module("kaplan_trajectory")
    v = kaplan.at_reference(6.5e13, 0.077, 2.1e3, 0.76, 2e8, 0.21)
    size = {key: v[key] for key in ("A", "alpha_N")}
    training = size | {key: v[key] for key in ("T", "alpha_S")}
    critical = float(kaplan.critical_batch(2.5, batch_ref=v["batch_ref"], zeta=v["zeta"]))
    assert critical == pytest.approx(2.55e6, rel=2e-3)
    assert float(kaplan.minimum_loss(1e8, **size)) == pytest.approx(2.8028, rel=2e-5)
    assert float(kaplan.minimum_steps(1e8, 3.0, **training)) == pytest.approx(1.778e4, rel=3e-4)
    assert float(kaplan.minimum_tokens(1e8, 3.0, **v)) == pytest.approx(1.90e10, rel=3e-3)
    assert derived("kaplan_trajectory", "alpha_C", v) == pytest.approx(0.052, abs=5e-4)
    # (S/S_min - 1)(D/D_min - 1) = 1 on the curve itself, at any batch.
    run = {"params": 1e8, "steps": 2e4, "batch": 3e5}
    loss = float(mean(kaplan.LAW, run, v))
    over_steps = run["steps"] / kaplan.minimum_steps(1e8, loss, **training) - 1
    over_tokens = run["steps"] * run["batch"] / kaplan.minimum_tokens(1e8, loss, **v) - 1
    assert float(over_steps * over_tokens) == pytest.approx(1.0, rel=1e-9)


def test_the_compute_efficient_frontier_is_an_optimum_of_the_curve():
    kaplan = _laws.module("kaplan_trajectory")
    v = dict(kaplan.LAW.published["kaplan2020"].values)
    training = {key: v[key] for key in ("A", "alpha_N", "T", "alpha_S")}
    best = {key: float(x) for key, x in kaplan.efficient(1e21, **v).items()}
    assert 6 * best["params"] * best["batch"] * best["steps"] == pytest.approx(1e21, rel=1e-9)
    run = {key: best[key] for key in ("params", "steps", "batch")}
    assert float(mean(kaplan.LAW, run, v)) == pytest.approx(best["loss"], rel=1e-10)

    def compute_to_the_same_loss(log_params):
        params = jnp.exp(log_params)
        return jnp.log(params * kaplan.minimum_steps(params, best["loss"], **training))

    at = jnp.log(best["params"])
    assert float(jax.grad(compute_to_the_same_loss)(at)) == pytest.approx(0.0, abs=1e-9)
    assert float(jax.grad(jax.grad(compute_to_the_same_loss))(at)) > 0
    growth = np.log(float(kaplan.efficient(1e22, **v)["params"]) / best["params"]) / np.log(10)
    assert growth == pytest.approx(derived("kaplan_trajectory", "a", v), rel=1e-9)
    assert growth == pytest.approx(0.73, abs=0.06)  # the paper's empirical 0.73


def test_henighan_optimal_sizes_at_one_pf_day():
    henighan = _laws.module("henighan")
    for domain, expected in {"language": 1.29e9, "image_32x32": 2.08e8}.items():
        C_n, beta_n = henighan.OPTIMAL_SIZE[domain]
        found = henighan.optimal_params(henighan.PF_DAY, C_n=C_n * henighan.PF_DAY, beta_n=beta_n)
        assert found == pytest.approx(expected, rel=5e-3)
    assert float(henighan.mutual_information(2e9, rate=0.5, N_c=1e9)) == pytest.approx(0.5 * np.log(2))


@pytest.mark.parametrize(
    ("name", "exponent"), [("hestness_learning_curve", "alpha"), ("hestness_model_size", "beta")]
)
def test_published_exponents_of_a_domain_serve_as_priors(name, exponent):
    prior = law(name).parameter(exponent)
    for domain, interval in _laws.module(name).EXPONENTS.items():
        narrow = with_priors(law(name), {exponent: interval}).parameter(exponent)
        assert narrow.scale < prior.scale, domain
        assert abs(narrow.location - prior.location) < 3 * prior.scale, domain


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("densing_time", {"frontier": {"rate": 0.0073}, "mmlu_before_chatgpt": {"rate": 0.0048}}),
        ("adv_log_law", {"average": {"b_D": -0.032, "b_N": -0.134}}),
        ("hestness_model_size", {"word_lm": {"beta": 0.69}, "imagenet": {"beta": 0.573}}),
        ("hestness_model_size", {"character_lm_lower": {"beta": 0.78}, "character_lm_upper": {"beta": 0.92}}),
        ("hestness_model_size", {"word_lm_4_layer_lstm": {"beta": 0.78}}),
        ("cmr_cpt:3", {"finance": {"u0": -0.557341, "u2": 0.410976}}),
        ("coupled_chinchilla", {"chinchilla_runs_least_k": {"k": 0.77}}),
        ("coupled_chinchilla", {"chinchilla_runs_largest_k": {"k": 0.90}}),
    ],
)
def test_what_was_printed_of_a_fit_is_published(name, printed):
    for key, values in printed.items():
        assert law(name).published[key].values == pytest.approx(values), key


def test_published_coefficients_in_the_coordinates_of_their_laws():
    exponents = {f"family_{i}_1.2B": x for i, x in enumerate((0.083, 0.103, 0.150, 0.083, 0.078), 1)}
    for key, gamma in {**exponents, "mean_85M": 0.104}.items():
        assert law("multilingual_ratio").published[key].values["gamma"] == pytest.approx(gamma, abs=6e-4)
    amplitudes = {"tmars_imagenet": 0.022, "tmars_18_tasks": 0.033,
                  "clip_score_imagenet": 0.021, "clip_score_18_tasks": 0.035}  # fmt: skip
    a = next(d for d in law("qqt_filtering").derived if d.name == "a").function
    for key, printed in amplitudes.items():
        values = law("qqt_filtering").published[key].values
        assert a(n1=values["n1"]) == pytest.approx(printed)
        assert values["d"] == 0.1
    inner = {d.name: d.function for d in law("coupled_chinchilla").derived}
    for key, k in {"farseer_least_k": 0.31, "farseer_largest_k": 0.45}.items():
        values = law("coupled_chinchilla").published[key].values
        assert values["k"] == k
        assert inner["inner_alpha"](alpha=values["alpha"], k=k) == pytest.approx(0.32)
        assert inner["inner_beta"](beta=values["beta"], k=k) == pytest.approx(0.39)


def test_chinchilla_optimum():
    chinchilla = _laws.module("chinchilla")
    values = dict(chinchilla.LAW.published["besiroglu2024"].values)
    del values["E"]
    best = float(chinchilla.optimal_params(5.76e23, **values))
    assert best == pytest.approx(7.23e10, rel=1e-3)
    assert 5.76e23 / 6 / best**2 == pytest.approx(18.4, abs=0.06)
    hoffmann = dict(chinchilla.LAW.published["hoffmann2022"].values)
    del hoffmann["E"]
    assert float(chinchilla.optimal_params(5.76e23, **hoffmann)) == pytest.approx(3.22e10, rel=2e-3)


def test_coupled_chinchilla_optimum_is_where_the_loss_is_least():
    coupled = _laws.module("coupled_chinchilla")
    values = {"A": 1.1, "alpha": 0.15, "B": 0.8, "beta": 0.2, "k": 0.45}

    def along(log_params):
        params = jnp.exp(log_params)
        return coupled.log_mean(params, 1e24 / 6 / params, E=0.4, **values)

    best = jnp.log(coupled.optimal_params(1e24, **values))
    assert float(jax.grad(along)(best)) == pytest.approx(0.0, abs=1e-12)
    assert float(jax.grad(jax.grad(along))(best)) > 0


def test_isoflop_parabolas_touch_the_law_they_come_from():
    parabola, chinchilla = _laws.module("isoflop_parabola"), _laws.module("chinchilla")
    values = parabola.LAW.published["besiroglu2024"].values
    assert values["a"] == pytest.approx(0.5126, abs=1e-4)
    assert values["gamma"] == pytest.approx(0.1783, abs=1e-4)

    def along(log_params):
        params = jnp.exp(log_params)
        additive = chinchilla.LAW.published["besiroglu2024"].values
        return chinchilla.log_mean(params, parabola.C_REF / 6 / params, **additive)

    best = jnp.log(values["N_opt"])
    run = {"params": values["N_opt"], "compute": parabola.C_REF}
    assert float(jnp.exp(along(best))) == pytest.approx(float(mean(parabola.LAW, run, values)), rel=1e-10)
    assert float(jax.grad(along)(best)) == pytest.approx(0.0, abs=1e-12)
    assert float(jax.grad(jax.grad(along))(best)) == pytest.approx(values["curvature"], rel=1e-9)


@pytest.mark.parametrize(
    ("corpus", "a", "b", "height", "multiplier"),
    [
        ("c4", 141.28, 189.52, 0.49, 3.4),
        ("redpajama", 212.24, 366.69, 0.36, 7.4),
        ("refinedweb", 157.12, 246.21, 0.41, 5.8),
    ],
)
def test_gadre_coordinates(corpus, a, b, height, multiplier):
    values = law("gadre_overtraining").published[corpus].values
    assert derived("gadre_overtraining", "a", values) == pytest.approx(a, rel=1e-9)
    assert derived("gadre_overtraining", "b", values) == pytest.approx(b, rel=1e-9)
    assert np.log(values["H"]) == pytest.approx(height, abs=0.005)
    assert values["M_opt"] == pytest.approx(multiplier, abs=0.05)
    compute, m, eta = 3e20, 80.0, values["eta"]
    params = (compute / 6 / m) ** 0.5
    printed = values["E"] + (a * m**eta + b * m**-eta) * compute**-eta
    found = mean(law("gadre_overtraining"), {"params": params, "tokens": m * params}, values)
    assert float(found) == pytest.approx(printed, rel=1e-10)


def test_farseer_is_the_printed_law_in_other_coordinates():
    farseer = _laws.module("farseer")
    a1, alpha, b1, a2, beta, b2, a3, gamma, b3 = -0.12, 0.12, 0.42, 88.0, -0.1, -5.7, -0.02, 0.17, 0.09
    values = farseer.at_reference(a1, alpha, b1, a2, beta, b2, a3, gamma, b3)
    for params, tokens in [(1e9, 2e10), (2e8, 1e11), (2.5e10, 4.5e11)]:
        data = np.exp(a2 * params**beta + b2) * tokens ** -np.exp(a1 * params**alpha + b1)
        printed = np.exp(a3 * params**gamma + b3) + data
        found = mean(farseer.LAW, {"params": params, "tokens": tokens}, values)
        assert float(found) == pytest.approx(printed, rel=1e-10)


def test_box_cox_is_smooth_where_it_becomes_a_log():
    box_cox = _laws.module("farseer").box_cox
    slope = jax.grad(box_cox, argnums=1)
    for power in (0.0, 1e-7, 2e-6):
        assert float(box_cox(3.0, power)) == pytest.approx(
            np.expm1(power * 3) / power if power else 3.0, rel=1e-9
        )
        assert float(slope(3.0, power)) == pytest.approx(4.5, rel=1e-4)
