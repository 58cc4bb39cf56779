"""The common practice: a sum of power laws by the Huber loss on log loss, bands from a bootstrap."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

DELTA = 1e-3
N0, D0 = 5e8, 2e10

#: Where the search begins: a floor, and amplitude and exponent of every input.
FLOORS, AMPLITUDES, EXPONENTS = (0.8, 1.6, 2.2), (0.2, 0.8), (0.25, 0.45)


def log_loss(theta: np.ndarray, params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Log of ``E + A N^-alpha + B D^-beta``; theta holds log E, log A, alpha, log B, beta at N0 and D0."""
    return logsumexp(_terms(theta, _logs(params, tokens)), axis=0)


def _logs(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    return np.log([params / N0, tokens / D0])


def _terms(theta: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Logs of the floor and of the power of every input, (1 + inputs, n), from logs of inputs (inputs, n)."""
    floor = np.full((1, logs.shape[1]), theta[0])
    return np.concatenate([floor, theta[1::2, None] - theta[2::2, None] * logs])


def _objective(theta: np.ndarray, logs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    terms = _terms(theta, logs)
    eta = logsumexp(terms, axis=0)
    share = np.exp(terms - eta)
    r = eta - y
    value = np.where(np.abs(r) <= DELTA, r**2 / 2, DELTA * (np.abs(r) - DELTA / 2)).sum()
    slope = np.clip(r, -DELTA, DELTA)
    jacobian = np.empty((len(theta), len(y)))
    jacobian[0], jacobian[1::2], jacobian[2::2] = share[0], share[1:], -logs * share[1:]
    return 1e4 * value, 1e4 * jacobian @ slope


def fitted(params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Best of the local minima from some starts (k, 5)."""
    return _fitted(_logs(params, tokens), np.log(loss), starts)


def _fitted(logs: np.ndarray, y: np.ndarray, starts: np.ndarray) -> np.ndarray:
    found = [minimize(_objective, s, args=(logs, y), jac=True, method="L-BFGS-B") for s in starts]
    return min(found, key=lambda f: f.fun).x


def bootstrap(
    fit: tuple[np.ndarray, np.ndarray, np.ndarray],
    plan: tuple[np.ndarray, np.ndarray],
    *,
    replicates: int = 100,
    seed: int = 0,
) -> np.ndarray:
    """Losses (replicates, m) at planned runs: refits to resampled runs, with resampled residuals on top."""
    params, tokens, loss = fit
    return _bootstrap(_logs(params, tokens), np.log(loss), _logs(*plan), FLOORS, replicates, seed)


def bootstrap_curve(
    fit: tuple[np.ndarray, np.ndarray], plan: np.ndarray, *, replicates: int = 100, seed: int = 0
) -> np.ndarray:
    """The same for ``E + A x^-alpha``, values (replicates, m) at planned x."""
    x, y = np.log(fit[0]), np.log(fit[1])
    logs, planned = (x - x.mean())[None], (np.log(plan) - x.mean())[None]
    floors = tuple(share * np.exp(y.mean()) for share in (0.2, 0.5, 0.8))
    return _bootstrap(logs, y, planned, floors, replicates, seed)


def _bootstrap(
    logs: np.ndarray, y: np.ndarray, plan: np.ndarray, floors: tuple[float, ...], replicates: int, seed: int
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    amplitudes = np.array(AMPLITUDES) * floors[1] / FLOORS[1]
    grid = product(np.log(floors), *[np.log(amplitudes), EXPONENTS] * len(logs))
    best = _fitted(logs, y, np.array(list(grid)))
    residual = y - logsumexp(_terms(best, logs), axis=0)
    draws = []
    for _ in range(replicates):
        rows = rng.integers(0, len(y), len(y))
        theta = _fitted(logs[:, rows], y[rows], best[None])
        draws.append(logsumexp(_terms(theta, plan), axis=0) + rng.choice(residual, plan.shape[1]))
    return np.exp(np.array(draws))
