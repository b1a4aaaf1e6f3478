"""The worker process: one runtime that connects to one server. Nothing of a server is imported here."""

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import msgspec
import uvloop

from tidemill.adapters.backends.inline.backend import InlineBackend
from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.adapters.backends.process.backend import ProcessBackend
from tidemill.adapters.backends.process.launch import Command
from tidemill.adapters.environments.about import digest_in
from tidemill.adapters.files.local import LocalFiles
from tidemill.adapters.system.capture import captured_output
from tidemill.adapters.system.clock import SystemClock
from tidemill.adapters.system.disk import OsDisk
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.faults import faults_of
from tidemill.adapters.system.program_output import hearing_loop
from tidemill.adapters.system.threads import ThreadPool
from tidemill.adapters.system.user_loop import UserLoop
from tidemill.adapters.system.ws_link import WsAddress, WsDialer
from tidemill.assembly.offers import offered
from tidemill.assembly.programs import programs
from tidemill.assembly.setting_kinds import SettingsError, WorkerShare
from tidemill.assembly.settings import Settings, program_environment, variables_now
from tidemill.assembly.signals import Ends, told_to_stop
from tidemill.core.definitions import Pools
from tidemill.core.tallies import Sample
from tidemill.core.version import VERSION
from tidemill.ports.backend import BackendPort, speaking
from tidemill.sdk.options import Backend
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.wire.worker import FRAME_LIMIT_BYTES, PATH, SUBPROTOCOL
from tidemill.worker.caller import ServerCaller
from tidemill.worker.fetcher import ServerFetcher
from tidemill.worker.runtime import WorkerPorts, WorkerRuntime
from tidemill.worker.settings import Reconnect, WorkerSettings

Told = AbstractContextManager[None]

_log = logging.getLogger("tidemill")


def run_worker(
    workers: Iterable[Worker],
    settings: Settings,
    ends: Ends,
    child: Sequence[str],
    stop: threading.Event | None = None,
) -> None:
    """Serve tasks until told to stop, by a signal or by ``stop``.

    Args:
        child: the command that serves the same tasks in a child process; the worker's folder is added to it.
    Raises:
        LinkRefusedError: the server will not have this worker, and says why.
        SettingsError: another process has the worker id, or the folder cannot be used.
        DefinitionError: two workers declare one task.
    """
    workers = list(workers)
    gc.freeze()  # what is imported stays: no collection looks at it again
    with ExitStack() as stack:
        name = stack.enter_context(_own_name(settings, workers))
        stack.enter_context(captured_output(speaking.get))
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        own = _worker_settings(name, settings, workers)
        runner.run(_serve(workers, own, settings, child, partial(told_to_stop, ends=ends, stop=stop)))


async def _serve(
    workers: list[Worker],
    own: WorkerSettings,
    settings: Settings,
    child: Sequence[str],
    told: Callable[[Callable[[], None]], Told],
) -> None:
    threads, faults = ThreadPool(), faults_of(settings.fault)
    stage = UserLoop(own.pools.total, hearing_loop(uvloop.Loop, speaking.get))
    around = Surroundings(SystemClock(), threads, LocalFiles(own.folder, threads, faults))
    inline = InlineBackend(tasks_in(workers), stage, around)
    apart = programs(workers, around.clock, threads, around.files, program_environment(settings))
    ports = WorkerPorts(
        dialer=WsDialer(*map(_socket_address, settings.server_url.split(","))),
        clock=around.clock,
        threads=threads,
        entropy=OsEntropy(),
        disk=OsDisk(own.folder),
        stage=stage,
        fetcher=ServerFetcher(settings.server_url),
        caller=ServerCaller(settings.server_url),
        files=around.files,
        backends={Backend.INLINE: inline, **apart, **_processes(workers, [*child, str(own.folder)])},
        faults=faults,
    )
    runtime = WorkerRuntime(workers, ports, own)
    _log.info("worker %s serves %s", own.name, ", ".join(task for worker in workers for task in worker.tasks))
    with told(runtime.drain), _health_of(runtime, settings.health):
        await runtime.run()
    threads.close()


def _processes(workers: list[Worker], command: Sequence[str]) -> Mapping[Backend, BackendPort]:
    """The back-end of tasks that run in processes, where there are any."""
    crews = {
        name: worker.name
        for worker in workers
        for name, task in worker.tasks.items()
        if task.backend is Backend.PROCESS
    }
    if not crews:
        return {}
    if not command[-2]:
        raise SettingsError(f"{min(crews)} runs in a process of its own, which cannot find it: serve it from a file")
    limits = {worker.name: worker.processes for worker in workers if worker.name in crews.values()}
    return {Backend.PROCESS: ProcessBackend(Command(command, str(Path.cwd()), variables_now), crews, limits, _cores())}


def _cores() -> int:
    return os.cpu_count() or 1


@contextmanager
def _health_of(runtime: WorkerRuntime, address: str) -> Iterator[None]:
    if not address:
        yield
        return
    from tidemill.adapters.telemetry.health import Health, health_served  # noqa: PLC0415  # 2 MiB, where it is wanted

    host, _, port = address.rpartition(":")

    def figures() -> list[Sample]:
        status = runtime.status()
        return [
            Sample("tidemill_worker_connected", int(status.connected)),
            Sample("tidemill_worker_attempts_held", status.held),
            Sample("tidemill_worker_attempts_received", status.received),
            Sample("tidemill_worker_attempts_stuck", status.stuck),
            *runtime.tallies.samples(),
        ]

    def status() -> str:
        return msgspec.json.encode(runtime.status()).decode()

    health = Health(lambda: runtime.status().is_accepting, figures, status)
    with health_served((host, int(port)), health) as served:
        _log.info("health at http://%s:%d/healthz", host, served)
        yield


def _pools(workers: list[Worker], settings: Settings) -> Pools:
    """Limits of a process: what its workers' code says, else what the file says of each, else its settings."""
    shares = [settings.workers.get(worker.name, WorkerShare()) for worker in workers]
    said = [worker.concurrency or share.concurrency for worker, share in zip(workers, shares, strict=True)]
    totals = [each for each in said if each is not None]
    used = {task.task_options.pool for worker in workers for task in worker.tasks.values()}
    apart = [worker for worker in workers if worker.process_pool in used]
    limits = {each.process_pool: each.processes.count or _cores() for each in apart} | settings.pools
    for worker, share in zip(workers, shares, strict=True):
        limits |= {**(share.pools or {}), **worker.pools}
    return Pools(total=sum(totals) if totals else settings.concurrency, limits=limits)


def _worker_settings(name: str, settings: Settings, workers: list[Worker]) -> WorkerSettings:
    offers, labels = offered(workers, settings)
    return WorkerSettings(
        name=name,
        folder=_folder(settings, name),
        pools=_pools(workers, settings),
        drain_s=settings.drain_s,
        register_s=settings.register_s,
        stuck_s=settings.stuck_s,
        keep=settings.keep,
        spool_bytes=settings.spool_mib * 1024 * 1024,
        reconnect=Reconnect(most_s=settings.reconnect_s),
        labels=labels,
        offers=offers,
        version=VERSION,
        host=socket.gethostname(),
        environment=digest_in(Path(sys.prefix)),
        pid=os.getpid(),
    )


def _socket_address(url: str) -> WsAddress:
    return WsAddress(f"ws{url.removeprefix('http')}{PATH}", SUBPROTOCOL, FRAME_LIMIT_BYTES)


def _folder(settings: Settings, name: str) -> Path:
    return settings.data.resolve() / "workers" / name


@contextmanager
def _own_name(settings: Settings, workers: list[Worker]) -> Iterator[str]:
    """The worker's id, locked for the life of this process: one that is started again gets the same one back."""
    if settings.worker_id:
        names: Iterator[str] = iter([settings.worker_id])
    else:
        host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())
        first = f"{workers[0].name}@{host}-{_home(settings.data.resolve() / 'workers')}"
        names = (first if number == 1 else f"{first}-{number}" for number in count(1))
    for name in names:
        file = _locked(_folder(settings, name))
        if file is not None:
            try:
                yield name
            finally:
                os.close(file)
            return
    raise SettingsError(f"a worker with the id {settings.worker_id} runs here already: give each process its own id")


def _home(folder: Path) -> str:
    """Six digits that tell this folder from any other: machines may share a name, and workers a machine."""
    path, draft = folder / ".home", folder / f".home.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draft.write_text(OsEntropy().bytes(3).hex())
            with contextlib.suppress(FileExistsError):  # another process was first
                os.link(draft, path)
            draft.unlink()
        return path.read_text()
    except OSError as error:
        raise SettingsError(f"cannot use {folder} for what workers keep: {error.strerror or error}") from None


def _locked(folder: Path) -> int | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SettingsError(f"cannot use {folder} as the worker's folder: {error.strerror or error}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file
