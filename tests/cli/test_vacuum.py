"""`tidemill store advise` and `vacuum`, on a folder with runs that went."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.contracts.store.sample import run_id, write
from tests.contracts.store.test_keeping import ended
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.storage.sqlite.store import SqliteStore
from tidemill.adapters.system.entropy import OsEntropy
from tidemill.adapters.system.threads import ThreadPool
from tidemill.cli.store import store as group
from tidemill.core.rows import Changes, Keys
from tidemill.core.run import Hidden
from tidemill.core.values import Inline
from tidemill.ports.store import Store

RUNS, PORTS = 20, 400


async def filled(folder: Path, threads: ThreadPool) -> SqliteStore:
    """A store of some 130 MB, most of which is free."""
    from msgspec.structs import replace

    await SqliteLogs(folder / "logs.db", threads).close()
    (folder / "blobs" / "ab").mkdir(parents=True)
    (folder / "blobs" / "ab" / ("ab" * 32)).write_bytes(b"1234")
    store = SqliteStore(folder / "tidemill.db", threads, OsEntropy())
    for number in range(1, RUNS + 1):
        values = {(run_id(number), "ocr", f"p{port}"): Inline(bytes(16_000)) for port in range(PORTS)}
        await write(store, Changes(runs=[ended(number, -(10**12) * number)], values=values))
    for number in range(2, RUNS + 1):
        await write(store, Changes(runs=[replace(ended(number), hidden=Hidden.REMOVING)]))
        await write(store, Changes(sweep={run_id(number): 10_000}))
    return store


async def tidemill(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, group, [*arguments])


@pytest.mark.timeout(100)
async def test_a_folder_is_looked_at_and_made_small_again(tmp_path: Path) -> None:
    threads = ThreadPool()
    store: Store = await filled(tmp_path, threads)
    found = json.loads((await tidemill("advise", "--data", str(tmp_path), "--json")).output)
    (file, logs) = found["files"]
    assert (file["name"], logs["name"]) == ("tidemill.db", "logs.db")
    assert file["free"] > 0.8 * file["size"] > 64 * 1024 * 1024
    assert (found["blobs"], found["blob_bytes"]) == (1, 4)
    assert any("tidemill store vacuum" in each for each in found["advice"])
    refused = await tidemill("vacuum", "--data", str(tmp_path))
    assert "in use by another server" in str(refused.exception)
    await store.close()
    (done, _) = json.loads((await tidemill("vacuum", "--data", str(tmp_path), "--json")).output)["files"]
    assert done["after"] < 0.2 * done["before"]
    assert "would give little back" in (await tidemill("advise", "--data", str(tmp_path))).output
    store = SqliteStore(tmp_path / "tidemill.db", threads, OsEntropy())
    assert (await store.rows(Keys(values=[(run_id(1), "ocr", "p7")]))).values
    await store.close()
    threads.close()


async def test_what_the_rules_let_go_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = ThreadPool()
    store = SqliteStore(tmp_path / "tidemill.db", threads, OsEntropy())
    await write(store, Changes(runs=[ended(number) for number in range(1, 8)]))
    await store.close()
    threads.close()
    monkeypatch.setenv("TIDEMILL_RETAIN", "5")
    assert json.loads((await tidemill("advise", "--data", str(tmp_path), "--json")).output)["going"] == 2
    monkeypatch.setenv("TIDEMILL_RETAIN", "ever")
    assert json.loads((await tidemill("advise", "--data", str(tmp_path), "--json")).output)["going"] == 0


async def test_a_folder_without_a_store_is_told(tmp_path: Path) -> None:
    for command in ("advise", "vacuum"):
        assert "there is no store" in str((await tidemill(command, "--data", str(tmp_path))).exception)
