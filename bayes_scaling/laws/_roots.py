"""Roots inside JAX: with exact derivatives for laws that contain one, by bisection for reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def increasing_root(
    function: Callable[[Any], Any], low: Any, high: Any, start: Any = None, max_steps: int = 200
) -> Any:
    """The root of a smooth, strictly increasing scalar function inside a bracket.

    Newton's method, safeguarded by bisection. Derivatives with respect to everything that ``function`` closes
    over come from the implicit function theorem, to any order; the iterations are not differentiated.

    Parameters
    ----------
    function : callable
        Scalar to scalar, differentiable by JAX, with ``function(low) <= 0 <= function(high)``.
    low, high : float
        The bracket; it is not differentiated.
    start : float, optional
        Where to begin, inside the bracket (default: its middle).
    max_steps : int
        Bound on the iterations; a dozen are usual.
    """
    low, high = (jax.lax.stop_gradient(jnp.asarray(end, dtype=float)) for end in (low, high))
    first = (low + high) / 2 if start is None else jax.lax.stop_gradient(jnp.asarray(start, dtype=float))

    def solve(f: Callable[[Any], Any], start: Any) -> Any:
        slope = jax.grad(f)
        # Newton's method squares the error: after a step this small, the root is exact to rounding
        tolerance = 0.1 * jnp.sqrt(jnp.finfo(start.dtype).eps)

        def unfinished(state):
            _, _, root, step, count = state
            return (jnp.abs(step) > tolerance * (1 + jnp.abs(root))) & (count < max_steps)

        def refine(state):
            low, high, root, _, count = state
            value = f(root)
            low, high = jnp.where(value < 0, root, low), jnp.where(value > 0, root, high)
            newton = root - value / slope(root)
            inside = (newton >= low) & (newton <= high)  # also false for NaN
            following = jnp.where(inside, newton, (low + high) / 2)
            # a bisection squares nothing: it counts as its whole bracket; of a NaN there is nothing to find
            halved = jnp.where(jnp.isnan(value), 0.0, high - low)
            return low, high, following, jnp.where(inside, following - root, halved), count + 1

        return jax.lax.while_loop(unfinished, refine, (low, high, start, high - low + 1, 0))[2]

    return jax.lax.custom_root(function, first, solve, lambda g, y: y / g(jnp.ones_like(y)))


def bisect(function: Callable[[Any], Any], low: Any, high: Any, steps: int = 60) -> Any:
    """Where a function changes its sign between ``low`` and ``high``; arrays broadcast. No derivatives.

    Parameters
    ----------
    function : callable
        Vectorised; one change of sign between the ends. Without any, one of the ends comes back.
    low, high : float or array
    steps : int
        Halvings of the bracket.
    """
    low, high = jnp.broadcast_arrays(jnp.asarray(low, float), jnp.asarray(high, float))
    start = function(low)

    def halve(_: Any, bracket: tuple[Any, Any]) -> tuple[Any, Any]:
        left, right = bracket
        middle = (left + right) / 2
        same = function(middle) * start > 0
        return jnp.where(same, middle, left), jnp.where(same, right, middle)

    return sum(jax.lax.fori_loop(0, steps, halve, (low, high))) / 2
