"""Pictures of graphs: well-formed, safe to show, bounded, and with everything in them."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.graphs.samples import ALBUM, ARTICLE, number, plain
from tidemill import Graph
from tidemill.core.graph import Workflow
from tidemill.core.terms import Constant, ListExpr, Ref
from tidemill.graphs.layout import Spacing, apart, arrange
from tidemill.graphs.ranks import Link
from tidemill.graphs.sheet import TooLargeError, sheet_of

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<script>alert(1)</script>\"&'%\\}];#end"
SPACING = Spacing(side=20, row=30, port=10, corner=8)


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("workflow", [ARTICLE, ALBUM], ids=["article", "album"])
def test_a_picture_has_each_node_and_what_it_gives(workflow: Workflow) -> None:
    svg = Graph(workflow).svg()
    boxes = list(sheet_of(workflow).all_boxes())
    shown = texts(svg)
    assert {box.title for box in boxes} <= set(shown)
    assert {line for box in boxes for line in box.lines} <= set(shown)
    groups = [each for each in ElementTree.fromstring(svg).iter(f"{SVG}g") if "box" in each.get("class", "")]
    assert len(groups) == len(boxes)


def test_a_picture_runs_nothing_and_fetches_nothing() -> None:
    evil = replace(plain({"a": replace(number(x=Constant(EVIL)), task=f"w.{EVIL}")}), name=EVIL)
    graph = Graph(evil)
    root = ElementTree.fromstring(graph.svg())
    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
        "svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"
    }  # fmt: skip
    assert not [name for each in root.iter() for name in each.attrib if name.startswith("on") or "href" in name]
    assert "url(http" not in graph.svg()
    assert re.sub("[\x00\x1b]", "\N{REPLACEMENT CHARACTER}", EVIL) in str(root.findtext(f"{SVG}title"))
    assert "<script" not in graph.mermaid()


def test_lines_of_text_are_cut_and_nothing_leaves_the_picture() -> None:
    svg = Graph(plain({"n" * 300: number(x=Ref(port="x"))})).svg()
    root = ElementTree.fromstring(svg)
    assert float(root.get("width", "")) < 500
    assert any(text.endswith("…") for text in texts(svg))


def test_two_thousand_nodes_are_drawn_and_more_are_refused_clearly() -> None:
    fan = {f"n{i}": number(x=Ref(port="x")) for i in range(1_990)}
    every = number(xs=ListExpr(tuple(Ref(name) for name in fan)))
    svg = Graph(plain({**fan, "all": every})).svg()
    assert len(texts(svg)) > 1_990
    more = Graph(plain({f"n{i}": number(x=Ref(port="x")) for i in range(2_100)}))
    with pytest.raises(TooLargeError, match=r"2,102 parts, and a picture shows at most 2,000.*graph show"):
        more.svg()
    with pytest.raises(TooLargeError, match="a terminal shows at most 300"):
        more.text()
    assert more.mermaid().count("-->") == 2_101


def test_a_terminal_shows_boxes_in_boxes() -> None:
    lines = Graph(ARTICLE).text().splitlines()
    assert [line for line in lines if "│ check (state)" in line]
    assert [line for line in lines if "↻ on transient, at most 3 visits" in line]
    assert len({len(line) for line in lines if line.strip().startswith("│ │ captions (map)")}) == 1
    assert "▲" in "".join(lines)
    widths = [
        len(line) for line in Graph(plain({"宽" * 4: number(x=Ref(port="x"))})).text().splitlines() if "宽" in line
    ]
    assert widths


def test_wiring_without_nodes_is_drawn() -> None:
    empty = Graph(
        replace(ALBUM, states={"": replace(ALBUM.states[""], body=replace(ALBUM.body, nodes={}, outputs={}))})
    )
    for drawn in (empty.svg(), empty.text(), empty.mermaid(), empty.dot(), empty.tree()):
        assert "topic" in drawn


# Layout --------------------------------------------------------------------------------------------

names = st.lists(st.integers(0, 12), min_size=1, max_size=12, unique=True)


@st.composite
def drawings(draw: st.DrawFn) -> tuple[dict[str, tuple[float, float]], list[Link]]:
    boxes = {str(each): (draw(st.floats(10, 200)), draw(st.floats(10, 90))) for each in draw(names)}
    ends = st.sampled_from(sorted(boxes))
    links = draw(st.lists(st.builds(Link, ends, ends, st.none() | st.just((60.0, 18.0))), max_size=25))
    return boxes, links


@given(drawings())
def test_boxes_never_overlap_and_each_line_joins_its_two(
    drawing: tuple[dict[str, tuple[float, float]], list[Link]],
) -> None:
    boxes, links = drawing
    layout = arrange(boxes, links, SPACING)
    assert layout.places.keys() == boxes.keys()
    for one, other in combinations(boxes, 2):
        (x, y), (u, v) = layout.places[one], layout.places[other]
        (w, h), (a, b) = boxes[one], boxes[other]
        assert x + w <= u + 1e-6 or u + a <= x + 1e-6 or y + h <= v + 1e-6 or v + b <= y + 1e-6
    for number_, link in enumerate(links):
        if link.source == link.target:
            continue
        points = layout.ways[number_].points
        for (px, py), name in ((points[0], link.source), (points[-1], link.target)):
            (x, y), (w, h) = layout.places[name], boxes[name]
            assert x - 1e-6 <= px <= x + w + 1e-6
            assert min(abs(py - y), abs(py - y - h)) < 1e-6
        assert (layout.ways[number_].label_at is None) == (link.label is None)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(0, 50), st.floats(0.5, 5)), min_size=1, max_size=20))
def test_places_keep_their_gaps_and_stay_where_they_may(rows: list[tuple[float, float, float]]) -> None:
    wanted, gaps, weights = [row[0] for row in rows], [row[1] for row in rows[1:]], [row[2] for row in rows]
    found = apart(wanted, gaps, weights)
    assert all(b - a >= gap - 1e-6 for a, b, gap in zip(found, found[1:], gaps, strict=False))
    if all(b - a >= gap for a, b, gap in zip(wanted, wanted[1:], gaps, strict=False)):
        assert found == pytest.approx(wanted)


# Other languages -----------------------------------------------------------------------------------


def test_each_line_of_mermaid_is_one_of_its_grammar() -> None:
    quoted = r'"(?:[^"\\`#<>&]|<br/>|#\d+;)*"'
    forms = re.compile(
        rf"flowchart TD|end|subgraph n\d+\[{quoted}\]|n\d+ (?:-->|-\.->)(?:\|{quoted}\|)? n\d+"
        rf"|n\d+(?:\[{quoted}\]|\(\[{quoted}\]\)|\(\(\({quoted}\)\)\)|\[/{quoted}/\]|\{{\{{{quoted}\}}\}})"
    )
    for workflow in (ARTICLE, ALBUM, plain({EVIL.replace("/", ""): number(x=Constant(EVIL))})):
        assert [line for line in Graph(workflow).mermaid().splitlines() if not forms.fullmatch(line.strip())] == []


CHECK = """
import { JSDOM } from "jsdom";
import fs from "fs";
const dom = new JSDOM("");
globalThis.window = dom.window;
globalThis.document = dom.window.document;
const mermaid = (await import("mermaid")).default;
for (const file of process.argv.slice(2)) console.log((await mermaid.parse(fs.readFileSync(file, "utf8"))).diagramType);
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm")
def test_mermaid_itself_reads_what_is_written_for_it(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"private": True}))
    done = subprocess.run(["npm", "install", "mermaid", "jsdom"], cwd=tmp_path, check=False, capture_output=True)
    if done.returncode:
        pytest.skip("mermaid cannot be installed here")
    (tmp_path / "check.mjs").write_text(CHECK)
    evil = plain({EVIL.replace("/", ""): number(x=Constant(EVIL))})
    for name, workflow in (("article", ARTICLE), ("album", ALBUM), ("evil", evil)):
        (tmp_path / f"{name}.mmd").write_text(Graph(workflow).mermaid())
    files = ["article.mmd", "album.mmd", "evil.mmd"]
    found = subprocess.run(["node", "check.mjs", *files], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert found.stdout.split() == ["flowchart-v2"] * 3, found.stderr


def test_dot_has_a_cluster_for_what_holds_others() -> None:
    dot = Graph(ARTICLE).dot()
    assert dot.count("{") == dot.count("}")
    assert 'subgraph "cluster write/captions" {' in dot
    assert 'lhead="cluster check"' in dot


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_it() -> None:
    for workflow in (ARTICLE, ALBUM, plain({"a": number(x=Constant(EVIL))})):
        done = subprocess.run(
            ["dot", "-Tsvg"], input=Graph(workflow).dot(), text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
