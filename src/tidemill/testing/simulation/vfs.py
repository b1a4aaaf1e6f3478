"""SQLite on a SimDisk: `apsw.Connection(path, vfs=vfs.name)`.

There is no shared memory, so WAL needs `locking_mode=EXCLUSIVE`, and each database has one connection.
"""

import itertools
from typing import Any

import apsw

from tidemill.testing.simulation.disk import SECTOR_BYTES, File, SimDisk, folder_of

_numbers = itertools.count()
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL  # SQLite syncs the folder with their first sync


class SimVFS(apsw.VFS):
    """Registered under `name` until `close`."""

    def __init__(self, disk: SimDisk) -> None:
        self.name = f"simulation-{next(_numbers)}"
        self.disk = disk
        self.is_closed = False
        super().__init__(self.name, "", maxpathname=512)

    def close(self) -> None:
        """End it and the connections that dead processes left: with their hooks, they would hold a world for ever."""
        self.is_closed = True
        for db in apsw.connections():
            if db.open_vfs == self.name:
                db.set_wal_hook(None)
                db.close(force=True)
        self.unregister()
        self.disk = SimDisk()

    def call(self, kind: str) -> bool:
        """Whether to do it. Raises the error by which SQLite knows why not."""
        if self.is_closed:
            return False
        try:
            self.disk.call(kind)
        except OSError as error:
            raise (apsw.FullError if self.disk.refuses == "write" else apsw.IOError)(str(error)) from error
        return True

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802
        path = (name.filename() if isinstance(name, apsw.URIFilename) else name).lstrip("/")
        if path not in self.disk.files:
            self.disk.name(folder_of(path), {path: File()})
        flags[1] = flags[0]
        return SimVFSFile(self, self.disk.files[path], folder_of(path) if flags[0] & _JOURNALS else None)

    def xAccess(self, path: str, _: int) -> bool:  # noqa: N802
        return path.lstrip("/") in self.disk.files

    def xDelete(self, path: str, sync_folder: bool) -> None:  # noqa: FBT001, N802
        name = path.lstrip("/")
        if self.call("write") and name in self.disk.files:
            self.disk.name(folder_of(name), {name: None})
            if sync_folder:
                self.disk.sync_folder(folder_of(name))

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name

    def xRandomness(self, count: int) -> bytes:  # noqa: N802
        return bytes(count)

    def xSleep(self, _: int) -> int:  # noqa: N802
        raise apsw.BusyError("SQLite waits for a lock, with one connection")

    def xCurrentTimeInt64(self) -> int:  # noqa: N802
        raise apsw.IOError("the time in SQL: it comes from the clock port")


class SimVFSFile:
    """What SQLite does to one file."""

    def __init__(self, vfs: SimVFS, file: File, folder: str | None) -> None:
        self._vfs, self._file, self._folder = vfs, file, folder

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._file.data[offset : offset + amount]) if self._vfs.call("read") else b""

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._vfs.call("write"):
            self._file.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        if self._vfs.call("write"):
            self._file.write(size, None)

    def xSync(self, _: int) -> None:  # noqa: N802
        if self._vfs.call("sync"):
            self._file.sync()
            if self._folder is not None:
                self._vfs.disk.sync_folder(self._folder)
                self._folder = None

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._file.data)

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR_BYTES

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, *_: int) -> bool:  # noqa: N802
        return False

    def xLock(self, _: int) -> None:  # noqa: N802
        """One connection needs none."""

    xUnlock = xLock  # noqa: N815

    def xClose(self) -> None:  # noqa: N802
        """Nothing is held."""
