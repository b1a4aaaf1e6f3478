"""The end of programs: told, killed with all that they started, dead by themselves."""

import asyncio
import os
import shlex
import signal
from pathlib import Path

import pytest

from tests.programs.heard import Heard, stand
from tests.programs.scripts import number, points, w
from tidemill.adapters.backends.program.backend import ProgramError
from tidemill.core.bodies import Completed, Crashed
from tidemill.core.run import Code, Failure
from tidemill.sdk.worker import Worker
from tidemill.wire.worker import UNACKNOWLEDGED_ITEMS


async def ending_of(heard: Heard) -> object:
    return await asyncio.wait_for(asyncio.shield(heard.ended), 20)


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie that nobody reaped yet does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


async def gone(*pids: int) -> bool:
    """SIGKILL was sent before this is asked; the kernel may take a moment."""
    async with asyncio.timeout(10):
        while any(map(is_alive, pids)):  # noqa: ASYNC110 - the kernel tells nobody but a parent
            await asyncio.sleep(0.005)
    return True


def pids_of(heard: Heard) -> list[int]:
    return [int(text.removeprefix("pid ")) for _, text in heard.lines if text.startswith("pid ")]


async def test_told_to_stop_means_sigterm_for_the_whole_group(tmp_path: Path) -> None:
    async with stand(w, tmp_path) as it:
        heard = it.begin(number, 'sh -c "echo pid \\$\\$; exec sleep 60" & echo "pid $$"; echo ready; wait')
        await heard.hears("ready")
        it.stop(heard)
        ending = await ending_of(heard)
        assert isinstance(ending, Failure)
        assert ending.code is Code.CANCELLED
        assert await gone(*pids_of(heard))


async def test_a_program_may_use_its_grace_to_end_well(tmp_path: Path) -> None:
    async with stand(w, tmp_path) as it:
        heard = it.begin(
            number, "trap 'echo 5 > $TASK_OUTPUT_value; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
        )
        await heard.hears("ready")
        it.stop(heard)
        ending = await ending_of(heard)
        assert isinstance(ending, Completed)
        assert ending.outputs["value"].data == b"\x05"


async def test_one_that_does_not_listen_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    async with stand(w, tmp_path) as it:
        stubborn = "echo pid $$; trap '' TERM; echo ready; while :; do sleep 1; done"
        script = f"trap '' TERM; echo pid $$; sh -c {shlex.quote(stubborn)}"
        heard = it.begin(number, script)
        await heard.hears("ready")
        it.stop(heard)
        assert not heard.ended.done()
        it.backend.kill(heard)
        ending = await ending_of(heard)
        assert isinstance(ending, Crashed)
        assert ending.how == "SIGKILL"
        assert await gone(*pids_of(heard))


async def test_what_a_program_leaves_running_is_killed_at_its_end(tmp_path: Path) -> None:
    async with stand(w, tmp_path) as it:
        heard = it.begin(number, "sleep 60 & echo pid $!; echo 1 > $TASK_OUTPUT_value")
        assert isinstance(await ending_of(heard), Completed)
        assert await gone(*pids_of(heard))


@pytest.mark.skipif(not Path("/usr/bin/setsid").exists(), reason="there is no setsid")
async def test_a_child_that_left_the_group_does_not_hold_the_result_back(tmp_path: Path) -> None:
    async with stand(w, tmp_path) as it:
        heard = it.begin(number, "setsid sh -c 'echo pid $$; sleep 60' & sleep 0.2; echo 1 > $TASK_OUTPUT_value")
        try:
            assert isinstance(await ending_of(heard), Completed)
        finally:
            for pid in pids_of(heard):
                os.killpg(pid, signal.SIGKILL)


@pytest.mark.parametrize("name", ["SEGV", "ABRT", "KILL", "TERM"])
async def test_a_program_that_a_signal_ended_says_which(tmp_path: Path, name: str) -> None:
    async with stand(w, tmp_path) as it:
        ending = await ending_of(it.begin(number, f"kill -{name} $$; sleep 5"))
        assert isinstance(ending, Crashed)
        assert ending.how == f"SIG{name}"
        assert ending.text.startswith(f"the program was killed by SIG{name}")


async def test_one_that_is_told_before_it_began_does_not_begin(tmp_path: Path) -> None:
    async with stand(w, tmp_path) as it:
        ending = await ending_of(it.begin(number, "echo 1 > $TASK_OUTPUT_value", told=True))
        assert isinstance(ending, Failure)
        assert ending.message == "it was told to stop before it began"


async def test_a_stream_waits_until_its_items_are_durable(tmp_path: Path) -> None:
    async with stand(w, tmp_path) as it:
        script = """i=0; while [ $i -lt 400 ]; do echo "::tidemill item {\\"x\\": $i}"; i=$((i+1)); done"""
        heard = it.begin(points, script)
        await heard.hears(f"item {UNACKNOWLEDGED_ITEMS}")
        assert len(heard.items) == UNACKNOWLEDGED_ITEMS
        heard.durable = 100
        it.backend.make_room(heard)
        await heard.hears(f"item {UNACKNOWLEDGED_ITEMS + 100}")
        assert len(heard.items) == UNACKNOWLEDGED_ITEMS + 100
        it.stop(heard)
        assert isinstance(await ending_of(heard), Failure)


async def test_much_output_is_heard_to_its_end(tmp_path: Path) -> None:
    async with stand(w, tmp_path) as it:
        heard = it.begin(number, "yes | head -n 20000; yes | head -n 20000 >&2; echo 1 > $TASK_OUTPUT_value")
        assert isinstance(await ending_of(heard), Completed)
        assert len(heard.lines) == 40_000


async def test_closing_kills_what_runs(tmp_path: Path) -> None:
    async with stand(w, tmp_path) as it:
        heard = it.begin(number, "echo pid $$; echo ready; sleep 60")
        await heard.hears("ready")
    assert await gone(*pids_of(heard))


async def test_a_program_that_is_not_there_is_told_when_the_worker_starts(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("no program")
    missing, closed = Worker("m"), Worker("c")

    @missing.program(command=["./not-there.sh"])
    def a() -> int: ...

    @missing.program(command=["surely-no-such-command"])
    def b() -> int: ...

    @closed.program(command=[str(tmp_path / "plain.txt")])
    def c() -> int: ...

    with pytest.raises(
        ProgramError, match=r"there is no program .*not-there\.sh of m\.a, surely-no-such-command of m\.b"
    ):
        async with stand(missing, tmp_path):
            pass
    with pytest.raises(ProgramError, match=r"plain\.txt cannot be executed: chmod \+x"):
        async with stand(closed, tmp_path):
            pass


async def test_a_program_that_goes_away_later_fails_its_call(tmp_path: Path) -> None:
    program = tmp_path / "run.sh"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    worker = Worker("g")

    @worker.program(command=[str(program)])
    def a() -> int: ...

    async with stand(worker, tmp_path / "files") as it:
        ending = await ending_of(it.begin(a))
        assert isinstance(ending, Failure)
        assert ending.code is Code.PERMANENT
        assert "run.sh cannot be started: there is no such program (or its interpreter" in ending.message
