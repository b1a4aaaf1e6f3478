"""The page in a real browser, where there is one."""

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Literal

import pytest

from tests.server.http import Http, until
from tests.server.test_runs import RUNS, submit
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.sdk.approvals import Approval
from tidemill.sdk.waiting import approval
from tidemill.sdk.workflow import workflow

async_api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
HOSTILE = "<img src=x onerror='document.title=\"broken in\"'><script>document.title='broken in'</script>"

in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")


@pytest.fixture
async def page() -> AsyncIterator[Any]:
    """A page; each complaint of the browser fails the test."""
    complaints: list[str] = []
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = await browser.new_page(viewport={"width": 1200, "height": 800})
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("dialog", lambda dialog: dialog.accept())
        yield opened
        await browser.close()
    assert complaints == []


@in_a_browser
async def test_the_list_shows_runs_as_they_come(working: Http, page: Any) -> None:
    await page.goto(working.url + "/")
    await page.get_by_text("No runs yet").wait_for()
    await submit(working, "media.add", a=1)
    await page.get_by_role("link", name="media.add").wait_for(timeout=10_000)
    await page.locator("tr.succeeded").wait_for(timeout=10_000)
    await page.get_by_role("link", name="failed").click()
    await page.get_by_text("No run fits").wait_for()


@in_a_browser
async def test_a_run_is_shown_live_and_cancelled(working: Http, page: Any) -> None:
    run = await submit(working, "media.sleepy", seconds=60)
    await page.goto(f"{working.url}/runs/{run}")
    await page.get_by_text("going to sleep").wait_for(timeout=10_000)
    await page.locator(".row.running").wait_for(timeout=10_000)
    await page.get_by_role("button", name="Cancel").click()
    await page.locator(".pill.cancelled").wait_for(timeout=20_000)


@in_a_browser
async def test_a_run_shows_the_tags_of_its_user_and_not_ours(working: Http, page: Any) -> None:
    tags = {"tidemill.input": "0" * 64, "team": "harbour"}
    answer = await working.post(RUNS, {"task": "media.add", "input": {"a": 1}, "tags": tags})
    await page.goto(f"{working.url}/runs/{answer.json['id']}")
    await page.get_by_text("team: harbour").wait_for()
    assert await page.locator(".tag").all_inner_texts() == ["team: harbour"]


@in_a_browser
async def test_what_tasks_say_is_text_and_stays_text(working: Http, page: Any) -> None:
    run = await submit(working, "media.broken", text=HOSTILE)
    await working.get(f"{RUNS}/{run}/result?wait=10")
    await page.goto(f"{working.url}/runs/{run}")
    await page.locator(".row .label").click()
    await page.locator(".side .box.failed").get_by_text("onerror").first.wait_for(timeout=10_000)
    assert await page.locator("main img:not(.frame > img), main script").count() == 0
    assert await page.title() == "media.broken · Tidemill"


async def test_pages_allow_no_script_but_their_own(http: Http) -> None:
    for path in ("/", "/runs/x", "/pages/app.js", "/pages/app.css"):
        answer = await http.get(path)
        assert answer.status == 200
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"


@workflow
def asking(name: str) -> Approval[Literal["yes", "no"]]:
    return approval("Print it?", choices=("yes", "no"), shows=name, within=timedelta(days=1))


async def asked(http: Http) -> tuple[AsyncRun[Any], str]:
    """A run that asks, and the link by which it is answered."""
    async with AsyncClient(http.url) as client:
        run = await client.submit(asking, HOSTILE)
        await until(run.waits)
        (found,) = (await client.waits(kinds=("approval",), links="true")).waits
        return run, found.link


@in_a_browser
async def test_an_approval_is_given_on_the_page_of_its_run(http: Http, page: Any) -> None:
    run, _ = await asked(http)
    await page.goto(f"{http.url}/runs/{run.id}")
    await page.get_by_text("Print it?").wait_for(timeout=10_000)
    await page.get_by_placeholder("Your name").fill("Ann")
    await page.get_by_role("button", name="yes").click()
    await page.locator(".pill.succeeded").wait_for(timeout=10_000)
    assert (await http.get(f"{RUNS}/{run.id}/result")).json["value"]["who"] == "Ann"


@in_a_browser
async def test_an_approval_is_given_by_its_link(http: Http, page: Any) -> None:
    run, link = await asked(http)
    await page.goto(link)
    await page.get_by_text("onerror").wait_for()
    assert await page.locator("main img, main script").count() == 0
    await page.get_by_label("Comment").fill("not today")
    await page.get_by_role("button", name="no").click()
    await page.get_by_text("chose 'no'").wait_for(timeout=10_000)
    assert (await http.get(f"{RUNS}/{run.id}/result")).json["value"]["comment"] == "not today"
