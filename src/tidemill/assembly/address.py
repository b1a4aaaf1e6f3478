"""Where the server of a data folder is: one line in the folder, for commands that look for it."""

from dataclasses import dataclass
from pathlib import Path

from tidemill.adapters.system.disk import OsDisk
from tidemill.assembly.signals import Ends
from tidemill.ports.faults import Faults

ADDRESS_FILE = "server.url"


@dataclass(frozen=True)
class Address:
    """``store`` is the id of its store: a port may be somebody else's by now."""

    url: str
    store: str
    ends: Ends


def write_address(data: Path, address: Address, faults: Faults) -> None:
    """Whole, or not at all: commands read it at any moment."""
    disk, part = OsDisk(data), f"{ADDRESS_FILE}.part"
    disk.delete(part)
    faults.reach("address.write.before")
    disk.write_part(part, f"{address.url} {address.store} {address.ends.name.lower()}\n".encode())
    faults.reach("address.sync.before")
    disk.sync(part)
    faults.reach("address.rename.before")
    disk.rename(part, ADDRESS_FILE)
    faults.reach("address.rename.after")


def read_address(data: Path) -> Address | None:
    """Of the last server there, which may have ended; None when there was none."""
    try:
        url, store, ends = (data / ADDRESS_FILE).read_text("utf-8").split()
        return Address(url, store, Ends[ends.upper()])
    except (OSError, ValueError, KeyError):  # or it is being written
        return None
