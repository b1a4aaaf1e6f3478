"""What clients say."""

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)
from msgspec.structs import replace

from tests.models.reference import SHAPES
from tests.models.sides import RUNS, Sides, pack
from tidemill.core.commands import AnswerSignal, RefuseSignal
from tidemill.core.events import SignalSent
from tidemill.core.ids import Digest, RunId, digest_of
from tidemill.core.run import Fork, Run
from tidemill.core.values import Inline
from tidemill.core.wait_rows import Address, WaitKind
from tidemill.engine.orders import Order, SubmitRefused


class Clients(Sides):
    """Rules of those who submit, and of those who watch over it."""

    def _submit(self, order: Order) -> Run | SubmitRefused:
        [found] = self.life.do(self.life.mill.engine.submit([order]))
        self.life.settle()
        return found

    @precondition(lambda self: len(self.orders) < RUNS)
    @rule(shape=st.sampled_from(sorted(SHAPES)), body=st.integers(0, 2))
    def submit(self, shape: str, body: int) -> None:
        inputs = {"xs": [body, body, body]} if shape == "mapped" else {"x": body}
        order = self.life.mill.order(self.life.graphs[shape], **inputs)
        self.orders[order.run] = order
        self.model.submit(order.run, shape, body)
        found = self._submit(order)
        assert isinstance(found, Run)
        self.hear()

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        """The same body has the same answer, and another one none."""
        order = data.draw(st.sampled_from(list(self.orders.values())))
        found = self._submit(order)
        assert isinstance(found, Run)
        assert found.id == order.run
        other = self._submit(replace(order, submitted=digest_of(b"another body")))
        assert isinstance(other, SubmitRefused)
        assert other.type == "conflict"
        self.hear()

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), again=st.booleans())
    def cancel(self, data: st.DataObject, again: bool) -> None:
        run = self._run(data)
        self.model.cancel(run)
        for _ in range(1 + again):
            self.life.do(self.life.mill.engine.cancel(RunId(run), "enough"))
        self.life.settle()
        self.hear()

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        run = self._run(data)
        self.model.pause(run)
        self.life.do(self.life.mill.engine.pause(RunId(run), "ann", ""))
        self.life.settle()
        self.hear()

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        self._resume(self._run(data))

    def _resume(self, run: bytes) -> None:
        self.model.resume(run)
        self.life.do(self.life.mill.engine.resume(RunId(run), "ann"))
        self.life.settle()
        self.hear()

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), again=st.booleans())
    def signal(self, data: st.DataObject, again: bool) -> None:
        self._signal(self._run(data), again=again)

    def _signal(self, run: bytes, *, again: bool) -> None:
        self.signals += 1
        value = pack(self.signals)
        address = Address(RunId(run), WaitKind.SIGNAL, "go")
        event = SignalSent(address, f"s{self.signals}", Inline(value), digest_of(value))
        expected = self.model.signal(run, self.signals)
        for _ in range(1 + again):  # sent again, it has the same answer
            said = self.life.do(self.life.mill.engine.signal(event))
            if expected == "refused":
                assert isinstance(said, RefuseSignal)
                assert said.type == "run_over"
            else:
                assert said == AnswerSignal((RunId(run), "hold") if expected == "taken" else None)
        self.life.settle()
        self.hear()

    @precondition(lambda self: len(self.orders) < RUNS and any(each.is_over for each in self.model.runs.values()))
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        """What a retry does, too: what was recorded is taken over, the rest runs."""
        over = [run for run, each in self.model.runs.items() if each.is_over]
        origin = self.orders[data.draw(st.sampled_from(over))]
        order = replace(
            self.life.mill.order(origin.graph), inputs=origin.inputs, fork=Fork(origin.run, Digest(origin.graph))
        )
        self.orders[order.run] = order
        self.model.fork(order.run, origin.run)
        assert isinstance(self._submit(order), Run)
        self.hear()
