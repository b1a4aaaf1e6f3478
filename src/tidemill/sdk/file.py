"""`File`: bytes by digest, with a name. The one place of the SDK that reads a local file."""

import hashlib
from collections.abc import Callable
from mimetypes import MimeTypes
from pathlib import Path, PurePath
from typing import IO, Any, cast

from tidemill.core.bodies import LocalFile
from tidemill.core.ids import Digest, digest_text, parse_digest
from tidemill.sdk.errors import DoesNotFitError, NoLocalCopyError

KEY = "$file"  # of the wire form: {"$file": "sha256:…", "size": n, "media_type": "…", "name": "…"}
UNKNOWN_MEDIA_TYPE = "application/octet-stream"
SCHEMA: dict[str, Any] = {
    "title": "File",
    "type": "object",
    "properties": {
        KEY: {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
        "size": {"type": "integer", "minimum": 0},
        "media_type": {"type": "string"},
        "name": {"type": "string"},
    },
    "required": [KEY, "size"],
}

_types = MimeTypes()


Locate = Callable[["File"], str]  # the path of a local copy; may fetch it, and then blocks


class File:
    """A file that travels by digest: its bytes move apart from the values that name it.

    ``File("photo.png")`` is made from a local path. It is uploaded, once, when it is sent. A task gets its files
    with the bytes at ``path``; do not write there.
    """

    __slots__ = ("_digest", "_locate", "_path", "_size", "media_type", "name")

    def __init__(self, path: str | Path, *, name: str = "", media_type: str = "") -> None:
        self._path: str | None = str(path)
        self._digest: Digest | None = None
        self._size = 0
        self._locate: Locate | None = None
        self.name = name or PurePath(path).name
        self.media_type = media_type or _types.guess_type(self.name)[0] or UNKNOWN_MEDIA_TYPE

    @property
    def digest(self) -> str:
        """``sha256:`` and 64 hexadecimal digits; of a file made from a path, read from there once."""
        return digest_text(self._measured()[0])

    @property
    def size(self) -> int:
        """In bytes."""
        return self._measured()[1]

    @property
    def path(self) -> Path:
        """The bytes on this machine. Raises NoLocalCopyError where there are none."""
        if self._path is None:
            if self._locate is None:
                raise NoLocalCopyError(self.name or self.digest)
            self._path = self._locate(self)
        return Path(self._path)

    def open(self) -> IO[bytes]:
        return self.path.open("rb")

    def read(self) -> bytes:
        return self.path.read_bytes()

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.path.read_text(encoding)

    def _measured(self) -> tuple[Digest, int]:
        if self._digest is None:
            with self.open() as file:
                self._digest = Digest(hashlib.file_digest(cast(Any, file), "sha256").digest())
                self._size = file.tell()
        return self._digest, self._size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and to_wire(self) == to_wire(other)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        known = digest_text(self._digest)[:19] if self._digest else self._path
        return f"File({self.name!r}, {known})"


def stored(*, digest: str, size: int, media_type: str = UNKNOWN_MEDIA_TYPE, name: str = "") -> File:
    """A file that the blob store holds; its bytes need not be here."""
    return known(digest=parse_digest(digest), size=size, media_type=media_type, name=name, path=None)


def known(*, digest: Digest, size: int, media_type: str, name: str, path: str | None) -> File:
    """A file whose digest is known already; with a path, it still counts as one to upload."""
    file = File(path or name, name=name, media_type=media_type or UNKNOWN_MEDIA_TYPE)
    file._digest, file._size, file._path = digest, size, path  # noqa: SLF001  # its own module
    return file


def to_wire(file: File) -> dict[str, Any]:
    return {KEY: file.digest, "size": file.size, "media_type": file.media_type, "name": file.name}


def from_wire(form: Any, locate: Locate | None) -> File:
    """Read the wire form. Raises DoesNotFitError."""
    if isinstance(form, File):
        return form
    if not isinstance(form, dict) or not isinstance(form.get(KEY), str):
        raise DoesNotFitError(f"Expected a file, an object with the key {KEY!r}")
    if not isinstance(form.get("size"), int):
        raise DoesNotFitError("Expected a file with its size")
    file = stored(
        digest=form[KEY],
        size=form["size"],
        media_type=str(form.get("media_type", "")),
        name=str(form.get("name", "")),
    )
    file._locate = locate  # noqa: SLF001
    return file


def to_upload(file: File) -> LocalFile | None:
    """None for a file that came from the blob store."""
    if file._locate is not None or file._path is None:  # noqa: SLF001
        return None
    digest, size = file._measured()  # noqa: SLF001
    return LocalFile(file._path, digest, size, file.media_type)  # noqa: SLF001
