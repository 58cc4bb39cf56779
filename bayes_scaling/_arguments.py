"""What the arguments of the command line mean; what is wrong with them is told before any work is done."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from bayes_scaling._files import obstacle, same_file
from bayes_scaling.structure import DEFAULT, Structure

if TYPE_CHECKING:
    from bayes_scaling.average import Average
    from bayes_scaling.borrowed.record import Prior
    from bayes_scaling.engine import Settings
    from bayes_scaling.law import Law
    from bayes_scaling.posterior import Posterior
    from bayes_scaling.predict import Target
    from bayes_scaling.rivals import Candidate
    from bayes_scaling.runs import Runs

Weights = Literal["equal", "stacking"]

#: First bytes of files that hold a posterior: HDF5 (NetCDF-4), and classic NetCDF for a clear refusal.
_SIGNATURES = (b"\x89HDF", b"CDF")


class UsageError(ValueError):
    """The command line asks for something that cannot be."""


def named_law(text: str | None) -> Law:
    """A law by name, or ``NAME:VARIANT``."""
    from bayes_scaling.laws import law

    if text is None:
        raise UsageError("which law? say --law NAME; 'bayes-scaling laws' lists them")
    return law(text)


def named_laws(text: str | None) -> list[Law] | None:
    """The laws of ``NAME,NAME:VARIANT``; None, which is the default ones, if there is no text."""
    if text is None:
        return None
    found: dict[str, Law] = {}
    for name in (part.strip() for part in text.split(",")):
        if not name:
            raise UsageError(f"--laws {text}: expected NAME,NAME,..., found an empty name")
        law = named_law(name)
        if law.label in found:
            raise UsageError(f"--laws {text}: {law.label!r} is given twice")
        found[law.label] = law
    return list(found.values())


def table(data: str, group: str | None, column: list[str] | None, unit: list[str] | None) -> Runs:
    """The table of runs at that path or of that built-in name."""
    from bayes_scaling import datasets
    from bayes_scaling.runs import read_runs

    columns, units = mapping("--column", column), mapping("--unit", unit)
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
    if law is not None and named_law(law).label != posterior.law.label:
        raise UsageError(f"{data!r} is a posterior of law {posterior.law.label!r}, not of {law!r}")
    return posterior


def fitted(
    law: Law,
    runs: Runs,
    x: str | None,
    y: str | None,
    prior: Sequence[str] | None,
    settings: Settings,
    structure: Structure | None = DEFAULT,
) -> Posterior:
    """Fit, with a progress bar on standard error if that is a terminal."""
    from bayes_scaling.rivals import Candidate

    return _fitted(Candidate(law, feeding(law, x) or {}, y), runs, prior, settings, structure)


def _fitted(
    one: Candidate,
    runs: Runs,
    prior: Sequence[str] | None,
    settings: Settings,
    structure: Structure | None,
) -> Posterior:
    from bayes_scaling._progress import fits
    from bayes_scaling.posterior import fit

    intervals, lent = borrowed(prior)
    with fits([one.name], settings) as progress:
        return fit(
            one.law,
            runs,
            inputs=one.inputs or None,
            response=one.response,
            priors=_priors(intervals),
            structure=structure,
            prior=lent,
            settings=settings,
            progress=progress,
        )


def rivals(runs: Runs, laws: Sequence[Law] | None, x: str | None, y: str | None) -> tuple[Candidate, ...]:
    """The laws that compete on a table, each with its columns; by default those for such a table."""
    from bayes_scaling.laws import law
    from bayes_scaling.rivals import ATTEMPTS, ONE_AXIS, candidates

    inputs: dict[str, str] = {}
    for one in laws or [law(name) for name in (*ONE_AXIS, *ATTEMPTS)]:
        inputs |= feeding(one, x) or {}
    return candidates(runs, laws, inputs=inputs or None, response=y)


def fed(asked: Sequence[Candidate]) -> dict[str, str]:
    """Column of every input that is fed by a column of another name."""
    return {name: column for one in asked for name, column in one.inputs.items()}


def averaged(
    asked: Sequence[Candidate],
    runs: Runs,
    prior: Sequence[str] | None,
    weights: Weights,
    settings: Settings,
    structure: Structure | None,
) -> Average:
    """Fit rival laws, with a progress bar on standard error if that is a terminal."""
    from bayes_scaling._progress import fits
    from bayes_scaling.average import Average
    from bayes_scaling.compare import average

    if len(asked) == 1:
        return Average((_fitted(asked[0], runs, prior, settings, structure),), (1.0,))
    response = next((one.response for one in asked if one.response), None)
    with fits([one.name for one in asked], settings) as progress:
        return average(
            runs,
            [one.law for one in asked],
            weights=weights,
            inputs=fed(asked) or None,
            response=response,
            structure=structure,
            settings=settings,
            progress=progress,
        )


def must_pass(whole: Average) -> None:
    """Refuse an average of which laws that failed carry half or more, and say why of each."""
    from bayes_scaling.forecast import DiagnosticsRefused

    failed = [one for one in whole.posteriors if not one.diagnostics.passed]
    if failed and len(whole.posteriors) > 1:
        each = "\n".join(f"{one.law.label} {one.diagnostics}" for one in failed)
        few = len(failed) < len(whole.posteriors)
        lost = "half of the average or more" if few else "no law"
        verb = "failed" if few else "passed"
        raise DiagnosticsRefused(f"{lost} {verb} its diagnostics, so that none forecasts:\n{each}")


def needs_one_law(asked: Sequence[Candidate], options: Mapping[str, Any]) -> None:
    """Refuse options that only one law can follow when there are several."""
    given = [name for name, value in options.items() if value]
    if given and len(asked) > 1:
        names = ", ".join(one.name for one in asked)
        raise UsageError(f"{given[0]} needs one law, and here are {len(asked)}: {names}; say --law NAME")


def feeding(law: Law, x: str | None) -> dict[str, str] | None:
    """Which input ``--x`` feeds."""
    if x is None:
        return None
    scalars = [i.name for i in law.inputs if i.kind == "positive"]
    if len(scalars) != 1:
        say = " ".join(f"--column {name}=..." for name in scalars)
        raise UsageError(f"--x {x}: law {law.name!r} has {len(scalars)} inputs; say {say}")
    return {scalars[0]: x}


def plans(law: Law | Sequence[Law], at: Sequence[str], columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """Planned runs as plain mappings of text, which `forecast` reads as numbers.

    The input of a generic law may be called by the column that feeds it. Of several laws, a plan serves all.
    """
    from bayes_scaling.law import Law, nearest

    laws = [law] if isinstance(law, Law) else list(law)
    inputs = {i.name: i.kind for one in laws for i in one.inputs}
    called = {column: name for name, column in columns.items() if column not in inputs}
    derived = ("params", "tokens", "compute") if inputs.keys() & {"params", "tokens", "compute"} else ()
    known = list(dict.fromkeys([*inputs, *called, *derived]))
    who = (
        f"law {laws[0].name!r} has" if len(laws) == 1 else f"the laws {', '.join(o.name for o in laws)} have"
    )
    found = []
    for text in at:
        plan: dict[str, Any] = {}
        for name, value in mapping("--at", text.split(","), where=text).items():
            if name not in known:
                raise UsageError(f"--at {text}: {who} no input {name!r}; {nearest(name, known)}")
            name = called.get(name, name)
            plan[name] = _schedule(value) if inputs.get(name) == "schedule" else value
        found.append(plan)
    return found


def checked(laws: Sequence[Law], planned: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The plans in numbers, after all laws have found their inputs in them."""
    from bayes_scaling.forecast import consistent, read_plans

    for law in laws:
        planned = list(read_plans(law, planned)[1])
    return list(consistent(planned))


def common_families(asked: Sequence[Candidate], runs: Runs) -> list[str]:
    """Families that every law can be fitted to."""
    from bayes_scaling.measurements import measurements

    each = [measurements(runs, c.law, inputs=c.inputs or None, response=c.response).families for c in asked]
    return [name for name in each[0] if all(name in families for families in each)]


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
    from bayes_scaling.predict import NEW

    for name in groups or ():
        check_family(name, families)
    asked = groups or [families[0] if len(families) == 1 else NEW]
    return [(plan, name) for plan in planned for name in dict.fromkeys(asked)]


def check_family(name: str | None, families: Sequence[str]) -> None:
    """Refuse a family that the table does not have."""
    from bayes_scaling.law import nearest
    from bayes_scaling.predict import NEW

    if name is not None and name not in (*families, NEW):
        raise UsageError(f"--group-value {name}: no such family; {nearest(name, [*families, NEW])}")


def one_of_targets(text: str) -> Target:
    """What to forecast."""
    from bayes_scaling.predict import Target

    return cast("Target", choice("--target", text, get_args(Target), "target"))


def one_of_weights(text: str) -> Weights:
    """How to weigh rival laws."""
    return cast("Weights", choice("--weights", text, ("equal", "stacking"), "way to weigh"))


def choice(option: str, text: str, known: Sequence[str], noun: str) -> str:
    """One of some words."""
    from bayes_scaling.law import nearest

    if text not in known:
        raise UsageError(f"{option} {text}: no such {noun}; {nearest(text, known)}")
    return text


def numbers(option: str, text: str) -> list[float]:
    """Numbers with commas between them."""
    from bayes_scaling.units import number

    try:
        return [number(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{option} {text}: expected NUMBER,NUMBER,...: {error}") from None


def structured(without: bool) -> Structure | None:
    """The structural discrepancy to fit with."""
    return None if without else DEFAULT


def unlike(option: str, others: Mapping[str, Any]) -> None:
    """Refuse options that make no sense beside another."""
    for name, value in others.items():
        if value:
            raise UsageError(f"{name} is about several laws and {option} names one; give one of the two")


def check_folder(path: Path, data: str = "") -> None:
    """Refuse a path that cannot be written (no folder, a folder, no permission), or is the table itself."""
    if problem := obstacle(path):
        raise UsageError(problem)
    if data and same_file(path, Path(data)):
        raise UsageError(f"{str(path)!r} is what is read; choose another name for what is written")


def mapping(option: str, texts: Sequence[str] | None, where: str = "") -> dict[str, str]:
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


def borrowed(texts: Sequence[str] | None) -> tuple[list[str], Prior | None]:
    """What several ``--prior`` say: intervals (``NAME=LOW,HIGH``), and at most one file or pack.

    Raises
    ------
    UsageError
        If two priors are to be borrowed.
    PriorError
        If there is no such file or pack, or it is no prior.
    """
    from bayes_scaling.priors import as_prior

    intervals = [text for text in texts or () if "=" in text]
    sources = [text for text in texts or () if "=" not in text]
    if len(sources) > 1:
        raise UsageError(f"--prior: {', '.join(sources)}; expected at most one file or pack")
    return intervals, as_prior(sources[0]) if sources else None


def _priors(texts: Sequence[str] | None) -> dict[str, tuple[float, float]] | None:
    from bayes_scaling.units import number

    priors = {}
    for name, text in mapping("--prior", texts).items():
        try:
            low, high = map(number, text.split(","))
        except ValueError:
            raise UsageError(
                f"--prior {name}={text}: expected two numbers LOW,HIGH, found {text!r}"
            ) from None
        priors[name] = (low, high)
    return priors or None
