"""Whether a fitted law of accuracy predicts its task at all, and what a forecast says if it does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling.plot.prior import from_prior
from tests._simulate import power_table

FEW = bs.Settings(chains=2, warmup=200, draws=200, most_draws=200)
LOSS = np.linspace(3.6, 2.4, 14)
ITEMS = 2000


def fitted(accuracy: np.ndarray) -> bs.Posterior:
    rng = np.random.default_rng(4)
    p = np.clip(accuracy, 0.01, 0.99)
    table = pd.DataFrame({"loss": LOSS, "accuracy": rng.binomial(ITEMS, p) / ITEMS})
    return bs.fit("accuracy_sigmoid", bs.read_runs(table), structure=None, settings=FEW)


@pytest.fixture(scope="module")
def rising() -> bs.Posterior:
    return fitted(0.25 + 0.7 / (1 + np.exp(6 * (LOSS - 2.9))))


@pytest.fixture(scope="module")
def guessing() -> bs.Posterior:
    return fitted(np.full(len(LOSS), 0.25))


def notes(posterior: bs.Posterior) -> str:
    return " ".join(bs.forecast(posterior, {"loss": 2.2}, allow_failed=True).notes)


def test_a_task_that_has_left_chance_is_predictable(rising) -> None:
    found = bs.verdict(rising, items=ITEMS, task="cloze")
    assert found.task == "cloze"
    assert found.predictable
    assert found.reason.startswith("it rises from 2")
    assert found.above_chance > 0.99
    assert found.rise > 0.99
    assert "not predictable" not in notes(rising)


def test_a_task_at_chance_is_not_and_its_forecast_says_so(guessing) -> None:
    found = bs.verdict(guessing, items=ITEMS)
    assert found.task == "accuracy_sigmoid"
    assert not found.predictable
    assert found.above_chance < 0.9
    assert "no fitted model is surely above chance: the best, at 2" in found.reason
    assert f"not predictable from these runs: {bs.verdict(guessing).reason}" in notes(guessing)


def test_an_average_says_which_law_has_a_doubt(rising, guessing) -> None:
    """What all laws say, here how far the plan lies, is said once and without their names."""
    whole = bs.Average((rising, guessing), (0.5, 0.5))
    found = bs.forecast(whole, {"loss": 4.4}, allow_failed=True).notes
    assert found[0].startswith("plan 1 lies 0.2 e-folds of loss")
    assert [note for note in found if "not predictable" in note] == [
        f"accuracy_sigmoid: not predictable from these runs: {bs.verdict(guessing).reason}"
    ]


@pytest.mark.parametrize(("rise", "told"), [(6.0, "it rises from"), (0.0, "no fitted model is surely above")])
def test_counts_bring_their_own_number_of_items(rise, told) -> None:
    rng = np.random.default_rng(5)
    p = 0.25 + 0.7 / (1 + np.exp(rise * (LOSS - 2.9))) if rise else np.full(len(LOSS), 0.25)
    trials = np.full(len(LOSS), ITEMS)
    table = pd.DataFrame({"task_loss": LOSS - 2.2, "n_correct": rng.binomial(trials, p), "n_samples": trials})
    posterior = bs.fit(bs.law("ladder_two_step", 2), bs.read_runs(table), structure=None, settings=FEW)
    assert told in bs.verdict(posterior).reason
    assert bs.verdict(posterior) == bs.verdict(posterior, items=ITEMS)


def test_few_items_leave_more_to_luck(rising) -> None:
    many, few = bs.verdict(rising, items=10_000), bs.verdict(rising, items=30)
    assert few.rise <= many.rise
    assert few.scatter > many.scatter


def test_what_has_no_verdict() -> None:
    posterior = from_prior(bs.law("power_law"), bs.read_runs(power_table()), draws=20)
    with pytest.raises(
        ValueError, match="law 'power_law' predicts 'y'; a verdict is on downstream laws of acc"
    ):
        bs.verdict(posterior)


def test_a_number_of_items_is_positive(guessing) -> None:
    with pytest.raises(
        ValueError, match="items is 0, expected the number of items of the test set: 1 or more"
    ):
        bs.verdict(guessing, items=0)
