"""The ledger of features, with what is done: `python -m tests.features [--json]`.

A row of docs/features.md is done when a test carries `@pytest.mark.feature("ID")`. The marks are read from the source,
so that nothing has to run. A test that is skipped or expected to fail proves nothing, whatever its marks say.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEDGER = ROOT / "docs" / "features.md"
TESTS = ROOT / "tests"
NO_PROOF = {"skip", "skipif", "xfail"}


@dataclass(frozen=True)
class Row:
    id: str
    section: str
    text: str


@dataclass(frozen=True)
class Mark:
    """``counts`` is False on a test that is skipped or expected to fail."""

    id: str
    test: str
    counts: bool


def read_ledger(text: str) -> list[Row]:
    rows, section = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif cells := re.fullmatch(r"\| ([A-Z]\d+) \| (.+) \|", line):
            rows.append(Row(cells[1], section, cells[2]))
    return rows


def read_marks(folder: Path) -> list[Mark]:
    return [mark for path in sorted(folder.rglob("test_*.py")) for mark in marks_of(path.read_text("utf-8"), path.name)]


def marks_of(source: str, name: str) -> list[Mark]:
    module = ast.parse(source)
    return list(_in_body(module.body, name, _module_marks(module)))


def done_ids(rows: Sequence[Row], marks: Sequence[Mark]) -> set[str]:
    return {row.id for row in rows} & {mark.id for mark in marks if mark.counts}


def _in_body(body: Sequence[ast.stmt], name: str, inherited: list[ast.expr]) -> Iterator[Mark]:
    for node in body:
        match node:
            case ast.ClassDef() if node.name.startswith("Test"):
                yield from _in_body(node.body, f"{name}::{node.name}", inherited + node.decorator_list)
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name.startswith("test"):
                yield from _of_test(node, f"{name}::{node.name}", inherited + node.decorator_list)
            case _:
                pass


def _of_test(node: ast.FunctionDef | ast.AsyncFunctionDef, test: str, decorators: list[ast.expr]) -> Iterator[Mark]:
    marks = [found for found in map(_mark, decorators) if found]
    counts = not any(kind in NO_PROOF for kind, _ in marks) and not any(map(_gives_up, node.body))
    for kind, args in marks:
        if kind == "feature":
            yield from (Mark(arg.value, test, counts) for arg in args if isinstance(arg, ast.Constant))


def _mark(decorator: ast.expr) -> tuple[str, list[ast.expr]] | None:
    """The name and arguments of `pytest.mark.NAME` or `pytest.mark.NAME(…)`."""
    call = decorator if isinstance(decorator, ast.Call) else None
    target = call.func if call else decorator
    if isinstance(target, ast.Attribute) and ast.unparse(target.value) in {"pytest.mark", "mark"}:
        return target.attr, call.args if call else []
    return None


def _module_marks(module: ast.Module) -> list[ast.expr]:
    """What `pytestmark = …` says of each test; a module that skips itself counts as marked with skip."""
    marks: list[ast.expr] = []
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            marks += node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
        elif _gives_up(node):
            marks.append(ast.parse("pytest.mark.skip", mode="eval").body)
    return marks


def _gives_up(node: ast.stmt) -> bool:
    """Whether the statement is `pytest.skip(…)` or `pytest.xfail(…)`, under no condition."""
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) in {"pytest.skip", "pytest.xfail"}


def _print_ledger(rows: Sequence[Row], done: set[str]) -> None:
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            print(f"\n{section}")
        print(f"  {'done' if row.id in done else '  - '}  {row.id:<4} {_shortened(row.text, 100)}")
    print(f"\n{len(done)} of {len(rows)} features are done")


def _shortened(text: str, width: int) -> str:
    plain = text.replace("**+** ", "+ ").replace("`", "").replace("\\|", "|")
    return plain if len(plain) <= width else plain[: width - 1].rsplit(" ", 1)[0] + " …"


def main(args: Sequence[str]) -> int:
    if set(args) - {"--json"}:
        print("usage: python -m tests.features [--json]", file=sys.stderr)
        return 2
    rows = read_ledger(LEDGER.read_text("utf-8"))
    done = done_ids(rows, read_marks(TESTS))
    if args:
        ids = [row.id for row in rows]
        print(json.dumps({"done": [i for i in ids if i in done], "open": [i for i in ids if i not in done]}))
    else:
        _print_ledger(rows, done)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
