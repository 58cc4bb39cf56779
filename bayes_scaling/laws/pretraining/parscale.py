"""Loss from parameters and parallel streams (Chen et al. 2025, arXiv:2505.10475)."""

from __future__ import annotations

import math

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import N0, log_power_offset


def log_mean(params, streams, *, E, A, alpha, k):
    """Natural log of the expected loss; A is the reducible loss (nat/token) at N0 and one stream."""
    effective = params / N0 * (1 + k * jnp.log(streams))
    return log_power_offset(E, A, alpha, effective)


def at_reference(E, A, alpha, k) -> dict[str, float]:
    """Published ``E + (1e9 A / (N (k log P + 1)))^alpha`` in this law's coordinates."""
    return {"E": E, "A": (1e9 * A / N0) ** alpha, "alpha": alpha, "k": k}


def _one_stream(inputs, values):
    there = {name: values[name] for name in ("E", "A", "alpha")}
    return {**inputs, "streams": 1.0}, values, {"x": inputs["params"] / N0}, there


def _unlimited_data(inputs, values):
    there = {name: values[name] for name in ("E", "A", "alpha")} | {"B": 1e-30, "beta": 0.3}
    return {**inputs, "streams": 1.0}, values, {"params": inputs["params"], "tokens": 1e12}, there


LAW = Law(
    name="parscale",
    title="Loss from parameters and parallel streams (ParScale)",
    equation="L = E + A (N (1 + k log P)/N0)^-alpha,  N0 = 5e8",
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "non-embedding parameters", (1e8, 1e11)),
        Input("streams", "1", "parallel streams P", (1, 64)),
    ),
    parameters=(
        Parameter("E", (0.48, 2.5), unit="nat/token", meaning="irreducible loss of the corpus"),
        Parameter("A", (0.286, 1.48), unit="nat/token", meaning="reducible loss at N0, one stream"),
        Parameter("alpha", (0.122, 0.328), meaning="exponent of parameters", pool="tight"),
        Parameter("k", (0.22, 0.59), meaning="gain in parameters per log stream", pool="partial"),
    ),
    floor="E",
    monotone={"params": "decreasing", "streams": "decreasing"},
    published={
        "chen2025_stack": Published(
            at_reference(0.69121, 0.011307, 0.18936, 0.39346),
            "arXiv:2505.10475, refit of its 24 losses",
            "computed",
        ),
        "chen2025_pile": Published(
            at_reference(1.28859, 0.19752, 0.19628, 0.33444),
            "arXiv:2505.10475, refit of its 24 losses",
            "computed",
        ),
    },
    golden=(
        Golden({"params": 1.6e9, "streams": 8}, 1.0408, "chen2025_stack"),
        Golden({"params": 1.6e9, "streams": 8}, 1.8865, "chen2025_pile"),
    ),
    limits=(
        Limit("one stream", "power_law_offset", _one_stream),
        Limit("one stream, tokens -> infinity", "chinchilla", _unlimited_data),
    ),
    derived=(
        Derived("multiplier_8", lambda k: 1 + k * math.log(8), meaning="parameters that 8 streams are worth"),
        Derived("multiplier_2", lambda k: 1 + k * math.log(2), meaning="parameters that 2 streams are worth"),
    ),
    reference=Reference("Parallel Scaling Law for Language Models", "Chen et al.", 2025, "2505.10475"),
    checked_on=("parscale",),
    notes=(
        "Natural log; tokens are fixed. Raw A of the source is in units of 1e9 parameters. k is higher for "
        "code than for text."
    ),
)
