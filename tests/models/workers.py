"""What workers say, live ones and dead ones."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from tests.models.clients import Clients
from tests.models.life import Line
from tests.models.reference import Ref
from tests.models.sides import CODES, WORKERS, pack, ref_of, refs_of
from tidemill.core.run import Code, End, Failure
from tidemill.core.values import Inline
from tidemill.wire import worker as wire


class Workers(Clients):
    """Rules of those who run tasks. A method with _ tells both sides, and checks the answer."""

    def _hello(self, worker: str, listed: Sequence[Ref], *, fresh: bool, is_held: bool = True) -> None:
        old = self.lines.get(worker)
        if old is not None:
            self.life.cut(old)
        if old is None or fresh:
            self.instances += 1
            instance = self.instances.to_bytes(16, "big")
        else:
            instance = old.instance
        line = self.lines[worker] = self.life.connect(worker, instance)
        keep, stale = self.model.hello(instance, worker, listed)
        self.life.hello(line, [wire.AttemptRef(*ref) for ref in listed], is_held)
        heard = line.read()
        assert heard, "no welcome"
        assert isinstance(heard[0], wire.Welcome), heard[0]
        assert (refs_of(heard[0].keep), refs_of(heard[0].stale)) == (keep, stale)
        told = {
            ref for ref in keep if not self.model.attempts[ref].end and self.model.attempts[ref].told_at is not None
        }
        assert told <= {ref_of(each.attempt) for each in heard if isinstance(each, wire.Cancel)}
        line.listed = keep if is_held else set()
        self._take(line, heard)
        self.hear()

    @rule(data=st.data(), worker=st.sampled_from(WORKERS), fresh=st.sampled_from([False, False, True]))
    def hello(self, data: st.DataObject, worker: str, fresh: bool) -> None:
        """Dial (again), with all that it was given, or some of it, or with what others were given."""
        listed = data.draw(st.lists(st.sampled_from(self.given), unique=True)) if self.given else []
        mine = self._held(worker)
        listed = data.draw(st.sampled_from([mine, mine, listed])) if mine else listed
        self._hello(worker, listed, fresh=fresh, is_held=data.draw(st.booleans()))
        self._credit(self.lines[worker], data.draw(st.integers(1, 3)))

    @precondition(lambda self: self._speakers())
    @rule(data=st.data(), more=st.integers(1, 3))
    def credit(self, data: st.DataObject, more: int) -> None:
        self._credit(data.draw(st.sampled_from(self._speakers())), more)

    def _credit(self, line: Line, more: int) -> None:
        line.granted += more
        self.model.word(line.instance)
        self.model.sessions[line.instance].credit += more
        self.life.say(line, wire.Credit({"": line.granted}))
        self.hear()

    def _report(self, data: st.DataObject, kind: str) -> None:
        """Of any attempt that was ever given, by anybody: most often a live one, by who has it."""
        line = data.draw(st.sampled_from(self._speakers()))
        mine = self.model.live([line.instance])
        ref = data.draw(st.sampled_from(mine * 5 + self.given[-8:]))
        code = data.draw(st.sampled_from(CODES)) if kind == "fail" else Code.CANCELLED
        times = data.draw(st.sampled_from([1, 1, 2]))
        for _ in range(times):
            self._say(line, ref, kind, code)

    def _say(self, line: Line, ref: Ref, kind: str, code: Code = Code.TRANSIENT) -> None:
        self.model.word(line.instance)
        self.values += 1
        attempt = wire.AttemptRef(*ref)
        message: Any
        match kind:
            case "started":
                message, expected = wire.Started(attempt), self.model.started(ref)
            case "succeed":
                outputs = {"value": Inline(pack(self.values))}
                message, expected = wire.Succeeded(attempt, outputs), self.model.succeed(ref, self.values)
            case "fail":
                message, expected = wire.Failed(attempt, Failure(code, "no")), self.model.fail(ref, code.value)
            case "stopped":
                message = wire.Failed(attempt, Failure(code, "no"), End.STOPPED)
                expected = self.model.fail(ref, code.value, "stopped")
            case _:
                message, expected = wire.Released(attempt, "drain"), self.model.release(ref)
        self.answers[line.worker] = []
        self.life.say(line, message)
        self.hear()
        assert self.answers[line.worker] == ([(expected, ref)] if expected else [])

    @precondition(lambda self: self.given and self._speakers())
    @rule(data=st.data(), kind=st.sampled_from(["started", "succeed", "succeed", "fail", "fail", "release", "stopped"]))
    def report(self, data: st.DataObject, kind: str) -> None:
        if kind == "stopped" and not any(each.told_at is not None for each in self.model.attempts.values()):
            kind = "succeed"
        self._report(data, kind)

    @precondition(lambda self: self._holders())
    @rule(data=st.data(), kind=st.sampled_from(["succeed", "fail", "fail", ""]))
    def work(self, data: st.DataObject, kind: str) -> None:
        self._work(data, kind)

    @precondition(lambda self: self._holders())
    @rule(data=st.data(), code=st.sampled_from(CODES))
    def work_in_vain(self, data: st.DataObject, code: Code) -> None:
        for kind in ("fail", "succeed"):
            if self._holders():
                self._work(data, kind, code)
        self._advance(2.0)

    def _work(self, data: st.DataObject, kind: str, code: Code = Code.TRANSIENT) -> None:
        """Start what is held, and end it, or not yet."""
        line = data.draw(st.sampled_from(self._holders()))
        ref = data.draw(st.sampled_from(self._held(line.worker)))
        self._say(line, ref, "started")
        if kind:
            self._say(line, ref, kind, code)
            self._credit(line, 1)

    @precondition(lambda self: self._holders())
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """A worker begins something, and its process ends; the next one knows of nothing."""
        line = data.draw(st.sampled_from(self._holders()))
        self._say(line, data.draw(st.sampled_from(self._held(line.worker))), "started")
        self._hello(line.worker, [], fresh=True)
        self._credit(self.lines[line.worker], 2)

    @precondition(lambda self: self._lost() and self._speakers())
    @rule(data=st.data(), kind=st.sampled_from(["started", "succeed", "succeed", "fail", "release"]))
    def report_late(self, data: st.DataObject, kind: str) -> None:
        """It counts while nobody has overtaken it."""
        line = data.draw(st.sampled_from(self._speakers()))
        self._say(line, data.draw(st.sampled_from(self._lost())), kind)

    @precondition(lambda self: any(line.is_open and not self._is_seated(line) for line in self.lines.values()))
    @rule(data=st.data())
    def report_as_a_ghost(self, data: st.DataObject) -> None:
        """A session that is over may say what it likes: nothing of it counts, and its link ends."""
        ghosts = [line for line in self.lines.values() if line.is_open and not self._is_seated(line)]
        line = data.draw(st.sampled_from(ghosts))
        refs = [wire.AttemptRef(*ref) for ref in self.given[-3:]]
        self.life.say(line, *[wire.Succeeded(ref, {"value": Inline(pack(-1))}) for ref in refs], wire.Heartbeat(0))
        assert not line.is_open
        self.hear()

    @precondition(lambda self: self._speakers())
    @rule(data=st.data(), politely=st.booleans())
    def leave(self, data: st.DataObject, politely: bool) -> None:
        """By a goodbye, or by a cut, after which its lease goes on."""
        line = data.draw(st.sampled_from(self._speakers()))
        if politely:
            self.life.say(line, wire.Goodbye())
            self.model.part(line.instance)
            assert not line.is_open
        else:
            self.life.cut(line)
            self.model.sessions[line.instance].connected = False
        self.hear()
