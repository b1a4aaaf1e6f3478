"""Who may import what. import-linter holds the layers; the lists of what is allowed, which it cannot hold, are here."""

import ast

from tests.house.source import Module, imported, modules, read_module
from tests.house.test_layout import PACKAGES

# The parts of the standard library that only compute: no clock, chance, id, file, socket, log or thread.
PURE = set(  # words, since forty quoted names are hard to read
    """
    __future__ abc base64 bisect collections copy dataclasses datetime decimal difflib enum fnmatch fractions functools
    graphlib hashlib heapq hmac ipaddress itertools json math numbers operator re statistics string struct textwrap
    types typing unicodedata zoneinfo
    """.split()  # noqa: SIM905
)
# What reads signatures and function bodies, and what names the types that users write.
READING = set(
    """
    ast contextlib contextvars importlib inspect keyword linecache mimetypes pathlib symtable sys tokenize traceback
    uuid warnings
    """.split()  # noqa: SIM905
)
ALLOWED = {
    "core": PURE | {"msgspec", "tidemill.core"},
    "sdk": PURE | READING | {"msgspec", "tidemill.core", "tidemill.sdk"},
}

# A module that needs one more thing, and why.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("src/tidemill/sdk/scopes.py", "asyncio"): "runs an async factory for a sync body, and waits for it",
    ("src/tidemill/sdk/scopes.py", "threading"): "runs what blocks for an async body",
    ("src/tidemill/sdk/scopes.py", "concurrent"): "what threads and loops wait for alike",
    ("src/tidemill/sdk/scopes.py", "logging"): "a teardown that fails changes no result, so it is said in the log",
    ("src/tidemill/sdk/gathering.py", "asyncio"): "calls wait for company on the loop",
    ("src/tidemill/sdk/around.py", "asyncio"): "hands calls over between a thread and the loop",
    ("src/tidemill/sdk/around.py", "concurrent"): "the same",
    ("src/tidemill/sdk/around.py", "queue"): "the same",
    ("src/tidemill/sdk/plain.py", "asyncio"): "runs an async task that is called as a plain function, outside any loop",
    ("src/tidemill/sdk/plain.py", "tempfile"): "gives such a task a folder of its own",
    ("src/tidemill/sdk/cel.py", "lark"): "reads conditions that are texts, for those who installed it",
    ("src/tidemill/sdk/codecs.py", "pickle"): "for the worker that chooses it by name, class by class",
    ("src/tidemill/sdk/file.py", "mimetypes"): "Python's own table of media types, not the machine's",
}

MAY_IMPORT_ADAPTERS = {"adapters", "assembly", "testing"}


def parent(name: str) -> str:
    """What an import counts as: `collections.abc.Mapping` is `collections`, `tidemill.core.ids` is `tidemill.core`."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "tidemill" else parts[0]


def strangers(module: Module) -> list[str]:
    allowed = ALLOWED[module.package]
    return [
        f"{module.place}:{line} imports {name}"
        for name, line in imported(module.tree)
        if parent(name) not in allowed and (module.place, parent(name)) not in EXCEPTIONS
    ]


def test_core_and_sdk_import_only_what_is_listed() -> None:
    assert [line for module in modules() if module.package in ALLOWED for line in strangers(module)] == []


def test_a_clock_in_the_core_is_noticed() -> None:
    assert strangers(read_module("src/tidemill/core/a.py", "import time")) == ["src/tidemill/core/a.py:1 imports time"]


def test_each_exception_is_still_needed() -> None:
    needed = {(module.place, parent(name)) for module in modules() for name, _ in imported(module.tree)}
    places = {module.place for module in modules()}
    assert [key for key in EXCEPTIONS if key[0] in places and key not in needed] == []


def test_only_assembly_and_testing_import_an_adapter() -> None:
    found = [
        f"{module.place}:{line} imports {name}"
        for module in modules()
        if module.package not in MAY_IMPORT_ADAPTERS
        for name, line in imported(module.tree)
        if parent(name) == "tidemill.adapters"
    ]
    assert found == []


def test_no_module_imports_from_the_top() -> None:
    """The top package exports for users. From inside it would be a way round the layers."""
    found = [
        f"{module.place}:{line} imports {name}"
        for module in modules()
        if module.package
        for name, line in imported(module.tree)
        if name.startswith("tidemill") and parent(name).removeprefix("tidemill.") not in PACKAGES
    ]
    assert found == []


def test_no_module_reaches_into_another() -> None:
    found = [
        f"{module.place}:{node.lineno} imports {alias.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert found == []
