"""Test error of RL post-training from model size and compute (Tan et al. 2025, arXiv:2509.25300)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, successes
from bayes_scaling.laws._terms import hill, logit_of_nats, positive_part

#: Reference size, and reference of the compute (FLOP) and of the samples of a run.
N_REF = 7e9
X_REF = {"compute": 1e19, "samples": 1e4}
#: Nats over which the line of the log error is bent where it would rise above zero, an error of one.
WIDTH = 0.005


def slope(params: Any, *, k_max: Any, N0: Any) -> Any:
    """``k(N)``, saturating in the model size."""
    return k_max * hill(params, N0, 1.0)


def tilted_gap(params: Any, *, gap: Any, tilt: Any) -> Any:
    """``-log(1 - pass@1)`` at the reference of compute or samples, linear in the log of the size."""
    return gap + tilt * jnp.log(params / N_REF)


def saturating_gap(params: Any, along: str, *, k_max: Any, N0: Any, gap_max: Any, ratio: Any) -> Any:
    """The same from the authors' intercept ``E(N) = E_max / (1 + N1/N)`` with ``N1 = ratio N0``."""
    far = math.log(X_REF[along])
    intercept = (k_max * far - gap_max) * hill(params, ratio * N0, 1.0)
    return slope(params, k_max=k_max, N0=N0) * far - intercept


def log_odds(nats: Any) -> Any:
    """Log odds of solving a problem from ``-log(1 - pass@1)``, which may leave the range of errors."""
    return logit_of_nats(positive_part(nats, WIDTH))


def logit_compute(params, compute, *, k_max, N0, gap, tilt):
    """Log odds of solving a problem in one attempt."""
    k = slope(params, k_max=k_max, N0=N0)
    return log_odds(tilted_gap(params, gap=gap, tilt=tilt) + k * jnp.log(compute / X_REF["compute"]))


def logit_samples(params, samples, *, k_max, N0, gap, tilt):
    """Log odds of solving a problem in one attempt."""
    k = slope(params, k_max=k_max, N0=N0)
    return log_odds(tilted_gap(params, gap=gap, tilt=tilt) + k * jnp.log(samples / X_REF["samples"]))


def logit_compute_saturating(params, compute, *, k_max, N0, gap_max, ratio):
    """Log odds of solving a problem in one attempt, the intercept saturating in the size as well."""
    gap = saturating_gap(params, "compute", k_max=k_max, N0=N0, gap_max=gap_max, ratio=ratio)
    return log_odds(gap + slope(params, k_max=k_max, N0=N0) * jnp.log(compute / X_REF["compute"]))


def logit_samples_saturating(params, samples, *, k_max, N0, gap_max, ratio):
    """Log odds of solving a problem in one attempt, the intercept saturating in the size as well."""
    gap = saturating_gap(params, "samples", k_max=k_max, N0=N0, gap_max=gap_max, ratio=ratio)
    return log_odds(gap + slope(params, k_max=k_max, N0=N0) * jnp.log(samples / X_REF["samples"]))


def crossing(
    small: Any, large: Any, along: str, *, k_max: Any, N0: Any, gap_max: Any, ratio: Any
) -> tuple[Any, Any]:
    """Compute or samples at which a large model overtakes a small one, and ``-log`` of their error there."""
    own = {"k_max": k_max, "N0": N0, "gap_max": gap_max, "ratio": ratio}
    first, second = (saturating_gap(size, along, **own) for size in (small, large))
    k, k_large = (slope(size, k_max=k_max, N0=N0) for size in (small, large))
    e_folds = (first - second) / (k_large - k)
    return X_REF[along] * jnp.exp(e_folds), first + k * e_folds


def at_reference(
    along: str, k_max: float, N0: float, small: tuple[float, float], large: tuple[float, float]
) -> dict[str, float]:
    """Published lines ``log10 L = E - k(N) log10 X`` of 7e9 and 32e9 parameters, each (k, E), in our form."""
    far = math.log10(X_REF[along])
    gap, wide = (math.log(10) * (k * far - E) for k, E in (small, large))
    return {"k_max": k_max, "N0": N0, "gap": gap, "tilt": (wide - gap) / math.log(32 / 7)}


def saturating_at_reference(along: str, k_max: float, N0: float, E_max: float, N1: float) -> dict[str, float]:
    """``E = E_max / (1 + N1/N)``, in log10, in the coordinates of the saturating variants."""
    gap_max = k_max * math.log(X_REF[along]) - math.log(10) * E_max
    return {"k_max": k_max, "N0": N0, "gap_max": gap_max, "ratio": N1 / N0}


def _one_size(along: str):
    def translate(inputs, values):
        """Rare errors of one size are a power law, and so are the odds of being right."""
        here = {**values, "gap": values["gap"] + 400.0, "tilt": 0.0}
        k = float(slope(inputs["params"], k_max=values["k_max"], N0=values["N0"]))
        x = inputs[along] / X_REF[along]
        return inputs, here, {"x": x}, {"A": math.exp(here["gap"]), "alpha": -k}

    return translate


def _very_large(along: str):
    def translate(inputs, values):
        """Unlimited models have the slope ``k_max``; rare errors, so that the odds are a power law."""
        here = {**values, "gap_max": values["gap_max"] + 400.0}
        x = inputs[along] / X_REF[along]
        large = {**inputs, "params": 1e12 * inputs["params"]}
        return large, here, {"x": x}, {"A": math.exp(here["gap_max"]), "alpha": -values["k_max"]}

    return translate


_INPUTS = {
    "compute": Input("compute", "FLOP", "training compute of the RL run", (1e17, 2.5e20)),
    "samples": Input("samples", "sample", "training samples of the RL run", (512.0, 53_904.0)),
}
_SLOPES = (
    Parameter("k_max", (0.084, 0.267), pool="tight", meaning="exponent of very large models"),
    Parameter("N0", (6.3e9, 6.3e10), pool="separate", unit="parameter", meaning="size of half that exponent"),
)
_EXPONENTS = (
    Derived("k_7B", lambda k_max, N0: slope(7e9, k_max=k_max, N0=N0), meaning="exponent of 7e9"),
    Derived("k_72B", lambda k_max, N0: slope(72e9, k_max=k_max, N0=N0), meaning="exponent of 72e9"),
)
_NOTES = (
    "Errors on a fixed set of problems; samples of the set are trials. Coefficients are digitised from the "
    "paper's figures: N0 to 5 %, k_max to 3 %, intercepts to 0.02 in log10. A power law of the error has no "
    "floor: extrapolate one decade at most (compare rl_sigmoid_compute). Data may be repeated about 25 times "
    "before the total number of samples stops being what counts. "
)
_law = partial(
    Law,
    name="rl_posttrain_loglinear",
    predicts=successes(name="n_correct", trials="n_samples", link="logit"),
    reference=Reference(
        "Scaling Behaviors of LLM Reinforcement Learning Post-Training", "Tan et al.", 2025, "2509.25300"
    ),
    checked_on=("figures of arXiv:2509.25300",),
)
_PARAMS = Input("params", "parameter", "total parameters N", (5e8, 72e9))


def _tilted(along: str, predictor: Callable[..., Any], **records: Any) -> Law:
    return _law(
        title=f"RL post-training: test error from parameters and {along}",
        equation="ln(1 - pass@1) = -gap - tilt ln(N/7e9) - k(N) ln(X/Xref),  k(N) = k_max / (1 + N0/N)",
        predictor=predictor,
        inputs=(_PARAMS, _INPUTS[along]),
        parameters=(
            *_SLOPES,
            Parameter(
                "gap",
                (0.12, 1.0),
                pool="separate",
                unit="nat",
                meaning="-log of the error of 7e9 parameters at the reference",
            ),
            Parameter(
                "tilt", (0.02, 0.6), pool="separate", unit="nat", meaning="gap per e-fold of parameters"
            ),
        ),
        monotone={along: "increasing"},
        limits=(Limit("rare errors of one size: the odds", "power_law", _one_size(along)),),
        derived=_EXPONENTS,
        notes=_NOTES + "The intercept of a size is free in the paper, linear in log N here; above 32e9 the "
        "digitised ones fall below the line, which the saturating variants follow. The authors' "
        "extrapolation to 72e9 takes that size's intercept from its own data.",
        **records,
    )


def _saturating(along: str, predictor: Callable[..., Any], **records: Any) -> Law:
    def overtakes(k_max, N0, gap_max, ratio):
        return crossing(32e9, 72e9, along, k_max=k_max, N0=N0, gap_max=gap_max, ratio=ratio)[0]

    return _law(
        title=f"RL post-training: test error from parameters and {along}, intercept saturating",
        equation="ln(1 - pass@1) = E_max / (1 + ratio N0/N) - k(N) ln X,  k(N) = k_max / (1 + N0/N), "
        "E_max = k_max ln Xref - gap_max",
        predictor=predictor,
        inputs=(_PARAMS, _INPUTS[along]),
        parameters=(
            *_SLOPES,
            Parameter(
                "gap_max",
                (0.05, 1.2),
                pool="separate",
                unit="nat",
                meaning="-log of the error of very large models at the reference",
            ),
            Parameter("ratio", (0.8, 2.0), pool="separate", meaning="N1/N0, of the intercept over the slope"),
        ),
        monotone={along: "increasing"},
        limits=(Limit("very large models, rare errors: the odds", "power_law", _very_large(along)),),
        derived=(
            *_EXPONENTS,
            Derived(
                "overtakes_72B",
                overtakes,
                _INPUTS[along].unit,
                "where 72e9 parameters overtake 32e9; meaningless where they are ahead from the start",
            ),
        ),
        notes=_NOTES + "This is the four-parameter form of the authors' code, with the intercept of a size "
        "predicted from the others. Its coefficients here are our least squares on the digitised "
        "intercepts of seven sizes.",
        **records,
    )


_FIGURES = "arXiv:2509.25300, digitised from the prediction figures"
_BASE_C = at_reference("compute", 0.150, 17.1e9, (0.0434, 0.678), (0.0977, 1.627))
_INSTRUCT_C = at_reference("compute", 0.146, 29.1e9, (0.0282, 0.369), (0.0762, 1.166))
_BASE_D = at_reference("samples", 0.162, 16.8e9, (0.04765, 0.066), (0.1063, 0.182))  # k(7e9) of the formula

VARIANTS = {
    1: _tilted(
        "compute",
        logit_compute,
        published={
            "base": Published(_BASE_C, _FIGURES, "computed"),
            "instruct": Published(_INSTRUCT_C, _FIGURES, "computed"),
        },
        golden=(Golden({"params": 32e9, "compute": 1e20}, 1 - 0.471, "base", rtol=1e-3),),
    ),
    2: _tilted(
        "samples",
        logit_samples,
        published={"base": Published(_BASE_D, _FIGURES, "computed")},
        golden=(Golden({"params": 7e9, "samples": 53_904.0}, 1 - 0.693, "base", rtol=2e-3),),
    ),
    3: _saturating(
        "compute",
        logit_compute_saturating,
        published={
            "base": Published(
                saturating_at_reference("compute", 0.150, 17.1e9, 2.700, 20.69e9), _FIGURES, "computed"
            ),
            "instruct": Published(
                saturating_at_reference("compute", 0.146, 29.1e9, 2.718, 43.11e9), _FIGURES, "computed"
            ),
        },
        # log10 L = 2.700 / (1 + 20.69/7) - 19 * 0.150 / (1 + 17.1/7)
        golden=(Golden({"params": 7e9, "compute": 1e19}, 1 - 0.7156, "base", rtol=1e-3),),
    ),
    4: _saturating(
        "samples",
        logit_samples_saturating,
        published={
            "base": Published(
                saturating_at_reference("samples", 0.162, 16.8e9, 0.3294, 25.22e9), _FIGURES, "computed"
            )
        },
        # log10 L = 0.3294 / (1 + 25.22/7) - 4.7316 * 0.162 / (1 + 16.8/7)
        golden=(Golden({"params": 7e9, "samples": 53_904.0}, 1 - 0.7016, "base", rtol=1e-3),),
    ),
}
LAW = VARIANTS[1]
