"""Loss of training in low precision (Kumar et al. 2024, arXiv:2411.04330)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Input, Law, Limit, Parameter, Reference, loss
from bayes_scaling.laws._roots import bisect
from bayes_scaling.laws.pretraining import chinchilla


def effective_share(bits_w: Any, bits_a: Any, bits_kv: Any, *, g_w: Any, g_a: Any, g_kv: Any) -> Any:
    """``N_eff/N``: share of the parameters that low-precision training leaves."""
    return jnp.expm1(-bits_w / g_w) * jnp.expm1(-bits_a / g_a) * -jnp.expm1(-bits_kv / g_kv)


def log_mean(params, tokens, bits_w, bits_a, bits_kv, *, E, A, alpha, B, beta, g_w, g_a, g_kv):
    """Natural log of the expected loss; A and B are loss terms (nat/token) at N0 and D0."""
    share = effective_share(bits_w, bits_a, bits_kv, g_w=g_w, g_a=g_a, g_kv=g_kv)
    return chinchilla.log_mean(params * share, tokens, E=E, A=A, alpha=alpha, B=B, beta=beta)


def optimal_bits(g_w: Any, g_a: Any, g_kv: Any) -> Any:
    """Common precision that maximises ``N_eff/P``, hence the best one at cost ``(6/16) N D P``.

    Root of ``sum_x (P/g_x)/(exp(P/g_x) - 1) = 1``, independent of the compute; 1.904 g for equal g.
    """
    scales = jnp.stack(jnp.broadcast_arrays(*(jnp.asarray(g, float) for g in (g_w, g_a, g_kv))))

    def slope(bits):
        ratio = bits / scales
        return jnp.sum(ratio / jnp.expm1(ratio), axis=0) - 1

    largest = scales.max(axis=0)
    return bisect(slope, 1e-3 * largest, 4 * largest)


def training_cost(params: Any, tokens: Any, bits: Any) -> Any:
    """Cost of training at one precision throughout, in FLOP of 16 bits: ``(6/16) N D P``."""
    return 6 / 16 * params * tokens * bits


def optimal_params(compute: Any, bits: Any, *, A, alpha, B, beta, g_w, g_a, g_kv) -> Any:
    """Parameters of least loss at a `training_cost` and a common precision (bit).

    They grow as ``share^(-alpha/(alpha+beta)) P^(-beta/(alpha+beta))`` against those at full precision.
    """
    share = effective_share(bits, bits, bits, g_w=g_w, g_a=g_a, g_kv=g_kv)
    return chinchilla.optimal_params(compute * 16 / bits, A=A * share**-alpha, alpha=alpha, B=B, beta=beta)


def _full_precision(inputs, values):
    here = {**inputs, "bits_w": 1e4, "bits_a": 1e4, "bits_kv": 1e4}
    there = {k: values[k] for k in ("E", "A", "alpha", "B", "beta")}
    return here, values, {"params": inputs["params"], "tokens": inputs["tokens"]}, there


LAW = Law(
    name="precision_train",
    title="Loss from parameters, tokens and training precision",
    equation=(
        "L = E + A (N_eff/N0)^-alpha + B (D/D0)^-beta,  N_eff = N (1 - exp(-P_w/g_w)) (1 - exp(-P_a/g_a)) "
        "(1 - exp(-P_kv/g_kv)),  N0 = 5e8, D0 = 2e10"
    ),
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "total parameters", (1e7, 1e11)),
        Input("tokens", "token", "training tokens", (1e9, 1e13)),
        Input("bits_w", "bit", "precision of weights", (3, 16)),
        Input("bits_a", "bit", "precision of activations", (3, 16)),
        Input("bits_kv", "bit", "precision of the key-value cache", (3, 16)),
    ),
    parameters=(
        *chinchilla.LAW.parameters,
        Parameter(
            "g_w", (1.32, 6.83), pool="tight", unit="bit", meaning="sensitivity to the bits of weights"
        ),
        Parameter(
            "g_a", (1.32, 6.83), pool="tight", unit="bit", meaning="sensitivity to the bits of activations"
        ),
        Parameter(
            "g_kv", (1.32, 6.83), pool="tight", unit="bit", meaning="sensitivity to the bits of the cache"
        ),
    ),
    floor="E",
    monotone=dict.fromkeys(("params", "tokens", "bits_w", "bits_a", "bits_kv"), "decreasing"),
    limits=(Limit("infinite precision", "chinchilla", _full_precision),),
    derived=(
        Derived("optimal_bits", optimal_bits, "bit", "common precision of least loss at a given compute"),
        Derived(
            "share_at_4_bits",
            lambda g_w, g_a, g_kv: effective_share(4.0, 4.0, 4.0, g_w=g_w, g_a=g_a, g_kv=g_kv),
            meaning="N_eff/N at 4 bits throughout",
        ),
        Derived(
            "params_1e24",
            lambda A, alpha, B, beta, g_w, g_a, g_kv: optimal_params(
                1e24,
                optimal_bits(g_w, g_a, g_kv),
                A=A,
                alpha=alpha,
                B=B,
                beta=beta,
                g_w=g_w,
                g_a=g_a,
                g_kv=g_kv,
            ),
            "parameter",
            "optimal parameters for the cost of 1e24 FLOP of 16 bits, at the optimal precision",
        ),
        Derived(
            "a", lambda alpha, beta: beta / (alpha + beta), meaning="exponent of the optimal N in compute"
        ),
    ),
    reference=Reference("Scaling Laws for Precision", "Kumar et al.", 2024, "2411.04330"),
    notes=(
        "Integer formats. No published constants are given: those that circulate contradict the paper's "
        "own optimum of 7 to 8 bits under this formula, which needs g of 3.7 to 4.2. Loss of post-training "
        "quantisation: precision_ptq."
    ),
)
