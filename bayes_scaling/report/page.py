"""The review as one HTML file that needs nothing else: no network, no other file.

Every number in the text is an element ``<data value=... data-path=...>`` that names its place in the record
(``outcome/quantiles/0.05``), which is embedded too, so that the page can be checked against ``--json``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_scaling._files import obstacle, write_whole
from bayes_scaling.plot import PlotError
from bayes_scaling.report import _words as words

if TYPE_CHECKING:
    from bayes_scaling.report.review import Review

NEEDED = {"jinja2": "jinja2", "altair": "altair", "vl_convert": "vl-convert-python"}


class PageError(PlotError):
    """A page cannot be made or written as asked."""


def check_place(path: str | os.PathLike[str]) -> Path:
    """Check before the work that a page can be made, and written there.

    Raises
    ------
    PageError
        If a package is not installed, there is no such folder, or the ending is not that of a page.
    """
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise PageError(
            f"a page needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed: "
            "pip install 'bayes_scaling[report]'; --json works without"
        )
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise PageError(f"{str(path)!r} has no ending of a page; expected .html")
    if problem := obstacle(path):
        raise PageError(problem)
    return path


def write_page(review: Review, path: str | os.PathLike[str]) -> Path:
    """Write the page.

    Raises
    ------
    PageError
        As `check_place` does.
    OSError
        If it cannot be written.
    """
    path = check_place(path)
    write_whole(path, render(review.to_dict()).encode())
    return path


def render(content: Mapping[str, Any]) -> str:
    """The page of a review's record (`Review.to_dict`)."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from bayes_scaling.report._charts import charts
    from bayes_scaling.report._vega import bundle

    environment = Environment(
        loader=PackageLoader("bayes_scaling", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"show": _shower(content), "words": words}
    return environment.get_template("review.html.j2").render(
        review=content, charts=charts(content), bundle=bundle()
    )


def _shower(content: Mapping[str, Any]) -> Callable[..., Any]:
    """``show(path, style)``: the number at that place of the record, as people read it and as it is."""
    from markupsafe import Markup

    decimals = words.decimals(content["variance"]["sd"])

    def show(path: str, style: str = "fixed", unit: str = "") -> Any:
        value: Any = content
        for step in path.split("/"):
            value = value[int(step) if isinstance(value, list | tuple) else step]
        if value is None or not math.isfinite(value):
            return "unknown"
        digits = {"value": decimals, "spread": decimals + 1}.get(style)
        text = words.STYLES[style](value) if digits is None else f"{value:.{digits}f}"
        text = text.replace("-", "\N{MINUS SIGN}") if text.startswith("-") else text
        shown = Markup('<data value="{}" data-path="{}">{}</data>').format(repr(value), path, text)
        tail = Markup('\N{NO-BREAK SPACE}<span class="unit">{}</span>').format(unit)
        return shown + tail if unit not in ("", "1") else shown

    return show
