"""Performance of a mixture of sources by optimal transport (Kang et al. 2023, arXiv:2307.02460)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, Response


def logit_accuracy(samples, share, distance, *, c0, c1, c2, b0, b1, b2, r_c0, r_c1, r_c2, r_b0, r_b1, r_b2):
    """Logit of the accuracy of two mixed sources, standardised; every coefficient moves with log samples."""
    e_folds = jnp.log(samples)
    level = _surface(share, distance, (c0, c1, c2), (b0, b1, b2))
    return level + e_folds * _surface(share, distance, (r_c0, r_c1, r_c2), (r_b0, r_b1, r_b2))


def _surface(share, distance, c, b):
    p = share - 0.5
    return (c[0] + c[1] * p + c[2] * p**2) + (b[0] + b[1] * p + b[2] * p**2) * (distance - 1)


def pilot_weights(samples: Any, first: float, second: float) -> tuple[Any, Any]:
    """Weights of the performances at two pilot sizes in the forecast at a third.

    Parameters
    ----------
    samples : float or array
        Planned number of samples.
    first, second : float
        The pilot sizes, in any order but different.

    Returns
    -------
    tuple of float or array
        ``(1 - u, u)`` with ``u = log(samples/first) / log(second/first)``. Pilots of standard deviation s
        give the forecast one of ``s sqrt((1 - u)^2 + u^2)``.

    Raises
    ------
    ValueError
        If the pilot sizes are not positive and different.
    """
    if not (first > 0 and second > 0 and first != second):
        raise ValueError(f"expected two different positive pilot sizes, found {first} and {second}")
    u = np.log(np.asarray(samples) / first) / math.log(second / first)
    return 1 - u, u


def design(shares: Any, distance: Any) -> np.ndarray:
    """Regressors of the performance at one pilot size, ``b(p) OT + c(p)`` with b, c quadratic in each share.

    Parameters
    ----------
    shares : array, shape (n, m)
        Shares of the m sources; rows sum to one, so the last source is left out.
    distance : array, shape (n,)
        Optimal-transport distance from each mixture to the validation data.

    Returns
    -------
    ndarray, shape (n, 4 m - 2)
        Columns ``1, p, p^2`` and the same times the distance, for ``numpy.linalg.lstsq``.
    """
    p = np.asarray(shares, float)[:, :-1]
    plain = np.concatenate([np.ones((len(p), 1)), p, p**2], axis=1)
    return np.concatenate([plain, plain * np.asarray(distance, float)[:, None]], axis=1)


def distance_gradient(potentials: Sequence[Any]) -> np.ndarray:
    """Change of the optimal-transport distance with the share of each source, shape (m,).

    Parameters
    ----------
    potentials : sequence of m arrays
        Dual potentials of the samples of each source. They are known up to a constant, which cancels: a
        source is compared with the rest of the mixture.
    """
    total, size = np.array([np.sum(f) for f in potentials]), np.array([np.size(f) for f in potentials])
    return total / size - (total.sum() - total) / (size.sum() - size)


def performance_gradient(coefficients: Any, shares: Any, distance: float, slopes: Any) -> np.ndarray:
    """Change of the performance with the share of each source, for ascent on the mixture, shape (m,).

    Parameters
    ----------
    coefficients : array, shape (4 m - 2,)
        Of the columns of `design`, at one pilot size.
    shares : array, shape (m,)
    distance : float
        Optimal-transport distance of that mixture.
    slopes : array, shape (m,)
        `distance_gradient` of that mixture.

    Notes
    -----
    ``b(p) dOT/dp_i + (b1_i + 2 b2_i p_i) OT + c1_i + 2 c2_i p_i``, with the whole of b(p), as its derivative
    has; the last source, which `design` leaves out, acts through the distance alone.
    """
    p = np.asarray(shares, float)[:-1]
    (_, c1, c2), (b0, b1, b2) = (
        (half[0], half[1 : len(p) + 1], half[len(p) + 1 :]) for half in np.split(np.asarray(coefficients), 2)
    )
    own = c1 + 2 * c2 * p + (b1 + 2 * b2 * p) * distance
    return (b0 + b1 @ p + b2 @ p**2) * np.asarray(slopes) + np.append(own, 0.0)


def _fixed_mixture(inputs, values):
    share, distance = inputs["share"], inputs["distance"]
    level, rise = (
        _surface(
            share, distance, [values[f"{r}c{k}"] for k in range(3)], [values[f"{r}b{k}"] for k in range(3)]
        )
        for r in ("", "r_")
    )
    return inputs, values, {"x": inputs["samples"]}, {"a": level, "b": rise}


_EXAMPLE = {name: 0.0 for k in range(3) for name in (f"c{k}", f"b{k}", f"r_c{k}", f"r_b{k}")}
_EXAMPLE |= {"c1": 2.0, "b0": -1.0, "b2": 4.0, "r_c0": 0.5, "r_b1": 1.0}


def _coefficients(rate: str, width: float) -> tuple[Parameter, ...]:
    what, unit = ("change per e-fold of samples of ", "s/e-fold") if rate else ("", "s")
    meanings = {
        "c0": ("level at equal shares", 0.33),
        "c1": ("slope in the share", 1.0),
        "c2": ("curvature in the share", 1.0),
        "b0": ("slope in the distance at equal shares", 1.0),
        "b1": ("its slope in the share", 1.0),
        "b2": ("its curvature in the share", 1.0),
    }
    return tuple(
        Parameter(
            f"{rate}{name}", (-width * part, width * part), "real", "separate", unit, f"{what}{meaning}"
        )
        for name, (meaning, part) in meanings.items()
    )


LAW = Law(
    name="projektor_ot",
    title="Accuracy of a mixture of two sources from its optimal-transport distance",
    equation=(
        "logit Y = y0 + s [c(p) + b(p) d + log(N/N0) (r_c(p) + r_b(p) d)],  "
        "c(p) = c0 + c1 p + c2 p^2 and so on,  p = share - 1/2,  d = OT/OT0 - 1"
    ),
    predictor=logit_accuracy,
    predicts=Response("accuracy", "1", "logit", centre="data", scatter=(1e-2, 0.5)),
    inputs=(
        Input("samples", "sample", "training samples", (1e2, 1e6), centre="data"),
        Input("share", "1", "share of the first source", (0.01, 0.99)),
        Input(
            "distance", "1", "optimal-transport distance to the validation data", (10.0, 40.0), centre="data"
        ),
    ),
    parameters=(*_coefficients("", 5.0), *_coefficients("r_", 1.5)),
    golden=(
        # z = 2 * .25 - .5 * 1 + 4 * .0625 * .5 + log(e) (.5 + .25 * .5)
        Golden(
            {"samples": math.e, "share": 0.75, "distance": 1.5},
            1 / (1 + math.exp(-(0.5 - 0.5 + 0.125 + 0.625))),
            _EXAMPLE,
            rtol=1e-9,
        ),
    ),
    limits=(Limit("fixed mixture", "log_linear", _fixed_mixture),),
    derived=(
        Derived(
            "per_decade",
            lambda r_c0: r_c0 * math.log(10),
            unit="s",
            meaning="gain per decade of samples, at equal shares and the typical distance",
        ),
    ),
    reference=Reference(
        "Performance Scaling via Optimal Transport: Enabling Data Selection from Partially Revealed Sources",
        "Kang et al.",
        2023,
        "2307.02460",
    ),
    notes=(
        "The paper regresses on share and distance at two pilot sizes and carries the two results on "
        "linearly in log N without parameters (pilot_weights): with N0 = 1000, N1 = 1500 the forecast at "
        "10000 is 5.68 Y1 - 4.68 Y0, so noise grows linearly in log N. Here the two steps are one model in "
        "which every coefficient is linear in log N, and pilots may be more than two. On the logit so that "
        "the accuracy stays a proportion. For more sources use `design` with least squares per pilot size, "
        "and `performance_gradient` to improve a mixture."
    ),
)
