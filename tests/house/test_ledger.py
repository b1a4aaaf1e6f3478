"""The ledger of features and the marks that point into it."""

import json

import pytest

from tests.features import LEDGER, TESTS, done_ids, main, marks_of, read_ledger, read_marks

ROWS = read_ledger(LEDGER.read_text("utf-8"))

SOURCE = """
import pytest

@pytest.mark.feature("A1", "A2")
async def test_two_rows(): ...

@pytest.mark.feature("B1")
@pytest.mark.skip(reason="later")
def test_skipped(): ...

@pytest.mark.feature("B2")
@pytest.mark.xfail
def test_expected_to_fail(): ...

@pytest.mark.feature("B3")
def test_that_gives_up():
    pytest.skip("later")

class TestGroup:
    @pytest.mark.parametrize("n", [1, 2])
    @pytest.mark.feature("C1")
    def test_in_a_class(self, n): ...

@pytest.mark.feature("D1")
def not_a_test(): ...
"""


def test_each_row_has_an_id_of_its_own() -> None:
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids)) == 175


def test_each_mark_is_in_the_ledger() -> None:
    known = {row.id for row in ROWS}
    assert [f"{mark.test}: {mark.id}" for mark in read_marks(TESTS) if mark.id not in known] == []


def test_only_tests_that_run_prove_a_row() -> None:
    assert done_ids(ROWS, marks_of(SOURCE, "test_a.py")) == {"A1", "A2", "C1"}


def test_a_module_that_is_skipped_proves_nothing() -> None:
    mark = '\n@pytest.mark.feature("A1")\ndef test_a(): ...\n'
    assert done_ids(ROWS, marks_of(mark, "test_a.py")) == {"A1"}
    assert done_ids(ROWS, marks_of(f"pytestmark = [pytest.mark.skip]{mark}", "test_a.py")) == set()
    assert done_ids(ROWS, marks_of(f"pytest.skip('later', allow_module_level=True){mark}", "test_a.py")) == set()


def test_each_row_is_either_done_or_open(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert sorted(printed["done"] + printed["open"]) == sorted(row.id for row in ROWS)


def test_the_printed_ledger_ends_with_the_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.endswith(f"of {len(ROWS)} features are done\n")
