"""Law + runs -> padded arrays: the numbers (`Data`) and the structure (`Shape`) of one model.

Numbers are arguments of the compiled program and never constants of it, and rows, families and clusters are
padded to a few sizes, so that one program serves every table of the same law and size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from bayes_scaling.law import POOL_SCALE, Z90, Law, LawError, Link, Noise, Parameter, Pool, Response
from bayes_scaling.measurements import Measurements, measurements
from bayes_scaling.observe import link_numpy, slope_numpy
from bayes_scaling.runs import Runs, RunsError
from bayes_scaling.structure import Landmarks, Structure, landmarks, weights_basis
from bayes_scaling.supports import Support

Clustering = Literal["rows", "replicates", "checkpoints"]

#: Terms of the noise model, unconstrained: log sd of seed and misfit together at the reference, slope of the
#: log seed sd, logit of the seed's share of the variance, log of the degrees of freedom above two, log
#: checkpoint sd, logit of the correlation of neighbouring checkpoints.
NOISE = ("total", "seed_slope", "seed_share", "tail", "checkpoint", "memory")
TAIL = (np.log(6.0).item(), 0.8)
#: Log of the overdispersion of counts, 1 / (concentration of the beta-binomial), where the law has none.
OVERDISPERSION = (-5.1, 1.0)
#: Log of the overdispersion of events: about Exponential(1), laws/3, section 8.
EVENT_OVERDISPERSION = (-0.58, 1.28)
#: Runs at which a family is sampled half centred.
HALF_CENTRED = 10.0
#: Part of the smallest positive response that no discrepancy moves.
UNMOVED = 0.5
CHECKPOINTS = ((-6.9, 1.0), (1.5, 0.8))


class Data(NamedTuple):
    """Everything numeric that the model sees; n rows, F families, C clusters, P parameters, all padded."""

    inputs: tuple[Any, ...]  # (n,) each, or (schedules, segments, 2)
    schedule: Any  # (n,) schedule of each row
    points: Any  # (m,) rows at which the law is asked: one of each family, schedule and inputs
    point: Any  # (n,) which of these each row repeats
    response: Any  # (n,) on the link scale, or counts
    trials: Any  # (n,)
    error: Any  # (n,) known standard error on the link scale
    family: Any  # (n,)
    cluster: Any  # (n,)
    gap: Any  # (n,) distance from the previous row of the cluster, in typical gaps; inf for the first
    valid: Any  # (n,)
    features: Any  # (n, R) of the structural discrepancy, in the basis of the row's family
    shift: Any  # (): g(y) of the data's centre
    stretch: Any  # ()
    reference: Any  # (): g(mean) at which the seed scale is stated
    location: Any  # (P,) prior means, unconstrained
    scale: Any  # (P,) prior standard deviations
    spread: Any  # (P,) prior medians of the spread between families
    centring: Any  # (F,) how far a family is sampled centred, between 0 and 1
    rotation: Any  # (F, R, R) from the basis of a family to that of the table
    projected: Any  # (n, R) features times weights of the rows, where a discrepancy is linear
    gram: Any  # (F, R) their products with the features, summed; a family's basis leaves no others
    target: Any  # (n,) response on the link scale, the log of the part that a discrepancy moves
    base: Any  # (): log of the part of a response that no discrepancy moves; -inf for none
    noise: Any  # (4 or 6, 2): location and scale of the terms of `NOISE`
    structure: Any  # (2,): location and scale of the log of the discrepancy's scale


@dataclass(frozen=True)
class Shape:
    """What the compiled program depends on: structure, never numbers."""

    predictor: Callable[..., Any]
    names: tuple[str, ...]
    supports: tuple[Support, ...]
    pools: tuple[Pool, ...]
    schedules: tuple[bool, ...]
    link: Link
    noise: Noise
    floor: str
    families: int
    clusters: int
    clustering: Clustering
    correlate: bool = False
    rank: int = 0
    response: str = "y"

    @property
    def pooled(self) -> tuple[int, ...]:
        """Indices of parameters that differ between families."""
        return tuple(k for k, pool in enumerate(self.pools) if pool != "shared") if self.families > 1 else ()


@dataclass(frozen=True)
class Prepared:
    """A law and runs, ready to be sampled."""

    law: Law
    runs: Runs
    measured: Measurements
    shape: Shape
    data: Data
    structure: Structure | None
    marks: Landmarks | None
    centres: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)  # as given to `prepare`: input -> column
    response: str | None = None


def bucket(n: int) -> int:
    """Smallest padded size that holds n rows: 8, 16, 32, 64, then steps of a quarter of a power of two."""
    size = 8
    while size < n:
        size *= 2
    quarter = size // 8
    return size if size <= 64 else next(s for s in range(size // 2, size + 1, quarter) if s >= n)


def family_bucket(n: int) -> int:
    """Padded number of families: exact up to 4, then the row buckets."""
    return n if n <= 4 else bucket(n)


def prepare(
    law: Law,
    runs: Runs,
    *,
    inputs: Mapping[str, str] | None = None,
    response: str | None = None,
    structure: Structure | None = None,
    correlate: bool = False,
    pad: tuple[int, int] | None = None,
) -> Prepared:
    """Select what a law needs of a table and lay it out in padded arrays.

    Parameters
    ----------
    law, runs : Law, Runs
    inputs, response : optional
        Which columns feed a generic law (see `bayes_scaling.measurements`).
    structure : Structure, optional
        Structural discrepancy; ``None`` gives the bare law.
    correlate : bool
        Put an LKJ(2) prior on the correlation of parameters over families.
    pad : tuple of int, optional
        Rows and families to pad to, at least; lets several tables share one program.

    Raises
    ------
    RunsError
        If the table lacks a column or holds values outside the law's support.
    LawError
        If the discrepancy is anchored at inputs that are not the law's.
    """
    measured, clustering, cluster = _clustered(measurements(runs, law, inputs=inputs, response=response))
    n, count = len(measured.response), len(measured.families)
    rows, families = bucket(max(n, pad[0] if pad else 0)), family_bucket(max(count, pad[1] if pad else 0))
    clusters = rows if clustering == "rows" or pad else bucket(int(cluster.max()) + 2)
    centres = {
        i.name: float(np.exp(np.log(measured.inputs[i.name]).mean())) if i.centre == "data" else 1.0
        for i in law.inputs
        if i.kind == "positive"
    }
    observed, error, shift, stretch, reference = _on_link_scale(law, measured)
    marks = None
    if structure:
        marks = landmarks(structure, coordinates(law, measured.inputs), _centre(law, structure))
        structure = marks.path

    padded = partial(_padded, rows)
    base, target = _base(law, measured), _target(law, measured, observed)
    weights = weights_basis(marks, target, base, stretch, measured.family, cluster, families)
    points, point = _points(measured, rows, repeats=pad is None and clustering != "rows")
    data = Data(
        inputs=tuple(
            _pad_schedules(measured.inputs[i.name])
            if i.kind == "schedule"
            else padded(scaled := measured.inputs[i.name] / centres[i.name], scaled[0])
            for i in law.inputs
        ),
        schedule=padded(measured.schedule.astype(np.int32)),
        points=points,
        point=point,
        response=padded(observed, shift if law.predicts.noise == "student" else 0.0),
        trials=padded(measured.trials),
        error=padded(error),
        family=padded(measured.family.astype(np.int32)),
        cluster=padded(cluster.astype(np.int32), clusters - 1),
        gap=padded(_gaps(cluster, measured.position), np.inf),
        valid=padded(np.ones(n)),
        features=padded(weights.features),
        shift=np.float64(shift),
        stretch=np.float64(stretch),
        reference=np.float64(reference),
        location=np.array([p.location for p in law.parameters]),
        scale=np.array([p.scale for p in law.parameters]),
        spread=np.array([_spread(p) for p in law.parameters]),
        centring=_centring(measured, families),
        rotation=weights.rotation,
        projected=padded(weights.projected),
        gram=weights.gram,
        target=padded(weights.target, shift),
        base=np.float64(base),
        noise=_noise_priors(law.predicts, clustering),
        structure=np.array(structure.scale if structure else (0.0, 1.0), dtype=float),
    )
    shape = Shape(
        predictor=law.predictor,
        names=tuple(p.name for p in law.parameters),
        supports=tuple(p.support for p in law.parameters),
        pools=tuple(p.pool for p in law.parameters),
        schedules=tuple(i.kind == "schedule" for i in law.inputs),
        link=law.predicts.link,
        noise=law.predicts.noise,
        floor=law.floor,
        families=families,
        clusters=clusters,
        clustering=clustering,
        correlate=correlate and families > 1,
        rank=data.features.shape[1],
        response=law.predicts.name,
    )
    return Prepared(law, runs, measured, shape, data, structure, marks, centres, dict(inputs or {}), response)


def responding(prepared: Prepared, response: np.ndarray) -> Data:
    """Data of the same table with other responses: what a simulation has made of it.

    Centres and priors stay where the table put them, so that the model is the same; only the coordinates in
    which the weights of a discrepancy are sampled follow the responses.

    Parameters
    ----------
    prepared : Prepared
    response : array, shape of ``prepared.data.response``
        On the link scale, or counts.
    """
    measured, data = prepared.measured, prepared.data
    n = len(measured.response)
    target = _target(prepared.law, measured, np.asarray(response)[:n])
    base, stretch, cluster = float(data.base), float(data.stretch), np.asarray(data.cluster)[:n]
    found = weights_basis(prepared.marks, target, base, stretch, measured.family, cluster, len(data.gram))
    padded = partial(_padded, len(data.response))
    return data._replace(
        response=np.where(data.valid > 0, response, data.response),
        features=padded(found.features),
        rotation=found.rotation,
        projected=padded(found.projected),
        gram=found.gram,
        target=padded(found.target, float(data.shift)),
    )


def _padded(rows: int, values: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """Values of the first rows, and as many more as make up that number."""
    out = np.full((rows, *values.shape[1:]), fill, dtype=values.dtype)
    out[: len(values)] = values
    return out


def coordinates(law: Law, inputs: Mapping[str, Any]) -> np.ndarray:
    """Logs of the positive inputs, shape (n, number of inputs): where a run lies on the scale axes."""
    columns = [np.log(np.asarray(inputs[i.name], float)) for i in law.inputs if i.kind == "positive"]
    return np.stack(columns, axis=-1)


def _centre(law: Law, structure: Structure) -> np.ndarray | None:
    """Logs of the inputs at which the discrepancy is anchored; None for the data's own centre."""
    if structure.centre is None:
        return None
    names = [i.name for i in law.inputs if i.kind == "positive"]
    if sorted(structure.centre) != sorted(names) or not all(v > 0 for v in structure.centre.values()):
        raise LawError(
            f"the discrepancy is anchored at {dict(structure.centre)}; law {law.label!r} needs a positive "
            f"number for {', '.join(names)}"
        )
    return np.log([structure.centre[name] for name in names])


def _clustered(measured: Measurements) -> tuple[Measurements, Clustering, np.ndarray]:
    """Find what shares luck, and sort the rows so that every cluster is contiguous."""
    n = len(measured.response)
    if len(np.unique(measured.run)) < n:
        kind, key = "checkpoints", measured.run
    elif len(np.unique(measured.config)) < n:
        kind, key = "replicates", measured.config
    else:
        return measured, "rows", np.arange(n)
    order = np.lexsort((measured.position, key))
    measured = take(measured, order)
    return measured, kind, np.unique(key[order], return_inverse=True)[1]


def take(measured: Measurements, rows: np.ndarray) -> Measurements:
    """The measurements of some rows, in that order."""
    per_row = ("schedule", "response", "trials", "error", "family", "run", "config", "position", "row")
    inputs = {
        name: values if np.ndim(values) == 3 else values[rows] for name, values in measured.inputs.items()
    }
    return replace(measured, inputs=inputs, **{name: getattr(measured, name)[rows] for name in per_row})


def _gaps(cluster: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Distance of each row from the one before it in its cluster, in units of the typical distance."""
    gap = np.full(len(cluster), np.inf)
    inner = np.flatnonzero(cluster[1:] == cluster[:-1]) + 1
    if inner.size:
        steps = np.maximum(position[inner] - position[inner - 1], 1e-9)
        gap[inner] = steps / np.median(steps)
    return gap


def _points(measured: Measurements, rows: int, *, repeats: bool) -> tuple[np.ndarray, np.ndarray]:
    """First row of each point of the law's inputs, and the point of every row, both padded.

    The law is asked once for all seeds of a point; where nothing is repeated or saved, every row is a point.
    """
    if repeats:
        inputs = (values for values in measured.inputs.values() if values.ndim == 1)
        table = np.column_stack([measured.family, measured.schedule, *inputs])
        _, first, point = np.unique(table, axis=0, return_index=True, return_inverse=True)
        count = min(bucket(len(first)), 8 * -(-len(first) // 8))
        if len(first) < len(table) and count < rows:
            return _padded(count, first.astype(np.int32)), _padded(rows, point.reshape(-1).astype(np.int32))
    each = np.arange(rows, dtype=np.int32)
    return each, each


def _on_link_scale(law: Law, measured: Measurements) -> tuple[np.ndarray, np.ndarray, float, float, float]:
    """Response, known error, shift, stretch and reference on the link scale."""
    noise, y = law.predicts, measured.response
    if noise.noise != "student":
        return y, measured.error, 0.0, 1.0, 0.0
    with np.errstate(over="ignore"):
        g, error = link_numpy(noise.link, y), measured.error / np.abs(slope_numpy(noise.link, y))
    if not np.isfinite(error).all():
        raise RunsError(
            f"{noise.name}: standard errors of up to {measured.error.max():g} for values of {y.min():g}"
        )
    reference = {"identity": noise.reference, "log": float(np.log(noise.reference))}.get(noise.link, 0.0)
    if noise.centre == "none":
        return g, error, 0.0, 1.0, reference
    shift, spread = float(g.mean()), float(g.std()) or 1.0
    return g, error, shift, spread if noise.link == "identity" else 1.0, shift


def _target(law: Law, measured: Measurements, observed: np.ndarray) -> np.ndarray:
    """Responses on the link scale; counts are moved off the edges by half a success or event."""
    if law.predicts.noise == "student":
        return observed
    if law.predicts.noise == "negative_binomial":
        return link_numpy(law.predicts.link, observed + 0.5 * (law.predicts.link == "log"))
    return link_numpy(law.predicts.link, (observed + 0.5) / (measured.trials + 1.0))


def _pad_schedules(schedules: np.ndarray) -> np.ndarray:
    """Pad (S, K, 2) to bucket sizes; padding segments have length zero."""
    out = np.zeros((bucket(schedules.shape[0]), bucket(schedules.shape[1]), 2))
    out[: schedules.shape[0], : schedules.shape[1]] = schedules
    return out


def _spread(parameter: Parameter) -> float:
    """Prior median of the spread between families, unconstrained units."""
    wide = parameter.scale if parameter.support in ("real", "heavy") else min(parameter.scale, 1.0)
    return POOL_SCALE.get(parameter.pool, 1.0) * wide


def _centring(measured: Measurements, families: int) -> np.ndarray:
    """How far each family is pinned down by its own runs, judged by their number; 0 for padding."""
    runs = np.bincount(measured.family, minlength=families)
    return runs / (runs + HALF_CENTRED)


def _base(law: Law, measured: Measurements) -> float:
    """Log of the part of a positive response that no discrepancy moves; minus infinity if there is none."""
    positive = law.predicts.link == "log" and law.predicts.noise == "student"
    least = np.finfo(float).tiny  # half of a smaller number may be zero
    return float(np.log(max(UNMOVED * measured.response.min(), least))) if positive else -np.inf


def _noise_priors(response: Response, clustering: Clustering) -> np.ndarray:
    """Location and scale of the terms of `NOISE`; the last two only where runs have checkpoints."""
    if response.noise != "student":
        if response.overdispersion is not None:
            return np.array([_interval(np.log(response.overdispersion))])
        return np.array([OVERDISPERSION if response.noise == "beta_binomial" else EVENT_OVERDISPERSION])
    share = np.array(response.seed_share)
    logit = np.log(share) - np.log1p(-share)
    terms = [_interval(np.log(response.scatter)), _interval(response.seed_slope), _interval(logit)]
    terms += [TAIL, *(CHECKPOINTS if clustering == "checkpoints" else ())]
    return np.array(terms)


def _interval(interval: Any) -> tuple[float, float]:
    low, high = interval
    return (low + high) / 2, (high - low) / (2 * Z90)
