"""Test error of RL post-training from model size and compute (Tan et al. 2025, arXiv:2509.25300)."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, successes
from bayes_scaling.laws._terms import log_bounded, logit_of_nats

#: Reference size, and reference of the compute (FLOP) and of the samples of a run.
N_REF = 7e9
X_REF = {"compute": 1e19, "samples": 1e4}


def slope(params: Any, *, k_max: Any, N0: Any) -> Any:
    """``k(N)``, saturating in the model size."""
    return k_max / (1 + N0 / params)


def _nats(params: Any, ratio: Any, k_max: Any, N0: Any, gap: Any, tilt: Any) -> Any:
    """``-log(1 - pass@1)``; the line may leave the range of errors, hence the bound."""
    line = gap + tilt * jnp.log(params / N_REF) + slope(params, k_max=k_max, N0=N0) * jnp.log(ratio)
    return jnp.exp(log_bounded(line))


def logit_compute(params, compute, *, k_max, N0, gap, tilt):
    """Log odds of solving a problem in one attempt."""
    return logit_of_nats(_nats(params, compute / X_REF["compute"], k_max, N0, gap, tilt))


def logit_samples(params, samples, *, k_max, N0, gap, tilt):
    """Log odds of solving a problem in one attempt."""
    return logit_of_nats(_nats(params, samples / X_REF["samples"], k_max, N0, gap, tilt))


def at_reference(
    along: str, k_max: float, N0: float, small: tuple[float, float], large: tuple[float, float]
) -> dict[str, float]:
    """Published lines ``log10 L = E - k(N) log10 X`` of 7e9 and 32e9 parameters, each (k, E), in our form."""
    far = math.log10(X_REF[along])
    gap, wide = (math.log(10) * (k * far - E) for k, E in (small, large))
    return {"k_max": k_max, "N0": N0, "gap": gap, "tilt": (wide - gap) / math.log(32 / 7)}


def _one_size(along: str):
    def translate(inputs, values):
        """Rare errors of one size are a power law, and so are the odds of being right."""
        here = {**values, "gap": values["gap"] + 40.0, "tilt": 0.0}
        k = float(slope(inputs["params"], k_max=values["k_max"], N0=values["N0"]))
        x = inputs[along] / X_REF[along]
        return inputs, here, {"x": x}, {"A": math.exp(here["gap"]), "alpha": -k}

    return translate


def _declare(along: str, unit: str, meaning: str, typical: tuple[float, float], **more: Any) -> Law:
    return Law(
        name="rl_posttrain_loglinear",
        title=f"RL post-training: test error from parameters and {along}",
        equation="ln(1 - pass@1) = -gap - tilt ln(N/7e9) - k(N) ln(X/Xref),  k(N) = k_max / (1 + N0/N)",
        predictor=logit_compute if along == "compute" else logit_samples,
        predicts=successes(name="n_correct", trials="n_samples", link="logit"),
        inputs=(
            Input("params", "parameter", "total parameters N", (5e8, 72e9)),
            Input(along, unit, meaning, typical),
        ),
        parameters=(
            Parameter("k_max", (0.084, 0.267), pool="tight", meaning="exponent of very large models"),
            Parameter("N0", (6.3e9, 6.3e10), unit="parameter", meaning="size of half that exponent"),
            Parameter(
                "gap", (0.12, 1.0), unit="nat", meaning="-log of the error of 7e9 parameters at the reference"
            ),
            Parameter("tilt", (0.02, 0.6), unit="nat", meaning="change of gap per e-fold of parameters"),
        ),
        monotone={along: "increasing"},
        limits=(Limit("rare errors of one size: the odds", "power_law", _one_size(along)),),
        derived=(
            Derived("k_7B", lambda k_max, N0: slope(7e9, k_max=k_max, N0=N0), meaning="exponent of 7e9"),
            Derived("k_72B", lambda k_max, N0: slope(72e9, k_max=k_max, N0=N0), meaning="exponent of 72e9"),
        ),
        reference=Reference(
            "Scaling Behaviors of LLM Reinforcement Learning Post-Training", "Tan et al.", 2025, "2509.25300"
        ),
        notes=(
            "Errors on a fixed set of problems; samples of the set are trials. Coefficients are digitised "
            "from the paper's figures: N0 to 5 %, k_max to 3 %, intercepts to 0.02 in log10. The "
            "intercept of a size is free in the paper, linear in log N here. A power law of the error has no "
            "floor: extrapolate one decade at most (compare rl_sigmoid_compute). The authors' extrapolation "
            "to 72e9 takes that size's intercept from its own data. Data may be repeated about 25 times "
            "before the total number of samples stops being what counts."
        ),
        **more,
    )


_FIGURES = "arXiv:2509.25300, digitised from the prediction figures"
_BASE_C = at_reference("compute", 0.150, 17.1e9, (0.0434, 0.678), (0.0977, 1.627))
_INSTRUCT_C = at_reference("compute", 0.146, 29.1e9, (0.0282, 0.369), (0.0762, 1.166))
_BASE_D = at_reference("samples", 0.162, 16.8e9, (0.04765, 0.066), (0.1063, 0.182))  # k(7e9) of the formula

LAW = _declare(
    "compute",
    "FLOP",
    "training compute of the RL run",
    (1e17, 2.5e20),
    published={
        "base": Published(_BASE_C, _FIGURES, "computed"),
        "instruct": Published(_INSTRUCT_C, _FIGURES, "computed"),
    },
    golden=(Golden({"params": 32e9, "compute": 1e20}, 1 - 0.471, "base", rtol=1e-3),),
)
VARIANTS = {
    1: LAW,
    2: _declare(
        "samples",
        "sample",
        "training samples of the RL run",
        (512.0, 53_904.0),
        published={"base": Published(_BASE_D, _FIGURES, "computed")},
        golden=(Golden({"params": 7e9, "samples": 53_904.0}, 1 - 0.693, "base", rtol=2e-3),),
    ),
}
