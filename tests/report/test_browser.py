"""The page in a real browser. Needs playwright (extra `browser`) and a Chromium.

`ETHOGRAM_CHROMIUM` names the browser; else /usr/bin/chromium or playwright's own is taken.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ethogram.report.html import page as render

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="the extra 'browser' is missing")
expect = playwright.expect

FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def chromium() -> str | None:
    named = os.environ.get("ETHOGRAM_CHROMIUM")
    return named or shutil.which("chromium", path="/usr/bin") or shutil.which("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        try:
            found = started.chromium.launch(executable_path=chromium(), args=FLAGS.split())
        except playwright.Error as error:
            pytest.skip(f"no Chromium could be started: {str(error).splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, example: Any) -> Path:
    found = tmp_path_factory.mktemp("page") / "index.html"
    found.write_text(render(example), encoding="utf-8")
    return found


class Watched:
    """A page, and whatever it complained of or asked the network for."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        options = {"viewport": DESK, "reduced_motion": "reduce", **options}
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())


@pytest.fixture
def watched(browser: Any, file: Path) -> Iterator[Watched]:
    """A page that ends without an error and has left for nowhere."""
    found = Watched(browser, file)
    yield found
    found.context.close()
    assert found.said == []
    assert [
        url for url in found.asked if url != file.as_uri() and not url.startswith("data:")
    ] == []


def test_a_cell_opens_its_case_by_mouse(watched: Watched, example: Any) -> None:
    page = watched.page
    cell = page.locator("#gaps .cell:visible").nth(1)
    label = cell.get_attribute("aria-label")
    cell.click()
    dialog = page.locator("dialog#case")
    expect(dialog).to_be_visible()
    subject, model, verdict = re.split(r", |: ", label)[:3]
    expect(dialog.locator("h2")).to_contain_text(subject)
    expect(dialog).to_contain_text(model)
    expect(dialog).to_contain_text(verdict)
    (case,) = (
        c
        for c in example["cases"]
        if (c["subject"], c["model"], c["probe"]) == (subject, model, "endorsement")
    )
    assert dialog.locator(".items tbody tr").count() == case["measured"]["n"] == 24
    dialog.get_by_role("button", name="close").click()
    expect(dialog).to_be_hidden()


def test_a_cell_is_reached_and_opened_by_keyboard(watched: Watched) -> None:
    page = watched.page
    first = page.locator("#gaps .cell:visible").first
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    cells = page.locator("#gaps .heat:visible tbody tr").nth(1).locator(".cell")
    assert focused == cells.nth(1).get_attribute("aria-label")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.dataset.case") == cells.last.get_attribute(
        "data-case"
    )
    page.keyboard.press("Enter")
    expect(page.locator("dialog#case")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "case-title"
    page.keyboard.press("Escape")
    expect(page.locator("dialog#case")).to_be_hidden()
    assert page.evaluate("document.activeElement.dataset.case") == cells.last.get_attribute(
        "data-case"
    )


def test_each_grid_is_one_stop_of_the_tab_key(watched: Watched) -> None:
    stops = watched.page.eval_on_selector_all(
        "[data-grid]",
        "grids => grids.map(g => g.querySelectorAll('button[tabindex=\"0\"]').length)",
    )
    assert set(stops) == {1}


def test_a_row_of_a_chart_opens_its_case(watched: Watched) -> None:
    watched.page.locator("#persona .hit:visible .label").first.click()
    expect(watched.page.locator("dialog#case")).to_be_visible()


def test_an_address_opens_its_case(browser: Any, file: Path, example: Any) -> None:
    case = example["cases"][0]
    watched = Watched(browser, file)
    watched.page.goto(f"{file.as_uri()}#case={case['case']}")
    expect(watched.page.locator("dialog#case")).to_contain_text(case["model"])
    watched.context.close()


def test_filters_narrow_the_list_and_say_how_far(watched: Watched, example: Any) -> None:
    page, model = watched.page, "smollm2-deontology-narrow"
    rows = page.locator("#cases tbody tr:visible")
    shown = page.locator("#shown")
    cases = [case for case in example["cases"] if case["model"] == model]
    page.locator("[name=model]").select_option(model)
    expect(shown).to_have_text(f"{len(cases)} of {len(example['cases'])} cases")
    assert rows.count() == min(len(cases), 100)
    wanted = [c for c in cases if (c["kind"], c["verdict"]) == ("safety", "undecided")]
    page.locator("[name=kind]").select_option("safety")
    page.locator("[name=verdict]").select_option("undecided")
    assert rows.count() == len(wanted) > 0
    page.locator("[name=text]").fill("refusal-rate privacy")
    assert rows.count() == sum("privacy" in c["case"] and "rate" in c["case"] for c in wanted)
    page.get_by_role("button", name="Clear").click()
    expect(shown).to_have_text(f"{len(example['cases'])} cases")


def test_the_text_filter_finds_the_words_of_items(watched: Watched, example: Any) -> None:
    word = "jellyfish"
    said = {name: " ".join(items.values()) for name, items in example["texts"].items()}
    wanted = sum(word in said.get(case["subject"], "") for case in example["cases"])
    watched.page.locator("[name=text]").fill(word.upper())
    assert watched.page.locator("#cases tbody tr:visible").count() == wanted > 0


def test_a_long_list_is_cut_until_it_is_asked_for(watched: Watched, example: Any) -> None:
    rows = watched.page.locator("#cases tbody tr:visible")
    assert rows.count() == 100
    watched.page.get_by_role("button", name=re.compile("Show all")).click()
    assert rows.count() == len(example["cases"])


def test_the_probe_switch_shows_one_probe_at_a_time(watched: Watched) -> None:
    page = watched.page
    shown = page.locator("[data-for=persona]:visible")
    assert shown.get_attribute("data-value") == "endorsement"
    page.locator("#persona").get_by_text("agreement", exact=True).first.click()
    assert shown.get_attribute("data-value") == "agreement"


def background(page: Any) -> str:
    found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_chosen(
    browser: Any, file: Path, scheme: str
) -> None:
    watched = Watched(browser, file, color_scheme=scheme)
    page, button = watched.page, watched.page.get_by_role("button", name="Dark theme")
    before = background(page)
    assert button.get_attribute("aria-pressed") == str(scheme == "dark").lower()
    button.click()
    after = background(page)
    assert after != before
    assert button.get_attribute("aria-pressed") == str(scheme == "light").lower()
    page.reload()
    assert background(page) == after
    button.click()
    assert background(page) == before
    watched.context.close()
    assert watched.said == []


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_the_page_itself_never_scrolls_sideways(browser: Any, file: Path, viewport: Any) -> None:
    watched = Watched(browser, file, viewport=viewport)
    width = watched.page.evaluate("document.documentElement.scrollWidth")
    watched.page.locator("#gaps .cell:visible").first.click()
    inside = watched.page.locator("dialog#case").evaluate("d => d.scrollWidth - d.clientWidth")
    watched.context.close()
    assert width == viewport["width"]
    assert inside <= 0


def test_paper_shows_all_probes_and_no_controls(watched: Watched) -> None:
    page = watched.page
    page.emulate_media(media="print")
    expect(page.locator("header")).to_be_hidden()
    expect(page.locator(".filters")).to_be_hidden()
    expect(page.locator("#persona svg").first).to_be_visible()


def test_without_script_all_numbers_are_there(browser: Any, file: Path, example: Any) -> None:
    watched = Watched(browser, file, java_script_enabled=False)
    assert watched.page.locator("#cases tbody tr:visible").count() == len(example["cases"])
    assert watched.page.locator("[data-for=persona]:visible").count() == 2
    watched.context.close()


def test_hostile_text_runs_nothing(
    browser: Any, tmp_path: Path, small: Any, hostile: tuple[str, ...]
) -> None:
    whole = " ".join(hostile)
    small["cases"][0]["because"] = small["cases"][0]["extremes"][0]["text"] = whole
    small["command"] = small["notes"] = whole
    small["problems"], small["notes"] = [whole], [whole]
    small["models"][0]["constitution"] = whole
    file = tmp_path / "index.html"
    file.write_text(render(small), encoding="utf-8")
    watched = Watched(browser, file)
    for button in watched.page.locator(".cell:visible").all():
        button.click()
        watched.page.keyboard.press("Escape")
    assert watched.page.evaluate("typeof window.hacked") == "undefined"
    assert watched.page.locator("img").count() == 0
    watched.context.close()
    assert watched.said == []
    assert [url for url in watched.asked if not url.startswith(("file:", "data:"))] == []
