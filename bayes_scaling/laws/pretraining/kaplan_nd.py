"""Early-stopped loss from parameters and tokens (Kaplan et al. 2020, arXiv:2001.08361, eq. 1.5)."""

from __future__ import annotations

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import D0, N0, log_norm, log_power


def log_mean(params, tokens, *, A, alpha, B, beta):
    """Natural log of the expected loss; A = L(N0, infinity) and B = L(infinity, D0), in nat/token."""
    return log_norm(beta, log_power(A, alpha, params / N0), log_power(B, beta, tokens / D0))


def at_reference(N_c, alpha, D_c, beta) -> dict[str, float]:
    """Published ``[(N_c/N)^(alpha/beta) + D_c/D]^beta`` in this law's coordinates."""
    return {"A": (N_c / N0) ** alpha, "alpha": alpha, "B": (D_c / D0) ** beta, "beta": beta}


def tokens_needed(params, excess=0.02, *, A, alpha, B, beta):
    """Tokens at which a model of ``params`` is ``excess`` (relative) above its infinite-data loss."""
    # L / L(N, inf) = [1 + (N/N_c)^(alpha/beta) D_c/D]^beta, solved for D.
    ratio = (B / A) ** (1 / beta) * (params / N0) ** (alpha / beta)
    return D0 * ratio / jnp.expm1(jnp.log1p(excess) / beta)


def overfitting(params, tokens, *, A, alpha, B, beta):
    """Relative excess ``L(N, D) / L(N, infinity) - 1`` over the loss with unlimited data."""
    ratio = (B / A) ** (1 / beta) * (params / N0) ** (alpha / beta) * D0 / tokens
    return jnp.expm1(beta * jnp.log1p(ratio))


def stopping_steps(params, tokens, *, A, alpha, B, beta, S_c, alpha_S):
    """Lower bound on the step at which training should stop, ``S_c / [L(N, D) - L(N, inf)]^(1/alpha_S)``.

    Parameters
    ----------
    params, tokens : float or array
        The model, and the size of its data set.
    A, alpha, B, beta : float or array
        This law's parameters.
    S_c, alpha_S : float or array
        Step scale and exponent as published (`kaplan_trajectory` gives both).
    """
    limit = A * (params / N0) ** -alpha
    excess = limit * overfitting(params, tokens, A=A, alpha=alpha, B=B, beta=beta)
    return S_c * excess ** (-1 / alpha_S)


def _infinite_data(inputs, values):
    here = {**values, "B": values["B"] * 1e-30}
    return inputs, here, {"x": inputs["params"] / N0}, {"A": values["A"], "alpha": values["alpha"]}


def _infinite_model(inputs, values):
    here = {**values, "A": values["A"] * 1e-30}
    return inputs, here, {"x": inputs["tokens"] / D0}, {"A": values["B"], "alpha": values["beta"]}


LAW = Law(
    name="kaplan_nd",
    title="Loss from parameters and tokens, without a floor (Kaplan)",
    equation=(
        "L = [(N_c/N)^(alpha/beta) + D_c/D]^beta,  A = (N_c/N0)^alpha, B = (D_c/D0)^beta, N0 = 5e8, D0 = 2e10"
    ),
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "non-embedding parameters", (1e3, 1e12)),
        Input("tokens", "token", "size of the data set in tokens", (2e7, 1e13)),
    ),
    parameters=(
        Parameter("A", (1.3, 4.8), unit="nat/token", meaning="loss at N0 with unlimited data"),
        Parameter("alpha", (0.049, 0.131), pool="tight", meaning="exponent of parameters (alpha_N)"),
        Parameter("B", (1.3, 4.8), unit="nat/token", meaning="loss at D0 of an unlimited model"),
        Parameter("beta", (0.061, 0.164), pool="tight", meaning="exponent of tokens (alpha_D)"),
    ),
    monotone={"params": "decreasing", "tokens": "decreasing"},
    published={
        "kaplan2020_joint": Published(
            at_reference(6.4e13, 0.076, 1.8e13, 0.103), "arXiv:2001.08361", "paper*"
        ),
        "kaplan2020_single": Published(
            at_reference(8.8e13, 0.076, 5.4e13, 0.095), "arXiv:2001.08361", "paper*"
        ),
    },
    golden=(
        Golden({"params": 1e9, "tokens": 1e10}, 2.4197, "kaplan2020_joint"),
        Golden({"params": 1.5e9, "tokens": 2.3e10}, 2.3101, "kaplan2020_joint"),
    ),
    limits=(
        Limit("tokens -> infinity", "power_law", _infinite_data),
        Limit("params -> infinity", "power_law", _infinite_model),
    ),
    derived=(
        Derived("N_c", lambda A, alpha: N0 * A ** (1 / alpha), "parameter", "size scale as published"),
        Derived("D_c", lambda B, beta: D0 * B ** (1 / beta), "token", "data scale as published"),
        Derived(
            "data_exponent",
            lambda alpha, beta: alpha / beta,
            meaning="tokens needed for a fixed excess grow as parameters to this power",
        ),
        Derived(
            "tokens_2pct_1e9",
            lambda A, alpha, B, beta: tokens_needed(1e9, A=A, alpha=alpha, B=B, beta=beta),
            "token",
            "tokens that keep a model of 1e9 parameters within 2 % of its unlimited-data loss",
        ),
        Derived(
            "overfitting_1e9",
            lambda A, alpha, B, beta: overfitting(1e9, D0, A=A, alpha=alpha, B=B, beta=beta),
            meaning="relative excess over unlimited data of 1e9 parameters on 2e10 tokens",
        ),
    ),
    reference=Reference("Scaling Laws for Neural Language Models", "Kaplan et al.", 2020, "2001.08361"),
    checked_on=("chinchilla_epoch",),
    notes=(
        "The runs were stopped early and may see data several times, so C = 6 N D does not hold for them. "
        "Parameters exclude embeddings. N_c and D_c depend on the tokenizer; they reach over hundreds of "
        "e-folds as the exponents move, so the loss at N0 and D0 is the parameter. This is "
        "coupled_chinchilla with E = 0 and k = beta."
    ),
)
