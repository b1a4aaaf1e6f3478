"""What is measured: the workloads, how large they are for each system, and the marks."""

from dataclasses import dataclass, replace
from enum import Enum

from benchmarks.figures import Mark

OURS = "tidemill"
PEERS = ("huey", "dbos")
POSTGRES_PEERS = ("procrastinate",)
MIB = 1024 * 1024


class Kind(Enum):
    """How a workload is run."""

    LOAD = "load"  # the client works, and is timed
    BACKLOG = "backlog"  # the queue is filled while no worker is there
    IDLE = "idle"  # nobody works
    MEMORY = "memory"  # looked at before and after a load


@dataclass(frozen=True)
class Workload:
    """``load`` names the client's part (benchmarks.loads); ``headline`` is the figure that systems are compared by."""

    name: str
    text: str
    load: str
    headline: str
    more_is_better: bool
    kind: Kind = Kind.LOAD
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Size:
    """``count`` tasks, trips, elements or steps, or as many as ``limit_s`` allows; ``depth`` is the backlog.

    ``seconds`` is how long an idle system is watched.
    """

    count: int = 0
    in_flight: int = 1
    times: int = 1
    depth: int = 0
    bytes: int = 0
    seconds: float = 0.0
    limit_s: float = 3.0


WORKLOADS = {
    each.name: each
    for each in (
        Workload(
            "throughput",
            "durable no-op tasks, 100 in flight",
            "in_flight",
            "tasks_per_s",
            more_is_better=True,
            marks=(
                Mark("tasks_per_s", at_least=5000),
                Mark("cpu_us.server", at_most=150),
                Mark("cpu_us.worker", at_most=80),
                Mark("cpu_us.client", at_most=80),
            ),
        ),
        Workload(
            "one-by-one",
            "each submit awaits its durable acknowledgement, results are fetched after all",
            "one_by_one",
            "tasks_per_s",
            more_is_better=True,
        ),
        Workload(
            "latency",
            "from submit to result, one task at a time",
            "trips",
            "p50_ms",
            more_is_better=False,
            marks=(Mark("p50_ms", at_most=2.0),),
        ),
        Workload(
            "process",
            "the same trip to a process of its own, in turn with one to the worker",
            "apart",
            "p50_ms",
            more_is_better=False,
            marks=(Mark("added_p50_ms", at_most=1.0),),
        ),
        Workload(
            "fan-out",
            "one run: a map over 1,000 no-ops and a task that joins them",
            "fan_out",
            "seconds",
            more_is_better=False,
            marks=(Mark("seconds", at_most=0.25),),
        ),
        Workload(
            "chain",
            "one run: 200 tasks in a row",
            "chain",
            "ms_per_step",
            more_is_better=False,
            marks=(Mark("ms_per_step", at_most=1.0),),
        ),
        Workload(
            "map-law",
            "an element of one large map, by an element of maps of 100, in turn",
            "map_law",
            "large_by_small",
            more_is_better=False,
            marks=(Mark("large_by_small", at_most=1.5),),
        ),
        Workload(
            "loop-law",
            "a round of one long loop, by a round of loops of 100, in turn",
            "loop_law",
            "large_by_small",
            more_is_better=False,
            marks=(Mark("large_by_small", at_most=1.5),),
        ),
        Workload(
            "map-memory",
            "one run: a map over 100,000 no-ops and a task that joins them; peak memory of the server",
            "large_map",
            "server_peak_mib",
            more_is_better=False,
            kind=Kind.MEMORY,
            marks=(Mark("server_peak_mib", at_most=200),),
        ),
        Workload(
            "claim-100",
            "completions while about 100 tasks are queued",
            "backlog",
            "tasks_per_s",
            more_is_better=True,
            kind=Kind.BACKLOG,
        ),
        Workload(
            "claim-100k",
            "completions while 100,000 tasks are queued",
            "backlog",
            "tasks_per_s",
            more_is_better=True,
            kind=Kind.BACKLOG,
        ),
        Workload(
            "payload",
            "1 MiB in and 1 MiB out, four in flight",
            "payload",
            "mib_per_s",
            more_is_better=True,
            marks=(Mark("mib_per_s", at_least=100),),
        ),
        Workload(
            "idle",
            "CPU of server and worker with nothing to do",
            "nothing",
            "cpu_s_per_minute",
            more_is_better=False,
            kind=Kind.IDLE,
        ),
        Workload(
            "memory",
            "PSS of server and worker, idle and after a load",
            "in_flight",
            "after_load_mib",
            more_is_better=False,
            kind=Kind.MEMORY,
            marks=(
                Mark("worker_idle_mib", at_most=40),
                Mark("worker_after_load_mib", at_most=40),
                Mark("server_idle_mib", at_most=120),
                Mark("server_after_load_mib", at_most=120),
            ),
        ),
    )
}

_ON_POSTGRES = {"throughput": (Mark("tasks_per_s", at_least=4000),), "latency": (Mark("p50_ms", at_most=4.0),)}


_BETTER = "tidemill_is_better_by"
# What ours must be by a peer in the same run, whatever the machine: 4,000 a second, and 4 ms, where procrastinate does
# 767 and takes 3.3 ms; of two servers on one database, at least 0.8 of what one does.
BESIDE = {
    ("throughput", "procrastinate"): Mark(_BETTER, at_least=5.2),
    ("latency", "procrastinate"): Mark(_BETTER, at_least=0.83),
    ("throughput", "pair"): Mark(_BETTER, at_most=1.25),
}


def on_postgres(workload: Workload) -> Workload:
    """The same with the marks that are for PostgreSQL."""
    return replace(workload, marks=_ON_POSTGRES.get(workload.name, ()))


LAWS = frozenset(("map-law", "loop-law", "map-memory"))  # of ours alone
SLOTS = 100  # tasks that our worker takes at once; they are not queued any more

_SIZES = {
    "throughput": Size(count=20_000, in_flight=100),
    "one-by-one": Size(count=2_000),
    "latency": Size(count=1_000),
    "process": Size(count=1_000),
    "fan-out": Size(count=1_000, times=5),
    "chain": Size(count=200, times=5),
    "map-law": Size(count=20_000, times=2, in_flight=100),
    "loop-law": Size(count=10_000, times=1, in_flight=100),
    "map-memory": Size(count=100_000, limit_s=90.0),
    "claim-100": Size(count=10_000, depth=100 + SLOTS, in_flight=100),
    "claim-100k": Size(count=10_000, depth=100_000 + SLOTS, in_flight=100),
    "payload": Size(count=200, in_flight=4, bytes=MIB),
    "idle": Size(seconds=12.0),
    "memory": Size(count=10_000, in_flight=100),
}
_QUICK = {
    "throughput": Size(count=8_000, in_flight=100),
    "one-by-one": Size(count=800),
    "latency": Size(count=400),
    "process": Size(count=400),
    "fan-out": Size(count=1_000, times=2),
    "chain": Size(count=200, times=2),
    "map-law": Size(count=5_000, times=1, in_flight=100),
    "loop-law": Size(count=2_000, times=1, in_flight=100),
    "map-memory": Size(count=20_000, limit_s=30.0),
    "claim-100": Size(count=4_000, depth=100 + SLOTS, in_flight=100),
    "claim-100k": Size(count=4_000, depth=20_000 + SLOTS, in_flight=100),
    "payload": Size(count=80, in_flight=4, bytes=MIB),
    "idle": Size(seconds=3.0),
    "memory": Size(count=4_000, in_flight=100),
}
QUICK_LIMIT_S = 1.0
# A peer's share of the counts above, so that each takes about as long; a rate does not depend on it.
_SHARES = {
    "huey": {
        "throughput": 0.2,
        "latency": 0.4,
        "process": 0.4,
        "one-by-one": 0.8,
        "claim-100": 0.4,
        "claim-100k": 0.4,
        "memory": 0.2,
    },
    "procrastinate": {"throughput": 0.1, "one-by-one": 0.5, "latency": 0.5},
    "dbos": {"throughput": 0.03, "latency": 0.1, "one-by-one": 0.3, "claim-100": 0.06, "memory": 0.03, "payload": 0.5},
}
_TIMES = {"huey": 2, "dbos": 1}


def size_of(workload: str, system: str, *, quick: bool) -> Size:
    size = (_QUICK if quick else _SIZES)[workload]
    share = _SHARES.get(system, {}).get(workload, 1.0)
    times = min(size.times, _TIMES.get(system, size.times))
    count = max(round(size.count * share), min(size.count, 20))
    limit_s = QUICK_LIMIT_S if quick else size.limit_s
    return Size(count, size.in_flight, times, size.depth, size.bytes, size.seconds, limit_s)
