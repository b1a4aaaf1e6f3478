"""`tidemill graph`: checked, shown, compared, drawn, carried from one place to another."""

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.processes import Mill, command, environment
from tests.graphs.samples import ALBUM, ARTICLE
from tidemill import Graph


def write(mill: Mill, name: str, document: bytes) -> str:
    (mill.folder / name).write_bytes(document)
    return name


@pytest.mark.feature("E16")
def test_a_document_goes_from_code_to_a_file_to_a_server_and_runs(mill: Mill) -> None:
    assert mill.tidemill("graph", "export", "mill.py", "--workflow", "grind", "-o", "grind.json").code == 0
    assert json.loads((mill.folder / "grind.json").read_text())["name"] == "grind"
    assert mill.tidemill("graph", "diff", "mill.py", "grind.json").out == "they are the same\n"
    (mill.folder / "nine.json").write_text(
        (mill.folder / "grind.json").read_text().replace('"window": 2', '"window": 9')
    )
    other = mill.tidemill("graph", "diff", "grind.json", "nine.json")
    assert (other.code, other.out) == (1, "~ slow  window: 2 → 9\n")
    with mill.server() as (_, url), mill.process("worker", "mill.py", "--url", url) as worker:
        worker.wait_for("connected|serves")
        checked = mill.tidemill("graph", "check", "nine.json", "--url", url)
        assert (checked.code, checked.out[:23]) == (0, "✓ grind is in order  sh")
        published = mill.tidemill("graph", "import", "nine.json", "--url", url, "--json").json
        assert (published["name"], published["unverified"]) == ("grind", [])
        listed = mill.tidemill("graph", "list", "--url", url, "--json").json["graphs"]
        assert published["digest"] in [each["digest"] for each in listed]
        by_name = mill.tidemill("graph", "draw", "grind", "--format", "mermaid", "--url", url)
        assert "for each of xs, 9 at once" in by_name.out
        assert mill.tidemill("graph", "diff", published["digest"], "nine.json", "--url", url).code == 0
        ran = mill.tidemill("run", "--graph", "nine.json", "--xs", "[1, 2]", "--url", url, "--json")
        assert (ran.code, ran.json["value"]) == (0, 3), ran.err
        for kind, name in (("--picture", "run.svg"), ("--timeline", "time.svg")):
            assert mill.tidemill("runs", "show", ran.json["id"], kind, "-o", name, "--url", url).code == 0
            ElementTree.fromstring((mill.folder / name).read_text())
        assert "2 of 2" in (mill.folder / "run.svg").read_text()
        assert "slow[1]" in (mill.folder / "time.svg").read_text()


def test_each_problem_is_told_with_its_place(mill: Mill) -> None:
    document = json.loads(Graph(ARTICLE).document)
    document["states"]["write"]["transitions"][0]["to"] = "chekc"
    document["states"]["publish"]["body"]["nodes"]["pdf"]["inputs"] = {"draft": {"type": "ref", "port": "darft"}}
    write(mill, "wrong.json", json.dumps(document).encode())
    said = mill.tidemill("graph", "check", "wrong.json", "--json")
    [found] = said.json["graphs"]
    assert (said.code, found["name"]) == (1, "article")
    assert all(set(each) == {"place", "reason"} for each in found["problems"])
    assert found["problems"]
    for bad, words in (("{", "this is no graph document"), ('{"format": "tidemill.graph/9"}', "upgrade the server")):
        write(mill, "bad.json", bad.encode())
        refused = mill.tidemill("graph", "check", "bad.json")
        assert (refused.code, "bad.json: " in refused.err, words in refused.err) == (2, True, True), refused.err
    lost = mill.tidemill("graph", "show", "lost.json")
    assert (lost.code, lost.err) == (2, "tidemill: cannot read lost.json: No such file or directory\n")


def test_code_that_cannot_be_traced_is_a_problem_with_its_line(mill: Mill) -> None:
    (mill.folder / "odd.py").write_text(
        "from tidemill import Worker, workflow\nw = Worker('w')\n\n@w.task\ndef one(x: int) -> int:\n    return x\n\n"
        "@workflow\ndef odd(x: int) -> int:\n    return one(int(one(x)))\n"
    )
    said = mill.tidemill("graph", "check", "odd.py")
    assert said.code == 1, said.err
    assert said.out.startswith("✗ workflow odd (odd.py:10): ")


@pytest.mark.feature("E19")
def test_phases_are_shown_and_a_circle_is_named(mill: Mill) -> None:
    write(mill, "album.json", Graph(ALBUM).document)
    said = mill.tidemill("graph", "show", "album.json", "--phases")
    assert said.out.startswith("album\n  1  captions, tone\n     captions\n       1  thumb\n       2  caption\n")
    document = json.loads(Graph(ALBUM).document)
    document["states"][""]["body"]["nodes"]["compose"]["after"] = ["style"]
    write(mill, "circle.json", json.dumps(document).encode())
    circle = mill.tidemill("graph", "show", "circle.json", "--phases")
    assert (circle.code, "compose -> style -> refine -> compose" in circle.err) == (2, True), circle.err


def test_a_graph_is_drawn_into_the_terminal_and_into_files(mill: Mill) -> None:
    write(mill, "article.json", Graph(ARTICLE).document)
    assert mill.tidemill("graph", "draw", "article.json").out.rstrip("\n") == Graph(Graph(ARTICLE).document).text()
    for name, begins in (("a.svg", "<svg "), ("a.mmd", "flowchart TD"), ("a.dot", 'digraph "article"')):
        assert mill.tidemill("graph", "draw", "article.json", "-o", name).code == 0
        assert (mill.folder / name).read_text().startswith(begins)
    ElementTree.fromstring((mill.folder / "a.svg").read_text())
    refused = mill.tidemill("graph", "draw", "article.json", "-o", str(Path("no", "such", "a.svg")))
    assert refused.code == 2


def test_what_a_document_says_does_not_speak_to_the_terminal(mill: Mill) -> None:
    red = Graph(ALBUM).document.replace(b"media.thumb", b"media.\\u001b[31mthumb")
    write(mill, "red.json", red)
    for words in (("show", "red.json"), ("draw", "red.json"), ("diff", "red.json", "red.json"), ("check", "red.json")):
        said = mill.tidemill("graph", *words)
        assert "\x1b" not in said.out + said.err
        assert said.out


def test_standard_input_and_lists_and_json(mill: Mill) -> None:
    write(mill, "album.json", Graph(ALBUM).document)
    with (mill.folder / "album.json").open() as document:
        done = subprocess.run(
            command("graph", "show", "-", "--json"), stdin=document, env=environment(), capture_output=True, check=False
        )
    said = json.loads(done.stdout)
    assert (said["name"], said["digest"]) == ("album", Graph(ALBUM).digest)
    assert said["phases"]["style/long"] == [["shorten"]]
    listed = mill.tidemill("graph", "list", "mill.py", "--json").json["graphs"]
    assert [each["name"] for each in listed] == ["grind", "read"]
    unknown = mill.tidemill("graph", "show", "mill.py", "--workflow", "grnd")
    assert (unknown.code, "Did you mean grind" in unknown.err) == (2, True)
