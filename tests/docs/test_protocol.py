"""The page about the worker protocol: its tables have each message, and its dialogue is what a real server says."""

import asyncio
import base64
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.docs.pages import blocks, read
from tests.server.http import Http, speaking
from tests.server.mill import mill
from tests.server.stranger import Stranger, stranger
from tidemill.wire import worker as wire

PAGE = "docs/protocol.md"
ROW = re.compile(r"^\| `(\w+)` \| ?(.*?) ?\|$", re.MULTILINE)


def listed() -> dict[str, list[str]]:
    return {tag: re.findall(r"\w+", fields) for tag, fields in ROW.findall(read(PAGE)) if tag != "n"}


STRUCTS: tuple[Any, ...] = (*get_args(wire.ToServer), *get_args(wire.ToWorker))
# For workers that keep models, which has a page of its own.
ELSEWHERE = {"models"}


def test_the_tables_have_each_message() -> None:
    assert {each.__struct_config__.tag for each in STRUCTS} - ELSEWHERE <= listed().keys()


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_the_fields_of_a_message_are_in_their_order(kind: Any) -> None:
    tag = kind.__struct_config__.tag
    if tag in ELSEWHERE:
        return
    shown = listed()[tag]
    assert shown == list(kind.__struct_fields__[: len(shown)])
    required = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    assert len(shown) >= required


class Replay:
    """Plays the worker and the client of the dialogue, and compares what the server says."""

    def __init__(self, url: str, http: Http, stack: AsyncExitStack) -> None:
        self._url, self._http, self._stack = url, http, stack
        self._peer: Stranger
        self._run = b""

    async def connect(self) -> None:
        self._peer = await self._stack.enter_async_context(stranger(self._url))

    async def play(self, line: str) -> None:
        who, _, what = line.partition(" ")
        match who:
            case "worker":
                await self._peer.say(*json.loads(what.replace("RUN", base64.b64encode(self._run).decode())))
            case "server":
                for wanted in json.loads(what):
                    heard = await self._peer.hear(wanted[0])
                    assert self._fits(wanted, heard), f"the page shows {wanted}, and the server says {heard}"
            case "client":
                await self._submit(what)
            case "cut":
                await self._peer.socket.close()
                await self.connect()
            case other:
                raise AssertionError(f"nobody plays {other!r}")

    async def _submit(self, what: str) -> None:
        method, path, body = what.split(" ", 2)
        run = self._run.hex()
        answer = await self._http(method, path.replace("RUN", run), json.loads(body))
        assert answer.status in (201, 202), answer
        self._run = bytes.fromhex(answer.json["id"].replace("-", ""))

    def _fits(self, wanted: Any, heard: Any) -> bool:
        if wanted == "…":
            return True
        if wanted == "RUN":
            return bool(base64.b64decode(heard) == self._run)
        if isinstance(wanted, list) and isinstance(heard, list):
            pairs = zip(wanted, heard, strict=False)  # fields to spare are no matter
            return len(wanted) <= len(heard) and all(self._fits(one, other) for one, other in pairs)
        if isinstance(wanted, dict) and isinstance(heard, dict):
            return wanted.keys() == heard.keys() and all(self._fits(wanted[key], heard[key]) for key in wanted)
        return bool(wanted == heard)


async def test_the_dialogue_is_what_a_real_server_says(tmp_path: Path) -> None:
    lines = [line for block in blocks(read(PAGE)) if block.language == "dialogue" for line in block.text.splitlines()]
    assert len(lines) > 25
    async with (
        mill(tmp_path) as running,
        speaking(running.url) as http,
        AsyncExitStack() as links,
        asyncio.timeout(30),
    ):
        replay = Replay(running.url, http, links)
        await replay.connect()
        for line in lines:
            await replay.play(line)
