"""What each setting may be, what it means, and what it was called elsewhere. One row per field of `Settings`."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from tidemill.adapters.storage.postgres.access import SCHEMA, shown
from tidemill.core.errors import InputError
from tidemill.core.retention import EXPECTED, parse_retention
from tidemill.core.rules import OnLost
from tidemill.core.sizes import size_bytes
from tidemill.net.addresses import allowed_of
from tidemill.ports.faults import POINTS
from tidemill.sdk.offers import GpuOffer, ResourceOffers
from tidemill.worker.settings import Keep

_WORKER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,127}")


class Durability(Enum):
    """When a commit counts: once the disk has it, or once the system has it (a power cut may lose the last ones)."""

    FULL = "full"
    NORMAL = "normal"


class SettingsError(InputError):
    """A setting that cannot be used; the text names it and says what is expected."""


@dataclass(frozen=True)
class WorkerShare:
    """Limits of one Worker of a process, where its code says nothing."""

    concurrency: int | None = None
    pools: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Kind:
    """``parse`` takes a text and raises ValueError; ``were`` are names that users of other systems know."""

    doc: str
    expected: str
    parse: Callable[[str], Any]
    were: tuple[str, ...] = ()
    show: Callable[[Any], str] | None = None  # of a value with something secret in it: what may be seen


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#]+/?", text):
        raise ValueError
    return text.rstrip("/")


def _database(text: str) -> str:
    if not re.fullmatch(r"postgres(ql)?://[^\s]+", text):
        raise ValueError
    return text


def _schema(text: str) -> str:
    if not SCHEMA.fullmatch(text):
        raise ValueError
    return text


def _urls(text: str) -> str:
    return ",".join(_url(each.strip()) for each in text.split(","))


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


def labels(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(name.strip() and equals for name, equals, _ in pairs):
        raise ValueError
    return {name.strip(): value.strip() for name, _, value in pairs}


def _pools(text: str) -> dict[str, int]:
    limit = _whole(1, 100_000)
    return {name: limit(count) for name, count in labels(text).items()}


def _health(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host:
        raise ValueError
    _whole(0, 65_535)(port)
    return text


def _allowed(text: str) -> tuple[str, ...]:
    found = words(text)
    allowed_of(found)
    return found


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in words(text))


def words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _resources(text: str) -> ResourceOffers:
    found = ResourceOffers()
    for name, value in labels(text).items():
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
    names = words(text)
    if not all(re.fullmatch(r"[A-Za-z_]\w*", name) and not name.startswith("TIDEMILL_") for name in names):
        raise ValueError
    return names


def _fault(text: str) -> str:
    if not re.fullmatch(r"[\w.]+(:[1-9]\d*)?(,[\w.]+(:[1-9]\d*)?)*", text):
        raise ValueError
    if not {part.partition(":")[0] for part in text.split(",")} <= POINTS:
        raise ValueError
    return text


def folder(text: str) -> Path:
    return Path(text).expanduser()


_SECONDS = "seconds above 0, up to a day"
KINDS: dict[str, Kind] = {
    "url": Kind(
        "the server that commands and workers use; the one at host and port where nothing is said; of several servers "
        "with one store any number, with commas between: when one cannot be reached, the next is used",
        "an address such as http://127.0.0.1:7070, or several, joined by commas",
        _urls,
        (
            "Avtomatika `ORCHESTRATOR_URL`",
            "Temporal `TEMPORAL_ADDRESS`",
            "Prefect `PREFECT_API_URL`",
            "Hatchet `HATCHET_CLIENT_HOST_PORT`",
            "Celery `broker_url`",
        ),
    ),
    "data": Kind("the data folder: the store, blobs, and what workers keep", "a folder", folder),
    "envs": Kind(
        "where the environments of workers with dependencies of their own are kept; `envs` in the data folder where "
        "nothing is said",
        "a folder",
        folder,
    ),
    "host": Kind("the address at which a server listens", "a name or an address", str),
    "port": Kind("its port; 0 takes a free one", "a whole number from 0 (any free one) to 65535", _whole(0, 65_535)),
    "allowed_hosts": Kind(
        "names under which a server may be reached besides loopback", "names, joined by commas", _names
    ),
    "public_url": Kind(
        "a server's address as others reach it, for links in webhooks; the one at host and port if nothing is said",
        "an address such as https://mill.example.org",
        _url,
    ),
    "webhook_allow": Kind(
        "hosts and networks that webhooks may go to although they are private",
        "names, addresses and networks, joined by commas, such as hooks.internal,10.1.0.0/16",
        _allowed,
    ),
    "webhook_retry_s": Kind(
        "seconds until a webhook that failed is tried again; each wait is four times the last, up to four hours",
        _SECONDS,
        _seconds,
    ),
    "synchronous": Kind(
        "`full`: a commit counts once the disk has it; `normal`: a power cut may lose the last ones",
        "full or normal",
        lambda text: Durability(text.lower()),
    ),
    "database_url": Kind(
        "of a PostgreSQL that keeps what a server knows, and that several servers may share; without one a file in the "
        "data folder does (docs/guide/postgresql.md)",
        "an address such as postgresql://USER:PASSWORD@HOST:5432/DATABASE",
        _database,
        ("Airflow `SQL_ALCHEMY_CONN`", "Prefect `PREFECT_API_DATABASE_CONNECTION_URL`"),
        shown,
    ),
    "database_schema": Kind(
        "where in that database the tables of Tidemill are; servers that share it say the same",
        "letters a to z, digits and _, up to 51",
        _schema,
    ),
    "database_connections": Kind(
        "to that database for queries; five more are for beats, other servers and logs",
        "a whole number from 1 to 100",
        _whole(1, 100),
    ),
    "database_wait_s": Kind(
        "how long a server that starts waits for a database that is not there yet, or recovers; one that "
        "`tidemill run` or `dev` has started for itself waits for 2 s",
        _SECONDS,
        _seconds,
    ),
    "retain": Kind(
        "which runs stay after their end, and for how long; the rule for a workflow goes before that for all, and one "
        "for a status (`failed=90d`) before one for any",
        EXPECTED,
        parse_retention,
    ),
    "on_lost": Kind(
        "what becomes of a step under which three workers died: it waits for a person (`quarantine`), or fails; by "
        "default it waits, and fails on a server that `tidemill run` or `dev` has started for itself",
        "quarantine or fail",
        lambda text: OnLost(text.lower()),
    ),
    "unnamed_blobs_s": Kind("how long a blob stays that no run names", _SECONDS, _seconds),
    "lease_s": Kind("seconds after which a silent worker has lost its work", _SECONDS, _seconds),
    "worker_id": Kind(
        "a worker's id, which survives its restarts; made of the worker's and the machine's name where nothing is said",
        "letters, digits and . _ @ : -, up to 128",
        _worker_id,
        ("Avtomatika `WORKER_ID`", "Celery `--hostname`"),
    ),
    "concurrency": Kind(
        "attempts that a worker process takes at once",
        "a whole number from 1 to 100000",
        _whole(1, 100_000),
        ("Avtomatika `MAX_CONCURRENT_TASKS`", "Celery `worker_concurrency`"),
    ),
    "pools": Kind("attempts at once per pool", "pool=limit, joined by commas, such as video=1,audio=4", _pools),
    "health": Kind(
        "where a worker answers `/healthz`, `/readyz`, `/status` and `/metrics`; off where nothing is said",
        "an address such as 127.0.0.1:7071",
        _health,
        ("Avtomatika `WORKER_PORT`",),
    ),
    "spool_mib": Kind(
        "MiB of results that a worker keeps on disk until the server has them",
        "MiB, a whole number from 1 to 1000000",
        _whole(1, 1_000_000),
    ),
    "reconnect_s": Kind(
        "the longest wait between a worker's tries to connect",
        _SECONDS,
        _seconds,
        ("Avtomatika `REGISTRATION_RETRY_MAX_DELAY`",),
    ),
    "drain_s": Kind(
        "for what still runs when a worker is told to stop",
        _SECONDS,
        _seconds,
        ("Avtomatika `WORKER_SHUTDOWN_TIMEOUT`",),
    ),
    "register_s": Kind(
        "a worker that was not welcomed by then ends with the reason, and not zero; by default it tries for ever",
        _SECONDS,
        _seconds,
    ),
    "keep": Kind(
        "what becomes of an attempt's private folder: it goes when the result is accepted, or stays",
        "until_accepted or for_ever",
        lambda text: Keep(text.lower()),
    ),
    "stuck_s": Kind(
        "an attempt that gives no sign of life for this long is reported as stuck, in its log and the worker's",
        _SECONDS,
        _seconds,
    ),
    "labels": Kind("shown with a worker; tasks may require them", "name=value, joined by commas", labels),
    "worker_type": Kind("one word for what kind of worker it is", "a word", str.strip, ("Avtomatika `WORKER_TYPE`",)),
    "tags": Kind("words that tasks may require of a worker", "words, joined by commas", words),
    "resources": Kind(
        "what a worker's machine offers, where it is not as detected",
        "such as cpus=4,ram=16GiB,gpus=0:24GiB+1:24GiB, or gpus=none; each may be left out",
        _resources,
        ("Avtomatika `CPU_CORES`, `RAM_GB`, `GPU_VRAM_GB`",),
    ),
    "software": Kind(
        "programs on a worker's machine, with their versions",
        "name=version, joined by commas, such as ffmpeg=6.1",
        labels,
    ),
    "models": Kind("models on a worker's disk", "names, joined by commas", words),
    "queues": Kind(
        "the only queues that a worker serves; `default` is that of tasks that name none",
        "names, joined by commas",
        words,
    ),
    "cost": Kind(
        "what a worker costs per second, for `max_cost` of tasks", "a price per second, a number from 0 up", _price
    ),
    "program_env": Kind(
        "variables that programs get besides `PATH`, `HOME` and the like",
        "names of variables, joined by commas, none of Tidemill's own",
        _variables,
    ),
    "fault": Kind(
        "points at which the process ends, for tests", "points with counts, such as store.commit.after:3", _fault
    ),
}


def as_text(value: object) -> str:
    """A value of a file or of code as a variable would say it. Raises ValueError for what has no such form."""
    match value:
        case Enum():
            return str(value.value)
        case str() | int() | float() | Path() if not isinstance(value, bool):
            return str(value)
        case list() | tuple():
            return ",".join(_plain(each) for each in value)
        case Mapping():
            return ",".join(f"{_plain(name)}={_plain(each)}" for name, each in value.items())
        case _:
            raise ValueError


def _plain(value: object) -> str:
    text = as_text(value)
    if isinstance(value, list | tuple | Mapping) or "," in text:
        raise ValueError
    return text
