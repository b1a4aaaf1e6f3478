"""A spec as a Worker: each operation is a task that is a program."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from msgspec import NODEFAULT

from tidemill.core.terms import VALUE
from tidemill.interface.typespec import marks, syntax
from tidemill.interface.typespec.names import check_identifier
from tidemill.interface.typespec.parser import parse
from tidemill.interface.typespec.syntax import Place, SpecError
from tidemill.interface.typespec.types import Column, Types
from tidemill.sdk.errors import DefinitionError
from tidemill.sdk.options import task_options
from tidemill.sdk.plans import TypePlan, plan_of
from tidemill.sdk.program import Program, ProgramTask, check_command
from tidemill.sdk.signature import Body, Parameter, Signature
from tidemill.sdk.worker import Worker

_OF_WORKER: Mapping[str, str] = {"concurrency": "concurrency", "pools": "pools"}


def read_spec(path: Path, command: tuple[str, ...] = ()) -> Worker:
    """The worker that a spec file declares.

    Args:
        command: starts the program of operations whose spec names no ``@command``.
    Raises:
        SpecError: with the place, and what is expected there.
        OSError: the file cannot be read.
    """
    file, data = str(path), path.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError("the text is not in UTF-8", Place(line, 1), file) from None
    return worker_of(text, file=file, folder=path.resolve().parent, command=command)


def worker_of(text: str, *, file: str = "", folder: Path, command: tuple[str, ...] = ()) -> Worker:
    """The same for a text. ``folder`` is where relative commands are."""
    spec = parse(text, file)
    try:
        return _Maker(spec, folder, command).worker()
    except SpecError as error:
        raise error.of_file(file) from None
    except RecursionError:
        raise SpecError("its types are too deep in each other", Place(1, 1), file) from None


class _Home(NamedTuple):
    """Where an operation is declared: its decorators may name the command."""

    operation: syntax.Operation
    around: tuple[syntax.Notes, ...]  # the innermost first


@dataclass(frozen=True)
class _Draft:
    """An operation whose types are known, but not finished yet."""

    home: _Home
    columns: list[Column]
    returns: Any
    item: Any  # of a stream, else None
    outputs: dict[str, Any]
    is_mapping: bool = False

    @property
    def notes(self) -> syntax.Notes:
        return self.home.operation.notes

    @property
    def place(self) -> Place:
        return self.home.operation.place


class _Maker:
    def __init__(self, spec: syntax.Spec, folder: Path, command: tuple[str, ...]) -> None:
        self._spec, self._folder, self._command = spec, folder, command
        self._types = Types(spec)

    def worker(self) -> Worker:
        spec = self._spec
        marks.check(spec.notes, (*_OF_WORKER, marks.COMMAND), "a namespace")
        homes = self._homes()
        drafts = [self._draft(home) for home in homes]
        self._types.resolve_all()
        self._types.finish()
        worker = self._empty()
        for draft in drafts:
            if f"{worker.name}.{draft.home.operation.name}" in worker.tasks:
                raise SpecError(f"there are two operations {draft.home.operation.name}", draft.place)
            worker.register(self._task(worker.name, draft))
        return worker

    def _empty(self) -> Worker:
        spec = self._spec
        name = spec.namespace or self._interfaces()[0].name
        try:
            return Worker(name, **marks.keywords(spec.notes, _OF_WORKER))
        except DefinitionError as error:
            raise SpecError(str(error), spec.place if spec.namespace else self._interfaces()[0].place) from None

    def _interfaces(self) -> list[syntax.Interface]:
        return [each for each in self._spec.declarations if isinstance(each, syntax.Interface)]

    def _homes(self) -> list[_Home]:
        spec, interfaces = self._spec, self._interfaces()
        if not spec.namespace and len(interfaces) != 1:
            place = interfaces[1].place if interfaces else Place(1, 1)
            raise SpecError("the worker has no name: begin the spec with namespace NAME;", place)
        homes = []
        for each in spec.declarations:
            if isinstance(each, syntax.Operation):
                homes.append(_Home(each, (spec.notes,)))
            elif isinstance(each, syntax.Interface):
                marks.check(each.notes, (marks.COMMAND,), f"the interface {each.name}")
                homes += [_Home(operation, (each.notes, spec.notes)) for operation in each.operations]
        if not homes:
            raise SpecError("there is no operation, so the worker has no task", spec.place or Place(1, 1))
        return homes

    # An operation -----------------------------------------------------------------------------------

    def _draft(self, home: _Home) -> _Draft:
        operation = home.operation
        check_identifier(operation.name, "an operation", operation.place)
        marks.check(operation.notes, (*marks.OPTIONS, marks.COMMAND), f"the operation {operation.name}")
        scope = dict.fromkeys(operation.parameters, Any)  # a program does not know which type it is called with
        columns = self._types.columns(operation.fields, scope)
        returns = operation.returns
        if isinstance(returns, syntax.Named) and returns.name not in scope:
            name = self._types.names.short(returns.name)
            if name == "Stream":
                return self._stream(home, columns, returns, scope)
            if self._types.names.is_mapping(name):
                return self._mapping(home, columns, returns)
        kind = self._types.resolve(returns, scope)
        return _Draft(home, columns, kind, None, {VALUE: kind})

    def _stream(self, home: _Home, columns: list[Column], returns: syntax.Named, scope: Mapping[str, Any]) -> _Draft:
        if len(returns.arguments) != 1:
            raise SpecError("Stream takes the type of its items: Stream<T>", returns.place)
        item = self._types.resolve(returns.arguments[0], scope)
        items = list.__class_getitem__(item)
        return _Draft(home, columns, items, item, {VALUE: items})

    def _mapping(self, home: _Home, columns: list[Column], returns: syntax.Named) -> _Draft:
        declared = self._types.names.find(returns)
        if declared.parameters or returns.arguments:
            raise SpecError(f"the portmapping {declared.name} takes no types in <…>", returns.place)
        ports = self._types.columns(self._types.members(declared), {})
        if not ports:
            raise SpecError(f"the portmapping {declared.name} has no ports", declared.place)
        for each in ports:
            if each.field.default is not None:
                raise SpecError(f"the port {each.name} is an output, and has no default", each.field.place)
        kinds = {each.name: each.kind for each in ports}
        named: Any = NamedTuple
        return _Draft(home, columns, named(declared.name, list(kinds.items())), None, kinds, is_mapping=True)

    def _task(self, worker: str, draft: _Draft) -> ProgramTask[..., Any]:
        operation, given = draft.home.operation, marks.keywords(draft.notes, marks.OPTIONS)
        program = Program(self._command_of(draft.home), str(self._folder))
        signature = self._signature(draft)

        def stands_for() -> None: ...

        stands_for.__doc__ = marks.doc_of(draft.notes)
        name = f"{worker}.{operation.name}"
        task = ProgramTask[..., Any](name, stands_for, lambda *_: signature, {}, program)
        try:
            task.task_options = task_options(cast(Any, given))
            task.statuses = tuple(given.get("statuses", ()))
            _ = task.definition
        except (DefinitionError, ValueError) as error:
            raise SpecError(str(error), draft.place) from None
        return task

    def _signature(self, draft: _Draft) -> Signature:
        parameters = {each.name: self._parameter(each) for each in draft.columns}
        return Signature(
            parameters=parameters,
            outputs={port: _planned(kind, draft.place) for port, kind in draft.outputs.items()},
            result=_planned(draft.returns, draft.place),
            body=Body.SYNC if draft.item is None else Body.ITEMS,
            item=None if draft.item is None else _planned(draft.item, draft.place),
            tuple_type=draft.returns if draft.is_mapping else None,
        )

    def _parameter(self, column: Column) -> Parameter:
        default = self._types.default_of(column) if column.has_default else NODEFAULT
        return Parameter(column.name, _planned(column.kind, column.field.place), default)

    def _command_of(self, home: _Home) -> tuple[str, ...]:
        for notes in (home.operation.notes, *home.around):
            for each in notes.decorators:
                if each.name == marks.COMMAND:
                    try:
                        return check_command(marks.texts(each))
                    except DefinitionError as error:
                        raise SpecError(str(error), each.place) from None
        if self._command:
            return self._command
        raise SpecError(
            'no program is named: write @command("./program") before the namespace, or put an executable run beside it',
            home.operation.place,
        )


def _planned(kind: Any, place: Place) -> TypePlan:
    try:
        return plan_of(kind)
    except DefinitionError as error:
        raise SpecError(str(error), place) from None
