"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import _laws
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import _arguments, _netcdf
from bayes_scaling import posterior as posterior_module
from bayes_scaling._files import write_whole
from bayes_scaling._options import in_options
from bayes_scaling._render_laws import law_lines, law_record
from bayes_scaling.cli import app
from bayes_scaling.laws import ALIASES, folder, variants
from bayes_scaling.plot.prior import from_prior
from bayes_scaling.posterior import Posterior
from bayes_scaling.storage import load, save

RUN = CliRunner()
AT = ("--at", "params=70e9,tokens=1.4e12")
FEW = ("--chains", "2", "--warmup", "100", "--draws", "100", "--allow-failed")
#: The numbers of one forecast, as the issue of the package fixed them.
FORECAST = {"inputs", "family", "target", "median", "mean", "sd", "quantiles", "variance"}


def run(*arguments: object):
    return RUN.invoke(app, [str(a) for a in arguments])


def table(rows: int = 10) -> pd.DataFrame:
    """Runs of two families on the published Chinchilla law."""
    rng = np.random.default_rng(2)
    n, d = np.geomspace(5e7, 8e9, rows), np.geomspace(2e9, 1.6e11, rows) * rng.uniform(0.3, 3, rows)
    loss = (1.8172 + 482.01 * n**-0.3478 + 2085.43 * d**-0.3658) * np.exp(0.005 * rng.standard_normal(rows))
    return pd.DataFrame({"family": ["a", "b"] * (rows // 2), "params": n, "tokens": d, "loss": loss})


def write(file: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with a table, and posteriors that passed and failed their diagnostics (draws of the prior)."""
    folder = tmp_path_factory.mktemp("home")
    write(folder / "runs.csv", table())
    posterior = from_prior(bs.law("chinchilla"), bs.read_runs(table()), draws=300)
    for name, problems in (("passed", ()), ("failed", ("R-hat 1.5 > 1.01: the chains disagree",))):
        judged = replace(posterior, diagnostics=replace(posterior.diagnostics, problems=problems))
        save(judged, folder / f"{name}.nc")
    return folder


@pytest.fixture(autouse=True)
def _in_home(home, monkeypatch) -> None:
    monkeypatch.chdir(home)


# --- what needs no data ------------------------------------------------------------------------------------


def test_laws_as_json() -> None:
    result = run("laws", "--json")
    assert result.exit_code == 0
    records = json.loads(result.stdout)
    assert [r["name"] for r in records] == list(bs.laws())
    keys = {"name", "title", "folder", "predicts", "inputs", "parameters", "variants", "reference"}
    assert all(keys <= set(r) for r in records)
    chinchilla = next(r for r in records if r["name"] == "chinchilla")
    assert chinchilla["folder"] == "pretraining"
    assert [i["name"] for i in chinchilla["inputs"]] == ["params", "tokens"]
    assert [p["name"] for p in chinchilla["parameters"]] == ["E", "A", "alpha", "B", "beta"]
    assert chinchilla["parameters"][0]["prior"] == list(bs.law("chinchilla").parameter("E").interval)
    assert chinchilla["reference"]["year"] == 2022
    assert [v["name"] for v in chinchilla["variants"]] == ["chinchilla"]
    henighan = next(r for r in records if r["name"] == "henighan")
    assert [v["name"] for v in henighan["variants"]] == ["henighan", *(f"henighan:{k}" for k in (2, 3, 4))]


def test_laws_for_people() -> None:
    result = run("laws")
    assert result.exit_code == 0
    folders = dict.fromkeys(folder(name) for name in bs.laws())
    named = [line.split()[0] for line in result.stdout.splitlines()]
    expected = [name for f in folders for name in (f"{f}/", *(n for n in bs.laws() if folder(n) == f))]
    assert named == [*expected, "'bayes-scaling"], "a line a law, by folder"
    for name in bs.laws():
        assert bs.law(name).title in result.stdout


@pytest.mark.parametrize("width", [20, 60, 80, 100, 200])
def test_laws_fit_a_terminal(width) -> None:
    every = [(folder(name), bs.law(name)) for name in bs.laws()]
    lines = [line.plain for line in law_lines(every, width)]
    assert len(lines) == len(law_lines(every))
    assert max(map(len, lines)) <= width
    if width >= 60:
        assert [line.split()[0] for line in lines if line[0] == " "] == list(bs.laws())
        assert any(line.endswith("…") for line in lines) is (width < 200)
    chinchilla = next(line for line in lines if line.startswith("  chinchilla"[:width]))
    assert chinchilla.endswith("params, tokens") is (width >= 100)


@pytest.mark.parametrize(
    "name", ["chinchilla", "coverage_exp_power", "lr_annealing", "smoothly_broken_power_law:2"]
)
def test_describe(name) -> None:
    result = run("describe", name)
    assert result.exit_code == 0
    law = bs.law(name.split(":")[0])
    words = " ".join(result.stdout.split())
    assert law.reference.authors in words
    for symbol in (*law.inputs, *law.parameters):
        assert symbol.name in words
    assert json.loads(run("describe", name, "--json").stdout)["name"] == law.name


def test_describe_tells_priors_published_values_and_sources() -> None:
    words = " ".join(run("describe", "chinchilla").stdout.split())
    for word in ("0.155 to 0.58", "tight", "besiroglu2024", "1.82", "arXiv:2404.10102", "irreducible loss"):
        assert word in words
    one, two = (run("describe", f"smoothly_broken_power_law:{k}").stdout for k in (1, 2))
    assert "1 break" in one
    assert "2 breaks" in two


def lines_of(name: str) -> list[str]:
    return [" ".join(line.split()) for line in run("describe", name).stdout.splitlines()]


@pytest.mark.parametrize("name", ["henighan:2", "cmr_cpt:3", "passuntil_task_law", "error_vs_loss_exp"])
def test_describe_names_the_variants(name) -> None:
    told = lines_of(name)
    every = [bs.law(name.split(":")[0], k) for k in variants(name.split(":")[0])]
    assert len(every) > 1
    assert told[0].startswith(f"{name} (")
    for one in every:
        start = next(line for line in told if line.split(" ")[0] == one.label and line != told[0])
        assert start.removeprefix(one.label).strip() in one.title, "the title follows; long ones wrap"
        assert one.title in " ".join(told)
    assert "variant title" not in lines_of("chinchilla")
    assert "NAME:2" in run("describe", "--help").stdout


def test_describe_says_what_a_law_was_checked_on() -> None:
    assert "Checked on: parscale" in lines_of("parscale")
    assert "Checked on: not yet fitted to a public study" in lines_of("wd_layerwise")
    assert json.loads(run("describe", "parscale", "--json").stdout)["checked_on"] == ["parscale"]


def test_describe_as_json_is_complete() -> None:
    record, law = json.loads(run("describe", "chinchilla", "--json").stdout), bs.law("chinchilla")
    for key, one in law.published.items():
        expected = {"values": dict(one.values), "source": one.source, "tag": one.tag}
        assert record["published"][key] == expected
    assert len(record["published"]) == len(law.published) > 3
    assert [d["name"] for d in record["derived"]] == [d.name for d in law.derived]
    assert record["derived"][0]["of"] == ["alpha", "beta"]
    assert [(one["when"], one["becomes"]) for one in record["limits"]] == [
        (one.when, one.becomes) for one in law.limits
    ]
    assert record["notes"] == law.notes
    assert [(i["name"], i["unit"]) for i in record["inputs"]] == [(i.name, i.unit) for i in law.inputs]
    assert record["predicts"]["noise"] == "student"
    second = json.loads(run("describe", "henighan:2", "--json").stdout)
    assert (second["name"], second["variant"]) == ("henighan", 2)
    assert second["variants"][1] == {"name": "henighan:2", "title": second["title"]}


def test_every_law_is_described() -> None:
    for name, variant in _laws.cases():
        one = bs.law(name, variant)
        record = law_record(folder(name), one, variants(name))
        json.dumps(record, allow_nan=False)
        assert record["variants"][variant - 1]["title"] == one.title == record["title"]


def test_datasets() -> None:
    assert "pile-families" in run("datasets").stdout
    records = json.loads(run("datasets", "--json").stdout)
    assert records[0]["name"] == "pile-families"
    assert "2304.03208" in records[0]["citation"]
    assert [one["embedded"] for one in records] == [True] + [False] * (len(records) - 1)
    assert "fetched" in run("datasets").stdout
    one = " ".join(run("datasets", "chinchilla-epoch").stdout.split())
    assert "epoch_excluded" in one
    assert "epoch-research/analyzing-chinchilla/raw/9225883" in one
    assert json.loads(run("datasets", "chinchilla-epoch", "--json").stdout)["licence"] == "none stated"
    unknown = run("datasets", "chinchila-epoch")
    assert unknown.exit_code == 2
    assert "did you mean 'chinchilla-epoch'" in unknown.stderr


def test_help_and_version() -> None:
    commands = ("laws", "describe", "datasets", "fit", "forecast", "backtest", "compare", "allocate", "risk")
    for command in ((), *((one,) for one in (*commands, "transfer", "priors", "score", "ledger"))):
        assert run(*command, "--help").exit_code == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", run("--version").stdout)


def test_python_m_and_no_pictures_for_a_list() -> None:
    code = (
        "import sys; from bayes_scaling.cli import main\ntry: main()\nexcept SystemExit as e: print(e.code)\n"
    )
    code += "print([m for m in ('matplotlib', 'arviz_stats', 'arviz') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, "laws"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["0", "[]"]
    done = subprocess.run(
        [sys.executable, "-m", "bayes_scaling", "describe", "chinchila"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no law 'chinchila'; did you mean 'chinchilla'?")
    assert "Traceback" not in done.stderr


# --- forecasts of a saved posterior ------------------------------------------------------------------------


def test_forecast_as_json_is_the_forecast() -> None:
    plans = [{"params": 70e9, "tokens": 1.4e12}, {"params": 1e9, "tokens": 2e10}]
    result = run(
        "forecast", "passed.nc", "--law", "chinchilla", "--json", "--at", "params=70B,tokens=1.4T",
        "--at", "params=1e9, tokens=2e10", "--group-value", "new", "--group-value", "a", "--seed", "3",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert set(answer) == {"law", "diagnostics", "forecasts", "notes"}
    assert answer["law"] == "chinchilla"
    assert answer["diagnostics"]["passed"] is True
    assert answer["diagnostics"]["rhat"] is None  # one chain has none, and JSON has no NaN
    assert any("e-folds" in note for note in answer["notes"])
    pairs = [(f["inputs"]["params"], f["family"]) for f in answer["forecasts"]]
    assert pairs == [(70e9, "new"), (70e9, "a"), (1e9, "new"), (1e9, "a")]
    for one in answer["forecasts"]:
        assert set(one) == FORECAST
        assert one["target"] == "new_run"
        assert set(one["quantiles"]) == {"0.05", "0.25", "0.5", "0.75", "0.95"}
        assert {"parameter", "seed", "evaluation"} <= set(one["variance"])
        assert sum(one["variance"].values()) == pytest.approx(one["sd"] ** 2)
    expected = bs.forecast(
        load("passed.nc"), [plans[0], plans[0], plans[1], plans[1]], family=["new", "a", "new", "a"], seed=3
    )
    assert [f["median"] for f in answer["forecasts"]] == pytest.approx(expected.median)


def test_forecast_for_people(home) -> None:
    result = run("forecast", "passed.nc", *AT, "--group-value", "a", "--plot", "out.png", "--target", "mean")
    assert result.exit_code == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 80
    made = bs.forecast(load("passed.nc"), {"params": 70e9, "tokens": 1.4e12}, family="a", target="mean")
    words = result.stdout.split()
    for word in ("70B", "1.4T", "a", f"{made.median[0]:#.3g}", f"{made.quantile(0.95)[0]:#.3g}", "parameter"):
        assert word in words
    assert "Diagnostics passed" in result.stdout
    assert "loss (nat/token) of mean curve" in result.stdout
    assert (home / "out.png").read_bytes().startswith(b"\x89PNG")
    assert "out.png" in result.stderr


def test_compute_stands_in_for_one_of_params_and_tokens() -> None:
    result = run("forecast", "passed.nc", "--at", "params=70e9,compute=5.88e23", "--json")
    inputs = json.loads(result.stdout)["forecasts"][0]["inputs"]
    assert inputs["tokens"] == pytest.approx(1.4e12)


def test_failed_diagnostics_refuse() -> None:
    result = run("forecast", "failed.nc", *AT, "--json")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "the chains disagree" in result.stderr
    assert "--allow-failed" in result.stderr
    result = run("forecast", "failed.nc", *AT, "--json", "--allow-failed")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["diagnostics"]["passed"] is False


# --- with the sampler --------------------------------------------------------------------------------------


def test_fit_then_forecast(home) -> None:
    write(home / "one.csv", table().drop(columns="family"))
    how = ("--prior", "E=0.9,2.6", "--no-structure")
    fitted = run("fit", "one.csv", "-l", "chinchilla", "-o", "one.nc", *FEW[:-1], *how)
    assert fitted.exit_code == 0, fitted.stderr
    for word in ("Diagnostics", "alpha", "seed_sd", "R-hat"):
        assert word in fitted.stdout
    posterior = load(home / "one.nc")
    assert posterior.law.parameter("E").interval == (0.9, 2.6)
    kept = posterior.settings
    assert replace(kept, target_accept=None) == bs.Settings(chains=2, warmup=100, draws=100)

    options = (*AT, *FEW, *how, "--json")
    whole = run(
        "forecast", "one.csv", "--law", "chinchilla", *options, "--out", "two.nc", "--plot", "one.pdf"
    )
    assert whole.exit_code == 0, whole.stderr
    from_table = json.loads(whole.stdout)
    from_file = json.loads(run("forecast", "one.nc", *AT, "--allow-failed", "--json").stdout)
    assert from_table == from_file
    assert from_table["forecasts"][0]["family"] == "all"
    assert 1.5 < from_table["forecasts"][0]["median"] < 2.3
    assert isinstance(load(home / "two.nc"), Posterior)
    assert (home / "one.pdf").read_bytes().startswith(b"%PDF")


def test_an_input_is_called_by_the_column_that_feeds_it(home) -> None:
    frame = table().assign(pf_days=lambda t: 6 * t.params * t.tokens / 8.64e19)[["pf_days", "loss"]]
    law, x = bs.law("power_law_offset"), {"x": "pf_days"}
    save(from_prior(law, bs.read_runs(frame), x, "loss", draws=50), home / "generic.nc")
    result = run("forecast", "generic.nc", "--at", "pf_days=1e4", "--allow-failed", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["forecasts"][0]["inputs"] == {"x": 1e4}
    refused(run("forecast", "generic.nc", "--at", "pf_day=1e4"), "did you mean 'pf_days'")


# --- bad input ---------------------------------------------------------------------------------------------

BAD_TABLES = {
    "negative": (
        table().assign(loss=lambda t: t.loss.mask(t.index == 3, -1.0)),
        r"loss: -1 in row 4; expected a positive number",
    ),
    "zero": (table().assign(tokens=lambda t: t.tokens.mask(t.index == 0, 0.0)), r"tokens.*row 1"),
    "infinite": (table().assign(params=lambda t: t.params.mask(t.index == 1, np.inf)), r"params.*row 2"),
    "text": (
        table().astype({"loss": object}).assign(loss=lambda t: t.loss.mask(t.index == 2, "x")),
        r"loss.*'x'",
    ),
    "percent": (table().assign(loss=lambda t: 100 * t.loss), r"loss"),
    "missing": (table().assign(loss=np.nan), r"loss|no row is complete"),
    "duplicates": (table().assign(run="r1"), r"run"),
    "nothing": (table()[["family"]], r"no column holds numbers"),
}


def refused(result, message: str) -> None:
    """One message, on standard error, and exit code 2."""
    assert result.exit_code == 2, (result.exit_code, result.stderr, result.exception)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert re.search(message, result.stderr, re.DOTALL), result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("_no_sampling")
@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_tables(kind, home) -> None:
    frame, message = BAD_TABLES[kind]
    file = write(home / f"bad_{kind}.csv", frame)
    refused(run("forecast", file, "--law", "chinchilla", *AT, "--json"), message)
    refused(run("fit", file, "--law", "chinchilla", "--out", "x.nc"), message)


@pytest.mark.usefixtures("_no_sampling")
def test_all_problems_of_a_table_at_once(home) -> None:
    frame = table().assign(loss=lambda t: t.loss.mask(t.index == 3, -1.0))
    file = write(home / "two.csv", frame.assign(tokens=lambda t: t.tokens.mask(t.index == 0, 0.0)))
    result = run("forecast", file, "--law", "chinchilla", *AT)
    refused(result, "loss")
    refused(result, "tokens")


@pytest.mark.usefixtures("_no_sampling")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pile-famlies", "--law", "chinchilla", *AT), r"'pile-famlies'; did you mean 'pile-families'\?"),
        (("rums.csv", "--law", "chinchilla", *AT), r"did you mean 'runs.csv'\? built in: pile-families"),
        (("pased.nc", *AT), r"did you mean 'passed.nc'"),
        (("runs.csv", "--law", "chinchila", *AT), r"no law 'chinchila'; did you mean 'chinchilla'"),
        (("runs.csv", "--law", "chinchilla:x", *AT), r"variant"),
        (("runs.csv", "--law", "chinchilla:2", *AT), r"no variant 2"),
        (("runs.csv", *AT, "--out", "x.nc"), r"--out needs one law.* 2: chinchilla, .*say --law NAME"),
        (("runs.csv", *AT, "--prior", "E=1,2"), r"--prior needs one law"),
        (("runs.csv", *AT, "--law", "chinchilla", "--laws", "kaplan_nd"), r"--law names one; give one"),
        (("runs.csv", *AT, "--law", "chinchilla", "--weights", "stacking"), r"--weights is about several"),
        (("runs.csv", *AT, "--weights", "stackin"), r"did you mean 'stacking'"),
        (("runs.csv", *AT, "--laws", "chinchilla,kaplan"), r"no law 'kaplan'; did you mean 'kaplan"),
        (("runs.csv", "--at", "params=70e9,token=1e12"), r"the laws chinchilla, .* did you mean 'tokens'"),
        (("runs.csv", "--at", "params=70e9"), r"lacks the input 'tokens'"),
        (("runs.csv", *AT, "--group-value", "c"), r"no such family"),
        (("names.csv", *AT), r"no default law fits this table.*found the columns score"),
        (("runs.csv", "--law", "chinchilla", "--at", "params=70e9"), r"lacks the input 'tokens'"),
        (("runs.csv", "--law", "chinchilla", "--at", "params=70e9,token=1e12"), r"did you mean 'tokens'"),
        (("runs.csv", "--law", "chinchilla", "--at", "params=abc,tokens=1"), r"'abc' is not a number"),
        (("runs.csv", "--law", "chinchilla", "--at", "params=0,tokens=1e9"), r"expected a positive"),
        (("runs.csv", "--law", "chinchilla", "--at", "params=-1,tokens=1e9"), r"expected a positive"),
        (("runs.csv", "--law", "chinchilla", "--at", "params=nan,tokens=1e9"), r"'nan' is not a number"),
        (("runs.csv", "--law", "chinchilla", "--at", "params=inf,tokens=1e9"), r"'inf' is not a number"),
        (("runs.csv", "--law", "chinchilla", "--at", "params=1,000,tokens=1"), r"expected NAME=VALUE.*'000'"),
        (("runs.csv", "--law", "chinchilla", "--at", "params=1,params=2"), r"'params' is given twice"),
        (
            ("runs.csv", "--law", "chinchilla", *AT, "--group-value", "c"),
            r"no such family; .*known: a, b, new",
        ),
        (
            ("pile-families", "--law", "chinchilla", *AT, "--group-value", "opt"),
            r"no such family",
        ),  # no losses
        (("runs.csv", "--law", "chinchilla", *AT, "--target", "men"), r"did you mean 'mean'"),
        (("runs.csv", "--law", "chinchilla", *AT, "--group", "famly"), r"famly.*did you mean 'family'"),
        (("runs.csv", "--law", "chinchilla", *AT, "--column", "loss=los"), r"'los'; did you mean 'loss'"),
        (("runs.csv", "--law", "chinchilla", *AT, "--column", "loss"), r"expected NAME=VALUE"),
        (("runs.csv", "--law", "chinchilla", *AT, "--unit", "tokens=parsec"), r"unknown unit 'parsec'"),
        (("runs.csv", "--law", "chinchilla", *AT, "--prior", "E=1"), r"expected two numbers"),
        (("runs.csv", "--law", "chinchilla", *AT, "--prior", "E=2,1"), r"must increase"),
        (("runs.csv", "--law", "chinchilla", *AT, "--prior", "alfa=1,2"), r"did you mean 'alpha'"),
        (("runs.csv", "--law", "chinchilla", *AT, "--x", "compute"), r"has 2 inputs; say --column params="),
        (("runs.csv", "--law", "power_law", "--at", "x=1e24", "--x", "comput"), r"did you mean 'compute'"),
        (("runs.csv", "--law", "power_law", "--at", "x=1", "--x", "params", "--y", "los"), r"mean 'loss'"),
        (("runs.csv", "--law", "chinchilla", *AT, "--plot", "x.docx"), r"no ending of a picture"),
        (("runs.csv", "--law", "chinchilla", *AT, "--plot", "no/x.png"), r"no folder"),
        (("runs.csv", "--law", "chinchilla", *AT, "--out", "no/x.nc"), r"no folder"),
        (("runs.csv", "--law", "chinchilla", *AT, "--out", "."), r"is a folder"),
        ((".", "--law", "chinchilla", *AT), r"is a folder"),
        (("empty.csv", "--law", "chinchilla", *AT), r"is empty"),
        (("noise.csv", "--law", "chinchilla", *AT), r"noise.csv"),
        (("runs.xyz", "--law", "chinchilla", *AT), r"no known ending"),
        (("broken.nc", *AT), r"broken.nc"),
        (("runs.nc", *AT), r"runs.nc"),
        (("passed.nc", *AT, "--law", "kaplan_nd"), r"of law 'chinchilla', not of 'kaplan_nd'"),
        (("passed.nc", *AT, "--prior", "E=1,2"), r"--prior cannot change the saved posterior"),
        (("passed.nc", *AT, "--no-structure"), r"--no-structure cannot change the saved posterior"),
        (("passed.nc", *AT, "--laws", "chinchilla"), r"--laws cannot change the saved posterior"),
        (("passed.nc", *AT, "--group-value", "c"), r"no such family"),
        (("passed.nc", "--at", "params=1e9"), r"lacks the input 'tokens'"),
        (("runs.csv", "--law", "lr_annealing", "--at", "step=10,schedule=none.txt"), r"none.txt"),
        (
            ("runs.csv", "--law", "lr_annealing", "--at", "step=10,schedule=noise.csv"),
            r"one learning rate per",
        ),
        (("runs.csv", "--law", "lr_annealing", "--at", "step=10"), r"lacks the input 'schedule'"),
    ],
)
def test_bad_arguments(arguments, message, home) -> None:
    (home / "empty.csv").write_text("")
    (home / "names.csv").write_text("score\n1\n2\n3\n")
    (home / "noise.csv").write_bytes(bytes(range(256)) * 4)
    (home / "runs.xyz").write_text("a,b\n1,2\n")
    (home / "broken.nc").write_bytes((home / "passed.nc").read_bytes()[:5000])
    (home / "runs.nc").write_bytes((home / "runs.csv").read_bytes())
    refused(run("forecast", *arguments, "--json"), message)


SMALL = ("next", "runs.csv", *AT, "--candidate", "params=1B,tokens=2B")
RISK = ("risk", "runs.csv", *AT, "--target", "loss=2")


@pytest.mark.usefixtures("_no_sampling")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("allocate", "runs.csv", "--budget", "1e22", "--group-value", "c"),
            r"no such family; .*known: a, b",
        ),
        ((*RISK, "--group-value", "c"), r"no such family; .*known: a, b, new"),
        ((*RISK, "--level", "1.5"), r"--level is 1\.5, expected a probability between 0 and 1"),
        ((*RISK, "--probability", "0"), r"--probability is 0, expected a probability"),
        ((*SMALL, "--group-value", "c"), r"no such family; .*known: a, b, new"),
        ((*SMALL, "--by", "value"), r"needs stakes"),
        ((*SMALL, "--width", "-1"), r"width is -1, expected a positive"),
        ((*SMALL, "--least", "-0.1"), r"least is -0\.1, expected 0 or more"),
    ],
)
def test_questions_that_cannot_be_answered_are_known_before_the_fit(arguments, message) -> None:
    refused(run(*arguments), message)


def test_a_posterior_is_no_table_for_fit() -> None:
    refused(
        run("fit", "passed.nc", "--law", "chinchilla", "--out", "x.nc"),
        "fit the table again|holds a posterior",
    )


@pytest.mark.usefixtures("_no_sampling")
@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_a_place_without_permission_is_known_before_the_fit(option, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    command = ("forecast", "runs.csv", "--law", "chinchilla", *AT, option, "x.png")
    refused(run(*command), r"x\.png' cannot be written: there is no permission")


def test_a_fit_that_cannot_be_saved_is_not_lost(home, monkeypatch, tmp_path) -> None:
    """The process ends with the command: what took long to fit is put among temporary files."""

    def full(path: Path, content: memoryview) -> None:
        if path.name == "full.nc":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, content)

    monkeypatch.setattr(_arguments, "fitted", lambda *_: load("passed.nc"))
    monkeypatch.setattr(_netcdf, "write_whole", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result = run("fit", "runs.csv", "--law", "chinchilla", "--out", "full.nc")
    refused(result, r"cannot save to 'full\.nc': the disk is full\. It was saved to '.*' instead\.")
    assert len(result.stderr.splitlines()) == 1
    (spare,) = tmp_path.rglob("*.nc")
    assert str(spare) in result.stderr
    assert load(spare).runs.hash == load("passed.nc").runs.hash
    assert not (home / "full.nc").exists()


@pytest.mark.usefixtures("_no_sampling")
def test_a_fit_beyond_the_memory_is_one_line(monkeypatch) -> None:
    monkeypatch.setenv("BAYES_SCALING_MEMORY", "1e6")
    result = run("fit", "runs.csv", "--law", "chinchilla", "--out", "x.nc")
    refused(result, r"a fit of 10 rows needs about .* of memory, and 1 MB are free: fit fewer")
    assert len(result.stderr.splitlines()) == 1


def test_usage_errors_end_with_two_as_well() -> None:
    wild = ("fit", "runs.csv", "-l", "chinchilla", "-o", "x.nc", "--seed", str(2**64))
    for arguments in (("forcast",), ("fit",), ("forecast", "runs.csv"), ("fit", "--chains", "0"), wild):
        assert run(*arguments).exit_code == 2


def test_implausible_tokens_are_a_note_and_not_an_error(home) -> None:
    """Tokens in billions by mistake: the forecast is made, the guess is told."""
    runs = bs.read_runs(table().assign(tokens=lambda t: t.tokens / 1e9))
    save(from_prior(bs.law("chinchilla"), runs, draws=50), home / "billions.nc")
    result = run("forecast", "billions.nc", *AT, "--allow-failed", "--json")
    assert result.exit_code == 0, result.stderr
    assert any("billion" in note for note in json.loads(result.stdout)["notes"])
    people = run("forecast", "billions.nc", *AT, "--allow-failed")
    assert "given in billions? say --unit 'tokens=billion token'" in " ".join(people.stdout.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("say inputs={'x': 'compute'}; known: loss", "say --x compute; known: loss"),
        ("say inputs={'params': 'size'}", "say --column params=size"),
        ("say response='bpb'", "say --y bpb"),
        ("(in percent? say units={'accuracy': 'percent'})", "(in percent? say --unit accuracy=percent)"),
        ("units['tokens']: unknown unit 'parsec'", "--unit tokens: unknown unit 'parsec'"),
        (
            "none; say read_runs(..., schedules={name: rates})",
            "none; in JSON lines, a column 'schedule' may hold lists of rates",
        ),
        ("fit fewer rows, or say structure=None", "fit fewer rows, or say --no-structure"),
    ],
)
def test_messages_say_what_to_do_in_options(text, expected) -> None:
    assert in_options(text) == expected


@pytest.mark.usefixtures("_no_sampling")
def test_the_table_is_not_overwritten(home) -> None:
    before = (home / "runs.csv").read_bytes()
    for command in (("fit",), ("forecast", *AT)):
        result = run(command[0], "runs.csv", "-l", "chinchilla", "-o", home / "runs.csv", *command[1:])
        refused(result, r"runs\.csv' is what is read; choose another name")
    assert (home / "runs.csv").read_bytes() == before


def test_an_unknown_law_is_answered_in_one_short_line() -> None:
    for name in ("chinchila", "zzz"):
        result = run("describe", name)
        refused(result, rf"no law '{name}'; .*'bayes-scaling laws' list all {len(bs.laws())}")
        assert len(result.stderr) < 120


@pytest.mark.parametrize("name", ALIASES)
def test_another_name_of_a_law_is_answered_with_its_own(name) -> None:
    result = run("describe", name)
    refused(result, rf"no law '{name}'; that law is called '{ALIASES[name]}' here")
    assert len(result.stderr.splitlines()) == 1
    assert name not in bs.laws()
    assert bs.law(ALIASES[name]).label == ALIASES[name]


def test_candidates_that_are_no_table_are_answered_in_one_line(home) -> None:
    (home / "noise.csv").write_bytes(bytes(range(256)) * 4)
    result = run("next", "passed.nc", *AT, "--candidates", "noise.csv")
    refused(result, r"--candidates noise\.csv: no table with a header line")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("at", ["params=1e-200,tokens=1e-200", "params=1e308,tokens=1e308"])
def test_plans_of_any_size_are_answered(at) -> None:
    result = run("forecast", "passed.nc", "--at", at, "--json")
    assert result.exit_code == 0, result.exception
    assert result.stderr == ""


@pytest.mark.usefixtures("_no_sampling")
def test_an_input_that_no_column_feeds_is_told_with_its_option() -> None:
    refused(run("forecast", "runs.csv", "--law", "power_law", "--at", "x=1e24"), r"'x'; say --x compute")


@pytest.mark.parametrize("command", [("fit", "--out", "x.nc"), ("forecast", *AT)])
def test_structure_unless_it_is_switched_off(command, monkeypatch) -> None:
    ranks = []

    def look(shape, *_: object, **__: object) -> None:
        ranks.append(shape.rank)
        raise AssertionError("seen")

    monkeypatch.setattr(posterior_module, "ready", look)
    for more in ((), ("--no-structure",)):
        run(command[0], "runs.csv", "--law", "chinchilla", *command[1:], *more)
    assert ranks[0] > 0
    assert ranks[1] == 0


@pytest.mark.usefixtures("_no_sampling")
def test_a_defect_keeps_its_traceback(home) -> None:
    result = run("forecast", "runs.csv", "--law", "chinchilla", *AT)
    assert isinstance(result.exception, AssertionError)
