"""Environments under one folder, made by uv.

DIGEST/          a whole environment; it got this name when it was whole
DIGEST.part/     one that is being built, or whose build was cut off; the next build of it begins anew
DIGEST.lock      held alone by who builds or removes it (and by the uv that it started, so that one whose parent was
                 killed is waited for), together by those who use it; free when they are gone
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tidemill.adapters.environments import ourselves
from tidemill.adapters.environments.about import ABOUT
from tidemill.adapters.environments.recipe import digest_of, made_of, pinned, project_of
from tidemill.adapters.environments.uv import run_uv
from tidemill.ports.environments import EnvironmentFaultError, Hear, Kept, MadeOf, Recipe
from tidemill.ports.faults import NO_FAULTS, Faults

_LOOK_S = 0.2
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class UvEnvironments:
    """The Environments port.

    Args:
        variables: gives what a program in an environment finds in its surroundings.
    """

    def __init__(
        self, folder: Path, variables: Callable[[Path], Mapping[str, str]], faults: Faults = NO_FAULTS
    ) -> None:
        self._folder = folder.resolve()
        self._variables, self._faults = variables, faults

    async def recipe(self, folder: Path) -> Recipe | None:
        folder = _absolute(folder)
        project = project_of(folder)
        made = made_of(folder, project)
        if made is None:
            return None
        python = await _python_for(folder, project.get("project", {}))
        root = ourselves.checkout()
        digest = digest_of(made, python, ourselves.identity())
        return Recipe(folder, made[0], python, ("--editable", str(root)) if root else (), digest)

    def built(self, recipe: Recipe) -> Path | None:
        return _whole(self._folder / recipe.digest)

    @asynccontextmanager
    async def use(self, recipe: Recipe, hear: Hear) -> AsyncIterator[Path]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self._lock_of(recipe.digest), _LOCK_FLAGS, 0o600)
        except OSError as error:
            raise EnvironmentFaultError(f"cannot write into {self._folder}: {error.strerror}") from None
        try:
            yield await self._ready(recipe, file, hear)
        finally:
            os.close(file)

    async def _ready(self, recipe: Recipe, file: int, hear: Hear) -> Path:
        try:
            await _hold(file, fcntl.LOCK_SH, hear)
            while (path := self.built(recipe)) is None:
                await _hold(file, fcntl.LOCK_EX, hear)
                if self.built(recipe) is None:  # else another process was quicker
                    await self._build(recipe, file, hear)
                await _hold(file, fcntl.LOCK_SH, hear)
        except OSError as error:
            raise EnvironmentFaultError(f"cannot build in {self._folder}: {error}") from None
        return path

    async def _build(self, recipe: Recipe, file: int, hear: Hear) -> None:
        part, target = self._folder / f"{recipe.digest}.part", self._folder / recipe.digest
        for stale in (part, target):  # of a build that was cut off; one whose Python is gone
            await asyncio.to_thread(shutil.rmtree, stale, ignore_errors=True)
        hear(f"building its environment from {recipe.made_of.value}; this happens once")
        uv = partial(run_uv, folder=recipe.folder, hear=hear, held=[file])
        await uv(["venv", "--relocatable", "--quiet", "--python", recipe.python, str(part)])
        await _fill(recipe, part, uv)
        (part / ABOUT).write_text(json.dumps({"folder": str(recipe.folder), "made_of": recipe.made_of.value}), "utf-8")
        self._faults.reach("environment.sync.before")
        await asyncio.to_thread(os.sync)  # what has the name is whole, also after a power cut
        self._faults.reach("environment.rename.before")
        part.rename(target)
        self._faults.reach("environment.rename.after")
        hear("its environment is built")

    def kept(self) -> Sequence[Kept]:
        names = {path.name.partition(".")[0] for path in self._folder.glob("*") if path.is_dir()}
        return [self._look(name) for name in sorted(names)]

    def _look(self, digest: str) -> Kept:
        path = self._folder / digest
        try:
            folder = str(json.loads((path / ABOUT).read_text("utf-8"))["folder"])
        except (OSError, ValueError, KeyError):
            folder = ""
        size = _size(path) + _size(self._folder / f"{digest}.part")
        return Kept(digest, folder, size, _whole(path))

    def remove(self, digest: str) -> bool:
        file = os.open(self._lock_of(digest), _LOCK_FLAGS, 0o600)
        try:
            if not _takes(file, fcntl.LOCK_EX):
                return False
            part = self._folder / f"{digest}.part"
            shutil.rmtree(part, ignore_errors=True)
            self._faults.reach("environment.remove.before")
            with contextlib.suppress(FileNotFoundError):
                (self._folder / digest).rename(part)  # whatever happens next, it is no environment any more
            self._faults.reach("environment.remove.after")
            shutil.rmtree(part, ignore_errors=True)
        finally:
            os.close(file)
        return True

    def variables(self, environment: Path) -> Mapping[str, str]:
        return self._variables(environment)

    def _lock_of(self, digest: str) -> Path:
        return self._folder / f"{digest}.lock"


async def _python_for(folder: Path, project: Mapping[str, Any]) -> str:
    """The interpreter that runs Tidemill, unless the folder says which Python it wants."""
    if "requires-python" not in project and not _is_file(folder / ".python-version"):
        return str(_absolute(Path(sys.executable)))
    found = await run_uv(["python", "find", "--no-python-downloads"], folder, lambda _: None)
    return str(_absolute(Path(found.strip())))


def _absolute(path: Path) -> Path:
    """Without links: an environment is made of the Python behind the one that runs here."""
    return path.resolve()


def _is_file(path: Path) -> bool:
    return path.is_file()


async def _fill(recipe: Recipe, part: Path, uv: Callable[[list[str]], Awaitable[str]]) -> None:
    """First what the worker wants; then Tidemill, which may change nothing of it."""
    install = ["pip", "install", "--python", str(part / "bin" / "python")]
    ours = list(recipe.ours) or [str(await asyncio.to_thread(ourselves.pack, part))]
    if recipe.made_of is MadeOf.PYPROJECT:
        await uv([*install, "--requirements", "pyproject.toml", *ours])
    elif recipe.made_of is MadeOf.UNHASHED:
        await uv([*install, "--requirements", "requirements.txt", *ours])
    else:
        listed = recipe.folder / "requirements.txt"
        if recipe.made_of is MadeOf.UV_LOCK:
            listed = part / "requirements.txt"
            export = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-emit-package", ourselves.NAME]
            await uv([*export, "--quiet", "--format", "requirements.txt", "-o", str(listed)])
        await uv([*install, "--require-hashes", "--no-deps", "--requirements", str(listed)])
        constraints = part / "constraints.txt"
        constraints.write_text(pinned(listed.read_text("utf-8")), "utf-8")
        await uv([*install, "--constraints", str(constraints), *ours])


def _whole(path: Path) -> Path | None:
    return path if (path / "bin" / "python").exists() else None


def _size(path: Path) -> int:
    return sum(each.lstat().st_size for each in path.rglob("*") if not each.is_dir())


async def _hold(file: int, kind: int, hear: Hear) -> None:
    is_told = False
    while not _takes(file, kind):
        if not is_told:
            hear("waiting for another process that builds or uses its environment")
            is_told = True
        await asyncio.sleep(_LOOK_S)


def _takes(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
