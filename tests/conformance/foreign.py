"""A whole worker in a hundred lines and nothing of ours: JSON on a WebSocket.

Its methods are small so that a test may break one of them. `python -m tests.conformance.foreign` runs it as a process.
"""

import asyncio
import base64
import hashlib
import json
import os
import sys
from io import BytesIO
from typing import Any

import aiohttp

INLINE_BYTES = 500_000
WINDOW = 256
Ref = list[Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class FailError(Exception):
    pass


class Attempt:
    def __init__(self, ref: Ref) -> None:
        self.ref, self.is_stale = ref, False
        self.task: asyncio.Task[None]
        self.code = "cancelled"
        self.items: list[str] = []  # not acknowledged
        self.durable = 0
        self.room = asyncio.Event()


class Connected:
    """Dials, says hello, and hands each message to the method of its tag."""

    total = 5
    subprotocol = "tidemill.v1+json"

    def __init__(self, url: str) -> None:
        self.url, self.instance = url, b64(os.urandom(16))
        self.live: dict[str, Attempt] = {}
        self.results: dict[str, list[Any]] = {}
        self.received = 0
        self.draining = False
        self.output = ""
        self.code: int | None = None
        self.socket: aiohttp.ClientWebSocketResponse | None = None

    async def run(self) -> int:
        async with aiohttp.ClientSession() as self.http:
            try:
                while self.code is None:
                    try:
                        await self.connect()
                    except (aiohttp.ClientError, OSError) as error:
                        print(error, file=sys.stderr)
                    await asyncio.sleep(0.02)
            finally:
                for attempt in [*self.live.values()]:
                    attempt.is_stale = True
                    attempt.task.cancel()
        return self.code

    async def connect(self) -> None:
        async with self.http.ws_connect(
            f"{self.url}/worker/v1", protocols=[self.subprotocol], max_msg_size=0
        ) as socket:
            await socket.send_str(json.dumps([self.hello()]))
            beating = asyncio.create_task(asyncio.sleep(0))
            try:
                async for frame in socket:
                    for message in self.read(frame.data):
                        self.heard = asyncio.get_running_loop().time()
                        if message[0] == "welcome":
                            self.socket, self.ping_s = socket, message[8]
                            beating = asyncio.create_task(self.beat(message[4]))
                        await self.obey(message)
                    if self.code is not None:
                        return
            finally:
                beating.cancel()
                self.socket = None

    def read(self, data: str) -> list[list[Any]]:
        try:
            frame = json.loads(data)
        except ValueError:
            return []
        return frame if isinstance(frame, list) else []

    async def obey(self, message: list[Any]) -> None:
        if handler := getattr(self, f"on_{message[0]}", None):
            await handler(*message[1:])

    def hello(self) -> list[Any]:
        held, done = [each.ref for each in self.live.values()], [each[1] for each in self.results.values()]
        return ["hello", "1.0", "foreign", self.instance, self.tasks(), {"total": self.total}, held, done]

    def tasks(self) -> list[Any]:
        takes = {"echo": "value", "fail": "message", "sleep": "seconds", "count": "upto", "large": "size"}
        return [
            {
                "name": f"foreign.{name}",
                "inputs": {"type": "object", "properties": {port: {}}, "required": [port]},
                "outputs": {"value": {}},
                "digest": "",
                "item": {"type": "integer"} if name == "count" else None,
            }
            for name, port in takes.items()
        ]

    async def say(self, *messages: list[Any]) -> None:
        if self.socket is not None:
            await self.socket.send_str(json.dumps(messages))

    async def grant(self) -> None:
        free = 0 if self.draining else max(self.total - len(self.live), 0)
        await self.say(["credit", {"": self.received + free}])

    async def beat(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            if self.live or self.results:
                await self.on_ping()
            if self.socket is not None and self.is_deaf():
                await self.socket.close()

    def is_deaf(self) -> bool:
        return self.ping_s > 0 and asyncio.get_running_loop().time() - self.heard > 3 * self.ping_s

    async def on_ping(self, *_: Any) -> None:
        await self.say(["heartbeat", self.received])


class Foreign(Connected):
    # What the server says --------------------------------------------------------------------------

    async def on_welcome(self, *facts: Any) -> None:
        _protocol, _store, _lease_s, _heartbeat_s, _keep, stale, *_ = facts
        self.received = 0
        await self.on_stale(stale)
        for result in self.results.values():
            await self.say(result)
        for attempt in self.live.values():
            await self.say(["started", attempt.ref], *self.chunks(attempt))
        await self.grant()

    async def on_refused(self, reason: str, advice: str, final: bool = True, *_: Any) -> None:
        if final:
            self.output = f"refused: {reason}; {advice}"
            print(self.output, file=sys.stderr)
            self.code = 1

    async def on_assign(self, ref: Ref, task: str, inputs: dict[str, Any], *more: Any) -> None:
        key = json.dumps(ref)
        self.received += 1
        if key in self.results:
            await self.say(self.results[key])
        elif key not in self.live:
            body = getattr(self, task.removeprefix("foreign."), None)
            if body is None or self.draining:
                await self.say(["released", ref, "not here"])
            else:
                attempt = self.live[key] = Attempt(ref)
                attempt.task = asyncio.create_task(self.perform(attempt, body, inputs))
                for limit in more[1:3]:  # timeout_s and silence_s; nothing here gives a sign of life
                    if limit is not None:
                        attempt.limit = asyncio.get_running_loop().call_later(limit, self.time_out, attempt)
        await self.grant()

    def time_out(self, attempt: Attempt) -> None:
        attempt.code = "timeout"
        attempt.task.cancel()

    async def on_cancel(self, ref: Ref, *_: Any) -> None:
        if attempt := self.live.get(json.dumps(ref)):
            attempt.task.cancel()
        elif json.dumps(ref) not in self.results:
            await self.say(["released", ref, "not held"])

    async def on_ack(self, refs: list[Ref], *_: Any) -> None:
        for ref in refs:
            self.results.pop(json.dumps(ref), None)
        await self.leave_if_done()

    async def on_stale(self, refs: list[Ref], *_: Any) -> None:
        for ref in refs:
            self.results.pop(json.dumps(ref), None)
            if attempt := self.live.pop(json.dumps(ref), None):
                attempt.is_stale = True
                attempt.task.cancel()
        await self.grant()

    async def on_chunk_ack(self, ref: Ref, upto: int, *_: Any) -> None:
        if attempt := self.live.get(json.dumps(ref)):
            del attempt.items[: upto - attempt.durable]
            attempt.durable = upto
            attempt.room.set()

    async def on_drain(self, *_: Any) -> None:
        self.draining = True
        await self.grant()
        await self.leave_if_done()

    async def leave_if_done(self) -> None:
        if self.draining and not self.live and not self.results:
            await self.say(["goodbye"])
            self.code = 0

    # An attempt ------------------------------------------------------------------------------------

    async def perform(self, attempt: Attempt, body: Any, inputs: dict[str, Any]) -> None:
        try:
            given = {name: await self.input(argument) for name, argument in inputs.items()}
            await self.say(["started", attempt.ref])
            value = await body(attempt, **given)
            result = ["succeeded", attempt.ref, {"value": await self.encoded(value)}]
        except FailError as error:
            result = ["failed", attempt.ref, {"code": "permanent", "message": str(error)}]
        except asyncio.CancelledError:
            result = ["failed", attempt.ref, {"code": attempt.code, "message": "told to"}, "stopped"]
        except Exception as error:  # noqa: BLE001  # the outermost line of a task: it reports
            result = ["failed", attempt.ref, {"code": "internal", "message": repr(error)}]
        if not attempt.is_stale:
            await self.report(attempt, result)

    async def report(self, attempt: Attempt, result: list[Any]) -> None:
        key = json.dumps(attempt.ref)
        self.live.pop(key, None)
        self.results[key] = result
        await self.say(result)
        await self.grant()

    async def input(self, argument: list[Any]) -> Any:
        _, value, *_ = argument
        if value[0] == "i":
            return json.loads(base64.b64decode(value[1]))
        async with self.http.get(f"{self.url}/api/v1/blobs/sha256:{base64.b64decode(value[1]).hex()}") as answer:
            return json.loads(await answer.read())

    async def encoded(self, value: Any) -> list[Any]:
        if isinstance(value, Attempt):
            return ["s", value.ref[2], value.durable]
        data = json.dumps(value).encode()
        if len(data) <= INLINE_BYTES:
            return ["i", b64(data), "j"]
        digest = hashlib.sha256(data)
        octets = {"content-type": "application/octet-stream"}
        place = f"{self.url}/api/v1/blobs/sha256:{digest.hexdigest()}"
        async with self.http.put(place, data=BytesIO(data), headers=octets):
            return ["b", b64(digest.digest()), len(data), "j"]

    def chunks(self, attempt: Attempt) -> list[list[Any]]:
        return [["chunk", attempt.ref, attempt.durable, attempt.items]] if attempt.items else []

    # Tasks -----------------------------------------------------------------------------------------

    async def echo(self, attempt: Attempt, value: Any) -> Any:
        return value

    async def fail(self, attempt: Attempt, message: str) -> Any:
        raise FailError(message)

    async def sleep(self, attempt: Attempt, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    async def large(self, attempt: Attempt, size: int) -> str:
        return "x" * size

    async def count(self, attempt: Attempt, upto: int) -> Attempt:
        for number in range(upto):
            await self.room(attempt, WINDOW)
            attempt.items.append(b64(str(number).encode()))
            await self.say(["chunk", attempt.ref, attempt.durable + len(attempt.items) - 1, attempt.items[-1:]])
        await self.room(attempt, 1)
        return attempt

    async def room(self, attempt: Attempt, limit: int) -> None:
        while len(attempt.items) >= limit:
            attempt.room.clear()
            await attempt.room.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(Foreign(os.environ["TIDEMILL_URL"]).run()))
