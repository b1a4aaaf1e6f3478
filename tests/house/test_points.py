"""Fault points: each is declared once and reached; what a durable port method promises, each adapter reaches."""

import ast
from collections.abc import Iterable, Iterator

from tests.house.source import Module, modules, read_module
from tidemill.ports.faults import POINTS

ADAPTERS = "src/tidemill/adapters"
Method = ast.FunctionDef | ast.AsyncFunctionDef


def reached(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The points that are reached in a piece of code, with their lines; what is no plain name is "?"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reach":
            argument = node.args[0] if node.args else None
            yield (str(argument.value) if isinstance(argument, ast.Constant) else "?"), node.lineno


def mentioned(tree: ast.AST) -> set[str]:
    """Names that may lead on from a piece of code: what it calls, and what it hands on to be called."""
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return attributes | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def points_behind(method: Method, beside: Iterable[Module]) -> set[str]:
    """Points that are reached in a method, or in what it leads to in the modules beside it."""
    bodies: dict[str, list[ast.AST]] = {}
    for module in beside:
        for node in ast.walk(module.tree):
            if isinstance(node, Method):
                bodies.setdefault(node.name, []).append(node)
    seen: set[str] = set()
    pending: list[ast.AST] = [method]
    found: set[str] = set()
    while pending:
        node = pending.pop()
        found |= {point for point, _ in reached(node)}
        for name in (mentioned(node) & bodies.keys()) - seen:
            seen.add(name)
            pending += bodies[name]
    return found


def methods_of(node: ast.ClassDef) -> dict[str, Method]:
    return {each.name: each for each in node.body if isinstance(each, Method)}


def promises(method: Method) -> set[str]:
    """What `@durable("a", "b")` says."""
    marks = [
        each for each in method.decorator_list if isinstance(each, ast.Call) and ast.unparse(each.func) == "durable"
    ]
    return {str(argument.value) for mark in marks for argument in mark.args if isinstance(argument, ast.Constant)}


def protocols(ports: Iterable[Module]) -> list[ast.ClassDef]:
    """Port classes with a durable method."""
    classes = [node for module in ports for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    return [node for node in classes if any(promises(each) for each in methods_of(node).values())]


def adapters_of(port: ast.ClassDef, adapters: Iterable[Module]) -> Iterator[tuple[Module, ast.ClassDef]]:
    """Classes that have the port's durable methods and most of the others, which may be attributes or inherited."""
    methods = methods_of(port)
    durable = {name for name, method in methods.items() if promises(method)}
    for module in adapters:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                has = methods_of(node).keys() & methods.keys()
                if durable <= has and len(has) > len(methods) // 2:
                    yield module, node


def lacking(ports: Iterable[Module], adapters: tuple[Module, ...]) -> list[str]:
    """Durable methods of adapters that do not reach what their port promises."""
    found = []
    for port in protocols(ports):
        for module, adapter in adapters_of(port, adapters):
            folder = module.place.rpartition("/")[0]
            beside = [each for each in adapters if each.place.rpartition("/")[0] == folder]
            for name, method in methods_of(port).items():
                if promised := promises(method):
                    lacks = promised - points_behind(methods_of(adapter)[name], beside)
                    found += [f"{module.place} {adapter.name}.{name}: {each}" for each in sorted(lacks)]
    return found


def test_each_point_is_declared_and_each_declared_point_is_reached() -> None:
    places = {point: module.place for module in modules() for point, _ in reached(module.tree)}
    assert {point: place for point, place in places.items() if point not in POINTS} == {}
    assert sorted(POINTS - places.keys()) == []


def test_each_durable_port_has_an_adapter_and_each_adapter_reaches_its_points() -> None:
    ports, adapters = modules("src/tidemill/ports"), modules(ADAPTERS)
    assert [port.name for port in protocols(ports) if not list(adapters_of(port, adapters))] == []
    assert {port.name for port in protocols(ports)} >= {"Beat", "Blobs", "Logs", "Files", "Environments"}
    assert lacking(ports, adapters) == []


PORT = """
class Notes(Protocol):
    @durable("blob.write.before", "blob.rename.after")
    async def write(self): ...
    def read(self): ...
"""
ADAPTER = """
class PaperNotes:
    async def write(self):
        await self._call(self._write)

    def _write(self):
        self._faults.reach("blob.write.before")

    def read(self): ...
"""


def test_an_adapter_without_a_point_is_noticed() -> None:
    port, adapter = read_module("ports/notes.py", PORT), read_module("adapters/paper/notes.py", ADAPTER)
    assert lacking([port], (adapter,)) == ["adapters/paper/notes.py PaperNotes.write: blob.rename.after"]
    whole = read_module(
        "adapters/paper/end.py", 'def _call(self, what):\n    self._faults.reach("blob.rename.after")\n'
    )
    assert lacking([port], (adapter, whole)) == []


def test_a_point_that_is_no_plain_name_is_noticed() -> None:
    tree = ast.parse('faults.reach(f"store.{act}.before")\nself._faults.reach("ack.after")')
    assert list(reached(tree)) == [("?", 1), ("ack.after", 2)]
