"""Numbers and limits of chapter 2 that stand in no law's record: noise, the authors' runs, printed tables."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import jax
import numpy as np
import pandas as pd
import pytest
from _zoo import published
from scipy.optimize import least_squares

from bayes_scaling.law import Z90, Response, events, mean, successes
from bayes_scaling.laws import law, laws, variants
from bayes_scaling.laws.downstream import cod_cluster_law, error_vs_loss_exp, ladder_two_step
from bayes_scaling.laws.pretraining import chinchilla
from bayes_scaling.layout import EVENT_OVERDISPERSION, OVERDISPERSION, _noise_priors


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


# --- noise of pass rates --------------------------------------------------------------------------


def sd_of_log_rate(response: Response, rate: float) -> float:
    """Standard deviation of the true rates of runs over their mean, at the prior median of the noise."""
    omega = np.exp(_noise_priors(response, "rows")[0, 0])
    return float(np.sqrt(omega / (1 + omega) * (1 - rate) / rate))


def test_rare_passes_do_not_scatter_by_more_than_they_are():
    for variant in variants("passuntil_task_law"):
        response = law("passuntil_task_law", variant).predicts
        assert sd_of_log_rate(response, 1e-3) == pytest.approx(0.447, abs=1e-3)
        # the catalogue has half-normal(0.1) on F = log(-log PU), of median 0.067
        assert sd_of_log_rate(response, 1e-3) == pytest.approx(0.067 * -np.log(1e-3), rel=0.05)
    assert sd_of_log_rate(successes(), 1e-3) > 2


def test_overdispersion_is_the_laws_own_or_that_of_all_counts():
    for response, of_all in ((successes(), OVERDISPERSION), (events(), EVENT_OVERDISPERSION)):
        np.testing.assert_array_equal(_noise_priors(response, "rows"), [of_all])
        ((location, scale),) = _noise_priors(replace(response, overdispersion=(1e-3, 0.1)), "rows")
        assert np.exp(location + Z90 * scale * np.array([-1, 1])) == pytest.approx([1e-3, 0.1])
    every = {one.label: one.predicts for name in laws() for one in variants(name).values()}
    own = [label for label, predicts in every.items() if predicts.overdispersion is not None]
    assert own == ["passuntil_task_law", "passuntil_task_law:2"]


def test_retrained_translation_models_scatter_as_the_paper_saw():
    ends = [0.005 * NormalDist().inv_cdf(0.5 + p / 2) for p in (0.05, 0.95)]  # of half-normal(0.005)
    for name in ("nmt_bivariate", "mnmt_joint"):
        predicts = law(name).predicts
        nats = predicts.reference * np.array(predicts.scatter)  # a relative scale
        assert nats == pytest.approx(ends, rel=0.05)
        assert nats[0] < 0.003 < nats[1]


# --- the over-trained runs ------------------------------------------------------------------------

CORPORA = {"c4": "c4_original", "redpajama": "rpj", "refinedweb": "rw_original"}


def overtrained(path, corpus: str) -> pd.DataFrame:
    """Runs of one corpus, smallest first."""
    table = pd.read_csv(path).astype({"params": float, "tokens": float})
    return table[table.family == CORPORA[corpus]].sort_values(["params", "tokens"])


def predicted(name: str, values: dict[str, float], runs: pd.DataFrame, **columns: np.ndarray) -> np.ndarray:
    """A law at published constants, for runs of a table."""
    inputs = {i.name: columns.get(i.name, runs.get(i.name)) for i in law(name).inputs}
    return np.asarray(mean(law(name), {k: np.asarray(v, float) for k, v in inputs.items()}, values))


@pytest.mark.parametrize(
    ("corpus", "fitted", "missed"),
    [
        ("c4", 0.0042, (0.0243, 0.0223)),
        ("redpajama", 0.0050, (0.0306, 0.0170)),
        ("refinedweb", 0.0102, (0.0430, 0.0360)),
    ],
)
def test_errors_averaged_over_46_tasks(study, corpus, fitted, missed):
    """At the measured loss: the authors' six runs, and the targets of 1.4e9 and 6.9e9 parameters."""
    runs = overtrained(study("gadre_overtraining"), corpus)
    values = published("error_vs_loss_exp", f"{corpus}_46")
    found = predicted("error_vs_loss_exp", values, runs, loss=runs.loss_c4_val.to_numpy())
    own, targets = (runs.paper_fit_error == 1).to_numpy(), (runs.split == "target").to_numpy()
    assert (own.sum(), targets.sum()) == (6, 2)
    assert np.abs(found - runs.err_avg46)[own].max() == pytest.approx(fitted, abs=1e-4)
    np.testing.assert_allclose((found / runs.err_avg46 - 1)[targets], missed, atol=1e-4)


@pytest.mark.parametrize(
    ("corpus", "loss", "error"),
    [
        ("c4", (0.015, -0.043), (0.096, -0.0015)),
        ("redpajama", (0.0071, 0.0073), (0.0364, 0.0005)),
        ("refinedweb", (0.000, -0.016), (0.056, 0.0294)),
    ],
)
def test_errors_of_the_targets_from_predicted_losses(study, corpus, loss, error):
    """As the paper goes: parameters and tokens to the loss, that to the error over 17 tasks."""
    runs = overtrained(study("gadre_overtraining"), corpus).query("split == 'target'")
    at = predicted("gadre_overtraining", published("gadre_overtraining", corpus), runs)
    np.testing.assert_allclose(at / runs.loss_c4_val - 1, loss, atol=5e-4)
    found = predicted("error_vs_loss_exp", published("error_vs_loss_exp", f"{corpus}_17"), runs, loss=at)
    np.testing.assert_allclose(found / runs.err_avg17 - 1, error, atol=5e-4)


@pytest.mark.parametrize(
    ("task", "key", "name", "moved"),
    [
        ("hellaswag_zeroshot", "hellaswag_0shot", "gamma", 2.49),
        ("piqa", "piqa", "eps", 0.486),
        ("arc_easy", "arc_easy", "gamma", 1.49),
        ("squad", "squad", "gamma", 4.63),
    ],
)
def test_constants_of_single_tasks_belong_to_the_six_runs_of_their_fit(study, task, key, name, moved):
    runs = overtrained(study("gadre_overtraining"), "c4").query("split == 'fit'")
    scores = pd.read_csv(study("gadre_downstream")).query("task == @task")[["run", "accuracy"]]
    runs = runs.merge(scores, on="run", validate="1:1")
    told = published("error_vs_loss_exp", key)

    def refitted(part: pd.DataFrame) -> dict[str, float]:
        """By least squares, in the published coordinates, where eps may be above 1."""
        at, error = part.loss_c4_val.to_numpy(), 1 - part.accuracy.to_numpy()

        def off(theta):
            eps, ratio, gamma = theta
            return eps * (1 - (1 - ratio) * np.exp(-gamma * (at - error_vs_loss_exp.L_REF))) - error

        found = least_squares(off, list(told.values()), x_scale=[0.01, 0.01, 0.1])
        return dict(zip(told, found.x, strict=True))

    six = refitted(runs[runs.paper_fit_error == 1])
    assert [six[n] for n in told] == pytest.approx(list(told.values()), rel=2e-3)
    assert refitted(runs)[name] == pytest.approx(moved, rel=3e-3)


def test_losses_scatter_by_a_percent_about_the_overtraining_law(study):
    """Smaller runs of 20 tokens per parameter or more: the law's own kind."""
    found = []
    for corpus in CORPORA:
        runs = overtrained(study("gadre_overtraining"), corpus).query("split == 'fit'")
        off = np.log(
            runs.loss_c4_val / predicted("gadre_overtraining", published("gadre_overtraining", corpus), runs)
        )
        ratio = runs.tokens / runs.params
        found.append(off[ratio > 19].std())
        assert off[ratio < 6].mean() > 0.05, "under-trained runs lie far above it"
    assert found == pytest.approx([0.0114, 0.0094, 0.0112], abs=1e-4)  # the catalogue: 0.009 to 0.011


# --- printed tables -------------------------------------------------------------------------------


def test_the_ladder_misses_its_larger_target_by_what_is_printed():
    points = {
        "mmlu": 0.34, "hellaswag": 2.11, "arc_challenge": 11.14, "arc_easy": 9.93,
        "piqa": 0.88, "commonsense_qa": 3.51, "social_iqa": 1.65, "openbookqa": 3.78,
    }  # fmt: skip
    printed = {golden.values: golden.value for golden in law("ladder_two_step").golden}
    actual = ladder_two_step.TARGET_ACCURACY
    assert printed.keys() == actual.keys() == points.keys()
    for task, off in points.items():
        assert 100 * abs(printed[task] - actual[task]) == pytest.approx(off, abs=1e-6)
        # the constants are printed to three decimals, which leaves 0.4 % of an accuracy
        found = float(
            mean(law("ladder_two_step"), ladder_two_step._TARGET, published("ladder_two_step", task))
        )
        assert 100 * abs(found - actual[task]) == pytest.approx(off, abs=0.4 * printed[task])
    # over both targets the paper has 2 points or less for four tasks and 6.9 on average for the others
    assert sorted(points.values())[3] < 2.2
    assert np.mean(sorted(points.values())[4:]) == pytest.approx(6.9, abs=0.3)


def test_errors_of_clusters_on_eight_benchmarks():
    truth, off = np.array(list(cod_cluster_law.HELD_OUT.values())).T
    assert off.mean() == pytest.approx(1.55, abs=5e-3)
    assert off.max() == 2.68
    assert len(off) == 8
    assert (truth.min(), truth.max()) == (48.02, 88.55)


def test_a_single_step_of_the_ladder_is_chinchilla_on_errors():
    E, A, alpha, B, beta = 0.83, 55.0, 0.31, 120.0, 0.29
    values = chinchilla.at_reference(1 - E, A, alpha, B, beta)
    for params, tokens in ((1.9e8, 3.8e9), (1.3e9, 1e11), (1.3e10, 5e12)):
        accuracy = E - A * params**-alpha - B * tokens**-beta
        error = float(mean(law("chinchilla"), {"params": params, "tokens": tokens}, values))
        assert 1 - error == pytest.approx(accuracy, rel=1e-10)


# --- limits ---------------------------------------------------------------------------------------


def test_bleu_with_a_power_of_one_is_a_line_in_log_tokens():
    values = {"f": 20.0, "e": 0.1, "beta": 1.0}
    found = float(mean(law("bleu_log_law"), {"tokens": 3e11}, values))
    assert found == pytest.approx(20 + 2 * np.log(15), rel=1e-12)
    line = mean(law("log_linear"), {"x": 15.0}, {"a": 20.0, "b": 20.0 * 0.1})
    assert found == pytest.approx(float(line), rel=1e-12)


def test_distracted_models_solve_the_task_in_the_end():
    values = {"chance": 0.25, "x_d": -2.0, "k_d": 4.0, "gap": 4.0, "k_t": 4.0}
    early, between, late = (
        float(mean(law("inverse_scaling_u"), {"x": x}, values)) for x in (1e-12, 1.0, 1e12)
    )
    assert early == pytest.approx(0.25, abs=1e-9)
    assert between < 0.01
    assert late == pytest.approx(1.0, abs=1e-9)


def test_worthless_repeats_freeze_the_error_after_the_first_pass():
    values, pool = {"n1": 4.5e6, "d": 0.1, "b": 0.131}, 1.28e7
    once = float(mean(law("qqt_filtering"), {"samples": pool, "pool": pool}, {**values, "tau": 3.0}))
    for tau, close in ((0.3, 0.03), (0.1, 3e-4), (1e-3, 1e-12)):
        at = {"samples": pool * np.array([2.0, 3.5, 50.0]), "pool": pool}
        np.testing.assert_allclose(mean(law("qqt_filtering"), at, {**values, "tau": tau}), once, rtol=close)


def test_a_frontier_without_floor_and_late_start_is_a_power_law():
    gflop, values = np.geomspace(1e6, 1e13, 8), {"A": 0.3, "alpha": 0.2}
    found = mean(law("vlm_compute_law"), {"gflop": gflop}, {**values, "B": 1e-9, "E": 1e-15})
    power = mean(law("power_law"), {"x": gflop / 1e10}, values)
    np.testing.assert_allclose(found, power, rtol=1e-10)


SIZES = np.geomspace(5e7, 1.25e9, 5)


@pytest.mark.parametrize(("side", "none"), [("params_encoder", "p_d"), ("params_decoder", "p_e")])
def test_translation_with_one_exponent_of_zero_has_one_side(side, none):
    values = {"E": 1.2, "A": 0.5, "p_e": 0.2, "p_d": 0.2, none: 0.0}
    for other in (1e7, 3e9):
        at = {"params_encoder": other, "params_decoder": other, side: SIZES}
        one = mean(law("power_law_offset"), {"x": SIZES / 5e8}, {"E": 1.2, "A": 0.5, "alpha": 0.2})
        np.testing.assert_allclose(mean(law("nmt_bivariate"), at, values), one, rtol=1e-12)


def test_total_parameters_fit_unbalanced_translation_models_worse():
    """A grid of sides with the paper's scatter of 0.003 nat/token, both laws by least squares."""
    encoder, decoder = (side.ravel() for side in np.meshgrid(SIZES, SIZES))
    truth = {"E": 1.2, "A": 0.5, "p_e": 0.2, "p_d": 0.3}
    at = {"params_encoder": encoder, "params_decoder": decoder}
    seen = np.asarray(mean(law("nmt_bivariate"), at, truth)) + np.random.default_rng(0).normal(0, 0.003, 25)

    def left(name, inputs, start):
        names = list(start)

        def off(logs):
            values = dict(zip(names, np.exp(logs), strict=True))
            return np.asarray(mean(law(name), inputs, values)) - seen

        return least_squares(off, np.log(list(start.values()))).fun

    apart = left("nmt_bivariate", at, {"E": 1.0, "A": 0.5, "p_e": 0.25, "p_d": 0.25})
    total = left("power_law_offset", {"x": (encoder + decoder) / 1e9}, {"E": 1.0, "A": 0.5, "alpha": 0.5})
    assert 1 - apart.var() / seen.var() > 0.99, "as the paper has it for English to German"
    assert apart.std() < 0.004
    assert total.std() > 20 * apart.std()
    unbalanced = np.abs(np.log(encoder / decoder)) > 1.5
    assert total[unbalanced].std() > 1.4 * total[~unbalanced].std()
