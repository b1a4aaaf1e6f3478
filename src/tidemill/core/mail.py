"""Mailboxes: who waits at an address, and what came there early. Functions over a draft.

A mailbox is a row that decisions load, as they load limits; it belongs to no run where a key is its address.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from tidemill.core.ids import Path, RunId
from tidemill.core.overlay import Draft
from tidemill.core.rows import Emitted, Keys
from tidemill.core.tables import RowsMissingError
from tidemill.core.wait_rows import KEPT_US, MOST_EARLY, MOST_WAITERS, Address, Early, Mailbox, SignalRow, WaitRow


def wait_of(draft: Draft, run: RunId, path: Path) -> WaitRow | None:
    key = (run, path)
    if (row := draft.waits.get(key)) is not None:
        return row
    try:
        return draft.over.waits.rows[key]
    except KeyError:
        raise RowsMissingError(Keys(waits=[key])) from None


def mailbox(draft: Draft, address: Address) -> Mailbox:
    if (row := draft.mailboxes.get(address)) is not None:
        return row
    try:
        return draft.over.mailboxes.rows[address] or Mailbox(address)
    except KeyError:
        raise RowsMissingError(Keys(mailboxes=[address])) from None


def signal_of(draft: Draft, address: Address, id_: str) -> SignalRow | None:
    """A signal that is still known; after a week it is not."""
    key = (address, id_)
    if (row := draft.signals.get(key)) is None:
        try:
            row = draft.over.signals.rows[key]
        except KeyError:
            raise RowsMissingError(Keys(signals=[key])) from None
    return row if row is not None and row.expires_at > draft.at else None


def latest_told(draft: Draft, run: RunId, kind: str) -> Emitted | None:
    """The latest event of a type that the run's tasks told of."""
    key = (run, kind)
    if (row := draft.told.get(key)) is not None:
        return row
    try:
        return draft.over.told.rows[key]
    except KeyError:
        raise RowsMissingError(Keys(told=[key])) from None


def require(draft: Draft, run: RunId, paths: Iterable[Path]) -> None:
    """Have the waits of many steps loaded, and their mailboxes, at two blows."""
    keys = [(run, path) for path in paths]
    if missing := [key for key in keys if key not in draft.over.waits.rows]:
        raise RowsMissingError(Keys(waits=missing))
    rows = [row for key in keys if (row := draft.over.waits.rows[key]) is not None and row.closed is None]
    addresses = dict.fromkeys(row.address for row in rows if row.address is not None)
    if lacking := [each for each in addresses if each not in draft.over.mailboxes.rows]:
        raise RowsMissingError(Keys(mailboxes=lacking))


# Changing ------------------------------------------------------------------------------------------


def put(draft: Draft, box: Mailbox) -> None:
    draft.mailboxes[box.address] = box


def stand_in_line(draft: Draft, box: Mailbox, run: RunId, path: Path) -> bool:
    """Wait at an address; False when as many wait there as may."""
    if len(box.waiting) >= MOST_WAITERS:
        return False
    put(draft, replace(box, waiting=(*box.waiting, (run, path))))
    return True


def leave(draft: Draft, wait: WaitRow) -> None:
    """A step waits no more."""
    if wait.address is not None:
        box = mailbox(draft, wait.address)
        put(draft, replace(box, waiting=tuple(each for each in box.waiting if each != (wait.run, wait.path))))


def keep(draft: Draft, box: Mailbox, signal: SignalRow) -> bool:
    """Keep a signal that nobody waits for yet; False when the mailbox is full."""
    early = tuple(each for each in box.early if each.sent_at + KEPT_US > draft.at)
    if len(early) >= MOST_EARLY:
        return False
    put(draft, replace(box, early=(*early, Early(signal.id, signal.sent_at))))
    draft.signals[signal.address, signal.id] = signal
    return True


def take(draft: Draft, box: Mailbox) -> SignalRow | None:
    """The signal that came first and is still there."""
    for count, each in enumerate(box.early, 1):
        signal = signal_of(draft, box.address, each.id)
        if signal is not None:
            put(draft, replace(box, early=box.early[count:]))
            return signal
    if box.early:
        put(draft, replace(box, early=()))
    return None
