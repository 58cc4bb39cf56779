"""Coverage of the catalogue agrees with registry and tests, applications with the laws; pages of laws."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import _laws
import jax
import pytest
from _zoo import published

import bayes_scaling
from bayes_scaling.law import mean
from bayes_scaling.laws import ALIASES, folder, law, laws, variants

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
LAWS = Path(bayes_scaling.__file__).parent / "laws"

#: Number of sections and of application rows in each chapter of the catalogue.
SECTIONS = {1: 20, 2: 31, 3: 12}
APPLICATIONS = {1: 22, 2: 22, 3: 20}

Row = dict[str, str]


def tables(text: str) -> list[list[Row]]:
    """All tables of a page, each a list of rows by column; every row must be as long as its head."""
    found = []
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        head, rule, *body = (
            [c.strip() for c in line.strip()[1:-1].split("|")] for line in block.splitlines()
        )
        assert body, f"a table without rows: {head}"
        assert all(set(cell) <= set("-:") for cell in rule), f"a table without a head: {head}"
        found.append([dict(zip(head, row, strict=True)) for row in body])
    return found


@cache
def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def named(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def with_columns(*columns: str) -> list[list[Row]]:
    found = [t for t in tables(page("coverage.md")) if set(columns) <= t[0].keys()]
    assert found, f"docs/coverage.md has no table with the columns {columns}"
    return found


def law_rows() -> list[Row]:
    return [row for table in with_columns("law", "own tests") for row in table]


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_law_is_covered_once_and_in_its_place():
    rows = {named(row["law"])[0]: row for row in law_rows()}
    assert len(rows) == len(law_rows()), "a law is listed twice"
    assert rows.keys() == set(laws()), sorted(rows.keys() ^ set(laws()))
    for name, row in rows.items():
        assert named(row["file in `bayes_scaling/laws/`"]) == [f"{folder(name)}/{name}.py"], name
        assert (LAWS / folder(name) / f"{name}.py").is_file(), name


def test_contract_numbers_are_what_the_laws_declare():
    for row in law_rows():
        name = named(row["law"])[0]
        every = [law(name, variant) for one, variant in _laws.cases() if one == name]
        kinds = {"golden": any(v.golden for v in every), "limits": any(v.limits for v in every)}
        declared = ", ".join(kind for kind, there in kinds.items() if there)
        assert row["contract numbers"] == declared, name


def test_every_test_that_is_named_exists():
    seen = 0
    for file, _, function in re.findall(
        r"`(test_\w+\.py)(::(\w+))?`", page("coverage.md").replace("tests/", "")
    ):
        assert (TESTS / file).is_file(), file
        assert not function or function in functions(file), f"{file} has no test {function}"
        seen += 1
    assert seen > len(laws())


def test_own_tests_are_in_files_that_use_the_law():
    for row in law_rows():
        name = named(row["law"])[0]
        assert named(row["own tests"]) or row["own tests"] == "none", name
        for own in named(row["own tests"]):
            assert re.search(rf"\b{name}\b", (TESTS / own.split("::")[0]).read_text(encoding="utf-8")), own


def test_studies_are_in_the_list_of_tables():
    for row in law_rows():
        for study in named(row["study"]):
            assert f"| `{study}` |" in page("data.md"), study
            files = {own.split("::")[0] for own in named(row["own tests"])}
            assert any(f'study("{study}")' in (TESTS / f).read_text(encoding="utf-8") for f in files), study


def test_no_cell_is_empty():
    for name in ("coverage.md", "applications.md"):
        for row in (row for table in tables(page(name)) for row in table):
            assert all(row.values()), (name, row)


@pytest.mark.parametrize("chapter", SECTIONS)
def test_no_section_is_missing(chapter):
    tables_of_sections = [t for t in with_columns("section") if "part" not in t[0]]  # parts were left out
    told = {row["section"] for table in tables_of_sections for row in table}
    wanted = {f"{chapter}.{i}" for i in range(SECTIONS[chapter])}
    assert {s for s in told if s.startswith(f"{chapter}.")} == wanted


@pytest.mark.parametrize("chapter", APPLICATIONS)
def test_no_application_is_missing(chapter):
    rows = with_columns("row of the chapter", "law")[chapter - 1]
    assert len({row["row of the chapter"] for row in rows}) == len(rows) == APPLICATIONS[chapter]
    given = applications()
    for row in rows:
        assert set(named(row["law"])) <= set(laws()), row
        if not named(row["law"]):
            assert row["law"].startswith("no law: "), row
        told: set[str] = set()
        for paper in row["paper in applications.md"].split("; "):
            theirs = [r for r in given if r["paper"].startswith(paper)]
            assert theirs or f"**{paper}.**" in page("applications.md"), f"no row of {paper!r}"
            told.update(name for r in theirs for name in named(" ".join(r.values())))
        assert set(named(row["law"])) <= told, (row, told)


def applications() -> list[Row]:
    return [row for table in tables(page("applications.md")) for row in table]


def test_other_names_of_laws_are_those_of_the_page():
    text = page("coverage.md").split("\n## ", 1)[1]
    prose = [block for block in text.split("\n\n") if re.match(r"(Section|Where the catalogue) ", block)]
    told = {name for block in prose for name in named(block)} - set(laws())
    assert told == set(ALIASES)
    for name, own in ALIASES.items():
        assert any(name in block and own.partition(":")[0] in block for block in prose), name


def test_applications_name_laws_that_exist():
    for row in applications():
        assert named(row["law"]) or row["law"] in {"no law", "none printed"}, row
        unknown = [n for n in named(" ".join(row.values())) if n not in laws()]
        assert not unknown, (unknown, row)
        assert row["tag"] in {"paper", "paper*", "abstract", "computed", "recalled"}, row


def test_code_of_the_applications_runs():
    (code,) = re.findall(r"```python\n(.*?)```", page("applications.md"), re.DOTALL)
    scope: dict[str, Any] = {}
    exec(code, scope)
    assert scope["critical_batch"].parameter("alpha").interval == (4.0, 5.5)


def quantity(text: str) -> float:
    """``-0.23``, ``3.1e8``, ``(8.8e13)^0.076`` or ``2.0^-0.23``."""
    base, _, power = text.replace("(", "").replace(")", "").partition("^")
    return float(base) ** float(power or 1)


def constants(paper: str, x: str, y: str) -> dict[str, float]:
    """A and alpha of one row of the applications, found by how its cells begin."""
    rows = [
        r
        for r in applications()
        if r["paper"].startswith(paper) and r["x"].startswith(x) and r["y"].startswith(y)
    ]
    assert len(rows) == 1, (paper, x, y, len(rows))
    text = rows[0]["published exponent"]
    pattern = r"-?\(?[\d.]+(?:e-?\d+)?\)?(?:\^-?[\d.]*\d)?"
    return {
        name: quantity(re.search(rf"\b{name} = ({pattern})", text).group(1).rstrip("."))
        for name in ("A", "alpha")
    }


@pytest.mark.parametrize(
    ("paper", "x", "y", "at", "rtol"),
    [
        ("Hestness", "tokens", "word language model", {1e7: 4.107, 1e8: 3.528}, 2e-4),
        ("Hestness", "tokens", "translation, token error, best", {1e7: 0.4917}, 2e-4),
        ("Kaplan", "loss", "critical batch", {2.5: 2.55e6}, 2e-3),
        ("Clark", "parameters", "loss of dense", {3.568e13: 1.0}, 1e-9),
        ("POLAR", "parameters", "validation loss", {5e7: 0.424, 1e9: 0.373}, 2e-3),
        ("VAR", "parameters", "token error", {2.0: 0.90}, 0.01),
        ("MLP Memory", "parameters", "test perplexity, WikiText-103, decoder", {1.0: 9.3e-8**-0.143}, 0.01),
        ("MLP Memory", "parameters", "test perplexity, WikiText-103, with", {1.0: 1.1e-6**-0.168}, 0.01),
        ("MLP Memory", "parameters", "test perplexity, web text, decoder", {1.0: 7.7e-5**-0.216}, 0.01),
        ("MLP Memory", "parameters", "test perplexity, web text, with", {1.0: 5.0e-4**-0.268}, 0.01),
        ("Sadhukhan", "cost", "best tokens", {1.0: 91.68, 10.0: 578.5}, 1e-3),
        ("Wang", "patch side", "loss of segmentation", {32.0: 0.337, 8.0: 0.326, 2.0: 0.314}, 2e-3),
    ],
)
def test_numbers_of_the_applications(paper, x, y, at, rtol):
    values = constants(paper, x, y)
    with jax.enable_x64(True):
        for place, expected in at.items():
            found = float(mean(law("power_law"), {"x": place}, values))
            assert found == pytest.approx(expected, rel=rtol), (place, values)


def test_perplexities_with_and_without_memory_cross_where_the_row_says():
    for text, where in (("WikiText-103", 0.66), ("web text", 0.84)):
        plain, memory = (
            constants("MLP Memory", "parameters", f"test perplexity, {text}, {kind}")
            for kind in ("decoder", "with")
        )
        crossing = (memory["A"] / plain["A"]) ** (1 / (memory["alpha"] - plain["alpha"]))
        assert crossing == pytest.approx(where, abs=0.02)


def test_one_slope_in_the_ratio_at_every_size():
    values = {"E": 1.7, "A": 0.6, "alpha": 0.3, "B": 0.5, "beta": 0.28, "gamma": 0.11}
    predict = _laws.predict("multilingual_ratio", 1)
    for params, tokens in ((1e8, 1e10), (7e9, 3e11)):
        along = [predict({"params": params, "tokens": tokens, "ratio": 4.0**-i}, values) for i in range(4)]
        assert [b - a for a, b in pairwise(along)] == pytest.approx([0.11 * 1.3862943611198906] * 3, rel=1e-6)


# --- one page per law -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_law_pages", DOCS / "make_law_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_law_has_a_page(maker, tmp_path):
    written = {path.stem: path.read_text(encoding="utf-8") for path in maker.write(tmp_path / "laws")}
    assert written.keys() == {*laws(), "index"}
    for name, variant in _laws.cases():
        one, text = law(name, variant), written[name]
        assert one.equation in text, name
        for p in one.parameters:
            low, high = p.interval
            assert f"\n| `{p.name}` | " in text, (name, p.name)
            assert f"| {low:.4g} to {high:.4g} | {p.support} | {p.pool} |" in text, (name, p.name)
        for symbol in one.inputs:
            assert f"| `{symbol.name}` | {symbol.unit} |" in text, (name, symbol.name)
        for words in (*one.published, *(limit.when for limit in one.limits), one.notes):
            assert maker._cell(words) in text, (name, words)
        for d in one.derived:
            assert f"| `{d.name}` |" in text, (name, d.name)
        assert f"]({name}.md)" in written["index"]
        assert f"\n{name}\n" in written["index"], "not in the table of contents"
        assert tables(re.sub(r"\\\|", "/", text)), name
    own = next(row["own tests"] for row in law_rows() if named(row["law"]) == ["chinchilla"])
    assert own in written["chinchilla"]


def test_links_between_pages_lead_somewhere(maker, tmp_path):
    written = maker.write(tmp_path)
    for path in written:
        for target in re.findall(r"\]\(([\w./-]+\.md)\)", path.read_text(encoding="utf-8")):
            there = DOCS / Path(target).name if target.startswith("../") else tmp_path / target
            assert there.is_file(), (path.name, target)


def test_functions_from_a_private_file_of_the_folder_stand_on_the_page(maker):
    wanted = {
        "cmr_cpt": ("turning_tokens(", "tolerated_share(", "critical_share("),
        "cod_cluster_law": ("clusters(",),
        "obs_scaling": ("capabilities(", "as_inputs("),
    }
    for name, functions in wanted.items():
        text = maker.page(name)
        assert all(f"\n| `{function}" in text for function in functions), name
        assert "log_bounded(" not in text, "terms that laws share are nobody's own"


def test_published_values_stand_on_the_page(maker):
    text = maker.page("chinchilla")
    for name, value in published("chinchilla", "besiroglu2024").items():
        assert f"| {value:.5g} |" in text, name


def test_a_picture_is_drawn_and_linked(maker, tmp_path):
    page, *pictures = maker.write(tmp_path, names=["coverage_exp_power"], pictures=True)
    assert len(pictures) == len(variants("coverage_exp_power")) > 1
    linked = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert [file for _, file in linked] == [picture.name for picture in pictures]
    assert all("Prior predictive of coverage_exp_power" in words for words, _ in linked)
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
    drawn = [picture.read_bytes() for picture in pictures]
    assert len(set(drawn)) == len(drawn), "every variant has a picture of its own"
    maker.draw_one("coverage_exp_power", 1, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == drawn[0], "the same law gives the same bytes"


def test_every_page_of_the_site_embeds_the_pictures_of_its_variants(maker, tmp_path, monkeypatch):
    monkeypatch.setattr(maker, "draw", lambda target, names, kept: [target / f"{n}.png" for n in names])
    written = maker.write(tmp_path, pictures=True, kept=tmp_path / "kept")
    pages = [path for path in written if path.suffix == ".md" and path.stem != "index"]
    assert len(pages) == len(laws())
    for path in pages:
        pictures = re.findall(
            r"!\[Prior predictive of [^\]]+\]\((.+\.png)\)", path.read_text(encoding="utf-8")
        )
        numbers = variants(path.stem)
        assert pictures == [maker._picture(path.stem, number) for number in numbers], path.stem
    conf = page("conf.py")
    assert re.search(r"make_law_pages\.write\(.*pictures=True", conf), "the site draws them"


def test_only_what_changed_is_drawn_again(maker, tmp_path, monkeypatch):
    asked = []

    def draw_one(name, number, path):
        asked.append(name)
        path.write_bytes(f"{name} {number}".encode())

    monkeypatch.setattr(maker, "draw_one", draw_one)
    names, kept = ["power_law", "log_linear"], tmp_path / "kept"
    maker.write(tmp_path / "one", names=names, pictures=True, kept=kept)
    maker.write(tmp_path / "two", names=names, pictures=True, kept=kept)
    assert asked == names, "the second time nothing is drawn"
    assert (tmp_path / "two" / "power_law.png").read_bytes() == b"power_law 1"
    monkeypatch.setattr(maker, "digest", lambda name: "new" if name == "power_law" else "")
    (kept / "log_linear..png").write_bytes(b"kept")
    maker.write(tmp_path / "three", names=names, pictures=True, kept=kept)
    assert asked == [*names, "power_law"]
    assert sorted(path.name for path in kept.iterdir()) == ["log_linear..png", "power_law.new.png"]


def test_a_picture_depends_on_the_files_of_its_law(maker):
    stems = {path.stem for path in maker._files("bayes_scaling.laws.downstream.densing_two_stage")}
    assert {"densing_two_stage", "ladder_two_step", "_terms"} <= stems
    assert maker.digest("power_law") != maker.digest("log_linear")


def test_a_page_names_the_studies_to_which_its_law_was_fitted(maker):
    row = next(r for r in maker._checks("chinchilla").splitlines() if "public studies" in r)
    assert "`chinchilla_epoch`" in row
    assert "`gemstones_loss`" in row
    assert "none yet" in maker._checks("sim2real_transfer")


def test_a_page_says_first_what_simulation_based_calibration_found_outside(maker, monkeypatch):
    found = {"chinchilla": [("bare model", 19, 19, "none"), ("default model", 10, 9, "E (0.116)")]}
    monkeypatch.setattr(maker, "ranks", lambda: found)
    title, first, *_ = maker.page("chinchilla").split("\n\n")
    assert title == "# `chinchilla`"
    assert first.startswith(":::{warning}")
    assert "1 of 10 quantities (E (0.116)), default model" in first
    assert "bare model" not in first, "all of it is inside"
    assert "19 of 19 quantities inside, bare model; 9 of 10" in maker._checks("chinchilla")
    assert "{warning}" not in maker.page("power_law")
    assert "not measured" in maker._checks("power_law")


def test_the_page_on_calibration_is_understood(maker):
    told = (DOCS / "sbc.md").read_text(encoding="utf-8")
    rows = [line for line in told.splitlines() if line.startswith("| `")]
    found = [(name, *one) for name, each in maker.ranks().items() for one in each]
    assert len(found) == len(rows) > 5
    assert maker.ranks().keys() <= set(laws())
    for name, model, asked, held, out in found:
        assert asked - held == (0 if out == "none" else len(out.split("), "))), (name, model)


def test_functions_that_a_law_passes_on_are_on_its_page(maker):
    told = maker._functions("cod_cluster_law")
    assert "`clusters(features, smallest, quantile, widest)`" in told
    assert "`full_set(subset, first, second)`" in told
    assert "log_sum_exp" not in told, "a building block is not the law's"
