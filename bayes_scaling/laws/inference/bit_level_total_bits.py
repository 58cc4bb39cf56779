"""Image quality of quantised generators from total bits (after Ding et al. 2025, arXiv:2501.06218)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, Response
from bayes_scaling.laws._terms import log_power

#: Reference of the total bits: 1e9 parameters of 16 bits.
BITS0 = 1.6e10


def log_mean(params, weight_bits, *, E, c, a, keep_4, keep_3):
    """Natural log of the Frechet distance."""
    bits = 16 * params * kept(weight_bits, keep_4=keep_4, keep_3=keep_3)
    return E + jnp.exp(log_power(c, a, bits / BITS0))


def kept(weight_bits: Any, *, keep_4: Any, keep_3: Any) -> Any:
    """Part of the parameters that count: 1 from 8 bits on, log-linear below, constant under 3."""
    low, mid = jnp.log(keep_4) + jnp.log(keep_3), jnp.log(keep_4)
    up = jnp.clip((weight_bits - 4.0) / 4, 0.0, 1.0)
    down = jnp.clip(4.0 - weight_bits, 0.0, 1.0)
    return jnp.exp(mid * (1 - up) + (low - mid) * down)


def best_width(keep_4: Any, keep_3: Any) -> Any:
    """Weight bits, of 3, 4, 8 and 16, with the best quality at a fixed number of total bits."""
    keep_4, keep_3 = jnp.broadcast_arrays(jnp.asarray(keep_4), jnp.asarray(keep_3))
    widths = jnp.array([3.0, 4.0, 8.0, 16.0])
    per_bit = jnp.stack([keep_4 * keep_3, keep_4, jnp.ones_like(keep_4), jnp.ones_like(keep_4)], -1) / widths
    return widths[jnp.argmax(per_bit, axis=-1)]


def _small_exponent(inputs, values):
    a = 1e-8
    here = {**values, "a": a, "c": values["c"] / a, "E": values["E"] - values["c"] / a}
    keep = float(kept(inputs["weight_bits"], keep_4=values["keep_4"], keep_3=values["keep_3"]))
    there = {"a": values["E"], "b": -values["c"]}
    return inputs, here, {"x": 16 * inputs["params"] * keep / BITS0}, there


LAW = Law(
    name="bit_level_total_bits",
    title="Image quality of quantised generators from total bits",
    equation="ln FID = E + c (16 N keep(w) / 1.6e10)^-a,  keep(8) = keep(16) = 1",
    predictor=log_mean,
    predicts=Response("fid", "1", scatter=(0.01, 0.1)),
    inputs=(
        Input("params", "parameter", "parameters of the generator", (1e8, 1e10)),
        Input("weight_bits", "bit", "bits of one weight", (3.0, 16.0)),
    ),
    parameters=(
        Parameter("E", (-0.5, 2.0), "real", meaning="log distance of an unlimited model"),
        Parameter("c", (0.1, 1.5), meaning="size term at 1e9 parameters of 16 bits"),
        Parameter("a", (0.13, 0.68), pool="tight", meaning="exponent of bits"),
        Parameter("keep_4", (0.588, 0.975), "unit", meaning="part of the parameters that 4 bits keep"),
        Parameter("keep_3", (0.1, 0.9), "unit", meaning="part of those that 3 bits keep"),
    ),
    monotone={"params": "decreasing", "weight_bits": "decreasing"},
    golden=(
        # half the parameters kept, at exponent 1: twice the size term
        Golden(
            {"params": 1e9, "weight_bits": 4.0},
            7.389056,
            {"E": 0.0, "c": 1.0, "a": 1.0, "keep_4": 0.5, "keep_3": 0.5},
        ),
    ),
    limits=(Limit("a -> 0: ln FID", "log_linear", _small_exponent, atol=1e-4),),
    derived=(
        Derived("best_width", best_width, "bit", "best weight bits at fixed total bits"),
        Derived("floor", lambda E: jnp.exp(E), meaning="distance of an unlimited model"),
    ),
    reference=Reference(
        "Dissecting Bit-Level Scaling Laws in Quantizing Vision Generative Models",
        "Ding et al.",
        2025,
        "2501.06218",
    ),
    notes=(
        "The paper shows curves and no formula; this form is ours. Quality depends on the parameters that "
        "count: were it a function of total bits times a factor that is one from 8 bits on, as the catalogue "
        "proposes, 16 bits would beat 8 at the same parameters, though nothing is lost at 8. At fixed total "
        "bits the choice is best_width. Distillation into the quantised model (TopKLD) is said to gain one "
        "level of width. Families are architectures (language-style generators lose less than "
        "diffusion). Below 3 bits nothing is claimed."
    ),
)
