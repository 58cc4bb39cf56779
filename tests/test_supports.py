"""Maps between supports and the real line: there and back, on the device and on the host."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bayes_scaling.laws import law
from bayes_scaling.supports import FROM_SUPPORT, SUPPORT_RANGE, TO_SUPPORT, Support, from_free, to_free


@pytest.mark.parametrize("support", get_args(Support))
@given(u=st.floats(-12, 12))
def test_maps_are_each_others_inverse_and_agree_on_host_and_device(support, u):
    value = float(TO_SUPPORT[support](u))
    low, high = SUPPORT_RANGE[support]
    assert low < value < high
    assert value == pytest.approx(float(from_free(support, u)), rel=1e-5)
    exact = float(from_free(support, u))
    assert FROM_SUPPORT[support](exact) == pytest.approx(u, abs=1e-9)
    assert float(to_free(support, exact)) == pytest.approx(u, abs=1e-9)


def test_a_heavy_prior_has_the_quantiles_of_a_student_t():
    """Catalogue of laws, broken power law: changes of exponents are StudentT(3, 0, 0.7)."""
    change = law("smoothly_broken_power_law").parameter("c1")
    assert change.support == "heavy"
    share = np.array([0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
    ours = from_free("heavy", change.location + change.scale * stats.norm.ppf(share))
    assert ours == pytest.approx(stats.t.ppf(share, 3, scale=0.7), rel=0.08, abs=1e-9)
