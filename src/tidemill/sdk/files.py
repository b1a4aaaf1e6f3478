"""`TaskFiles`: a private folder per attempt. Names are relative; one that leads out of it is refused."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import IO, Any

from tidemill.sdk.directory import LAID
from tidemill.sdk.errors import EscapeError
from tidemill.sdk.ports import FilesPort


class TaskFiles:
    """The folder is made at first use and removed after the result was accepted.

    Each blocking method has an ``a`` twin for async code, which runs it in a thread.
    """

    __slots__ = ("_port",)

    def __init__(self, port: FilesPort) -> None:
        self._port = port

    def path_to(self, name: str | PurePath) -> Path:
        """The absolute path of a name; folders above it are made. Raises EscapeError."""
        path = self._inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _inside(self, name: str | PurePath) -> Path:
        root = Path(self._port.folder()).resolve()
        path = (root / name).resolve()
        if path == root or not path.is_relative_to(root):
            raise EscapeError(str(name))
        return path

    def read(self, name: str | PurePath) -> bytes:
        return self._inside(name).read_bytes()

    def read_text(self, name: str | PurePath) -> str:
        return self._inside(name).read_bytes().decode()

    def write(self, name: str | PurePath, data: bytes | str) -> Path:
        """Replace the file; text is written as UTF-8, line ends as they are."""
        path = self.path_to(name)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def exists(self, name: str | PurePath) -> bool:
        return self._inside(name).exists()

    def list(self) -> Sequence[str]:
        """Names of all files, '/'-separated, sorted; those of a Directory that the task took in are not among them."""
        root = Path(self._port.folder())
        names = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return sorted(name for name in names if not name.startswith(f"{LAID}/"))

    def open(self, name: str | PurePath, mode: str = "rb") -> IO[Any]:
        """``mode`` as for the built-in; text is UTF-8."""
        return self.path_to(name).open(mode, encoding=None if "b" in mode else "utf-8")

    async def aread(self, name: str | PurePath) -> bytes:
        return await self._port.in_thread(lambda: self.read(name))

    async def aread_text(self, name: str | PurePath) -> str:
        return await self._port.in_thread(lambda: self.read_text(name))

    async def awrite(self, name: str | PurePath, data: bytes | str) -> Path:
        return await self._port.in_thread(lambda: self.write(name, data))

    async def aexists(self, name: str | PurePath) -> bool:
        return await self._port.in_thread(lambda: self.exists(name))

    async def alist(self) -> Sequence[str]:
        return await self._port.in_thread(self.list)

    async def aopen(self, name: str | PurePath, mode: str = "rb") -> IO[Any]:
        """Opened in a thread; what is done with the file afterwards blocks."""
        return await self._port.in_thread(lambda: self.open(name, mode))
