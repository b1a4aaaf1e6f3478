"""What each failure code means: one table, from which the server, the commands and the docs are made."""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from tidemill.core.run import Code


class Again(Enum):
    """Whether a step that failed so is tried again."""

    POLICY = "as the task's `retries` says"
    NEVER = "never, whatever `retries` says"
    APART = "counted apart; then it is quarantined"


class Meaning(Struct, frozen=True):
    """Of one code."""

    by: str  # who or what raises it
    again: Again
    tries: int  # attempts in all, where the task says nothing
    status: int  # HTTP, of the result of a run that failed so
    exit: int  # of a command that watched the run


MEANINGS: Mapping[Code, Meaning] = {
    Code.INVALID_INPUT: Meaning("`InvalidInputError`, a value that does not fit", Again.NEVER, 1, 409, 1),
    Code.PERMANENT: Meaning("`PermanentError`", Again.NEVER, 1, 409, 1),
    Code.TRANSIENT: Meaning("`TransientError`", Again.POLICY, 3, 409, 1),
    Code.TIMEOUT: Meaning("an attempt, or a wait in the queue, that is too long", Again.POLICY, 3, 409, 1),
    Code.RESOURCE: Meaning("`ResourceError`, `MemoryError`", Again.POLICY, 3, 409, 1),
    Code.INTERNAL: Meaning("any other exception", Again.POLICY, 1, 409, 1),
    Code.WORKER_LOST: Meaning("nobody: the worker, or the task's process, died", Again.APART, 3, 409, 1),
    Code.CANCELLED: Meaning("somebody who cancels", Again.NEVER, 1, 409, 4),
}
