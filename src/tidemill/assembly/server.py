"""The server process: the store, the engine and the HTTP application, joined and run until told to stop."""

import asyncio
import errno
import gc
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import uvicorn
import uvloop

from tidemill.adapters.cron.almanac import CronAlmanac
from tidemill.adapters.storage.folder.blobs import FolderBlobs
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.faults import faults_of
from tidemill.adapters.system.threads import ThreadPool
from tidemill.adapters.web.courier import HttpCourier
from tidemill.assembly.address import Address, write_address
from tidemill.assembly.setting_kinds import SettingsError
from tidemill.assembly.settings import Settings
from tidemill.assembly.signals import Ends, first_cause, told_to_stop
from tidemill.assembly.stores import Needs, stores
from tidemill.core.rows import Changes
from tidemill.core.rules import OnLost
from tidemill.core.webhooks import Patience
from tidemill.engine.engine import Engine
from tidemill.engine.keeper import Keeper, KeeperSettings
from tidemill.engine.together import EngineSettings
from tidemill.net.addresses import allowed_of
from tidemill.ports.faults import Faults
from tidemill.server.app import App, Backing, Sending, WebSettings, build_app, build_sender

SWITCH_S = 0.0005  # the commit thread gets the interpreter back soon
GC_ALLOCATIONS = 20_000  # a beat of a hundred tasks makes thousands of objects, and hardly a cycle
WEBHOOK_S = 15.0  # for one attempt; who needs longer should answer first and work then
CLOSE_S = 5.0  # for requests that are under way
_log = logging.getLogger("tidemill")
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - addresses that are no names to be reached under

Ready = Callable[[str], None]


def run_server(settings: Settings, ready: Ready, ends: Ends) -> None:
    """Serve until told to stop. ``ready`` gets the URL once requests are taken.

    Raises:
        SettingsError: the address is taken or cannot be listened on.
        InputError: another server holds the data folder, or it is not one of ours.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()  # what is imported stays: no collection looks at it again
    gc.set_threshold(GC_ALLOCATIONS, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, ready, ends))


async def _serve(settings: Settings, ready: Ready, ends: Ends) -> None:
    with _listening(settings.host, settings.port) as listener:
        async with backing(settings) as parts:
            hosts = (*settings.allowed_hosts, *(() if settings.host in _EVERYWHERE else (settings.host.lower(),)))
            app = build_app(parts, WebSettings(hosts, allowed=allowed_of(settings.webhook_allow)))
            await parts.engine.record(Changes())  # returns when the engine has recovered, and makes beats
            port = listener.getsockname()[1]
            url = Settings(host=_reachable(settings.host), port=port).server_url
            _tell_where(settings.data, Address(url, parts.engine.store_id.hex(), ends), parts.faults)
            web = _Web(app, lambda: ready(url))
            async with sending(parts, settings, url):
                with told_to_stop(web.stop, ends):
                    await web.serve(sockets=[listener])


@asynccontextmanager
async def sending(parts: Backing, settings: Settings, url: str) -> AsyncIterator[None]:
    """Webhooks are sent in this block; what is not sent at its end is sent by the next server."""
    courier = HttpCourier(allowed_of(settings.webhook_allow), WEBHOOK_S)
    patience = Patience(first=timedelta(seconds=settings.webhook_retry_s))
    sender = build_sender(parts, Sending(courier, settings.public_url or url, patience))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(sender.run(), name="webhooks")
        yield
        running.cancel()


@asynccontextmanager
async def backing(settings: Settings) -> AsyncIterator[Backing]:
    """A running engine on a data folder with all that an application stands on; if it dies, so does the block."""
    data = _made(settings.data)
    faults, threads = faults_of(settings.fault), ThreadPool()
    clock, entropy = SystemClock(), OsEntropy()
    async with AsyncExitStack() as stack:
        stack.callback(threads.close)
        store, logs = await stack.enter_async_context(stores(settings, Needs(data, threads, entropy, faults)))
        owner = f"{store.peers.id.hex()}-" if store.peers.id else ""
        blobs = FolderBlobs(OsDisk(data / "blobs"), threads, faults, owner)
        lease, unnamed = timedelta(seconds=settings.lease_s), timedelta(seconds=settings.unnamed_blobs_s)
        engine = Engine(
            store,
            blobs,
            clock,
            entropy,
            EngineSettings(lease, lease / 4, on_lost=settings.on_lost or OnLost.QUARANTINE),
        )
        stack.push_async_callback(engine.neighbours.leave)
        keeper = Keeper(engine, blobs, logs, KeeperSettings(settings.retain, unnamed))
        with first_cause():
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(engine.run(), name="engine")
                keeping = group.create_task(keeper.run(), name="keeper")
                yield Backing(engine, blobs, logs, clock, entropy, CronAlmanac(), faults)
                keeping.cancel()
                beating.cancel()


class _Web(uvicorn.Server):
    """Tells when it listens, and leaves signals to us."""

    def __init__(self, app: App, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level=logging.WARNING,
            timeout_graceful_shutdown=int(CLOSE_S),
            timeout_keep_alive=60,
            server_header=False,
            proxy_headers=False,  # nothing of ours asks where a request came from
        )
        super().__init__(config)
        self._app, self._ready = app, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self._app.close()
        self.should_exit = True


def _tell_where(data: Path, address: Address, faults: Faults) -> None:
    """A full disk keeps no server from starting: who has its URL needs no file."""
    try:
        write_address(data, address, faults)
    except OSError as error:
        _log.warning("commands on %s do not find this server without --url: %s", data, error)


def _made(data: Path) -> Path:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot use {data} as the data folder: {error.strerror or error}") from None
    return data


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise SettingsError(_not_bound(host, port, error)) from None
        listener.setblocking(False)  # noqa: FBT003 - the signature is the system's
        yield listener


def _not_bound(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken by another program: stop it, or choose another port "
            f"(--port, or TIDEMILL_PORT; 0 takes a free one)"
        )
    return f"cannot listen on {host}:{port}: {error.strerror or error}"


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in _EVERYWHERE else host
