"""The one reader of the environment: what it says is checked here, and handed on as a typed object."""

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any

from tidemill.core.errors import InputError
from tidemill.core.sizes import size_bytes
from tidemill.sdk.offers import GpuOffer, ResourceOffers

PREFIX = "TIDEMILL_"
DEFAULT_PORT = 7070
_WORKER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,127}")

_PASSES = (
    r"PATH|HOME|USER|LOGNAME|SHELL|TZ|LANG|LANGUAGE|LC_\w+|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|SYSTEMROOT"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|CUDA_VISIBLE_DEVICES|CUDA_HOME|NVIDIA_\w+|ROCR_VISIBLE_DEVICES|OMP_NUM_THREADS"
)


class SettingsError(InputError):
    """A setting that cannot be used; the text names it and says what is expected."""


class Durability(Enum):
    """When a commit counts: once the disk has it, or once the system has it (a power cut may lose the last ones)."""

    FULL = "full"
    NORMAL = "normal"


@dataclass(frozen=True)
class Settings:
    """Each field is the variable ``TIDEMILL_`` plus its name in capitals. Lengths of time in seconds."""

    url: str = ""  # of the server to use; "" is the one at host and port
    data: Path = Path(".tidemill")
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    allowed_hosts: tuple[str, ...] = ()  # names under which the server may be reached, besides loopback
    synchronous: Durability = Durability.FULL
    lease_s: float = 30.0
    worker_id: str = ""  # "" takes a free one made of the worker's and the machine's name
    concurrency: int = 100  # attempts that one worker takes at once, where its code does not say
    pools: dict[str, int] = field(default_factory=dict)  # attempts at once per pool; these beat those in code
    health: str = ""  # host:port at which a worker says how it is; "" says nothing
    spool_mib: int = 256  # of results that a worker keeps on disk until the server has them
    reconnect_s: float = 15.0  # the longest wait between a worker's tries to connect
    drain_s: float = 30.0  # for what still runs when a worker is told to stop
    labels: dict[str, str] = field(default_factory=dict)
    worker_type: str = ""  # one word for what kind of worker it is
    tags: tuple[str, ...] = ()
    resources: ResourceOffers = field(default_factory=ResourceOffers)  # where they are not as detected
    software: dict[str, str] = field(default_factory=dict)  # name -> version
    models: tuple[str, ...] = ()  # on this machine's disk
    queues: tuple[str, ...] = ()  # the only ones that a worker serves; () serves all
    cost: float | None = None  # of a worker, per second
    program_env: tuple[str, ...] = ()  # variables that programs get besides PATH, HOME and the like
    fault: str = ""  # points at which the process ends, for tests: store.commit.after:3,…

    @property
    def server_url(self) -> str:
        """Where the server is, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.url or f"http://{host}:{self.port}").rstrip("/")


def read_settings(given: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Settings:
    """Settings by name: ``given`` ones (None: not given), else those of the environment. Raises SettingsError."""
    environment = os.environ if environment is None else environment
    known = {f"{PREFIX}{each.name.upper()}": each.name for each in fields(Settings)}
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX):
            continue
        if variable not in known:
            near = difflib.get_close_matches(variable, known, 1, 0.5)
            raise SettingsError(f"there is no setting {variable}" + (f"; did you mean {near[0]}?" if near else ""))
        if text:
            found[known[variable]] = _parsed(known[variable], text, variable)
    found |= {name: _parsed(name, value, name) for name, value in given.items() if value is not None}
    return replace(Settings(), **found)


def visible_gpus(environment: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
    """The GPUs that `CUDA_VISIBLE_DEVICES` leaves to this process, by index or UUID; None: all."""
    said = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    return None if said is None else _words(said)


def program_environment(settings: Settings, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What programs get of this process's environment: never a token of the worker, unless it is named."""
    environment = os.environ if environment is None else environment
    passes = re.compile(_PASSES)
    return {
        name: value for name, value in environment.items() if passes.fullmatch(name) or name in settings.program_env
    }


def _parsed(name: str, value: object, called: str) -> object:
    expected, parse = _PARSERS[name]
    try:
        return parse(str(value))
    except ValueError:
        raise SettingsError(f"{called} is {str(value)!r}; expected {expected}") from None


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#]+/?", text):
        raise ValueError
    return text.rstrip("/")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    return parse


def _seconds(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or not 0 < number <= 86_400:
        raise ValueError
    return number


def _worker_id(text: str) -> str:
    if not _WORKER_ID.fullmatch(text):
        raise ValueError
    return text


def _labels(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(name.strip() and equals for name, equals, _ in pairs):
        raise ValueError
    return {name.strip(): value.strip() for name, _, value in pairs}


def _pools(text: str) -> dict[str, int]:
    limit = _whole(1, 100_000)
    return {name: limit(count) for name, count in _labels(text).items()}


def _health(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host:
        raise ValueError
    _whole(0, 65_535)(port)
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in _words(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _resources(text: str) -> ResourceOffers:
    found = ResourceOffers()
    for name, value in _labels(text).items():
        match name:
            case "cpus" if _price(value) > 0:
                found["cpus"] = _price(value)
            case "ram":
                found["ram"] = size_bytes(value)
            case "gpus":
                found["gpus"] = [] if value == "none" else [_gpu(each) for each in value.split("+")]
            case _:
                raise ValueError
    return found


def _gpu(text: str) -> GpuOffer:
    name, colon, vram = text.partition(":")
    if not colon or not name.strip():
        raise ValueError
    return {"id": name.strip(), "vram": size_bytes(vram)}


def _price(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1e12:
        raise ValueError
    return number


def _variables(text: str) -> tuple[str, ...]:
    names = _words(text)
    if not all(re.fullmatch(r"[A-Za-z_]\w*", name) and not name.startswith(PREFIX) for name in names):
        raise ValueError
    return names


def _fault(text: str) -> str:
    if not re.fullmatch(r"[\w.]+(:[1-9]\d*)?(,[\w.]+(:[1-9]\d*)?)*", text):
        raise ValueError
    return text


_SECONDS = "seconds above 0, up to a day"
_PARSERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "url": ("an address such as http://127.0.0.1:7070", _url),
    "data": ("a folder", Path),
    "host": ("a name or an address", str),
    "port": ("a whole number from 0 (any free one) to 65535", _whole(0, 65_535)),
    "allowed_hosts": ("names, joined by commas", _names),
    "synchronous": ("full or normal", lambda text: Durability(text.lower())),
    "lease_s": (_SECONDS, _seconds),
    "worker_id": ("letters, digits and . _ @ : -, up to 128", _worker_id),
    "concurrency": ("a whole number from 1 to 100000", _whole(1, 100_000)),
    "pools": ("pool=limit, joined by commas, such as video=1,audio=4", _pools),
    "health": ("an address such as 127.0.0.1:7071", _health),
    "spool_mib": ("MiB, a whole number from 1 to 1000000", _whole(1, 1_000_000)),
    "reconnect_s": (_SECONDS, _seconds),
    "drain_s": (_SECONDS, _seconds),
    "labels": ("name=value, joined by commas", _labels),
    "worker_type": ("a word", str.strip),
    "tags": ("words, joined by commas", _words),
    "resources": ("such as cpus=4,ram=16GiB,gpus=0:24GiB+1:24GiB, or gpus=none; each may be left out", _resources),
    "software": ("name=version, joined by commas, such as ffmpeg=6.1", _labels),
    "models": ("names, joined by commas", _words),
    "queues": ("names, joined by commas", _words),
    "cost": ("a price per second, a number from 0 up", _price),
    "program_env": ("names of variables, joined by commas, none of Tidemill's own", _variables),
    "fault": ("points with counts, such as store.commit.after:3", _fault),
}
