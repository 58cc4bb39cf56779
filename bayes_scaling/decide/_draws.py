"""What all decisions share: common draws of one law or of an average of laws, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from bayes_scaling.average import Average
from bayes_scaling.forecast import Forecast, ForecastError, consistent, forecast, read_plans
from bayes_scaling.law import Law, nearest
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import Target
from bayes_scaling.units import number, shown

if TYPE_CHECKING:
    from bayes_scaling.decide.cost import Cost

#: A fitted law, or several with their weights.
type Fitted = Posterior | Average | Sequence[tuple[Posterior, float]]
Better = Literal["lower", "higher"]

#: Draws that a question about a few plans, and one about a whole grid of sizes, is answered with at most.
MOST_DRAWS, MOST_GRID_DRAWS = 20_000, 4_000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

_LOWER = ("loss", "error", "nll", "perplexity", "wrong", "fid", "failure", "regret")
_HIGHER = (
    "acc",
    "correct",
    "score",
    "bleu",
    "capability",
    "p_choices",
    "pass",
    "found",
    "generalised",
    "tifa",
)


class DecisionError(ForecastError):
    """A question that has no answer as it was put: an impossible plan, cost, budget or target."""


def members(model: Fitted) -> tuple[tuple[Posterior, float], ...]:
    """Posteriors and weights, which add up to one; without those of weight zero.

    Raises
    ------
    AverageError
        If weights do not fit, or the laws do not predict the same quantity.
    """
    if isinstance(model, Posterior):
        return ((model, 1.0),)
    if not isinstance(model, Average):
        model = Average(tuple(one for one, _ in model), tuple(float(weight) for _, weight in model))
    return tuple((one, w) for one, w in zip(model.posteriors, model.weights, strict=True) if w > 0)


def mixed(model: Fitted, most: int = MOST_DRAWS) -> tuple[Posterior, ...]:
    """The posteriors of an average, each with a number of draws in proportion to its weight.

    One after the other, their draws are draws of the average. Evenly spaced draws are kept, so that two
    questions with the same `most` are answered with the same ones.
    """
    pairs = members(model)
    sizes = [one.tree["posterior"].sizes["chain"] * one.tree["posterior"].sizes["draw"] for one, _ in pairs]
    total = min(most, *(int(n / w) for n, (_, w) in zip(sizes, pairs, strict=True)), max(sizes))
    counts = [max(1, round(w * total)) for _, w in pairs]
    return tuple(_thinned(one, n, size) for (one, _), n, size in zip(pairs, counts, sizes, strict=True))


def _thinned(posterior: Posterior, count: int, size: int) -> Posterior:
    """The same posterior with fewer draws, as one chain."""
    if count >= size:
        return posterior
    draws = posterior.tree["posterior"].to_dataset()
    kept = np.linspace(0, size - 1, count).round().astype(int)
    chain, draw = np.divmod(kept, draws.sizes["draw"])
    at = {"chain": xr.DataArray(chain, dims="kept"), "draw": xr.DataArray(draw, dims="kept")}
    few = (
        draws.isel(at).drop_vars(["chain", "draw"], errors="ignore").rename(kept="draw").expand_dims("chain")
    )
    return replace(posterior, tree=xr.DataTree.from_dict({"posterior": few}))


def joint_draws(
    model: Fitted,
    plans: Sequence[Mapping[str, Any]],
    *,
    family: str | Sequence[str] | None = None,
    target: Target = "new_run",
    cost: Cost | None = None,
    seed: int = 0,
    allow_failed: bool = False,
) -> tuple[np.ndarray, Forecast]:
    """Joint draws (S, m) of m plans, and the forecast of the heaviest law for its notes and families.

    With a cost that knows how many tokens are different, tokens are forecast for what they are worth; the
    forecast names the plans as they were asked.
    """
    casts = []
    for one in mixed(model):
        told, counted = as_taken(one.law, plans, cost)
        cast = forecast(one, counted, family=family, target=target, seed=seed, allow_failed=allow_failed)
        casts.append(replace(cast, plans=told))
    return np.concatenate([cast.draws for cast in casts]), max(casts, key=lambda cast: len(cast.draws))


def as_taken(
    law: Law, plans: Sequence[Mapping[str, Any]], cost: Cost | None
) -> tuple[tuple[dict[str, Any], ...], Sequence[Mapping[str, Any]]]:
    """Plans in numbers, as they were asked and as the law takes them where data repeat.

    Raises
    ------
    ForecastError
        All problems of all plans at once.
    """
    told = tuple(consistent(read_plans(law, with_unique(law, plans, cost))[1]))
    return told, told if cost is None else cost.counted(law, told)


def with_unique(
    law: Law, plans: Sequence[Mapping[str, Any]], cost: Cost | None
) -> Sequence[Mapping[str, Any]]:
    """Plans of a law with an input of its own for different tokens, which the cost may say for them."""
    if cost is None or cost.unique_tokens is None or all(i.name != "unique" for i in law.inputs):
        return plans
    return [{"unique": cost.unique_tokens, **one} for one in plans]


def response_name(posterior: Posterior) -> str:
    """The quantity that was fitted: the column that fed it, or the law's own name for it."""
    return posterior.prepared.response or posterior.law.predicts.name


def laws_of(model: Fitted) -> str:
    """Names of the laws behind an answer."""
    return " + ".join(dict.fromkeys(one.law.name for one, _ in members(model)))


def better_of(name: str, better: Better | None) -> Better:
    """Which way a response is better: as told, or as its name says.

    Raises
    ------
    DecisionError
        If the name does not say it.
    """
    if better is not None:
        if better not in ("lower", "higher"):
            raise DecisionError(f"better is {better!r}; {nearest(str(better), ('lower', 'higher'))}")
        return better
    if any(word in name for word in _LOWER):
        return "lower"
    if any(word in name for word in _HIGHER):
        return "higher"
    raise DecisionError(f"is a low or a high {name!r} better? say better='lower' or better='higher'")


def sign_of(better: Better) -> float:
    """Factor that makes more of a response worse."""
    return 1.0 if better == "lower" else -1.0


def rays(law: Law) -> dict[str, float]:
    """How the inputs of a plan grow with its budget: exponents by input; empty where the law does not say.

    Parameters and tokens grow alike, so that their ratio stays; other inputs stay as they are.
    """
    names = [i.name for i in law.inputs if i.kind == "positive"]
    if {"params", "tokens"} <= set(names):
        return {"params": 0.5, "tokens": 0.5}
    for name in ("compute", "params", "tokens"):
        if name in names:
            return {name: 1.0}
    return {names[0]: 1.0} if len(names) == 1 else {}


def along(law: Law, plan: Mapping[str, Any], factors: np.ndarray) -> list[dict[str, Any]]:
    """A plan with its budget multiplied by each factor; what the law does not take is left out."""
    kept = {i.name: plan[i.name] for i in law.inputs if i.name in plan}
    return [{**kept, **{k: kept[k] * f**power for k, power in rays(law).items()}} for f in factors]


def a_probability(name: str, value: float) -> float:
    """A number between 0 and 1, without the ends."""
    if not 0 < value < 1:
        raise DecisionError(f"{name} is {value:g}, expected a probability between 0 and 1")
    return value


def positive(name: str, value: Any, unit: str = "") -> float:
    """A positive finite number, also as people write it.

    Raises
    ------
    DecisionError
        If it is none.
    """
    try:
        found = number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise DecisionError(
            f"{name} is {shown(value)}, expected a positive number{f' of {unit}' if unit else ''}"
        ) from None
    if not (math.isfinite(found) and found > 0):
        raise DecisionError(
            f"{name} is {found:g}, expected a positive finite number{f' of {unit}' if unit else ''}"
        )
    return found


def finite(value: Any) -> float | None:
    """A number for JSON, which knows neither NaN nor infinity."""
    return float(value) if value is not None and math.isfinite(value) else None


def quantiles(values: np.ndarray) -> dict[str, float]:
    """Quantiles of draws (S,), by their levels."""
    return {f"{q:g}": float(v) for q, v in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)}
