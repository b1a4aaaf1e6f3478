"""What tasks need and what workers offer, as users write it; checked at import."""

from collections.abc import Callable
from typing import Any

import pytest

from tidemill import DefinitionError, Needs, Worker
from tidemill.core.requirements import NOTHING, Gpu, Requirements
from tidemill.sdk.options import node_options
from tidemill.sdk.worker import tasks_in

GIB = 1024**3
media = Worker("media")


@media.task(needs=Needs(cpus=2, ram="4GiB", tags=["fast"], software={"ffmpeg": ">=6"}), queue="night", max_cost=0.5)
def cut(film: str) -> str:
    return film


@media.task(models=["sd15", "clip"], needs=Needs(gpus=1, vram=8 * GIB, labels={"zone": "a"}, type="gpu"))
def draw(words: str) -> str:
    return words


def test_needs_are_part_of_what_is_announced() -> None:
    assert cut.definition.options.requires == Requirements(
        cpus=2, ram=4 * GIB, tags=("fast",), software={"ffmpeg": ">=6"}, queue="night", max_cost=0.5
    )
    assert draw.definition.options.requires == Requirements(
        gpus=1, vram=8 * GIB, labels={"zone": "a"}, type="gpu", models=("clip", "sd15")
    )


def test_needs_are_not_part_of_the_schema() -> None:
    plain = Worker("media")

    @plain.task("cut")
    def other(film: str) -> str:
        return film

    assert other.definition.digest == cut.definition.digest
    assert other.definition.options.requires == NOTHING


def test_a_use_of_a_task_may_need_more() -> None:
    assert cut.options(needs=Needs(ram="8GiB"), queue="day").node_options.requires == Requirements(
        ram=8 * GIB, queue="day"
    )
    assert node_options({"implementation": "gpu"}).requires == Requirements(implementation="gpu")
    assert cut.options(retries=1).node_options.requires is None


WRONG: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "an amount below zero": (lambda: Needs(cpus=-1), ValueError, "cpus is a number of cores"),
    "part of a GPU": (lambda: Needs(gpus=0.5), ValueError, r"part of one is vram=…"),  # type: ignore[arg-type]
    "memory of no GPU": (lambda: Needs(vram="8GiB", gpus=0), ValueError, "vram is of a GPU, and gpus=0 is none"),
    "a number for names": (lambda: Needs(tags=5), TypeError, "tags is a list of names, not 5"),  # type: ignore[arg-type]
    "no size": (lambda: Needs(ram="4 apples"), ValueError, "ram: '4 apples' is no size"),
    "no version": (lambda: Needs(software={"ffmpeg": "six"}), ValueError, "software ffmpeg: 'six' says no version"),
    "one text for many": (lambda: Needs(tags="fast"), TypeError, "tags is a list of names, not 'fast'"),
    "a number for a label": (lambda: Needs(labels={"a": 1}), TypeError, "labels gives each name a text"),  # type: ignore[dict-item]
    "an unknown word": (lambda: Needs(gpu=1), TypeError, "gpu"),  # type: ignore[call-arg]
    "no Needs": (lambda: media.task(needs={"cpus": 1})(print), TypeError, r"needs is Needs\(…\)"),  # type: ignore[call-overload]
    "a price below zero": (lambda: cut.options(max_cost=-1.0), ValueError, "max_cost is a price per second"),
    "one model as a text": (lambda: cut.options(models="sd15"), TypeError, "models is a list of names"),
}


@pytest.mark.parametrize(("make", "error", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_needed_is_refused_at_import(
    make: Callable[[], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make()


# Workers -------------------------------------------------------------------------------------------


def test_a_worker_says_what_it_offers() -> None:
    worker = Worker(
        "w",
        type="gpu",
        tags=["fast"],
        labels={"zone": "a"},
        resources={"cpus": 4, "ram": "8GiB", "gpus": [{"id": "0", "vram": "24GiB", "tags": ["a10"]}]},
        software={"ffmpeg": "6.1"},
        models=["sd15"],
        queues=["night"],
        cost=0.5,
    )
    offers = worker.offers
    assert (offers.type, offers.tags, offers.queues, offers.cost) == ("gpu", ("fast",), ("night",), 0.5)
    assert (offers.cpus, offers.ram, offers.gpus) == (4.0, 8 * GIB, (Gpu("0", 24 * GIB, tags=("a10",)),))
    assert Worker("plain").offers.gpus is None, "nothing was said: it is detected"


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown word": ({"colour": "red"}, "there is no option 'colour'; the options are type, tags"),
    "an unknown resource": ({"resources": {"cores": 4}}, "there is no resource 'cores'"),
    "no size": ({"resources": {"ram": "much"}}, "'much' is no size"),
    "a GPU without memory": ({"resources": {"gpus": [{"id": "0"}]}}, "a GPU lacks 'vram'"),
    "no cores": ({"resources": {"cpus": 0}}, "cpus is a number of cores above 0"),
    "a price below zero": ({"cost": -1}, "cost is a price per second"),
    "one text for many": ({"tags": "fast"}, "tags is a list of names"),
}


@pytest.mark.parametrize(("offers", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_offered_is_refused_at_import(offers: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        Worker("w", **offers)


# Implementations -----------------------------------------------------------------------------------


def declared(*pairs: tuple[str, Needs]) -> Worker:
    worker = Worker("w")
    for implementation, needs in pairs:

        @worker.task("render", implementation=implementation, needs=needs)
        def render(scene: str) -> str:
            return scene

    return worker


@pytest.mark.feature("A8")
def test_implementations_with_different_needs_stand_side_by_side() -> None:
    worker = declared(("gpu", Needs(gpus=1)), ("cpu", Needs(cpus=4)))
    assert [each.implementation for each in worker.definitions()] == ["gpu", "cpu"]
    assert {each.name for each in worker.definitions()} == {"w.render"}


@pytest.mark.feature("A8")
@pytest.mark.parametrize(
    ("second", "words"),
    [
        (("", Needs()), "give one of them a name: @w.task"),
        (("gpu", Needs(gpus=2)), "two implementations that are called 'gpu'"),
        (("fast", Needs(gpus=1)), "implementations 'gpu' and 'fast' with the same needs"),
    ],
)
def test_two_of_one_name_that_are_not_declared_apart_are_refused(second: tuple[str, Needs], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        declared(("gpu", Needs(gpus=1)), second)


@pytest.mark.feature("A8")
def test_so_are_those_of_two_workers_of_one_process() -> None:
    one, two = Worker("w"), Worker("w")
    for worker in (one, two):

        @worker.task
        def same(x: int) -> int:
            return x

    with pytest.raises(DefinitionError, match=r"two workers of this process declare w\.same"):
        tasks_in([one, two])
    gpu, cpu = declared(("gpu", Needs(gpus=1))), declared(("cpu", Needs()))
    assert list(tasks_in([gpu, cpu])) == ["w.render#gpu", "w.render#cpu"]


def test_gpus_that_are_not_said_are_none_or_a_part_of_one() -> None:
    assert Needs(gpus=0).requirements() == Needs().requirements() == NOTHING
    assert Needs(vram="8GiB").requirements() == Requirements(vram=8 * GIB)
