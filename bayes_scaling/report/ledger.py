"""The ledger of outcomes: one SQLite file to which several people may write at once.

Records are entered whole and outcomes only appended; an outcome that is replaced stays, marked with the
time. Every write is one transaction in write-ahead mode with full synchronisation: a writer that is killed
leaves all of its outcomes or none of them.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from bayes_scaling.report._parse import RecordError
from bayes_scaling.report._schema import Record, parse_record, to_json
from bayes_scaling.report.outcome import Outcome

VARIABLE = "BAYES_SCALING_LEDGER"
#: In the file's header: says whose file it is.
APPLICATION_ID = 0x42534C47
SCHEMA_VERSION = 1
#: Seconds for which a writer waits while others write.
PATIENCE = 30.0

_SCHEMA = (
    """CREATE TABLE records (
        sha256 TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL,
        forecasts INTEGER NOT NULL, body TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE outcomes (
        number INTEGER PRIMARY KEY, record TEXT NOT NULL REFERENCES records, quantity TEXT NOT NULL,
        plan INTEGER NOT NULL, truth REAL NOT NULL, median REAL NOT NULL, pit REAL NOT NULL,
        scored TEXT NOT NULL, replaced TEXT
    ) STRICT""",
    "CREATE UNIQUE INDEX one_truth ON outcomes (record, quantity, plan) WHERE replaced IS NULL",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class LedgerError(ValueError):
    """A ledger cannot be read or written, or an outcome does not go into it."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a ledger holds.

    Parameters
    ----------
    path : Path
    outcomes : tuple of Outcome
        In the order of writing, without those that were replaced.
    records : int
        Pre-registrations that were entered, scored or not.
    awaiting : int
        Forecasts of those records (one per quantity and plan) that have no outcome.
    replaced : int
        Outcomes that gave way to another.
    """

    path: Path
    outcomes: tuple[Outcome, ...]
    records: int
    awaiting: int
    replaced: int


def default_path() -> Path:
    """Where the ledger is: the environment variable ``BAYES_SCALING_LEDGER``, else the user's data folder."""
    told = os.environ.get(VARIABLE)
    if told:
        return Path(told).expanduser()
    return platformdirs.user_data_path("bayes_scaling", appauthor=False) / "ledger.sqlite3"


def enter(record: Record, *, path: str | os.PathLike[str] | None = None) -> None:
    """Enter a record before its outcome is known, so that it is neither forgotten nor changed.

    Parameters
    ----------
    record : Record
    path : path, optional
        The ledger, made if there is none; default: `default_path`.

    Raises
    ------
    LedgerError
        If the same record was entered with another content, or the ledger cannot be written.
    """
    append(record, (), path=path)


def check_place(path: str | os.PathLike[str] | None = None) -> Path:
    """Check before long work that a ledger is there, or can be made there.

    Raises
    ------
    LedgerError
        As `enter` does.
    """
    place = _path(path)
    if place.exists():
        with _open(place, make=False):
            pass
    elif place != default_path().absolute() and not place.parent.is_dir():
        raise _no_folder(place)
    return place


def _no_folder(path: Path) -> LedgerError:
    return LedgerError(f"there is no folder {str(path.parent)!r} for the ledger; make it first")


def append(
    record: Record,
    outcomes: Sequence[Outcome],
    *,
    replace: bool = False,
    path: str | os.PathLike[str] | None = None,
) -> None:
    """Append outcomes of one record, all or none.

    Parameters
    ----------
    record : Record
    outcomes : sequence of Outcome
        From `bayes_scaling.report.outcome.judge`.
    replace : bool
        Let them take the place of outcomes of the same quantity and plan.
    path : path, optional
        The ledger, made if there is none; default: `default_path`.

    Raises
    ------
    LedgerError
        If an outcome of the same quantity and plan is there, the same record was entered with another
        content, or the ledger cannot be written.
    """
    if any(one.record != record.sha256 for one in outcomes):
        raise LedgerError(f"an outcome belongs to another record than {record.sha256[:12]}...")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with _open(_path(path), make=True) as ledger, _transaction(ledger):
        _enter(ledger, record)
        for one in outcomes:
            key = (one.record, one.quantity, one.plan)
            same = "record = ? AND quantity = ? AND plan = ? AND replaced IS NULL"
            if replace:
                ledger.execute(f"UPDATE outcomes SET replaced = ? WHERE {same}", (now, *key))
            elif there := ledger.execute(f"SELECT truth, scored FROM outcomes WHERE {same}", key).fetchone():
                raise LedgerError(
                    f"the ledger has an outcome of {one.quantity}, plan {one.plan}, of this record: "
                    f"{there[0]:g}, scored {there[1]}; to put {one.truth:g} in its place, "
                    "say so (--replace, replace=True)"
                )
            ledger.execute(
                "INSERT INTO outcomes (record, quantity, plan, truth, median, pit, scored)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*key, one.truth, one.median, one.pit, now),
            )


def _enter(ledger: sqlite3.Connection, record: Record) -> None:
    known = ledger.execute("SELECT sha256 FROM records WHERE id = ?", (record.id,)).fetchone()
    if known and known[0] != record.sha256:
        raise LedgerError(
            f"this record was changed: the ledger knows record {record.id} by SHA-256 {known[0][:12]}..., "
            f"and this one has {record.sha256[:12]}...; score the original"
        )
    if not known:
        count = sum(len(one.plans) for one in record.forecasts)
        values = (record.sha256, record.id, record.created, count, to_json(record))
        ledger.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", values)


def read_ledger(path: str | os.PathLike[str] | None = None) -> Ledger:
    """All that a ledger holds.

    Parameters
    ----------
    path : path, optional
        Default: `default_path`.

    Raises
    ------
    LedgerError
        If there is no ledger, or it is damaged, of a newer version, or something else.
    """
    path = _path(path)
    with _open(path, make=False) as ledger, _transaction(ledger, "DEFERRED"):
        columns = "record, quantity, plan, truth, median, pit"
        rows = ledger.execute(
            f"SELECT {columns} FROM outcomes WHERE replaced IS NULL ORDER BY number"
        ).fetchall()
        replaced = ledger.execute("SELECT count(*) FROM outcomes WHERE replaced IS NOT NULL").fetchone()[0]
        records, forecasts = ledger.execute("SELECT count(*), total(forecasts) FROM records").fetchone()
    return Ledger(path, tuple(Outcome(*row) for row in rows), records, int(forecasts) - len(rows), replaced)


def entered(sha256: str, path: str | os.PathLike[str] | None = None) -> Record:
    """The record that a ledger keeps under a hash.

    Raises
    ------
    LedgerError
        If there is none, or it does not have that hash any more.
    """
    path = _path(path)
    with _open(path, make=False) as ledger:
        row = ledger.execute("SELECT body FROM records WHERE sha256 = ?", (sha256,)).fetchone()
    if row is None:
        raise LedgerError(f"{str(path)!r} has no record {sha256[:12]}...")
    try:
        record = parse_record(row[0])
    except RecordError as error:
        raise LedgerError(f"{str(path)!r}: record {sha256[:12]}... {error}") from None
    if record.sha256 != sha256:
        raise LedgerError(f"{str(path)!r}: record {sha256[:12]}... has become another one")
    return record


# --- the file ----------------------------------------------------------------------------------------------


def _path(path: str | os.PathLike[str] | None) -> Path:
    return Path(path).expanduser().absolute() if path is not None else default_path().absolute()


@contextlib.contextmanager
def _open(path: Path, *, make: bool) -> Iterator[sqlite3.Connection]:
    """A connection to a ledger of this version; whatever is amiss becomes one line about that file."""
    where = repr(str(path))
    if not path.is_file():
        if path.exists():
            raise LedgerError(f"{where} is not a file; expected a ledger, such as ledger.sqlite3")
        if not make:
            raise LedgerError(f"there is no ledger {where} yet: 'review --record' and 'score' make it")
    try:
        if make and path == default_path().absolute():
            path.parent.mkdir(parents=True, exist_ok=True)
        if not path.parent.is_dir():
            raise _no_folder(path)
        uri = f"{path.as_uri()}?mode={'rwc' if make else 'rw'}"
        connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
        with contextlib.closing(connection):
            _prepare(connection, make, where)
            yield connection
    except sqlite3.OperationalError as error:
        busy = _is_busy(error)
        cause = f"other processes have kept it busy for {PATIENCE:.0f} s; try again" if busy else str(error)
        raise LedgerError(f"the ledger {where} cannot be used: {cause}") from error
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"{where} is damaged or not a ledger: {error}") from error
    except OSError as error:
        raise LedgerError(f"the ledger {where} cannot be used: {error.strerror or error}") from error


def _prepare(connection: sqlite3.Connection, make: bool, where: str) -> None:
    """Settings of the connection; the tables, if the file is new."""
    if make and not _version(connection, where):
        _patiently(connection, "PRAGMA journal_mode = WAL")  # kept in the file; needed once
        with _transaction(connection):
            if not _version(connection, where):  # another writer may have been faster
                for statement in _SCHEMA:
                    connection.execute(statement)
    if not _version(connection, where):
        raise LedgerError(f"{where} is an empty file and not a ledger")
    connection.execute("PRAGMA synchronous = FULL")  # in write-ahead mode NORMAL may lose the last outcomes
    connection.execute("PRAGMA foreign_keys = ON")


def _version(connection: sqlite3.Connection, where: str) -> int:
    """Version of the schema, 0 for a new file; other files and those of a newer version are refused."""
    owner, version, tables = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id),"
        " (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)"
    ).fetchone()
    if owner != APPLICATION_ID and (owner or version or tables):
        raise LedgerError(
            f"{where} is an SQLite file of something else and not a ledger; choose another name"
        )
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"{where} is a ledger of format {version}, and this version knows up to {SCHEMA_VERSION}: "
            "upgrade bayes_scaling"
        )
    return version


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Run a statement for which SQLite itself does not wait while others write."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute(statement).fetchall()
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
