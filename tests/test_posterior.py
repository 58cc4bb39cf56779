"""What comes of a fit: groups, ArviZ's functions, the summary, the gate, and what data cannot decide."""

from __future__ import annotations

import inspect
import warnings

import arviz
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayes_scaling as bs
from bayes_scaling.diagnostics import Diagnostics, diagnose, identifiability, mixing, prior_shares
from bayes_scaling.law import Law
from bayes_scaling.layout import prepare
from bayes_scaling.plot.prior import from_prior
from bayes_scaling.posterior import Posterior
from bayes_scaling.tree import prior_groups
from tests._simulate import FAMILIES, TRUTH, chinchilla_fit, chinchilla_table, power_table

GROUPS = {
    "posterior",
    "posterior_predictive",
    "log_likelihood",
    "sample_stats",
    "observed_data",
    "constant_data",
    "prior",
    "prior_predictive",
}


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    """A real, short fit of three families with replicates."""
    return chinchilla_fit()


@pytest.fixture(scope="module")
def rows() -> Posterior:
    """One family, every row a run of its own; draws from the prior, in one chain."""
    return from_prior(bs.law("power_law"), bs.read_runs(power_table()), draws=200)


# ------------------------------------------------------------------------------------------- the tree


def test_groups_and_dimensions(posterior) -> None:
    tree = posterior.tree
    assert set(tree.children) == GROUPS
    assert dict(tree["posterior"]["alpha"].sizes) == {"chain": 2, "draw": 200, "family": 3}
    assert tuple(tree["posterior"]["family"].values) == FAMILIES == posterior.families
    assert dict(tree["posterior_predictive"]["loss"].sizes) == {"chain": 2, "draw": 200, "row": 60}
    assert dict(tree["log_likelihood"]["loss"].sizes) == {"chain": 2, "draw": 200, "cluster": 15}
    assert dict(tree["prior"]["E_population"].sizes) == {"chain": 1, "draw": 500}
    assert tree["sample_stats"]["diverging"].dtype == bool
    for group in ("posterior", "prior", "posterior_predictive", "prior_predictive", "log_likelihood"):
        for name, values in tree[group].data_vars.items():
            assert np.isfinite(values).all(), (group, name)
            assert values.dtype == np.float64, (group, name)


def test_observed_rows_are_those_of_the_table(posterior) -> None:
    table, tree = posterior.runs.table, posterior.tree
    at = tree["observed_data"]["row"].values
    assert sorted(at) == list(range(60))
    np.testing.assert_array_equal(tree["observed_data"]["loss"], table["loss"].to_numpy()[at])
    np.testing.assert_array_equal(tree["constant_data"]["tokens"], table["tokens"].to_numpy()[at])
    np.testing.assert_array_equal(tree["constant_data"]["family_of_row"], table["family"].to_numpy()[at])


def test_log_likelihood_is_that_of_the_model(posterior) -> None:
    """From the parameters in the tree, by SciPy: a multivariate Student-t for every configuration."""
    draws, constant = posterior.tree["posterior"], posterior.tree["constant_data"]
    y = np.log(posterior.tree["observed_data"]["loss"].values)
    n, d, family = (constant[k].values for k in ("params", "tokens", "family_of_row"))
    config = np.unique(np.stack([np.searchsorted(FAMILIES, family), n], axis=1), axis=0, return_inverse=True)[
        1
    ]
    for chain, draw in ((0, 0), (1, 77)):
        at = draws.to_dataset().isel(chain=chain, draw=draw)
        values = {p.name: at[p.name].sel(family=list(family)).values for p in posterior.law.parameters}
        eta = np.log(
            values["E"]
            + values["A"] * (n / 5e8) ** -values["alpha"]
            + values["B"] * (d / 2e10) ** -values["beta"]
        )
        seed = float(at["seed_sd"]) * np.exp(float(at["seed_slope"]) * (eta - np.log(3)))
        total = 0.0
        for c in np.unique(config):
            mine = config == c
            covariance = np.diag(seed[mine] ** 2) + float(at["misfit_sd"]) ** 2
            total += stats.multivariate_t(eta[mine], covariance, float(at["degrees_of_freedom"])).logpdf(
                y[mine]
            )
        found = float(posterior.tree["log_likelihood"]["loss"].isel(chain=chain, draw=draw).sum())
        assert found == pytest.approx(total - y.sum(), rel=1e-9), "in nats per token, not in their logs"


def test_log_likelihood_of_single_rows(rows) -> None:
    draws, constant = rows.tree["posterior"], rows.tree["constant_data"]
    assert rows.tree["log_likelihood"]["y"].dims == ("chain", "draw", "row")
    at = draws.to_dataset().isel(chain=0, draw=3)
    x, y = constant["x"].values, rows.tree["observed_data"]["y"].values
    centre, shift = np.exp(np.log(x).mean()), np.log(y).mean()
    eta = shift + np.log(float(at["A"][0])) - float(at["alpha"][0]) * np.log(x / centre)
    away = np.clip(eta - shift, -3, 3)
    scale = np.hypot(float(at["seed_sd"]) * np.exp(float(at["seed_slope"]) * away), float(at["misfit_sd"]))
    expected = stats.t(float(at["degrees_of_freedom"]), eta, scale).logpdf(np.log(y)) - np.log(y)
    np.testing.assert_allclose(rows.tree["log_likelihood"]["y"].isel(chain=0, draw=3), expected, rtol=1e-9)


def test_posterior_predictive_covers_the_runs(posterior) -> None:
    draws = posterior.tree["posterior_predictive"]["loss"].values.reshape(-1, 60)
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    observed = posterior.tree["observed_data"]["loss"].values
    assert 0.75 <= np.mean((low <= observed) & (observed <= high)) <= 1


def test_derived_quantities_keep_float64() -> None:
    """Published constants such as N_c lie beyond the range of float32."""
    law = bs.law("kaplan_nd")
    fitted = from_prior(law, bs.read_runs(chinchilla_table(1).query("family == 'a'")), draws=100)
    draws = fitted.tree["posterior"]
    for one in law.derived:
        assert draws[one.name].dtype == np.float64
        names = inspect.signature(one.function).parameters
        values = {n: draws[n].values.astype(np.longdouble) for n in names}
        if one.name in ("N_c", "D_c"):
            level, exponent = values.values()
            reference = {"N_c": 5e8, "D_c": 2e10}[one.name] * level ** (1 / exponent)
            np.testing.assert_allclose(draws[one.name].values, reference.astype(float), rtol=1e-10)


# ---------------------------------------------------------------------------------------------- ArviZ


def test_arviz_reads_the_tree(posterior) -> None:
    tree = posterior.tree
    summary = arviz.summary(tree, var_names=["E", "alpha", "seed_sd"])
    assert list(summary.index[:3]) == ["E[a]", "E[b]", "E[c]"]
    for function in (arviz.rhat, arviz.ess, arviz.hdi, arviz.mcse):
        found = function(tree)
        assert np.isfinite(found["alpha"]).all(), function.__name__
    assert float(arviz.bfmi(tree)["energy"].min()) == pytest.approx(posterior.diagnostics.bfmi, rel=0.02)
    with warnings.catch_warnings():  # to leave out a whole configuration may be more than it can weigh
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto", category=UserWarning)
        loo = arviz.loo(tree, pointwise=True)
    assert np.isfinite(loo.elpd)
    assert 1 < loo.p < 40


def test_arviz_plots_the_tree(posterior) -> None:
    from matplotlib import pyplot

    for plot in (arviz.plot_forest, arviz.plot_trace):
        plot(posterior.tree, var_names=["alpha"], backend="matplotlib")
    arviz.plot_ppc_dist(posterior.tree, backend="matplotlib")
    assert len(pyplot.get_fignums()) >= 3
    pyplot.close("all")


# -------------------------------------------------------------------------------------------- summary


def test_summary(posterior) -> None:
    table = posterior.summary(prob=0.8)
    assert list(table.columns) == ["median", "sd", "10 %", "90 %", "R-hat", "ESS", "prior share"]
    law = posterior.law
    for name in (*(p.name for p in law.parameters), *(d.name for d in law.derived)):
        assert {f"{name}[{f}]" for f in FAMILIES} <= set(table.index)
    assert {"seed_sd", "misfit_sd", "seed_slope", "degrees_of_freedom", "E_population", "E_spread"} <= set(
        table.index
    )
    draws = posterior.tree["posterior"]["E"].sel(family="b").values
    assert table.loc["E[b]", "median"] == pytest.approx(np.median(draws))
    assert table.loc["E[b]", "10 %"] == pytest.approx(np.quantile(draws, 0.1))
    assert (table["10 %"] < table["median"]).all()
    assert (table["median"] < table["90 %"]).all()
    assert table.loc["E[a]", "prior share"] < 0.3 < table.loc["degrees_of_freedom", "prior share"]
    # an optimal size spans orders of magnitude: shares of its width make sense on the log scale only
    optimal = [name for name in table.index if name.startswith("params_1e24")]
    assert table.loc[optimal, "prior share"].between(0.001, 2.0).all()


def test_summary_of_one_family_has_no_brackets(rows) -> None:
    assert {"A", "alpha", "doubling", "seed_sd"} <= set(rows.summary().index)


def test_fit_finds_the_truth(posterior) -> None:
    """Family a follows the published law exactly."""
    table = posterior.summary()
    for name in ("E", "alpha", "beta"):
        row = table.loc[f"{name}[a]"]
        assert row["5 %"] - row["sd"] < TRUTH[name] < row["95 %"] + row["sd"]


def test_repr_tells_the_state(posterior) -> None:
    assert repr(posterior).startswith("Posterior(chinchilla, 60 rows, 3 families, ")


# ----------------------------------------------------------------------------------- the gate


def judged(latents: np.ndarray, **changes) -> Diagnostics:
    rng = np.random.default_rng(5)
    shape = latents.shape[:2]
    statistics = {
        "diverging": np.zeros(shape, bool),
        "energy": rng.normal(size=shape),
        "n_steps": np.full(shape, 7),
    }
    options = {
        k: changes.pop(k) for k in ("interrupted", "restarted", "moved", "max_tree_depth") if k in changes
    }
    return diagnose(latents, statistics | changes, **options)


@pytest.fixture
def good() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 500, 3))


def test_good_draws_pass(good) -> None:
    found = judged(good)
    assert found.passed
    assert found.problems == ()
    assert (found.chains, found.draws, found.divergences, found.tree_depth_hits) == (4, 500, 0, 0)
    assert found.rhat < 1.01
    assert found.bfmi > 1
    assert str(found).startswith("passed: R-hat ")
    assert str(found).endswith(", 4 x 500 draws")
    assert str(judged(good, restarted=1, moved=2)).endswith(", 1 chain restarted, 2 chains moved")


def test_chains_that_disagree_fail(good) -> None:
    good[3, :, 1] += 1.0
    found = judged(good)
    assert not found.passed
    assert found.problems[0].startswith(f"R-hat {found.rhat:.3f} > 1.01: the chains disagree. Sample longer")
    assert str(found).startswith("FAILED: ")
    assert found.problems[0] in str(found)


def test_few_effective_draws_fail(good) -> None:
    walk = np.random.default_rng(1).normal(size=(4, 500, 1))
    for t in range(1, 500):
        walk[:, t] = 0.95 * walk[:, t - 1] + np.sqrt(1 - 0.95**2) * walk[:, t]
    found = judged(np.concatenate([good, walk], axis=-1))
    assert min(found.ess_bulk, found.ess_tail) < 400
    assert any(p.startswith("effective sample size") and "draws=4000" in p for p in found.problems)


def test_divergences_fail(good) -> None:
    diverging = np.zeros((4, 500), bool)
    diverging[1, :3] = True
    found = judged(good, diverging=diverging)
    assert found.divergences == 3
    assert [p.split(":")[0] for p in found.problems] == ["3 divergent transitions"]
    assert found.only_divergences
    assert not judged(good).only_divergences
    assert not judged(good + np.arange(4)[:, None, None], diverging=diverging).only_divergences
    assert "target_accept" in found.problems[0]


def test_heavy_energy_fails(good) -> None:
    energy = np.random.default_rng(2).normal(size=(4, 500))
    energy[2] = np.cumsum(energy[2]) * 0.1
    found = judged(good, energy=energy)
    assert found.bfmi < 0.3
    assert found.problems[0].startswith(f"BFMI {found.bfmi:.2f} < 0.3")


def test_tree_depth_and_interruption_are_counted(good) -> None:
    steps = np.full((4, 500), 7)
    steps[0, :5] = 31
    found = judged(good, n_steps=steps, max_tree_depth=5, interrupted=True, restarted=2, moved=1)
    assert (found.tree_depth_hits, found.restarted, found.moved) == (5, 2, 1)
    assert found.problems == ("interrupted: 500 draws per chain were kept.",)


def test_draws_that_are_not_finite_fail(good) -> None:
    good[0, 7, 1] = np.nan
    assert mixing(good) == (np.inf, 0.0, 0.0)
    assert len(judged(good).problems) == 2


def test_chains_stuck_at_points_of_their_own_fail(good) -> None:
    good[:, :, 2] = np.arange(4.0)[:, None]
    assert not judged(good).passed


# ------------------------------------------------------------------------------------ identifiability


def told(frame: pd.DataFrame, law: Law | str = "chinchilla") -> str:
    law = bs.law(law) if isinstance(law, str) else law
    return "\n".join(identifiability(prepare(law, bs.read_runs(frame))))


def open_study(rows: int = 12) -> pd.DataFrame:
    """Sizes and tokens that vary apart, losses over a wide range."""
    rng = np.random.default_rng(0)
    params, tokens = 10 ** rng.uniform(7, 10, rows), 10 ** rng.uniform(9, 12, rows)
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": np.linspace(4, 2, rows)})


def test_an_open_study_has_nothing_to_tell() -> None:
    assert told(open_study()) == ""


def test_fewer_runs_than_parameters_is_told() -> None:
    assert "4 runs for 5 parameters of chinchilla: the priors decide" in told(open_study(4))


def test_one_size_is_told() -> None:
    text = told(open_study().assign(params=1e9))
    assert "only 1 distinct value of params: what depends on params comes from the prior" in text
    assert "tokens" not in text


def test_a_fixed_ratio_of_tokens_to_parameters_is_told() -> None:
    frame = open_study()
    text = told(frame.assign(tokens=20 * frame.params))
    assert "params and tokens move together (correlation of logs 1.0000)" in text


def test_losses_far_from_the_floor_are_told() -> None:
    text = told(open_study().assign(loss=np.linspace(3.0, 2.8, 12)))
    assert "varies only by a factor 1.07: the floor E" in text


def test_checkpoints_do_not_count_as_runs() -> None:
    frame = open_study(12).assign(run=np.repeat(["a", "b", "c"], 4), params=np.repeat([1e8, 1e9, 1e10], 4))
    assert "3 runs for 5 parameters" in told(frame)


def test_a_family_with_one_run_is_allowed() -> None:
    frame = open_study().assign(family=["a"] * 11 + ["b"])
    prepared = prepare(bs.law("chinchilla"), bs.read_runs(frame))
    assert prepared.measured.families == ("a", "b")
    assert identifiability(prepared) == ()


def test_share_of_the_prior_that_is_left() -> None:
    assert prior_shares({"a": 2.0, "b": 0.0}, {"a": 1.0, "b": 1.0}) == {"a": 0.5}


def test_the_prior_drawn_beside_the_chains_is_the_prior() -> None:
    posterior = chinchilla_fit()
    alone = prior_groups(posterior.prepared, posterior.settings.seed)
    for name, group in alone.items():
        for variable, values in group.items():
            np.testing.assert_array_equal(
                posterior.tree[name][variable], values, err_msg=f"{name}/{variable}"
            )
