"""Bits that change on the disk are noticed: no row is ever given that was not written."""

import random
from pathlib import Path

import msgspec
import pytest

from tests.contracts.store.sample import a_run, a_step, run_id, write
from tidemill.adapters.storage.errors import StoreDamagedError, StoreRefusedError
from tidemill.adapters.storage.packing import pack, unpack_step
from tidemill.adapters.storage.sealing import RowDamagedError
from tidemill.adapters.storage.sqlite.checking import check_file
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.storage.sqlite.store import SqliteStore
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.rows import Changes, Keys, Rows
from tidemill.core.values import Inline
from tidemill.ports.logs import LogRow
from tidemill.ports.store import StoreLostError

RUNS, PORTS = 30, 10
KEYS = Keys(
    runs=[run_id(n) for n in range(RUNS)],
    steps=[(run_id(n), "ocr") for n in range(RUNS)],
    values=[(run_id(n), "ocr", f"p{port}") for n in range(RUNS) for port in range(PORTS)],
)
LOUD = (RowDamagedError, StoreDamagedError, StoreRefusedError, StoreLostError)


def test_no_bit_of_a_row_changes_unseen() -> None:
    packed = pack(a_step())
    assert unpack_step(packed) == a_step()
    for bit in range(8 * len(packed)):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RowDamagedError, match="tidemill store check"):
            unpack_step(bytes(damaged))


@pytest.mark.parametrize("size", [0, 1, 4, 5, 20])
def test_no_piece_of_a_row_is_taken_for_one(size: int) -> None:
    with pytest.raises(RowDamagedError):
        unpack_step(pack(a_step())[:size])


def test_a_row_of_an_older_store_is_read() -> None:
    assert unpack_step(msgspec.msgpack.encode(a_step())) == a_step()


async def read(path: Path, threads: ThreadPool) -> Rows:
    store = SqliteStore(path, threads, OsEntropy())
    try:
        return await store.rows(KEYS)
    finally:
        await store.close()


async def filled(path: Path, threads: ThreadPool) -> Rows:
    store = SqliteStore(path, threads, OsEntropy())
    for n in range(RUNS):
        values = {(run_id(n), "ocr", f"p{port}"): Inline(bytes([n, port]) * 100) for port in range(PORTS)}
        await write(store, Changes(runs=[a_run(run_id(n))], steps=[a_step(run_id(n))], values=values))
    await store.close()
    return await read(path, threads)


def same_or_missing(found: Rows, whole: Rows) -> bool:
    """A key that changed is another key, which nobody asked for: its row is missed, and `store check` finds that."""
    groups = [(getattr(found, name), getattr(whole, name)) for name in ("runs", "steps", "values")]
    return all(key not in kept or row in (None, kept.get(key)) for rows, kept in groups for key, row in rows.items())


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_a_flipped_bit_is_said_or_changes_nothing(tmp_path: Path, threads: ThreadPool, seed: int) -> None:
    """Seed 2 is ten times as long."""
    chance = random.Random(seed)
    whole = await filled(tmp_path / "whole.db", threads)
    data = (tmp_path / "whole.db").read_bytes()
    assert list(check_file(tmp_path / "whole.db")) == []
    said = missed = 0
    for number in range(60 if seed == 1 else 600):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path = tmp_path / f"{number}.db"
        path.write_bytes(damaged)
        try:
            found = await read(path, threads)
        except LOUD:
            said += 1
            assert list(check_file(path))
        else:
            assert same_or_missing(found, whole)
            if found != whole:
                missed += 1
                assert list(check_file(path)), "a row is missing, and the check finds nothing"
    assert said > 5


async def test_logs_that_are_damaged_lose_lines_and_stop_nothing(tmp_path: Path, threads: ThreadPool) -> None:
    path = tmp_path / "logs.db"
    rows = [LogRow(run_id(1), "ocr", 1, at, "INFO", "t", "x" * 500) for at in range(500)]
    logs = SqliteLogs(path, threads)
    await logs.append(rows)
    await logs.close()
    data = path.read_bytes()
    refused = 0
    for page in range(1, len(data) // 4096):
        path.write_bytes(data[: page * 4096] + b"\xff" * 4096 + data[(page + 1) * 4096 :])
        logs = SqliteLogs(path, threads)
        try:
            await logs.append(rows[:3])
        except StoreLostError:
            refused += 1
        await logs.close()
    assert refused
