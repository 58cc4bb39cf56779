"""Building blocks that the laws share (terms of laws/3, section 11a)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln

#: Reference scales of pretraining laws: near them the ridges (log A, alpha) and (log B, beta) vanish.
N0 = 5e8
D0 = 2e10
#: Nats by which a probability stays below one: its log odds end at 69, far beyond what data can show.
LEAST_NATS = 1e-30
#: Log of the largest number that a term grows to, where a prior's tail would overflow and its slope be none.
MOST_LOG = 80.0


def log_sum_exp(*terms: Any) -> Any:
    """Log of a sum of positive terms given by their logs.

    All at once: one exponential a term serves value and gradient, where pairs would take twice as many.
    """
    largest = terms[0]
    for term in terms[1:]:
        largest = jnp.maximum(largest, term)
    largest = jax.lax.stop_gradient(jnp.where(jnp.isfinite(largest), largest, 0.0))
    return largest + jnp.log(sum(jnp.exp(term - largest) for term in terms))


def bounded_exp(value: Any) -> Any:
    """``exp(value)``, no larger than ``exp(MOST_LOG)``: what decays or saturates has done so long before."""
    return jnp.exp(jnp.minimum(value, MOST_LOG))


def log_power(amplitude: Any, exponent: Any, ratio: Any) -> Any:
    """``log(amplitude * ratio**-exponent)``."""
    return jnp.log(amplitude) - exponent * jnp.log(ratio)


def log_power_offset(floor: Any, amplitude: Any, exponent: Any, ratio: Any) -> Any:
    """``log(floor + amplitude * ratio**-exponent)``."""
    return log_sum_exp(jnp.log(floor), log_power(amplitude, exponent, ratio))


def log_product(amplitude: Any, *powers: tuple[Any, Any]) -> Any:
    """``log(amplitude * prod ratio**exponent)`` over pairs of exponent and ratio."""
    return jnp.log(amplitude) + sum(exponent * jnp.log(ratio) for exponent, ratio in powers)


def log_decay(amplitude: Any, ratio: Any, power: Any = 1.0, rate: Any = 1.0) -> Any:
    """``log(amplitude * exp(-rate * ratio**power))``, a stretched exponential."""
    return jnp.log(amplitude) - rate * bounded_exp(power * jnp.log(ratio))


def log_norm(k: Any, *terms: Any) -> Any:
    """Log of ``(sum of term**(1/k))**k`` for positive terms given by their logs; a plain sum at ``k = 1``."""
    return k * log_sum_exp(*(term / k for term in terms))


def box_cox(log_ratio: Any, power: Any) -> Any:
    """``(ratio^power - 1) / power``, which is the log at ``power = 0``."""
    small = jnp.abs(power) < 1e-6
    safe = jnp.where(small, 1.0, power)
    return jnp.where(small, log_ratio * (1 + power * log_ratio / 2), jnp.expm1(safe * log_ratio) / safe)


def log_bounded(value: Any, floor: float = 1e-3) -> Any:
    """``log(max(value, floor))``, for laws that subtract: far outside the data they could cross zero."""
    return jnp.log(jnp.maximum(value, floor))


def positive_part(value: Any, width: Any) -> Any:
    """``max(value, 0)``, smooth over ``width`` and never zero: it falls as ``width**2 / -value``."""
    away = (jnp.abs(value) + jnp.sqrt(value**2 + 4 * width**2)) / 2
    return jnp.where(value >= 0, away, width**2 / away)


def softplus(value: Any) -> Any:
    """``log(1 + exp(value))``."""
    return jax.nn.softplus(value)


def bend(log_ratio: Any, width: Any) -> Any:
    """Zero far below ``log_ratio = 0`` and the line ``log_ratio`` far above, smooth over ``width``."""
    return width * softplus(log_ratio / width)


def optimal_params(compute: Any, *, A: Any, alpha: Any, B: Any, beta: Any, k: Any = 1.0) -> Any:
    """Parameters that minimise the loss at ``compute = 6 N D`` (laws/1, section 1.0).

    For any increasing function of ``(A (N/N0)^-alpha)^(1/k) + (B (D/D0)^-beta)^(1/k)``: additive laws have
    ``k = 1``. Tokens follow as ``compute / (6 N)``.

    Parameters
    ----------
    compute : float or array
        Training FLOP.
    A, alpha, B, beta, k : float or array
        Coordinates of `chinchilla` and `coupled_chinchilla`.
    """
    log_ratio = k * (jnp.log(alpha) - jnp.log(beta)) + jnp.log(A) - jnp.log(B)
    budget = jnp.log(compute / 6) - jnp.log(N0 * D0)
    return N0 * jnp.exp((log_ratio + beta * budget) / (alpha + beta))


def logit_with_floor(value: Any, floor: Any) -> Any:
    """Logit of ``floor + (1 - floor) sigmoid(value)``, the accuracy of a test that guessing passes too."""
    return jnp.logaddexp(jnp.log(floor), value) - jnp.log1p(-floor)


def hill(x: Any, middle: Any, steepness: Any) -> Any:
    """``1 / (1 + (middle/x)^steepness)``: rises from 0 to 1, half way at ``middle``."""
    return jax.nn.sigmoid(steepness * (jnp.log(x) - jnp.log(middle)))


def logit(p: Any) -> Any:
    """Log odds of a probability."""
    return jnp.log(p) - jnp.log1p(-p)


def logit_either(one: Any, other: Any) -> Any:
    """Logit of ``1 - (1 - p)(1 - q)``, either of two independent events, given the logits of p and q."""
    return log_sum_exp(one, other, one + other)


def logit_both(one: Any, other: Any) -> Any:
    """Logit of ``p q``, both of two independent events, given the logits of p and q."""
    return -logit_either(-one, -other)


def logit_between(score: Any, floor: Any, reach: Any) -> Any:
    """Logit of ``floor + (1 - floor) reach sigmoid(score)``, a score between chance and a ceiling."""
    return logit_with_floor(logit_both(logit(reach), score), floor)


def logit_of_log(log_p: Any) -> Any:
    """Log odds of a probability that is given by its log; finite for one that rounding has made certain."""
    log_p = jnp.minimum(log_p, -LEAST_NATS)
    return log_p - jnp.log(-jnp.expm1(log_p))


def logit_of_nats(nats: Any) -> Any:
    """Log odds of success where failure has probability ``exp(-nats)``."""
    return -logit_of_log(-nats)


def laplace_amplitude(amplitude: Any, power: Any) -> Any:
    """``a`` of ``E exp(-n x) -> a n^-power``, n large, of a density ``amplitude x^(power - 1)`` near zero."""
    return amplitude * jnp.exp(gammaln(power))


def learning_rate_sum(step: Any, schedule: Any) -> Any:
    """Sum of the learning rate over steps ``1..step`` of a (K, 2) schedule of (length, learning rate)."""
    length, rate = jnp.asarray(schedule).T
    return jnp.sum(rate * jnp.clip(step - (jnp.cumsum(length) - length), 0, length))
