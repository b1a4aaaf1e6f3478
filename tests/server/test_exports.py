"""A run as one file: out of one server, into another, and what is refused on the way."""

import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.server.http import Answer, Http, speaking
from tests.server.mill import Mill, mill
from tests.server.tasks import media
from tests.server.test_runs import RUNS, submit
from tidemill.core.ids import parse_run_id
from tidemill.core.rows import Changes
from tidemill.core.run import Hidden
from tidemill.wire.exports import RunHead

OCTETS = "application/octet-stream"
LARGE = "x" * 40_000


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Mill]:
    async with mill(tmp_path / "other") as running:
        yield running


@pytest.fixture
async def there(other: Mill) -> AsyncIterator[Http]:
    async with speaking(other.url) as made:
        yield made


async def ended(http: Http, task: str, **inputs: object) -> str:
    run = await submit(http, task, **inputs)
    await http.get(f"{RUNS}/{run}/result?wait=20")
    return run


async def exported(http: Http, run: str) -> bytes:
    answer = await http.get(f"{RUNS}/{run}/export")
    assert answer.status == 200, answer
    return answer.body


async def taken(http: Http, file: bytes) -> Answer:
    return await http.post(f"{RUNS}/import", file, content_type=OCTETS)


def members(file: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(file)) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def made(parts: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in parts.items():
            info = tarfile.TarInfo(name)
            info.size, info.type = (len(data), tarfile.REGTYPE) if name != "link" else (0, kind)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


VIEWS = ("", "/result", "/steps", "/attempts", "/logs", "/events?limit=1000", "/artifacts", "/data", "/waits", "/why")


@pytest.mark.feature("F10")
async def test_a_run_looks_the_same_elsewhere_and_can_be_forked_there(
    served: Mill, working: Http, other: Mill, there: Http
) -> None:
    digest = (await working.post("/api/v1/blobs", b"a file", content_type=OCTETS)).json["digest"]
    file = {"$file": digest, "size": 6, "media_type": "text/plain", "name": "a.txt"}
    runs = [await ended(working, "media.echo", data=LARGE), await ended(working, "media.sleepy", seconds=0)]
    runs += [await ended(working, "media.shout", file=file), await ended(working, "media.count", upto=5)]
    runs += [await ended(working, "media.broken", text="no")]
    for run in runs:
        packed = await exported(working, run)
        done = await taken(there, packed)
        assert done.status == 201, done
        assert done.json["run"] == run
        for view in VIEWS:
            here, elsewhere = [await http.get(f"{RUNS}/{run}{view}") for http in (working, there)]
            assert elsewhere.status == here.status, view
            if view not in {"/logs", "/events?limit=1000"}:
                assert elsewhere.body == here.body, view
        logs = [(await http.get(f"{RUNS}/{run}/logs")).json["lines"] for http in (working, there)]
        texts = [[(line["path"], line["text"], line["at"]) for line in each] for each in logs]
        assert texts[0] == texts[1]
        events = [(await http.get(f"{RUNS}/{run}/events")).body.splitlines() for http in (working, there)]
        assert _plain(events[0]) == _plain(events[1]) != []
        assert (await exported(there, run))[:512] == packed[:512]
    assert (await there.get(f"{RUNS}/{runs[2]}/artifacts/loud.txt")).body == b"A FILE"
    assert (await there.get(f"{RUNS}/{runs[0]}/values/echo", accept="application/json")).json == LARGE
    assert not await other.engine.queries.hidden(10)
    assert not await other.engine.queries.unfinished(None, 10)
    async with other.worker(media):
        fork = (await there.post(f"{RUNS}/{runs[0]}/fork", {})).json["id"]
        assert (await there.get(f"{RUNS}/{fork}/result?wait=20")).json["value"] == LARGE
        (attempt,) = (await there.get(f"{RUNS}/{runs[0]}/attempts")).json["attempts"]
        assert (await there.get(f"{RUNS}/{fork}/attempts")).json["attempts"] == []
        assert attempt["worker"] == "w1"
    await other.keeper("30d").round()
    assert (await there.get(f"{RUNS}/{runs[0]}")).status == 200


def _plain(lines: list[bytes]) -> list[object]:
    """Each event without its number in the feed."""
    return [msgspec.json.decode(line[5:]) for line in lines if line.startswith(b"data:")]


async def test_what_is_here_runs_still_or_is_newer_is_refused_with_the_reason(working: Http, there: Http) -> None:
    run = await ended(working, "media.add", a=1)
    file = await exported(working, run)
    assert (await taken(working, file)).problem == "conflict"
    asleep = await submit(working, "media.sleepy", seconds=60)
    refused = await working.get(f"{RUNS}/{asleep}/export")
    assert (refused.problem, "running" in refused.json["detail"]) == ("not_possible", True)
    await working.post(f"{RUNS}/{asleep}/cancel", {})
    parts = members(file)
    head = msgspec.json.decode(parts["tidemill-run.json"], type=RunHead)
    newer = made({**parts, "tidemill-run.json": msgspec.json.encode(msgspec.structs.replace(head, version=2))})
    refused = await taken(there, newer)
    assert (refused.problem, "newer" in refused.json["detail"]) == ("not_possible", True)
    assert (await taken(there, file)).status == 201
    assert (await taken(there, file)).problem == "conflict"


async def test_what_is_damaged_or_half_a_file_or_plays_tricks_leaves_nothing(
    working: Http, other: Mill, there: Http
) -> None:
    run = await ended(working, "media.echo", data=LARGE)
    file = await exported(working, run)
    parts = members(file)
    rows, blob = next(name for name in parts if name.startswith("rows")), next(n for n in parts if "blobs/" in n)
    another = await exported(working, await ended(working, "media.add", a=1))
    foreign = next(data for name, data in members(another).items() if name.startswith("rows"))
    wrong: list[bytes] = [
        b"",
        b"nothing",
        file[: len(file) // 2],
        file[:-1500],
        file.replace(b"tidemill.run", b"tidemill.sun", 1),
        made({**parts, blob: b"y" + parts[blob][1:]}),
        made({**parts, rows: parts[rows].replace(b"w1", b"w2")}),
        made({**parts, rows: foreign}),
        made({**parts, rows: b"\x80"}),
        made({name: data for name, data in parts.items() if name != "end.json"}),
        made({name: data for name, data in parts.items() if name != blob}),
        made(
            {**{name: data for name, data in parts.items() if name != "end.json"}, "../../evil": b"", "end.json": b"{}"}
        ),
        made({"tidemill-run.json": parts["tidemill-run.json"], "blobs/../../x": b"evil"}),
        made({"tidemill-run.json": parts["tidemill-run.json"], "link": b""}, tarfile.SYMTYPE),
        made({rows: parts[rows]}),
    ]
    for number, each in enumerate(wrong):
        refused = await taken(there, each)
        assert refused.problem in {"damaged", "malformed"}, (number, refused)
        assert refused.json["detail"]
        await other.keeper().sweep()
        assert (await there.get(f"{RUNS}/{run}")).problem == "unknown_run"
        assert not await other.engine.queries.steps(parse_run_id(run), "", 10)
    assert (await taken(there, file)).status == 201
    assert (await there.get(f"{RUNS}/{run}/result")).json["value"] == LARGE


async def test_an_import_that_a_server_left_half_done_goes_a_day_later(working: Http, other: Mill, there: Http) -> None:
    run = await ended(working, "media.add", a=1)
    assert (await taken(there, await exported(working, run))).status == 201
    (row,) = (await other.engine.queries.part(parse_run_id(run), b"", 1)).changes.runs
    for age_s, stays in ((3600, True), (2 * 86_400, False)):
        at = other.engine.clock.now() - age_s * 1_000_000
        hidden = msgspec.structs.replace(row, hidden=Hidden.IMPORTING, hidden_at=at)
        await other.engine.record(Changes(runs=[hidden]))
        await other.keeper().round()
        assert bool(await other.engine.queries.hidden(1)) is stays
    assert not await other.engine.queries.steps(parse_run_id(run), "", 10)
