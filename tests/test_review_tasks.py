"""Accuracies as targets: the risk of a chain, its review, page and record, and the two commands."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import report
from bayes_scaling.chain import ChainPosterior, Tasks, chain, forecast_tasks
from bayes_scaling.cli import app
from bayes_scaling.decide import Cost, DecisionError, Stakes, risk
from bayes_scaling.decide.tasks import responses_of
from bayes_scaling.forecast import DiagnosticsRefused
from bayes_scaling.report import _chained as chained
from bayes_scaling.report import page as pages
from bayes_scaling.report.plan import PlanError, checked, read_plan
from tests._decide import PLAN, fitted, known
from tests._review import GOALS, OF_TASKS, judged
from tests._review import chained as fitted_chain
from tests._simulate import TRUTH
from tests.test_chain import study
from tests.test_review import Page, at


@pytest.fixture(scope="module")
def posterior() -> ChainPosterior:
    return fitted_chain()


def plan(**changes: Any) -> dict[str, Any]:
    return {"run": PLAN, "targets": GOALS, "family": "a", **changes}


@pytest.fixture(scope="module")
def written(posterior, tmp_path_factory) -> tuple[bs.Review, report.Record, Page]:
    """A review with a record and a page."""
    folder = tmp_path_factory.mktemp("tasks")
    out, record = folder / "review.html", folder / "record.json"
    found = bs.review(posterior, OF_TASKS, backtest=False, out=out, record=record)
    return found, report.read_record(record), Page(out.read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------- risk


def test_tasks_and_loss_are_judged_on_joint_draws(posterior) -> None:
    found = risk(posterior, PLAN, GOALS, family="a")
    cast = forecast_tasks(posterior, PLAN, family="a", seed=3)
    for one in found.tasks:
        draws = cast.loss[:, 0] if one.task == "loss" else cast.task(one.task).draws[:, 0]
        sign = 1 if one.task == "loss" else -1
        assert (one.better, one.unit) == (("lower", "nat/token") if sign == 1 else ("higher", "1"))
        assert one.probability == pytest.approx((sign * (draws - one.target) <= 0).mean(), abs=0.1)
        assert one.median == pytest.approx(np.median(draws), abs=0.3 * draws.std())
    assert found.joint_bounds[0] - 1e-12 <= found.joint <= found.joint_bounds[1] + 1e-12
    assert found.law == "chinchilla -> accuracy_sigmoid"
    assert found.regret.best["value"] == pytest.approx(1.97, abs=0.05), "regret is about the loss"
    assert any(note.startswith("task arc_easy is not predictable") for note in found.notes)
    assert not any(note.startswith("task hellaswag") for note in found.notes)
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_task_depends_on_the_loss_it_comes_from(posterior) -> None:
    """Were they independent, both would beat their medians with 25 %."""
    cast = forecast_tasks(posterior, PLAN, family="a", target="mean")
    goals = {"hellaswag": float(cast.task("hellaswag").median[0]), "loss": float(np.median(cast.loss))}
    assert risk(posterior, PLAN, goals, family="a", what="mean").joint > 0.3


def test_the_budget_for_tasks_and_stakes(posterior) -> None:
    asked = {"hellaswag": 0.78, "loss": 2.05}
    stakes = Stakes(lambda y: np.where((y["hellaswag"] >= 0.78) & (y["loss"] <= 2.05), -10.0, 5.0))
    found = risk(posterior, PLAN, asked, family="a", stakes=stakes)
    assert found.reading.expected["go"] == pytest.approx(5 - 15 * found.joint)
    there = risk(posterior, found.reach.plan, asked, family="a")
    assert there.joint == pytest.approx(0.9, abs=0.07)


def test_repeated_data_count_in_tasks_too(posterior) -> None:
    few = Cost(unique_tokens=2e10)
    free, found = (risk(posterior, PLAN, GOALS, family="a", cost=cost) for cost in (None, few))
    assert [two.median > one.median for one, two in zip(free.tasks, found.tasks, strict=True)][-1]
    assert found.tasks[0].median < free.tasks[0].median, "less is learnt from what repeats"
    assert found.plan["tokens"] == PLAN["tokens"]
    asked = plan(cost={"unique_tokens": 2e10})
    review = bs.review(posterior, asked, backtest=False, sensitivity=True)
    assert review.targets["each"][0]["median"] == pytest.approx(found.tasks[0].median, abs=0.01)
    assert review.record.plan("hellaswag", 1).inputs["tokens"] == PLAN["tokens"]
    assert "of a chain" in review.sensitivity["skipped"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"hellaswag": 80}, r"target hellaswag is 80, outside .* a fraction is meant, 0\.8"),
        ({"helaswag": 0.8}, "target 'helaswag' is not predicted; did you mean 'hellaswag'"),
        (0.8, "one target for 3 tasks; give one for each: hellaswag, arc_easy, loss"),
    ],
)
def test_bad_targets_of_a_chain(posterior, target, message) -> None:
    with pytest.raises(DecisionError, match=message) as caught:
        risk(posterior, PLAN, target, family="a")
    assert "\n" not in str(caught.value)


# ----------------------------------------------------------------------------------------------- review


def test_a_review_of_tasks_reads_everything_off_one_set_of_draws(posterior, written) -> None:
    found, record, _ = written
    drawn = chained.draw(posterior, _checked(posterior), 0, False)
    met = [(1 if aim.name == "loss" else -1) * (aim.draws[:, 0] - GOALS[aim.name]) <= 0 for aim in drawn.aims]
    assert found.verdict["probability"] == found.targets["joint"] == np.all(met, axis=0).mean()
    each = found.targets["each"]
    assert [one["task"] for one in each] == list(GOALS)
    assert [one["probability"] for one in each] == [one.mean() for one in met]
    assert found.outcome["median"] == each[0]["median"] == found.picture["planned"][0]["q50"]
    assert found.laws["each"][0]["probability"] == found.verdict["probability"]
    assert found.alternatives["each"][0]["probability"] == found.verdict["probability"]
    assert [(one.quantity, one.target) for one in record.forecasts] == [
        ("hellaswag", "measurement"), ("arc_easy", "measurement"), ("loss", "new_run"),
    ]  # fmt: skip
    for one in each:
        assert record.plan(one["task"], 1).quantiles[99] == pytest.approx(one["median"], rel=1e-8)
        assert len(record.predicted(one["task"]).plans) == 2, "the alternative too"
    assert record.predicted("loss").laws == {"chinchilla -> accuracy_sigmoid": 1.0}
    assert record.settings["probability"] == found.verdict["probability"]
    senses = {"hellaswag": [">=", 0.8], "arc_easy": [">=", 0.25], "loss": ["<=", 2.0]}
    assert record.settings["targets"] == senses


def _checked(posterior: ChainPosterior) -> Any:
    """The plan of `written`, checked."""
    laws, families = [bs.law("chinchilla")], ("a", "b", "c")
    return checked(read_plan(OF_TASKS), laws, responses_of(posterior), families, fitted().runs)


def test_the_page_of_tasks_shows_the_records_numbers(written) -> None:
    found, _, seen = written
    told = json.loads(json.dumps(found.to_dict()))
    assert json.loads(seen.scripts["review"]) == told
    for attributes, _ in seen.numbers:
        assert float(attributes["value"]) == at(told, attributes["data-path"])
    paths = {attributes["data-path"] for attributes, _ in seen.numbers}
    assert {"verdict/probability", "targets/joint_bounds/1", "targets/each/2/probability"} <= paths
    text = " ".join(seen.words)
    assert "meets all 3 targets" in text
    assert "accuracy on hellaswag" in text
    parts = {part["name"]: part for part in found.variance["parts"]}
    assert {"loss_parameters", "task_parameters", "items"} <= set(parts)
    assert sum(part["share"] for part in parts.values()) == pytest.approx(1.0)
    measured = study().query("hellaswag == hellaswag")
    assert sorted(run["y"] for run in found.picture["runs"]) == pytest.approx(sorted(measured["hellaswag"]))
    assert "the planned run's loss" in text or found.next_run["pick"] is None
    assert found.allocation["best"]["value"] == pytest.approx(1.97, abs=0.05), "allocation is of the loss"


def test_alarms_agree_in_page_json_and_record(posterior, written, tmp_path) -> None:
    found, record, seen = written
    (alarm,) = found.alarms
    assert alarm.startswith("Task arc_easy is not predictable from these runs: ")
    assert found.to_dict()["alarms"] == record.settings["alarms"] == [alarm]
    assert alarm in seen.words
    first, *others = posterior.blocks
    bad = replace(first, posterior=judged(first.posterior, "R-hat 1.5"))
    worse = replace(posterior, blocks=(bad, *others))
    with pytest.raises(DiagnosticsRefused):
        bs.review(worse, plan(), backtest=False)
    place = tmp_path / "record.json"
    told = bs.review(worse, plan(), backtest=False, allow_failed=True, record=place)
    assert told.alarms == ("The sampler's diagnostics failed for accuracy_sigmoid: hellaswag.", alarm)
    assert list(told.alarms) == report.read_record(place).settings["alarms"]
    words = Page(pages.render(told.to_dict())).words
    assert all(one in words for one in told.alarms)


def test_laws_of_the_loss_share_the_draws(posterior) -> None:
    high = known({**TRUTH, "E": TRUTH["E"] + 0.1})
    mixed = replace(posterior, loss=bs.Average((known(), high), (0.25, 0.75)))
    found = bs.review(mixed, plan(targets={"hellaswag": 0.78}), backtest=False)
    a, b = found.laws["each"]
    assert a["probability"] > b["probability"]
    whole = (a["probability"] + 3 * b["probability"]) / 4
    assert found.verdict["probability"] == pytest.approx(whole, abs=0.01)
    between = next(part for part in found.variance["parts"] if part["name"] == "laws")
    assert between["sd"] == pytest.approx((a["median"] - b["median"]) * np.sqrt(3 / 16), rel=0.2)
    assert found.question["response"] == "accuracy on hellaswag"
    assert (found.question["target"], found.question["better"]) == (0.78, "higher")


def test_hidden_models_are_forecast_by_the_chain(posterior, monkeypatch) -> None:
    """The fit is that of another test: here, what it is shown and what is made of it."""
    seen: list[Tasks] = []

    def refit(_: Any, tasks: Tasks, *, settings: bs.Settings) -> ChainPosterior:
        seen.append(tasks)
        return posterior

    monkeypatch.setattr(chained, "fit_chain", refit)
    asked = plan(targets={"hellaswag": 0.8, "loss": 2.0})
    review = bs.review(posterior, asked, factors=(6, 1e9))
    found = review.backtest
    (tasks,) = seen
    assert tasks.names == ("hellaswag",)
    assert set(tasks.runs.table["params"]) == set(tasks.table["params"]) == set(study()["params"]) - {1e10}
    assert found["cuts"] == [{"factor": 6.0, "fitted": 48, "hidden": 12}]
    truth = study().query("params == 1e10")["hellaswag"]
    assert sorted(row["observed"] for row in found["runs"]) == pytest.approx(sorted(truth))
    assert found["held"] == sum(row["q5"] <= row["observed"] <= row["q95"] for row in found["runs"])
    assert found["overall"]["coverage"]["0.9"] == found["held"] / 12
    page = pages.render(review.to_dict())
    assert f"{found['held']} of 12 hidden scores fell inside" in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"targets": {"hellaswag": 80}},
            r"\[targets\]: target hellaswag is 80, .* a fraction is meant, 0\.8",
        ),
        ({"targets": {"hellaswag": 0.8, "los": 2}}, "target 'los' is not predicted; did you mean 'loss'"),
        ({"better": "higher"}, "better is known of accuracies and of their loss; leave it out"),
        ({"run": {"params": 7e10, "tokens": 0}}, r"\[run\]: tokens is 0"),
    ],
)
def test_impossible_plans_of_tasks(posterior, changes, message) -> None:
    with pytest.raises(PlanError, match=message) as caught:
        bs.review(posterior, plan(**changes), backtest=False)
    assert "\n" not in str(caught.value)


def test_a_chain_that_is_asked_for_its_loss_alone_is_a_law(posterior) -> None:
    found = bs.review(posterior, plan(targets={"loss": 2.0}), backtest=False)
    assert found.outcome == bs.review(fitted(), plan(targets={"loss": 2.0}), backtest=False).outcome


def test_chains_past_the_loss_are_refused(posterior) -> None:
    direct = replace(posterior, chain=chain(route="direct"), loss=None)
    with pytest.raises(PlanError, match="goes through the loss, found the route 'direct'"):
        bs.review(direct, plan(), backtest=False)


# --------------------------------------------------------------------------------------------- commands


@pytest.fixture
def call(posterior, tmp_path, monkeypatch) -> Any:
    """The commands on the table, with the fit of this module in place of one of their own."""
    asked: list[Any] = []

    def fit(spec: Any, tasks: Tasks, **_: Any) -> ChainPosterior:
        asked.append((spec, tasks))
        return posterior

    monkeypatch.setattr(import_module("bayes_scaling.chain"), "fit_chain", fit)
    study().to_csv(tmp_path / "runs.csv", index=False)
    start = 'family = "a"\n[run]\nparams = "70B"\ntokens = "1.4T"\n[targets]\n'

    def run(command: str, *words: str, targets: str = "hellaswag = 0.8\nloss = 2.0\n") -> Any:
        (tmp_path / "plan.toml").write_text(start + targets)
        more = ["--plan", str(tmp_path / "plan.toml")] if command == "review" else []
        return CliRunner().invoke(app, [command, str(tmp_path / "runs.csv"), *more, *words])

    run.asked = asked  # type: ignore[attr-defined]
    return run


def test_review_of_a_table_with_tasks(call, tmp_path: Path) -> None:
    page, record = tmp_path / "r.html", tmp_path / "r.json"
    done = call("review", "--no-backtest", "--json", "--out", str(page), "--record", str(record))
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert json.loads(Page(page.read_text(encoding="utf-8")).scripts["review"]) == answer
    assert [one["task"] for one in answer["targets"]["each"]] == ["hellaswag", "loss"]
    kept = report.read_record(record)
    assert kept.settings["probability"] == answer["verdict"]["probability"]
    assert answer["record"]["sha256"] == kept.sha256
    ((spec, tasks),) = call.asked
    assert tasks.names == ("hellaswag",)
    assert [one.name for one in spec.loss_laws] == ["chinchilla", "gadre_overtraining"]
    people = call("review", "--no-backtest", "--out", str(page))
    assert "all 2 targets with probability" in people.stdout
    assert "accuracy on hellaswag at least 0.8" in people.stdout
    for number, quantity in (("0.81", "hellaswag"), ("1.97", "loss")):
        ledger = str(tmp_path / "ledger.sqlite3")
        scored = CliRunner().invoke(
            app, ["score", str(record), "--outcome", f"{quantity}={number}", "--ledger", ledger]
        )
        assert scored.exit_code == 0, scored.output


def test_risk_of_a_table_with_tasks(call, posterior) -> None:
    words = ("--at", "params=70B,tokens=1.4T", "--target", "hellaswag=0.8", "--target", "loss=2.0")
    words += ("--group-value", "a")
    done = call("risk", *words, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    alone = risk(posterior, PLAN, {"hellaswag": 0.8, "loss": 2.0}, family="a")
    assert answer["risk"] == json.loads(json.dumps(alone.to_dict()))
    assert answer["task_law"] == "accuracy_sigmoid"
    people = call("risk", *words)
    assert "P(all targets)" in people.stdout
    assert "P(hellaswag >= 0.8)" in people.stdout
    paid = json.loads(call("risk", *words, "--gain", "10", "--loss", "3", "--json").stdout)["risk"]
    assert paid["reading"]["expected"]["go"] == pytest.approx(3 - 13 * alone.joint)
    refused = call("risk", *words, "--versus", "params=7B,tokens=14T")
    assert refused.exit_code == 2
    assert "--versus cannot be used together with a target that is a task" in refused.stderr


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ("helaswag = 0.8\n", "target 'helaswag' is no task of"),
        ("hellaswag = 80\n", "a fraction is meant, 0.8?"),
        ("hellaswag = 0.8\nlos = 2.0\n", "did you mean 'loss'"),
        ('hellaswag = "high"\n', "target hellaswag is 'high', expected a number"),
    ],
)
def test_bad_targets_are_refused_before_the_sampler_starts(call, targets, message) -> None:
    done = call("review", "--json", targets=targets)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not call.asked
