"""Lanes, the matcher, reconciliation at hello, and the words of why."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import RUN, Scene, graph, lone, task, workflow
from tidemill.core.catalog import Catalog
from tidemill.core.definitions import Pools, TaskDefinition, TaskOptions
from tidemill.core.ids import RunId, SessionId
from tidemill.core.lanes import ALONE, PRIORITY_US, lane_of, place_in_lane
from tidemill.core.match import Claim, Offer, match
from tidemill.core.plan import Layout
from tidemill.core.reconcile import reconcile
from tidemill.core.requirements import Capability
from tidemill.core.reserve import free_of
from tidemill.core.rows import Lane, Queued, Session
from tidemill.core.run import (
    Attempt,
    AttemptEnded,
    AttemptState,
    End,
    Held,
    Leased,
    Ready,
    Started,
    Step,
    StepState,
    StepSucceeded,
    Stopping,
    Waiting,
)
from tidemill.core.serving import Served, station_of
from tidemill.core.terms import Ref
from tidemill.core.why import Fleet, Server, explain

TASKS = ("t.a", "t.b", "t.c")
POOLS = {"t.a": "", "t.b": "gpu", "t.c": "gpu"}


def served_by(tasks: Iterable[str]) -> Served:
    """What a worker that has these tasks serves."""
    told = [TaskDefinition(name, {}, {}, "d", options=TaskOptions(pool=POOLS[name])) for name in tasks]
    return station_of(told, Capability(), {}).served(())


LANES, LONE = served_by(POOLS).pools, served_by(POOLS).lone


@st.composite
def waitings(draw: Any) -> dict[Lane, list[Queued]]:
    waiting: dict[Lane, list[Queued]] = {}
    for index in range(draw(st.integers(0, 12))):
        alone = ALONE if draw(st.integers(0, 4)) == 0 else ""
        lane = lane_of(draw(st.sampled_from(TASKS)), "d", alone)
        row = Queued(lane, draw(st.integers(0, 5)), RunId(bytes([index]) * 16), "one", 10**9)
        waiting.setdefault(lane, []).append(row)
    for rows in waiting.values():
        rows.sort(key=lambda row: (row.order, row.run))
    return waiting


@st.composite
def fleets(draw: Any) -> list[Offer]:
    offers = []
    for index in range(draw(st.integers(0, 4))):
        served = draw(st.sets(st.sampled_from(TASKS)))
        lanes = served_by(sorted(served)).pools
        credit = {"": draw(st.integers(0, 4)), "gpu": draw(st.integers(0, 2))}
        offers.append(Offer(SessionId(bytes([index])), f"w{index}", lanes, credit, draw(st.integers(0, 2))))
    return offers


@given(waitings(), fleets(), st.data())
def test_what_the_matcher_gives_out_holds_all_limits(
    waiting: dict[Lane, list[Queued]], offers: list[Offer], data: Any
) -> None:
    avoid = {
        (row.run, row.path): data.draw(st.sampled_from(["", "w0", "w1"])) for rows in waiting.values() for row in rows
    }
    before = {offer.session: (dict(offer.credit), offer.held, offer.lanes) for offer in offers}
    claims = match(waiting, offers, avoid, LONE)
    keys = [(claim.queued.run, claim.queued.path) for claim in claims]
    assert len(set(keys)) == len(keys), "a step was given out twice"
    for session, (credit, held, lanes) in before.items():
        mine = [claim.queued.lane for claim in claims if claim.session == session]
        assert len(mine) <= max(0, credit[""])
        assert sum(lanes[lane] == "gpu" for lane in mine) <= credit["gpu"]
        assert all(lane in lanes for lane in mine)
        if LONE.intersection(mine):
            assert (len(mine), held) == (1, 0), "a step that must run alone has a neighbour"


@given(waitings(), fleets())
def test_a_lane_is_given_out_in_its_order(waiting: dict[Lane, list[Queued]], offers: list[Offer]) -> None:
    claims = match(waiting, offers, {}, LONE)
    for lane, rows in waiting.items():
        given_out = [claim.queued for claim in claims if claim.queued.lane == lane]
        assert given_out == rows[: len(given_out)]


@given(waitings(), fleets())
def test_nothing_that_fits_is_left_while_there_is_credit_for_it(
    waiting: dict[Lane, list[Queued]], offers: list[Offer]
) -> None:
    taken = {claim.queued for claim in match(waiting, offers, {}, LONE)}
    for lane, rows in waiting.items():
        if any(row not in taken for row in rows):
            assert not any(offer.takes(lane) and not (lane in LONE and offer.held) for offer in offers)


@given(st.lists(st.integers(0, 100), max_size=20))
def test_over_all_lanes_what_came_first_goes_first(orders: list[int]) -> None:
    waiting: dict[Lane, list[Queued]] = {}
    for index, order in enumerate(sorted(orders)):
        lane = lane_of(TASKS[index % 3], "d")
        waiting.setdefault(lane, []).append(Queued(lane, order, RunId(bytes([index]) * 16), "one", 10**9))
    offer = Offer(SessionId(b"s"), "w", LANES, {"": 5}, 0)
    given_out = [claim.queued.order for claim in match(waiting, [offer], {}, LONE)]
    assert given_out == sorted(orders)[:5]


def one(lane: Lane, index: int = 0) -> Queued:
    return Queued(lane, index, RunId(bytes([index]) * 16), "one", 10**9)


def offer_of(name: str, credit: int = 1, held: int = 0) -> Offer:
    return Offer(SessionId(name.encode()), name, LANES, {"": credit}, held)


def claimed(claims: Any) -> list[str]:
    return [claim.worker for claim in claims if isinstance(claim, Claim)]


def test_the_worker_that_holds_least_is_preferred() -> None:
    lane = lane_of("t.a", "d")
    rows = [one(lane, index) for index in range(4)]
    offers = [offer_of("busy", 4, 3), offer_of("idle", 4, 0)]
    assert Counter(claimed(match({lane: rows}, offers, {}, LONE))) == {"idle": 3, "busy": 1}


def test_the_worker_that_failed_a_step_last_is_taken_only_when_no_other_fits() -> None:
    lane = lane_of("t.a", "d")
    row = one(lane)
    avoid = {(row.run, row.path): "first"}
    assert claimed(match({lane: [row]}, [offer_of("first"), offer_of("other", held=9)], avoid, LONE)) == ["other"]
    assert claimed(match({lane: [row]}, [offer_of("first")], avoid, LONE)) == ["first"]


def test_a_worker_with_a_step_that_runs_alone_is_given_nothing() -> None:
    lane = lane_of("t.a", "d")
    offer = offer_of("w", 5, 1)
    offer.exclusive = True
    assert match({lane: [one(lane)]}, [offer], {}, LONE) == []


@pytest.mark.promise("P9")
def test_a_priority_goes_first_and_a_low_one_ages() -> None:
    assert place_in_lane(1000, 5) < place_in_lane(1000, 0) < place_in_lane(1000, -5)
    assert place_in_lane(0, 0) < place_in_lane(6 * PRIORITY_US, 5), "it waited six minutes for five of priority"


@given(st.lists(st.tuples(st.integers(0, 10**15), st.integers(-1000, 1000)), min_size=2))
def test_of_one_priority_the_older_goes_first(steps: list[tuple[int, int]]) -> None:
    for (early, _), (late, priority) in pairwise(sorted(steps)):
        assert place_in_lane(early, priority) <= place_in_lane(late, priority)


# Reconciling ---------------------------------------------------------------------------------------

KEY = (RUN, "one", 1)
ENDED = [AttemptEnded(end, 1) for end in End]
LATEST, FINAL, OVERTAKEN = (
    Step(RUN, "one", Held(running=True), 1),
    Step(RUN, "one", StepSucceeded(), 1),
    Step(RUN, "one", Ready(1), 2),
)
LIVE: list[AttemptState] = [Leased(), Started(1), Stopping(1)]


def attempt_of(state: AttemptState) -> Attempt:
    return Attempt(RUN, "one", 1, SessionId(b"s" * 16), "w", "t.one", 1, state)


@pytest.mark.parametrize("state", [*LIVE, *ENDED], ids=repr)
@pytest.mark.parametrize("step", [LATEST, FINAL, OVERTAKEN, None])
def test_what_is_listed_is_kept_while_its_report_counts(state: AttemptState, step: Step | None) -> None:
    verdicts = reconcile([KEY], [], {KEY: attempt_of(state)}, {KEY[:2]: step})
    counts = state in LIVE or (isinstance(state, AttemptEnded) and state.end is End.LOST)
    assert bool(verdicts.keep) == (counts and step is LATEST)
    assert bool(verdicts.keep) != bool(verdicts.stale)
    assert bool(verdicts.stopping) == (bool(verdicts.keep) and isinstance(state, Stopping))


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("believed", [True, False])
def test_what_is_believed_and_not_listed_is_gone(listed: bool, believed: bool) -> None:  # a truth table
    attempt = attempt_of(Leased())
    verdicts = reconcile([KEY] * listed, [attempt] * believed, {KEY: attempt}, {KEY[:2]: LATEST})
    assert (verdicts.gone == (attempt,)) == (believed and not listed)
    assert (verdicts.keep == (KEY,)) == listed


def test_an_attempt_that_nobody_knows_is_stale() -> None:
    assert reconcile([KEY], [], {KEY: None}, {KEY[:2]: None}).stale == (KEY,)


# Why -----------------------------------------------------------------------------------------------

FLOW = lone()


def server(tasks: tuple[tuple[str, str], ...], held: int = 0, *, credit: int = 1, connected: bool = True) -> Server:
    session = Session(SessionId(b"s" * 16), "w", 1, 1, 1, tasks=tasks, pools=Pools(9))
    told = [TaskDefinition(name, {}, {}, digest) for name, digest in tasks]
    station = station_of(told if connected else (), session.offers, {})
    return Server(session, station, held, connected, free_of(session.offers), {"": credit})


def catalog_of(*names: str) -> Catalog:
    catalog = Catalog()
    catalog.add(TaskDefinition(name, {}, {}, "sha256:1") for name in names)
    return catalog


MINE = (("t.one", "sha256:1"),)
WORDS = {
    "nobody announced it": (
        (), (), "no worker ever announced t.one", "start a worker that has the task t.one"
    ),
    "one like it": (("t.once",), (), "the nearest known: t.once", "start a worker that has the task t.one"),
    "nobody is here": (("t.one",), (), "no worker is connected", "start a worker that has the task t.one"),
    "another task": (("t.one",), (server(()),), "worker w: does not have t.one", "start a worker that has"),
    "away": (("t.one",), (server(MINE, connected=False),), "is not connected at the moment", "start worker w"),
    "full": (("t.one",), (server(MINE, 7, credit=0),), "is full: it holds 7 of 9", "wait until an attempt ends"),
    "any moment": (("t.one",), (server(MINE),), "will with the next beat", "wait until an attempt ends"),
}  # fmt: skip


@pytest.mark.parametrize(("names", "fleet", "reason", "advice"), WORDS.values(), ids=WORDS)
def test_a_step_says_why_it_waits_and_what_would_start_it(
    names: tuple[str, ...], fleet: tuple[Server, ...], reason: str, advice: str
) -> None:
    [answer] = explain([Step(RUN, "one", Ready(1))], Layout(FLOW), catalog_of(*names), Fleet(1, fleet, {}))
    assert any(reason in each for each in answer.reasons), answer
    assert advice in answer.advice


def test_a_step_of_another_version_says_both_digests() -> None:
    node = task()
    from msgspec.structs import replace

    flow = workflow(graph({"one": replace(node, schema="sha256:2")}, Ref(node="one")))
    [answer] = explain([Step(RUN, "one", Ready(1))], Layout(flow), catalog_of("t.one"), Fleet(1, [server(MINE)], {}))
    assert answer.reasons == ("worker w: has t.one as sha256:1, and the run needs sha256:2",)
    assert answer.advice == "start a worker of the version that the run was built with, or submit the run again"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Held(running=True), "attempt 2 is running"),
        (Held(running=False), "was sent, and is not started yet"),
        (Waiting(5), "after 1 failures"),
        (Waiting(), "steps inside it are not done"),
    ],
)
def test_what_does_not_wait_in_the_queue_says_so(state: StepState, words: str) -> None:
    step = Step(RUN, "one", state, latest=2, failures=1)
    [answer] = explain([step], Layout(FLOW), Catalog(), Fleet(1, [], {}))
    assert words in answer.reasons[0]


@pytest.mark.promise("P4")
def test_a_run_that_waits_has_a_reason_for_each_step() -> None:
    scene = Scene(FLOW)
    scene.submit()
    layout = scene.layouts[next(iter(scene.layouts))]
    answers = explain(list(scene.tables.steps.values()), layout, scene.catalog, Fleet(1, [], {}))
    assert [answer.path for answer in answers] == ["one"]


@pytest.mark.parametrize(
    ("servers", "words", "advice"),
    [
        ([server(MINE)], "attempt 2 is running on worker w", ""),
        ([server(MINE, connected=False)], "which is not connected; its lease ends in", "start worker w again"),
        ([], "which is gone", ""),
    ],
)
def test_a_held_step_says_who_holds_it_and_whether_that_worker_is_there(
    servers: list[Server], words: str, advice: str
) -> None:
    session = servers[0].session.id if servers else SessionId(b"s" * 16)
    attempt = Attempt(RUN, "one", 2, session, "w", "t.one", 1)
    step = Step(RUN, "one", Held(running=True), latest=2)
    [answer] = explain([step], Layout(FLOW), Catalog(), Fleet(1, servers, {"one": attempt}))
    assert words in answer.reasons[0]
    assert answer.advice == advice
