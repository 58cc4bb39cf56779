"""Classification error against the size of a pruned training set (Sorscher et al. 2022, arXiv:2206.14486)."""

from __future__ import annotations

import math
from functools import partial

import jax.numpy as jnp

from bayes_scaling.law import Derived, Golden, Input, Law, Parameter, Reference, successes
from bayes_scaling.laws._terms import log_decay, logit_of_log, logit_with_floor


def logit_error_frontier(examples, *, E, A, scale, q):
    """Logit of ``E + (1 - E) A exp(-(P/scale)^q)``, the best error over all pruned sets of P examples."""
    return _logit_error(E, log_decay(A, examples / scale, q))


def logit_error_kept(examples, *, E, A, scale, share, nu):
    """Logit of the error at a fixed kept fraction: an exponential fall, then a power law."""
    x = examples / scale
    fall = jnp.logaddexp(jnp.log1p(-share) - x, jnp.log(share) - nu * jnp.log1p(x))
    return _logit_error(E, jnp.log(A) + fall)


def _logit_error(E, log_reducible):
    return logit_with_floor(logit_of_log(log_reducible), E)


def examples_for(error, *, E, A, scale, q):
    """Examples at which the frontier reaches an error; ``nan`` for one below the floor or above the start."""
    return scale * jnp.log(A * (1 - E) / (error - E)) ** (1 / q)


_law = partial(
    Law,
    name="pruning_pareto",
    predicts=successes("n_wrong", "n_samples", link="logit"),
    inputs=(Input("examples", "example", "training examples that are kept", (1e3, 1e7), centre="data"),),
    monotone={"examples": "decreasing"},
    reference=Reference(
        "Beyond neural scaling laws: beating power law scaling via data pruning",
        "Sorscher et al.",
        2022,
        "2206.14486",
    ),
)
_PARAMETERS = (
    Parameter("E", (0.0026, 0.139), "unit", meaning="error with infinite data"),
    Parameter("A", (0.3, 0.97), "unit", meaning="reducible error without data, over 1 - E"),
    Parameter("scale", (0.19, 5.2), unit="P0", meaning="examples over which the error falls by e"),
)

VARIANTS = {
    1: _law(
        title="Pareto frontier of data pruning: error of the best kept fraction",
        equation="err = E + (1 - E) A exp(-(P/(P0 scale))^q)",
        predictor=logit_error_frontier,
        parameters=(
            *_PARAMETERS,
            Parameter("q", (0.61, 1.64), pool="tight", meaning="stretching power; 1 is an exponential"),
        ),
        golden=(
            Golden(
                {"examples": 2.0},
                0.1 + 0.9 * 0.5 * math.exp(-1),
                {"E": 0.1, "A": 0.5, "scale": 2.0, "q": 1.3},
                rtol=1e-9,
            ),
        ),
        derived=(
            Derived(
                "half",
                lambda scale, q: scale * math.log(2) ** (1 / q),
                "P0",
                "examples that halve the reducible error",
            ),
        ),
        notes=(
            "One row is the best result at its number of kept examples, over kept fractions. The theory "
            "(a teacher-student perceptron with a perfect margin) is solved in _perceptron.py: there the "
            "frontier falls at least exponentially. A random subset is power_law_offset. Hard examples are "
            "worth keeping when data are plenty, easy ones when they are scarce."
        ),
    ),
    2: _law(
        title="Data pruning at a fixed kept fraction: from exponential to power law",
        equation="err = E + (1 - E) A [(1 - share) exp(-x) + share (1 + x)^-nu],  x = P/(P0 scale)",
        predictor=logit_error_kept,
        parameters=(
            *_PARAMETERS,
            Parameter("share", (0.02, 0.8), "unit", meaning="part that falls as a power law"),
            Parameter("nu", (0.176, 0.91), pool="tight", meaning="exponent of the tail"),
        ),
        golden=(
            Golden(
                {"examples": 6.0},
                0.1 + 0.9 * 0.5 * (0.75 * math.exp(-3) + 0.25 / 2),
                {"E": 0.1, "A": 0.5, "scale": 2.0, "share": 0.25, "nu": 0.5},
                rtol=1e-9,
            ),
        ),
        derived=(
            Derived(
                "late_level",
                lambda A, scale, share, nu: A * share * scale**nu,
                meaning="amplitude of the tail (P/P0)^-nu, over 1 - E",
            ),
        ),
        notes=(
            "Families are kept fractions. The smaller of an exponential and a power law, as the form is "
            "sometimes put, would end exponentially; the theory leaves the frontier for a power law (of "
            "exponent 1), so the two parts add here, and (1 + x) keeps the error finite without data."
        ),
    ),
}
LAW = VARIANTS[1]
