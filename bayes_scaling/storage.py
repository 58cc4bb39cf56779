"""A posterior in one NetCDF file: ArviZ's groups, the runs, and all that a forecast needs.

The groups of `Posterior.tree` are kept as they are, so that every ArviZ user can open the file. Beside
them lie ``runs`` (the table), ``schedules`` and ``discrepancy`` (its landmarks: a basis of eigenvectors that
is computed anew on another machine may differ in sign or order). The root's attributes hold the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, replace
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_scaling._fingerprint import hash_of, rows_of, said, unlike
from bayes_scaling._netcdf import StorageError, first_line, read, write
from bayes_scaling.borrowed.file import as_json, from_json
from bayes_scaling.borrowed.model import with_prior
from bayes_scaling.borrowed.record import PriorError
from bayes_scaling.diagnostics import Diagnostics
from bayes_scaling.engine import Settings
from bayes_scaling.law import Law, LawError, Response, with_priors
from bayes_scaling.laws import law as law_by_name
from bayes_scaling.layout import Prepared, prepare
from bayes_scaling.posterior import Posterior
from bayes_scaling.runs import Runs, RunsError, assemble
from bayes_scaling.structure import Landmarks, Structure
from bayes_scaling.units import missing

__all__ = ["StorageError", "load", "save"]

FORMAT = "bayes_scaling posterior"
#: One more whenever an older version of the package would misread the file.
FORMAT_VERSION = 2

OWN_GROUPS = ("runs", "schedules", "discrepancy")


def save(posterior: Posterior, path: str | os.PathLike[str]) -> Path:
    """Write a posterior to one NetCDF file.

    A file of that name is replaced as a whole or not at all; memory for a second copy of the draws is needed.

    Parameters
    ----------
    posterior : Posterior
    path : path
        Usually ending in ``.nc``.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    StorageError
        If it cannot be written: missing folder, no permission, full disk. The posterior stays in memory, an
        old file stays as it was, and nothing else is left behind.
    """
    path = Path(path).expanduser()
    tree, prepared, runs = posterior.tree.copy(), posterior.prepared, posterior.runs
    tree["runs"] = xr.DataTree(_table(runs))
    if runs.schedules:
        tree["schedules"] = xr.DataTree(_schedules(runs.schedules))
    if prepared.marks is not None:
        tree["discrepancy"] = xr.DataTree(_discrepancy(prepared.marks))
    tree.attrs.update(_attributes(posterior))
    write(tree, path)
    return path


def load(path: str | os.PathLike[str], *, law: Law | None = None) -> Posterior:
    """Read a posterior that `save` wrote; it forecasts as the saved one did, draw for draw.

    Parameters
    ----------
    path : path
    law : Law, optional
        The law that was fitted, where it is not one of the zoo. Its priors are taken from the file.

    Returns
    -------
    Posterior

    Raises
    ------
    StorageError
        If there is no such file, it is truncated, damaged, edited (its runs or its draws) or something else,
        was saved by a newer version of the package, or its law is unknown here or has changed, its formula
        included.
    """
    path = Path(path).expanduser()
    tree = read(path)
    with _about(path):
        saved = _attributes_of(tree)
        law = _law(saved, law)
        runs = _runs(tree)
        prepared = _prepared(tree, law, runs)
        _unchanged(saved, prepared, tree.children["posterior"].to_dataset())
        return Posterior(
            law=law,
            runs=runs,
            prepared=prepared,
            tree=tree.drop_nodes([name for name in OWN_GROUPS if name in tree]),
            diagnostics=_record(Diagnostics, saved["diagnostics"]),
            identifiability=tuple(json.loads(saved["identifiability"])),
            settings=_record(Settings, saved["settings"]),
        )


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """Whatever is amiss inside a file becomes one line about that file."""
    try:
        yield
    except StorageError as error:
        raise StorageError(f"{str(path)!r} {error}") from None
    except (RunsError, LawError, PriorError) as error:
        raise StorageError(f"{str(path)!r} cannot be rebuilt by this version: {first_line(error)}") from error
    except KeyError as error:
        raise StorageError(f"{str(path)!r} is damaged: it lacks {first_line(error)}") from error
    except Exception as error:  # what is written there fits nothing: there is no end of ways
        raise StorageError(f"{str(path)!r} is damaged: {first_line(error)}") from error


# --- the attributes of the root ----------------------------------------------------------------------------


def _pad(prepared: Prepared) -> list[int] | None:
    """Sizes to lay the table out with again; None where it was laid out for itself, seeds at one point."""
    data = prepared.data
    alone = len(data.points) < len(data.point)
    return None if alone else [len(data.valid), prepared.shape.families]


def _attributes(posterior: Posterior) -> dict[str, Any]:
    law, prepared = posterior.law, posterior.prepared
    draws = posterior.tree["posterior"].to_dataset()
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "package_version": metadata.version("bayes_scaling"),
        "law": law.name,
        "law_variant": _variant(law),
        "law_record": _json(_meaning(law)),
        "law_response": _json(asdict(law.predicts)),
        "law_values": _json(said(prepared, draws).tolist()),
        "draws_hash": hash_of(draws),
        "priors": _json({p.name: p.interval for p in law.parameters}),
        "data_hash": posterior.runs.hash,
        "columns": _json(dict(prepared.columns)),
        "response": _json(prepared.response),
        "borrowed": as_json(posterior.conflict.used) if posterior.conflict else "",
        "structure": _json(prepared.structure and asdict(prepared.structure)),
        "correlate": _json(prepared.shape.correlate),
        "pad": _json(_pad(prepared)),
        "settings": _json(asdict(posterior.settings)),
        "diagnostics": _json(asdict(posterior.diagnostics)),
        "identifiability": _json(posterior.identifiability),
    }


def _unchanged(saved: Mapping[str, Any], prepared: Prepared, draws: xr.Dataset) -> None:
    """Refuse draws that were edited, and a law whose formula has changed; older files tell neither."""
    if "draws_hash" in saved and (found := hash_of(draws)) != saved["draws_hash"]:
        raise StorageError(
            f"has been edited: its draws (hash {found[:12]}...) are not those that were saved "
            f"({saved['draws_hash'][:12]}...); fit again"
        )
    if "law_values" not in saved:
        return
    then, now = json.loads(saved["law_values"]), said(prepared, draws)
    if (worst := unlike(then, now)) is not None:
        draw, k = worst
        row = prepared.measured.row[rows_of(prepared)[k]]
        raise StorageError(
            f"was fitted with another {prepared.law.name!r} than this version has: its formula gave "
            f"{then[draw][k]:.6g} for row {prepared.runs.table['row'].iloc[row]} and gives "
            f"{now[draw, k]:.6g} now, on the link scale; fit again, or give the law of that time, "
            "load(path, law=...)"
        )


def _attributes_of(tree: xr.DataTree) -> Mapping[str, Any]:
    """The attributes; files of something else and those of a newer version are refused."""
    saved = {str(name): value for name, value in tree.attrs.items()}
    if saved.get("format") != FORMAT:
        found = ", ".join(map(repr, list(tree.children)[:8])) or "none"
        raise StorageError(
            "is a NetCDF or HDF5 file, but not a posterior that bayes_scaling.save wrote; "
            f"expected the attribute format = {FORMAT!r}; groups found: {found}"
        )
    here, there, form = (
        metadata.version("bayes_scaling"),
        saved["package_version"],
        int(saved["format_version"]),
    )
    if form > FORMAT_VERSION or _release(there) > _release(here):
        raise StorageError(
            f"was saved by a newer bayes_scaling ({there}, format {form}) than this one "
            f"({here}, format {FORMAT_VERSION}): upgrade to {there} or later"
        )
    if form < 2 and json.loads(saved["structure"]):
        raise StorageError(
            "was saved when a structural discrepancy meant something else (format 1): fit its runs again"
        )
    return saved


def _release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (0, 10, 2) of ``0.10.2rc1``."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _json(value: Any) -> str:
    return json.dumps(value, default=lambda x: x.item())  # a number of NumPy


def _record(kind: type[Any], text: str) -> Any:
    """A frozen record from its JSON; None from null."""
    values = json.loads(text)
    if values is None:
        return None
    known = {field.name for field in fields(kind)}
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known})


# --- the law -----------------------------------------------------------------------------------------------


def _variant(law: Law) -> int:
    """Which variant of the zoo's law of that name this is; 0 for a law of the user's own."""
    for variant in count(1):
        try:
            known = law_by_name(law.name, variant)
        except LawError:
            break
        if known.predictor is law.predictor and _meaning(known) == _meaning(law):
            return variant
    return 0


def _meaning(law: Law) -> dict[str, Any]:
    """What must stay for draws to mean the same; prior intervals and noise priors come from the file."""
    y = law.predicts
    return {
        "parameters": [[p.name, p.support, p.pool] for p in law.parameters],
        "inputs": [[i.name, i.unit, i.kind, i.centre] for i in law.inputs],
        "response": [y.name, y.unit, y.link, y.noise, y.trials, y.centre],
        "floor": law.floor,
    }


def _law(saved: Mapping[str, Any], own: Law | None) -> Law:
    """The law that was fitted, with the priors of that fit."""
    name, variant = saved["law"], int(saved["law_variant"])
    if own is None and not variant:
        raise StorageError(
            f"was fitted with a law {name!r} that is not in the zoo: give it, load(path, law=...)"
        )
    if own is not None and own.name != name:
        raise StorageError(f"was fitted with the law {name!r}, not with {own.name!r}")
    try:
        law = own or law_by_name(name, variant)
    except LawError as error:
        raise StorageError(
            f"was fitted with a law that this version does not know: {error}; give it, load(path, law=...)"
        ) from None
    then, now = json.loads(saved["law_record"]), json.loads(_json(_meaning(law)))
    for part, value in then.items():
        if value != now[part]:
            raise StorageError(
                f"was fitted with another {name!r} than this version has: its {part} were {value} and are "
                f"{now[part]} now; fit again, or give the law of that time, load(path, law=...)"
            )
    intervals = {p: (low, high) for p, (low, high) in json.loads(saved["priors"]).items()}
    return with_priors(replace(law, predicts=_record(Response, saved["law_response"])), intervals)


# --- the runs ----------------------------------------------------------------------------------------------


def _table(runs: Runs) -> xr.Dataset:
    """The table of runs: numbers exactly, text as text with a mask of what is missing."""
    columns, out = [], {}
    for k, (name, column) in enumerate(runs.table.items()):
        # a plain name is kept; others (and those that this function makes) are told by the attribute
        plain = re.fullmatch(r"(?!(?:column|missing)_\d+$|row$)[A-Za-z]\w*", str(name), re.ASCII)
        variable, kind = str(name) if plain else f"column_{k}", str(column.dtype)
        if kind in ("float64", "int64", "bool"):
            values = column.to_numpy()
        else:
            kind = "str" if kind == "str" else "object"
            cells = column.to_numpy(dtype=object)
            gone = np.array([missing(cell) and not isinstance(cell, str) for cell in cells])
            values = np.array(["" if lost else str(c) for c, lost in zip(cells, gone, strict=True)], object)
            if gone.any():
                out[f"missing_{k}"] = ("row", gone)
        about = {"long_name": str(name)} | ({"units": runs.units[str(name)]} if name in runs.units else {})
        out[variable] = ("row", values, about)
        columns.append([name, variable, kind])
    about = {"columns": columns, "units": dict(runs.units), "warnings": runs.warnings, "source": runs.source}
    return xr.Dataset(
        out, {"row": np.arange(len(runs))}, {name: _json(value) for name, value in about.items()}
    )


def _schedules(schedules: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Learning rates of all schedules, one after the other."""
    return xr.Dataset(
        {
            "name": ("schedule", np.array(list(schedules), dtype=object)),
            "steps": ("schedule", np.array([len(rates) for rates in schedules.values()])),
            "rate": ("step", np.concatenate([np.asarray(rates, float) for rates in schedules.values()])),
        }
    )


def _runs(tree: xr.DataTree) -> Runs:
    """The table, units and schedules; refused if they are not those that were fitted."""
    group = tree.children["runs"].to_dataset()
    about = {name: json.loads(group.attrs[name]) for name in ("columns", "units", "warnings", "source")}
    columns: dict[str, pd.Series] = {}
    for k, (name, variable, kind) in enumerate(about["columns"]):
        values = group[variable].values
        if kind in ("str", "object"):
            gone = group[f"missing_{k}"].values if f"missing_{k}" in group else np.zeros(len(values), bool)
            values = [None if lost else str(cell) for cell, lost in zip(values, gone, strict=True)]
        columns[name] = pd.Series(values, dtype=kind)
    schedules = {}
    if "schedules" in tree.children:
        rates = tree.children["schedules"].to_dataset()
        parts = np.split(rates["rate"].values, np.cumsum(rates["steps"].values)[:-1])
        for name, part in zip(rates["name"].values, parts, strict=True):
            part.setflags(write=False)
            schedules[str(name)] = part
    table = pd.DataFrame(columns)
    runs = assemble(table, about["units"], schedules, tuple(about["warnings"]), about["source"])
    if runs.hash != tree.attrs["data_hash"]:
        raise StorageError(
            f"has been edited: its runs (hash {runs.hash[:12]}...) are not those that were fitted "
            f"({tree.attrs['data_hash'][:12]}...); fit the new runs instead"
        )
    return runs


# --- the arrays that were sampled --------------------------------------------------------------------------


def _discrepancy(marks: Landmarks) -> xr.Dataset:
    return xr.Dataset(
        {
            "coordinates": (("row", "axis"), marks.coordinates),
            "centre": ("axis", marks.centre),
            "points": (("landmark", "axis"), marks.points),
            "basis": (("landmark", "basis_function"), marks.basis),
        }
    )


def _prepared(tree: xr.DataTree, law: Law, runs: Runs) -> Prepared:
    """The padded arrays as they were, with the discrepancy's saved landmarks."""
    saved = {name: json.loads(tree.attrs[name]) for name in ("columns", "response", "correlate", "pad")}
    structure: Structure | None = _record(Structure, tree.attrs["structure"])
    prepared = prepare(
        law,
        runs,
        inputs=saved["columns"] or None,
        response=saved["response"],
        structure=structure,
        correlate=saved["correlate"],
        pad=tuple(saved["pad"]) if saved["pad"] else None,
    )
    drawn, fitted = (
        tuple(map(str, tree.children["posterior"].coords["family"].values)),
        prepared.measured.families,
    )
    if drawn != fitted:
        raise StorageError(f"is damaged: its draws are of the families {drawn}, its runs of {fitted}")
    if tree.attrs.get("borrowed"):
        prepared = with_prior(prepared, from_json(tree.attrs["borrowed"]))
    if prepared.marks is None:
        return prepared
    group = tree.children["discrepancy"].to_dataset()
    arrays = {name: group[name].values for name in ("coordinates", "centre", "points", "basis")}
    return replace(prepared, marks=replace(prepared.marks, **arrays))
