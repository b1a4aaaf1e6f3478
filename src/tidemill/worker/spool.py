"""Results on disk, so that they survive a restart of the worker: one file each, written aside and renamed."""

import hashlib
import logging
from collections.abc import Sequence

from tidemill.core.ids import Instant
from tidemill.ports.disk import Disk
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.wire.worker import AttemptRef, BadMessageError, Failed, Succeeded, decode_to_server, encode_frame

log = logging.getLogger(__name__)

FOLDER = "spool/"
_PART, _DAMAGED = ".part", ".damaged"
_DIGEST_BYTES = 32

Result = Succeeded | Failed


class Spool:
    """Blocking: called through the Threads port. A file is a sha256, then the frame that it is of."""

    def __init__(self, disk: Disk, limit: int, faults: Faults = NO_FAULTS) -> None:
        self._disk, self._limit, self._faults = disk, limit, faults
        self._sizes: dict[str, int] = {}

    def name_of(self, attempt: AttemptRef, at: Instant) -> str:
        """Names sort by the time of the result."""
        place = hashlib.sha256(attempt.run + attempt.path.encode()).hexdigest()[:16]
        return f"{FOLDER}{at:016x}-{place}-{attempt.number}"

    def write(self, name: str, result: Result) -> None:
        frame = encode_frame([result])
        if sum(self._sizes.values()) + len(frame) > self._limit:
            log.error("the spool is full (%d bytes): a result stays in memory only, %s", self._limit, result.attempt)
            return
        self._sizes[name] = len(frame)
        self._disk.delete(name + _PART)
        self._faults.reach("spool.write.before")
        self._disk.write_part(name + _PART, hashlib.sha256(frame).digest() + frame)
        self._faults.reach("spool.sync.before")
        self._disk.sync(name + _PART)
        self._faults.reach("spool.rename.before")
        self._disk.rename(name + _PART, name)
        self._faults.reach("spool.rename.after")

    def delete(self, name: str) -> None:
        self._sizes.pop(name, None)
        self._faults.reach("spool.delete.before")
        self._disk.delete(name)
        self._faults.reach("spool.delete.after")

    def load(self) -> Sequence[tuple[str, Result]]:
        """What an earlier life left, oldest first; what cannot be read is set aside, and said."""
        found = []
        for name in self._disk.list(FOLDER):
            if name.endswith(_DAMAGED):
                continue
            if name.endswith(_PART):
                log.warning("a result was not wholly written when the worker ended: %s", name)
                self._disk.delete(name)
            elif (result := self._read(name)) is not None:
                found.append((name, result))
        return found

    def _read(self, name: str) -> Result | None:
        data = self._disk.read(name)
        result = _decoded(data[:_DIGEST_BYTES], data[_DIGEST_BYTES:])
        if result is None:
            log.error("a result in the spool is damaged, and set aside as %s%s", name, _DAMAGED)
            self._disk.rename(name, name + _DAMAGED)
        else:
            self._sizes[name] = len(data)
        return result


def _decoded(digest: bytes, frame: bytes) -> Result | None:
    if hashlib.sha256(frame).digest() != digest:
        return None
    try:
        messages = decode_to_server(frame)
    except BadMessageError:
        return None
    match messages:
        case [Succeeded() | Failed() as result]:
            return result
        case _:
            return None
