"""`tidemill webhooks`, each command as a process of its own, against a server and a receiver in this one."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.cli.processes import Mill, Said
from tests.server.http import speaking
from tests.server.mill import mill as whole_mill
from tests.server.receiver import receiving
from tests.server.tasks import media
from tidemill import webhooks
from tidemill.core.signatures import signed_headers

Command = Callable[..., Awaitable[Said]]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[str]:
    async with whole_mill(tmp_path / "server") as running, running.worker(media):
        yield running.url


@pytest.fixture
def command(mill: Mill, served: str) -> Command:
    def call(*arguments: str) -> Awaitable[Said]:
        return asyncio.to_thread(mill.tidemill, *arguments, "--url", served)

    return call


@pytest.mark.feature("E11")
async def test_an_operator_registers_looks_tests_and_sends_again(command: Command, served: str, mill: Mill) -> None:
    (mill.folder / "secrets").write_text("the secret of now, long\n".replace(" ", "-") + "the-secret-of-before\n")
    async with receiving() as receiver, speaking(served) as http:
        receiver.answers["/in"] = [web.Response(status=400, text="who?"), web.Response()]
        filters = ("--event", "run.succeeded", "--workflow", "media.a*", "--tag", "team=tide")
        made = await command("webhooks", "add", "chat", receiver.url + "/in", "--json", *filters)
        assert (made.code, made.json["events"], made.json["tags"]) == (0, ["run.succeeded"], {"team": "tide"})
        tested = await command("webhooks", "test", "chat")
        assert (tested.code, tested.out) == (1, "400 who?\n")
        sent = await http.post("/api/v1/runs", {"task": "media.add", "input": {"a": 1}, "tags": {"team": "tide"}})
        got = (await receiver.after(3))[-1]
        said = webhooks.verify(got.headers, got.body, made.json["secret"])
        assert (said.data["type"], said.data["run"]) == ("run.succeeded", sent.json["id"])
        log = await command("webhooks", "log", "chat")
        assert f"{said.id}  run.succeeded  {sent.json['id']}" in log.out
        assert (await command("webhooks", "redeliver", "chat", said.id)).code == 0
        assert (await receiver.after(4))[-1].headers["webhook-id"] == said.id
        again = await command("webhooks", "add", "chat", receiver.url, "--secret-file", "secrets")
        assert again.out == "webhook chat is told of run.succeeded, run.failed, run.cancelled, run.halted\n"
        shown = await command("webhooks", "show", "chat")
        assert shown.out.count("sha256:") == 2
        assert "the-secret" not in shown.out + (await command("webhooks", "list", "--json")).out
        assert (await command("webhooks", "remove", "chat")).code == 0
        gone = await command("webhooks", "show", "chat")
        assert (gone.code, gone.err) == (2, "tidemill: No such webhook: no webhook 'chat'\n")


async def test_a_wrong_webhook_is_refused_in_words(command: Command) -> None:
    refused = await command("webhooks", "add", "chat", "http://10.0.0.1/")
    assert (refused.code, "10.0.0.1 has no public address" in refused.err) == (2, True)
    refused = await command("webhooks", "add", "chat", "https://example.org", "--tag", "team")
    assert (refused.code, "is not NAME=VALUE" in refused.err) == (2, True)


@pytest.mark.feature("E12")
async def test_a_task_is_served_listed_and_removed(command: Command, served: str) -> None:
    made = await command("serve", "media.add", "--path", "/add", "--version", "v1")
    assert made.out.startswith("media.add is served at /w/add: newest\n  /w/add/v1  sha256:")
    async with speaking(served) as http:
        assert (await http.post("/w/add/v1", {"a": 1})).json == 3
    assert (await command("serve", "media.add", "--path", "add", "--default", "v1", "--json")).json["default"] == "v1"
    assert "/w/add  media.add  v1       v1" in (await command("endpoints", "list")).out
    wrong = await command("serve", "media.none", "--path", "/none")
    assert (wrong.code, "'media.none' is not known here" in wrong.err) == (2, True)
    assert (await command("endpoints", "remove", "/add")).code == 0
    assert (await command("endpoints", "list", "--json")).json == {"endpoints": []}


async def test_a_hook_is_registered_listed_and_removed(command: Command, served: str) -> None:
    made = await command("hooks", "add", "orders", "media.add", "--input", "a=$.a", "--tag", "from=shop", "--json")
    assert (made.code, made.json["path"], made.json["tags"]) == (0, "/hooks/orders", {"from": "shop"})
    headers = signed_headers("msg_1", int(time.time()), b'{"a": 1}', [made.json["secret"]])
    sent = {name.replace("-", "_"): value for name, value in headers.items()}
    async with speaking(served) as http:
        assert (await http("POST", "/hooks/orders", b'{"a": 1}', **sent)).status == 202
    assert "/hooks/orders  standard  media.add  a=$.a" in (await command("hooks", "list")).out
    wrong = await command("hooks", "add", "orders", "media.add", "--input", "a")
    assert (wrong.code, "'a' is not NAME=VALUE" in wrong.err) == (2, True)
    paid = await command("hooks", "add", "paid", "--signal", "paid", "--key", "$.id")
    assert paid.out.startswith("what comes to /hooks/paid sends paid\nits secret")
    assert "signal paid  key=$.id, payload=$" in (await command("hooks", "list")).out
    for name in ("orders", "paid"):
        assert (await command("hooks", "remove", name)).code == 0
    assert (await command("hooks", "list", "--json")).json == {"hooks": []}
