"""What the arguments of the command line mean; what is wrong with them is told before any work is done."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from bayes_scaling.engine import Settings
    from bayes_scaling.law import Law
    from bayes_scaling.posterior import Posterior
    from bayes_scaling.predict import Target
    from bayes_scaling.runs import Runs

#: First bytes of files that hold a posterior: HDF5 (NetCDF-4), and classic NetCDF for a clear refusal.
_SIGNATURES = (b"\x89HDF", b"CDF")


class UsageError(ValueError):
    """The command line asks for something that cannot be."""


def named_law(text: str | None) -> Law:
    """A law by name, or ``NAME:VARIANT``."""
    from bayes_scaling.laws import law

    if text is None:
        raise UsageError("which law? say --law NAME; 'bayes-scaling laws' lists them")
    name, colon, variant = text.partition(":")
    if colon and not variant.isdecimal():
        raise UsageError(f"law {text!r}: expected the number of a variant after the colon, found {variant!r}")
    return law(name, int(variant)) if colon else law(name)


def table(data: str, group: str | None, column: list[str] | None, unit: list[str] | None) -> Runs:
    """The table of runs at that path or of that built-in name."""
    from bayes_scaling import datasets
    from bayes_scaling.runs import read_runs

    columns, units = _mapping("--column", column), _mapping("--unit", unit)
    if data in datasets.names():
        runs = read_runs(datasets.load(data), columns=columns, units=units, family=group)
        return replace(runs, source=data)
    _must_exist(data)
    if is_posterior(data):
        raise UsageError(f"{data!r} holds a posterior; 'fit' takes a table of runs, 'forecast' takes either")
    return read_runs(data, columns=columns, units=units, family=group)


def _must_exist(data: str) -> None:
    from bayes_scaling import datasets

    path = Path(data).expanduser()
    if path.exists():
        return
    files = [str(path.parent / p.name) for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(str(path), [*datasets.names(), *sorted(files)], n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}? " if close else ""
    known = ", ".join(datasets.names())
    raise UsageError(f"there is no file and no built-in data set {data!r}; {guess}built in: {known}")


def is_posterior(data: str) -> bool:
    """Whether that is a file that 'fit' wrote, or looks like one."""
    path = Path(data).expanduser()
    if path.suffix.lower() == ".nc":
        _must_exist(data)
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4).startswith(_SIGNATURES)


def saved(data: str, law: str | None, idle: Sequence[str]) -> Posterior:
    """A saved posterior, which brings its own law and runs; ``idle`` are options that would change them."""
    from bayes_scaling.storage import load

    if idle:
        raise UsageError(f"{', '.join(idle)} cannot change the saved posterior {data!r}; fit the table again")
    posterior = load(data)
    if law is not None and named_law(law).name != posterior.law.name:
        raise UsageError(f"{data!r} is a posterior of law {posterior.law.name!r}, not of {law!r}")
    return posterior


def fitted(
    law: Law, runs: Runs, x: str | None, y: str | None, prior: Sequence[str] | None, settings: Settings
) -> Posterior:
    """Fit, with a progress bar on standard error if that is a terminal."""
    from bayes_scaling.posterior import fit

    inputs, priors = feeding(law, x), _priors(prior)
    with _progress(law, settings) as progress:
        return fit(law, runs, inputs=inputs, response=y, priors=priors, settings=settings, progress=progress)


def feeding(law: Law, x: str | None) -> dict[str, str] | None:
    """Which input ``--x`` feeds."""
    if x is None:
        return None
    scalars = [i.name for i in law.inputs if i.kind == "positive"]
    if len(scalars) != 1:
        say = " ".join(f"--column {name}=..." for name in scalars)
        raise UsageError(f"--x {x}: law {law.name!r} has {len(scalars)} inputs; say {say}")
    return {scalars[0]: x}


def plans(law: Law, at: Sequence[str], columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """Planned runs as plain mappings of text, which `forecast` reads as numbers.

    The input of a generic law may be called by the column that feeds it.
    """
    from bayes_scaling.law import nearest

    inputs = {i.name: i.kind for i in law.inputs}
    called = {column: name for name, column in columns.items() if column not in inputs}
    derived = ("params", "tokens", "compute") if inputs.keys() & {"params", "tokens", "compute"} else ()
    known = list(dict.fromkeys([*inputs, *called, *derived]))
    found = []
    for text in at:
        plan: dict[str, Any] = {}
        for name, value in _mapping("--at", text.split(","), where=text).items():
            if name not in known:
                raise UsageError(
                    f"--at {text}: law {law.name!r} has no input {name!r}; {nearest(name, known)}"
                )
            name = called.get(name, name)
            plan[name] = _schedule(value) if inputs.get(name) == "schedule" else value
        found.append(plan)
    return found


def _schedule(path: str) -> Any:
    """A learning-rate schedule: a text file with one rate per step."""
    import numpy as np

    try:
        values = np.array(Path(path).expanduser().read_text(encoding="utf-8").split(), dtype=float)
    except ValueError as error:
        raise UsageError(f"{path!r}: expected one learning rate per line, a line per step: {error}") from None
    if not (len(values) and np.isfinite(values).all() and (values >= 0).all()):
        raise UsageError(f"{path!r}: expected learning rates that are finite and not negative, one per line")
    return values


def pair_up(
    planned: Sequence[dict[str, Any]], groups: Sequence[str] | None, families: Sequence[str]
) -> list[tuple[dict[str, Any], str]]:
    """Every plan with every family that is asked for: by default the only one, or a new one."""
    from bayes_scaling.law import nearest
    from bayes_scaling.predict import NEW

    for name in groups or ():
        if name not in (*families, NEW):
            raise UsageError(f"--group-value {name}: no such family; {nearest(name, [*families, NEW])}")
    asked = groups or [families[0] if len(families) == 1 else NEW]
    return [(plan, name) for plan in planned for name in dict.fromkeys(asked)]


def one_of_targets(text: str) -> Target:
    """What to forecast."""
    from typing import get_args

    from bayes_scaling.law import nearest
    from bayes_scaling.predict import Target

    if text not in get_args(Target):
        raise UsageError(f"--target {text}: no such target; {nearest(text, get_args(Target))}")
    return cast("Target", text)


def check_folder(path: Path) -> None:
    """Refuse a path that cannot be written because there is no such folder, or it is one."""
    folder = path.expanduser().absolute().parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r} to write {path.name!r} to; make it first")
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder; expected the name of a file")


def _mapping(option: str, texts: Sequence[str] | None, where: str = "") -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, _, value = (part.strip() for part in text.partition("="))
        if not (name and value):
            raise UsageError(f"{option} {where or text}: expected NAME=VALUE, found {text!r}")
        if name in found:
            raise UsageError(f"{option} {where or text}: {name!r} is given twice")
        found[name] = value
    return found


def _priors(texts: Sequence[str] | None) -> dict[str, tuple[float, float]] | None:
    from bayes_scaling.units import number

    priors = {}
    for name, text in _mapping("--prior", texts).items():
        try:
            low, high = map(number, text.split(","))
        except ValueError:
            raise UsageError(
                f"--prior {name}={text}: expected two numbers LOW,HIGH, found {text!r}"
            ) from None
        priors[name] = (low, high)
    return priors or None


@contextmanager
def _progress(law: Law, settings: Settings) -> Iterator[Callable[[int, int, int], None] | None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"{law.name}: preparing", total=None)

        def advance(done: int, total: int, divergences: int) -> None:
            trouble = f", {divergences} divergences" if divergences else ""
            words = f"{law.name}: {settings.chains} chains{trouble}"
            bar.update(task, completed=done, total=total, description=words)

        yield advance
