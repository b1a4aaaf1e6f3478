"""The page in a real browser, where there is one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import shelf_index
import shelf_page

from tests.shelf.plain_run import SAMPLES, files_of, run, text_item
from tests.shelf.test_page import HOSTILE

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: "sync_api.Browser", tmp_path: Path) -> Iterator[tuple["sync_api.Page", list[str]]]:
    page, complaints = browser.new_page(viewport={"width": 390, "height": 800}), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url))
    yield page, complaints
    page.close()


def show(page: "sync_api.Page", content: bytes, tmp_path: Path) -> None:
    (tmp_path / "shelf.html").write_bytes(content)
    page.goto((tmp_path / "shelf.html").as_uri())


def test_the_filter_finds_and_a_link_brings_back_what_it_hid(
    opened: tuple["sync_api.Page", list[str]], tmp_path: Path
) -> None:
    page, complaints = opened
    show(page, run(files_of(SAMPLES)).page(), tmp_path)
    assert page.locator("#count").text_content() == "29 of 29"
    page.keyboard.press("/")
    page.keyboard.type("buttermilk")
    assert page.locator(".card:visible h2").all_text_contents() == ["kitchen/brown-bread.md"]
    page.locator(".card:visible .near a").first.click()
    assert page.locator("#count").text_content() == "29 of 29"
    page.get_by_role("button", name="Pictures").click()
    assert page.locator(".card:visible").count() == 10
    page.get_by_role("button", name="List").click()
    assert page.locator("#files").get_attribute("data-view") == "list"
    page.locator("#query").fill("no such thing")
    assert page.locator("#nothing").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []


def test_nothing_hostile_runs(opened: tuple["sync_api.Page", list[str]], tmp_path: Path) -> None:
    page, complaints = opened
    items = [text_item(name, f"{name} </p></main><script>window.caught = 1</script>") for name in HOSTILE]
    show(page, shelf_page.render(shelf_index.build(HOSTILE[1], items, []), {}), tmp_path)
    assert page.evaluate("window.caught") is None
    assert page.locator(".card").count() == len(HOSTILE)
    assert complaints == []
