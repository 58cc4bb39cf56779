"""Runtime of a scaled convolutional network (Dollar et al. 2021, arXiv:2103.06877)."""

from __future__ import annotations

from typing import Any, NamedTuple

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, Response
from bayes_scaling.laws._terms import log_power


def log_mean(flop_ratio, width_share, *, c, linearity):
    """Natural log of the runtime relative to the data: a power, near one, of the activations."""
    return log_power(c, -linearity * activation_exponent(width_share), flop_ratio)


def activation_exponent(width_share: Any) -> Any:
    """Exponent of the activations in the FLOP ratio: 1/2 for width alone, 1 without width."""
    return 1 - width_share / 2


def params_exponent(width_share: Any, depth_share: Any) -> Any:
    """Exponent of the parameters in the FLOP ratio; resolution needs none."""
    return width_share + depth_share


class Scaled(NamedTuple):
    """Factors of a scaled network."""

    depth: Any
    width: Any
    resolution: Any


def compound(flop_ratio: Any, width_share: Any = 0.8, depth_share: Any = None) -> Scaled:
    """Factors for ``flop_ratio`` times the FLOP; depth and resolution share the rest equally by default.

    Shares are of the log of the FLOP, of which width and resolution enter squared. The fast rule gives
    width 0.8, uniform compound scaling 1/3.
    """
    depth_share = (1 - width_share) / 2 if depth_share is None else depth_share
    rest = 1 - width_share - depth_share
    return Scaled(flop_ratio**depth_share, flop_ratio ** (width_share / 2), flop_ratio ** (rest / 2))


def _width_alone(inputs, values):
    there = {"A": values["c"], "alpha": -values["linearity"] / 2}
    return {**inputs, "width_share": 1.0}, values, {"x": inputs["flop_ratio"]}, there


LAW = Law(
    name="cnn_compound_scaling_cost",
    title="Runtime of a scaled convolutional network",
    equation="runtime = t0 c s^(linearity (1 - e_w/2)),  s the FLOP ratio, e_w the share of width",
    predictor=log_mean,
    predicts=Response("runtime", "1", centre="data", scatter=(0.02, 0.2)),
    inputs=(
        Input("flop_ratio", "1", "FLOP over those of the base network s", (1.0, 100.0)),
        Input("width_share", "1", "share of width in the log of s", (1e-3, 1.0)),
    ),
    parameters=(
        Parameter("c", (0.05, 2.0), unit="t0", pool="separate", meaning="runtime of the base network"),
        Parameter("linearity", (0.85, 1.15), pool="tight", meaning="exponent of runtime in activations"),
    ),
    monotone={"flop_ratio": "increasing", "width_share": "decreasing"},
    published={
        "activations": Published({"c": 1.0, "linearity": 1.0}, "arXiv:2103.06877, by algebra", "computed")
    },
    golden=(
        Golden({"flop_ratio": 4.0, "width_share": 0.8}, 4**0.6, "activations"),
        Golden({"flop_ratio": 4.0, "width_share": 0.8}, 2.30, "activations", rtol=2e-3),
        Golden({"flop_ratio": 4.0, "width_share": 1 / 3}, 3.17, "activations", rtol=2e-3),
    ),
    limits=(Limit("width alone", "power_law", _width_alone),),
    derived=(
        Derived(
            "fast_exponent",
            lambda linearity: linearity * activation_exponent(0.8),
            meaning="exponent of runtime under the fast rule",
        ),
    ),
    reference=Reference("Fast and Accurate Model Scaling", "Dollar, Singh, Girshick", 2021, "2103.06877"),
    notes=(
        "Activations follow exactly from the shares (c = linearity = 1); that runtime follows activations is "
        "the measured part. The abstract is often quoted as O(s) for width alone: the square root was lost. "
        "A share of zero is written as a small number. Families are networks on accelerators."
    ),
)
