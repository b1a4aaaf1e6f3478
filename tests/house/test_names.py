"""The glossary in code: words that mean something else here, and names that mean nothing."""

import ast
import re
from collections.abc import Iterator

from tests.house.source import Module, modules, read_module

NOT_OUR_WORDS = {"job", "jobs", "activity", "activities", "executor", "executors", "blueprint", "blueprints"}
EMPTY_NAMES = {
    "base",
    "common",
    "handler",
    "handlers",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "util",
    "utils",
}
# Methods that an event loop must have: the name is asyncio's choice.
IMPOSED = {"run_in_executor", "set_default_executor", "shutdown_default_executor"}


def words(identifier: str) -> list[str]:
    """`run_in_Executor`, `TaskExecutor2` → run in executor, task executor."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)]


def defined(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each name that the module itself gives to something, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno
            case _:
                pass


def foreign_words(module: Module) -> list[str]:
    return [
        f"{module.place}:{line} {name}"
        for name, line in defined(module.tree)
        if NOT_OUR_WORDS.intersection(words(name)) and name not in IMPOSED
    ]


def test_no_name_uses_a_word_of_another_system() -> None:
    assert [line for module in modules() for line in foreign_words(module)] == []


def test_a_foreign_word_inside_a_name_is_noticed() -> None:
    source = "class TaskExecutor:\n    def add_job(self) -> None: ..."
    assert foreign_words(read_module("a.py", source)) == ["a.py:1 TaskExecutor", "a.py:2 add_job"]
    assert foreign_words(read_module("a.py", "loop.run_in_executor(pool, call)")) == []


def test_a_module_is_named_after_what_it_defines() -> None:
    found = [
        m.place for m in modules() if EMPTY_NAMES.intersection(words(m.place.rsplit("/", 1)[1].removesuffix(".py")))
    ]
    assert found == []


def test_an_error_ends_in_error() -> None:
    def is_error(node: ast.ClassDef) -> bool:
        return any(ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases)

    classes = [node for module in modules() for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    assert [node.name for node in classes if is_error(node) and not node.name.endswith("Error")] == []
