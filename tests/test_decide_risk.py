"""Risk: chances and tails, budgets, readings, two plans, sensitivity, refusals, the command line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import import_module
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import _cli_decide
from bayes_scaling import posterior as posterior_module
from bayes_scaling.cli import _Group
from bayes_scaling.decide import (
    Cost,
    DecisionError,
    Stakes,
    beats,
    joint_probability,
    reading,
    risk,
    scaled_priors,
    sensitivity,
    task_risk,
)
from bayes_scaling.decide.duel import FACTORS, crossings
from bayes_scaling.decide.reach import first_below
from bayes_scaling.forecast import DiagnosticsRefused, ForecastError
from bayes_scaling.laws._terms import D0, N0
from bayes_scaling.laws.pretraining.chinchilla import LAW
from bayes_scaling.plot.prior import from_prior
from bayes_scaling.storage import save
from tests._decide import PLAN, fitted, known
from tests._simulate import TRUTH

UNIT = NormalDist()


def ask(target: float = 2.0, plan=PLAN, **options):
    return risk(options.pop("model", fitted()), plan, target, family="a", **options)


# ------------------------------------------------------------------------------------ numbers of draws


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_normal_outcomes_have_textbook_risk(better) -> None:
    sign = 1 if better == "lower" else -1
    draws = sign * np.random.default_rng(0).standard_normal(400_000)
    found = task_risk(draws, sign * 0.5, better=better, level=0.95)
    z, density = UNIT.inv_cdf(0.95), UNIT.pdf
    assert found.probability == pytest.approx(UNIT.cdf(0.5), abs=3e-3)
    assert found.shortfall == pytest.approx(density(0.5) - 0.5 * (1 - UNIT.cdf(0.5)), abs=3e-3)
    assert found.shortfall_if_missed == pytest.approx(found.shortfall / (1 - found.probability), rel=1e-9)
    assert sign * found.value_at_risk == pytest.approx(z, abs=1e-2)
    assert sign * found.cvar == pytest.approx(density(z) / 0.05, abs=2e-2)


def test_joint_probability_keeps_dependence() -> None:
    x = np.random.default_rng(1).standard_normal(100_000)
    targets, ways = {"loss": 0.0, "acc": 0.0}, {"loss": "lower", "acc": "higher"}
    same, bounds = joint_probability({"loss": x, "acc": -x}, targets, ways)
    apart, least = joint_probability({"loss": x, "acc": x}, targets, ways)
    free, _ = joint_probability({"loss": x, "acc": np.roll(x, 1)}, targets, ways)
    assert same == pytest.approx(0.5, abs=0.01)
    assert apart == pytest.approx(0.0, abs=1e-3)
    assert free == pytest.approx(0.25, abs=0.01)
    assert same == bounds[1]
    assert apart == pytest.approx(least[0], abs=1e-9)


def test_first_fall_to_zero() -> None:
    factors = np.array([0.1, 1.0, 10.0])
    assert first_below(factors, np.array([2.0, 1.0, -1.0])) == pytest.approx(10**0.5)
    assert first_below(factors, np.array([-1.0, -2.0, 3.0])) == 0.1
    assert first_below(factors, np.array([3.0, 2.0, 1.0])) == np.inf


def test_crossing_nearest_to_the_plan() -> None:
    x = np.log10(FACTORS)
    rows = np.stack([x - 0.5, (x + 1.3) * (x - 1.0), np.ones_like(x)])
    found = crossings(rows)
    np.testing.assert_allclose(found, [10**0.5, 10.0, np.inf], rtol=0.03)


# --------------------------------------------------------------------------------------------- reading


def test_reading_without_stakes_goes_by_probability() -> None:
    assert [reading(p).action for p in (0.95, 0.7, 0.2)] == ["go", "wait", "no-go"]


def test_reading_with_the_users_loss() -> None:
    """A run that gains 1 below 2.0 and loses 3 above; waiting tells the curve, or nothing of use."""
    rng = np.random.default_rng(2)
    curve = np.where(rng.random(20_000) < 0.6, 1.9, 2.1)

    def loss(y: np.ndarray) -> np.ndarray:
        return np.where(y <= 2.0, -1.0, 3.0)

    cheap = reading(0.6, stakes=Stakes(loss, wait=0.1), outcomes=curve, curve=curve)
    assert cheap.action == "wait"
    assert cheap.expected["go"] == pytest.approx(-0.6 + 1.2, abs=0.05)
    assert cheap.expected["wait"] == pytest.approx(0.1 - 0.6, abs=0.05)
    assert reading(0.6, stakes=Stakes(loss, wait=5), outcomes=curve, curve=curve).action == "no-go"
    assert reading(0.6, stakes=Stakes(loss, no_go=2.0, wait=9), outcomes=curve, curve=curve).action == "go"
    # pure luck: the curve says nothing, so that waiting does not help
    flat = reading(0.6, stakes=Stakes(loss, wait=0.1), outcomes=curve, curve=rng.random(20_000))
    assert flat.action == "no-go"
    assert flat.expected["wait"] == pytest.approx(0.1, abs=0.03)


def test_loss_function_must_give_numbers() -> None:
    with pytest.raises(DecisionError, match="one finite number per outcome"):
        reading(0.5, stakes=Stakes(lambda y: np.array(1.0)), outcomes=np.ones(9))


# ---------------------------------------------------------------------------------------------- a plan


def test_risk_agrees_with_the_forecast() -> None:
    found = ask()
    cast = bs.forecast(fitted(), PLAN, family="a")
    (task,) = found.tasks
    assert found.joint == task.probability == pytest.approx((cast.draws <= 2.0).mean(), abs=0.08)
    assert task.median == pytest.approx(cast.median[0], rel=0.01)
    assert task.value_at_risk == pytest.approx(cast.quantile(0.95)[0], rel=0.02)
    assert task.cvar >= task.value_at_risk >= task.median
    assert ask(1.5).joint < found.joint < ask(3.0).joint == 1.0
    assert found.joint_bounds == (pytest.approx(found.joint), pytest.approx(found.joint))
    assert found.regret.mean > -0.01
    json.dumps(found.to_dict(), allow_nan=False)


def test_budget_for_a_probability_agrees_with_the_chance_there() -> None:
    found = ask(1.98)
    assert (found.reach.factor <= 1) == (found.joint >= 0.9)
    there = found.reach.plan
    assert there["tokens"] / there["params"] == pytest.approx(20)
    assert found.reach.budget == pytest.approx(6 * there["params"] * there["tokens"])
    assert found.reach.budget == pytest.approx(found.reach.factor * 6 * 7e10 * 1.4e12)
    assert ask(1.98, plan=there).joint == pytest.approx(0.9, abs=0.06)


def test_budget_of_a_certain_curve_is_where_the_law_crosses_the_target() -> None:
    found = ask(1.95, model=known(), what="mean")
    assert found.joint == 0.0
    there = {k: found.reach.plan[k] for k in ("params", "tokens")}
    assert np.exp(LAW.predictor(**there, **TRUTH)) == pytest.approx(1.95, abs=1e-4)
    never = ask(1.5, model=known(), what="mean")  # below the floor
    assert never.reach.factor == np.inf
    assert never.to_dict()["reach"]["factor"] is None
    soon = ask(4.0, model=known(), what="mean")  # met by the least multiple that is searched
    assert soon.reach.at_most
    assert soon.to_dict()["reach"]["factor"] == 0.01
    assert not found.reach.at_most


def test_several_tasks_at_once() -> None:
    other = known({**TRUTH, "E": TRUTH["E"] + 0.1})
    found = risk({"code": fitted(), "text": other}, PLAN, {"code": 2.0, "text": 2.2}, family="a")
    assert [t.task for t in found.tasks] == ["code", "text"]
    assert found.joint <= min(t.probability for t in found.tasks)
    assert found.joint_bounds[0] - 1e-12 <= found.joint <= found.joint_bounds[1]
    assert found.regret is None
    stakes = Stakes(lambda y: y["code"] - y["text"])
    paid = risk({"code": known(), "text": other}, PLAN, {"code": 2, "text": 2}, family="a", stakes=stakes)
    assert paid.reading.expected["go"] == pytest.approx(-0.1, abs=0.01)
    assert paid.reading.action == "go"


def test_average_of_laws() -> None:
    worse = known({**TRUTH, "E": TRUTH["E"] + 0.1})
    found = ask(2.0, model=[(known(), 0.3), (worse, 0.7)], what="mean")
    assert found.joint == pytest.approx(0.3, abs=0.01)
    whole = bs.Average((known(), worse), (0.3, 0.7))
    assert ask(2.0, model=whole, what="mean").joint == found.joint


# ------------------------------------------------------------------------------------------- two plans


def test_better_plan_wins() -> None:
    small = {"params": 1e9, "tokens": 2e10}
    found = beats(fitted(), PLAN, small, family="a")
    assert found.probability == 1.0
    assert found.mean_difference < 0
    back = beats(fitted(), small, PLAN, family="a")
    assert back.probability == 0.0
    assert beats(fitted(), PLAN, PLAN, family="a", what="mean").probability == 0.5


def test_common_draws_tell_neighbours_apart() -> None:
    near = {"params": 7e10, "tokens": 1.6e12}
    one = known()
    draws = one.tree["posterior"].to_dataset()
    draws["E"] = draws["E"] * 0 + np.linspace(1.5, 2.1, draws.sizes["draw"])[None, :, None]
    shaky = replace(one, tree=posterior_module.xr.DataTree.from_dict({"posterior": draws}))
    assert beats(shaky, near, PLAN, family="a", what="mean").probability == 1.0
    apart = beats(shaky, near, PLAN, versus=shaky, family="a", what="mean")
    assert apart.mean_difference == pytest.approx(-0.006, abs=0.003)


def test_crossing_of_two_ratios() -> None:
    """Data pay off faster than size where beta > alpha: more of it wins when small, more size at scale."""
    values = {**TRUTH, "alpha": 0.25, "beta": 0.5}
    a, b = {"params": 1e9, "tokens": 4e10}, {"params": 2e9, "tokens": 2e10}
    size = values["A"] * ((a["params"] / N0) ** -0.25 - (b["params"] / N0) ** -0.25)
    data = values["B"] * ((b["tokens"] / D0) ** -0.5 - (a["tokens"] / D0) ** -0.5)
    exact = (data / size) ** (2 / (0.5 - 0.25))
    assert 1 < exact < 1e3
    found = beats(known(values), a, b, family="a", what="mean")
    assert found.crossing == pytest.approx(exact, rel=0.05)
    assert found.crossing_share == 1.0
    assert found.crossing_interval == pytest.approx((found.crossing,) * 2)
    assert found.probability == 1.0


# ---------------------------------------------------------------------------------------- limited data

FEW_DATA = Cost(unique_tokens=1e11)


def test_repeated_data_count_alike_everywhere() -> None:
    """1.4T tokens of which 0.1T are different are worth as much in the outcome as they are in the regret."""
    free, found = (ask(2.0, model=known(), what="mean", cost=cost) for cost in (Cost(), FEW_DATA))
    assert found.tasks[0].median == pytest.approx(found.regret.best["value"] + found.regret.mean, rel=1e-9)
    assert found.regret.mean > 0, "nothing beats the best plan"
    worth = float(FEW_DATA.effective(1.4e12))
    exact = np.exp(LAW.predictor(7e10, worth, **TRUTH))
    assert found.tasks[0].median == pytest.approx(exact, rel=1e-9)
    assert found.tasks[0].median > free.tasks[0].median + 0.01
    assert found.plan["tokens"] == PLAN["tokens"], "the plan is told as it was asked"
    assert found.reach.factor > free.reach.factor


def test_a_plan_that_repeats_its_data_may_lose() -> None:
    wide = {"params": 2.8e11, "tokens": 3.5e11}
    fewer = Cost(unique_tokens=1e10)
    one, two = (beats(known(), PLAN, wide, family="a", what="mean", cost=c) for c in (None, fewer))
    assert (one.probability, two.probability) == (1.0, 0.0)
    assert two.a["tokens"] == PLAN["tokens"]


# ----------------------------------------------------------------------------------------- sensitivity


def test_sensitivity_changes_one_thing_at_a_time(monkeypatch) -> None:
    """The fits themselves are tested elsewhere: here, what is asked of them, and what is done with them."""
    asked = []

    def refit(law, runs, **options):
        asked.append((law.name, law.parameter("E").interval if law.name == "chinchilla" else None, runs))
        return known({**TRUTH, "E": TRUTH["E"] + 0.05})

    monkeypatch.setattr(import_module("bayes_scaling.decide.sensitivity"), "fit", refit)
    table = sensitivity(fitted(), PLAN, 2.0, laws=["coupled_chinchilla", "step_law"], family="a")
    changes = list(table["change"])
    assert changes[:3] == ["none", "law", "law"]
    assert "priors 2 times as wide" in changes
    assert [c for c in changes if c.startswith("without family")] == [f"without family {f}" for f in "abc"]
    assert changes[-1].startswith("without the largest run")
    assert "predicts learning_rate" in table["problem"].iloc[2]
    assert table["shift"].iloc[0] == 0
    assert table["probability"].iloc[0] == ask().joint, "the fit itself has the number that is told of it"
    assert [len(runs) for _, _, runs in asked] == [60, 60, 60, 40, 40, 40, 48]
    narrow, usual, wide = asked[1][1], LAW.parameter("E").interval, asked[2][1]
    assert wide[0] < usual[0] < narrow[0] < narrow[1] < usual[1] < wide[1]


def test_sensitivity_refits_for_real() -> None:
    table = sensitivity(
        fitted(), PLAN, 2.0, widen=(2.0,), drop_families=False, drop_largest=False, family="a"
    )
    assert list(table["change"]) == ["none", "priors 2 times as wide"]
    assert table["problem"].isna().all()
    assert abs(table["shift"].iloc[1]) < 0.1


def test_scaled_priors_keep_their_middle() -> None:
    wide = scaled_priors(LAW, 2.0)
    for before, after in zip(LAW.parameters, wide.parameters, strict=True):
        assert after.location == pytest.approx(before.location)
        assert after.scale == pytest.approx(2 * before.scale)


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("plan", "target", "options", "message"),
    [
        ({"params": 7e10, "tokens": 0}, 2.0, {}, "tokens is 0, expected a positive"),
        ({"params": 7e10}, 2.0, {}, "lacks the input 'tokens'"),
        (PLAN, -1.0, {}, "target loss is -1, outside the range of loss"),
        (PLAN, float("nan"), {}, "target loss is nan, outside"),
        (PLAN, {"los": 2.0}, {}, "target 'los' is not predicted; did you mean 'loss'"),
        (PLAN, {}, {}, "no target"),
        (PLAN, {"loss": "low"}, {}, "target loss is 'low', expected a number"),
        (PLAN, 2.0, {"level": 95.0}, "level is 95"),
        (PLAN, 2.0, {"probability": 90.0}, "probability is 90"),
        (PLAN, 2.0, {"better": "less"}, "better is 'less'"),
    ],
)
def test_bad_questions(plan, target, options, message) -> None:
    with pytest.raises(ForecastError, match=message) as caught:
        risk(fitted(), plan, target, family="a", **options)
    assert "\n" not in str(caught.value)


def test_accuracies_are_fractions() -> None:
    from bayes_scaling.decide.risk import read_targets

    response = {"n_correct": bs.law("ladder_two_step").predicts}
    assert read_targets(response, {"accuracy": 0.7}) == {"n_correct": 0.7}
    with pytest.raises(
        DecisionError, match=r"outside the range of accuracy, 0 to 1; a fraction is meant, 0\.7"
    ):
        read_targets(response, {"accuracy": 70})
    with pytest.raises(DecisionError, match="one target for 2 tasks"):
        read_targets({**response, "b": response["n_correct"]}, 0.5)


def test_two_plans_need_one_response_and_at_most_two_families() -> None:
    other = {"params": 2.8e11, "tokens": 3e11}
    with pytest.raises(DecisionError, match="family names 3 families for two plans"):
        beats(fitted(), PLAN, other, family=("a", "b", "c"))  # type: ignore[arg-type]
    x = np.geomspace(1.0, 1e3, 8)
    curve = from_prior(bs.law("power_law"), bs.read_runs(pd.DataFrame({"x": x, "y": x**-0.2})), draws=20)
    with pytest.raises(DecisionError, match="on one response only, found 'loss' and 'y'"):
        beats(fitted(), PLAN, {"x": 1e5}, versus=curve)


def test_failed_diagnostics_refuse() -> None:
    bad = replace(fitted(), diagnostics=replace(fitted().diagnostics, problems=("R-hat 1.5",)))
    with pytest.raises(DiagnosticsRefused):
        ask(model=bad)
    assert ask(model=bad, allow_failed=True).joint == ask().joint


# ---------------------------------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    made = typer.Typer(cls=_Group)
    _cli_decide.register(made)
    folder = tmp_path_factory.mktemp("decide")
    save(fitted(), folder / "passed.nc")
    bad = replace(fitted(), diagnostics=replace(fitted().diagnostics, problems=("R-hat 1.5",)))
    save(bad, folder / "failed.nc")

    def call(*words, file: str = "passed.nc"):
        return CliRunner().invoke(made, ["risk", str(folder / file), "--group-value", "a", *map(str, words)])

    return call


AT = ("--at", "params=70B,tokens=1.4T", "--target", "loss=2.0")


def test_command(app) -> None:
    result = app(*AT, "--versus", "params=280B,tokens=300B", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["risk"]["joint"] == pytest.approx(ask().joint)
    duel = beats(fitted(), PLAN, {"params": 2.8e11, "tokens": 3e11}, family="a")
    assert answer["versus"]["probability"] == duel.probability
    people = app(*AT, "--versus", "params=280B,tokens=300B")
    assert people.exit_code == 0, people.output
    for words in ("P(loss <= 2)", "expected shortfall", "reading", "they cross"):
        assert words in people.stdout
    easy = app("--at", "params=70B,tokens=1.4T", "--target", "loss=6")
    assert "at most 0.01 times the plan" in easy.stdout
    wide = app("--at", "params=1B,tokens=40B", "--target", "loss=3", "--versus", "params=2B,tokens=20B")
    assert re.search(r"90 % \S+ to \S+\s+in\s+the\s+\d+ % of\s+draws", wide.stdout)


def test_command_with_the_users_own_losses(app) -> None:
    words = ("--gain", "10", "--loss", "3", "--wait", "0.5", "--json")
    answer = json.loads(app(*AT, *words).stdout)["risk"]
    stakes = Stakes(lambda y: np.where(y <= 2.0, -10.0, 3.0), wait=0.5)
    assert answer["reading"]["expected"] == pytest.approx(ask(stakes=stakes).reading.expected)
    assert answer["reading"]["expected"]["go"] == pytest.approx(3 - 13 * answer["joint"])


def test_command_with_limited_data(app) -> None:
    answer = json.loads(app(*AT, "--unique-tokens", "100B", "--json").stdout)["risk"]
    assert answer["joint"] == ask(cost=FEW_DATA).joint
    assert answer["plan"] == PLAN


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*AT, "--gain", "10"), "your own losses need --gain and --loss"),
        ((*AT, "--gain", "10", "--loss", "0"), "--loss is 0, expected a positive"),
        (("--at", "params=70e9,tokens=0", "--target", "loss=2"), "tokens is 0"),
        (("--at", "params=70e9,tokns=1e12", "--target", "loss=2"), "did you mean 'tokens'"),
        (("--at", "params=70e9,tokens=1e12", "--target", "loss=-2"), "outside the range of loss"),
        (
            ("--at", "params=70B,tokens=1.4T,compute=1e20", "--target", "loss=2"),
            "take 5.88e+23 FLOP (6 N D), but compute is 1e+20; give two of the three",
        ),
        (("--at", "params=70B,tokens=1.4T,compute=much", "--target", "loss=2"), "compute is 'much'"),
        ((*AT, "--level", "3"), "level is 3"),
        ((*AT, "--other-law", "chinchila"), "did you mean 'chinchilla'"),
    ],
)
def test_command_refuses_with_one_line(app, words, message) -> None:
    result = app(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not result.stdout


def test_command_refuses_failed_diagnostics(app) -> None:
    assert app(*AT, file="failed.nc").exit_code == 3
    assert app(*AT, "--allow-failed", file="failed.nc").exit_code == 0
