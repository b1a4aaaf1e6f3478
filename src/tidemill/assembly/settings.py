"""The one reader of the environment: what it says is checked here, and handed on as a typed object."""

import contextlib
import difflib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tidemill.adapters.storage.postgres.access import shown
from tidemill.assembly.setting_kinds import KINDS, Durability, SettingsError, WorkerShare, as_text, words
from tidemill.assembly.settings_file import read_file, settings_file
from tidemill.core.retention import Retention, parse_retention
from tidemill.core.rules import OnLost
from tidemill.sdk.offers import ResourceOffers
from tidemill.worker.settings import Keep

PREFIX = "TIDEMILL_"
DEFAULT_PORT = 7070
CONFIG = "TIDEMILL_CONFIG"  # a file to read instead of the nearest tidemill.toml
_PASSES = (
    r"PATH|HOME|USER|LOGNAME|SHELL|TZ|LANG|LANGUAGE|LC_\w+|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|SYSTEMROOT"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|CUDA_VISIBLE_DEVICES|CUDA_HOME|NVIDIA_\w+|ROCR_VISIBLE_DEVICES|OMP_NUM_THREADS"
)


@dataclass(frozen=True)
class Settings:
    """Each field is the variable ``TIDEMILL_`` plus its name in capitals. Lengths of time in seconds."""

    url: str = ""  # of the server to use; "" is the one at host and port
    data: Path = Path(".tidemill")
    envs: Path | None = None  # where workers' own environments are; None is envs in the data folder
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    allowed_hosts: tuple[str, ...] = ()  # names under which the server may be reached, besides loopback
    public_url: str = ""  # of the server, as others reach it; "" is the one at host and port
    webhook_allow: tuple[str, ...] = ()  # private hosts and networks that webhooks may go to
    webhook_retry_s: float = 5.0  # after the first failed try of a webhook
    synchronous: Durability = Durability.FULL
    database_url: str = field(default="", repr=False)  # of a PostgreSQL; "" is a file in the data folder
    database_schema: str = "tidemill"  # in that database
    database_connections: int = 4  # for queries; beats, other servers and logs have five beside them
    database_wait_s: float = 60.0  # for one that does not answer yet when a server starts
    retain: Retention = field(default_factory=lambda: parse_retention("30d"))  # runs that ended
    on_lost: OnLost | None = None  # of a step under which too many workers died; None: it waits for a person
    unnamed_blobs_s: float = 86_400.0  # blobs that no run names
    lease_s: float = 10.0
    worker_id: str = ""  # "" takes a free one made of the worker's and the machine's name
    concurrency: int = 100  # attempts that one worker takes at once, where its code does not say
    pools: dict[str, int] = field(default_factory=dict)  # attempts at once per pool; these beat those in code
    health: str = ""  # host:port at which a worker says how it is; "" says nothing
    spool_mib: int = 256  # of results that a worker keeps on disk until the server has them
    reconnect_s: float = 15.0  # the longest wait between a worker's tries to connect
    drain_s: float = 30.0  # for what still runs when a worker is told to stop
    register_s: float | None = None  # a worker that was not welcomed by then ends with the reason
    keep: Keep = Keep.UNTIL_ACCEPTED  # the private folders of attempts
    stuck_s: float = 300.0  # an attempt without a sign of life for this long is reported
    labels: dict[str, str] = field(default_factory=dict)
    worker_type: str = ""  # one word for what kind of worker it is
    tags: tuple[str, ...] = ()
    resources: ResourceOffers = field(default_factory=ResourceOffers)  # where they are not as detected
    software: dict[str, str] = field(default_factory=dict)  # name -> version
    models: tuple[str, ...] = ()  # on this machine's disk
    queues: tuple[str, ...] = ()  # the only ones that a worker serves; () serves all
    cost: float | None = None  # of a worker, per second
    program_env: tuple[str, ...] = ()  # variables that programs get besides PATH, HOME and the like
    workers: dict[str, WorkerShare] = field(default_factory=dict)  # by the Worker's name; only in a file
    fault: str = ""  # points at which the process ends, for tests: store.commit.after:3,…

    @property
    def server_url(self) -> str:
        """Where the server is, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def store(self) -> str:
        """Where the server keeps what it knows, without what is secret in it."""
        return shown(self.database_url) if self.database_url else str(self.data)


@dataclass(frozen=True)
class Found:
    """Settings, and where each that was said comes from: `tidemill.toml`, a variable, or the command or code."""

    settings: Settings
    sources: Mapping[str, str]


def read_settings(given: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Settings:
    """``given`` ones (by name; None: not given), else the environment's, else the file's. Raises SettingsError."""
    return find_settings(given, environment).settings


def find_settings(given: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Found:
    """The same, with the source of each. Raises SettingsError."""
    environment = os.environ if environment is None else environment
    values, sources = dict[str, Any](), dict[str, str]()
    if (file := settings_file(environment.get(CONFIG, ""))) is not None:
        for name, value in read_file(file, KINDS).items():
            values[name], sources[name] = value, str(file)
    for name, text, variable in _said_in(environment):
        values[name], sources[name] = _parsed(name, text, variable), variable
    for name, given_value in given.items():
        if given_value is not None:
            _known(name, KINDS, name)
            values[name], sources[name] = _parsed(name, given_value, name), "given"
    return Found(replace(Settings(), **values), sources)


def _said_in(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    known = {f"{PREFIX}{name.upper()}": name for name in KINDS}
    for variable, text in environment.items():
        if variable.startswith(PREFIX) and variable != CONFIG:
            _known(variable, [*known, CONFIG], variable)
            if text:
                yield known[variable], text, variable


def _known(name: str, known: Collection[str], called: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.5)
        raise SettingsError(f"there is no setting {called}" + (f"; did you mean {near[0]}?" if near else ""))


def _parsed(name: str, value: object, called: str) -> object:
    kind = KINDS[name]
    try:
        return kind.parse(as_text(value))
    except ValueError:
        said = str(value) if isinstance(value, Path) else "…" if kind.show else value
        raise SettingsError(f"{called} is {said!r}; expected {kind.expected}") from None


def visible_gpus(environment: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
    """The GPUs that `CUDA_VISIBLE_DEVICES` leaves to this process, by index or UUID; None: all."""
    said = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    return None if said is None else words(said)


def program_environment(settings: Settings, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What programs get of this process's environment: never a token of the worker, unless it is named."""
    environment = os.environ if environment is None else environment
    passes = re.compile(_PASSES)
    return {
        name: value for name, value in environment.items() if passes.fullmatch(name) or name in settings.program_env
    }


def variables_now() -> dict[str, str]:
    """This process's environment, whole, while other threads may change it."""
    while True:
        with contextlib.suppress(KeyError):  # one was taken out meanwhile
            return dict(os.environ)


def variables_in(folder: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment for a program that runs in a virtual environment: none of our own packages."""
    found = dict(os.environ if environment is None else environment)
    for name in ("PYTHONPATH", "PYTHONHOME"):
        found.pop(name, None)
    path = os.pathsep.join([str(folder / "bin"), found.get("PATH", os.defpath)])
    return {**found, "VIRTUAL_ENV": str(folder), "PATH": path}
