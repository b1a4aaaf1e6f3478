"""The second worker: its stubs, the words of what it finds, and itself, where its environment has been built."""

import json
from pathlib import Path

import pytest
import shelf_index
import shelf_page
import shelf_senses
import shelf_types
from shelf_passages import MAX_PASSAGES
from shelf_types import Reading, Stretch

from tests.cli.processes import Mill
from tests.house.source import ROOT
from tests.shelf.plain_run import SAMPLES, text_item

SHELF = SAMPLES.parent
ENVS = ROOT / ".tidemill" / "envs"
NOWHERE = "http://127.0.0.1:9"  # nobody listens there


def test_the_stubs_are_those_of_the_worker() -> None:
    said = Mill(ROOT).tidemill("stubs", "examples/shelf/senses", "--out", "examples/shelf/senses_stubs.py", "--check")
    assert said.code == 0, said.out


def test_a_caption_is_the_name_and_what_is_written() -> None:
    name = Reading([shelf_types.Passage(0, "notice board")], 12)
    assert shelf_senses.caption(name, []) == name
    both = shelf_senses.caption(name, ["The slipway", "is closed."])
    assert [each.text for each in both.passages] == ["notice board", "The slipway\nis closed."]
    assert (both.passages[1].start, both.characters) == (13, 35)
    assert len(shelf_senses.caption(name, ["words and more words. " * 20_000]).passages) == MAX_PASSAGES


@pytest.mark.parametrize(
    ("speech", "told"),
    [
        ([], "gull cry: a sound of 2.0 seconds, in which nobody speaks"),
        ([Stretch(0.25, 1.5)], "gull cry: a sound of 2.0 seconds, with speech: 0.2 to 1.5 s"),
    ],
)
def test_a_transcript_says_when_somebody_speaks(speech: list[Stretch], told: str) -> None:
    assert shelf_senses.transcript("a/gull-cry.wav", 2.0, speech).passages[0].text == told
    assert (
        "and later" in shelf_senses.transcript("x.wav", 60.0, [Stretch(n, n + 0.5) for n in range(50)]).passages[0].text
    )


def test_the_page_says_what_was_left_out() -> None:
    page = shelf_page.render(shelf_index.build("Small", [text_item("a.txt", "words")], [], shelf_senses.LEFT_OUT), {})
    assert "text in pictures and speech in sound were not looked for" in page.decode()


@pytest.mark.timeout(300)
@pytest.mark.xdist_group("senses")
def test_the_shelf_finds_what_is_written_and_said(tmp_path: Path) -> None:
    """By two workers in two environments; nothing is fetched, since there is nobody to fetch from."""
    here = Mill(tmp_path)
    if here.tidemill("worker", "--dir", str(SHELF), "--envs", TIDEMILL_ENVS=str(ENVS)).code:
        pytest.skip("the second worker has no environment here: ./dev shelf builds it")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("notice-board.png", "ferry-announcement.wav", "low-water.txt"):
        (folder / name).write_bytes((SAMPLES / "harbour" / name).read_bytes())
    (folder / "deaf.wav").write_bytes((folder / "ferry-announcement.wav").read_bytes()[:60])
    offline = {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "UV_OFFLINE": "1", "TIDEMILL_ENVS": str(ENVS)}
    said = here.tidemill("run", str(SHELF), "--folder", "folder", "--senses", "on", "--dir", str(SHELF), **offline)
    assert said.code == 0, said
    index = json.loads((tmp_path / "tidemill-out" / "index" / "index.json").read_text())
    items = {item["name"]: item for item in index["items"]}
    assert "The slipway is closed on Monday." in items["notice-board.png"]["writing"]
    assert [(round(each["start_s"]), round(each["end_s"])) for each in items["ferry-announcement.wav"]["speech"]] == [
        (1, 2),
        (4, 6),
    ]
    assert items["low-water.txt"]["writing"] == []
    page = (tmp_path / "tidemill-out" / "index" / "shelf.html").read_text()
    assert "The slipway is closed on Monday." in page
    assert "with speech: 0.8 to 2.0 s" in page
    question = "When is the slipway closed?"
    asked = here.tidemill("run", str(SHELF), "--workflow", "ask", "--question", question, "--json", **offline)
    assert asked.json["value"][0]["name"] == "notice-board.png"
