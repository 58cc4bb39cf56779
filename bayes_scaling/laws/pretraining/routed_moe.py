"""Loss from dense size and number of experts (Clark et al. 2022, arXiv:2202.01169)."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss

#: log10 of the parameters and of the saturated expert count at which the level is stated.
N_REF = 8.3
E_REF = 1.2

_LN10 = math.log(10)


def saturated_experts(experts: Any, start: Any, room: Any) -> Any:
    """Ehat: ``1 + start`` for one expert, ``E_max = 1 + start + room`` for infinitely many.

    ``1/Ehat = 1/(E - 1 + (1/E_start - 1/E_max)^-1) + 1/E_max``, in coordinates that keep E_max above E_start:
    beyond that the formula has a pole among the numbers of experts.
    """
    E_max = 1 + start + room
    return 1 / (1 / (experts - 1 + (1 + start) * E_max / room) + 1 / E_max)


def _centred(experts, start, room):
    return jnp.log10(saturated_experts(experts, start, room)) - E_REF


def log_mean(params, experts, *, level, a, b, c, start, room):
    """Natural log of the expected loss; level (nat/token) at N_REF and E_REF."""
    n, e = jnp.log10(params) - N_REF, _centred(experts, start, room)
    return jnp.log(level) + _LN10 * (c * n * e - a * n - b * e)


def effective_params(params: Any, experts: Any, *, a: Any, b: Any, c: Any, start: Any, room: Any) -> Any:
    """Parameters of the dense model with the loss of the routed one (Nbar of the paper)."""
    e, e1 = _centred(experts, start, room), _centred(1.0, start, room)
    n = jnp.log10(params) - N_REF
    return 10 ** (N_REF + ((a - c * e) * n + b * (e - e1)) / (a - c * e1))


def at_reference(a, b, c, d, E_start, E_max) -> dict[str, float]:
    """Published ``log10 L = a n + b e + c n e + d`` in this law's coordinates."""
    return {
        "level": 10 ** (d + a * N_REF + b * E_REF + c * N_REF * E_REF),
        "a": -(a + c * E_REF),
        "b": -(b + c * N_REF),
        "c": c,
        "start": E_start - 1,
        "room": E_max - E_start,
    }


def _dense(inputs, values):
    e1 = _centred(1.0, values["start"], values["room"])
    there = {"A": values["level"] * 10 ** (-values["b"] * e1), "alpha": values["a"] - values["c"] * e1}
    return {**inputs, "experts": 1.0}, values, {"x": inputs["params"] / 10**N_REF}, there


_SOURCE = "arXiv:2202.01169"
_REFIT = "arXiv:2202.01169, refit of the released runs"

LAW = Law(
    name="routed_moe",
    title="Loss of routed models from dense size and number of experts",
    equation=(
        "log10 L = log10 level - a n - b e + c n e,  n = log10 N - 8.3,  e = log10 Ehat - 1.2,  "
        "1/Ehat = 1/(E_x - 1 + (1/(1 + start) - 1/E_max)^-1) + 1/E_max,  E_max = 1 + start + room"
    ),
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "parameters of the dense model", (1e7, 1e11)),
        Input("experts", "1", "number of experts", (1, 512)),
    ),
    parameters=(
        Parameter("level", (2.0, 2.9), unit="nat/token", meaning="loss at 2e8 parameters and Ehat = 16"),
        Parameter(
            "a",
            (0.0535, 0.0865),
            meaning="decades of loss per decade of parameters at Ehat = 16",
            pool="tight",
        ),
        Parameter("b", (0.016, 0.062), meaning="decades of loss per decade of experts at 2e8 parameters"),
        Parameter("c", (0.0057, 0.0213), meaning="loss of the experts' gain per decade of parameters"),
        Parameter("start", (0.316, 3.16), meaning="Ehat of one expert, minus 1"),
        Parameter("room", (174.0, 908.0), meaning="Ehat of infinitely many experts beyond that of one"),
    ),
    published={
        "clark2022_sbase": Published(
            at_reference(-0.082, -0.108, 0.009, 1.104, 1.847, 314.478), _SOURCE, "paper*"
        ),
        "clark2022_rlr": Published(
            at_reference(-0.083, -0.126, 0.012, 1.111, 1.880, 469.982), _SOURCE, "paper*"
        ),
        "clark2022_hash": Published(
            at_reference(-0.087, -0.136, 0.012, 1.157, 4.175, 477.741), _SOURCE, "paper*"
        ),
        "refit_sbase": Published(
            at_reference(-0.0830, -0.1180, 0.0099, 1.1136, 2.07, 239), _REFIT, "computed"
        ),
        "refit_rlr": Published(at_reference(-0.0827, -0.1234, 0.0112, 1.1070, 1.72, 470), _REFIT, "computed"),
        "refit_hash": Published(
            at_reference(-0.0874, -0.1384, 0.0126, 1.1595, 4.27, 427), _REFIT, "computed"
        ),
    },
    golden=(
        Golden({"params": 1e9, "experts": 1}, 2.2846, "clark2022_sbase"),
        Golden({"params": 1e9, "experts": 64}, 2.0858, "clark2022_sbase"),
    ),
    limits=(Limit("one expert", "power_law", _dense),),
    derived=(
        Derived(
            "N_cut",
            lambda b, c: 10 ** (N_REF + b / c),
            "parameter",
            "dense size from which on experts do not help",
        ),
        Derived("E_max", lambda start, room: 1 + start + room, meaning="Ehat of infinitely many experts"),
        Derived(
            "dense_exponent",
            lambda a, c, start: a - c * (jnp.log10(1 + start) - E_REF),
            meaning="exponent of parameters of the dense model",
        ),
        Derived(
            "effective_params_5M_128",
            lambda a, b, c, start, room: effective_params(5e6, 128.0, a=a, b=b, c=c, start=start, room=room),
            "parameter",
            "dense size equal to 5e6 parameters with 128 experts",
        ),
    ),
    reference=Reference(
        "Unified Scaling Laws for Routed Language Models", "Clark et al.", 2022, "2202.01169"
    ),
    checked_on=("routing_moe",),
    notes=(
        "Base-10 logs, 130e9 tokens, every second block routed, one expert per token; families are "
        "routers. The paper's a, b, d refer to N = Ehat = 1; here slopes hold at N = 10^8.3 and Ehat = "
        "10^1.2 and are printed positive. Least squares by router give a = .069 to .072 (standard error "
        ".0007), so a is close but not shared. The rounded constants of the paper leave .85 to 1.8 % and "
        "cannot give its N_cut of 937e9, 85e9 and 83e9, since c has one digit."
    ),
)
