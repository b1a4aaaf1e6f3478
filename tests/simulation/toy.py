"""A toy engine, worker and client to prove the harness on: submit, lease with a number, complete, expiry.

Bugs to plant: `stale` (a result's number is not compared), `wakeup` (what arrives during a commit is forgotten),
`nosync` (acknowledged before it is durable).
"""

import asyncio
import itertools
import json
from collections.abc import Set as AbstractSet
from contextlib import closing
from typing import Any

import apsw

from tidemill.ports.link import Link, LinkDownError
from tidemill.testing.simulation.chance import stream
from tidemill.testing.simulation.disk import SimDisk
from tidemill.testing.simulation.plans import Case
from tidemill.testing.simulation.vfs import SimVFS
from tidemill.testing.simulation.world import Outcome, Ports, World

LEASE_S, PING_S, STEPS = 2.0, 1.0, 12
HOSTS = ("server", "first", "second")
WITHIN_S = 60.0


def connect(vfs: SimVFS, synchronous: str = "full") -> apsw.Connection:
    db = apsw.Connection("toy.db", vfs=vfs.name)
    for pragma in ("locking_mode=exclusive", "journal_mode=wal", f"synchronous={synchronous}", "wal_autocheckpoint=20"):
        db.execute(f"pragma {pragma}").fetchall()
    return db


class Server:
    def __init__(self, ports: Ports, bugs: AbstractSet[str]) -> None:
        self.ports, self.bugs, self.db = ports, bugs, connect(ports.vfs, "off" if "nosync" in bugs else "full")
        self.db.execute("""
            create table if not exists step(id integer primary key, state text, number int, until real, result text);
            create table if not exists history(n integer primary key, what text, id int, number int)""")
        self.inbox: list[tuple[Link, list[Any]]] = []
        self.wake, self.asleep, self.workers = asyncio.Event(), False, dict[Link, bool]()

    def idle_violation(self) -> str | None:
        return "sleeps on a full inbox" if self.asleep and self.inbox else None

    async def main(self) -> None:
        self.ports.watch(self)
        calls = self.ports.listen("server")
        async with asyncio.TaskGroup() as group:
            group.create_task(self.beats())
            while True:
                group.create_task(self.read(await calls.get()))

    async def read(self, link: Link) -> None:
        try:
            while True:
                async with asyncio.timeout(5 * PING_S):
                    frame = json.loads(await link.receive())
                self.inbox.append((link, frame))
                self.wake.set()
        except (LinkDownError, TimeoutError):
            self.workers.pop(link, None)
            await link.close()

    async def beats(self) -> None:
        while True:
            await self.sleep()
            batch, self.inbox = self.inbox, []
            if "wakeup" not in self.bugs:
                self.wake.clear()
            try:
                self.db.execute("begin immediate")
                frames = self.decide(batch)
                await self.ports.threads.call("store.commit", lambda: self.db.execute("commit"))
            except apsw.Error:  # outcome unknown: decide again on what is there
                if self.db.in_transaction:
                    self.db.execute("rollback")
                self.inbox = batch + self.inbox
                self.wake.set()
                continue
            if "wakeup" in self.bugs:
                self.wake.clear()
            for link, frame in frames:
                try:
                    async with asyncio.timeout(PING_S):
                        await link.send(json.dumps(frame).encode())
                except (LinkDownError, TimeoutError):
                    await link.close()

    async def sleep(self) -> None:
        self.asleep = True
        try:
            async with asyncio.timeout(0.5):
                await self.wake.wait()
        except TimeoutError:
            pass
        self.asleep = False

    def decide(self, batch: list[tuple[Link, list[Any]]]) -> list[tuple[Link, list[Any]]]:
        answers, sql = list[tuple[Link, list[Any]]](), self.db.execute
        now = self.ports.clock.monotonic()
        for link, (what, *args) in batch:
            if what == "submit":
                sql("insert or ignore into step values(?, 'ready', 0, null, null)", args)
                results = sql("select id, result from step where state = 'done' order by id").fetchall()
                answers.append((link, ["accepted", args[0], results]))
            elif what == "hello":
                self.workers[link] = True
            elif what == "result":
                answers.append((link, ["seen", *args]))
                self.record(*args)
        sql("update step set state = 'ready' where state = 'leased' and until <= ?", (now,))
        for link in [link for link, is_free in self.workers.items() if is_free]:
            for (step,) in sql("select id from step where state = 'ready' order by id limit 1").fetchall():
                lease = "update step set state='leased', number=number+1, until=? where id=? returning number"
                ((number,),) = sql(lease, (now + LEASE_S, step)).fetchall()
                sql("insert into history(what, id, number) values('lease', ?, ?)", (step, number))
                answers.append((link, ["assign", step, number]))
                self.workers[link] = False
        return answers

    def record(self, step: int, number: int, value: str) -> None:
        ((state, latest),) = self.db.execute("select state, number from step where id = ?", (step,)).fetchall()
        if state != "done" and (number == latest or "stale" in self.bugs):
            self.db.execute("update step set state = 'done', result = ? where id = ?", (value, step))
            self.db.execute("insert into history(what, id, number) values('accept', ?, ?)", (step, number))


class Peer:
    """Dials for ever; says hello and gets answers."""

    def __init__(self, ports: Ports, seed: str) -> None:
        self.ports, self.seed = ports, seed
        self.link: Link | None = None

    async def main(self) -> None:
        while True:
            try:
                self.link = await self.ports.dialer("server").dial()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.talk())
                    while True:
                        async with asyncio.timeout(5 * PING_S):
                            frame = json.loads(await self.link.receive())
                        group.create_task(self.hear(*frame))
            except* (LinkDownError, TimeoutError):
                if self.link is not None:
                    await self.link.close()
            await asyncio.sleep(0.1)

    async def talk(self) -> None:
        """Say what opens a link."""

    async def hear(self, what: str, *details: Any) -> None:
        """Take a frame."""

    async def say(self, *frame: Any) -> None:
        assert self.link
        await self.link.send(json.dumps(frame).encode())


class Worker(Peer):
    async def talk(self) -> None:
        await self.say("hello")

    async def hear(self, what: str, *details: Any) -> None:
        if what == "assign":
            step, number = details
            await asyncio.sleep(stream(self.seed, "span", step, number)() ** 3 * 3 * LEASE_S)
            await self.say("result", step, number, f"{step}:{number}:{self.ports.process.name}")
        await self.say("hello")


class Client(Peer):
    def __init__(self, ports: Ports, seed: str, seen: "Seen") -> None:
        super().__init__(ports, seed)
        self.seen = seen

    async def talk(self) -> None:
        for step in itertools.cycle(range(STEPS)):
            await self.say("submit", step)
            await asyncio.sleep(0.2)

    async def hear(self, what: str, *details: Any) -> None:
        step, results = details
        self.seen.acknowledged[step] = True
        for number, result in results:
            assert self.seen.results.setdefault(number, result) == result, f"P2: the result of {number} changed"
        if len(self.seen.results) == STEPS:
            self.seen.all.set()


class Seen:
    """What the client was told; it is not part of any process."""

    def __init__(self) -> None:
        self.acknowledged, self.results, self.all = dict[int, bool](), dict[int, str](), asyncio.Event()

    def check(self, disk: SimDisk) -> None:
        with closing(SimVFS(disk)) as vfs, closing(connect(vfs)) as db:
            if not db.execute("select 1 from sqlite_schema where name = 'history'").fetchall():
                return
            rows: dict[Any, Any] = {row[0]: row[1] for row in db.execute("select id, result from step order by id")}
            history: list[Any] = db.execute("select what, id, number from history order by n").fetchall()
        latest, accepted = dict[int, int](), dict[int, bool]()
        for what, step, number in history:
            if what == "lease":
                assert number > latest.get(step, 0), f"fence of {step} went back"
                latest[step] = number
            else:
                assert number == latest[step], f"P3: a stale result of {step} was accepted"
                assert step not in accepted, f"P3: two results of {step}"
                accepted[step] = True
        for step in self.acknowledged:
            assert step in rows, f"P1: {step} was acknowledged, then lost"
        for step, result in self.results.items():
            assert rows.get(step) == result, f"P2: the result of {step} was {result}, is {rows.get(step)}"


def run(case: Case, bugs: AbstractSet[str] = frozenset()) -> Outcome:
    world, seen = World(case), Seen()
    world.add("server", lambda ports: Server(ports, bugs).main(), seen.check)
    world.add("first", lambda ports: Worker(ports, case.seed).main())
    world.add("second", lambda ports: Worker(ports, case.seed).main())
    world.add("client", lambda ports: Client(ports, case.seed, seen).main())

    async def story() -> None:
        await seen.all.wait()

    return world.run(story, WITHIN_S)
