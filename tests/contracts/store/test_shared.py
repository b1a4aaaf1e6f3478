"""Entries of stores and items of channels: in order, by prefix, page by page; what goes and comes in one beat."""

from tests.contracts.store.conftest import OpenStore
from tests.contracts.store.sample import write
from tidemill.core.rows import Changes, Keys
from tidemill.core.shared_rows import Kept, Posted
from tidemill.core.values import Inline

OWNER, OTHER = b"wa", b"wb"


def kept(key: str, version: int = 1, owner: bytes = OWNER) -> Kept:
    return Kept(owner, "seen", key, Inline(b"\x01"), version, 7)


async def test_entries_come_by_key_and_prefix_page_by_page(open_store: OpenStore) -> None:
    store = await open_store()
    rows = [kept(key) for key in ("a", "a/1", "a/2", "a/é", "a\U0010fffe", "b")]
    await write(store, Changes(kept=[*reversed(rows), kept("a/0", owner=OTHER)]))
    assert list(await store.kept(OWNER, "seen", "", "", 100)) == rows
    assert [row.key for row in await store.kept(OWNER, "seen", "a/", "", 2)] == ["a/1", "a/2"]
    assert [row.key for row in await store.kept(OWNER, "seen", "a/", "a/2", 2)] == ["a/é"]
    assert await store.kept(OWNER, "other", "", "", 100) == []


async def test_an_entry_that_goes_and_comes_in_one_beat_is_there(open_store: OpenStore) -> None:
    store = await open_store()
    await write(store, Changes(kept=[kept("a"), kept("b")]))
    await write(store, Changes(kept_drop=[(OWNER, "seen", "a"), (OWNER, "seen", "b")], kept=[kept("b", 2)]))
    rows = (await store.rows(Keys(kept=[(OWNER, "seen", "a"), (OWNER, "seen", "b")]))).kept
    assert [row and row.version for row in rows.values()] == [None, 2]


async def test_items_come_by_number(open_store: OpenStore) -> None:
    store = await open_store()
    rows = [Posted(OWNER, "line", number, Inline(b"\x01"), 7) for number in range(1, 13)]
    await write(store, Changes(posted=rows))
    assert list(await store.posted(OWNER, "line", 0, 100)) == rows
    assert [row.number for row in await store.posted(OWNER, "line", 9, 2)] == [10, 11]
    assert await store.posted(OTHER, "line", 0, 100) == []
