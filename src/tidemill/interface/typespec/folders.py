"""A folder with a spec and a program is a worker.

The spec is ``worker.tsp``, or the only ``*.tsp`` there is. The program is what the spec names by ``@command``; where it
names none, the one executable file called ``run`` or ``main``, with any suffix (``run``, ``main.sh``, ``run.js``).
"""

import os
from pathlib import Path

from tidemill.core.errors import InputError
from tidemill.interface.typespec.worker import read_spec
from tidemill.sdk.worker import Worker

SPEC = "worker.tsp"
SUFFIX = ".tsp"
_PROGRAMS = ("run", "main")


class SpecFolderError(InputError):
    """A folder whose spec, or whose program, is not clear."""


def spec_in(folder: Path) -> Path | None:
    """The spec of a folder; None when it has none. Raises SpecFolderError."""
    found = sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
    if (named := folder / SPEC) in found:
        return named
    if len(found) > 1:
        raise SpecFolderError(
            f"{folder} has {', '.join(path.name for path in found)}; call that of its worker {SPEC}, or name the file"
        )
    return found[0] if found else None


def worker_of_spec(path: Path) -> Worker:
    """The worker of a spec file, with the program that lies beside it. Raises SpecFolderError, SpecError, OSError."""
    return read_spec(path, program_in(path.parent))


def program_in(folder: Path) -> tuple[str, ...]:
    """The command of a folder; () when it has none. Raises SpecFolderError."""
    for name in _PROGRAMS:
        found = [path for path in sorted(folder.glob(f"{name}*")) if path.stem == name and _is_program(path)]
        if len(found) > 1:
            told = " and ".join(path.name for path in found)
            raise SpecFolderError(f'{folder} has {told}; write @command("./{found[0].name}") before the namespace')
        if found:
            return (f"./{found[0].name}",)
    return ()


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
