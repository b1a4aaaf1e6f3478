"""Several commands on one data folder at once: each has a server and a worker for as long as it runs."""

import signal
import time
from contextlib import ExitStack

from tests.cli.processes import Mill, Process, children_of, until

SHORT = ("run", "mill.py", "--workflow", "slow", "--x", "9", "--seconds", "2")
LONG = ("run", "mill.py", "--workflow", "grind", "--xs", str([10] * 30))
QUICK_S = 20.0  # a client waits for a server that was there for 30 s: nobody should have to
TAKEN_OVER = "the command whose server this was has ended: going on with one of our own"


def runs_of(process: Process) -> list[str]:
    return [line.removeprefix("run ") for line in process.said.splitlines() if line.startswith("run ")]


def test_two_that_start_at_once_both_succeed_on_one_server(mill: Mill) -> None:
    with ExitStack() as stack:
        both = [
            stack.enter_context(mill.process("run", "mill.py", "--workflow", "slow", "--x", x, "--seconds", "3"))
            for x in ("7", "8")
        ]
        assert [each.ended() for each in both] == [0, 0], "\n".join(each.said for each in both)
        for each, x in zip(both, ("7", "8"), strict=True):
            assert x in each.said.splitlines()
    assert sorted(mill.executed()) == ["7", "8"]


def test_who_uses_the_server_of_another_goes_on_at_once_when_that_ends(mill: Mill) -> None:
    with mill.process(*SHORT) as first:
        first.wait_for(r"run (\S+)")
        with mill.process(*LONG) as second:
            second.wait_for(r"run (\S+)")
            assert children_of(second.popen.pid) == []
            assert first.ended() == 0, first.said
            since = time.monotonic()
            second.wait_for(TAKEN_OVER)
            assert second.ended() == 0, second.said
            assert time.monotonic() - since < QUICK_S
            assert len(runs_of(second)) == 1
            assert "300" in second.said.splitlines()


def test_a_server_that_ends_without_a_word_is_replaced_too(mill: Mill) -> None:
    with mill.process(*SHORT) as first:
        first.wait_for(r"run (\S+)")
        with mill.process(*LONG, "--new") as second:
            second.wait_for(r"run (\S+)")
            first.send(signal.SIGKILL)
            since = time.monotonic()
            second.wait_for(TAKEN_OVER)
            assert second.ended() == 0, second.said
            assert time.monotonic() - since < QUICK_S
            assert "300" in second.said.splitlines()


def test_who_uses_the_worker_of_another_has_its_own_when_that_ends(mill: Mill) -> None:
    with mill.server(), mill.process(*SHORT) as first:
        first.wait_for(r"run (\S+)")
        with mill.process(*LONG) as second:
            second.wait_for(r"run (\S+)")
            assert children_of(second.popen.pid) == []
            assert first.ended() == 0, first.said
            until(lambda: len(children_of(second.popen.pid)) == 1, lambda: "a worker")
            assert second.ended() == 0, second.said
            assert "300" in second.said.splitlines()
            assert TAKEN_OVER not in second.said
