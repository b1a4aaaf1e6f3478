"""What runs at the end of a machine, and where `finally_` cannot stand."""

from collections.abc import Iterator
from typing import Any

import pytest

from tidemill import (
    Dag,
    DefinitionError,
    PermanentError,
    RunFailedError,
    StateMachine,
    TraceError,
    Worker,
    finally_,
    map_over,
    workflow,
)
from tidemill.client.blocking import Client
from tidemill.core.graph import FINALLY
from tidemill.testing.local import local

camp = Worker("camp")
DONE: list[str] = []


@camp.task
def pitch(place: str) -> str:
    if place == "cliff":
        raise PermanentError("too steep")
    return f"tent at {place}"


@camp.task
def strike(tent: str) -> None:
    DONE.append(f"strike {tent}")


@camp.task
def sweep(folder: str, times: int) -> None:
    DONE.append(f"sweep {folder} {times}")
    if folder == "locked":
        raise PermanentError("no key")


trip = StateMachine("trip")


@trip.state
def stay(place: str) -> str:
    return pitch.options(undo=strike)(place)


@trip.finally_
def leave(folder: str, times: int = 2) -> None:
    sweep(folder, times)
    sweep.options(name="again")("old", times)


stay.when(stay.output == "tent at lake", to=trip.end("failure", status="too wet"))
stay.otherwise(to=trip.end("success", output=stay.output))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with local(camp) as client:
        yield client


def test_it_runs_last_after_a_success_and_takes_inputs_of_its_own(client: Client) -> None:
    for result in (lambda: client.submit(trip, place="wood", folder="a").result(), lambda: trip("wood", "a")):
        DONE.clear()
        assert result() == "tent at wood"
        assert sorted(DONE) == ["sweep a 2", "sweep old 2"]


def test_it_runs_after_what_was_undone_when_a_machine_ends_in_failure(client: Client) -> None:
    DONE.clear()
    run = client.submit(trip, place="lake", folder="a", times=1)
    with pytest.raises(RunFailedError, match="too wet"):
        run.result()
    assert DONE[0] == "strike tent at lake"
    assert sorted(DONE[1:]) == ["sweep a 1", "sweep old 1"]
    found = {step.path: step.status for step in run.steps()}
    assert found[f"{FINALLY}/sweep"] == found[f"{FINALLY}/again"] == "succeeded"


@pytest.mark.parametrize(("place", "said"), [("lake", "too wet"), ("cliff", "too steep")])
def test_it_runs_after_a_failure_and_a_plain_call_agrees(client: Client, place: str, said: str) -> None:
    DONE.clear()
    with pytest.raises(RunFailedError, match=said):
        client.submit(trip, place=place, folder="b").result()
    with pytest.raises(PermanentError, match=said):
        trip(place, "b")
    assert DONE.count("sweep b 2") == DONE.count("sweep old 2") == 2


def test_a_machine_fails_when_what_runs_at_its_end_does(client: Client) -> None:
    with pytest.raises(RunFailedError, match=r"what runs at the end failed: .*no key"):
        client.submit(trip, place="wood", folder="locked").result()
    with pytest.raises(PermanentError, match="no key"):
        trip("wood", "locked")


def small() -> tuple[StateMachine, Any]:
    machine = StateMachine("small")

    @machine.state
    def first(x: int) -> int:
        return x

    first.otherwise(to=machine.end("success", output=first.output))
    return machine, first


def test_its_graph_changes_with_it_and_its_inputs_are_those_of_the_states() -> None:
    machine, _ = small()
    before = machine.compiled.digest

    @machine.finally_
    def close(x: int) -> None:
        sweep("a", x)

    assert machine.compiled.digest != before
    assert list(machine.signature.parameters) == ["x"]
    with pytest.raises(DefinitionError, match="machine small has a finally_ already"):
        machine.finally_(close)


def test_an_input_of_another_type_and_outputs_of_states_are_refused() -> None:
    machine, first = small()

    def late(last: int = first.output) -> None:
        sweep("a", last)

    with pytest.raises(DefinitionError, match=r"small.finally_: 'last' is an output of a state.*inputs of the run"):
        machine.finally_(late)

    def other(x: str) -> None:
        sweep(x, 1)

    machine.finally_(other)
    with pytest.raises(DefinitionError, match="the input 'x' is int in one place and str in another"):
        _ = machine.compiled

    machine, first = small()

    def sly() -> None:
        sweep("a", first.output)

    machine.finally_(sly)
    with pytest.raises(TraceError, match="the output of 'first' of the machine small is used inside a body"):
        _ = machine.compiled


def test_finally_in_a_state_is_refused_with_the_words_to_use() -> None:
    machine = StateMachine("wrong")

    @machine.state
    def first(x: int) -> int:
        finally_(lambda: sweep("a", x))
        return x

    first.otherwise(to=machine.end("success", output=first.output))
    for use in (lambda: machine.compiled, lambda: machine(1)):
        with pytest.raises(TraceError, match=r"finally_ stands in a workflow, .*write @machine\.finally_"):
            use()


def test_finally_in_what_runs_at_the_end_is_refused() -> None:
    machine, _ = small()

    @machine.finally_
    def close(x: int) -> None:
        finally_(lambda: sweep("a", x))

    with pytest.raises(TraceError, match="finally_ stands in a workflow"):
        _ = machine.compiled


def test_what_has_a_finally_is_no_part_of_a_machine_a_dag_or_a_workflow() -> None:
    @workflow
    def tidied(x: int) -> int:
        finally_(lambda: sweep("a", x))
        return x

    @workflow
    def around(place: str) -> object:
        return trip(place, "a")

    @workflow
    def within(xs: list[int]) -> list[int]:
        return map_over(tidied, xs)

    dag = Dag("steps", x=int)
    dag.add(tidied)
    for use in (lambda: dag.compiled, lambda: around.compiled, lambda: within.compiled):
        with pytest.raises(TraceError, match=r"has a finally_, which runs at the end of a run: it cannot be a part"):
            use()
