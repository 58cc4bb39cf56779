"""Which laws compete on a table when the user names none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bayes_scaling.law import Law
from bayes_scaling.laws import law as law_by_name
from bayes_scaling.measurements import Measurements, measurements
from bayes_scaling.runs import Runs, RunsError
from bayes_scaling.units import numeric

#: Losses of pretraining runs in parameters and tokens.
SIZE_AND_DATA = ("chinchilla", "gadre_overtraining")
#: A positive quantity against one axis.
ONE_AXIS = ("power_law_offset", "saturating_m4", "smoothly_broken_power_law")
#: A positive quantity that also rises along its axis: double descent, or a score that grows.
BROKEN = ("smoothly_broken_power_law", "smoothly_broken_power_law:2", "smoothly_broken_power_law:3")
#: A curve rises if it does so by more than this share, and by more than this many times its scatter.
LEAST_RISE, SCATTERS = 0.02, 3.0
#: Successes out of a number of attempts.
ATTEMPTS = ("coverage_exp_power",)
#: Columns that can be the axis of a curve, in the order in which they are looked for.
AXES = ("x", "compute", "tokens", "params", "params_nonembed", "step", "seen", "examples")


@dataclass(frozen=True)
class Candidate:
    """A law and the columns that feed it."""

    law: Law
    inputs: Mapping[str, str] = field(default_factory=dict)
    response: str | None = None

    @property
    def name(self) -> str:
        """Name of the law, with its variant if it is not the first."""
        return self.law.label


def candidates(
    runs: Runs,
    laws: Sequence[Law | str] | None = None,
    *,
    inputs: Mapping[str, str] | None = None,
    response: str | None = None,
) -> tuple[Candidate, ...]:
    """The laws to use on a table, each with the columns that feed it.

    Parameters
    ----------
    runs : Runs
    laws : sequence of Law or str, optional
        Default: rival laws for this kind of table. Parameters, tokens and a loss: `SIZE_AND_DATA`; one axis
        and one positive quantity: `ONE_AXIS`, or `BROKEN` where it rises somewhere; successes out of
        attempts: `ATTEMPTS`.
    inputs, response : optional
        As in `fit`; only for laws that take such an input.

    Raises
    ------
    RunsError
        If a law lacks a column, or no default law fits the table.
    """
    if laws is None:
        return _defaults(runs, dict(inputs or {}), response)
    found = []
    for one in laws:
        law = law_by_name(one) if isinstance(one, str) else one
        found.append(_fed(runs, law, dict(inputs or {}), response))
    if not found:
        raise RunsError("there are no laws to use; name some, or none for the default ones")
    return tuple(found)


def _fed(runs: Runs, law: Law, inputs: dict[str, str], response: str | None) -> Candidate:
    """A law with its columns: a generic axis is fed by the first column that can be one."""
    scalars = [i.name for i in law.inputs if i.kind == "positive"]
    mine = {name: column for name, column in inputs.items() if name in scalars}
    if scalars == ["x"] and "x" not in mine and "x" not in runs.table:
        axis = _axis(runs)
        mine |= {"x": axis} if axis else {}
    own = response if law.predicts.name == "y" or response in (None, law.predicts.name) else None
    measurements(runs, law, inputs=mine or None, response=own)  # says at once what is missing
    return Candidate(law, mine, own)


def _defaults(runs: Runs, inputs: dict[str, str], response: str | None) -> tuple[Candidate, ...]:
    columns = {c for c in runs.table.columns if numeric(runs.table, c)}
    loss = response or ("loss" if "loss" in columns else None)
    if {"n_correct", "n_samples"} <= columns and response is None:
        names: tuple[str, ...] = ATTEMPTS
    elif {"params", "tokens"} <= columns and loss == "loss" and not inputs:
        names = SIZE_AND_DATA
    elif inputs or _axis(runs):
        names = ONE_AXIS
        shape = _fed(runs, law_by_name(names[0]), inputs, response)
        if _rises(measurements(runs, shape.law, inputs=shape.inputs or None, response=shape.response)):
            names = BROKEN
    else:
        known = ", ".join(sorted(columns))
        raise RunsError(
            "no default law fits this table: expected params, tokens and loss, or one axis "
            f"({', '.join(AXES)}) and a positive quantity; found the columns {known}. Name a law."
        )
    return tuple(_fed(runs, law_by_name(name), inputs, response) for name in names)


def _rises(measured: Measurements) -> bool:
    """Whether the curve of any family rises along its axis by more than it scatters."""
    for family in range(len(measured.families)):
        mine = measured.family == family
        x, which = np.unique(measured.inputs["x"][mine], return_inverse=True)
        if len(x) < 6:
            continue
        y = np.bincount(which, np.log(measured.response[mine])) / np.bincount(which)
        middle = np.median([y[:-2], y[1:-1], y[2:]], axis=0)  # one odd point is no rise
        rise = (middle - np.minimum.accumulate(middle)).max()
        scatter = np.median(np.abs(np.diff(y, 3))) / (np.sqrt(20) * 0.6745)  # of normal noise
        if rise > max(LEAST_RISE, SCATTERS * scatter):
            return True
    return False


def _axis(runs: Runs) -> str | None:
    """The column along which the table's runs scale: the first of `AXES` that takes three values or more."""
    for name in AXES:
        if name in runs.table and numeric(runs.table, name):
            values = runs.table[name].to_numpy(float)
            if len(np.unique(values[np.isfinite(values)])) >= 3:
                return name
    return None


def scale_of(runs: Runs, candidate: Candidate) -> tuple[str, np.ndarray]:
    """The axis along which runs are large or small, and its value in every row of the table (n,).

    Compute where the table knows it (params and tokens give it by 6ND), else the law's first input.
    """
    table = runs.table
    if "compute" in table:
        return "compute", table["compute"].to_numpy(float)
    first = next(i.name for i in candidate.law.inputs if i.kind == "positive")
    column = candidate.inputs.get(first, first)
    return column, table[column].to_numpy(float)
