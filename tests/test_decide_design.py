"""The next run: what an outcome tells, three ways; batches, values, stopping, refusals, the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import _cli_design
from bayes_scaling.cli import _Group
from bayes_scaling.decide import Cost, DecisionError, Stakes, next_run
from bayes_scaling.decide import information as info
from bayes_scaling.decide.candidates import _known_misfit, joint_of, read_runs_asked
from bayes_scaling.decide.cover import cheapest, width_after
from bayes_scaling.decide.design import worth
from bayes_scaling.forecast import DiagnosticsRefused, ForecastError
from bayes_scaling.layout import prepare
from bayes_scaling.posterior import lean
from bayes_scaling.sample import sample
from bayes_scaling.storage import save
from tests._decide import PLAN, drifting, fitted, known
from tests._simulate import FEW, TRUTH, chinchilla_table

SMALL, MIDDLE = {"params": 4e8, "tokens": 8e9}, {"params": 4e9, "tokens": 8e10}
LARGE, AGAIN = {"params": 2e10, "tokens": 4e11}, {"params": 1e9, "tokens": 2e10}
RUNS = [SMALL, MIDDLE, LARGE, AGAIN]

#: Loadings of the target and of five candidates on three normal factors; sd of misfit and of seed.
TARGET = 0.1 * np.array([1.0, 0.6, 0.3])
LOADINGS = 0.1 * np.array([[1, 0, 0], [0.7, 0.5, 0.2], [0.2, 0.9, 0], [0.5, 0.5, 0.5], [0, 0, 1]])
MISFIT, SEED = 0.02, 0.03


def ask(candidates=None, plan=PLAN, **options):
    given = {"family": "a", **options}
    return next_run(given.pop("model", fitted()), plan, RUNS if candidates is None else candidates, **given)


@pytest.fixture(scope="module")
def normal() -> info.Joint:
    factors = np.random.default_rng(0).standard_normal((4000, 3))
    factors -= factors.mean(axis=0)
    factors = factors @ np.linalg.inv(np.linalg.cholesky(np.cov(factors.T, bias=True))).T
    sd = np.ones((4000, 5))
    target, df = (factors @ TARGET)[:, None], np.full(4000, 1e6)
    return info.Joint(target, 0 * target, factors @ LOADINGS.T, MISFIT * sd, SEED * sd, df, np.arange(5))


def exact(*outcomes: int) -> float:
    """Variance of the target given outcomes of candidates; those of one candidate share its misfit."""
    at = LOADINGS[list(outcomes)]
    same = np.equal.outer(outcomes, outcomes)
    noise = MISFIT**2 * same + SEED**2 * np.eye(len(outcomes))
    cross = at @ TARGET
    return TARGET @ TARGET - cross @ np.linalg.solve(at @ at.T + noise, cross)


# ------------------------------------------------------------------------- against conditioned normals


def test_normal_draws_have_the_textbook_variance(normal) -> None:
    truth = np.array([exact(j) for j in range(5)])
    linear = info.linear_after(normal, info.gaussian(normal), "variance")
    np.testing.assert_allclose(linear, truth, rtol=0.04)
    start = info.futures(normal, 64, seed=0)
    told = [info.told(normal, info.observe(normal, start, j), "variance") for j in range(5)]
    np.testing.assert_allclose([one.after for one in told], truth, rtol=0.06)
    assert all(info.believable(one) for one in told)
    assert min(one.ess for one in told) > 500


@pytest.mark.parametrize("by", ["width", "entropy"])
def test_both_ways_agree_in_every_measure(normal, by) -> None:
    linear = info.linear_after(normal, info.gaussian(normal), by)
    start = info.futures(normal, 64, seed=0)
    told = [info.told(normal, info.observe(normal, start, j), by).after for j in range(5)]
    np.testing.assert_allclose(told, linear, rtol=0.03)
    assert info.linear_now(normal, info.gaussian(normal), by) == pytest.approx(
        info.uncertainty(normal, by), rel=1e-6
    )


def test_more_seeds_share_the_misfit_of_their_configuration(normal) -> None:
    once = info.observe(normal, info.futures(normal, 64, seed=0), 0)
    gaussian = info.condition(info.gaussian(normal), 0)
    linear = info.linear_after(normal, gaussian, "variance")
    for j in (0, 4):
        told = info.told(normal, info.observe(normal, once, j), "variance")
        assert told.after == pytest.approx(exact(0, j), rel=0.06)
        assert linear[j] == pytest.approx(exact(0, j), rel=0.04)
    assert exact(0, 0) > exact(0, 4)  # another place tells more than another seed


def test_a_measured_configuration_tells_what_one_more_of_its_runs_does() -> None:
    """Curve with unit variance, two runs there already: conditioning on a third gives the same."""
    shared, fresh = _known_misfit(np.array([[0.5]]), np.array([[0.3]]), np.array([2]))
    assert shared[0, 0] == 0

    def precision(n: int) -> float:
        return 1 + 1 / (0.5**2 + 0.3**2 / n)

    assert 1 / fresh[0, 0] ** 2 == pytest.approx(precision(3) - precision(2))


def test_value_of_information_of_a_normal(normal) -> None:
    """Running gains what the target is below 0: with unit slope the value is the unit normal loss."""
    stake = info.Stake(lambda z: z, 0.0)
    prior = TARGET @ TARGET
    truth = np.sqrt([(prior - exact(j)) / (2 * np.pi) for j in range(5)])
    now = info.uncertainty(normal, "value", stake)
    assert now == pytest.approx(0.0, abs=1e-12)
    linear = info.linear_after(normal, info.gaussian(normal), "value", stake)
    np.testing.assert_allclose(now - linear, truth, rtol=0.03)
    start = info.futures(normal, 128, seed=0)
    told = [info.told(normal, info.observe(normal, start, j), "value", stake).after for j in range(5)]
    np.testing.assert_allclose(now - np.array(told), truth, rtol=0.12, atol=4e-4)


def test_what_tells_nothing_gains_nothing(normal) -> None:
    deaf = normal._replace(fresh=np.full_like(normal.fresh, 50.0))
    told = info.told(deaf, info.observe(deaf, info.futures(deaf, 64, 0), 0), "width")
    assert told.after == pytest.approx(info.uncertainty(deaf, "width"), rel=1e-3)
    stake = info.Stake(lambda z: np.where(z < 0.02, -1.0, 1.0), 0.0)
    told = info.told(deaf, info.observe(deaf, info.futures(deaf, 64, 0), 0), "value", stake)
    assert told.after == pytest.approx(info.uncertainty(deaf, "value", stake), abs=3e-3)


def test_futures_are_spread_evenly(normal) -> None:
    """Outcomes around the curve fill their distribution: few futures, and hardly any luck of simulation."""
    start = info.futures(normal, 64, seed=0)
    ((_, outcome),) = info.observe(normal, start, 0).outcomes
    around = (outcome - normal.curve[start.truth, 0]) / np.hypot(MISFIT, SEED)
    assert abs(around.mean()) < 0.02
    assert around.std() == pytest.approx(1, abs=0.15)
    parts = info._evenly(np.random.default_rng(0), 64)
    np.testing.assert_array_equal(np.sort(np.floor(64 * parts)), np.arange(64))


def test_few_draws_are_not_believed(normal) -> None:
    sharp = normal._replace(shared=normal.shared * 1e-3, fresh=normal.fresh * 1e-3)
    told = info.told(sharp, info.observe(sharp, info.futures(sharp, 16, 0), 0), "width")
    assert told.ess < info.LEAST_ESS
    assert not info.believable(told)


@pytest.mark.parametrize("shape", [0.3, 0.9])
def test_pareto_shape_agrees_with_arviz(shape) -> None:
    from arviz_stats.base import array_stats

    weights = np.log1p(np.random.default_rng(3).pareto(1 / shape, 4000))
    assert info.pareto_shape(weights) == pytest.approx(float(array_stats.psislw(-weights)[1]), abs=0.05)


def test_cheapest_set_against_all_sets(normal) -> None:
    """No subset that reaches the width is cheaper; what is impossible comes as near as it can."""
    cost, gaussian = np.array([8.0, 5.0, 2.0, 6.0, 1.0]), info.gaussian(normal)
    subsets = [[j for j in range(5) if code >> j & 1] for code in range(1, 32)]
    for goal in (0.25, 0.16, 0.11):
        best = min(
            (s for s in subsets if width_after(normal, gaussian, s) <= goal), key=lambda s: cost[s].sum()
        )
        found, reached = cheapest(normal, cost, goal, most=5, repeats=False)
        assert reached
        assert width_after(normal, gaussian, found) <= goal
        assert cost[found].sum() <= 1.25 * cost[best].sum()
    found, reached = cheapest(normal, cost, 1e-4, most=2)
    assert not reached
    assert len(found) == 2


# ------------------------------------------------------------------------------------ a fitted posterior


def test_ranks_by_gain_per_cost() -> None:
    found = ask()
    per_cost = [one.per_cost for one in found.options]
    assert per_cost == sorted(per_cost, reverse=True)
    assert found.best.cost == pytest.approx(6 * found.best.plan["params"] * found.best.plan["tokens"])
    by_number = {one.number: one for one in found.options}
    assert by_number[3].gain > by_number[1].gain  # a larger run tells more of one larger still
    assert [by_number[k].kind for k in (1, 3, 4)] == ["in between", "larger", "more seeds"]
    assert all(one.width <= found.width * 1.001 for one in found.options)
    assert all(one.width == pytest.approx(found.width - one.gain) for one in found.options)
    assert {one.method for one in found.options} <= {"linear", "reweighted"}
    table = found.to_dataframe()
    assert list(table["number"]) == [one.number for one in found.options]
    assert {"params", "tokens", "cost", "gain", "share", "per_cost", "ess"} <= set(table)
    json.dumps(found.to_dict(), allow_nan=False)


def test_shortcut_and_reweighting_agree_on_a_posterior() -> None:
    plans = [{"params": n, "tokens": 20 * n} for n in np.geomspace(1e8, 1e10, 6)]
    found = ask(plans, method="reweighted", what="mean")
    close = [one for one in found.options if one.method == "reweighted"]
    assert len(close) >= 3
    np.testing.assert_allclose([one.share for one in close], [one.gain / found.now for one in close])
    for one in close:
        assert one.gain == pytest.approx(one.linear, abs=0.12 * found.now)


@pytest.mark.slow
def test_refits_agree() -> None:
    """Brute force: draw an outcome, fit the table with it, and look at the target's band."""
    table, largest = chinchilla_table(), {"params": 1e10, "tokens": 4e11}
    table = table[(table.family != "a") | (table.params < 9e9)]

    def fit(rows: pd.DataFrame) -> bs.Posterior:
        prepared = prepare(bs.law("chinchilla"), bs.read_runs(rows))
        return lean(prepared, sample(prepared.shape, prepared.data, FEW), FEW)

    model = fit(table)
    asked = {"family": "a", "allow_failed": True}
    found = ask([largest], model=model, method="reweighted", what="mean", outcomes=128, **asked)
    read = {"cost": Cost(), **asked}
    joint = joint_of(
        model,
        read_runs_asked(model, PLAN, what="target", **read),
        read_runs_asked(model, largest, what="candidate", **read),
        what="mean",
    )
    rng, widths = np.random.default_rng(1), []
    for s in np.argsort(joint.target[:, 0])[30 : len(joint.target) : 60]:
        scale = np.hypot(joint.shared[s, 0], joint.fresh[s, 0])
        loss = np.exp(joint.curve[s, 0] + scale * rng.standard_t(joint.df[s]))
        again = fit(pd.concat([table, pd.DataFrame([{**largest, "family": "a", "seed": 0, "loss": loss}])]))
        draws = bs.forecast(again, PLAN, family="a", target="mean", allow_failed=True).draws
        widths.append(np.diff(np.quantile(np.log(draws[:, 0]), (0.05, 0.95)))[0])
    error = np.std(widths) / np.sqrt(len(widths))
    assert found.best.share > 0.15
    assert found.best.width == pytest.approx(np.mean(widths), abs=2.5 * error + 0.05 * found.now)


def test_batches() -> None:
    found = ask(batch=3)
    assert [step.cost for step in found.batch] == sorted(step.cost for step in found.batch)
    assert found.batch[0].number == found.best.number
    assert found.batch[0].gain == pytest.approx(found.best.gain)
    assert found.batch[-1].gain > found.batch[0].gain
    once = ask(batch=9, repeats=False)
    numbers = [step.number for step in once.batch]
    assert len(numbers) == len(set(numbers)) <= len(RUNS)
    seeds = ask([LARGE], batch=3, method="linear")
    assert [step.kind for step in seeds.batch] == ["larger", "more seeds", "more seeds"]


def test_batch_for_a_width() -> None:
    goal = 0.9 * ask(method="linear").width
    found = ask(width=goal, batch=6, method="linear")
    assert found.batch[-1].width <= goal * 1.001
    assert not found.notes
    far = ask(width=1e-4, batch=2, method="linear")
    assert "not expected to narrow" in far.notes[0]
    there = ask(width=1.0, method="linear")
    assert not there.batch
    assert not there.worth_it
    assert "no wider than 1 already" in str(there.worth_it)


def test_a_narrow_band_from_few_runs_is_not_believed() -> None:
    """The table has 15 configurations, three per parameter of the law: as many as are asked for."""
    found = ask(width=1.0, fewest=18, batch=6, method="linear")
    assert len(found.batch) == len({step.number for step in found.batch}) == 3
    assert found.batch[0].number == found.best.number
    assert found.worth_it
    assert "no wider than 1 already, but from 15 configurations" in str(found.worth_it)
    assert found.notes == ("this fit is " + str(found.worth_it).partition("but ")[2],)
    goal = 0.9 * found.width
    least, more = (ask(width=goal, fewest=n, batch=6, method="linear") for n in (0, 19))
    assert len(more.batch) == 4 > len(least.batch)
    assert [s.number for s in more.batch[: len(least.batch)]] == [s.number for s in least.batch]
    assert len(ask(width=1.0, fewest=99, batch=2, method="linear").batch) == 2


def test_laws_that_disagree_are_told_apart() -> None:
    """Two certain laws, so that all there is to learn is which of them is right."""
    higher = known({**TRUTH, "alpha": 0.25})
    found = ask(model=[(known(), 0.5), (higher, 0.5)], what="mean", method="reweighted", by="variance")
    alone = ask(model=known(), what="mean", by="variance")
    assert found.now > 1e-4
    assert alone.now < 1e-12
    by_number = {one.number: one for one in found.options}
    assert by_number[3].share > 0.5
    assert by_number[3].share > by_number[1].share


@pytest.mark.slow
def test_discrepancy_is_learnt_near_the_target() -> None:
    near, far = {"params": 5e10, "tokens": 1e12}, {"params": 3e8, "tokens": 6e9}
    found = next_run(drifting(), PLAN, [near, far], method="linear", what="mean", allow_failed=True)
    by_number = {one.number: one for one in found.options}
    assert by_number[1].share > 3 * by_number[2].share
    assert by_number[1].share > 0.5


# ---------------------------------------------------------------------------- decisions and stopping


def test_value_with_the_users_stakes() -> None:
    goal = float(np.median(bs.forecast(fitted(), PLAN, family="a").draws))
    stakes = Stakes(lambda y: np.where(y <= goal, -10.0, 10.0))
    dear = ask(stakes=stakes, cost=Cost(price_per_flop=1.0))
    assert dear.by == "value"
    assert not dear.worth_it
    assert "no run gains more than it costs" in str(dear.worth_it)
    cheap = ask(stakes=stakes, cost=Cost(price_per_flop=1e-30))
    assert cheap.worth_it
    best = max(cheap.options, key=lambda one: one.gain)
    assert 0 < best.gain < 10
    assert 0 < best.share < 1
    sure = ask(stakes=Stakes(lambda y: np.full(y.shape, -1.0)), cost=Cost(price_per_flop=1e-30))
    assert max(one.gain for one in sure.options) == pytest.approx(0.0, abs=1e-9)
    assert not sure.worth_it


def test_stopping_rule() -> None:
    assert ask(least=0.0).worth_it
    strict = ask(least=0.999)
    assert not strict.worth_it
    assert "none takes 99.9 % off the target's band" in str(strict.worth_it)
    assert not ask(least=0.0, least_per_cost=1.0).worth_it
    assert ask([{**MIDDLE, "cost": 0.01}], least=0.0, least_per_cost=1e-6).worth_it


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("plan", "candidates", "options", "message"),
    [
        (PLAN, [], {}, "there are no candidates; give at least one run, such as params=400M,tokens=8B"),
        ([], RUNS, {}, "there are no targets"),
        ({"params": 7e10, "tokens": 0}, RUNS, {}, "target 1: tokens is 0, expected a positive"),
        (PLAN, [SMALL, {"params": 1e9}], {}, "candidate 2 lacks the input 'tokens'"),
        (PLAN, [SMALL, {"params": 1e9, "tokens": -1}], {}, "candidate 2: tokens is -1"),
        (PLAN, [{**SMALL, "cost": 1}, MIDDLE], {}, "candidate 2 has no cost, candidate 1 has one"),
        (PLAN, [{**SMALL, "cost": 0}], {}, "candidate 1: cost is 0, expected a positive"),
        (PLAN, [{**SMALL, "family": "aa"}], {}, "candidate 1: family 'aa' was not fitted; did you mean 'a'"),
        (PLAN, ["small"], {}, "candidate 1 is 'small', expected a run such as"),
        (PLAN, RUNS, {"by": "widht"}, "by is 'widht'; did you mean 'width'"),
        (
            PLAN,
            RUNS,
            {"fewest": 20},
            "fewest is 20; expected a whole number, 0 or more, and with it the width",
        ),
        (PLAN, RUNS, {"by": "value"}, "needs stakes"),
        (PLAN, RUNS, {"stakes": Stakes(lambda y: y)}, "costs in FLOP; say Cost"),
        (PLAN, RUNS, {"stakes": Stakes(lambda y: y), "by": "width"}, "does not use them"),
        (PLAN, RUNS, {"width": 0.1, "by": "entropy"}, "a width to reach is given, but by='entropy'"),
        (PLAN, RUNS, {"width": -0.1}, "width is -0.1"),
        (PLAN, RUNS, {"batch": 0}, "batch is 0, expected a whole number"),
        (PLAN, RUNS, {"least": -1.0}, "least is -1"),
        (PLAN, RUNS, {"method": "exact"}, "method is 'exact'"),
        (PLAN, RUNS, {"what": "curve"}, "what is 'curve'"),
    ],
)
def test_bad_questions(plan, candidates, options, message) -> None:
    with pytest.raises(ForecastError, match=message.replace("(", r"\(")) as caught:
        ask(candidates, plan, **options)
    assert "\n" not in str(caught.value)


def test_laws_without_size_and_data_need_costs() -> None:
    from bayes_scaling.decide.candidates import _costs

    law = bs.law("power_law")
    with pytest.raises(DecisionError, match=r"candidate 1 has no cost: law 'power_law' has no params"):
        _costs(law, [{"x": 3.0}], [{"x": 3.0}], Cost())
    assert _costs(law, [{"x": 3.0, "cost": "2e3"}], [{"x": 3.0}], Cost()) == [2000.0]


def test_stakes_must_give_numbers() -> None:
    with pytest.raises(DecisionError, match="one finite number per outcome"):
        ask(stakes=Stakes(lambda y: np.array(1.0)), cost=Cost(price_per_flop=1.0))


def test_failed_diagnostics_refuse() -> None:
    bad = replace(fitted(), diagnostics=replace(fitted().diagnostics, problems=("R-hat 1.5",)))
    with pytest.raises(DiagnosticsRefused):
        ask(model=bad)
    assert ask(model=bad, allow_failed=True, method="linear").options


# ---------------------------------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    made = typer.Typer(cls=_Group)
    made.callback()(lambda: None)
    _cli_design.register(made)
    folder = tmp_path_factory.mktemp("design")
    save(fitted(), folder / "passed.nc")
    (folder / "runs.csv").write_text("params,tokens\n400M,8B\n4B,80B\n20B,400B\n")
    (folder / "empty.csv").write_text("")
    (folder / "odd.csv").write_text("params,tokens,prise\n400M,8B,3\n")
    (folder / "mixed.csv").write_text("params,tokens,cost\n400M,8B,3\n4B,80B,\n")
    chinchilla_table().to_csv(folder / "table.csv", index=False)

    def call(*words, data: str = "passed.nc"):
        told = [str(folder / word) if str(word).endswith(".csv") else str(word) for word in words]
        return CliRunner().invoke(made, ["next", str(folder / data), "--group-value", "a", *told])

    return call


AT = ("--at", "params=70B,tokens=1.4T")


def test_command(app) -> None:
    words = (*AT, "--candidates", "runs.csv", "--candidate", "params=1B,tokens=20B", "--batch", "2")
    result = app(*words, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    here = ask([AGAIN, *RUNS[:3]], batch=2)
    assert [one["number"] for one in answer["options"]] == [one.number for one in here.options]
    assert answer["options"][0]["gain"] == pytest.approx(here.best.gain)
    assert answer["worth_it"]["reason"] == str(here.worth_it)
    people = app(*words)
    assert people.exit_code == 0, people.output
    for word in ("more seeds", "larger", "band", "nother run is"):
        assert word in people.stdout


def test_what_gains_nothing_is_told_in_words() -> None:
    one = ask([AGAIN]).best
    nothing, little = (replace(one, number=1, gain=gain, cost=20.0) for gain in (1e-17, 5.0))
    told = worth([nothing], (), "value", unit="USD")
    assert str(told).endswith("candidate 1 is expected to gain nothing and costs 20 USD")
    assert "gain 5 USD and costs 20 USD" in str(worth([little], (), "value", unit="USD"))


def test_command_with_a_decision(app) -> None:
    price = ("--price-per-flop", "1e-23", "--gain", "10", "--loss", "5", "--target", "loss=1.95")
    result = app(*AT, "--candidate", "params=20B,tokens=400B", *price, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["by"] == "value"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (AT, "there are no candidates; say --candidate"),
        ((*AT, "--candidates", "none.csv"), "there is no such file"),
        ((*AT, "--candidates", "empty.csv"), "no table with a header line"),
        ((*AT, "--candidate", "params=1B,tokns=2B"), "did you mean 'tokens'"),
        ((*AT, "--candidate", "params=1B"), "candidate 1 lacks the input 'tokens'"),
        ((*AT, "--candidate", "params=1B,tokens=2B,cost=-1"), "candidate 1: cost is -1"),
        (("--at", "params=70B,tokens=0", "--candidate", "params=1B,tokens=2B"), "tokens is 0"),
        (
            (*AT, "--candidate", "params=1B,tokens=2B", "--target", "loss=2"),
            "--target needs --gain and --loss",
        ),
        ((*AT, "--candidate", "params=1B,tokens=2B", "--gain", "2"), "need --target"),
    ],
)
def test_command_refuses_with_one_line(app, words, message) -> None:
    result = app(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not result.stdout


STAKES = ("--target", "loss=2", "--gain", "10", "--loss", "5")


@pytest.mark.usefixtures("_no_sampling")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*AT, "--candidate", "params=0,tokens=2B"), "candidate 1: params is 0, expected a positive"),
        ((*AT, "--candidate", "params=1B,tokens=2B,cost=much"), "candidate 1: cost is 'much'"),
        ((*AT, "--candidate", "params=1B,tokens=2B,family=d"), "candidate 1: family 'd' was not fitted"),
        ((*AT, "--candidates", "mixed.csv"), "candidate 2 has no cost, candidate 1 has one"),
        ((*AT, "--candidates", "odd.csv"), "odd.csv: no law has an input 'prise'"),
        ((*AT, "--candidate", "params=1B,tokens=2B", *STAKES), "say --price-per-flop PRICE, or for each"),
        ((*AT, *AT, "--candidate", "params=1B,tokens=2B,cost=1", *STAKES), "of one large run, found 2 --at"),
    ],
)
def test_a_table_is_not_sampled_for_a_bad_question(app, words, message) -> None:
    for law in ((), ("--law", "chinchilla")):
        result = app(*words, *law, data="table.csv")
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
