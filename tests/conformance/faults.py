"""Workers that are wrong in one way each. Named by the check that must see it."""

import asyncio
import json
from typing import Any

from tests.conformance.foreign import Attempt, Foreign, Ref, b64


class ShortInstance(Foreign):
    def hello(self) -> list[Any]:
        said = super().hello()
        return [*said[:3], b64(b"short"), *said[4:]]


class TooMuchCredit(Foreign):
    async def grant(self) -> None:
        await self.say(["credit", {"": self.received + self.total}])


class CreditOnce(Foreign):
    async def grant(self) -> None:
        await self.say(["credit", {"": self.total}])


class CreditOfBefore(Foreign):
    """Its counts go on over connections."""

    async def on_welcome(self, *facts: Any) -> None:
        self.received, received = 0, self.received
        await self.on_stale(facts[5])
        self.received = received
        await self.grant()


class RunsTwice(Foreign):
    async def on_assign(self, ref: Ref, task: str, inputs: dict[str, Any], *more: Any) -> None:
        self.live.pop(json.dumps(ref), None)
        self.results.pop(json.dumps(ref), None)
        await super().on_assign(ref, task, inputs, *more)


class Unlettered(Foreign):
    """Says nothing of a task that it does not have."""

    async def on_assign(self, ref: Ref, task: str, *more: Any) -> None:
        if task.startswith("foreign."):
            await super().on_assign(ref, task, *more)
        else:
            self.received += 1
            await self.grant()


class BadCode(Foreign):
    async def fail(self, attempt: Attempt, message: str) -> Any:
        await self.report(attempt, ["failed", attempt.ref, {"code": "oops", "message": message}])
        await asyncio.sleep(60)


class NoPing(Foreign):
    async def on_ping(self, *_: Any) -> None:
        pass


class NoBeat(Foreign):
    async def beat(self, every_s: float) -> None:
        pass


class Miscounts(Foreign):
    async def on_ping(self, *_: Any) -> None:
        await self.say(["heartbeat", 0])


class Deaf(Foreign):
    """Goes on when it is cancelled."""

    async def on_cancel(self, ref: Ref, *_: Any) -> None:
        pass


class Untimed(Foreign):
    def time_out(self, attempt: Attempt) -> None:
        pass


class Trusting(Foreign):
    """A connection that died without a word is held for ever."""

    def is_deaf(self) -> bool:
        return False


class NoProof(Foreign):
    async def report(self, attempt: Attempt, result: list[Any]) -> None:
        await super().report(attempt, result[:3])


class ReportsStale(Foreign):
    async def on_stale(self, refs: list[Ref], *_: Any) -> None:
        pass


class Strict(Foreign):
    """Falls over whatever it does not know."""

    async def obey(self, message: list[Any]) -> None:
        if not hasattr(self, f"on_{message[0]}"):
            self.code = 3
            return
        await super().obey(message)


class Narrow(Foreign):
    """Takes an assignment of the fields of today, and no other."""

    async def on_assign(self, ref: Ref, task: str, inputs: dict[str, Any], *more: Any) -> None:
        if any(isinstance(each, dict) and "field" in each for each in more):
            return
        await super().on_assign(ref, task, inputs, *more)


class Fragile(Foreign):
    def read(self, data: str) -> list[list[Any]]:
        if not isinstance(frame := json.loads(data), list):
            self.code = 3
            return []
        return frame


class Forgetful(Foreign):
    """Says nothing of what it holds."""

    def hello(self) -> list[Any]:
        return super().hello()[:6]


class Dropping(Foreign):
    """Results are gone when they are sent."""

    async def report(self, attempt: Attempt, result: list[Any]) -> None:
        await super().report(attempt, result)
        self.results.clear()


class Reborn(Foreign):
    """Another instance on each connection."""

    def hello(self) -> list[Any]:
        self.births = getattr(self, "births", 0) + 1
        said = super().hello()
        return [*said[:3], b64(bytes([self.births]) * 16), *said[4:]]


class Proud(Foreign):
    """Any refusal is for ever."""

    async def on_refused(self, reason: str, advice: str, final: bool = True, *_: Any) -> None:
        await super().on_refused(reason, advice)


class Stubborn(Foreign):
    """No refusal is for ever."""

    async def on_refused(self, reason: str, advice: str, final: bool = True, *_: Any) -> None:
        pass


class Silent(Foreign):
    """Ends without a word when it is refused."""

    async def on_refused(self, reason: str, advice: str, final: bool = True, *_: Any) -> None:
        self.code = 1


class Flooding(Foreign):
    async def room(self, attempt: Attempt, limit: int) -> None:
        if limit == 1:
            await super().room(attempt, limit)


class Numbering(Foreign):
    def chunks(self, attempt: Attempt) -> list[list[Any]]:
        return [["chunk", attempt.ref, 0, attempt.items]] if attempt.items else []


class EarlyEnd(Foreign):
    """The report does not wait for the acknowledgement of the items, and says another count."""

    async def room(self, attempt: Attempt, limit: int) -> None:
        if limit > 1:
            await super().room(attempt, limit)

    async def encoded(self, value: Any) -> list[Any]:
        return ["s", value.ref[2], 0] if isinstance(value, Attempt) else await super().encoded(value)


class Unloading(Foreign):
    """Names a blob that it never sent."""

    async def encoded(self, value: Any) -> list[Any]:
        if isinstance(value, str) and len(value) > 1000:
            return ["b", b64(bytes(32)), len(value), "j"]
        return await super().encoded(value)


class Encodingless(Foreign):
    async def encoded(self, value: Any) -> list[Any]:
        return (await super().encoded(value))[:2]


class Unfetched(Foreign):
    async def input(self, argument: list[Any]) -> Any:
        return None if argument[1][0] == "b" else await super().input(argument)


class TakesMore(Foreign):
    """Goes on taking work when it drains."""

    async def on_drain(self, *_: Any) -> None:
        pass


FAULTS: dict[type[Foreign], str] = {
    ShortInstance: "hello",
    TooMuchCredit: "credit.bound",
    CreditOnce: "credit.grows",
    CreditOfBefore: "cut.credit",
    RunsTwice: "attempt.twice",
    Unlettered: "attempt.unknown",
    BadCode: "attempt.fails",
    NoPing: "ping",
    NoBeat: "heartbeat",
    Miscounts: "ping",
    Deaf: "cancel",
    NoProof: "cancel",
    Untimed: "timeout",
    Trusting: "cut.silent",
    ReportsStale: "stale",
    Strict: "later.messages",
    Narrow: "later.fields",
    Fragile: "frames.bad",
    Forgetful: "cut.held",
    Dropping: "cut.results",
    Reborn: "cut.held",
    Proud: "refused.later",
    Stubborn: "refused",
    Silent: "refused",
    Flooding: "stream.bound",
    Numbering: "stream.again",
    EarlyEnd: "stream",
    Unloading: "large.output",
    Encodingless: "attempt.succeeds",
    Unfetched: "large.input",
    TakesMore: "drain",
}
