"""Numbers and names as the review page words them."""

from __future__ import annotations

import math
from collections.abc import Callable

from bayes_scaling.decide.design import NOTHING as NOTHING
from bayes_scaling.plot import brief, fixed

_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

#: What each part of the variance is: a short name, and an explanation.
PARTS = {
    "parameter": ("The law's numbers", "the runs leave room for other coefficients of the same law"),
    "structure": ("The law's form", "the true curve may bend away from every law of that form"),
    "laws": ("Choice of law", "laws that fit the runs alike disagree beyond them"),
    "seed": (
        "Luck of the run",
        "the same recipe with another seed ends elsewhere; no small run removes this",
    ),
    "evaluation": ("Evaluation", "the score is measured on finitely many items"),
    "loss_parameters": ("The loss law's numbers", "the runs leave room for another loss of the planned run"),
    "task_parameters": ("From loss to accuracy", "the scores leave room for other accuracies at that loss"),
    "items": ("Test items", "another set of items of the same kind would give another score"),
}
#: Opacity of each part in the picture: ignorance in the accent colour, luck in grey.
SHADES = {
    "parameter": 1.0, "loss_parameters": 1.0, "task_parameters": 0.82, "structure": 0.68, "laws": 0.4,
    "seed": 0.55, "evaluation": 0.3, "items": 0.3,
}  # fmt: skip
LUCK = ("seed", "evaluation", "items")
ACTIONS = {
    "go": ("Go", "The target is likely enough to be met."),
    "wait": ("Wait", "The target may be met, but not surely enough: learn more, or change the plan."),
    "no-go": ("No-go", "The target is more likely missed than met."),
}

#: Sizes whose ends are this factor apart, all within 1 % of the best, are a flat optimum.
FLAT = 1.5
#: What joins a verdict to wait with candidates that tell nothing.
WAIT_FOR_NOTHING = (
    "The verdict is to wait, because knowing more could change what to do; but none of these candidates "
    "tells enough of it. Look for runs that tell more, change the plan, or decide on what is known."
)

#: The same of several targets.
SEVERAL = {
    "go": "All targets are likely enough to be met.",
    "wait": "All targets may be met, but not surely enough: learn more, or change the plan.",
    "no-go": "That one is missed is more likely than that all are met.",
}


def decimals(spread: float) -> int:
    """Decimals with which outcomes of that standard deviation are worth telling."""
    if not (math.isfinite(spread) and spread > 0):
        return 3
    return min(max(math.ceil(-math.log10(spread)) + 1, 0), 6)


def percent(share: float) -> str:
    """A probability or share: whole per cents, and never 0 % or 100 % for what is not exactly so."""
    if 0 < share < 0.01:
        return "<\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%"
    if 0.99 < share < 1:
        return ">\N{NO-BREAK SPACE}99\N{NO-BREAK SPACE}%"
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def relative(value: float) -> str:
    """A relative error: 2.1 %."""
    return f"{100 * value:.2g}\N{NO-BREAK SPACE}%"


def power(value: float) -> str:
    """A large number such as compute: 5.88 × 10²³; small ones as they are."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return fixed(value) if abs(value) < 999.5 else f"{value:,.0f}".replace(",", "\N{THIN SPACE}")
    mantissa, exponent = f"{value:.2e}".split("e")
    head = "" if mantissa == "1.00" else f"{mantissa}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}"
    return f"{head}10{str(int(exponent)).translate(_RAISED)}"


def size(value: float) -> str:
    """A number of parameters, tokens or coins: 70B."""
    return brief(value) if abs(value) < 1e15 else power(value)


def count(value: float) -> str:
    """A whole number, in groups of three digits."""
    return f"{value:,.0f}".replace(",", "\N{THIN SPACE}")


def signed(value: float) -> str:
    """A difference."""
    return ("+" if value > 0 else "") + (fixed(value) if value else "0")


def times(value: float) -> str:
    """A factor: 2.1 times."""
    text = f"{value:.2g}" if value < 99.5 else size(value)
    return f"{text}\N{NO-BREAK SPACE}times"


def plural(unit: str) -> str:
    """A unit after a number of things."""
    return f"{unit}s" if unit in ("parameter", "token", "step", "sample") else "" if unit == "1" else unit


STYLES: dict[str, Callable[[float], str]] = {
    "fixed": fixed,
    "percent": percent,
    "power": power,
    "size": size,
    "count": count,
    "money": lambda value: size(value) if value else "0",
    "signed": signed,
    "times": times,
    "relative": relative,
    "bias": lambda value: ("+" if value > 0 else "") + relative(value),
    "rhat": lambda value: f"{value:.3f}",
    "two": lambda value: f"{value:.2f}",
}


def cost_style(unit: str) -> str:
    """How costs of that unit are written."""
    return "power" if unit == "FLOP" else "size"


def input_style(unit: str) -> str:
    """How inputs of that unit are written."""
    return "power" if unit == "FLOP" else "size"


def target_words(better: str) -> str:
    """How an outcome meets a target."""
    return "at most" if better == "lower" else "at least"
