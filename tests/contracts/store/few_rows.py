"""Few rows with few keys, so that what one beat writes is what another changes."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.contracts.store.memory import DROPS, LATE_DROPS, PUTS
from tests.contracts.store.sample import AT, a_graph, a_schedule, a_session, a_task, a_wait, a_webhook
from tidemill.core.ids import Digest, RunId, SessionId
from tidemill.core.requirements import Requirements
from tidemill.core.rows import (
    Artifact,
    Cached,
    Changes,
    Emitted,
    Entry,
    History,
    Keys,
    LaneRow,
    Limit,
    Pause,
    PauseKind,
    Queued,
    Schedule,
    StreamItems,
    SubmitKey,
    Timer,
    TimerKind,
)
from tidemill.core.run import (
    Attempt,
    AttemptEnded,
    Cancelled,
    Cancelling,
    End,
    Ended,
    Leased,
    Paused,
    Ready,
    Run,
    Running,
    Step,
    StepSucceeded,
    Succeeded,
)
from tidemill.core.scopes import MapScope, Scope
from tidemill.core.shared_rows import Attribute, Attributes, Kept, Posted, Shelf
from tidemill.core.values import Blob, Inline
from tidemill.core.wait_rows import Address, Closed, Early, Mailbox, Outcome, SignalRow, WaitKind

Draw = Callable[[st.SearchStrategy[Any]], Any]

PATHS = ("a", "a/b", "a[10]", "ä")
SMALL = st.integers(0, 3)
STATES = (Running(), Paused(AT), Cancelling(Cancelled("x")), Ended(Succeeded()), Ended(Cancelled()))
FAR = AT + 10**12  # expires after all that is written


class World:
    """The keys of one example: no other example has any of them, so that all may share a store.

    What is due in a later example is due before what was left by an earlier one.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.runs = [RunId((epoch * 16 + each).to_bytes(16, "big")) for each in range(1, 5)]
        self.before = RunId((epoch * 16).to_bytes(16, "big"))  # below the runs of this example
        self.lanes = [b"lane%d.%d" % (epoch, each) for each in range(2)]
        self.sessions = [SessionId((epoch * 16 + each).to_bytes(16, "big")) for each in (1, 2)]
        self.at = AT - epoch * 10**9
        self.workflows = [f"flow{epoch}", f"other{epoch}"]

    def name(self, number: int) -> str:
        return f"e{self.epoch}.{number}"

    def key(self, number: int) -> bytes:
        return b"key%d.%d" % (self.epoch, number)

    def digest(self, number: int) -> Digest:
        return Digest((self.epoch * 16 + number).to_bytes(32, "big"))

    def keys(self) -> Keys:
        """All that may ever be written."""
        at_path = [(run, path) for run in self.runs for path in ("", *PATHS)]
        return Keys(
            runs=self.runs,
            scopes=at_path,
            steps=at_path,
            attempts=[(*place, number) for place in at_path for number in (1, 2)],
            values=[(*place, port) for place in at_path for port in ("value", "x")],
            chunks=[(*place, "x", 0) for place in at_path],
            blobs=[self.digest(each) for each in range(4)],
            limits=[self.key(each) for each in range(4)],
            cached=[self.key(each) for each in range(4)],
            schedules=[self.name(each) for each in range(4)],
            submit_keys=[self.key(each) for each in range(4)],
            waits=at_path,
            mailboxes=[self.address(each) for each in range(4)],
            signals=[(self.address(each), id_) for each in range(4) for id_ in ("s0", "s1")],
            attributes=at_path,
            shelves=[(self.key(each), "store", "box") for each in range(4)],
            kept=[(self.key(each), "box", key) for each in range(4) for key in ("k0", "k1")],
        )

    def address(self, number: int) -> Address:
        return Address(self.runs[number], WaitKind.SIGNAL, "paid")


def _values(world: World, draw: Draw) -> Inline | Blob:
    size = draw(SMALL)
    return Blob(world.digest(size), size) if draw(st.booleans()) else Inline(bytes([size]))


class Maker:
    """Draws rows of one world; a method a list of `Changes`, named as it."""

    def __init__(self, world: World, draw: Draw) -> None:
        self.world, self.draw = world, draw
        self.run: RunId = draw(st.sampled_from(world.runs))
        self.path: str = draw(st.sampled_from(PATHS))
        self.some: int = draw(SMALL)

    def runs(self) -> Changes:
        world, tags = self.world, {"who": self.draw(st.sampled_from(["ann", "bob"]))}
        parent = world.runs[0] if self.run in world.runs[2:] else None  # a run keeps it
        state = self.draw(st.sampled_from(STATES))
        workflow = world.workflows[self.run == world.runs[3]]
        row = Run(self.run, world.digest(1), workflow, state, world.at, world.digest(2), tags=tags, parent=parent)
        return Changes(runs=[row], tagged={self.run: tags})

    def steps(self) -> Changes:
        state = Ready(self.some) if self.some else StepSucceeded()
        return Changes(steps=[Step(self.run, self.path, state, self.some)])

    def scopes(self) -> Changes:
        pair = (Scope(self.run, "", self.some), MapScope(self.run, self.path, 9, self.some))
        return Changes(scopes=list(pair))

    def attempts(self) -> Changes:
        holder = self.draw(st.sampled_from(self.world.sessions))
        state = Leased() if self.some else AttemptEnded(End.LOST, self.world.at)
        number = self.draw(st.integers(1, 2))
        return Changes(attempts=[Attempt(self.run, self.path, number, holder, "w", "t", self.world.at, state)])

    def values(self) -> Changes:
        key, other = (self.run, self.path, "value"), (self.run, self.path, "x")
        return Changes(values={key: _values(self.world, self.draw)}, values_drop=[key, other] if self.some else [])

    def chunks(self) -> Changes:
        return Changes(chunks={(self.run, self.path, "x", 0): bytes([0x90 + self.some])})

    def queue_put(self) -> Changes:
        lane = self.draw(st.sampled_from(self.world.lanes))
        order = self.draw(st.integers(-1, 1))
        return Changes(queue_put=[Queued(lane, order, self.run, self.path, self.world.at + order, b"", lane)])

    def timers_put(self) -> Changes:
        kind = self.draw(st.sampled_from(list(TimerKind)))
        gone = (self.run, self.draw(st.sampled_from(PATHS)), kind)
        drops = [gone] if self.some > 1 else []
        return Changes(
            timers_put=[Timer(self.run, self.path, kind, self.world.at + self.some, self.some)], timers_drop=drops
        )

    def streams(self) -> Changes:
        items = (bytes([self.some]),) * 4
        return Changes(streams=[StreamItems(self.run, self.path, 1, 4 * self.some, items)])

    def history(self) -> Changes:
        entries = (Entry("step_succeeded", self.path, self.some, {"n": self.some}),)
        return Changes(history=[History(self.run, self.world.at, entries)] * (1 + self.some))

    def emitted(self) -> Changes:
        kind = self.draw(st.sampled_from(["one", "two"]))
        return Changes(emitted=[Emitted(self.run, self.some, self.world.at, self.path, 1, kind, {"n": 1})])

    def files(self) -> Changes:
        digest = self.world.digest(self.some)
        row = Artifact(self.run, self.path, "page.html", digest, self.some, "text/html")
        return Changes(artifacts=[row], blobs={digest: self.some}, blob_refs=[(self.run, digest)])

    def sessions(self) -> Changes:
        row = a_session(int.from_bytes(self.world.sessions[self.some % 2], "big"), AT + self.world.epoch)
        return Changes(sessions=[row])

    def limits(self) -> Changes:
        key, world = self.world.key(self.some), self.world
        used = self.draw(SMALL)
        cached = Cached(key, self.run, self.path, "success", {}, world.at - used, FAR)
        submit = SubmitKey(key, self.run, world.digest(used), world.at, FAR, self.run)
        return Changes(limits=[Limit(key, used)], cached=[cached], submit_keys=[submit])

    def schedules(self) -> Changes:
        name, world = self.world.name(self.some), self.world
        busy = self.draw(st.booleans())
        row = a_schedule(name, world.at + self.some if busy else None, (AT,) if busy else ())
        gone: list[Schedule] = [a_schedule(world.name(self.draw(SMALL)))]
        gone[0] = gone[0] if gone[0].name != name else row
        if self.draw(st.booleans()) and gone[0] is not row:
            return Changes(schedules=[row], schedules_drop=gone)
        return Changes(schedules=[row])

    def waits(self) -> Changes:
        closed = Closed(Outcome.ANSWERED, AT) if self.draw(st.booleans()) else None
        kind = list(WaitKind)[PATHS.index(self.path)]  # a step keeps it
        row = a_wait(self.run, self.path, kind, self.world.workflows[0])
        return Changes(waits=[type(row)(row.run, row.path, kind, row.workflow, AT, "paid", closed=closed)])

    def mail(self) -> Changes:
        address = self.world.address(self.some)
        id_ = self.draw(st.sampled_from(["s0", "s1"]))
        signal = SignalRow(address, id_, self.world.digest(1), FAR, Inline(b"\x01"))
        box = Mailbox(address, early=(Early(id_, AT),))
        gone = [self.world.address(self.draw(SMALL))] if self.draw(st.booleans()) else []
        return Changes(signals=[signal], mailboxes=[box], mailboxes_drop=gone)

    def pauses(self) -> Changes:
        row = Pause(PauseKind.TASK, self.world.name(self.some), AT, str(self.draw(SMALL)))
        gone = [Pause(PauseKind.TASK, self.world.name(self.draw(SMALL)), AT)]
        return Changes(pauses=[row], pauses_drop=gone)

    def attributes(self) -> Changes:
        path = self.draw(st.sampled_from(["", self.path]))
        return Changes(attributes=[Attributes(self.run, path, {"a": Attribute(self.some, AT)})])

    def kept(self) -> Changes:
        owner, key = self.world.key(self.some), self.draw(st.sampled_from(["k0", "k1"]))
        value = _values(self.world, self.draw)
        gone = [(owner, "box", self.draw(st.sampled_from(["k0", "k1"])))]
        posted = Posted(owner, "line", 1 + self.draw(SMALL), value, AT)
        return Changes(
            shelves=[Shelf(owner, "store", "box", 1, last=self.draw(SMALL))],
            kept=[Kept(owner, "box", key, value, 1, AT)],
            kept_drop=gone,
            posted=[posted],
        )

    def known(self) -> Changes:
        """What workers and operators make known."""
        number, world = self.world.epoch * 16 + self.some, self.world
        at = AT + self.draw(SMALL)
        lane = LaneRow(world.key(self.some), "a.x", "d1", "", Requirements(gpus=self.draw(SMALL)))
        hook, gone = a_webhook(world.name(self.some)), ("webhook", world.name(self.draw(SMALL)))
        return Changes(
            graphs=[a_graph(number, at)],
            tasks=[a_task(world.name(0), f"d{self.some}", at)],
            lanes=[lane],
            registered=[hook],
            registered_drop=[gone],
        )


KINDS = [*sorted(name for name in vars(Maker) if not name.startswith("_")), *["queue_put", "timers_put", "runs"] * 2]


@st.composite
def changes(draw: Any, world: World) -> Changes:
    """What one save writes: rows of many kinds, of which no two have one key."""
    found = Changes()
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=16)):
        made = getattr(Maker(world, draw), kind)()
        for name in made.__struct_fields__:
            getattr(found, name).update(rows) if isinstance(rows := getattr(made, name), dict) else getattr(
                found, name
            ).extend(rows)
    for name, key_of in (*PUTS.items(), ("queue_put", lambda row: (row.run, row.path))):
        setattr(found, name, list({key_of(row): row for row in getattr(found, name)}.values()))
    for name, (table, key_of) in (*LATE_DROPS.items(), *DROPS.items()):
        put = {PUTS[table](row) for row in getattr(found, table)} if table in PUTS else set()
        gone = {key_of(each): each for each in getattr(found, name)}  # the engine never says both of one key
        setattr(found, name, [each for key, each in gone.items() if key not in put or table == "timers_put"])
    return found
