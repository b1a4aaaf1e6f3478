"""What every home of blobs does."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts.blobs.conftest import OpenBlobs
from tidemill.core.ids import Digest, digest_of
from tidemill.ports.blobs import BlobDamagedError, BlobMissingError, Blobs

LIMIT = 10 * 1024 * 1024
ABSENT = digest_of(b"absent")


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(blobs: Blobs, digest: Digest, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([part async for part in blobs.read(digest, start, end)])


@given(st.lists(st.binary(max_size=200)), st.integers(0, 300), st.integers(0, 300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_what_is_written_is_read_in_any_range(
    open_blobs: OpenBlobs, chunks: list[bytes], start: int, length: int
) -> None:
    async def check() -> None:
        blobs = open_blobs()
        data = b"".join(chunks)
        digest, size = await blobs.write(stream(*chunks), None, LIMIT)
        assert (digest, size) == (digest_of(data), len(data))
        assert await blobs.size(digest) == len(data)
        assert await read(blobs, digest) == data
        assert await read(blobs, digest, start, start + length) == data[start : start + length]
        assert await read(blobs, digest, start) == data[start:]
        assert await blobs.fetch(digest, len(data)) == data

    asyncio.run(check())


async def test_a_large_blob_goes_through_in_pieces(blobs: Blobs) -> None:
    chunks = [bytes([n]) * 700_000 for n in range(7)]
    digest, size = await blobs.write(stream(*chunks), None, LIMIT)
    assert size == 4_900_000
    assert [len(part) async for part in blobs.read(digest)] == [1 << 20] * 4 + [4_900_000 - 4 * (1 << 20)]
    assert hashlib.sha256(await read(blobs, digest)).digest() == digest
    assert await read(blobs, digest, 699_999, 700_001) == b"\0\1"


async def test_a_blob_survives_reopening(open_blobs: OpenBlobs) -> None:
    digest, _ = await open_blobs().write(stream(b"abc"), None, LIMIT)
    assert await read(open_blobs(), digest) == b"abc"


async def test_an_absent_blob_is_missing(blobs: Blobs) -> None:
    assert await blobs.size(ABSENT) is None
    with pytest.raises(BlobMissingError):
        await read(blobs, ABSENT)
    with pytest.raises(BlobMissingError):
        await blobs.fetch(ABSENT, LIMIT)


async def test_bytes_of_another_digest_are_refused_and_leave_nothing(blobs: Blobs) -> None:
    with pytest.raises(BlobDamagedError):
        await blobs.write(stream(b"abc"), ABSENT, LIMIT)
    assert await blobs.size(ABSENT) is None
    assert await blobs.size(digest_of(b"abc")) is None


@pytest.mark.parametrize("chunks", [[b"x" * 11], [b"x"] * 11])
async def test_more_than_the_limit_is_refused_and_leaves_nothing(blobs: Blobs, chunks: list[bytes]) -> None:
    with pytest.raises(BlobDamagedError):
        await blobs.write(stream(*chunks), None, 10)
    assert await blobs.size(digest_of(b"x" * 11)) is None
    assert await blobs.write(stream(b"x" * 10), None, 10) == (digest_of(b"x" * 10), 10)


async def test_fetch_takes_no_more_than_its_limit(blobs: Blobs) -> None:
    digest, _ = await blobs.write(stream(b"x" * 11), None, LIMIT)
    with pytest.raises(BlobDamagedError):
        await blobs.fetch(digest, 10)


async def test_writing_what_is_there_changes_nothing(blobs: Blobs) -> None:
    first = await blobs.write(stream(b"abc"), None, LIMIT)
    assert await blobs.write(stream(b"a", b"bc"), first[0], LIMIT) == first
    assert await read(blobs, first[0]) == b"abc"


async def test_many_write_the_same_blob_at_once(blobs: Blobs) -> None:
    data = b"y" * 100_000
    found = await asyncio.gather(*(blobs.write(stream(data), None, LIMIT) for _ in range(8)))
    assert set(found) == {(digest_of(data), len(data))}
    assert await read(blobs, digest_of(data)) == data


async def test_a_stream_that_breaks_leaves_nothing(blobs: Blobs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"z" * 2_000_000
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await blobs.write(broken(), None, LIMIT)
    assert await blobs.size(digest_of(b"z" * 2_000_000)) is None


async def test_what_is_stored_is_listed_by_digest_and_deleted_once_for_all(blobs: Blobs) -> None:
    digests = sorted([(await blobs.write(stream(bytes([number])), None, LIMIT))[0] for number in range(40)])
    listed = await blobs.stored(b"", 100)
    assert [digest for digest, _ in listed] == digests
    pages = [await blobs.stored(after, 15) for after in (b"", digests[14], digests[29], digests[39])]
    assert [len(page) for page in pages] == [15, 15, 10, 0]
    assert [digest for page in pages for digest, _ in page] == digests
    for digest in (digests[3], digests[3], digest_of(b"never there")):
        await blobs.delete(digest)
    assert [digest for digest, _ in await blobs.stored(b"", 100)] == digests[:3] + digests[4:]
    assert await blobs.size(digests[3]) is None


async def test_whoever_writes_what_is_there_already_gives_it_another_stamp(blobs: Blobs) -> None:
    digest, _ = await blobs.write(stream(b"again"), None, LIMIT)
    ((_, before),) = await blobs.stored(b"", 10)
    for _ in range(1000):
        await blobs.write(stream(b"again"), digest, LIMIT)
        ((_, after),) = await blobs.stored(b"", 10)
        if after != before:  # the clock of a file system goes in steps
            return
    raise AssertionError("the stamp stays as it was")
