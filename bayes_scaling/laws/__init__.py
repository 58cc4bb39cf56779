"""The zoo: one file is one law, and the folder tree is the registry."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

from bayes_scaling.law import Law, LawError

__all__ = ["ALIASES", "folder", "law", "laws", "variants"]

#: Other names of the catalogue for curves that a law of the zoo bears under its own (docs/coverage.md).
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "chinchilla_nd": "chinchilla",
        "exp_power": "activation_sparsity",
        "gadre_error": "error_vs_loss_exp",
        "kinetics_kv_growth": "power_law",
        "kinetics_sparse_opt": "power_law",
        "linear_rate": "discovery_poisson_linear",
        "mutual_information_log": "henighan:4",
        "overtrain_loss": "gadre_overtraining",
        "postopenai": "rl_posttrain_kaplan",
    }
)


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
    if name in ALIASES:
        raise LawError(f"there is no law {name!r}; that law is called {ALIASES[name]!r} here")
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
    known = variants(name)
    if variant not in known:
        raise LawError(f"law {name!r} has no variant {variant}; known: {sorted(known)}")
    return known[variant]


@cache
def variants(name: str) -> Mapping[int, Law]:
    """Number -> law for every variant of a law, in order; most laws have one.

    Raises
    ------
    LawError
        If there is no such law.
    """
    module = importlib.import_module(f"bayes_scaling.laws.{folder(name)}.{name}")
    several: dict[int, Law] = getattr(module, "VARIANTS", {1: module.LAW})
    numbered = {n: one if n == 1 else replace(one, variant=n) for n, one in sorted(several.items())}
    return MappingProxyType(numbered)
