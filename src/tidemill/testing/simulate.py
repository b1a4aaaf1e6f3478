"""`simulate`: your own workflow and tasks in a world that fails on purpose, and in the same way each time.

```python
@pytest.mark.parametrize("seed", range(100))
def test_an_order_is_charged_once(seed: int) -> None:
    bank = Bank()
    with shop.overrides({open_bank: lambda: bank}), simulate(order, shop, seed=seed).run("A-17") as found:
        assert found.result == "shipped"
        assert bank.charges == {"A-17": 1}
```
The server with its API, the store, the client and two workers are the real ones. The network, the disk, the clock and
chance are simulated, so that an hour passes at once, and a seed is the same run each time.
"""

import asyncio
import copy
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast, overload

from msgspec.structs import replace

from tidemill.client.remote import AsyncClient
from tidemill.core.errors import InputError, UnavailableError
from tidemill.sdk.definition import Definition, Task
from tidemill.sdk.errors import RunCancelledError, RunFailedError
from tidemill.sdk.options import Backend
from tidemill.sdk.worker import Worker, tasks_in
from tidemill.sdk.workflow import Workflow
from tidemill.testing.faults import Fault, Kind
from tidemill.testing.simulation.plans import Draw, noise, smallest

try:
    from tidemill.testing.recording import Call
    from tidemill.testing.simulation.house import LEASE, SERVER, WORKERS, House, Story
    from tidemill.testing.simulation.world import Note
except ModuleNotFoundError as error:
    if error.name not in {"apsw", "cronsim", "jsonschema_rs", "starlette"}:
        raise
    said = f'a simulation runs a server, which needs {error.name}: pip install "tidemill[server]"'
    raise ModuleNotFoundError(said, name=error.name) from None

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

MOST_FAULTS = 6
LONGEST_S = 2 * LEASE.total_seconds()
WITHIN_S = 90 * 24 * 3600.0  # a run that has not ended by then never ends
HOSTS = (SERVER, *WORKERS)

Faults = int | Sequence[Kind] | Sequence[Fault] | None
Check = Callable[["Simulated[Any]"], object]


class SimulationFailedError(AssertionError):
    """Tidemill broke a promise, or the code under test did what no simulation can show. It says how to see it again."""


class End(Enum):
    """How the story of a run ended for its client."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # the client gave up: for longer than its patience there was no server


class Simulated(Generic[R_co]):
    """A run, and all that happened to it. As a context, it says how to see it again when the block fails."""

    def __init__(self, house: House, seed: int | str, line: str) -> None:
        self.seed = seed
        self.line = line  # Python that gives this run again
        self.faults: Sequence[Fault] = house.world.struck
        self.calls: Sequence[Call] = house.recorder.calls  # each attempt, in the order in which they began
        self.begun: Mapping[str, int] = house.recorder.begun  # how often each task did
        self.trace: Sequence[Note] = house.world.notes
        self.took_s = house.world.loop.time()  # of virtual time, and some for what comes late
        self.digest = house.world.loop.digest  # of each step that was made: equal digests are equal runs
        self.error: Exception | None = house.told.error
        self._result: Any = house.told.result

    @property
    def result(self) -> R_co:
        """Raises what the client was told: RunFailedError, RunCancelledError, and so on."""
        if self.error is not None:
            raise self.error
        return cast(R_co, self._result)

    @property
    def end(self) -> End:
        match self.error:
            case None:
                return End.SUCCEEDED
            case RunFailedError():
                return End.FAILED
            case RunCancelledError():
                return End.CANCELLED
            case _:
                return End.UNKNOWN

    def calls_of(self, task: str | Task[..., Any]) -> Sequence[Call]:
        name = task if isinstance(task, str) else task.name
        return [call for call in self.calls if call.task == name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            error.add_note(f"\n{self}")

    def __str__(self) -> str:
        return "\n".join(
            [*map(str, self.trace), "", f"This was seed {self.seed!r}. To see it again:", f"  {self.line}"]
        )

    def __repr__(self) -> str:
        return f"<seed {self.seed!r}: {self.end.value}, {len(self.faults)} faults, {len(self.calls)} attempts>"


class Simulation(Generic[P, R]):
    """What `simulate` gives: a world that is built anew for each run."""

    def __init__(self, what: Definition[P, R] | Story, workers: tuple[Worker, ...], seed: int | str) -> None:
        self._what, self._workers, self.seed = what, workers, seed
        self.faults: Faults = None
        self.check: Check = lambda _: None
        self.found: list[Simulated[R]] = []
        self._struck: Sequence[Fault] = ()

    def run(self, *args: P.args, **kwargs: P.kwargs) -> Simulated[R]:
        """Run it once.

        Raises:
            SimulationFailedError: a promise was broken, or something was touched that cannot be simulated.
            Exception: what ``check`` raised.
        """
        line = f"{self._text}.run({_arguments(args, kwargs)})"
        story = self._what if not isinstance(self._what, Definition) else _submitting(self._what, args, kwargs)
        with tempfile.TemporaryDirectory(prefix="tidemill-simulation-") as folder:
            house = self._house(Path(folder))
            outcome = house.play(story, WITHIN_S)
            found = Simulated[R](house, self.seed, line)
            if outcome.failure is not None:
                raise SimulationFailedError(f"{outcome.failure}\n\n{found}")
            with found:
                self.check(found)
        return found

    def explore(self, seeds: Iterable[int], /, *args: P.args, **kwargs: P.kwargs) -> list[Simulated[R]]:
        """Run it with each seed. One that fails is run again with ever fewer faults, and is raised with the fewest."""
        found: list[Simulated[R]] = []
        for seed in seeds:
            one = self.with_(seed, self.faults)
            error = one.failure(*args, **kwargs)
            if error is not None:
                raise one.smallest_failure(error, *args, **kwargs)
            found += one.found
        return found

    def failure(self, *args: P.args, **kwargs: P.kwargs) -> Exception | None:
        """What `run` raises, if it does."""
        try:
            self.found = [self.run(*args, **kwargs)]
        except Exception as error:  # noqa: BLE001 - a check may raise anything
            return error
        return None

    def smallest_failure(self, error: Exception, /, *args: P.args, **kwargs: P.kwargs) -> Exception:
        """The same error, with the fewest of the faults that struck when `run` raised ``error``."""

        def failure(faults: Sequence[Fault]) -> Exception | None:
            return self.with_(self.seed, tuple(faults)).failure(*args, **kwargs)

        few = smallest(self._struck, lambda fewer: type(failure(fewer)) is type(error))
        return failure(few) or error

    def with_(self, seed: int | str, faults: Faults) -> "Simulation[P, R]":
        """The same world with another seed, and other faults."""
        other = copy.copy(self)
        other.seed, other.faults = seed, faults
        return other

    def _house(self, folder: Path) -> House:
        seed, faults = str(self.seed), self.faults
        case = noise(seed)
        draw: Draw | None = None
        if isinstance(faults, int) or faults is None:
            draw = Draw(seed, (), HOSTS, MOST_FAULTS if faults is None else faults, LONGEST_S)
        elif faults and isinstance(faults[0], Kind):
            draw = Draw(seed, cast("Sequence[Kind]", faults), HOSTS, MOST_FAULTS, LONGEST_S)
        else:
            case = replace(case, faults=tuple(sorted(cast("Sequence[Fault]", faults))))
        house = House(case, self._workers, folder, draw)
        self._struck = house.world.struck
        return house

    @property
    def _text(self) -> str:
        what = getattr(self._what, "__name__", "story")
        said = {int: f", faults={self.faults}", type(None): ""}.get(
            type(self.faults), f", faults={_texts(self.faults)}"
        )
        return f"simulate({', '.join([what, *(worker.name for worker in self._workers)])}, seed={self.seed!r}{said})"


@overload
def simulate(
    what: Callable[[AsyncClient], Awaitable[R]],
    /,
    *workers: Worker,
    seed: int | str = 0,
    faults: Faults = None,
    check: Check | None = None,
) -> Simulation[[], R]: ...
@overload
def simulate(
    what: Definition[P, R], /, *workers: Worker, seed: int | str = 0, faults: Faults = None, check: Check | None = None
) -> Simulation[P, R]: ...
def simulate(
    what: Any, /, *workers: Worker, seed: int | str = 0, faults: Faults = None, check: Check | None = None
) -> Simulation[..., Any]:
    """A simulated server, two workers that serve ``workers``, and a client, for one workflow or task.

    Args:
        what: a workflow or a task, which is submitted with what `run` is given; or a story, an async function of an
            `AsyncClient`, which does with it what it likes.
        seed: of delays, orders, torn writes, chance in tasks, and of the faults unless these are written down.
        faults: how many at most; or kinds to draw from; or a plan, as a list of `Fault`. None: a few of any kind.
        check: looks at each run, and raises what is wrong with it.
    Raises:
        InputError: with what cannot be simulated, and what to do instead.
    """
    simulation: Simulation[..., Any] = Simulation(what, workers, seed)
    simulation.faults = _checked_faults(faults)
    simulation.check = check or simulation.check
    _check_tasks(what, workers)
    return simulation


def _checked_faults(faults: Any) -> Faults:
    if faults is None or isinstance(faults, int):
        if isinstance(faults, bool) or (faults or 0) < 0:
            raise InputError(f"faults={faults!r}: give a number from 0 up, kinds, or a list of Fault")
        return cast("Faults", faults)
    listed = tuple(faults)
    if all(isinstance(each, Kind) for each in listed) and listed:
        return listed
    for each in listed:
        if not isinstance(each, Fault):
            raise InputError(f"faults: {each!r} is no Fault; give a number, kinds (Kind.KILL, …), or a list of Fault")
        if each.host not in HOSTS:
            raise InputError(f"faults: there is no host {each.host!r}; there are {', '.join(HOSTS)}")
    return listed


def _check_tasks(what: Any, workers: Sequence[Worker]) -> None:
    tasks = tasks_in(workers)
    for name, task in tasks.items():
        if task.backend not in (Backend.INLINE, Backend.PROCESS):
            raise InputError(
                f"{name} is a {task.backend.value}, and a simulation starts none: declare a task of the same name and "
                "types on a worker for the test, and simulate with that"
            )
    used = what.compiled.tasks if isinstance(what, Workflow) else (what.name,) if isinstance(what, Task) else ()
    if missing := sorted({*used} - {*tasks}):
        raise InputError(f"nobody serves {', '.join(missing)}: give its Worker too, after the workflow")


def _submitting(what: Definition[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Story:
    async def story(client: AsyncClient) -> R:
        run = await _patiently(lambda: client.options(key="simulated").submit(what, *args, **kwargs))
        return await _patiently(lambda: client.run(run.id, what).result())

    return story


async def _patiently(action: Callable[[], Awaitable[R]]) -> R:
    """A client that asks again when its patience is at an end: what it asks may be asked twice."""
    while True:
        try:
            return await action()
        except UnavailableError:
            await asyncio.sleep(1)


def _arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])


def _texts(faults: Any) -> str:
    if isinstance(faults, int):
        return str(faults)
    return f"[{', '.join(f'Kind.{each.name}' if isinstance(each, Kind) else repr(each) for each in faults or ())}]"
