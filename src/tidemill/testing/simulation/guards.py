"""While a simulation runs, nothing may touch the real world: clocks, chance, sockets, threads, processes, files.

Not caught here, so lint must: `datetime.now()`, an unseeded `Random()`, names taken by `from time import monotonic`.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NoReturn

Report = Callable[[str], None]

_EVENTS = frozenset({
    "os.fork", "os.mkdir", "os.posix_spawn", "os.remove",
    "os.rename", "socket.__new__", "socket.connect", "socket.getaddrinfo", "sqlite3.connect", "subprocess.Popen",
})  # fmt: skip
_CALLS = (
    ("time", ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep")),
    ("threading:Thread", ("start",)),
    ("os", ("urandom",)),
    ("uuid", ("uuid1", "uuid4")),
    ("random", ("random", "randint", "choice", "uniform")),
)
_MAY_ASK_THE_TIME = ("logging",)  # its records carry one; they are no part of a trace
_MAY_NOT_OPEN = ("tidemill", "pathlib")  # the importer and tracebacks may
_PACKAGE = str(Path(__file__).parent.parent.parent)  # its own SQL and schemas are code
_listening: list[Report] = []  # an audit hook cannot be taken back, so one stays and asks this


class SimulationError(AssertionError):
    """The code under test touched the real world, or the run cannot go on."""


@contextlib.contextmanager
def real_world_closed(report: Report, now: Callable[[], float]) -> Iterator[None]:
    """Report each touch, and raise in it."""
    _install()
    with contextlib.ExitStack() as undo:
        for place, names in _CALLS:
            owner = resolve_name(place)
            for name in names:
                undo.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, _stub(f"{place}.{name}", report, now))
        _listening.append(report)
        undo.callback(_listening.pop)
        yield


def _stub(name: str, report: Report, now: Callable[[], float]) -> Callable[..., Any]:
    def stub(*_: object, **__: object) -> float:
        caller = _caller(2)
        if not caller.startswith(_MAY_ASK_THE_TIME):
            _refuse(report, f"{name} from {caller}")
        return int(now() * 1e9) if name.endswith("_ns") else now()

    return stub


def _audit(event: str, args: tuple[object, ...]) -> None:
    if not _listening:
        return
    is_open = event == "open" and not str(args[0]).startswith(_PACKAGE)
    if event in _EVENTS or (is_open and _caller(2).startswith(_MAY_NOT_OPEN)):
        _refuse(_listening[-1], f"{event} {args!r:.80}")


@cache
def _install() -> None:
    sys.addaudithook(_audit)


def _caller(depth: int) -> str:
    return str(sys._getframe(depth).f_globals.get("__name__", ""))


def _refuse(report: Report, what: str) -> NoReturn:
    report(f"the real world was touched: {what}")
    raise SimulationError(f"the real world was touched: {what}")
