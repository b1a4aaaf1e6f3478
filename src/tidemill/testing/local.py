"""`local`: a whole Tidemill inside this process, without sockets, for tests of your own tasks and workflows.

```python
def test_album(tmp_path: Path) -> None:
    with local(media) as client:  # or: async with local(media) as client
        assert client.submit(album, "cats", [File("cat.jpg")]).result().pages == 1
```

The engine, the store (SQLite in a folder that is removed at the end), the API and the worker are the real ones.
"""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.adapters.files.local import LocalFiles
from tidemill.adapters.system.capture import captured_output
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.memory_link import MemoryLink, link_pair
from tidemill.adapters.system.threads import ThreadPool
from tidemill.adapters.system.user_loop import UserLoop
from tidemill.assembly.offers import offered
from tidemill.assembly.programs import programs
from tidemill.assembly.server import backing, sending
from tidemill.assembly.setting_kinds import Durability
from tidemill.assembly.settings import Settings, program_environment
from tidemill.client.blobs import HttpBlobs
from tidemill.client.blocking import Client
from tidemill.client.children import ChildClient
from tidemill.client.remote import AsyncClient
from tidemill.core.definitions import Pools
from tidemill.core.rows import Changes
from tidemill.core.rules import OnLost
from tidemill.net.addresses import allowed_of
from tidemill.ports.backend import speaking
from tidemill.sdk.options import Backend
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.server.app import Backing, WebSettings, build_app
from tidemill.server.sessions import WorkerDesk
from tidemill.testing.asgi_transport import AsgiTransport
from tidemill.testing.recording import Recorder, RecordingBackend
from tidemill.worker.runtime import WorkerPorts, WorkerRuntime
from tidemill.worker.settings import WorkerSettings

NAME = "local"
LOOK_S = 0.002
INSIDE = "http://tidemill.local"
LOOPBACK = ("127.0.0.0/8", "::1")  # where tests have receivers of webhooks


def local(*workers: Worker, concurrency: int = 16, recorder: Recorder | None = None) -> "Local":
    """A server and one worker for ``workers``, as a context manager that gives a Client, or an AsyncClient.

    Args:
        concurrency: tasks at once.
        recorder: hears of each attempt, and lets some fail.
    """
    return Local(workers, concurrency, recorder or Recorder())


class Local:
    def __init__(self, workers: tuple[Worker, ...], concurrency: int, recorder: Recorder) -> None:
        self._recorder = recorder
        largest = (task.batch.size for worker in workers for task in worker.tasks.values() if task.batch)
        self._workers, self._concurrency = workers, max(concurrency, *largest, 1)

    def start(self) -> Client:
        """For notebooks, where no block holds it; `stop` ends it, as the end of the process does."""
        return self.__enter__()

    def stop(self) -> None:
        self.__exit__(None, None, None)

    def __enter__(self) -> Client:
        self._open = ExitStack()
        with ExitStack() as stack:
            transport = self._start(stack)
            client = stack.enter_context(Client(transport=transport))
            self._open = stack.pop_all()
        return client

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    async def __aenter__(self) -> AsyncClient:
        self._open = ExitStack()
        with ExitStack() as stack:
            self._client = AsyncClient(transport=self._start(stack))
            self._open = stack.pop_all()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._client.close()
        await asyncio.to_thread(self._open.close)

    def _start(self, stack: ExitStack) -> AsgiTransport:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tidemill-local-")))
        stack.enter_context(captured_output(speaking.get))
        house = _House(self._workers, folder, self._concurrency, self._recorder)
        stack.callback(house.stop)
        return house.start()


class _House:
    """The server and its worker, on a loop in a thread of their own."""

    def __init__(self, workers: tuple[Worker, ...], folder: Path, concurrency: int, recorder: Recorder) -> None:
        self._workers, self._folder, self._concurrency, self._recorder = workers, folder, concurrency, recorder
        self._ready: Future[AsgiTransport] = Future()
        self._thread = threading.Thread(target=self._run, name="tidemill local", daemon=True)

    def start(self) -> AsgiTransport:
        """Returns when the worker's tasks are known."""
        self._thread.start()
        return self._ready.result()

    def stop(self) -> None:
        if self._ready.done() and self._ready.exception() is None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _live(self) -> None:
        self._loop, self._stopping, self._threads = asyncio.get_running_loop(), asyncio.Event(), ThreadPool()
        try:
            await self._serve()
        finally:
            self._threads.close()

    async def _serve(self) -> None:
        settings = Settings(
            data=self._folder, synchronous=Durability.NORMAL, webhook_allow=LOOPBACK, on_lost=OnLost.FAIL
        )
        async with backing(settings) as parts, sending(parts, settings, INSIDE):
            await parts.engine.record(Changes())  # returns when the engine makes beats
            app = build_app(parts, WebSettings(allowed=allowed_of(LOOPBACK)))
            transport = AsgiTransport(app, self._loop)
            async with asyncio.TaskGroup() as group:
                runtime = self._runtime(parts, transport, group)
                working = group.create_task(runtime.run())
                while not parts.engine.seats.of_worker(NAME):  # noqa: ASYNC110 - the engine tells nobody of a hello
                    await asyncio.sleep(LOOK_S)
                self._ready.set_result(transport)
                await self._stopping.wait()
                app.close()
                runtime.stop()
                await working

    def _runtime(self, parts: Backing, transport: AsgiTransport, group: asyncio.TaskGroup) -> WorkerRuntime:
        folder, threads = self._folder / "worker", self._threads
        stage = UserLoop(self._concurrency, asyncio.new_event_loop)
        around = Surroundings(SystemClock(), threads, LocalFiles(folder, threads))
        inline = RecordingBackend(tasks_in(self._workers), stage, around, self._recorder)
        apart = programs(self._workers, around.clock, threads, around.files, program_environment(Settings()))
        ports = WorkerPorts(
            dialer=_Inside(WorkerDesk(parts.engine, parts.logs), group),
            clock=around.clock,
            threads=threads,
            entropy=OsEntropy(),
            disk=OsDisk(folder),
            stage=stage,
            fetcher=HttpBlobs(transport),
            caller=ChildClient(transport),
            files=around.files,
            backends={**dict.fromkeys(Backend, inline), **apart},
        )
        offers, labels = offered(self._workers, Settings())
        settings = WorkerSettings(NAME, folder, Pools(self._concurrency), labels=labels, offers=offers)
        return WorkerRuntime(self._workers, ports, settings)


class _Inside:
    """Dials into the same process."""

    def __init__(self, desk: WorkerDesk, group: asyncio.TaskGroup) -> None:
        self._desk, self._group = desk, group

    async def dial(self) -> MemoryLink:
        ours, theirs = link_pair()
        self._group.create_task(self._desk.serve(theirs))
        return ours
