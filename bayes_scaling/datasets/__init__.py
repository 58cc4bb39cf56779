"""The embedded tables of training runs, with their sources."""

from __future__ import annotations

from importlib import resources

import pandas as pd

from bayes_scaling.datasets._record import Column, DataSet, Task
from bayes_scaling.datasets.pile_families import DATA_SET as _PILE_FAMILIES
from bayes_scaling.law import nearest

__all__ = ["Column", "DataSet", "DataSetError", "Task", "describe", "load", "names"]

_DATA_SETS = {data_set.name: data_set for data_set in (_PILE_FAMILIES,)}


class DataSetError(ValueError):
    """An embedded data set is asked for by a name that there is not."""


def names() -> tuple[str, ...]:
    """Names of the embedded data sets."""
    return tuple(_DATA_SETS)


def describe(name: str) -> DataSet:
    """Where an embedded data set comes from and what its columns mean.

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
        raise DataSetError(f"there is no embedded data set {name!r}; {nearest(name, _DATA_SETS)}")
    return _DATA_SETS[name]


def load(name: str) -> pd.DataFrame:
    """The table of an embedded data set.

    Parameters
    ----------
    name : str
        One of `names()`.

    Returns
    -------
    pandas.DataFrame
        One row per run, in the units that `describe` gives: labels as text, all else as floats, missing
        values as NaN. A new frame at each call.

    Raises
    ------
    DataSetError
        If there is no such data set. The message names the nearest one.
    """
    data_set = describe(name)
    source = resources.files(__name__).joinpath(f"{name.replace('-', '_')}.csv")
    with source.open(encoding="utf-8") as lines:
        return pd.read_csv(lines).astype(dict.fromkeys(data_set.units, float))
