"""Pre-registration: records not changed unseen, outcomes that are not lost, an honest calibration."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

import bayes_scaling as bs
from bayes_scaling.cli import app
from bayes_scaling.forecast import Forecast
from bayes_scaling.plot import PlotError
from bayes_scaling.plot.prior import from_prior
from bayes_scaling.report import (
    CalibrationError,
    LedgerError,
    Outcome,
    Record,
    RecordError,
    append,
    calibrate,
    default_path,
    enter,
    judge,
    make_record,
    parse_outcome,
    plot_calibration,
    predicted,
    read_ledger,
    read_record,
    write_record,
)
from bayes_scaling.report._parse import MOST_BYTES
from bayes_scaling.report._schema import _digest, parse_record, to_json
from bayes_scaling.report.calibration import jeffreys
from bayes_scaling.report.ledger import entered
from bayes_scaling.report.outcome import band_of
from bayes_scaling.report.record import LEVELS
from bayes_scaling.scores import POINTS, covered, ecdf, simultaneous_band, uniformity
from tests._simulate import chinchilla_table, power_table

RUNS = bs.read_runs(chinchilla_table(1))
PLANS = ({"params": 7e10, "tokens": 1.4e12}, {"params": 1e10, "tokens": 2e11})
NOW = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)


def cast(draws: np.ndarray | None = None, law: str = "chinchilla", target: str = "new_run") -> Forecast:
    """A forecast with given draws (S, m)."""
    if draws is None:
        draws = np.random.default_rng(0).normal([1.95, 2.2], 0.03, (2000, 2))
    plans = tuple(PLANS[j % 2] for j in range(draws.shape[1]))
    families = ("a",) * len(plans)
    return Forecast(law, "nat/token", plans, families, target, draws, {"parameter": draws.var(axis=0)}, ())  # type: ignore[arg-type]


def made(draws: np.ndarray | None = None) -> Record:
    return make_record(cast(draws), RUNS, settings=bs.Settings(seed=3), note="before the run", now=NOW)


@pytest.fixture(scope="module")
def record() -> Record:
    return made()


@pytest.fixture
def ledger(tmp_path) -> Path:
    return tmp_path / "ledger.sqlite3"


# --- the record --------------------------------------------------------------------------------------------


def test_a_record_of_a_real_forecast(tmp_path) -> None:
    posterior = from_prior(bs.law("power_law"), bs.read_runs(power_table()), draws=300)
    plans = ({"x": 1e5}, {"x": 1e6})
    forecast = bs.forecast(posterior, plans, family=["all", "new"], allow_failed=True)
    record = make_record(predicted(forecast, quantity="loss"), posterior.runs, settings=posterior.settings)
    path = write_record(record, tmp_path / "record.json")
    assert read_record(path) == record
    assert list(tmp_path.iterdir()) == [path], "no temporary file stays"
    one = record.predicted("loss")
    assert (one.unit, one.target, one.laws) == (forecast.unit, "new_run", {"power_law": 1.0})
    assert [(p.inputs, p.family) for p in one.plans] == [(plans[0], "all"), (plans[1], "new")]
    np.testing.assert_allclose(
        np.array([p.quantiles for p in one.plans]), forecast.quantile(LEVELS).T, rtol=1e-8
    )
    assert record.data_hash == posterior.runs.hash
    assert record.settings["draws"] == posterior.settings.draws
    made_at = datetime.fromisoformat(record.created)
    assert abs((datetime.now(UTC) - made_at).total_seconds()) < 60
    assert path.stat().st_size < 12_000, "small"


def test_the_hash_is_of_the_content_and_not_of_the_layout(record) -> None:
    tree = json.loads(to_json(record))
    shuffled = json.dumps(dict(reversed(tree.items())), indent=7, ensure_ascii=False)
    assert parse_record(shuffled) == record
    assert len(record.sha256) == 64
    assert record.created == "2026-07-01T12:30:00+00:00"
    assert made().sha256 != record.sha256, "every record has an identity of its own"


def paths(tree: Any, at: tuple = ()) -> list[tuple]:
    """Places of a JSON tree, of lists only the first two."""
    members = (
        tree.items() if isinstance(tree, dict) else enumerate(tree[:2]) if isinstance(tree, list) else ()
    )
    return [*([at] if at else []), *(p for k, v in members for p in paths(v, (*at, k)))]


def test_every_change_is_detected(record) -> None:
    """One place after another gets another value or is taken out; the file says who it was."""
    tree = json.loads(to_json(record))
    places = [p for p in paths(tree) if p not in (("format",), ("format_version",))]
    assert len(places) > 30
    for path in places:
        for value in ("0" * 64, 1.25, None):
            changed = json.loads(to_json(record))
            place = changed
            for key in path[:-1]:
                place = place[key]
            if value is None:
                del place[path[-1]]
            else:
                place[path[-1]] = value
            with pytest.raises(RecordError, match=r"was changed after it was written|sha256 is"):
                parse_record(json.dumps(changed))


def rehashed(record: Record, **changes: Any) -> str:
    """JSON of a record with members set by dotted path, hashed as if it had always been so; None deletes."""
    tree = json.loads(to_json(record))
    for path, value in changes.items():
        *way, last = [int(k) if k.isdigit() else k for k in path.split("__")]
        place = tree
        for key in way:
            place = place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return json.dumps(tree | {"sha256": _digest(tree)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": None}, "the record lacks rows"),
        ({"row": 4}, r"unknown field 'row' \(did you mean 'rows'"),
        ({"rows": 0}, "rows is 0, expected a whole number, 1 or more"),
        ({"rows": True}, "rows is True, expected a whole"),
        ({"format_version": 2}, "has format 2, and this version reads up to 1: upgrade"),
        ({"format": "other"}, "is not a pre-registration"),
        ({"created": "yesterday"}, "created is 'yesterday', expected a time in UTC"),
        ({"created": "2026-07-01T12:30:00+02:00"}, "expected a time in UTC"),
        ({"levels": [0.5, 0.4, 0.6]}, "levels: expected increasing"),
        ({"levels": [0.1, 0.5, 0.9]}, "199 quantiles for 3 levels"),
        ({"settings": []}, r"settings is \[\], expected an object"),
        ({"forecasts": []}, "expected a list of 1 or more"),
        ({"forecasts__0__plans": []}, r"forecasts\[1\].plans is \[\], expected a list"),
        ({"forecasts__0__laws": {"chinchilla": 0.7}}, "positive weights that add up to one"),
        ({"forecasts__0__laws": {"chinchilla": 1.5, "b": -0.5}}, "positive weights"),
        ({"forecasts__0__target": "mean"}, "expected new_run or measurement"),
        ({"forecasts__0__quantity": "lo=ss"}, "expected a plain name"),
        ({"forecasts__0__quantity": "lo\x1b[2Jss"}, "expected printable text"),
        ({"forecasts__0__plans__0__family": 3}, r"forecasts\[1\].plans\[1\].family is 3, expected printable"),
        ({"forecasts__0__plans__0__quantiles__0": 3.5}, "quantiles that do not decrease"),
        ({"forecasts__0__plans__0__quantiles__0": "low"}, r"quantiles\[1\] is 'low', expected a finite"),
        ({"forecasts__0__plans__0__quantiles__198": 1e200}, "expected numbers up to 1e"),
        ({"forecasts__0__plans__1__inputs": [1]}, r"plans\[2\].inputs is \[1\], expected an object"),
        ({"forecasts__0__plans__1__inputs__params": 10**400}, "params is .*expected a finite number"),
    ],
)  # fmt: skip
def test_nonsense_under_a_good_hash_is_refused(record, changes, message) -> None:
    with pytest.raises(RecordError, match=message):
        parse_record(rehashed(record, **changes))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[1, 2", "is not JSON"),
        (b"[]", "is not a pre-registration"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": 1e999}', "no finite number"),
        (b"9" * 10_000, "is not JSON"),
        (b'{"a": 1, "a": 2}', "gives 'a' twice"),
        (b" " * (MOST_BYTES + 1), "is larger than 8 MiB"),
    ],
)
def test_files_of_something_else(tmp_path, content, message) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=message) as caught:
        read_record(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_that_hold_no_record(tmp_path) -> None:
    for path, message in ((tmp_path / "no.json", "there is no file"), (tmp_path, "is a folder")):
        with pytest.raises(RecordError, match=message):
            read_record(path)
    with pytest.raises(RecordError, match="cannot be read"):
        read_record("a\0b")


def test_a_record_is_never_replaced(record, tmp_path) -> None:
    path = write_record(record, tmp_path / "record.json")
    before = path.read_bytes()
    with pytest.raises(RecordError, match="exists and a record is never replaced"):
        write_record(made(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(RecordError, match="there is no folder"):
        write_record(record, tmp_path / "nowhere" / "record.json")


def test_what_cannot_be_recorded() -> None:
    with pytest.raises(RecordError, match="target 'mean' cannot be scored"):
        predicted(cast(target="mean"))
    with pytest.raises(RecordError, match="1 of 3 draws of loss are not finite"):
        predicted(cast(np.array([[1.0], [np.nan], [2.0]])))
    with pytest.raises(RecordError, match="law 'mine' is not in the zoo: say what it predicts"):
        predicted(cast(law="mine"))
    with pytest.raises(RecordError, match="without a time zone"):
        make_record(cast(), RUNS, now=datetime(2026, 7, 1))
    with pytest.raises(RecordError, match="cannot be written as JSON"):
        make_record(cast(), RUNS, settings={"law": bs.law("chinchilla")})
    with pytest.raises(RecordError, match="a quantity occurs twice"):
        make_record([cast(), cast()], RUNS)
    with pytest.raises(RecordError, match="weights that add up to one"):
        make_record(predicted(cast(), laws={"chinchilla": 0.5}), RUNS)


def test_several_laws_and_quantities() -> None:
    weights = {"chinchilla": 0.25, "farseer": 0.0, "coupled_chinchilla": 0.75}
    average = predicted(replace(cast(law=" + ".join(weights)), weights=weights))
    rate = predicted(cast(np.full((9, 1), 0.7), law="coverage_exp_power"))
    schedule = replace(cast(), plans=({"schedule": [1e-3] * 5, "step": 5}, {"note": "x"}))
    own = predicted(schedule, quantity="perplexity", unit="1")
    record = make_record([average, rate, own], RUNS)
    assert [(p.quantity, p.unit) for p in record.forecasts] == [
        ("loss", "nat/token"), ("success_rate", "1"), ("perplexity", "1"),
    ]  # fmt: skip
    assert record.predicted("loss").laws == {"chinchilla": 0.25, "coupled_chinchilla": 0.75}
    assert str(own.plans[0].inputs["schedule"]).startswith("5 values, SHA-256 ")
    with pytest.raises(RecordError, match="does not forecast 'los'; did you mean 'loss'"):
        judge(record, "los", 2.0)
    with pytest.raises(RecordError, match="no plan 3 of loss; its plans are 1 to 2"):
        judge(record, "loss", 2.0, plan=3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
#: A record that is quick to hash: three quantiles.
SMALL = parse_record(
    rehashed(made(), levels=[0.25, 0.5, 0.75], forecasts__0__plans__0__quantiles=[1.0, 2.0, 3.0],
             forecasts__0__plans__1__quantiles=[-1.0, -1.0, 4.0])
)  # fmt: skip
PLACES = paths(json.loads(to_json(SMALL)))


@settings(max_examples=60)
@given(JSON | st.binary(max_size=60))
def test_any_json_is_a_record_or_one_error(value) -> None:
    content = value if isinstance(value, bytes) else json.dumps(value)
    with pytest.raises(RecordError):
        parse_record(content)


@given(st.data())
def test_a_record_with_anything_in_it_is_a_record_or_one_error(data) -> None:
    tree = json.loads(to_json(SMALL))
    for path in data.draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2)):
        place = tree
        for key in path[:-1]:
            place = place[key] if isinstance(place, dict) and key in place else {}
        if not (isinstance(place, dict) and path[-1] in place):
            continue
        if data.draw(st.booleans()):
            place[path[-1]] = data.draw(JSON)
        else:
            del place[path[-1]]
    if data.draw(st.booleans()):
        tree["sha256"] = _as_if_it_had_been_so(tree)
    try:
        found = parse_record(json.dumps(tree))
    except RecordError as error:
        message = str(error)
    else:
        message = ""
    message.encode()  # can be printed
    assert len(message) < 500
    if message:
        return
    assert parse_record(to_json(found)) == found
    truth = data.draw(st.floats(allow_nan=False, allow_infinity=False))
    one = found.forecasts[0].quantity
    outcome = judge(found, one, truth)
    assert 0 <= outcome.pit <= 1
    assert band_of(found, one, 1, 0.5)[0] <= outcome.median <= band_of(found, one, 1, 0.5)[1]
    calibrate([outcome])


def _as_if_it_had_been_so(tree: dict[str, Any]) -> str:
    try:
        return _digest(tree)
    except ValueError:  # NaN, which the reader must find by itself
        return "0" * 64


# --- where the truth fell ----------------------------------------------------------------------------------


def test_where_the_truth_fell(record) -> None:
    quantiles = np.array(record.plan("loss", 1).quantiles)
    for k in (0, 57, 99, 198):
        assert judge(record, "loss", quantiles[k]).pit == pytest.approx(LEVELS[k])
    between = judge(record, "loss", quantiles[100] + 0.25 * (quantiles[101] - quantiles[100]))
    assert between.pit == pytest.approx(0.505 + 0.25 * 0.005)
    assert 0 < judge(record, "loss", -5.0).pit < 0.005
    assert 0.995 < judge(record, "loss", 9.0).pit < 1
    assert judge(record, "loss", quantiles[99], plan=1).median == quantiles[99]
    assert judge(record, "loss", 9.0) == judge(record, "loss", 9.0), "repeatable"


def test_bands_and_pit_agree(record) -> None:
    for truth in np.linspace(1.8, 2.1, 61):
        found = judge(record, "loss", float(truth))
        for prob in (0.5, 0.8, 0.9, 0.95):
            low, high = band_of(record, "loss", 1, prob)
            assert covered(found.pit, prob) == (low <= truth <= high)
    assert judge(record, "loss", 1.95).band == 0.5
    assert judge(record, "loss", 2.5).band is None


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "rates of 8 trials"])
def test_pit_of_calibrated_forecasts_is_uniform(kind) -> None:
    """The truth comes from the distribution that was forecast; ties and tails are spread out evenly."""
    rng = np.random.default_rng(5)

    def draw(*size: int) -> np.ndarray:
        if kind == "normal":
            return rng.normal(2, 0.1, size)
        return rng.standard_t(2, size) if kind == "heavy tails" else rng.binomial(8, 0.8, size) / 8

    record = make_record(predicted(cast(draw(20_000, 1)), quantity="q"), RUNS)
    pit = [judge(replace(record, sha256=f"{k}"), "q", float(y)).pit for k, y in enumerate(draw(3000))]
    assert stats.kstest(pit, "uniform").pvalue > 0.01
    for prob in (0.5, 0.9):
        assert np.mean([covered(p, prob) for p in pit]) == pytest.approx(prob, abs=0.03)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("loss=1.93", ("loss", 1.93)), (" loss = 1.93 ", ("loss", 1.93)), ("flips=3e9", ("flips", 3e9))],
)
def test_outcomes_as_people_write_them(text, expected) -> None:
    assert parse_outcome(text) == expected


@pytest.mark.parametrize(
    "text", ["", "loss", "loss=", "=1.9", "loss=low", "loss=nan", "loss=inf", "loss=1=2"]
)
def test_outcomes_that_are_none(text) -> None:
    with pytest.raises(RecordError, match=r"expected QUANTITY=NUMBER, such as loss=1\.93"):
        parse_outcome(text)


# --- the ledger --------------------------------------------------------------------------------------------


def test_outcomes_are_kept(record, ledger) -> None:
    enter(record, path=ledger)
    assert (read_ledger(ledger).outcomes, read_ledger(ledger).awaiting) == ((), 2)
    first, second = judge(record, "loss", 1.93), judge(record, "loss", 2.21, plan=2)
    append(record, [first], path=ledger)
    append(record, [second], path=ledger)
    kept = read_ledger(ledger)
    assert kept.outcomes == (first, second)
    assert (kept.records, kept.awaiting, kept.replaced) == (1, 0, 0)
    assert entered(record.sha256, ledger) == record
    with closing(sqlite3.connect(ledger)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_outcome_is_given_once_unless_replaced(record, ledger) -> None:
    append(record, [judge(record, "loss", 1.93)], path=ledger)
    again = [judge(record, "loss", 2.2, plan=2), judge(record, "loss", 1.99)]
    with pytest.raises(LedgerError, match=r"loss, plan 1, of this record: 1.93, scored .*--replace"):
        append(record, again, path=ledger)
    assert [x.truth for x in read_ledger(ledger).outcomes] == [1.93], "all or none"
    append(record, again, path=ledger, replace=True)
    kept = read_ledger(ledger)
    assert [x.truth for x in kept.outcomes] == [2.2, 1.99]
    assert kept.replaced == 1
    with closing(sqlite3.connect(ledger)) as raw:
        assert raw.execute("SELECT truth FROM outcomes WHERE replaced IS NOT NULL").fetchall() == [(1.93,)]


def test_a_record_changed_and_hashed_anew_is_detected(record, ledger) -> None:
    enter(record, path=ledger)
    forged = parse_record(rehashed(record, data_hash="f" * 64))
    with pytest.raises(LedgerError, match="this record was changed: the ledger knows record"):
        append(forged, [judge(forged, "loss", 1.93)], path=ledger)
    with pytest.raises(LedgerError, match="belongs to another record"):
        append(record, [judge(forged, "loss", 1.93)], path=ledger)
    assert read_ledger(ledger).outcomes == ()


def test_a_record_changed_inside_the_ledger_is_detected(record, ledger) -> None:
    enter(record, path=ledger)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as raw:
        raw.execute("UPDATE records SET body = replace(body, 'before the run', 'after the run')")
    with pytest.raises(LedgerError, match="was changed after it was written"):
        entered(record.sha256, ledger)
    with pytest.raises(LedgerError, match="has no record 000000000000"):
        entered("0" * 64, ledger)


def test_files_that_are_no_ledger(record, tmp_path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        read_ledger(tmp_path / "none.sqlite3")
    (tmp_path / "text").write_text("loss=1.93, said the prophet\n" * 100)
    (tmp_path / "empty").touch()
    statements = {
        "other": "CREATE TABLE t (x)",
        "newer": "PRAGMA user_version = 99",
        "plain": "PRAGMA user_version = 1",
    }
    for name, statement in statements.items():
        if name == "newer":
            enter(record, path=tmp_path / name)
        with closing(sqlite3.connect(tmp_path / name, isolation_level=None)) as raw:
            raw.execute(statement)
    (tmp_path / "folder").mkdir()
    messages = {
        "text": "is damaged or not a ledger",
        "other": "SQLite file of something else",
        "plain": "SQLite file of something else",
        "folder": "is not a file",
        "newer": "is a ledger of format 99, and this version knows up to 1",
    }
    for name, message in messages.items():
        for act in (lambda p: read_ledger(p), lambda p: enter(record, path=p)):
            with pytest.raises(LedgerError, match=message) as caught:
                act(tmp_path / name)
            assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(LedgerError, match="is an empty file and not a ledger"):
        read_ledger(tmp_path / "empty")
    enter(record, path=tmp_path / "empty")  # a writer was killed before the first table
    assert read_ledger(tmp_path / "empty").records == 1
    with pytest.raises(LedgerError, match="there is no folder"):
        enter(record, path=tmp_path / "nowhere" / "ledger")


def test_a_busy_ledger_is_waited_for_and_then_told(record, ledger, monkeypatch) -> None:
    enter(record, path=ledger)
    monkeypatch.setattr("bayes_scaling.report.ledger.PATIENCE", 0.2)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="other processes have kept it busy"):
            append(record, [judge(record, "loss", 1.93)], path=ledger)
        assert read_ledger(ledger).records == 1, "readers do not wait for writers"
        other.execute("ROLLBACK")
    append(record, [judge(record, "loss", 1.93)], path=ledger)


def test_where_the_ledger_is(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("BAYES_SCALING_LEDGER", str(tmp_path / "ours.sqlite3"))
    assert default_path() == tmp_path / "ours.sqlite3"
    monkeypatch.delenv("BAYES_SCALING_LEDGER")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path().name == "ledger.sqlite3"
    assert "bayes_scaling" in default_path().parts


NURSERY = """
    import itertools, os, pathlib, random, signal, sqlite3, sys, time
    from bayes_scaling.report import Outcome, append, read_record, read_ledger

    folder = pathlib.Path(sys.argv[1])
    record, path = read_record(folder / "record.json"), folder / "ledger.sqlite3"
    random.seed(1)

    def pair(k):  # two outcomes in one transaction
        return [Outcome(record.sha256, "loss", n, 2.0 + n, 2.0, 0.5) for n in (2 * k + 1, 2 * k + 2)]

    def fork(work, *arguments):
        pid = os.fork()
        if not pid:
            try:
                work(*arguments)
            except BaseException as error:
                os.write(2, repr(error).encode())
                os._exit(1)
            os._exit(0)
        return pid

    def write(numbers):
        with open(folder / "told", "a", buffering=1) as told:
            for k in numbers:
                append(record, pair(k), path=path)
                told.write(f"{k}\\n")  # from here on it must never be lost

    def died(pid):
        code = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(code) and os.WTERMSIG(code) == signal.SIGKILL, code

    # killed in the middle of a transaction, at each of its statements, the making of the tables among them
    def until(statement):
        class Dying(sqlite3.Connection):
            def execute(self, sql, *arguments):
                if sql.startswith(statement):
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().execute(sql, *arguments)

        connect = sqlite3.connect
        sqlite3.connect = lambda *a, **kw: connect(*a, factory=Dying, **kw)
        append(record, pair(0), path=path)

    for statement in ("BEGIN", "CREATE UNIQUE", "INSERT INTO records", "INSERT INTO outcomes", "COMMIT"):
        died(fork(until, statement))
    append(record, pair(0), path=path)
    (folder / "told").write_text("0\\n")

    # two at once, killed at a moment that nobody chose, again and again
    free = itertools.count(1)
    for _ in range(12):
        block = next(free) * 500
        writers = [fork(write, range(block + 250 * w, block + 250 * (w + 1))) for w in (0, 1)]
        for pid in writers:
            time.sleep(random.uniform(0.02, 0.12))
            os.kill(pid, signal.SIGKILL)
        for pid in writers:
            died(pid)
    print(len(read_ledger(path).outcomes))
"""


def test_killed_writers_lose_nothing(tmp_path) -> None:
    """Two processes write to one ledger and are killed (SIGKILL), 29 times in all."""
    plans = [{"inputs": {}, "family": "a", "quantiles": [1.0, 2.0, 3.0]}] * 13_100
    many = parse_record(rehashed(SMALL, forecasts__0__plans=plans))
    write_record(many, tmp_path / "record.json")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(NURSERY), str(tmp_path)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kept = read_ledger(tmp_path / "ledger.sqlite3")
    numbers = [x.plan for x in kept.outcomes]
    told = [int(line) for line in (tmp_path / "told").read_text().split()]
    assert len(told) > 50, "they wrote"
    assert len({k // 500 for k in told}) > 5
    assert len({k % 500 // 250 for k in told}) == 2, "both of them"
    assert len(numbers) == len(set(numbers)), "nothing twice"
    assert {n for k in told for n in (2 * k + 1, 2 * k + 2)} <= set(numbers), "nothing lost"
    assert {(n - 1) ^ 1 for n in numbers} == {n - 1 for n in numbers}, "no half of a transaction"
    assert len(numbers) / 2 - len(told) <= 24, (
        "at most what was committed and not yet told, one for each kill"
    )
    assert all(x.truth == 2.0 + x.plan for x in kept.outcomes)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    assert entered(many.sha256, tmp_path / "ledger.sqlite3") == many


# --- the calibration ---------------------------------------------------------------------------------------


def outcomes(pit: np.ndarray, truth: float = 2.0, median: float = 2.1) -> list[Outcome]:
    return [Outcome(f"{k // 2}", "loss", 1 + k % 2, truth, median, float(p)) for k, p in enumerate(pit)]


def test_jeffreys_intervals() -> None:
    """Against the beta distribution; no and all successes end at 0 and 1."""
    for held, count in ((1, 10), (7, 10), (45, 50)):
        expected = stats.beta(held + 0.5, count - held + 0.5).ppf([0.05, 0.95])
        np.testing.assert_allclose(jeffreys(held, count), expected)
    assert jeffreys(0, 5)[0] == 0
    assert jeffreys(5, 5)[1] == 1


@pytest.mark.parametrize("count", [1, 3, 25, 300])
def test_the_band_holds_what_it_promises(count) -> None:
    low, high = simultaneous_band(count, 0.9)
    rng = np.random.default_rng(count)
    held = [((low <= e) & (e <= high)).all() for e in (ecdf(rng.random(count)) for _ in range(4000))]
    assert 0.88 < np.mean(held) < (0.94 if count < 5 else 0.92)  # counts are discrete: a few have a step
    np.testing.assert_allclose(low, 1 - high[::-1], atol=1e-12, err_msg="symmetric")


def test_ranks_that_are_not_uniform_are_seen() -> None:
    even = (np.arange(200) + 0.5) / 200
    assert uniformity(even, 0.95) == (pytest.approx(0.0, abs=0.01), True)
    assert uniformity(even**1.5, 0.95)[1] is False
    assert uniformity(0.5 + 0.7 * (even - 0.5), 0.95)[1] is False


def test_one_outcome_by_hand() -> None:
    """A single uniform number stays inside if it is not in one of the two tails that the band cuts off."""
    low, high = simultaneous_band(1, 0.9)
    tails = POINTS[high == 0].size + POINTS[low == 1].size
    assert 0.9 <= 1 - tails / 100 < 0.93


def test_coverage_bias_and_verdict() -> None:
    pit = np.concatenate([np.linspace(0.3, 0.7, 10), [0.12, 0.93, 0.96, 0.99]])
    found = calibrate(outcomes(pit))
    assert [(c.prob, c.held, c.count) for c in found.coverage] == [
        (0.5, 10, 14), (0.8, 11, 14), (0.9, 12, 14), (0.95, 13, 14),
    ]  # fmt: skip
    assert (found.count, found.records) == (14, 7)
    assert found.mean_pit == pytest.approx(pit.mean())
    assert found.bias == pytest.approx(0.05)
    assert found.error == pytest.approx(0.05)
    assert all(c.low < c.share < c.high for c in found.coverage)
    assert calibrate(outcomes(np.array([0.5]), truth=0.0)).bias is None
    with pytest.raises(CalibrationError, match="no outcomes yet"):
        calibrate([])


@pytest.mark.parametrize(
    ("a", "b", "uniform"), [(1, 1, True), (0.4, 0.4, False), (5, 5, False), (3, 1, False)]
)
def test_miscalibration_is_seen(a, b, uniform) -> None:
    pit = stats.beta(a, b).ppf((np.arange(60) + 0.5) / 60)
    assert calibrate(outcomes(pit)).uniform is uniform


def test_picture(tmp_path) -> None:
    rng = np.random.default_rng(0)
    for count in (1, 37):
        path = tmp_path / f"calibration{count}.png"
        figure = plot_calibration(outcomes(rng.random(count)), path=path)
        assert path.stat().st_size > 20_000
        assert len(figure.axes) == 2
        steps = [p for p in figure.axes[0].patches if hasattr(p, "get_data")]
        assert len(steps[0].get_data().values) == count + 1
    with pytest.raises(PlotError, match="no ending of a picture"):
        plot_calibration(outcomes(np.array([0.5])), path=tmp_path / "calibration.doc")


# --- the commands ------------------------------------------------------------------------------------------


@pytest.fixture
def home(record, tmp_path, monkeypatch) -> Path:
    write_record(record, tmp_path / "record.json")
    single = np.random.default_rng(1).normal(1.95, 0.03, (500, 1))
    write_record(made(single), tmp_path / "single.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAYES_SCALING_LEDGER", str(tmp_path / "ledger.sqlite3"))
    return tmp_path


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_score_and_ledger(home, record) -> None:
    done = run("score", "single.json", "--outcome", "loss=1.96")
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.split())
    assert "Plan 1 (a): loss 1.96 nat/token fell at" in words
    assert "inside the 80 % band" in words or "inside the 50 % band" in words
    assert "the median was 1.95, the 90 % band 1.90 to 1.99" in words
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80
    both = ("--outcome", "loss=1.93", "--plan", 1, "--outcome", "loss=2.31", "--plan", 2)
    done = run("score", "record.json", *both, "--sha256", record.sha256[:12], "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [(x["plan"], x["truth"], x["bands"]["0.95"]["inside"]) for x in told["outcomes"]] == [
        (1, 1.93, True), (2, 2.31, False),
    ]  # fmt: skip
    assert told["record"] == record.sha256

    done = run("ledger", "--json", "--plot", "calibration.png")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["calibration"]["count"] == 3
    assert (found["records"], found["awaiting"], found["replaced"]) == (2, 0, 0)
    assert [c["held"] for c in found["calibration"]["coverage"]][-1] == 2
    assert (home / "calibration.png").stat().st_size > 20_000
    done = run("ledger")
    assert done.exit_code == 0
    assert "2 records, 3 outcomes" in done.stdout
    assert "95 %     2 of 3          67 %" in done.stdout
    assert "Mean PIT" in done.stdout
    assert "share their errors" in done.stdout


def test_replacing_on_the_command_line(home) -> None:
    assert run("score", "single.json", "--outcome", "loss=1.96").exit_code == 0
    again = run("score", "single.json", "--outcome", "loss=1.97")
    assert again.exit_code == 2
    assert "1.96, scored" in again.stderr
    assert run("score", "single.json", "--outcome", "loss=1.97", "--replace").exit_code == 0
    assert "1 record, 1 outcome (1 replaced)" in run("ledger").stdout
    other = run("score", "single.json", "--outcome", "loss=1.9", "--ledger", "theirs.sqlite3")
    assert other.exit_code == 0
    assert len(read_ledger("theirs.sqlite3").outcomes) == 1


def test_an_outcome_in_another_unit_is_suspected(home) -> None:
    told = run("score", "single.json", "--outcome", "loss=7.0")
    assert told.exit_code == 0
    assert "Note: loss = 7 lies far outside of all bands: is it in 'nat/token'" in " ".join(
        told.stdout.split()
    )


def test_an_empty_ledger_is_told(home, record) -> None:
    enter(record)
    told = run("ledger")
    assert told.exit_code == 0
    assert "1 record, 0 outcomes; without an outcome: 2 forecasts" in told.stdout
    assert json.loads(run("ledger", "--json").stdout)["calibration"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("score", "none.json", "--outcome", "loss=1"), "there is no file 'none.json'"),
        (("score", "record.json", "--outcome", "loss=2"), "2 plans of loss: say which with --plan; 1 is"),
        (("score", "record.json", "--outcome", "loss=2", "--plan", 3), "no plan 3 of loss; its plans are 1"),
        (("score", "record.json", "--outcome", "los=2", "--plan", 1), "did you mean 'loss'"),
        (("score", "record.json", "--outcome", "2", "--plan", 1), "expected QUANTITY=NUMBER"),
        (("score", "single.json", "--outcome", "loss=2", "--outcome", "loss=3"), "two outcomes of loss"),
        (("score", "single.json", "--outcome", "loss=2", "--plan", 1, "--plan", 1), "2 plans for 1 outcomes"),
        (("score", "single.json", "--outcome", "loss=2", "--sha256", "01234567"), "not the record of that"),
        (("score", "single.json", "--outcome", "loss=2", "--sha256", "01"), "expected 8 digits or more"),
        (("score", "changed.json", "--outcome", "loss=2"), "was changed after it was written"),
        (("ledger",), "there is no ledger"),
        (("ledger", "--ledger", "record.json"), "not a ledger"),
        (("ledger", "--plot", "picture.doc"), "no ending of a picture"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(home, arguments, message) -> None:
    (home / "changed.json").write_text((home / "single.json").read_text().replace('"rows": 1', '"rows": 2'))
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (home / "ledger.sqlite3").exists(), "nothing was written"


def test_ledger_of_one_quantity(home) -> None:
    run("score", "single.json", "--outcome", "loss=1.96")
    done = run("ledger", "--quantity", "accuracy")
    assert done.exit_code == 2
    assert "no outcome of 'accuracy'; known: loss" in done.stderr
    assert json.loads(run("ledger", "--quantity", "loss", "--json").stdout)["calibration"]["count"] == 1
    assert run("ledger", "--plot", "c.png", "--quantity", "loss").exit_code == 0
