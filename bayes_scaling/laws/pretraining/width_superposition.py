"""Loss from model width under superposition (Liu, Liu, Gore 2025, arXiv:2505.10465)."""

from __future__ import annotations

from dataclasses import replace

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import N0, log_power_offset

#: Width at which the excess loss is stated.
M0 = 2048.0


def log_mean(width, *, B, A, alpha):
    """Natural log of the expected loss; A is the excess (nat/token) at width M0."""
    return log_power_offset(B, A, alpha, width / M0)


def at_reference(B, C, alpha) -> dict[str, float]:
    """Published ``B + C m^-alpha`` in this law's coordinates."""
    return {"B": B, "A": C * M0**-alpha, "alpha": alpha}


def _in_width(inputs, values):
    there = {"E": values["B"], "A": values["A"], "alpha": values["alpha"]}
    return inputs, values, {"x": inputs["width"] / M0}, there


def _in_params(inputs, values):
    plan = {"params": N0 * (inputs["width"] / M0) ** 3, "tokens": 1e12}
    there = {"E": values["B"], "A": values["A"], "alpha": values["alpha"] / 3, "B": 1e-30, "beta": 0.3}
    return inputs, values, plan, there


#: Published offsets B: family -> evaluation text -> nat/token.
OFFSETS = {
    "opt": {"wikitext": 2.2074, "c4": 2.2745, "pile": 1.7193, "bookcorpus": 2.1845},
    "qwen2.5": {"wikitext": 1.6079, "c4": 2.1009, "pile": 1.4890, "bookcorpus": 1.9348},
    "gpt2": {"wikitext": 2.3018, "c4": 2.3546, "pile": 1.9413, "bookcorpus": 2.2961},
    "pythia": {"wikitext": 2.1407, "c4": 2.2998, "pile": 1.5203, "bookcorpus": 2.2415},
}

# Excess loss of the unrounded fit, to be added to an offset; alpha = 0.910 is rounded at 5e-4.
_EXCESS = {768: 1.1287, 1024: 0.8688, 2048: 0.4624, 4096: 0.2461, 8192: 0.1310}

LAW = Law(
    name="width_superposition",
    title="Loss from width: superposed features overlap as 1/width",
    equation="L_ij = B_ij + A (m/M0)^-alpha,  M0 = 2048",
    predictor=log_mean,
    predicts=replace(loss("nat/token"), scatter=(3e-3, 0.1)),
    inputs=(Input("width", "1", "hidden dimension m", (256, 16384)),),
    parameters=(
        Parameter("B", (1.1, 3.4), unit="nat/token", meaning="offset of the model family and the text"),
        Parameter("A", (0.281, 0.753), unit="nat/token", meaning="excess at width M0", pool="shared"),
        Parameter("alpha", (0.785, 1.115), meaning="exponent of the width", pool="shared"),
    ),
    floor="B",
    monotone={"width": "decreasing"},
    published={
        f"liu2025_{family}_{text}": Published(at_reference(offset, 476.1, 0.910), "arXiv:2505.10465")
        for family, texts in OFFSETS.items()
        for text, offset in texts.items()
    },
    golden=tuple(
        Golden({"width": float(width)}, OFFSETS["pythia"]["pile"] + excess, "liu2025_pythia_pile", rtol=7e-4)
        for width, excess in _EXCESS.items()
    ),
    limits=(
        Limit("always", "power_law_offset", _in_width),
        Limit("fixed shape, N ~ m^3, tokens -> infinity", "chinchilla", _in_params),
    ),
    derived=(
        Derived(
            "alpha_N",
            lambda alpha: alpha / 3,
            meaning="exponent of parameters at fixed shape, where N grows as m^3",
        ),
        Derived(
            "feature_exponent",
            lambda alpha: 1 + alpha,
            meaning="a of feature frequencies i^-a that give this exponent under weak superposition",
        ),
    ),
    reference=Reference("Superposition Yields Robust Neural Scaling", "Liu, Liu, Gore", 2025, "2505.10465"),
    notes=(
        "Families are pairs of model family and text, offsets roughly additive in the two; A and alpha are "
        "shared by all. Strong superposition gives alpha = 1; weak superposition of feature frequencies "
        "i^-a, of which only the first m are stored, gives a - 1. The paper's toy model has 1.005, 0.984 and "
        "0.886 for exponential, power-law and linear frequencies. Width is confounded with tokens per "
        "parameter in the 27 open models: residual SD .07 nat."
    ),
)
