"""What a command fits: a saved posterior, one law or rival laws, once the question is known to be good."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bayes_scaling import _arguments as arguments

if TYPE_CHECKING:
    from bayes_scaling.average import Average
    from bayes_scaling.posterior import Posterior
    from bayes_scaling.rivals import Candidate
    from bayes_scaling.runs import Runs

#: Checks a question against the laws and the table; what it raises is raised before the sampler starts.
Ask = Callable[["Sequence[Candidate]", "Runs"], None]


@dataclass(frozen=True)
class Fitting:
    """Options that say what is fitted, and how."""

    law: str | None
    laws: str | None
    group: str | None
    prior: list[str] | None
    x: str | None
    y: str | None
    column: list[str] | None
    unit: list[str] | None
    no_structure: bool
    chains: int
    warmup: int
    draws: int
    seed: int
    weights: arguments.Weights = "equal"


def kept(posterior: Posterior, out: Path) -> None:
    """Save what took long to fit; where that fails, among temporary files, so that it is not lost.

    Raises
    ------
    StorageError
        If it is not where it was wanted: why, and where it is.
    """
    from bayes_scaling.storage import StorageError, save

    try:
        save(posterior, out)
    except StorageError as error:
        why = str(error).partition(" The posterior is still in memory")[0]
        try:
            spare = save(posterior, Path(tempfile.mkdtemp(prefix="bayes-scaling-")) / "posterior.nc")
        except (StorageError, OSError) as again:
            raise StorageError(f"{why} It is lost: {again}") from error
        raise StorageError(f"{why} It was saved to {str(spare)!r} instead.") from error
    typer.echo(f"Wrote the posterior to {out}", err=True)


def fitted(data: str, how: Fitting, ask: Ask, alone: Mapping[str, Any] | None = None) -> Posterior | Average:
    """The posterior of one law, saved or fitted now, or the average of several.

    Parameters
    ----------
    data : str
        A table, a built-in name, or a saved posterior.
    how : Fitting
    ask : callable
    alone : mapping, optional
        Further options, by name, that only one law can follow.
    """
    from bayes_scaling.engine import Settings
    from bayes_scaling.rivals import Candidate

    several = {"--laws": how.laws, "--weights": how.weights != "equal"}
    if arguments.is_posterior(data):
        idle = {
            "--group": how.group,
            "--prior": how.prior,
            "--x": how.x,
            "--y": how.y,
            "--column": how.column,
        }
        idle |= {"--unit": how.unit, "--no-structure": how.no_structure, **several}
        one = arguments.saved(data, how.law, [name for name, value in idle.items() if value])
        ask([Candidate(one.law, one.prepared.columns, one.prepared.response)], one.runs)
        return one
    asked: Sequence[Candidate]
    if how.law is not None:
        arguments.unlike("--law", several)
        single = arguments.named_law(how.law)
        runs = arguments.table(data, how.group, how.column, how.unit)
        asked = (Candidate(single, arguments.feeding(single, how.x) or {}, how.y),)
    else:
        named = arguments.named_laws(how.laws)
        runs = arguments.table(data, how.group, how.column, how.unit)
        asked = arguments.rivals(runs, named, how.x, how.y)
    arguments.needs_one_law(asked, {**(alone or {}), "--prior": how.prior})
    ask(asked, runs)
    settings = Settings(chains=how.chains, warmup=how.warmup, draws=how.draws, seed=how.seed)
    structure = arguments.structured(how.no_structure)
    whole = arguments.averaged(asked, runs, how.prior, how.weights, settings, structure)
    return whole.posteriors[0] if how.law is not None else whole
