"""Rows to store."""

from tidemill.core.definitions import TaskDefinition
from tidemill.core.ids import Digest, Instant, RunId, SessionId
from tidemill.core.recurrence import Cron, Terms
from tidemill.core.requirements import Requirements
from tidemill.core.rows import (
    Artifact,
    Call,
    Cause,
    Changes,
    Emitted,
    Entry,
    Fire,
    FireKind,
    GraphRow,
    History,
    LaneRow,
    Queued,
    Schedule,
    Session,
    StreamItems,
    SubmitKey,
    TaskRow,
    Timer,
    TimerKind,
)
from tidemill.core.run import Attempt, Ready, Run, Running, RunState, Step
from tidemill.core.scopes import Scope
from tidemill.core.values import Inline
from tidemill.core.wait_rows import Address, Mailbox, SignalRow, WaitKind, WaitRow
from tidemill.core.webhooks import Delivered, Delivery, Due, Webhook
from tidemill.ports.store import Store

AT: Instant = 1_800_000_000_000_000
LANE, OTHER_LANE = b"a" * 32, b"b" * 32
GRAPH = Digest(b"g" * 32)
SESSION = SessionId(b"s" * 16)


def run_id(number: int) -> RunId:
    return RunId(number.to_bytes(16, "big"))


R1, R2 = run_id(1), run_id(2)


def a_run(run: RunId = R1, state: RunState = Running(), workflow: str = "shelf") -> Run:  # noqa: B008 -- it is frozen
    return Run(run, GRAPH, workflow, state, AT, GRAPH, tags={"who": "ann"})


def a_step(run: RunId = R1, path: str = "ocr") -> Step:
    return Step(run, path, Ready(AT))


def an_attempt(run: RunId = R1, path: str = "ocr", number: int = 1, session: SessionId = SESSION) -> Attempt:
    return Attempt(run, path, number, session, "w1", "w.ocr", AT)


def a_queued(run: RunId = R1, path: str = "ocr", order: int = 5, lane: bytes = LANE) -> Queued:
    return Queued(lane, order, run, path, AT + 1000 + order)


def a_timer(run: RunId = R1, path: str = "ocr", due_at: Instant = AT, kind: TimerKind = TimerKind.RETRY) -> Timer:
    return Timer(run, path, kind, due_at, 1)


def a_session(number: int = 1, seen_at: Instant = AT, *, live: bool = True) -> Session:
    return Session(SessionId(number.to_bytes(16, "big")), f"w{number}", AT, AT, seen_at, live)


def a_task(name: str = "w.ocr", digest: str = "d1", at: Instant = AT) -> TaskRow:
    return TaskRow(TaskDefinition(name, {"type": "object"}, {"value": {}}, digest), "w1", at)


ADDRESS = Address(R1, WaitKind.SIGNAL, "paid")


def a_wait(run: RunId = R1, path: str = "hold", kind: WaitKind = WaitKind.SIGNAL, workflow: str = "shelf") -> WaitRow:
    return WaitRow(run, path, kind, workflow, AT, "paid")


def a_graph(number: int = 1, at: Instant = AT) -> GraphRow:
    return GraphRow(Digest(number.to_bytes(32, "big")), b"{}", f"g{number}", at)


def a_webhook(name: str = "chat") -> Webhook:
    return Webhook(name, "https://example.org/", ("whsec_" + "A" * 32,), AT)


def a_delivery(number: int = 1, hook: str = "chat", due_at: Instant | None = AT) -> Delivery:
    state = Delivered(AT) if due_at is None else Due(due_at)
    return Delivery(number.to_bytes(16, "big"), hook, "run.failed", R1, AT, state)


def everything() -> Changes:
    """One row of each kind."""
    return Changes(
        runs=[a_run()],
        scopes=[Scope(R1, "", 1)],
        steps=[a_step()],
        attempts=[an_attempt()],
        values={(R1, "", "x"): Inline(b"\x01")},
        chunks={(R1, "pages", "page", 0): b"\x90"},
        queue_put=[a_queued()],
        timers_put=[a_timer()],
        streams=[StreamItems(R1, "ocr", 1, 0, (b"\x01",))],
        artifacts=[Artifact(R1, "ocr", "page.html", GRAPH, 3, "text/html")],
        emitted=[Emitted(R1, 1, AT, "ocr", 1, "page_done", {"page": 1}, "done")],
        blobs={GRAPH: 3},
        blob_refs=[(R1, GRAPH)],
        history=[History(R1, AT, (Entry("run_created"),))],
        sessions=[a_session()],
        tasks=[a_task()],
        graphs=[a_graph()],
        submit_keys=[SubmitKey(b"k" * 16, R1, GRAPH, AT, AT + 1, R1)],
        lanes=[LaneRow(b"l" * 16, "a.x", "d1", "", Requirements(gpus=1))],
        schedules=[a_schedule()],
        fires=[a_fire()],
        outbox=[a_delivery()],
        sent=[a_delivery()],
        registered=[a_webhook()],
        waits=[a_wait()],
        mailboxes=[Mailbox(ADDRESS, ((R1, "hold"),))],
        signals=[SignalRow(ADDRESS, "s1", GRAPH, AT, Inline(b"\x01"))],
    )


def a_schedule(name: str = "nightly", next_at: Instant | None = AT, waiting: tuple[Instant, ...] = ()) -> Schedule:
    terms, call = Terms(Cron("0 3 * * *"), "Europe/Berlin"), Call(task="w.ocr", input=b'{"x":1}', tags={"who": "ann"})
    return Schedule(name, name.encode(), terms, call, AT, AT, AT, next_at, next_at, waiting=waiting)


def a_fire(number: int = 1, schedule: bytes = b"nightly") -> Fire:
    return Fire(schedule, number, FireKind.STARTED, Cause.RULE, AT + number, AT, R1)


async def write(store: Store, changes: Changes) -> list[int]:
    """One beat, committed or dropped."""
    beat = await store.begin(0)
    try:
        numbers = await beat.save(changes)
        await beat.commit()
    finally:
        await beat.rollback()
    return list(numbers)
