"""What no stand-in can catch, found in a body's syntax tree: ``is``, ``match``, ``try``, ``isinstance``, f-strings."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tidemill.sdk.definition import Definition
from tidemill.sdk.standin import TraceError

_WORDS = frozenset(("tidemill.sdk.words", "tidemill.sdk.joining", "tidemill.sdk.ops"))
_LOOKERS = frozenset(("isinstance", "issubclass", "type", "callable", "id", "hasattr", "getattr", "vars"))
_Function = ast.FunctionDef | ast.Lambda


def check_body(fn: Callable[..., Any]) -> None:
    """Refuse what would look at a stand-in behind its back. A body without source is let pass.

    Raises:
        TraceError: with file, line and column.
    """
    try:
        lines, first = inspect.getsourcelines(fn)
        source = textwrap.dedent("".join(lines))
        tree = ast.parse(source)
    except (OSError, SyntaxError, TypeError):
        return
    function = next((node for node in ast.walk(tree) if isinstance(node, _Function)), None)
    if function is None:
        return
    indent = len(lines[0]) - len(lines[0].lstrip())
    known = {**fn.__globals__, **inspect.getclosurevars(fn).nonlocals}
    for node, message in _Pass(function, known).found():
        file = fn.__code__.co_filename.rpartition("/")[2]
        place = f"{file}:{first + node.lineno - 1}:{node.col_offset + indent + 1}"
        raise TraceError(f"workflow {fn.__name__} ({place}): {message}")


class _Pass:
    """Knows which names of a body hold stand-ins: its parameters, and what is made from them or by a task."""

    def __init__(self, function: _Function, known: Mapping[str, Any]) -> None:
        self._function, self._known = function, known
        self._names = set(_parameters(function))
        for inner in ast.walk(function):
            if isinstance(inner, ast.FunctionDef) and inner is not function:
                self._names |= _parameters(inner)
            elif isinstance(inner, ast.Call) and self._makes_node(inner):
                lambdas = [each for each in ast.walk(inner) if isinstance(each, ast.Lambda)]
                self._names |= {name for each in lambdas for name in _parameters(each)}
        self._follow_assignments()

    def found(self) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
        for node in ast.walk(self._function):
            message = self._message(node)
            if message and isinstance(node, ast.expr | ast.stmt):
                yield node, message

    def _message(self, node: ast.AST) -> str:
        match node:
            case ast.Compare(ops=ops) if any(isinstance(op, ast.Is | ast.IsNot) for op in ops) and self._holds(node):
                return (
                    "`is` compares a stand-in, not its value; use ==, or if_some(value, then=…, otherwise=…) for None"
                )
            case ast.Match(subject=subject) if self._holds(subject):
                return "`match` looks at a stand-in, not at its value; use switch(subject, {case: lambda: …})"
            case ast.Try() | ast.TryStar() if any(self._holds(each) for each in node.body):
                return (
                    "`try` sees no failure of a step; use .options(on_failure=default(…)), .options(retries=…), or "
                    "map_over(…, on_failure=collect)"
                )
            case ast.JoinedStr() if self._holds(node):
                return "an f-string cannot hold a value that does not exist yet; use a task that makes the text"
            case ast.Call(func=ast.Name(id=name), args=args) if name in _LOOKERS and any(map(self._holds, args)):
                return f"{name}() looks at a stand-in, not at its value; use switch, if_some, or a task"
        return ""

    def _makes_node(self, call: ast.Call) -> bool:
        """Whether a call is one of a task, a workflow or a word."""
        target: ast.expr = call.func
        while isinstance(target, ast.Call):  # task.options(…)(…)
            target = target.func.value if isinstance(target.func, ast.Attribute) else target.func
        value = self._value_of(target)
        return isinstance(value, Definition) or getattr(value, "__module__", "") in _WORDS

    def _value_of(self, target: ast.expr) -> Any:
        if isinstance(target, ast.Name):
            return self._known.get(target.id)
        if isinstance(target, ast.Attribute):
            owner = self._value_of(target.value)
            return inspect.getattr_static(owner, target.attr, None) if inspect.ismodule(owner) else None
        return None

    def _holds(self, node: ast.AST) -> bool:
        return any(
            (isinstance(each, ast.Name) and each.id in self._names)
            or (isinstance(each, ast.Call) and self._makes_node(each))
            for each in ast.walk(node)
        )

    def _follow_assignments(self) -> None:
        before = -1
        while before != len(self._names):
            before = len(self._names)
            for node in ast.walk(self._function):
                if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
                    self._follow(node)

    def _follow(self, node: ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AugAssign) -> None:
        if node.value is None or not self._holds(node.value):
            return
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            self._names |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}


def _parameters(function: _Function) -> set[str]:
    arguments = function.args
    return {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
