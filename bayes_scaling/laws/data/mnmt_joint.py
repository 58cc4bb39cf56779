"""Translation loss of one language pair in a multilingual model (Fernandes et al. 2023, arXiv:2302.09650)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, loss
from bayes_scaling.laws._terms import N0, log_sum_exp
from bayes_scaling.laws.generic import power_law_offset


def log_mean(params, weight, *, E, A, alpha, c1, c2, c3):
    """Natural log of the expected loss; A is the reducible part (nat/token) at N0 and weight 1."""
    size = params / N0 * effective_share(weight, c1=c1, c2=c2, c3=c3)
    return power_law_offset.log_mean(size, E=E, A=A, alpha=alpha)


def effective_share(weight: Any, *, c1: Any, c2: Any, c3: Any) -> Any:
    """Part of the model that serves a pair: ``f(p) = p + c1 p^c2 (1 - p)^c3``, with ``f(1) = 1``.

    Parameters
    ----------
    weight : float or array
        Sampling weight p of the pair, above 0 and at most 1.
    c1, c2, c3 : float or array
        Synergy with the other pairs, and its shape.
    """
    log_p = jnp.log(weight)
    inside = weight < 1
    rest = jnp.log1p(-jnp.where(inside, weight, 0.5))
    synergy = jnp.where(inside, jnp.log(c1) + c2 * log_p + c3 * rest, -1e4)
    return jnp.exp(log_sum_exp(log_p, synergy))


def effective_params(params: Any, weight: Any, *, c1: Any, c2: Any, c3: Any) -> Any:
    """Parameters of a model of this pair alone that is as good: ``f(p) N``."""
    return params * effective_share(weight, c1=c1, c2=c2, c3=c3)


def share_from_fits(single: Any, mixed: Any, alpha: Any) -> Any:
    """``f(p)`` from laws fitted apart: ``(A_1/A_p)^(1/alpha)``, A_1 at weight 1 and A_p at weight p."""
    return (single / mixed) ** (1 / alpha)


def optimal_weights(
    value: Any, params: Any, *, A: Any, alpha: Any, c1: Any, c2: Any, c3: Any, steps: int = 200
) -> Any:
    """Sampling weights that minimise ``sum_i v_i L_i(N; p_i)`` with ``sum_i p_i = 1``.

    Parameters
    ----------
    value : array, shape (..., pairs)
        What a nat of each pair is worth, v.
    params : float or array, shape (...)
        Parameters of the model.
    A, alpha, c1, c2, c3 : float or array, shape (..., pairs)
        The pairs' coefficients.
    steps : int
        Damped fixed-point steps on ``v_i dL_i/dp_i``, equal over pairs at the optimum.

    Returns
    -------
    array, shape (..., pairs)
        A local optimum, the global one where every f is concave; with equal exponents it does not depend
        on ``params``.
    """
    size = jnp.asarray(params)[..., None] / N0
    given = map(jnp.asarray, (value, A, alpha, c1, c2, c3, size))
    value, A, alpha, c1, c2, c3, size = jnp.broadcast_arrays(*given)
    level = value * A * size**-alpha
    curve = jax.vmap(jax.grad(lambda p, a, b, c, d: -(effective_share(p, c1=b, c2=c, c3=d) ** -a)))

    def step(_, log_p):
        p = jnp.exp(log_p)
        flat = [x.ravel() for x in (p, alpha, c1, c2, c3)]
        gain = jnp.maximum(level * curve(*flat).reshape(p.shape), 1e-3 * level)
        return jax.nn.log_softmax(log_p + jnp.log(gain) / 2, axis=-1)

    start = jnp.full(level.shape, -jnp.log(float(level.shape[-1])), level.dtype)
    return jnp.exp(jax.lax.fori_loop(0, steps, step, start))


def _single(inputs, values):
    there = {k: values[k] for k in ("E", "A", "alpha")}
    return {**inputs, "weight": 1.0}, values, {"x": inputs["params"] / N0}, there


def _neutral(inputs, values):
    """Without synergy a pair of weight p has a model of size p N."""
    there = {k: values[k] for k in ("E", "A", "alpha")}
    return inputs, {**values, "c1": 1e-300}, {"x": inputs["params"] * inputs["weight"] / N0}, there


LAW = Law(
    name="mnmt_joint",
    title="Loss of one language pair from parameters and its weight in training",
    equation="L = E + A (f(p) N/N0)^-alpha,  f(p) = p + c1 p^c2 (1 - p)^c3,  N0 = 5e8",
    predictor=log_mean,
    predicts=replace(loss("nat/token"), reference=2.0, scatter=(1.5e-4, 5e-3)),
    inputs=(
        Input("params", "parameter", "parameters, encoder and decoder grown together", (2e7, 1e10)),
        Input("weight", "1", "sampling weight of the pair, above 0 and at most 1", (0.05, 1.0)),
    ),
    parameters=(
        Parameter("E", (0.6, 2.2), unit="nat/token", meaning="irreducible loss of the pair"),
        Parameter("A", (0.158, 1.58), unit="nat/token", meaning="reducible part at N0, weight 1"),
        Parameter("alpha", (0.155, 0.58), pool="tight", meaning="exponent of parameters"),
        Parameter("c1", (0.03, 1.0), meaning="synergy with the other pairs"),
        Parameter("c2", (0.44, 2.28), pool="tight", meaning="its onset at small weights"),
        Parameter("c3", (0.44, 2.28), pool="tight", meaning="its end at weight 1"),
    ),
    floor="E",
    monotone={"params": "decreasing"},
    golden=(
        # f = 0.5 + 0.5^2, and a model of 4/3 N0 then serves the pair with N0
        Golden(
            {"params": N0 * 4 / 3, "weight": 0.5},
            1.5,
            {"E": 1.0, "A": 0.5, "alpha": 0.3, "c1": 1.0, "c2": 1.0, "c3": 1.0},
            rtol=1e-9,
        ),
    ),
    limits=(
        Limit("weight = 1", "power_law_offset", _single),
        Limit("c1 = 0", "power_law_offset", _neutral),
    ),
    derived=(
        Derived(
            "share_half",
            lambda c1, c2, c3: effective_share(0.5, c1=c1, c2=c2, c3=c3),
            meaning="part of the model that serves a pair of weight 1/2, f(1/2)",
        ),
        Derived(
            "gain_of_doubling",
            lambda alpha: 1 - 2**-alpha,
            meaning="part of the reducible loss that twice the parameters remove, at any weight",
        ),
    ),
    reference=Reference(
        "Scaling Laws for Multilingual Neural Machine Translation", "Fernandes et al.", 2023, "2302.09650"
    ),
    notes=(
        "A family is a language pair: E and alpha do not depend on the weight, so the joint law has 10 "
        "parameters a pair where fits of each weight apart have 24. Pairs out of English are "
        "nearly neutral, f(p) = p; give their c1 a smaller prior than pairs into English, which gain from "
        "one another. Likeness of the languages does not matter, nor the test set. The half-normal prior of "
        "c1 is a log-normal one here. Values appear in the paper's figures alone. ChrF and BLEURT are linear "
        "in the loss. Contrast multilingual_ratio, where the weight also multiplies the irreducible loss."
    ),
)
