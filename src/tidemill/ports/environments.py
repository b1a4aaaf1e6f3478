"""Environments of workers that have dependencies of their own: one per set of packages, built once and kept."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from tidemill.core.errors import InputError
from tidemill.ports.faults import durable

Hear = Callable[[str], None]  # gets each line of what is done


class MadeOf(Enum):
    """What says which packages an environment holds."""

    UV_LOCK = "uv.lock"
    HASHED = "requirements.txt with hashes"
    UNHASHED = "requirements.txt without hashes: versions may move"
    PYPROJECT = "the dependencies in pyproject.toml: versions may move"


@dataclass(frozen=True)
class Recipe:
    """``folder`` is absolute; ``python`` is the interpreter; ``digest`` is 32 hex digits, and the environment's name.

    ``ours`` are uv's arguments that install Tidemill; none where it is to be packed from the running installation.
    """

    folder: Path
    made_of: MadeOf
    python: str
    ours: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Kept:
    """An environment on disk. ``path`` is None while it is not whole: a build was cut off, or its Python is gone."""

    digest: str
    folder: str  # that it was built for
    size_bytes: int
    path: Path | None


class EnvironmentFaultError(InputError):
    """An environment that cannot be made; the text has uv's own last lines."""


class Environments(Protocol):
    async def recipe(self, folder: Path) -> Recipe | None:
        """None for a folder that declares no dependencies: it runs beside Tidemill. Raises EnvironmentFaultError."""
        ...

    def built(self, recipe: Recipe) -> Path | None:
        """The environment's folder, if it is whole."""
        ...

    @durable("environment.sync.before", "environment.rename.before", "environment.rename.after")
    def use(self, recipe: Recipe, hear: Hear) -> AbstractAsyncContextManager[Path]:
        """The environment's folder, built if it must be; nobody removes it in the block.

        Raises EnvironmentFaultError.
        """
        ...

    def kept(self) -> Sequence[Kept]: ...

    @durable("environment.remove.before", "environment.remove.after")
    def remove(self, digest: str) -> bool:
        """False: a process uses it, so it stays."""
        ...

    def variables(self, environment: Path) -> Mapping[str, str]:
        """What a program that runs in it finds in its surroundings."""
        ...
