"""Files under one folder."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

_READ_ALL = -1


class OsDisk:
    """Names are relative and '/'-separated; folders are made when a file needs them."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        self._root.mkdir(parents=True, exist_ok=True)

    def write_part(self, name: str, data: bytes | memoryview) -> None:
        file = self._open(self._root / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
        finally:
            os.close(file)

    def sync(self, name: str) -> None:
        _sync(self._root / name, os.O_RDONLY)

    def rename(self, old: str, new: str) -> None:
        target = self._root / new
        if not target.parent.exists():
            self._make_folder(target.parent)
        (self._root / old).replace(target)
        _sync(target.parent, os.O_RDONLY | os.O_DIRECTORY)

    def read(self, name: str, start: int = 0, size: int = _READ_ALL) -> bytes:
        file = os.open(self._root / name, os.O_RDONLY)
        try:
            left = os.fstat(file).st_size - start if size == _READ_ALL else size
            parts = []
            while left > 0 and (part := os.pread(file, left, start)):
                parts.append(part)
                start += len(part)
                left -= len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            os.close(file)

    def size(self, name: str) -> int | None:
        try:
            return (self._root / name).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """No error when it is gone already."""
        (self._root / name).unlink(missing_ok=True)

    def stamp(self, name: str) -> int | None:
        try:
            return (self._root / name).stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def touch(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._root / name)

    def list(self, prefix: str) -> Sequence[str]:
        """Names that start with ``prefix``, sorted."""
        top = self._root / prefix.rpartition("/")[0]
        files = (path.relative_to(self._root).as_posix() for path in top.rglob("*") if path.is_file())
        return sorted(name for name in files if name.startswith(prefix))

    def _open(self, path: Path, flags: int) -> int:
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._make_folder(path.parent)
            return os.open(path, flags, 0o600)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder whose name survives a crash, as the names of files in it do."""
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in reversed(missing):
            _sync(made.parent, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    file = os.open(path, flags)
    try:
        os.fsync(file)
    finally:
        os.close(file)
