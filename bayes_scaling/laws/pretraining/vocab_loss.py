"""Unigram-normalised loss from non-vocabulary and vocabulary parameters and tokens (Tao et al. 2024).

The published constants are those of a fit that took ``f(V/1000)`` for the tokens per character; the law is
stated in true tokens (`tokens_per_character`), for which its level and data term have to be fitted anew.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Parameter, Published, Reference, real
from bayes_scaling.laws._roots import bisect
from bayes_scaling.laws._terms import D0, N0

#: Vocabulary parameters at which the vocabulary term is stated.
V0 = 5e7


def mean_loss(params_nonvocab, params_vocab, tokens, *, E, A, alpha, A_v, alpha_v, B, beta):
    """Expected unigram-normalised loss (nat/token); A, A_v and B are terms at N0, V0 and D0."""
    return (
        A * (params_nonvocab / N0) ** -alpha
        + A_v * (params_vocab / V0) ** -alpha_v
        + B * (tokens / D0) ** -beta
        - E
    )


def tokens_per_character(vocabulary: Any) -> Any:
    """Tokens per character of text, ``f(V)``, of a tokenizer with ``V`` entries (2e5 at most count)."""
    u = jnp.log(jnp.minimum(vocabulary, 2e5))
    return 0.00639222 * u**2 - 0.15811069 * u + 1.20470122


def optimal_vocab_params(params_nonvocab: Any, compute: Any, *, A_v, alpha_v, B, beta) -> Any:
    """Vocabulary parameters ``V d`` of least loss at fixed non-vocabulary parameters and compute.

    Parameters
    ----------
    params_nonvocab, compute : float or array
        Non-vocabulary parameters, and FLOP spent, ``compute = 6 (N_nv + V d) D``.
    A_v, alpha_v, B, beta : float or array
        The law's parameters.

    Returns
    -------
    array
        Root of ``alpha_v A_v v^-alpha_v / v = beta B t^-beta / (N_nv + v)``, whose sides cross once; it
        does not depend on the embedding width.
    """

    def excess(u):
        total = params_nonvocab + jnp.exp(u)
        gain = jnp.log(alpha_v * A_v) - alpha_v * (u - jnp.log(V0)) - u
        cost = jnp.log(beta * B) - beta * (jnp.log(compute / D0) - jnp.log(6 * total)) - jnp.log(total)
        return gain - cost

    shape = jnp.zeros_like(excess(jnp.log(V0)))
    return jnp.exp(bisect(excess, shape, jnp.log(1e15)))


def at_reference(E, A1, a1, A2, a2, B, be) -> dict[str, float]:
    """Published constants (parameters in 1e6, tokens in 1e9) in this law's coordinates."""
    return {
        "E": E,
        "A": A1 * (N0 / 1e6) ** -a1,
        "alpha": a1,
        "A_v": A2 * (V0 / 1e6) ** -a2,
        "alpha_v": a2,
        "B": B * (D0 / 1e9) ** -be,
        "beta": be,
    }


def balanced_compute(params_nonvocab: float) -> float:
    """Compute (FLOP) at which a size is optimal by the paper's approach 1, ``N_nv = .08337 F^0.5``."""
    return (params_nonvocab / 0.08337) ** 2


def _vocabulary_at(params: float, width: int):
    compute = balanced_compute(params)

    def vocabulary(A_v, alpha_v, B, beta):
        return optimal_vocab_params(params, compute, A_v=A_v, alpha_v=alpha_v, B=B, beta=beta) / width

    return vocabulary


LAW = Law(
    name="vocab_loss",
    title="Unigram-normalised loss from parameters, vocabulary parameters and tokens",
    equation=(
        "L_u = -E + A (N_nv/N0)^-alpha + A_v (V d/V0)^-alpha_v + B (D/D0)^-beta,  "
        "N0 = 5e8, V0 = 5e7, D0 = 2e10"
    ),
    predictor=mean_loss,
    predicts=real("loss_u", "nat/token", centre="none"),
    inputs=(
        Input("params_nonvocab", "parameter", "non-vocabulary parameters", (1e7, 1e11)),
        Input("params_vocab", "parameter", "vocabulary size times embedding width", (1e6, 1e10)),
        Input("tokens", "token", "training tokens seen", (1e8, 1e13)),
    ),
    parameters=(
        Parameter("E", (3.5, 8.0), unit="nat/token", meaning="gain over unigrams in the limit"),
        Parameter("A", (0.04, 0.4), unit="nat/token", meaning="size term at N0"),
        Parameter("alpha", (0.244, 0.655), meaning="exponent of non-vocabulary parameters", pool="tight"),
        Parameter("A_v", (0.002, 0.05), unit="nat/token", meaning="vocabulary term at V0"),
        Parameter("alpha_v", (0.409, 1.1), meaning="exponent of vocabulary parameters", pool="tight"),
        Parameter("B", (0.08, 0.9), unit="nat/token", meaning="data term at D0"),
        Parameter("beta", (0.244, 0.655), meaning="exponent of tokens", pool="tight"),
    ),
    monotone={"params_nonvocab": "decreasing", "params_vocab": "decreasing", "tokens": "decreasing"},
    published={
        "tao2024": Published(
            at_reference(5.5327847, 1.8313852, 0.4466063, 0.1958424, 0.6707375, 2.1241123, 0.4466063),
            "arXiv:2407.13623, approach 3",
        ),
        "refit": Published(
            {
                "E": 5.399,
                "A": 0.1552,
                "alpha": 0.3145,
                "A_v": 0.007757,
                "alpha_v": 0.5224,
                "B": 0.1983,
                "beta": 0.6004,
            },
            "posterior medians on the released curves of arXiv:2407.13623 with true tokens",
            "computed",
        ),
    },
    golden=(
        # 1.8313852 1000^-.4466063 + .1958424 100^-.6707375 + 2.1241123 100^-.4466063 - 5.5327847
        Golden(
            {"params_nonvocab": 1e9, "params_vocab": 1e8, "tokens": 1e11}, -5.1684960, "tao2024", rtol=1e-7
        ),
        # .1552 2^-.3145 + .007757 2^-.5224 + .1983 5^-.6004 - 5.399
        Golden({"params_nonvocab": 1e9, "params_vocab": 1e8, "tokens": 1e11}, -5.1933482, "refit", rtol=1e-7),
    ),
    derived=(
        Derived(
            "vocabulary_3B", _vocabulary_at(2.87e9, 3200), "entry", "optimal vocabulary at 2.87e9 parameters"
        ),
        Derived("vocabulary_7B", _vocabulary_at(7e9, 4096), "entry", "optimal vocabulary at 7e9 parameters"),
        Derived(
            "vocabulary_70B", _vocabulary_at(7e10, 8192), "entry", "optimal vocabulary at 7e10 parameters"
        ),
    ),
    reference=Reference("Scaling Laws with Vocabulary", "Tao et al.", 2024, "2407.13623"),
    checked_on=("vocab_scaling",),
    notes=(
        "The released fit turned characters H into tokens with f(V/1000) instead of f(V): the published B "
        "and E hold only with that slip and with true tokens predict 0.58 nat/token too high over all 1200 "
        "points (0.46 over the 1054 that were fitted), so refit them "
        "(`refit` is ours: RMSE .088 over 1 054 points, R2 .973; the priors of B and A_v follow it). Six "
        "sizes leave a ridge between E, A and alpha, and the vocabulary term is weak: least squares without "
        "priors runs off along both. The optimal vocabulary does not use f. The paper ties alpha = beta, "
        "which true tokens do not support. L_u is negative for useful models."
    ),
)
