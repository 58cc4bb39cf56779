"""One page of Markdown per law, written from the law's own declaration, and an index by folder.

``python docs/make_law_pages.py [FOLDER] [--pictures] [--law NAME ...]`` fills ``docs/laws/``, which is not
committed: the pages are as new as the laws from which they are made.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import inspect
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import metadata
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import bayes_scaling as bs
from bayes_scaling.law import Law, Published, Response
from bayes_scaling.laws import folder, laws, variants

DOCS = Path(__file__).parent
#: Fewer pictures than these are not worth a process.
FEW = 8
#: Modules that decide what a picture looks like, besides the law's own.
DRAWING = ("law", "supports", "observe", "plot.prior", "plot.curves", "plot._style")

TAGS = {
    "paper": "the paper or its authors' code",
    "paper*": "notes or a review of the paper",
    "abstract": "its abstract",
    "computed": "recomputed from public data or tagged numbers",
    "recalled": "memory, not checked; no test uses it",
}


def write(
    target: Path = DOCS / "laws",
    *,
    names: Sequence[str] | None = None,
    pictures: bool = False,
    kept: Path | None = None,
) -> list[Path]:
    """Write the pages of some laws, of all by default, and with all of them the index.

    Parameters
    ----------
    target : Path
        Folder of the pages; made if it is not there.
    names : sequence of str, optional
        Which laws.
    pictures : bool
        Draw the prior predictive of each law and variant too, in up to two processes.
    kept : Path, optional
        Folder in which pictures are kept, so that only those whose law or drawing changed are drawn again.

    Returns
    -------
    list of Path
        The pages, and after them the pictures.

    Raises
    ------
    LawError
        If there is no law of a name.
    """
    chosen = laws() if names is None else tuple(names)
    texts = {name: page(name, picture=pictures) for name in chosen}
    if names is None:
        texts["index"] = index()
    target.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (target / f"{name}.md").write_text(text, encoding="utf-8")
    drawn = draw(target, chosen, kept) if pictures else []
    return [*(target / f"{name}.md" for name in texts), *drawn]


def draw(target: Path, names: Sequence[str], kept: Path | None = None) -> list[Path]:
    """The pictures of some laws, a file per variant; those that ``kept`` has as they would be are copied."""
    store = target if kept is None else kept
    store.mkdir(parents=True, exist_ok=True)
    made: dict[Path, Path] = {}
    wanted: list[tuple[str, int, Path]] = []
    for name in names:
        for number in variants(name):
            picture = target / _picture(name, number)
            held = picture if kept is None else kept / f"{picture.stem}.{digest(name)}.png"
            made[picture] = held
            if kept is None or not held.is_file():
                wanted.append((name, number, held))
    if len(wanted) < FEW:
        for one in wanted:
            draw_one(*one)
    else:  # a fork of a process that runs JAX may hang: start afresh
        workers = min(2, os.cpu_count() or 1)
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(draw_one, *zip(*wanted, strict=True), chunksize=4))
    for picture, held in made.items():
        if picture != held:
            shutil.copyfile(held, picture)
            for old in store.glob(f"{picture.stem}.*.png"):
                if old != held:
                    old.unlink()
    return list(made)


def draw_one(name: str, number: int, path: Path) -> None:
    """Draw one variant of a law; a file is there whole or not at all."""
    figure = bs.plot_prior_predictive(bs.law(name, number))
    part = path.with_suffix(".part")
    figure.savefig(part, format="png", dpi=120)  # Agg; the file says nothing of when or where
    part.replace(path)


def digest(name: str) -> str:
    """What a picture depends on: the files of its law and of the drawing, and the versions below."""
    own = f"bayes_scaling.laws.{folder(name)}.{name}"
    versions = " ".join(metadata.version(one) for one in ("jax", "matplotlib", "numpy"))
    files = _files(own) | {path for drawing in DRAWING for path in _files(f"bayes_scaling.{drawing}")}
    found = hashlib.sha256(f"{versions} {inspect.getsource(draw_one)}".encode())
    for path in sorted(files):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


@cache
def _files(module: str) -> frozenset[Path]:
    """The file of a module, and those of the laws and terms that it imports."""
    path = DOCS.parent.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {path}
    for node in (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)):
        origin = node.module or ""
        for one in (origin, *(f"{origin}.{alias.name}" for alias in node.names)):
            if one.startswith("bayes_scaling.laws.") and one != module:
                there = DOCS.parent.joinpath(*one.split(".")).with_suffix(".py")
                found |= _files(one) if there.is_file() else set()
    return frozenset(found)


def index() -> str:
    """All laws by folder, with a table of contents for Sphinx."""
    told = "laws, by what they are about; each page is written from the law's own declaration."
    parts = [f"# The laws\n\n{len(laws())} {told}"]
    for name, members in groupby(laws(), key=folder):
        members = list(members)
        rows = [[f"[`{m}`]({m}.md)", bs.law(m).title, _answers(bs.law(m).predicts)] for m in members]
        tree = "\n".join(["```{toctree}", ":hidden:", "", *members, "```"])
        parts.append(f"## {name.capitalize()}\n\n{_table(['law', 'title', 'predicts'], rows)}\n\n{tree}")
    return "\n\n".join(parts) + "\n"


def page(name: str, *, picture: bool = False) -> str:
    """The page of one law, all its variants in turn."""
    several = variants(name)
    first = several[min(several)]
    parts = [f"# `{name}`", *_caution(name), f"{first.title}. {_reference(first)}"]
    if len(several) > 1:
        parts.append(f"It has {len(several)} variants: `bs.law({name!r}, 2)` is the second.")
    for number, law in several.items():
        if len(several) > 1:
            parts.append(f"## Variant {number}: {law.title}")
        parts += _sections(law, _picture(name, number) if picture else "")
    if told := _functions(name):
        parts.append(f"## Functions\n\nIn `bayes_scaling.laws.{folder(name)}.{name}`.\n\n{told}")
    parts.append(f"## Checks\n\n{_checks(name)}")
    return "\n\n".join(parts) + "\n"


def _sections(law: Law, picture: str) -> list[str]:
    inputs = [
        [f"`{i.name}`", i.unit, i.meaning, _range(i.typical), _traits(i.kind, i.centre)] for i in law.inputs
    ]
    parameters = [
        [f"`{p.name}`", p.meaning, p.unit, _range(p.interval), p.support, p.pool]
        + (["floor"] if p.name == law.floor else [""])
        for p in law.parameters
    ]
    parts = [
        f"```text\n{law.equation}\n```",
        f"**Predicts** {_answers(law.predicts)}; {_noise(law.predicts)}.",
        "**Inputs**\n\n" + _table(["name", "unit", "meaning", "typical range", "how it is given"], inputs),
        "**Parameters**\n\n"
        + _table(["name", "meaning", "unit", "90 % prior", "support", "families", ""], parameters),
    ]
    if picture:
        seen = f"median, 50 % and 90 % bands of {law.predicts.name} before any run is seen"
        parts.append(f"**Prior predictive**\n\n![Prior predictive of {law.label}: {seen}]({picture})")
    if law.monotone:
        told = ", ".join(f"{way} in `{name}`" for name, way in law.monotone.items())
        parts.append(f"**Monotone**: {told}, at all values of the parameters.")
    if law.published:
        parts.append("**Published values**\n\n" + _published(law))
    if law.limits:
        rows = [[limit.when, f"[`{limit.becomes}`]({limit.becomes}.md)"] for limit in law.limits]
        parts.append("**Limits**\n\n" + _table(["when", "becomes"], rows))
    if law.derived:
        rows = [
            [
                f"`{d.name}`",
                d.meaning,
                d.unit,
                ", ".join(f"`{n}`" for n in inspect.signature(d.function).parameters),
            ]
            for d in law.derived
        ]
        parts.append("**Derived**\n\n" + _table(["name", "meaning", "unit", "of"], rows))
    if law.notes:
        parts.append(f"**Notes.** {_cell(law.notes)}")
    return parts


def _published(law: Law) -> str:
    names = [p.name for p in law.parameters]
    rows = [
        [key, *(_number(record.values.get(n)) for n in names), record.source, record.tag]
        for key, record in law.published.items()
    ]
    table = _table(["key", *(f"`{n}`" for n in names), "source", "seen in"], rows)
    return f"{table}\n\n{_legend(law.published.values())}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _legend(records: Iterable[Published]) -> str:
    used = {r.tag for r in records}
    return "Seen in: " + "; ".join(f"*{_cell(tag)}*, {TAGS[tag]}" for tag in TAGS if tag in used) + "."


def _functions(name: str) -> str:
    """The public functions of a law's file, own ones and those that it passes on by ``import x as x``."""
    module = importlib.import_module(f"bayes_scaling.laws.{folder(name)}.{name}")
    passed_on = set(re.findall(r"\b(\w+) as \1\b", inspect.getsource(module)))
    rows = []
    for own, value in vars(module).items():
        known = inspect.isfunction(value) and (value.__module__ == module.__name__ or own in passed_on)
        if own[0] != "_" and known:
            given = ", ".join(inspect.signature(value).parameters)
            told = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
            rows.append([f"`{own}({given})`", told.replace("``", "`")])
    return _table(["function", "what it gives"], rows) if rows else ""


def _checks(name: str) -> str:
    declared = variants(name).values()
    golden, limits = sum(len(v.golden) for v in declared), sum(len(v.limits) for v in declared)
    fitted = sorted({study for v in declared for study in v.checked_on})
    own, study = _covered().get(name, ("none", "none"))
    ranked = [
        f"{held} of {asked} quantities inside, {model}" for model, asked, held, _ in ranks().get(name, ())
    ]
    rows = [
        ["published or recomputed numbers that must come out", str(golden)],
        ["limits that must hold", str(limits)],
        ["tests of its own", own],
        ["real study in a test", study],
        ["[simulation-based calibration](../sbc.md)", "; ".join(ranked) or "not measured"],
        ["public studies to which it was fitted", ", ".join(f"`{one}`" for one in fitted) or "none yet"],
    ]
    return (
        _table(["check", "what there is"], rows)
        + "\n\nSee [coverage](../coverage.md) for the tests of every law."
    )


@cache
def _covered() -> dict[str, tuple[str, str]]:
    """Law -> its own tests and the study on which it is tested, from the page on coverage."""
    text = (DOCS / "coverage.md").read_text(encoding="utf-8")
    rows = (
        line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| [123]\.\d+ \| `", line)
    )
    return {row[1].strip("`"): (row[4], row[5]) for row in rows if len(row) == 6}


def _caution(name: str) -> list[str]:
    """What stands above everything else: quantities whose intervals are not known to hold."""
    told = [
        f"{asked - held} of {asked} quantities ({out}), {model}"
        for model, asked, held, out in ranks().get(name, ())
        if held < asked
    ]
    if not told:
        return []
    return [
        ":::{warning}\n**Outside their 95 % bands** in [simulation-based calibration](../sbc.md): "
        f"{'; '.join(told)}. Luck alone puts one in twenty there.\n:::"
    ]


@cache
def ranks() -> dict[str, list[tuple[str, int, int, str]]]:
    """Law -> model, quantities, how many stayed in their bands and which did not, from docs/sbc.md."""
    found: dict[str, list[tuple[str, int, int, str]]] = {}
    model = ""
    for line in (DOCS / "sbc.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            model = line[3].lower() + line[4:]
        elif row := re.match(r"\| `(\w+)` \| (\d+) \| (\d+) \| [\d.]+ \| ([^|]+) \|", line):
            name, asked, held, out = row.groups()
            found.setdefault(name, []).append((model, int(asked), int(held), out))
    return found


def _reference(law: Law) -> str:
    r = law.reference
    link = f", [arXiv:{r.arxiv}](https://arxiv.org/abs/{r.arxiv})" if r.arxiv else ""
    return f"{r.authors}, *{r.title}*, {r.year}{link}."


def _answers(predicts: Response) -> str:
    unit = f" in {predicts.unit}" if predicts.unit not in {"1", "count", ""} else ""
    relative = ", relative to the data" if predicts.centre == "data" else ""
    return f"`{predicts.name}`{unit}{relative}"


def _noise(predicts: Response) -> str:
    own = ""
    if predicts.overdispersion is not None:
        low, high = predicts.overdispersion
        own = f", overdispersion {low:g} to {high:g} (90 % prior)"
    if predicts.noise == "beta_binomial":
        return f"beta-binomial out of `{predicts.trials}`, {predicts.link} link{own}"
    if predicts.noise == "negative_binomial":
        return f"negative binomial, {predicts.link} link{own}"
    low, high = predicts.scatter
    return (
        f"Student-t on the {predicts.link} scale, where one run scatters by {low:g} to {high:g} "
        f"(90 % prior) where the mean is {predicts.reference:g}"
    )


def _traits(kind: str, centre: str) -> str:
    given = "one number per run" if kind == "positive" else "a value per step"
    return given + (", seen relative to the data" if centre == "data" else "")


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4g} to {ends[1]:.4g}"


def _picture(name: str, number: int) -> str:
    return f"{name}.png" if number == 1 else f"{name}-{number}.png"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns that are empty in all rows are left out."""
    rows = [list(map(_cell, row)) for row in rows]
    kept = [j for j in range(len(head)) if any(row[j] for row in rows)]
    lines = [[head[j] for j in kept], ["---"] * len(kept), *([row[j] for j in kept] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """Text that Markdown leaves as it is: no cell ends early and no star or underscore turns to emphasis."""
    parts = re.split(r"(`[^`]*`|\[[^\]]*\]\([^)]*\))", text)
    plain = [p if i % 2 else re.sub(r"([*_<~^])", r"\\\1", p) for i, p in enumerate(parts)]
    return "".join(plain).replace("|", r"\|")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS / "laws", help="where the pages go")
    parser.add_argument("--pictures", action="store_true", help="draw each law's prior predictive")
    parser.add_argument("--law", action="append", metavar="NAME", help="only this law; may be repeated")
    chosen = parser.parse_args()
    files = write(chosen.folder, names=chosen.law, pictures=chosen.pictures)
    count = sum(path.suffix == ".md" for path in files)
    print(f"{count} pages and {len(files) - count} pictures in {chosen.folder}")


if __name__ == "__main__":
    main()
