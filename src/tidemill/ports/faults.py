"""Named points at which a test lets a process die, fail or wait. In production nothing happens there.

Each is declared here once; reaching a name that is not declared does not pass the type checker, and one that nobody
reaches fails tests/house. Between two acts with nothing that lasts in between there is one point: `blob.rename.before`
is also after the sync. The last word says whether the act is done.
"""

from collections.abc import Callable
from typing import Literal, Protocol, TypeVar, get_args

F = TypeVar("F", bound=Callable[..., object])

StorePoint = Literal[
    "store.migrate.before",  # each step of the schema, in its transaction
    "store.migrate.after",
    "store.save.before",  # the first write of a beat
    "store.commit.before",
    "store.commit.after",  # durable, and nobody knows of it yet
    "store.checkpoint.before",
    "store.checkpoint.after",
    "logs.commit.before",
    "logs.commit.after",
    "blob.write.before",  # each portion of a blob, into a file that nobody reads yet
    "blob.write.after",
    "blob.sync.before",
    "blob.rename.before",
    "blob.rename.after",  # the bytes have their name, and no row names them yet
    "blob.delete.before",  # the row is marked
    "blob.delete.after",  # the bytes are gone, and their row is not
]
ServerPoint = Literal[
    "address.write.before",  # the file by which commands find the server
    "address.sync.before",
    "address.rename.before",
    "address.rename.after",
    "answer.before",  # what a request changed is durable, and its sender has no answer
    "answer.after",
    "lease.before",  # an attempt is leased, and its worker does not know
    "lease.after",
    "ack.before",  # what a worker reported is durable, and the worker does not know
    "ack.after",
]
WorkerPoint = Literal[
    "spool.write.before",  # a result, into a file that nobody reads yet
    "spool.sync.before",
    "spool.rename.before",
    "spool.rename.after",
    "spool.delete.before",  # the server has it
    "spool.delete.after",
    "report.before",  # a result, to the server
    "report.after",
    "upload.before",  # a blob, to the server
    "upload.after",
    "files.write.before",  # each portion of a file that is fetched
    "files.sync.before",
    "files.rename.before",
    "files.rename.after",
    "environment.sync.before",  # it is built, and does not count yet
    "environment.rename.before",
    "environment.rename.after",
    "environment.remove.before",
    "environment.remove.after",
]
Point = StorePoint | ServerPoint | WorkerPoint

POINTS: frozenset[str] = frozenset(name for kind in (StorePoint, ServerPoint, WorkerPoint) for name in get_args(kind))


class Faults(Protocol):
    def reach(self, point: Point) -> None:
        """Called before and after each write, sync, rename, upload and acknowledgement that must be durable."""
        ...


class NoFaults:
    def reach(self, point: Point) -> None:
        """Go on."""


NO_FAULTS = NoFaults()


def durable(*points: Point) -> Callable[[F], F]:
    """Mark a port method whose effect must survive a crash; each adapter reaches ``points`` in it (tests/house)."""
    undeclared = set(points) - POINTS
    if undeclared or not points:
        raise ValueError(f"declare in ports/faults.py: {sorted(undeclared) or 'a point'}")
    return lambda method: method
