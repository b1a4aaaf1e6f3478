"""`tidemill.container`: run an image to its end, over the socket of the Docker Engine API (Docker, or Podman)."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tidemill.sdk.errors import InvalidInputError, PermanentError, ResourceError, TransientError
from tidemill.sdk.options import CENTURY_S

_API = "http://engine/v1.41"
_HEAD = 8  # of a frame of output: which stream, three zeros, the length


@dataclass(frozen=True)
class ContainerResult:
    """``cut`` says that there was more output than is kept."""

    exit_code: int
    stdout: str
    stderr: str
    cut: bool = False


@dataclass(frozen=True)
class Container:
    """Runs a container that is removed however it ends. It has no network, unless its operator gives one.

    Args:
        socket: of the engine.
        images: that may be run; none means any.
        network: ``"none"``, ``"bridge"``, or one of the engine's.
        memory_bytes: of one container; 0 sets no limit.
        cpus: the same.
        most_bytes: of each output that is kept.
    """

    socket: str = "/var/run/docker.sock"
    images: Sequence[str] = ()
    network: str = "none"
    memory_bytes: int = 0
    cpus: float = 0.0
    most_bytes: int = 1024 * 1024
    preset_name: str = "container"

    async def __call__(
        self,
        image: str,
        command: list[str] | None = None,
        *,
        env: dict[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> ContainerResult:
        """Run an image, with a command or its own, and give what it wrote and its exit code, whatever that is."""
        if self.images and image not in self.images:
            raise InvalidInputError("", [("$.image", f"allowed is {', '.join(self.images)}")])
        async with _engine(self.socket) as engine:
            made = await self._made(engine, image, command, env or {})
            try:
                async with asyncio.timeout(timeout_s):
                    await engine.ask("POST", f"/containers/{made}/start")
                    ended = await engine.ask("POST", f"/containers/{made}/wait")
                stdout, stderr, cut = await engine.outputs(made, self.most_bytes)
                return ContainerResult(ended["StatusCode"], stdout, stderr, cut)
            except TimeoutError:
                raise TransientError(f"the container did not end within {timeout_s:g} s") from None
            finally:
                await asyncio.shield(engine.ask("DELETE", f"/containers/{made}?force=true&v=true"))

    async def _made(self, engine: "_Engine", image: str, command: list[str] | None, env: dict[str, str]) -> str:
        if not await engine.has_image(image):
            await engine.pull(image)
        host: dict[str, Any] = {"NetworkMode": self.network, "AutoRemove": False}
        if self.memory_bytes:
            host["Memory"] = self.memory_bytes
        if self.cpus:
            host["NanoCpus"] = int(self.cpus * 1e9)
        body = {"Image": image, "Env": [f"{name}={value}" for name, value in env.items()], "HostConfig": host}
        if command is not None:
            body["Cmd"] = command
        made = await engine.ask("POST", "/containers/create", body)
        return str(made["Id"])


class _Engine:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer; None of an empty one."""
        async with self._session.request(method, f"{_API}{path}", json=body) as response:
            text = await response.text()
            if response.status >= 400:
                _refuse(response.status, text)
            return json.loads(text) if text.strip() else None

    async def has_image(self, image: str) -> bool:
        async with self._session.get(f"{_API}/images/{image}/json") as response:
            return response.status == 200

    async def pull(self, image: str) -> None:
        name, tag = image, ""
        if ":" in image.rpartition("/")[2] and "@" not in image:
            name, _, tag = image.rpartition(":")
        params = {"fromImage": name, "tag": tag or ("" if "@" in image else "latest")}
        async with self._session.post(f"{_API}/images/create", params=params) as response:
            text = await response.text()
            if response.status >= 400:
                _refuse(response.status, text)
            for line in filter(None, map(str.strip, text.splitlines())):
                if error := json.loads(line).get("error"):
                    raise PermanentError(f"the image {image} cannot be had: {error}")

    async def outputs(self, container: str, most: int) -> tuple[str, str, bool]:
        kept, is_cut = {1: bytearray(), 2: bytearray()}, False
        params = {"stdout": "true", "stderr": "true"}
        async with self._session.get(f"{_API}/containers/{container}/logs", params=params) as response:
            if response.status >= 400:
                _refuse(response.status, await response.text())
            async for stream, part in frames(response.content):
                room = most - len(kept[stream])
                kept[stream] += part[: max(room, 0)]
                is_cut = is_cut or len(part) > room
        return kept[1].decode(errors="replace"), kept[2].decode(errors="replace"), is_cut


async def frames(content: aiohttp.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """The two streams of a container without a terminal, which come as one: 1 is standard output, 2 error."""
    while True:
        try:
            head = await content.readexactly(_HEAD)
        except asyncio.IncompleteReadError:
            return
        left = int.from_bytes(head[4:], "big")
        stream = 2 if head[0] == 2 else 1
        while left:
            part = await content.read(min(left, 64 * 1024))
            if not part:
                return
            left -= len(part)
            yield stream, part


@asynccontextmanager
async def _engine(socket: str) -> AsyncIterator[_Engine]:
    timeout = aiohttp.ClientTimeout(total=CENTURY_S, sock_connect=10)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket), timeout=timeout) as session:
            yield _Engine(session)
    except aiohttp.ClientConnectorError as error:
        raise PermanentError(
            f"no container engine answers at {socket} ({error.os_error.strerror}): start Docker, or Podman with "
            "`podman system service`, and give its socket"
        ) from None
    except aiohttp.ClientError as error:
        raise TransientError(f"the container engine broke off: {type(error).__name__}: {error}") from error


def _refuse(status: int, text: str) -> None:
    try:
        reason = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        reason = text[:500]
    if status in (400, 404):
        raise PermanentError(f"the container engine refused: {reason}")
    if status == 409:
        raise TransientError(f"the container engine is in another state: {reason}")
    raise ResourceError(f"the container engine failed ({status}): {reason}")
