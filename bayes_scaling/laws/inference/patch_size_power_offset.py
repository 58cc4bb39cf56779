"""Loss of a vision model from its patch size (Wang et al. 2025, arXiv:2502.03738)."""

from __future__ import annotations

from typing import Any

from bayes_scaling.law import Derived, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import log_power_offset

#: Patch side, in pixels, at which the excess loss is stated.
P_REF = 16.0


def log_mean(patch, *, E, A, al):
    """Natural log of the expected loss."""
    return log_power_offset(E, A, -al, patch / P_REF)


def sequence_length(image: Any, patch: Any) -> Any:
    """Tokens of a square image, both sides in pixels: four times as many at half the patch."""
    return (image / patch) ** 2


def at_reference(E: float, A: float, al: float) -> dict[str, float]:
    """Published ``E + A p^al`` in this law's coordinates."""
    return {"E": E, "A": A * P_REF**al, "al": al}


def _same_curve(inputs, values):
    there = {"E": values["E"], "A": values["A"], "alpha": -values["al"]}
    return inputs, values, {"x": inputs["patch"] / P_REF}, there


_ROWS = {
    "deit_b_64": (0.80, 0.0164, 1.04),
    "adventurer_b_128": (0.784, 0.030, 0.58),
    "adventurer_b_224": (0.629, 0.0072, 0.92),
    "deit_b_128": (0.796, 0.0050, 1.06),
    "adventurer_l_128": (0.784, 0.0066, 1.04),
}

LAW = Law(
    name="patch_size_power_offset",
    title="Loss of a vision model from its patch size",
    equation="L = E + A (p/16)^al",
    predictor=log_mean,
    predicts=positive("loss", "nat", centre="none"),
    inputs=(Input("patch", "pixel", "side of a patch p", (1.0, 32.0)),),
    parameters=(
        Parameter("E", (0.063, 1.96), unit="nat", meaning="loss at vanishing patches"),
        Parameter("A", (0.03, 0.6), unit="nat", meaning="what patches of 16 pixels cost"),
        Parameter("al", (0.35, 1.82), pool="tight", meaning="exponent of the patch"),
    ),
    floor="E",
    monotone={"patch": "increasing"},
    published={
        name: Published(at_reference(*row), "arXiv:2502.03738, digitised from the figures", "computed")
        for name, row in _ROWS.items()
    },
    limits=(Limit("always: a power law of 1/p with a floor", "power_law_offset", _same_curve),),
    derived=(
        Derived("loss_16", lambda E, A: E + A, "nat", "loss at patches of 16 pixels"),
        Derived("loss_1", lambda E, A, al: E + A * P_REF**-al, "nat", "loss at patches of one pixel"),
    ),
    reference=Reference("Scaling Laws in Patchification", "Wang et al.", 2025, "2502.03738"),
    notes=(
        "The paper prints no formula; the loss above a floor is straight in its log-log figures. Exponents "
        "are digitised to 10 %. Dense tasks have no visible floor and exponents of 0.025 to 0.09: give them "
        "power_law (applications). The image size is fixed in a family, so that the sequence, and the "
        "compute of a linear-time model, grows fourfold per halved patch. Accuracy follows: 84.6 % top-1 at "
        "224 pixels and patches of one, 50 176 tokens (abstract)."
    ),
)
