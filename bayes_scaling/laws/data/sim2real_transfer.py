"""Error on real data after pretraining on simulated data (PolyOmics, RadonPy consortium 2025)."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive
from bayes_scaling.laws._terms import log_power_offset


def log_error(simulated, *, C, A, alpha):
    """Natural log of ``C + A n^-alpha`` at a fixed number of real samples."""
    return log_power_offset(C, A, alpha, simulated)


def log_error_two_way(simulated, real_samples, *, C, A, alpha, beta):
    """Natural log of ``(C + A n^-alpha) m^-beta``."""
    return log_error(simulated, C=C, A=A, alpha=alpha) - beta * jnp.log(real_samples)


def simulated_needed(share, *, C, A, alpha):
    """Simulated samples, in n0, at which the error is within ``share`` of the transfer gap C."""
    return (A / (share * C)) ** (1 / alpha)


def _generic(inputs, values):
    return inputs, values, {"x": inputs["simulated"]}, {"E": values["C"], **_pick(values, "A", "alpha")}


def _pick(values, *names):
    return {name: values[name] for name in names}


def _typical_real(inputs, values):
    return {**inputs, "real_samples": 1.0}, values, inputs, _pick(values, "C", "A", "alpha")


def _no_gap(inputs, values):
    here = {**values, "C": values["A"] * 1e-12 * inputs["simulated"] ** -values["alpha"]}
    return inputs, here, {"x": inputs["simulated"]}, _pick(values, "A", "alpha")


_SIMULATED = Input("simulated", "sample", "simulated samples seen in pretraining", (1e2, 1e6), centre="data")
_law = partial(
    Law,
    name="sim2real_transfer",
    predicts=positive("error"),
    reference=Reference(
        "Omics-scale polymer computational database transferable to real-world artificial intelligence "
        "applications",
        "RadonPy consortium",
        2025,
    ),
)
_PARAMETERS = (
    Parameter(
        "C", (0.12, 1.7), pool="separate", unit="R0", meaning="transfer gap: error with infinite simulation"
    ),
    Parameter("A", (0.12, 1.7), unit="R0", meaning="part that simulation removes, at n0"),
    Parameter("alpha", (0.132, 0.683), pool="tight", meaning="exponent of simulated samples"),
)
_DERIVED = (
    Derived(
        "gap_share", lambda C, A: C / (C + A), meaning="share of the error at n0 that no simulation removes"
    ),
    Derived(
        "simulated_10_percent",
        lambda C, A, alpha: simulated_needed(0.1, C=C, A=A, alpha=alpha),
        "n0",
        "simulated samples at which the error is within 10 % of the transfer gap",
    ),
)

VARIANTS = {
    1: _law(
        title="Error on real data from the number of simulated samples",
        equation="R = R0 (C + A (n/n0)^-alpha)",
        predictor=log_error,
        inputs=(_SIMULATED,),
        parameters=_PARAMETERS,
        floor="C",
        monotone={"simulated": "decreasing"},
        golden=(Golden({"simulated": 32.0}, 0.5 + 0.8 / 4, {"C": 0.5, "A": 0.8, "alpha": 0.4}, rtol=1e-9),),
        limits=(
            Limit("always", "power_law_offset", _generic),
            Limit("C -> 0: simulation closes the gap", "power_law", _no_gap),
        ),
        derived=_DERIVED,
        notes=(
            "Families are properties, which share the exponent and have transfer gaps of their own. The "
            "abstract states a power law without coefficients; the offset is the form of the consortium's "
            "earlier study of such transfer (Minami et al. 2025, arXiv:2408.04042), recalled, not checked."
        ),
    ),
    2: _law(
        title="Error on real data from simulated and real samples",
        equation="R = R0 (C + A (n/n0)^-alpha) (m/m0)^-beta",
        predictor=log_error_two_way,
        inputs=(
            _SIMULATED,
            Input("real_samples", "sample", "real samples seen in fine-tuning", (10.0, 1e4), centre="data"),
        ),
        parameters=(
            *_PARAMETERS,
            Parameter("beta", (0.207, 0.772), pool="tight", meaning="exponent of real samples"),
        ),
        monotone={"simulated": "decreasing", "real_samples": "decreasing"},
        golden=(
            Golden(
                {"simulated": 32.0, "real_samples": 4.0},
                0.35,
                {"C": 0.5, "A": 0.8, "alpha": 0.4, "beta": 0.5},
                rtol=1e-9,
            ),
        ),
        limits=(Limit("m = m0", "sim2real_transfer", _typical_real),),
        derived=_DERIVED,
        notes="Recalled, not checked: delta (gamma + n^-alpha) m^-beta, with C = delta gamma and A = delta.",
    ),
}
LAW = VARIANTS[1]
