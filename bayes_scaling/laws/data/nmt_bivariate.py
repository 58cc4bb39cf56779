"""Translation loss from encoder and decoder parameters (Ghorbani et al. 2021, arXiv:2109.07740)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, loss
from bayes_scaling.laws._terms import N0, log_power, log_product, log_sum_exp


def log_mean(params_encoder, params_decoder, *, E, A, p_e, p_d):
    """Natural log of the expected log-perplexity; A is the reducible part with N0 on either side."""
    reducible = log_product(A, (-p_e, params_encoder / N0), (-p_d, params_decoder / N0))
    return log_sum_exp(log_power(E, 0.0, 1.0), reducible)


def best_loss(params: Any, *, E: Any, A: Any, p_e: Any, p_d: Any) -> Any:
    """Expected log-perplexity of the best split of a number of parameters, ``p_e : p_d``."""
    both = p_e + p_d
    return jnp.exp(log_mean(params * p_e / both, params * p_d / both, E=E, A=A, p_e=p_e, p_d=p_d))


def bleu(loss: Any, *, c: Any, p: Any, most: Any = jnp.inf) -> Any:
    """BLEU from the loss, ``min(c L^-p, most)``; the power is recalled, not checked.

    Parameters
    ----------
    loss : float or array
        Log-perplexity (nat/token).
    c, p : float or array
        Level and exponent.
    most : float or array, default infinity
        Where BLEU stops. It does on source-original test sets; on target-original ones it follows the loss.
    """
    return jnp.minimum(c * loss**-p, most)


def _one_ratio(inputs, values):
    """At a fixed ratio of the sides the exponents add up."""
    size, ratio = inputs["params_encoder"] / N0, inputs["params_decoder"] / inputs["params_encoder"]
    there = {
        "E": values["E"],
        "A": values["A"] * ratio ** -values["p_d"],
        "alpha": values["p_e"] + values["p_d"],
    }
    return inputs, values, {"x": size}, there


LAW = Law(
    name="nmt_bivariate",
    title="Translation loss from encoder and decoder parameters",
    equation="L = E + A (N_e/N0)^-p_e (N_d/N0)^-p_d,  N0 = 5e8",
    predictor=log_mean,
    predicts=replace(loss("nat/token"), reference=2.0, scatter=(1.5e-4, 5e-3)),
    inputs=(
        Input("params_encoder", "parameter", "parameters of the encoder", (2e7, 3e9)),
        Input("params_decoder", "parameter", "parameters of the decoder", (2e7, 3e9)),
    ),
    parameters=(
        Parameter("E", (0.6, 2.2), unit="nat/token", meaning="irreducible log-perplexity", pool="separate"),
        Parameter(
            "A", (0.158, 1.58), pool="separate", unit="nat/token", meaning="reducible part, N0 on either side"
        ),
        Parameter("p_e", (0.088, 0.455), pool="tight", meaning="exponent of the encoder"),
        Parameter("p_d", (0.088, 0.455), pool="tight", meaning="exponent of the decoder"),
    ),
    floor="E",
    monotone={"params_encoder": "decreasing", "params_decoder": "decreasing"},
    golden=(
        Golden(
            {"params_encoder": 32 * N0, "params_decoder": N0},
            1.25,
            {"E": 1.0, "A": 0.5, "p_e": 0.2, "p_d": 0.3},
            rtol=1e-9,
        ),
    ),
    limits=(Limit("a fixed ratio of the sides", "power_law_offset", _one_ratio),),
    derived=(
        Derived(
            "encoder_share",
            lambda p_e, p_d: p_e / (p_e + p_d),
            meaning="best share of parameters, at any size",
        ),
        Derived("exponent", lambda p_e, p_d: p_e + p_d, meaning="exponent when both sides grow together"),
        Derived(
            "best_loss_1e9",
            lambda E, A, p_e, p_d: best_loss(1e9, E=E, A=A, p_e=p_e, p_d=p_d),
            "nat/token",
            "best loss of 1e9 parameters",
        ),
    ),
    reference=Reference("Scaling Laws for Neural Machine Translation", "Ghorbani et al.", 2021, "2109.07740"),
    notes=(
        "A product, unlike chinchilla: with one side fixed it is a power law with the same floor. A family "
        "is a test set; source-original and target-original ones differ in kind, so fit them apart. Runs "
        "retrained scatter by 0.003 nat/token, and the prior of a run's scatter is half-normal(0.005) at 2 "
        "nat/token. The paper's coefficients were not available; the exponents of the two sides differ, and "
        "its joint fit explains more than 99 % of the variance on English to German (caption of a figure). "
        "`bleu` carries the loss on to BLEU: its power is recalled, not checked, its ceiling is this "
        "package's."
    ),
)
