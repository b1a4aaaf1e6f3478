"""Files of ours (blobs, the worker's spool), so that their order of writes can be tested."""

from collections.abc import Sequence
from typing import Protocol


class Disk(Protocol):
    """Blocking; called through `Threads` where it may take long. Names are relative, '/'-separated."""

    def write_part(self, name: str, data: bytes | memoryview) -> None:
        """Append to a file that nobody reads yet."""
        ...

    def sync(self, name: str) -> None: ...

    def rename(self, old: str, new: str) -> None:
        """Replace ``new`` and make the name durable (fsync of the folder)."""
        ...

    def read(self, name: str, start: int = 0, size: int = -1) -> bytes: ...

    def size(self, name: str) -> int | None:
        """None when there is no such file."""
        ...

    def delete(self, name: str) -> None: ...

    def stamp(self, name: str) -> int | None:
        """Another number after each write or touch of the file; None when there is none."""
        ...

    def touch(self, name: str) -> None:
        """Give a file another stamp; no error when it is gone."""
        ...

    def list(self, prefix: str) -> Sequence[str]: ...
