"""Draws at new inputs: families that nobody has measured, and densities that are densities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayes_scaling as bs
from bayes_scaling.decide.candidates import noise_of
from bayes_scaling.layout import prepare
from bayes_scaling.plot.prior import from_prior, prior_draws
from bayes_scaling.posterior import Posterior, from_draws
from bayes_scaling.predict import Curves, family_draws, log_density, noise_at, predict
from bayes_scaling.supports import to_free
from tests._simulate import FAMILIES, design

X = np.geomspace(1.0, 1000.0, 8)


def untaught(name: str, table: pd.DataFrame, draws: int = 400, **variant: int) -> Posterior:
    """A posterior that has learnt nothing."""
    return from_prior(bs.law(name, **variant), bs.read_runs(table), draws=draws)


def curves_at(posterior: Posterior, count: int, **plan: float) -> Curves:
    """The same plan many times."""
    inputs = {name: np.full(count, value) for name, value in plan.items()}
    return predict(posterior, inputs, [posterior.families[0]] * count, np.random.default_rng(0))


# --- densities ---------------------------------------------------------------------------------------------


def test_the_masses_of_all_counts_sum_to_one() -> None:
    posterior = untaught("coverage_exp_power", pd.DataFrame({"k": X, "n_samples": 40, "n_correct": 10}))
    every = np.arange(41)
    curves = curves_at(posterior, 41, k=30.0)
    noise = noise_at(posterior, curves, [{}] * 41, None)
    mass = np.exp(log_density(posterior, curves, noise, every, np.full(41, 40)))
    assert mass.sum() == pytest.approx(1.0, abs=1e-6)
    drawn = bs.forecast(posterior, {"k": 30.0}, target="measurement", allow_failed=True).draws * 40
    for most in (0, 10, 39):
        assert mass[: most + 1].sum() == pytest.approx(np.mean(drawn <= most + 0.5), abs=0.1)


def test_the_masses_of_all_events_sum_to_one() -> None:
    hours = 500.0 * np.arange(1, 9)
    table = pd.DataFrame({"hours": hours, "interval": 500.0, "n_found": 5})
    posterior = untaught("discovery_poisson_linear", table)
    count = 2000
    curves = curves_at(posterior, count, hours=2000.0, interval=500.0)
    noise = noise_at(posterior, curves, [{}] * count, None)
    mass = np.exp(log_density(posterior, curves, noise, np.arange(count), np.ones(count)))
    assert mass.sum() == pytest.approx(1.0, abs=0.002)
    plan = {"hours": 2000.0, "interval": 500.0}
    drawn = bs.forecast(posterior, plan, target="measurement", allow_failed=True).draws
    for most in (0, 5, 50):
        assert mass[: most + 1].sum() == pytest.approx(np.mean(drawn <= most), abs=0.1)


def test_the_density_of_a_loss_integrates_to_one() -> None:
    posterior = untaught("power_law", pd.DataFrame({"x": X, "y": 2 * X**-0.2}))
    y = np.geomspace(1e-6, 1e6, 4001)
    curves = curves_at(posterior, len(y), x=30.0)
    noise = noise_at(posterior, curves, [{}] * len(y), None)
    density = np.exp(log_density(posterior, curves, noise, y, np.ones(len(y))))
    assert np.trapezoid(density * y, np.log(y)) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("name", "table", "plan", "trials"),
    [
        ("coverage_exp_power", {"k": X, "n_samples": 40, "n_correct": 10}, {"k": 30.0}, 40),
        (
            "discovery_poisson_linear",
            {"hours": 500.0 * np.arange(1, 9), "interval": 500.0, "n_found": 5},
            {"hours": 2000.0, "interval": 500.0},
            None,
        ),
    ],
)
def test_luck_of_counts_on_the_link_scale_is_that_of_their_forecast(name, table, plan, trials) -> None:
    """Taken to the response by the slope again, it is the variance that a forecast splits."""
    posterior = untaught(name, pd.DataFrame(table))
    curves = curves_at(posterior, 1, **plan)
    misfit, seed, counting, _ = noise_of(posterior, curves)
    assert (misfit == 0).all()
    over = posterior.tree["posterior"].to_dataset()["overdispersion"].values.ravel()
    if trials:
        p = np.exp(-np.exp(curves.eta[:, 0]))
        slope = -p * np.log(p)
        expected = p * (1 - p) * np.array([over, np.full(len(over), 1 / trials)]) / (1 + over)
    else:
        slope = np.exp(curves.eta[:, 0])
        expected = np.array([over * slope**2, slope])
    steep = slope > 0.05  # elsewhere the slope is bounded
    found = np.array([seed[:, 0], counting[:, 0]]) ** 2 * slope**2
    assert steep.sum() > 50
    np.testing.assert_allclose(found[:, steep], expected[:, steep], rtol=1e-3)


# --- families that nobody has measured ---------------------------------------------------------------------


def test_a_new_family_is_correlated_as_the_others_are() -> None:
    law = bs.law("power_law")
    prepared = prepare(law, design("power_law").runs, correlate=True)
    posterior = from_draws(prepared, prior_draws(prepared, 4000))
    lower = np.array([[1.0, 0.0], [0.9, np.sqrt(1 - 0.81)]])
    names = [law.parameters[k].name for k in prepared.shape.pooled]
    centre, spread = {"A": 2.0, "alpha": 0.3}, {"A": 0.3, "alpha": 0.1}
    assert names == list(centre)
    draws = posterior.tree["posterior"].to_dataset()
    draws["correlation_factor"] = xr.zeros_like(draws["correlation_factor"]) + lower
    for name in names:
        draws[f"{name}_population"] = draws[f"{name}_population"] * 0 + centre[name]
        draws[f"{name}_spread"] = draws[f"{name}_spread"] * 0 + spread[name]
    theta = family_draws(posterior, draws, "new", np.random.default_rng(1)).theta
    supports = [law.parameter(name).support for name in names]
    z = np.stack(
        [
            (to_free(s, theta[:, k]) - to_free(s, np.array(centre[n]))) / spread[n]
            for k, (n, s) in enumerate(zip(names, supports, strict=True))
        ]
    )
    np.testing.assert_allclose(np.corrcoef(z)[0, 1], 0.9, atol=0.02)
    np.testing.assert_allclose(z.std(axis=1), 1.0, atol=0.05)


def test_what_all_families_share_a_new_one_has_too() -> None:
    prepared = design("lr_annealing")
    posterior = from_prior(prepared.law, prepared.runs, draws=100)
    draws = posterior.tree["posterior"].to_dataset()
    theta = family_draws(posterior, draws, "new", np.random.default_rng(1)).theta
    at = [p.name for p in prepared.law.parameters].index("decay")
    np.testing.assert_array_equal(theta[:, at], draws["decay"].sel(family="a").values.ravel())


def test_what_families_do_not_share_a_new_one_has_from_the_prior() -> None:
    """Measured families say nothing of a separate parameter of another."""
    table = pd.concat(
        [pd.DataFrame({"epsilon": X[:5], "error": 1e-3 * X[:5], "family": f}) for f in FAMILIES]
    )
    posterior = untaught("adv_eps_power", table, draws=4000)
    law = posterior.law
    assert law.parameter("A").pool == "separate"
    draws = posterior.tree["posterior"].to_dataset()
    draws["A"] = draws["A"] * 0 + 0.123
    theta = family_draws(posterior, draws, "new", np.random.default_rng(1)).theta
    held = np.quantile(theta[:, 0], [0.05, 0.95])
    np.testing.assert_allclose(np.log(held), np.log(law.parameter("A").interval), atol=0.15)
