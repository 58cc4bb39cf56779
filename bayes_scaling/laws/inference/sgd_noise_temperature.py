"""Change of the weights from SGD's temperature (Sclocchi, Geiger, Wyart 2023, arXiv:2301.13703)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import log_product


def log_mean(temperature, examples, *, c, delta, gamma):
    """Natural log of the relative change of the weights."""
    return log_product(c, (delta, temperature), (gamma, examples))


def critical_temperature(examples: Any, *, c: Any, delta: Any, gamma: Any) -> Any:
    """Temperature at which the weights change by their own size and the lazy regime ends."""
    return jnp.exp(-log_product(c, (gamma, examples)) / delta)


def best_temperature_exponent(hidden_layers: Any) -> Any:
    """Exponent of the best temperature in the initialisation scale, where features are learnt."""
    return (hidden_layers - 1) / (hidden_layers + 1)


def _fixed_examples(inputs, values):
    A = values["c"] * inputs["examples"] ** values["gamma"]
    return inputs, values, {"x": inputs["temperature"]}, {"A": A, "alpha": -values["delta"]}


LAW = Law(
    name="sgd_noise_temperature",
    title="Change of the weights from SGD's temperature and the training set",
    equation="dw/w = y0 c (T/T0)^delta (P/P0)^gamma,  T = learning rate / batch size",
    predictor=log_mean,
    predicts=positive("weight_change"),
    inputs=(
        Input("temperature", "1", "learning rate over batch size", (1e-6, 1.0), centre="data"),
        Input("examples", "example", "size of the training set P", (1e2, 1e6), centre="data"),
    ),
    parameters=(
        Parameter("c", (0.3, 3.0), unit="y0", meaning="change at T0 and P0"),
        Parameter("delta", (0.52, 1.93), pool="tight", meaning="exponent of the temperature"),
        Parameter("gamma", (0.22, 1.14), pool="tight", meaning="exponent of the training set"),
    ),
    monotone={"temperature": "increasing", "examples": "increasing"},
    golden=(
        Golden(
            {"temperature": 4.0, "examples": 9.0}, 24.0, {"c": 2.0, "delta": 1.0, "gamma": 0.5}, rtol=1e-9
        ),
    ),
    limits=(Limit("one training set", "power_law", _fixed_examples),),
    derived=(
        Derived(
            "crossover",
            lambda delta, gamma: gamma / delta,
            meaning="a of the critical temperature ~ P^-a",
        ),
    ),
    reference=Reference(
        "Dissecting the Effects of SGD Noise in Distinct Regimes of Deep Learning",
        "Sclocchi, Geiger, Wyart",
        2023,
        "2301.13703",
    ),
    notes=(
        "The lazy regime; it ends where the change is of order one. Families are initialisation scales; they "
        "share the exponents. Training time is another power law, t ~ T P^b. The numeric exponents of the "
        "paper were not seen: priors are wide."
    ),
)
