"""Every notebook runs from top to bottom in a process of its own, with few draws of the real sampler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def test_there_is_a_page_for_every_notebook():
    listed = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    assert NOTEBOOKS
    assert [n.stem for n in NOTEBOOKS if f"\nnotebooks/{n.stem}\n" not in listed] == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_few_draws_are_asked_for_in_the_open(notebook):
    text = notebook.read_text(encoding="utf-8")
    assert 'quick = "BAYES_SCALING_QUICK" in os.environ' in text
    assert "unittest" not in text
    assert "monkeypatch" not in text


@pytest.mark.notebooks
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(notebook, tmp_path):
    environment = {**os.environ, "BAYES_SCALING_QUICK": "1", "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(notebook)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip(), "a notebook that prints nothing shows nothing"
