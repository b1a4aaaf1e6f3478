"""The promises of the README, and the tests that carry their numbers."""

import ast
import re

from tests.house.source import ROOT

ROW = re.compile(r"^\| (P\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
LINK = re.compile(r"\[(test_\w+)\]\((tests/[\w/]+\.py)\)")


def promised() -> dict[str, set[tuple[str, str]]]:
    """By number: the tests that the README names, as (file, function)."""
    text = (ROOT / "README.md").read_text("utf-8")
    return {number: {(file, name) for name, file in LINK.findall(proof)} for number, _, proof in ROW.findall(text)}


def marked() -> dict[tuple[str, str], set[str]]:
    """By (file, function): the promises that a test says it proves."""
    found: dict[tuple[str, str], set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                numbers = {number for mark in node.decorator_list for number in _numbers(mark)}
                if numbers:
                    found.setdefault((path.relative_to(ROOT).as_posix(), node.name), set()).update(numbers)
    return found


def _numbers(mark: ast.expr) -> list[str]:
    if not isinstance(mark, ast.Call) or ast.unparse(mark.func) != "pytest.mark.promise":
        return []
    return [str(ast.literal_eval(each)) for each in mark.args]


def test_the_promises_are_numbered_in_order() -> None:
    assert [*promised()] == [f"P{number}" for number in range(1, 14)]


def test_each_test_that_the_readme_names_carries_the_number_of_its_promise() -> None:
    marks = marked()
    missing = [
        (number, *test)
        for number, tests in promised().items()
        for test in sorted(tests)
        if number not in marks.get(test, ())
    ]
    assert missing == []


def test_a_mark_names_a_promise_that_was_made() -> None:
    made = promised().keys()
    assert [(test, sorted(numbers - made)) for test, numbers in marked().items() if numbers - made] == []


def test_a_promise_without_a_test_is_said_to_be_open() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    silent = [number for number, _, proof in ROW.findall(text) if not LINK.search(proof) and "not yet" not in proof]
    assert silent == []
