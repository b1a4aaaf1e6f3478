"""What bodies in processes are asked to survive."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.backends.conftest import ZOO, Place, processes
from tests.contracts.backends.heard import Heard
from tidemill.adapters.backends.process.crew import NotReadyError
from tidemill.core.bodies import Completed
from tidemill.core.run import Code
from tidemill.sdk.processes import Processes

pytestmark = pytest.mark.asyncio(loop_scope="module")


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def gone(*pids: int) -> bool:
    async with asyncio.timeout(20):
        while any(is_alive(pid) for pid in pids):  # noqa: ASYNC110 - the system tells only their parent
            await asyncio.sleep(0.01)
    return True


@pytest.mark.parametrize(
    ("task", "inputs", "how"),
    [
        ("segfault", {}, "SIGSEGV"),
        ("leave", {"code": 3}, "exit code 3"),
        ("leave", {"code": 0}, "exit code 0"),
        ("killed", {}, "SIGKILL"),
        ("recurse_for_ever", {}, "SIGSEGV"),
    ],
)
async def test_a_crash_is_named_and_the_next_one_runs(
    apart: Place, task: str, inputs: dict[str, int], how: str
) -> None:
    work = apart.begin(task, **inputs)
    crash = await work.crash()
    assert crash.how == how
    assert how in crash.text
    assert await apart.is_well()


async def test_a_crash_says_where_it_happened_in_the_log_of_its_attempt(apart: Place) -> None:
    work = apart.begin("segfault")
    await work.crash()
    assert work.output("STDOUT") == ["last words"]
    assert any("in segfault" in line for line in work.output("STDERR"))


@pytest.mark.parametrize("task", ["ignore", "swallow", "hold"])
async def test_what_does_not_stop_is_killed(apart: Place, task: str) -> None:
    work = apart.begin(task)
    await work.begun()
    apart.stop(work)
    await asyncio.sleep(0)
    assert work.endings == []
    apart.backend.kill(work)
    assert (await work.crash()).how == "SIGKILL"
    assert await apart.is_well()


async def test_a_kill_ends_the_family_also_what_has_left_the_group(apart: Place, tmp_path: Path) -> None:
    note = tmp_path / "note"
    work = apart.begin("breed", note=str(note))
    await work.begun()
    family = [int(pid) for pid in note.read_text().split()]
    assert all(is_alive(pid) for pid in family)
    apart.backend.kill(work)
    await work.crash()
    assert await gone(*family)


async def test_what_a_body_leaves_behind_ends_with_it_and_its_result_counts(apart: Place, tmp_path: Path) -> None:
    note = tmp_path / "note"
    before = await apart.begin("pid").result()
    assert await apart.begin("abandon", note=str(note)).result() == "done"
    assert await gone(*[int(pid) for pid in note.read_text().split()])
    assert await apart.begin("pid").result() != before


async def test_a_bomb_is_ended_whole(apart: Place) -> None:
    work = apart.begin("bomb", most=50)
    await work.begun()
    apart.backend.kill(work)
    await work.crash()
    assert await apart.is_well()


async def test_a_child_is_used_again(apart: Place) -> None:
    assert len({await apart.begin("pid").result() for _ in range(5)}) == 1


async def test_a_flood_of_output_is_bounded_and_its_end_is_kept(apart: Place) -> None:
    work = apart.begin("shout", mib=64)
    assert await work.result() == "said"
    lines = work.output("STDOUT")
    assert lines[-1] == "the end"
    assert sum(len(line) for line in lines) < 8 * 1024 * 1024
    assert len(lines) + work.omitted == pytest.approx(64 * 1024 + 1, abs=64)


async def test_a_line_without_end_is_cut_into_pieces(apart: Place) -> None:
    work = apart.begin("one_line", mib=16)
    await work.ended()
    assert max(len(line) for line in work.output("STDERR")) <= 128 * 1024


async def test_bytes_that_are_no_text_and_output_of_programs_are_lines_too(apart: Place) -> None:
    work = apart.begin("mumble")
    await work.ended()
    assert work.output("STDOUT") == ["caf\ufffd", "\ufffd\ufffd", "from a program"]
    assert work.output("STDERR") == ["to the other"]


async def test_what_threads_of_a_body_log_is_output_of_its_process(apart: Place) -> None:
    work = apart.begin("speak_in_thread")
    await work.ended()
    assert work.output("STDERR") == ["WARNING zoo: from a thread"]


async def test_a_result_that_is_too_large_is_refused_with_advice(apart: Place) -> None:
    failure = await apart.begin("heavy", mib=300).failure()
    assert failure.code is Code.PERMANENT
    assert "return a File instead" in failure.message
    assert await apart.is_well()


async def test_a_body_that_writes_to_its_connection_is_ended_with_the_reason(apart: Place) -> None:
    crash = await apart.begin("scribble").crash()
    assert "connection to its worker" in crash.text
    assert await apart.is_well()


async def test_a_body_that_closes_all_files_loses_only_its_process(apart: Place) -> None:
    assert (await apart.begin("close_files").crash()).how
    assert await apart.is_well()


async def test_a_body_that_closes_its_output_still_gives_its_result(apart: Place) -> None:
    assert await apart.begin("corrupt_output").result() == 7
    assert await apart.is_well()


async def test_an_idle_child_that_dies_is_replaced(apart: Place) -> None:
    pid = await apart.begin("pid").result()
    os.kill(pid, signal.SIGKILL)
    assert await gone(pid)
    assert await apart.begin("pid").result() != pid


async def test_a_child_that_died_before_it_began_costs_nothing(apart: Place) -> None:
    pid = await apart.begin("pid").result()
    os.kill(pid, signal.SIGSTOP)
    work = apart.begin("double", x=4)  # handed to one that will never read it
    os.kill(pid, signal.SIGKILL)
    assert await work.result() == 8


@pytest.mark.parametrize(
    "limits",
    [Processes(count=1, recycle_after=2), Processes(count=1, max_age=0.000_001), Processes(count=1, max_memory_mib=1)],
)
async def test_a_child_is_replaced_by_count_age_or_memory(tmp_path: Path, limits: Processes) -> None:
    backend = processes(tmp_path, limits)
    await backend.open()
    place = Place("process", backend, tmp_path)
    pids = [await place.begin("pid").result() for _ in range(4)]
    assert len(set(pids)) == (2 if limits.recycle_after == 2 else 4)
    assert await gone(*set(pids[:-1]) - {pids[-1]})
    await backend.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_like_this", "ModuleNotFoundError"),
        ("x = 1", "declares no worker"),
        ("from tidemill import Worker\nzoo = Worker('zoo')", "is not there when its module is imported again"),
        ("import os; print('half way'); os._exit(4)", "half way"),
        ("import os; os._exit(4)", "exit code 4"),
    ],
)
async def test_a_target_that_cannot_be_imported_is_told_at_once(tmp_path: Path, text: str, said: str) -> None:
    target = tmp_path / "broken.py"
    target.write_text(text)
    backend = processes(tmp_path, target=str(target))
    with pytest.raises(NotReadyError, match=said):
        await backend.open()
    await backend.close()


async def test_a_target_that_breaks_later_fails_what_waits_and_is_tried_again(tmp_path: Path) -> None:
    target = tmp_path / "main.py"
    good = ZOO.read_text()
    target.write_text(good)
    backend = processes(tmp_path, target=str(target))
    await backend.open()
    place = Place("process", backend, tmp_path)
    target.write_text("1/0")
    await place.begin("leave", code=1).crash()
    work = place.begin("double", x=1)
    failure = await work.failure()
    assert failure.code is Code.TRANSIENT
    assert "ZeroDivisionError" in failure.message
    target.write_text(good)
    async with asyncio.timeout(30):
        while not isinstance(await place.begin("double", x=1).ended(), Completed):
            pass
    await backend.close()


async def test_closing_ends_all_of_them_and_a_body_that_runs_is_told_as_lost(tmp_path: Path) -> None:
    backend = processes(tmp_path, Processes(count=2))
    await backend.open()
    place = Place("process", backend, tmp_path)
    pid = await place.begin("pid").result()
    work = place.begin("ignore")
    await work.begun()
    await backend.close()
    assert (await work.crash()).how == "SIGKILL"
    assert await gone(pid)


async def test_inputs_that_are_too_large_are_refused(apart: Place) -> None:
    work = Heard("zoo.double", x=bytes(600 * 1024 * 1024))
    apart.backend.begin(work)
    assert (await work.failure()).code is Code.PERMANENT
    assert await apart.is_well()


HOST = """
import asyncio, sys
from pathlib import Path
from tests.contracts.backends.conftest import ZOO, Place, processes

async def main(folder):
    backend = processes(folder)
    await backend.open()
    place = Place("process", backend, folder)
    print(await place.begin("pid").result(), flush=True)
    work = place.begin(sys.argv[2], **({"note": sys.argv[3]} if sys.argv[2] == "breed" else {}))
    await work.begun()
    print("begun", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("task", ["ignore", "hold", "breed"])
async def test_children_end_when_their_worker_is_killed(tmp_path: Path, task: str) -> None:
    note = tmp_path / "note"
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(tmp_path), task, str(note)], stdout=subprocess.PIPE, text=True
    )
    assert host.stdout
    pid = int(host.stdout.readline())
    assert host.stdout.readline() == "begun\n"
    family = [int(note.read_text().split()[0])] if task == "breed" else []  # the one that has stayed in the group
    host.kill()
    host.wait()
    host.stdout.close()
    assert await gone(pid, *family)


async def test_a_crash_in_the_process_of_the_worker_takes_the_worker(tmp_path: Path) -> None:
    """Why processes are there: this is what the inline back-end cannot do."""
    code = "from tests.contracts.backends.zoo import zoo; zoo.tasks['zoo.segfault'].fn()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGSEGV
