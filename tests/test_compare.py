"""Rival laws scored by runs, families and large runs that they have not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling.backtest import BacktestError
from bayes_scaling.compare import leave_one_out
from bayes_scaling.plot.prior import from_prior
from bayes_scaling.runs import RunsError
from tests._simulate import power_table

FEW = bs.Settings(chains=2, warmup=200, draws=200, most_draws=200)
#: The truth is the first; the second is a straight line in log x, which bends away from it.
LAWS = ("power_law", "log_linear")


def families(names: str = "abc") -> bs.Runs:
    parts = [power_table(alpha=0.18 + 0.02 * k, seed=k).assign(family=f) for k, f in enumerate(names)]
    return bs.read_runs(pd.concat(parts))


@pytest.fixture(scope="module")
def compared() -> bs.Comparison:
    return bs.compare(families(), LAWS, structure=None, settings=FEW)


def test_every_method_prefers_the_truth(compared) -> None:
    table = compared.table.set_index(["method", "law"])
    assert set(compared.table["method"]) == {"loo", "family", "largest"}
    for method, units in {"loo": 42, "family": 3}.items():
        assert set(table.loc[method, "units"]) == {units}
    for method in ("loo", "family", "largest"):
        one = table.loc[method]
        assert one.loc["power_law", "elpd"] > one.loc["log_linear", "elpd"] + (method != "family")

        assert one.loc["power_law", "difference"] == 0
        assert one.loc["log_linear", "difference"] < 0
        assert (one["se"] > 0).all()
        assert compared.weights(method)["power_law"] > 0.5
        assert sum(compared.weights(method).values()) == pytest.approx(1)


def test_weights_of_a_method_that_was_not_run(compared) -> None:
    with pytest.raises(ValueError, match="method 'larges' was not run; did you mean 'largest'"):
        compared.weights("larges")


def test_weights_of_an_average_are_of_the_largest_runs() -> None:
    found = bs.average(families("a"), LAWS, weights="stacking", structure=None, settings=FEW)
    assert found.laws["power_law"] > 0.6
    given = bs.average(families("a"), LAWS, weights={"log_linear": 1.0}, structure=None, settings=FEW)
    assert given.laws == {"log_linear": 1.0}


def test_what_cannot_be_left_out_is_a_note() -> None:
    found = bs.compare(families("ab"), ["power_law"], methods=("loo", "family"), structure=None, settings=FEW)
    assert set(found.table["method"]) == {"loo"}
    assert "family: leaving a family out needs three or more; the table has 2" in found.notes


def test_nothing_can_be_left_out() -> None:
    with pytest.raises(BacktestError, match="no method could be used: family: leaving a family out needs"):
        bs.compare(families("a"), ["power_law"], methods=("family",))
    with pytest.raises(ValueError, match="unknown method 'famly'; did you mean 'family'"):
        bs.compare(families("a"), ["power_law"], methods=("famly",))
    with pytest.raises(RunsError, match="tokens"):
        bs.compare(families("a"), ["chinchilla"], methods=("loo",))


def test_one_run_far_from_all_others_is_named() -> None:
    table = power_table()
    table.loc[len(table)] = [1e12, 3.0]  # alone at its end, and nowhere near the curve
    found = bs.compare(bs.read_runs(table), ["power_law"], methods=("loo",), structure=None, settings=FEW)
    assert any("Pareto k above 0.7 for" in note and "decide the fit" in note for note in found.notes)


def test_a_posterior_without_pointwise_log_likelihood() -> None:
    posterior = from_prior(bs.law("power_law"), families("a"), draws=20)
    tree = posterior.tree.drop_nodes("log_likelihood", errors="ignore")
    with pytest.raises(ValueError, match="kept no pointwise log likelihood"):
        leave_one_out(replace(posterior, tree=tree))


def test_left_out_densities_are_those_of_refits() -> None:
    """By importance and by fitting again without the run: an inner and the last one."""
    table = power_table()
    thorough = replace(FEW, draws=1000, most_draws=1000)
    points, _ = leave_one_out(bs.fit("power_law", bs.read_runs(table), structure=None, settings=thorough))
    for k in (6, len(table) - 1):
        rest = bs.fit("power_law", bs.read_runs(table.drop(k)), structure=None, settings=thorough)
        plan = {"x": float(table.x[k])}
        draws = np.log(bs.forecast(rest, plan, target="measurement", allow_failed=True).draws[:, 0])
        near = np.abs(draws - np.log(table.y[k])) < 0.004
        density = np.log(near.mean() / 0.008) - np.log(table.y[k])
        assert points[k] == pytest.approx(density, abs=0.25)
