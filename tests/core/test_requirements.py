"""What a task requires and what a worker has: sizes, versions, fit, reservations, and the words for what is missing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.scene import RUN, graph, task, workflow
from tidemill.core.catalog import Catalog
from tidemill.core.definitions import Pools, TaskDefinition, TaskOptions
from tidemill.core.graph import NodeOptions
from tidemill.core.ids import RunId, SessionId
from tidemill.core.lanes import ALONE, lane_of
from tidemill.core.match import Claim, Offer, Stock, match
from tidemill.core.plan import Layout
from tidemill.core.requirements import (
    NOTHING,
    Capability,
    Gpu,
    Requirements,
    Resources,
    fault_of,
    key_of,
    narrowed,
    unmet,
)
from tidemill.core.reserve import Free, free_of, reserve
from tidemill.core.rows import LaneRow, Queued, Session
from tidemill.core.run import Ready, Step
from tidemill.core.serving import Station, station_of
from tidemill.core.sizes import size_bytes, size_text
from tidemill.core.terms import Ref
from tidemill.core.versions import check_wanted, meets
from tidemill.core.why import Fleet, Server, explain

GIB = 1024**3

# Sizes and versions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [("2GiB", 2 * GIB), ("2 gib", 2 * GIB), ("1.5GB", 1_500_000_000), ("512MiB", 512 * 1024**2), ("7", 7), (7, 7)],
)
def test_a_size_is_read(text: str | int, count: int) -> None:
    assert size_bytes(text) == count


@pytest.mark.parametrize("text", ["", "GiB", "2 apples", "-1", -1, "1e999", "nan", True, 1 << 61])
def test_what_is_no_size_is_refused(text: str | int) -> None:
    with pytest.raises(ValueError, match="is no size"):
        size_bytes(text)


@given(st.integers(0, 1 << 50))
def test_a_size_is_shown_as_it_is_read(size: int) -> None:
    assert abs(size_bytes(size_text(size)) - size) <= size / 20


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("6.1", ">=6"), ("6.1", ">=6,<8"), ("6", "==6.0"), ("6.1.1-3ubuntu5", "==6.1.*"), ("6.1", "6.1"), ("6.1", ""),
        ("v12.4", "~=12.2"), ("1.4.5", "~=1.4.2"), ("7", "!=6.*"), ("n6.1", ""), ("", ""), ("10", ">9"),
    ],
)  # fmt: skip
def test_a_version_that_is_wanted(version: str, wanted: str) -> None:
    assert meets(version, check_wanted(wanted))


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("5.1", ">=6"), ("8", ">=6,<8"), ("6.2", "==6.1.*"), ("13", "~=12.2"), ("1.5.0", "~=1.4.2"), ("n6", ">=6"),
        ("6.1", "!=6.*"), ("9", ">9"), ("", "==1"),
    ],
)  # fmt: skip
def test_a_version_that_is_not_wanted(version: str, wanted: str) -> None:
    assert not meets(version, check_wanted(wanted))


@pytest.mark.parametrize("wanted", ["six", ">=", "=>6", ">=6.*", "~=6", "6 7"])
def test_a_clause_that_says_no_version_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match="says no version"):
        check_wanted(wanted)


# Fit -----------------------------------------------------------------------------------------------

BOX = Capability(
    type="gpu",
    tags=("fast", "eu"),
    resources=Resources(8, 32 * GIB, (Gpu("0", 24 * GIB, tags=("a10",)), Gpu("1", 80 * GIB, tags=("a100",)))),
    software={"ffmpeg": "6.1"},
    hot={"sd15": GIB},
    disk={"llama": 4 * GIB},
    queues=(),
    cost_per_s=0.5,
)
ZONE = {"zone": "b"}
MET = [
    Requirements(),
    Requirements(cpus=8, ram=32 * GIB, gpus=2, vram=24 * GIB),
    Requirements(gpus=1, vram=80 * GIB),
    Requirements(vram=80 * GIB),
    Requirements(tags=("fast", "a100"), gpus=1),
    Requirements(labels={"zone": "b"}, type="gpu", queue="any"),
    Requirements(software={"ffmpeg": ">=6"}),
    Requirements(models=("llama", "sd15")),
    Requirements(max_cost=0.5),
]
UNMET = {
    "has 8 CPUs": Requirements(cpus=9),
    "has 32 GiB of RAM": Requirements(ram=33 * GIB),
    "has 2 such GPUs": Requirements(gpus=3),
    "has 1 such GPUs": Requirements(gpus=2, vram=25 * GIB),
    "has at most 80 GiB of VRAM on a GPU": Requirements(vram=81 * GIB),
    "has at most 24 GiB of VRAM": Requirements(vram=25 * GIB, tags=("a10",)),
    "has no tag slow": Requirements(tags=("fast", "slow")),
    "has the label zone=b, not a": Requirements(labels={"zone": "a"}),
    "has no label rack": Requirements(labels={"rack": "1"}),
    "is of type gpu, not cpu": Requirements(type="cpu"),
    "has ffmpeg 6.1, not >=7": Requirements(software={"ffmpeg": ">=7"}),
    "has no blender": Requirements(software={"blender": ""}),
    "does not have the model gpt": Requirements(models=("gpt",)),
    "costs 0.5 a second, more than 0.1": Requirements(max_cost=0.1),
}


@pytest.mark.parametrize("needs", MET, ids=str)
def test_a_worker_that_has_all_of_it_fits(needs: Requirements) -> None:
    assert unmet(needs, BOX, ZONE) == ()


@pytest.mark.parametrize(("text", "needs"), UNMET.items(), ids=UNMET)
def test_each_requirement_that_is_not_met_is_said(text: str, needs: Requirements) -> None:
    [lack] = unmet(needs, BOX, ZONE)
    assert text in lack.text


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), 1e300])
def test_a_task_that_requires_what_makes_no_sense_fits_nowhere(amount: float) -> None:
    assert unmet(Requirements(cpus=amount), BOX, {})
    if amount == -1:
        for name in ("ram", "gpus", "vram"):
            assert unmet(Requirements(**{name: -1}), BOX, {}), name


@pytest.mark.parametrize(
    "offers",
    [
        Capability(resources=Resources(cpus=float("nan"))),
        Capability(resources=Resources(cpus=-1)),
        Capability(resources=Resources(ram=-1)),
        Capability(resources=Resources(gpus=(Gpu("0", 1), Gpu("0", 1)))),
        Capability(hot={"m": -1}),
        Capability(cost_per_s=float("nan")),
    ],
    ids=str,
)
def test_a_worker_that_says_nonsense_of_itself_is_found_out(offers: Capability) -> None:
    assert fault_of(offers)
    assert not fault_of(BOX)


def test_a_node_adds_to_what_its_task_requires() -> None:
    own = Requirements(cpus=2, ram=GIB, tags=("a",), software={"x": ">=1"}, queue="day")
    wanted = Requirements(cpus=4, tags=("b",), software={"x": ">=2"}, queue="night", max_cost=0.0)
    assert narrowed(own, wanted) == Requirements(
        cpus=4, ram=GIB, tags=("a", "b"), software={"x": ">=2"}, queue="night", max_cost=0.0
    )
    assert narrowed(own, None) is own


def test_queues_that_a_worker_names_are_the_only_ones_it_serves() -> None:
    night = Capability(queues=("night",))
    assert unmet(Requirements(queue="night"), night, {}) == ()
    [lack] = unmet(NOTHING, night, {})
    assert lack.text == "serves the queues night, not default"
    assert unmet(NOTHING, Capability(queues=("default", "night")), {}) == ()


# Reservations --------------------------------------------------------------------------------------

AMOUNTS = st.builds(
    Requirements,
    cpus=st.sampled_from([0.0, 0.1, 1.0, 4.0]),
    ram=st.integers(0, 4).map(lambda n: n * GIB),
    gpus=st.integers(0, 2),
    vram=st.integers(0, 30).map(lambda n: n * GIB),
    tags=st.sampled_from([(), ("a10",), ("a100",)]),
)


@given(st.lists(st.tuples(AMOUNTS, st.integers(0, 5)), max_size=30))
def test_no_more_is_granted_than_there_is_and_all_of_it_comes_back(wishes: list[tuple[Requirements, int]]) -> None:
    free, held = free_of(BOX), []
    for needs, leaving in wishes:
        if held and leaving == 0:
            free.give(held.pop(0))
        granted = reserve(needs, free, BOX)
        if granted is not None:
            free.take(granted)
            held.append(granted)
        assert free.cpus >= 0
        assert free.ram >= 0
        assert all(gpu.vram >= 0 for gpu in free.gpus.values())
        assert free == free_of(BOX, held), "what is left is what is there without what is held"
        alone = [name for each in held if each.is_alone for name in each.gpus]
        shared = [name for each in held if not each.is_alone for name in each.gpus]
        assert len(set(alone)) == len(alone)
        assert not set(alone) & set(shared), "who has a GPU to itself has no neighbour on it"
    for granted in held:
        free.give(granted)
    assert free == free_of(BOX)


def test_the_tightest_gpu_is_given_first() -> None:
    free = free_of(BOX)
    for needs, ids in [
        (Requirements(vram=8 * GIB), ("0",)),
        (Requirements(vram=20 * GIB), ("1",)),
        (Requirements(vram=16 * GIB), ("0",)),
    ]:
        granted = reserve(needs, free, BOX)
        assert granted is not None
        assert granted.gpus == ids
        free.take(granted)
    assert reserve(Requirements(gpus=1), free, BOX) is None, "neither is without a neighbour"


# Lanes and the matcher -----------------------------------------------------------------------------


def defined(name: str = "t.one", implementation: str = "", pool: str = "", **requires: Any) -> TaskDefinition:
    options = TaskOptions(pool=pool, requires=Requirements(**requires))
    return TaskDefinition(name, {}, {}, "sha256:1", options=options, implementation=implementation)


def offer_of(name: str, station: Station, *lanes: LaneRow, credit: int = 9, held: int = 0) -> Offer:
    served = station.served(lanes)
    stock = Stock(served.choices, station.offers, free_of(station.offers))
    return Offer(SessionId(name.encode()), name, served.pools, {"": credit}, held, stock=stock)


def waiting(lane: bytes, count: int) -> dict[bytes, list[Queued]]:
    return {lane: [Queued(lane, index, RunId(bytes([index]) * 16), "one", 10**9) for index in range(count)]}


LANE = lane_of("t.one", "sha256:1")


def test_a_task_without_needs_costs_the_matcher_nothing() -> None:
    served = station_of([defined()], Capability(), {}).served(())
    assert served.choices == {}
    assert set(served.pools) == {
        lane_of("t.one", schema, alone) for schema in ("", "sha256:1") for alone in ("", ALONE)
    }


def test_a_worker_is_given_what_it_has_room_for_and_no_more() -> None:
    box = station_of([defined(cpus=3.0, ram=10 * GIB)], BOX, {})
    claims = match(waiting(LANE, 5), [offer_of("box", box)], {}, frozenset())
    assert [claim.granted and claim.granted.cpus for claim in claims] == [3.0, 3.0]


def test_a_worker_that_cannot_ever_run_its_own_task_does_not_serve_it() -> None:
    laptop = station_of([defined(gpus=1)], Capability(resources=Resources(4, 8 * GIB)), {})
    assert laptop.served(()).pools == {}


def test_the_worker_with_the_model_in_memory_goes_first() -> None:
    on_disk = replace(BOX, hot={}, disk={"sd15": GIB})
    hot, cold = station_of([defined(models=("sd15",))], BOX, {}), station_of([defined(models=("sd15",))], on_disk, {})
    offers = [offer_of("cold", cold), offer_of("hot", hot, credit=2, held=5)]
    claims = match(waiting(LANE, 3), offers, {}, frozenset())
    assert [claim.worker for claim in claims] == ["hot", "hot", "cold"]


def test_of_several_implementations_one_that_has_room_is_taken() -> None:
    both = station_of([defined(implementation="gpu", gpus=1), defined(implementation="cpu", cpus=4.0)], BOX, {})
    claims = match(waiting(LANE, 9), [offer_of("box", both)], {}, frozenset())
    assert [claim.implementation for claim in claims] == ["gpu", "gpu", "cpu", "cpu"]
    assert [claim.granted.gpus for claim in claims if claim.granted] == [("0",), ("1",), (), ()]


def test_a_node_may_insist_on_an_implementation() -> None:
    wanted = Requirements(implementation="cpu")
    lane = lane_of("t.one", "sha256:1", "", key_of(wanted))
    row = LaneRow(lane, "t.one", "sha256:1", "", wanted)
    both = station_of([defined(implementation="gpu", gpus=1), defined(implementation="cpu", cpus=4.0)], BOX, {})
    claims = match(waiting(lane, 9), [offer_of("box", both, row)], {}, frozenset())
    assert [claim.implementation for claim in claims] == ["cpu", "cpu"]
    plain = station_of([defined()], BOX, {})
    assert match(waiting(lane, 1), [offer_of("plain", plain, row)], {}, frozenset()) == []


@given(st.lists(AMOUNTS, min_size=1, max_size=6), st.integers(1, 12))
def test_what_is_given_out_always_fits_together(kinds: list[Requirements], count: int) -> None:
    tasks = [TaskDefinition(f"t.{n}", {}, {}, "d", options=TaskOptions(requires=r)) for n, r in enumerate(kinds)]
    box = station_of(tasks, BOX, {})
    queued: dict[bytes, list[Queued]] = {}
    for index in range(count):
        lane = lane_of(f"t.{index % len(kinds)}", "d")
        queued.setdefault(lane, []).append(Queued(lane, index, RunId(bytes([index]) * 16), "one", 10**9))
    claims: list[Claim] = list(match(queued, [offer_of("box", box, credit=20)], {}, frozenset()))
    free = free_of(BOX, [claim.granted for claim in claims if claim.granted])
    assert min(free.cpus, free.ram, *(gpu.vram for gpu in free.gpus.values())) >= 0
    assert all(gpu.alone <= 1 and not (gpu.alone and gpu.shared) for gpu in free.gpus.values())


# Why -----------------------------------------------------------------------------------------------


def server_of(
    name: str, definition: TaskDefinition, offers: Capability, free: Free | None = None, **left: int
) -> Server:
    session = Session(
        SessionId(name.encode()), name, 1, 1, 1, tasks=((definition.name, "sha256:1"),), offers=offers,
        pools=Pools(20, {"video": 3}),
    )  # fmt: skip
    credit = {"": 5, "video": 3} | left
    return Server(session, station_of([definition], offers, {}), 0, True, free or free_of(offers), credit)


def answer(*servers: Server, wanted: Requirements | None = None) -> tuple[tuple[str, ...], str]:
    node = replace(task(), options=NodeOptions(requires=wanted))
    layout = Layout(workflow(graph({"one": node}, Ref(node="one"))))
    catalog = Catalog()
    catalog.add([defined()])
    [reason] = explain([Step(RUN, "one", Ready(1))], layout, catalog, Fleet(1, servers, {}))
    return reason.reasons, reason.advice


def test_a_tag_that_nobody_has_is_named() -> None:
    needy = defined(tags=("x",))
    reasons, advice = answer(server_of("w1", needy, BOX), server_of("w2", needy, Capability()))
    assert reasons == (
        "worker w1: has no tag x",
        "worker w2: has no tag x",
        "no worker that has t.one has the tag x",
    )
    assert advice == "start a worker that has the tag x; worker w1 lacks only that"


def test_the_worker_that_lacks_least_gives_the_advice() -> None:
    needy = defined(tags=("fast", "x"), ram=16 * GIB)
    reasons, advice = answer(server_of("small", needy, Capability()), server_of("w1", needy, BOX))
    assert reasons[0] == "worker small: has no tag fast; has no tag x; has 0 B of RAM"
    assert advice == "start a worker that has the tag x; worker w1 lacks only that"


def test_a_full_pool_is_named() -> None:
    reasons, advice = answer(server_of("w1", defined(pool="video"), BOX, video=0))
    assert reasons == ("worker w1: is full: 3 of 3 in pool video",)
    assert advice == "wait until an attempt ends, or start another worker"


def test_vram_that_others_hold_is_named() -> None:
    granted = [reserve(Requirements(vram=size * GIB), free_of(BOX), BOX) for size in (72, 20)]
    free = free_of(BOX, [each for each in granted if each])
    reasons, advice = answer(server_of("w1", defined(vram=16 * GIB), BOX, free))
    assert reasons == ("worker w1: it needs 16 GiB of VRAM, and the largest part that is free on a GPU has 8 GiB",)
    assert advice.startswith("wait until an attempt ends")


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        (Requirements(cpus=4), "has 2 of its 8 CPUs free, and it needs 4"),
        (Requirements(ram=8 * GIB), "has 2 GiB of its 32 GiB of RAM free, and it needs 8 GiB"),
        (Requirements(gpus=2), "has 1 of 2 such GPUs free, and it needs 2"),
    ],
)
def test_what_others_hold_is_named(needs: Requirements, words: str) -> None:
    first = reserve(Requirements(cpus=6, ram=30 * GIB, gpus=1), free_of(BOX), BOX)
    assert first is not None
    reasons, _ = answer(server_of("w1", defined(), BOX, free_of(BOX, [first])), wanted=needs)
    assert reasons == (f"worker w1: {words}",)


def test_a_worker_that_fits_takes_it() -> None:
    reasons, _ = answer(server_of("w1", defined(vram=16 * GIB), BOX))
    assert reasons == ("worker w1: can take it, and will with the next beat",)
