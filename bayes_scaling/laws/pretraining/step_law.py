"""Optimal peak learning rate from parameters and tokens (Li et al. 2025, arXiv:2503.04715)."""

from __future__ import annotations

import math
from dataclasses import replace

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import D0, N0, log_product


def log_mean(params, tokens, *, lr, p, q):
    """Natural log of the optimal learning rate; lr is its value at N0 and D0."""
    return log_product(lr, (-p, params / N0), (q, tokens / D0))


def at_reference(factor, p, q) -> dict[str, float]:
    """Published ``factor N^-p D^q`` in this law's coordinates."""
    return {"lr": factor * N0**-p * D0**q, "p": p, "q": q}


def _fixed_tokens(inputs, values):
    there = {"A": values["lr"] * (inputs["tokens"] / D0) ** values["q"], "alpha": values["p"]}
    return inputs, values, {"x": inputs["params"] / N0}, there


LAW = Law(
    name="step_law",
    title="Optimal peak learning rate (Step Law)",
    equation="eta* = lr (N/N0)^-p (D/D0)^q,  N0 = 5e8, D0 = 2e10",
    predictor=log_mean,
    predicts=replace(positive("learning_rate", "1", centre="none"), scatter=(0.02, 0.4)),
    inputs=(
        Input("params", "parameter", "non-vocabulary parameters", (1e7, 1e11)),
        Input("tokens", "token", "training tokens", (1e9, 1e13)),
    ),
    parameters=(
        Parameter("lr", (8.5e-4, 3.2e-3), meaning="optimal learning rate at N0 and D0, of the recipe"),
        Parameter("p", (0.631, 0.795), pool="tight", meaning="exponent of parameters"),
        Parameter("q", (0.225, 0.389), pool="tight", meaning="exponent of tokens"),
    ),
    monotone={"params": "decreasing", "tokens": "increasing"},
    published={
        "li2025": Published(at_reference(1.79, 0.713, 0.307), "arXiv:2503.04715", "paper*"),
        "li2025_bootstrap": Published(
            at_reference(math.exp(0.578), 0.712, 0.307),
            "arXiv:2503.04715, mean of the authors' 1000 bootstrap fits (SD of p .030, of q .019)",
        ),
        # printed as .0709 F^-.4303 D^.2785 with F = 6 N FLOP per token
        "videau2026": Published(
            at_reference(0.0709 * 6**-0.4303, 0.4303, 0.2785), "arXiv:2608.07222", "paper*"
        ),
    },
    golden=(
        Golden({"params": 7e9, "tokens": 1.4e12}, 9.17e-4, "li2025", rtol=6e-4),
        Golden({"params": 1e9, "tokens": 1e11}, 1.63e-3, "li2025", rtol=3e-3),
        Golden({"params": 4e8, "tokens": 4e10}, 2.37e-3, "li2025", rtol=2e-3),
    ),
    limits=(Limit("fixed tokens", "power_law", _fixed_tokens),),
    derived=(
        Derived(
            "lr_7B",
            lambda lr, p, q: lr * (7e9 / N0) ** -p * (1.4e12 / D0) ** q,
            meaning="optimal learning rate of 7e9 parameters on 1.4e12 tokens",
        ),
        Derived(
            "slope_fixed_ratio",
            lambda p, q: q - p,
            meaning="exponent of N at a fixed ratio of tokens to parameters",
        ),
    ),
    reference=Reference("Predictable Scale: Part I, Step Law", "Li et al.", 2025, "2503.04715"),
    checked_on=("steplaw_dense",),
    notes=(
        "AdamW, peak of a schedule that ends at 1e-5. The optimal batch of the same study is "
        "step_law_batch. A grid of spacing sqrt(2) leaves a scatter of about 0.11 in the log of an optimum "
        "after a quadratic fit, 0.3 if the best grid point is taken. In the authors' bootstrap of "
        "c - p log N + q log D the correlation of c and -p is -.73, that of -p and q -.31. The runs "
        "nearest to both published optima lose 0.096 % of the loss on average."
    ),
)
