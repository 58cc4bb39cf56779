"""The zoo: one file is one law, and the folder tree is the registry."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import replace
from functools import cache
from pathlib import Path

from bayes_scaling.law import Law, LawError

__all__ = ["folder", "law", "laws"]


@cache
def _files() -> dict[str, str]:
    """Law name -> folder. Law files are those in the folders below this one, private names apart."""
    here = Path(__file__).parent
    found = {path.stem: path.parent.name for path in sorted(here.glob("*/*.py")) if path.stem[0] != "_"}
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def laws() -> tuple[str, ...]:
    """Names of all laws, by folder and then by name."""
    return tuple(_files())


def folder(name: str) -> str:
    """The folder of the zoo in which a law lives, for example ``"pretraining"``."""
    if name not in _files():
        close = difflib.get_close_matches(name, _files(), n=1, cutoff=0.5)
        guess = f"did you mean {close[0]!r}? " if close else ""
        every = f"bs.laws() and 'bayes-scaling laws' list all {len(_files())}"
        raise LawError(f"there is no law {name!r}; {guess}{every}")
    return _files()[name]


@cache
def law(name: str, variant: int = 1) -> Law:
    """The law of that name.

    Parameters
    ----------
    name : str
        One of `laws()`, or ``name:variant``.
    variant : int, default 1
        For laws with a size of their own (the number of breaks, say): which one.

    Raises
    ------
    LawError
        If there is no such law or no such variant. The message names the nearest one.
    """
    name, colon, text = name.partition(":")
    if colon and not text.isdecimal():
        raise LawError(f"law {name!r}: expected the number of a variant after the colon, found {text!r}")
    variant = int(text) if colon else variant
    module = importlib.import_module(f"bayes_scaling.laws.{folder(name)}.{name}")
    variants: dict[int, Law] = getattr(module, "VARIANTS", {1: module.LAW})
    if variant not in variants:
        raise LawError(f"law {name!r} has no variant {variant}; known: {sorted(variants)}")
    found = variants[variant]
    return found if variant == 1 else replace(found, variant=variant)
