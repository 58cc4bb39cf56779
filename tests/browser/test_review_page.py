"""The review page in a real Chromium: nothing fails, nothing is fetched, hovering shows numbers, it fits."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import bayes_scaling as bs
from bayes_scaling.report import write_page
from tests._review import EVIL, GOALS, OF_TASKS, chained, reviewed

pytestmark = pytest.mark.browser
CHARTS = {"outcome", "forecast", "variance", "backtest", "alternatives", "allocation"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as driver:
        try:  # Debian's, else the one that Playwright brings
            options: dict[str, Any] = {"executable_path": shutil.which("chromium")}
            chromium = driver.chromium.launch(args=["--no-sandbox"], **options)
        except Error as error:
            give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            give_up(f"no Chromium; on Debian: apt-get install chromium ({str(error).splitlines()[0]})")
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    return write_page(reviewed(), tmp_path_factory.mktemp("page") / "review.html").as_uri()


@pytest.fixture
def visit(browser, address) -> Iterator[Any]:
    """Open the page at a width; what the console said and what was asked for are kept."""
    contexts = []

    def go(width: int = 1280, scheme: str = "light", at: str = address) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: (page.said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(at)
        page.wait_for_selector("html[data-ready=yes]", timeout=30_000)
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_fails_and_nothing_is_fetched(visit, address, scheme) -> None:
    page = visit(scheme=scheme)
    assert page.said == []
    assert [url for url in page.asked if not url.startswith("data:")] == [address]
    drawn = page.eval_on_selector_all(".chart:has(svg)", "all => all.map(one => one.id.slice(6))")
    assert set(drawn) == CHARTS
    assert page.locator("script").count() == 4
    assert page.locator("#forecast figcaption").inner_text().count(EVIL) == 1


def test_hovering_shows_the_numbers_of_the_curve(visit) -> None:
    page = visit()
    tip = page.locator("#vg-tooltip-element")
    chart = page.locator("#chart-forecast svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.12 * box["height"])
    page.wait_for_selector("#vg-tooltip-element.visible")
    told = dict(re.findall(r"(median|90 % from|90 % to)\s+(\d\.\d+)", tip.inner_text()))
    middles = [point["q50"] for point in reviewed().picture["curve"]]
    assert min(abs(float(told["median"]) - middle) for middle in middles) < 1e-2
    assert float(told["90 % from"]) < float(told["median"]) < float(told["90 % to"])
    page.mouse.move(5, 5)
    page.wait_for_selector("#vg-tooltip-element:not(.visible)", state="attached")


def test_hovering_shows_a_run_and_escapes_its_family(visit) -> None:
    page = visit()
    page.locator("#chart-backtest svg").scroll_into_view_if_needed()
    page.locator("#chart-backtest svg .mark-symbol path").nth(3).hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert EVIL in page.locator("#vg-tooltip-element").inner_text()
    assert page.said == []


@pytest.mark.parametrize("width", [390, 820])
def test_narrow_pages_scroll_only_downwards(visit, width) -> None:
    page = visit(width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = page.eval_on_selector_all(".chart svg", "all => all.map(one => one.getBoundingClientRect().right)")
    assert max(wide) <= width
    small = page.eval_on_selector_all(
        "main p, main td, main th, main figcaption",
        "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))",
    )
    assert min(small) >= 11.5


def test_the_page_prints_on_a4(visit, tmp_path) -> None:
    page = visit()
    content = page.pdf(path=tmp_path / "review.pdf", format="A4", prefer_css_page_size=True)
    assert content.startswith(b"%PDF")
    boxes = re.findall(rb"/MediaBox ?\[([\d. ]+)\]", content)
    widths = {tuple(round(float(x)) for x in box.split())[2:] for box in boxes}
    assert widths == {(595, 842)} or widths == {(596, 842)} or widths == {(594, 842)}
    assert 3 <= len(boxes) <= 12
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert (
        page.eval_on_selector("body", "one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"
    )


def test_text_stands_out_in_light_and_dark(visit) -> None:
    """Contrast of text, soft text and accent against the page and the box: at least 4.5 (WCAG AA)."""
    for scheme in ("light", "dark"):
        page = visit(scheme=scheme)
        read = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()"
        colours = {name: page.evaluate(read, name) for name in ("page", "wash", "ink", "soft", "accent")}
        for name in ("ink", "soft", "accent"):
            for ground in ("page", "wash"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (scheme, name, ground)


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_page_of_several_targets_fits_on_a_phone(visit, tmp_path) -> None:
    review = bs.review(chained(), OF_TASKS, backtest=False)
    place = write_page(review, tmp_path / "tasks.html").as_uri()
    for scheme in ("light", "dark"):
        page = visit(390, scheme, place)
        assert page.said == []
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.locator(".verdict tbody tr").count() == len(GOALS)
        assert "all 3 targets" in page.locator(".verdict .lead").inner_text()
        (alarm,) = page.locator(".alarm").all_inner_texts()
        assert alarm == review.alarms[0]


def test_the_page_has_an_outline_and_words_for_every_picture(visit) -> None:
    page = visit()
    assert page.locator("h1").count() == 1
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(one => +one.tagName[1])")
    assert all(b - a <= 1 for a, b in pairwise(levels))
    labels = page.eval_on_selector_all(".chart", "all => all.map(one => one.getAttribute('aria-label'))")
    assert all(label and len(label) > 30 for label in labels)
    assert Path(page.url).name == "review.html"
