"""Stub modules: typed functions for callers, written from a manifest alone."""

from collections.abc import Iterable, Sequence
from inspect import cleandoc

from tidemill.core.definitions import TaskDefinition
from tidemill.core.errors import InputError
from tidemill.core.graph import FINAL, Schema
from tidemill.core.terms import VALUE
from tidemill.interface.annotations import NoLiteralError, Page
from tidemill.interface.classes import Field, class_lines, in_order, named_tuple
from tidemill.interface.identifiers import IMPORTED, RESERVED, class_name, free_name, identifier, is_usable
from tidemill.interface.layout import WIDTH, Bracketed, Expression, docstring, imports, laid_out, text_literal
from tidemill.interface.manifest import Manifest, WorkerEntry, pretty_document
from tidemill.interface.shapes import Shapes

MARK = "Written by `tidemill stubs`; do not edit."
MANIFEST_FILE = "manifest.json"
_TYPES = "types"
_LONGEST_RESULT = 80


class StubError(InputError):
    """A task that no function of Python can stand for."""


class _Call:
    """A task's definition whose schemas refer to the shared types."""

    def __init__(self, task: TaskDefinition, shapes: Shapes) -> None:
        self.task = task
        hint = class_name(task.name.rpartition(".")[2])
        inputs = task.inputs
        defs = {"$defs": inputs["$defs"]} if "$defs" in inputs else {}
        self.parameters: dict[str, Schema] = {
            name: shapes.add({**schema, **defs}, f"{hint} {name}") for name, schema in inputs["properties"].items()
        }
        self.outputs = {port: shapes.add(schema, f"{hint} output") for port, schema in task.outputs.items()}
        self.item = None if task.item is None else shapes.add(task.item, f"{hint} item")


def stub_module(manifest: Manifest) -> str:
    """One module with all tasks and their types."""
    shapes = Shapes()
    calls = {each.name: _calls(each, shapes) for each in manifest.workers}
    shapes.seal()
    page = Page(shapes)
    body = _functions(page, [call for each in calls.values() for call in each])
    return _module(_head(manifest.workers), page, [*_class_blocks(page, list(shapes.names)), *body], _aliases(page))


def stub_package(manifest: Manifest) -> dict[str, str]:
    """The files of a package, by name: a module for each worker, the types of all of them, the manifest."""
    manifest = Manifest(tuple(WorkerEntry(each.name, each.tasks) for each in manifest.workers))
    shapes = Shapes()
    calls = [(each, _calls(each, shapes)) for each in manifest.workers]
    shapes.seal()
    files = {"__init__.py": f'"""{_summary(manifest.workers)}\n\n{MARK}\n"""\n'}
    types = Page(shapes)
    taken = [_TYPES]
    for worker, own in calls:
        page = Page(shapes)
        body = _functions(page, own)
        types.opaque |= page.opaque
        taken.append(free_name(identifier(worker.name), [*taken, *RESERVED]))
        files[f"{taken[-1]}.py"] = _module(_head([worker]), page, body, {"." + _TYPES: _local(page)})
    blocks = _class_blocks(types, list(shapes.names))
    if blocks or types.opaque:
        files[f"{_TYPES}.py"] = _module(["Types of the tasks beside this.", "", MARK], types, blocks, _aliases(types))
    files[MANIFEST_FILE] = pretty_document(manifest)
    return files


def _calls(worker: WorkerEntry, shapes: Shapes) -> list[_Call]:
    """One for each name: implementations differ in what they require, which is nothing to callers."""
    return [_Call(task, shapes) for task in Manifest((worker,)).tasks.values()]


def _head(workers: Sequence[WorkerEntry]) -> list[str]:
    digests = [f"worker {each.name} {each.digest}" for each in workers]
    return [_summary(workers), "", MARK, "", *digests]


def _summary(workers: Iterable[WorkerEntry]) -> str:
    names = ", ".join(each.name for each in workers)
    return f"Tasks of {names}, to be called in workflows and submitted by clients." if names else "No tasks."


def _aliases(page: Page) -> list[str]:
    """Types that only their worker can read: to callers anything."""
    for name in ("TypeAlias", "Annotated", "Any") if page.opaque else ():
        page.name(name)
    return [f'{name}: TypeAlias = Annotated[Any, "of a codec"]' for name in sorted(page.opaque)]


def _local(page: Page) -> set[str]:
    return page.opaque | {page.shapes.names[key] for key in page.classes}


def _module(
    head: Sequence[str], page: Page, blocks: Sequence[list[str]], other: list[str] | dict[str, set[str]]
) -> str:
    """``other``: aliases at the top, or what is imported from this package."""
    names: dict[str, set[str]] = {}
    for name in page.imports:
        names.setdefault(IMPORTED[name], set()).add(name)
    local = {module: found for module, found in other.items() if found} if isinstance(other, dict) else {}
    lines = [*docstring("\n".join(head)), "", *imports({**names, **local})]
    if isinstance(other, list) and other:
        lines += [*other, ""]
    for block in blocks:
        lines += ["", *block, ""]
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines) + "\n"


def _class_blocks(page: Page, keys: Sequence[str]) -> list[list[str]]:
    known: set[str] = set()
    blocks = []
    for key in in_order(page, keys):
        blocks.append(class_lines(page, key, known))
        known.add(page.shapes.names[key])
    return blocks


# Functions ------------------------------------------------------------------------------------------


def _functions(page: Page, calls: Sequence[_Call]) -> list[list[str]]:
    taken = set(RESERVED) | set(page.shapes.names.values())
    blocks = []
    for call in calls:
        name = free_name(identifier(call.task.name.partition(".")[2]), taken)
        taken.add(name)
        result, before = _result(page, call, taken)
        taken.update(each.split("(")[0].split(":")[0].removeprefix("class ") for block in before for each in block[:1])
        blocks += [*before, _function(page, call, name, result)]
    return blocks


def _result(page: Page, call: _Call, taken: set[str]) -> tuple[Expression, list[list[str]]]:
    """The annotation of what a call gives, and what must be defined before it."""
    if call.item is not None and FINAL in call.outputs:
        types = (page.annotation(call.item), "None", page.annotation(call.outputs[FINAL]))
        return Bracketed(f"{page.name('Generator')}[", types, "]"), []
    if call.item is not None:
        kind: Expression = Bracketed(f"{page.name('Iterator')}[", (page.annotation(call.item),), "]")
    elif [*call.outputs] == [VALUE]:
        kind = page.annotation(call.outputs[VALUE])
    else:
        return _ports(page, call, taken)
    if len(str(kind)) <= _LONGEST_RESULT:
        return kind, []
    alias = free_name(class_name(call.task.name.rpartition(".")[2]) + "Result", taken)
    page.name("TypeAlias")
    if call.item is None:
        return alias, [laid_out(f"{alias}: TypeAlias = ", kind)]
    return f"Iterator[{alias}]", [laid_out(f"{alias}: TypeAlias = ", page.annotation(call.item))]


def _ports(page: Page, call: _Call, taken: set[str]) -> tuple[Expression, list[list[str]]]:
    wrong = [port for port in call.outputs if not is_usable(port) or port.startswith("_")]
    if wrong:
        raise StubError(
            f"{call.task.name} has an output {wrong[0]!r}, and a field of a NamedTuple cannot have that name"
        )
    told = call.task.signature.rpartition(" -> ")[2]
    wanted = told if told.isidentifier() else class_name(call.task.name.rpartition(".")[2]) + "Output"
    name = free_name(wanted, taken)
    fields = [Field(port, port, page.annotation(schema), None) for port, schema in call.outputs.items()]
    return name, [named_tuple(page, name, fields, "", set(page.shapes.names.values()))]


def _function(page: Page, call: _Call, name: str, result: Expression) -> list[str]:
    task = call.task
    parameters, renamed = _parameters(page, call)
    kind = page.name("stub" if call.item is None else "stub_stream")
    page.name("StubCalledError")
    given = [text_literal(task.name), f"schema={text_literal(task.digest)}"]
    if renamed:
        pairs = ", ".join(f"{text_literal(mine)}: {text_literal(theirs)}" for mine, theirs in renamed.items())
        given.append(f"names={{{pairs}}}")
    return [
        *laid_out("@", Bracketed(f"{kind}(", tuple(given), ")")),
        *_signature(f"def {name}(", parameters, f") -> {result}:"),
        *docstring(cleandoc(task.doc), 4),
        f"    raise StubCalledError({text_literal(task.name)})",
    ]


class _Parameters(list[tuple[str, Expression, Expression | None]]):
    """Name, annotation, default; ``("*", "", None)`` begins those that are given by name."""


def _parameters(page: Page, call: _Call) -> tuple[_Parameters, dict[str, str]]:
    required, keywords = set(call.task.inputs.get("required", ())), set(call.task.keywords)
    found, renamed = _Parameters(), {}
    has_default = False
    for key, schema in call.parameters.items():
        name = _parameter_name(key, [each[0] for each in found])
        if name != key:
            renamed[name] = key
        is_late = has_default and key in required
        if (key in keywords or is_late) and "*" not in [each[0] for each in found]:
            found.append(("*", "", None))
        has_default = has_default or key not in required
        kind = page.annotation(schema)
        if kind == "Any" and not found:
            kind = f'{page.name("Annotated")}[Any, "anything"]'  # else it is taken for the place of a Context
        found.append((name, kind, None if key in required else _default(page, schema)))
    return found, renamed


def _parameter_name(key: str, taken: Sequence[str]) -> str:
    if is_usable(key):
        return key
    plain = identifier(key)
    return free_name(plain if is_usable(plain) else f"{plain}_", taken)


def _default(page: Page, schema: Schema) -> Expression:
    if "default" in schema:
        try:
            return page.literal(schema["default"], schema)
        except (NoLiteralError, ValueError):
            pass
    return page.name("unset")


def _signature(head: str, parameters: _Parameters, tail: str) -> list[str]:
    flat = [_flat(each) for each in parameters]
    inner = ", ".join(flat)
    if len(head) + len(inner) + len(tail) <= WIDTH or not parameters:
        return [f"{head}{inner}{tail}"]
    if 4 + len(inner) <= WIDTH and len(parameters) > 1:  # one alone gets its comma
        return [head, f"    {inner}", tail]
    return [head, *(line for each in parameters for line in _broken(each)), tail]


def _flat(parameter: tuple[str, Expression, Expression | None]) -> str:
    name, kind, default = parameter
    if name == "*":
        return name
    return f"{name}: {kind}" if default is None else f"{name}: {kind} = {default}"


def _broken(parameter: tuple[str, Expression, Expression | None]) -> list[str]:
    name, kind, default = parameter
    if name == "*":
        return ["    *,"]
    if default is None or (isinstance(kind, Bracketed) and len(str(kind)) > len(str(default))):
        return laid_out(f"{name}: ", kind, "," if default is None else f" = {default},", 4)
    return laid_out(f"{name}: {kind} = ", default, ",", 4)
