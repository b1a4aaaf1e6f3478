"""The body of one attempt: its program is started, heard, and its results are read. In the thread of the attempt."""

import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, assert_never

from tidemill.adapters.backends.program.endings import TAIL_LINES, ProgramKilledError, check_exit, read_done
from tidemill.adapters.backends.program.folder import AnyProgram, Folder
from tidemill.adapters.backends.program.leash import Leash
from tidemill.adapters.backends.program.lines import NotSaid, said, text_of
from tidemill.adapters.backends.program.ports import ProgramPorts, Surroundings
from tidemill.ports.backend import Work
from tidemill.sdk.context import Context
from tidemill.sdk.errors import InvalidInputError
from tidemill.sdk.failures import NotAsDeclaredError
from tidemill.sdk.ports import IfExists
from tidemill.sdk.result import SUCCESS, Result
from tidemill.wire.program import (
    EventLine,
    HeartbeatLine,
    ItemLine,
    Line,
    LogLine,
    MetricLine,
    ProgressLine,
    SaveLine,
    SetLine,
)


class ProgramBody:
    """What stands for the function of a task. ``leash`` is there while the program runs."""

    def __init__(self, work: Work, task: AnyProgram, around: Surroundings) -> None:
        self._work, self._task, self._around = work, task, around
        self.ports = ProgramPorts(work, around)
        self._context = Context(work.facts, self.ports, task.emits)
        self._tail = deque[str](maxlen=TAIL_LINES)
        self.leash: Leash | None = None
        self.killed: ProgramKilledError | None = None  # by a signal of somebody else

    def task(self) -> AnyProgram:
        """The task, to be invoked with this body."""
        return self._task.with_body(self._call if self._task.signature.item is None else self._stream)

    def _call(self, **inputs: Any) -> Any:
        folder = self._folder()
        for line in self._run(folder, inputs):
            self._refuse(f"{self._task.name} is no stream, and has no items", line)
        done = read_done(folder.read_told(folder.done))
        value = folder.result(done.files)
        return value if done.status == SUCCESS else Result(status=done.status, data=value)

    def _stream(self, **inputs: Any) -> Iterator[Any]:
        folder, item = self._folder(), self._task.signature.item
        with closing(self._run(folder, inputs)) as lines:
            for number, line in enumerate(lines):
                if item is not None:
                    yield folder.from_plain(line.item, item, f"item {number}")
        read_done(folder.read_told(folder.done))

    def _folder(self) -> Folder:
        return Folder(self.ports.folder(), self._task, self._around.locate)

    def _run(self, folder: Folder, inputs: dict[str, Any]) -> Generator[ItemLine, None, None]:
        """Start it and hear it to its end; gives its items. Raises what its end means."""
        environment = self._around.environment | folder.write(inputs, self._work.facts, self._context.traceparent)
        command = (*command_of(self._task), str(folder.call))
        self.leash = leash = Leash(command, str(folder.work), environment)
        try:
            if self._work.is_told_to_stop:  # told while it was being started
                leash.send(signal.SIGTERM)
            for is_stdout, line in leash.lines():
                told = said(line) if is_stdout else None
                if isinstance(told, ItemLine):
                    yield told
                else:
                    self._hear(told, line, folder, "STDOUT" if is_stdout else "STDERR")
        finally:
            returncode = leash.end()
            self._work.peak_kib = leash.peak_kib
        try:
            check_exit(returncode, folder.read_told(folder.error), self._tail)
        except ProgramKilledError as error:
            self.killed = error
            raise

    def _hear(  # noqa: C901  # one case a word
        self, told: Line | NotSaid | None, line: bytes, folder: Folder, level: str
    ) -> None:
        match told:
            case ProgressLine(fraction=fraction, stage=stage, message=message):
                self._work.progress(min(max(fraction, 0.0), 1.0), stage, message)
            case HeartbeatLine(details=details):
                self._work.heartbeat(details)
            case LogLine(message=message, level=name, logger=logger):
                self._work.log(name.upper(), logger, message)
            case SaveLine():
                self._save(told, folder)
            case EventLine(type=kind, payload=payload, message=message):
                self._tell(lambda: self._context.emit(kind, payload, message))
            case SetLine(name=name, value=value, of=of):
                setter = self._context.set if of == "step" else self._context.set_run
                self._tell(lambda: setter(name, value))
            case MetricLine(name=name, value=value, unit=unit):
                self._context.metric(name, value, unit)
            case NotSaid(why=why):
                self._refuse(why, line)
            case None:
                self._log(level, text_of(line))
            case ItemLine():
                raise TypeError("items are heard elsewhere")
            case _:
                assert_never(told)

    def _log(self, level: str, text: str) -> None:
        if level == "STDERR":
            self._tail.append(text)
        self._work.log(level, "", text)

    def _refuse(self, why: str, line: object) -> None:
        if isinstance(line, bytes):
            self._work.log("STDOUT", "", text_of(line))
        self._work.log("WARNING", "tidemill", why)

    def _tell(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except ValueError as error:
            self._refuse(str(error), None)

    def _save(self, told: SaveLine, folder: Folder) -> None:
        try:
            path = folder.inside(told.path, "what is to be saved")
            self.ports.save_file(told.name or path.name, str(path), IfExists.REPLACE, told.media_type)
        except (NotAsDeclaredError, InvalidInputError) as error:
            self._refuse(str(error), None)


def command_of(task: AnyProgram) -> tuple[str, ...]:
    """What is started, without the path of the call file; its paths are below the folder of the task."""
    first, *rest = task.program.command
    folder = Path(task.program.folder)
    start = str(folder / first) if "/" in first else first
    return (start, *(str(folder / part) if part.startswith(("./", "../")) else part for part in rest))
