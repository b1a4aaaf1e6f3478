"""SQLite as the contract suite opens it: as in production, and as in a simulation."""

from pathlib import Path

import apsw

from tidemill.adapters.storage.sqlite.store import Measure, SqliteOptions, SqliteStore
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.threads import Threads


class PlainFile(apsw.VFSFile):
    pass


class NoSharedMemory(apsw.VFS):
    """The files of the system through Python: what a simulated disk looks like to SQLite."""

    name = "tidemill-test"

    def __init__(self) -> None:
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 -- SQLite's
        return PlainFile("", name, flags)


_vfs = NoSharedMemory()


def open_sqlite(kind: str, path: Path, threads: Threads, faults: Faults = NO_FAULTS) -> SqliteStore:
    """``kind``: "sqlite", "sqlite-one-connection", or the name of a VFS."""
    vfs = {"sqlite": None, "sqlite-one-connection": _vfs.name}.get(kind, kind)
    return SqliteStore(path, threads, OsEntropy(), faults, SqliteOptions(vfs=vfs, measure=Measure.COUNTS))
