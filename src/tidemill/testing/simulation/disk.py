"""A disk that knows what was synced: after a power loss the rest is lost, in part, out of order, or torn.

A name is lost too, and so is a rename or a deletion, where its folder was not synced. `vfs` puts SQLite on it,
`SimFiles` is the Disk port.
"""

import errno
from collections.abc import Callable, Sequence
from enum import Enum

from tidemill.testing.simulation.chance import Chance

SECTOR_BYTES = 512
KEPT = (0.0, 0.5, 0.95)  # what share of the unsynced writes survives one power loss
TORN = 0.1  # of those
LAST_CALLS = 100  # a step that was killed inside a call goes on to its end; this many may fail in it


class ProcessDiedError(BaseException):
    """Ends a step that tries again and again, past each `except Exception`."""


class Ending(Enum):
    KILL = "kill"  # of the process: what it wrote stays with the operating system
    POWER = "power"


class File:
    """``data`` is what a reader sees, ``safe`` what was synced, ``log`` the writes since: (offset, bytes)."""

    def __init__(self, image: bytes | bytearray = b"", safe: bytes | bytearray | None = None) -> None:
        self.data, self.safe = bytearray(image), bytearray(image if safe is None else safe)
        self.log: list[tuple[int, bytes | None]] = []  # None: cut off at offset
        self.stamp = 0

    def write(self, offset: int, data: bytes | None) -> None:
        _put(self.data, offset, data)
        self.stamp += 1
        self.log.append((offset, data))

    def sync(self) -> None:
        for offset, data in self.log:
            _put(self.safe, offset, data)
        self.log.clear()

    def after_power_loss(self, chance: Chance, kept: float) -> "File":
        image = bytearray(self.safe)
        for offset, data in self.log:
            if chance() < kept:
                torn = data is not None and chance() < TORN
                _put(image, offset, _tear(data, chance) if data is not None and torn else data)
        return File(image)


class SimDisk:
    """One host's disk during one life of its process; `after` gives the next."""

    def __init__(self, files: dict[str, File] | None = None) -> None:
        self.files = files or {}
        self._safe_names = dict(self.files)
        self._renames: list[tuple[str, dict[str, File | None]]] = []  # since the sync of their folder
        self.calls = 0
        self.die_at = 0  # the process dies inside this call
        self.on_death: Callable[[], None] = lambda: None
        self.refuses = ""
        self.is_dead = False
        self._calls_of_the_dead = 0

    def call(self, kind: str) -> None:
        """Each operation passes here first. Raises OSError when the disk, or its host, will not do it."""
        self.calls += 1
        if self.calls == self.die_at:
            self.is_dead = True
            self.on_death()
        if self.is_dead:
            self._calls_of_the_dead += 1
            if self._calls_of_the_dead > LAST_CALLS:
                raise ProcessDiedError
            raise OSError(errno.EIO, "the host of this disk is dead")
        if self.refuses == kind:
            raise OSError(errno.ENOSPC if kind == "write" else errno.EIO, "simulated")

    def refuse(self, kind: str) -> None:
        """From now on each "write" or "sync" fails; "" ends it."""
        self.refuses = kind

    def name(self, folder: str, changes: dict[str, File | None]) -> None:
        """Give or take names, all of ``changes`` or none."""
        _rename(self.files, changes)
        self._renames.append((folder, changes))

    def sync_folder(self, folder: str) -> None:
        for _, changes in (entry for entry in self._renames if entry[0] == folder):
            _rename(self._safe_names, changes)
        self._renames = [entry for entry in self._renames if entry[0] != folder]

    def after(self, ending: Ending, chance: Chance) -> "SimDisk":
        """What the next process finds."""
        self.is_dead = True
        if ending is Ending.KILL:
            return SimDisk({name: File(file.data) for name, file in self.files.items()})
        kept = KEPT[int(chance() * len(KEPT))]
        for _, changes in self._renames:
            if chance() < kept:
                _rename(self._safe_names, changes)
        return SimDisk({name: file.after_power_loss(chance, kept) for name, file in self._safe_names.items()})

    def copy(self) -> "SimDisk":
        """To look at; it may not lose its power."""
        return SimDisk({name: File(file.data, b"") for name, file in self.files.items()})


class SimFiles:
    """The Disk port over a SimDisk."""

    def __init__(self, disk: SimDisk) -> None:
        self._disk = disk

    def write_part(self, name: str, data: bytes | memoryview) -> None:
        self._disk.call("write")
        if name not in self._disk.files:
            self._disk.name(folder_of(name), {name: File()})
        file = self._disk.files[name]
        file.write(len(file.data), bytes(data))

    def sync(self, name: str) -> None:
        self._disk.call("sync")
        self._find(name).sync()

    def rename(self, old: str, new: str) -> None:
        self._disk.call("write")
        self._disk.name(folder_of(new), {new: self._find(old), old: None})
        self._disk.call("sync")
        self._disk.sync_folder(folder_of(new))

    def read(self, name: str, start: int = 0, size: int = -1) -> bytes:
        self._disk.call("read")
        data = self._find(name).data
        return bytes(data[start:] if size < 0 else data[start : start + size])

    def size(self, name: str) -> int | None:
        file = self._disk.files.get(name)
        return None if file is None else len(file.data)

    def delete(self, name: str) -> None:
        self._disk.call("write")
        if name in self._disk.files:
            self._disk.name(folder_of(name), {name: None})

    def stamp(self, name: str) -> int | None:
        file = self._disk.files.get(name)
        return None if file is None else file.stamp

    def touch(self, name: str) -> None:
        if name in self._disk.files:
            self._disk.files[name].stamp += 1

    def list(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self._disk.files if name.startswith(prefix))

    def _find(self, name: str) -> File:
        if name not in self._disk.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return self._disk.files[name]


def folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def _rename(names: dict[str, File], changes: dict[str, File | None]) -> None:
    for name, file in changes.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def _put(target: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del target[offset:]
        return
    if len(target) < offset:
        target.extend(bytes(offset - len(target)))
    target[offset : offset + len(data)] = data


def _tear(data: bytes, chance: Chance) -> bytes:
    return data[: SECTOR_BYTES * int(chance() * (len(data) // SECTOR_BYTES + 1))]
