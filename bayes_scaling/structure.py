"""Structural discrepancy: how far reality drifts from a law as scale leaves the data.

A Gaussian process over the centred logs of a law's inputs, in a low-rank basis, so that it costs a few
latent normals and no Cholesky factorisation of the table. What it has learnt within the data it forgets with
the distance from them, and it is a relative error of the part of a positive response that may still be moved
(`model.displaced`).

The defaults were chosen by leave-largest-out forecasts on public studies, each study scored with what the
others chose (docs/calibration.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from bayes_scaling._memory import require

MOST_LANDMARKS = 200
#: A discrepancy moves at least this share of a prediction, so that logs of it are finite.
LEAST_MOVED = 1e-3
#: Degrees of freedom and iterations of the robust regression that finds outliers.
ROBUST_DF, ROBUST_STEPS = 4.0, 20

Kind = Literal["stationary", "fractional", "integrated", "exponents"]


@dataclass(frozen=True)
class Structure:
    """A prior on the discrepancy.

    Parameters
    ----------
    kind : {"stationary", "fractional", "integrated", "exponents"}, optional
        A Gaussian process with squared-exponential kernel over the logs of the inputs, which goes back to the
        law far from the data; or fractional Brownian motion over them; integrated Brownian motion along the
        log of their product, which is compute; a linear drift, that is an error of the law's local exponents
        (docs/calibration.md compares them). Default: stationary over several inputs; fractional over one,
        where laws are cruder and a bend within the data goes on beyond them.
    hurst : float
        Hurst exponent of the fractional Brownian motion: 0.5 is a random walk, towards 1 a straight drift.
    length : float
        E-folds over which a stationary discrepancy forgets.
    rank : int
        Number of basis functions.
    level : float
        Standard deviation of a constant part, as a multiple of that of a step of one e-fold. It spares the
        law from passing exactly through the centre of the data, which is a narrow ridge for a sampler.
    scale : tuple of float
        Location and scale of the log of the standard deviation of its change over one e-fold.
    centre : mapping of str to float, optional
        Inputs of the run at which it is anchored; default: the geometric mean of the fitted runs. A prior
        that was borrowed from measured families brings their centre with it.
    """

    hurst: float = 0.75
    rank: int = 8
    level: float = 1.0
    scale: tuple[float, float] = (-4.5, 0.6)
    centre: Mapping[str, float] | None = None
    kind: Kind | None = None
    length: float = 2.0


DEFAULT = Structure()


@dataclass(frozen=True)
class Landmarks:
    """Where the discrepancy is anchored: the centre, the landmark points and the basis on them."""

    coordinates: np.ndarray  # (n, q) of the fitted rows, centred
    centre: np.ndarray  # (q,)
    points: np.ndarray  # (m, q)
    basis: np.ndarray  # (m, R): K(x, points) @ basis are the features at x
    path: Structure  # its kind filled in


def _fractional(a: np.ndarray, b: np.ndarray, hurst: float, _: float) -> np.ndarray:
    left, right = (np.linalg.norm(x, axis=-1) ** (2 * hurst) for x in (a, b))
    apart = np.linalg.norm(a[..., :, None, :] - b[..., None, :, :], axis=-1) ** (2 * hurst)
    return (left[..., :, None] + right[..., None, :] - apart) / 2


def _integrated(a: np.ndarray, b: np.ndarray, *_: float) -> np.ndarray:
    u, v = a.sum(axis=-1)[..., :, None], b.sum(axis=-1)[..., None, :]
    near, far = np.minimum(np.abs(u), np.abs(v)), np.maximum(np.abs(u), np.abs(v))
    return np.where(u * v > 0, near**2 * (3 * far - near) / 2, 0.0)  # Var = |u|^3: 1 at one e-fold


def _exponents(a: np.ndarray, b: np.ndarray, *_: float) -> np.ndarray:
    return a @ np.swapaxes(b, -1, -2)


def _stationary(a: np.ndarray, b: np.ndarray, _: float, length: float) -> np.ndarray:
    apart = ((a[..., :, None, :] - b[..., None, :, :]) ** 2).sum(axis=-1)
    unit = 2 * (1 - np.exp(-1 / (2 * length**2)))  # the variance of a step of one e-fold is 1
    return np.exp(-apart / (2 * length**2)) / unit


_KERNELS: dict[Kind | None, Callable[[np.ndarray, np.ndarray, float, float], np.ndarray]] = {
    "fractional": _fractional,
    "integrated": _integrated,
    "exponents": _exponents,
    "stationary": _stationary,
}


def over(structure: Structure, inputs: int) -> Structure:
    """A discrepancy over so many inputs, with its kind filled in where none was asked for."""
    return replace(structure, kind=structure.kind or ("fractional" if inputs == 1 else "stationary"))


def kernel(a: np.ndarray, b: np.ndarray, path: Structure) -> np.ndarray:
    """Prior covariance of the discrepancy, in units of its squared scale.

    Parameters
    ----------
    a, b : ndarray, shape (..., n, q), (..., m, q)
        Centred logs of inputs.
    path : Structure
        Its kind; ``level**2`` is added. With r the distance, stationary:
        ``exp(-r^2 / 2 length^2)`` over twice its drop at one e-fold; fractional:
        ``(|a|^2H + |b|^2H - r^2H) / 2`` (Mandelbrot and Van Ness 1968).

    Returns
    -------
    ndarray, shape (..., n, m)
    """
    return _KERNELS[over(path, a.shape[-1]).kind](a, b, path.hurst, path.length) + path.level**2


def landmarks(structure: Structure, coordinates: np.ndarray, centre: np.ndarray | None = None) -> Landmarks:
    """Low-rank basis of the discrepancy over the fitted rows; coordinates (n, q) are logs of inputs."""
    centre = coordinates.mean(axis=0) if centre is None else centre
    centred = coordinates - centre
    points = np.unique(centred, axis=0)
    if len(points) > MOST_LANDMARKS:
        points = _spread_out(points, MOST_LANDMARKS)
    values, vectors = np.linalg.eigh(kernel(points, points, structure))
    order = np.argsort(values)[::-1][: structure.rank]
    kept = np.maximum(values[order], 1e-9)
    basis = np.zeros((len(points), structure.rank))
    basis[:, : len(order)] = vectors[:, order] / np.sqrt(kept) * (values[order] > 1e-9)
    return Landmarks(centred, centre, points, basis, over(structure, coordinates.shape[-1]))


def features(marks: Landmarks, centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, R) at centred coordinates (n, q), and the variance (n,) that the basis leaves out."""
    chunks = np.array_split(centred, max(1, len(centred) // 2048))
    phi = np.concatenate([kernel(chunk, marks.points, marks.path) @ marks.basis for chunk in chunks])
    each = centred[:, None, :]
    total = kernel(each, each, marks.path)[:, 0, 0]
    return phi, np.maximum(total - (phi**2).sum(axis=1), 0.0)


def _spread_out(points: np.ndarray, count: int) -> np.ndarray:
    """A subset by farthest-point selection, starting from the point nearest the centre."""
    chosen = [int(np.argmin(np.linalg.norm(points, axis=1)))]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    for _ in range(count - 1):
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return points[chosen]


def residual_factor(marks: Landmarks, centred: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """A square root (m, m) of the covariance that the basis leaves out at new points (m, q)."""
    left = kernel(centred, centred, marks.path) - phi @ phi.T
    values, vectors = np.linalg.eigh((left + left.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def robust_weights(x: np.ndarray, phi: np.ndarray, target: np.ndarray, family: np.ndarray) -> np.ndarray:
    """Weights (n,) of the rows: near one, small for outliers of a smooth robust regression.

    Iteratively reweighted least squares with Student-t weights, on a quadratic of the coordinates (n, q), the
    features (n, R) and a level for each family.
    """
    q = x.shape[1]
    squares = [x[:, i] * x[:, j] for i in range(q) for j in range(i, q)]
    columns = len(np.unique(family)) + q + len(squares) + phi.shape[1]
    require(
        {"design": 24.0 * len(x) * columns},
        f"the search for outliers among {len(x)} rows, with {columns} columns,",
        "fit fewer rows or families, or say structure=None",
    )
    design = np.column_stack([*(family == f for f in np.unique(family)), x, *squares, phi]).astype(float)
    design /= np.maximum(np.abs(design).max(axis=0), 1e-12)
    target = target - target.mean()  # the level is shrunk too
    weight = np.ones(len(target))
    for _ in range(ROBUST_STEPS):
        gram = design.T @ (design * weight[:, None]) + 1e-3 * np.eye(design.shape[1])
        residual = target - design @ np.linalg.solve(gram, design.T @ (weight * target))
        scale = 1.4826 * np.median(np.abs(residual)) + 1e-9
        weight = (ROBUST_DF + 1) / (ROBUST_DF + (residual / scale) ** 2)
    return np.minimum(weight, 1.0)


class Basis(NamedTuple):
    """Coordinates in which the weights of a discrepancy are sampled: n rows, R features, F families."""

    features: np.ndarray  # (n, R) in the basis of each row's family
    rotation: np.ndarray  # (F, R, R) from the basis of a family to that of the table
    projected: np.ndarray  # (n, R) features times weights of the rows, where a discrepancy is linear
    gram: np.ndarray  # (F, R) their products with the features, summed
    target: np.ndarray  # (n,) log of the part of a response that a discrepancy moves


def weights_basis(
    marks: Landmarks | None,
    target: np.ndarray,
    base: float,
    stretch: float,
    family: np.ndarray,
    cluster: np.ndarray,
    families: int,
) -> Basis:
    """Features in a basis of each family's own, and their regression on responses (n,) on the link scale."""
    phi = stretch * features(marks, marks.coordinates)[0] if marks else np.zeros((len(target), 0))
    share, weight = -np.expm1(np.minimum(base - target, -LEAST_MOVED)), np.ones(len(target))
    if marks:
        weight = robust_weights(marks.coordinates, phi, target, family) / np.bincount(cluster)[cluster]
    basis = _family_bases(phi * (share * np.sqrt(weight))[:, None], family, families)
    phi = np.einsum("nr,nrs->ns", phi, basis[family])
    projected = phi * (share**2 * weight)[:, None]
    gram = np.zeros((families, phi.shape[1]))
    np.add.at(gram, family, projected * phi)
    return Basis(phi, basis, projected, gram, target + np.log(share))


def _family_bases(phi: np.ndarray, family: np.ndarray, families: int) -> np.ndarray:
    """Rotations (F, R, R) of the basis that make the features orthogonal over each family's runs."""
    out = np.tile(np.eye(phi.shape[1]), (families, 1, 1))
    for f in np.unique(family) if phi.shape[1] else ():
        rows = phi[family == f]
        out[f] = np.linalg.eigh(rows.T @ rows)[1]
    return out
