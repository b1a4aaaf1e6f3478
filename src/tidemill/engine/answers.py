"""What callers of the engine wait for."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from tidemill.core.commands import AnswerSubmit, Command, RefuseSubmit
from tidemill.core.run import Run
from tidemill.engine.orders import SubmitRefused


class Answers:
    """The answers of several orders, awaited as one."""

    def __init__(self, count: int) -> None:
        self.future: asyncio.Future[list[Run | SubmitRefused]] = asyncio.get_running_loop().create_future()
        self._found: list[Run | SubmitRefused | None] = [None] * count
        self._open = count
        if not count:
            self.future.set_result([])

    def taker(self, index: int) -> Callable[[Sequence[Command]], None]:
        def take(commands: Sequence[Command]) -> None:
            self._found[index] = _answer(commands)
            self._open -= 1
            if not self._open and not self.future.done():
                self.future.set_result([each for each in self._found if each is not None])

        return take

    def refuse(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


def _answer(commands: Sequence[Command]) -> Run | SubmitRefused:
    for command in commands:
        match command:
            case AnswerSubmit(conflict=True):
                return SubmitRefused("conflict", "another run was submitted under this id")
            case AnswerSubmit(run=run):
                return run
            case RefuseSubmit(type=kind, detail=detail):
                return SubmitRefused(kind, detail)
            case _:
                pass
    return SubmitRefused("halted", "the server could not decide this submission; its log says why")


def setter(future: "asyncio.Future[None]") -> Callable[[], None]:
    return lambda: None if future.done() else future.set_result(None)


def failer(future: "asyncio.Future[Any]") -> Callable[[BaseException], None]:
    return lambda error: None if future.done() else future.set_exception(error)
