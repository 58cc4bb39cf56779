"""What a saved posterior is recognised by: its draws, and what its law said at some of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax
import numpy as np
import xarray as xr

from bayes_scaling.layout import Prepared, Shape
from bayes_scaling.model import predict_rows
from bayes_scaling.sample import use_cache

#: Draws and rows of the table at which the law is asked.
DRAWS, ROWS = 4, 8
#: Differences on the link scale that rounding on another machine, or by another compiler, may make.
ROUNDING = 1e-6


def hash_of(draws: xr.Dataset) -> str:
    """SHA-256 of the variables of a group: names, dimensions, families and numbers, not their order."""
    digest = hashlib.sha256()
    labels = {name: [str(x) for x in draws[name].values] for name in draws.coords if name == "family"}
    digest.update(repr(labels).encode())
    for name in sorted(map(str, draws.data_vars)):
        values = draws[name].values
        digest.update(repr((name, draws[name].dims, values.shape)).encode())
        if values.dtype.kind in "fiub":
            values = values.astype("<f8")
            digest.update(np.where(np.isnan(values), np.nan, values).tobytes())  # there are many NaNs
        else:
            digest.update(repr(values.tolist()).encode())
    return digest.hexdigest()


def said(prepared: Prepared, draws: xr.Dataset) -> np.ndarray:
    """The law alone, on the link scale, at some draws and some rows of the table: shape (DRAWS, ROWS).

    Parameters
    ----------
    prepared : Prepared
    draws : Dataset
        The group ``posterior``.
    """
    chains, count = draws.sizes["chain"], draws.sizes["draw"]
    chosen = np.linspace(0, chains * count - 1, DRAWS).astype(int)
    theta = np.stack(
        [draws[name].values[..., 0].reshape(-1)[chosen] for name in prepared.shape.names], axis=-1
    )
    at = rows_of(prepared)
    data, schedules = prepared.data, prepared.shape.schedules
    inputs = (
        np.asarray(x) if is_schedule else np.asarray(x)[at]
        for x, is_schedule in zip(data.inputs, schedules, strict=True)
    )
    arrays = (theta, np.asarray(data.schedule)[at], *inputs)
    return _answer(_Question(prepared.shape, tuple(x.tobytes() for x in arrays), arrays))


def rows_of(prepared: Prepared) -> np.ndarray:
    """Places in the arrays of the rows at which the law is asked: spread over the table, in its order."""
    order = np.argsort(prepared.measured.row, kind="stable")
    return order[np.linspace(0, len(order) - 1, ROWS).astype(int)]


def unlike(then: Sequence[Sequence[float]], now: np.ndarray) -> tuple[int, int] | None:
    """Draw and row where two answers of a law differ most; None if they differ by rounding only."""
    before = np.asarray(then, float)
    same = np.isclose(before, now, rtol=ROUNDING, atol=ROUNDING, equal_nan=True)
    if same.all():
        return None
    with np.errstate(invalid="ignore"):  # infinities that are the same
        gap = np.where(same, -1.0, np.nan_to_num(np.abs(before - now), nan=np.inf))
    worst = np.unravel_index(int(np.argmax(gap)), gap.shape)
    return int(worst[0]), int(worst[1])


@dataclass(frozen=True)
class _Question:
    shape: Shape
    content: tuple[bytes, ...]
    arrays: tuple[np.ndarray, ...] = field(compare=False)


@lru_cache(maxsize=64)
def _answer(asked: _Question) -> np.ndarray:
    """Kept, so that saving again asks nothing of JAX, which does not survive a fork of the process."""
    use_cache()
    theta, schedule, *inputs = asked.arrays
    with jax.enable_x64(True):
        return np.asarray(_program(asked.shape)(tuple(inputs), schedule, theta))


@lru_cache(maxsize=64)
def _program(shape: Shape) -> Any:
    def one(inputs: Any, schedule: Any, theta: Any) -> Any:
        return predict_rows(shape, inputs, schedule, list(theta))

    return jax.jit(jax.vmap(one, in_axes=(None, None, 0)))
