"""Which law: leave-one-run-out, leave-family-out and leave-largest-out scores, weights, averages."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from bayes_scaling.average import Average, AverageError
from bayes_scaling.backtest import AVERAGE, QUICK, Backtest, BacktestError, backtest
from bayes_scaling.cells import Split, cell_of
from bayes_scaling.engine import Settings
from bayes_scaling.law import Law, nearest
from bayes_scaling.posterior import Posterior, fit
from bayes_scaling.rivals import Candidate, candidates
from bayes_scaling.runs import Runs, RunsError
from bayes_scaling.scores import stacking_weights
from bayes_scaling.structure import DEFAULT, Structure

Method = Literal["loo", "family", "largest"]
METHODS: tuple[Method, ...] = ("loo", "family", "largest")

#: Above this the importance weights of a leave-one-out estimate are not reliable (Vehtari et al. 2024).
MOST_PARETO_K = 0.7

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Comparison:
    """Scores of rival laws.

    Parameters
    ----------
    table : DataFrame
        One row per law and method, best first within a method: ``method``, ``law``, ``elpd`` (mean log
        predictive density of one held-out unit), ``se``, ``difference`` to the best law and its
        ``difference_se`` (paired over units), ``units``, ``pareto_k`` (largest; leave-one-out only) and
        ``weight`` (stacking).
    notes : tuple of str
        Warnings: unreliable importance weights, laws or methods that were left out.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]

    def weights(self, method: Method = "largest") -> dict[str, float]:
        """Stacking weights of one method by law."""
        mine = self.table[self.table["method"] == method]
        if mine.empty:
            raise ValueError(f"method {method!r} was not run; {nearest(method, set(self.table['method']))}")
        return dict(zip(mine["law"], mine["weight"], strict=True))


def compare(
    runs: Runs,
    laws: Sequence[Law | str] | None = None,
    *,
    methods: Sequence[Method] = METHODS,
    inputs: Mapping[str, str] | None = None,
    response: str | None = None,
    structure: Structure | None = DEFAULT,
    settings: Settings | None = None,
) -> Comparison:
    """Score rival laws by what they say of runs that they have not seen.

    Parameters
    ----------
    runs : Runs
    laws : sequence of Law or str, optional
        Default: the rival laws for this kind of table.
    methods : sequence of {"loo", "family", "largest"}
        ``"loo"``: leave one run out (with all its checkpoints, or one configuration with its seeds) by
        Pareto-smoothed importance sampling; ``"family"``: leave a family out and forecast it as a new one;
        ``"largest"``: backtest of the largest runs. Only the last answers the question that a forecast asks.
    inputs, response, structure, settings : optional
        As in `fit`.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If a method is unknown.
    RunsError
        If a law lacks a column.

    References
    ----------
    Vehtari, Gelman, Gabry (2017), "Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC"; Yao et al. (2018), "Using stacking to average Bayesian predictive
    distributions".
    """
    for method in methods:
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}; {nearest(method, METHODS)}")
    asked = candidates(runs, laws, inputs=inputs, response=response)
    notes: list[str] = []
    frames = []
    for method in methods:
        try:
            if method == "loo":
                points, extra = _loo(runs, asked, structure, settings, notes)
            elif method == "family":
                points, extra = _families(runs, asked, structure, settings or QUICK), {}
            else:
                points, extra = _largest(runs, asked, structure, settings or QUICK), {}
        except (BacktestError, RunsError) as error:
            notes.append(f"{method}: {error}")
            continue
        frames.append(_table(method, points, extra))
    if not frames:
        raise BacktestError(f"no method could be used: {'; '.join(notes)}")
    return Comparison(pd.concat(frames, ignore_index=True), tuple(notes))


def average(
    runs: Runs,
    laws: Sequence[Law | str] | None = None,
    *,
    weights: Literal["equal", "stacking"] | Mapping[str, float] = "equal",
    inputs: Mapping[str, str] | None = None,
    response: str | None = None,
    structure: Structure | None = DEFAULT,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Average:
    """Fit several laws to the same runs, to be forecast as one.

    Parameters
    ----------
    runs : Runs
    laws : sequence of Law or str, optional
        Default: the rival laws for this kind of table.
    weights : {"equal", "stacking"} or mapping of str to float
        ``"stacking"``: by the log score of a backtest on these very runs.
    inputs, response, structure, settings, progress : optional
        As in `fit`.

    Returns
    -------
    Average

    Raises
    ------
    AverageError
        If weights are given for other laws, or none could be fitted.
    """
    asked = candidates(runs, laws, inputs=inputs, response=response)
    share = _shares(runs, asked, weights, structure)
    posteriors = [
        fit(
            one.law,
            runs,
            inputs=one.inputs or None,
            response=one.response,
            structure=structure,
            settings=settings,
            progress=progress,
        )
        for one in asked
        if share[one.name] > 0
    ]
    return trusted(Average(tuple(posteriors), tuple(share[p.law.label] for p in posteriors)))


def trusted(whole: Average) -> Average:
    """Without the laws that failed their diagnostics.

    If those carry half of the weight or more, all are kept: the rest is not the average that was asked for,
    and `forecast` refuses the failed ones by name.
    """
    good = [(p, w) for p, w in zip(whole.posteriors, whole.weights, strict=True) if p.diagnostics.passed]
    if len(good) == len(whole.posteriors) or sum(w for _, w in good) <= 0.5:
        return whole
    lost = {
        p.law.label: "; ".join(p.diagnostics.problems) for p in whole.posteriors if not p.diagnostics.passed
    }
    return Average(tuple(p for p, _ in good), tuple(w for _, w in good), {**whole.left_out, **lost})


def weights_of(tested: Backtest) -> dict[str, float]:
    """Stacking weights of the laws of a backtest; every split counts the same."""
    points, importance = _paired(tested)
    names = list(points)
    found = stacking_weights(np.stack([points[n] for n in names]), importance)
    return dict(zip(names, map(float, found), strict=True))


def _shares(
    runs: Runs, asked: Sequence[Candidate], weights: str | Mapping[str, float], structure: Structure | None
) -> dict[str, float]:
    names = [one.name for one in asked]
    if isinstance(weights, Mapping):
        unknown = [name for name in weights if name not in names]
        if unknown:
            raise AverageError(
                f"weights name {unknown[0]!r}, which is not fitted; {nearest(unknown[0], names)}"
            )
        return {name: float(weights.get(name, 0.0)) for name in names}
    if weights == "stacking" and len(names) > 1:
        feeds = {"inputs": dict(asked[0].inputs) or None, "response": asked[0].response}
        return weights_of(backtest(runs, [one.law for one in asked], structure=structure, **feeds))
    if weights not in ("equal", "stacking"):
        raise AverageError(f"unknown weights {weights!r}; {nearest(str(weights), ('equal', 'stacking'))}")
    return dict.fromkeys(names, 1.0)


def _loo(
    runs: Runs,
    asked: Sequence[Candidate],
    structure: Structure | None,
    settings: Settings | None,
    notes: list[str],
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Pointwise leave-one-run-out log densities, and the largest Pareto k of each law."""
    points, worst = {}, {}
    found: Any = Parallel()(delayed(_left_out)(runs, one, structure, settings) for one in asked)
    for one, (scores, k, problems) in zip(asked, found, strict=True):
        points[one.name], worst[one.name] = scores, float(k.max())
        bad = int((k > MOST_PARETO_K).sum())
        if bad:
            notes.append(
                f"loo of {one.name}: Pareto k above {MOST_PARETO_K} for {bad} of {len(k)} runs "
                f"(largest {k.max():.2f}): those runs decide the fit, and their scores are not reliable"
            )
        if problems:
            notes.append(f"loo of {one.name}: {'; '.join(problems)}")
    return points, worst


def _left_out(
    runs: Runs, one: Candidate, structure: Structure | None, settings: Settings | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Leave-one-run-out scores of one law, their Pareto k, and what its diagnostics say."""
    feeds = {"inputs": one.inputs or None, "response": one.response}
    posterior = fit(one.law, runs, structure=structure, settings=settings, **feeds)
    return (*leave_one_out(posterior), posterior.diagnostics.problems)


def leave_one_out(posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """Leave-one-run-out log predictive density of every run, and its Pareto k.

    Raises
    ------
    ValueError
        If the posterior has no pointwise log likelihood (very large tables do not keep it).
    """
    from arviz_stats import loo  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]

    if "log_likelihood" not in posterior.tree.children:
        raise ValueError("this posterior kept no pointwise log likelihood: its table is too large for loo")
    with warnings.catch_warnings():  # what arviz warns of is reported as a number
        warnings.simplefilter("ignore")
        found: Any = loo(posterior.tree, pointwise=True)
    return np.asarray(found.elpd_i).ravel(), np.asarray(found.pareto_k).ravel()


def _families(
    runs: Runs, asked: Sequence[Candidate], structure: Structure | None, settings: Settings
) -> dict[str, np.ndarray]:
    """Mean log density of each family forecast as a new one from the others."""
    if len(runs.families) < 3:
        raise RunsError(f"leaving a family out needs three or more; the table has {len(runs.families)}")
    family = runs.table["family"].to_numpy(object)
    pad = (len(runs), len(runs.families))
    splits = [
        Split(np.nan, np.nan, np.flatnonzero(family != name), np.flatnonzero(family == name))
        for name in runs.families
    ]
    jobs = [(one, split) for one in asked for split in splits]
    found: Any = Parallel()(delayed(_density)(runs, *job, structure, settings, pad) for job in jobs)
    each = np.array(found).reshape(len(asked), len(splits))
    return {one.name: mine for one, mine in zip(asked, each, strict=True)}


def _density(*cell: Any) -> float:
    """Mean log density of the hidden rows of one cell (arguments of `cell_of`)."""
    return float(cell_of(*cell).log_density.mean())


def _largest(
    runs: Runs, asked: Sequence[Candidate], structure: Structure | None, settings: Settings
) -> dict[str, np.ndarray]:
    """Mean log density of the hidden runs of each split."""
    feeds = {"inputs": dict(asked[0].inputs) or None, "response": asked[0].response}
    tested = backtest(runs, [one.law for one in asked], structure=structure, settings=settings, **feeds)
    splits = tested.by_split()
    return {
        str(name): group["log_score"].to_numpy() for name, group in splits.groupby("law") if name != AVERAGE
    }


def _paired(tested: Backtest) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Log scores of every hidden measurement by law, and the importance that makes splits count equally."""
    table = tested.table[tested.table["law"] != AVERAGE]
    size = table.groupby(["law", "factor"])["row"].transform("size")
    points, importance = {}, np.ones(0)
    for name, group in table.groupby("law", sort=False):
        points[str(name)] = group["log_score"].to_numpy()
        importance = (1 / size.loc[group.index]).to_numpy()
    return points, importance


def _table(method: str, points: dict[str, np.ndarray], worst: dict[str, float]) -> pd.DataFrame:
    names = list(points)
    matrix = np.stack([points[n] for n in names])
    weights = stacking_weights(matrix)
    best = int(np.argmax(matrix.mean(axis=1)))

    def error(values: np.ndarray) -> float:
        return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")

    rows = [
        {
            "method": method,
            "law": name,
            "elpd": float(matrix[k].mean()),
            "se": error(matrix[k]),
            "difference": float((matrix[k] - matrix[best]).mean()),
            "difference_se": error(matrix[k] - matrix[best]),
            "units": matrix.shape[1],
            "pareto_k": worst.get(name, float("nan")),
            "weight": float(weights[k]),
        }
        for k, name in enumerate(names)
    ]
    return pd.DataFrame(rows).sort_values("elpd", ascending=False, ignore_index=True)
