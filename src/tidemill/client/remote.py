"""`AsyncClient`: submit typed tasks and workflows to a server, wait for them, watch them, stop them."""

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, ParamSpec, Self, TypeVar, Unpack, cast, overload

from msgspec.structs import replace

from tidemill.client.connection import Connection
from tidemill.client.data import WithData
from tidemill.client.endpoints import AsyncEndpoints
from tidemill.client.errors import StreamRestartedError
from tidemill.client.files import Progress
from tidemill.client.forking import ForkOptions, forked, looked_at, planned
from tidemill.client.hooks import AsyncHooks
from tidemill.client.identity import Identity
from tidemill.client.knowing import Knowing
from tidemill.client.outcomes import Awaited
from tidemill.client.saying import NAMES, SubmitOptions, said_of
from tidemill.client.schedules import AsyncSchedules
from tidemill.client.seen import Seen
from tidemill.client.sharing import AsyncStore, WithStores, store_of
from tidemill.client.signals import SignalsOfClient, SignalsOfRun
from tidemill.client.streams import Numbered, OnRestart, Restarted, numbered
from tidemill.client.tails import Place
from tidemill.client.targets import Decode, Plain, Target, bind_plain, named, target_of
from tidemill.client.transport import HttpTransport, Transport
from tidemill.client.webhooks import AsyncWebhooks
from tidemill.core.graph import NodeOptions, overlaid
from tidemill.core.run import Adjustment
from tidemill.graphs.view import Graph
from tidemill.sdk.definition import Definition
from tidemill.sdk.directory import Directory
from tidemill.sdk.file import File
from tidemill.sdk.options import Options, node_options
from tidemill.sdk.result import Streamed
from tidemill.wire import api
from tidemill.wire.control import CancelRequest
from tidemill.wire.forks import ForkPlan, WhatIfRun

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:7070"


class AsyncRun(Seen, SignalsOfRun, WithData, WithStores, Generic[R_co]):
    """A run on a server. Awaiting its result twice gives it twice."""

    def __init__(self, core: Connection, awaited: Awaited, decode: Decode) -> None:
        self._core, self._awaited, self._decode = core, awaited, decode
        self._is_watched = True

    async def result(self, timeout: float | timedelta | None = None) -> R_co:
        """Wait for the end.

        Args:
            timeout: of this wait, in seconds; the run goes on after it.
        Raises:
            RunFailedError, RunCancelledError, TimeoutError, UnavailableError.
        """
        outputs = await self._core.outputs(await self.ended(timeout))
        found: R_co = self._decode.result(outputs)
        return found

    async def ended(self, timeout: float | timedelta | None = None) -> api.Finished:
        """Wait for the end, whatever it is."""
        await self._watch()
        try:
            async with asyncio.timeout(_seconds(timeout)):
                return await self._awaited.ended()
        except TimeoutError:
            raise TimeoutError(f"run {self.id} has not ended within {_seconds(timeout):g} s; it goes on") from None

    async def adjustments(self) -> Sequence[Adjustment]:
        """Wait for the end; what a Clamp corrected on the way, the first 20. `steps` has all, step by step."""
        return (await self.ended()).adjustments

    async def _watch(self) -> None:
        if not self._is_watched:
            await self.view()  # of a run that is not there nobody would ever hear
            self._core.outcomes.expect(self._awaited)
            await self._core.outcomes.ask([self.id])
            self._is_watched = True

    async def cancel(self, reason: str = "") -> api.RunView:
        """Ask it to stop; it ends when each of its steps has, what it did is undone, and its `finally_` ran.

        Another cancel, while it undoes or runs `finally_`, stops that too; what is left undone is told.
        """
        asked = CancelRequest(reason, self._core.identity.run_id())  # sent again, it is the same one
        return await self._core.calls.post(f"/runs/{self.id}/cancel", asked, api.RunView)

    async def retry(self, **options: Unpack[ForkOptions]) -> "AsyncRun[R_co]":
        """Go on where it failed: a new run takes over each step that succeeded on the same inputs, and runs the rest.

        Raises ConflictError: it has not failed or been cancelled.
        """
        return self._again(await forked(self._core, self.id, options, "retry"))

    async def fork(self, **options: Unpack[ForkOptions]) -> "AsyncRun[R_co]":
        """Run it again, edited: what an edit does not reach is taken over."""
        return self._again(await forked(self._core, self.id, options, "fork"))

    async def plan_fork(self, **options: Unpack[ForkOptions]) -> ForkPlan:
        """What `fork` would take over and what it would run; nothing is started."""
        return await planned(self._core, self.id, options)

    def _again(self, run: str) -> "AsyncRun[R_co]":
        other = AsyncRun[R_co](self._core, Awaited(run), self._decode)
        other._is_watched = False
        return other

    @overload
    def stream(
        self: "AsyncRun[list[T]]", offset: int = 0, *, on_restart: OnRestart | None = None
    ) -> AsyncIterator[T]: ...
    @overload
    def stream(
        self: "AsyncRun[Streamed[T, Any]]", offset: int = 0, *, on_restart: OnRestart | None = None
    ) -> AsyncIterator[T]: ...
    async def stream(
        self: "AsyncRun[Any]", offset: int = 0, *, on_restart: OnRestart | None = None
    ) -> AsyncIterator[Any]:
        """The items of a stream as they become durable, from ``offset`` on; of a task or workflow that gives one.

        Args:
            on_restart: called when an attempt failed and the next one streams anew; its items follow from the first.
        Raises:
            StreamRestartedError: the same, where ``on_restart`` is not given.
            RunFailedError: after the items, when the run failed.
        """
        async for each in self.numbered(offset):
            if isinstance(each, Numbered):
                yield each.item
            elif on_restart is None:
                raise StreamRestartedError(self.id, each.epoch)
            else:
                on_restart(each)
        await self._core.outputs(await self.ended())

    @overload
    def numbered(
        self: "AsyncRun[list[T]]", offset: int = 0, *, path: str = "", epoch: int = 0, attempt: int = 0
    ) -> AsyncIterator[Numbered[T] | Restarted]: ...
    @overload
    def numbered(
        self: "AsyncRun[Streamed[T, Any]]", offset: int = 0, *, path: str = "", epoch: int = 0, attempt: int = 0
    ) -> AsyncIterator[Numbered[T] | Restarted]: ...
    def numbered(
        self: "AsyncRun[Any]", offset: int = 0, *, path: str = "", epoch: int = 0, attempt: int = 0
    ) -> AsyncIterator[Numbered[Any] | Restarted]:
        """The items with their places, and a word when they begin anew; ends with the stream, however the run ends.

        Args:
            offset: index of the first item, in ``epoch`` when that is given, else in the current one.
            epoch: of the items that the reader has; should there be a newer one by now, it begins with `Restarted`.
            path: of a step, for the stream of that one.
            attempt: reads the items of this attempt only, superseded or not.
        """
        return numbered(self._core.tails.items(self.id, path, Place(offset, epoch, attempt)), self._decode.item)

    def events(self, after: int = 0) -> AsyncIterator[api.EventView]:
        """What happened and happens, until the run ends. An event's ``number`` is what to go on after."""
        return self._core.tails.events(self.id, after)

    def emitted(self, type: str = "", after: int = 0) -> AsyncIterator[api.EmittedView]:  # noqa: A002  # its name
        """Events that tasks told of by ``ctx.emit``, of one type or of all, in order, until the run ends.

        Args:
            after: the ``number`` of the last one that is known.
        """
        return self._core.tails.emitted(self.id, type, after)

    async def emitted_so_far(self, type: str = "", after: int = 0) -> Sequence[api.EmittedView]:  # noqa: A002
        """Those that there are now."""
        return [event async for event in self._core.tails.emitted_so_far(self.id, type, after)]

    def __repr__(self) -> str:
        return f"<run {self.id}>"


class AsyncClient(Knowing, SignalsOfClient):
    """Safe to share by all tasks of one event loop. Concurrent submissions travel together.

    Args:
        url: of the server.
        transport: another way to it; tests use one.
        identity: makes the names of its runs; simulations have one of their own.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, transport: Transport | None = None, identity: Identity | None = None
    ) -> None:
        super().__init__(Connection(transport or HttpTransport(url), identity or Identity()))
        self._options, self._said = NodeOptions(), dict[str, Any]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._core.close()

    def options(self, **options: Unpack[SubmitOptions]) -> Self:
        """The same client, whose submissions say this too. Those of one attempt are for single tasks."""
        said = said_of(options)
        own = {name: value for name, value in options.items() if name not in NAMES}
        other = copy.copy(self)
        vars(other)["_options"] = overlaid(self._options, node_options(cast(Options, own)))
        vars(other)["_said"] = self._said | said
        return other

    async def submit(self, target: Definition[P, R], /, *args: P.args, **kwargs: P.kwargs) -> AsyncRun[R]:
        """Start a run; returns once the server has it durably.

        Raises:
            InvalidInputError: with each value that does not fit; nothing was started.
            UnknownTaskError, UnavailableError.
        """
        found = target_of(target)
        encoded = await found.bind(args, kwargs)
        return await self._submit(found, values=await self._core.values.send(encoded))

    async def submit_named(self, name: str, inputs: Mapping[str, Any] | None = None) -> AsyncRun[Any]:
        """Start a task by its name, `worker.task`, or a published workflow by its; its result is plain data.

        Args:
            inputs: plain data, and what has a form as such: records, dates, a File (which is uploaded).
        Raises:
            InvalidInputError: with each value that does not fit, or has no such form; nothing was started.
            UnknownTaskError, UnavailableError.
        """
        found = named(name)
        plain = await self._core.values.send_plain(await bind_plain(inputs or {}))
        return await self._submit(found, plain=plain)

    async def submit_graph(self, graph: Graph, inputs: Mapping[str, Any] | None = None) -> AsyncRun[Any]:
        """Start a workflow by its graph; it is published if need be. Inputs and errors as of `submit_named`."""
        found = Target(Plain(), graph=graph.digest, document=graph.document)
        plain = await self._core.values.send_plain(await bind_plain(inputs or {}))
        return await self._submit(found, plain=plain)

    async def submit_many(self, target: Definition[..., R], inputs: Sequence[Mapping[str, Any]]) -> list[AsyncRun[R]]:
        """One run for each of ``inputs``, arguments by parameter. The first that is wrong is raised."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.submit(target, **each)) for each in inputs]
        return [task.result() for task in tasks]

    async def _submit(self, target: Target, *, plain: Any = None, values: Any = None) -> AsyncRun[Any]:
        said = overlaid(target.options, self._options)
        submission = api.Submission(
            task=target.task,
            graph=target.graph,
            input=plain,
            values=values,
            id=self._core.identity.run_id(),
            priority=said.priority or 0,
            options=replace(said, priority=None),
            **self._said,
        )
        awaited = Awaited(submission.id)
        accepted = await self._core.submit(submission, awaited, target)
        if accepted.id != submission.id:  # a key leads to a run that is there already
            return self._of_id(accepted.id, target.decode)
        return AsyncRun(self._core, awaited, target.decode)

    def _of_id(self, run: str, decode: Decode) -> AsyncRun[Any]:
        found = AsyncRun[Any](self._core, self._core.outcomes.shared(run), decode)
        found._is_watched = False  # noqa: SLF001  # its own module
        return found

    @property
    def endpoints(self) -> AsyncEndpoints:
        """Tasks and workflows that have paths of their own."""
        return AsyncEndpoints(self._core.calls)

    @property
    def hooks(self) -> AsyncHooks:
        """Addresses for webhooks of somebody else's."""
        return AsyncHooks(self._core.calls)

    def store(self, workflow: str, name: str) -> AsyncStore:
        """A store that all runs of a workflow share; its ``items`` are those of the channel of this name."""
        return store_of(self._core, workflow, name)

    @property
    def webhooks(self) -> AsyncWebhooks:
        """Who is told when runs end."""
        return AsyncWebhooks(self._core.calls)

    @property
    def schedules(self) -> AsyncSchedules:
        """Rules that start runs."""
        return AsyncSchedules(self._core)

    # Runs ------------------------------------------------------------------------------------------

    async def what_if(
        self, target: Definition[..., Any], runs: Sequence[str] = (), *, workflow: str = "", limit: int = 100
    ) -> Sequence[WhatIfRun]:
        """What recorded runs would do in this version of their workflow; nothing is started.

        Args:
            runs: ids; without any, the latest ``limit`` runs of ``workflow``, by default of the target's name.
        """
        return await looked_at(
            self._core, target_of(target), tuple(runs), ("" if runs else workflow or target.name, limit)
        )

    def run(self, run: str, target: Definition[..., R] | None = None) -> AsyncRun[R]:
        """A run by its id; with what it is a run of, its result is typed."""
        decode = named("").decode if target is None else target_of(target).decode
        return self._of_id(str(run), decode)

    async def runs(  # noqa: PLR0913  # a filter each
        self,
        *,
        status: Sequence[str] = (),
        workflow: str = "",
        parent: str = "",
        before: str = "",
        limit: int = 50,
        tags: Mapping[str, str] | None = None,
        older_than: float | timedelta = 0.0,
    ) -> api.RunPage:
        """Newest first. Pass a page's ``next`` as ``before`` for the one after it.

        Args:
            parent: a run's id: those that its tasks started; the others do not narrow them.
            tags: that a run has, all of them. A page of few runs among many may be short, and have a ``next``.
        """
        query = {"status": tuple(status), "workflow": workflow, "parent": parent, "before": before, "limit": limit}
        query["tag"] = tuple(f"{name}={text}" for name, text in (tags or {}).items())
        query["older_than"] = _seconds(older_than) or ""
        return await self._core.calls.get("/runs", api.RunPage, query)

    async def cancel(self, run: str, reason: str = "") -> api.RunView:
        return await self.run(run).cancel(reason)

    async def why(self, run: str) -> api.WhyAnswer:
        """Why each step of a run waits, and what would start it."""
        return await self._core.calls.get(f"/runs/{run}/why", api.WhyAnswer)

    # Files -----------------------------------------------------------------------------------------

    async def upload(self, source: str | Path | bytes, *, name: str = "", progress: Progress | None = None) -> File:
        """Make a file known to the server; what it has already is not sent again."""
        return await self._core.files.upload(source, name, progress)

    async def download(self, file: File | Directory, to: str | Path, *, progress: Progress | None = None) -> Path:
        """Fetch a file, verified; goes on where a broken download stopped. ``to`` is a folder or a path.

        The files of a Directory are laid out under ``to``, which is made; ``progress`` is told of each of them.
        """
        if isinstance(file, File):
            return await self._core.files.download(file, Path(to), progress)
        for name, each in file.files.items():
            target = Path(to) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            await self._core.files.download(each, target, progress)
        return Path(to)


def _seconds(length: float | timedelta | None) -> float | None:
    return length.total_seconds() if isinstance(length, timedelta) else length
