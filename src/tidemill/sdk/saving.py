"""The names under which an attempt saves files."""

from tidemill.sdk.errors import InvalidInputError
from tidemill.sdk.ports import IfExists

NAME_LIMIT = 255


class SavedNames:
    """Those that are taken. Whoever implements FilesPort asks ``check`` before a file is saved, and then adds it."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def check(self, name: str, if_exists: IfExists) -> None:
        """Raises InvalidInputError for what is no name, FileExistsError for one that is taken and is to be kept."""
        if not name or len(name) > NAME_LIMIT or name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise InvalidInputError(
                f"{name!r} is no name for a file; use a relative one without '..', up to {NAME_LIMIT} long"
            )
        if if_exists is IfExists.REFUSE and name in self._taken:
            raise FileExistsError(f"the name {name!r} is taken; replace_bytes and replace_file write over it")

    def add(self, name: str) -> None:
        self._taken.add(name)
