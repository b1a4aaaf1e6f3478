"""The private folders of attempts, and the copies of files that they saved by name."""

import hashlib
import shutil
from functools import partial
from pathlib import Path

from tidemill.core.ids import Digest, digest_of
from tidemill.ports.disk import Disk
from tidemill.sdk.file import File, LocalFile, known
from tidemill.wire.worker import AttemptRef, Published
from tidemill.worker.attempt import Saved
from tidemill.worker.chores import Chores
from tidemill.worker.settings import Keep

FOLDER = "attempts/"
_CHUNK_BYTES = 1024 * 1024


class Folders:
    """What blocks here is called in the thread of the body that wants it.

    Args:
        root: where the Disk port writes.
    """

    def __init__(self, root: Path, disk: Disk, chores: Chores, keep: Keep) -> None:
        self._root, self._disk, self._chores, self._keep = root, disk, chores, keep

    def name_of(self, attempt: AttemptRef) -> str:
        place = hashlib.sha256(attempt.path.encode()).hexdigest()[:16]
        return f"{FOLDER}{attempt.run.hex()}-{place}-{attempt.number}"

    def files_of(self, folder: str) -> str:
        """The path of the part that is the task's own."""
        return str(self._root / folder / "files")

    def save_bytes(self, folder: str, published: str, data: bytes, media_type: str) -> tuple[File, Saved]:
        digest = digest_of(data)
        place = f"{folder}/saved/{digest.hex()}"
        self._disk.delete(place)
        self._disk.write_part(place, data)
        return self._saved(place, published, digest, len(data), media_type)

    def save_file(self, folder: str, published: str, path: str, media_type: str) -> tuple[File, Saved]:
        part, found, size = f"{folder}/saved/part-{hashlib.sha256(path.encode()).hexdigest()}", hashlib.sha256(), 0
        self._disk.delete(part)
        self._disk.write_part(part, b"")
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                found.update(chunk)
                size += len(chunk)
                self._disk.write_part(part, chunk)
        place = f"{folder}/saved/{found.hexdigest()}"
        self._disk.rename(part, place)
        return self._saved(place, published, Digest(found.digest()), size, media_type)

    def _saved(self, place: str, name: str, digest: Digest, size: int, media_type: str) -> tuple[File, Saved]:
        path = str(self._root / place)
        file = known(digest=digest, size=size, media_type=media_type or File(name).media_type, name=name, path=path)
        published = Published(name, digest, size, file.media_type)
        return file, Saved(published, LocalFile(path, digest, size, file.media_type))

    def release(self, folder: str) -> None:
        """The result was accepted, or will not be: the folder goes, unless it was asked to stay."""
        if folder and self._keep is Keep.UNTIL_ACCEPTED:
            self._chores.add("files.remove", partial(shutil.rmtree, self._root / folder, ignore_errors=True))

    def sweep(self) -> None:
        """At start: an earlier life left these."""
        if self._keep is Keep.UNTIL_ACCEPTED and self._disk.list(FOLDER):
            shutil.rmtree(self._root / FOLDER, ignore_errors=True)
