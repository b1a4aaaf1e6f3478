"""Files on this machine as the worker needs them. The adapter that keeps them knows nothing of attempts."""

from collections.abc import AsyncIterator
from typing import Protocol

from tidemill.core.bodies import LocalFile
from tidemill.ports.faults import durable


class Files(Protocol):
    """A cache of files by digest, and private folders by name. What is not async blocks, and is called in a thread."""

    def find(self, digest: bytes) -> str | None:
        """The path of a file that `fetch` has brought here."""
        ...

    @durable("files.write.before", "files.rename.before", "files.rename.after")
    async def fetch(self, digest: bytes, data: AsyncIterator[bytes]) -> None:
        """Keep a file under its digest; ``data`` is read only when it is not here. Raises BlobDamagedError."""
        ...

    def folder(self, name: str) -> str:
        """The path of a private folder, made when it is not there."""
        ...

    def copy_bytes(self, name: str, data: bytes, media_type: str) -> LocalFile:
        """Keep bytes beside the private folder ``name``."""
        ...

    def copy_file(self, name: str, path: str, media_type: str) -> LocalFile: ...

    def read(self, path: str) -> AsyncIterator[bytes]: ...

    def remove(self, name: str) -> None:
        """A private folder, with what was copied beside it."""
        ...

    def remove_all(self) -> None:
        """Private folders of an earlier life."""
        ...
