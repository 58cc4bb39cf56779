"""Compute-optimal parameters by compute (Porian et al. 2024, arXiv:2406.19146)."""

from __future__ import annotations

import math

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import log_power

#: Compute (FLOP) at which the level is stated.
C0 = 1e18

#: Exponent a with its 95 % interval on the way from the set-up of Kaplan et al. to the optimum, each step on
#: top of those before it: step -> estimates on RefinedWeb and on OpenWebText2.
ESTIMATES = {
    "kaplan": ((0.835, 0.824, 0.846), (0.864, 0.819, 0.897)),
    "head_flop": ((0.706, 0.691, 0.717), (0.698, 0.664, 0.724)),
    "warmup": ((0.602, 0.591, 0.617), (0.603, 0.570, 0.629)),
    "cosine": ((0.571, 0.560, 0.589), (0.574, 0.542, 0.606)),
    "tuning": ((0.497, 0.491, 0.505), (0.519, 0.493, 0.541)),
}

#: How much each omission of older studies raises the exponent.
BIAS = {"head_flop": 0.13, "warmup": 0.10, "tuning": 0.07}


def prior_exponent(
    *, head_flop: bool = True, warmup: bool = True, tuning: bool = True
) -> tuple[float, float]:
    """90 % prior interval of the exponent a for a study by what it did.

    Parameters
    ----------
    head_flop : bool
        The last layer's FLOP are counted.
    warmup : bool
        Warm-up is in proportion to the model.
    tuning : bool
        Learning rate, batch and beta2 are tuned at every size.

    Returns
    -------
    tuple of float
        To be given to `bayes_scaling.law.with_priors` as the interval of ``a``.
    """
    omitted = [key for key, done in zip(BIAS, (head_flop, warmup, tuning), strict=True) if not done]
    centre = 0.50 + sum(BIAS[key] for key in omitted)
    half = 1.645 * 0.03 * math.sqrt(1 + len(omitted))
    return centre - half, centre + half


def log_mean(compute, *, N, a):
    """Natural log of the optimal number of parameters; N is its value at C0."""
    return log_power(N, -a, compute / C0)


def at_reference(k, a) -> dict[str, float]:
    """Published ``k C^a`` in this law's coordinates."""
    return {"N": k * C0**a, "a": a}


def _power_law(inputs, values):
    return inputs, values, {"x": inputs["compute"] / C0}, {"A": values["N"], "alpha": -values["a"]}


def tokens_per_parameter(compute: float, *, N, a):
    """Tokens per parameter ``C/(6 N*^2)`` of the optimum at some compute (FLOP)."""
    return compute / (6 * (N * (compute / C0) ** a) ** 2)


LAW = Law(
    name="porian_allocation",
    title="Compute-optimal parameters by compute",
    equation="N* = N (C/C0)^a,  C0 = 1e18",
    predictor=log_mean,
    predicts=positive("params", "parameter", centre="none"),
    inputs=(Input("compute", "FLOP", "training compute, last layer counted", (1e16, 1e25)),),
    parameters=(
        Parameter("N", (4e7, 2.5e8), unit="parameter", meaning="optimal parameters at C0"),
        Parameter("a", prior_exponent(), "unit", "tight", meaning="exponent of compute"),
    ),
    monotone={"compute": "increasing"},
    published={
        "porian2024_refinedweb": Published(at_reference(0.1189, 0.4969), "arXiv:2406.19146, all corrections"),
        "porian2024_openwebtext2": Published(
            at_reference(0.04694, 0.5185), "arXiv:2406.19146, all corrections"
        ),
    },
    golden=(
        Golden({"compute": 5.88e23}, 7.69e10, "porian2024_refinedweb", rtol=2e-3),
        Golden({"compute": 5.88e23}, 9.9e10, "porian2024_openwebtext2", rtol=1e-2),
    ),
    limits=(Limit("always", "power_law", _power_law),),
    derived=(
        Derived(
            "ratio_1e18",
            lambda N, a: tokens_per_parameter(1e18, N=N, a=a),
            "token/parameter",
            "D*/N* at 1e18 FLOP",
        ),
        Derived(
            "ratio_chinchilla",
            lambda N, a: tokens_per_parameter(5.88e23, N=N, a=a),
            "token/parameter",
            "D*/N* at 5.88e23 FLOP",
        ),
        Derived("N_chinchilla", lambda N, a: N * (5.88e23 / C0) ** a, "parameter", "N* at 5.88e23 FLOP"),
    ),
    reference=Reference(
        "Resolving Discrepancies in Compute-Optimal Scaling of Language Models",
        "Porian et al.",
        2024,
        "2406.19146",
    ),
    notes=(
        "The prior on a holds for tuned hyper-parameters and counted last-layer FLOP; `prior_exponent` "
        "widens and shifts it for older studies (+.13 FLOP not counted, +.10 long warm-up, +.07 no "
        "tuning). ESTIMATES has those on the way from Kaplan to Chinchilla, .835, .706, .602, .571, .497 on "
        "RefinedWeb: matching the cosine to the run changes little. The ratio of tokens to parameters goes "
        "as C^(1 - 2a), which the paper cannot tell from a constant."
    ),
)
