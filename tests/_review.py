"""A review of the shared fit, with names that would be dangerous in a page, for the tests of the page."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd
import xarray as xr

import bayes_scaling as bs
from bayes_scaling.cells import Split
from bayes_scaling.chain import ChainPosterior, fit_chain
from bayes_scaling.posterior import Posterior
from tests._decide import PLAN, fitted
from tests._simulate import FEW
from tests.test_chain import SPEC, study

EVIL = "<script>alert('x')</script>"

#: A plan with every section.
ASKED: dict[str, Any] = {
    "title": "70B & more <b>tokens</b>",
    "note": "one seed",
    "family": EVIL,
    "run": {"params": "70B", "tokens": "1.4T"},
    "targets": {"loss": 2.0},
    "cost": {"flop": 6, "price_per_flop": 2e-18, "currency": "USD"},
    "alternatives": [
        {"name": "longer", "params": "35B", "tokens": "2.8T"},
        {"name": "<img src=x onerror=alert(1)>", "params": "140B", "tokens": "700B"},
    ],
    "candidates": [
        {"name": "another ratio", "params": "1B", "tokens": "1T"},
        {"name": "larger", "params": "20B", "tokens": "400B", "cost": 1e5},
    ],
}


@cache
def renamed() -> Posterior:
    """The shared fit; its first family has a name that is HTML."""
    posterior = fitted()
    names = (EVIL, *posterior.families[1:])
    groups = {name: posterior.tree[name].to_dataset() for name in posterior.tree.children}
    groups = {
        name: one.assign_coords(family=list(names)) if "family" in one.dims else one
        for name, one in groups.items()
    }
    tree = xr.DataTree.from_dict(groups)
    prepared = replace(posterior.prepared, measured=replace(posterior.prepared.measured, families=names))
    return replace(posterior, tree=tree, prepared=prepared)


@cache
def past() -> bs.Backtest:
    """A backtest of eight hidden runs, two of which fell outside their bands."""
    observed = [2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7]
    pits = [0.5, 0.3, 0.99, 0.6, 0.7, 0.01, 0.4, 0.2]
    rows = [
        {
            "law": "chinchilla", "factor": 8.0, "cut": 1e21, "n_fit": 52, "n_hidden": 8, "row": k + 1,
            "family": EVIL, "extrapolation": 1.5 + k / 2, "observed": y, "median": y * 1.01,
            "q5": y * (0.97 if 0.05 < p < 0.95 else 1.004), "q95": y * 1.05, "pit": p, "error": 0.01,
            "crps": 0.006, "interval_score": 0.1, "width": 0.08, "log_score": 3.0,
        }
        for k, (y, p) in enumerate(zip(observed, pits, strict=True))
    ]  # fmt: skip
    split = Split(8.0, 1e21, pd.RangeIndex(52).to_numpy(), pd.RangeIndex(52, 60).to_numpy())
    return bs.Backtest(pd.DataFrame(rows), (split,), "compute", ())


@cache
def reviewed() -> bs.Review:
    """The review of all that."""
    return bs.review(renamed(), ASKED, backtest=past(), command="bayes-scaling review runs.csv")


#: Several targets; the models of the table solve hellaswag by way of their loss and guess on arc_easy.
GOALS = {"hellaswag": 0.8, "arc_easy": 0.25, "loss": 2.0}
OF_TASKS: dict[str, Any] = {
    "run": PLAN,
    "targets": GOALS,
    "family": "a",
    "alternatives": [{"name": "smaller, longer", "params": "35B", "tokens": "2.8T"}],
    "candidates": [{"params": "20B", "tokens": "400B", "cost": 1.0}],
}


def judged(one: Posterior, *problems: str) -> Posterior:
    """The posterior with other problems in its diagnostics; none: it passed."""
    return replace(one, diagnostics=replace(one.diagnostics, problems=problems))


@cache
def chained() -> ChainPosterior:
    """A loss law and a task law joined; whether the task law converged is not what is tested."""
    found = fit_chain(SPEC, study(), loss=fitted(), settings=FEW)
    return replace(found, blocks=tuple(replace(b, posterior=judged(b.posterior)) for b in found.blocks))
