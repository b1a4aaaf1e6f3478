"""Retries by failure code, and the time in which they may begin."""

from datetime import timedelta

import pytest

from tests.core.scene import RUN, Scene, lone
from tidemill import Backoff, Code, Retries, Worker
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.events import AttemptFailed
from tidemill.core.rules import Backoff as CoreBackoff
from tidemill.core.rules import RetryRule
from tidemill.core.run import Failure, StepFailed, Waiting

MINUTE = timedelta(minutes=1)


def begun(**options: object) -> Scene:
    definition = TaskDefinition("t.one", {}, {"value": {}}, "sha256:1", options=TaskOptions(**options))  # type: ignore[arg-type]
    scene = Scene(lone(), definition)
    scene.submit()
    scene.claim()
    return scene


def tries(scene: Scene, *codes: Code, delay: timedelta = timedelta(hours=1)) -> list[bool]:
    """Fail with one code after the other; whether each was tried again."""
    again = []
    for code in codes:
        number = scene.step("one").latest
        scene.decide(AttemptFailed(RUN, "one", number, Failure(code, "no")))
        again.append(isinstance(scene.state("one"), Waiting))
        if again[-1]:
            scene.pass_time(delay)
            scene.claim()
    return again


def test_a_code_with_a_number_of_its_own_is_counted_for_itself() -> None:
    rule = RetryRule(by_code={"timeout": 1, "transient": 3, "resource": 0})
    late, busy = Code.TIMEOUT, Code.TRANSIENT
    assert tries(begun(retry=rule), busy, late, busy, busy, late) == [True, True, True, True, False]
    assert tries(begun(retry=rule), *[busy] * 4) == [True, True, True, False]
    assert tries(begun(retry=rule, retries=9), Code.RESOURCE) == [False]
    assert tries(begun(retry=rule, retries=1), Code.INTERNAL, Code.INTERNAL) == [True, False]


def test_what_cannot_help_is_not_tried_again_whatever_a_rule_says() -> None:
    rule = RetryRule(by_code={"permanent": 5, "invalid_input": 5, "worker_lost": 9})
    for code in (Code.PERMANENT, Code.INVALID_INPUT):
        assert tries(begun(retry=rule), code) == [False]


def test_each_code_may_have_a_back_off_of_its_own() -> None:
    rule = RetryRule(by_code={"resource": 5}, backoffs={"resource": CoreBackoff(60, 90, 0)})
    scene = begun(retry=rule, backoff=CoreBackoff(1, 1, 0))
    waits = []
    for code in (Code.TRANSIENT, Code.RESOURCE, Code.RESOURCE):
        before = scene.now
        scene.decide(AttemptFailed(RUN, "one", scene.step("one").latest, Failure(code, "no")))
        state = scene.state("one")
        assert isinstance(state, Waiting)
        assert state.until_at is not None
        waits.append((state.until_at - before) / 1_000_000)
        scene.pass_time(timedelta(hours=1))
        scene.claim()
    assert waits == [1, 60, 90]


def test_no_try_begins_after_the_time_for_all_of_them() -> None:
    rule = RetryRule(within_s=300)
    options = {"retry": rule, "retries": 99, "backoff": CoreBackoff(60, 60, 0)}
    assert tries(begun(**options), *[Code.TRANSIENT] * 7, delay=MINUTE) == [True] * 5 + [False, False]
    scene = begun(**options)
    scene.decide(AttemptFailed(RUN, "one", 1, Failure(Code.TRANSIENT, "no", retry_after_s=301)))
    assert isinstance(scene.state("one"), StepFailed)


def test_options_say_so_in_python_and_nonsense_is_refused_at_once() -> None:
    worker = Worker("w")
    retries = Retries(2, {Code.TIMEOUT: 0, "transient": 8}, {"resource": Backoff(first=60)}, within=MINUTE)

    @worker.task(retries=retries)
    def patient() -> None: ...

    options = patient.task_options
    assert (options.retries, options.retry) == (
        2,
        RetryRule({"timeout": 0, "transient": 8}, {"resource": CoreBackoff(60, 600, 0.5)}, 60),
    )
    node = patient.options(retries=Retries(by_code={"timeout": 1}))
    assert node.node_options.retry == RetryRule({"timeout": 1})
    for wrong in (
        Retries(by_code={"permanent": 3}),
        Retries(by_code={"tiemout": 3}),
        Retries(by_code={"timeout": -1}),
        Retries(times=-1),
        Retries(within=0),
        Retries(backoffs={"timeout": Backoff(first=5, most=1)}),
    ):
        with pytest.raises(ValueError, match=r"never tried again|from 0|above zero|back-off"):
            worker.task("wrong", retries=wrong)(lambda: None)  # type: ignore[type-var]
