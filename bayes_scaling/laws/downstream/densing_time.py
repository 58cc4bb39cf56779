"""Capability density of models over time (Xiao et al. 2024, arXiv:2412.04315).

The printed 88 days in which capacity doubles together with chips do not follow from the printed rate; the
formula, `capacity_doubling`, gives 84.5.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax.scipy.stats import norm

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive

#: Day at which the level is stated: a year after Llama-1.
T0 = 420.0


def log_mean(day, *, level, rate):
    """Natural log of the frontier of density; level is its value at T0."""
    return jnp.log(level) + rate * (day - T0)


def capacity_doubling(rate: Any, chip_doubling: Any) -> Any:
    """Days in which the capacity bought at a fixed price doubles, better models and chips together.

    Parameters
    ----------
    rate : float or array
        Growth of the log density per day.
    chip_doubling : float or array
        Days in which the computing power per price doubles.
    """
    return 1 / (rate / jnp.log(2.0) + 1 / chip_doubling)


def log_density_below(residual: Any, shortfall: Any, sd: Any) -> Any:
    """Log probability density of a model about the frontier: normal noise less an exponential shortfall.

    Parameters
    ----------
    residual : float or array
        ``log rho_i`` less the log of the frontier at its date.
    shortfall : float or array
        Mean distance of models below the frontier, in log density.
    sd : float or array
        Standard deviation of the noise of ``log rho``.
    """
    ratio = sd / shortfall
    return -jnp.log(shortfall) + ratio**2 / 2 + residual / shortfall + norm.logcdf(-(residual / sd + ratio))


LAW = Law(
    name="densing_time",
    title="Frontier of capability density over time",
    equation="log rho_max = log level + rate (t - T0),  T0 = 420 days, a year after Llama-1",
    predictor=log_mean,
    predicts=replace(positive("density", "1", centre="none"), scatter=(0.05, 0.7)),
    inputs=(Input("day", "day", "release, in days since 1 January 2023", (55.0, 1100.0)),),
    parameters=(
        Parameter("level", (0.2, 8.0), meaning="density of the frontier at T0"),
        Parameter("rate", (0.003, 0.0133), unit="1/day", pool="tight", meaning="growth of the log density"),
    ),
    monotone={"day": "increasing"},
    published={
        "frontier": Published({"rate": 0.0073}, "arXiv:2412.04315, R2 0.912"),
        "mmlu_before_chatgpt": Published({"rate": 0.0048}, "arXiv:2412.04315, MMLU"),
        "mmlu_after_chatgpt": Published({"rate": 0.0073}, "arXiv:2412.04315, MMLU"),
    },
    golden=(
        Golden({"day": T0 + 94.95}, 2.0, {"level": 1.0, "rate": 0.0073}, rtol=5e-5),
        Golden({"day": T0 + 144.4}, 2.0, {"level": 1.0, "rate": 0.0048}, rtol=1e-4),
    ),
    limits=(
        Limit(
            "x = exp of the time in years",
            "log_linear",
            lambda i, v: (
                i,
                v,
                {"x": jnp.exp((i["day"] - T0) / 365)},
                {"a": jnp.log(v["level"]), "b": 365 * v["rate"]},
            ),
        ),
    ),
    derived=(
        Derived("doubling", lambda rate: jnp.log(2.0) / rate, "day", "time in which the density doubles"),
        Derived(
            "cost_factor_per_year",
            lambda rate: jnp.exp(-365 * rate),
            meaning="factor on the inference cost at fixed quality in a year",
        ),
        Derived(
            "capacity_doubling",
            lambda rate: capacity_doubling(rate, 2.1 * 365.25),
            "day",
            "capacity at a fixed price, with chips that double in 2.1 years",
        ),
    ),
    reference=Reference("Densing Law of LLMs", "Xiao et al.", 2024, "2412.04315"),
    notes=(
        "The paper finds .0073 per day (R2 .91; doubling in 95 days, elsewhere given as 3 or 3.5 months), "
        "on MMLU .0048 before ChatGPT and .0073 after, through models that set a record: that overstates "
        "the rate. Most models lie below the frontier, which the symmetric noise of this law does not say; "
        "`log_density_below` is the likelihood that does. With chips doubling in 2.1 years the formula gives "
        "84.5 days; the printed 88 does not follow from the printed rate. The price of GPT-3.5's quality "
        "halved about every 2.6 months."
    ),
)
