"""From simulated items and samples through a fit to what a law is for: scores, clusters, emergence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayes_scaling as bs
from bayes_scaling.law import mean
from bayes_scaling.laws import law
from bayes_scaling.laws.downstream import cod_cluster_law, mcq_metric_chain
from bayes_scaling.posterior import Posterior
from tests._simulate import FEW


def draws_of(posterior: Posterior, *names: str) -> list[np.ndarray]:
    """Draws of quantities, chains one after the other: shape (draws, ...)."""
    tree = posterior.tree["posterior"].to_dataset()
    return [tree[name].values.reshape(-1, *tree[name].shape[2:]) for name in names]


# --- multiple choice: likelihoods of choices -> law -> accuracy ---------------------------------------


#: Items whose right answer gains at different rates, at compute over 1e22: E, a, b; and the wrong ones.
RIGHT = np.array([[0.6, 1.0, 0.2], [0.9, 0.8, 0.25], [0.5, 1.4, 0.15], [1.2, 0.9, 0.2], [0.7, 1.2, 0.18]])
WRONG = np.array([[1.6, 1.9, 2.6], [1.5, 2.0, 2.2], [1.5, 1.8, 2.4], [2.1, 2.2, 2.9], [1.8, 2.0, 2.1]])
GAIN, RATE, SCATTER = 0.3, 0.1, 0.15


def likelihoods(compute: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Negative log likelihoods (models, items, 4), the right choice first, with scatter of every choice."""
    x = np.asarray(compute)[:, None] / 1e22
    right = RIGHT[:, 0] + RIGHT[:, 1] * x ** -RIGHT[:, 2]
    wrong = WRONG + GAIN * x[..., None] ** -RATE
    nll = np.concatenate([right[..., None], wrong], axis=-1)
    return nll + SCATTER * rng.standard_normal(nll.shape)


def test_accuracy_of_four_choices_follows_from_a_fit_of_their_likelihoods():
    rng = np.random.default_rng(21)
    compute = np.geomspace(1e19, 1e23, 14)
    seen = likelihoods(compute, rng)
    items = [f"item {i}" for i in range(5)]
    table = pd.DataFrame(
        {
            "family": np.tile(items, 14),
            "compute": np.repeat(compute, 5),
            "p_choices": np.asarray(mcq_metric_chain.metrics(seen).p_choices).ravel(),
        }
    )
    posterior = bs.fit("mcq_metric_chain", bs.read_runs(table), structure=None, settings=FEW)
    plans = [{"compute": 1e24}] * 5
    share = bs.forecast(posterior, plans, family=items, target="mean", allow_failed=True).draws
    log_odds = np.log(share) - np.log1p(-share)
    seed, misfit = draws_of(posterior, "seed_sd", "misfit_sd")
    largest = np.log(mcq_metric_chain.wrong_split(seen[-4:])).mean(axis=0)
    split = np.exp(largest) / np.exp(largest).sum(axis=-1, keepdims=True)
    scatter = np.hypot(seed, misfit)[:, None]
    found = mcq_metric_chain.expected_scores(log_odds, split, scatter, draws=50)
    assert found.accuracy.shape == share.shape
    # what models of that size score on average over the scatter of their choices
    truth = mcq_metric_chain.metrics(likelihoods(np.full(4000, 1e24), rng))
    for name in ("p_choices", "brier", "accuracy"):
        mine = np.asarray(getattr(found, name)).mean(axis=1)
        true = float(np.asarray(getattr(truth, name)).mean())
        low, high = np.quantile(mine, [0.01, 0.99])
        assert low < true < high, name
        assert high - low < 0.2, (name, "the band says something")
    of_the_mean = np.asarray(mcq_metric_chain.expected_scores(log_odds, split).accuracy)
    assert set(np.unique(of_the_mean)) <= {0.0, 1.0}, "without scatter an item is right or wrong"


# --- clusters of items -> law -> subset -> benchmark --------------------------------------------------


#: Cluster laws at compute over 1e22 of open answers (m, b, c), and items of each.
KINDS = {"early": (0.35, 0.45, 0.03), "late": (1.6, 0.3, 0.05)}
ITEMS, SAMPLES = 60, 100


def rates(compute: np.ndarray) -> np.ndarray:
    """Pass rates (models, items): two kinds that follow the law and one that wanders at a low level."""
    x = np.asarray(compute)[:, None] / 1e22
    kinds = [np.exp(-m * x**-b - c) for m, b, c in KINDS.values()]
    flat = 0.25 + 0.02 * np.log10(x)
    return np.repeat(np.concatenate([*kinds, flat], axis=1), ITEMS, axis=1)


def test_a_benchmark_is_forecast_by_clusters_of_its_items():
    rng = np.random.default_rng(22)
    compute = np.geomspace(1e20, 1e23, 9)
    passes = rng.binomial(SAMPLES, rates(compute))
    label = cod_cluster_law.clusters((passes / SAMPLES).T)
    found = np.unique(label[label >= 0])
    for cluster in found:
        kinds = set((np.flatnonzero(label == cluster) // ITEMS).tolist())
        assert len(kinds) == 1, "no cluster mixes two kinds"
    size = np.array([(label == cluster).sum() for cluster in found])
    assert size.sum() > 0.9 * len(label)
    names = [f"cluster {c}" for c in found]
    rows = [
        {"family": name, "compute": compute[i], "n_correct": passes[i, label == c].sum(), "n_samples": n}
        for name, c, n in zip(names, found, SAMPLES * size, strict=True)
        for i in range(len(compute))
    ]
    clusters = bs.fit(
        "cod_cluster_law",
        bs.read_runs(pd.DataFrame(rows)),
        priors={"chance": (1e-4, 1e-3)},  # open answers
        structure=None,
        settings=FEW,
    )
    plans = [{"compute": 1e24}] * len(names)
    accuracy = bs.forecast(clusters, plans, family=names, target="mean", allow_failed=True).draws
    (extrapolatable,) = draws_of(clusters, "extrapolatable")
    kept = extrapolatable.mean(axis=0) > 0.5
    kind = np.array([np.flatnonzero(label == c)[0] // ITEMS for c in found])
    assert kept[kind == 1].all(), "a law with a > 1, b > 0.1 and c < 1"
    assert not kept[kind == 2].any(), "what hardly grows is not extrapolated"
    subset = np.asarray(cod_cluster_law.subset_accuracy(accuracy, size, kept))
    true_subset = rates(np.array([1e24]))[0, np.isin(label, found[kept])].mean()
    low, high = np.quantile(subset, [0.01, 0.99])
    assert low < true_subset < high
    assert high - low < 0.15
    # the whole benchmark from the subset, learnt on the small models
    small = passes[:, np.isin(label, found[kept])].mean(axis=1) / SAMPLES
    whole = pd.DataFrame(
        {
            "family": "benchmark",
            "subset": small,
            "n_correct": passes.sum(axis=1),
            "n_samples": passes.shape[1] * SAMPLES,
        }
    )
    joined = bs.fit(law("cod_cluster_law", 2), bs.read_runs(whole), structure=None, settings=FEW)
    first, second = (d.reshape(len(d), -1)[:, 0] for d in draws_of(joined, "first", "second"))
    full = np.asarray(cod_cluster_law.full_set(subset, first=first, second=second))
    assert full.shape == subset.shape
    assert np.median(full) == pytest.approx(rates(np.array([1e24])).mean(), abs=0.08)


# --- pass rates -> curvature -> emergence --------------------------------------------------------------


def test_a_fit_reports_whether_emergence_is_accelerated():
    rng = np.random.default_rng(23)
    params, bent = np.geomspace(3e7, 3e9, 9), law("passuntil_task_law", 2)
    rows = []
    for family, curvature in (("accelerated", -0.05), ("by the law", 0.0)):
        values = {"c": 4.0, "alpha": 0.4, "curvature": curvature}
        centre = np.exp(np.log(params).mean())
        rate = np.asarray(mean(bent, {"params": params / centre}, values))
        rows += [
            {"family": family, "params": n, "n_correct": rng.binomial(100_000, p), "n_samples": 100_000}
            for n, p in zip(params, rate, strict=True)
        ]
    posterior = bs.fit(bent, bs.read_runs(pd.DataFrame(rows)), structure=None, settings=FEW)
    emergence, accelerated = draws_of(posterior, "emergence", "accelerated")
    low, high = np.quantile(emergence, [0.01, 0.99], axis=0)
    assert (low < [-0.1, 0.0]).all()
    assert (high > [-0.1, 0.0]).all()
    assert accelerated.mean(axis=0)[0] > 0.95
    assert 0.02 < accelerated.mean(axis=0)[1] < 0.98, "the law itself is neither"
    told = posterior.summary(prob=0.98)
    np.testing.assert_allclose(
        told.loc["emergence[accelerated]", ["1 %", "99 %"]].astype(float), [low[0], high[0]]
    )
    assert told.loc["accelerated[accelerated]", "median"] == 1.0
