"""Ways from a run to its accuracy: by its loss, by the loss on the answers, by both, or straight."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling.chain import ChainError, ChainPosterior, chain, compare_routes, fit_chain, forecast_tasks
from bayes_scaling.chain.spec import Chain
from bayes_scaling.forecast import ForecastError
from bayes_scaling.law import mean
from tests._simulate import TRUTH, chinchilla_table

FEW = bs.Settings(chains=2, warmup=200, draws=200, most_draws=200)
PLAN = {"params": 2e10, "tokens": 4e11}
ITEMS = 10_042
#: Loss on the answers, in bits per byte, over the loss.
SHARE = 0.4


def ability(loss: np.ndarray) -> np.ndarray:
    return 0.25 + 0.7 / (1 + np.exp(3.0 * (loss - 2.4)))


def study() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    table = chinchilla_table(seeds=2)
    table["hellaswag"] = rng.binomial(ITEMS, ability(table.loss.to_numpy())) / ITEMS
    table["bpb_hellaswag"] = SHARE * table.loss * np.exp(0.003 * rng.standard_normal(len(table)))
    return table


def by(route: str, **options) -> Chain:
    laws = None if route == "direct" else "chinchilla"
    return chain(laws, route=route, structure=None, task_structure=None, **options)


@pytest.fixture(scope="module", params=["direct", "task_loss", "both"])
def gone(request) -> ChainPosterior:
    return fit_chain(by(request.param), study(), settings=FEW)


def test_every_route_comes_to_the_truth(gone) -> None:
    found = forecast_tasks(gone, PLAN, family="a", allow_failed=True).task("hellaswag")
    truth = ability(mean(bs.law("chinchilla"), PLAN, TRUTH))
    low, middle, high = np.quantile(found.draws[:, 0], [0.05, 0.5, 0.95])
    assert middle == pytest.approx(truth, abs=0.03)
    assert low < truth < high


def test_the_parts_of_the_variance_are_those_of_the_route(gone) -> None:
    found = forecast_tasks(gone, [PLAN, PLAN], family=["a", "new"], allow_failed=True)
    one = found.task("hellaswag")
    total = sum(part for part in one.variance.values())
    np.testing.assert_allclose(total, one.draws.var(axis=0), rtol=0.2)
    if gone.chain.route == "direct":
        np.testing.assert_array_equal(one.variance["loss_parameters"], 0.0)
    else:
        assert (one.variance["loss_parameters"] > 0).all()


def test_plans_and_families_are_checked_on_every_route(gone) -> None:
    with pytest.raises(ForecastError, match="unknown target 'men'"):
        forecast_tasks(gone, PLAN, target="men", allow_failed=True)
    with pytest.raises(ForecastError, match="2 families for 1 plans; give one, or one per plan"):
        forecast_tasks(gone, PLAN, family=["a", "b"], allow_failed=True)
    with pytest.raises(ForecastError, match="family 'd' was not fitted"):
        forecast_tasks(gone, PLAN, family="d", allow_failed=True)
    with pytest.raises(ForecastError, match="lacks the input"):
        forecast_tasks(gone, {"params": 2e10}, family="a", allow_failed=True)


def test_routes_are_weighed_by_the_largest_models() -> None:
    table = study().drop(columns="bpb_hellaswag")
    routes = [by("direct"), by("loss"), by("task_loss")]
    found = compare_routes(bs.read_runs(table), routes=routes, settings=FEW)
    kept = ["direct: accuracy_sigmoid", "loss: accuracy_sigmoid"]
    assert list(found.weights) == kept
    assert sum(found.weights.values()) == pytest.approx(1)
    assert set(found.table["route"]) == set(kept)
    assert (found.table["error"] < 0.1).all()
    assert "needs 'task_loss' beside the accuracies" in found.left_out["task_loss: accuracy_sigmoid"]
    with pytest.raises(ChainError, match="no route can be gone: the route 'task_loss' needs"):
        compare_routes(bs.read_runs(table), routes=["task_loss"], settings=FEW)


def test_tasks_of_one_chance_level_share_a_posterior() -> None:
    rng = np.random.default_rng(7)
    table = study()
    table["arc_easy"] = rng.binomial(2376, ability(table.loss.to_numpy() + 0.3)) / 2376
    runs = bs.read_runs(table)
    found = fit_chain(by("loss", grouping="task"), runs, settings=FEW)
    assert [block.tasks for block in found.blocks] == [("hellaswag", "arc_easy")]
    assert set(found.blocks[0].posterior.families) == {"hellaswag", "arc_easy"}
    cast = forecast_tasks(found, PLAN, family="a", allow_failed=True)
    easy, harder = (float(np.median(cast.task(n).draws)) for n in ("hellaswag", "arc_easy"))
    assert easy > harder + 0.03


def test_tasks_are_named_once_and_counted_where_the_law_counts() -> None:
    with pytest.raises(ChainError, match="name tasks either here or in read_tasks"):
        fit_chain(by("loss"), bs.read_tasks(bs.read_runs(study())), ["hellaswag"], settings=FEW)
    table = study().rename(columns={"hellaswag": "acc_of_our_own"}).drop(columns="bpb_hellaswag")
    counting = chain(task_law="ladder_two_step", task_structure=None)
    with pytest.raises(ChainError, match="counts right answers: give the number of items"):
        fit_chain(counting, table, settings=FEW)
