"""Allocation: published optima, other costs, the posterior of the optimum, refusals, the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling import _cli_decide
from bayes_scaling.cli import _Group
from bayes_scaling.decide import Cost, DecisionError, allocate, frontier, optimum, optimum_at, regret
from bayes_scaling.forecast import DiagnosticsRefused
from bayes_scaling.laws._terms import optimal_params
from bayes_scaling.storage import save
from tests._decide import PLAN, drifting, fitted, known
from tests._simulate import chinchilla_table

LAW = bs.law("chinchilla")
HOFFMANN, BESIROGLU = (LAW.published[k].values for k in ("hoffmann2022", "besiroglu2024"))


# ------------------------------------------------------------------------------------- known optima


@pytest.mark.parametrize(
    ("values", "params", "ratio", "loss"),
    [(HOFFMANN, 3.22e10, 92.7, None), (BESIROGLU, 7.23e10, 18.4, 1.9744)],
    ids=["hoffmann", "besiroglu"],
)
def test_published_optima(values, params, ratio, loss) -> None:
    """Gopher's budget; the numbers follow from the published coefficients by Hoffmann's equation 4."""
    best = optimum_at(LAW, values, 5.76e23).best
    assert best["params"] == pytest.approx(params, rel=2e-3)
    assert best["ratio"] == pytest.approx(ratio, rel=2e-3)
    assert loss is None or best["value"] == pytest.approx(loss, abs=5e-5)


@pytest.mark.parametrize("budget", [1e20, 1e24, 1e27])
@pytest.mark.parametrize("values", [HOFFMANN, BESIROGLU], ids=["hoffmann", "besiroglu"])
def test_grid_finds_the_closed_form(values, budget) -> None:
    best = optimum_at(LAW, values, budget).best
    exact = optimal_params(budget, **{k: values[k] for k in ("A", "alpha", "B", "beta")})
    assert best["params"] == pytest.approx(float(exact), rel=1e-4)
    assert 6 * best["params"] * best["tokens"] == pytest.approx(budget)


def test_optimum_is_a_plain_function() -> None:
    params = np.geomspace(1e8, 1e12, 41)
    centres = np.log([3e9, 2.2e10, 1e13])
    losses = 2 + 0.1 * (np.log(params) - centres[:, None]) ** 2
    found = optimum(params, losses)
    np.testing.assert_allclose(found.params[:2], np.exp(centres[:2]))  # a parabola is found exactly
    np.testing.assert_allclose(found.value[:2], 2)
    assert list(found.at_end) == [False, False, True]
    assert found.params[2] == params[-1]
    assert set(optimum(params, losses, refine=False).params) <= set(params)


def test_flatness_holds_what_it_says() -> None:
    found = optimum_at(LAW, BESIROGLU, 1e24)
    flat = found.within(1.0)
    inside = np.isin(found.params, flat)
    assert np.all(found.expected[inside] <= 1.01 * found.best["value"])
    assert np.all(found.expected[~inside] > 1.01 * found.best["value"])
    assert flat.min() < found.best["params"] / 3 < 3 * found.best["params"] < flat.max()
    assert len(found.within(0.1)) < len(flat) < len(found.within(5.0))


def test_coupled_law_allocates_too() -> None:
    law = bs.law("coupled_chinchilla")
    values = {**BESIROGLU, "k": 0.4}  # of the published fits not all coefficients were printed
    best = optimum_at(law, values, 1e23).best
    exact = optimal_params(1e23, **{k: values[k] for k in ("A", "alpha", "B", "beta", "k")})
    assert best["params"] == pytest.approx(float(exact), rel=1e-3)


# ---------------------------------------------------------------------------------------------- costs


def test_serving_makes_models_smaller_and_pays_for_itself() -> None:
    served = [optimum_at(LAW, BESIROGLU, 1e24, cost=Cost(inference_tokens=t)).best for t in (0, 1e12, 1e13)]
    assert served[0]["params"] > served[1]["params"] > served[2]["params"]
    best = served[2]
    assert 6 * best["params"] * best["tokens"] + 2 * best["params"] * 1e13 == pytest.approx(1e24)
    # stationary: no neighbour on the curve of equal cost is better
    for factor in (0.98, 1.02):
        params = best["params"] * factor
        tokens = float(Cost(inference_tokens=1e13).tokens(params, 1e24))
        assert np.exp(LAW.predictor(params, tokens, **BESIROGLU)) > best["value"] - 1e-6


def test_a_best_size_below_the_smallest_fitted_one_is_told() -> None:
    found = allocate(known(), 1e24, cost=Cost(inference_tokens=1e17), family="a")
    assert 1 <= found.best["params"] < 1e7
    assert any("lies below the smallest that was fitted" in note for note in found.notes)
    assert not any("lies below" in note for note in allocate(known(), 1e24, family="a").notes)


def test_limits_on_size() -> None:
    free = optimum_at(LAW, BESIROGLU, 1e24).best
    small = optimum_at(LAW, BESIROGLU, 1e24, cost=Cost(memory_limit_params=1e10))
    assert small.best["params"] == pytest.approx(1e10)
    assert small.best["value"] > free["value"]
    assert any("limits" in note for note in small.notes)
    fixed = optimum_at(LAW, BESIROGLU, 1e24, cost=Cost(sizes=(7e9, 7e10, 4e11)))
    assert fixed.best["params"] == 7e10
    assert list(fixed.params) == [7e9, 7e10, 4e11]


def test_price_and_own_rule() -> None:
    plain = optimum_at(LAW, BESIROGLU, 1e24).best
    assert optimum_at(LAW, BESIROGLU, 2e6, cost=Cost(price_per_flop=2e-18)).best == pytest.approx(plain)
    rule = Cost(flop=lambda n, d: 6 * n * d)
    assert optimum_at(LAW, BESIROGLU, 1e24, cost=rule).best == pytest.approx(plain)
    dear = Cost(flop=lambda n, d: 6 * n * d + 1e22)
    tokens = dear.tokens(np.array([1e9, 7e10]), 1e24)
    np.testing.assert_allclose(dear.training([1e9, 7e10], tokens), 1e24)
    assert np.isnan(dear.tokens(1e9, 9e21))


def test_limited_data_make_models_larger() -> None:
    free, few = (optimum_at(LAW, BESIROGLU, 1e24, cost=Cost(unique_tokens=u)) for u in (1e15, 1e11))
    assert few.best["params"] > free.best["params"]
    assert few.best["value"] > free.best["value"]
    assert any("sees its data" in note for note in few.notes)
    assert Cost(unique_tokens=1e11).effective(5e10) == pytest.approx(5e10)
    assert Cost(unique_tokens=1.0).effective(1e6) == pytest.approx(16.39)  # 1 + R


def test_own_input_for_repeated_data_is_used() -> None:
    law = bs.law("data_constrained")
    values = law.published["muennighoff2023"].values
    found = optimum_at(law, values, 1e22, cost=Cost(unique_tokens=2.5e10))
    held = optimum_at(law, values, 1e22, held={"unique": 2.5e10})
    assert found.best == held.best
    assert found.best["tokens"] > 2.5e10


# ------------------------------------------------------------------------------------------ posterior


def test_posterior_of_the_optimum_is_each_draws_closed_form() -> None:
    posterior = fitted()
    found = allocate(posterior, 1e23, family="a")
    draws = posterior.tree["posterior"].to_dataset().sel(family="a")
    draws = {k: draws[k].values.ravel() for k in ("A", "alpha", "B", "beta")}
    exact = np.asarray(optimal_params(1e23, **draws))
    inner = ~(found.draws["params"] >= found.params[-1] * 0.999)
    np.testing.assert_allclose(found.draws["params"][inner], exact[inner], rtol=2e-3)
    np.testing.assert_allclose(found.draws["ratio"], found.draws["tokens"] / found.draws["params"])
    low, high = found.quantile("params", (0.05, 0.95))
    assert low < optimum_at(LAW, BESIROGLU, 1e23).best["params"] < high
    assert low < found.best["params"] < high


def test_certain_posterior_gives_the_published_optimum() -> None:
    found = allocate(known(), 5.76e23, family="a")
    assert found.best["params"] == pytest.approx(7.23e10, rel=2e-3)
    assert np.ptp(found.draws["params"]) == pytest.approx(0, abs=1e6)


@pytest.mark.slow
def test_discrepancy_stays_out_of_single_draws_unless_asked() -> None:
    bare, rough = (allocate(drifting(), 1e23, structure=s) for s in (False, True))
    np.testing.assert_array_equal(bare.expected, rough.expected)
    assert bare.best == rough.best
    assert np.any(bare.draws["params"] != rough.draws["params"])


def test_average_lies_between_its_laws() -> None:
    one, other = known(), known({**HOFFMANN})
    mixed = allocate([(one, 1.0), (other, 3.0)], 1e24, family="a")
    sizes = np.sort(mixed.draws["params"])
    assert sizes[0] == pytest.approx(4.13e10, rel=1e-2)
    assert sizes[-1] == pytest.approx(9.59e10, rel=1e-2)
    assert np.mean(mixed.draws["params"] < 6e10) == pytest.approx(0.75, abs=0.01)
    assert 4.13e10 < mixed.best["params"] < 9.59e10


def test_frontier_has_a_row_per_budget() -> None:
    table = frontier(known(), [1e22, 1e23, 1e24], points=100, family="a")
    growth = np.diff(np.log(table["params"])) / np.log(10)
    a = BESIROGLU["beta"] / (BESIROGLU["alpha"] + BESIROGLU["beta"])
    np.testing.assert_allclose(growth, a, rtol=1e-3)
    assert np.all(np.diff(table["value"]) < 0)
    assert np.all(table["least params within 1 %"] < table["params"])


def test_accuracy_is_maximised() -> None:
    law = bs.law("ladder_two_step")
    found = optimum_at(law, {p.name: p.constrain(p.location) for p in law.parameters}, 1e22)
    assert found.better == "higher"
    assert found.best["value"] == pytest.approx(found.expected.max(), rel=1e-6)
    assert found.expected[[0, -1]].max() < found.best["value"] < 1


def test_regret() -> None:
    assert regret(known(), PLAN, family="a").mean == pytest.approx(0, abs=1e-4)
    bad = regret(known(), {"params": 1e12, "tokens": 9.8e10}, family="a")
    gap = (
        np.exp(LAW.predictor(1e12, 9.8e10, **BESIROGLU))
        - optimum_at(LAW, BESIROGLU, 6 * 9.8e22).best["value"]
    )
    assert bad.mean == pytest.approx(gap, rel=1e-3)
    assert bad.best["params"] == pytest.approx(7.3e10, rel=0.05)


# ------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inference_tokens": -1.0}, "inference_tokens is -1, expected 0 or more"),
        ({"flop": 0.0}, "flop is 0, expected a positive"),
        ({"unique_tokens": float("inf")}, "unique_tokens is inf"),
        ({"memory_limit_params": 0.0}, "memory_limit_params is 0"),
        ({"sizes": (1e9, -1.0)}, "size 2 is -1"),
        ({"sizes": (1e11,), "memory_limit_params": 1e10}, "no size fits"),
        ({"price_per_flop": "much"}, "price_per_flop is 'much', expected a positive number"),
    ],
)
def test_bad_costs(options, message) -> None:
    with pytest.raises(DecisionError, match=message):
        Cost(**options)


@pytest.mark.parametrize(
    ("budget", "options", "message"),
    [
        (1e10, {}, "below the smallest run of the table"),
        (0, {}, "budget is 0, expected a positive"),
        ("lots", {}, "budget is 'lots'"),
        (1e24, {"held": {"widht": 3.0}}, "no input 'widht' to hold"),
        (1e24, {"better": "smaller"}, "did you mean|known: lower, higher"),
        (
            1e24,
            {"cost": Cost(inference_tokens=1e25)},
            r"serving 1e\+25 tokens leaves no budget for a model: 1e\+24 FLOP do not pay for one parameter",
        ),
        (1e24, {"cost": Cost(sizes=(1e20,), inference_tokens=1e13)}, "leaves no tokens after serving"),
    ],
)
def test_bad_questions(budget, options, message) -> None:
    with pytest.raises(DecisionError, match=message) as caught:
        allocate(fitted(), budget, **options)
    assert "\n" not in str(caught.value)


def test_laws_without_a_trade_off_and_missing_inputs() -> None:
    values = {p.name: p.interval[0] for p in bs.law("power_law").parameters}
    with pytest.raises(DecisionError, match="no trade-off of size and data"):
        optimum_at(bs.law("power_law"), values, 1e24, better="lower")
    law = bs.law("data_constrained")
    with pytest.raises(DecisionError, match="also needs unique"):
        optimum_at(law, law.published["muennighoff2023"].values, 1e24)
    with pytest.raises(DecisionError, match="a low or a high 'learning_rate'"):
        optimum_at(bs.law("step_law"), {}, 1e24)


def test_failed_diagnostics_refuse() -> None:
    bad = replace(fitted(), diagnostics=replace(fitted().diagnostics, problems=("R-hat 1.5",)))
    with pytest.raises(DiagnosticsRefused, match="R-hat"):
        allocate(bad, 1e24)
    assert allocate(bad, 1e24, allow_failed=True).best == allocate(fitted(), 1e24).best


# --------------------------------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    made = typer.Typer(cls=_Group)
    _cli_decide.register(made)
    path = tmp_path_factory.mktemp("decide") / "posterior.nc"
    save(fitted(), path)
    chinchilla_table().to_csv(path.parent / "runs.csv", index=False)

    def call(*words: Any, table: bool = False) -> Any:
        data = path.parent / "runs.csv" if table else path
        return CliRunner().invoke(made, [words[0], str(data), *map(str, words[1:])])

    return call


def test_command(app) -> None:
    result = app("allocate", "--budget", "1e24", "--inference-tokens", "1e13", "--group-value", "a", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    found = allocate(fitted(), 1e24, cost=Cost(inference_tokens=1e13), family="a")
    assert answer["allocations"][0]["best"] == pytest.approx(dict(found.best))
    assert set(answer["allocations"][0]["posterior"]) == {"params", "tokens", "ratio", "value"}
    people = app("allocate", "--budget", "1e23", "--budget", "1e24")
    assert people.exit_code == 0, people.output
    assert "within 1 %" in people.stdout
    people = app("allocate", "--budget", "1e23", "--budget", "1e25", "--memory-limit", "20B")
    assert "budget 1e25: in " in " ".join(people.stdout.split()), "a note says of which budget it is"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--budget", "1e5"), "below the smallest run"),
        (("--budget", "nothing"), "--budget is 'nothing'"),
        (("--budget", "1e24", "--size", "0"), "--size is 0"),
        (("--budget", "1e24", "--hold", "wdith=3"), "--hold wdith=3: law 'chinchilla' has no input 'wdith'"),
    ],
)
def test_command_refuses_with_one_line(app, words, message) -> None:
    result = app("allocate", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not result.stdout


@pytest.mark.usefixtures("_no_sampling")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("allocate", "--budget", "1e18"), "below the smallest run of the table"),
        (("allocate", "--budget", "1e24", "--inference-tokens", "1e25"), "leaves no budget for a model"),
        (
            ("risk", "--at", "params=70B,tokens=1.4T", "--target", "loss=2", "--memory-limit", "10B"),
            "params=70B,tokens=1.4T has 7e+10 parameters, more than the memory limit of 1e+10",
        ),
    ],
)
def test_a_table_is_not_sampled_for_a_bad_question(app, words, message) -> None:
    for law in ((), ("--law", "chinchilla")):
        result = app(*words, *law, table=True)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
