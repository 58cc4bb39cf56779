"""The data sets: the numbers of the embedded one, and what is said about all of them."""

from __future__ import annotations

import csv
import math

import pandas as pd
import pytest

from bayes_scaling import datasets


@pytest.fixture(scope="module")
def pile() -> pd.DataFrame:
    return datasets.load("pile-families")


def test_every_cell_is_that_of_the_study(study, pile):
    with study("pile_families").open(newline="", encoding="utf-8") as table:
        header, *rows = csv.reader(table)
    assert list(pile.columns) == header
    assert len(pile) == len(rows)
    for i, row in enumerate(rows):
        for column, cell in zip(header, row, strict=True):
            found = pile.loc[i, column]
            if column in ("family", "size"):
                assert found == cell
            elif cell:
                assert found == float(cell), (i, column)
            else:
                assert math.isnan(found), (i, column)


def test_counts(pile):
    assert pile.shape == (36, 13)
    assert pile.groupby("family", sort=False).size().to_dict() == {
        "cerebras-gpt": 7,
        "cerebras-gpt-mup": 5,
        "pythia": 8,
        "pythia-deduped": 8,
        "gpt-neox": 1,
        "gpt-j": 1,
        "opt": 6,
    }
    assert not pile.duplicated(["family", "size"]).any()
    assert set(pile.family[pile.loss.isna()]) == {"opt"}
    assert pile.loss.notna().sum() == 30
    assert pile.drop(columns="loss").notna().all(axis=None)
    assert (pile.params.min(), pile.params.max()) == (7.04e7, 2.055e10)
    assert (pile.loss.min(), pile.loss.max()) == (1.519, 2.608)


def test_numbers_are_floats_and_labels_are_text(pile):
    units = datasets.describe("pile-families").units
    assert set(pile.columns) - set(units) == {"family", "size"}
    assert all(pile[column].dtype.kind == "f" for column in units)
    assert all(isinstance(label, str) for label in pile.family)


def test_the_outlier_is_still_there(pile):
    deduped = pile[pile.family == "pythia-deduped"].set_index("size").loss
    assert deduped["1.4B"] == 1.889 > deduped["1B"]


def test_a_caller_cannot_change_the_table_for_the_next(pile):
    mine = datasets.load("pile-families")
    mine.loc[0, "loss"] = 0.0
    assert datasets.load("pile-families").equals(pile)


def test_names_tell_the_embedded_from_the_fetched():
    assert datasets.names(embedded=True) == ("pile-families",)
    assert datasets.names(embedded=False) == (
        "chinchilla-epoch",
        "routing-moe",
        "obsscaling-base-llm",
        "dclm-models",
        "vocab-scaling",
    )
    assert datasets.names() == datasets.names(embedded=True) + datasets.names(embedded=False)
    assert [datasets.describe(name).embedded for name in datasets.names()] == [True] + [False] * 5


@pytest.mark.parametrize("name", datasets.names())
def test_the_description_fits_the_table(name, study):
    record = datasets.describe(name)
    if not record.embedded:
        study(record.file_name)  # where that table is at hand, load reads it
    table = datasets.load(name)
    assert record.name == name
    assert list(record.columns) == list(table.columns)
    assert set(record.tasks) <= set(record.units)
    assert record.title
    assert "arXiv:" in record.citation
    assert record.licence
    assert not record.tasks or table[list(record.tasks)].stack().between(0, 1).all()
    assert all(table[column].dtype == ("float" if column in record.units else "str") for column in table)


def test_tasks_know_their_items_and_their_chance():
    record = datasets.describe("pile-families")
    assert {name: (task.items, task.chance) for name, task in record.tasks.items()} == {
        "hellaswag": (10042, 0.25),
        "piqa": (1838, 0.5),
        "winogrande": (1267, 0.5),
        "lambada": (5153, 0.0),
        "arc_easy": (2376, 0.25),
        "arc_challenge": (1172, 0.25),
        "openbookqa": (500, 0.25),
    }
    assert record.units["loss"] == "nat/token"
    assert any("[recalled]" in note and "Tokens" in note for note in record.notes)


@pytest.mark.parametrize("call", [datasets.load, datasets.describe])
def test_an_unknown_name_gets_the_nearest(call):
    with pytest.raises(datasets.DataSetError, match="'pile_families'; did you mean 'pile-families'"):
        call("pile_families")
