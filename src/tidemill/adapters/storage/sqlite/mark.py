"""How far the log went, in a file beside it: so that a log that was cut, damaged or left behind is no silent loss.

SQLite takes the valid beginning of its log (`-wal`) for the whole of it. After each commit we note, unsynced, in
`tidemill.db.mark`: which log that was (its salts), how many frames it had, and the last number of the history. What is
noted is synced already, so a mark that a power cut takes back by some commits is still true.
"""

import contextlib
import os
import struct
from binascii import crc32
from pathlib import Path
from typing import Any

import apsw

from tidemill.adapters.storage.errors import StoreRefusedError, lost_pieces

_FORM = struct.Struct("<8s8sIq")  # what it is, salts of the log, frames, last number of the history
_KIND = b"TIDEMARK"
_SALTS_AT, _SALTS = 16, 8  # in the header of a log
_NO_LOG = bytes(_SALTS)


class Mark:
    """For one writer. A disk that is full keeps nobody from working without it."""

    def __init__(self, path: str) -> None:
        """Raises StoreRefusedError when the store lacks what the mark says was there."""
        self._log_path, self._file, self._log = f"{path}-wal", -1, -1
        self.number = check_mark(path)
        with contextlib.suppress(OSError):
            self._file = os.open(f"{path}.mark", os.O_RDWR | os.O_CREAT, 0o600)

    def note(self, frames: int, number: int) -> None:
        """After each commit."""
        self.number = number
        with contextlib.suppress(OSError):  # the one before stays
            if self._log < 0:
                self._log = os.open(self._log_path, os.O_RDONLY)
            self._write(os.pread(self._log, _SALTS, _SALTS_AT), frames)

    def close(self) -> None:
        """Before the log goes, as it does when all is in the file."""
        with contextlib.suppress(OSError):
            self._write(_NO_LOG, 0)
        for file in (self._file, self._log):
            if file >= 0:
                os.close(file)

    def _write(self, salts: bytes, frames: int) -> None:
        data = _FORM.pack(_KIND, salts, frames, self.number)
        os.pwrite(self._file, data + crc32(data).to_bytes(4, "little"), 0)


def check_mark(path: str) -> int:
    """The last number of the history in a file. Raises StoreRefusedError when acknowledged commits are missing."""
    found, last = _read(f"{path}.mark"), 0
    if not Path(path).exists():
        if found is not None and found[2]:
            raise StoreRefusedError(lost_pieces(path, "the file itself is gone"))
        return 0
    frames, last = _look(path)
    if found is None:
        return last
    salts, wanted, number = found
    if salts != _NO_LOG and salts == _salts_of(f"{path}-wal"):
        if frames < wanted:
            raise StoreRefusedError(lost_pieces(path, f"of {wanted} pages of its log {frames} can be read"))
    elif last < number:
        raise StoreRefusedError(lost_pieces(path, f"its history ends at {last}, and went to {number}"))
    return last


def _look(path: str) -> tuple[int, int]:
    """Frames of the log that SQLite takes, and the last number of the history; the files stay as they are."""
    try:
        db = apsw.Connection(path)
        try:
            db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            known = db.execute("select 1 from sqlite_schema where name = 'history'").fetchall()
            rows: list[tuple[Any, ...]] = []
            if known:
                rows = db.execute("select seq from sqlite_sequence where name = 'history'").fetchall()
            frames, _ = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        finally:
            db.close()
    except apsw.Error:
        return 0, 0  # who opens it says what is wrong
    return max(frames, 0), rows[0][0] if rows else 0


def _salts_of(log: str) -> bytes | None:
    try:
        with Path(log).open("rb") as file:
            return file.read(_SALTS_AT + _SALTS)[_SALTS_AT:]
    except OSError:
        return None


def _read(path: str) -> tuple[bytes, int, int] | None:
    """None when there is no mark, or half of one."""
    try:
        data = Path(path).read_bytes()
    except OSError:
        return None
    body = data[: _FORM.size]
    if len(data) != _FORM.size + 4 or data[_FORM.size :] != crc32(body).to_bytes(4, "little"):
        return None
    kind, salts, frames, number = _FORM.unpack(body)
    return (salts, frames, number) if kind == _KIND else None
