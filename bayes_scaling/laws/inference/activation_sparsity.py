"""Share of active neurons of ReLU models during training (Luo et al. 2024, arXiv:2411.02335)."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, Response
from bayes_scaling.laws._terms import log_decay, log_norm, log_power, log_sum_exp

N_REF = 1e9


def log_mean(tokens, params, *, A0, f, half, size, al):
    """Natural log of the activation ratio; ``half`` is the half-life, in tokens, of 1e9 parameters."""
    half_lives = jnp.exp(-log_power(half, -size, params / N_REF)) * tokens
    return log_sum_exp(jnp.log(A0), log_decay(f, half_lives, al, math.log(2)))


def limit_of_shape(width_over_depth: Any, *, h0: Any, h1: Any, cap: Any, sharpness: float = 16.0) -> Any:
    """Limit ratio ``A0`` of a shape: linear in width over depth up to the bottleneck, then flat."""
    return jnp.exp(log_norm(-1 / sharpness, jnp.log(h0 + h1 * width_over_depth), jnp.log(cap)))


def at_reference(billions: float, al: float, b: float, c: float, A0: float) -> dict[str, float]:
    """Published ``exp(-c D^al + b) + A0``, D in 1e9 tokens, of a model of so many 1e9 parameters."""
    half = 1e9 * (math.log(2) / c) ** (1 / al)
    return {"A0": A0, "f": math.exp(b), "half": half / billions, "size": 1.0, "al": al}


def _all_data(inputs, values):
    """After endless training the ratio is the limit, whatever the size."""
    here = {**values, "al": 1.0 + values["al"]}
    moved = {**inputs, "tokens": inputs["tokens"] * 1e9}
    return moved, here, {"x": 1.0}, {"A": values["A0"], "alpha": 0.0}


def _tiny_steepness(inputs, values):
    """``exp(-c D^al)`` with a small al is ``exp(-c) D^(-c al)`` near D = 1, here the reference."""
    al, c = 4e-3, 5.0
    here = {**values, "A0": 1e-30, "al": al, "half": 1e9 * (math.log(2) / c) ** (1 / al), "size": 0.0}
    x = (inputs["tokens"] / 1e11) ** 0.1
    return {**inputs, "tokens": 1e9 * x}, here, {"x": x}, {"A": values["f"] * math.exp(-c), "alpha": c * al}


_ROWS = {
    "0p1B": (0.1, 0.101, -0.0151, 3.20, 0.0614),
    "0p2B": (0.2, 0.449, -3.05, 0.286, 0.0674),
    "0p4B": (0.4, 0.683, -3.46, 0.0790, 0.0690),
    "0p8B": (0.8, 1.01, -3.49, 7.97e-3, 0.0721),
    "1p2B": (1.2, 1.33, -3.89, 9.03e-4, 0.0782),
    "2p4B": (2.4, 1.53, -3.46, 1.56e-4, 0.0648),
}


def _goldens(name: str, params: float, percent: dict[float, float]) -> tuple[Golden, ...]:
    return tuple(
        Golden({"tokens": d * 1e9, "params": params}, a / 100, name, rtol=1e-3) for d, a in percent.items()
    )


LAW = Law(
    name="activation_sparsity",
    title="Activation ratio of ReLU models from tokens and size",
    equation="A = A0 + f 2^-((D/D_h)^al),  D_h = half (N/1e9)^size",
    predictor=log_mean,
    predicts=Response("activation_ratio", "1", "log", reference=0.07, scatter=(0.01, 0.1)),
    inputs=(
        Input("tokens", "token", "training tokens seen D", (1e10, 2e12)),
        Input("params", "parameter", "parameters N", (1e8, 3e9)),
    ),
    parameters=(
        Parameter("A0", (0.0433, 0.109), "unit", "tight", meaning="ratio after endless training"),
        Parameter("f", (0.0162, 0.084), meaning="what training removes"),
        Parameter("half", (3.2e10, 3.2e11), unit="token", meaning="half-life of 1e9 parameters"),
        Parameter("size", (0.5, 1.5), pool="shared", meaning="exponent of the half-life in parameters"),
        Parameter("al", (0.44, 2.28), meaning="steepness in the log of tokens"),
    ),
    floor="A0",
    monotone={"tokens": "decreasing", "params": "increasing"},
    published={
        f"relu_{name}": Published(at_reference(*row), "arXiv:2411.02335, table 2")
        for name, row in _ROWS.items()
    },
    golden=(
        *_goldens("relu_0p1B", 1e8, {20: 7.44, 100: 6.74, 400: 6.42, 800: 6.32}),
        *_goldens("relu_2p4B", 2.4e9, {20: 9.58, 100: 9.11, 400: 7.19, 800: 6.52}),
    ),
    limits=(
        Limit("D -> infinity", "power_law", _all_data),
        Limit("al -> 0, no limit ratio", "power_law", _tiny_steepness, atol=1e-4),
    ),
    derived=(
        Derived("sparsity", lambda A0: 1 - A0, meaning="after endless training"),
        Derived("start", lambda A0, f: A0 + f, meaning="ratio before the fall"),
    ),
    reference=Reference(
        "Sparsing Law: Towards Large Language Models with Greater Activation Sparsity",
        "Luo et al.",
        2024,
        "2411.02335",
    ),
    notes=(
        "Printed as exp(-c D^al + b) + A0 with D in 1e9 tokens: f = e^b, and the half-life "
        "(ln 2 / c)^(1/al) replaces c, which runs over four decades along a ridge with al. The 0.1B row lies "
        "at the end of that ridge: al -> 0 is a power law. Published rows are single sizes, with size = 1 "
        "put in. A0 depends little on size (1.7 points more from 0.1B to 1.2B) and grows with width over "
        "depth up to about 114 at 0.1B: limit_of_shape; the loss is best from 74 to 282. The ratio is "
        "CETT-PPL-1%; leave out the warm-up. Checkpoints of one run share luck. SiLU models: "
        "activation_sparsity_silu."
    ),
)
