"""Tokens accepted per step of speculative decoding (Yan et al. 2025, arXiv:2505.07858)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, Response

#: References of the draft's training tokens and parameters.
D0, N0 = 1e10, 5e8


def mean_value(draft_tokens, draft_params, *, level, per_tokens, per_params):
    """Mean accepted tokens per draft-and-verify step."""
    return level + per_tokens * jnp.log(draft_tokens / D0) + per_params * jnp.log(draft_params / N0)


def accepted(acceptance: Any, draft_length: Any) -> Any:
    """Tokens per step if each of ``draft_length`` is accepted with probability ``acceptance`` < 1."""
    return -jnp.expm1((draft_length + 1) * jnp.log(acceptance)) / (1 - acceptance)


def speedup(acceptance: Any, draft_length: Any, cost_ratio: Any) -> Any:
    """Speed over plain decoding; ``cost_ratio`` is a step of the draft over one of the target."""
    return accepted(acceptance, draft_length) / (cost_ratio * draft_length + 1)


def _fixed_draft(inputs, values):
    level = values["level"] + values["per_params"] * float(jnp.log(inputs["draft_params"] / N0))
    return inputs, values, {"x": inputs["draft_tokens"] / D0}, {"a": level, "b": values["per_tokens"]}


LAW = Law(
    name="spec_decoding_loglinear",
    title="Accepted tokens of speculative decoding",
    equation="tau = level + per_tokens ln(D/1e10) + per_params ln(N_d/5e8)",
    predictor=mean_value,
    predicts=Response("accepted_tokens", "token", "identity", reference=3.0, scatter=(0.01, 0.3)),
    inputs=(
        Input("draft_tokens", "token", "training tokens of the draft", (1e8, 1e12)),
        Input("draft_params", "parameter", "parameters of the draft", (1e7, 1e10)),
    ),
    parameters=(
        Parameter("level", (1.36, 4.64), unit="token", meaning="accepted tokens at the references"),
        Parameter("per_tokens", (0.019, 0.59), pool="tight", unit="token", meaning="per e-fold of data"),
        Parameter("per_params", (0.019, 0.59), pool="tight", unit="token", meaning="per e-fold of the draft"),
    ),
    monotone={"draft_tokens": "increasing", "draft_params": "increasing"},
    golden=(
        Golden(
            {"draft_tokens": 1e11, "draft_params": 5e8},
            3.460517,
            {"level": 3.0, "per_tokens": 0.2, "per_params": 0.1},
        ),
    ),
    limits=(Limit("one draft", "log_linear", _fixed_draft),),
    derived=(
        Derived("per_decade", lambda per_tokens: per_tokens * jnp.log(10.0), "token", "per decade of data"),
    ),
    reference=Reference("Scaling Laws for Speculative Decoding", "Yan et al.", 2025, "2505.07858"),
    notes=(
        "Only the log-linear shape is confirmed: no published coefficient was seen. A family is a task on a "
        "target model. At most draft length plus one tokens can be accepted, which a line ignores: do not "
        "extrapolate past it. Speed against the batch size is another line (log_linear)."
    ),
)
