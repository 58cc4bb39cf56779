"""Forecast loss of time-series foundation models (Yao et al. 2024, arXiv:2410.12360)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, positive
from bayes_scaling.laws._terms import log_power

#: Parameters, time points and compute (1e-7 PF-day in FLOP) at which the level is stated.
PARAMS0, POINTS0, COMPUTE0 = 1e6, 1e9, 8.64e12

#: 90 % prior interval of the exponent of data on the training distribution, for `with_priors`.
DATA_IN_DISTRIBUTION: Mapping[str, tuple[float, float]] = MappingProxyType({"alpha": (0.047, 0.174)})


def log_mean_params(params, *, level, alpha):
    """Natural log of the loss, data and compute ample."""
    return log_power(level, alpha, params / PARAMS0)


def log_mean_points(time_points, *, level, alpha):
    """Natural log of the loss, model and compute ample."""
    return log_power(level, alpha, time_points / POINTS0)


def log_mean_compute(compute, *, level, alpha):
    """Natural log of the loss of the best model at that compute."""
    return log_power(level, alpha, compute / COMPUTE0)


def _published(reference: float, unit: float, rows: dict[str, tuple[float, float]]) -> dict[str, Published]:
    """Published ``(x_c / x)^alpha``, x in ``unit``, in this law's coordinates."""
    return {
        key: Published(
            {"level": (x_c * unit / reference) ** alpha, "alpha": alpha},
            "arXiv:2410.12360, authors' code",
            "paper",
        )
        for key, (x_c, alpha) in rows.items()
    }


def _generic(name: str, reference: float) -> Limit:
    def translate(inputs, values):
        there = {"A": values["level"], "alpha": values["alpha"]}
        return inputs, values, {"x": inputs[name] / reference}, there

    return Limit("always", "power_law", translate)


_law = partial(
    Law,
    name="tsfm_power",
    predicts=replace(positive("nll", "nat", centre="none"), scatter=(2e-3, 6e-2)),
    derived=(Derived("doubling", lambda alpha: 2.0**-alpha, meaning="factor on the loss when x doubles"),),
    reference=Reference(
        "Towards Neural Scaling Laws for Time Series Foundation Models", "Yao et al.", 2024, "2410.12360"
    ),
)
_LEVEL = Parameter("level", (1.76, 9.1), unit="nat", meaning="loss at the reference")
_EXPONENT = partial(Parameter, "alpha", pool="partial", meaning="exponent")
_NOTES = (
    "Families are architectures on a split (in distribution, or one of two out-of-distribution sets), which "
    "share exponents loosely; encoders improve faster with parameters and compute than decoders. The "
    "published x_c, up to 1e48, is level^(1/alpha) and is not a scale of anything. A log likelihood may "
    "turn negative; the law needs it positive."
)

VARIANTS = {
    1: _law(
        title="Forecast loss from parameters",
        equation="L = (N_c/N)^alpha = level (N/1e6)^-alpha",
        predictor=log_mean_params,
        inputs=(Input("params", "parameter", "parameters", (1e3, 3e8)),),
        parameters=(_LEVEL, _EXPONENT(interval=(0.011, 0.057))),
        monotone={"params": "decreasing"},
        published=_published(
            PARAMS0,
            1.0,
            {
                "encoder_id": (3.7e16, 0.029),
                "encoder_lsf": (1.4e31, 0.026),
                "encoder_monash": (6.7e36, 0.023),
                "decoder_id": (2.0e34, 0.015),
                "decoder_lsf": (2.9e47, 0.016),
                "decoder_monash": (1.5e48, 0.017),
            },
        ),
        golden=tuple(
            Golden({"params": 3.02e8}, value, key, rtol=2e-3)
            for key, value in {
                "encoder_id": 1.716,
                "encoder_lsf": 3.88,
                "decoder_id": 2.44,
                "decoder_lsf": 4.20,
            }.items()
        ),
        limits=(_generic("params", PARAMS0),),
        notes=_NOTES,
    ),
    2: _law(
        title="Forecast loss from time points",
        equation="L = (D_c/D)^alpha = level (D/1e9)^-alpha",
        predictor=log_mean_points,
        inputs=(Input("time_points", "1", "time points of the training data", (1e7, 1.6e10)),),
        parameters=(_LEVEL, _EXPONENT(interval=(0.012, 0.17))),
        monotone={"time_points": "decreasing"},
        published=_published(
            POINTS0,
            1.0,
            {
                "encoder_id": (5.3e12, 0.094),
                "encoder_lsf": (9.6e30, 0.029),
                "encoder_monash": (1.0e39, 0.023),
                "decoder_id": (9.9e13, 0.090),
                "decoder_lsf": (1.1e44, 0.019),
                "decoder_monash": (4.4e31, 0.030),
            },
        ),
        golden=tuple(
            Golden({"time_points": 1.57e10}, value, key, rtol=2e-3)
            for key, value in {"encoder_id": 1.728, "encoder_lsf": 4.01, "encoder_monash": 4.60}.items()
        ),
        limits=(_generic("time_points", POINTS0),),
        notes=f"In distribution the exponent is larger: `DATA_IN_DISTRIBUTION`. {_NOTES}",
    ),
    3: _law(
        title="Forecast loss from compute",
        equation="L = (C_c/C)^alpha = level (C/8.64e12)^-alpha",
        predictor=log_mean_compute,
        inputs=(Input("compute", "FLOP", "training compute", (3e8, 1e16)),),
        parameters=(_LEVEL, _EXPONENT(interval=(0.011, 0.057))),
        monotone={"compute": "decreasing"},
        published=_published(
            COMPUTE0,
            8.64e19,
            {
                "encoder_id": (1.5e7, 0.024),
                "encoder_lsf": (3.9e26, 0.020),
                "encoder_monash": (2.8e29, 0.020),
                "decoder_id": (6.0e23, 0.014),
                "decoder_lsf": (1.9e33, 0.017),
                "decoder_monash": (1.4e47, 0.013),
            },
        ),
        golden=tuple(
            Golden({"compute": 1e-4 * 8.64e19}, value, key, rtol=2e-3)
            for key, value in {"encoder_id": 1.854, "encoder_lsf": 4.09, "encoder_monash": 4.67}.items()
        ),
        limits=(_generic("compute", COMPUTE0),),
        notes=f"Losses on the frontier are minima over runs, so they scatter to one side. {_NOTES}",
    ),
}
LAW = VARIANTS[1]
