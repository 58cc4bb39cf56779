"""Loss along training at any batch size (Kaplan et al. 2020; Su et al. 2024, arXiv:2403.06563)."""

from __future__ import annotations

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._roots import increasing_root
from bayes_scaling.laws._terms import N0, log_power, log_sum_exp
from bayes_scaling.laws.pretraining import lr_annealing

#: Steps (at an unlimited batch) at which ``T`` is the loss term of training.
S0 = 1e4
#: Loss at which ``batch_ref`` is the critical batch.
LOSS_REF = 3.0


def log_mean(params, steps, batch, *, A, alpha_N, T, alpha_S, batch_ref, zeta):
    """Natural log of the root L of ``L = L_inf(N) + T (S_min/S0)^-alpha_S``; S_min depends on L."""
    lowest = log_power(A, alpha_N, params / N0)
    unlimited = log_power(T, alpha_S, steps / S0)

    def reducible(log_loss):
        ratio = jnp.log(batch_ref) - zeta * (log_loss - jnp.log(LOSS_REF)) - jnp.log(batch)
        return unlimited + alpha_S * log_sum_exp(0.0, ratio)

    # z = log(L - L_inf): B_crit = 0 bounds it from below, B_crit at the lowest loss from above.
    z = increasing_root(
        lambda z: z - reducible(log_sum_exp(lowest, z)), unlimited - 1e-6, reducible(lowest) + 1e-6
    )
    return log_sum_exp(lowest, z)


def minimum_loss(params, *, A, alpha_N):
    """Loss of a model of ``params`` after endless training, nat/token."""
    return A * (params / N0) ** -alpha_N


def critical_batch(loss, *, batch_ref, zeta):
    """Tokens per batch at which time and tokens are balanced; twice the least of each is spent there."""
    return batch_ref * (loss / LOSS_REF) ** -zeta


def minimum_steps(params, loss, *, A, alpha_N, T, alpha_S):
    """Fewest steps in which a model reaches a loss (unlimited batch); NaN below its minimum loss."""
    return S0 * (T / (loss - minimum_loss(params, A=A, alpha_N=alpha_N))) ** (1 / alpha_S)


def minimum_tokens(params, loss, *, A, alpha_N, T, alpha_S, batch_ref, zeta):
    """Fewest tokens in which a model reaches a loss (vanishing batch)."""
    steps = minimum_steps(params, loss, A=A, alpha_N=alpha_N, T=T, alpha_S=alpha_S)
    return critical_batch(loss, batch_ref=batch_ref, zeta=zeta) * steps


def minimum_compute(params, loss, *, A, alpha_N, T, alpha_S, batch_ref, zeta):
    """Least compute (FLOP) in which a model reaches a loss: ``6 N`` times the fewest tokens."""
    tokens = minimum_tokens(
        params, loss, A=A, alpha_N=alpha_N, T=T, alpha_S=alpha_S, batch_ref=batch_ref, zeta=zeta
    )
    return 6 * params * tokens


def efficient(compute, *, A, alpha_N, T, alpha_S, batch_ref, zeta):
    """Compute-efficient training at the critical batch, with ``compute = 6 N B S``.

    Stops where ``L = (1 + alpha_N/alpha_S) L_inf(N)``, about a tenth above convergence.

    Parameters
    ----------
    compute : float or array
        Training FLOP.

    Returns
    -------
    dict of str to float or array
        ``params``, ``loss`` (nat/token), ``batch`` (tokens), ``steps``, ``tokens``.
    """
    over = alpha_N / alpha_S  # (L - L_inf) / L_inf at the optimum
    # Everything is a power of L_inf, so log C = log N + (zeta + 1/alpha_S) alpha_N log(N/N0) + constant.
    log_a = jnp.log(A)
    constant = (
        jnp.log(12 * S0 * batch_ref)
        - zeta * (jnp.log1p(over) + log_a - jnp.log(LOSS_REF))
        + (jnp.log(T) - jnp.log(over) - log_a) / alpha_S
    )
    growth = (jnp.log(compute) - constant - jnp.log(N0)) / (1 + alpha_N * (zeta + 1 / alpha_S))
    params = N0 * jnp.exp(growth)
    loss = (1 + over) * minimum_loss(params, A=A, alpha_N=alpha_N)
    batch = critical_batch(loss, batch_ref=batch_ref, zeta=zeta)
    steps = 2 * minimum_steps(params, loss, A=A, alpha_N=alpha_N, T=T, alpha_S=alpha_S)
    return {"params": params, "loss": loss, "batch": batch, "steps": steps, "tokens": batch * steps}


def at_reference(N_c, alpha_N, S_c, alpha_S, B_star, alpha_B) -> dict[str, float]:
    """Published constants, ``B_crit = B_star L^(-1/alpha_B)``, in this law's coordinates."""
    return {
        "A": (N_c / N0) ** alpha_N,
        "alpha_N": alpha_N,
        "T": (S_c / S0) ** alpha_S,
        "alpha_S": alpha_S,
        "batch_ref": B_star * LOSS_REF ** (-1 / alpha_B),
        "zeta": 1 / alpha_B,
    }


def _endless(inputs, values):
    here = {**values, "T": values["T"] * 1e-30}
    return inputs, here, {"x": inputs["params"] / N0}, {"A": values["A"], "alpha": values["alpha_N"]}


def _unlimited_batch(inputs, values):
    here = {**values, "batch_ref": values["batch_ref"] * 1e-30}
    floor = values["A"] * (inputs["params"] / N0) ** -values["alpha_N"]
    there = {"E": floor, "A": values["T"], "alpha": values["alpha_S"]}
    return inputs, here, {"x": inputs["steps"] / S0}, there


def _constant_rate(inputs, values):
    """With an unlimited batch and one learning rate, S_1 of `lr_annealing` is proportional to the steps."""
    rate = 3e-4
    here = {**values, "batch_ref": values["batch_ref"] * 1e-30}
    plan = {"step": inputs["steps"], "schedule": ((1e12, rate),)}
    there = {
        "L0": values["A"] * (inputs["params"] / N0) ** -values["alpha_N"],
        "A": values["T"] * (lr_annealing.S1_REF / (rate * S0)) ** -values["alpha_S"],
        "alpha": values["alpha_S"],
        "gain": 0.1,
        "decay": 0.999,
    }
    return inputs, here, plan, there


def _unlimited(inputs, values):
    here = {**values, "T": values["T"] * 1e-30}
    there = {"A": values["A"], "alpha": values["alpha_N"], "B": values["A"] * 1e-30, "beta": 0.1}
    return inputs, here, {"params": inputs["params"], "tokens": 1e12}, there


def _on_the_frontier(quantity):
    """One quantity of `efficient` at 1e21 FLOP, as a function of a draw."""

    def function(A, alpha_N, T, alpha_S, batch_ref, zeta):
        frontier = efficient(1e21, A=A, alpha_N=alpha_N, T=T, alpha_S=alpha_S, batch_ref=batch_ref, zeta=zeta)
        return frontier[quantity]

    return function


#: Arithmetic of the equations with round constants; not a fit.
_ARITHMETIC = at_reference(6.5e13, 0.077, 2.1e3, 0.76, 2e8, 0.21)

LAW = Law(
    name="kaplan_trajectory",
    title="Loss from parameters, steps and batch (Kaplan, Su)",
    equation=(
        "L = (N_c/N)^alpha_N + (S_c/S_min)^alpha_S,  S_min = S/(1 + B_crit(L)/B),  B_crit = B_star L^-zeta;  "
        "A = (N_c/5e8)^alpha_N, T = (S_c/1e4)^alpha_S, batch_ref = B_crit(3)"
    ),
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "non-embedding parameters", (1e5, 1e11)),
        Input("steps", "step", "optimiser steps done", (1e3, 1e6)),
        Input("batch", "token", "tokens per step", (3e4, 3e7)),
    ),
    parameters=(
        Parameter("A", (1.3, 4.8), unit="nat/token", meaning="loss at N0 after endless training"),
        Parameter("alpha_N", (0.055, 0.106), pool="tight", meaning="exponent of parameters"),
        Parameter(
            "T", (0.12, 0.78), unit="nat/token", meaning="loss term of 1e4 steps at an unlimited batch"
        ),
        Parameter("alpha_S", (0.464, 1.056), pool="tight", meaning="exponent of steps"),
        Parameter("batch_ref", (2.9e5, 4e6), unit="token", meaning="critical batch at 3 nats per token"),
        Parameter(
            "zeta", (3.5, 6.1), pool="tight", meaning="exponent of the critical batch in loss, 1/alpha_B"
        ),
    ),
    monotone={"params": "decreasing", "steps": "decreasing", "batch": "decreasing"},
    published={
        "kaplan2020": Published(
            at_reference(8.8e13, 0.076, 2.1e3, 0.76, 2e8, 0.21), "arXiv:2001.08361", "paper*"
        ),
    },
    golden=(
        Golden({"params": 1e8, "steps": 1e3, "batch": 524288.0}, 4.8345, _ARITHMETIC),
        Golden({"params": 1e8, "steps": 1e4, "batch": 524288.0}, 3.3575, _ARITHMETIC),
        Golden({"params": 1e8, "steps": 1e5, "batch": 524288.0}, 2.9334, _ARITHMETIC),
    ),
    limits=(
        Limit("steps -> infinity", "power_law", _endless),
        Limit("steps -> infinity, tokens -> infinity", "kaplan_nd", _unlimited),
        Limit("batch -> infinity", "power_law_offset", _unlimited_batch),
        Limit("batch -> infinity, constant learning rate", "lr_annealing", _constant_rate),
    ),
    derived=(
        Derived(
            "alpha_C",
            lambda alpha_N, alpha_S, zeta: 1 / (1 / alpha_N + 1 / alpha_S + zeta),
            meaning="exponent of the loss in compute along the frontier",
        ),
        Derived(
            "a",
            lambda alpha_N, alpha_S, zeta: 1 / (1 + alpha_N * (1 / alpha_S + zeta)),
            meaning="exponent of the optimal N in compute",
        ),
        Derived(
            "b",
            lambda alpha_N, alpha_S, zeta: (
                alpha_N * (1 / alpha_S + zeta) / (1 + alpha_N * (1 / alpha_S + zeta))
            ),
            meaning="exponent of the optimal D in compute",
        ),
        Derived(
            "batch_exponent",
            lambda alpha_N, alpha_S, zeta: zeta / (1 / alpha_N + 1 / alpha_S + zeta),
            meaning="exponent of the batch in compute along the frontier, alpha_C/alpha_B",
        ),
        Derived(
            "steps_exponent",
            lambda alpha_N, alpha_S, zeta: 1 / alpha_S / (1 / alpha_N + 1 / alpha_S + zeta),
            meaning="exponent of the steps in compute along the frontier, alpha_C/alpha_S",
        ),
        Derived(
            "stop_above",
            lambda alpha_N, alpha_S: alpha_N / alpha_S,
            meaning="relative distance from the minimum loss at which compute-efficient training stops",
        ),
        Derived(
            "minimum_loss_1e9",
            lambda A, alpha_N: minimum_loss(1e9, A=A, alpha_N=alpha_N),
            "nat/token",
            "loss of 1e9 parameters after endless training",
        ),
        Derived(
            "minimum_steps_1e9",
            lambda A, alpha_N, T, alpha_S: minimum_steps(
                1e9, 1.1 * minimum_loss(1e9, A=A, alpha_N=alpha_N), A=A, alpha_N=alpha_N, T=T, alpha_S=alpha_S
            ),
            "step",
            "fewest steps (unlimited batch) in which 1e9 parameters come within 10 % of their minimum loss",
        ),
        Derived(
            "minimum_tokens_1e9",
            lambda A, alpha_N, T, alpha_S, batch_ref, zeta: minimum_tokens(
                1e9,
                1.1 * minimum_loss(1e9, A=A, alpha_N=alpha_N),
                A=A,
                alpha_N=alpha_N,
                T=T,
                alpha_S=alpha_S,
                batch_ref=batch_ref,
                zeta=zeta,
            ),
            "token",
            "fewest tokens (vanishing batch) for the same",
        ),
        Derived(
            "critical_batch_2p5",
            lambda batch_ref, zeta: critical_batch(2.5, batch_ref=batch_ref, zeta=zeta),
            "token",
            "critical batch at 2.5 nats per token",
        ),
        *(
            Derived(
                f"{quantity}_1e21", _on_the_frontier(quantity), unit, f"compute-efficient {what} at 1e21 FLOP"
            )
            for quantity, unit, what in (
                ("params", "parameter", "parameters"),
                ("loss", "nat/token", "loss"),
                ("batch", "token", "batch"),
                ("steps", "step", "steps"),
                ("tokens", "token", "tokens"),
            )
        ),
        Derived(
            "B_star", lambda batch_ref, zeta: batch_ref * LOSS_REF**zeta, "token", "critical batch at 1 nat"
        ),
        Derived("S_c", lambda T, alpha_S: S0 * T ** (1 / alpha_S), "step", "step scale as published"),
    ),
    reference=Reference("Scaling Laws for Neural Language Models", "Kaplan et al.", 2020, "2001.08361"),
    notes=(
        "For training that never repeats data, with one learning-rate recipe; drop warm-up and the first "
        "transient. The right side of the curve falls with L, so its root is unique; it is solved in log(L "
        "- L_inf) with exact derivatives. Forms carry over between set-ups, constants do not (Su et al.): "
        "exponents are pooled, A, T and batch_ref are a family's own. At the critical batch, twice the "
        "minimum steps and tokens are spent: (S/S_min - 1)(D/D_min - 1) = 1."
    ),
)
