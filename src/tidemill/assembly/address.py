"""Where the server of a data folder is: one line in the folder, for commands that look for it."""

from dataclasses import dataclass
from pathlib import Path

from tidemill.assembly.signals import Ends

ADDRESS_FILE = "server.url"


@dataclass(frozen=True)
class Address:
    """``store`` is the id of its store: a port may be somebody else's by now."""

    url: str
    store: str
    ends: Ends


def write_address(data: Path, address: Address) -> None:
    (data / ADDRESS_FILE).write_text(f"{address.url} {address.store} {address.ends.name.lower()}\n", "utf-8")


def read_address(data: Path) -> Address | None:
    """Of the last server there, which may have ended; None when there was none."""
    try:
        url, store, ends = (data / ADDRESS_FILE).read_text("utf-8").split()
        return Address(url, store, Ends[ends.upper()])
    except (OSError, ValueError, KeyError):  # or it is being written
        return None
