"""`Directory`: a folder as a value, which is its manifest: names, and files by digest, whose bytes travel as of any."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath
from types import MappingProxyType
from typing import Any

from tidemill.core.graph import Schema
from tidemill.core.ids import digest_text
from tidemill.sdk import file
from tidemill.sdk.errors import DoesNotFitError, NoLocalCopyError
from tidemill.sdk.file import File, Locate

KEY = "$directory"  # of the wire form: {"$directory": {"a/b.txt": FILE, …}, "name": "…"}
LAID = ".directories"  # where an attempt's private folder has those that its task took in
CHUNK_BYTES = 1024 * 1024
SCHEMA: Schema = {
    "title": "Directory",
    "type": "object",
    "properties": {
        KEY: {"type": "object", "additionalProperties": file.SCHEMA},
        "name": {"type": "string"},
    },
    "required": [KEY],
}

Folder = Callable[[], str]  # a private folder on this machine; made at the first call


class Directory:
    """A folder that travels by the digests of its files: what does not change is not moved again.

    ``Directory("photos")`` is made from a local folder. It is read, and its files uploaded, when it is sent. Files in
    folders at any depth belong to it, also hidden ones; empty folders do not. A symbolic link inside is refused, for
    what it leads to may lie elsewhere. A task finds it at ``path``; do not write there.
    """

    __slots__ = ("_files", "_folder", "_path", "name")

    def __init__(self, path: str | Path, *, name: str = "") -> None:
        self._path: Path | None = Path(path)
        self._files: Mapping[str, File] | None = None
        self._folder: Folder | None = None
        self.name = name or PurePath(path).name

    @property
    def files(self) -> Mapping[str, File]:
        """The files by their relative names, '/'-separated and sorted. Raises DoesNotFitError."""
        if self._files is None:
            self._files = MappingProxyType(dict(sorted(_scanned(self.path))))
        return self._files

    @property
    def path(self) -> Path:
        """The folder on this machine; in a task it is laid out at the first use. Raises NoLocalCopyError."""
        if self._path is None:
            if self._folder is None:
                raise NoLocalCopyError(self.name or "a directory")
            self._path = self.copy_to(Path(self._folder()) / LAID / self.digest.rpartition(":")[2][:32])
        return self._path

    @property
    def size(self) -> int:
        """Of all its files, in bytes."""
        return sum(each.size for each in self.files.values())

    @property
    def digest(self) -> str:
        """``sha256:`` and 64 hexadecimal digits, over the names and digests of its files."""
        lines = "".join(f"{each.digest} {name}\n" for name, each in self.files.items())
        return digest_text(hashlib.sha256(lines.encode()).digest())

    def copy_to(self, folder: str | Path) -> Path:
        """Lay its files out under ``folder``, which is made, linked where the file system can. Gives the folder."""
        root = Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        for name, each in self.files.items():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _lay(each.path, target)
        return root

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Directory) and to_wire(self) == to_wire(other)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        known = f"{len(self._files)} files" if self._files is not None else self._path
        return f"Directory({self.name!r}, {known})"


def _scanned(root: Path) -> Iterator[tuple[str, File]]:
    if not root.is_dir():
        raise DoesNotFitError(f"there is no folder {root.name!r}")
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            raise DoesNotFitError(f"{name!r} is a symbolic link; a Directory holds files only")
        if path.is_dir():
            continue
        if not path.is_file():
            raise DoesNotFitError(f"{name!r} is no regular file; a Directory holds files only")
        check_name(name)
        yield name, File(path)


def check_name(name: str) -> None:
    """Raises DoesNotFitError for a name that leads out of a folder, or that not each machine can have."""
    is_text = name.isprintable() and "\\" not in name
    if not is_text or not name or PurePosixPath(name).as_posix() != name or name.startswith("/") or _has_dots(name):
        raise DoesNotFitError(f"{name[:80]!r} is no name for a file in a Directory; use a relative one without '..'")


def _has_dots(name: str) -> bool:
    return any(part in ("", ".", "..") for part in name.split("/"))


def _lay(source: Path, target: Path) -> None:
    """A link costs nothing; where there can be none, the bytes are copied."""
    with suppress(FileNotFoundError):
        target.unlink()
    try:
        target.hardlink_to(source)
    except OSError:
        with source.open("rb") as read, target.open("wb") as write:
            while chunk := read.read(CHUNK_BYTES):
                write.write(chunk)


def to_wire(directory: Directory) -> dict[str, Any]:
    return {KEY: dict(directory.files), "name": directory.name}


def from_wire(form: Any, locate: Locate | None, folder: Folder | None) -> Directory:
    """Read the wire form. Raises DoesNotFitError."""
    if isinstance(form, Directory):
        return form
    if not isinstance(form, Mapping) or not isinstance(form.get(KEY), Mapping):
        raise DoesNotFitError(f"Expected a directory, an object with the key {KEY!r}")
    given = form[KEY]
    for name in given:
        if not isinstance(name, str):
            raise DoesNotFitError("Expected a directory with names of files")
        check_name(name)
        if any(str(parent) in given for parent in PurePosixPath(name).parents):
            raise DoesNotFitError(f"{name[:80]!r} lies below what is a file in the same Directory")
    files = {name: file.from_wire(each, locate) for name, each in sorted(given.items())}
    return known(files, str(form.get("name", "")), folder)


def known(files: Mapping[str, File], name: str, folder: Folder | None) -> Directory:
    """A directory of files that are known already; ``folder`` is where it may be laid out."""
    directory = Directory(name, name=name)
    directory._path, directory._files, directory._folder = None, MappingProxyType(dict(files)), folder  # noqa: SLF001
    return directory
