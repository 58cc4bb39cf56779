"""Loss of fine-grained mixtures of experts (Krajewski et al. 2024, arXiv:2402.07871)."""

from __future__ import annotations

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import D0, N0, log_power, log_sum_exp


def log_mean(params, tokens, granularity, *, E, A, alpha, B, beta, coarse, gamma):
    """Natural log of the expected loss; A and B are loss terms (nat/token) at N0 and D0."""
    size = log_power(A, alpha, params / N0)
    grain = log_power(coarse, gamma, granularity)
    return log_sum_exp(log_power(E, 0.0, 1.0), size, size + grain, log_power(B, beta, tokens / D0))


def at_reference(c, a, alpha, b, beta, g, gamma) -> dict[str, float]:
    """Published ``c + (g/G^gamma + a) N^-alpha + b D^-beta`` in this law's coordinates."""
    base = {"E": c, "A": a * N0**-alpha, "alpha": alpha, "B": b * D0**-beta, "beta": beta}
    return {**base, "coarse": g / a, "gamma": gamma}


def _infinitely_fine(inputs, values):
    plan = {"params": inputs["params"], "tokens": inputs["tokens"]}
    there = {k: values[k] for k in ("E", "A", "alpha", "B", "beta")}
    return inputs, {**values, "coarse": 1e-15}, plan, there


LAW = Law(
    name="fine_grained_moe",
    title="Loss of mixtures of experts from parameters, tokens and granularity",
    equation="L = E + A (1 + coarse G^-gamma) (N/N0)^-alpha + B (D/D0)^-beta,  N0 = 5e8, D0 = 2e10",
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "parameters, as counted by the study", (1e7, 1e12)),
        Input("tokens", "token", "training tokens", (1e9, 1e13)),
        Input("granularity", "1", "how many times smaller an expert is than a dense layer", (1, 64)),
    ),
    parameters=(
        Parameter("E", (0.2, 2.5), unit="nat/token", meaning="irreducible loss"),
        Parameter("A", (0.3, 3.0), unit="nat/token", meaning="size term at N0, infinitely fine experts"),
        Parameter("alpha", (0.07, 0.45), pool="tight", meaning="exponent of parameters"),
        Parameter("B", (0.2, 3.0), unit="nat/token", meaning="data term at D0"),
        Parameter("beta", (0.07, 0.45), pool="tight", meaning="exponent of tokens"),
        Parameter("coarse", (0.03, 0.4), meaning="increase of the size term at granularity 1"),
        Parameter("gamma", (0.25, 1.3), pool="tight", meaning="exponent of granularity"),
    ),
    floor="E",
    monotone={"params": "decreasing", "tokens": "decreasing", "granularity": "decreasing"},
    published={
        "krajewski2024": Published(
            at_reference(c=0.47, a=18.1, alpha=0.115, b=30.8, beta=0.147, g=2.1, gamma=0.58),
            "arXiv:2402.07871",
            "paper*",
        )
    },
    golden=(
        # .47 + (2.1 / 16^.58 + 18.1) 1e9^-.115 + 30.8 1e11^-.147, arithmetic with the published constants
        Golden({"params": 1e9, "tokens": 1e11, "granularity": 16}, 2.9226160, "krajewski2024", rtol=1e-6),
    ),
    limits=(Limit("granularity -> infinity", "chinchilla", _infinitely_fine),),
    derived=(
        Derived(
            "gain_of_16",
            lambda alpha, coarse, gamma: ((1 + coarse) / (1 + coarse * 16.0**-gamma)) ** (1 / alpha),
            meaning="parameters that granularity 16 is worth",
        ),
    ),
    reference=Reference(
        "Scaling Laws for Fine-Grained Mixture of Experts", "Krajewski et al.", 2024, "2402.07871"
    ),
    notes=(
        "The variant of routed_moe with tokens. The floor of .47 nat comes with small exponents and is no "
        "entropy. The study's dense models are chinchilla with 16.3, .126, 26.7, .127 and the same floor."
    ),
)
