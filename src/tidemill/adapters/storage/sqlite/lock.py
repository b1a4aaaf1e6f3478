"""One server per file: two would each believe that they alone decide."""

import fcntl
import os

from tidemill.adapters.storage.errors import StoreRefusedError


class FileLock:
    """Held from construction to `release`, or to the end of the process, however it ends."""

    def __init__(self, path: str) -> None:
        try:
            self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreRefusedError(f"cannot write beside {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            message = f"{path} is in use by another server (process {owner}): stop it, or name another file"
            raise StoreRefusedError(message) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        os.close(self._file)
