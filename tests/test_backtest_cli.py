"""The commands ``backtest`` and ``compare``, forecasts of several laws, and the picture of a backtest."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _simulate import power_table
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import _render, cells
from bayes_scaling.cells import Split
from bayes_scaling.cli import app
from bayes_scaling.plot import PlotError
from bayes_scaling.plot.prior import from_prior

RUN = CliRunner()
LAWS = ("--laws", "power_law,power_law_offset", "--no-structure")
FEW = ("--chains", "2", "--warmup", "100", "--draws", "100")
NAMES = ("power_law", "power_law_offset")


def run(*arguments: object):
    return RUN.invoke(app, [str(a) for a in arguments])


def refused(result, message: str) -> None:
    """One message, on standard error, and exit code 2."""
    assert result.exit_code == 2, (result.exit_code, result.stderr, result.exception)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert re.search(message, result.stderr, re.DOTALL), result.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    power_table().to_csv(folder / "runs.csv", index=False)
    return folder


@pytest.fixture(autouse=True)
def _in_home(home, monkeypatch) -> None:
    monkeypatch.chdir(home)


BACKTEST = ("backtest", "runs.csv", *LAWS, *FEW, "--factors", "8,30", "--resume", "cells")


@pytest.fixture(scope="module")
def answer(home) -> dict:
    """The answer to one backtest, whose finished cells stay in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        result = run(*BACKTEST, "--json")
    assert result.exit_code == 0, (result.stderr, result.exception)
    return json.loads(result.stdout)


# --- backtest ----------------------------------------------------------------------------------------------


def test_backtest_as_json(answer) -> None:
    assert set(answer) == {"axis", "splits", "overall", "advice", "notes"}
    assert answer["axis"] == "x"
    assert [(s["law"], s["factor"]) for s in answer["splits"]] == [
        (law, factor) for law in ("average", *NAMES) for factor in (8, 30)
    ]
    x = power_table()["x"]
    for one in answer["splits"]:
        assert (one["n_fit"], one["n_hidden"]) == tuple(
            int(side.sum()) for side in (x <= 1e4 / one["factor"], x > 1e4 / one["factor"])
        )
        assert set(one["coverage"]) == {"0.5", "0.8", "0.9", "0.95"}
        assert all(0 <= share <= 1 for share in one["coverage"].values())
        assert {"crps", "rmsle", "bias", "log_score"} <= set(one)
        assert one["rmsle"] >= abs(one["bias"])
    assert set(answer["overall"]) == {"average", *NAMES}
    assert answer["overall"]["power_law"]["rmsle"] < 0.05  # the truth is a power law with 1 % of noise


def test_backtest_for_people_goes_on_where_it_was(answer, home, monkeypatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a finished cell was computed again")

    monkeypatch.setattr(cells, "cell_of", never)
    result = run(*BACKTEST, "--plot", "backtest.png")
    assert result.exit_code == 0, (result.stderr, result.exception)
    assert max(map(len, result.stdout.splitlines())) <= 80
    words = " ".join(result.stdout.split())
    for word in ("All cuts", "Cut at 1/8 of the largest x", "Cut at 1/30", "RMSLE", *NAMES, answer["advice"]):
        assert word in words
    row = answer["overall"]["power_law"]
    assert f"power_law {100 * row['coverage']['0.5']:.0f} % {100 * row['coverage']['0.9']:.0f} %" in words
    assert (home / "backtest.png").read_bytes().startswith(b"\x89PNG")
    assert "backtest.png" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--factors", "8,x"), r"--factors 8,x: expected NUMBER"),
        (("--factors", "0.5"), r"above 1"),
        (("--factors", "1e5"), r"no cut of .* fewer than six"),
        (("--laws", "power_lw"), r"did you mean 'power_law'"),
        (("--laws", "power_law,"), r"empty name"),
        (("--laws", "power_law,power_law"), r"given twice"),
        (("--laws", "chinchilla"), r"params"),
        (("--plot", "x.docx"), r"no ending of a picture"),
        (("--resume", "runs.csv"), r"expected a folder"),
        (("--x", "size"), r"size"),
    ],
)
def test_bad_arguments_of_backtest(arguments, message) -> None:
    refused(run("backtest", "runs.csv", "--json", *arguments), message)


# --- compare -----------------------------------------------------------------------------------------------


def test_compare(capsys) -> None:
    result = run("compare", "runs.csv", *LAWS, *FEW, "--methods", "loo", "--json")
    assert result.exit_code == 0, (result.stderr, result.exception)
    found = json.loads(result.stdout)
    assert set(found) == {"methods", "notes"}
    rows = found["methods"]["loo"]
    assert {row["law"] for row in rows} == set(NAMES)
    assert rows[0]["elpd"] >= rows[1]["elpd"]
    assert rows[0]["difference"] == 0
    assert rows[0]["units"] == len(power_table())
    assert sum(row["weight"] for row in rows) == pytest.approx(1)

    _render.comparison(bs.Comparison(pd.DataFrame(rows).assign(method="loo"), ("a note",)))
    words = " ".join(capsys.readouterr().out.split())
    assert "Note: a note Leave one run out: mean log density of 14 units" in words
    for row in rows:
        assert f"{row['law']} {row['elpd']:.3g}" in words


def test_an_unknown_method_is_refused() -> None:
    refused(run("compare", "runs.csv", "--methods", "loo,larges"), "did you mean 'largest'")


# --- forecasts of several laws -----------------------------------------------------------------------------


def test_forecast_of_several_laws(home) -> None:
    command = ("forecast", "runs.csv", *LAWS, *FEW, "--at", "x=1e5", "--allow-failed")
    result = run(*command, "--json", "--plot", "average.png")
    assert result.exit_code == 0, (result.stderr, result.exception)
    answer = json.loads(result.stdout)
    assert set(answer) == {"law", "laws", "diagnostics", "forecasts", "notes"}
    carry = tuple(answer["laws"])  # a law that fails its diagnostics is left out, unless all do
    assert set(carry) <= set(NAMES)
    assert answer["law"] == " + ".join(carry)
    assert sum(answer["laws"].values()) == pytest.approx(1)
    assert tuple(answer["diagnostics"]["by_law"]) == carry
    worst = max(answer["diagnostics"]["by_law"].values(), key=lambda d: (not d["passed"], d["rhat"]))
    assert answer["diagnostics"]["rhat"] == worst["rhat"]
    assert answer["diagnostics"]["passed"] == worst["passed"]
    assert len(carry) + sum("was left out" in note for note in answer["notes"]) == 2
    one = answer["forecasts"][0]
    assert one["inputs"] == {"x": 1e5}
    assert one["median"] == pytest.approx(3 * 1e5**-0.2, rel=0.1)
    assert (home / "average.png").read_bytes().startswith(b"\x89PNG")

    words = run(*command).stdout
    assert max(map(len, words.splitlines())) <= 80
    for word in ("weight", "diagnostics", *carry, f"{1 / len(carry):.2f}", f"{one['median']:#.3g}"):
        assert word in words


def average(problems: dict[str, tuple[str, ...]], left_out: dict[str, str]) -> bs.Average:
    """Draws from the priors of laws, with diagnostics as given."""
    runs, found = bs.read_runs(power_table()), []
    for name, why in problems.items():
        prior = from_prior(bs.law(name), runs, draws=50)
        found.append(replace(prior, diagnostics=replace(prior.diagnostics, problems=why)))
    return bs.Average(tuple(found), (1.0,) * len(found), left_out)


def test_laws_that_failed_refuse_together_or_are_left_out(monkeypatch) -> None:
    command = ("forecast", "runs.csv", "--laws", ",".join(NAMES), "--at", "x=1e5")
    module = sys.modules["bayes_scaling.compare"]
    failed = average(dict.fromkeys(NAMES, ("the chains disagree",)), {})
    monkeypatch.setattr(module, "average", lambda *_, **__: failed)
    result = run(*command)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "no law passed its diagnostics" in result.stderr
    assert result.stderr.count("the chains disagree") == 2
    assert all(f"{name} FAILED" in result.stderr for name in NAMES)

    alone = average({"power_law": ()}, {"power_law_offset": "the chains disagree"})
    monkeypatch.setattr(module, "average", lambda *_, **__: alone)
    words = " ".join(run(*command).stdout.split())
    assert f"{bs.law('power_law').title} (1 of 2 left out)" in words
    assert "Note: law power_law_offset was left out: the chains disagree" in words


# --- the picture -------------------------------------------------------------------------------------------


def scored(laws: tuple[str, ...] = ("average", "a", "b")) -> bs.Backtest:
    """Three hidden runs at two cuts, one of them outside of its band."""
    rows = []
    for law in laws:
        for factor in (8.0, 30.0):
            for k, (truth, pit) in enumerate([(2.0, 0.5), (2.2, 0.2), (2.5, 0.99)]):
                rows.append({"law": law, "factor": factor, "row": k + 1, "observed": truth, "pit": pit})
    table = pd.DataFrame(rows).assign(q5=lambda t: 0.9 * t.observed, q95=lambda t: 1.1 * t.observed)
    missed = table["pit"] > 0.95
    table["q95"] = table["q95"].mask(missed, 0.97 * table["observed"])
    table["median"] = 0.95 * table["observed"]
    splits = tuple(Split(f, 1.0, np.arange(3), np.arange(3)) for f in (8.0, 30.0))
    return bs.Backtest(table, splits, "compute", ())


def test_the_picture_of_a_backtest(tmp_path) -> None:
    file = tmp_path / "backtest.png"
    left, right = bs.plot_backtest(scored(), path=file).axes
    assert file.stat().st_size > 10_000
    lines = {line.get_label(): line.get_xydata() for line in left.lines}
    assert {"average", "a", "b"} <= set(lines)
    ecdf = lines["average"]
    np.testing.assert_allclose(ecdf[[0, -1]], [[0, 0], [1, 0]], atol=1e-12)
    assert ecdf[:, 1].max() == pytest.approx(2 / 3 - 0.5)  # two of three at or below one half
    assert len({(line.get_color(), line.get_linestyle()) for line in left.lines}) >= 4

    points = [line for line in right.lines if line.get_marker() not in ("", "None")]
    assert sum(len(line.get_xydata()) for line in points) == 6  # of the average alone
    open_marks = [line for line in points if line.get_markerfacecolor() == "white"]
    assert sum(len(line.get_xydata()) for line in open_marks) == 2
    assert len({line.get_marker() for line in points}) == 2
    assert [t.get_text() for t in right.get_legend().get_texts()] == ["cut at 1/8", "cut at 1/30"]
    assert (right.get_xscale(), right.get_yscale()) == ("log", "log")
    assert "67 %" in "".join(t.get_text() for t in right.texts)


def test_the_picture_of_one_law_with_negative_values() -> None:
    one = scored(("only",))
    shifted = one.table.assign(**{c: one.table[c] - 3 for c in ("observed", "median", "q5", "q95")})
    left, right = bs.plot_backtest(bs.Backtest(shifted, one.splits, "x", ())).axes
    assert right.get_xscale() == "linear"
    assert "only" in {line.get_label() for line in left.lines}
    with pytest.raises(PlotError, match=r"expected one of .*\.png"):
        bs.plot_backtest(one, path="backtest.docx")
