"""`tidemill.toml`: settings of a project, in the folder where a command runs or the nearest one above it."""

import difflib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tidemill.assembly.setting_kinds import KINDS, Kind, SettingsError, WorkerShare, as_text

NAME = "tidemill.toml"
SHARES = "workers"
OTHERS = ("main", "program")  # keys of the file that are no settings
_OF_A_WORKER = ("concurrency", "pools")


def settings_file(said: str, start: Path | None = None) -> Path | None:
    """The file to read. Raises SettingsError when one was named and is not there."""
    if said:
        if not Path(said).is_file():
            raise SettingsError(f"TIDEMILL_CONFIG names {said}, and there is no such file")
        return Path(said)
    here = (start or Path.cwd()).resolve()
    return next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), None)


def read_file(file: Path, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Settings by name; folders are relative to the file. Raises SettingsError with the file and the key."""
    found: dict[str, Any] = {}
    for name, value in _document(file).items():
        if name == SHARES:
            found[SHARES] = _shares(file, value)
        elif name not in OTHERS:
            _check_known(file, name, [*kinds, SHARES, *OTHERS])
            found[name] = _parsed(file, name, value)
    if isinstance(found.get("data"), Path):
        found["data"] = file.parent / found["data"]
    return found


def _document(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is no TOML: {error}") from None


def _check_known(file: Path, name: str, known: Collection[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.5)
        raise SettingsError(f"{file}: there is no setting {name}" + (f"; did you mean {near[0]}?" if near else ""))


def _parsed(file: Path, name: str, value: object) -> Any:
    kind = KINDS[name.rpartition(".")[2]]
    try:
        return kind.parse(as_text(value))
    except ValueError:
        raise SettingsError(
            f"{file}: {name} is {'…' if kind.show else repr(value)}; expected {kind.expected}"
        ) from None


def _shares(file: Path, tables: object) -> dict[str, WorkerShare]:
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise SettingsError(f"{file}: {SHARES} is a table of tables, such as [{SHARES}.media]")
    shares = {}
    for worker, table in tables.items():
        for name in table:
            _check_known(file, name, _OF_A_WORKER)
        shares[worker] = WorkerShare(
            **{name: _parsed(file, f"{SHARES}.{worker}.{name}", value) for name, value in table.items()}
        )
    return shares
