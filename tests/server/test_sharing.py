"""Stores and channels over HTTP, and the writes of attempts: once each, and only of the live one."""

from typing import Any

import msgspec
import pytest

from tests.engine.peer import Mill as Bench
from tests.server.http import Http
from tests.server.test_runs import submit
from tidemill.adapters.storage.sqlite.store import Measure, SqliteOptions
from tidemill.core import sharing
from tidemill.core.run import Code
from tidemill.core.shared_rows import Written
from tidemill.core.sharing import Add, Delete, Fence, Get, NotShared, Op, Post, Put, Reach, Read, Shared
from tidemill.core.values import Blob, Inline
from tidemill.engine.sharing import Place
from tidemill.wire.worker import AttemptRef

WORKFLOW = "/api/v1/workflows/media.add"
ONE = Inline(msgspec.msgpack.encode(1))


async def test_values_are_put_got_listed_and_deleted(http: Http) -> None:
    store = f"{WORKFLOW}/store/seen"
    for key in ("a/1", "a/2", "b"):
        made = await http("PUT", f"{store}/{key}", msgspec.json.encode({"value": {"key": key}}))
        assert (made.status, made.json["value"]) == (200, {"key": key})
    assert (await http.get(f"{store}/a/2")).json == {"key": "a/2", "value": {"key": "a/2"}, "version": 2}
    page = (await http.get(f"{store}?prefix=a/&limit=1")).json
    assert ([each["key"] for each in page["entries"]], page["next"]) == (["a/1"], "a/1")
    assert [each["key"] for each in (await http.get(f"{store}?prefix=a/&after=a/1")).json["entries"]] == ["a/2"]
    large = msgspec.json.encode({"value": "x" * 100_000, "version": 0})
    assert (await http("PUT", f"{store}/large", large)).json["version"] == 4
    assert len((await http.get(f"{store}/large")).json["value"]) == 100_000
    stale = await http("PUT", f"{store}/b", msgspec.json.encode({"value": 1, "version": 1}))
    assert (stale.status, stale.json["type"], "version 3" in stale.json["detail"]) == (409, "conflict", True)
    assert (await http("DELETE", f"{store}/b?version=1", content_type="application/json")).status == 409
    assert (await http("DELETE", f"{store}/b?version=3", content_type="application/json")).status == 204
    assert (await http("DELETE", f"{store}/b", content_type="application/json")).status == 204
    gone = await http.get(f"{store}/b")
    assert (gone.status, gone.json["type"]) == (404, "unknown_value")
    assert (await http.get(f"{WORKFLOW}/store/a%20b/c")).status == 400
    assert (await http("PUT", f"{store}/{'k' * 600}", msgspec.json.encode({"value": 1}))).status == 400


async def test_what_a_run_shares_is_there_after_its_end_and_stays_as_it_is(working: Http) -> None:
    run = await submit(working, "media.add", a=1)
    await working.get(f"/api/v1/runs/{run}/result?wait=10")
    place = f"/api/v1/runs/{run}"
    refused = await working("PUT", f"{place}/store/seen/a", msgspec.json.encode({"value": 1}))
    assert (refused.status, refused.json["type"]) == (409, "not_possible")
    assert (await working.get(f"{place}/store/seen")).json == {"entries": []}
    assert (await working.get(f"{place}/channel/line?wait=20")).json == {"items": [], "is_over": True}
    nobody = "0190d5a4-0000-7000-8000-000000000000"
    assert (await working.get(f"/api/v1/runs/{nobody}/store/seen")).status == 404


class Attempt:
    """One that writes, numbered as its worker does it."""

    def __init__(self, bench: Bench, ref: AttemptRef) -> None:
        self.bench, self.ref = bench, ref

    async def write(self, number: int, op: Any, value: Inline | Blob | None = None, name: str = "seen") -> Any:
        fence = Fence(self.ref.run, self.ref.path, self.ref.number, number)  # type: ignore[arg-type]  # its bytes
        place = Place(Reach.RUN, name, fence.run)
        return await self.bench.engine.shelves.write(place, op, value, fence)

    async def ask(self, op: Any, name: str = "seen") -> Shared:
        found = await self.bench.engine.shelves.ask(Place(Reach.RUN, name, self.ref.run), op)  # type: ignore[arg-type]
        assert isinstance(found, Shared)
        return found


@pytest.mark.parametrize("op", [Add("a", 5), Put("a"), Post(), Delete("b")])
async def test_a_write_that_is_asked_for_again_is_done_once(tmp_path: Any, op: Op) -> None:
    async with Bench(tmp_path).opened() as bench:
        peer = await bench.worker()
        await bench.started()
        attempt = Attempt(bench, await peer.take())
        await attempt.write(1, Put("b"), ONE)
        value = ONE if isinstance(op, Put | Post) else None
        first = await attempt.write(2, op, value)
        assert isinstance(first, Written)
        assert [await attempt.write(2, op, value) for _ in range(3)] == [first] * 3
        assert isinstance(await attempt.write(1, Put("b"), ONE), NotShared)
        third = await attempt.write(3, Add("sum", 1))
        assert (third.sum, await attempt.write(3, Add("sum", 1))) == (1, third)
        assert len((await attempt.ask(Read())).entries) == isinstance(op, Post)


async def test_an_attempt_that_was_overtaken_writes_nothing_more(tmp_path: Any) -> None:
    async with Bench(tmp_path).opened() as bench:
        peer = await bench.worker()
        await bench.started()
        first = Attempt(bench, await peer.take())
        await first.write(1, Add("n", 1))
        await peer.fail(first.ref, Code.TRANSIENT)
        second = Attempt(bench, await peer.take())
        late = await first.write(2, Add("n", 1))
        assert (type(late), late.type) == (NotShared, "overtaken")
        assert (await second.write(1, Add("n", 1))).sum == 2
        await peer.succeed(second.ref)
        assert (await second.write(2, Add("n", 1))).type == "overtaken"


async def test_bounds_are_kept_and_told(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_ENTRIES", 2)
    monkeypatch.setattr(sharing, "MOST_ITEMS", 2)
    async with Bench(tmp_path).opened() as bench:
        peer = await bench.worker()
        await bench.started()
        attempt = Attempt(bench, await peer.take())
        for number, key in enumerate("abb", 1):
            assert isinstance(await attempt.write(number, Put(key), ONE), Written)
        full = await attempt.write(4, Put("c"), ONE)
        assert (full.type, "the most there may be" in full.detail) == ("too_many", True)
        await attempt.write(5, Delete("a"))
        assert isinstance(await attempt.write(6, Put("c"), ONE), Written)
        sent = [await attempt.write(7 + each, Post(), ONE, "line") for each in range(3)]
        assert [getattr(each, "version", each) for each in sent[:2]] == [1, 2]
        assert sent[2].type == "too_many"
        lost = await attempt.write(10, Put("b"), Blob(b"\0" * 32, 1))
        assert lost.type == "missing_blob"


async def test_a_write_costs_a_bounded_number_of_statements(tmp_path: Any) -> None:
    mill = Bench(tmp_path)
    mill.options = SqliteOptions(measure=Measure.COUNTS)
    async with mill.opened() as bench:
        peer = await bench.worker()
        await bench.started()
        attempt = Attempt(bench, await peer.take())
        costs = []
        for number in range(1, 301):
            before = bench.store.counts()
            await attempt.write(number, Put(f"key/{number}"), ONE)
            after = bench.store.counts()
            costs.append((after.statements - before.statements, after.rows_written - before.rows_written))
        assert max(costs[200:]) <= max(costs[:100])
        assert max(statements for statements, _ in costs) <= 14
        assert (await attempt.ask(Get("key/300"))).entries[0][2] == 300
