"""What every test needs: quiet pictures, repeatable hypothesis runs, and the real studies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["MPLBACKEND"] = "Agg"  # before anything imports matplotlib

_IN_CI = os.environ.get("CI") == "true"

# The first example of a JAX function compiles it, so a deadline would measure the compiler.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if _IN_CI else "local")


@pytest.fixture(scope="session")
def study() -> Callable[[str], Path]:
    """Path of a real study's table: ``study("chinchilla_epoch")``.

    The tables lie in the folder that ``BAYES_SCALING_DATA`` names (docs/data.md). Without it the test skips,
    except in CI, where that is a failure.
    """

    def find(name: str) -> Path:
        folder = os.environ.get("BAYES_SCALING_DATA")
        if not folder:
            give_up = pytest.fail if _IN_CI else pytest.skip
            give_up("set BAYES_SCALING_DATA to the folder of study tables to run this")
        path = Path(folder) / f"{name.removesuffix('.csv')}.csv"
        if not path.is_file():
            pytest.fail(f"BAYES_SCALING_DATA is {folder!r}, which holds no {path.name}")
        return path

    return find


@pytest.fixture(autouse=True)
def _own_ledger(tmp_path, monkeypatch) -> None:
    """What a test registers beforehand goes into no ledger of the user's."""
    monkeypatch.setenv("BAYES_SCALING_LEDGER", str(tmp_path / "ledger.sqlite3"))


@pytest.fixture
def _no_sampling(monkeypatch) -> None:
    """Bad input is found before the sampler is compiled, let alone started."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the sampler was compiled or started")

    for name in ("ready", "sample"):
        monkeypatch.setattr(f"bayes_scaling.posterior.{name}", never)
