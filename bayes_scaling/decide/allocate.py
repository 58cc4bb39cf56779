"""How to split a budget between the size of a model and the data that it sees.

The budget and the cost of a run leave one curve of plans, one for every size; the posterior gives a loss to
every point of it. Two different questions are answered from that one matrix of draws x sizes: which size has
the best expected loss (the decision), and where the optimum of the law lies in each draw (its doubt).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from bayes_scaling.decide._draws import (
    MOST_GRID_DRAWS,
    Better,
    DecisionError,
    Fitted,
    better_of,
    laws_of,
    mixed,
    positive,
    quantiles,
    response_name,
    sign_of,
)
from bayes_scaling.decide.cost import Cost
from bayes_scaling.forecast import forecast, read_plans
from bayes_scaling.law import Law, Values, mean, nearest
from bayes_scaling.observe import unlink_numpy
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import predict

#: Share of draws whose optimum may lie at the end of the sizes searched before a note says so.
AT_END = 0.01


class Optimum(NamedTuple):
    """Best point of each of S curves."""

    params: np.ndarray  # (S,)
    value: np.ndarray  # (S,) of the response there
    at_end: np.ndarray  # (S,) whether it is the first or the last size


@dataclass(frozen=True)
class Allocation:
    """The compute-optimal plan at one budget, and how sure it is.

    Parameters
    ----------
    law, family, response, unit : str
        What was asked; unit of the response.
    better : {"lower", "higher"}
    budget : float
        In the cost's unit: FLOP, or a price.
    cost : Cost
    params, tokens : array, shape (m,)
        Plans that the budget allows.
    expected : array, shape (m,)
        Posterior mean of the response's curve at each, its structural discrepancy included.
    best : mapping of str to float
        ``params``, ``tokens``, ``ratio`` (tokens per parameter) and ``value`` of the best expected response.
    draws : mapping of str to array, shape (S,)
        ``params``, ``tokens``, ``ratio`` and ``value`` at the optimum of each draw.
    notes : tuple of str
    """

    law: str
    family: str
    response: str
    unit: str
    better: Better
    budget: float
    cost: Cost
    params: np.ndarray
    tokens: np.ndarray
    expected: np.ndarray
    best: Mapping[str, float]
    draws: Mapping[str, np.ndarray]
    notes: tuple[str, ...]

    def within(self, percent: float = 1.0) -> np.ndarray:
        """All sizes (k,) whose expected response is within so many per cent of the best one.

        The flatness of the optimum: where this set is wide, other reasons may choose the size.
        """
        positive("percent", percent)
        worse = sign_of(self.better) * (self.expected - self.best["value"])
        return self.params[worse <= percent / 100 * abs(self.best["value"])]

    def quantile(self, name: str, q: float | Sequence[float]) -> np.ndarray:
        """Posterior quantiles of ``params``, ``tokens``, ``ratio`` or ``value`` at the optimum."""
        return np.quantile(self.draws[name], q)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        flat = {f"{percent:g} %": self.within(percent) for percent in (0.1, 0.5, 1.0, 2.0, 5.0)}
        return {
            "law": self.law,
            "family": self.family,
            "response": self.response,
            "unit": self.unit,
            "budget": self.budget,
            "cost": self.cost.to_dict(),
            "best": dict(self.best),
            "posterior": {name: quantiles(values) for name, values in self.draws.items()},
            "within": {name: [float(s.min()), float(s.max())] for name, s in flat.items() if s.size},
            "notes": list(self.notes),
        }


def optimum(params: np.ndarray, losses: np.ndarray, *, refine: bool = True) -> Optimum:
    """Sizes that minimise each of S curves over a grid of sizes.

    Parameters
    ----------
    params : array, shape (m,)
        Increasing; evenly spaced in their logarithm if refined.
    losses : array, shape (S, m)
    refine : bool
        Put a parabola in log params through the lowest point and its neighbours; not for fixed sizes.
    """
    m = len(params)
    row, k = np.arange(len(losses)), losses.argmin(axis=1)
    at_end = (k == 0) | (k == m - 1)
    best = Optimum(params[k], losses[row, k], at_end)
    if not refine or m < 3:
        return best
    j = np.clip(k, 1, m - 2)
    left, middle, right = losses[row, j - 1], losses[row, j], losses[row, j + 1]
    bend = left - 2 * middle + right
    inner = ~at_end & (bend > 0)
    shift = np.where(inner, (left - right) / (2 * np.where(inner, bend, 1.0)), 0.0)
    step = np.log(params[1] / params[0])
    value = np.where(inner, middle - (left - right) * shift / 4, best.value)
    return Optimum(best.params * np.exp(shift * step), value, at_end)


def allocate(
    model: Fitted,
    budget: float | str,
    *,
    cost: Cost | None = None,
    held: Mapping[str, Any] | None = None,
    family: str | None = None,
    better: Better | None = None,
    structure: bool = False,
    points: int = 400,
    seed: int = 0,
    allow_failed: bool = False,
) -> Allocation:
    """Posterior of the compute-optimal parameters, tokens and ratio at a budget.

    Parameters
    ----------
    model : Posterior, Average, or sequence of (Posterior, weight)
        Of any law with the inputs ``params`` and ``tokens``, or an average of such laws.
    budget : float
        In FLOP, or in the currency of ``cost.price_per_flop``; it pays for training and serving.
    cost : Cost, optional
        Default: ``C = 6 N D``, any size, no inference, no end of data.
    held : mapping, optional
        Values of the law's other inputs.
    family : str, optional
        As in `bayes_scaling.forecast`.
    better : {"lower", "higher"}, optional
        Default: as the response's name says.
    structure : bool
        Whether each draw's optimum is that of its law with the structural discrepancy. The discrepancy is
        rough: its slope differs from size to size, so that the optimum of a single curve that contains it
        jumps about, although its mean over draws is smooth. By default the optimum of a draw is therefore
        that of the bare law, which says how well the law's own trade-off is known and leaves out that the
        law may be wrong. The expected response, the best plan and the flatness contain the discrepancy
        either way.
    points : int
        Sizes searched.
    seed : int
    allow_failed : bool
        Answer although the diagnostics failed.

    Raises
    ------
    DecisionError
        If the law has no trade-off of size and data or lacks inputs, the budget is below the smallest run,
        or the cost allows no size.
    DiagnosticsRefused
        If the posterior failed its diagnostics.
    """
    cost, posteriors = cost or Cost(), mixed(model, MOST_GRID_DRAWS)
    budget = positive("budget", budget, cost.unit)
    direction = better_of(response_name(posteriors[0]), better)
    check_trade_off([one.law for one in posteriors], held, cost)
    check_budget(posteriors[0].prepared.measured.inputs, budget, cost)
    params, tokens = cost.candidates(budget, points)
    bare, full, named = curves(posteriors, params, tokens, cost, held, family, seed, allow_failed)
    response = posteriors[0].law.predicts
    asked = (laws_of(model), named, response_name(posteriors[0]), response.unit)
    found = _answer(*asked, direction, budget, cost, params, tokens, full if structure else bare, full)
    least = float(np.min(posteriors[0].prepared.measured.inputs["params"]))
    if found.best["params"] >= least:
        return found
    far = (
        f"the best size, {found.best['params']:.3g} parameters, lies below the smallest that was fitted, "
        f"{least:.3g}: nothing here was seen of models so small"
    )
    return replace(found, notes=(*found.notes, far))


def optimum_at(
    law: Law,
    values: Values,
    budget: float | str,
    *,
    cost: Cost | None = None,
    held: Mapping[str, Any] | None = None,
    better: Better | None = None,
    points: int = 400,
) -> Allocation:
    """The same for known coefficients, such as ``law.published["hoffmann2022"].values``.

    Raises
    ------
    DecisionError
        As `allocate` does.
    """
    cost = cost or Cost()
    budget = positive("budget", budget, cost.unit)
    direction = better_of(law.predicts.name, better)
    check_trade_off([law], held, cost)
    params, tokens = cost.candidates(budget, points)
    inputs, _ = read_plans(law, _plans(law, params, tokens, cost, held))
    with jax.enable_x64(True):
        value = np.asarray(jax.vmap(lambda x: mean(law, x, values))(inputs))[None]
    asked = (law.name, "", law.predicts.name, law.predicts.unit)
    return _answer(*asked, direction, budget, cost, params, tokens, value, value)


def frontier(
    model: Fitted,
    budgets: Sequence[float],
    *,
    cost: Cost | None = None,
    held: Mapping[str, Any] | None = None,
    family: str | None = None,
    better: Better | None = None,
    points: int = 200,
    percent: float = 1.0,
    seed: int = 0,
    allow_failed: bool = False,
) -> pd.DataFrame:
    """The optimal plan over budgets, one row for each, on common draws.

    Returns
    -------
    DataFrame
        ``budget``; the best plan (``params``, ``tokens``, ``ratio``, ``value``); 90 % posterior intervals of
        each draw's optimum (``params q5``, ...); the sizes within `percent` of the best expected response.
    """
    rows = []
    for budget in budgets:
        found = allocate(
            model, budget, cost=cost, held=held, family=family, better=better,
            points=points, seed=seed, allow_failed=allow_failed,
        )  # fmt: skip
        row = {"budget": found.budget, **found.best}
        for name in found.draws:
            row[f"{name} q5"], row[f"{name} q95"] = found.quantile(name, (0.05, 0.95))
        flat = found.within(percent)
        row[f"least params within {percent:g} %"], row[f"most params within {percent:g} %"] = (
            (flat.min(), flat.max()) if flat.size else (np.nan, np.nan)
        )
        rows.append(row)
    return pd.DataFrame(rows)


def check_trade_off(laws: Sequence[Law], held: Mapping[str, Any] | None, cost: Cost) -> None:
    """Refuse laws without parameters and tokens, and inputs that nothing says.

    Raises
    ------
    DecisionError
        Naming the inputs that a law has, or that are missing or unknown.
    """
    given = {"params", "tokens", *(held or {}), *(["unique"] if cost.unique_tokens else [])}
    for law in laws:
        names = [i.name for i in law.inputs]
        if not {"params", "tokens"} <= set(names):
            raise DecisionError(
                f"law {law.name!r} has no trade-off of size and data: its inputs are {', '.join(names)}, "
                "allocation needs params and tokens (chinchilla, coupled_chinchilla, kaplan_nd, ...)"
            )
        missing = [f"{i.name} ({i.meaning}, {i.unit})" for i in law.inputs if i.name not in given]
        if missing:
            raise DecisionError(f"law {law.name!r} also needs {', '.join(missing)}: say what is held")
    known = {i.name for law in laws for i in law.inputs} - {"params", "tokens"}
    unknown = [name for name in held or {} if name not in known]
    if unknown:
        raise DecisionError(f"there is no input {unknown[0]!r} to hold; {nearest(unknown[0], sorted(known))}")


def curves(
    posteriors: Sequence[Posterior],
    params: np.ndarray,
    tokens: np.ndarray,
    cost: Cost,
    held: Mapping[str, Any] | None,
    family: str | None,
    seed: int,
    allow_failed: bool,
) -> tuple[np.ndarray, np.ndarray, str]:
    """Common draws (S, m) of the response at plans: the bare laws, and with their discrepancy; the family."""
    bare, full, name = [], [], ""
    for one in posteriors:
        plans = _plans(one.law, params, tokens, cost, held)
        # one forecast of one plan judges diagnostics, family and inputs for all of them
        name = forecast(one, plans[0], family=family, target="mean", allow_failed=allow_failed).families[0]
        inputs, _ = read_plans(one.law, plans)
        found = predict(one, inputs, [name] * len(plans), np.random.default_rng(seed))
        link = one.law.predicts.link
        bare.append(np.asarray(unlink_numpy(link, found.bare)))
        full.append(np.asarray(unlink_numpy(link, found.eta)))
    return np.concatenate(bare), np.concatenate(full), name


def _plans(
    law: Law, params: np.ndarray, tokens: np.ndarray, cost: Cost, held: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Inputs of the law for each size; limited data enter by its own input, or as tokens that count."""
    other = dict(held or {})
    told = [{**other, "params": float(n), "tokens": float(d)} for n, d in zip(params, tokens, strict=True)]
    return cost.counted(law, told)


def check_budget(fitted: Mapping[str, np.ndarray], budget: float, cost: Cost) -> None:
    """Refuse a budget that pays for none of the fitted runs, whose inputs are given.

    Raises
    ------
    DecisionError
    """
    least = float(np.min(cost.training(fitted["params"], fitted["tokens"]))) * (cost.price_per_flop or 1.0)
    if budget < least:
        raise DecisionError(
            f"the budget of {budget:g} {cost.unit} is below the smallest run of the table, {least:g}; "
            "allocation needs a budget above it"
        )


def _answer(
    law: str,
    family: str,
    response: str,
    unit: str,
    better: Better,
    budget: float,
    cost: Cost,
    params: np.ndarray,
    tokens: np.ndarray,
    curve: np.ndarray,
    full: np.ndarray,
) -> Allocation:
    """The record, from the values (S, m) whose optima are wanted and those whose mean is."""
    sign, refine = sign_of(better), not cost.sizes
    own = optimum(params, sign * curve, refine=refine)
    expected = full.mean(axis=0)
    chosen = optimum(params, sign * expected[None], refine=refine)
    best_tokens, own_tokens = cost.tokens(chosen.params, budget), cost.tokens(own.params, budget)
    best = {
        "params": float(chosen.params[0]),
        "tokens": float(best_tokens[0]),
        "ratio": float(best_tokens[0] / chosen.params[0]),
        "value": float(sign * chosen.value[0]),
    }
    draws = {
        "params": own.params,
        "tokens": own_tokens,
        "ratio": own_tokens / own.params,
        "value": sign * own.value,
    }
    notes = []
    if own.at_end.mean() > AT_END and len(params) > 1:
        notes.append(
            f"in {100 * own.at_end.mean():.0f} % of the draws the optimum is the smallest or largest size "
            f"of {params[0]:.3g} to {params[-1]:.3g} parameters: the limits decide it, or the data do not"
        )
    if cost.unique_tokens is not None and best["tokens"] > cost.unique_tokens:
        notes.append(f"the best plan sees its data {best['tokens'] / cost.unique_tokens:.1f} times")
    limited = (law, family, response, unit, better, budget, cost, params, tokens, expected)
    return Allocation(*limited, best, draws, tuple(notes))
