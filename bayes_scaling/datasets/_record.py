"""What is known about an embedded table besides its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
class DataSet:
    """An embedded table of runs: where it comes from and what its columns mean.

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
    """

    name: str
    title: str
    citation: str
    columns: Mapping[str, Column]
    tasks: Mapping[str, Task] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def units(self) -> dict[str, str]:
        """Unit of every numeric column."""
        return {name: column.unit for name, column in self.columns.items() if column.unit}
