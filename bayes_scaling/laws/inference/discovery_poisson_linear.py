"""Discoveries of an automatic search from its compute (Liu et al. 2025, arXiv:2507.18074)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, events


def log_mean(hours, interval, *, r):
    """Natural log of the expected number of discoveries in the ``interval`` that ends at ``hours``."""
    return jnp.log(r) + jnp.log(jnp.minimum(interval, hours))


def log_mean_lagged(hours, interval, *, r, lag):
    """The same with a rate ``r (1 - exp(-h/lag))`` that sets in late."""
    start = jnp.maximum(hours - interval, 0.0)
    return jnp.log(r) + jnp.log(delayed(hours, lag) - delayed(start, lag))


def delayed(hours: Any, lag: Any) -> Any:
    """Hours that count, ``h - lag (1 - exp(-h/lag))``."""
    return hours + lag * jnp.expm1(-hours / lag)


def _from_the_start(inputs, values):
    moved = {"hours": inputs["hours"], "interval": inputs["hours"]}
    return moved, values, {"x": inputs["hours"]}, {"A": values["r"], "alpha": -1.0}


def _no_lag(inputs, values):
    moved = {"hours": inputs["hours"], "interval": min(inputs["interval"], inputs["hours"] / 2)}
    there = {"A": values["r"], "alpha": -1.0}
    return moved, {**values, "lag": 1e-9}, {"x": moved["interval"]}, there


_RATE = Parameter("r", (2e-3, 0.05), unit="1/GPU-hour", meaning="discoveries per GPU-hour")


def _declare(predictor: Callable[..., Any], title: str, equation: str, **more: Any) -> Law:
    return Law(
        name="discovery_poisson_linear",
        title=title,
        equation=equation,
        predictor=predictor,
        predicts=events("n_found"),
        inputs=(
            Input("hours", "GPU-hour", "compute spent at the end of the interval", (200.0, 2e4)),
            Input("interval", "GPU-hour", "length of the interval", (50.0, 2e3)),
        ),
        monotone={"interval": "increasing"},
        reference=Reference(
            "AlphaGo Moment for Model Architecture Discovery", "Liu et al.", 2025, "2507.18074"
        ),
        checked_on=("figure of arXiv:2507.18074",),
        notes=(
            "Counts are of intervals, not cumulative: cumulative counts are not independent. The paper's "
            "figure ends at 7000 GPU-hours and 106 finds, its abstract says 20 000: the rates 0.0151 and "
            "0.0053 must not be mixed. Claimed is a constant rate, variant 1; in variant 2 it sets in late. "
            "36 counts do not tell them apart well. The 106 came out of 1773 experiments (abstract)."
        ),
        **more,
    )


LAW = _declare(
    log_mean,
    "Number of discoveries at a constant rate",
    "E count = r interval",
    parameters=(_RATE,),
    published={
        "figure": Published({"r": 106 / 7000}, "arXiv:2507.18074, counts read from the figure", "computed"),
        "abstract": Published({"r": 106 / 20000}, "arXiv:2507.18074, abstract", "abstract"),
    },
    golden=(
        Golden({"hours": 7000.0, "interval": 7000.0}, 106.0, "figure"),
        Golden({"hours": 20000.0, "interval": 20000.0}, 106.0, "abstract", tag="abstract"),
    ),
    limits=(Limit("one interval from the start", "power_law", _from_the_start),),
    derived=(Derived("per_1000_hours", lambda r: 1e3 * r, meaning="discoveries per 1000 GPU-hours"),),
)
VARIANTS = {
    1: LAW,
    2: _declare(
        log_mean_lagged,
        "Number of discoveries at a rate that sets in late",
        "E count = r integral of (1 - exp(-h/lag)) over the interval",
        parameters=(
            _RATE,
            Parameter("lag", (193.0, 5180.0), unit="GPU-hour", meaning="time in which the rate sets in"),
        ),
        limits=(Limit("no lag", "power_law", _no_lag),),
        derived=(
            Derived(
                "in_7000_hours", lambda r, lag: r * delayed(7e3, lag), meaning="discoveries in 7000 GPU-hours"
            ),
        ),
    ),
}
