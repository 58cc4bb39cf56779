"""Tables of training runs with their sources: one in the package, the others fetched from their homes."""

from __future__ import annotations

from importlib import resources

import pandas as pd

from bayes_scaling.datasets import (
    _fetch,
    chinchilla_epoch,
    dclm_models,
    obsscaling_base_llm,
    pile_families,
    routing_moe,
    vocab_scaling,
)
from bayes_scaling.datasets._record import Column, DataSet, DataSetError, Home, Task
from bayes_scaling.law import nearest

__all__ = ["Column", "DataSet", "DataSetError", "Home", "Task", "describe", "load", "names"]

_STUDIES = {
    study.DATA_SET.name: study
    for study in (chinchilla_epoch, routing_moe, obsscaling_base_llm, dclm_models, vocab_scaling)
}
_DATA_SETS = {
    data_set.name: data_set
    for data_set in (pile_families.DATA_SET, *(study.DATA_SET for study in _STUDIES.values()))
}


def names(*, embedded: bool | None = None) -> tuple[str, ...]:
    """Names of the data sets.

    Parameters
    ----------
    embedded : bool, optional
        Only those that are part of this package, or only those that are fetched from their homes.
    """
    return tuple(name for name, one in _DATA_SETS.items() if embedded in (None, one.embedded))


def describe(name: str) -> DataSet:
    """Where a data set comes from and what its columns mean; needs no network.

    Parameters
    ----------
    name : str
        One of `names()`.

    Raises
    ------
    DataSetError
        If there is no such data set. The message names the nearest one.
    """
    if name not in _DATA_SETS:
        raise DataSetError(f"there is no data set {name!r}; {nearest(name, _DATA_SETS)}")
    return _DATA_SETS[name]


def load(name: str) -> pd.DataFrame:
    """The table of a data set.

    One that is not part of this package is fetched from its home at first use, checked against its SHA-256
    and kept in the user's cache folder, or the one that the environment variable ``BAYES_SCALING_CACHE``
    names (``off`` keeps nothing). Where ``BAYES_SCALING_DATA`` names a folder, its tidied table is read from
    there instead: ``chinchilla-epoch`` from ``chinchilla_epoch.csv``.

    Parameters
    ----------
    name : str
        One of `names()`.

    Returns
    -------
    pandas.DataFrame
        One row per run or checkpoint, in the units that `describe` gives: labels as text, all else as floats,
        missing values as NaN. A new frame at each call.

    Raises
    ------
    DataSetError
        If there is no such data set, or it cannot be fetched, or what came is not the file of record. The
        message says what to do.
    """
    data_set = describe(name)
    if not data_set.embedded:
        return _fetch.table(data_set, _STUDIES[name].tidy)
    with resources.as_file(resources.files(__name__).joinpath(data_set.file_name)) as path:
        return _fetch.read(path, data_set)
