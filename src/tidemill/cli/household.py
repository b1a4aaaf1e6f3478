"""A server and workers of our own, for commands that start what is missing."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tidemill.assembly.settings import ADDRESS_FILE, Settings
from tidemill.assembly.signals import first_cause
from tidemill.cli.children import Child, Hear
from tidemill.client.errors import ServerUnreachableError
from tidemill.client.remote import AsyncClient
from tidemill.core.errors import InputError, TidemillError, UnavailableError
from tidemill.wire.api import Health

START_S = 60.0
LOOK_S = 0.05
PROBE_S = 2.0
_READY = re.compile(r"tidemill serves (http://\S+)")


class NotStartedError(InputError):
    """A process of ours ends before it is ready; its last words are the reason."""


class Household:
    """Children with their keepers; `open_household` ends them in order, the last one first."""

    def __init__(self, group: asyncio.TaskGroup, stack: AsyncExitStack) -> None:
        self._group, self._stack = group, stack
        self.children: list[Child] = []

    def start(self, child: Child) -> None:
        keeping = self._group.create_task(child.keep(), name=child.name)
        self._stack.push_async_callback(child.stop, keeping)
        self.children.append(child)

    async def server(self, settings: Settings, hear: Hear) -> str:
        """Start a server on the data folder; the URL, once it answers there."""
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def listen(line: str) -> None:
            found = _READY.match(line)
            if found and not ready.done():
                ready.set_result(found[1])
            hear(line)

        places = ["--host", settings.host, "--data", str(settings.data)]
        child = Child("server", ["server", *places, "--port", str(settings.port)], listen)
        self.start(child)
        url = await _started(child, ready.done, ready)
        child.arguments = ["server", *places, "--port", str(urlsplit(url).port)]  # the same place when started again
        return url

    def worker(self, target: str, url: str, data: Path, hear: Hear) -> Child:
        child = Child(f"worker {target}", ["worker", target, "--url", url, "--data", str(data)], hear)
        self.start(child)
        return child


@asynccontextmanager
async def open_household() -> AsyncIterator[Household]:
    with first_cause():
        async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
            yield Household(group, stack)


async def _started(child: Child, is_ready: Callable[[], bool], ready: "asyncio.Future[str]") -> str:
    async with asyncio.timeout(START_S):
        while not is_ready():
            if child.deaths:
                raise NotStartedError(told_by(child))
            await asyncio.wait([ready], timeout=LOOK_S)
    return ready.result()


def told_by(child: Child) -> str:
    """The last words of a child that ended."""
    lines = [line.removeprefix("tidemill: ") for line in child.last_lines]
    said = "\n".join(lines[-1:] if lines and not lines[-1].startswith(" ") else lines)
    return said or f"{child.name} ended without a word"


async def find_server(settings: Settings) -> str | None:
    """The server that was named; else one that runs already, on the data folder or at the usual place.

    Raises:
        UnavailableError: the one that was named does not answer.
    """
    if settings.url:
        try:
            await _health_at(settings.server_url)
        except ServerUnreachableError as error:
            text = f"{error.fact}. Without --url and TIDEMILL_URL, a server is started for you"
            raise UnavailableError(text) from None
        return settings.server_url
    last = settings.data / ADDRESS_FILE
    url, _, store = last.read_text("utf-8").strip().partition(" ") if last.is_file() else ("", "", "")
    if url and (found := await answers(url)) is not None and found.store == store:
        return url  # of this folder, and not of somebody who has the port by now
    return settings.server_url if await answers(settings.server_url) else None


async def answers(url: str) -> Health | None:
    """What a Tidemill server says there; None when there is none."""
    try:
        return await _health_at(url)
    except TidemillError:
        return None


async def _health_at(url: str) -> Health:
    async with AsyncClient(url) as client:
        try:
            async with asyncio.timeout(PROBE_S):
                return await client.health()
        except TimeoutError:
            raise ServerUnreachableError(url, f"no answer within {PROBE_S:.0f} s") from None


async def missing_tasks(client: AsyncClient, wanted: Iterable[tuple[str, str]]) -> Sequence[str]:
    """Of tasks by name and digest, those that no connected worker has in that version."""
    live = {(each.definition.name, each.definition.digest) for each in await client.tasks() if each.live}
    return [name for name, digest in wanted if (name, digest) not in live]


async def wait_for_tasks(client: AsyncClient, wanted: Sequence[tuple[str, str]], child: Child) -> None:
    """Until a worker has announced them. Raises NotStartedError when ``child``, which should, ends instead."""
    missing: Sequence[str] = ()
    try:
        async with asyncio.timeout(START_S):
            while missing := await missing_tasks(client, wanted):
                if child.deaths:
                    raise NotStartedError(told_by(child))
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise NotStartedError(f"no worker has announced {', '.join(missing)} within {START_S:.0f} s") from None
