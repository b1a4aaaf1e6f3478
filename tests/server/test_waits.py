"""Signals, waits and approvals over HTTP, as a stranger would speak it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Literal

import pytest

from tests.server.http import Answer, Http, until
from tests.server.mill import Mill
from tests.server.tasks import Order, media, price
from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.sdk.approvals import Approval
from tidemill.sdk.options import FOREVER
from tidemill.sdk.waiting import approval, wait_signal
from tidemill.sdk.workflow import workflow

API = "/api/v1"
FORM = "application/x-www-form-urlencoded"


@workflow
def ordering(name: str) -> float:
    return price(wait_signal("order", Order, within=FOREVER))


@workflow
def keyed(customer: str) -> float:
    return price(wait_signal("bought", Order, within=timedelta(days=1), key=customer))


@workflow
def asking(name: str) -> Approval[Literal["yes", "no <b>"]]:
    return approval("Print <it>?", choices=("yes", "no <b>"), shows={"name": name}, within=timedelta(days=2))


@pytest.fixture
async def client(served: Mill) -> AsyncIterator[AsyncClient]:
    async with served.worker(media), AsyncClient(served.url) as made:
        yield made


async def waiting(http: Http, run: AsyncRun[Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    async def is_there() -> bool:
        found[:] = (await http.get(f"{API}/runs/{run.id}/waits")).json["waits"]
        return bool(found)

    await until(is_there)
    return found[0]


async def test_a_signal_ends_a_wait_and_comes_again_without_harm(client: AsyncClient, http: Http) -> None:
    run = await client.submit(ordering, "ann")
    assert (await waiting(http, run))["name"] == "order"
    body = {"payload": {"name": "x", "copies": 3}, "id": "s1"}
    first = await http.post(f"{API}/runs/{run.id}/signals/order", body)
    assert (first.status, first.json) == (200, {"id": "s1", "taken": True, "run": run.id, "step": "order"})
    assert await run.result() == 7.5
    again = await http.post(f"{API}/runs/{run.id}/signals/order", body)
    assert (again.status, again.json) == (200, first.json)
    other = await http.post(f"{API}/runs/{run.id}/signals/order", {**body, "payload": {"name": "y"}})
    assert other.problem == "conflict"
    late = await http.post(f"{API}/runs/{run.id}/signals/order", {**body, "id": "s2"})
    assert (late.status, late.problem) == (409, "not_possible")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("signals/order", {"payload": {"copies": 1}}, ("invalid_input", "$.payload.name")),
        ("signals/order", {"payload": {"name": "x", "copies": "many"}}, ("invalid_input", "$.payload.copies")),
        ("signals/order", {"payload": 1, "more": 2}, ("invalid_body", "more")),
        ("signals/order", {"id": "x" * 200}, ("invalid_body", "$.id")),
        ("signals/ordr", {"payload": 1}, ("unknown_signal", "'order'")),
        ("signals/a%20b", {"payload": 1}, ("bad_request", "letters")),
        ("approvals", {"choice": "yes"}, ("unknown_step", "asks for no approval")),
        ("approvals", {"choice": "yes", "step": "order"}, ("unknown_step", "order")),
    ],
)
async def test_what_does_not_fit_is_refused_and_ends_no_wait(
    client: AsyncClient, http: Http, path: str, body: dict[str, Any], said: tuple[str, str]
) -> None:
    run = await client.submit(ordering, "ann")
    await waiting(http, run)
    answer = await http.post(f"{API}/runs/{run.id}/{path}", body)
    assert (answer.problem, said[1] in answer.body.decode()) == (said[0], True), answer.body
    assert (await waiting(http, run)).get("closed") is None


async def test_a_key_finds_who_waits_with_it(client: AsyncClient, http: Http) -> None:
    run = await client.submit(keyed, "bob")
    assert (await waiting(http, run))["key"] == "bob"
    for key in ("", "k" * 300):
        assert (await http.post(f"{API}/signals/bought?key={key}", {"payload": None})).problem == "bad_request"
    wrong = await http.post(f"{API}/signals/bought?key=bob", {"payload": {"nme": "x"}})
    assert wrong.problem == "invalid_input"
    kept = await http.post(f"{API}/signals/bought?key=eve", {"payload": {"name": "x"}})
    assert (kept.status, kept.json["taken"]) == (202, False)
    taken = await http.post(f"{API}/signals/bought?key=bob", {"payload": {"name": "x", "copies": 2}})
    assert (taken.status, taken.json["run"]) == (200, run.id)
    assert await run.result() == 5.0
    assert await (await client.submit(keyed, "eve")).result() == 2.5


async def test_early_signals_with_a_key_fit_some_workflow_that_waits_for_them(client: AsyncClient, http: Http) -> None:
    await client.submit(keyed, "bob")
    early = await http.post(f"{API}/signals/bought?key=zoe", {"payload": "nothing of the kind"})
    assert early.problem == "invalid_input"
    unknown = await http.post(f"{API}/signals/unheard_of?key=zoe", {"payload": "anything"})
    assert unknown.status == 202


async def test_waits_are_listed_page_by_page(client: AsyncClient, http: Http) -> None:
    runs = [await client.submit(ordering, "x") for _ in range(3)] + [await client.submit(asking, "y")]
    for run in runs:
        await waiting(http, run)
    first = (await http.get(f"{API}/waits?limit=2")).json
    rest = (await http.get(f"{API}/waits?limit=10&after={first['next']}")).json
    assert [each["run"] for each in first["waits"] + rest["waits"]] == [run.id for run in runs]
    assert rest["next"] == ""
    assert [each["question"] for each in (await http.get(f"{API}/waits?kind=approval")).json["waits"]] == [
        "Print <it>?"
    ]
    assert len((await http.get(f"{API}/waits?workflow=ordering")).json["waits"]) == 3
    assert (await http.get(f"{API}/waits?kind=nap")).problem == "bad_request"
    assert (await http.get(f"{API}/waits?after=zzz")).problem == "bad_request"


async def test_why_says_what_ends_a_wait(client: AsyncClient, http: Http) -> None:
    ordered, asked = await client.submit(ordering, "x"), await client.submit(asking, "y")
    await waiting(http, ordered)
    await waiting(http, asked)
    (step,) = [each for each in (await client.why(ordered.id)).steps if each.path == "order"]
    assert step.reasons == ("it waits for ever for the signal 'order'",)
    assert step.advice == f"tidemill signal {ordered.id} order PAYLOAD"
    (step,) = (await client.why(asked.id)).steps
    assert step.advice == f"tidemill approve {asked.id} approval --choice yes|'no <b>'"


# Approvals -----------------------------------------------------------------------------------------


async def link_of(client: AsyncClient, http: Http) -> tuple[AsyncRun[Any], str]:
    run = await client.submit(asking, "<script>alert(1)</script>")
    await waiting(http, run)
    (found,) = (await client.waits(kinds=("approval",), links="true")).waits
    return run, found.link.removeprefix(http.url)


async def form(http: Http, link: str, text: str, **headers: str) -> Answer:
    return await http("POST", link, text.encode(), content_type=FORM, **headers)


@pytest.mark.feature("E8")
async def test_an_approval_is_decided_by_its_link_once(client: AsyncClient, http: Http) -> None:
    run, link = await link_of(client, http)
    page = await http.get(link)
    text = page.body.decode()
    assert (page.status, "Print &lt;it&gt;?" in text) == (200, True)
    assert ("&lt;script&gt;" in text, "<script>" in text) == (True, False)
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert page.headers.getall("referrer-policy") == ["same-origin"]
    assert (await waiting(http, run)).get("closed") is None, "to look is not to decide"
    wrong = await form(http, link, "choice=maybe")
    assert (wrong.status, "Choose one of yes" in wrong.body.decode()) == (422, True)
    chosen = await form(http, link, "choice=no+%3Cb%3E&comment=a+%26+b&who=Ann+%3Ci%3E")
    answer = await run.result()
    assert (answer.choice, answer.comment, answer.who) == ("no <b>", "a & b", "Ann <i>")
    assert answer.at.tzinfo is not None
    after = await http.get(link)
    assert "Ann &lt;i&gt; chose" in after.body.decode()
    second = await form(http, link, "choice=yes&who=Bob")
    assert (second.status, "Ann" in second.body.decode()) == (409, True)
    assert chosen.status in (200, 303)


async def test_a_link_that_was_tampered_with_says_so(client: AsyncClient, http: Http) -> None:
    _, link = await link_of(client, http)
    for token in (link[:-4] + "AAAA", "/approve/nonsense", link + "A"):
        page = await http.get(token)
        assert (page.status, "leads nowhere" in page.body.decode()) == (404, True)
        assert (await form(http, token, "choice=yes")).status == 404


async def test_a_form_of_another_site_decides_nothing(client: AsyncClient, http: Http) -> None:
    run, link = await link_of(client, http)
    assert (await form(http, link, "choice=yes", origin="http://evil.example")).problem == "wrong_origin"
    assert (await form(http, link, "choice=yes", origin="null")).problem == "wrong_origin"
    assert (await form(http, f"{API}/runs/{run.id}/approvals", "choice=yes")).problem == "unsupported_media_type"
    assert (await waiting(http, run)).get("closed") is None


async def test_links_are_shown_to_those_who_ask_only(client: AsyncClient, http: Http) -> None:
    await link_of(client, http)
    assert "link" not in (await http.get(f"{API}/waits")).json["waits"][0]


async def test_an_approval_is_decided_over_the_api(client: AsyncClient, http: Http) -> None:
    run = await client.submit(asking, "y")
    await waiting(http, run)
    path = f"{API}/runs/{run.id}/approvals"
    assert (await http.post(path, {"choice": "maybe"})).problem == "invalid_input"
    assert (await http.post(path, {"choice": "yes", "comment": "c" * 5000})).problem == "too_large"
    done = (await http.post(path, {"choice": "yes", "who": "ann", "comment": "fine"})).json
    assert (done["closed"]["how"], done["closed"]["who"], done["closed"]["choice"]) == ("answered", "ann", "yes")
    again = await http.post(path, {"choice": "no <b>", "who": "bob", "step": "approval"})
    assert (again.problem, "ann chose 'yes' at" in again.json["detail"]) == ("not_possible", True)
