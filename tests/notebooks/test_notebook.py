"""A real notebook, run by a real kernel: tasks in cells, called, stubbed, composed, run, and seen as pictures."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.docs.pages import blocks, read

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

PAGE = "docs/guide/notebooks.md"
SVG = "image/svg+xml"


def cells() -> list[tuple[str, str]]:
    """The cells of the guide, each with what the page shows below it."""
    found: list[tuple[str, str]] = []
    for block in blocks(read(PAGE)):
        if block.language == "python":
            found.append((block.text.rstrip("\n"), ""))
        elif block.language == "text":
            found[-1] = found[-1][0], block.text
    return found


def said(cell: Any) -> str:
    """What a cell printed, and its last value as text."""
    streams = [each.text for each in cell.outputs if each.output_type == "stream" and each.name == "stdout"]
    values = [each.data["text/plain"] + "\n" for each in cell.outputs if each.output_type == "execute_result"]
    return "".join([*streams, *values])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The cells of the guide, after they ran in one kernel."""
    folder: Path = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code, _ in cells()])
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    return list(notebook.cells)


@pytest.mark.feature("N5")
def test_each_cell_of_the_guide_says_what_the_page_shows(ran: list[Any]) -> None:
    shown = [text for _, text in cells()]
    assert [said(cell) if text else "" for cell, text in zip(ran, shown, strict=True)] == shown
    assert not [each for cell in ran for each in cell.outputs if each.output_type == "error"]
    assert not [each.text for cell in ran for each in cell.outputs if each.get("name") == "stderr"]


def test_workflows_machines_graphs_and_runs_are_shown_as_pictures(ran: list[Any]) -> None:
    pictures = [
        "".join(each.data[SVG])
        for cell in ran
        for each in cell.outputs
        if each.output_type in ("execute_result", "display_data") and SVG in each.data
    ]
    titles = [ElementTree.fromstring(each).findtext("{http://www.w3.org/2000/svg}title") for each in pictures]
    assert titles == ["weekly", "until_good", "weekly: succeeded", "weekly: succeeded, timeline"]
