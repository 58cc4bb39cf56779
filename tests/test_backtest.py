"""Hiding the large runs: cuts, refusals, what the discrepancy does to the bands, and resuming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling.average import Average, AverageError
from bayes_scaling.backtest import BacktestError, splits_of
from bayes_scaling.cells import _key, mixture
from bayes_scaling.compare import trusted
from bayes_scaling.law import with_priors
from bayes_scaling.rivals import BROKEN, ONE_AXIS, SIZE_AND_DATA, candidates
from tests._simulate import chinchilla_table, power_table

FEW = bs.Settings(chains=2, warmup=200, draws=200, most_draws=200, target_accept=0.9)


def bent(rows: int = 40) -> bs.Runs:
    """A curve whose local exponent drifts from 0.30 to 0.21: no power law."""
    rng = np.random.default_rng(3)
    u = np.linspace(0, np.log(1e5), rows)
    y = 3 * np.exp(-0.30 * u + 0.004 * u**2 + 0.003 * rng.standard_normal(rows))
    return bs.read_runs(pd.DataFrame({"x": np.exp(u), "y": y}))


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    ways = {"bare": None, "drifting": bs.Structure(scale=(-3.0, 0.5))}
    found = {
        name: bs.backtest(
            bent(), "power_law", factors=(10, 100), structure=structure, settings=FEW, resume=folder
        )
        for name, structure in ways.items()
    }
    return folder, found


def test_the_discrepancy_widens_bands_that_the_bare_law_has_too_narrow(tested) -> None:
    bare, drifting = (tested[1][name].overall().iloc[0] for name in ("bare", "drifting"))
    assert bare["coverage_0.9"] < 0.5
    assert drifting["coverage_0.9"] > 0.7  # the drift of one curve is one draw
    assert drifting["log_score"] > bare["log_score"] + 0.5
    assert "too narrow" in tested[1]["bare"].advice()
    for one in tested[1].values():
        mine = one.table[one.table["law"] == one.best]
        count = int(((mine["q5"] <= mine["observed"]) & (mine["observed"] <= mine["q95"])).sum())
        said = f"({count} of {len(mine)} hidden measurements)"
        assert said in one.advice()
        assert ("on average over" in one.advice()) == (len(one.splits) > 1)


def test_the_table_is_tidy_and_scores_agree_with_it(tested) -> None:
    found = tested[1]["drifting"]
    table = found.table
    assert len(table) == sum(len(split.hidden) for split in found.splits)
    assert (table["extrapolation"] > 1).all()
    np.testing.assert_allclose(table["error"], np.log(table["median"] / table["observed"]), atol=1e-5)
    inside = (table["observed"] > table["q5"]) & (table["observed"] < table["q95"])
    from_edge = 0.45 - np.abs(table["pit"] - 0.5)
    clear = np.abs(from_edge) > 1 / 800  # of 400 draws only the rank on the edge is on either side
    assert clear.mean() > 0.8
    assert (inside == (from_edge > 0))[clear].all()
    split = found.by_split().iloc[0]
    mine = table[table["factor"] == split["factor"]]
    assert split["mae"] == pytest.approx(mine["error"].abs().mean())
    assert split["crps"] == pytest.approx(mine["crps"].mean())


def test_a_backtest_resumes_from_its_cells_and_mends_a_broken_one(tested) -> None:
    folder, found = tested
    files = sorted(folder.glob("*.npz"))
    assert len(files) == 4
    files[0].write_bytes(files[0].read_bytes()[:100])
    stamps = [f.stat().st_mtime_ns for f in files[1:]]
    again = bs.backtest(bent(), "power_law", factors=(10, 100), structure=None, settings=FEW, resume=folder)
    pd.testing.assert_frame_equal(again.table, found["bare"].table)
    bs.backtest(
        bent(),
        "power_law",
        factors=(10, 100),
        structure=bs.Structure(scale=(-3.0, 0.5)),
        settings=FEW,
        resume=folder,
    )
    assert [f.stat().st_mtime_ns for f in files[1:]] == stamps
    assert not list(folder.glob("*.part"))


def test_a_cell_is_of_one_law_with_its_priors_and_noise() -> None:
    runs, [one] = bent(), candidates(bent(), ["power_law"])
    laws = (
        one.law,
        with_priors(one.law, {"alpha": (0.1, 0.3)}),
        replace(one.law, predicts=replace(one.law.predicts, scatter=(1e-4, 1e-3))),
    )
    _, [split], _ = splits_of(runs, [one], [10])
    keys = {_key(runs, replace(one, law=law), split, None, FEW, (40, 1)) for law in laws}
    assert len(keys) == len(laws)


def test_cuts_that_cannot_be_used_are_named() -> None:
    runs = bs.read_runs(power_table(rows=9))
    asked = candidates(runs, ["power_law"])
    axis, found, notes = splits_of(runs, asked, [1.0001, 3, 8, 1e6])
    assert axis == "x"
    assert [split.factor for split in found] == [1.0001, 8.0]
    assert len(notes) == 2
    assert "hides the same runs as 1/1.0001" in notes[0]
    assert "leaves 0 runs, fewer than six" in notes[1]
    with pytest.raises(BacktestError, match=r"no cut .* can be scored: .*fewer than six.*Give other factors"):
        bs.backtest(runs, "power_law", factors=[1e6])
    with pytest.raises(BacktestError, match=r"above 1, found \[0.5\]"):
        bs.backtest(runs, "power_law", factors=[0.5])


def test_whole_runs_are_hidden() -> None:
    tokens = np.geomspace(1e9, 1e11, 5)
    rows = [
        {"run": f"r{k}", "params": 1e8 * 2**k, "tokens": d, "loss": 3 - 0.05 * k - 0.1 * np.log(d / 1e9)}
        for k in range(8)
        for d in tokens
    ]
    runs = bs.read_runs(pd.DataFrame(rows))
    _, (split,), _ = splits_of(runs, candidates(runs, ["chinchilla"]), [3])
    run = runs.table["run"].to_numpy()
    assert not set(run[split.fitted]) & set(run[split.hidden])
    compute = runs.table["compute"].to_numpy()
    assert compute[split.hidden].min() > split.cut


def test_default_laws_follow_the_columns() -> None:
    names = [one.name for one in candidates(bs.read_runs(chinchilla_table()))]
    assert tuple(names) == SIZE_AND_DATA
    curve = candidates(bs.read_runs(power_table().rename(columns={"x": "tokens", "y": "loss"})))
    assert tuple(one.name for one in curve) == ONE_AXIS
    assert all(one.inputs == {"x": "tokens"} for one in curve)
    x = np.arange(1.0, 25.0)
    noise = 0.01 * np.random.default_rng(0).standard_normal(24)
    fall, peak = 3 * x**-0.3, 1 + 0.3 * np.exp(-((np.log(x / 9)) ** 2) / 0.2)
    for y, laws in ((fall, ONE_AXIS), (fall * peak, BROKEN), (1 / fall, BROKEN)):
        shape = candidates(bs.read_runs(pd.DataFrame({"x": x, "y": y * np.exp(noise)})))
        assert tuple(one.name for one in shape) == laws
    with pytest.raises(bs.runs.RunsError, match="no default law fits this table"):
        candidates(bs.read_runs(pd.DataFrame({"score": [0.1, 0.2, 0.3]})))
    with pytest.raises(bs.runs.RunsError, match="no column 'params'"):
        candidates(bs.read_runs(power_table()), ["chinchilla"])


def test_mixtures_of_cells_weigh_draws_and_densities(tested) -> None:
    folder, _ = tested
    with np.load(sorted(folder.glob("*.npz"))[0]) as saved:
        assert {"draws", "log_density"} <= set(saved)
    from bayes_scaling.cells import Cell

    one = Cell(np.zeros((100, 2)), np.log([0.1, 0.2]), 0, 100.0, 1.0, 1.0)
    two = replace(one, draws=np.ones((100, 2)), log_density=np.log([0.3, 0.6]))
    mixed = mixture([one, two], [3, 1])
    assert mixed.draws.mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_allclose(np.exp(mixed.log_density), [0.15, 0.3])


def test_an_average_refuses_what_cannot_be_averaged() -> None:
    with pytest.raises(AverageError, match="no posterior to average: power_law: too few runs"):
        Average((), (), {"power_law": "too few runs"})
    with pytest.raises(AverageError, match="weights name 'chinchila', which is not fitted"):
        bs.average(bs.read_runs(power_table()), ["power_law"], weights={"chinchila": 1.0})
    with pytest.raises(AverageError, match="unknown weights 'best'"):
        bs.average(bs.read_runs(power_table()), ["power_law"], weights="best")  # type: ignore[arg-type]


def test_trusted_drops_a_failed_law_only_if_the_others_carry_the_average() -> None:
    class Stub:
        def __init__(self, name: str, passed: bool) -> None:
            self.law = bs.law(name)
            self.prepared = type("P", (), {"response": None})()
            problems = () if passed else ("R-hat 1.3",)
            self.diagnostics = type("D", (), {"passed": passed, "problems": problems})()

    good, bad = Stub("power_law", True), Stub("power_law_offset", False)
    kept = trusted(Average((good, bad), (0.7, 0.3)))  # type: ignore[arg-type]
    assert kept.laws == {"power_law": 1.0}
    assert kept.left_out == {"power_law_offset": "R-hat 1.3"}
    assert len(trusted(Average((good, bad), (0.3, 0.7))).posteriors) == 2  # type: ignore[arg-type]
