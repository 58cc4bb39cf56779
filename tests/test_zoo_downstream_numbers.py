"""Numbers and limits of chapter 2 that stand in no law's record: noise, the authors' runs, printed tables."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import jax
import numpy as np
import pytest

from bayes_scaling.law import Z90, Response, events, successes
from bayes_scaling.laws import law, laws, variants
from bayes_scaling.layout import EVENT_OVERDISPERSION, OVERDISPERSION, _noise_priors


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


# --- noise of pass rates --------------------------------------------------------------------------


def sd_of_log_rate(response: Response, rate: float) -> float:
    """Standard deviation of the true rates of runs over their mean, at the prior median of the noise."""
    omega = np.exp(_noise_priors(response, "rows")[0, 0])
    return float(np.sqrt(omega / (1 + omega) * (1 - rate) / rate))


def test_rare_passes_do_not_scatter_by_more_than_they_are():
    for variant in variants("passuntil_task_law"):
        response = law("passuntil_task_law", variant).predicts
        assert sd_of_log_rate(response, 1e-3) == pytest.approx(0.447, abs=1e-3)
        # the catalogue has half-normal(0.1) on F = log(-log PU), of median 0.067
        assert sd_of_log_rate(response, 1e-3) == pytest.approx(0.067 * -np.log(1e-3), rel=0.05)
    assert sd_of_log_rate(successes(), 1e-3) > 2


def test_overdispersion_is_the_laws_own_or_that_of_all_counts():
    for response, of_all in ((successes(), OVERDISPERSION), (events(), EVENT_OVERDISPERSION)):
        np.testing.assert_array_equal(_noise_priors(response, "rows"), [of_all])
        ((location, scale),) = _noise_priors(replace(response, overdispersion=(1e-3, 0.1)), "rows")
        assert np.exp(location + Z90 * scale * np.array([-1, 1])) == pytest.approx([1e-3, 0.1])
    every = {one.label: one.predicts for name in laws() for one in variants(name).values()}
    own = [label for label, predicts in every.items() if predicts.overdispersion is not None]
    assert own == ["passuntil_task_law", "passuntil_task_law:2"]


def test_retrained_translation_models_scatter_as_the_paper_saw():
    ends = [0.005 * NormalDist().inv_cdf(0.5 + p / 2) for p in (0.05, 0.95)]  # of half-normal(0.005)
    for name in ("nmt_bivariate", "mnmt_joint"):
        predicts = law(name).predicts
        nats = predicts.reference * np.array(predicts.scatter)  # a relative scale
        assert nats == pytest.approx(ends, rel=0.05)
        assert nats[0] < 0.003 < nats[1]
