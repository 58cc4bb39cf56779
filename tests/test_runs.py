"""Tables of runs: what is read, what is refused and in which words, and what a law gets of it."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_scaling.law import Input, Law, Parameter, Reference, loss, real, successes
from bayes_scaling.laws import law
from bayes_scaling.measurements import compress, measurements
from bayes_scaling.runs import Runs, RunsError, number, read_runs, subset

CHINCHILLA = law("chinchilla")
OFFSET = law("power_law_offset")

positives = st.floats(1e6, 1e14, allow_nan=False)
losses = st.floats(0.5, 15.0, allow_nan=False)


def toy(predictor, predicts, *inputs: Input) -> Law:
    """A law of one constant, for the plumbing only."""
    parameters = (Parameter("c", (0.1, 1.0)),)
    return Law("toy", "", "", predictor, predicts, inputs, parameters, Reference("", "", 2020))


SCHEDULED = toy(
    lambda step, schedule, *, c: c,
    loss(),
    Input("step", "step", "", (1, 1e6)),
    Input("schedule", "1/step", "", (1e-6, 1e-2), kind="schedule"),
)
COVERAGE = toy(lambda k, *, c: c, successes(), Input("k", "sample", "", (1, 1e4)))


def table(**columns) -> pd.DataFrame:
    """Four sound runs, with columns added, replaced or (as None) removed."""
    base = {
        "params": [1e8, 4e8, 1e9, 3e9],
        "tokens": [2e9, 8e9, 2e10, 6e10],
        "loss": [3.9, 3.3, 2.9, 2.6],
    }
    return pd.DataFrame({name: column for name, column in (base | columns).items() if column is not None})


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# --- numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("70B", 7e10), ("1.4T", 1.4e12), ("3e23", 3e23), ("125M", 1.25e8), ("1_000", 1000.0), ("20k", 2e4),
        (" 7 b ", 7e9), ("-3.5", -3.5), (".5M", 5e5), ("2.3M", 2.3e6), ("1E+3", 1e3), ("+4", 4.0),
    ],
)  # fmt: skip
def test_number(text, value):
    assert number(text) == value


@pytest.mark.parametrize(
    "text", ["", "abc", "1,000", "nan", "inf", "-inf", "70BB", "1e999", "7e", "12 34", "0x10", "1.2.3", "B"]
)
def test_number_refuses(text):
    with pytest.raises(RunsError, match=r"is not a number; expected a form such as 70B, 1\.4T"):
        number(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_every_float_exactly(value):
    assert number(repr(value)) == value


@given(st.integers(1, 10**6), st.sampled_from([("k", 3), ("M", 6), ("B", 9), ("T", 12)]))
def test_number_suffix_is_exact(mantissa, suffix):
    letter, power = suffix
    assert number(f"{mantissa / 1000}{letter}") == float(f"{mantissa}e{power - 3}")


# --- reading -----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(positives, positives, losses), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_csv_round_trip(tmp_path_factory, rows):
    frame = pd.DataFrame(rows, columns=["params", "tokens", "loss"])
    path = tmp_path_factory.mktemp("runs") / "t.csv"
    frame.to_csv(path, index=False)
    direct, read = read_runs(frame), read_runs(path)
    for name in frame:
        np.testing.assert_array_equal(read.table[name], frame[name])
    assert read.hash == direct.hash
    assert read.source == str(path)
    assert direct.source == "DataFrame"


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "ndjson", "json", "parquet"])
def test_formats_agree(tmp_path, ending):
    frame = table(family=["a", "a", "b", "b"], loss=[3.9, None, 2.9, 2.6])
    path = tmp_path / f"t.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    elif ending in ("csv", "tsv"):
        frame.to_csv(path, sep="\t" if ending == "tsv" else ",")  # with the index, which is not a column
    else:
        frame.to_json(path, orient="records", lines=ending != "json")
    runs = read_runs(path)
    assert runs.hash == read_runs(frame).hash
    assert list(runs.table) == ["params", "tokens", "loss", "family", "compute", "row"]
    assert runs.families == ("a", "b")
    assert math.isnan(runs.table["loss"][1])


def test_record():
    frame = table(
        loss=["3.9", "3.3", "", "2.6"], params=["100M", "400M", "1B", "3B"], note=["7m", "x", "", "y"]
    )
    before = frame.copy()
    runs = read_runs(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert isinstance(runs, Runs)
    assert len(runs) == 4
    assert runs.table["params"].tolist() == [1e8, 4e8, 1e9, 3e9]
    assert runs.table["row"].tolist() == [1, 2, 3, 4]
    assert runs.table["note"].tolist() == ["7m", "x", "", "y"]
    assert runs.families == ("all",)
    assert runs.units["loss"] == "nat/token"
    assert runs.units["params"] == "parameter"
    assert "4 rows, 4 runs, family all, compute 1.2e+18 to 1.08e+21 FLOP" in repr(runs)
    assert runs.warnings == ()


def test_names_of_sizes_stay_text_in_unknown_columns():
    assert read_runs(table(size=["7M", "12M", "1B", "3B"])).table["size"].tolist() == [
        "7M",
        "12M",
        "1B",
        "3B",
    ]
    # ... but a law that is told to use them reads the numbers.
    m = measurements(read_runs(table(size=["7M", "12M", "1B", "3B"])), OFFSET, inputs={"x": "size"})
    assert m.inputs["x"].tolist() == [7e6, 1.2e7, 1e9, 3e9]


def test_columns_and_groups_are_mapped():
    frame = pd.DataFrame(
        {
            "n": ["1B", "2B"],
            "d": [2e10, 4e10],
            "final": [3.0, 2.5],
            "loss": [9.0, 9.0],
            "arch": [1, 2.0],
            "se": [0.01, None],
        }
    )
    runs = read_runs(
        frame, columns={"params": "n", "tokens": "d", "loss": "final"}, family="arch", error="se"
    )
    assert runs.families == ("1", "2")
    assert runs.table["loss"].tolist() == [3.0, 2.5]
    assert "column 'loss' of the table is replaced by 'final'" in runs.warnings
    assert measurements(runs, CHINCHILLA).error.tolist() == [0.01, 0.0]


def test_columns_can_be_swapped():
    frame = table(params_nonembed=[1e7, 2e7, 3e7, 4e7])
    runs = read_runs(frame, columns={"params": "params_nonembed", "params_nonembed": "params"})
    assert runs.table["params"].tolist() == [1e7, 2e7, 3e7, 4e7]
    assert runs.table["params_nonembed"].tolist() == frame["params"].tolist()


def test_aliases_are_found_and_reported():
    runs = read_runs(table().rename(columns={"params": "N", "tokens": "n_tokens", "loss": "Val Loss"}))
    assert {"params", "tokens", "loss", "compute"} <= set(runs.table)
    assert len(runs.warnings) == 3
    assert "column 'N' is read as 'params'" in runs.warnings[0]


def test_aliases_do_not_replace_or_guess():
    runs = read_runs(table(N=[1.0, 2.0, 3.0, 4.0]))
    assert runs.table["N"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert runs.table["params"].tolist() == [1e8, 4e8, 1e9, 3e9]
    two = read_runs(table(loss=None, val_loss=[3.0] * 4, test_loss=[3.0] * 4))
    assert "loss" not in two.table
    assert any("any of ['val_loss', 'test_loss'] could be meant" in w for w in two.warnings)


def test_derived_by_6nd():
    frame = table()
    compute = 6 * frame["params"] * frame["tokens"]
    runs = read_runs(frame)
    np.testing.assert_allclose(runs.table["compute"], compute, rtol=1e-15)
    assert runs.units["compute"] == "FLOP"
    for name in ("params", "tokens"):
        found = read_runs(table(**{name: None}, compute=compute)).table[name]
        np.testing.assert_allclose(found, frame[name], rtol=1e-14)


def test_given_columns_are_never_overwritten():
    runs = read_runs(table(compute=[1e19, None, 3e20, 4e21]))
    np.testing.assert_array_equal(runs.table["compute"], [1e19, np.nan, 3e20, 4e21])


def test_compute_rule():
    runs = read_runs(table(), compute_rule=lambda n, d: 8 * n * d)
    assert runs.table["compute"][0] == 8 * 1e8 * 2e9
    backwards = read_runs(table(tokens=None, compute=[1e19] * 4), compute_rule=lambda n, d: 8 * n * d)
    assert "tokens" not in backwards.table
    assert any("compute_rule is not used" in w for w in backwards.warnings)
    with pytest.raises(RunsError, match="compute_rule must return one positive number per row"):
        read_runs(table(), compute_rule=lambda n, d: -n * d)


def test_missing_values_are_allowed_and_dropped_where_needed():
    runs = read_runs(table(loss=[3.9, None, 2.9, 2.6], params=[1e8, 4e8, np.nan, 3e9]))
    m = measurements(runs, CHINCHILLA)
    assert m.row.tolist() == [0, 3]
    assert m.response.tolist() == [3.9, 2.6]
    with pytest.raises(RunsError, match=r"no row is complete: of 4 rows, values are missing for loss in 4"):
        measurements(read_runs(table(loss=[None] * 4)), CHINCHILLA)


# --- units -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "unit", "given", "expected"),
    [
        ("loss", "bit/token", 4.0, 4.0 * math.log(2)),
        ("loss", "digit/token", 1.2, 1.2 * math.log(10)),
        ("loss", "nat/token", 3.0, 3.0),
        ("tokens", "billion token", 20.0, 2e10),
        ("tokens", "trillion tokens", 1.5, 1.5e12),
        ("params", "million parameter", 125.0, 1.25e8),
        ("compute", "PF-day", 2.0, 2 * 8.64e19),
        ("accuracy", "percent", 43.0, 0.43),
        ("seen", "thousand token", 2.0, 2000.0),
    ],
)
def test_units(column, unit, given, expected):
    runs = read_runs(table(**{column: [given] * 4}), units={column: unit})
    np.testing.assert_allclose(runs.table[column], expected, rtol=1e-15)
    assert runs.units[column] in ("nat/token", "token", "parameter", "FLOP", "1")


def test_losses_per_byte_need_bytes_per_token():
    with pytest.raises(RunsError, match="give a column bytes_per_token"):
        read_runs(table(loss=[1.0] * 4), units={"loss": "bit/byte"})
    runs = read_runs(table(loss=[1.0] * 4, bytes_per_token=[4.0, 4.0, 5.0, 5.0]), units={"loss": "bit/byte"})
    np.testing.assert_allclose(runs.table["loss"], np.array([4, 4, 5, 5]) * math.log(2))
    with pytest.raises(RunsError, match="bytes_per_token is missing in 1 rows that have a loss"):
        read_runs(table(loss=[1.0] * 4, bytes_per_token=[4.0, None, 5.0, 5.0]), units={"loss": "bit/byte"})


def test_standard_errors_follow_their_quantity():
    bits = {"units": {"loss": "bit/token"}}
    by_name = read_runs(table(loss_se=[0.01] * 4), **bits)
    by_argument = read_runs(table(spread=[0.01] * 4), error="spread", **bits)
    of_another = read_runs(table(accuracy=[0.5] * 4, accuracy_se=[0.01] * 4), error="accuracy_se", **bits)
    np.testing.assert_allclose(measurements(by_name, CHINCHILLA).error, 0.01 * math.log(2))
    np.testing.assert_allclose(measurements(by_argument, CHINCHILLA).error, 0.01 * math.log(2))
    np.testing.assert_allclose(of_another.table["standard_error"], 0.01)


def test_units_take_the_users_name_too():
    runs = read_runs(table(tokens=None, D=[2.0, 8.0, 20.0, 60.0]), units={"D": "billion token"})
    assert runs.table["tokens"].tolist() == [2e9, 8e9, 2e10, 6e10]


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"tokens": "billion tonken"}, r"unknown unit 'billion tonken'; did you mean 'token'\?"),
        ({"tokens": "gazillion token"}, "unknown unit 'gazillion token'"),
        ({"loss": "nats"}, r"unknown unit 'nats'; .*known: nat/token, bit/token, digit/token"),
        ({"loss": "1"}, "loss cannot be in '1'; it takes nat/token, bit/token"),
        ({"loss": "billion nat/token"}, "a loss takes no multiplier"),
        ({"params": "FLOP"}, "params cannot be in 'FLOP'; it takes parameter"),
        ({"tokns": "token"}, r"the table has no column 'tokns'; did you mean 'tokens'\?"),
    ],
)
def test_wrong_units(units, message):
    with pytest.raises(RunsError, match=message):
        read_runs(table(), units=units)


def test_a_law_in_bits_per_byte_says_where_it_looks_for_them():
    farseer = law("farseer")
    frame = table(bytes_per_token=[4.0] * 4)
    with pytest.raises(RunsError, match=r"in nat/token; keep it in a column .* and say response='bpb'"):
        measurements(read_runs(frame), farseer)
    frame = frame.assign(bits_per_byte=[1.1, 1.0, 0.9, 0.8])
    with pytest.raises(RunsError, match=r"'loss' is in nat/token; say response='bits_per_byte'"):
        measurements(read_runs(frame), farseer)
    m = measurements(read_runs(frame), farseer, response="bits_per_byte")
    assert m.response.tolist() == [1.1, 1.0, 0.9, 0.8]
    stated = read_runs(frame, units={"bits_per_byte": "bit/byte"})  # which converts it
    with pytest.raises(RunsError, match=r"'bits_per_byte' is in nat/token; .*state no unit for it"):
        measurements(stated, farseer, response="bits_per_byte")


def test_a_law_refuses_a_column_in_another_unit():
    runs = read_runs(table(accuracy=[0.5] * 4))
    with pytest.raises(RunsError, match="'loss' must be in nat/token but the column 'accuracy' is in 1"):
        measurements(runs, CHINCHILLA, response="accuracy")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"tokens": [2.2, 26.0, 130.0, 257.0]},
            r"tokens between 2.2 and 257 token: given in billions\? say units={'tokens': 'billion token'}",
        ),
        (
            {"params": [0.111, 0.59, 2.7, 13.0]},
            r"given in billions\? say units={'params': 'billion parameter'}",
        ),
        (
            {"params": [111, 590, 2700, 13000]},
            r"given in millions\? say units={'params': 'million parameter'}",
        ),
        ({"tokens": [0.3, 1.0, 1.4, 15.0]}, "say units={'tokens': 'trillion token'}"),
        ({"compute": [0.03, 1.0, 5.0, 20.0]}, r"given in PF-day\? say units={'compute': 'PF-day'}"),
        (
            {"tokens": [2e9, 8.0, 2e10, 6e10]},
            r"tokens: 8 in row 2; values from 1e\+06 to 1e\+15 token are usual",
        ),
        ({"loss": [3.9, 3.3, 2.9, 26.0]}, "loss: 26 in row 4"),
    ],
)
def test_implausible_ranges_warn_with_the_guess(columns, message):
    (warning,) = read_runs(table(**{"compute": [1e19] * 4} | columns)).warnings
    assert re.search(message, warning)


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"tokens": [2e9, -8e9, 2e10, 0.0]},
            r"tokens: -8e\+09 in row 2, 0 in row 4; expected a positive number",
        ),
        ({"loss": [3.9, np.inf, 2.9, 2.6]}, "loss: inf in row 2; expected a positive number"),
        ({"loss": [3.9, -3.3, 2.9, 2.6]}, "loss: -3.3 in row 2; expected a positive number"),
        (
            {"loss": [64.0, 55.0, 43.0, 38.0]},
            "all values lie between 38 and 64; expected cross-entropy in nat/token",
        ),
        (
            {"params": ["1e8", "big", "1e9", "3e9"]},
            r"params: 'big' in row 2; expected a number such as 3e9, 70B",
        ),
        ({"loss": [3.9, "nan", 2.9, 2.6]}, "loss: 'nan' in row 2; .*diverged"),
        ({"loss": [3.9, [1], 2.9, 2.6]}, r"loss: \[1\] in row 2"),
        ({"accuracy": [0.4, 43.0, 0.5, 0.6]}, "accuracy: 43 in row 2; expected between 0 and 1"),
        (
            {"loss_se": [0.01, -0.01, 0.01, 0.01]},
            "loss_se: -0.01 in row 2; expected zero or a positive number",
        ),
        (
            {"bleu_se": [0.01, -0.01, 0.01, 0.01]},
            "bleu_se: -0.01 in row 2; expected zero or a positive number",
        ),
        ({"family": ["a", None, "b", " "]}, "family: no name in rows 2, 4; expected one for every row"),
        ({"family": ["a", "new", "b", "b"]}, "family: 'new' in row 2 names a family that nobody has"),
        (
            {"run": ["a", "a", "b", "c"], "params": [1e8, 1e8, 1e9, 3e9], "tokens": [2e9, 2e9, 2e10, 6e10]},
            r"duplicate run id 'a' at tokens 2e\+09 in rows 1, 2: checkpoints of one run differ in tokens",
        ),
        (
            {"run": ["a", "a", "b", "c"]},
            r"run 'a' has differing params \(1e\+08, 4e\+08\) in rows 1, 2: one run has one size",
        ),
    ],
)
def test_bad_values(columns, message):
    with pytest.raises(RunsError, match=message):
        read_runs(table(**columns))


def test_exact_repeats_are_told_apart_from_duplicates():
    frame = table(run=list("abcd"))
    with pytest.raises(RunsError, match=r"duplicate run id 'b' .* rows 2, 5: drop the exact repeats"):
        read_runs(pd.concat([frame, frame.iloc[[1]]]))


def test_at_most_five_rows_are_shown():
    frame = pd.DataFrame({"params": [1e9] * 20, "loss": [3.0] * 8 + [-1.0] * 12})
    with pytest.raises(RunsError, match=r"-1 in row 13 and 7 more rows \(12 in all\)") as caught:
        read_runs(frame)
    assert "row 14" not in str(caught.value)


def test_all_problems_at_once():
    frame = table(loss=[-1, "x", 2, 3], family=["a", None, "b", "b"])
    with pytest.raises(RunsError) as caught:
        read_runs(frame, columns={"compute": "flops"}, units={"tokens": "tonne"})
    message = str(caught.value)
    assert message.startswith("DataFrame: 5 problems\n")
    for part in (
        "no column 'flops'",
        "unknown unit 'tonne'",
        "'x' in row 2",
        "-1 in row 1",
        "no name in row 2",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"columns": {"loss": "los"}},
            r"columns\['loss'\]: the table has no column 'los'; did you mean 'loss'\?",
        ),
        ({"family": "arch"}, "family: the table has no column 'arch'; known: params, tokens, loss"),
        ({"run": "tokns"}, r"run: the table has no column 'tokns'; did you mean 'tokens'\?"),
        ({"columns": {"row": "loss"}}, "'row' is kept for the number of the row"),
        ({"columns": {"family": "loss"}, "family": "params"}, "family='params', but columns"),
    ],
)
def test_unknown_columns(arguments, message):
    with pytest.raises(RunsError, match=message):
        read_runs(table(), **arguments)


def test_a_misspelt_canonical_name_is_reported():
    (warning,) = read_runs(table(n=[1.0] * 4), columns={"parms": "n"}).warnings
    assert "'parms' is not a known column name, did you mean 'params'?" in warning


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.csv", "", "is empty"),
        ("e.csv", " \n\n", "is empty"),
        ("e.csv", "params,loss\n", "is empty: it has 0 rows and 2 columns"),
        ("e.jsonl", "\n", "is empty"),
        ("h.csv", "<!DOCTYPE html><html></html>", "is not a table: it looks like a web page"),
        ("z.csv", "PK\x03\x04", "it looks like a zip archive or an Excel workbook"),
        ("b.csv", "a,b\n\x00\x01,2", "it looks like a binary file"),
        ("p.csv", "Dear all\nplease find attached\n", "not a table of runs: no column holds numbers"),
        ("r.csv", "params,loss\n1,2\n3\n", "the header has 2 cells but 1 cells in row 2"),
        ("s.csv", "params;loss\n1;2\n", r"are its cells parted by semicolons\?"),
        ("t.csv", "params\tloss\n1\t2\n", r"are its cells parted by tabs"),
        ("d.csv", "loss,loss\n1,2\n", "two columns have the same name: 'loss'"),
        ("q.csv", 'a,b\n1,"2\n', "is not a table"),
        ("j.jsonl", '{"loss": 3}\n{"loss": \n', "line 2 is not JSON"),
        ("j.jsonl", "[1, 2]\n", "line 1 is not an object"),
        ("n.jsonl", '{"loss": NaN, "params": 1e9}\n', "loss: 'NaN' in row 1"),
        ("n.csv", "loss,params\nnan,1e9\n", "loss: 'nan' in row 1"),
        ("x.xlsx", "?", r"has no known ending; expected one of \.csv, \.tsv, \.parquet"),
        ("x.parquet", "PAR1 and then nothing", "is not a table in Parquet format"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    with pytest.raises(RunsError, match=message) as caught:
        read_runs(write(tmp_path, name, content))
    assert name in str(caught.value)


def test_binary_file(tmp_path):
    path = tmp_path / "model.csv"
    path.write_bytes(bytes(range(128, 256)) * 4)
    with pytest.raises(RunsError, match="it looks like a binary file"):
        read_runs(path)


def test_missing_file(tmp_path):
    write(tmp_path, "ladder_runs.csv", "x")
    with pytest.raises(
        RunsError, match=r"there is no file .*ladder_run\.csv'; did you mean .*ladder_runs\.csv'"
    ):
        read_runs(tmp_path / "ladder_run.csv")
    with pytest.raises(RunsError, match=r"no files in .*nowhere"):
        read_runs(tmp_path / "nowhere" / "t.csv")
    with pytest.raises(RunsError, match="is a folder; expected a file"):
        read_runs(tmp_path)
    with pytest.raises(RunsError, match="a table of runs is a DataFrame or a path, not dict"):
        read_runs({"loss": [3.0]})


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    def absent(*_, **__):
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd, "read_parquet", absent)
    with pytest.raises(RunsError, match="needs pyarrow: pip install pyarrow"):
        read_runs(write(tmp_path, "t.parquet", "PAR1"))


# --- what a law gets ---------------------------------------------------------------------------------------


def test_measurements_are_sorted_and_point_back():
    runs = read_runs(table(family=["b", "a", "b", "a"]))
    m = measurements(runs, CHINCHILLA)
    assert m.families == ("a", "b")
    assert m.family.tolist() == [0, 0, 1, 1]
    assert sorted(m.row.tolist()) == [0, 1, 2, 3]
    for name in ("params", "tokens"):
        np.testing.assert_array_equal(m.inputs[name], runs.table[name].to_numpy()[m.row])
    np.testing.assert_array_equal(m.response, runs.table["loss"].to_numpy()[m.row])
    assert m.run.tolist() == [0, 1, 2, 3]
    assert m.trials.tolist() == m.error.tolist() == m.schedule.tolist() == [0, 0, 0, 0]


def test_families_without_a_measurement_are_left_out():
    runs = read_runs(table(family=["a", "b", "c", "c"], loss=[3.9, None, 2.9, 2.6]))
    assert runs.families == ("a", "b", "c")
    assert measurements(runs, CHINCHILLA).families == ("a", "c")


def test_checkpoints_share_a_run_and_are_in_order():
    frame = table(run=["p", "q", "p", "q"], params=[1e8] * 4, tokens=[8e9, 2e9, 2e9, 8e9], step=[4, 1, 1, 4])
    m = measurements(read_runs(frame), CHINCHILLA)
    assert m.run.tolist() == [0, 0, 1, 1]
    assert m.row.tolist() == [2, 0, 1, 3]
    np.testing.assert_allclose(m.position, np.log([2e9, 8e9, 2e9, 8e9]))
    assert m.config[0] == m.config[2] != m.config[1] == m.config[3]


def test_position_falls_back_to_step_and_then_to_the_input():
    frame = pd.DataFrame({"run": ["p", "p"], "step": [0, 10], "x": [7.0, 7.0], "y": [2.0, 1.0]})
    m = measurements(read_runs(frame), OFFSET)
    np.testing.assert_allclose(m.position, np.log([0.5, 10]))
    m = measurements(read_runs(frame.drop(columns="step").assign(x=[9.0, 7.0])), OFFSET)
    np.testing.assert_allclose(m.position, np.log([7.0, 9.0]))


def test_measurements_that_nothing_orders_are_refused():
    frame = pd.DataFrame({"run": ["p", "p"], "k": [1, 2], "x": [7.0, 7.0], "y": [2.0, 1.0]})
    with pytest.raises(RunsError, match=r"several measurements that nothing orders \(rows 1, 2\)"):
        measurements(read_runs(frame), OFFSET)
    tasks = frame.drop(columns="k").assign(task=["a", "b"])
    assert measurements(read_runs(tasks), OFFSET).run.tolist() == [0, 1]


def test_seed_replicates_share_a_configuration():
    frame = table(
        run=["a", "a", "b", "c"],
        seed=[1, 2, None, None],
        params=[1e8, 1e8, 1e8 * (1 + 1e-12), 1e8 * (1 + 1e-6)],
        tokens=[2e9] * 4,
    )
    m = measurements(read_runs(frame), CHINCHILLA)
    assert m.run.tolist() == [0, 1, 2, 3]
    assert m.config.tolist() == [0, 0, 0, 1]
    other_family = measurements(read_runs(frame.assign(family=list("xyxx"))), CHINCHILLA)
    assert len(set(other_family.config)) == 3


def test_inputs_and_response_are_mapped():
    runs = read_runs(table())
    with pytest.raises(RunsError, match=r"no column 'x' for the input 'x'; say inputs={'x': 'compute'}"):
        measurements(runs, OFFSET)
    m = measurements(runs, OFFSET, inputs={"x": "compute"})
    np.testing.assert_array_equal(m.inputs["x"], runs.table["compute"])
    np.testing.assert_array_equal(m.response, runs.table["loss"])
    with pytest.raises(RunsError, match=r"the law has no input 'N'; known: x"):
        measurements(runs, OFFSET, inputs={"N": "params"})
    with pytest.raises(RunsError, match=r"no column 'tokns' .*did you mean 'tokens'\?"):
        measurements(runs, OFFSET, inputs={"x": "tokns"})
    with pytest.raises(RunsError, match=r"no column 'los' to predict; did you mean 'loss'\?"):
        measurements(runs, OFFSET, inputs={"x": "tokens"}, response="los")
    ambiguous = read_runs(table(value=[1.0] * 4))
    with pytest.raises(RunsError, match=r"no column 'y' to predict; say response='loss'"):
        measurements(ambiguous, OFFSET, inputs={"x": "tokens"})


def test_a_law_finds_a_column_by_the_name_that_the_reader_changed():
    by_rate = toy(lambda learning_rate, *, c: c, loss(), Input("learning_rate", "1", "", (1e-5, 1e-1)))
    runs = read_runs(table(learning_rate=[1e-3, 2e-3, 3e-3, 4e-3]))
    assert "lr" in runs.table
    assert measurements(runs, by_rate).inputs["learning_rate"].tolist() == [1e-3, 2e-3, 3e-3, 4e-3]


def test_missing_columns_are_named_all_at_once():
    runs = read_runs(table(params=None, params_nonembed=[1e7, 2e7, 3e7, 4e7], loss=None, bleu=[1.0] * 4))
    with pytest.raises(RunsError, match="2 problems") as caught:
        measurements(runs, CHINCHILLA)
    assert "say inputs={'params': 'params_nonembed'}" in str(caught.value)
    assert "there is no column 'loss' to predict; say response='bleu'" in str(caught.value)


def test_values_outside_a_laws_domain():
    runs = read_runs(table(dose=[1.0, -2.0, 0.0, np.inf], y=[1.0, 2.0, -3.0, 4.0]))
    with pytest.raises(RunsError) as caught:
        measurements(runs, OFFSET, inputs={"x": "dose"})
    assert "dose: -2 in row 2, 0 in row 3, inf in row 4; expected a positive number" in str(caught.value)
    assert "y: -3 in row 3; expected a positive number" in str(caught.value)
    signed = toy(lambda x, *, c: c, real(), Input("x", "1", "", (1, 2)))
    assert measurements(runs, signed, inputs={"x": "params"}).response.tolist() == [1.0, 2.0, -3.0, 4.0]


def test_rows_keep_their_number_after_subset():
    runs = subset(read_runs(table(dose=[1.0, -2.0, 3.0, -4.0])), np.array([True, False, True, True]))
    with pytest.raises(RunsError, match="dose: -4 in row 4"):
        measurements(runs, OFFSET, inputs={"x": "dose"})


def test_counts():
    frame = pd.DataFrame({"k": [1, 10, 100], "n_samples": [50, 50, 50], "n_correct": [0, 20, 50]})
    m = measurements(read_runs(frame), COVERAGE)
    assert m.response.tolist() == [0, 20, 50]
    assert m.trials.tolist() == [50, 50, 50]
    for wrong, message in (
        ([0, 51, 50], "51 of 50 in row 2; expected no more successes than trials"),
        ([0, 2.5, 50], "2.5 in row 2; expected whole numbers"),
    ):
        with pytest.raises(RunsError, match=message):
            measurements(read_runs(frame.assign(n_correct=wrong)), COVERAGE)
    with pytest.raises(RunsError, match="no column 'n_samples' with the number of trials"):
        measurements(read_runs(frame.drop(columns="n_samples")), COVERAGE)


# --- schedules ---------------------------------------------------------------------------------------------


def curves_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": ["a", "a", "b", "c"],
            "schedule": ["wsd", "wsd", "constant", "twin"],
            "step": [10, 30, 20, 20],
            "loss": [4.0, 3.0, 3.5, 3.4],
        }
    )


WSD = [1e-3] * 20 + [5e-4] * 5 + [1e-4] * 5
CURVES = {"wsd": WSD, "constant": [1e-3] * 20, "twin": [1e-3] * 20}


def test_schedules_of_differing_lengths_are_padded():
    runs = read_runs(curves_table(), schedules=CURVES)
    m = measurements(runs, SCHEDULED)
    segments = m.inputs["schedule"]
    assert segments.shape == (2, 3, 2)  # the twin schedules are one
    for i, row in enumerate(m.row):
        rates = runs.schedules[runs.table["schedule"][row]]
        lengths, values = segments[m.schedule[i]].T
        np.testing.assert_array_equal(np.repeat(values, lengths.astype(int)), rates)
    assert m.config[m.row == 2] == m.config[m.row == 3]
    assert not runs.schedules["wsd"].flags.writeable


def test_schedules_in_the_table(tmp_path):
    frame = curves_table()
    lists = [CURVES[name] for name in frame.pop("schedule")]
    path = tmp_path / "t.jsonl"
    frame.assign(schedule=lists).to_json(path, orient="records", lines=True)
    for runs in (read_runs(path), read_runs(frame.assign(lr=lists))):
        assert set(runs.schedules) == {"a", "b", "c"}
        assert "lr" not in runs.table
        assert measurements(runs, SCHEDULED).inputs["schedule"].shape == (2, 3, 2)


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({"wsd": WSD[:25]}, "schedule 'wsd' has 25 steps but run 'a' has a row at step 30"),
        ({"wsd": [1e-3, -1e-3]}, "schedule 'wsd': expected one learning rate >= 0 for every step"),
        ({"wsd": [[1e-3]]}, "schedule 'wsd': expected one learning rate"),
        ({"wsd": []}, "schedule 'wsd': expected one learning rate"),
    ],
)
def test_bad_schedules(curves, message):
    with pytest.raises(RunsError, match=message):
        read_runs(curves_table(), schedules=curves)


def test_schedules_that_do_not_meet_the_table():
    runs = read_runs(curves_table(), schedules={"wsb": WSD})
    assert "schedule 'wsb' is followed by no row; did you mean 'wsd'?" in runs.warnings[0]
    with pytest.raises(RunsError, match="names 'constant', 'twin', 'wsd'; schedules given: wsb"):
        measurements(runs, SCHEDULED)
    with pytest.raises(RunsError, match="no column 'schedule' or 'run' says which row follows which"):
        read_runs(table(), schedules={"wsd": WSD})
    uneven = curves_table().assign(schedule=[WSD, WSD[:20], WSD, WSD])
    with pytest.raises(RunsError, match="schedule 'a' is given twice, with 30 and 20 steps"):
        read_runs(uneven)


@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 1)), min_size=1, max_size=60), st.integers(1, 40))
def test_compress(parts, segments):
    rates = np.concatenate([np.full(n, rate) for n, rate in parts])
    short = compress(rates, segments)
    lengths, values = short.T
    assert len(short) <= segments
    assert lengths.sum() == len(rates)
    assert (lengths > 0).all()
    np.testing.assert_allclose((lengths * values).sum(), rates.sum(), rtol=1e-12, atol=1e-12)
    if np.count_nonzero(np.diff(rates)) < segments:
        np.testing.assert_array_equal(np.repeat(values, lengths.astype(int)), rates)


# --- subset and hash ---------------------------------------------------------------------------------------


def test_subset():
    runs = read_runs(table(family=["a", "b", "b", "c"]))
    part = subset(runs, runs.table["family"].to_numpy() != "a")
    assert part.families == ("b", "c")
    assert part.table["row"].tolist() == [2, 3, 4]
    assert part.table.index.tolist() == [0, 1, 2]
    assert part.units == runs.units
    assert part.hash != runs.hash
    assert subset(runs, np.ones(4, bool)).hash == runs.hash
    for mask, message in (
        (np.array([0, 1]), r"expected a boolean mask of shape \(4,\), found int64 of shape \(2,\)"),
        (np.ones(3, bool), r"found bool of shape \(3,\)"),
        (np.zeros(4, bool), "the mask keeps none of the 4 rows"),
    ):
        with pytest.raises(RunsError, match=message):
            subset(runs, mask)


def test_hash_is_that_of_the_content():
    frame = table(family=["a", "a", "b", "b"])
    runs = read_runs(frame)
    assert read_runs(frame[frame.columns[::-1]]).hash == runs.hash
    assert read_runs(frame.assign(family=["a", "b", "b", "b"])).hash != runs.hash
    assert read_runs(frame.assign(loss=frame["loss"] * (1 + 1e-15))).hash != runs.hash
    assert read_runs(frame.iloc[::-1]).hash != runs.hash
    scheduled = read_runs(curves_table(), schedules=CURVES)
    assert scheduled.hash != read_runs(curves_table(), schedules=CURVES | {"wsd": [1e-3] * 30}).hash


def test_hash_is_stable_over_processes(tmp_path):
    path = tmp_path / "t.csv"
    table(family=["a", "a", "b", "b"]).to_csv(path, index=False)
    program = "import sys; from bayes_scaling.runs import read_runs; print(read_runs(sys.argv[1]).hash)"
    there = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == read_runs(path).hash


# --- real studies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "columns", "rows", "runs", "families"),
    [
        ("chinchilla_epoch", {}, 245, 245, 1),
        ("gadre_overtraining", {"loss": "loss_c4_val"}, 104, 104, 3),
        ("datablations_upto4B", {}, 236, 236, 1),
        ("gemstones_loss", {}, 1169, 62, 1),
        ("misfitting", {}, 4819, 243, 1),
        ("marin_isoflop", {}, 273, 273, 3),
    ],
)
def test_studies_are_read(study, name, columns, rows, runs, families):
    path = study(name)
    read = read_runs(path, columns=columns)
    raw = pd.read_csv(path)
    m = measurements(read, CHINCHILLA)
    assert (len(read), len(m.row), m.run.max() + 1, len(m.families)) == (rows, rows, runs, families)
    np.testing.assert_array_equal(m.response, raw[columns.get("loss", "loss")].to_numpy()[m.row])
    np.testing.assert_array_equal(m.inputs["tokens"], raw["tokens"].to_numpy()[m.row])
    later = m.run[1:] == m.run[:-1]
    assert (np.diff(m.position)[later] > 0).all()


def test_seeds_of_a_study_are_replicates(study):
    runs = read_runs(study("datablations_upto4B"))
    inputs = (
        Input(n, u, "", (1, 2))
        for n, u in (("params", "parameter"), ("tokens", "token"), ("unique_tokens", "token"))
    )
    m = measurements(runs, toy(lambda params, tokens, unique_tokens, *, c: c, loss(), *inputs))
    raw = runs.table.iloc[m.row]
    sizes = np.bincount(m.config)
    assert (sizes == 5).sum() == 8
    replicated = raw[sizes[m.config] == 5]
    assert replicated.groupby(["params", "tokens", "unique_tokens"]).ngroups == 8
    # By params and tokens alone, runs on fewer unique tokens look like replicates too.
    assert np.bincount(measurements(runs, CHINCHILLA).config).max() > 5
