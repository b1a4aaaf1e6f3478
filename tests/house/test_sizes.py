"""Sizes: a file, a function or a class that grows past its limit is split by concept."""

import ast
import statistics
from collections import Counter

import pytest

from tests.house.source import CODE, Definition, Module, definitions, length, modules, read_module

FILE, FUNCTION, CLASS = 400, 50, 200
HALF_OF_FILES, NINE_IN_TEN_FUNCTIONS = 120, 25

# Lines of Python. Going over one is a talk about the design, not about the number.
BUDGETS = {
    "core": 8800,  # 4000 was planned: limits, needs, children, events; machines, loops, ops; waits; forks; keeping
    "graphs": 1900,  # words, order, differences and four kinds of pictures of graphs; runs as pictures and timelines
    "ports": 760,  # 400 was planned: schedules, hooks, waits, keys, retention are asked for too; names of fault points
    "wire": 1080,  # 700 was planned: bodies of schedules, hooks, waits and control; the file of a run
    "net": 200,
    "sdk": 7000,  # 2000 was planned: stand-ins that explain misuse; programs; injection; machines, DAGs, CEL, waits
    "interface": 2300,  # a parser for specs (1000); stubs in the form of ruff without ruff, for any schema (1000)
    "engine": 2900,  # 1500 was planned: schedules, webhooks, forks, rehearsals; other servers (300); what goes (300)
    "adapters/storage": 3300,  # 2500 was planned: a table each for keys, waits, schedules, hooks
    "adapters/backends": 1800,
    "adapters/environments": 400,
    "adapters/files": 900,
    "adapters/models": 900,
    "adapters/telemetry": 500,
    "adapters/web": 100,
    "presets": 700,
    "client": 2000,  # 1000 was planned: overloads for streams, twice; events, metrics, logs; control of runs
    "server": 5700,  # 2200 was planned: workers; schedules, hooks; control (220), waits (330); exports (250)
    "worker": 2070,  # 1800 was planned: batches, children, start-up and watchdogs; fault points
    "conformance": 900,  # a third peer of the worker protocol: two dozen checks of some ten lines
    "assembly": 1100,  # 500 was planned: each setting has words, checks and names; what a process offers; its back-ends
    "cli": 4600,  # 1800 was planned: streams, events, logs, metrics; init, stubs, discover; groups for all to control
    "testing": 2600,  # 700 was planned: a simulated world (1200), users' own workflows in it (500), recorded calls
}


def too_long(module: Module) -> list[str]:
    limits = {ast.ClassDef: CLASS, ast.FunctionDef: FUNCTION, ast.AsyncFunctionDef: FUNCTION}
    found = [f"{module.place}: {module.length} lines"] if module.length > FILE else []
    return found + [
        f"{module.place}:{node.lineno} {node.name}: {length(node)} lines"
        for node in definitions(module.tree)
        if length(node) > limits[type(node)]
    ]


def functions() -> list[Definition]:
    return [node for module in modules() for node in definitions(module.tree) if not isinstance(node, ast.ClassDef)]


def test_no_file_function_or_class_is_longer_than_its_limit() -> None:
    assert [line for module in modules(*CODE) for line in too_long(module)] == []


def test_a_long_function_is_noticed_and_its_docstring_is_free() -> None:
    body = "    pass\n" * FUNCTION
    assert too_long(read_module("a.py", f"def f():\n{body}")) == [f"a.py:1 f: {FUNCTION + 1} lines"]
    assert too_long(read_module("a.py", f'def f():\n    """One.\n\n    Two.\n    """\n{body[9:]}')) == []


def test_half_of_the_files_are_short() -> None:
    lengths = [module.length for module in modules() if module.length]
    assert statistics.median(lengths) <= HALF_OF_FILES


def test_nine_in_ten_functions_are_short() -> None:
    lengths = [length(node) for node in functions()]
    assert sum(n <= NINE_IN_TEN_FUNCTIONS for n in lengths) >= 0.9 * len(lengths)


@pytest.mark.parametrize("package", BUDGETS)
def test_a_package_stays_within_its_budget(package: str) -> None:
    lines = Counter[str]()
    for module in modules(f"src/tidemill/{package}"):
        lines[module.place] = module.code_length
    assert lines.total() <= BUDGETS[package], lines.most_common(5)
