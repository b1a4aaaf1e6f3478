"""Workflows with every kind of node, as documents: a machine of states, and a plain graph."""

from typing import Any

from tidemill.core.graph import (
    FORMAT,
    ApprovalWait,
    Arm,
    BranchNode,
    Case,
    ConstNode,
    End,
    Ending,
    Final,
    Graph,
    JoinNode,
    Late,
    LoopNode,
    MachineNode,
    MapNode,
    OpNode,
    SignalWait,
    Skip,
    State,
    TaskNode,
    Transition,
    Undo,
    WaitNode,
    Workflow,
)
from tidemill.core.terms import Compare, Comparison, Constant, Ref

TEXT, NUMBER, COUNT, NOTHING = {"type": "string"}, {"type": "number"}, {"type": "integer"}, {"type": "null"}
FILE, DRAFT, VERDICT, CHOICE = ({"title": title, "type": "object"} for title in ("File", "Draft", "Verdict", "Choice"))
FILES = {"type": "array", "items": FILE}


def task(name: str, gives: dict[str, Any], /, **inputs: Any) -> TaskNode:
    return TaskNode(task=f"media.{name}", inputs=inputs, outputs={"value": gives})


def graph(takes: dict[str, Any], gives: dict[str, Any], result: str, /, **nodes: Any) -> Graph:
    return Graph(inputs=takes, nodes=nodes, outputs={"value": Ref(result)}, types={"value": gives})


def one(name: str, of: str) -> Graph:
    return graph({"draft": DRAFT}, DRAFT, name, **{name: task(of, DRAFT, draft=Ref(port="draft"))})


PHOTO = graph(
    {"photo": FILE},
    TEXT,
    "caption",
    thumb=task("thumb", FILE, photo=Ref(port="photo"), width=Constant(256)),
    caption=task("caption", TEXT, photo=Ref("thumb")),
)
CAPTIONS = MapNode(over={"photo": Ref(port="photos")}, body=PHOTO)
WRITE = graph(
    {"topic": TEXT, "photos": FILES, "last": VERDICT},
    DRAFT,
    "compose",
    captions=CAPTIONS,
    compose=TaskNode(
        task="media.compose",
        inputs={"topic": Ref(port="topic"), "captions": Ref("captions")},
        outputs={"value": DRAFT},
        rescue=Skip(),
    ),
)
ASK = WaitNode(what=ApprovalWait("Publish?", ("yes", "no"), Ref(port="draft")), type=CHOICE, within_s=172_800.0)
BUNDLE = TaskNode(
    task="media.bundle",
    inputs={"pdf": Ref("pdf"), "html": Ref("html")},
    outputs={"value": FILE},
    undo=Undo("media.unbundle", "file"),
)
PUBLISH = graph(
    {"draft": DRAFT},
    FILE,
    "bundle",
    pdf=task("pdf", FILE, draft=Ref(port="draft")),
    html=task("html", FILE, draft=Ref(port="draft")),
    bundle=BUNDLE,
)
CHECK = graph({"draft": DRAFT}, VERDICT, "judge", judge=task("judge", VERDICT, draft=Ref(port="draft")))
GOOD = Compare(Comparison.AT_LEAST, Ref("check", fields=("score",)), Constant(0.8))
YES = Compare(Comparison.EQUAL, Ref("approve", fields=("choice",)), Constant("yes"))

ARTICLE = Workflow(
    FORMAT,
    "article",
    "write",
    {
        "write": State(
            WRITE,
            {"topic": Ref(port="topic"), "photos": Ref(port="photos"), "last": Ref("check")},
            (Transition("check"),),
        ),
        "check": State(
            CHECK,
            {"draft": Ref("write")},
            (
                Transition("approve", when=GOOD),
                Transition("check", status="transient", max_visits=3),
                Transition("write", max_visits=5),
            ),
        ),
        "approve": State(
            graph({"draft": DRAFT}, CHOICE, "ask", ask=ASK),
            {"draft": Ref("write")},
            (
                Transition("publish", when=YES),
                Transition(End(Ending.FAILURE, "nobody answered"), status="timeout"),
                Transition("write"),
            ),
        ),
        "publish": State(
            PUBLISH,
            {"draft": Ref("write")},
            (Transition(End(Ending.SUCCESS, outputs={"value": Ref("publish")})),),
        ),
    },
    inputs={"topic": TEXT, "photos": FILES},
    types={"value": FILE},
)

ROUND = graph(
    {"draft": DRAFT},
    DRAFT,
    "improve",
    improve=task("improve", DRAFT, draft=Ref(port="draft")),
    score=task("score", NUMBER, draft=Ref("improve")),
)
PASSED = Graph(inputs={"draft": DRAFT}, nodes={}, outputs={"value": Ref(port="draft")}, types={"value": DRAFT})
LONG = Compare(Comparison.MORE, Ref("refine", fields=("pages",)), Constant(4))

ALBUM = Workflow(
    FORMAT,
    "album",
    "",
    {
        "": State(
            graph(
                {"topic": TEXT, "photos": FILES},
                FILE,
                "send",
                captions=CAPTIONS,
                tone=ConstNode("warm", TEXT),
                compose=task("compose", DRAFT, topic=Ref(port="topic"), captions=Ref("captions"), tone=Ref("tone")),
                length=OpNode(op="size", inputs={"of": Ref("captions")}, type=COUNT),
                refine=LoopNode(
                    param="draft",
                    start=Ref("compose"),
                    body=ROUND,
                    until=Compare(Comparison.AT_LEAST, Ref("score"), Constant(0.8)),
                    limit=5,
                ),
                style=BranchNode(
                    (Case("long", LONG, one("shorten", "shorten")), Case("otherwise", None, PASSED)),
                    {"draft": Ref("refine")},
                ),
                race=JoinNode(
                    (Arm("fast", one("ask", "ask_fast")), Arm("slow", one("ask", "ask_slow"))),
                    1,
                    single=True,
                    inputs={"draft": Ref("style")},
                ),
                paid=WaitNode(
                    what=SignalWait("paid", Ref(port="topic")),
                    type=NUMBER,
                    within_s=3_600.0,
                    late=Late.GO_ON,
                    after=("race",),
                ),
                review=MachineNode(
                    workflow="review",
                    inputs={"draft": Ref("race")},
                    start="judge",
                    states={
                        "judge": State(
                            CHECK,
                            {"draft": Ref(port="draft")},
                            (Transition(End(Ending.SUCCESS, outputs={"value": Ref("judge")})),),
                        )
                    },
                    takes={"draft": DRAFT},
                    types={"value": VERDICT},
                ),
                send=task("send", FILE, draft=Ref("race"), n=Ref("length"), paid=Ref("paid"), verdict=Ref("review")),
            )
        )
    },
    final=Final(
        Graph(
            inputs={"topic": TEXT},
            nodes={"tidy": task("tidy", NOTHING, topic=Ref(port="topic"))},
            outputs={},
            types={},
        ),
        {"topic": Ref(port="topic")},
    ),
)  # fmt: skip


def plain(nodes: dict[str, Any]) -> Workflow:
    """A graph of one number, whose result is that of the last node."""
    body = graph({"x": COUNT}, COUNT, list(nodes)[-1], **nodes)
    return Workflow(FORMAT, "plain", "", {"": State(body)})


def number(**inputs: Any) -> TaskNode:
    return task("count", COUNT, **inputs)
