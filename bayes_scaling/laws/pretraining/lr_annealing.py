"""Loss at every step of a learning-rate schedule (Tissue, Wang, Wang 2024, arXiv:2408.11029)."""

from __future__ import annotations

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import D0, N0, learning_rate_sum, log_bounded

#: Sum of learning rates at which A is the power-law term: 8 300 steps at 3e-4.
S1_REF = 2.5
#: Fall of the learning rate that gains ``gain`` nats once its momentum has played out.
ETA_REF = 3e-4


def log_mean(step, schedule, *, L0, A, alpha, gain, decay):
    """Natural log of the expected loss after ``step`` steps.

    Parameters
    ----------
    step : float
        Optimiser steps done, counted from 1.
    schedule : array of shape (K, 2)
        Segments of constant learning rate, in order: ``[length in steps, learning rate]``. Rows of length
        zero at the end are padding.
    L0, A, alpha, gain, decay : float
        See the declaration; ``decay`` is the paper's lambda, ``gain`` is ``C ETA_REF / (1 - lambda)``.
    """
    s1, fallen = annealed(step, schedule, decay)
    return log_bounded(L0 + A * (s1 / S1_REF) ** -alpha - gain * fallen / ETA_REF)


def annealed(step, schedule, decay):
    """``S_1`` and ``(1 - lambda) S_2`` of the paper after ``step`` steps.

    A step of the learning rate at step k adds ``gap (1 - lambda^(s-k+1))`` to ``(1 - lambda) S_2``.
    """
    schedule = jnp.asarray(schedule)
    length, rate = schedule[:, 0], schedule[:, 1]
    start = jnp.cumsum(length) - length
    rate = jnp.where(length > 0, rate, 0.0)
    s1 = learning_rate_sum(step, schedule)
    gap = jnp.concatenate([jnp.zeros_like(rate[:1]), rate[:-1] - rate[1:]])
    # The law does not cover warm-up: rises up to the peak carry no momentum. Later rises do, as printed.
    warming = (jnp.arange(rate.shape[0]) <= jnp.argmax(rate)) & (gap < 0)
    gap = jnp.where(warming | (length == 0), 0.0, gap)
    passed = jnp.maximum(step - start, 0.0)
    return jnp.maximum(s1, 1e-9), jnp.sum(gap * -jnp.expm1(passed * jnp.log(decay)))


def at_reference(L0, A, alpha, C, decay=0.999) -> dict[str, float]:
    """Published ``L0 + A S_1^-alpha - C S_2`` in this law's coordinates."""
    gain = C * ETA_REF / (1 - decay)
    return {"L0": L0, "A": A * S1_REF**-alpha, "alpha": alpha, "gain": gain, "decay": decay}


def _constant_rate(inputs, values):
    schedule = jnp.asarray(inputs["schedule"])
    rate = jnp.max(schedule[:, 1])
    constant = schedule.at[:, 1].set(rate)
    x = jnp.minimum(inputs["step"], schedule[:, 0].sum()) * rate / S1_REF
    there = {"E": values["L0"], "A": values["A"], "alpha": values["alpha"]}
    return {**inputs, "schedule": constant}, values, {"x": x}, there


def _data_term(inputs, values):
    """At a constant rate S_1 is proportional to the tokens, and one size is left of `chinchilla`."""
    here, same, generic, offset = _constant_rate(inputs, values)
    plan = {"params": N0, "tokens": D0 * generic["x"]}
    there = {"E": offset["E"], "A": 1e-30, "alpha": 0.3, "B": offset["A"], "beta": offset["alpha"]}
    return here, same, plan, there


_TWO_RATES = [[8000.0, 3e-4], [8000.0, 9e-5], [0.0, 0.0]]

LAW = Law(
    name="lr_annealing",
    title="Loss along a learning-rate schedule, with annealing momentum",
    equation=(
        "L(s) = L0 + A (S_1(s)/2.5)^-alpha - C S_2(s),  S_1 = sum eta_i, m_i = decay m_(i-1) + eta_(i-1) - "
        "eta_i, S_2 = sum m_i, gain = 3e-4 C/(1 - decay)"
    ),
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("step", "step", "optimiser steps done", (1e2, 1e5)),
        Input("schedule", "1/step", "learning rate of every step", (3e-5, 1e-3), kind="schedule"),
    ),
    parameters=(
        Parameter(
            "L0", (1.4, 3.8), unit="nat/token", meaning="loss after endless training at a constant rate"
        ),
        Parameter("A", (0.15, 0.8), unit="nat/token", meaning="power-law term at S_1 = 2.5"),
        Parameter("alpha", (0.31, 0.71), pool="tight", meaning="exponent of S_1"),
        Parameter(
            "gain", (0.053, 0.273), unit="nat/token", meaning="gain of a full fall of the rate by 3e-4"
        ),
        Parameter(
            "decay", (0.9968, 0.9997), "unit", "shared", meaning="decay of the annealing momentum, lambda"
        ),
    ),
    published={
        "mpl_25M": Published(
            at_reference(3.1583, 0.5136, 0.5134, 0.4019),
            "refit of the public curves of arXiv:2503.12811",
            "computed",
        ),
        "mpl_100M": Published(
            at_reference(2.7889, 0.5926, 0.4550, 0.4812),
            "refit of the public curves of arXiv:2503.12811",
            "computed",
        ),
        "mpl_400M": Published(
            at_reference(2.5246, 0.6536, 0.4205, 0.5700),
            "refit of the public curves of arXiv:2503.12811",
            "computed",
        ),
    },
    golden=(
        Golden({"step": 8000.0, "schedule": _TWO_RATES}, 3.18679, "mpl_100M", rtol=2e-6),
        Golden({"step": 8001.0, "schedule": _TWO_RATES}, 3.18668, "mpl_100M", rtol=2e-6),
        Golden({"step": 9000.0, "schedule": _TWO_RATES}, 3.11629, "mpl_100M", rtol=2e-6),
        Golden({"step": 16000.0, "schedule": _TWO_RATES}, 3.04100, "mpl_100M", rtol=2e-6),
    ),
    limits=(
        Limit("constant learning rate", "power_law_offset", _constant_rate),
        Limit("constant learning rate, tokens for S_1", "chinchilla", _data_term),
    ),
    derived=(
        Derived(
            "C", lambda gain, decay: gain * (1 - decay) / ETA_REF, "nat/token", "factor of S_2 as published"
        ),
        Derived(
            "total_gain",
            lambda gain: gain / ETA_REF,
            "nat/token",
            "C/(1 - decay): gain per unit of learning rate once annealing has played out",
        ),
        Derived("memory", lambda decay: 1 / (1 - decay), "step", "steps over which annealing plays out"),
        Derived(
            "half_life", lambda decay: -jnp.log(2.0) / jnp.log(decay), "step", "half-life of the momentum"
        ),
    ),
    reference=Reference("Scaling Law with Learning Rate Annealing", "Tissue, Wang, Wang", 2024, "2408.11029"),
    checked_on=("multipowerlaw_curves",),
    notes=(
        "Convention: rises of the learning rate up to its peak (warm-up) carry no momentum, and S_1 counts "
        "the warm-up steps; drop the observations of the warm-up itself. Rises after the peak act as "
        "printed. The law is meant for one model size, batch and peak rate: multiplying a schedule by a "
        "constant above one always lowers it, and steps at rate zero keep lowering it until the momentum "
        "has decayed. L0 is no floor: annealing can pass it. Far outside the data the prediction is bounded "
        "at 0.001 nat/token."
    ),
)
