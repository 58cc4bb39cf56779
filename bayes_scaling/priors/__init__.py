"""Prior packs: what public studies say of a law's parameters, as numbers with their provenance.

Each is one JSON file in this folder, a summary of our own posterior; the measurements are not here.
``benchmarks/priors.py`` makes them anew.
"""

from __future__ import annotations

import os
from importlib import resources

from bayes_scaling.borrowed.file import from_json, read_prior
from bayes_scaling.borrowed.record import Prior, PriorError
from bayes_scaling.law import nearest

__all__ = ["as_prior", "prior", "priors"]


def priors() -> tuple[str, ...]:
    """Names of the prior packs."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in files if name.endswith(".json")))


def prior(name: str) -> Prior:
    """A prior pack.

    Parameters
    ----------
    name : str
        One of `priors()`.

    Raises
    ------
    PriorError
        If there is no such pack. The message names the nearest one.
    """
    if name not in priors():
        raise PriorError(f"there is no prior pack {name!r}; {nearest(name, priors())}")
    text = resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    return from_json(text, f"the prior pack {name!r}")


def as_prior(source: Prior | str | os.PathLike[str]) -> Prior:
    """A prior as it is, the pack of that name, or the file at that path (which ends in .json).

    Raises
    ------
    PriorError
        If there is no such pack or file, or the file is no prior.
    """
    if isinstance(source, Prior):
        return source
    text = os.fspath(source)
    return read_prior(text) if text.lower().endswith(".json") else prior(text)
