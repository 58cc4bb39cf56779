"""A borrowed prior as plain numbers.

On the unconstrained scale the prior of a new family is a multivariate normal over the law's parameters, the
terms of the noise (`layout.NOISE`) and the log of the discrepancy's scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from bayes_scaling.law import Z90, Parameter
from bayes_scaling.supports import Support, from_free

#: Law of a prior on noise and discrepancy alone, which serves every law of the same response.
ANY = "any"
NOISE, STRUCTURE = "noise.", "structure.scale"


class PriorError(ValueError):
    """A borrowed prior cannot be read, or does not belong to the model that it is asked for."""


@dataclass(frozen=True, slots=True)
class Term:
    """One normal of a borrowed prior.

    Parameters
    ----------
    name : str
        Parameter of the law, ``"noise.<term of layout.NOISE>"`` or ``"structure.scale"``.
    support : {"positive", "real", "heavy", "unit"}
    location, scale : float
        Mean and standard deviation for a new family, on the unconstrained scale of the support.
    spread : float
        The part of the scale by which families differ; 0 for what they share.
    unit : str
    """

    name: str
    support: Support
    location: float
    scale: float
    spread: float = 0.0
    unit: str = "1"

    @property
    def interval(self) -> tuple[float, float]:
        """Central 90 % interval in the term's own unit."""
        ends = (self.location - Z90 * self.scale, self.location + Z90 * self.scale)
        return float(from_free(self.support, ends[0])), float(from_free(self.support, ends[1]))


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a law of an arbitrary quantity was centred, on the link scale: shift and stretch of ``g(y)``."""

    centres: Mapping[str, float]
    shift: float
    stretch: float


@dataclass(frozen=True, slots=True)
class Prior:
    """A prior for a family that nobody has measured.

    Parameters
    ----------
    law : str
        Name of the law, or ``"any"`` for noise and discrepancy alone.
    terms : tuple of Term
    correlation : tuple of tuple of float
        Of the terms, in their order.
    units : mapping of str to str
        Unit of every input and of the response.
    anchor : Anchor or None
        For laws that are centred on the data; ``None`` means relative to the new table's own centre.
    structure : mapping of str to float, or None
        Length (or what else shapes its kind) and level of the discrepancy whose scale is among the terms, and
        the inputs at which it is anchored, as ``centre.<input>``.
    bytes_per_token : float or None
        Of the tokenizer, where the runs say it.
    title : str
    provenance : mapping
        Where it was learnt: sources, families, numbers of measurements, diagnostics.
    version : str
        Of the package that made it.
    """

    law: str
    terms: tuple[Term, ...]
    correlation: tuple[tuple[float, ...], ...]
    units: Mapping[str, str]
    anchor: Anchor | None = None
    structure: Mapping[str, float] | None = None
    bytes_per_token: float | None = None
    title: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""

    @property
    def parameters(self) -> tuple[Term, ...]:
        """The terms that are the law's parameters."""
        return tuple(t for t in self.terms if not t.name.startswith(NOISE) and t.name != STRUCTURE)

    @property
    def covariance(self) -> np.ndarray:
        """Shape (terms, terms), unconstrained."""
        scale = np.array([t.scale for t in self.terms])
        return np.asarray(self.correlation) * np.outer(scale, scale)

    def term(self, name: str) -> Term | None:
        """The term of that name, if there is one."""
        return next((t for t in self.terms if t.name == name), None)

    def factor(self, names: Sequence[str]) -> np.ndarray:
        """Cholesky factor (lower) of the correlation of the terms named."""
        at = [[t.name for t in self.terms].index(name) for name in names]
        return np.linalg.cholesky(np.asarray(self.correlation)[np.ix_(at, at)])


def normal_summary(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Location, scale and correlation of the normal with the same central 90 % intervals as draws (S, k).

    A few wild draws of a heavy-tailed hierarchy must not decide the scale, so neither moment is used; the
    correlation is that of the normal scores of the ranks, which is always a correlation matrix.
    """
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    ranks = draws.argsort(axis=0, kind="stable").argsort(axis=0)
    scores = np.array([NormalDist().inv_cdf((i + 0.5) / len(draws)) for i in range(len(draws))])[ranks]
    correlation = np.atleast_2d(np.corrcoef(scores, rowvar=False))
    correlation = np.where(np.isfinite(correlation), correlation, 0.0)
    return (low + high) / 2, (high - low) / (2 * Z90), settled(correlation)


def settled(correlation: np.ndarray) -> np.ndarray:
    """The same matrix, a millionth towards the identity, so that rounding leaves it positive definite."""
    out = 0.999999 * (correlation + correlation.T) / 2
    np.fill_diagonal(out, 1.0)
    return out


def from_covariance(prior: Prior, location: np.ndarray, covariance: np.ndarray, spread: np.ndarray) -> Prior:
    """The same prior with other numbers."""
    scale = np.sqrt(np.diagonal(covariance))
    terms = [
        replace(t, location=float(m), scale=float(s), spread=float(v))
        for t, m, s, v in zip(prior.terms, location, scale, spread, strict=True)
    ]
    correlation = settled(covariance / np.outer(scale, scale))
    return replace(prior, terms=tuple(terms), correlation=rows_of(correlation))


def rows_of(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """A matrix as a record keeps it."""
    return tuple(tuple(map(float, row)) for row in matrix)


def noise_only(prior: Prior, title: str = "") -> Prior:
    """The seed-noise and discrepancy scales alone, for any law of the same response.

    Parameters
    ----------
    prior : Prior
    title : str
    """
    kept = [i for i, t in enumerate(prior.terms) if t not in prior.parameters]
    correlation = np.asarray(prior.correlation)[np.ix_(kept, kept)]
    response = list(prior.units)[-1]
    structure = {k: v for k, v in (prior.structure or {}).items() if "." not in k}  # no law's inputs
    return replace(
        prior,
        law=ANY,
        terms=tuple(prior.terms[i] for i in kept),
        correlation=rows_of(correlation),
        units={response: prior.units[response]},
        anchor=None,
        structure=structure or None,
        title=title or prior.title,
    )


def parameter_term(parameter: Parameter, location: float, scale: float, spread: float) -> Term:
    """The term of a law's parameter."""
    return Term(parameter.name, parameter.support, location, scale, min(spread, scale), parameter.unit)
