"""What a law needs of a table of runs, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayes_scaling import _checks as check
from bayes_scaling.law import Law, nearest
from bayes_scaling.runs import Runs, run_of_row
from bayes_scaling.units import UNITS, VOCABULARY, Domain, RunsError, numbers, numeric, series

__all__ = ["Measurements", "compress", "measurements"]

#: Names under which a loss in bits per byte is kept as it is.
PER_BYTE = ("bpb", "bits_per_byte")

#: Inputs that agree to this relative accuracy are the same configuration.
SAME = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """What a law needs of `Runs`: n measurements, sorted by family, run and position.

    Parameters
    ----------
    inputs : mapping of str to ndarray
        Input name -> shape (n,); for a schedule (n_schedules, K, 2), with segments of (number of steps,
        learning rate) and segments of zero steps as padding.
    schedule : ndarray of int, shape (n,)
        Which schedule a row follows; zeros when the law takes none.
    response : ndarray, shape (n,)
    trials : ndarray, shape (n,)
        Number of trials; zeros when the response is not a count.
    error : ndarray, shape (n,)
        Known standard error in the response's unit, 0 where unknown.
    family : ndarray of int, shape (n,)
        Index in `families`.
    families : tuple of str
        Sorted, those that have a measurement.
    run : ndarray of int, shape (n,)
        Measurements of one training run (its checkpoints) share it.
    config : ndarray of int, shape (n,)
        Measurements of one family at the same inputs (to 1e-9) share it: seed replicates.
    position : ndarray, shape (n,)
        Log of tokens, else of steps, else of the law's first input: increasing within a run.
    row : ndarray of int, shape (n,)
        Position in ``runs.table`` (from 0).
    """

    inputs: Mapping[str, np.ndarray]
    schedule: np.ndarray
    response: np.ndarray
    trials: np.ndarray
    error: np.ndarray
    family: np.ndarray
    families: tuple[str, ...]
    run: np.ndarray
    config: np.ndarray
    position: np.ndarray
    row: np.ndarray


def measurements(
    runs: Runs, law: Law, *, inputs: Mapping[str, str] | None = None, response: str | None = None
) -> Measurements:
    """The columns that a law needs, as arrays; rows where one of them is missing are left out.

    Parameters
    ----------
    runs : Runs
    law : Law
    inputs : mapping of str to str, optional
        The law's input -> column that feeds it, where the names differ: ``{"x": "compute"}``.
    response : str, optional
        Column that the law predicts, where the names differ. A law of a generic ``y`` takes ``loss`` or
        ``value`` without being told, if exactly one of them is there.

    Raises
    ------
    RunsError
        If a column is missing or in another unit, a value is outside the law's domain, or no row is complete.
    """
    table, row = runs.table, runs.table["row"].to_numpy()
    problems: list[str] = []
    source = _sources(runs, law, inputs or {}, response, problems)
    if problems:
        raise RunsError(check.message(f"law {law.name!r} on {runs.source}", problems))

    scalars = [i.name for i in law.inputs if i.kind == "positive"]
    values = {name: _values(table, source[name], row, problems) for name in source}
    predicts = law.predicts
    for name in scalars:
        check.in_domain(source[name], values[name], "positive", row, problems)
        known = values[name][(values[name] > 0) & (values[name] < np.inf)]
        if known.size and np.ptp(np.log10(known)) > 300:
            problems.append(
                f"{source[name]}: {known.min():g} and {known.max():g} in one column; check the units"
            )
    y = values[predicts.name]
    if predicts.noise == "beta_binomial":
        check.counts(
            source[predicts.name], y, source[predicts.trials], values[predicts.trials], row, problems
        )
    elif predicts.noise == "negative_binomial":
        check.in_domain(source[predicts.name], y, "nonnegative", row, problems)
        check.whole(source[predicts.name], y, row, problems)
    else:
        check.in_domain(source[predicts.name], y, _DOMAIN[predicts.link], row, problems)
        if predicts.link in ("logit", "loglog"):
            edge = {int(row[i]): f"{y[i]:g}" for i in np.flatnonzero((y == 0) | (y == 1))}
            if edge:
                problems.append(f"{source[predicts.name]}: {check.listing(edge)}; expected inside (0, 1)")
        if predicts.unit == "nat/token":
            check.nats(source[predicts.name], y, problems)
    keep = np.all([np.isfinite(v) for v in values.values()], axis=0)
    if not keep.any():
        lack = ", ".join(
            f"{source[n]} in {np.isnan(v).sum()}" for n, v in values.items() if np.isnan(v).any()
        )
        problems.append(f"no row is complete: of {len(runs)} rows, values are missing for {lack}")
    sigma = np.zeros(len(runs))
    if predicts.noise == "student":
        sigma = _errors(table, source[predicts.name], row, problems)
    which, curves = np.zeros(len(runs), int), np.zeros((0, 0, 2))
    if len(scalars) < len(law.inputs):
        which, curves = _segments(runs, law, keep, problems)
    if problems:
        raise RunsError(check.message(f"law {law.name!r} on {runs.source}", problems))

    at = np.flatnonzero(keep)
    names = (
        table["family"].to_numpy(dtype=object)[at] if "family" in table else np.full(len(at), "all", object)
    )
    families, family = np.unique(names.astype(str), return_inverse=True)
    series = run_of_row(table)[at]
    position = _position(table.iloc[at], series, [values[n][at] for n in scalars], law, row[at])
    order = np.lexsort((position, series, family))
    at, family = at[order], family[order]
    same = [family, which[at], *(_tolerant(values[name][at]) for name in scalars)]
    config = np.unique(np.stack(same, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    return Measurements(
        inputs={i.name: values[i.name][at] if i.kind == "positive" else curves for i in law.inputs},
        schedule=which[at],
        response=y[at],
        trials=values[predicts.trials][at] if predicts.noise == "beta_binomial" else np.zeros(len(at)),
        error=sigma[at],
        family=family,
        families=tuple(families.tolist()),
        run=pd.factorize(series[order])[0],
        config=config,
        position=position[order],
        row=at,
    )


def compress(schedule: np.ndarray, segments: int = 512) -> np.ndarray:
    """Shorten a learning-rate schedule to segments of constant rate.

    Parameters
    ----------
    schedule : ndarray, shape (T,)
        Learning rate at every step.
    segments : int, default 512
        The most that may be used.

    Returns
    -------
    ndarray, shape (K, 2)
        Number of steps, and learning rate, of each segment. Exact if at most `segments` runs of equal rate
        make up the schedule; else segments of equal length carry the mean rate: the sum over steps stays.
    """
    rates = np.asarray(schedule, dtype=np.float64)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(rates)) + 1])
    if len(starts) > segments:
        starts = np.unique(np.linspace(0, len(rates), segments, endpoint=False).astype(int))
        lengths = np.diff(np.append(starts, len(rates)))
        return np.stack([lengths, np.add.reduceat(rates, starts) / lengths], axis=1)
    return np.stack([np.diff(np.append(starts, len(rates))), rates[starts]], axis=1)


_DOMAIN: Mapping[str, Domain] = {
    "log": "positive",
    "identity": "real",
    "logit": "fraction",
    "loglog": "fraction",
}


def _sources(
    runs: Runs, law: Law, inputs: Mapping[str, str], response: str | None, problems: list[str]
) -> dict[str, str]:
    """The column that feeds each scalar input, the response and the number of trials."""
    table, predicts = runs.table, law.predicts
    columns = [c for c in table.columns if c != "row"]
    measured = [c for c in columns if numeric(table, c)]
    scalars = {i.name: i.unit for i in law.inputs if i.kind == "positive"}
    for name in inputs:
        if name not in scalars:
            problems.append(f"inputs: the law has no input {name!r}; {nearest(name, scalars)}")
    source, wanted = {}, dict(scalars)
    for name in scalars:
        column = inputs.get(name) or _known_as(name, columns)
        if column in columns:
            source[name] = column
            continue
        likely = [c for c in ("compute", "tokens", "params", "params_nonembed", "step") if c in columns]
        like = [c for c in measured if c.startswith(name) and len(name) > 1] or (
            likely if name not in VOCABULARY or name == "x" else []
        )
        hint = f"say inputs={{{name!r}: {like[0]!r}}}; " if like and name not in inputs else ""
        problems.append(
            f"there is no column {column!r} for the input {name!r}; {hint}{nearest(column, measured)}"
        )
    column = response or _known_as(predicts.name, columns)
    wanted[predicts.name] = predicts.unit
    if column not in columns and response is None and predicts.name == "y":
        fallback = [c for c in ("loss", "value") if c in columns]
        column = fallback[0] if len(fallback) == 1 else column
    if column in columns:
        source[predicts.name] = column
    else:
        outcomes = [c for c in measured if c not in check.inputs_of(table)]
        hint = f"say response={outcomes[0]!r}; " if outcomes and response is None else ""
        problems.append(f"there is no column {column!r} to predict; {hint}{nearest(column, measured)}")
    if predicts.noise == "beta_binomial":
        source[predicts.trials] = predicts.trials
        if predicts.trials not in columns:
            hint = nearest(predicts.trials, measured)
            problems.append(f"there is no column {predicts.trials!r} with the number of trials; {hint}")
    for name, column in source.items():
        found, unit = runs.units.get(column, ""), wanted.get(name, "")
        if found and unit in UNITS and unit != "1" and found != unit:
            free = [c for c in measured if c not in runs.units]
            hint = _per_byte(free) if name == predicts.name and unit == "bit/byte" else ""
            problems.append(f"{name!r} must be in {unit} but the column {column!r} is in {found}{hint}")
    return source


def _per_byte(columns: Sequence[str]) -> str:
    """How to give a law a loss in bits per byte: `Runs` keeps every loss whose unit it knows in nat/token."""
    likely = next((c for c in columns if c.lower() in PER_BYTE), "")
    name = likely or PER_BYTE[0]
    where = "" if likely else f"keep it in a column of its own, such as {name!r}, state no unit for it, and "
    return f"; {where}say response={name!r}"


def _known_as(name: str, columns: Sequence[str]) -> str:
    """The law's name for a column, or the canonical name that the reader gave to a column of that name."""
    if name in columns:
        return name
    return next((c for c in columns if c in VOCABULARY and name in VOCABULARY[c].aliases), name)


def _values(table: pd.DataFrame, column: str, row: np.ndarray, problems: list[str]) -> np.ndarray:
    values, bad = numbers(series(table, column))
    check.not_numbers(column, bad, row, problems)
    return values


def _errors(table: pd.DataFrame, response: str, row: np.ndarray, problems: list[str]) -> np.ndarray:
    column = "standard_error" if "standard_error" in table else f"{response}_se"
    if column not in table:
        return np.zeros(len(table))
    values = _values(table, column, row, problems)
    check.in_domain(column, values, "nonnegative", row, problems)
    return np.nan_to_num(values, nan=0.0)


def _segments(runs: Runs, law: Law, keep: np.ndarray, problems: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which schedule each row follows, and the schedules as segments, shape (n_schedules, K, 2)."""
    table, which = runs.table, np.zeros(len(runs), int)
    column = next((c for c in ("schedule", "run") if c in table), None)
    names = table[column].to_numpy(dtype=object)[keep] if column else np.full(keep.sum(), None, object)
    lost = sorted({str(name) for name in names if name not in runs.schedules})
    if lost:
        found = ", ".join(map(repr, lost[:5])) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        which_column = (
            f"column {column!r} names {found}" if column else "the table has no column 'schedule' or 'run'"
        )
        known = ", ".join(runs.schedules) or "none"
        problems.append(
            f"needs the learning rate at every step, but {which_column}; schedules given: {known}; "
            "say read_runs(..., schedules={name: rates})"
        )
        return which, np.zeros((0, 0, 2))
    shortened = {name: compress(runs.schedules[name]) for name in sorted(set(names))}
    distinct = {segments.tobytes(): segments for segments in shortened.values()}
    longest = max((len(segments) for segments in distinct.values()), default=0)
    # The padding repeats the last rate for no steps: no change of the rate at the end.
    padded = [np.pad(s, ((0, longest - len(s)), (0, 0)), mode="edge") for s in distinct.values()]
    for segments, full in zip(distinct.values(), padded, strict=True):
        full[len(segments) :, 0] = 0.0
    index = {key: i for i, key in enumerate(distinct)}
    which[keep] = [index[shortened[name].tobytes()] for name in names]
    return which, np.stack(padded) if padded else np.zeros((0, 0, 2))


def _position(
    table: pd.DataFrame, series: np.ndarray, scalars: list[np.ndarray], law: Law, row: np.ndarray
) -> np.ndarray:
    """Log of how far each run had come: the first of tokens, step and the inputs that orders every run."""
    along = [table[c].to_numpy() for c in ("tokens", "step") if c in table and numeric(table, c)] + scalars
    repeated = np.bincount(series)[series] > 1
    tied = repeated
    for far in along:
        # Step 0 is a measurement before training; half a step keeps its log finite.
        position = np.log(np.maximum(np.nan_to_num(far, nan=1.0), 0.5 if far.max() > 1 else 1e-300))
        pairs = pd.DataFrame({"series": series, "position": position})
        tied = (pairs.duplicated(keep=False).to_numpy() | np.isnan(far)) & repeated
        if not tied.any():
            return position
    if not tied.any():
        return np.zeros(len(row))
    first = np.flatnonzero(series == series[np.flatnonzero(tied)[0]])
    raise RunsError(
        f"law {law.name!r}: one run has several measurements that nothing orders ({check.rows(first, row)}): "
        "give a column step or tokens, a run id to each, or a column 'replicate' or 'task' to tell them apart"
    )


def _tolerant(values: np.ndarray) -> np.ndarray:
    """Codes of the values, equal where they agree to a relative `SAME`."""
    order = np.argsort(values)
    ordered = values[order]
    codes = np.empty(len(values), int)
    codes[order] = np.concatenate([[0], np.cumsum(ordered[1:] > ordered[:-1] * (1 + SAME))])
    return codes
