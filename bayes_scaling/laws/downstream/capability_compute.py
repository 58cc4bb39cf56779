"""Latent capability of a model family from compute (Ruan et al. 2024, arXiv:2405.10938)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, real

#: FLOP at which a family's level is stated.
COMPUTE0 = 1e22

# Family -> (level, slope) of the first principal component, least squares on the authors' 148 models.
_FITS = {
    "Llama-2": (-0.461, 0.529),
    "Llama": (-0.314, 0.380),
    "Qwen1.5": (-0.121, 0.424),
    "CodeLlama": (-0.745, 0.583),
    "Falcon": (-0.200, 0.295),
    "StarCoder": (-0.427, 0.187),
    "OPT": (-0.316, 0.122),
    "Pythia": (-0.291, 0.154),
    "BLOOM": (-0.336, 0.158),
    "Cerebras-GPT": (-0.369, 0.059),
    "OLMo": (-0.418, 0.401),
}


def mean_capability(compute, *, level, slope):
    """Capability, linear in decades of compute."""
    return level + slope * jnp.log10(compute / COMPUTE0)


def equivalent_compute(capability: Any, *, level: Any, slope: Any) -> Any:
    """FLOP that the family of these parameters would need for a capability: the common axis of all models.

    That the paper's equivalent compute is this inversion is recalled, not checked.
    """
    return COMPUTE0 * 10 ** ((capability - level) / slope)


def _line(inputs, values):
    there = {"a": values["level"], "b": values["slope"] / math.log(10)}
    return inputs, values, {"x": inputs["compute"] / COMPUTE0}, there


LAW = Law(
    name="capability_compute",
    title="Capability of a model family from compute",
    equation="S = level_f + slope_f log10(C/1e22)",
    predictor=mean_capability,
    predicts=replace(real("capability", "1", centre="none"), reference=0.5, scatter=(0.01, 0.2)),
    inputs=(Input("compute", "FLOP", "training compute, 6 N D", (1e19, 1e26)),),
    parameters=(
        Parameter("level", (-0.82, 0.82), "real", "separate", meaning="capability at 1e22 FLOP"),
        Parameter("slope", (0.053, 0.547), "real", "partial", "1/decade", "capability per decade of compute"),
    ),
    published={
        family: Published(
            {"level": level, "slope": slope}, "fit of the authors' table, October 2024", "computed"
        )
        for family, (level, slope) in _FITS.items()
    },
    golden=(Golden({"compute": 1e24}, 0.597, "Llama-2", rtol=1e-9),),
    limits=(Limit("always", "log_linear", _line),),
    derived=(
        Derived("per_doubling", lambda slope: slope * math.log10(2), meaning="capability per doubling"),
    ),
    reference=Reference(
        "Observational Scaling Laws and the Predictability of Language Model Performance",
        "Ruan, Maddison, Hashimoto",
        2024,
        "2405.10938",
    ),
    checked_on=("obsscaling_base_llm", "dclm_models"),
    notes=(
        "The capability is the first principal component of benchmark scores, unstandardised "
        "(`obs_scaling.capabilities`), from -0.57 to 0.97 in the authors' table. Families differ in level "
        "and slope: the efficiency with which they turn compute into capability. Nine of the eleven "
        "published lines explain more than 0.9 of the variance within their family, Cerebras-GPT's 0.86 and "
        "OLMo's 0.51; StableLM has no trend, and no line here. obs_scaling takes the capability from there "
        "to a task."
    ),
)
