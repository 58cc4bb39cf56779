"""What the pages say of the code is so: names of the model, glossary, API, diagnostics."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import bayes_scaling as bs
from bayes_scaling import diagnostics, tree

DOCS = Path(__file__).parent.parent / "docs"


@cache
def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@cache
def tool(name: str) -> ModuleType:
    """A module of the docs folder."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(text: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading!r}"
    return found[1]


def cells(text: str, column: int) -> list[str]:
    """Cells of one column of the only table of a text."""
    rows = [line.strip("| \n").split("|") for line in text.splitlines() if line.startswith("|")]
    return [row[column].strip() for row in rows[2:]]


def exists(path: str) -> bool:
    """Whether a dotted name below the package is a module, or an attribute or field of what is."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(["bayes_scaling", *parts[:cut]]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            fields = {*getattr(value, "__dataclass_fields__", ()), *getattr(value, "_fields", ())}
            if name in fields:
                return name == parts[-1]
            if not hasattr(value, name):
                return False
            value = getattr(value, name)
        return True
    return False


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("law.Law.floor", True),
        ("layout.Data.shift", True),
        ("model.SPREAD_SD", True),
        ("decide.Reach", True),
        ("law.Law.ceiling", False),
        ("laws.Chinchilla", False),
        ("nothing.at_all", False),
    ],
)
def test_the_check_tells_names_from_inventions(path, there):
    assert exists(path) is there


def test_names_of_the_model_exist():
    named = [
        n
        for cell in cells(section(page("model.md"), "Symbols and names"), 2)
        for n in re.findall(r"`([^`]+)`", cell)
    ]
    assert len(named) > 30
    assert [n for n in named if not exists(n)] == []


def test_variables_of_the_posterior_are_those_of_the_model():
    source = inspect.getsource(tree.named)
    written = set(re.findall(r'out\["(\w+)"\]', source)) | set(
        re.findall(r'out\[f"\{[^}]+\}(_\w+)"\]', source)
    )
    told = [
        n
        for cell in cells(section(page("model.md"), "Names in the posterior"), 1)
        for n in re.findall(r"`([^`]+)`", cell)
    ]
    assert {n.replace("<name>", "") for n in told} == written


def test_names_of_the_glossary_exist():
    named = [
        n.removeprefix("bayes_scaling.")
        for n in re.findall(r"`(bayes_scaling\.[\w.]+)`", page("glossary.md"))
    ]
    assert len(named) > 15
    assert [n for n in named if not exists(n)] == []


def test_every_public_name_is_in_the_reference():
    api = tool("make_api_pages")
    listed = [name for members in api.entries().values() for _, name in members]
    assert sorted(set(api.public(bs)) - set(listed)) == []
    for page_name, members in api.entries().items():
        assert len(members) == len(set(members)), f"a name is twice on {page_name}"


def test_gates_are_those_of_the_code():
    table = section(page("diagnostics.md"), "The gate")
    limits = cells(table, 1)
    assert limits[0] == f"above {diagnostics.MOST_RHAT:g}"
    assert limits[1] == f"below {diagnostics.LEAST_ESS:g}"
    assert limits[2] == f"more than {1e4 * diagnostics.MOST_DIVERGENT:g} in 10 000 draws"
    assert limits[3] == f"below {diagnostics.LEAST_BFMI:g}"
    code = " ".join(inspect.getsource(diagnostics.diagnose).replace('"\n', '"').split())
    for message in cells(table, 3 - 1):
        for part in message.strip('"').split(" … "):
            assert part.removeprefix("interrupted: ") in code, message


def test_every_error_has_a_line():
    table = section(page("diagnostics.md"), "Errors that are not about convergence")
    told = {name for cell in cells(table, 0) for name in re.findall(r"`(\w+)`", cell)}
    sources = [path.read_text(encoding="utf-8") for path in Path(bs.__file__).parent.rglob("*.py")]
    known = {
        name
        for text in sources
        for name in re.findall(r"^class (\w+(?:Error|Refused))\(", text, re.MULTILINE)
    }
    assert told == known - {"UsageError"}, "docs/diagnostics.md has a line for each error"
