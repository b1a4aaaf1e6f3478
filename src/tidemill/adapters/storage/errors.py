"""What every database of ours may answer beside the errors of its port."""

from tidemill.core.errors import InputError, InternalError


class StoreRefusedError(InputError):
    """The file or the database cannot be our store, or not with this version or these settings."""


class StoreMisusedError(InternalError):
    """The store was used in an order that its port forbids."""


class StoreDamagedError(InternalError):
    """The file is not what was written."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(
            f"the database {path or 'of the server'} is damaged ({reason}): stop the server, look at the data folder "
            "with `tidemill store check`, and put back a copy of it; logs.db alone may be moved away, and is made anew"
        )


def lost_pieces(path: str, what: str) -> str:
    """What is said of a store that lacks commits that were acknowledged."""
    return (
        f"{path} lacks what was acknowledged: {what}. Its log ({path}-wal) was cut, damaged or left behind, or the "
        "file is an older copy: put back all files of one copy. To go on with what is there, and lose the rest, remove "
        f"{path}.mark"
    )
