"""Loss added by post-training quantisation (Kumar et al. 2024, arXiv:2411.04330)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import D0, N0
from bayes_scaling.laws.pretraining import chinchilla
from bayes_scaling.laws.pretraining.precision_train import effective_share

#: Bits after quantisation at which the level is stated.
P0 = 4.0

_LEAST_GAP = 1e-6  # bit; equal precisions add no loss, which a log cannot say


def log_mean(
    params, tokens, bits_post, bits_w, bits_a, bits_kv,
    *, level, gamma, tilt, g_post, C_w, C_a, C_kv, g_w, g_a, g_kv,
):  # fmt: skip
    """Natural log of the expected added loss; level (nat/token) at N0, D0, P0 from full precision."""
    size = jnp.log(params / N0 * effective_share(bits_w, bits_a, bits_kv, g_w=g_w, g_a=g_a, g_kv=g_kv))
    data = jnp.log(tokens / D0)
    total = jnp.log(level) - (bits_post - P0) / g_post + (gamma + tilt / 2) * data - (gamma - tilt / 2) * size
    for bits, C in ((bits_w, C_w), (bits_a, C_a), (bits_kv, C_kv)):
        total = total + jnp.log(-jnp.expm1(-C * jnp.maximum(bits - bits_post, _LEAST_GAP)))
    return total


def log_mean_simple(params, tokens, bits_post, *, level, gamma, tilt, g_post):
    """Natural log of the expected added loss of a model that was trained at full precision."""
    size, data = jnp.log(params / N0), jnp.log(tokens / D0)
    return jnp.log(level) - (bits_post - P0) / g_post + (gamma + tilt / 2) * data - (gamma - tilt / 2) * size


def critical_tokens(
    params: Any, bits_post: Any, *, B: Any, beta: Any, level: Any, gamma: Any, tilt: Any, g_post: Any
) -> Any:
    """Tokens beyond which further training raises the loss of the quantised model.

    Parameters
    ----------
    params, bits_post : float or array
        Parameters, trained at full precision, and bits after quantisation.
    B, beta : float or array
        Data term (nat/token at D0) and exponent of chinchilla.
    level, gamma, tilt, g_post : float or array
        This law's parameters.

    Returns
    -------
    array
        Tokens at which ``d/dD (B (D/D0)^-beta + delta) = 0``.
    """
    g_D, g_N = gamma + tilt / 2, gamma - tilt / 2
    ratio = beta * B * (params / N0) ** g_N * jnp.exp((bits_post - P0) / g_post) / (g_D * level)
    return D0 * ratio ** (1 / (beta + g_D))


def _over_training(inputs, values):
    """From full precision and with equal exponents the added loss is a power law in D/N."""
    here = {**inputs, "bits_w": 1e4, "bits_a": 1e4, "bits_kv": 1e4}
    A = values["level"] * jnp.exp(-(inputs["bits_post"] - P0) / values["g_post"])
    x = inputs["tokens"] / D0 / (inputs["params"] / N0)
    return here, {**values, "tilt": 0.0}, {"x": x}, {"A": A, "alpha": -values["gamma"]}


def _unified(inputs, values):
    high = {"bits_w": 1e4, "bits_a": 1e4, "bits_kv": 1e4}
    sensitivities = dict.fromkeys(("C_w", "C_a", "C_kv"), 1.0) | dict.fromkeys(("g_w", "g_a", "g_kv"), 3.0)
    return inputs, values, {**inputs, **high}, {**values, **sensitivities}


_BESIROGLU = chinchilla.LAW.published["besiroglu2024"].values

_law = partial(
    Law,
    name="precision_ptq",
    predicts=replace(positive("added_loss", "nat/token", centre="none"), scatter=(0.02, 0.3)),
    reference=Reference("Scaling Laws for Precision", "Kumar et al.", 2024, "2411.04330"),
    derived=(
        Derived("exponent_tokens", lambda gamma, tilt: gamma + tilt / 2, meaning="gD"),
        Derived("exponent_params", lambda gamma, tilt: gamma - tilt / 2, meaning="gN"),
        Derived(
            "factor_per_bit",
            lambda g_post: jnp.exp(-1 / g_post),
            meaning="factor on the added loss per further bit",
        ),
        Derived(
            "critical_tokens_1e9",
            lambda level, gamma, tilt, g_post: critical_tokens(
                1e9,
                P0,
                B=_BESIROGLU["B"],
                beta=_BESIROGLU["beta"],
                level=level,
                gamma=gamma,
                tilt=tilt,
                g_post=g_post,
            ),
            "token",
            "tokens beyond which more harm 1e9 parameters at 4 bits, with the data term of arXiv:2404.10102",
        ),
    ),
)
_INPUTS = (
    Input("params", "parameter", "total parameters", (1e7, 1e11)),
    Input("tokens", "token", "training tokens", (1e9, 1e13)),
    Input("bits_post", "bit", "precision after quantisation, at most that of training", (2, 6)),
)
_PARAMETERS = (
    Parameter(
        "level", (2e-3, 0.5), unit="nat/token", meaning="added loss at N0, D0 and 4 bits", pool="partial"
    ),
    Parameter(
        "gamma", (0.233, 0.869), pool="tight", meaning="mean of the exponents of tokens and parameters"
    ),
    Parameter(
        "tilt", (-0.247, 0.247), "real", "tight", meaning="exponent of tokens minus that of parameters"
    ),
    Parameter("g_post", (0.311, 1.16), pool="tight", unit="bit", meaning="bits per e-fold of added loss"),
)

VARIANTS = {
    1: _law(
        title="Loss added by post-training quantisation",
        equation=(
            "delta = level exp(-(P_post - 4)/g_post) (D/D0)^gD (N_eff/N0)^-gN "
            "prod_x (1 - exp(-C_x (P_x - P_post))),  x in w, a, kv,  gD = gamma + tilt/2, "
            "gN = gamma - tilt/2,  N_eff as in precision_train"
        ),
        predictor=log_mean,
        inputs=(
            *_INPUTS,
            Input("bits_w", "bit", "training precision of weights", (6, 16)),
            Input("bits_a", "bit", "training precision of activations", (6, 16)),
            Input("bits_kv", "bit", "training precision of the key-value cache", (6, 16)),
        ),
        parameters=(
            *_PARAMETERS,
            Parameter(
                "C_w",
                (0.316, 3.16),
                unit="1/bit",
                meaning="how fast training at few bits of weights protects",
            ),
            Parameter("C_a", (0.316, 3.16), unit="1/bit", meaning="the same for activations"),
            Parameter("C_kv", (0.316, 3.16), unit="1/bit", meaning="the same for the cache"),
            Parameter(
                "g_w", (1.32, 6.83), pool="tight", unit="bit", meaning="sensitivity to the bits of weights"
            ),
            Parameter(
                "g_a",
                (1.32, 6.83),
                pool="tight",
                unit="bit",
                meaning="sensitivity to the bits of activations",
            ),
            Parameter(
                "g_kv", (1.32, 6.83), pool="tight", unit="bit", meaning="sensitivity to the bits of the cache"
            ),
        ),
        monotone={"bits_post": "decreasing"},
        limits=(Limit("full-precision training, tilt = 0", "power_law", _over_training),),
        notes=(
            "The unified form; from full precision the product is 1 and variant 2 is left. At equal "
            "precisions the added loss is zero, here a millionth of a bit apart. The paper finds gD close to "
            "gN. Level and C_x depend on the quantiser (GPTQ, AWQ, rounding): take quantisers as families. "
            "Its printed constants are not used, see precision_train. `critical_tokens` joins it to "
            "chinchilla."
        ),
    ),
    2: _law(
        title="Loss added by quantising a model trained at full precision",
        equation=(
            "delta = level exp(-(P_post - 4)/g_post) (D/D0)^gD (N/N0)^-gN,  "
            "gD = gamma + tilt/2, gN = gamma - tilt/2,  N0 = 5e8, D0 = 2e10"
        ),
        predictor=log_mean_simple,
        inputs=_INPUTS,
        parameters=_PARAMETERS,
        monotone={"bits_post": "decreasing"},
        limits=(Limit("always, beside full-precision training", "precision_ptq", _unified),),
        notes="The simple form, C_T (D^gD/N^gN) exp(-P_post/g_post): no training precision is asked for.",
    ),
}
LAW = VARIANTS[1]
