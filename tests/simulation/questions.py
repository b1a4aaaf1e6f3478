"""What the client of the simulated world asks, in the place of HTTP: each question has one answer."""

from typing import Any

import msgspec

from tests.simulation.invariants import CANCELLED
from tests.simulation.repertoire import Repertoire
from tidemill.core.chunks import pick, plain
from tidemill.core.commands import AnswerSignal
from tidemill.core.documents import document_of
from tidemill.core.events import RunChanged, SignalSent
from tidemill.core.ids import RunId, digest_of, uuid7
from tidemill.core.rows import Keys
from tidemill.core.run import Ended, Failed, Fork, Halted, Run, Succeeded
from tidemill.core.values import Argument, Given, GivenList, GivenRecord, Inline
from tidemill.core.wait_rows import NOBODY, Address, WaitKind
from tidemill.engine.engine import Engine
from tidemill.engine.orders import Order
from tidemill.ports.link import Link, LinkDownError
from tidemill.ports.store import StoreLostError
from tidemill.testing.simulation.clock import START_AT

_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.decode


class Questions:
    """Answered by one engine."""

    def __init__(self, engine: Engine, repertoire: Repertoire) -> None:
        self._engine, self._repertoire = engine, repertoire

    async def serve(self, link: Link) -> None:
        try:
            while True:
                what, index = _unpack(await link.receive())
                try:
                    await link.send(_pack(await self._answer(what, index)))
                except StoreLostError:
                    await link.send(_pack(("again", index)))
        except LinkDownError:
            return

    async def _answer(self, what: str, index: int) -> Any:
        match what:
            case "submit":
                return await self._submit(index)
            case "look":
                return await self._look(index)
            case _:
                await self._meddle(what, index)
                return "meddled", index

    async def _meddle(self, what: str, index: int) -> None:
        match what:
            case "cancel":
                await self._engine.cancel(run_of(index), "")
            case "pause":
                await self._engine.pause(run_of(index), "client", "")
            case "resume":
                await self._engine.resume(run_of(index), "client")
            case "signal":  # the same one again and again
                address = Address(NOBODY, WaitKind.SIGNAL, "go", str(2 * index))
                event = SignalSent(address, "once", Inline(_pack(index)), digest_of(b"%d" % index))
                said = await self._engine.signal(event)
                assert isinstance(said, AnswerSignal), said
            case _:
                await self._engine.change(RunChanged(run_of(index), priority=int(what)))

    async def _submit(self, index: int) -> Any:
        asked = self._repertoire.asked(index)
        published = await self._engine.publish(document_of(asked.workflow))
        origin = None if asked.origin is None else run_of(asked.origin)
        order = Order(
            run=run_of(index),
            graph=published.digest,
            workflow=asked.workflow.name,
            inputs={name: Inline(_pack(value)) for name, value in asked.inputs.items()},
            submitted=digest_of(b"%d" % index),
            fork=None if origin is None else Fork(origin, published.digest),
        )
        (answer,) = await self._engine.submit([order])
        assert isinstance(answer, Run), answer
        return "accepted", index

    async def _look(self, index: int) -> Any:
        run = (await self._engine.queries.rows(Keys(runs=[run_of(index)]))).runs[run_of(index)]
        match run and run.state:
            case Ended(outcome=Succeeded()):
                assert run
                outputs = await self._engine.reader.outputs(run)
                return "ended", index, {port: plain_of(value) for port, value in outputs.items()}
            case Ended(outcome=Failed(failure=failure)):
                return "ended", index, failure.code.value
            case Ended():
                return "ended", index, CANCELLED
            case Halted(reason=reason):
                raise AssertionError(f"run {index} is halted: {reason}")
            case None:
                return "unknown", index
            case _:
                return "running", index


def plain_of(argument: Argument) -> Any:
    """No value here is larger than a frame."""
    match argument:
        case Given(value=Inline(data=data, encoding=encoding), fields=fields):
            return pick(plain(data, encoding), fields)
        case GivenList(items=items):
            return [plain_of(item) for item in items]
        case GivenRecord(fields=parts):
            return {name: plain_of(part) for name, part in parts.items()}
        case _:
            raise AssertionError(argument)


def run_of(index: int) -> RunId:
    return RunId(uuid7(START_AT, digest_of(b"%d" % index)[:16], index))
