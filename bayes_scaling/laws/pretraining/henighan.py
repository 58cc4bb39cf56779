"""Loss of generative models by domain (Henighan et al. 2020, arXiv:2010.14701)."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Published, Reference, loss
from bayes_scaling.laws._terms import log_power, log_sum_exp

#: FLOP in a PF-day, the paper's unit of compute.
PF_DAY = 8.64e19
#: Parameters and FLOP at which A is the reducible loss: the middle of the paper's models.
N_REF = 1e7
C_REF = 1e18

#: ``N_opt = (C / C_n)^beta_n``: C_n in PF-days, beta_n.
OPTIMAL_SIZE = {
    "language": (3.3e-13, 0.73),
    "image_8x8": (5.3e-14, 0.64),
    "image_16x16": (4.8e-12, 0.75),
    "image_32x32": (1.6e-13, 0.65),
    "image_vq16": (6.2e-14, 0.64),
    "image_vq32": (9.4e-13, 0.70),
    "text_to_image": (9.4e-13, 0.70),
    "image_to_text": (3.3e-12, 0.72),
    "video": (1.13e-12, 0.71),
    "math_extrapolate": (2.3e-12, 0.69),
}

# domain: L(N) as (L_inf, N_0, alpha); L(C) as (L_inf, C_0 in PF-days, alpha).
_PARAMS = {
    "language": (0, 1.47e14, 0.070),
    "image_8x8": (3.12, 8.0e1, 0.24),
    "image_16x16": (2.64, 2.8e2, 0.22),
    "image_32x32": (2.20, 6.3e1, 0.13),
    "image_vq16": (3.99, 2.7e4, 0.13),
    "image_vq32": (3.07, 1.9e4, 0.14),
    "text_to_image_text": (0, 5.6e8, 0.037),
    "text_to_image_image": (2.0, 5.1e3, 0.16),
    "image_to_text_text": (0, 7.0e8, 0.039),
    "image_to_text_image": (2.0, 5.5e3, 0.15),
    "video": (1.01, 3.7e4, 0.24),
    "math_extrapolate": (0.28, 1.1e4, 0.16),
}
_COMPUTE = {
    "language": (0, 3.47e8, 0.048),
    "image_8x8": (3.13, 1.8e-8, 0.19),
    "image_16x16": (2.64, 1.6e-8, 0.16),
    "image_32x32": (2.21, 3.6e-9, 0.10),
    "image_vq16": (4.09, 6.1e-7, 0.11),
    "image_vq32": (3.17, 2.6e-6, 0.12),
    "text_to_image": (1.93, 1.5e-6, 0.15),
    "image_to_text": (1.97, 1.5e-6, 0.16),
    "video": (0.95, 2.2e-5, 0.14),
    "math_extrapolate": (0.14, 1.4e-5, 0.17),
}


def log_mean(params, *, E, A, alpha):
    """Natural log of the converged loss of a model of ``params``."""
    return log_sum_exp(log_power(E, 0.0, 1.0), log_power(A, alpha, params / N_REF))


def log_mean_compute(compute, *, E, A, alpha):
    """Natural log of the lowest loss at ``compute`` FLOP."""
    return log_sum_exp(log_power(E, 0.0, 1.0), log_power(A, alpha, compute / C_REF))


def optimal_params(compute, *, C_n, beta_n):
    """Parameters that reach the lowest loss at ``compute`` FLOP; ``C_n`` in FLOP."""
    return (compute / C_n) ** beta_n


def mutual_information(params, *, rate, N_c):
    """Nats that an image and its caption share according to a model of ``params``: ``rate log(N/N_c)``."""
    return rate * jnp.log(params / N_c)


def at_reference(L_inf: float, x_c: float, alpha: float, reference: float) -> dict[str, float]:
    """Published ``L_inf + (x_c/x)^alpha`` in this law's coordinates; a floor of zero becomes 1e-9."""
    return {"E": max(L_inf, 1e-9), "A": (x_c / reference) ** alpha, "alpha": alpha}


def _offset(name, reference, inputs, values):
    return inputs, values, {"x": inputs[name] / reference}, values


_law = partial(
    Law,
    name="henighan",
    predicts=loss("nat/token"),
    parameters=(
        Parameter("E", (0.2, 5.0), unit="nat/token", pool="separate", meaning="entropy of the data"),
        Parameter(
            "A", (0.04, 4.0), unit="nat/token", pool="separate", meaning="reducible loss at the reference"
        ),
        Parameter("alpha", (0.066, 0.341), meaning="exponent"),
    ),
    floor="E",
    reference=Reference(
        "Scaling Laws for Autoregressive Generative Modeling", "Henighan et al.", 2020, "2010.14701"
    ),
    derived=(
        Derived("x_c", lambda A, alpha: A ** (1 / alpha), "reference", "where the reducible loss is one nat"),
    ),
    notes=(
        "Families are domains: floor and exponent are their own. The floor is read as the entropy of the "
        "data and the rest as the divergence of the model; it depends on the form, so never compare it "
        "between laws. The exponent of the optimal size, 0.7 in every domain (OPTIMAL_SIZE), was later "
        "revised to 0.5; both fits share the bias of schedules that did not match the data. Mutual "
        "information and information gain follow log_linear in params."
    ),
)

VARIANTS = {
    1: _law(
        title="Converged loss from parameters, by domain",
        equation="L = E + A (N/1e7)^-alpha",
        predictor=log_mean,
        inputs=(Input("params", "parameter", "non-embedding parameters", (1e4, 1e12)),),
        monotone={"params": "decreasing"},
        published={
            name: Published(at_reference(L_inf, N_0, alpha, N_REF), "arXiv:2010.14701, table", "paper")
            for name, (L_inf, N_0, alpha) in _PARAMS.items()
        },
        golden=(
            Golden({"params": 1e6}, 3.2239, "image_8x8"),
            Golden({"params": 1e9}, 2.2999, "language"),
            Golden({"params": 1e9}, 1.0964, "video"),
        ),
        limits=(Limit("always", "power_law_offset", partial(_offset, "params", N_REF)),),
    ),
    2: _law(
        title="Lowest loss from compute, by domain",
        equation="L = E + A (C/1e18 FLOP)^-alpha",
        predictor=log_mean_compute,
        inputs=(Input("compute", "FLOP", "training compute", (1e14, 1e25)),),
        monotone={"compute": "decreasing"},
        published={
            name: Published(
                at_reference(L_inf, C_0 * PF_DAY, alpha, C_REF), "arXiv:2010.14701, table", "paper"
            )
            for name, (L_inf, C_0, alpha) in _COMPUTE.items()
        },
        limits=(Limit("always", "power_law_offset", partial(_offset, "compute", C_REF)),),
    ),
}
LAW = VARIANTS[1]
