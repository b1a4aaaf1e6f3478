"""Queries: order, pages, filters, bounds."""

import asyncio

from msgspec import structs

from tests.contracts.store.sample import (
    AT,
    GRAPH,
    LANE,
    R1,
    R2,
    a_graph,
    a_queued,
    a_run,
    a_session,
    a_step,
    a_task,
    an_attempt,
    run_id,
    write,
)
from tidemill.core.ids import Digest
from tidemill.core.requirements import Requirements
from tidemill.core.rows import Artifact, Changes, Emitted, Entry, History, Keys, LaneRow, StreamItems
from tidemill.core.run import (
    Cancelled,
    Cancelling,
    Code,
    Ended,
    Failed,
    Failure,
    Halted,
    Ready,
    Run,
    Running,
    RunState,
    Step,
    Succeeded,
)
from tidemill.core.scopes import MapScope, Scope
from tidemill.core.values import Blob, Encoding, Inline, Streamed
from tidemill.ports.store import RunFilter, Store

STATES: list[RunState] = [
    Running(),
    Ended(Succeeded()),
    Ended(Failed(Failure(Code.INTERNAL, "no"))),
    Ended(Cancelled("by ann")),
    Cancelling(Cancelled()),
    Halted("a fault"),
]


async def many_runs(store: Store) -> list[Run]:
    """60 runs in 3 workflows and all states, newest first."""
    runs = [a_run(run_id(n), STATES[n % 6], f"wf{n % 3}") for n in range(60)]
    await write(store, Changes(runs=runs))
    return runs[::-1]


async def test_runs_come_newest_first_in_pages(store: Store) -> None:
    runs = await many_runs(store)
    seen: list[Run] = []
    before = None
    while page := await store.runs(RunFilter(before=before, limit=7)):
        seen += page
        before = seen[-1].id
    assert seen == runs


async def test_the_children_of_a_run_are_found_and_counted(store: Store) -> None:
    runs = [structs.replace(a_run(run_id(number)), parent=run_id(1) if number > 2 else None) for number in range(1, 6)]
    runs[3] = structs.replace(runs[3], state=Ended(Succeeded()))
    await write(store, Changes(runs=runs))
    assert await store.children(run_id(1)) == 3
    assert await store.runs(RunFilter(parent=run_id(1), limit=2)) == [runs[4], runs[3]]
    assert await store.runs(RunFilter(parent=run_id(1), before=run_id(4))) == [runs[2]]
    beat = await store.begin(0)
    assert await beat.children(run_id(1), 10) == [run_id(3), run_id(5)]
    await beat.rollback()


async def test_runs_are_filtered_by_status_and_workflow(store: Store) -> None:
    runs = await many_runs(store)

    def wanted(which: RunFilter) -> list[Run]:
        found = [
            run
            for run in runs
            if (not which.statuses or run.status in which.statuses)
            and (not which.workflow or run.workflow == which.workflow)
            and (which.before is None or run.id < which.before)
        ]
        return found[: which.limit]

    for statuses in [(), ("running",), ("succeeded", "failed", "cancelled"), ("halted",)]:
        for workflow in ["", "wf1", "none"]:
            for before in [None, run_id(31)]:
                which = RunFilter(statuses, workflow, before, 8)
                assert await store.runs(which) == wanted(which)


async def test_unfinished_runs_come_oldest_first(store: Store) -> None:
    runs = [run for run in await many_runs(store) if run.status in {"running", "cancelling", "halted"}][::-1]
    assert await store.unfinished(None, 100) == runs
    assert await store.unfinished(runs[3].id, 5) == runs[4:9]


async def test_paths_are_ordered_by_their_bytes_and_paged(store: Store) -> None:
    paths = ["a", "a/b", "a[1]", "a[10]", "a[2]", "b" * 4000, "z", "é", "日本", "😀", "a\0b", "a\1b", "a\1\2"]
    steps = [a_step(path=path) for path in sorted(paths, key=str.encode)]
    scopes = [Scope(R1, "", 1), *(MapScope(R1, step.path, 3) for step in steps)]
    await write(store, Changes(steps=[*steps[::-1], a_step(R2)], scopes=scopes[::-1]))
    assert await store.steps(R1, "", 100) == steps
    assert await store.steps(R1, steps[2].path, 3) == steps[3:6]
    assert await store.scopes(R1, "", 100) == scopes
    assert await store.scopes(R1, scopes[1].path, 2) == scopes[2:4]
    beat = await store.begin(0)
    assert await beat.steps_after(R1, "", 2) == steps[:2]
    assert await beat.steps_after(R1, steps[1].path, 100) == steps[2:]
    await beat.rollback()


async def test_attempts_are_ordered_by_path_and_number(store: Store) -> None:
    attempts = [an_attempt(path=path, number=n) for path in ("a", "b") for n in (1, 2, 10)]
    await write(store, Changes(attempts=[*attempts[::-1], an_attempt(R2)]))
    assert await store.attempts(R1, None, 5) == attempts[:5]
    assert await store.attempts(R1, "b", 10) == attempts[3:]
    assert await store.attempts(R1, "none", 10) == []


async def test_each_form_of_value_is_kept(store: Store) -> None:
    values = {
        "empty": Inline(b""),
        "json": Inline(b"[1]", Encoding.JSON, (GRAPH, b"f" * 32)),
        "large": Inline(bytes(16 * 1024)),
        "blob": Blob(GRAPH, 2**40, Encoding.JSON, (GRAPH,)),
        "stream": Streamed(3, 1000),
    }
    await write(store, Changes(values={(R1, "ocr", port): value for port, value in values.items()}))
    assert await store.values(R1, "ocr") == values
    assert await store.values(R1, "") == {}
    keys = Keys(values=[(R1, "ocr", port) for port in values])
    assert (await store.rows(keys)).values == {(R1, "ocr", port): value for port, value in values.items()}


async def test_a_stream_is_read_from_any_item(store: Store) -> None:
    rows = [StreamItems(R1, "ocr", 1, first, tuple(b"x" for _ in range(10))) for first in (0, 10, 20)]
    await write(store, Changes(streams=[*rows[::-1], StreamItems(R1, "ocr", 2, 0, (b"y",))]))
    assert await store.stream(R1, "ocr", 1, 0, 10) == rows
    assert await store.stream(R1, "ocr", 1, 9, 10) == rows
    assert await store.stream(R1, "ocr", 1, 10, 1) == rows[1:2]
    assert await store.stream(R1, "ocr", 1, 29, 10) == rows[2:]
    assert await store.stream(R1, "ocr", 1, 30, 10) == []
    assert await store.stream(R1, "ocr", 3, 0, 10) == []


async def test_the_feed_is_bounded_and_of_one_run_or_all(store: Store) -> None:
    rows = [
        History(run, AT + n, (Entry("e", "p", n, {"deep": {"x": [1, None, "é"]}}),))
        for n, run in enumerate([R1, R2] * 5)
    ]
    numbers = await write(store, Changes(history=rows))
    assert await store.feed(numbers[1], None, 3) == list(zip(numbers, rows, strict=True))[2:5]
    assert [row for _, row in await store.feed(0, R2, 100)] == rows[1::2]
    assert await store.feed(numbers[-1], None, 10) == []


async def test_sessions_come_live_first_then_the_latest_seen(store: Store) -> None:
    old, new = a_session(1, AT + 1), a_session(2, AT + 2)
    dead, long_dead = a_session(3, AT + 4, live=False), a_session(4, AT + 3, live=False)
    await write(store, Changes(sessions=[long_dead, old, dead, new]))
    assert await store.sessions(10) == [new, old, dead, long_dead]
    assert await store.sessions(2) == [new, old]


async def test_live_attempts_are_found_by_session(store: Store) -> None:
    one, two = a_session(1).id, a_session(2).id
    steps = [(run, path) for run in (R1, R2) for path in ("a", "b")]
    attempts = [an_attempt(*step, number, session) for number, session in ((1, one), (2, two)) for step in steps]
    await write(store, Changes(attempts=attempts[::-1]))
    beat = await store.begin(0)
    assert await beat.held_by([two, one]) == attempts
    assert await beat.held_by([one]) == attempts[:4]
    assert await beat.held_by([]) == []
    await beat.rollback()


async def test_definitions_are_listed(store: Store) -> None:
    tasks = [a_task("a.x", "d1", AT + 2), a_task("a.x", "d2", AT + 1), a_task("b.y", "d1")]
    graphs = [a_graph(2, AT + 2), a_graph(1, AT + 1)]
    await write(store, Changes(tasks=[a_task("a.x", "d1", AT), *tasks[::-1]], graphs=graphs[::-1]))
    assert await store.tasks() == tasks
    assert await store.graphs(10) == graphs
    assert await store.graphs(1) == graphs[:1]
    assert await store.graphs(10, (graphs[0].created_at, graphs[0].digest)) == graphs[1:]
    assert await store.graphs(10, (graphs[1].created_at, graphs[1].digest)) == []
    assert await store.graph(graphs[0].digest) == graphs[0]
    assert await store.graph(Digest(b"0" * 32)) is None


async def test_implementations_of_one_version_stand_side_by_side(store: Store) -> None:
    plain = a_task("a.x", "d1", AT)
    gpu = structs.replace(plain, definition=structs.replace(plain.definition, implementation="gpu"))
    await write(store, Changes(tasks=[gpu, plain]))
    assert await store.tasks() == [plain, gpu]


async def test_a_lane_is_written_once_and_listed(store: Store) -> None:
    lane = LaneRow(b"l" * 16, "a.x", "d1", "", Requirements(ram=2**33, tags=("x",)))
    await write(store, Changes(lanes=[lane]))
    await write(store, Changes(lanes=[lane]))
    assert await store.lanes() == [lane]


async def test_events_of_tasks_are_listed_by_number_and_type(store: Store) -> None:
    rows = [Emitted(R1, number, AT, "ocr", 1, "ab"[number % 2], {"n": number}) for number in range(1, 6)]
    await write(store, Changes(emitted=rows))
    assert await store.emitted(R1, "", 0, 10) == rows
    assert await store.emitted(R1, "", 2, 2) == rows[2:4]
    assert [row.number for row in await store.emitted(R1, "b", 1, 10)] == [3, 5]
    assert await store.emitted(R2, "", 0, 10) == []


async def test_artifacts_are_listed_by_path_and_name(store: Store) -> None:
    rows = [Artifact(R1, path, name, GRAPH, 2**33, "text/html") for path in ("a", "b") for name in ("x.html", "é/y")]
    await write(store, Changes(artifacts=rows[::-1]))
    assert await store.artifacts(R1) == rows
    assert await store.artifacts(R2) == []


async def test_queue_counts_are_those_of_committed_rows(store: Store) -> None:
    await write(store, Changes(queue_put=[a_queued(), a_queued(R2)]))
    beat = await store.begin(0)
    await beat.save(Changes(queue_drop=[a_queued()]))
    assert [(row.lane, row.waiting) for row in await store.queue_counts()] == [(LANE, 2)]
    await beat.commit()
    assert [(row.lane, row.waiting) for row in await store.queue_counts()] == [(LANE, 1)]


async def test_queries_beside_beats_see_each_beat_whole(store: Store) -> None:
    total = 40
    keys = Keys(runs=[R1], steps=[(R1, "ocr")])

    async def write_beats() -> None:
        for n in range(total):
            run = Run(R1, GRAPH, f"wf{n}", Running(), AT, GRAPH, priority=n)
            await write(store, Changes(runs=[run], steps=[Step(R1, "ocr", Ready(AT), n)]))

    writing = asyncio.create_task(write_beats())
    seen = 0
    while not writing.done():
        rows = await store.rows(keys)
        run, step = rows.runs[R1], rows.steps[R1, "ocr"]
        if run is not None:
            assert step is not None
            assert run.priority == step.latest
            assert run.priority >= seen
            seen = run.priority
        await asyncio.sleep(0)
    await writing
    assert (await store.rows(keys)).runs[R1].priority == total - 1  # type: ignore[union-attr]
