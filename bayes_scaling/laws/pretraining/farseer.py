"""Loss whose data exponent changes with model size (Li et al. 2025, arXiv:2506.10972)."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, loss
from bayes_scaling.laws._roots import bisect
from bayes_scaling.laws._terms import D0, N0, box_cox, log_sum_exp


def log_mean(params, tokens, *, E, E_slope, E_power, B, B_slope, B_power, beta, beta_slope, beta_power):
    """Natural log of the expected loss: floor, data amplitude and data exponent are functions of size."""
    floor, amplitude, exponent = log_curves(
        params,
        E=E,
        E_slope=E_slope,
        E_power=E_power,
        B=B,
        B_slope=B_slope,
        B_power=B_power,
        beta=beta,
        beta_slope=beta_slope,
        beta_power=beta_power,
    )
    return log_sum_exp(floor, amplitude - jnp.exp(exponent) * jnp.log(tokens))


def log_curves(params, *, E, E_slope, E_power, B, B_slope, B_power, beta, beta_slope, beta_power):
    """Natural logs of floor, data amplitude (at one token) and data exponent of models of ``params``."""
    size = jnp.log(params / N0)
    # The printed amplitude belongs to one token; at D0 its slope carries that of the exponent.
    slope = B_slope + beta * beta_slope * math.log(D0)
    return (
        jnp.log(E) + E_slope * box_cox(size, E_power),
        jnp.log(B) + beta * math.log(D0) + slope * box_cox(size, B_power),
        jnp.log(beta) + beta_slope * box_cox(size, beta_power),
    )


def optimal_params(compute, *, E, E_slope, E_power, B, B_slope, B_power, beta, beta_slope, beta_power):
    """Parameters at the first valley of the loss at ``compute = 6 N D`` FLOP, between 1e6 and 1e14.

    There is no closed form: a grid in log N, then the root of the slope. The first valley, as floor and data
    exponent go on falling with size, and far beyond all data that can take the loss below any valley. Without
    a valley an end of the range comes back.
    """

    def height(u):
        params = jnp.exp(u)
        return log_mean(
            params,
            compute / 6 / params,
            E=E,
            E_slope=E_slope,
            E_power=E_power,
            B=B,
            B_slope=B_slope,
            B_power=B_power,
            beta=beta,
            beta_slope=beta_slope,
            beta_power=beta_power,
        )

    grid = jnp.linspace(math.log(1e6), math.log(1e14), 161)
    heights = height(grid.reshape(-1, *[1] * jnp.ndim(height(jnp.log(N0)))))
    rises = jnp.concatenate([heights[1:] > heights[:-1], jnp.ones_like(heights[:1], bool)])
    first = jnp.argmax(rises, axis=0)
    slope = jax.grad(lambda u: height(u).sum())
    return jnp.exp(bisect(slope, grid[jnp.maximum(first - 1, 0)], grid[jnp.minimum(first + 1, 160)]))


def at_reference(a1, alpha, b1, a2, beta, b2, a3, gamma, b3) -> dict[str, float]:
    """Printed ``exp(a3 N^gamma + b3) + exp(a2 N^beta + b2) D^-exp(a1 N^alpha + b1)`` in these coordinates."""
    exponent = math.exp(a1 * N0**alpha + b1)
    slope = a1 * alpha * N0**alpha
    return {
        "E": math.exp(a3 * N0**gamma + b3),
        "E_slope": a3 * gamma * N0**gamma,
        "E_power": gamma,
        "B": math.exp(a2 * N0**beta + b2 - exponent * math.log(D0)),
        "B_slope": a2 * beta * N0**beta - exponent * slope * math.log(D0),
        "B_power": beta,
        "beta": exponent,
        "beta_slope": slope,
        "beta_power": alpha,
    }


def _constant_exponent(inputs, values):
    here = {**values, "E_slope": 0.0, "B_slope": 0.0, "beta_slope": 0.0}
    there = {"E": values["E"], "A": values["B"], "alpha": values["beta"]}
    return inputs, here, {"x": inputs["tokens"] / D0}, there


def _fixed_size(inputs, values):
    floor, amplitude, exponent = log_curves(inputs["params"], **values)
    alpha = jnp.exp(exponent)
    there = {"E": jnp.exp(floor), "A": jnp.exp(amplitude - alpha * math.log(D0)), "alpha": alpha}
    return inputs, values, {"x": inputs["tokens"] / D0}, there


def _additive(inputs, values):
    """Where size only moves the floor, and that as a power law, the law is additive, without a constant."""
    here = {**values, "E_power": 0.0, "B_slope": 0.0, "beta_slope": 0.0}
    there = {"E": 1e-30, "A": values["E"], "alpha": -values["E_slope"]}
    return inputs, here, inputs, {**there, "B": values["B"], "beta": values["beta"]}


def _shape(name: str, what: str) -> Parameter:
    return Parameter(
        name, (-0.064, 0.264), "real", "shared", meaning=f"power of N in the {what}; 0 is a power law"
    )


#: Floor 0.55 and data term 0.1 at N0 and D0, whatever the slopes and powers.
_ROUND = {
    "E": 0.55,
    "E_slope": -0.1,
    "E_power": 0.1,
    "B": 0.1,
    "B_slope": -0.1,
    "B_power": 0.2,
    "beta": 0.32,
    "beta_slope": -0.15,
    "beta_power": 0.0,
}


def _optimum(E, E_slope, E_power, B, B_slope, B_power, beta, beta_slope, beta_power):
    return optimal_params(
        1e22,
        E=E,
        E_slope=E_slope,
        E_power=E_power,
        B=B,
        B_slope=B_slope,
        B_power=B_power,
        beta=beta,
        beta_slope=beta_slope,
        beta_power=beta_power,
    )


def _optimal_ratio(E, E_slope, E_power, B, B_slope, B_power, beta, beta_slope, beta_power):
    params = _optimum(E, E_slope, E_power, B, B_slope, B_power, beta, beta_slope, beta_power)
    return 1e22 / 6 / params**2


LAW = Law(
    name="farseer",
    title="Loss with a size-dependent data exponent (Farseer)",
    equation=(
        "L = exp(a3 N^gamma + b3) + exp(a2 N^beta + b2) D^-exp(a1 N^alpha + b1), each stretched exponential "
        "as g0 exp(g1 ((N/N0)^p - 1)/p); B is the data term at N0 = 5e8, D0 = 2e10"
    ),
    predictor=log_mean,
    predicts=loss("bit/byte"),
    inputs=(
        Input("params", "parameter", "non-embedding parameters", (1e8, 1e11)),
        Input("tokens", "token", "training tokens seen", (1e9, 1e13)),
    ),
    parameters=(
        Parameter("E", (0.336, 0.901), unit="bit/byte", meaning="floor of models of N0 parameters"),
        Parameter("E_slope", (-0.264, 0.064), "real", meaning="log-log slope of the floor at N0"),
        _shape("E_power", "floor"),
        Parameter("B", (0.0316, 0.316), unit="bit/byte", meaning="data term at N0 and D0"),
        Parameter("B_slope", (-0.429, 0.229), "real", meaning="log-log slope of the data term at N0 and D0"),
        _shape("B_power", "data term"),
        Parameter("beta", (0.195, 0.524), pool="tight", meaning="exponent of tokens at N0"),
        Parameter(
            "beta_slope", (-0.397, 0.097), "real", "tight", meaning="log-log slope of that exponent at N0"
        ),
        _shape("beta_power", "exponent of tokens"),
    ),
    monotone={"tokens": "decreasing"},
    golden=(Golden({"params": N0, "tokens": D0}, 0.65, _ROUND, rtol=1e-12),),
    limits=(
        Limit("slopes = 0", "power_law_offset", _constant_exponent),
        Limit("fixed size", "power_law_offset", _fixed_size),
        Limit("slopes of the data term = 0, E_power = 0", "chinchilla", _additive),
    ),
    derived=(
        Derived(
            "beta_7e9",
            lambda beta, beta_slope, beta_power: (
                beta * jnp.exp(beta_slope * box_cox(math.log(7e9 / N0), beta_power))
            ),
            meaning="exponent of tokens of a model of 7e9 parameters",
        ),
        Derived("params_1e22", _optimum, "parameter", "optimal parameters at 1e22 FLOP"),
        Derived(
            "tokens_per_param_1e22",
            _optimal_ratio,
            "token/parameter",
            "optimal ratio at 1e22 FLOP, C = 6 N D",
        ),
    ),
    reference=Reference("Predictable Scale: Part II, Farseer", "Li et al.", 2025, "2506.10972"),
    checked_on=("chinchilla_epoch",),
    notes=(
        "The same nine-parameter family as printed, in coordinates at N0 and D0 where the three curves are "
        "not correlated; at_reference converts. No published coefficients are given here: those at hand "
        "could not be verified. The loss is in bits per byte. An independent test found larger errors than "
        "coupled_chinchilla when extrapolating in tokens."
    ),
)
