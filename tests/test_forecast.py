"""Forecasts: bands, the split of the variance, families, plans as people write them, refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling.forecast import DiagnosticsRefused, Forecast, ForecastError, read_plans
from bayes_scaling.plot.prior import from_prior
from bayes_scaling.posterior import Posterior
from tests._simulate import chinchilla_fit, chinchilla_table

PLANS = [
    {"params": 1e10, "tokens": 2e11},
    {"params": 1.2e10, "tokens": 2.5e11},
    {"params": 7e10, "tokens": 1.4e12},
]


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    """A short fit; whether it converged is not what is tested here."""
    fitted = chinchilla_fit()
    return replace(fitted, diagnostics=replace(fitted.diagnostics, problems=()))


def cast(posterior: Posterior, target: str = "mean", family: str = "a", **options) -> Forecast:
    return bs.forecast(posterior, PLANS, target=target, family=family, **options)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------ bands, variance


@pytest.mark.parametrize("target", ["mean", "new_run", "measurement"])
@pytest.mark.parametrize("family", ["a", "new"])
def test_variance_adds_up(posterior, target, family) -> None:
    found = cast(posterior, target, family, evaluation_error=0.01)
    assert set(found.variance) == {"parameter", "structure", "seed", "evaluation"}
    assert all((v >= 0).all() for v in found.variance.values())
    np.testing.assert_allclose(sum(found.variance.values()), found.sd**2, rtol=1e-12)
    if target == "mean":
        np.testing.assert_allclose(found.sd**2, found.draws.var(axis=0), rtol=0.15)
        assert not found.variance["seed"].any()
    else:
        assert (found.variance["seed"] > 0).all()
    assert (found.variance["evaluation"] > 0).all() == (target == "measurement")


def test_noise_of_a_new_run_is_what_the_split_says(posterior) -> None:
    """Draws of a new run around the same curves; heavy tails, so the inner half of them is compared."""
    mean, run = cast(posterior, "mean"), cast(posterior, "new_run")
    sd = np.sqrt(run.variance["seed"] + run.variance["structure"] - mean.variance["structure"])
    inner = np.subtract(*np.quantile(run.draws - mean.draws, [0.75, 0.25], axis=0)) / 1.349
    assert np.all(inner < 1.1 * sd)
    assert np.all(inner > 0.5 * sd)


def test_evaluation_error_widens_a_measurement(posterior) -> None:
    run, measured = cast(posterior, "new_run"), cast(posterior, "measurement", evaluation_error=0.05)
    np.testing.assert_allclose(measured.variance["evaluation"], run.variance["seed"] * 0 + 0.05**2, rtol=0.8)
    assert np.all(measured.variance["evaluation"] >= 0.05**2 * (1 - 1e-9)), "heavy tails add to it"
    assert np.all(np.ptp(measured.interval(), axis=0) > np.ptp(run.interval(), axis=0))


def test_table_with_standard_errors_gives_its_own_evaluation_error(posterior) -> None:
    plain = cast(posterior, "measurement")
    assert not plain.variance["evaluation"].any(), "the table has no standard errors"
    error = posterior.prepared.data.error.copy()
    error[:60] = 0.02
    data = posterior.prepared.data._replace(error=error)
    known = replace(posterior, prepared=replace(posterior.prepared, data=data))
    found = cast(known, "measurement").variance["evaluation"]
    assert np.all(found > 0.9 * (0.02 * plain.median) ** 2)


def test_new_family_is_wider_than_a_known_one(posterior) -> None:
    known, new = cast(posterior, family="a"), cast(posterior, family="new")
    assert np.all(np.ptp(new.interval(), axis=0) > 1.5 * np.ptp(known.interval(), axis=0))
    assert np.all(new.variance["parameter"] > known.variance["parameter"])


def test_families_differ_as_they_were_simulated(posterior) -> None:
    found = {f: bs.forecast(posterior, PLANS[0], family=f, target="mean").median[0] for f in "abc"}
    assert found["c"] < found["a"] < found["b"]
    mixed = bs.forecast(posterior, PLANS, family=["a", "b", "new"], target="mean")
    assert mixed.families == ("a", "b", "new")
    assert mixed.median[0] == pytest.approx(found["a"])


def test_default_family_is_a_new_one_when_there_are_several(posterior) -> None:
    assert bs.forecast(posterior, PLANS).families == ("new",) * 3


def test_plans_are_joint(posterior) -> None:
    for family in ("a", "new"):
        r = np.corrcoef(cast(posterior, family=family).draws.T)
        assert r[0, 1] > 0.9, "neighbours"
        assert r[0, 2] > 0.3


def test_quantiles_are_monotone(posterior) -> None:
    found = cast(posterior, "new_run")
    grid = found.quantile(np.linspace(0.01, 0.99, 30))
    assert grid.shape == (30, 3)
    assert np.all(np.diff(grid, axis=0) >= 0)
    np.testing.assert_array_equal(found.quantile(0.5), found.median)
    np.testing.assert_array_equal(found.interval(0.5), found.quantile([0.25, 0.75]))


def test_same_seed_same_draws(posterior) -> None:
    np.testing.assert_array_equal(cast(posterior, seed=3).draws, cast(posterior, seed=3).draws)
    assert np.any(cast(posterior, "new_run", seed=3).draws != cast(posterior, "new_run", seed=4).draws)


def test_more_scale_means_less_loss(posterior) -> None:
    assert np.all(np.diff(cast(posterior).median) < 0)


def test_tables(posterior) -> None:
    found = cast(posterior, "new_run")
    frame = found.to_dataframe()
    assert list(frame.columns[:9]) == [*PLANS[0], "family", "target", "mean", "sd", "q5", "q25", "q50"]
    np.testing.assert_allclose(frame.filter(like="share").sum(axis=1), 1)
    json.dumps(found.to_dict())
    assert found.to_dict()[2]["inputs"] == PLANS[2]
    assert found.to_dict()[0]["quantiles"]["0.5"] == found.to_dict()[0]["median"]
    assert list(found.to_dict()[0]["quantiles"]) == ["0.05", "0.25", "0.5", "0.75", "0.95"]


# ---------------------------------------------------------------------------------------------- plans


def test_plans_as_people_write_them(posterior) -> None:
    text = bs.forecast(posterior, {"params": "70B", "tokens": "1.4T"}, family="a")
    assert text.plans == ({"params": 7e10, "tokens": 1.4e12},)
    frame = bs.forecast(posterior, pd.DataFrame(PLANS), family="a")
    assert frame.plans == tuple(PLANS)


@pytest.mark.parametrize(
    ("plan", "params", "tokens"),
    [
        ({"compute": 6e22, "params": 1e10}, 1e10, 1e12),
        ({"compute": "6e22", "tokens": "1T"}, 1e10, 1e12),
    ],
)
def test_compute_and_one_of_them_give_the_other(plan, params, tokens) -> None:
    inputs, _ = read_plans(bs.law("chinchilla"), plan)
    assert inputs["params"] == pytest.approx([params])
    assert inputs["tokens"] == pytest.approx([tokens])


SCHEDULE = [3e-4] * 50 + [1e-4] * 50


@pytest.mark.parametrize(
    ("law", "plan", "message"),
    [
        ("chinchilla", {"params": 7e10}, r"plan 1 lacks the input 'tokens' \(training tokens seen, token\)"),
        ("chinchilla", {"params": 7e10, "tokns": 1e12}, r"'tokens'.*did you mean 'tokns'\?"),
        ("chinchilla", {}, "lacks the input 'params'.*lacks the input 'tokens'"),
        ("chinchilla", {"params": -1.0, "tokens": 1e12}, "params is -1, expected a positive finite number"),
        ("chinchilla", {"params": 0, "tokens": 1e12}, "params is 0, expected"),
        ("chinchilla", {"params": np.nan, "tokens": 1e12}, "params is nan, expected"),
        ("chinchilla", {"params": np.inf, "tokens": 1e12}, "params is inf, expected"),
        ("chinchilla", {"params": "70 bn", "tokens": 1e12}, "plan 1: params is '70 bn': .*not a number"),
        ("chinchilla", {"params": None, "tokens": 1e12}, "plan 1: params is None"),
        ("chinchilla", {"params": [1, 2], "tokens": 1e12}, r"plan 1: params is \[1, 2\]"),
        ("chinchilla", {"params": 7e10, "compute": "much"}, "plan 1: compute is 'much'"),
        ("chinchilla", {"params": 7e10, "compute": -1e24}, "compute is -1e\\+24, expected a positive"),
        ("chinchilla", {"params": 7e10, "compute": 0}, "compute is 0, expected a positive"),
        ("chinchilla", {"params": 0, "compute": 1e24}, "params is 0, expected a positive"),
        ("chinchilla", [PLANS[0], {"tokens": 1e12}], "plan 2 lacks the input 'params'"),
        ("chinchilla", [{"params": 1.0}, {"tokens": -1}], "plan 1 lacks .*plan 2: tokens is -1"),
        ("chinchilla", [], "there are no plans"),
        ("chinchilla", pd.DataFrame({"params": [], "tokens": []}), "there are no plans"),
        ("chinchilla", "70B", "plan 1 is '70B', expected a mapping of inputs: params, tokens"),
        ("chinchilla", [7e10, 1e12], "plan 1 is 70000000000.0, expected a mapping"),
        ("lr_annealing", {"step": 50}, "lacks the input 'schedule'"),
        ("lr_annealing", {"step": 101, "schedule": SCHEDULE}, "schedule has 100 steps but step is 101"),
        (
            "lr_annealing",
            {"step": 50, "schedule": "cosine"},
            "schedule must be a list with the learning rate",
        ),
        ("lr_annealing", {"step": 50, "schedule": 3e-4}, "schedule must be a list"),
        ("lr_annealing", {"step": 50, "schedule": []}, "schedule must be a list"),
        ("lr_annealing", {"step": 50, "schedule": [3e-4, np.nan] * 50}, "schedule must be a list"),
        ("lr_annealing", {"step": 50, "schedule": [3e-4, -1e-4] * 50}, "schedule must be a list"),
    ],
)
def test_bad_plans_are_refused(law, plan, message) -> None:
    with pytest.raises(ForecastError, match=message):
        read_plans(bs.law(law), plan)


def test_schedules_of_differing_lengths_are_stacked() -> None:
    plans = [{"step": 100, "schedule": SCHEDULE}, {"step": 7, "schedule": np.array([1e-3] * 7)}]
    inputs, _ = read_plans(bs.law("lr_annealing"), plans)
    assert inputs["schedule"].shape == (2, 2, 2)
    np.testing.assert_allclose(inputs["schedule"][0], [[50, 3e-4], [50, 1e-4]])
    np.testing.assert_allclose(inputs["schedule"][1], [[7, 1e-3], [0, 0]])


def test_what_a_forecast_refuses(posterior) -> None:
    with pytest.raises(ForecastError, match=r"family 'A' was not fitted; .*known: a, b, c, new"):
        bs.forecast(posterior, PLANS, family="A")
    with pytest.raises(ForecastError, match="2 families for 3 plans"):
        bs.forecast(posterior, PLANS, family=["a", "b"])
    with pytest.raises(ForecastError, match="unknown target 'new run'; did you mean 'new_run'"):
        cast(posterior, "new run")
    for error in (-0.1, np.nan, np.inf):
        with pytest.raises(ForecastError, match=f"evaluation_error is {error:g}, expected a standard error"):
            cast(posterior, "measurement", evaluation_error=error)


def test_failed_diagnostics_refuse(posterior) -> None:
    failed = replace(posterior, diagnostics=replace(posterior.diagnostics, problems=("the chains disagree",)))
    with pytest.raises(
        DiagnosticsRefused, match=r"(?s)does not forecast:\nFAILED.*the chains disagree.*allow_failed"
    ):
        bs.forecast(failed, PLANS)
    allowed = bs.forecast(failed, PLANS, family="a", allow_failed=True)
    np.testing.assert_array_equal(allowed.draws, bs.forecast(posterior, PLANS, family="a").draws)


# ---------------------------------------------------------------------------------------------- notes


def test_a_far_plan_says_how_far(posterior) -> None:
    near = bs.forecast(posterior, {"params": 1e9, "tokens": 2e10}, family="a")
    assert near.notes == posterior.identifiability
    largest = 6 * 1e10 * 4e11
    far = bs.forecast(posterior, PLANS[2], family="a").notes[0]
    e_folds = np.log(6 * 7e10 * 1.4e12 / largest)
    assert far.startswith(f"plan 1 lies {e_folds:.1f} e-folds of compute (24.5 times) beyond the largest run")


def test_what_the_data_cannot_decide_is_noted() -> None:
    frame = chinchilla_table(1).query("family == 'a'").assign(tokens=lambda t: 20 * t.params)
    one = from_prior(bs.law("chinchilla"), bs.read_runs(frame.drop(columns="family")), draws=100)
    found = bs.forecast(one, PLANS, allow_failed=True)
    assert found.families == ("all",) * 3
    assert any("params and tokens move together" in note for note in found.notes)


# --------------------------------------------------------------------------------------------- counts


def test_success_rates() -> None:
    k = np.geomspace(1, 1000, 10)
    table = pd.DataFrame({"k": k, "n_samples": 500, "n_correct": np.round(500 * k / (k + 30))})
    prior = from_prior(bs.law("coverage_exp_power"), bs.read_runs(table), draws=400)
    found = {
        target: bs.forecast(prior, {"k": 100}, target=target, allow_failed=True)  # type: ignore[arg-type]
        for target in ("mean", "new_run", "measurement")
    }
    for target, one in found.items():
        assert np.all((one.draws >= 0) & (one.draws <= 1))
        np.testing.assert_allclose(one.sd**2, one.draws.var(axis=0), rtol=0.25, err_msg=target)
    measured = found["measurement"]
    np.testing.assert_allclose(measured.draws * 500, np.round(measured.draws * 500), atol=1e-9)
    assert found["mean"].sd < found["new_run"].sd < measured.sd
