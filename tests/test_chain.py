"""From loss to accuracy: tables of tasks, the joint posterior, its draws, and what cannot be predicted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import _cli_chain, datasets
from bayes_scaling.backtest import BacktestError
from bayes_scaling.chain import (
    ChainError,
    ChainPosterior,
    average_routes,
    backtest_tasks,
    chain,
    fit_chain,
    forecast_tasks,
    read_tasks,
)
from bayes_scaling.chain.benchmarks import benchmark
from bayes_scaling.chain.fitting import as_response, floor_interval
from bayes_scaling.chain.forecasts import PARTS, TaskForecast
from bayes_scaling.chain.propagate import _discrepancy, curves_at, task_draws
from bayes_scaling.cli import app
from bayes_scaling.forecast import ForecastError
from bayes_scaling.law import mean
from bayes_scaling.plot import PlotError
from bayes_scaling.predict import predict
from bayes_scaling.structure import Structure, features, landmarks
from tests._decide import fitted, known
from tests._simulate import TRUTH, chinchilla_table

FEW = bs.Settings(chains=2, warmup=200, draws=200, most_draws=200)
PLANS = [{"params": 3e10, "tokens": 6e11}, {"params": "70B", "tokens": "1.4T"}]
SPEC = chain("chinchilla", structure=None, task_structure=None)


def ability(loss: np.ndarray) -> np.ndarray:
    """The task that rises: half way at a loss of 2.4."""
    return 0.25 + 0.75 * 0.95 / (1 + np.exp(3.0 * (loss - 2.4)))


def study(items: int = 10042) -> pd.DataFrame:
    """Models on Chinchilla's law with two tasks: one that rises with the loss, one at chance throughout."""
    rng = np.random.default_rng(11)
    table = chinchilla_table()
    rising = ability(table.loss.to_numpy())
    table["hellaswag"] = rng.binomial(items, rising) / items
    table["acc_arc_easy"] = rng.binomial(2376, 0.25, len(table)) / 2376
    return table


def as_long(table: pd.DataFrame) -> pd.DataFrame:
    """The same study, one row per model and task."""
    wide = table.rename(columns={"acc_arc_easy": "arc_easy"})
    kept = ["family", "params", "tokens", "loss", "seed"]
    return wide.melt(kept, ["hellaswag", "arc_easy"], "task", "accuracy")


@pytest.fixture(scope="module")
def posterior() -> ChainPosterior:
    return fit_chain(SPEC, study(), loss=fitted(), settings=FEW)


@pytest.fixture(scope="module")
def result(posterior) -> TaskForecast:
    return forecast_tasks(posterior, PLANS, family="a", allow_failed=True)


# --- tables ------------------------------------------------------------------------------------------------


def test_wide_and_long_tables_say_the_same():
    wide, long = read_tasks(bs.read_runs(study())), read_tasks(bs.read_runs(as_long(study())))
    assert wide.names == long.names == ("hellaswag", "arc_easy")
    columns = ["family", "params", "tokens", "loss", "task", "accuracy", "items", "se", "chance"]
    pd.testing.assert_frame_equal(wide.table[columns], long.table[columns])
    pd.testing.assert_frame_equal(wide.runs.table[columns[:4]], long.runs.table[columns[:4]])
    assert wide.items("hellaswag") == 10042
    assert wide.chance("arc_easy") == 0.25


def test_a_long_table_knows_better_than_the_list_of_benchmarks():
    table = as_long(study()).assign(n_examples=400, random_accuracy=0.2)
    tasks = read_tasks(bs.read_runs(table), ["hellaswag"])
    assert (tasks.items("hellaswag"), tasks.chance("hellaswag")) == (400, 0.2)
    given = read_tasks(bs.read_runs(as_long(study()).assign(accuracy_se=0.01)), ["arc_easy"])
    p = given.table.accuracy.to_numpy()
    assert given.items("arc_easy") == pytest.approx(np.median(p * (1 - p)) / 1e-4)


@pytest.mark.parametrize(
    ("name", "chance", "items"),
    [("arc:easy", 0.25, 2376), ("acc_hellaswag_zeroshot", 0.25, 10042), ("MMLU", 0.25, 14042),
     ("lambada_openai", 0.0, 5153), ("openbook_qa", 0.25, 500)],
)  # fmt: skip
def test_common_benchmarks_are_known_by_their_usual_names(name, chance, items):
    found = benchmark(name)
    assert found is not None
    assert (found.chance, found.items) == (chance, items)
    assert benchmark("loss") is None


def test_the_embedded_table_agrees_with_the_list_of_benchmarks():
    for name, task in datasets.describe("pile-families").tasks.items():
        found = benchmark(name)
        assert found is not None, name
        assert (found.chance, found.items) == (task.chance, task.items), name


def test_what_is_wrong_with_tasks_is_told():
    runs = bs.read_runs(study())
    with pytest.raises(ChainError, match=r"no task 'helaswag'.*did you mean 'hellaswag'"):
        read_tasks(runs, ["helaswag"])
    with pytest.raises(ChainError, match="has no task accuracies: expected columns"):
        read_tasks(bs.read_runs(chinchilla_table()))
    with pytest.raises(ChainError, match=r"fractions from 0 to 1; found 5\d\.\d+ for task 'hellaswag'"):
        read_tasks(bs.read_runs(study().assign(hellaswag=lambda t: 0 * t.hellaswag + 55.5)))
    with pytest.raises(ChainError, match="'hellaswag' has 3 models with an accuracy and loss"):
        fit_chain(SPEC, study().iloc[:3], ["hellaswag"], loss=fitted(), settings=FEW)
    with pytest.raises(ChainError, match="'task_loss' needs 'task_loss' beside the accuracies"):
        fit_chain(chain(route="task_loss"), study(), settings=FEW)


def test_counts_on_a_fixed_test_set_scatter_less_as_accuracies_do():
    counts = bs.law("error_vs_loss_exp", 2)
    counts = replace(counts, predicts=replace(counts.predicts, name="n_correct"))
    frame = pd.DataFrame({"accuracy": [0.3, 0.62], "items": [500.0, 2000.0], "se": [0.02, 0.01]})
    p, n = frame.accuracy.to_numpy(), frame["items"].to_numpy()
    for share in (1.0, 0.7, 0.5):
        seen = as_response(counts, frame, share)
        np.testing.assert_allclose(seen["n_correct"] / seen["n_samples"], p, atol=1e-3)
        binomial = np.sqrt(p * (1 - p) / seen["n_samples"])
        np.testing.assert_allclose(binomial, share * np.sqrt(p * (1 - p) / n), rtol=1e-3)
    measured = as_response(bs.law("accuracy_sigmoid"), frame, 0.7)
    np.testing.assert_allclose(measured["accuracy_se"], 0.7 * frame["se"])


def test_floors_follow_chance_and_give_way_to_scores_below_it():
    rows = pd.DataFrame({"accuracy": np.linspace(0.3, 0.6, 9), "chance": 0.25, "se": 0.01})
    assert floor_interval(rows) == pytest.approx((0.22, 0.28))
    low = floor_interval(rows.assign(accuracy=np.linspace(0.1, 0.3, 9)))
    assert low[0] < 0.1 < low[1] < 0.25
    assert floor_interval(rows.assign(chance=0.0))[1] < 0.05
    assert floor_interval(rows.assign(chance=np.nan))[1] > 0.4


# --- the specification -------------------------------------------------------------------------------------


def test_the_route_follows_from_the_task_law():
    assert chain().route == "loss"
    assert [one.name for one in chain().loss_laws] == [
        "chinchilla",
        "gadre_overtraining",
    ]
    assert chain(task_law=bs.law("accuracy_sigmoid", 3)).route == "both"
    assert chain(task_law="error_vs_loss_exp").route == "loss"
    direct = chain(route="direct")
    assert direct.loss_laws == ()
    assert [i.name for i in direct.task_law.inputs] == ["params", "tokens"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"route": "los"}, "unknown route 'los'; did you mean 'loss'"),
        ({"grouping": "tasks"}, "unknown grouping 'tasks'; did you mean 'task'"),
        ({"same_items": 1.5}, "same_items is 1.5"),
        ({"task_law": "chinchilla"}, "predicts 'loss', expected one of accuracy"),
        ({"task_law": "error_vs_loss_exp", "route": "direct"}, "goes by the route 'loss', not 'direct'"),
        ({"loss_law": "error_vs_loss_exp"}, "predicts 'error', expected a law of the loss"),
    ],
)
def test_a_chain_that_cannot_be_is_refused(asked, message):
    with pytest.raises(ChainError, match=message):
        chain(**asked)


# --- forecasts ---------------------------------------------------------------------------------------------


def test_forecasts_hold_the_truth(result):
    for j, plan in enumerate(({"params": 3e10, "tokens": 6e11}, {"params": 7e10, "tokens": 1.4e12})):
        truth = ability(np.asarray(mean(bs.law("chinchilla"), plan, TRUTH)))
        low, high = result.task("hellaswag").interval(0.98)[:, j]
        assert low < truth < high
        assert high - low < 0.15, "the band says something"


def test_the_doubt_about_the_loss_reaches_the_accuracy(posterior, result):
    certain = ChainPosterior(
        posterior.chain, posterior.tasks, known(), None, posterior.blocks, posterior.correlation
    )
    # shares of few draws scatter by five points around zero, and none is negative
    sharp = [
        forecast_tasks(certain, PLANS, family="a", allow_failed=True, seed=s).task("hellaswag")
        for s in range(12)
    ]
    mine = result.task("hellaswag")
    assert (mine.variance["loss_parameters"] > 0).all()
    assert (np.mean([one.variance["loss_parameters"] / one.sd**2 for one in sharp], axis=0) < 0.05).all()
    assert (sharp[0].sd < mine.sd).all()


@pytest.mark.parametrize("target", ["mean", "new_run", "measurement"])
def test_the_parts_of_the_variance_add_up(posterior, target):
    found = forecast_tasks(posterior, PLANS, family="a", target=target, allow_failed=True)
    weights = np.array([0.7, 0.3])
    for one, w in ((found.task("hellaswag"), [1.0, 0.0]), (found.average(found.tasks, weights), weights)):
        assert tuple(one.variance) == PARTS
        assert all((part >= 0).all() for part in one.variance.values())
        np.testing.assert_allclose(sum(one.variance.values()), one.draws.var(axis=0), rtol=1e-9)
        covariance = found.covariance(0).to_numpy() * (len(found.draws) - 1) / len(found.draws)
        assert one.draws[:, 0].var() == pytest.approx(np.asarray(w) @ covariance @ np.asarray(w))
        if target == "mean":
            assert (one.variance["seed"] + one.variance["items"] == 0).all()
        if target == "new_run":
            assert (one.variance["items"] == 0).all()
    if target == "measurement":
        p = found.task("hellaswag").draws
        expected = 0.7**2 * (p * (1 - p)).mean(axis=0) / 10042
        np.testing.assert_allclose(found.task("hellaswag").variance["items"], expected, rtol=0.15)


def test_a_task_at_chance_is_called_not_predictable(result):
    verdict = {one.task: one for one in result.verdicts}
    assert verdict["hellaswag"].predictable
    assert verdict["hellaswag"].above_chance > 0.99
    flat = verdict["arc_easy"]
    assert not flat.predictable
    assert "above chance" in flat.reason
    assert flat.above_chance < 0.5
    assert np.isfinite(result.task("arc_easy").draws).all(), "the forecast is there all the same"
    table = result.to_dataframe()
    assert list(table.loc[table.task == "arc_easy", "predictable"]) == [False, False]


def test_draw_specific_inputs_agree_with_common_ones(posterior):
    one = posterior.block("hellaswag").posterior
    loss = np.array([2.2, 2.6])
    common = predict(one, {"loss": loss}, ["a", "a"], np.random.default_rng(0))
    drawn = task_draws(one, "a", 2, np.random.default_rng(1))
    own = curves_at(drawn, {"loss": np.broadcast_to(loss, (len(drawn.theta), 2))})
    np.testing.assert_allclose(own.eta, common.eta, rtol=1e-9)
    moved = curves_at(drawn, {"loss": np.broadcast_to(loss, (len(drawn.theta), 2)) + 0.1})
    assert (moved.eta < own.eta).all()


def test_the_discrepancy_at_draw_specific_inputs_has_the_covariance_of_the_kernel():
    rng = np.random.default_rng(5)
    path = Structure(kind="fractional", rank=3, level=0.2)
    marks = landmarks(path, np.log(np.linspace(2.0, 3.5, 12))[:, None])
    at = np.log([[1.6], [2.4]]) - marks.centre
    size = 40_000
    weights, loose = rng.standard_normal((size, 3)), rng.standard_normal((size, 2))
    found = _discrepancy(marks, np.broadcast_to(at, (size, 2, 1)), weights, np.ones(size), loose)
    far = np.abs(at[:, 0]) ** (2 * marks.path.hurst)
    apart = np.abs(at[:, 0][:, None] - at[:, 0]) ** (2 * marks.path.hurst)
    expected = (far[:, None] + far - apart) / 2 + marks.path.level**2
    np.testing.assert_allclose(np.cov(found, rowvar=False), expected, rtol=0.05, atol=0.005)
    assert np.corrcoef(found[:, 0], weights @ features(marks, at)[0][0])[0, 1] > 0.3


def test_routes_are_averaged_and_their_disagreement_is_structure(posterior, result):
    alone = average_routes([result], [2.0])
    np.testing.assert_array_equal(np.sort(alone.draws, axis=0), np.sort(result.draws, axis=0))
    moved = replace(result, draws=result.draws + 0.1)
    both = average_routes([result, moved], [0.5, 0.5]).task("hellaswag")
    one = result.task("hellaswag")
    np.testing.assert_allclose(both.draws.mean(axis=0), one.draws.mean(axis=0) + 0.05, atol=2e-3)
    np.testing.assert_allclose(both.sd**2, one.sd**2 + 0.05**2, rtol=0.05)
    grown = both.variance["structure"] - one.variance["structure"]
    np.testing.assert_allclose(grown, 0.05**2, rtol=0.1)
    with pytest.raises(ChainError, match="2 forecasts need as many weights"):
        average_routes([result, moved], [1.0])
    other = forecast_tasks(posterior, PLANS, family="a", target="mean", allow_failed=True)
    with pytest.raises(ChainError, match="must be of the same plans, families, tasks and target"):
        average_routes([result, other], [1.0, 1.0])


def test_hidden_models_are_forecast_and_scored():
    table = backtest_tasks(SPEC, bs.read_runs(study()), ["hellaswag"], factor=6, settings=FEW)
    assert set(table.params) == {1e10}
    assert len(table) == 12
    np.testing.assert_allclose(table.error, table["median"] - table.accuracy)
    np.testing.assert_array_equal(table.inside, table.accuracy.between(table.q5, table.q95))
    assert table.error.abs().mean() < 0.05
    assert table.inside.mean() > 0.5
    with pytest.raises(BacktestError, match="leaves or hides no model"):
        backtest_tasks(SPEC, bs.read_runs(study()), factor=1e9)
    with pytest.raises(BacktestError, match=r"factor is 0\.5, expected a finite number above 1"):
        backtest_tasks(SPEC, bs.read_runs(study()), factor=0.5)
    with pytest.raises(BacktestError, match="needs the columns params and tokens"):
        backtest_tasks(SPEC, bs.read_runs(study().drop(columns="tokens")), factor=6)
    few = study().groupby("params").head(1)
    with pytest.raises(BacktestError, match="a cut at 1/6 leaves 4 models, fewer than six"):
        backtest_tasks(SPEC, bs.read_runs(few), factor=6)


def test_questions_that_cannot_be_answered(posterior, result):
    with pytest.raises(ForecastError, match=r"family 'd' was not fitted; .*known: a, b, c, new"):
        forecast_tasks(posterior, PLANS, family="d", allow_failed=True)
    with pytest.raises(ForecastError, match="unknown target 'score'"):
        forecast_tasks(posterior, PLANS, family="a", target="score", allow_failed=True)
    with pytest.raises(ChainError, match="task 'hellaswg' was not forecast; did you mean 'hellaswag'"):
        result.task("hellaswg")
    with pytest.raises(ChainError, match="expected 2 weights"):
        result.average(weights=[1.0, -1.0])


def test_the_picture_shows_tasks_and_plans(posterior, result, tmp_path):
    figure = bs.plot_tasks(posterior, result, path=tmp_path / "tasks.png")
    assert (tmp_path / "tasks.png").stat().st_size > 10_000
    rising, flat = figure.axes
    assert rising.get_title(loc="left") == "hellaswag"
    assert flat.get_title(loc="left") == "arc_easy: not predictable"
    (truth,) = [line for line in rising.lines if line.get_label() == "a"]
    measured = posterior.tasks.table.query("task == 'hellaswag' and family == 'a'")
    np.testing.assert_allclose(truth.get_ydata(), 100 * measured.accuracy)
    with pytest.raises(PlotError, match="family 'z' was not measured; known: a, b, c"):
        bs.plot_tasks(posterior, family="z")


# --- the command -------------------------------------------------------------------------------------------

RUN = CliRunner()


def test_the_command_answers_in_the_shape_of_forecast(capsys):
    _cli_chain.forecast_tasks(
        bs.read_runs(study()),
        ["hellaswag"],
        ["params=3e10,tokens=6e11"],
        laws=[bs.law("chinchilla")],
        groups=["a"],
        target="new_run",
        settings=FEW,
        structure=None,
        as_json=True,
        allow_failed=True,
    )
    (one,) = (answer := json.loads(capsys.readouterr().out))["forecasts"]
    assert set(one) == {
        "task", "inputs", "family", "target", "median", "mean", "sd", "quantiles", "variance",
    }  # fmt: skip
    assert one["task"] == answer["verdicts"][0]["task"] == "hellaswag"
    assert answer["verdicts"][0]["predictable"]
    assert abs(one["median"] - ability(np.asarray(mean(bs.law("chinchilla"), one["inputs"], TRUTH)))) < 0.06
    assert sum(one["variance"].values()) == pytest.approx(one["sd"] ** 2)


def test_the_table_of_a_terminal_says_what_is_not_predictable(posterior, result, capsys):
    _cli_chain.show(posterior, result, ["one note"])
    told = capsys.readouterr()
    assert "(!) arc_easy: not predictable from these runs" in told.out
    assert f"{100 * np.median(result.task('hellaswag').draws[:, 0]):.1f}" in told.out
    assert "average" in told.out
    assert told.err == "note: one note\n"


def test_the_command_refuses_what_makes_no_sense_beside_tasks(tmp_path):
    study().to_csv(tmp_path / "runs.csv", index=False)
    asked = ["forecast", str(tmp_path / "runs.csv"), "--at", "params=3e10,tokens=6e11"]
    for extra, message in (
        (["--task", "helaswag"], "did you mean 'hellaswag'"),
        (
            ["--task", "hellaswag", "--out", str(tmp_path / "a.nc")],
            "--out cannot be used together with --task",
        ),
        (["--task", "hellaswag", "--group-value", "z"], "no such family"),
    ):
        told = RUN.invoke(app, [*asked, *extra])
        assert told.exit_code == 2, told.output
        assert message in told.stderr
