"""Random draws and inputs for tests that run over every law of the zoo."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from bayes_scaling.law import Input, Law
from bayes_scaling.laws import folder, law, laws, variants

#: Rows of every schedule in a test, padding included, so that a law is compiled once.
SEGMENTS = 6


def module(name: str) -> Any:
    """The file of a law."""
    return importlib.import_module(f"bayes_scaling.laws.{folder(name)}.{name}")


def cases() -> list[tuple[str, int]]:
    """Every law and every variant of it."""
    return [(name, variant) for name in laws() for variant in variants(name)]


def spread(one: Input) -> tuple[float, float]:
    """Range from which test values are drawn; around one if the law sees the input relative to the data."""
    low, high = one.typical
    if one.centre == "data":
        reach = min((high / low) ** 0.5, 1e3)
        return 1 / reach, reach
    return low, high


def random_inputs(one: Law, rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """Inputs of ``size`` runs: log-uniform numbers, schedules of ``SEGMENTS`` rows."""
    return {
        i.name: _schedules(i, rng, size)
        if i.kind == "schedule"
        else np.exp(rng.uniform(*np.log(spread(i)), size=size))
        for i in one.inputs
    }


def random_values(one: Law, rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """Prior draws of the parameters on the unconstrained scale."""
    return {p.name: rng.normal(p.location, p.scale, size) for p in one.parameters}


def constrained(one: Law, unconstrained: Mapping[str, Any]) -> dict[str, Any]:
    """The same draws in the parameters' own units."""
    return {p.name: p.constrain(unconstrained[p.name]) for p in one.parameters}


@functools.cache
def predict(name: str, variant: int) -> Callable[..., float]:
    """Compiled link-scale prediction of one run: ``predict(name, variant)(inputs, values)``."""
    one = law(name, variant)
    compiled = jax.jit(lambda inputs, values: one.predictor(*(inputs[i.name] for i in one.inputs), **values))

    def call(inputs: Mapping[str, Any], values: Mapping[str, Any]) -> float:
        known = {i.name: _padded(inputs[i.name]) for i in one.inputs}
        return float(compiled(known, {p.name: np.float64(values[p.name]) for p in one.parameters}))

    return call


def row(table: Mapping[str, np.ndarray], index: int) -> dict[str, Any]:
    """One run or draw of a table of many."""
    return {
        name: column[index] if column.ndim > 1 else float(column[index]) for name, column in table.items()
    }


def _padded(value: Any) -> np.ndarray:
    array = np.asarray(value, dtype=np.float64)
    return np.pad(array, ((0, SEGMENTS - len(array)), (0, 0))) if array.ndim == 2 else array


def _schedules(one: Input, rng: np.random.Generator, size: int) -> np.ndarray:
    """Warm-up, peak, falling rates; between none and two rows of padding."""
    length = np.floor(10 ** rng.uniform(2, 4, (size, SEGMENTS)))
    peak = np.exp(rng.uniform(*np.log(one.typical), size=(size, 1)))
    rate = peak * np.concatenate(
        [np.full((size, 1), 0.5), np.cumprod(rng.uniform(0.3, 1.0, (size, 5)), 1)], 1
    )
    rate[:, 1] = peak[:, 0]
    unused = np.arange(SEGMENTS) >= SEGMENTS - rng.integers(0, 3, (size, 1))
    return np.stack([np.where(unused, 0.0, length), np.where(unused, 0.0, rate)], axis=-1)
