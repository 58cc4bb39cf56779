"""What is known about a table of runs besides its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


class DataSetError(ValueError):
    """There is no such data set, or it cannot be had."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a data set.

    Parameters
    ----------
    unit : str
        Unit of the numbers; empty for a label.
    meaning : str
        One short phrase.
    """

    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Task:
    """A task scored as a fraction of items solved.

    Parameters
    ----------
    items : int
        Number of test items, hence of binomial trials.
    options : int or None
        Number of answers to choose from; None for an open answer.
    """

    items: int
    options: int | None

    @property
    def chance(self) -> float:
        """Accuracy of a guess."""
        return 0.0 if self.options is None else 1 / self.options


@dataclass(frozen=True, slots=True)
class Home:
    """The files of a repository that a data set is made from.

    Parameters
    ----------
    repository : str
        Its address, such as ``"https://github.com/owner/name"``.
    commit : str
        The commit at which the files are read.
    files : mapping of str to str
        Path in the repository -> SHA-256 of the content.
    """

    repository: str
    commit: str
    files: Mapping[str, str]

    def url(self, path: str) -> str:
        """Address of one of the files."""
        return f"{self.repository}/raw/{self.commit}/{path}"


@dataclass(frozen=True, slots=True)
class DataSet:
    """A table of runs: where it comes from and what its columns mean.

    Parameters
    ----------
    name : str
        What `load` takes.
    title : str
        One line.
    citation : str
        Source of the numbers.
    columns : mapping of str to Column
        In the order of the table.
    tasks : mapping of str to Task
        Those columns that are task accuracies.
    notes : tuple of str
        What to know before trusting a number.
    licence : str
        Terms of the numbers, as their home states them.
    home : Home or None
        Where the data set is fetched from; None for one that is part of this package.
    """

    name: str
    title: str
    citation: str
    columns: Mapping[str, Column]
    tasks: Mapping[str, Task] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    licence: str = ""
    home: Home | None = None

    @property
    def embedded(self) -> bool:
        """Whether the numbers are part of this package, so that `load` needs no network."""
        return self.home is None

    @property
    def file_name(self) -> str:
        """Name of the tidied table as a file."""
        return f"{self.name.replace('-', '_')}.csv"

    @property
    def units(self) -> dict[str, str]:
        """Unit of every numeric column."""
        return {name: column.unit for name, column in self.columns.items() if column.unit}
