"""Total from non-embedding parameters, and what that does to an optimum (Pearce, Song 2024)."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._roots import bisect
from bayes_scaling.laws._terms import D0, N0
from bayes_scaling.laws.pretraining import chinchilla


def log_mean(params_nonembed, *, omega):
    """Natural log of total parameters."""
    return jnp.log(params_nonembed) + jnp.log1p(omega * params_nonembed ** (-2 / 3))


def omega_of(vocabulary: Any, aspect: Any) -> Any:
    """Value of omega for models with a vocabulary and a ratio of width to depth: ``V (aspect/12)^(1/3)``."""
    return vocabulary * (aspect / 12) ** (1 / 3)


def frontier_compute(params_nonembed: Any, *, A: Any, alpha: Any, B: Any, beta: Any, omega: Any) -> Any:
    """Compute ``C_E = 6 N_E D`` (FLOP, embeddings not counted) at which a size is optimal.

    Parameters
    ----------
    params_nonembed : float or array
        Non-embedding parameters N_E.
    A, alpha, B, beta : float or array
        chinchilla in total parameters, A and B at N0 and D0.
    omega : float or array
        This law's parameter.

    Notes
    -----
    ``d/dN_E`` of the loss at fixed ``N_E D`` is zero:
    ``beta B (D/D0)^-beta = alpha A (N_T/N0)^-alpha (d log N_T / d log N_E)``. Invert it for N_E*(C_E).
    """
    embedding = omega * params_nonembed ** (1 / 3)
    total = params_nonembed + embedding
    slope = (params_nonembed + embedding / 3) / total
    tokens = D0 * (beta * B / (alpha * A * (total / N0) ** -alpha * slope)) ** (1 / beta)
    return 6 * params_nonembed * tokens


def frontier_slope(params_nonembed: Any, *, alpha: Any, beta: Any, omega: Any) -> Any:
    """Local exponent ``d log N_E* / d log C_E`` of the optimum in non-embedding parameters."""
    share = omega / (params_nonembed ** (2 / 3) + omega)  # embeddings in the total
    slope = 1 - 2 / 3 * share  # d log N_T / d log N_E
    bend = 4 / 9 * share * (1 - share) / slope  # d log slope / d log N_E
    return 1 / (1 + (alpha * slope - bend) / beta)


def optimal_params_nonembed(compute: Any, *, A: Any, alpha: Any, B: Any, beta: Any, omega: Any) -> Any:
    """Non-embedding parameters that are optimal at ``compute = 6 N_E D`` FLOP, between 1 and 1e16.

    The inverse of `frontier_compute`, which grows with the size; the other arguments are those.
    """

    def below(u):
        frontier = frontier_compute(jnp.exp(u), A=A, alpha=alpha, B=B, beta=beta, omega=omega)
        return jnp.log(frontier) - jnp.log(compute)

    return jnp.exp(bisect(below, jnp.zeros_like(below(0.0)), jnp.log(1e16)))


def _no_embedding(inputs, values):
    return inputs, {"omega": 1e-12}, {"x": inputs["params_nonembed"]}, {"A": 1.0, "alpha": -1.0}


def _slope_at(params_nonembed, omega):
    return frontier_slope(params_nonembed, alpha=_BESIROGLU["alpha"], beta=_BESIROGLU["beta"], omega=omega)


_BESIROGLU = chinchilla.LAW.published["besiroglu2024"].values

LAW = Law(
    name="pearce_param_map",
    title="Total parameters from non-embedding parameters",
    equation="N_T = N_E + omega N_E^(1/3)",
    predictor=log_mean,
    predicts=positive("params", "parameter", centre="none"),
    inputs=(Input("params_nonembed", "parameter", "non-embedding parameters", (1e3, 1e12)),),
    parameters=(
        Parameter(
            "omega", (2.1e4, 1.1e5), pool="partial", meaning="V (aspect/12)^(1/3), vocabulary V, width/depth"
        ),
    ),
    monotone={"params_nonembed": "increasing"},
    published={"pearce2024": Published({"omega": 47491.0}, "arXiv:2406.12907, fit to the Chinchilla models")},
    golden=(
        # arithmetic with the published omega: N_E^(1/3) is 1e3, and embeddings are half at omega^(3/2)
        Golden({"params_nonembed": 1e9}, 1.047491e9, "pearce2024", rtol=1e-6),
        Golden({"params_nonembed": 47491.0**1.5}, 2 * 47491.0**1.5, "pearce2024", rtol=1e-6),
    ),
    limits=(Limit("omega -> 0", "power_law", _no_embedding),),
    derived=(
        Derived(
            "half_embedding", lambda omega: omega**1.5, "parameter", "N_E at which embeddings are half of N_T"
        ),
        Derived(
            "aspect_32k",
            lambda omega: 12 * (omega / 32000) ** 3,
            meaning="width over depth for a vocabulary of 32000",
        ),
        *(
            Derived(
                f"frontier_slope_{label}",
                partial(_slope_at, size),
                meaning=f"exponent of N_E*(C_E) at {label} parameters, for the fit of arXiv:2404.10102",
            )
            for label, size in (("1e6", 1e6), ("1e9", 1e9))
        ),
    ),
    reference=Reference("Reconciling Kaplan and Chinchilla Scaling Laws", "Pearce, Song", 2024, "2406.12907"),
    notes=(
        "Use it to bring families to one convention before pooling them: never mix N_E and N_T in one law. "
        "The frontier is derived from chinchilla for both conventions; its slope runs from .76 through .96 "
        "to .51, which is how Kaplan's .73 and Chinchilla's .50 are the same law."
    ),
)
