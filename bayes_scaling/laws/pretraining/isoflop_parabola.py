"""Parabolas of loss at equal compute (Hoffmann et al. 2022, arXiv:2203.15556, approach 2)."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import log_power_offset

#: Training FLOP at which ``A`` and ``N_opt`` are stated.
C_REF = 1e20


def log_mean(params, compute, *, E, A, gamma, curvature, N_opt, a):
    """Natural log of the expected loss; the minima of the slices follow a power law with a floor."""
    lowest = log_power_offset(E, A, gamma, compute / C_REF)
    return lowest + _excess(params, compute, curvature, N_opt, a)


def log_mean_slices(params, compute, *, lowest, curvature, N_opt, a):
    """Natural log of the expected loss; every slice (a family) has a minimum of its own."""
    return jnp.log(lowest) + _excess(params, compute, curvature, N_opt, a)


def _excess(params, compute, curvature, N_opt, a):
    return curvature / 2 * jnp.log(params / optimal_params(compute, N_opt=N_opt, a=a)) ** 2


def optimal_params(compute, *, N_opt, a):
    """Parameters at the minimum of the slice of ``compute`` FLOP."""
    return N_opt * (compute / C_REF) ** a


def from_chinchilla(E, A, alpha, B, beta) -> dict[str, float]:
    """Parabolas that touch ``E + A N^-alpha + B D^-beta`` at its minima, with the curvature at C_REF."""
    a = beta / (alpha + beta)
    gamma = alpha * beta / (alpha + beta)
    factor = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    reducible = (A * factor**-alpha + B * factor**beta) * (C_REF / 6) ** -gamma
    return {
        "E": E,
        "A": reducible,
        "gamma": gamma,
        "curvature": alpha * beta * reducible / (E + reducible),
        "N_opt": factor * (C_REF / 6) ** a,
        "a": a,
    }


def _optimum(inputs, values):
    here = {**inputs, "params": values["N_opt"] * (inputs["compute"] / C_REF) ** values["a"]}
    there = {"E": values["E"], "A": values["A"], "alpha": values["gamma"]}
    return here, values, {"x": inputs["compute"] / C_REF}, there


def _one_slice(inputs, values):
    there = {
        "A": values["lowest"],
        "x_opt": values["N_opt"] * (inputs["compute"] / C_REF) ** values["a"],
        "curvature": values["curvature"],
    }
    return inputs, values, {"x": inputs["params"]}, there


_law = partial(
    Law,
    name="isoflop_parabola",
    predicts=loss("nat/token"),
    inputs=(
        Input("params", "parameter", "total parameters", (1e7, 1e12)),
        Input("compute", "FLOP", "training compute", (1e17, 1e25)),
    ),
    reference=Reference(
        "Training Compute-Optimal Large Language Models", "Hoffmann et al.", 2022, "2203.15556"
    ),
    derived=(
        Derived(
            "tokens_per_param_1e24",
            lambda N_opt, a: 1e24 / 6 / optimal_params(1e24, N_opt=N_opt, a=a) ** 2,
            "token/parameter",
            "optimal ratio at 1e24 FLOP with C = 6 N D",
        ),
        Derived(
            "params_1e24",
            lambda N_opt, a: optimal_params(1e24, N_opt=N_opt, a=a),
            "parameter",
            "optimal parameters at 1e24 FLOP",
        ),
        Derived(
            "tokens_1e24",
            lambda N_opt, a: 1e24 / 6 / optimal_params(1e24, N_opt=N_opt, a=a),
            "token",
            "optimal tokens at 1e24 FLOP",
        ),
    ),
)
_SHAPE = (
    Parameter("curvature", (0.00386, 0.1036), pool="tight", meaning="second derivative of log L in log N"),
    Parameter("N_opt", (1.5e8, 4e9), unit="parameter", meaning="optimal parameters at 1e20 FLOP"),
    Parameter("a", (0.335, 0.665), "unit", "tight", meaning="exponent of the optimal N in compute"),
)
_CAVEAT = (
    "A parabola is the second-order form of an additive law at its minimum: it is biased where slices are "
    "not centred on their minima or where the exponents of size and data differ. Check against chinchilla. "
)

VARIANTS = {
    1: _law(
        checked_on=("chinchilla_epoch", "marin_isoflop"),
        title="IsoFLOP parabolas on a common frontier",
        equation=(
            "log L = log(E + A (C/1e20)^-gamma) + (1/2) curvature log(N/N*(C))^2,  N*(C) = N_opt (C/1e20)^a"
        ),
        predictor=log_mean,
        parameters=(
            Parameter("E", (0.83, 3.1), unit="nat/token", meaning="irreducible loss"),
            Parameter(
                "A", (0.3, 1.6), unit="nat/token", meaning="reducible loss at the optimum of 1e20 FLOP"
            ),
            Parameter(
                "gamma", (0.08, 0.3), pool="tight", meaning="exponent of the reducible loss in compute"
            ),
            *_SHAPE,
        ),
        floor="E",
        published={
            "besiroglu2024": Published(
                from_chinchilla(E=1.8172, A=482.01, alpha=0.3478, B=2085.43, beta=0.3658),
                "from the additive fit of arXiv:2404.10102",
                "computed",
            ),
        },
        golden=(Golden({"params": 7.23e10, "compute": 5.76e23}, 1.9744, "besiroglu2024"),),
        limits=(Limit("N = N*(C)", "power_law_offset", _optimum),),
        notes=_CAVEAT
        + "The paper fits each slice alone and then regresses the minima; here the minima follow a power law "
        "with a floor, so that a slice can be forecast. Variant 2 leaves them free.",
    ),
    2: _law(
        title="IsoFLOP parabolas with free minima",
        equation="log L = log lowest_slice + (1/2) curvature log(N/N*(C))^2,  N*(C) = N_opt (C/1e20)^a",
        predictor=log_mean_slices,
        parameters=(
            Parameter(
                "lowest", (1.5, 5.0), unit="nat/token", pool="separate", meaning="lowest loss of the slice"
            ),
            _SHAPE[0],
            Parameter("N_opt", (1.5e8, 4e9), "positive", "tight", "parameter", _SHAPE[1].meaning),
            Parameter("a", (0.335, 0.665), "unit", "shared", meaning=_SHAPE[2].meaning),
        ),
        limits=(Limit("one slice, lowest at N*", "log_quadratic", _one_slice),),
        notes=_CAVEAT + "Give each slice a family of its own. A slice that was not run has no forecast.",
    ),
}
LAW = VARIANTS[1]
