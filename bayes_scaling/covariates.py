"""Regression of the families' parameters on what is known of the families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayes_scaling.borrowed.record import PriorError
from bayes_scaling.law import nearest

#: Families that there must be beyond the number of columns.
SPARE = 3
#: The residual spread is summed out over this many points, to three standard deviations of its log.
GRID = 41
#: A family whose own runs say less than this part of what the population says has no say in the regression.
LEAST_SAY = 1e-3


def design(
    families: Sequence[str], covariates: Mapping[str, Mapping[str, Any]] | pd.DataFrame, at: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the regression, shape (F, 1 + c), intercept first, and those of the new family (1 + c,).

    Raises
    ------
    PriorError
        See `bayes_scaling.transfer.regress_families`.
    """
    if isinstance(covariates, pd.DataFrame):
        frame = covariates
    else:
        frame = pd.DataFrame(list(covariates.values()), index=list(covariates))
    frame = frame.set_axis(frame.index.map(str))
    lost = [f for f in families if f not in frame.index]
    if lost:
        raise PriorError(f"there are no covariates of {lost}; {nearest(lost[0], frame.index)}")
    if frame.index.has_duplicates:
        raise PriorError("covariates: a family stands there twice")
    frame = frame.loc[list(families)]
    if set(at) != set(frame.columns):
        raise PriorError(f"the new family has {sorted(at)}; expected covariates {sorted(frame.columns)}")
    columns, new = [np.ones(len(frame))], [1.0]
    for name in frame.columns:
        if frame[name].isna().any():
            raise PriorError(f"covariate {name!r} is missing for {list(frame.index[frame[name].isna()])}")
        both = _numeric(name, frame[name], at[name]) if _is_number(frame[name]) else None
        for column, value in [both] if both else _levels(name, frame[name], at[name]):
            columns.append(column)
            new.append(value)
    if len(frame) < len(columns) - 1 + SPARE:
        raise PriorError(
            f"{len(frame)} families for {len(columns) - 1} covariates (text of n levels counts n - 1 times): "
            f"expected at least {len(columns) - 1 + SPARE} families; say fewer covariates, or use transfer()"
        )
    return np.stack(columns, axis=1), np.array(new)


def regress(
    own: np.ndarray,
    centre: np.ndarray,
    spread: np.ndarray,
    x: np.ndarray,
    new: np.ndarray,
    prior: tuple[float, float, float],
    spread_sd: float,
) -> tuple[float, float, float]:
    """Mean and sd of a parameter of the new family, and the mean residual spread.

    Parameters
    ----------
    own : ndarray, shape (S, F)
        Posterior draws of the families, unconstrained.
    centre, spread : ndarray, shape (S,)
        Draws of the population.
    x, new : ndarray, shapes (F, q), (q,)
    prior : tuple of float
        The law's prior mean and sd, and prior median of the spread.
    spread_sd : float
        Sd of the log of the spread.
    """
    value, error = _alone(own, centre, spread)
    mean, scale, typical = prior
    z = np.linspace(-3, 3, GRID)
    sigma = typical * np.exp(spread_sd * z)
    level = np.zeros(x.shape[1])
    level[0] = mean
    gram, towards = scale**2 * (x @ x.T), scale**2 * (x @ new)
    means, variances, evidence = (np.empty(GRID) for _ in range(3))
    for g, s in enumerate(sigma):
        covariance = gram + np.diag(error**2 + s**2)
        root = np.linalg.cholesky(covariance)
        residual = value - x @ level
        whitened, pulled = np.linalg.solve(root, residual), np.linalg.solve(root, towards)
        means[g] = new @ level + pulled @ whitened
        variances[g] = s**2 + scale**2 * new @ new - pulled @ pulled
        evidence[g] = -(whitened @ whitened) / 2 - np.log(np.diagonal(root)).sum() - z[g] ** 2 / 2
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()
    location = weight @ means
    variance = weight @ (variances + (means - location) ** 2)
    return float(location), float(np.sqrt(variance)), float(weight @ sigma)


def _alone(own: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Value and error (F,) by a family's own runs: its posterior over the population's normal."""
    pull = np.exp(2 * np.log(spread).mean()) + centre.var()
    posterior = own.var(axis=0)
    precision = np.maximum(1 / posterior - 1 / pull, LEAST_SAY / pull)
    weighted = own.mean(axis=0) / posterior - centre.mean() / pull
    value = np.where(precision > LEAST_SAY / pull, weighted / precision, centre.mean())
    return value, 1 / np.sqrt(precision)


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def _numeric(name: str, column: pd.Series, value: Any) -> tuple[np.ndarray, float]:
    numbers = column.to_numpy(dtype=float)
    if not np.isfinite(numbers).all() or numbers.std() == 0:
        raise PriorError(f"covariate {name!r} must be finite and differ between families")
    try:
        new = float(value)
    except (TypeError, ValueError):
        new = np.nan
    if not np.isfinite(new):
        raise PriorError(f"covariate {name!r} of the new family is {value!r}; expected a finite number")
    return (numbers - numbers.mean()) / numbers.std(), (new - numbers.mean()) / numbers.std()


def _levels(name: str, column: pd.Series, value: Any) -> list[tuple[np.ndarray, float]]:
    """An indicator for every level but the first."""
    text = column.astype(str)
    levels = sorted(set(text))
    if str(value) not in levels:
        raise PriorError(f"no family has {name} {str(value)!r}; {nearest(str(value), levels)}")
    if len(levels) == 1:
        raise PriorError(f"covariate {name!r} is {levels[0]!r} for every family")
    return [((text == one).to_numpy(dtype=float), float(str(value) == one)) for one in levels[1:]]
