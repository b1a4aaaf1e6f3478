"""A whole Tidemill in one process, joined by real sockets: the server under uvicorn, a worker, clients."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn

from tidemill.adapters.backends.inline.backend import InlineBackend
from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.adapters.cron.almanac import CronAlmanac
from tidemill.adapters.files.local import LocalFiles
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.storage.sqlite.store import SqliteStore
from tidemill.adapters.system.capture import captured_output
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.threads import ThreadPool
from tidemill.adapters.system.user_loop import UserLoop
from tidemill.adapters.system.ws_link import WsAddress, WsDialer
from tidemill.adapters.web.courier import HttpCourier
from tidemill.assembly.programs import programs
from tidemill.core.definitions import Pools
from tidemill.core.retention import parse_retention
from tidemill.core.webhooks import Patience
from tidemill.engine.engine import Engine
from tidemill.engine.keeper import Keeper, KeeperSettings
from tidemill.engine.together import EngineSettings
from tidemill.net.addresses import allowed_of
from tidemill.ports.backend import speaking
from tidemill.ports.link import Dialer
from tidemill.ports.logs import Logs
from tidemill.ports.store import Store
from tidemill.sdk.options import Backend
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.server.app import App, Backing, Sending, WebSettings, build_app, build_sender
from tidemill.wire.worker import FRAME_LIMIT_BYTES, PATH, SUBPROTOCOL
from tidemill.worker.caller import ServerCaller
from tidemill.worker.fetcher import ServerFetcher
from tidemill.worker.runtime import WorkerPorts, WorkerRuntime
from tidemill.worker.settings import WorkerSettings

Parts = Callable[[Path, ThreadPool], Awaitable[tuple[Store, Logs]]]


async def on_sqlite(folder: Path, threads: ThreadPool) -> tuple[Store, Logs]:
    return SqliteStore(folder / "store.db", threads, OsEntropy()), SqliteLogs(folder / "logs.db", threads)


QUICK = Patience(first=timedelta(milliseconds=5), most=timedelta(milliseconds=20), tries=4)
SEND_S = 2.0
SETTINGS = EngineSettings()


@dataclass(frozen=True)
class Mill:
    url: str
    engine: Engine
    app: App
    folder: Path
    parts: Backing

    def keeper(self, retain: str = "", unnamed: timedelta = timedelta(0)) -> Keeper:
        """What lets go of runs and blobs, without rests."""
        settings = KeeperSettings(parse_retention(retain), unnamed, rest_s=0)
        return Keeper(self.engine, self.parts.blobs, self.parts.logs, settings)

    @asynccontextmanager
    async def worker(
        self, *workers: Worker, slots: int = 20, name: str = "w1", dialer: Dialer | None = None, **own: Any
    ) -> AsyncIterator[WorkerRuntime]:
        """``dialer``: another way to the server. ``own``: what else its settings say, such as what it offers."""
        folder = self.folder / name
        threads = ThreadPool()
        stage = UserLoop(slots, asyncio.new_event_loop)
        around = Surroundings(SystemClock(), threads, LocalFiles(folder, threads))
        inline = InlineBackend(tasks_in(workers), stage, around)
        apart = programs(workers, around.clock, threads, around.files, {"PATH": os.defpath})
        ports = WorkerPorts(
            dialer=dialer or WsDialer(WsAddress(self.url.replace("http", "ws") + PATH, SUBPROTOCOL, FRAME_LIMIT_BYTES)),
            clock=around.clock,
            threads=threads,
            entropy=OsEntropy(),
            disk=OsDisk(folder),
            stage=stage,
            fetcher=ServerFetcher(self.url),
            caller=ServerCaller(self.url),
            files=around.files,
            backends={**dict.fromkeys(Backend, inline), **apart},
        )
        runtime = WorkerRuntime(workers, ports, WorkerSettings(name=name, folder=folder, pools=Pools(slots), **own))
        running = asyncio.create_task(runtime.run())
        capturing = contextlib.ExitStack()
        capturing.enter_context(captured_output(speaking.get))
        try:
            while not any(seat.tell for seat in self.engine.seats.of_worker(name)):
                if running.done():
                    await running
                await asyncio.sleep(0.002)
            yield runtime
        finally:
            runtime.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            capturing.close()


@asynccontextmanager
async def mill(  # noqa: PLR0913, PLR0917  # each has a default
    folder: Path,
    hosts: Iterable[str] = (),
    blob_limit: int = 1 << 30,
    port: int = 0,
    threads: ThreadPool | None = None,
    allow: Iterable[str] = ("127.0.0.0/8",),
    patience: Patience = QUICK,
    parts: Parts = on_sqlite,
    settings: EngineSettings = SETTINGS,
) -> AsyncIterator[Mill]:
    folder.mkdir(parents=True, exist_ok=True)
    threads, entropy, clock = threads or ThreadPool(), OsEntropy(), SystemClock()
    blobs = FolderBlobs(OsDisk(folder / "blobs"), threads)
    store, logs = await parts(folder, threads)
    engine = Engine(store, blobs, clock, entropy, settings)
    allowed, backing = allowed_of(allow), Backing(engine, blobs, logs, clock, entropy, CronAlmanac())
    app = build_app(backing, WebSettings(tuple(hosts), blob_limit, allowed))
    beating = asyncio.create_task(engine.run())
    server, listening = _server(app, port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    sender = build_sender(backing, Sending(HttpCourier(allowed, SEND_S), url, patience))
    sending = asyncio.create_task(sender.run())
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0.002)
    try:
        yield Mill(url, engine, app, folder, backing)
    finally:
        app.close()
        server.should_exit = True
        await serving
        for task in (sending, beating):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await engine.neighbours.leave()
        await logs.close()
        await store.close()


def _server(app: App, port: int) -> tuple[uvicorn.Server, socket.socket]:
    # With its protocol named: asyncio turns Nagle off for such sockets only.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=FRAME_LIMIT_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config), listening
