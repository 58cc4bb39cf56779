"""Loss at every step under any learning-rate schedule (Luo et al. 2025, arXiv:2503.12811).

The printed sum starts after the warm-up; the released constants belong to a sum that also runs over the
negative gaps of the warm-up, so give the ramp as rows of the schedule where these constants are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import learning_rate_sum, log_bounded

#: Learning-rate sum and peak learning rate at which the amplitudes are stated.
S0 = 3.0
PEAK = 3e-4

_TINY = 1e-12  # below any learning rate, and safe to raise to -gamma in single precision


def loss_drop(step: Any, schedule: Any, kernel: Callable[[Any, Any, Any], Any]) -> Any:
    """``sum_k (eta_{k-1} - eta_k) kernel_k`` over the segments begun by `step`.

    Parameters
    ----------
    step : float
    schedule : array, (K, 2)
        Segment lengths in steps and learning rates; padding rows have length zero and come last. The first
        row has no gap: a warm-up counts only if its ramp is given as rows.
    kernel : callable
        ``kernel(eta_k, S_k, n_k)``: learning rate of the segment, learning-rate sum from its first step to
        `step` inclusive, and number of those steps.

    Notes
    -----
    Inside a segment all gaps vanish, so the double sum over steps is exactly a sum over segment starts.
    """
    length, lr = jnp.asarray(schedule).T
    elapsed = jnp.clip(step - (jnp.cumsum(length) - length), 0)
    seen = lr * jnp.minimum(elapsed, length)
    since = jnp.cumsum(seen[::-1])[::-1]
    gap = lr[:-1] - lr[1:]
    live = (elapsed > 0) & (length > 0)
    return jnp.sum(jnp.where(live[1:], gap * kernel(lr, since, elapsed)[1:], 0.0))


def log_mean(step, schedule, *, L0, A, alpha, gain, C, beta, gamma):
    """Natural log of the expected loss; A at the learning-rate sum S0, gain = B PEAK (nat/token)."""

    def saturating(lr, since, _):
        # A segment of zero learning rate adds nothing to S_k, and G(0) = 0, so it adds nothing here.
        return -jnp.expm1(-beta * jnp.log1p(C * since * jnp.maximum(lr, _TINY) ** -gamma))

    total = jnp.maximum(learning_rate_sum(step, schedule), _TINY)
    return log_bounded(L0 + A * (total / S0) ** -alpha - gain / PEAK * loss_drop(step, schedule, saturating))


def at_reference(L0, A, alpha, B, C, beta, gamma) -> dict[str, float]:
    """Published constants in this law's coordinates."""
    return {
        "L0": L0, "A": A * S0**-alpha, "alpha": alpha, "gain": B * PEAK, "C": C, "beta": beta, "gamma": gamma
    }  # fmt: skip


def _constant(inputs, values):
    """Without a change of learning rate the loss is a power law with offset in the learning-rate sum."""
    lr = jnp.asarray(inputs["schedule"])[:, 1].max()
    here = {**inputs, "schedule": ((inputs["step"], lr),)}
    there = {"E": values["L0"], "A": values["A"], "alpha": values["alpha"]}
    return here, values, {"x": lr * inputs["step"] / S0}, there


_TWO_STAGE = ((8000.0, 3e-4), (8000.0, 9e-5))

LAW = Law(
    name="multi_power",
    title="Loss at every step under any learning-rate schedule (multi-power law)",
    equation=(
        "L(t) = L0 + A (S(t)/S0)^-alpha - (gain/PEAK) sum_k (eta_{k-1} - eta_k) G(eta_k^-gamma S_k(t)),  "
        "G(x) = 1 - (C x + 1)^-beta,  S_k(t) = sum_{k..t} eta,  S0 = 3, PEAK = 3e-4"
    ),
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("step", "step", "optimiser steps done", (1e2, 1e5)),
        Input("schedule", "1/step", "learning rate of every step", (3e-5, 1e-3), kind="schedule"),
    ),
    parameters=(
        Parameter("L0", (1.72, 3.92), unit="nat/token", meaning="loss at infinite learning-rate sum"),
        Parameter("A", (0.154, 0.797), unit="nat/token", meaning="reducible term at S0"),
        Parameter("alpha", (0.311, 0.709), meaning="exponent of the learning-rate sum", pool="tight"),
        Parameter("gain", (0.0673, 0.251), unit="nat/token", meaning="gain of annealing from PEAK to zero"),
        Parameter("C", (1.09, 4.05), meaning="speed of the gain", pool="tight"),
        Parameter("beta", (0.425, 0.82), meaning="exponent of the gain's kernel", pool="tight"),
        Parameter("gamma", (0.461, 0.889), meaning="exponent of the learning rate in it", pool="tight"),
    ),
    published={
        "luo2025_25M": Published(
            at_reference(3.04045406, 0.52468604, 0.50786857, 363.787516, 2.06560812, 0.58279013, 0.64142257),
            "arXiv:2503.12811",
        ),
        "luo2025_100M": Published(
            at_reference(2.6514477, 0.60115152, 0.45295811, 437.946428, 2.13245612, 0.59785199, 0.65523644),
            "arXiv:2503.12811",
        ),
        "luo2025_400M": Published(
            at_reference(2.37474466, 0.65421216, 0.42878731, 523.424644, 2.02462735, 0.59350493, 0.63472457),
            "arXiv:2503.12811",
        ),
    },
    golden=tuple(
        Golden({"step": step, "schedule": _TWO_STAGE}, value, "luo2025_100M", rtol=2e-6)
        for step, value in ((8000.0, 3.05580), (9000.0, 2.96352), (16000.0, 2.92038))
    ),
    limits=(Limit("constant learning rate", "power_law_offset", _constant),),
    derived=(
        Derived(
            "half_gain_steps",
            lambda C, beta, gamma: (2 ** (1 / beta) - 1) / C * (PEAK / 10) ** (gamma - 1),
            "step",
            "steps after a drop to PEAK/10 by which half of its gain has come",
        ),
        Derived("B", lambda gain: gain / PEAK, "nat/token", "gain per unit of learning rate"),
    ),
    reference=Reference(
        "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules",
        "Luo et al.",
        2025,
        "2503.12811",
    ),
    checked_on=("multipowerlaw_curves",),
    notes=(
        "S(t) counts the warm-up (S_1 + S_W of the paper). The released code also counts the negative gaps "
        "of the warm-up, which add about B eta_peak (0.11 to 0.16 nat) to the level: the published "
        "constants need the ramp as rows of the schedule (one step at zero, then four to twenty rows, are "
        "within 4e-4 nat); without it L0 is that much higher. Rows of learning rate zero at the end leave "
        "the prediction unchanged. L0 is no lower bound (annealing goes below it), hence no floor is "
        "declared; far outside the data the prediction is bounded at 0.001 nat/token. With the kernel 1 - "
        "lambda^n and B = C/(1 - lambda) it is lr_annealing exactly. Families are model sizes; L0, A, "
        "alpha trend log-linearly in size."
    ),
)
