"""Blobs over HTTP: verified on the way in, in ranges on the way out."""

import asyncio
import hashlib

import pytest

from tests.server.http import Http, until
from tests.server.mill import Mill

BLOBS = "/api/v1/blobs"
OCTETS = "application/octet-stream"
DATA = bytes(range(256)) * 40
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture
async def blob(http: Http) -> str:
    answer = await http("PUT", f"{BLOBS}/{DIGEST}", DATA, content_type=OCTETS)
    assert (answer.status, answer.json) == (201, {"digest": DIGEST, "size": len(DATA)})
    return f"{BLOBS}/{DIGEST}"


@pytest.mark.feature("I4")
async def test_a_blob_is_stored_found_and_read(http: Http, blob: str) -> None:
    head = await http("HEAD", blob)
    assert (head.status, head.headers["content-length"]) == (200, str(len(DATA)))
    whole = await http.get(blob)
    assert (whole.body, whole.headers["etag"]) == (DATA, f'"{DIGEST}"')
    assert (await http.get(blob, if_none_match=f'"{DIGEST}"')).status == 304
    assert (await http("PUT", blob, DATA, content_type=OCTETS)).status == 201
    assert (await http.post(BLOBS, DATA, content_type=OCTETS)).json["digest"] == DIGEST


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=100-", 100, None),
        ("bytes=-5", -5, None),
        ("bytes=0-99999999", 0, None),
        ("bytes=-99999999", 0, None),
    ],
)
async def test_a_range_of_it(http: Http, blob: str, asked: str, start: int, end: int | None) -> None:
    answer = await http.get(blob, range=asked)
    first = start % len(DATA)
    assert (answer.status, answer.body) == (206, DATA[start:end])
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(DATA)}"


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=5-4", "bytes=-0"])
async def test_a_range_outside_is_refused(http: Http, blob: str, asked: str) -> None:
    answer = await http.get(blob, range=asked)
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(DATA)}")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b"])
async def test_a_range_that_is_none_gives_all(http: Http, blob: str, asked: str) -> None:
    assert (await http.get(blob, range=asked)).status == 200
    assert (await http.get(blob, range="bytes=0-1", if_range='"other"')).status == 200


async def test_other_bytes_than_promised_are_refused_and_leave_nothing(http: Http) -> None:
    answer = await http("PUT", f"{BLOBS}/{DIGEST}", DATA + b"!", content_type=OCTETS)
    assert (answer.status, answer.problem) == (422, "damaged")
    assert (await http.get(f"{BLOBS}/{DIGEST}")).problem == "unknown_blob"
    assert (await http("HEAD", f"{BLOBS}/{DIGEST}")).status == 404
    assert (await http("PUT", f"{BLOBS}/nonsense", DATA, content_type=OCTETS)).problem == "bad_request"


async def test_an_upload_that_breaks_off_leaves_nothing(served: Mill, http: Http) -> None:
    host = served.url.removeprefix("http://")
    _, writer = await asyncio.open_connection(*host.split(":"))
    lines = (
        f"PUT {BLOBS}/{DIGEST} HTTP/1.1",
        f"Host: {host}",
        f"Content-Type: {OCTETS}",
        f"Content-Length: {len(DATA)}",
    )
    writer.write("\r\n".join([*lines, "", ""]).encode() + DATA[:-1])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    parts = served.folder / "blobs" / "parts"

    async def is_clean() -> bool:
        return not any(parts.glob("*"))

    await until(is_clean)
    assert (await http("HEAD", f"{BLOBS}/{DIGEST}")).status == 404


async def test_a_large_input_of_anybody_becomes_a_blob_by_itself(working: Http) -> None:
    run = (await working.post("/api/v1/runs", {"task": "media.echo", "input": {"data": "QUJD" * 20_000}})).json["id"]
    result = await working.get(f"/api/v1/runs/{run}/result?wait=10")
    assert result.json["value"] == "QUJD" * 20_000
