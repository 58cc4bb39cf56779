"""The common practice: Chinchilla by the Huber loss on log loss, bands from a bootstrap."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

DELTA = 1e-3
N0, D0 = 5e8, 2e10


def log_loss(theta: np.ndarray, params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Log of ``E + A N^-alpha + B D^-beta``; theta holds log E, log A, alpha, log B, beta at N0 and D0."""
    e, a, alpha, b, beta = theta
    terms = [np.full(len(params), e), a - alpha * np.log(params / N0), b - beta * np.log(tokens / D0)]
    return logsumexp(terms, axis=0)


def _objective(
    theta: np.ndarray, params: np.ndarray, tokens: np.ndarray, y: np.ndarray
) -> tuple[float, np.ndarray]:
    e, a, alpha, b, beta = theta
    u, v = np.log(params / N0), np.log(tokens / D0)
    terms = np.stack([np.full(len(u), e), a - alpha * u, b - beta * v])
    eta = logsumexp(terms, axis=0)
    share = np.exp(terms - eta)
    r = eta - y
    value = np.where(np.abs(r) <= DELTA, r**2 / 2, DELTA * (np.abs(r) - DELTA / 2)).sum()
    slope = np.clip(r, -DELTA, DELTA)
    jacobian = np.stack([share[0], share[1], -u * share[1], share[2], -v * share[2]])
    return 1e4 * value, 1e4 * jacobian @ slope


def fitted(params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Best of the local minima from some starts (k, 5)."""
    y = np.log(loss)
    found = [minimize(_objective, s, args=(params, tokens, y), jac=True, method="L-BFGS-B") for s in starts]
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
    rng = np.random.default_rng(seed)
    grid = [
        (e, a, al, b, be)
        for e in np.log([0.8, 1.6, 2.2])
        for a in np.log([0.2, 0.8])
        for al in (0.25, 0.45)
        for b in np.log([0.2, 0.8])
        for be in (0.25, 0.45)
    ]
    best = fitted(params, tokens, loss, np.array(grid))
    residual = np.log(loss) - log_loss(best, params, tokens)
    draws = []
    for _ in range(replicates):
        rows = rng.integers(0, len(loss), len(loss))
        theta = fitted(params[rows], tokens[rows], loss[rows], best[None])
        draws.append(log_loss(theta, *plan) + rng.choice(residual, len(plan[0])))
    return np.exp(np.array(draws))
