"""Top singular value of matrix weights in AdamW's steady state (Fan et al. 2025, arXiv:2510.15262).

The abstract as often quoted has lost its square roots: the law is ``sqrt(eta/lambda)``, and the weight decay
grows as the square root of the width.
"""

from __future__ import annotations

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import log_product


def log_mean(learning_rate, weight_decay, width, *, c, q_r, q_d):
    """Natural log of the top singular value, relative to the data."""
    return log_product(c, (q_r, learning_rate / weight_decay), (q_d, width))


def decay_exponent(q_r, q_d):
    """Exponent s of ``weight decay ~ width^s`` that keeps the gain when ``learning rate ~ 1/width``."""
    return (q_d - q_r) / q_r


def _fixed_width(inputs, values):
    A = values["c"] * inputs["width"] ** values["q_d"]
    x = inputs["learning_rate"] / inputs["weight_decay"]
    return inputs, values, {"x": x}, {"A": A, "alpha": -values["q_r"]}


LAW = Law(
    name="wd_layerwise",
    title="Top singular value of weights from learning rate, weight decay and width",
    equation="sigma = sigma0 c (eta/eta0)^q_r (lambda/lambda0)^-q_r (d/d0)^q_d",
    predictor=log_mean,
    predicts=positive("top_singular_value"),
    inputs=(
        Input("learning_rate", "1", "learning rate of matrix parameters", (1e-5, 1e-1), centre="data"),
        Input("weight_decay", "1", "weight decay of matrix parameters", (1e-3, 1.0), centre="data"),
        Input("width", "1", "width d", (64, 16384), centre="data"),
    ),
    parameters=(
        Parameter("c", (0.3, 3.0), unit="sigma0", meaning="constant of the layer type", pool="partial"),
        Parameter("q_r", (0.336, 0.664), meaning="exponent of learning rate over weight decay", pool="tight"),
        Parameter("q_d", (0.586, 0.914), meaning="exponent of width", pool="tight"),
    ),
    monotone={"learning_rate": "increasing", "weight_decay": "decreasing", "width": "increasing"},
    published={"fan2025": Published({"c": 1.0, "q_r": 0.5, "q_d": 0.75}, "arXiv:2510.15262, c arbitrary")},
    golden=(
        # twice the width at half the learning rate and sqrt(2) the weight decay leaves the gain as it was
        Golden({"learning_rate": 0.5, "weight_decay": 2**0.5, "width": 2.0}, 1.0, "fan2025", rtol=1e-6),
        Golden(
            {"learning_rate": 4.0, "weight_decay": 1.0, "width": 1.0}, 2.0, "fan2025", tag="paper", rtol=1e-6
        ),
        Golden(
            {"learning_rate": 1.0, "weight_decay": 1.0, "width": 16.0}, 8.0, "fan2025", tag="paper", rtol=1e-6
        ),
    ),
    limits=(Limit("fixed width", "power_law", _fixed_width),),
    derived=(
        Derived(
            "decay_exponent",
            decay_exponent,
            meaning="s of weight decay ~ width^s when learning rate ~ 1/width",
        ),
    ),
    reference=Reference(
        "Robust Layerwise Scaling Rules by Proper Weight Decay Tuning", "Fan et al.", 2025, "2510.15262"
    ),
    notes=(
        "The paper's abstract as often quoted lost its square roots (eta/lambda, lambda ~ d); the law is "
        "sqrt(eta/lambda) and lambda ~ sqrt(d), the only version that keeps the gain from width to width. "
        "Families are layer types. Vector parameters keep their learning rate and have no weight decay."
    ),
)
