"""A whole look at a data folder."""

from collections.abc import Iterator
from pathlib import Path

from tidemill.adapters.storage.folder.checking import check_blobs
from tidemill.adapters.storage.sqlite.checking import check_file, named_blobs
from tidemill.adapters.storage.sqlite.mark import check_mark
from tidemill.core.errors import InputError


def check_data(data: Path) -> Iterator[str]:
    """What is wrong with a folder's databases and blobs, in words.

    Raises:
        InputError: there is no store in the folder.
    """
    store, logs = data / "tidemill.db", data / "logs.db"
    if not store.exists():
        raise InputError(f"there is no store in {data}: name the data folder of a server with --data")
    damages = [*_missing(store), *check_file(store)]
    yield from damages
    if logs.exists():
        yield from check_file(logs)
    if not damages:  # else it may name blobs that never were
        yield from check_blobs(data / "blobs", named_blobs(store))


def _missing(store: Path) -> Iterator[str]:
    try:
        check_mark(str(store))
    except InputError as error:
        yield str(error)
