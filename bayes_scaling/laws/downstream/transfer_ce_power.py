"""Downstream cross-entropy after finetuning from pretraining tokens (Isik et al. 2024, arXiv:2402.04177)."""

from __future__ import annotations

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, loss
from bayes_scaling.laws._terms import D0
from bayes_scaling.laws.generic import power_law_offset


def log_mean(tokens, *, E, A, alpha):
    """Natural log of the expected cross-entropy; A is the reducible part (nat/token) at D0."""
    return power_law_offset.log_mean(tokens / D0, E=E, A=A, alpha=alpha)


LAW = Law(
    name="transfer_ce_power",
    title="Cross-entropy after finetuning from pretraining tokens",
    equation="L = E + A (D_p/D0)^-alpha,  D0 = 2e10",
    predictor=log_mean,
    predicts=loss("nat/token"),
    inputs=(Input("tokens", "token", "pretraining tokens", (1e9, 1e12)),),
    parameters=(
        Parameter("E", (0.6, 2.9), unit="nat/token", meaning="cross-entropy after endless pretraining"),
        Parameter("A", (0.05, 1.0), unit="nat/token", meaning="what more pretraining can still gain, at D0"),
        Parameter("alpha", (0.075, 0.54), pool="tight", meaning="exponent of pretraining tokens"),
    ),
    floor="E",
    monotone={"tokens": "decreasing"},
    golden=(
        # no coefficients are printed: arithmetic at the centre of the catalogue's priors for E and alpha
        Golden({"tokens": 32 * D0}, 1.5 + 0.4 / 2, {"E": 1.5, "A": 0.4, "alpha": 0.2}, rtol=1e-9),
        Golden({"tokens": D0 / 32}, 1.5 + 0.4 * 2, {"E": 1.5, "A": 0.4, "alpha": 0.2}, rtol=1e-9),
    ),
    limits=(
        Limit("always", "power_law_offset", lambda i, v: (i, v, {"x": i["tokens"] / D0}, v), atol=1e-12),
    ),
    derived=(
        Derived(
            "slope",
            lambda E, A, alpha: -alpha * A / (E + A),
            meaning="log-log slope of the cross-entropy at D0",
        ),
    ),
    reference=Reference(
        "Scaling Laws for Downstream Task Performance of Large Language Models",
        "Isik et al.",
        2024,
        "2402.04177",
    ),
    notes=(
        "Holds whether or not pretraining suits the task, so it says nothing about translation quality: see "
        "bleu_log_law. A family is a language pair with a mixture and a size of the finetuning set; the "
        "paper's coefficients were not available."
    ),
)
