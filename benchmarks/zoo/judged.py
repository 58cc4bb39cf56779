"""Single tasks: their priors, their measured errors, and whether these runs can predict them at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cases import Table, number

import bayes_scaling as bs
from bayes_scaling.chain.spec import SAME_ITEMS
from bayes_scaling.law import Law, with_priors
from bayes_scaling.posterior import Posterior
from bayes_scaling.verdict import Items, judged

#: 90 % prior intervals of single tasks (catalogue 2.3): half the width of eps around 1 - chance, and gamma.
AROUND, GAMMA = 0.08, (0.67, 4.8)
#: Bounds of the interval of eps, which is a fraction.
EDGES = (0.02, 0.995)
#: A task whose weakest models lie this far below chance, and three standard errors, has another floor.
BELOW = 0.03


def below_chance(accuracy: pd.Series, chance: float, items: float) -> bool:
    """Whether the weakest models score clearly below chance, as raw likelihoods of long answers do."""
    noise = 3 * np.sqrt(chance * (1 - chance) / items)
    return float(np.quantile(accuracy, 0.1)) < chance - max(noise, BELOW)


def fitted_as(free: bool) -> str:
    """What a case says about its prior of eps."""
    return "eps free: scores below chance" if free else "eps within 0.08 of one less chance"


def task_law(chance: float, free: bool = False) -> Law:
    """`error_vs_loss_exp` with the priors of a single task; ``free`` leaves eps to the law's own prior."""
    middle = 1 - chance
    eps = (max(middle - AROUND, EDGES[0]), min(middle + AROUND, EDGES[1]))
    return with_priors(bs.law("error_vs_loss_exp"), {"gamma": GAMMA} | ({} if free else {"eps": eps}))


def with_error(frame: pd.DataFrame, accuracy: str, items: float) -> pd.DataFrame:
    """Columns ``error`` and ``standard_error`` of a score on a fixed test set.

    Half an item keeps the logit of none and of all right finite.
    """
    p = (frame[accuracy] * items + 0.5) / (items + 1)
    return frame.assign(error=1 - p, standard_error=SAME_ITEMS * np.sqrt(p * (1 - p) / items))


def items_of(accuracy: pd.Series, standard_error: pd.Series) -> float:
    """Number of items that binomial standard errors belong to."""
    return float(np.median(accuracy * (1 - accuracy) / standard_error**2))


COLUMNS = ["task", "fitted", "predictable", "reason", "hidden runs inside their bands", "median error"]


def verdict_row(task: str, fitted: str, posterior: Posterior, items: float, table: Table) -> list[str]:
    """The verdict on one task, and how its hidden runs were forecast."""
    verdict = judged(task, posterior, Items(items, SAME_ITEMS, False))
    inside = [row[table.columns.index("inside")] == "yes" for row in table.rows]
    errors = [float(row[table.columns.index("relative error")].split()[0]) for row in table.rows]
    answer = "yes" if verdict.predictable else "**not predictable from these runs**"
    if not posterior.diagnostics.passed:
        answer = "no verdict: the fit failed" if verdict.predictable else f"{answer} (the fit failed)"
    return [
        task,
        fitted,
        answer,
        verdict.reason,
        f"{sum(inside)} of {len(inside)}",
        f"{number(float(np.median(errors)))} %",
    ]
