"""The studies on which a law says it was checked are those of the pages that show the fits, and no others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import _laws
import pytest

from bayes_scaling.laws import law

DOCS = Path(__file__).parent.parent / "docs"

LINE = ("pile-families", "gadre_downstream", "gemstones_downstream")
CURVES = ("rnsl_benchmark_language", "double_descent_nano")
#: Fits that other pages show: law -> page, what the page says of the fit, studies.
ELSEWHERE: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "accuracy_sigmoid": ("downstream.md", "The law `accuracy_sigmoid`", LINE),
    "accuracy_sigmoid:4": ("downstream.md", "straight from parameters and tokens", ("pythia_evals",)),
    "capability_compute": ("coverage.md", "`capability_compute`", ("obsscaling_base_llm",)),
    "power_law_offset": ("calibration.md", "| `power_law_offset` |", CURVES),
    "saturating_m4": ("calibration.md", "| `saturating_m4` |", CURVES),
    "smoothly_broken_power_law": ("calibration.md", "`smoothly_broken_power_law`, one break", CURVES),
    "smoothly_broken_power_law:2": ("calibration.md", "two breaks", CURVES[1:]),
    "smoothly_broken_power_law:3": ("calibration.md", "three breaks", CURVES[1:]),
}
#: How pages name the studies of curves in prose.
SPOKEN = {"rnsl_benchmark_language": "20 language curves", "double_descent_nano": "16 double-descent curves"}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def fits(text: str) -> dict[str, set[str]]:
    """Law -> studies, of all fits that tables like those of the zoo's page list."""
    found = defaultdict(set)
    for name, data in re.findall(r"^\| `([a-z0-9_:]+)`, (?:bare|with discrepancy) \| (.*?) \|", text, re.M):
        found[name].add(data.split(",")[0])
    return dict(found)


def disagreements(shown: Mapping[str, set[str]], declared: Mapping[str, set[str]]) -> list[str]:
    """What stands on one side only."""
    names = sorted(shown.keys() | declared.keys())
    pairs = [(n, shown.get(n, set()), declared.get(n, set())) for n in names]
    return [f"{n}: the page has {sorted(a)}, the law {sorted(b)}" for n, a, b in pairs if a != b]


def declared() -> dict[str, set[str]]:
    """Label -> studies, of every law and variant that names any."""
    every = [law(name, variant) for name, variant in _laws.cases()]
    return {one.label: set(one.checked_on) for one in every if one.checked_on}


def test_laws_name_the_studies_of_the_zoo_and_the_zoo_those_of_the_laws():
    shown = fits(page("zoo.md"))
    assert sum(map(len, shown.values())) > 35
    for name, (_, _, studies) in ELSEWHERE.items():
        shown[name] = shown.get(name, set()) | set(studies)
    assert disagreements(shown, declared()) == []


def test_every_fit_of_the_zoo_is_read():
    chapters = page("zoo.md").count("| law | data | quantity |")
    bodies = re.findall(
        r"^\| law \| data \|.*\n\|[-|]+\n\| `[a-z0-9_:]+`, (?:bare|with)", page("zoo.md"), re.M
    )
    assert chapters == len(bodies)
    told = re.search(r"^(\d+) fits, of which", page("zoo.md"), re.M)
    assert told, "the head of the page says how many fits there are"
    assert sum(map(len, re.findall(r"^\| (`)", page("zoo.md"), re.M))) == int(told[1])


@pytest.mark.parametrize("name", ELSEWHERE)
def test_fits_of_other_pages_stand_there(name):
    where, words, studies = ELSEWHERE[name]
    text = page(where)
    assert words in text
    for study in studies:
        spelt = {study, study.replace("-", "_"), SPOKEN.get(study, study)}
        assert any(one in text for one in spelt), (study, where)


def test_studies_are_tables_of_the_project_or_printed_figures():
    for label, studies in declared().items():
        for study in studies:
            known = f"`{study}`" in page("data.md") or re.fullmatch(r"figures? of arXiv:\d{4}\.\d{5}", study)
            assert known, (label, study)


def test_the_check_sees_what_only_one_side_has():
    rows = (
        "| `a`, bare | one, all rows (9 rows) | x |",
        "|  |  | y |",
        "| `a:2`, with discrepancy | two, 3 | x |",
    )
    table = "\n".join(rows)
    assert fits(table) == {"a": {"one"}, "a:2": {"two"}}
    assert disagreements({"a": {"one"}}, {"a": {"one"}}) == []
    assert len(disagreements({"a": {"one"}, "b": {"two"}}, {"a": {"one", "three"}})) == 2
