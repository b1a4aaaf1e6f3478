"""What goes into the body of a task and what comes out of it, whichever back-end runs it."""

from datetime import datetime

from msgspec import Struct

from tidemill.core.graph import NodeOptions
from tidemill.core.ids import Digest
from tidemill.core.requirements import Granted
from tidemill.core.run import Adjustment, Failure
from tidemill.core.sharing import NotShared, Op, Reach, Shared
from tidemill.core.values import Argument, Encoding, Inline


class AttemptFacts(Struct, frozen=True, kw_only=True):
    """What does not change during an attempt."""

    run: str
    path: str
    number: int
    task: str
    worker: str
    workflow: str = ""
    priority: int = 0
    tags: dict[str, str] = {}
    deadline: datetime | None = None
    granted: Granted = Granted()
    trace: str = ""  # the traceparent that the run was submitted with
    parent: str = ""
    tenant: str = "default"
    release: str = ""


COLD = -1  # as the size of a model: it is no longer in memory


class LocalFile(Struct, frozen=True):
    """A file on this machine that the blob store may lack: to be uploaded before the value that names it."""

    path: str
    digest: Digest
    size: int
    media_type: str


class Encoded(Struct, frozen=True):
    """A value as it travels. ``local`` are files that must be uploaded before the value is sent."""

    data: bytes
    refs: tuple[bytes, ...] = ()
    local: tuple[LocalFile, ...] = ()

    @property
    def inline(self) -> Inline:
        return Inline(self.data, Encoding.MSGPACK, self.refs)


class ChildCall(Struct, frozen=True):
    """A run that a body starts. ``key`` tells it from its other ones, and is the same in each attempt."""

    key: bytes
    task: str
    graph: str
    document: bytes
    inputs: dict[str, Encoded]
    options: NodeOptions


class SharedCall(Struct, frozen=True):
    """What a body asks of a store or channel."""

    reach: Reach
    name: str
    op: Op
    value: Encoded | None = None


SharedEnd = Shared | NotShared


class ChildSucceeded(Struct, frozen=True, tag="succeeded"):
    """Every value inline."""

    outputs: dict[str, Argument]


class ChildFailed(Struct, frozen=True, tag="failed"):
    """It failed, or could not be started."""

    run: str
    failure: Failure


class ChildCancelled(Struct, frozen=True, tag="cancelled"):
    run: str
    reason: str


ChildEnd = ChildSucceeded | ChildFailed | ChildCancelled


class Completed(Struct, frozen=True, tag="completed"):
    """Outputs by port. Items of a stream, of which there were ``items``, were given before, and are not among them."""

    outputs: dict[str, Encoded]
    status: str = "success"
    items: int = 0
    adjustments: tuple[Adjustment, ...] = ()


class Crashed(Struct, frozen=True):
    """The process that ran the body ended before the body did.

    ``how`` is a name that people know, such as ``SIGSEGV`` or ``exit code 3``; ``text`` says the same in a sentence.
    """

    how: str
    text: str
