"""What a test hears of the tasks that ran, and the failures that it puts in their way."""

import pytest

from tidemill import PermanentError, TransientError, Worker, map_over, workflow
from tidemill.sdk.errors import RunFailedError
from tidemill.testing.local import local
from tidemill.testing.recording import Recorder

press = Worker("press")


@press.task
def squeeze(fruit: str) -> int:
    return len(fruit)


@press.task
async def mix(juices: list[int]) -> int:
    return sum(juices)


@workflow
def breakfast(fruits: list[str]) -> int:
    return mix(map_over(squeeze, fruits))


def test_calls_are_recorded_with_what_went_in_and_came_out():
    recorder = Recorder()
    with local(press, recorder=recorder) as client:
        run = client.submit(breakfast, ["fig", "plum"])
        assert run.result() == 7
    assert sorted(call.inputs["fruit"] for call in recorder.calls_of("press.squeeze")) == ["fig", "plum"]
    (last,) = recorder.calls_of("press.mix")
    assert (last.run, last.path, last.attempt, last.inputs, last.result) == (run.id, "mix", 1, {"juices": [3, 4]}, 7)
    assert recorder.begun == {"press.squeeze": 2, "press.mix": 1}
    assert repr(last) == "<attempt 1 of press.mix at mix, on local: success>"


def test_a_failure_is_injected_and_the_next_attempt_is_the_tasks_own():
    recorder = Recorder()
    recorder.fail("press.mix", TransientError("no cup", retry_after=0.01), times=2)
    with local(press, recorder=recorder) as client:
        assert client.submit(breakfast, ["fig"]).result() == 3
    calls = recorder.calls_of("press.mix")
    assert [call.outcome for call in calls] == ["failed (transient)", "failed (transient)", "success"]
    assert calls[0].failure.message == "no cup"
    assert [call.result for call in calls] == [None, None, 3]


def test_an_injected_failure_may_end_the_run():
    recorder = Recorder()
    recorder.fail("press.squeeze", PermanentError("rotten"))
    with local(press, recorder=recorder) as client, pytest.raises(RunFailedError, match="rotten"):
        client.submit(squeeze, "kiwi").result()
