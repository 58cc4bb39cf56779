"""One law fitted to the runs below a cut, and what it says of those above it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bayes_scaling import scores
from bayes_scaling._files import write_whole
from bayes_scaling.engine import Settings
from bayes_scaling.layout import prepare
from bayes_scaling.measurements import measurements
from bayes_scaling.observe import slope_numpy
from bayes_scaling.posterior import lean
from bayes_scaling.predict import NEW, log_density, noise_at, predict, spread_out
from bayes_scaling.rivals import Candidate
from bayes_scaling.runs import Runs, subset
from bayes_scaling.sample import sample
from bayes_scaling.structure import Structure

#: Changes when stored results of an earlier version must not be used.
FORMAT = 1


@dataclass(frozen=True)
class Split:
    """One cut of the scale axis.

    Parameters
    ----------
    factor : float
        The largest run of the table is this many times beyond the cut.
    cut : float
        Largest value of the scale axis that is fitted.
    fitted, hidden : ndarray of int
        Rows of the table.
    """

    factor: float
    cut: float
    fitted: np.ndarray
    hidden: np.ndarray


@dataclass(frozen=True)
class Cell:
    """One law on one split: its forecasts of the hidden rows and how the sampler fared."""

    draws: np.ndarray  # (S, m) in the response's unit
    log_density: np.ndarray  # (m,) of the response
    divergences: int
    ess: float
    rhat: float
    seconds: float


def mixture(cells: Sequence[Cell], weights: Sequence[float]) -> Cell:
    """Forecasts of several laws as one."""
    weights = np.asarray(weights, float) / np.sum(weights)
    rng = np.random.default_rng(0)
    return Cell(
        draws=scores.thinned([c.draws for c in cells], weights, rng),
        log_density=scores.mixture_log_density(np.stack([c.log_density for c in cells]), weights),
        divergences=sum(c.divergences for c in cells),
        ess=min(c.ess for c in cells),
        rhat=max(c.rhat for c in cells),
        seconds=sum(c.seconds for c in cells),
    )


def cell_of(
    runs: Runs,
    one: Candidate,
    split: Split,
    structure: Structure | None,
    settings: Settings,
    pad: tuple[int, int],
) -> Cell:
    """Fit a law to the runs below the cut and forecast the hidden rows."""
    keep = np.zeros(len(runs), bool)
    keep[split.fitted] = True
    feeds = {"inputs": one.inputs or None, "response": one.response}
    prepared = prepare(one.law, subset(runs, keep), structure=structure, pad=pad, **feeds)
    drawn = sample(prepared.shape, prepared.data, settings)
    posterior = lean(prepared, drawn, settings)
    keep[:] = False
    keep[split.hidden] = True
    hidden = measurements(subset(runs, keep), one.law, **feeds)
    known = posterior.families
    families = [hidden.families[f] if hidden.families[f] in known else NEW for f in hidden.family]
    inputs = {
        i.name: hidden.inputs[i.name] if i.kind == "positive" else hidden.inputs[i.name][hidden.schedule]
        for i in one.law.inputs
    }
    rng = np.random.default_rng(settings.seed)
    curves = predict(posterior, inputs, families, rng)
    noise = noise_at(posterior, curves, [{}] * len(families), None)
    if one.law.predicts.noise == "student":
        error = hidden.error / np.abs(slope_numpy(one.law.predicts.link, hidden.response))
        noise = noise._replace(error=np.broadcast_to(error, curves.eta.shape))
    draws, _ = spread_out(posterior, curves, noise, "measurement", rng, trials=hidden.trials)
    density = log_density(posterior, curves, noise, hidden.response, trials=hidden.trials)
    back = np.argsort(hidden.row)  # measurements are sorted by family; the split's rows are not
    judged = posterior.diagnostics
    return Cell(
        draws[:, back].astype(np.float32),
        density[back],
        judged.divergences,
        judged.ess_bulk,
        judged.rhat,
        drawn.seconds,
    )


def stored_cell(resume: Any, *arguments: Any) -> Cell:
    """The cell from the folder of finished ones, else computed and put there, whole or not at all."""
    if resume is None:
        return cell_of(*arguments)
    folder = Path(resume)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_key(*arguments)}.npz"
    names = list(Cell.__dataclass_fields__)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            return Cell(*(saved[n] if saved[n].ndim else saved[n].item() for n in names))
    except Exception:  # not there, or damaged in one of the many ways in which archives are: computed anew
        pass
    cell = cell_of(*arguments)
    content = io.BytesIO()
    np.savez_compressed(content, **{n: getattr(cell, n) for n in names})
    write_whole(path, content.getbuffer())
    return cell


def _key(
    runs: Runs,
    one: Candidate,
    split: Split,
    structure: Structure | None,
    settings: Settings,
    pad: tuple[int, int],
) -> str:
    priors = [(p.name, p.interval, p.support, p.pool) for p in one.law.parameters]
    about = {
        "format": FORMAT,
        "runs": runs.hash,
        "law": [one.name, one.law.equation, priors, sorted(one.inputs.items()), one.response],
        "noise": asdict(one.law.predicts),
        "rows": [hashlib.sha256(rows.tobytes()).hexdigest() for rows in (split.fitted, split.hidden)],
        "structure": asdict(structure) if structure else None,
        "settings": asdict(replace(settings, chain_method="auto")),
        "pad": pad,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:32]
