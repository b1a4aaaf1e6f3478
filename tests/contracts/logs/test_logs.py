"""What every home of logs does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.contracts.store.postgres import a_postgres
from tidemill.adapters.storage.postgres.logs import PostgresLogs
from tidemill.adapters.storage.sqlite.logs import SqliteLogs
from tidemill.adapters.system.threads import ThreadPool
from tidemill.core.ids import RunId
from tidemill.ports.logs import LogRow, Logs

R1, R2 = RunId(b"1" * 16), RunId(b"2" * 16)
MIB = 1024 * 1024
OpenLogs = Callable[[], Awaitable[Logs]]


@pytest.fixture(params=["sqlite", "postgres"])
async def open_logs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenLogs]:
    """Opens the same logs again, each time it is called."""
    threads = ThreadPool()
    opened: list[Logs] = []

    async def open_again() -> Logs:
        if request.param == "sqlite":
            opened.append(SqliteLogs(tmp_path / "logs.db", threads))
            return opened[-1]
        store = await a_postgres(request.getfixturevalue("postgres_url"))
        await store.close()
        logs = PostgresLogs(store.access)
        await logs.open()
        opened.append(logs)
        return logs

    yield open_again
    for logs in opened:
        await logs.close()
    threads.close()


@pytest.fixture
async def logs(open_logs: OpenLogs) -> Logs:
    return await open_logs()


def row(text: str, run: RunId = R1, path: str = "ocr", number: int = 1) -> LogRow:
    return LogRow(run, path, number, 1_800_000_000_000_000, "INFO", "w", text)


async def read_all(logs: Logs, run: RunId = R1, path: str | None = None) -> list[tuple[int, LogRow]]:
    found: list[tuple[int, LogRow]] = []
    while page := await logs.read(run, path, found[-1][0] if found else 0, 1000):
        found += page
    return found


async def test_rows_are_read_in_order_by_run_and_by_step(logs: Logs) -> None:
    rows = [row("a"), row("b", path="embed"), row("c", R2), row("d"), row("é\0\n" * 10)]
    numbers = await logs.append(rows)
    assert list(numbers) == sorted(numbers)
    numbered = list(zip(numbers, rows, strict=True))
    assert await logs.read(R1, None, 0, 10) == [n for n in numbered if n[1].run == R1]
    assert await logs.read(R1, "ocr", 0, 10) == [n for n in numbered if (n[1].run, n[1].path) == (R1, "ocr")]
    assert await logs.read(R1, None, numbers[0], 1) == [numbered[1]]
    assert await logs.read(R2, "none", 0, 10) == []


async def test_numbers_rise_over_batches_and_reopening(open_logs: OpenLogs) -> None:
    logs = await open_logs()
    assert await logs.append([]) == ()
    first = await logs.append([row("a")])
    await logs.close()
    again = await open_logs()
    second = await again.append([row("b")])
    assert second[0] > first[-1]
    assert [r.text for _, r in await again.read(R1, None, 0, 10)] == ["a", "b"]


async def test_batches_at_once_are_all_kept(logs: Logs) -> None:
    await asyncio.gather(*(logs.append([row(f"{n}.{m}") for m in range(5)]) for n in range(20)))
    assert sorted(r.text for _, r in await read_all(logs)) == sorted(f"{n}.{m}" for n in range(20) for m in range(5))


@pytest.mark.parametrize("batch", [7, 400])
async def test_head_and_tail_of_one_mebibyte_are_kept_with_a_count(logs: Logs, batch: int) -> None:
    lines = [f"{n:05}" + "x" * 995 for n in range(4000)]
    for start in range(0, len(lines), batch):
        await logs.append([row(line) for line in lines[start : start + batch]])
    await logs.append([row("another attempt", number=2)])
    kept = [r for _, r in await read_all(logs, path="ocr") if r.number == 1]
    texts = [r.text for r in kept]
    gap = next(index for index, text in enumerate(texts) if text.startswith("…"))
    assert texts[:gap] == lines[:gap]
    assert texts[gap + 1 :] == lines[-len(texts) + gap + 1 :]
    dropped = len(lines) - len(texts) + 1
    assert texts[gap] == f"… {dropped:,} lines ({dropped * 1000:,} bytes) of attempt 1 were dropped here"
    assert 0.9 * MIB < sum(len(text) for text in texts) <= MIB


async def test_the_count_goes_on_after_reopening(open_logs: OpenLogs) -> None:
    logs = await open_logs()
    await logs.append([row("x" * 60_000) for _ in range(30)])
    await logs.close()
    logs = await open_logs()
    await logs.append([row("x" * 60_000) for _ in range(30)])
    texts = [r.text for _, r in await read_all(logs)]
    assert [text for text in texts if text.startswith("…")] == [
        f"… {61 - len(texts)} lines ({(61 - len(texts)) * 60_000:,} bytes) of attempt 1 were dropped here"
    ]


async def test_a_very_long_line_is_cut(logs: Logs) -> None:
    await logs.append([row("é" * MIB)])
    text = (await read_all(logs))[0][1].text
    assert text == "é" * 32 * 1024 + f"… ({2 * MIB - 64 * 1024:,} bytes cut)"


async def test_a_cancelled_batch_does_no_harm(logs: Logs) -> None:
    appending = asyncio.create_task(logs.append([row("a")]))
    await asyncio.sleep(0)
    appending.cancel()
    await asyncio.gather(appending, return_exceptions=True)
    await logs.append([row("b")])
    assert [r.text for _, r in await read_all(logs)][-1] == "b"
