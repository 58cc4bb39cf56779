"""Finding the columns of a table, and checking what they hold.

Every check takes a table and appends what it finds to a list, so that one error can name all problems.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from bayes_scaling.law import nearest
from bayes_scaling.units import VOCABULARY, Domain, guess_unit, missing, numbers, series, shown

#: Columns that tell measurements of one run id apart without being checkpoints of it.
INDEX = ("seed", "replicate", "task", "problem", "shots", "metric")
#: Columns along which one run is measured several times.
POSITIONS = ("tokens", "step", "x", "k")
SHOWN = 5


def rename(
    frame: pd.DataFrame,
    columns: Mapping[str, str],
    named: Mapping[str, str],
    problems: list[str],
    notes: list[str],
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Give the columns their canonical names: as told, and by alias where exactly one column fits.

    Returns
    -------
    frame : DataFrame
    source : dict of str to str
        Canonical name -> the user's name, for the renamed columns.
    """
    users = list(frame.columns)
    source: dict[str, str] = {}
    wanted = [(f"columns[{name!r}]", name, user) for name, user in columns.items()]
    for label, name, user in [*wanted, *((name, name, user) for name, user in named.items())]:
        if name == "row":
            problems.append(f"{label}: 'row' is kept for the number of the row; choose another name")
        elif name in source and source[name] != user:
            problems.append(f"{label}={user!r}, but columns[{name!r}]={source[name]!r}")
        elif user not in users:
            problems.append(f"{label}: the table has no column {user!r}; {nearest(user, users)}")
        else:
            source[name] = user
        close = difflib.get_close_matches(name, VOCABULARY, n=1, cutoff=0.8)
        if close and name not in VOCABULARY:
            notes.append(
                f"{label}: {name!r} is not a known column name, did you mean {close[0]!r}? kept as it is"
            )
    for name, quantity in VOCABULARY.items():
        if name in users or name in source or name in columns or name in named:
            continue
        free = [user for user in users if user not in source.values() and user not in VOCABULARY]
        fits = [u for u in free if u in quantity.aliases or _plain(u) in (name, *quantity.aliases)]
        if quantity.domain != "label":
            fits = [user for user in fits if not numbers(series(frame, user))[1]]
        if len(fits) == 1:
            source[name] = fits[0]
            notes.append(f"column {fits[0]!r} is read as {name!r}; columns={{{name!r}: ...}} says otherwise")
        elif fits:
            notes.append(f"no {name!r}: any of {fits} could be meant; say columns={{{name!r}: {fits[0]!r}}}")
    renamed: dict[str, pd.Series] = {}
    for user in users:
        targets = [name for name, origin in source.items() if origin == user]
        renamed |= dict.fromkeys(targets, series(frame, user))
        if user == "row" or (user in source and user not in targets):
            replaced = repr(source[user]) if user in source else "the number of the row"
            notes.append(f"column {user!r} of the table is replaced by {replaced}")
        elif not targets:
            renamed[user] = series(frame, user)
    renamed.pop("row", None)
    return pd.DataFrame(renamed, index=frame.index), source


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_") if len(name) > 1 else name


def spelt(cell: object) -> str:
    """A name without what no file can hold: halves of characters (lone surrogates) are spelt out."""
    return str(cell).strip().encode("utf-8", "backslashreplace").decode("utf-8")


def labels(column: pd.Series) -> pd.Series:
    """Names as text, missing where the cell is empty; 3 and 3.0 are the same name."""
    cells = column.to_numpy(dtype=object)
    return pd.Series([None if missing(c) else _label(c) for c in cells], index=column.index, dtype="str")


def _label(cell: object) -> str:
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        cell = int(cell)
    return spelt(cell)


def listing(cells: Mapping[int, str] | Iterable[tuple[int, str]]) -> str:
    """``-3 in row 2, 0 in row 5 and 7 more rows`` from row numbers and what was found there."""
    items = list(dict(cells).items())
    more = len(items) - SHOWN
    shown = ", ".join(f"{found} in row {row}" for row, found in items[:SHOWN])
    return shown + (f" and {more} more rows ({len(items)} in all)" if more > 0 else "")


def rows(positions: Iterable[int], row: np.ndarray) -> str:
    """``rows 1, 4, 9 and 3 more (6 in all)`` for positions in the table."""
    found = [str(row[i]) for i in positions]
    more = len(found) - SHOWN
    text = ("row " if len(found) == 1 else "rows ") + ", ".join(found[:SHOWN])
    return text + (f" and {more} more ({len(found)} in all)" if more > 0 else "")


def message(where: str, problems: Sequence[str]) -> str:
    """One error's text for all problems that were found."""
    if len(problems) == 1:
        return f"{where}: {problems[0]}"
    return f"{where}: {len(problems)} problems\n" + "\n".join(f"  - {problem}" for problem in problems)


def not_numbers(name: str, bad: Mapping[int, str], row: np.ndarray, problems: list[str]) -> None:
    """Report cells of text where a number belongs."""
    if bad:
        hint = "expected a number such as 3e9, 70B or 1.4T, or an empty cell for a missing value"
        if any(
            found.strip("'\"").lower() in ("nan", "na", "n/a", "null", "none", "inf", "-inf")
            for found in bad.values()
        ):
            hint += " (a run that diverged has no value either)"
        problems.append(f"{name}: {listing({int(row[i]): found for i, found in bad.items()})}; {hint}")


_OUTSIDE: Mapping[Domain, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "positive": ("a positive number", lambda v: v <= 0),
    "nonnegative": ("zero or a positive number", lambda v: v < 0),
    "real": ("a finite number", lambda v: np.zeros(len(v), bool)),
    "fraction": (
        "between 0 and 1 (in percent? say units={{{name!r}: 'percent'}})",
        lambda v: (v < 0) | (v > 1),
    ),
}


def in_domain(name: str, values: np.ndarray, domain: Domain, row: np.ndarray, problems: list[str]) -> None:
    """Report infinite values and those outside the domain; NaN is a missing value."""
    expected, outside = _OUTSIDE[domain]
    wrong = {int(row[i]): f"{values[i]:g}" for i in np.flatnonzero(np.isinf(values) | outside(values))}
    if wrong:
        problems.append(f"{name}: {listing(wrong)}; expected {expected.format(name=name)}")


def nats(name: str, values: np.ndarray, problems: list[str]) -> None:
    """Report a loss that cannot be in nats per token."""
    known = values[np.isfinite(values)]
    if known.size and known.min() > 20:
        problems.append(
            f"{name}: all values lie between {known.min():g} and {known.max():g}; "
            "expected cross-entropy in nat/token, about 1 to 12: in percent, or perplexities (take the log)?"
        )


def plausible(name: str, values: np.ndarray, row: np.ndarray, notes: list[str]) -> None:
    """Warn of values in an implausible range, with the guess of the unit that was meant."""
    floor, ceiling = VOCABULARY[name].plausible
    odd = np.flatnonzero((values < floor) | (values > ceiling))
    if not odd.size:
        return
    low, high = np.nanmin(values), np.nanmax(values)
    unit = guess_unit(name, low, high)
    kept = VOCABULARY[name].unit
    if unit:
        what = "PF-day" if unit == "PF-day" else unit.split()[0] + "s"
        notes.append(
            f"{name} between {low:g} and {high:g} {kept}: given in {what}? say units={{{name!r}: {unit!r}}}"
        )
    else:
        found = listing((int(row[i]), f"{values[i]:g}") for i in odd)
        notes.append(f"{name}: {found}; values from {floor:g} to {ceiling:g} {kept} are usual")


def run_ids(frame: pd.DataFrame, row: np.ndarray, problems: list[str]) -> None:
    """Report run ids that stand for two different runs, or for the same measurement twice."""
    if "run" not in frame:
        return
    known = frame.take(np.flatnonzero(frame["run"].notna()))
    owner = [c for c in ("family", "run") if c in frame]
    if "params" in frame:
        sizes = known.groupby(owner, dropna=False)["params"]
        low, high = (sizes.transform(side).to_numpy() for side in ("min", "max"))
        mixed = known.take(np.flatnonzero(high > low * (1 + 1e-9)))
        for run, part in list(mixed.groupby("run", sort=False))[:SHOWN]:
            found = ", ".join(f"{n:g}" for n in part["params"].dropna().unique()[:SHOWN])
            problems.append(
                f"run {run!r} has differing params ({found}) in {rows(part.index, row)}: "
                "one run has one size; give each run an id of its own"
            )
        known = known.drop(mixed.index)
    at = [c for c in POSITIONS if c in frame]
    index = [c for c in INDEX if c in frame]
    key = list(dict.fromkeys(owner + index + (at or inputs_of(frame))))
    repeated = known.take(np.flatnonzero(known.duplicated(key, keep=False)))
    groups = list(repeated.groupby(key, dropna=False, sort=False))
    for _, part in groups[:SHOWN]:
        first = part.iloc[0]
        exact = len(part.map(repr).drop_duplicates()) == 1  # cells of other columns may be of any kind
        where = " and ".join(f"{c} {first[c]:g}" for c in at if pd.notna(first[c]))
        hint = f"differ in {' or '.join(at)}" if at else "need a column step or tokens"
        hint = f"checkpoints of one run {hint}, repeats with other seeds a column seed, other runs another id"
        hint = "drop the exact repeats (table.drop_duplicates())" if exact else hint
        problems.append(
            f"duplicate run id {first['run']!r}{f' at {where}' if where else ''} in {rows(part.index, row)}: "
            f"{hint}"
        )
    if len(groups) > SHOWN:
        problems.append(f"... and {len(groups) - SHOWN} more duplicate run ids")


def inputs_of(frame: pd.DataFrame) -> list[str]:
    """Columns of the vocabulary that describe a run and are not measured on it."""
    measured = (
        "loss",
        "accuracy",
        "value",
        "y",
        "n_correct",
        "standard_error",
        "loss_se",
        "accuracy_se",
        "schedule",
    )
    return [c for c in frame.columns if c in VOCABULARY and c not in measured]


def schedules(
    frame: pd.DataFrame, given: Mapping[str, np.ndarray], problems: list[str], notes: list[str]
) -> None:
    """Report schedules that are shorter than the runs that follow them."""
    name_of = frame["schedule"] if "schedule" in frame else frame.get("run")
    if name_of is None:
        problems.append("schedules are given but no column 'schedule' or 'run' says which row follows which")
        return
    used = set(name_of.dropna())
    for name in given:
        if name not in used:
            notes.append(f"schedule {name!r} is followed by no row; {nearest(name, sorted(used)[:20])}")
    if "step" not in frame:
        return
    steps = frame["step"].to_numpy()
    for name, rates in given.items():
        own = np.where(name_of.to_numpy(dtype=object) == name, steps, np.nan)
        beyond = np.flatnonzero(own > len(rates))
        if beyond.size:
            last = beyond[np.argmax(own[beyond])]
            run = f"run {frame['run'].iloc[last]!r}" if "run" in frame else f"row {last + 1}"
            problems.append(
                f"schedule {name!r} has {len(rates)} steps but {run} has a row at step {own[last]:.15g}: "
                "give a learning rate for every step"
            )


def parse(frame: pd.DataFrame, row: np.ndarray, problems: list[str]) -> pd.DataFrame:
    """Numbers as float64, names as text; columns outside the vocabulary are numbers only if all cells are."""
    parsed: dict[str, pd.Series] = {}
    for name in frame.columns:
        column, known = series(frame, name), name in VOCABULARY
        if known and VOCABULARY[name].domain == "label":
            parsed[name] = labels(column)
        elif known or not pd.api.types.is_bool_dtype(column.dtype):
            values, bad = numbers(column)
            if known:
                not_numbers(name, bad, row, problems)
            # "70B" in an unknown column may be a name: it stays as it is, and a law that needs it reads it.
            plain = known or not (bad or _suffixed(column))
            parsed[name] = pd.Series(values, index=column.index) if plain else column
        else:
            parsed[name] = column
    return pd.DataFrame(parsed, index=frame.index)


def _suffixed(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column.dtype) and any(
        isinstance(c, str) and c.strip()[-1:].isalpha() for c in column
    )


def curves(
    frame: pd.DataFrame, given: Mapping[str, Sequence[float]], problems: list[str]
) -> dict[str, np.ndarray]:
    """Schedules as arrays: those given, and lists in a column ``schedule`` or ``lr``, which become names."""
    found: dict[str, np.ndarray] = {}
    for name, rates in given.items():
        _add_curve(found, str(name), rates, problems)
    for column in ("schedule", "lr"):
        if column not in frame or not any(isinstance(c, _LISTS) for c in frame[column]):
            continue
        name_of = frame["schedule"] if column == "lr" and "schedule" in frame else frame.get("run")
        names: list[str | None] = []
        for i, cell in enumerate(frame[column]):
            label = None if name_of is None or missing(name_of[i]) else _label(name_of[i])
            label = label or f"row {i + 1}"
            if isinstance(cell, _LISTS):
                _add_curve(found, label, cell, problems)
                names.append(label)
            elif missing(cell):
                names.append(None)
            else:
                problems.append(
                    f"{column}: {shown(cell)} in row {i + 1}, but other rows hold a list of learning rates"
                )
                names.append(None)
        del frame[column]
        frame["schedule"] = pd.Series(names, index=frame.index, dtype="str")
    return found


_LISTS = (list, tuple, np.ndarray)


def _add_curve(
    found: dict[str, np.ndarray], name: str, rates: Sequence[float] | np.ndarray, problems: list[str]
) -> None:
    try:
        array = np.array(rates, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full((0, 0), np.nan)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all() or (array < 0).any():
        problems.append(
            f"schedule {name!r}: expected one learning rate >= 0 for every step, found {str(rates)[:40]!r}"
        )
    elif name in found and not np.array_equal(found[name], array):
        problems.append(
            f"schedule {name!r} is given twice, with {len(found[name])} and {len(array)} steps that differ"
        )
    else:
        array.setflags(write=False)
        found[name] = array


def whole(name: str, values: np.ndarray, row: np.ndarray, problems: list[str]) -> None:
    """Report counts that are not whole numbers."""
    broken = {int(row[i]): f"{values[i]:g}" for i in np.flatnonzero(values % 1 > 0)}
    if broken:
        problems.append(f"{name}: {listing(broken)}; expected whole numbers")


def counts(
    name: str,
    successes: np.ndarray,
    trials_name: str,
    trials: np.ndarray,
    row: np.ndarray,
    problems: list[str],
) -> None:
    """Report counts that are not whole numbers, or more successes than trials."""
    in_domain(trials_name, trials, "positive", row, problems)
    in_domain(name, successes, "nonnegative", row, problems)
    whole(name, successes, row, problems)
    whole(trials_name, trials, row, problems)
    over = {int(row[i]): f"{successes[i]:g} of {trials[i]:g}" for i in np.flatnonzero(successes > trials)}
    if over:
        problems.append(f"{name}: {listing(over)}; expected no more successes than trials ({trials_name})")
