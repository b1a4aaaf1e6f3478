"""How large a file of ours is, what of it is free, and making it small again."""

from pathlib import Path

import apsw
from msgspec import Struct

from tidemill.adapters.storage.sqlite.connection import Schema, lost, open_reader
from tidemill.adapters.storage.sqlite.lock import FileLock


class FileSize(Struct, frozen=True):
    """In bytes. ``free`` lies in pages that rows left; new rows use them, and the system gets them by a vacuum."""

    name: str
    size: int
    free: int
    log: int  # of what was written since the last checkpoint


def measure(path: Path) -> FileSize:
    """A server may run meanwhile. Raises StoreLostError."""
    db = open_reader(str(path))
    try:
        page_size, pages, free = (int(db.pragma(name)) for name in ("page_size", "page_count", "freelist_count"))
    except apsw.Error as error:
        raise lost(error) from error
    finally:
        db.close()
    log = path.with_name(f"{path.name}-wal")
    return FileSize(path.name, page_size * pages, page_size * free, log.stat().st_size if log.exists() else 0)


def vacuum(path: Path, schema: Schema) -> None:
    """Write the file anew, without what is free; killed in the middle it is as it was.

    Raises:
        StoreRefusedError: a server has it open, or it is no file of ours.
        StoreLostError, StoreFullError: the disk says no; the file is as it was.
    """
    lock = FileLock(str(path)) if schema is Schema.STORE else None
    try:
        db = apsw.Connection(str(path))
        try:
            db.execute("vacuum")
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            db.close()
    except apsw.Error as error:
        raise lost(error) from error
    finally:
        if lock is not None:
            lock.release()
