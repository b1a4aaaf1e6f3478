"""What is other in one workflow than in another."""

from msgspec.structs import replace

from tests.graphs.samples import ALBUM, ARTICLE, BUNDLE, DRAFT, PUBLISH, TEXT, number, plain
from tidemill import Graph
from tidemill.core.graph import NodeOptions, Workflow
from tidemill.core.terms import Constant, Ref


def told(old: Workflow, new: Workflow) -> list[str]:
    return [each.text for each in Graph(old).diff(Graph(new))]


def test_nothing_is_told_of_equal_workflows() -> None:
    assert told(ARTICLE, ARTICLE) == []
    assert told(ALBUM, Graph(Graph(ALBUM).document).workflow) == []
    assert Graph(Graph(ALBUM).document) == Graph(ALBUM)


def test_states_and_transitions_that_came_went_and_moved_are_told() -> None:
    check = ARTICLE.states["check"]
    fewer = {**ARTICLE.states, "check": replace(check, transitions=check.transitions[1:])}
    del fewer["publish"]
    assert told(ARTICLE, replace(ARTICLE, states=fewer)) == [
        "- check  transition to approve: when check.score >= 0.8",
        "- publish  state",
    ]
    moved = replace(check, transitions=(check.transitions[1], check.transitions[0], check.transitions[2]))
    assert told(ARTICLE, replace(ARTICLE, states={**ARTICLE.states, "check": moved})) == [
        "~ check  order of transitions: approve, check, write → check, approve, write"
    ]
    bound = replace(check, transitions=(*check.transitions[:2], replace(check.transitions[2], max_visits=9)))
    assert told(ARTICLE, replace(ARTICLE, states={**ARTICLE.states, "check": bound})) == [
        "~ check  transition to write: otherwise, at most 5 visits → otherwise, at most 9 visits"
    ]


def test_nodes_their_inputs_options_and_types_are_told() -> None:
    bundle = replace(BUNDLE, inputs={"pdf": Ref("pdf")}, options=NodeOptions(retries=3), undo=None)
    nodes = {"pdf": replace(PUBLISH.nodes["pdf"], outputs={"value": TEXT}), "bundle": bundle}  # type: ignore[call-arg]
    publish = replace(ARTICLE.states["publish"], body=replace(PUBLISH, nodes=nodes))
    assert told(ARTICLE, replace(ARTICLE, states={**ARTICLE.states, "publish": publish})) == [
        "~ publish/pdf  type of value: File → str",
        "- publish/html  task media.html",
        "- publish/bundle  input html: html",
        '- publish/bundle  undo: {"param":"file","task":"media.unbundle"}',
        "+ publish/bundle  retries: 3",
    ]


def test_a_change_that_words_do_not_show_is_told_too() -> None:
    old, new = ("x" * 100 + end for end in "ab")
    [change] = told(plain({"a": number(x=Constant(old))}), plain({"a": number(x=Constant(new))}))
    assert change.endswith("… (in its parts)")
    assert told(ARTICLE, replace(ARTICLE, types={"value": DRAFT})) == ["~ the workflow  type of value: File → Draft"]


def test_what_is_inside_maps_arms_and_machines_has_its_place() -> None:
    album = Graph(ALBUM).document.replace(b"media.thumb", b"media.small").replace(b"media.ask_slow", b"media.ask_late")
    changes = Graph(ALBUM).diff(Graph(album.replace(b"media.judge", b"media.weigh")))
    assert [(each.place, each.what) for each in changes] == [
        ("captions/thumb", "task"),
        ("race/slow/ask", "task"),
        ("review/judge/judge", "task"),
    ]
