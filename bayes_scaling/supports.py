"""Maps between a parameter's support and the real line, on which priors and pooling live."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_free(support: str, values: Any) -> Any:
    """Unconstrained values of a parameter, on the host."""
    if support == "positive":
        return np.log(values)
    return np.log(values) - np.log1p(-values) if support == "unit" else values


def from_free(support: str, values: Any) -> Any:
    """Inverse of `to_free`."""
    if support == "positive":
        return np.exp(values)
    return 1 / (1 + np.exp(-values)) if support == "unit" else values
