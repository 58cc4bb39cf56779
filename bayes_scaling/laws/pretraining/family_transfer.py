"""Loss of a new family from few of its runs and other families (Choshen et al. 2024, arXiv:2410.11840)."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import D0, N0
from bayes_scaling.laws.pretraining.chinchilla import at_reference, log_mean

#: Intercepts and slopes of the ties that the code offers: exponent = intercept + slope * log(raw amplitude).
TIE = {"alpha": (0.0116, 0.0500), "beta": (0.2371, 0.0384)}


def log_mean_product(params, tokens, *, H, alpha, beta):
    """Natural log of the expected loss of the multiplicative rival; H is the loss at N0 and D0."""
    return jnp.log(H) - alpha * jnp.log(params / N0) - beta * jnp.log(tokens / D0)


def _same(inputs, values):
    return inputs, values, inputs, values


def _fixed_tokens(inputs, values):
    A = values["H"] * (inputs["tokens"] / D0) ** -values["beta"]
    return inputs, values, {"x": inputs["params"] / N0}, {"A": A, "alpha": values["alpha"]}


_law = partial(
    Law,
    name="family_transfer",
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "total parameters", (1e7, 1e12)),
        Input("tokens", "token", "training tokens seen so far", (1e10, 1e13)),
    ),
    monotone={"params": "decreasing", "tokens": "decreasing"},
    reference=Reference(
        "A Hitchhiker's Guide to Scaling Law Estimation", "Choshen, Zhang, Andreas", 2024, "2410.11840"
    ),
)

VARIANTS = {
    1: _law(
        title="Chinchilla with the size term shared by all families",
        equation="L_f = E_f + A (N/N0)^-alpha + B_f (D/D0)^-beta_f,  N0 = 5e8, D0 = 2e10",
        predictor=log_mean,
        parameters=(
            Parameter("E", (0.83, 3.1), unit="nat/token", meaning="irreducible loss", pool="partial"),
            Parameter("A", (0.226, 1.63), unit="nat/token", meaning="size term at N0", pool="shared"),
            Parameter("alpha", (0.155, 0.58), meaning="exponent of parameters", pool="shared"),
            Parameter("B", (0.185, 1.33), unit="nat/token", meaning="data term at D0", pool="partial"),
            Parameter("beta", (0.155, 0.58), meaning="exponent of tokens", pool="tight"),
        ),
        floor="E",
        published={
            "choshen2024_start": Published(
                at_reference(E=1.869144, A=520.8258, alpha=0.3526596, B=1487.667, beta=0.3526596),
                "arXiv:2410.11840, start of the fits (Muennighoff et al. 2023, C4)",
            )
        },
        golden=(Golden({"params": 5e8, "tokens": 2e10}, 2.661, "choshen2024_start", rtol=2e-4),),
        limits=(Limit("one family", "chinchilla", _same),),
        derived=(
            Derived(
                "a", lambda alpha, beta: beta / (alpha + beta), meaning="exponent of the optimal N in compute"
            ),
        ),
        checked_on=("gemstones_loss",),
        notes=(
            "A pooling, not another curve: a family with a single model takes (A, alpha) from the others and "
            "learns E, B and beta from its own checkpoints. Drop roughly the first 1e10 tokens of every run. "
            "Restarts move the loss by up to 3.5 %. The code's tie of exponents to raw amplitudes (TIE) is "
            "the ridge that centring at N0 and D0 removes. Variant 2 is its multiplicative rival."
        ),
    ),
    2: _law(
        title="Multiplicative rival: a product of powers, without a floor",
        equation="L = H (N/N0)^-alpha (D/D0)^-beta,  N0 = 5e8, D0 = 2e10",
        predictor=log_mean_product,
        parameters=(
            Parameter("H", (1.7, 4.5), unit="nat/token", meaning="loss at N0 and D0"),
            Parameter("alpha", (0.02, 0.2), pool="tight", meaning="exponent of parameters"),
            Parameter("beta", (0.02, 0.2), pool="tight", meaning="exponent of tokens"),
        ),
        limits=(Limit("fixed tokens", "power_law", _fixed_tokens),),
        notes=(
            "exp(a + b + e) N^-alpha D^-beta of the authors' code: a straight line in both logs, for "
            "comparison. It has no compute-optimal size unless the exponents agree."
        ),
    ),
}
LAW = VARIANTS[1]
