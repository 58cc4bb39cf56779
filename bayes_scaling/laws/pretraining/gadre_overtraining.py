"""Loss of over-trained models (Gadre et al. 2024, arXiv:2403.08540)."""

from __future__ import annotations

import math

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import D0, N0, log_power, log_sum_exp

#: Training FLOP at which ``H`` is the reducible loss.
C0 = 1e19


def log_mean(params, tokens, *, E, H, eta, M_opt):
    """Natural log of the expected loss, with ``C = 6 N D`` and ``M = D/N``."""
    compute, multiplier = 6 * params * tokens, tokens / params
    away = eta * jnp.log(multiplier / M_opt)
    log_cosh = log_sum_exp(away, -away) - math.log(2)
    return log_sum_exp(log_power(E, 0.0, 1.0), log_power(H, eta, compute / C0) + log_cosh)


def at_reference(E, a, b, eta) -> dict[str, float]:
    """Published ``E + (a M^eta + b M^-eta) C^-eta`` in this law's coordinates."""
    return {"E": E, "H": 2 * math.sqrt(a * b) * C0**-eta, "eta": eta, "M_opt": (b / a) ** (1 / (2 * eta))}


def _additive(inputs, values):
    half, eta = values["H"] / 2 * C0 ** values["eta"], values["eta"]
    tilt = values["M_opt"] ** eta  # a = half / tilt, b = half * tilt
    there = {
        "E": values["E"],
        "A": half / tilt * 6**-eta * N0 ** (-2 * eta),
        "alpha": 2 * eta,
        "B": half * tilt * 6**-eta * D0 ** (-2 * eta),
        "beta": 2 * eta,
    }
    return inputs, values, inputs, there


def _one_line(inputs, values):
    """Along a fixed ratio of tokens to parameters: parallel lines of slope eta in compute."""
    multiplier = inputs["tokens"] / inputs["params"]
    offset = math.cosh(values["eta"] * math.log(multiplier / values["M_opt"]))
    there = {"E": values["E"], "A": values["H"] * offset, "alpha": values["eta"]}
    return inputs, values, {"x": 6 * inputs["params"] * inputs["tokens"] / C0}, there


_SOURCE = "arXiv:2403.08540, the authors' fit run again (C4 evaluation)"

LAW = Law(
    name="gadre_overtraining",
    title="Loss from compute and token multiplier (over-training)",
    equation="L = E + H (C/1e19)^-eta cosh(eta log(M/M_opt)),  C = 6 N D, M = D/N",
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "total parameters", (1e7, 1e12)),
        Input("tokens", "token", "training tokens seen", (1e8, 1e14)),
    ),
    parameters=(
        Parameter("E", (0.83, 3.1), unit="nat/token", meaning="irreducible loss"),
        Parameter(
            "H", (0.77, 2.88), unit="nat/token", meaning="reducible loss at 1e19 FLOP and the best multiplier"
        ),
        Parameter("eta", (0.086, 0.196), pool="tight", meaning="exponent of compute"),
        Parameter(
            "M_opt", (2.9, 77.7), unit="token/parameter", meaning="best tokens per parameter, at any compute"
        ),
    ),
    floor="E",
    monotone={"params": "decreasing", "tokens": "decreasing"},
    published={
        "c4": Published(at_reference(1.5083, 141.28, 189.52, 0.12124), _SOURCE, "computed"),
        "redpajama": Published(at_reference(1.8366, 212.24, 366.69, 0.13643), _SOURCE, "computed"),
        "refinedweb": Published(at_reference(1.7345, 157.12, 246.21, 0.12720), _SOURCE, "computed"),
    },
    golden=(
        Golden({"params": 1.4397952e9, "tokens": 9.21468928e11}, 2.5198, "redpajama"),
        Golden({"params": 6.88941056e9, "tokens": 1.377882112e11}, 2.4427, "redpajama"),
    ),
    limits=(
        Limit("always: equal exponents", "chinchilla", _additive),
        Limit("fixed multiplier", "power_law_offset", _one_line),
    ),
    derived=(
        Derived(
            "a",
            lambda H, eta, M_opt: H / 2 * C0**eta * M_opt**-eta,
            meaning="coefficient of M^eta as published",
        ),
        Derived(
            "b",
            lambda H, eta, M_opt: H / 2 * C0**eta * M_opt**eta,
            meaning="coefficient of M^-eta as published",
        ),
        Derived(
            "cost_of_overtraining_640",
            lambda eta, M_opt: jnp.cosh(eta * jnp.log(640 / M_opt)),
            meaning="factor on the reducible loss at 640 tokens per parameter",
        ),
        Derived(
            "params_1e24",
            lambda M_opt: (1e24 / 6 / M_opt) ** 0.5,
            "parameter",
            "optimal parameters at 1e24 FLOP",
        ),
        Derived(
            "tokens_1e24", lambda M_opt: (1e24 / 6 * M_opt) ** 0.5, "token", "optimal tokens at 1e24 FLOP"
        ),
    ),
    reference=Reference(
        "Language models scale reliably with over-training and on downstream tasks",
        "Gadre et al.",
        2024,
        "2403.08540",
    ),
    checked_on=("gadre_overtraining",),
    notes=(
        "The printed (a M^eta + b M^-eta) C^-eta is written with the height at the best multiplier, where "
        "a, b and eta are not correlated. At a fixed multiplier it is a power law in compute with the same "
        "slope for all multipliers. Fits of five runs of at most 0.41e9 parameters missed two targets of "
        "300 times their compute by 0.7 %."
    ),
)
