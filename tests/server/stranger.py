"""A worker of somebody else: plain JSON on a WebSocket, and nothing of ours."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

INSTANCE = bytes(range(16))
ANYTHING: dict[str, Any] = {}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def as_json(value: object) -> list[Any]:
    """A value in the frame."""
    return ["i", b64(json.dumps(value).encode()), "j"]


def plain(argument: list[Any]) -> Any:
    """The value of an argument that lies in the frame."""
    tag, (kind, data, encoding, *_), *fields = argument
    assert (tag, kind, encoding, fields) == ("v", "i", "j", [[]]), argument
    return json.loads(base64.b64decode(data))


def task(name: str, *inputs: str, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict.fromkeys(inputs, ANYTHING)}
    return {"name": name, "inputs": schema, "outputs": {"value": ANYTHING}, "digest": "", **more}


class Stranger:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.frames: list[tuple[str, Any]] = []  # ("to_server" or "to_worker", frame)
        self._unread: list[Any] = []

    async def say(self, *messages: Any) -> None:
        self.frames.append(("to_server", list(messages)))
        await self.socket.send_str(json.dumps(messages))

    async def hear(self, tag: str) -> list[Any]:
        """The next message of a tag; others are kept for later, and pings answered."""
        async with asyncio.timeout(10):
            while True:
                for message in self._unread:
                    if message[0] == tag:
                        self._unread.remove(message)
                        return list(message)
                frame = json.loads(await self.socket.receive_str())
                self.frames.append(("to_worker", frame))
                self._unread += [message for message in frame if message != ["ping"]]
                if ["ping"] in frame:
                    await self.say(["heartbeat", 0])

    async def hello(self, *tasks: dict[str, Any], name: str = "stranger", total: int = 5) -> list[Any]:
        await self.say(["hello", "1.0", name, b64(INSTANCE), tasks, {"total": total}])
        welcome = await self.hear("welcome")
        await self.say(["credit", {"": total}])
        return welcome


@asynccontextmanager
async def stranger(url: str, subprotocol: str = "tidemill.v1+json") -> AsyncIterator[Stranger]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/worker/v1", protocols=[subprotocol]) as socket,
    ):
        yield Stranger(socket)
