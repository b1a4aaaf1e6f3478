"""`Recorder`: what a test learns of the tasks that ran, and the failures that it puts in their way.

```python
recorder = Recorder()
recorder.fail("media.thumb", TransientError("the disk is slow"), times=2)
with local(media, recorder=recorder) as client:
    client.submit(album, "cats").result()
assert [call.inputs for call in recorder.calls_of("media.thumb")] == [{"photo": "cat.jpg"}] * 3
```
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidemill.adapters.backends.inline.backend import InlineBackend
from tidemill.adapters.backends.inline.body import Surroundings
from tidemill.core.bodies import Completed, Crashed
from tidemill.core.run import Failure
from tidemill.core.values import Argument, Given
from tidemill.ports.backend import Ending, Work
from tidemill.ports.stage import Stage
from tidemill.sdk.failures import classify
from tidemill.sdk.invoke import AnyTask


class Call:
    """One attempt of a task, as its worker executed it."""

    def __init__(self, task: AnyTask, work: Work, at_s: float) -> None:
        facts = work.facts
        self.task, self.run, self.path, self.attempt, self.worker = (
            task.name,
            facts.run,
            facts.path,
            facts.number,
            facts.worker,
        )
        self.at_s = at_s  # seconds, since a start that is the same for all calls of a test
        self.ending: Ending | None = None  # None while it runs, and when its worker died
        self._task, self._arguments = task, work.inputs

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Arguments by parameter, as the task's function gets them. Files are known by their digest."""
        parameters = self._task.signature.parameters
        return {name: parameters[name].plan.decode(given) for name, given in self._arguments.items()}

    @property
    def result(self) -> Any:
        """What it gave; None when it did not end, or failed."""
        if not isinstance(self.ending, Completed) or self._task.signature.item is not None:
            return None
        ports: dict[str, Argument] = {port: Given(each.inline) for port, each in self.ending.outputs.items()}
        return self._task.decode_result(ports)

    @property
    def failure(self) -> Failure | None:
        return self.ending if isinstance(self.ending, Failure) else None

    def __repr__(self) -> str:
        return f"<attempt {self.attempt} of {self.task} at {self.path}, on {self.worker}: {self.outcome}>"

    @property
    def outcome(self) -> str:
        """In a word or two."""
        match self.ending:
            case None:
                return "not ended"
            case Completed(status=status):
                return status
            case Failure(code=code):
                return f"failed ({code.value})"
            case Crashed(how=how):
                return f"crashed ({how})"


class Recorder:
    """Give it to one `local`, or take it from what a simulation found."""

    def __init__(self) -> None:
        self.calls: list[Call] = []  # in the order in which they began
        self._failing: dict[str, list[BaseException]] = {}

    def calls_of(self, task: str) -> Sequence[Call]:
        """Those of a task, by its name, `worker.task`."""
        return [call for call in self.calls if call.task == task]

    @property
    def begun(self) -> Mapping[str, int]:
        """How often each task began, attempts counted apart."""
        return Counter(call.task for call in self.calls)

    def fail(self, task: str, error: BaseException, *, times: int = 1) -> None:
        """Let the next attempts of a task end with ``error``; its function is not called."""
        self._failing.setdefault(task, []).extend([error] * times)

    def next_failure(self, task: str) -> BaseException | None:
        waiting = self._failing.get(task)
        return waiting.pop(0) if waiting else None


Heard = Callable[[Call], bool]


class RecordingBackend(InlineBackend):
    """Tells a recorder of each attempt.

    Args:
        heard: called with each call that begins, and again when it ends; False when its worker is dead, so that nobody
            sees the end.
    """

    def __init__(
        self,
        tasks: Mapping[str, AnyTask],
        stage: Stage,
        around: Surroundings,
        recorder: Recorder,
        heard: Heard = lambda _: True,
    ) -> None:
        super().__init__(tasks, stage, around)
        self._recorded, self._now, self._recorder, self._heard = tasks, around.clock.monotonic, recorder, heard

    def begin(self, work: Work) -> None:
        call = Call(self._recorded[work.target], work, self._now())
        self._recorder.calls.append(call)
        self._heard(call)
        told = _Told(work, call, self._heard)
        error = self._recorder.next_failure(work.target)
        if error is None:
            super().begin(told)
        else:
            told.end(classify(error, told_to_stop=work.is_told_to_stop))


class _Told:
    """A work whose end is heard of; all else is its own."""

    __slots__ = ("_call", "_heard", "_work")

    def __init__(self, work: Work, call: Call, heard: Heard) -> None:
        for name, value in (("_work", work), ("_call", call), ("_heard", heard)):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._work, name, value)

    def end(self, ending: Ending) -> None:
        self._call.ending = ending
        if not self._heard(self._call):
            self._call.ending = None
        self._work.end(ending)
