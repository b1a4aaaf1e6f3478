"""A server and workers of our own, for commands that start what is missing."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum, auto
from pathlib import Path
from urllib.parse import urlsplit

from tidemill.assembly.settings import Settings
from tidemill.assembly.signals import first_cause
from tidemill.cli.children import PATIENCE_S, Child, Hear
from tidemill.cli.posts import Post
from tidemill.client.remote import AsyncClient
from tidemill.core.errors import InputError
from tidemill.core.rules import OnLost

START_S = 60.0
LOOK_S = 0.05
_READY = re.compile(r"tidemill serves (http://\S+)")
_TAKEN = re.compile(r"is in use by another server|is taken by another program")


class Role(Enum):
    SERVER = auto()
    WORKER = auto()


class NotStartedError(InputError):
    """A process of ours ends before it is ready; its last words are the reason."""


class TakenError(NotStartedError):
    """Another server has the data folder or the port."""


class Household:
    """Children with their keepers; `open_household` ends them in order, the last one first."""

    def __init__(self, group: asyncio.TaskGroup, stack: AsyncExitStack) -> None:
        self._group, self._stack = group, stack
        self._kept: dict[Child, tuple[Role, asyncio.Task[None]]] = {}
        self._posts: list[Post] = []

    @property
    def is_used(self) -> bool:
        return bool(self._kept or self._posts)

    def has(self, role: Role) -> bool:
        return any(role is each for each, _ in self._kept.values())

    def _start(self, child: Child, role: Role) -> None:
        self._kept[child] = role, self._group.create_task(child.keep(), name=child.name)
        self._stack.push_async_callback(self._end, child)

    async def _end(self, child: Child) -> None:
        if child in self._kept:
            await child.stop(self._kept[child][1])
            self._kept.pop(child, None)

    async def server(self, settings: Settings, hear: Hear) -> str:
        """Start a server on the data folder; the URL, once it answers there.

        Raises:
            TakenError: another server has the folder or the port.
            NotStartedError.
        """
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def listen(line: str) -> None:
            found = _READY.match(line)
            if found and not ready.done():
                ready.set_result(found[1])
            hear(line)

        on_lost = settings.on_lost or OnLost.FAIL  # whoever sits here wants to hear of it
        places = ["--host", settings.host, "--data", str(settings.data), "--on-lost", on_lost.value]
        places += ["--database-wait", "2"]
        child = Child("server", ["server", *places, "--port", str(settings.port)], listen)
        self._start(child, Role.SERVER)
        try:
            url = await _started(child, ready)
        except NotStartedError:
            await self._end(child)
            raise
        child.arguments = ["server", *places, "--port", str(urlsplit(url).port)]  # the same place when started again
        return url

    def worker(self, target: str, url: str, data: Path, hear: Hear) -> Child:
        child = Child(f"worker {target}", ["worker", target, "--url", url, "--data", str(data)], hear)
        self._start(child, Role.WORKER)
        return child

    async def hold(self, post: Post) -> None:
        """Returns when the worker serves. Raises NotStartedError when it never will."""
        holding = self._group.create_task(post.hold(), name=post.folder.name)
        self._posts.append(post)
        self._stack.push_async_callback(post.stop, holding, PATIENCE_S)
        while not post.serves.is_set():
            if holding.done() or (post.child is not None and post.child.deaths):
                raise NotStartedError(f"{post.folder}: {post.fault or told_by_post(post)}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await post.serves.wait()


def told_by_post(post: Post) -> str:
    return told_by(post.child) if post.child is not None else "it ended without a word"


@asynccontextmanager
async def open_household() -> AsyncIterator[Household]:
    with first_cause():
        async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
            yield Household(group, stack)


async def _started(child: Child, ready: "asyncio.Future[str]") -> str:
    try:
        async with asyncio.timeout(START_S):
            while not ready.done():
                if child.deaths:
                    said = told_by(child)
                    raise TakenError(said) if _TAKEN.search(said) else NotStartedError(said)
                await asyncio.wait([ready], timeout=LOOK_S)
    except TimeoutError:
        raise NotStartedError(f"{child.name} is not ready within {START_S:.0f} s: {told_by(child)}") from None
    return ready.result()


def told_by(child: Child) -> str:
    """The last words of a child that ended."""
    lines = [line.removeprefix("tidemill: ") for line in child.last_lines]
    said = "\n".join(lines[-1:] if lines and not lines[-1].startswith(" ") else lines)
    return said or f"{child.name} ended without a word"


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
