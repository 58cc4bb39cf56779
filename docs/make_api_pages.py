"""The API reference, one page per topic, from the public names of the package and their docstrings.

``python docs/make_api_pages.py [FOLDER]`` fills ``docs/api/``, which is not committed. A new public name
appears by itself: on the page of its module, or on one of its own.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parent
PACKAGE = "bayes_scaling"

#: Page -> title, and the modules whose names it shows; a module in brackets shows all of its public names.
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "fit": ("Read, fit, keep", ("runs", "posterior", "engine", "structure", "diagnostics", "storage")),
    "forecast": ("Forecast", ("forecast", "predict")),
    "compare": ("Which law", ("backtest", "compare", "average")),
    "decide": ("Decide", ("[decide]",)),
    "chain": ("From loss to accuracy", ("[chain]",)),
    "transfer": ("Borrow a prior", ("transfer", "borrowed", "priors")),
    "plot": ("Plot", ("plot",)),
    "report": ("Record and score", ("[report]",)),
    "law": ("Laws, and how they are declared", ("[law]", "[laws]")),
    "datasets": ("Data sets", ("[datasets]",)),
}

Entry = tuple[str, str]  # module from which it is imported, name


def public(module: ModuleType) -> dict[str, object]:
    """Classes and functions that a module offers: by ``__all__``, else its own, of a package all."""
    named = getattr(module, "__all__", None)
    found = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value) or hasattr(value, "__wrapped__"))
        and str(getattr(value, "__module__", "")).startswith(PACKAGE)
    }
    if named is not None:
        return {name: value for name, value in found.items() if name in named}
    if hasattr(module, "__path__"):
        return found
    return {name: value for name, value in found.items() if value.__module__ == module.__name__}


def entries() -> dict[str, list[Entry]]:
    """Page -> what stands on it."""
    top = public(importlib.import_module(PACKAGE))
    pages: dict[str, list[Entry]] = {page: [] for page in PAGES}
    place = {name.strip("[]"): page for page, (_, modules) in PAGES.items() for name in modules}
    for page, (_, modules) in PAGES.items():
        for name in modules:
            if name.startswith("["):
                whole = f"{PACKAGE}.{name.strip('[]')}"
                pages[page] += [(whole, n) for n in public(importlib.import_module(whole))]
    for name, value in top.items():
        home = value.__module__.split(".")[1]
        page = place.setdefault(home, home)
        if f"[{home}]" not in PAGES.get(page, ("", ()))[1]:
            pages.setdefault(page, []).append((PACKAGE, name))
    return pages


def page(title: str, members: Iterable[Entry]) -> str:
    """One page: a heading, and every name with its docstring."""
    lines = [f"# {title}", "", "```{eval-rst}"]
    at = ""
    for module, name in members:
        if module != at:
            lines += [f".. py:currentmodule:: {module}", ""]
            at = module
        value = getattr(importlib.import_module(module), name)
        if not inspect.isclass(value):
            lines += [f".. autofunction:: {name}", ""]
        elif issubclass(value, Exception):
            lines += [f".. autoexception:: {name}", ""]
        else:
            lines += [f".. autoclass:: {name}", "   :members:", ""]
    return "\n".join([*lines, "```", ""])


def index(pages: dict[str, list[Entry]]) -> str:
    """The pages with what stands on them."""
    rows = ["| page | names |", "|---|---|"]
    for name, members in pages.items():
        prefix = {module.removeprefix(PACKAGE).lstrip(".") for module, _ in members} - {""}
        told = ", ".join(f"`{member}`" for _, member in members)
        where = f" (`{PACKAGE}.{sorted(prefix)[0]}`)" if len(prefix) == 1 else ""
        rows.append(f"| [{title_of(name)}]({name}.md){where} | {told} |")
    head = (
        "# API\n\n`import bayes_scaling as bs`. The verbs of `decide` are also on top: `bs.allocate`, "
        "`bs.risk` and so on. What is not listed here is internal and may change."
    )
    tree = "\n".join(["```{toctree}", ":hidden:", "", *pages, "```"])
    return f"{head}\n\n" + "\n".join(rows) + f"\n\n{tree}\n"


def title_of(name: str) -> str:
    """Title of a page; a module that no page claims is its own."""
    return PAGES[name][0] if name in PAGES else name.capitalize()


def write(target: Path = DOCS / "api") -> list[Path]:
    """Write all pages."""
    pages = {name: members for name, members in entries().items() if members}
    texts = {name: page(title_of(name), members) for name, members in pages.items()}
    target.mkdir(parents=True, exist_ok=True)
    for name, text in {**texts, "index": index(pages)}.items():
        (target / f"{name}.md").write_text(text, encoding="utf-8")
    return [target / f"{name}.md" for name in (*texts, "index")]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS / "api", help="where the pages go")
    print(f"{len(write(parser.parse_args().folder))} pages")


if __name__ == "__main__":
    main()
