"""Maps between a parameter's support and the real line, on which priors and pooling live."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

#: A "heavy" parameter is real, with the tails of a hyperbolic sine of a normal: those of a Student-t with
#: three degrees of freedom, nearly, where the scale is about 0.76, and a smooth map as the others have.
Support = Literal["positive", "real", "heavy", "unit"]

#: Unconstrained -> constrained, and back, for each support.
TO_SUPPORT: Mapping[Support, Callable[[Any], Any]] = MappingProxyType(
    {
        "positive": jnp.exp,
        "real": lambda u: u,
        "heavy": jnp.sinh,
        "unit": lambda u: 1 / (1 + jnp.exp(-u)),
    }
)
FROM_SUPPORT: Mapping[Support, Callable[[float], float]] = MappingProxyType(
    {"positive": math.log, "real": float, "heavy": math.asinh, "unit": lambda p: math.log(p / (1 - p))}
)
SUPPORT_RANGE: Mapping[Support, tuple[float, float]] = MappingProxyType(
    {
        "positive": (0.0, math.inf),
        "real": (-math.inf, math.inf),
        "heavy": (-math.inf, math.inf),
        "unit": (0.0, 1.0),
    }
)


def to_free(support: str, values: Any) -> Any:
    """Unconstrained values of a parameter, on the host."""
    if support == "positive":
        return np.log(values)
    if support == "heavy":
        return np.arcsinh(values)
    return np.log(values) - np.log1p(-values) if support == "unit" else values


def from_free(support: str, values: Any) -> Any:
    """Inverse of `to_free`."""
    if support == "positive":
        return np.exp(values)
    if support == "heavy":
        return np.sinh(values)
    return 1 / (1 + np.exp(-values)) if support == "unit" else values
