"""Bits of knowledge that a language model stores per parameter (Allen-Zhu, Li 2024, arXiv:2404.05405)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, Response
from bayes_scaling.laws._terms import hill, log_norm

#: Sharpness of the minimum of what there is to learn and what fits.
SHARPNESS = 16.0
#: Names of synthetic biographies, and log2 of the values of one biography's other attributes.
BIO_NAMES, BIO_BITS = 400 * 400 * 1000, 47.592

#: Factors by which the capacity falls, by setting and exposures: for junk from that of 100 exposures without
#: it, else from that of as many. A factor is known to about 15 %; int4 and no MLP cost at least that much.
PENALTY: Mapping[tuple[str, int], float] = MappingProxyType(
    {
        ("int8", 1000): 1.0,
        ("int4", 1000): 2.0,
        ("moe_32_experts", 1000): 1.3,
        ("moe_32_experts", 100): 1.5,
        ("gated_mlp", 1000): 1.0,
        ("gated_mlp", 100): 1.3,
        ("quarter_mlp", 1000): 1.0,
        ("no_mlp", 1000): 1.0,
        ("no_mlp", 100): 1.5,
        ("junk_7_of_8", 100): 20.0,
        ("junk_7_of_8", 300): 3.0,
        ("junk_7_of_8", 600): 1.5,
        ("junk_7_of_8", 1000): 1.3,
        ("junk_7_of_8_with_domain_token", 100): 2.0,
        ("junk_7_of_8_with_domain_token", 300): 1.0,
        ("repetitive_7_of_8", 100): 1.0,
    }
)


def log_mean(params, exposures, data_bits, *, R_inf, e_half, q):
    """Natural log of the learnt bits per parameter: a smooth minimum of data and capacity."""
    most = jnp.log(capacity(exposures, R_inf=R_inf, e_half=e_half, q=q))
    return log_norm(-1 / SHARPNESS, jnp.log(data_bits) - jnp.log(params), most)


def capacity(exposures: Any, penalty: Any = 1.0, *, R_inf: Any, e_half: Any, q: Any) -> Any:
    """Bits that a parameter can hold after so many exposures; ``penalty`` as in `PENALTY`."""
    return R_inf * hill(exposures, e_half, q) / penalty


def biography_bits(people: Any) -> Any:
    """Bits in the synthetic biographies of so many people, names included."""
    return people * (jnp.log2(BIO_NAMES / people) + BIO_BITS)


def biography_bits_learnt(people: Any, name_loss: Any, value_loss: Any) -> Any:
    """Bits of them that a model has learnt, from its losses on names and values (nats per person).

    The printed bound is ``N log2(N0/e^p1) + N log2(S0/e^p2)``.
    """
    nats = name_loss + value_loss
    return people * (jnp.log2(BIO_NAMES) + BIO_BITS - nats / jnp.log(2.0))


def table_bits(
    names: Any, attributes: Any, chunks: Any, diversity: Any, length: Any, symbols: Any, *, of: Any
):
    """Bits in a table: ``names`` of ``of`` possible ones, each with ``attributes`` of ``chunks`` chunks.

    A chunk is one of ``diversity`` strings of ``length`` symbols out of ``symbols``, drawn for the attribute.
    """
    strings = length * jnp.log2(symbols) - jnp.log2(diversity)
    return (
        names * jnp.log2(of / names)
        + names * attributes * chunks * jnp.log2(diversity)
        + attributes * diversity * strings
    )


def table_bits_learnt(
    names: Any,
    attributes: Any,
    chunks: Any,
    diversity: Any,
    length: Any,
    symbols: Any,
    name_loss: Any,
    value_loss: Any,
    chunk_loss: Any,
    *,
    of: Any,
):
    """Bits of a table that a model has learnt, from its losses (nats) on names, attributes and chunks."""
    bit = jnp.log(2.0)
    strings = length * jnp.log2(symbols) - jnp.log2(diversity)
    return (
        names * (jnp.log2(of) - name_loss / bit)
        + names * attributes * (chunks * jnp.log2(diversity) - value_loss / bit)
        + attributes * diversity * (strings - chunk_loss / bit)
    )


def params_needed(bits: Any, per_param: Any = 1.8) -> Any:
    """Parameters that hold ``bits``: up to 1.8 bits per parameter were learnt almost completely."""
    return bits / per_param


def _large_model(inputs, values):
    here = {**values, "R_inf": 1.0 + values["R_inf"]}
    params = inputs["data_bits"] * 1e12
    moved = {**inputs, "params": params, "exposures": 1e3 * values["e_half"]}
    return moved, here, {"x": params}, {"A": inputs["data_bits"], "alpha": 1.0}


LAW = Law(
    name="knowledge_capacity_bits",
    title="Knowledge capacity in bits per parameter",
    equation="R = softmin(bits/P, R_inf / (1 + (e_half/e)^q))",
    predictor=log_mean,
    predicts=Response("bits_per_param", "bit/parameter", scatter=(0.02, 0.08)),
    inputs=(
        Input("params", "parameter", "parameters without unused embeddings P", (1e6, 1e10)),
        Input("exposures", "1", "times that a piece of knowledge is seen e", (30.0, 3000.0)),
        Input("data_bits", "bit", "bits of knowledge in the data", (1e6, 1e11)),
    ),
    parameters=(
        Parameter("R_inf", (1.78, 2.48), pool="tight", unit="bit/parameter", meaning="capacity"),
        Parameter("e_half", (44.0, 228.0), pool="tight", meaning="exposures that reach half the capacity"),
        Parameter("q", (0.52, 1.93), pool="shared", meaning="steepness in the log of exposures"),
    ),
    monotone={"params": "decreasing", "exposures": "increasing", "data_bits": "increasing"},
    golden=(
        # two bits per parameter: 7e9 parameters hold 14e9 bits
        Golden(
            {"params": 7e9, "exposures": 1e9, "data_bits": 1e13},
            14e9 / 7e9,
            {"R_inf": 2.0, "e_half": 100.0, "q": 1.0},
            "abstract",
            rtol=1e-6,
        ),
        # at least 1 bit per parameter after 100 exposures
        Golden(
            {"params": 1e8, "exposures": 100.0, "data_bits": 1e12},
            1.05,
            {"R_inf": 2.1, "e_half": 100.0, "q": 1.0},
            rtol=1e-6,
        ),
    ),
    limits=(Limit("more room than knowledge", "power_law", _large_model),),
    derived=(
        Derived(
            "R_1000",
            lambda R_inf, e_half, q: capacity(1e3, R_inf=R_inf, e_half=e_half, q=q),
            "bit/parameter",
            "capacity after 1000 exposures",
        ),
        Derived(
            "R_100",
            lambda R_inf, e_half, q: capacity(100.0, R_inf=R_inf, e_half=e_half, q=q),
            "bit/parameter",
            "capacity after 100 exposures",
        ),
        Derived("bits_7B", lambda R_inf: 7e9 * R_inf, "bit", "what 7e9 parameters hold"),
    ),
    reference=Reference(
        "Physics of Language Models: Part 3.3, Knowledge Capacity Scaling Laws",
        "Allen-Zhu, Li",
        2024,
        "2404.05405",
    ),
    notes=(
        "The paper gives values at 100 and 1000 exposures (at least 1 and 2 bits); the curve between them "
        "is ours. Families are architectures and data mixtures: the paper finds R_inf the same for all "
        "dense ones, and int8 changes nothing, while int4 after training costs more than half. Factors: "
        "PENALTY, for `capacity`. All parameters of a mixture of experts count, 11.3 times the active ones "
        "with 32 experts. A theorem bounds the bits from below by the three terms of table_bits_learnt, "
        "with the names and strings that are taken left out of their logs."
    ),
)
