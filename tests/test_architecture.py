"""The shape of the package: imports run one way, files stay small, and importing does nothing else."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import bayes_scaling

ROOT = Path(bayes_scaling.__file__).parent

#: From top to bottom: a module imports only from those above it. Folders count as one module.
ORDER = (
    "_declared", "supports", "law", "observe", "laws", "units", "_checks", "_files", "_memory", "_tables",
    "runs", "measurements", "structure", "layout", "diagnostics", "model", "whiten", "pilot", "turn",
    "latents", "engine", "sample", "evaluate", "batch", "borrowed", "priors", "tree", "posterior",
    "average", "predict", "scores", "verdict", "forecast", "_fingerprint", "_netcdf", "storage",
    "covariates", "transfer",
    "rivals", "cells", "backtest", "compare", "chain", "decide", "plot", "report", "datasets", "_options",
    "_progress", "_arguments", "_render", "_render_laws", "_fitting", "_cli_answers", "_cli_backtest",
    "_cli_chain",
    "_cli_tasks", "_cli_decide", "_cli_design", "_cli_ledger", "_cli_monitor", "_cli_review",
    "_cli_transfer", "cli", "__main__",
)  # fmt: skip

#: Modules that may import less than all that is above them.
ONLY = {"datasets": {"law"}}

MOST_LINES = 400

FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))

#: Distributions that do not bear the name of what they install.
DISTRIBUTIONS = {"vl_convert": "vl-convert-python"}

#: Extras that a user asks for; what the package imports must not hang on those of its developers.
EXTRAS = ("parquet", "dask", "report")


def module_of(file: Path) -> str:
    """The module of the list above that a file belongs to."""
    return file.parts[0].removesuffix(".py")


def imports(source: str, file: Path) -> list[tuple[int, str]]:
    """Line and module of every import from this package, also inside functions; "" is the package itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = ("bayes_scaling", *file.parent.parts)
            base = here[: len(here) - node.level + 1] if node.level else ()
            origin = ".".join((*base, node.module) if node.module else base)
            top = origin == "bayes_scaling"
            names = [f"{origin}.{alias.name}" for alias in node.names] if top else [origin]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "bayes_scaling":
                found.append((node.lineno, rest.split(".")[0]))
    return found


def wrong_arrows(source: str, file: Path) -> list[str]:
    """Imports of one file that run against the order."""
    module = module_of(file)
    allowed = {*ONLY.get(module, ORDER[: ORDER.index(module)]), module}
    return [
        f"{file}:{line} imports {name or 'the package itself'}"
        for line, name in imports(source, file)
        if name not in allowed
    ]


@pytest.mark.parametrize("file", [f for f in FILES if f.name != "__init__.py" or f.parent.parts], ids=str)
def test_imports_run_one_way(file):
    assert module_of(file) in ORDER, f"say in ORDER where {module_of(file)!r} stands"
    wrong = wrong_arrows((ROOT / file).read_text(encoding="utf-8"), file)
    assert not wrong, f"these run back against the order {' -> '.join(ORDER)}: {wrong}"


@pytest.mark.parametrize(
    ("file", "source", "wrong"),
    [
        ("runs.py", "from bayes_scaling.law import Law\nfrom bayes_scaling import units", []),
        ("runs.py", "import numpy as np\nfrom bayes_scaling.layout import prepare", ["layout"]),
        ("runs.py", "def f():\n    import bayes_scaling.layout as layout", ["layout"]),
        ("runs.py", "from . import _checks, forecast", ["forecast"]),
        ("runs.py", "from bayes_scaling import fit", ["fit"]),
        ("runs.py", "import bayes_scaling", ["the package itself"]),
        ("laws/data/one.py", "from .._terms import N0\nfrom ...runs import Runs", ["runs"]),
        ("laws/data/one.py", "from bayes_scaling.laws.pretraining import chinchilla", []),
        (
            "datasets/one.py",
            "from bayes_scaling.law import nearest\nfrom bayes_scaling.runs import Runs",
            ["runs"],
        ),
    ],
)
def test_the_check_sees_what_it_should(file, source, wrong):
    assert [arrow.split(" imports ")[1] for arrow in wrong_arrows(source, Path(file))] == wrong


def test_no_file_is_long():
    lengths = {str(file): len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in FILES}
    long = {file: length for file, length in lengths.items() if length > MOST_LINES}
    assert not long, f"split these, they have more than {MOST_LINES} lines: {long}"


def requirements() -> dict[str, list[str]]:
    """Names of the distributions that pyproject.toml asks for, by extra; "" for those without one."""
    text = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    every = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: [spelt(re.split(r"[^\w.-]", one)[0]) for one in asked] for extra, asked in every.items()}


def spelt(distribution: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def third_parties(source: str) -> set[str]:
    """Top-level names of all imports, also inside functions, that are neither Python's nor the package's."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found - {"bayes_scaling", "_typeshed", *sys.stdlib_module_names}  # stubs of type checkers


def test_what_is_imported_is_asked_for():
    sample = "import jax.numpy as jnp, os\nfrom .law import Law\ndef f():\n    from scipy.special import ndtr"
    assert third_parties(sample) == {"jax", "scipy"}
    asked = requirements()
    declared = {name for extra in ("", *EXTRAS) for name in asked[extra]}
    lacking = {
        f"{file} imports {name}"
        for file in FILES
        for name in third_parties((ROOT / file).read_text(encoding="utf-8"))
        if spelt(DISTRIBUTIONS.get(name, name)) not in declared
    }
    assert not lacking, f"pyproject.toml does not ask for {sorted(lacking)}"


def test_what_is_asked_for_has_a_tested_version():
    lines = (ROOT.parent / "constraints.txt").read_text(encoding="utf-8").splitlines()
    asked = {name for extra, names in requirements().items() if extra != "cuda" for name in names}
    untested = asked - {spelt(line.partition("==")[0]) for line in lines} - {"bayes-scaling"}
    assert not untested, f"constraints.txt lacks {sorted(untested)}"


def catch_alls(tree: ast.Module) -> list[str]:
    """Public functions and methods that take ``**anything``."""
    found = []

    def visit(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                visit(node.body, f"{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                public = not node.name.startswith("_") or node.name in ("__init__", "__call__")
                if public and node.args.kwarg:
                    found.append(f"{prefix}{node.name}(**{node.args.kwarg.arg})")

    visit(tree.body, "")
    return found


def test_public_signatures_name_their_arguments():
    sample = (
        "def f(**kw): ...\ndef _g(**kw): ...\nclass C:\n    def m(self, **kw): ...\n    def n(self, a): ..."
    )
    assert catch_alls(ast.parse(sample)) == ["f(**kw)", "C.m(**kw)"]
    found = {str(file): catch_alls(ast.parse((ROOT / file).read_text(encoding="utf-8"))) for file in FILES}
    assert not any(found.values()), {file: names for file, names in found.items() if names}


@pytest.fixture(scope="module")
def after_import() -> dict[str, object]:
    """The state of a fresh process after ``import bayes_scaling``, and after importing all its modules."""
    program = """
        import importlib, json, pkgutil, sys, warnings
        import numpyro, jax
        from jax._src import xla_bridge

        before = set(sys.modules)
        import bayes_scaling
        light = sorted(set(sys.modules) - before)
        import bayes_scaling.forecast, bayes_scaling.laws
        called = [callable(bayes_scaling.forecast), callable(bayes_scaling.laws)]
        import pandas, platformdirs, xarray

        def state():
            return {"backends": list(xla_bridge._backends), "x64": jax.config.jax_enable_x64}

        filters = list(warnings.filters)
        for name in dir(bayes_scaling):
            getattr(bayes_scaling, name)
        avoided = ("matplotlib", "arviz_plots", "arviz", "typer", "pooch")
        heavy = [name for name in avoided if name in sys.modules]
        found = {"filters": [str(f) for f in warnings.filters if f not in filters], "heavy": heavy}
        found |= {"light": light, "called": called, "package": state()}
        found["same_filters"] = warnings.filters == filters
        for module in pkgutil.walk_packages(bayes_scaling.__path__, "bayes_scaling."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        imported = [name for name in sys.modules if name.split(".")[0] == "bayes_scaling"]
        print(json.dumps(found | {"modules": state(), "imported": len(imported)}))
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_the_package_imports_numpyro_and_nothing_else(after_import):
    assert after_import["light"] == ["bayes_scaling"]


def test_a_name_on_offer_is_meant_whatever_was_imported_before(after_import):
    assert after_import["called"] == [True, True]


def test_names_on_offer_are_those_that_type_checkers_see():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    seen = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {
        alias.asname: node.module.removeprefix("bayes_scaling").removeprefix(".")
        for node in seen
        for alias in node.names
        if (node.module or "").startswith("bayes_scaling")
    }
    assert seen == bayes_scaling._HOME | {"datasets": ""}
    assert {name for name in dir(bayes_scaling) if not name.startswith("_")} >= set(seen)
    assert all(getattr(bayes_scaling, name).__name__.split(".")[-1] == name for name in seen)
    assert bayes_scaling.__version__ == metadata.version("bayes_scaling")
    with pytest.raises(AttributeError, match="'bayes_scaling' has no attribute 'fitt'"):
        bayes_scaling.fitt  # noqa: B018


def test_importing_leaves_jax_alone(after_import):
    assert after_import["package"] == {"backends": [], "x64": False}


def test_importing_every_module_leaves_jax_alone(after_import):
    assert after_import["imported"] == sum(file.name != "__main__.py" for file in FILES)
    assert after_import["modules"] == {"backends": [], "x64": False}


def test_importing_leaves_warnings_alone(after_import):
    assert after_import["same_filters"], f"new filters: {after_import['filters']}"


def test_importing_loads_no_pictures_no_command_line_and_no_network(after_import):
    assert after_import["heavy"] == []
