"""Share of active neurons of SiLU models during training (Luo et al. 2024, arXiv:2411.02335)."""

from __future__ import annotations

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, Response
from bayes_scaling.laws._terms import log_bounded, log_power

#: Tokens at which the missing part is stated.
D_REF = 2e10


def log_mean(tokens, *, A0, c, al):
    """Natural log of the activation ratio; ``c`` is what is missing at ``D_REF``."""
    log_missing = log_power(c, al, tokens / D_REF)
    return log_bounded(A0 - jnp.exp(jnp.minimum(log_missing, 0.0)))


def at_reference(al: float, c: float, A0: float) -> dict[str, float]:
    """Published ``A0 - c D^-al``, D in 1e9 tokens, in this law's coordinates."""
    return {"A0": A0, "c": c * (D_REF / 1e9) ** -al, "al": al}


def _all_data(inputs, values):
    moved = {"tokens": inputs["tokens"] * 1e30}
    return moved, {**values, "al": 1.0 + values["al"]}, {"x": 1.0}, {"A": values["A0"], "alpha": 0.0}


_ROWS = {
    "0p1B": (0.479, 0.102, 0.409),
    "0p2B": (0.844, 0.208, 0.390),
    "0p4B": (1.03, 0.420, 0.385),
    "0p8B": (0.995, 0.562, 0.383),
    "1p2B": (0.967, 0.538, 0.382),
}

LAW = Law(
    name="activation_sparsity_silu",
    title="Activation ratio of SiLU models from tokens",
    equation="A = A0 - c (D/2e10)^-al",
    predictor=log_mean,
    predicts=Response("activation_ratio", "1", "log", reference=0.38, scatter=(0.003, 0.05)),
    inputs=(Input("tokens", "token", "training tokens seen D", (1e10, 2e12)),),
    parameters=(
        Parameter("A0", (0.333, 0.449), "unit", "tight", meaning="ratio after endless training"),
        Parameter("c", (0.01, 0.05), meaning="what is missing at 2e10 tokens"),
        Parameter("al", (0.47, 1.75), meaning="exponent of tokens"),
    ),
    monotone={"tokens": "increasing"},
    published={
        f"silu_{name}": Published(at_reference(*row), "arXiv:2411.02335, table 2")
        for name, row in _ROWS.items()
    },
    golden=tuple(
        Golden({"tokens": d * 1e9}, percent / 100, "silu_1p2B", rtol=2e-3)
        for d, percent in {20: 35.2, 100: 37.6, 400: 38.0}.items()
    ),
    limits=(Limit("D -> infinity", "power_law", _all_data),),
    derived=(Derived("sparsity", lambda A0: 1 - A0, meaning="after endless training"),),
    reference=Reference(
        "Sparsing Law: Towards Large Language Models with Greater Activation Sparsity",
        "Luo et al.",
        2024,
        "2411.02335",
    ),
    notes=(
        "Training makes SiLU models less sparse, and ReLU models sparser: this is power_law_offset with a "
        "negative amplitude. Families are sizes; A0 falls by 2.7 points from 0.1B to 1.2B."
    ),
)
