"""A run in flight: likelihood, level of the alarm, moved and refitted draws, refusals, the command."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_t
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import decide
from bayes_scaling._cli_monitor import _line, whole_lines
from bayes_scaling.cli import app
from bayes_scaling.decide import _flight as flight
from bayes_scaling.decide._alarm import boundaries
from bayes_scaling.decide._luck import Luck, luck_at, paths, prefixes, seen
from bayes_scaling.decide._move import moved
from bayes_scaling.decide.monitor import carriers
from bayes_scaling.forecast import DiagnosticsRefused
from bayes_scaling.law import mean
from bayes_scaling.measurements import measurements
from bayes_scaling.plot.prior import from_prior
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import predict
from bayes_scaling.storage import save
from tests._simulate import TRUTH, design

PLAN = {"params": 2e9, "tokens": 4e10}
FEW = bs.Settings(chains=2, warmup=200, draws=250, most_draws=250)


def losses(params: float, tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Checkpoints of one run: its own luck, and a wobble."""
    curve = np.asarray(mean(bs.law("chinchilla"), {"params": params, "tokens": tokens}, TRUTH))
    return curve * np.exp(0.004 * rng.standard_normal() + 0.002 * rng.standard_normal(len(tokens)))


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    """Six runs with eight checkpoints, padded like a refit with seven; whether it converged is not tested."""
    rng, rows = np.random.default_rng(0), []
    for j, params in enumerate(np.geomspace(1e8, 4e9, 6)):
        at = np.geomspace(0.1, 1, 8) * 20 * params * np.exp(rng.normal())
        frame = pd.DataFrame({"params": params, "tokens": at, "loss": losses(params, at, rng)})
        rows.append(frame.assign(run=f"r{j}"))
    found = bs.fit("chinchilla", bs.read_runs(pd.concat(rows)), structure=None, settings=FEW)
    return replace(found, diagnostics=replace(found.diagnostics, problems=()))


def run_of(parts: np.ndarray, factor: float = 1.0, seed: int = 1) -> pd.DataFrame:
    """Points of a run of the plan at these parts of it."""
    tokens = parts * PLAN["tokens"]
    loss = losses(PLAN["params"], tokens, np.random.default_rng(seed)) * factor
    return pd.DataFrame({"params": PLAN["params"], "tokens": tokens, "loss": loss})


PARTS = np.linspace(0.125, 1.0, 8)

# -------------------------------------------------------------------------------- the luck of a run


def some_luck(size: int, n: int, df: float) -> Luck:
    rng = np.random.default_rng(2)
    within, between = rng.uniform(0.5, 1.0, (2, size, n))
    return Luck(within, between, np.log(np.full((size, 1), 0.7)), np.full(size, df), 0.4)


def covariance_of(luck: Luck, at: np.ndarray, s: int = 0) -> np.ndarray:
    """Covariance of the checkpoints of a run under draw s, written out."""
    apart = np.abs(np.subtract.outer(np.log(at), np.log(at))) / luck.gap
    wobble = np.outer(luck.within[s], luck.within[s]) * np.exp(luck.log_memory[s, 0] * apart)
    return wobble + np.outer(luck.between[s], luck.between[s])


def test_the_likelihood_is_that_of_the_model() -> None:
    at, luck = np.geomspace(1.0, 9.0, 6), some_luck(3, 6, 5.0)
    residual = np.random.default_rng(3).standard_normal((3, 6))
    found = prefixes(luck, at, residual).log_likelihood
    for s in range(3):
        covariance = covariance_of(luck, at, s)
        for k in (1, 4, 6):
            law = multivariate_t(np.zeros(k), covariance[:k, :k], df=5)
            assert found[s, k - 1] == pytest.approx(law.logpdf(residual[s, :k]), rel=1e-9)


def test_what_is_seen_conditions_the_rest_of_the_path() -> None:
    n, k, size = 6, 4, 60_000
    at, one = np.geomspace(1.0, 9.0, n), some_luck(1, n, 1e7)
    covariance = covariance_of(one, at)
    y = np.random.default_rng(4).standard_normal(k)
    gain = covariance[k:, :k] @ np.linalg.inv(covariance[:k, :k])
    centre, spread = gain @ y, covariance[k:, k:] - gain @ covariance[:k, k:]
    many = Luck(
        np.repeat(one.within, size, 0), np.repeat(one.between, size, 0), np.repeat(one.log_memory, size, 0),
        np.repeat(one.df, size), one.gap,
    )  # fmt: skip
    first = many._replace(within=many.within[:, :k], between=many.between[:, :k])
    last = many._replace(within=many.within[:, k:], between=many.between[:, k:])
    told = prefixes(first, at[:k], np.repeat(y[None], size, 0))
    rest = paths(
        last, at[k:], np.zeros((size, n - k)), seen(first, told, k), at[k - 1], np.random.default_rng(5)
    )
    assert rest.mean(axis=0) == pytest.approx(centre, abs=0.02)
    assert np.cov(rest.T) == pytest.approx(spread, abs=0.02)


# ---------------------------------------------------------------------------------------- the alarm


def walks(count: int, steps: int, seed: int) -> np.ndarray:
    """Heavy-tailed runs that share luck along the way."""
    rng = np.random.default_rng(seed)
    fresh = rng.standard_normal((count, steps)).cumsum(axis=1) / np.sqrt(np.arange(1, steps + 1))
    return (fresh + rng.standard_normal((count, 1))) * np.sqrt(5 / rng.chisquare(5, (count, 1)))


@pytest.mark.parametrize("side", ["both", "above", "below"])
@pytest.mark.parametrize("steps", [3, 60])
def test_alarms_keep_their_level_over_whole_runs(side, steps) -> None:
    fraction = np.linspace(0.05, 1.0, steps)
    bound = boundaries(walks(40_000, steps, 6), fraction, 0.1, side)
    fresh = walks(40_000, steps, 7)
    above, below = (fresh > bound.above).any(axis=1), (fresh < bound.below).any(axis=1)
    assert (above | below).mean() == pytest.approx(0.1, abs=0.01)
    assert above.any() == (side != "below")
    assert below.any() == (side != "above")


def test_a_boundary_does_not_depend_on_what_comes_later() -> None:
    runs, fraction = walks(5_000, 12, 8), np.linspace(0.1, 1.0, 12)
    whole = boundaries(runs, fraction, 0.05, "both")
    part = boundaries(runs[:, :5], fraction[:5], 0.05, "both")
    assert np.array_equal(part.above, whole.above[:5])
    assert np.array_equal(part.below, whole.below[:5])


def test_the_level_of_a_monitored_run(posterior) -> None:
    watched = decide.watch(posterior, PLAN, level=0.1)
    found = decide.monitor(watched, run_of(PARTS), refit=False)
    few, rng, at = carriers(watched, posterior), np.random.default_rng(9), found.points.at
    inputs = {"params": np.full(len(at), PLAN["params"]), "tokens": at}
    eta = np.tile(predict(few, inputs, ["all"] * len(at), rng).eta, (20, 1))
    tiled = luck_at(few, eta[: len(eta) // 20], np.zeros(len(at)), 1.0)
    many = Luck(*(np.tile(v, (20,) + (1,) * (v.ndim - 1)) for v in tiled[:4]), tiled.gap)
    fresh = np.exp(paths(many, at, eta, seen(many, None, 0), 0.0, rng))
    out = (fresh > found.boundaries.above) | (fresh < found.boundaries.below)
    assert out.any(axis=1).mean() == pytest.approx(0.1, abs=0.015)


@pytest.mark.parametrize(("factor", "kind"), [(1.15, "above plan"), (0.87, "below plan")])
def test_runs_that_leave_their_plan_are_told(posterior, factor, kind) -> None:
    table = run_of(PARTS)
    table.loc[4:, "loss"] *= factor
    found = decide.monitor(decide.watch(posterior, PLAN), table, refit=False)
    assert [a.kind for a in found.alarms] == [kind]
    assert found.alarms[0].fraction == PARTS[4]
    early = decide.monitor(decide.watch(posterior, PLAN), table[:4], refit=False)
    assert not early.alarms
    other = "below" if factor > 1 else "above"
    assert not decide.monitor(decide.watch(posterior, PLAN, side=other), table, refit=False).alarms


# ------------------------------------------------------------------------------- the value at the end


def test_the_end_narrows_and_comes_true(posterior) -> None:
    watched = decide.watch(posterior, PLAN)
    table = run_of(PARTS)
    before, half = decide.monitor(watched), decide.monitor(watched, table[:4], refit=False)
    done = decide.monitor(watched, table, refit=False)
    width = [float(np.diff(one.interval())[0]) for one in (before, half, done)]
    assert width[0] > 1.5 * width[1] > 0
    assert width[2] < 1e-9
    assert done.done
    assert not half.done
    assert done.quantile(0.5) == pytest.approx(table["loss"].iloc[-1])
    low, high = half.interval(0.98)
    assert low < table["loss"].iloc[-1] < high
    assert len(half.history) == 5
    assert half.history[0] == pytest.approx(before.history[0])
    cast_of = bs.forecast(posterior, PLAN)
    assert before.quantile(0.5) == pytest.approx(cast_of.median[0], rel=0.003)
    assert width[0] == pytest.approx(float(np.diff(cast_of.interval(), axis=0)[0, 0]), rel=0.25)


def test_forecasts_are_widened_to_what_came_out(posterior) -> None:
    table, plain = run_of(PARTS)[:3], decide.watch(posterior, PLAN)
    wide = decide.watch(posterior, PLAN, widen=2.0)
    one, two = (decide.monitor(watched, table, refit=False) for watched in (plain, wide))
    assert np.diff(two.interval())[0] == pytest.approx(2 * np.diff(one.interval())[0], rel=0.02)
    assert two.history[0] == pytest.approx(one.history[0])
    assert np.array_equal(two.boundaries.above, one.boundaries.above)
    middle, high = one.quantile([0.5, 0.95])
    ends = [middle + part * (high - middle) for part in np.linspace(0.3, 3.0, 10)]
    assert decide.widening([one] * 10, ends) == pytest.approx(3.0)
    assert decide.widening([one] * 10, [middle] * 10) == 1.0
    with pytest.raises(decide.DecisionError, match="at least 9"):
        decide.widening([one] * 8, ends[:8])


def test_moved_draws_agree_with_weights_that_are_good(posterior) -> None:
    one = carriers(decide.watch(posterior, PLAN), posterior)

    def ratio(drawn: Posterior) -> np.ndarray:
        values = drawn.tree["posterior"]["E"].sel(family="all").values.ravel()
        return -0.5 * ((values - 1.85) / 0.1) ** 2

    new = moved(one, "all", ratio, np.random.default_rng(0))
    assert new is not None
    weights = np.exp(ratio(one))
    for name in ("E", "B", "alpha", "checkpoint_sd"):
        values = one.tree["posterior"][name].values.ravel()
        centre = np.average(values, weights=weights)
        spread = np.sqrt(np.average((values - centre) ** 2, weights=weights))
        after = new.tree["posterior"][name].values.ravel()
        assert after.mean() == pytest.approx(centre, abs=0.3 * spread)
        assert after.std() == pytest.approx(spread, rel=0.3)


def test_a_refit_is_told_and_kept(posterior) -> None:
    watched, table = decide.watch(posterior, PLAN), run_of(PARTS, 1.06)[:6]  # far from what was fitted
    quick = decide.monitor(watched, table, refit=False)
    assert quick.moved
    assert any("moved" in note for note in quick.notes)
    found = decide.monitor(watched, table)
    assert "degenerated" in found.refitted
    assert found.watch.absorbed == 6
    assert not found.moved
    assert len(cast("Posterior", found.watch.base).runs) == len(posterior.runs) + 6
    assert found.quantile(0.5) == pytest.approx(quick.quantile(0.5), rel=0.005)
    again = decide.monitor(found.watch, table)
    assert not again.refitted
    assert again.watch.base is found.watch.base


def test_the_record_is_json(posterior, tmp_path) -> None:
    table = run_of(PARTS, 1.15)
    found = decide.monitor(decide.watch(posterior, PLAN), table[:5], refit=False)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["final"]["0.5"] == found.quantile(0.5)
    assert record["alarms"][0]["kind"] == "above plan"
    assert len(record["history"]["0.5"]) == 6
    assert record["fraction"] == PARTS[4]
    assert bs.plot_monitor(found, path=tmp_path / "run.png").axes
    assert (tmp_path / "run.png").stat().st_size > 10_000


# ---------------------------------------------------------------------------------------- a real curve

START, PEAK = 2_300, 3e-4  # before, the warm-up is still felt


def rates(steps: int, after: float = PEAK) -> np.ndarray:
    """Learning rates of the study: a warm-up in six pieces, the peak, and from step 8000 on another."""
    at, warm = np.arange(steps), np.linspace(0, 2160, 7).round()
    piece = np.searchsorted(warm, at, side="right")
    rising = PEAK * (piece - 0.5) / 6
    return np.where(at < 2160, rising, np.where(at < 8_000, PEAK, after))


def test_a_real_curve_goes_to_plan_until_it_does_not(study) -> None:
    """Curves of Luo et al. 2025: two schedules are fitted, a third with another final rate is watched."""
    table = pd.read_csv(study("multipowerlaw_curves"))
    table = table[(table["family"] == "25M") & (table["step"] > START)]

    def curve(name: str) -> pd.DataFrame:
        whole = table[table["schedule"] == name]
        return whole.iloc[np.linspace(0, len(whole) - 1, 12).round().astype(int)].reset_index(drop=True)

    known = {"constant_24000": rates(24_000), "wsdcon_9": rates(16_000, 9e-5)}
    seen = pd.concat([curve(name) for name in known])[["run", "schedule", "step", "loss"]]
    fit = bs.fit("lr_annealing", bs.read_runs(seen, schedules=known), structure=None, settings=FEW)
    run = curve("wsdcon_3")[["step", "loss"]]
    end, truth = float(run["step"].iloc[-1]), float(run["loss"].iloc[-1])
    plan = {"step": end, "schedule": rates(16_000, 3e-5)}
    watched = decide.watch(fit, plan, start=START, allow_failed=True)
    before, half, late = (decide.monitor(watched, run[:n], refit=False) for n in (1, 6, 9))
    assert not late.alarms
    assert run["step"][5] < 8_100 < run["step"][6], "half of the run is known before the rate falls"
    for found in (before, half, late):
        low, high = found.interval(0.98)
        assert low < truth < high
    assert np.diff(half.interval())[0] < np.diff(before.interval())[0]
    spoilt = run.assign(loss=run["loss"].where(run.index < 6, 1.1 * run["loss"]))
    (alarm,) = decide.monitor(watched, spoilt, refit=False).alarms
    assert (alarm.kind, alarm.at) == ("above plan", run["step"][6])


# ------------------------------------------------------------------------------------------ bad input


def broken(**columns: Any) -> pd.DataFrame:
    return run_of(PARTS).assign(**columns)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (run_of(PARTS).drop(columns="tokens"), "no column 'tokens' of numbers"),
        (run_of(PARTS).rename(columns={"loss": "gradient"}), "no column 'loss' of numbers"),
        (run_of(PARTS)[::-1], "tokens goes back: 3.5e.10 in row 2 after 4e.10 in row 1"),
        (run_of(np.array([0.5, 0.5])), "in row 2 again"),
        (run_of(np.array([0.5, 1.2])), "4.8e.10 in row 2, beyond the end of the plan at 4e.10"),
        (broken(params=1e9), "params is 1e.09 but the plan says 2e.09"),
        (broken(run=list("aaaabbbb")), "column 'run' names 2: a, b; expected one run"),
        (broken(loss=-1.0), "loss"),
    ],
)
def test_bad_tables_get_one_clear_line(posterior, table, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        decide.monitor(decide.watch(posterior, PLAN), table.reset_index(drop=True))
    assert "\n" not in str(caught.value).strip()


def test_another_unit_is_refused(posterior) -> None:
    fitted = replace(posterior, runs=replace(posterior.runs, units={**posterior.runs.units, "loss": "1"}))
    with pytest.raises(decide.DecisionError, match="loss is in nat/token, but the law was fitted in 1"):
        decide.monitor(decide.watch(fitted, PLAN), run_of(PARTS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 5}, "level is 5, expected a probability"),
        ({"side": "up"}, "side is 'up'"),
        ({"family": "b"}, "family 'b' was not fitted"),
        ({"widen": 0.5}, "widen is 0.5, expected a factor of 1 or more"),
        ({"start": 1e12}, "the run ends at 4e.10"),
        ({"plan": {"tokens": 4e10}}, "lacks the input 'params'"),
    ],
)
def test_impossible_watches(posterior, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        decide.watch(posterior, options.pop("plan", PLAN), **options)


def test_a_failed_posterior_is_refused(posterior) -> None:
    failed = replace(posterior, diagnostics=replace(posterior.diagnostics, problems=("R-hat 1.2",)))
    with pytest.raises(DiagnosticsRefused, match="allow_failed"):
        decide.watch(failed, PLAN)
    assert decide.watch(failed, PLAN, allow_failed=True).family == "all"


def test_an_average_does_not_watch_a_run(posterior) -> None:
    whole: Any = bs.Average((posterior, posterior), (0.5, 0.5))
    message = r"found an average of \[0\] chinchilla, \[1\] chinchilla; choose one"
    with pytest.raises(decide.DecisionError, match=message) as caught:
        bs.watch(whole, PLAN)
    assert "\n" not in str(caught.value)
    assert bs.watch(whole.posteriors[0], PLAN).family == "all"
    with pytest.raises(decide.DecisionError, match="found str; expected a posterior"):
        bs.watch(cast("Posterior", "posterior.nc"), PLAN)


def test_laws_that_no_run_follows() -> None:
    with pytest.raises(decide.DecisionError, match="no input along which a run proceeds"):
        flight.progress_of(bs.law("parscale"))
    assert flight.progress_of(bs.law("lr_annealing")) == "step"
    assert flight.progress_of(bs.law("power_law")) == "x"


def test_schedules_by_name_say_where_a_run_ends() -> None:
    prepared = design("lr_annealing")
    known = cast("Posterior", SimpleNamespace(law=prepared.law, runs=prepared.runs, prepared=prepared))
    read = flight.read_plan(known, {"schedule": "step"})
    assert read["step"] == 12_000
    assert len(read["schedule"]) == 12_000
    with pytest.raises(decide.DecisionError, match="schedule 'steps' was not fitted; did you mean 'step'"):
        flight.read_plan(known, {"schedule": "steps"})


def test_a_run_with_a_schedule_joins_the_fitted_table() -> None:
    """Its table names the schedule and gives standard errors; what the law does not cover is left out."""
    prepared = design("lr_annealing")
    known = from_prior(prepared.law, prepared.runs, draws=20)
    table = pd.DataFrame(
        {"step": [200.0, 3000.0, 6000.0, 9500.0], "loss": [5.0, 3.4, 3.2, np.nan], "loss_se": 0.01}
    ).assign(schedule="step")
    plan = flight.fill_plan(known, bs.read_runs(table), {})
    assert plan == {"schedule": "step"}
    plan = flight.read_plan(known, plan)
    points = flight.read_points(known, plan, 1000.0, table)
    assert points.at.tolist() == [3000.0, 6000.0]
    assert any("1 points before step 1000 do not count" in note for note in points.notes)
    runs, family = flight.with_points(known, plan, "new", points)
    added = runs.table.tail(2)
    assert family == "run in flight"
    assert added["loss"].tolist() == [3.4, 3.2]
    assert added["loss_se"].tolist() == [0.01, 0.01]
    assert set(added["schedule"]) == {"run in flight"}
    np.testing.assert_array_equal(runs.schedules["run in flight"], known.runs.schedules["step"])
    assert (
        runs.table["schedule"].head(len(prepared.runs)).tolist() == prepared.runs.table["schedule"].tolist()
    )


def test_a_run_joins_a_table_that_names_no_families() -> None:
    x = np.geomspace(1.0, 1e3, 8)
    known = from_prior(bs.law("power_law"), bs.read_runs(pd.DataFrame({"x": x, "y": x**-0.2})), draws=20)
    points = flight.read_points(known, {"x": 1e5}, 0.0, pd.DataFrame({"x": [1e4, 5e4], "y": [0.2, 0.1]}))
    runs, family = flight.with_points(known, {"x": 1e5}, known.families[0], points)
    assert set(runs.table["family"]) == {family} == {"all"}
    assert runs.table["run"].tail(2).tolist() == ["run in flight"] * 2
    assert measurements(runs, known.law).run.tolist() == [*range(8), 8, 8]
    with pytest.raises(decide.DecisionError, match="x is missing or negative in row 1"):
        flight.read_points(known, {"x": 1e5}, 0.0, pd.DataFrame({"x": [np.nan, 5e4], "y": [0.2, 0.1]}))


def test_points_that_tell_the_same_are_passed_over(posterior) -> None:
    table = run_of(np.linspace(0.2, 0.3, 500))
    found = flight.read_points(posterior, PLAN, 0.0, table)
    assert len(found) == 25
    assert any("passed over" in note for note in found.notes)
    part = flight.read_points(posterior, PLAN, 0.0, table[:250])
    assert np.array_equal(part.at, found.at[: len(part)])


# ---------------------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def saved(posterior, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("monitor") / "posterior.nc"
    save(posterior, path)
    return path


def call(*words: Any) -> Any:
    return CliRunner().invoke(app, ["monitor", *map(str, words), "--allow-failed", "--no-refit"])


def test_the_command(saved, tmp_path) -> None:
    run = tmp_path / "run.csv"
    run_of(PARTS, 1.15)[:5].to_csv(run, index=False)
    done = call(saved, run, "--at", "tokens=40B", "--json", "--plot", tmp_path / "a.svg")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["plan"] == PLAN
    assert record["alarms"][0]["kind"] == "above plan"
    assert (tmp_path / "a.svg").exists()
    assert "ALARM above plan" in call(saved, run, "--at", "tokens=40B").stdout
    lost = call(saved, run)
    assert lost.exit_code == 2
    assert "where does the run end?" in lost.output
    run.write_text("")
    empty = call(saved, run, "--at", "tokens=40B")
    assert empty.exit_code == 2
    assert "is empty" in empty.output
    table = call(run, run)
    assert table.exit_code == 2
    assert "is no posterior" in table.output


def test_following_a_growing_table(saved, tmp_path, monkeypatch) -> None:
    lines = run_of(PARTS).to_csv(index=False).splitlines(keepends=True)
    run = tmp_path / "run.csv"
    growth = iter([lines[3][:20], lines[3][20:], "", "".join(lines[4:])])
    run.write_text("".join(lines[:3]))

    def grow(_: float) -> None:
        with run.open("a") as file:
            file.write(next(growth))

    monkeypatch.setattr(time, "sleep", grow)
    done = call(saved, run, "--at", "tokens=40B", "--follow", "--json")
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len(one["points"]["at"]) for one in records] == [2, 3, 8]
    assert records[-1]["done"]
    assert not records[0]["done"]


def test_an_empty_table_is_waited_for(saved, tmp_path, monkeypatch) -> None:
    run = tmp_path / "run.csv"
    run.write_text("")
    growth = iter(["params,tokens,loss\n", "".join(run_of(PARTS).to_csv(index=False).splitlines(True)[1:])])

    def grow(_: float) -> None:
        with run.open("a") as file:
            file.write(next(growth))

    monkeypatch.setattr(time, "sleep", grow)
    done = call(saved, run, "--at", "tokens=40B", "--follow")
    assert done.exit_code == 0, done.output
    assert done.stderr == "waiting for points\n"
    assert "(100 %)" in done.stdout


def test_an_end_that_nothing_tells_has_no_band(posterior) -> None:
    found = decide.monitor(decide.watch(posterior, PLAN), run_of(PARTS)[:5], refit=False)
    lost = replace(found, ess=np.full_like(found.ess, 1.0), final=np.full_like(found.final, 2.0))
    assert not lost.tells_end
    assert lost.to_dict()["final"] is None
    assert "the end is unknown" in _line(lost)
    assert "2.00" not in _line(lost)
    assert "at the end" in _line(found)


def test_a_line_that_is_being_written_does_not_count(tmp_path) -> None:
    run = tmp_path / "run.csv"
    run.write_text("step,loss\n1,3.0\n2,2.")
    assert whole_lines(run) == "step,loss\n1,3.0\n"
