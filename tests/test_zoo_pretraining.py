"""Law-specific checks of the laws of schedules, sizes, recipes and hyper-parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from _zoo import derived, lowest, published

from bayes_scaling.law import mean
from bayes_scaling.laws import law
from bayes_scaling.laws.pretraining import (
    crossover,
    lr_annealing,
    lr_bs_surface,
    lr_sensitivity,
    multi_power,
    vocab_loss,
    vocab_opt,
)

TWO_STAGE = np.array([[8000.0, 3e-4], [8000.0, 9e-5]])


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


# --- learning-rate schedules ----------------------------------------------------------------------


def every_step(schedule: np.ndarray) -> np.ndarray:
    return np.repeat(schedule[:, 1], schedule[:, 0].astype(int))


def test_multi_power_is_the_double_sum_of_the_paper():
    values = published("multi_power", "luo2025_100M")
    schedule = np.array([[5, 1e-4], [7, 2e-4], [40, 3e-4], [30, 1e-4], [9, 2e-4], [20, 0.0], [0, 0.0]])
    eta, t = every_step(schedule), 100
    drop = 0.0
    for k in range(1, t):
        x = values["C"] * eta[k] ** -values["gamma"] * eta[k:t].sum() if eta[k] > 0 else 0.0
        drop += (eta[k - 1] - eta[k]) * (1 - (x + 1) ** -values["beta"])
    total = eta[:t].sum()
    expected = values["L0"] + values["A"] * (total / multi_power.S0) ** -values["alpha"]
    expected -= values["gain"] / multi_power.PEAK * drop
    found = mean(multi_power.LAW, {"step": float(t), "schedule": schedule}, values)
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_multi_power_with_an_exponential_kernel_is_lr_annealing():
    schedule = np.array([[3000.0, 3e-4], [500.0, 2e-4], [1500.0, 4e-5], [1000.0, 1e-4], [0.0, 0.0]])
    decay = 0.999
    for step in (10.0, 3000.0, 3001.0, 3700.0, 5500.0, 6000.0):
        found = multi_power.loss_drop(step, schedule, lambda lr, since, n: 1 - decay**n)
        s1, fallen = lr_annealing.annealed(step, schedule, decay)
        assert float(found) == pytest.approx(float(fallen), rel=1e-10, abs=1e-18)
        assert float(multi_power.learning_rate_sum(step, schedule)) == pytest.approx(float(s1), rel=1e-12)


def test_multi_power_gains_at_most_the_fall_of_the_learning_rate():
    values = published("multi_power", "luo2025_100M")
    steady = np.array([[8000.0, 3e-4]])

    def gain(step: float) -> float:
        lr_sum = multi_power.learning_rate_sum(step, TWO_STAGE)
        equal = mean(multi_power.LAW, {"step": float(lr_sum / 3e-4), "schedule": [[1e9, 3e-4]]}, values)
        return float(equal - mean(multi_power.LAW, {"step": step, "schedule": TWO_STAGE}, values))

    assert gain(8001.0) == pytest.approx(0.004422, abs=1e-6)
    assert gain(16000.0) == pytest.approx(0.090119, abs=1e-6)
    bound = derived("multi_power", "B", gain=values["gain"]) * 2.1e-4
    assert bound == pytest.approx(0.091969, abs=5e-6)
    assert 0 < gain(9000.0) < gain(16000.0) < bound
    inputs = {"step": 8000.0, "schedule": steady}
    assert float(mean(multi_power.LAW, inputs, values)) == pytest.approx(3.05580, abs=5e-6)


def full_schedule(name: str, step: np.ndarray, lr: np.ndarray) -> np.ndarray:
    """Rows of 32 steps of a public curve, with the warm-up of 2160 steps that the table leaves out."""
    ramp = np.stack([np.full(216, 10.0), 3e-4 * (np.arange(216) + 0.5) / 216], 1)
    if name.startswith("wsdcon"):  # the drop is at step 8000, between two rows of the table
        rest = [[8000.0 - 2160.0, 3e-4], [8000.0, lr[-1]]]
    else:
        middle = np.arange(2160.0, step.max(), 32.0)
        rest = np.stack([np.full(len(middle), 32.0), np.interp(middle + 16, step, lr)], 1)
    return np.concatenate([[[1.0, 0.0]], ramp, rest])


def errors_on_target_curves(table: pd.DataFrame, size: str, log_mean, values) -> np.ndarray:
    """R2, mean absolute error, mean and largest relative error, each the mean over the six target curves."""
    found = []
    for (family, name, split), curve in table.groupby(["family", "schedule", "split"]):
        if family != size or split == "fit":
            continue
        step, y = curve.step.to_numpy(float), curve.loss.to_numpy()
        schedule = jnp.asarray(full_schedule(name, step, curve.lr.to_numpy()))

        def log_loss(t, schedule=schedule):
            return log_mean(t, schedule, **values)

        off = np.exp(jax.jit(lambda t, f=log_loss: jax.lax.map(f, t, batch_size=64))(step)) - y
        relative = np.abs(off / y)
        found.append([1 - (off**2).mean() / y.var(), np.abs(off).mean(), relative.mean(), relative.max()])
    assert len(found) == 6
    return np.mean(found, axis=0)


@pytest.mark.parametrize(
    ("size", "errors"),
    [
        ("25M", (0.9988, 0.00376, 0.00110, 0.00409)),
        ("100M", (0.9983, 0.00435, 0.00142, 0.00583)),
        ("400M", (0.9978, 0.00484, 0.00168, 0.00995)),
    ],
)
def test_multi_power_forecasts_the_public_curves_as_published(study, size, errors):
    table = pd.read_csv(study("multipowerlaw_curves"))
    values = published("multi_power", f"luo2025_{size}")
    r2, *rest = errors_on_target_curves(table, size, multi_power.log_mean, values)
    assert r2 == pytest.approx(errors[0], abs=1e-4)
    # the learning rate between two rows of the table is interpolated here
    np.testing.assert_allclose(rest[:2], errors[1:3], rtol=0.01)
    if size != "25M":  # two curves of that size end 1800 steps early in the table
        assert rest[2] == pytest.approx(errors[3], rel=0.01)


@pytest.mark.parametrize(
    ("size", "mae", "worst"), [("25M", 0.0048, 0.0054), ("100M", 0.0047, 0.0072), ("400M", 0.0065, 0.0082)]
)
def test_lr_annealing_forecasts_the_public_curves_as_the_catalogue_says(study, size, mae, worst):
    table = pd.read_csv(study("multipowerlaw_curves"))
    values = published("lr_annealing", f"mpl_{size}")
    _, found, _, largest = errors_on_target_curves(table, size, lr_annealing.log_mean, values)
    assert found == pytest.approx(mae, abs=6e-5)
    assert largest == pytest.approx(worst, abs=6e-5)


@pytest.mark.parametrize(
    ("step", "s1", "s2"),
    [(8000, 2.4, 0.0), (8001, None, 0.000210), (9000, 2.49, 0.132784), (16000, 3.12, 0.209930)],
)
def test_sums_of_lr_annealing_on_two_stages(step, s1, s2):
    found, fallen = lr_annealing.annealed(float(step), TWO_STAGE, 0.999)
    assert s1 is None or float(found) == pytest.approx(s1, rel=1e-12)
    assert float(fallen) / (1 - 0.999) == pytest.approx(s2, abs=5e-7)


@pytest.mark.parametrize("size", ["25M", "100M", "400M"])
def test_a_tenth_to_a_fifth_of_the_steps_is_best_for_annealing(size):
    values, total, rows = published("lr_annealing", f"mpl_{size}"), 72000.0, 200

    def final_loss(share):
        """Constant rate, then down to a tenth of it, as one minus a square root."""
        part = (np.arange(rows) + 0.5) / rows
        cooling = np.stack([np.full(rows, share * total / rows), 3e-4 * (1 - 0.9 * part**0.5)], 1)
        schedule = np.concatenate([[[(1 - share) * total, 3e-4]], cooling])
        return float(mean(lr_annealing.LAW, {"step": total, "schedule": schedule}, values))

    shares = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8])
    assert 0.1 <= shares[np.argmin([final_loss(s) for s in shares])] <= 0.2


def test_multi_power_does_not_move_at_zero_learning_rate():
    values = published("multi_power", "luo2025_400M")
    idle = np.concatenate([TWO_STAGE, [[5000.0, 0.0], [0.0, 0.0]]])
    before = float(mean(multi_power.LAW, {"step": 16000.0, "schedule": idle}, values))
    after = float(mean(multi_power.LAW, {"step": 20000.0, "schedule": idle}, values))
    assert before == after
    annealing = published("lr_annealing", "mpl_100M")
    moved = [
        float(mean(lr_annealing.LAW, {"step": s, "schedule": idle}, annealing)) for s in (16000.0, 20000.0)
    ]
    assert moved[1] < moved[0], "lr_annealing does keep falling: its documented defect"


def test_half_of_the_gain_has_come_when_multi_power_says():
    values = published("multi_power", "luo2025_25M")
    steps = derived("multi_power", "half_gain_steps", **{k: values[k] for k in ("C", "beta", "gamma")})
    lr = multi_power.PEAK / 10
    x = values["C"] * lr ** -values["gamma"] * lr * steps
    assert float(1 - (1 + x) ** -values["beta"]) == pytest.approx(0.5, rel=1e-12)


# --- parameters, tokens, vocabulary ---------------------------------------------------------------


def test_parscale_streams_are_worth_parameters():
    for key, multiplier in (("chen2025_stack", 1.818), ("chen2025_pile", 1.695)):
        values = published("parscale", key)
        assert derived("parscale", "multiplier_8", k=values["k"]) == pytest.approx(multiplier, abs=5e-4)
        wide = mean(law("parscale"), {"params": 1e9, "streams": 8.0}, values)
        large = mean(law("parscale"), {"params": 1e9 * (1 + values["k"] * np.log(8)), "streams": 1.0}, values)
        assert float(wide) == pytest.approx(float(large), rel=1e-12)


def _vocabulary_parameters(values):
    return {k: values[k] for k in ("A_v", "alpha_v", "B", "beta")}


@pytest.mark.parametrize(
    ("params", "compute", "claim"),
    [
        (2.87e9, None, 35.3e3),
        (7e9, None, 59.5e3),
        (7e10, None, 218.0e3),
        (2.87e9, 2.8e20, 23.9e3),
        (2.87e9, 2.3e21, 42.2e3),
    ],
)
def test_optimal_vocabulary_is_the_minimum_and_what_the_paper_finds(params, compute, claim):
    values = published("vocab_loss", "tao2024")
    width, compute = vocab_opt.embedding_width(params), compute or vocab_loss.balanced_compute(params)
    found = float(vocab_loss.optimal_vocab_params(params, compute, **_vocabulary_parameters(values)))
    assert found / width == pytest.approx(claim, rel=2e-3)

    def curve(vocab_params):
        tokens = compute / (6 * (params + vocab_params))
        return vocab_loss.mean_loss(params, vocab_params, tokens, **values)

    assert lowest(curve, 1e6, 1e12) == pytest.approx(found, rel=1e-5)


def test_optimal_vocabulary_of_many_draws_and_sizes():
    values = _vocabulary_parameters(published("vocab_loss", "tao2024"))
    params, compute = np.array([1e8, 1e9, 1e10]), np.array([1e19, 1e21, 1e23])
    together = vocab_loss.optimal_vocab_params(
        params, compute, **{k: np.full((5, 1), v) for k, v in values.items()}
    )
    assert together.shape == (5, 3)
    for j in range(3):
        alone = vocab_loss.optimal_vocab_params(float(params[j]), float(compute[j]), **values)
        np.testing.assert_allclose(together[:, j], float(alone), rtol=1e-10)


def test_vocabulary_loss_is_additive_at_a_fixed_vocabulary():
    values = published("vocab_loss", "tao2024")
    plan, vocabulary = {"params": 1e9, "tokens": 1e11}, 5e7
    # the vocabulary's term is a constant then; a floor that covers it and the sign of E makes it chinchilla
    inner = {k: values[k] for k in ("A", "alpha", "B", "beta")}
    additive = float(mean(law("chinchilla"), plan, {"E": 8.0, **inner}))
    found = vocab_loss.mean_loss(plan["params"], vocabulary, plan["tokens"], **values)
    term = values["A_v"] * (vocabulary / vocab_loss.V0) ** -values["alpha_v"]
    assert float(found) == pytest.approx(additive - 8.0 + term - values["E"], rel=1e-12)


def test_a_model_too_large_for_the_table_of_widths_is_refused():
    assert [vocab_opt.embedding_width(n) for n in (3.3e7, 7e9, 7e10)] == [512, 4096, 8192]
    with pytest.raises(ValueError, match=r"no embedding width for 1e\+12 .* the table ends at 5e11"):
        vocab_opt.embedding_width(1e12)


def test_width_superposition_excess_and_exponent_of_parameters():
    values = published("width_superposition", "liu2025_opt_wikitext")
    assert derived("width_superposition", "alpha_N", alpha=values["alpha"]) == pytest.approx(0.303, abs=5e-4)
    for width, excess in ((768, 1.1287), (1024, 0.8688), (2048, 0.4624), (4096, 0.2461), (8192, 0.1310)):
        found = float(mean(law("width_superposition"), {"width": float(width)}, values)) - values["B"]
        # the printed exponent is rounded at 5e-4, and log(8192) times that is 0.45 %
        assert found == pytest.approx(excess, rel=5e-3)


def test_explained_regimes_is_a_broken_power_law_with_fixed_exponents():
    values = {"E": 0.3, "A": 0.8, "dimension": 12.0, "turn": 30.0, "sharpness": 2.0}
    alpha = float(derived("explained_regimes", "alpha", dimension=12.0))
    assert alpha == pytest.approx(1 / 3)
    broken = law("smoothly_broken_power_law")
    shift = (1 + (1 / 30.0) ** 2) ** (-(1 - alpha) / 2)  # height at x = 1, as that law states it
    other = {"a": 0.3, "b": 0.8 * shift, "c0": alpha, "c1": 1 - alpha, "d1": 30.0, "f1": 0.5}
    for x in (0.1, 10.0, 30.0, 500.0):
        found = float(mean(law("explained_regimes"), {"x": x}, values))
        assert found == pytest.approx(float(mean(broken, {"x": x}, other)), rel=1e-12)
    at_turn = float(mean(law("explained_regimes"), {"x": 30.0}, values)) - values["E"]
    rest = {k: v for k, v in values.items() if k != "E"}
    assert float(derived("explained_regimes", "excess_at_turn", **rest)) == pytest.approx(at_turn, rel=1e-12)


# --- two recipes ----------------------------------------------------------------------------------


def test_crossings_of_the_catalogue():
    pure = crossover.from_curves((1e-30, 4.0, 0.1), (1e-30, 8.0, 0.15))
    assert float(crossover.crossing(**pure)) == pytest.approx(2**20, rel=1e-9)
    assert float(crossover.late_winner(**pure)) == 1.0
    offsets = crossover.from_curves((1.8, 20.0, 0.15), (1.7, 60.0, 0.18))
    assert float(crossover.crossing(**offsets)) == pytest.approx(9.337e11, rel=1e-4)


def test_two_crossings_and_none():
    # recipe 2 falls faster but has the higher floor: ahead for a while, behind in the end
    twice = crossover.from_curves((1.0, 2.0, 0.2), (1.02, 4.0, 0.4))
    early, late = map(float, crossover.crossings(**twice))
    assert early < late
    for x in (early, late):
        one, two = (float(mean(crossover.LAW, {"x": x, "recipe": r}, twice)) for r in (1.0, 2.0))
        assert one == pytest.approx(two, rel=1e-10)
    assert float(crossover.crossing(**twice)) == late
    assert float(crossover.late_winner(**twice)) == 0.0
    never = crossover.from_curves((1.0, 2.0, 0.2), (1.1, 2.5, 0.2))
    assert np.isnan(float(crossover.crossing(**never)))
    equal_slopes = crossover.from_curves((1.0, 2.0, 0.2), (0.9, 2.5, 0.2))
    assert float(crossover.crossing(**equal_slopes)) == pytest.approx(5.0 ** (1 / 0.2), rel=1e-9)


def test_crossings_are_vectorised_over_draws():
    rng = np.random.default_rng(3)
    names = ("E", "ratio_E", "A", "ratio_A", "alpha", "ratio_alpha")
    draws = {p.name: p.constrain(rng.normal(p.location, p.scale, 40)) for p in crossover.LAW.parameters}
    early, late = crossover.crossings(**draws)
    winner = crossover.late_winner(**draws)
    better = crossover.ahead(1e3, **draws)
    assert 0 < better.mean() < 1
    crosses = derived("crossover", "crosses", **draws)
    np.testing.assert_array_equal(crosses == 1.0, ~(np.isnan(early) & np.isnan(late)))
    for i in range(40):
        one = {name: float(draws[name][i]) for name in names}
        heights = [float(mean(crossover.LAW, {"x": 1e3, "recipe": r}, one)) for r in (1.0, 2.0)]
        assert bool(better[i]) == (heights[1] < heights[0])
        grid = np.linspace(-60.0, 60.0, 20001)
        ahead = np.sign(crossover._gap(jnp.asarray(grid), **one))
        seen = np.exp(grid[1:][ahead[1:] != ahead[:-1]])
        found = np.array([x for x in (float(early[i]), float(late[i])) if np.exp(-60) < x < np.exp(60)])
        np.testing.assert_allclose(np.log(found), np.log(seen), atol=0.01)
        assert float(winner[i]) == float(crossover.late_winner(**one))


# --- hyper-parameters -----------------------------------------------------------------------------


def test_step_law_bands_of_the_chapter_contain_the_plan():
    for key in ("li2025", "li2025_bootstrap"):
        values = published("step_law", key)
        assert 7.7e-4 < float(derived("step_law", "lr_7B", **values)) < 1.14e-3
        batch = published("step_law_batch", key)
        assert 4.2e6 < float(derived("step_law_batch", "batch_1400B", **batch)) < 5.9e6


def test_lr_bs_surface_is_lowest_at_the_step_law():
    values = published("lr_bs_surface", "median_cell")
    assert derived("lr_bs_surface", "cost_of_factor_2", h_lr=0.0127) == pytest.approx(0.0031, abs=1e-4)
    assert derived("lr_bs_surface", "cost_of_factor_4", h_lr=0.0127) == pytest.approx(0.012, abs=5e-4)
    plan = {"params": 1e9, "tokens": 1e11}
    lr = float(mean(law("step_law"), plan, published("step_law", "li2025")))
    batch = float(mean(law("step_law_batch"), {"tokens": 1e11}, published("step_law_batch", "li2025")))

    def curve(learning_rate, batch_tokens):
        at = {**plan, "learning_rate": learning_rate, "batch_tokens": batch_tokens}
        return mean(lr_bs_surface.LAW, at, values)

    assert lowest(lambda x: curve(x, batch), lr / 30, lr * 30) == pytest.approx(lr, rel=1e-4)
    assert lowest(lambda x: curve(lr, x), batch / 30, batch * 30) == pytest.approx(batch, rel=1e-4)
    curvatures = {k: values[k] for k in ("h_lr", "h_batch", "coupling")}
    follow = float(derived("lr_bs_surface", "lr_follows_batch", **curvatures))
    assert lowest(lambda x: curve(x, 2 * batch), lr / 30, lr * 30) == pytest.approx(lr * 2**follow, rel=1e-4)


def test_weight_decay_rule_keeps_the_gain():
    for q_r, q_d in ((0.5, 0.75), (0.4, 0.9)):
        s = float(derived("wd_layerwise", "decay_exponent", q_r=q_r, q_d=q_d))
        values = {"c": 1.7, "q_r": q_r, "q_d": q_d}
        gains = [
            mean(law("wd_layerwise"), {"learning_rate": 1 / d, "weight_decay": d**s, "width": d}, values)
            for d in (1.0, 2.0, 16.0)
        ]
        np.testing.assert_allclose(gains, 1.7, rtol=1e-12)
    assert float(derived("wd_layerwise", "decay_exponent", q_r=0.5, q_d=0.75)) == 0.5


def test_sensitivity_of_a_sweep():
    lr = np.geomspace(3e-4, 3e-1, 4)
    # trapezoid of (0.2, 0, 0.5, 6) over three equal intervals; the diverged run counts as initialisation
    losses = np.array([3.2, 3.0, 3.5, np.nan])
    expected = (0.2 / 2 + 0 + 0.5 + 6.0 / 2) / 3
    assert lr_sensitivity.sensitivity(lr, losses, 9.0) == pytest.approx(expected)
    assert lr_sensitivity.sensitivity(lr[::-1], losses[::-1], 9.0) == pytest.approx(expected)
    with pytest.raises(ValueError, match="two or more different positive learning rates"):
        lr_sensitivity.sensitivity([1e-3], [3.0], 9.0)
    with pytest.raises(ValueError, match="below the loss at initialisation, 9"):
        lr_sensitivity.sensitivity(lr, np.full(4, 10.0), 9.0)


def test_logits_reach_the_threshold_at_the_critical_learning_rate():
    values = {"level": 800.0, "g1": 0.5, "g2": 0.03, "g3": 1.2}
    lr = float(derived("logit_growth", "critical_lr_4p8B", **values))
    found = float(mean(law("logit_growth"), {"params": 4.8e9, "learning_rate": lr}, values))
    assert found == pytest.approx(1e4, rel=1e-10)
    draws = {"level": np.array([10.0, 800.0, 5e4]), "g1": 0.5, "g2": 0.03}
    unstable = derived("logit_growth", "unstable_4p8B", **draws)
    np.testing.assert_array_equal(unstable, [0.0, 0.0, 1.0])
