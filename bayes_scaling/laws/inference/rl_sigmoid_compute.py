"""Pass rate of reinforcement learning from its compute (ScaleRL; Khatri et al. 2025, arXiv:2510.13786)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, successes
from bayes_scaling.laws._terms import hill, logit

#: Asymptotes of single changes of the recipe, of which no full fit is printed (paper*).
ASYMPTOTES: Mapping[str, float] = MappingProxyType(
    {
        "8_generations": 0.585,
        "16_generations": 0.610,
        "24_generations": 0.590,
        "32_generations": 0.595,
        "dapo_loss": 0.520,
        "cispo_loss": 0.595,
        "bf16_logits": 0.52,
        "fp32_logits": 0.61,
        "code_beside_math": 0.615,
    }
)


def logit_mean(gpu_hours, *, A, start, B, C_mid):
    """Log odds of a pass; the rate rises from ``start A`` to ``A``."""
    return logit(A * (start + (1 - start) * hill(gpu_hours, C_mid, B)))


def compute_needed(gain: Any, *, B: Any, C_mid: Any) -> Any:
    """GPU-hours at which the part ``gain`` of the way from the start to the asymptote is made."""
    return C_mid * (gain / (1 - gain)) ** (1 / B)


def _little_compute(inputs, values):
    """From nothing, the rate rises as a power of compute."""
    here = {**values, "start": 1e-60}
    x = 1e-12 * inputs["gpu_hours"] / values["C_mid"]
    return {"gpu_hours": x * values["C_mid"]}, here, {"x": x}, {"A": values["A"], "alpha": -values["B"]}


def _published(**rows: tuple[float, float, float]) -> dict[str, Published]:
    source = "arXiv:2510.13786; the start is not printed, half of A stands for it"
    return {
        name: Published({"A": A, "start": 0.5, "B": B, "C_mid": mid}, source, "paper*")
        for name, (A, B, mid) in rows.items()
    }


_BARE = {"A": 0.61, "start": 1e-12, "B": 1.92, "C_mid": 2542.0}

LAW = Law(
    name="rl_sigmoid_compute",
    title="Pass rate of reinforcement learning from compute (ScaleRL)",
    equation="R = R0 + (A - R0) / (1 + (C_mid/C)^B),  R0 = start A",
    predictor=logit_mean,
    predicts=successes(name="n_correct", trials="n_samples", link="logit"),
    inputs=(Input("gpu_hours", "GPU-hour", "compute of the RL run", (100.0, 1e5)),),
    parameters=(
        Parameter("A", (0.357, 0.80), "unit", "separate", meaning="asymptote of the pass rate"),
        Parameter("start", (0.2, 0.85), "unit", meaning="pass rate before training over the asymptote"),
        Parameter("B", (1.1, 2.95), pool="tight", meaning="steepness in the log of compute"),
        Parameter("C_mid", (770.0, 2.1e4), unit="GPU-hour", meaning="compute of half the gain"),
    ),
    monotone={"gpu_hours": "increasing"},
    published=_published(
        scalerl_8b=(0.610, 1.92, 2542.0),
        batch_512=(0.605, 1.77, 2818.0),
        batch_2048=(0.645, 1.70, 10909.0),
        generation_32k=(0.645, 1.89, 11272.0),
        scout_17bx16=(0.710, 1.65, 4242.0),
    ),
    golden=(
        Golden({"gpu_hours": 2542.0}, 0.61 * 0.5, _BARE),
        Golden({"gpu_hours": 16e3}, 0.61 * 0.972, _BARE, rtol=6e-4),
        Golden({"gpu_hours": 50e3}, 0.61 * 0.9967, _BARE),
        Golden({"gpu_hours": 100e3}, 0.61 * 0.9991, _BARE),
    ),
    limits=(Limit("little compute, from nothing", "power_law", _little_compute),),
    derived=(
        Derived("R0", lambda A, start: A * start, meaning="pass rate before training"),
        Derived(
            "compute_90",
            lambda B, C_mid: compute_needed(0.9, B=B, C_mid=C_mid),
            "GPU-hour",
            "compute of nine tenths of the gain",
        ),
    ),
    reference=Reference(
        "The Art of Scaling Reinforcement Learning Compute for LLMs", "Khatri et al.", 2025, "2510.13786"
    ),
    notes=(
        "A family is a recipe on a model. Efficiency choices (aggregation, normalisation, curriculum, "
        "off-policy steps) move B and C_mid; loss type, precision, context and model size move A. Three "
        "repeats of one recipe agree in A to 0.02. Steepness: 1.09 for code trained beside mathematics, 1.77 "
        "with the loss of DAPO, 2.01 with that of CISPO; ASYMPTOTES has further values of A. A fit of the "
        "first 50 000 GPU-hours foretold the run of 100 000. A generic real response has saturating_hill."
    ),
)
