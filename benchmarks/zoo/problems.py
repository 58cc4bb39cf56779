"""Coverage from counts of problems: the scaled beta mixture with a binomial for every problem.

The success rate of a problem is ``top Beta(alpha, beta)`` and its successes are binomial (a beta-binomial
where ``top`` is one). The three parameters have the priors of the law ``pass_at_k_mixture``; the posterior of
one model is drawn by importance sampling from a heavy-tailed Laplace fit, and says how many independent draws
that is worth.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import jax
import numpy as np
from cases import LEVELS, Outcome, Quantity
from scipy.optimize import minimize
from scipy.special import expit

import bayes_scaling as bs
from bayes_scaling.laws.inference.pass_at_k_mixture import log_likelihood, log_moment

NAMES = ("alpha", "beta", "top")
PROPOSALS, DRAWS, HEAVY = 4000, 4000, 5.0
#: Effective draws below which the importance sample counts as failed.
LEAST = 400.0


def constrained(free: np.ndarray) -> dict[str, np.ndarray]:
    """Parameters at unconstrained points (..., 3)."""
    return {"alpha": np.exp(free[..., 0]), "beta": np.exp(free[..., 1]), "top": expit(free[..., 2])}


@dataclass
class Mixture:
    """Posterior of one model's mixture from the successes of its problems."""

    solved: np.ndarray  # (problems,) successes
    attempts: int
    free: np.ndarray  # (DRAWS, 3) unconstrained, equally weighted
    effective: float
    seconds: float

    @classmethod
    def of(cls, solved: np.ndarray, attempts: int, seed: int = 0) -> Mixture:
        """Draw from the posterior."""
        began, rng = time.perf_counter(), np.random.default_rng(seed)
        law = bs.law("pass_at_k_mixture")
        centre = np.array([law.parameter(n).location for n in NAMES])
        scale = np.array([law.parameter(n).scale for n in NAMES])
        counts, times = np.unique(solved, return_counts=True)

        @jax.jit
        def likelihood(free):
            values = {
                "alpha": jax.numpy.exp(free[0]),
                "beta": jax.numpy.exp(free[1]),
                "top": jax.nn.sigmoid(free[2]),
            }
            return (times * log_likelihood(counts, attempts, **values)).sum()

        def density(free: np.ndarray) -> float:
            return float(likelihood(free)) - 0.5 * float((((free - centre) / scale) ** 2).sum())

        with jax.enable_x64(True):
            best = minimize(lambda z: -density(z), centre, method="Nelder-Mead", options={"maxiter": 400}).x
            root = np.linalg.cholesky(np.linalg.inv(curvature(density, best)))
            normal = rng.standard_normal((PROPOSALS, 3)) * np.sqrt(
                HEAVY / rng.chisquare(HEAVY, (PROPOSALS, 1))
            )
            points = best + 1.2 * normal @ root.T
            log_target = np.array([density(z) for z in points])
        log_proposal = -(HEAVY + 3) / 2 * np.log1p((normal**2).sum(axis=1) / HEAVY)
        weights = np.exp(log_target - log_proposal - (log_target - log_proposal).max())
        weights /= weights.sum()
        free = points[rng.choice(PROPOSALS, DRAWS, p=weights)]
        return cls(solved, attempts, free, float(1 / (weights**2).sum()), time.perf_counter() - began)

    def outcome(self, data: str) -> Outcome:
        """The record of this posterior."""
        values = constrained(self.free)
        quantities = []
        for name in NAMES:
            low, middle, high = np.quantile(values[name], LEVELS)
            quantities.append(Quantity(name, "", float(middle), float(low), float(high)))
        text = f"importance sampling, {self.effective:.0f} effective draws of {PROPOSALS}"
        rows, passed = len(self.solved), self.effective >= LEAST
        return Outcome(
            "pass_at_k_mixture", data, rows, 1, "bare", self.seconds, self.seconds, passed, text, quantities
        )


def curvature(density, at: np.ndarray, step: float = 0.05) -> np.ndarray:
    """Negative Hessian of a log density, with its eigenvalues held positive."""
    n, eye = len(at), step * np.eye(len(at))
    hessian = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
            hessian[i, j] = sum(a * b * density(at + a * eye[i] + b * eye[j]) for a, b in signs) / (
                4 * step**2
            )
    values, vectors = np.linalg.eigh(-(hessian + hessian.T) / 2)
    return (vectors * np.maximum(values, 0.1)) @ vectors.T


def extrapolated(mixture: Mixture, k: int, seed: int = 1, thin: int = 4) -> np.ndarray:
    """Draws of the coverage of these problems at ``k`` samples, the first of which were seen.

    A problem that was solved stays solved; one that failed all its attempts is solved among the further
    ``k - attempts`` with probability ``1 - E (1-p)^k / E (1-p)^attempts``.
    """
    values = {name: v[::thin] for name, v in constrained(mixture.free).items()}
    with jax.enable_x64(True):
        later = np.asarray(log_moment(0.0, float(k), **values))
        now = np.asarray(log_moment(0.0, float(mixture.attempts), **values))
    unsolved = int((mixture.solved == 0).sum())
    rng = np.random.default_rng(seed)
    return (
        1
        - unsolved / len(mixture.solved)
        + rng.binomial(unsolved, -np.expm1(later - now)) / len(mixture.solved)
    )
