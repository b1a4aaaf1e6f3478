"""A folder as a list of files: all below it, sorted, named from it."""

import os
from collections.abc import Iterator
from pathlib import Path

from tidemill.core.errors import InputError
from tidemill.sdk.file import File

MOST_FILES = 100_000
MOST_BYTES = 16 * 1024**3  # of one file


class FolderError(InputError):
    """A folder that cannot be an input."""


def files_of(place: Path) -> list[File]:
    r"""The files below a folder, or the one file.

    Hidden files and folders are left out, and links that lead out of the folder. A name is relative to the folder,
    with ``/`` between its parts; bytes in it that are no UTF-8 are written as ``\xff``.
    """
    if place.is_file():
        return [_checked(place, place.name)]
    if not place.exists():
        raise FolderError(f"there is no folder {place}")
    if not place.is_dir():
        raise FolderError(f"{place} is neither a folder nor a file")
    top = place.resolve()
    found = []
    for path in _walk(top, top):
        found.append(_checked(path, path.relative_to(top).as_posix()))
        if len(found) > MOST_FILES:
            raise FolderError(f"{place} has more than {MOST_FILES:,} files; name a folder inside it")
    if not found:
        raise FolderError(f"there are no files in {place} (hidden ones do not count)")
    return found


def _walk(folder: Path, top: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda each: each.name)
    except OSError as error:
        raise FolderError(f"cannot read {folder}: {error.strerror}") from None
    for path in entries:
        if path.name.startswith(".") or (path.is_symlink() and not _stays(path, top)):
            continue
        if path.is_dir():
            if not path.is_symlink():  # a link to a folder inside would bring its files twice
                yield from _walk(path, top)
        elif path.is_file():
            yield path


def _stays(link: Path, top: Path) -> bool:
    try:
        return link.resolve(strict=True).is_relative_to(top)
    except (OSError, RuntimeError):
        return False


def _checked(path: Path, name: str) -> File:
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise FolderError(f"cannot read {path}: {error.strerror}") from None
    if size > MOST_BYTES:
        raise FolderError(f"{path} has {size / 1024**3:.1f} GiB; a file may have {MOST_BYTES // 1024**3}")
    return File(path, name=os.fsencode(name).decode("utf-8", "backslashreplace"))
