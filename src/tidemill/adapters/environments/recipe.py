"""Which of a folder's files says what its environment holds, and the digest by which that is kept."""

import hashlib
import json
import platform
import re
import tomllib
from pathlib import Path
from typing import Any

from tidemill.ports.environments import EnvironmentFaultError, MadeOf

FORMAT = "1"  # another one: environments are built in another way, and none from before is used


def project_of(folder: Path) -> dict[str, Any]:
    """What its pyproject.toml says; {} when there is none. Raises EnvironmentFaultError."""
    try:
        return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EnvironmentFaultError(f"{folder / 'pyproject.toml'} cannot be read: {error}") from None


def made_of(folder: Path, project: dict[str, Any]) -> tuple[MadeOf, bytes] | None:
    """What decides, with the content that decides; None: nothing is declared. Raises EnvironmentFaultError."""
    if (lock := _content(folder / "uv.lock")) is not None:
        return MadeOf.UV_LOCK, lock
    if (listed := _content(folder / "requirements.txt")) is not None:
        return (MadeOf.HASHED if b"--hash=" in listed else MadeOf.UNHASHED), listed
    if "project" in project:
        return MadeOf.PYPROJECT, _packages_of(project)
    return None


def digest_of(made: tuple[MadeOf, bytes], python: str, ours: str) -> str:
    parts = [FORMAT, made[0].name, hashlib.sha256(made[1]).hexdigest(), python, ours, platform.platform(terse=True)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def pinned(requirements: str) -> str:
    """The requirements alone, each on its line, without options and hashes: what others may not change."""
    lines = re.sub(r"\\\n", " ", requirements).splitlines()
    kept = (line.split(" --hash")[0].split(" #")[0].strip() for line in lines)
    return "".join(f"{line}\n" for line in kept if line and not line.startswith(("#", "-")))


def _packages_of(project: dict[str, Any]) -> bytes:
    said = project["project"]
    parts = (said.get("dependencies"), said.get("requires-python"), project.get("tool", {}).get("uv"))
    return json.dumps(parts, sort_keys=True, default=str).encode()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnvironmentFaultError(f"cannot read {path}: {error.strerror}") from None
