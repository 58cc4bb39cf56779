"""Numbers of the catalogue's first chapter that come out of the public tables without a fit by sampling."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from _zoo import published

from bayes_scaling.law import mean
from bayes_scaling.laws import law
from bayes_scaling.laws.pretraining import vocab_loss


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


def test_runs_nearest_to_step_law_lose_a_thousandth_of_the_loss(study):
    """What the published optima cost against the best run of each cell of the grid."""
    table = pd.read_csv(study("steplaw_dense")).query("diverged == 0")
    rate, batch = published("step_law", "li2025"), published("step_law_batch", "li2025")
    lost = []
    for (params, tokens), cell in table.groupby(["params", "tokens"]):
        plan = {"params": params, "tokens": tokens}
        best_lr = float(mean(law("step_law"), plan, rate))
        best_batch = float(mean(law("step_law_batch"), {"tokens": tokens}, batch))
        away = np.log(cell.lr / best_lr) ** 2 + np.log(2048 * cell.batch_size / best_batch) ** 2
        lost.append(cell.loss[away.idxmin()] / cell.loss.min() - 1)
    assert len(lost) == 17
    assert np.mean(lost) == pytest.approx(9.56e-4, abs=1e-5)
    assert np.median(lost) == pytest.approx(6.7e-4, abs=1e-5)


def test_curvatures_around_the_optimum_are_medians_over_the_cells(study):
    table = pd.read_csv(study("steplaw_dense")).query("diverged == 0")
    found = []
    for _, cell in table.groupby(["params", "tokens"]):
        near = cell[cell.loss < 1.02 * cell.loss.min()]
        x, y = np.log(near.lr), np.log(near.batch_size)
        design = np.column_stack([np.ones(len(near)), x, y, x * x / 2, y * y / 2, x * y])
        found.append(np.linalg.lstsq(design, np.log(near.loss), rcond=None)[0][3:])
    h_lr, h_batch, cross = np.median(found, axis=0)
    values = published("lr_bs_surface", "median_cell")
    assert h_lr == pytest.approx(values["h_lr"], abs=6e-5)
    assert h_batch == pytest.approx(values["h_batch"], abs=6e-5)
    told = (2 * values["coupling"] - 1) * np.sqrt(values["h_lr"] * values["h_batch"])
    assert cross == pytest.approx(told, abs=6e-5)


def test_bootstrap_of_the_batch_gives_the_band_of_the_chapter():
    """Standard deviations .44 and .019 and a correlation of -.999, as printed, at 1.4e12 tokens."""
    x = np.log(1.4e12)
    sd = np.sqrt(0.44**2 + (0.019 * x) ** 2 - 2 * 0.999 * 0.44 * 0.019 * x)
    middle = float(
        mean(law("step_law_batch"), {"tokens": 1.4e12}, published("step_law_batch", "li2025_bootstrap"))
    )
    # half of the last printed digit of a standard deviation moves either end by 4 %
    np.testing.assert_allclose(middle * np.exp(np.array([-1.96, 1.96]) * sd), [4.2e6, 5.9e6], rtol=0.04)


def test_dense_runs_of_the_routing_study_are_the_recomputed_power_law(study):
    table = pd.read_csv(study("routing_moe")).query("family == 'Dense' and final == 1 and seed == 42")
    table = table.query("routing_frequency == 0.5 and experts_per_token == 1")
    assert len(table) == 5
    slope, height = np.polyfit(np.log(table.params_dense), np.log(table.loss), 1)
    values = published("power_law", "clark2022_dense_refit")
    assert -slope == pytest.approx(values["alpha"], abs=5e-5)
    # N_c has three digits
    assert np.exp(-height / slope) == pytest.approx(values["A"] ** (1 / values["alpha"]), rel=2e-3)


def test_evaluation_noise_of_the_overtraining_study(study):
    table = pd.read_csv(study("gadre_overtraining"))
    width = (table.loss_c4_val_hi95 - table.loss_c4_val_lo95) / table.loss_c4_val
    assert width.median() == pytest.approx(0.0014, abs=5e-5)


def test_published_vocabulary_constants_hold_only_with_the_slip_of_their_fit(study):
    table, values = pd.read_csv(study("vocab_scaling")), published("vocab_loss", "tao2024")
    size, entries = table.params_nonvocab.to_numpy(float), table.vocab_size.to_numpy(float)
    embedding = table.params_vocab.to_numpy(float)
    characters = table.characters.to_numpy(float)
    true = np.asarray(characters * vocab_loss.tokens_per_character(entries))
    np.testing.assert_allclose(true, table.tokens, rtol=0.05)
    slipped = characters * vocab_loss.tokens_per_character(entries / 1000)
    off = np.asarray(vocab_loss.mean_loss(size, embedding, slipped, **values)) - table.loss_u
    assert np.sqrt((off**2).mean()) == pytest.approx(0.107, abs=0.002)
    assert 1 - (off**2).mean() / table.loss_u.var() == pytest.approx(0.98, abs=0.01)
    above = np.asarray(vocab_loss.mean_loss(size, embedding, true, **values)) - table.loss_u
    fitted = table.compute >= 2.18e17
    assert (len(table), fitted.sum()) == (1200, 1054)
    assert above.mean() == pytest.approx(0.581, abs=5e-4)
    assert above[fitted].mean() == pytest.approx(0.462, abs=5e-4)
