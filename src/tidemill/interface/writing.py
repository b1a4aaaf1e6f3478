"""Stubs on disk: written whole or not at all, never over what somebody else wrote."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill.interface.manifest import Manifest, ManifestError, manifest_of, parse_manifest
from tidemill.interface.stubs import MANIFEST_FILE, MARK, StubError, stub_module, stub_package
from tidemill.sdk.worker import Worker

NEW_FILE = 0o644


@dataclass(frozen=True)
class Difference:
    """One file that is not as it would be written now: ``missing``, ``changed`` or ``left over``."""

    file: Path
    what: str


def write_stubs(workers: Iterable[Worker], path: Path) -> None:
    write_manifest_stubs(manifest_of(workers), path)


def write_manifest_stubs(manifest: Manifest, path: Path) -> list[Path]:
    """Write the stubs of a manifest; give the files that were written or taken away.

    A name that ends in ``.py`` is one module, any other a package. Each file appears as a whole, the types before the
    modules that import them.

    Raises:
        StubError: a file there was not written by us, or cannot be written. Nothing is changed then.
    """
    files = _files(manifest, path)
    changed = differences(manifest, path)
    for each in changed:
        _check_ours(each.file)
    try:
        for each in changed:
            if each.file not in files:
                each.file.unlink(missing_ok=True)
            else:
                _replace(each.file, files[each.file])
    except OSError as error:
        raise StubError(f"cannot write {error.filename}: {error.strerror}") from None
    return [each.file for each in changed]


def differences(manifest: Manifest, path: Path) -> list[Difference]:
    """What `write_manifest_stubs` would change, in its order; empty when the stubs are current."""
    files = _files(manifest, path)
    found = []
    for file, text in files.items():
        present = _read(file)
        if present != text:
            found.append(Difference(file, "missing" if present is None else "changed"))
    over = [] if path.suffix == ".py" or not path.is_dir() else sorted(path.glob("*.py"))
    return found + [Difference(file, "left over") for file in over if file not in files and _is_ours(_read(file))]


def written_manifest(path: Path) -> Manifest | None:
    """What the stubs at a place were made from; None for a module, or where there are none."""
    text = None if path.suffix == ".py" else _read(path / MANIFEST_FILE)
    if text is None:
        return None
    try:
        return parse_manifest(text.encode())
    except ManifestError:
        return None


def _files(manifest: Manifest, path: Path) -> Mapping[Path, str]:
    if path.suffix == ".py":
        return {path: stub_module(manifest)}
    files = stub_package(manifest)
    order = sorted(files, key=lambda name: (name != "types.py", name == MANIFEST_FILE, name))
    return {path / name: files[name] for name in order}


def _read(file: Path) -> str | None:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StubError(f"cannot read {file}: {error}") from None


def _is_ours(text: str | None) -> bool:
    return text is None or MARK in text or not text.strip()


def _check_ours(file: Path) -> None:
    text = _read(file)
    if file.name == MANIFEST_FILE:
        try:
            parse_manifest((text or "").encode()) if text else None
        except ManifestError:
            raise StubError(f"{file} is no manifest of ours; choose another place for the stubs") from None
    elif not _is_ours(text):
        raise StubError(f"{file} was not written by `tidemill stubs`; choose another place, or move it away")


def _replace(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        part.chmod(NEW_FILE)
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
