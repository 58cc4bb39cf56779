"""A borrowed prior put into the arrays of a model, if it belongs there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayes_scaling.borrowed.record import ANY, NOISE, STRUCTURE, Anchor, Prior, PriorError
from bayes_scaling.law import nearest
from bayes_scaling.layout import NOISE as TERMS
from bayes_scaling.layout import Prepared
from bayes_scaling.runs import Runs
from bayes_scaling.structure import Structure

#: With several new families the population keeps at least this part of a term's scale.
LEAST_SHARE = 0.3
#: Tokenizers whose bytes per token differ by more than this are different.
SAME_TOKENIZER = 0.01
#: Where a discrepancy is anchored, among the numbers of `Prior.structure`.
_CENTRE = "centre."


def with_prior(prepared: Prepared, prior: Prior) -> Prepared:
    """The same model with a borrowed prior; only numbers change, so that no program is compiled anew.

    With one family in the table the prior is that family's. With several it is the population's: what
    families differ by is taken out of the scales and becomes the prior of their spread.

    Raises
    ------
    PriorError
        If the prior is of another law, in other units, of another tokenizer or another discrepancy.
    """
    _same_model(prepared, prior)
    prepared = anchored(prepared, prior.anchor)
    data, several = prepared.data, prepared.shape.families > 1
    location, scale, spread = data.location.copy(), data.scale.copy(), data.spread.copy()
    noise, structure = data.noise.copy(), data.structure.copy()
    for k, (name, pool) in enumerate(zip(prepared.shape.names, prepared.shape.pools, strict=True)):
        term = prior.term(name)
        if term is None:
            continue
        location[k], scale[k] = term.location, term.scale
        if term.spread and pool not in ("shared", "separate"):
            spread[k] = term.spread
            if several:
                rest = max(term.scale**2 - term.spread**2, (LEAST_SHARE * term.scale) ** 2)
                scale[k] = np.sqrt(rest)
    for k, name in enumerate(noise_terms(prepared.shape.noise)[: len(noise)]):
        if term := prior.term(name):
            noise[k] = term.location, term.scale
    if (term := prior.term(STRUCTURE)) and prepared.structure:
        structure[:] = term.location, term.scale
    changed = data._replace(location=location, scale=scale, spread=spread, noise=noise, structure=structure)
    return replace(prepared, data=changed)


def anchored(prepared: Prepared, anchor: Anchor | None) -> Prepared:
    """The same runs, centred where the prior was learnt."""
    if anchor is None:
        return prepared
    law, data = prepared.law, prepared.data
    inputs = tuple(
        x * (prepared.centres[i.name] / anchor.centres[i.name]) if i.name in anchor.centres else x
        for i, x in zip(law.inputs, data.inputs, strict=True)
    )
    data = data._replace(inputs=inputs)
    if law.predicts.centre == "data":
        shift, stretch = np.float64(anchor.shift), np.float64(anchor.stretch)
        data = data._replace(shift=shift, stretch=stretch, reference=shift)
    return replace(prepared, data=data, centres=dict(anchor.centres))


def noise_terms(noise: str) -> tuple[str, ...]:
    """Names of the terms of the noise."""
    names = TERMS if noise == "student" else ("overdispersion",)
    return tuple(NOISE + name for name in names)


def units_of(prepared: Prepared) -> dict[str, str]:
    """Units of the inputs and, last, of the response."""
    law, runs = prepared.law, prepared.runs
    columns = {i.name: (prepared.columns.get(i.name, i.name), i.unit) for i in law.inputs}
    response = prepared.response or law.predicts.name
    if response not in runs.table:
        response = next((c for c in ("loss", "value") if c in runs.table), response)
    columns[law.predicts.name] = (response, law.predicts.unit)
    return {name: runs.units.get(column, "") or unit for name, (column, unit) in columns.items()}


def tokenizer(runs: Runs) -> float | None:
    """Bytes per token of a table, if it says so.

    Raises
    ------
    PriorError
        If its rows differ: nats per token are not comparable then.
    """
    if "bytes_per_token" not in runs.table:
        return None
    size = runs.table["bytes_per_token"].dropna().to_numpy(dtype=float)
    if not size.size:
        return None
    if np.ptp(size) > SAME_TOKENIZER * size.mean():
        raise PriorError(
            f"bytes_per_token runs from {size.min():.3g} to {size.max():.3g}: losses per token of different "
            "tokenizers are not comparable; say common_tokenizer(runs), which keeps bits per byte"
        )
    return float(size.mean())


def structure_of(prepared: Prepared, *, anchored: bool = False) -> dict[str, float]:
    """What the scale of a discrepancy refers to, and where it is anchored if that is asked."""
    assert prepared.structure is not None
    path, kind = prepared.structure, prepared.structure.kind or ""
    # a scale of one kind of path says nothing of another kind
    name, number = {"fractional": ("hurst", path.hurst), "stationary": ("length", path.length)}.get(
        kind, (kind, 1.0)
    )
    found = {name: float(number), "level": float(path.level)}
    if anchored and prepared.marks is not None:
        names = [i.name for i in prepared.law.inputs if i.kind == "positive"]
        places = np.exp(prepared.marks.centre)
        found |= {f"{_CENTRE}{name}": float(at) for name, at in zip(names, places, strict=True)}
    return found


def placed(structure: Structure | None, prior: Prior) -> Structure | None:
    """A discrepancy anchored where that of the prior was, if the prior says where."""
    found = {
        name.removeprefix(_CENTRE): at
        for name, at in (prior.structure or {}).items()
        if name.startswith(_CENTRE)
    }
    return replace(structure, centre=found) if structure and found and not structure.centre else structure


def _same_model(prepared: Prepared, prior: Prior) -> None:
    """Refuse a prior that means something else."""
    law, structure = prepared.law, prepared.structure
    if prior.law not in (law.name, ANY):
        raise PriorError(f"the prior is of law {prior.law!r}, but the law to fit is {law.name!r}")
    names = [t.name for t in prior.parameters]
    if prior.law != ANY and sorted(names) != sorted(prepared.shape.names):
        raise PriorError(
            f"the prior has the parameters {', '.join(names)}, but law {law.name!r} has "
            f"{', '.join(prepared.shape.names)}: another variant or version of the law"
        )
    for parameter in law.parameters:
        term = prior.term(parameter.name)
        if term and term.support != parameter.support:
            raise PriorError(
                f"{term.name} is {term.support} in the prior but {parameter.support} in law {law.name!r}"
            )
    allowed = (*prepared.shape.names, *noise_terms(prepared.shape.noise), STRUCTURE)
    for term in prior.terms:
        if term.name not in allowed:
            raise PriorError(
                f"the prior has a term {term.name!r} that the law has not; {nearest(term.name, allowed)}"
            )
    free = {i.name for i in law.inputs if i.centre == "data"}
    free |= {law.predicts.name} if law.predicts.centre == "data" else set()
    found = units_of(prepared)
    if prior.law != ANY and prior.units.keys() != found.keys():
        raise PriorError(f"the prior gives units of {', '.join(prior.units)}; expected {', '.join(found)}")
    for name, unit in prior.units.items():
        if found.get(name) != unit and not (prior.anchor is None and name in free):
            raise PriorError(
                f"{name} is in {unit} in the prior but in {found.get(name, 'no unit')} in "
                f"{prepared.runs.source}; read the runs with units={{...}}"
            )
    if prior.anchor and not free:
        raise PriorError(f"the prior has an anchor, but law {law.name!r} is not centred on the data")
    if prior.anchor and set(prior.anchor.centres) != set(prepared.centres):
        raise PriorError(f"the anchor has centres of {', '.join(prior.anchor.centres)}")
    if prior.term(STRUCTURE) and structure:
        own = structure_of(prepared)
        learnt = {k: v for k, v in (prior.structure or {}).items() if not k.startswith(_CENTRE)}
        differs = [f"{k}={v:g}" for k, v in learnt.items() if own.get(k) != v]
        if differs:
            raise PriorError(
                f"the prior was learnt with a discrepancy of {', '.join(differs)}, but the one to fit has "
                + ", ".join(f"{k}={v:g}" for k, v in own.items())
                + "; learn the prior anew with that one, or ask for a Structure like the prior's"
            )
    size = tokenizer(prepared.runs) if "token" in " ".join(prior.units.values()) else None
    if size and prior.bytes_per_token and abs(size / prior.bytes_per_token - 1) > SAME_TOKENIZER:
        raise PriorError(
            f"the prior is of a tokenizer with {prior.bytes_per_token:.3g} bytes per token, these runs have "
            f"{size:.3g}: losses per token are not comparable; say "
            f"common_tokenizer(runs, {prior.bytes_per_token:.4g}), which keeps bits per byte"
        )
