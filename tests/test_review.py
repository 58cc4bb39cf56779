"""The review: plans and refusals, one set of draws, a page that says what the record says, the command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import _cli_review, report
from bayes_scaling.cli import _Group
from bayes_scaling.decide import Cost, DecisionError, risk
from bayes_scaling.forecast import DiagnosticsRefused
from bayes_scaling.report import _evidence
from bayes_scaling.report import _joint as joint
from bayes_scaling.report import _words as words
from bayes_scaling.report import page as pages
from bayes_scaling.report._schema import parse_record, to_json
from bayes_scaling.report.plan import PlanError, checked, cost_of, read_plan
from bayes_scaling.runs import RunsError
from bayes_scaling.storage import save
from tests._decide import PLAN, fitted, known
from tests._review import EVIL, past, renamed, reviewed
from tests._simulate import FEW, TRUTH, chinchilla_table, power_table

LAWS = [bs.law("chinchilla")]


def plan(**changes: Any) -> dict[str, Any]:
    """A small plan with other keys; None leaves one out."""
    whole = {"run": {"params": "70B", "tokens": "1.4T"}, "targets": {"loss": 2.0}, "family": "a", **changes}
    return {name: value for name, value in whole.items() if value is not None}


def ready(given: dict[str, Any]) -> report.ReviewPlan:
    return checked(read_plan(given), LAWS, "loss", ("a", "b", "c"), fitted().runs)


# ------------------------------------------------------------------------------------------------ plans


def test_a_plan_file_is_read(tmp_path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        'title = "T"\nfamily = "new"\ndeadline = 2027-03-31\n[run]\nparams = "70B"\ncompute = 5.88e23\n'
        '[targets]\nloss = 2\n[cost]\nprice_per_flop = 2e-18\nbudget = "2M"\nsizes = ["7B", "70B"]\n'
        '[[candidates]]\nparams = "1B"\ntokens = "20B"\ndays = 3\n[stakes]\nmet = -5\nmissed = 2\n',
        encoding="utf-8",
    )
    found = ready(path)
    assert found.run["tokens"] == pytest.approx(1.4e12)
    assert (found.deadline, found.budget, found.unit) == (date(2027, 3, 31), 2e6, "price")
    assert found.cost == Cost(price_per_flop=2e-18, sizes=(7e9, 7e10))
    (candidate,) = found.candidates
    assert (candidate.name, candidate.cost, candidate.days) == ("candidate 1", pytest.approx(240.0), 3.0)
    assert found.stakes == {"met": -5.0, "missed": 2.0, "no_go": 0.0, "wait": 0.0}
    assert found.text.startswith('title = "T"')


def test_the_plan_of_the_documentation_is_sound(tmp_path) -> None:
    page = Path(__file__).parent.parent / "docs" / "review.md"
    (text,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
    found = checked(
        read_plan(tmp_path / "plan.toml"), LAWS, "loss", ("cerebras-gpt",), bs.read_runs(chinchilla_table())
    )
    served = 2 * 7e10 * 1e12
    assert cost_of(found, found.run) == pytest.approx((6 * 7e10 * 1.4e12 + served) * 2e-18)
    assert [one.cost for one in found.candidates] == [pytest.approx(6 * 2.7e9 * 108e9 * 2e-18), 14_000]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (plan(run={"params": "70B", "tokens": 0}), r"\[run\]: tokens is 0, expected a positive"),
        (plan(run={"params": "70B", "tokens": "many"}), r"\[run\]: tokens is 'many': .* is not a number"),
        (plan(run={"params": "70B"}), r"\[run\]: it lacks the input 'tokens'"),
        (plan(run={"params": "7B", "tokns": 1e9}), "has no input 'tokns'; did you mean 'tokens'"),
        (plan(run={"params": "7B", "tokens": 1e9, "lr": 1e-3}), "law 'chinchilla' has no input 'lr'"),
        (plan(run=None), r"says nothing about the run that is planned; expected \[run\]"),
        (plan(run=3), r"run is 3, expected a table headed \[run\]"),
        (plan(targets=None), r"has no target; expected \[targets\]"),
        (plan(targets={"loss": -1}), r"\[targets\]: target loss is -1, outside the range of loss"),
        (plan(targets={"los": 2}), "target 'los' is not predicted; did you mean 'loss'"),
        (plan(targets={"loss": "low"}), "target loss is 'low', expected a number"),
        (plan(targets={"loss": 2, "accuracy": 0.5}), "one target, found loss, accuracy"),
        (plan(candidate=[]), "unknown key 'candidate'; did you mean 'candidates'"),
        (plan(cost={"flops": 6}), r"\[cost\] has an unknown key 'flops'; did you mean 'flop'"),
        (plan(cost={"flop": -6}), r"\[cost\] flop is -6, expected a positive"),
        (plan(cost={"flop": True}), r"\[cost\] flop is True, expected a positive"),
        (plan(cost={"sizes": 7}), r"\[cost\] sizes is 7, expected a list"),
        (plan(cost={"currency": 3}), "currency is 3, expected text"),
        (plan(cost={"budget": 1e23}), r"\[run\] costs 5.88e\+23 FLOP, more than the budget of 1e\+23"),
        (plan(cost={"budget": 1e15}), r"1e\+15 FLOP is below the smallest run of the table, 1.2e\+18"),
        (plan(family="d"), "family 'd' is not in the table; .*known: a, b, c, new"),
        (plan(better="less"), r"\[targets\]: better is 'less'; .*known: lower, higher"),
        (plan(family=3), "family is 3, expected text"),
        (plan(review={"sensitivity": 1}), r"\[review\] sensitivity is 1, expected true or false"),
        (plan(review={"sensitive": True}), r"\[review\] has an unknown key 'sensitive'; did you mean"),
        (plan(deadline="soon"), "deadline is 'soon', expected a date without quotes"),
        (plan(stakes={"met": 1}), r"\[stakes\] needs both met and missed"),
        (plan(stakes={"met": 1, "missed": "x"}), r"\[stakes\] missed is 'x', expected a finite"),
        (plan(candidates=[{"params": 1e9, "tokens": 2e10}]), "candidate 'candidate 1' has no cost; say cost"),
        (plan(candidates=[{"name": "x", "params": 1e9, "tokens": 0, "cost": 1}]), "'x': tokens is 0"),
        (plan(candidates=[{"name": "x", "params": 1e9, "tokens": 1, "cost": 0}]), "'x': cost is 0"),
        (plan(candidates=[{"name": "x", "params": 1e9, "token": 1, "cost": 1}]), "did you mean 'tokens'"),
        (plan(candidates={"params": 1e9}), r"expected tables, each headed \[\[candidates\]\]"),
        (
            plan(run={"params": "70B", "tokens": "1.4T", "compute": 1e20}),
            r"\[run\]: .* take 5.88e\+23 FLOP \(6 N D\), but compute is 1e\+20; give two of the three",
        ),
        (
            plan(
                stakes={"met": -1, "missed": 2},
                cost={"flop": 6},
                candidates=[{"name": "x", "params": "1B", "tokens": "20B"}],
            ),
            "candidate 'x' costs FLOP and the stakes are in your unit; say .* price_per_flop",
        ),
        (plan(cost={"memory_limit_params": "10B"}), r"\[run\] has 7e\+10 parameters, more than the memory"),
        (plan(cost={"sizes": ["7B", "65B"]}), r"none of the sizes that can be trained: 7e\+09, 6.5e\+10"),
        (
            plan(cost={"sizes": ["70B"]}, alternatives=[{"name": "x", "params": "7B", "tokens": "1T"}]),
            r"'x' has 7e\+09 parameters, which is none of the sizes",
        ),
        (plan(alternatives=[{"name": "x"}]), "alternatives 'x' has no inputs"),
        (plan(alternatives=[{"name": "x", "params": 1, "tokens": 1}] * 2), "two alternatives are called 'x'"),
        (plan(alternatives=[{"name": "x", "params": 1, "tokens": 1, "cost": 1}]), "no input 'cost'"),
    ],
)  # fmt: skip
def test_impossible_plans_get_one_line(given, message) -> None:
    with pytest.raises(PlanError, match=message) as caught:
        ready(given)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_plan(tmp_path) -> None:
    with pytest.raises(PlanError, match=r"cannot read the plan .*none\.toml"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[run]\nparams = 70B\n")
    with pytest.raises(PlanError, match=r"is not TOML: .*line 2.*70B are written in quotes"):
        read_plan(tmp_path / "bad.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="expected a TOML file in UTF-8"):
        read_plan(tmp_path / "binary.toml")


# ---------------------------------------------------------------------------------------------- numbers


def test_everything_is_read_off_one_set_of_draws() -> None:
    found = reviewed()
    outcome = found.outcome
    assert found.verdict["probability"] == outcome["probability"]
    first = found.alternatives["each"][0]
    assert (first["probability"], first["median"]) == (outcome["probability"], outcome["median"])
    own = found.picture["planned"][0]
    assert own["q50"] == outcome["median"]
    assert own in [{"name": "planned run", **point} for point in found.picture["curve"]]
    (law,) = found.laws["each"]
    assert (law["weight"], law["median"], law["probability"]) == (
        1.0,
        outcome["median"],
        outcome["probability"],
    )
    registered = found.record.plan("loss", 1).quantiles
    assert registered[99] == pytest.approx(outcome["median"], rel=1e-8)
    assert [len(p.quantiles) for p in found.record.predicted("loss").plans] == [199] * 3
    dots = np.array(outcome["dots"])
    assert np.mean(dots <= 2.0) == pytest.approx(outcome["probability"], abs=0.05)


def test_numbers_agree_with_the_functions_of_decide() -> None:
    found = reviewed()
    alone = risk(renamed(), PLAN, 2.0, family=EVIL, cost=Cost(price_per_flop=2e-18))
    assert found.outcome["regret"] == alone.regret.to_dict()
    assert found.outcome["median"] == pytest.approx(alone.tasks[0].median, abs=0.005)
    assert found.outcome["reach"]["factor"] == pytest.approx(alone.reach.factor, rel=0.5)
    assert found.question["cost"] == pytest.approx(5.88e23 * 2e-18)
    assert found.question["flop"] == pytest.approx(5.88e23)
    lost = found.allocation["best"]["value"] - found.outcome["regret"]["best"]["value"]
    assert abs(lost) < 1e-3


def test_limited_data_count_in_the_verdict_as_in_the_regret() -> None:
    asked = plan(cost={"unique_tokens": "100B"}, stakes={"met": -1.0, "missed": 1.0})
    told = ready(asked)
    drawn = joint.draw(known(), told, 0, False)
    lost = bs.review(known(), asked, backtest=False)
    here = lost.outcome["regret"]["best"]["value"] + lost.outcome["regret"]["mean"]
    assert drawn.smooth.mean() == pytest.approx(here, rel=1e-9)
    assert lost.outcome["regret"]["mean"] > 0
    free = bs.review(known(), plan(), backtest=False)
    assert lost.outcome["median"] > free.outcome["median"] + 0.01
    assert lost.outcome["reach"]["factor"] > free.outcome["reach"]["factor"]
    far = [one["q50"] for one in lost.picture["curve"] if one["x"] > 1e22]
    near = [one["q50"] for one in free.picture["curve"] if one["x"] > 1e22]
    assert np.all(np.array(far[-3:]) > np.array(near[-3:]))
    assert lost.record.plan("loss", 1).inputs["tokens"] == 1.4e12, "the run is recorded as it was planned"


def test_parts_of_the_variance_add_up() -> None:
    found = reviewed().variance
    assert sum(part["share"] for part in found["parts"]) == pytest.approx(1.0)
    assert found["ignorance"] + found["luck"] == pytest.approx(1.0)
    assert sum(part["sd"] ** 2 for part in found["parts"]) == pytest.approx(found["sd"] ** 2)


def test_laws_that_disagree_are_a_cause_of_their_own() -> None:
    whole = bs.Average((known(), known({**TRUTH, "E": TRUTH["E"] + 0.1})), (0.5, 0.5))
    found = bs.review(whole, plan(), backtest=False)
    between = next(part for part in found.variance["parts"] if part["name"] == "laws")
    assert between["sd"] == pytest.approx(0.05, rel=0.05)
    assert between["share"] > 0.9
    a, b = found.laws["each"]
    assert b["median"] - a["median"] == pytest.approx(0.1, abs=0.005)
    assert found.verdict["probability"] == pytest.approx((a["probability"] + b["probability"]) / 2)
    assert found.backtest == {"skipped": "not asked for"}
    assert "no alternatives" in found.alternatives["skipped"]
    assert "no candidates" in found.next_run["skipped"]
    assert 'id="chart-laws"' in pages.render(found.to_dict())


def test_stakes_and_deadline_decide() -> None:
    soon = datetime.now(UTC).date() + timedelta(days=5)
    candidates = [
        {"name": "slow", "params": "1B", "tokens": "20B", "days": 30, "cost": 1},
        {"name": "quick", "params": "2B", "tokens": "80B", "days": 2, "cost": 1},
    ]
    stakes = {"met": -10.0, "missed": 1e6, "wait": 1e7}
    found = bs.review(
        fitted(),
        plan(targets={"loss": 1.0}, stakes=stakes, deadline=soon, candidates=candidates),
        backtest=False,
    )
    assert found.verdict["action"] == "no-go"
    assert found.verdict["expected"]["go"] == pytest.approx(1e6, rel=0.01)
    assert [one["name"] for one in found.next_run["options"]] == ["quick"]
    assert "slow takes 30 days" in found.next_run["notes"][0]
    page = pages.render(found.to_dict())
    assert "Least expected loss decides" in page
    assert {"question/stakes/met", "question/stakes/wait"} <= set(re.findall(r'data-path="([^"]+)"', page))


def test_waiting_for_runs_that_tell_nothing_is_told() -> None:
    candidates = [{"name": "tiny", "params": "100M", "tokens": "2B", "cost": 1e9}]
    stakes = {"met": -10.0, "missed": 10.0, "wait": 1e-6}
    goal = float(reviewed().outcome["median"])
    cost = {"currency": "USD"}
    found = bs.review(
        fitted(),
        plan(targets={"loss": goal}, stakes=stakes, candidates=candidates, cost=cost),
        backtest=False,
    )
    assert found.verdict["action"] == "wait"
    assert not found.next_run["worth_it"]["yes"]
    page = pages.render(found.to_dict())
    assert words.WAIT_FOR_NOTHING in page
    assert re.search(r"tiny is expected to gain (nothing|\S+ USD) and costs 1e\+09 USD", page)


def test_fixed_sizes_are_not_called_a_flat_optimum() -> None:
    one = pages.render(bs.review(known(), plan(cost={"sizes": ["70B"]}), backtest=False).to_dict())
    assert "The optimum is flat" not in one
    assert "No other size that can be trained" in one
    wide = pages.render(bs.review(known(), plan(), backtest=False).to_dict())
    assert "The optimum is flat" in wide
    assert "at most" not in Page(wide).text.partition("Budget for")[2].partition("</div>")[0]


def test_sensitivity_starts_from_the_numbers_of_the_page(monkeypatch) -> None:
    """The fits themselves are tested elsewhere: here, what is asked of them, and what is done with them."""
    asked, steps = [], []

    def refit(law, runs, **_: Any) -> Any:
        asked.append((law.name, len(runs)))
        if len(asked) == 1:
            raise RunsError("too few runs")
        return known({**TRUTH, "E": TRUTH["E"] + 0.05})

    monkeypatch.setattr(import_module("bayes_scaling.decide.sensitivity"), "fit", refit)
    left_out = bs.review(known(), plan(), backtest=False).sensitivity
    assert "not asked for" in left_out["skipped"]
    found = bs.review(
        known(),
        plan(review={"sensitivity": True}),
        backtest=False,
        progress=lambda done, total, what: steps.append((done, total, what)),
    )
    first, narrow, *others = found.sensitivity["each"]
    assert (first["change"], first["probability"], first["median"]) == (
        "none", found.verdict["probability"], found.outcome["median"],
    )  # fmt: skip
    assert narrow["problem"] == "too few runs"
    assert [count for _, count in asked] == [60, 60, 40, 40, 40, 48]
    assert all(one["shift"] == pytest.approx(0.05, abs=0.002) for one in others)
    assert steps[0] == (0, 6, "priors 0.5 times as wide")
    page = Page(pages.render(found.to_dict()))
    shown = {attributes["data-path"] for attributes, _ in page.numbers}
    assert {"sensitivity/each/0/probability", "sensitivity/each/5/shift"} <= shown
    assert "not possible: too few runs" in page.text
    asked.clear()
    whole = bs.Average((known(), known({**TRUTH, "E": TRUTH["E"] + 0.1})), (0.5, 0.5))
    mixed = bs.review(whole, plan(), backtest=False, sensitivity=True).sensitivity["each"]
    assert [one["change"] for one in mixed[:3]] == ["none", "only chinchilla", "only chinchilla"]
    assert len(asked) == 11, "two laws for each of six changes, of which one failed at the first"


def test_a_target_that_is_met_anyway() -> None:
    found = bs.review(known(), plan(targets={"loss": 6.0}), backtest=False)
    assert found.outcome["reach"]["at_most"]
    assert "at most " in pages.render(found.to_dict()).partition("Budget for")[2].partition("</div>")[0]


def test_laws_without_size_and_data_leave_sections_out() -> None:
    posterior = bs.fit("power_law", bs.read_runs(power_table()), structure=None, settings=FEW)
    asked = {"run": {"x": 1e6}, "targets": {"y": 0.2}, "better": "lower"}
    with pytest.raises(PlanError, match="is a low or a high 'y' better"):
        bs.review(posterior, {k: v for k, v in asked.items() if k != "better"}, backtest=False)
    found = bs.review(posterior, asked, backtest=False, allow_failed=True)
    assert "no parameters and tokens" in found.allocation["skipped"]
    assert found.question["cost"] is None
    assert found.outcome["regret"] is None
    assert found.picture["x"] == "x"
    assert found.outcome["median"] == pytest.approx(3 * 1e6**-0.2, rel=0.05)
    assert "Cost of the run" not in pages.render(found.to_dict())


def test_a_regret_that_is_not_known_is_told(monkeypatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise DecisionError("no size fits")

    monkeypatch.setattr(_evidence, "regret", never)
    found = bs.review(fitted(), plan(), backtest=False)
    assert found.outcome["regret"] == {"skipped": "no size fits"}
    assert "is not known: no size fits." in pages.render(found.to_dict())


def test_a_table_too_small_for_a_backtest_says_so() -> None:
    found = bs.review(fitted(), plan(), factors=(1e9,))
    assert "leaves 0 runs, fewer than six" in found.backtest["skipped"]


def test_failed_diagnostics_refuse_or_show() -> None:
    bad = replace(fitted(), diagnostics=replace(fitted().diagnostics, problems=("R-hat 1.5",)))
    with pytest.raises(DiagnosticsRefused):
        bs.review(bad, plan(), backtest=False)
    told = bs.review(bad, plan(), backtest=False, allow_failed=True)
    assert told.alarms == ("The sampler's diagnostics failed for chinchilla.",)
    assert told.record.settings["alarms"] == told.to_dict()["alarms"] == list(told.alarms)
    assert told.alarms[0] in Page(pages.render(told.to_dict())).words
    assert reviewed().alarms == ()
    assert "diagnostics failed" not in pages.render(reviewed().to_dict())


# ------------------------------------------------------------------------------------------------- page


class Page(HTMLParser):
    """What a browser would see: marked numbers, tags, scripts by their id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.numbers: list[tuple[dict[str, Any], str]] = []
        self.tags: list[tuple[str, dict[str, Any]]] = [("", {})]
        self.text = text
        self.scripts: dict[str | None, str] = {}
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        tag, attributes = self.tags[-1]
        if tag == "script":
            name = attributes.get("id")
            self.scripts[name] = self.scripts.get(name, "") + data
        elif tag == "data" and not (self.numbers and self.numbers[-1][0] is attributes):
            self.numbers.append((attributes, data))
        self.words.append(data)


def at(record: Any, path: str) -> Any:
    for step in path.split("/"):
        record = record[int(step) if isinstance(record, list) else step]
    return record


@pytest.fixture(scope="module")
def seen() -> Page:
    return Page(pages.render(reviewed().to_dict()))


def test_every_number_of_the_page_is_the_records(seen) -> None:
    record = json.loads(json.dumps(reviewed().to_dict()))
    assert json.loads(seen.scripts["review"]) == record
    assert len(seen.numbers) > 80
    for attributes, text in seen.numbers:
        value = at(record, attributes["data-path"])
        assert float(attributes["value"]) == value, attributes
        plain = (
            text.replace("\N{MINUS SIGN}", "-")
            .replace("\N{NO-BREAK SPACE}", "")
            .replace("\N{THIN SPACE}", "")
        )
        if re.fullmatch(r"[-+]?\d+(\.\d+)?%?", plain):  # what needs no table of suffixes
            said = float(plain.rstrip("%")) / (100 if plain.endswith("%") else 1)
            assert said == pytest.approx(value, rel=0.02, abs=0.006), attributes
    paths = {attributes["data-path"] for attributes, _ in seen.numbers}
    assert {"verdict/probability", "outcome/median", "alternatives/each/1/plan_better"} <= paths


def test_charts_show_numbers_of_the_record(seen) -> None:
    charts, found = json.loads(seen.scripts["charts"]), reviewed()
    assert set(charts) == {"outcome", "forecast", "variance", "backtest", "alternatives", "allocation"}

    def rows(name: str) -> list[dict[str, Any]]:
        return [row for values in charts[name]["datasets"].values() for row in values]

    known = {point["q50"] for point in (*found.picture["curve"], *found.picture["planned"])}
    shown = {row["q50"] for row in rows("forecast") if "q50" in row}
    assert shown == known
    assert {row["outcome"] for row in rows("outcome") if "outcome" in row} == set(found.outcome["dots"])
    assert sum(row["share"] for row in rows("variance")) == pytest.approx(1.0)
    assert all("$schema" not in spec for spec in charts.values())


def test_what_comes_from_data_is_escaped(seen) -> None:
    page = seen.text
    assert EVIL not in page
    assert "<img src=x" not in page
    assert "&lt;b&gt;tokens&lt;/b&gt;" in page
    assert [tag for tag, _ in seen.tags].count("script") == 4
    assert seen.words.count(EVIL) >= 1


def test_the_page_needs_nothing_from_elsewhere(seen) -> None:
    for tag, attributes in seen.tags:
        for name in ("src", "href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert "@import" not in seen.text
    assert len(seen.text.encode()) < 2e6
    ids = {attributes["id"] for _, attributes in seen.tags if "id" in attributes}
    links = {a["href"] for tag, a in seen.tags if tag == "a" and a.get("href", "").startswith("#")}
    assert {link.removeprefix("#") for link in links} <= ids


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        (0.9995, "percent", "> 99 %"), (0.004, "percent", "< 1 %"), (1.0, "percent", "100 %"),
        (0.835, "percent", "84 %"), (5.88e23, "power", "5.88 × 10²³"), (1e21, "power", "10²¹"),
        (7e10, "size", "70B"), (12000, "count", "12 000"), (2.34, "times", "2.3 times"),
        (0.021, "relative", "2.1 %"),
        (-0.006, "bias", "-0.6 %"), (0.5, "signed", "+0.500"),
    ],
)  # fmt: skip
def test_numbers_as_people_read_them(value, style, text) -> None:
    found = words.STYLES[style](value).replace("\N{NO-BREAK SPACE}", " ").replace("\N{THIN SPACE}", " ")
    assert found == text


def test_outcomes_have_digits_that_their_spread_deserves() -> None:
    assert [words.decimals(sd) for sd in (0.026, 0.26, 3.0, 1e-9, 0.0, float("nan"))] == [3, 2, 1, 6, 3, 3]


# --------------------------------------------------------------------------------------- files, command


def test_page_and_record_are_written(tmp_path) -> None:
    out, record = tmp_path / "review.html", tmp_path / "record.json"
    found = bs.review(fitted(), plan(), backtest=past(), out=out, record=record)
    kept = report.read_record(record)
    assert kept.sha256 == found.record.sha256
    assert kept.data_hash == fitted().runs.hash
    assert kept.sha256 in out.read_text(encoding="utf-8")
    with pytest.raises(report.RecordError, match="never replaced"):
        bs.review(fitted(), plan(), backtest=False, record=record)
    with pytest.raises(report.PageError, match=r"expected \.html"):
        bs.review(fitted(), plan(), out=tmp_path / "review.pdf")
    with pytest.raises(report.PageError, match="no folder"):
        bs.review(fitted(), plan(), out=tmp_path / "none" / "review.html")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    made = typer.Typer(cls=_Group)
    _cli_review.register(made)
    made.command("other")(lambda: None)  # one command alone would lose its name
    folder = tmp_path_factory.mktemp("review")
    save(fitted(), folder / "fit.nc")
    text = 'family = "a"\n[run]\nparams = "70B"\ntokens = "1.4T"\n[targets]\nloss = 2.0\n'
    (folder / "plan.toml").write_text(text)
    (folder / "zero.toml").write_text(text.replace('"1.4T"', "0"))

    def call(*options: str, plan: str = "plan.toml", data: str = "fit.nc"):
        start = ["review", str(folder / data), "--plan", str(folder / plan)]
        return CliRunner().invoke(made, [*start, *options])

    call.folder = folder  # type: ignore[attr-defined]
    return call


def test_command(app) -> None:
    folder = app.folder
    page, record = folder / "r.html", folder / "r.json"
    done = app("--no-backtest", "--json", "--out", str(page), "--record", str(record))
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    seen = Page((folder / "r.html").read_text(encoding="utf-8"))
    assert json.loads(seen.scripts["review"]) == answer
    assert answer["record"]["sha256"] == report.read_record(folder / "r.json").sha256
    assert answer["repeat"]["command"].startswith("bayes-scaling review ")
    assert answer["repeat"]["command"].endswith("--no-backtest --json")
    assert "Wrote the page" in done.stderr
    again = app("--no-backtest", "--json")
    assert json.loads(again.stdout)["outcome"] == answer["outcome"]


def test_a_record_is_entered_so_that_a_change_is_detected(app, tmp_path) -> None:
    record, kept = tmp_path / "r.json", tmp_path / "team.sqlite3"
    done = app("--no-backtest", "--json", "--record", str(record), "--ledger", str(kept))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["record"]["ledger"] == str(kept)
    found = report.read_ledger(kept)
    assert (found.records, found.awaiting, found.outcomes) == (1, 1, ())
    told = report.read_record(record)
    changed = parse_record(to_json(replace(told, note="another")))  # edited, and hashed anew
    with pytest.raises(report.LedgerError, match="this record was changed: the ledger knows record"):
        report.append(changed, [report.judge(changed, "loss", 2.0)], path=kept)
    report.append(told, [report.judge(told, "loss", 2.0)], path=kept)
    assert report.read_ledger(kept).awaiting == 0
    assert not report.default_path().exists()


def test_the_default_ledger_and_none(app, tmp_path) -> None:
    done = app("--no-backtest", "--json", "--record", str(tmp_path / "a.json"))
    assert done.exit_code == 0, done.output
    assert "Entered the record in the ledger" in done.stderr
    assert report.read_ledger().records == 1
    done = app("--no-backtest", "--json", "--record", str(tmp_path / "b.json"), "--no-ledger")
    assert json.loads(done.stdout)["record"]["ledger"] is None
    assert report.read_ledger().records == 1


def test_command_for_people(app) -> None:
    done = app("--no-backtest", "--out", str(app.folder / "people.html"))
    assert done.exit_code == 0, done.output
    assert "with probability" in done.stdout
    assert "Median" in done.stdout
    text = (app.folder / "plan.toml").read_text() + "[stakes]\nmet = -5e6\nmissed = 2e6\n"
    (app.folder / "stakes.toml").write_text(text + '[cost]\ncurrency = "USD"\n')
    done = app("--no-backtest", "--out", str(app.folder / "people.html"), plan="stakes.toml")
    said = "the stakes: met -5M USD, missed 2M USD, no-go 0 USD, wait 0 USD"
    assert said in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("options", "plan", "message"),
    [
        ((), "plan.toml", "say --out review.html, or --json"),
        (("--json",), "zero.toml", "[run]: tokens is 0"),
        (("--json",), "none.toml", "cannot read the plan"),
        (("--out", "review.txt"), "plan.toml", "expected .html"),
        (("--json", "--record", __file__), "plan.toml", "never replaced"),
        (("--json", "--ledger", "l.sqlite3"), "plan.toml", "say --record FILE too"),
        (("--json", "--record", "r.json", "--ledger", __file__), "plan.toml", "not a ledger"),
        (("--json", "--record", "r.json", "--ledger", "none/l.db"), "plan.toml", "for the ledger; make it"),
        (("--json", "--record", "r.json", "--ledger", "l", "--no-ledger"), "plan.toml", "contradict"),
        (("--json", "--factors", "8,x"), "plan.toml", "--factors 8,x"),
        (("--json", "--law", "kaplan_nd"), "plan.toml", "a posterior of law 'chinchilla'"),
    ],
)
def test_command_refuses_with_one_line(app, options, plan, message) -> None:
    done = app(*options, plan=plan)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


@pytest.mark.usefixtures("_no_sampling")
def test_a_bad_plan_is_refused_before_the_sampler_starts(app) -> None:
    chinchilla_table().to_csv(app.folder / "runs.csv", index=False)
    for options in ((), ("--law", "chinchilla")):
        done = app("--json", *options, data="runs.csv", plan="zero.toml")
        assert (done.exit_code, done.stderr) == (
            2,
            "error: [run]: tokens is 0, expected a positive finite number\n",
        )


@pytest.mark.usefixtures("_no_sampling")
def test_a_table_is_not_sampled_for_a_bad_plan() -> None:
    runs = bs.read_runs(chinchilla_table())
    for laws in (None, ["chinchilla"]):
        with pytest.raises(PlanError, match=r"\[run\]: tokens is 0"):
            bs.review(runs, plan(run={"params": 7e10, "tokens": 0}), laws=laws)
    with pytest.raises(PlanError, match=r"family 'd' is not in the table; .*known: a, b, c, new"):
        bs.review(runs, plan(family="d"))


def test_missing_packages_are_named(app, monkeypatch) -> None:
    monkeypatch.setattr(pages, "NEEDED", {"no_such_module": "no-such-package"})
    done = app("--out", "review.html")
    assert done.exit_code == 2
    assert "needs no-such-package, which is not installed: pip install 'bayes_scaling[report]'" in done.stderr
