"""The hierarchical model: finite, indifferent to padding, an arrow in its latents, sane before any data."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any

import jax
import numpy as np
import numpyro
import pandas as pd
import pytest
from numpyro.infer.inspect import get_model_relations

import bayes_scaling as bs
from bayes_scaling.evaluate import evaluate, prior_latents
from bayes_scaling.latents import energy, pack, prior_draw, sizes_of, unpack
from bayes_scaling.layout import Prepared, bucket, prepare
from bayes_scaling.model import hierarchical
from bayes_scaling.plot.prior import from_prior
from bayes_scaling.whiten import arrow_hessian
from tests._laws import constrained, random_inputs, random_values
from tests._simulate import FOUNDATION, chinchilla_fit, design, grid, power_table, typical

DRAWS = 100


def assert_finite(prepared: Prepared) -> None:
    """Energy and its gradient at draws from the prior."""
    shape = prepared.shape

    def at_prior_draw(data, key):
        z = pack(prior_draw(shape, data, key), shape, data)
        return jax.value_and_grad(partial(energy, shape, data))(z)

    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(0), DRAWS)
        values, slopes = jax.jit(lambda data: jax.lax.map(partial(at_prior_draw, data), keys))(prepared.data)
    values, slopes = np.asarray(values), np.asarray(slopes)
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()
    assert (slopes != 0).any(axis=0).all(), "a latent on which nothing depends"


@pytest.mark.parametrize("name", FOUNDATION)
def test_potential_is_finite_at_prior_draws(name) -> None:
    prepared = design(name)
    if name == "power_law_offset":  # and once with families correlated
        prepared = prepare(prepared.law, prepared.runs, correlate=True)
        assert prepared.shape.correlate
    assert_finite(prepared)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in bs.laws() if n not in FOUNDATION])
def test_potential_of_every_law_is_finite(name) -> None:
    assert_finite(typical(name))


def test_density_sees_the_runs_and_not_the_padding() -> None:
    """Padded rows have no density; padded families have that of their prior, a unit normal, and no more."""
    small = design("power_law")
    big = prepare(small.law, small.runs, pad=(2 * bucket(len(small.runs)), 8))
    assert len(big.data.valid) > len(small.data.valid)
    # where no law has been asked about a run, none may say that it is infinite
    assert set(np.asarray(big.data.inputs[0])[len(small.runs) :]) <= set(np.asarray(small.data.inputs[0]))
    assert big.shape.families == 8
    few, many = (sizes_of(p.shape, p.data) for p in (small, big))
    latents = prior_latents(small.shape, small.data, 20)
    cut = few.families * few.local
    extra = np.random.default_rng(0).standard_normal((20, (many.families - few.families) * few.local))
    padded = np.concatenate([latents[:, :cut], extra, latents[:, cut:]], axis=1)
    with jax.enable_x64(True):
        found = jax.jit(jax.vmap(partial(energy, big.shape, big.data)))(padded)
        value = jax.jit(jax.vmap(partial(energy, small.shape), in_axes=(None, 0)))
        plain = np.asarray(value(small.data, latents))
        for row in (0, len(small.runs) - 1):
            response = small.data.response.copy()
            response[row] += 0.1
            assert np.all(np.asarray(value(small.data._replace(response=response), latents)) != plain)
    of_prior = 0.5 * (extra**2 + np.log(2 * np.pi)).sum(axis=1)
    np.testing.assert_allclose(np.asarray(found) - of_prior, plain, rtol=1e-10)


@pytest.mark.parametrize("name", ["chinchilla", "lr_annealing"])
def test_a_law_is_asked_once_for_all_seeds(name) -> None:
    """Rows that repeat a point share what the law says there; density and slopes are those of all rows."""
    once = design(name)
    each = prepare(once.law, once.runs, pad=(1, 1))
    distinct = {"chinchilla": 15, "lr_annealing": 30}[name]
    assert len(set(np.asarray(once.data.point)[: len(once.runs)])) == distinct
    assert len(once.data.points) < len(once.data.response) == len(each.data.points)
    latents = prior_latents(once.shape, once.data, 10)
    with jax.enable_x64(True):
        (value, slope), (all_values, all_slopes) = (
            jax.jit(jax.vmap(jax.value_and_grad(partial(energy, p.shape, p.data))))(latents)
            for p in (once, each)
        )
    np.testing.assert_allclose(value, all_values, rtol=1e-10)
    np.testing.assert_allclose(slope, all_slopes, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("structure", "shift"), [(None, -7.0), (bs.Structure(rank=4), 0.0)])
def test_the_unit_of_a_real_response_decides_nothing(structure, shift) -> None:
    """In another unit the density moves by a constant, and forecasts are the same in that unit.

    The coordinates in which the weights of a discrepancy are sampled depend on the zero of the response.
    """
    law, unit = bs.law("log_linear"), 1000.0
    x = np.geomspace(1.0, 1e4, 10)
    table = pd.DataFrame({"x": x, "y": 0.3 * np.log(x) + 0.02 * np.cos(5 * x), "y_se": 0.01})
    other = table.assign(y=unit * table.y + shift, y_se=unit * table.y_se)
    one, two = (prepare(law, bs.read_runs(t), structure=structure) for t in (table, other))
    latents = prior_latents(one.shape, one.data, 50)
    with jax.enable_x64(True):
        value = jax.jit(jax.vmap(partial(energy, one.shape), in_axes=(None, 0)))
        moved = np.asarray(value(two.data, latents)) - np.asarray(value(one.data, latents))
    np.testing.assert_allclose(moved, len(table) * np.log(unit), rtol=1e-6)
    if structure is not None:
        return
    plans = [{"x": 1e3}, {"x": 1e12}]  # the second lies further out than the seed's scale is followed
    draws = [bs.forecast(from_prior(law, p.runs), plans, allow_failed=True).draws for p in (one, two)]
    np.testing.assert_allclose(draws[1], unit * draws[0] + shift, rtol=1e-6, atol=1e-3)


def test_hessian_is_an_arrow() -> None:
    """Given the population, families are independent, and the blocks are those of the whole Hessian."""
    prepared = design("power_law")
    sizes = sizes_of(prepared.shape, prepared.data)
    z = prior_latents(prepared.shape, prepared.data, 20)[0]
    slope = jax.grad(partial(energy, prepared.shape, prepared.data))
    with jax.enable_x64(True):
        product = jax.jit(lambda v: jax.jvp(slope, (z,), (v,))[1])
        dense = np.stack([np.asarray(product(v)) for v in np.eye(len(z))])
        blocks, coupling, population = map(
            np.asarray,
            jax.jit(partial(arrow_hessian, partial(energy, prepared.shape, prepared.data), sizes=sizes))(z),
        )
    whole = np.zeros_like(dense)
    cut = sizes.families * sizes.local
    whole[cut:, cut:] = population
    for f in range(sizes.families):
        own = slice(f * sizes.local, (f + 1) * sizes.local)
        whole[own, own] = blocks[f]
        whole[own, cut:], whole[cut:, own] = coupling[f], coupling[f].T
    np.testing.assert_allclose(whole, dense, atol=1e-8 * np.abs(dense).max())


def test_latents_keep_their_places() -> None:
    prepared = design("power_law")
    sizes = sizes_of(prepared.shape, prepared.data)
    z = np.arange(float(sizes.families * sizes.local + sizes.population))
    sites = unpack(z, prepared.shape, prepared.data)
    assert sites["family"].shape == (3, 2)
    np.testing.assert_array_equal(sites["family"].reshape(-1), z[:6])
    assert sum(np.size(v) for v in sites.values()) == len(z)


def test_model_can_be_drawn() -> None:
    prepared = design("chinchilla")
    model = partial(hierarchical, prepared.shape, prepared.data)
    relations: dict[str, Any] = get_model_relations(model)
    observed = set(relations["sample_sample"]["loss"])
    assert {"location", "noise", "family", "log_spread"} <= observed
    assert relations["plate_sample"]["families"] == ["family"]
    if importlib.util.find_spec("graphviz"):
        assert "loss" in numpyro.render_model(model).source


@pytest.mark.parametrize(("name", "share"), [("hestness_learning_curve", 0.01), ("chinchilla", 0.05)])
def test_families_differ_as_much_as_their_pooling_says(name, share) -> None:
    """Before any data: exponents of families differ by this share of their prior's scale, times root two."""
    prepared = typical(name)
    spread = share * bs.law(name).parameter("alpha").scale
    draws = evaluate(
        prepared.shape, prepared.data, prior_latents(prepared.shape, prepared.data, 2000), rows=False
    )
    alpha = np.log(draws["theta"][:, :, prepared.shape.names.index("alpha")])
    # half of a normal lies within 0.67 standard deviations; that the spread is not known changes that little
    assert np.median(np.abs(alpha[:, 0] - alpha[:, 1])) == pytest.approx(0.67 * 2**0.5 * spread, rel=0.15)


def test_prior_predictive_of_chinchilla_is_plausible() -> None:
    """A new run of 1e9 parameters on 2e10 tokens, before any run was seen."""
    posterior = chinchilla_fit()
    at = np.flatnonzero(
        np.isclose(posterior.tree["constant_data"]["params"], 1e9)
        & np.isclose(posterior.tree["constant_data"]["tokens"], 2e10)
    )
    losses = posterior.tree["prior_predictive"]["loss"].values[..., at]
    assert losses.size >= 1000
    assert np.mean((losses > 1) & (losses < 12)) > 0.95
    assert np.quantile(losses, 0.9) / np.quantile(losses, 0.1) > 1.5, "the prior is open"


PLAUSIBLE = {
    "power_law": (0.05, 20),
    "power_law_offset": (0.05, 20),
    "smoothly_broken_power_law": (0.01, 100),
    "log_linear": (-8, 8),
    "kaplan_nd": (1, 12),
    "lr_annealing": (1, 12),
    "coverage_exp_power": (1e-6, 1.0),
}


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_priors_expect_plausible_responses(name) -> None:
    """95 % of prior draws at the inputs of a small study."""
    law, rng = bs.law(name), np.random.default_rng(0)
    values = constrained(law, random_values(law, rng, 500))
    if name == "kaplan_nd":
        inputs = grid(1, params=[1e8, 1e9, 1e10], tokens=[2e9, 2e10, 2e11]).head(3)
        points = [tuple(row) for row in inputs[["params", "tokens"]].to_numpy()]
    elif name == "lr_annealing":
        drawn = random_inputs(law, rng, 3)
        points = [(5e3, drawn["schedule"][k]) for k in range(3)]
    else:
        points = [(x,) for x in ((1.0, 30.0, 1000.0) if name == "coverage_exp_power" else (0.1, 1.0, 10.0))]
    eta = np.stack([np.asarray(jax.vmap(lambda v, p=p: law.predictor(*p, **v))(values)) for p in points])
    mean = {"log": np.exp, "identity": np.asarray, "loglog": lambda e: np.exp(-np.exp(e))}[law.predicts.link](
        eta
    )
    low, high = PLAUSIBLE[name]
    assert np.mean((mean >= low) & (mean <= high)) > 0.95


def test_one_family_has_no_hierarchy() -> None:
    prepared = prepare(bs.law("power_law"), bs.read_runs(power_table()))
    assert prepared.shape.pooled == ()
    sizes = sizes_of(prepared.shape, prepared.data)
    assert (sizes.families, sizes.local, sizes.population) == (0, 0, 2 + 4)
