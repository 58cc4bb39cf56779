"""Loss from parameters and tokens (Hoffmann et al. 2022, arXiv:2203.15556, approach 3)."""

from __future__ import annotations

import math

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws import _terms
from bayes_scaling.laws._terms import D0, N0, log_power, log_sum_exp


def log_mean(params, tokens, *, E, A, alpha, B, beta):
    """Natural log of the expected loss; A and B are loss terms (nat/token) at N0 and D0."""
    return log_sum_exp(
        log_power(E, 0.0, 1.0), log_power(A, alpha, params / N0), log_power(B, beta, tokens / D0)
    )


def optimal_params(compute, *, A, alpha, B, beta):
    """Parameters that minimise the loss at ``compute = 6 N D`` FLOP."""
    return _terms.optimal_params(compute, A=A, alpha=alpha, B=B, beta=beta)


def at_reference(E, A, alpha, B, beta) -> dict[str, float]:
    """Published ``E + A N^-alpha + B D^-beta`` in this law's coordinates."""
    return {"E": E, "A": A * N0**-alpha, "alpha": alpha, "B": B * D0**-beta, "beta": beta}


def _infinite_data(inputs, values):
    """With its term switched off, data are infinite and the rest is a power law with offset in parameters."""
    here = {**values, "B": values["B"] * 1e-30}
    there = {"E": values["E"], "A": values["A"], "alpha": values["alpha"]}
    return inputs, here, {"x": inputs["params"] / N0}, there


def _infinite_model(inputs, values):
    here = {**values, "A": values["A"] * 1e-30}
    there = {"E": values["E"], "A": values["B"], "alpha": values["beta"]}
    return inputs, here, {"x": inputs["tokens"] / D0}, there


LAW = Law(
    name="chinchilla",
    title="Loss from parameters and tokens, additive (Chinchilla)",
    equation="L = E + A (N/N0)^-alpha + B (D/D0)^-beta,  N0 = 5e8, D0 = 2e10",
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "total parameters", (1e7, 1e12)),
        Input("tokens", "token", "training tokens seen", (1e8, 1e14)),
    ),
    parameters=(
        Parameter("E", (0.83, 3.1), unit="nat/token", meaning="irreducible loss", pool="partial"),
        Parameter("A", (0.226, 1.63), unit="nat/token", meaning="size term at N0", pool="partial"),
        Parameter("alpha", (0.155, 0.58), meaning="exponent of parameters", pool="tight"),
        Parameter("B", (0.185, 1.33), unit="nat/token", meaning="data term at D0", pool="partial"),
        Parameter("beta", (0.155, 0.58), meaning="exponent of tokens", pool="tight"),
    ),
    floor="E",
    monotone={"params": "decreasing", "tokens": "decreasing"},
    published={
        "hoffmann2022": Published(
            at_reference(E=1.69, A=406.4, alpha=0.34, B=410.7, beta=0.28), "arXiv:2203.15556", "paper*"
        ),
        "hoffmann2022_unrounded": Published(
            at_reference(
                E=math.exp(0.5267228),
                A=math.exp(6.0073404),
                alpha=0.33917084,
                B=math.exp(6.0179186),
                beta=0.2849083,
            ),
            "arXiv:2203.15556, coefficients in the authors' source",
        ),
        "besiroglu2024": Published(
            at_reference(E=1.8172, A=482.01, alpha=0.3478, B=2085.43, beta=0.3658),
            "arXiv:2404.10102",
            "paper",
        ),
        "besiroglu2024_with_outliers": Published(
            at_reference(E=1.89, A=463.3, alpha=0.345, B=12530, beta=0.452),
            "arXiv:2404.10102, all 245 points",
            "paper*",
        ),
        "muennighoff2023": Published(
            at_reference(E=1.8691, A=520.8, alpha=0.3526596, B=1487.7, beta=0.3526596),
            "arXiv:2305.16264",
            "paper",
        ),
        "sardana2024": Published(
            at_reference(E=1.45, A=33.7, alpha=0.18, B=138.9, beta=0.24),
            "arXiv:2401.00448, all ratios of tokens to parameters",
            "paper*",
        ),
        "krajewski2024_dense": Published(
            at_reference(E=0.47, A=16.3, alpha=0.126, B=26.7, beta=0.127), "arXiv:2402.07871", "paper*"
        ),
    },
    golden=(
        Golden({"params": 70e9, "tokens": 1.4e12}, 1.9739, "besiroglu2024"),
        Golden({"params": 1e9, "tokens": 2e10}, 2.5301, "besiroglu2024"),
        Golden({"params": 70e9, "tokens": 1.4e12}, 1.9366, "hoffmann2022"),
    ),
    limits=(
        Limit("tokens -> infinity", "power_law_offset", _infinite_data),
        Limit("params -> infinity", "power_law_offset", _infinite_model),
    ),
    derived=(
        Derived(
            "a", lambda alpha, beta: beta / (alpha + beta), meaning="exponent of the optimal N in compute"
        ),
        Derived(
            "gamma",
            lambda alpha, beta: alpha * beta / (alpha + beta),
            meaning="exponent of the reducible loss in compute along the optimum",
        ),
        Derived(
            "tokens_per_param_1e24",
            lambda A, alpha, B, beta: 1e24 / 6 / optimal_params(1e24, A=A, alpha=alpha, B=B, beta=beta) ** 2,
            "token/parameter",
            "optimal ratio at 1e24 FLOP with C = 6 N D",
        ),
        Derived(
            "params_1e24",
            lambda A, alpha, B, beta: optimal_params(1e24, A=A, alpha=alpha, B=B, beta=beta),
            "parameter",
            "optimal parameters at 1e24 FLOP",
        ),
        Derived(
            "tokens_1e24",
            lambda A, alpha, B, beta: 1e24 / 6 / optimal_params(1e24, A=A, alpha=alpha, B=B, beta=beta),
            "token",
            "optimal tokens at 1e24 FLOP",
        ),
        Derived(
            "exponent_gap",
            lambda alpha, beta: alpha - beta,
            meaning="alpha - beta; zero where size and data are dual (explained_regimes)",
        ),
    ),
    reference=Reference(
        "Training Compute-Optimal Large Language Models", "Hoffmann et al.", 2022, "2203.15556"
    ),
    checked_on=("chinchilla_epoch", "gemstones_loss", "misfitting", "marin_isoflop"),
    notes=(
        "Published A and B refer to N = D = 1; here they are the loss terms at N0 = 5e8 and D0 = 2e10, where "
        "amplitude and exponent are not correlated. The published 95 % interval of a (.454, .455) is an "
        "optimiser artefact (Besiroglu et al. 2024) and is not used as a prior. Use Hoffmann's unrounded "
        "coefficients for optima: rounding beta moves the best ratio of tokens to parameters at 5.8e23 FLOP "
        "from 59 to 93."
    ),
)
