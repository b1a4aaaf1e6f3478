"""Whether blobs are there, and what their names say. Looks only, so a server may run meanwhile."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_CHUNK_BYTES = 1024 * 1024


def check_blobs(folder: Path, named: Iterable[tuple[bytes, int]]) -> Iterator[str]:
    """What is wrong with blobs that rows name, in words."""
    for digest, size in named:
        text = digest.hex()
        path = folder / text[:2] / text
        try:
            found, length = _look(path)
        except OSError as error:
            yield f"the blob sha256:{text} cannot be read: {error.strerror}"
            continue
        if (found, length) != (digest, size):
            yield f"the blob sha256:{text} is damaged: it has {length:,} bytes, and had {size:,}"


def _look(path: Path) -> tuple[bytes, int]:
    found, length = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
            length += len(chunk)
    return found.digest(), length
