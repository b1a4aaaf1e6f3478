"""A disk that is small: a file system in memory that only one program sees; or a limit on its files."""

import os
import resource
import subprocess
from functools import cache
from pathlib import Path

from tests.faults.processes import Program

_MOUNT = 'mount -t tmpfs -o "$0" tmpfs "$1" && eval "$2" && shift 2 && exec "$@"'
BLOCK = 4096


@cache
def unshare() -> tuple[str, ...]:
    """The command that gives a program mounts of its own; () where nobody may do that."""
    for how in (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount")):
        probe = [*how, "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
        try:
            done = subprocess.run(probe, capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return how
    return ()


WHY_NOT = "neither root nor a user namespace may mount here"


class SmallDisk:
    """``options`` of tmpfs; ``folder`` is made, and is the disk as the program sees it.

    ``before`` is a line for the shell, once the disk is there.
    """

    def __init__(self, program: Program, folder: Path, options: str, before: str = ":") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._program, self._folder = program, folder
        program.wrapper = [*unshare(), "sh", "-c", _MOUNT, options, str(folder), before]

    @property
    def inside(self) -> Path:
        """The disk, seen from outside."""
        assert self._program.process is not None
        return Path(f"/proc/{self._program.process.pid}/root{self._folder}")

    def fill(self) -> None:
        """Until not a byte is left."""
        file = os.open(self.inside / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while True:
                os.write(file, bytes(BLOCK))
        except OSError:
            return
        finally:
            os.close(file)

    def clear(self) -> None:
        (self.inside / "filler").unlink()

    def fill_names(self) -> list[Path]:
        """Until no file can be made; what was made."""
        made: list[Path] = []
        try:
            while True:
                path = self.inside / f"filler-{len(made)}"
                path.touch()
                made.append(path)
        except OSError:
            return made


class LimitedFiles:
    """No file of a program may grow, from `fill` to `clear`."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def fill(self) -> None:
        self._set(BLOCK)

    def clear(self) -> None:
        self._set(resource.RLIM_INFINITY)

    def _set(self, soft: int) -> None:
        assert self._program.process is not None
        pid = self._program.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft if hard == resource.RLIM_INFINITY else hard, hard))
