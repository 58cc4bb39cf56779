"""A planned run that is to be watched: where it starts and ends, and what counts as leaving the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_scaling.decide import _flight as flight
from bayes_scaling.decide._alarm import Side
from bayes_scaling.decide._draws import DecisionError
from bayes_scaling.forecast import DiagnosticsRefused
from bayes_scaling.law import nearest
from bayes_scaling.posterior import Posterior
from bayes_scaling.predict import NEW

#: Points count at the latest from this part of the run on, unless a schedule still warms up.
LATEST_START = 0.1


@dataclass(frozen=True, eq=False)
class Watch:
    """How a planned run is watched.

    Parameters
    ----------
    posterior : Posterior
        What was known before the run.
    plan : mapping
        Inputs at the end of the run, and its schedule.
    family : str
    progress : str
        The input along which the run proceeds.
    start, end : float
        Points count from here; the run ends there.
    level : float
        False-alarm probability over the whole run.
    side : {"both", "above", "below"}
    seed : int
    widen : float
        Factor on the width of forecasts given points.
    base : Posterior or None
        A fit with the run's first points added, which carries the forecast.
    base_family : str
        The run's family in it.
    absorbed : int
        How many points it has seen.
    """

    posterior: Posterior
    plan: Mapping[str, Any]
    family: str
    progress: str
    start: float
    end: float
    level: float
    side: Side
    seed: int
    widen: float = 1.0
    base: Posterior | None = None
    base_family: str = ""
    absorbed: int = 0


def watch(
    posterior: Posterior,
    plan: Mapping[str, Any],
    *,
    family: str | None = None,
    level: float = 0.05,
    side: Side = "both",
    start: float | None = None,
    widen: float = 1.0,
    seed: int = 0,
    allow_failed: bool = False,
) -> Watch:
    """Plan to watch a run.

    Parameters
    ----------
    posterior : Posterior
        Of a law whose inputs say how far a run has come: steps, tokens or compute.
    plan : mapping
        Inputs at the end of the run. A schedule is a list of rates, or the name of one that was fitted; it
        also says where the run ends.
    family : str, optional
        As in `bayes_scaling.forecast`.
    level : float
        Probability of an alarm over the whole run if it goes to plan, whenever one looks or stops.
    side : {"both", "above", "below"}
        Which departures give an alarm; both share the level evenly.
    start : float, optional
        Progress from which points count. Default: the smallest fitted, but at most a tenth of the run, and
        not before the schedule has reached its peak.
    widen : float
        Factor on the width of forecasts given points, for a law that is too sure of itself (`widening`); the
        alarm and the plan's band are not touched.
    seed : int
    allow_failed : bool
        Watch although the diagnostics failed.

    Raises
    ------
    DiagnosticsRefused
        If the posterior failed its diagnostics.
    DecisionError
        If the law has no progress, or the plan, family, level or side is impossible; and for an average of
        several laws, of which one has to be chosen.
    """
    if not isinstance(posterior, Posterior):
        raise DecisionError(_not_one(posterior))
    law = posterior.law
    if not posterior.diagnostics.passed and not allow_failed:
        raise DiagnosticsRefused(
            f"the posterior failed its diagnostics and does not watch a run:\n{posterior.diagnostics}\n"
            "Mend the cause, or say allow_failed=True to watch all the same."
        )
    if law.predicts.noise != "student":
        raise DecisionError(
            f"law {law.name!r} predicts counts, whose checkpoints share nothing that is modelled; "
            "expected a law of a measured quantity such as a loss"
        )
    if not 0 < level < 1:
        raise DecisionError(f"level is {level:g}, expected a probability between 0 and 1 such as 0.05")
    if side not in ("both", "above", "below"):
        raise DecisionError(f"side is {side!r}; {nearest(str(side), ('both', 'above', 'below'))}")
    if not 1 <= widen < float("inf"):
        raise DecisionError(f"widen is {widen:g}, expected a factor of 1 or more")
    known = posterior.families
    family = family or (known[0] if len(known) == 1 else NEW)
    if family not in (*known, NEW):
        raise DecisionError(f"family {family!r} was not fitted; {nearest(family, [*known, NEW])}")
    progress = flight.progress_of(law)
    read = flight.read_plan(posterior, plan)
    end = float(read[progress])
    first = _start(posterior, read, progress) if start is None else float(start)
    if not 0 <= first < end:
        raise DecisionError(f"points count from {progress} {first:g} on, but the run ends at {end:g}")
    return Watch(posterior, read, family, progress, first, end, level, side, seed, widen)


def _not_one(model: object) -> str:
    """Why something else than one fitted law does not watch a run."""
    posteriors = getattr(model, "posteriors", ())
    if not posteriors:
        found = type(model).__name__
        return f"a run is watched by one fitted law, found {found}; expected a posterior of bs.fit"
    laws = ", ".join(f"[{k}] {one.law.name}" for k, one in enumerate(posteriors))
    return (
        f"a run is watched by one fitted law, whose draws its points reweight, found an average of {laws}; "
        "choose one: watch(average.posteriors[0], ...)"
    )


def _start(posterior: Posterior, plan: Mapping[str, Any], progress: str) -> float:
    first = min(
        float(posterior.prepared.measured.inputs[progress].min()), LATEST_START * float(plan[progress])
    )
    for i in posterior.law.inputs:
        if i.kind == "schedule":
            first = max(first, float(np.argmax(plan[i.name]) + 1))
    return first
