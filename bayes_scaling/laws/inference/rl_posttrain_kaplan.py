"""Test error of RL post-training: a size and a data term (code of Tan et al. 2025, arXiv:2509.25300)."""

from __future__ import annotations

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, successes
from bayes_scaling.laws._terms import log_power, log_sum_exp
from bayes_scaling.laws.inference.rl_posttrain_loglinear import N_REF, log_odds


def logit_mean(params, samples, *, size, be, gap, X0, al):
    """Log odds of solving a problem in one attempt."""
    data = jnp.log(gap) - jnp.log1p(samples / X0)
    return log_odds(-al * log_sum_exp(log_power(size, be, params / N_REF), data))


def at_reference(N_c: float, be: float, al: float, B: float, X0: float) -> dict[str, float]:
    """Published ``[(N_c/N)^be + B/(X + X0)]^al`` in this law's coordinates."""
    return {"size": (N_c / N_REF) ** be, "be": be, "gap": B / X0, "X0": X0, "al": al}


def _no_data_term(inputs, values):
    """A tiny error of size alone is a power law, and so are the odds of being right."""
    here = {**values, "gap": 1e-307, "size": 1e-260, "al": 0.6 + values["al"]}
    there = {"A": here["size"] ** -here["al"], "alpha": -values["be"] * here["al"]}
    return inputs, here, {"x": inputs["params"] / N_REF}, there


_B_X0 = {
    "1p5B": (134654.5, 412176.0),
    "3B": (41373.3, 142838.0),
    "7B": (4782.96, 27170.3),
    "14B": (1634.66, 19153.5),
    "32B": (337.99, 4333.04),
    "72B": (341.33, 4928.64),
}

LAW = Law(
    name="rl_posttrain_kaplan",
    title="RL post-training: test error from parameters and samples",
    equation="1 - pass@1 = [size (N/7e9)^-be + gap / (1 + X/X0)]^al",
    predictor=logit_mean,
    predicts=successes(name="n_correct", trials="n_samples", link="logit"),
    inputs=(
        Input("params", "parameter", "total parameters N", (1.5e9, 72e9)),
        Input("samples", "sample", "training samples of the RL run X", (512.0, 53_904.0)),
    ),
    parameters=(
        Parameter("size", (0.01, 0.25), pool="shared", meaning="size term at 7e9 parameters"),
        Parameter("be", (0.6, 1.8), pool="shared", meaning="exponent of parameters"),
        Parameter("gap", (0.03, 0.6), meaning="data term before training"),
        Parameter(
            "X0", (1.5e3, 5e5), pool="separate", unit="sample", meaning="samples that halve the data term"
        ),
        Parameter("al", (0.1, 0.4), pool="shared", meaning="exponent of the sum"),
    ),
    monotone={"params": "increasing", "samples": "increasing"},
    published={
        f"instruct_{name}": Published(
            at_reference(5.0e8, 1.08917, 0.198114, *pair), "authors' code, instruct models"
        )
        for name, pair in _B_X0.items()
    },
    golden=(
        Golden({"params": 7e9, "samples": 53_904.0}, 1 - 0.652, "instruct_7B", rtol=2e-3),
        Golden({"params": 1.5e9, "samples": 53_904.0}, 1 - 0.901, "instruct_1p5B", rtol=6e-3),
        Golden({"params": 72e9, "samples": 53_904.0}, 1 - 0.404, "instruct_72B", rtol=1e-3),
    ),
    limits=(Limit("rare errors of size alone: the odds", "power_law", _no_data_term),),
    derived=(
        Derived("limit_7B", lambda size, al: 1 - size**al, meaning="pass@1 of 7e9 with unlimited samples"),
    ),
    reference=Reference(
        "Scaling Behaviors of LLM Reinforcement Learning Post-Training", "Tan et al.", 2025, "2509.25300"
    ),
    notes=(
        "The alternative fit in the authors' code. A family is one model size: gap and X0 are its own, the "
        "other constants shared, so a size that was never trained is known only loosely."
    ),
)
