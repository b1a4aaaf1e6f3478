"""Commands as tasks: real processes, in groups that are gone afterwards."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.cli.processes import is_alive, until
from tidemill import InvalidInputError, PermanentError, RunCancelledError, TaskFiles, TransientError, Worker
from tidemill.presets.shell import CommandResult, ShellCommand
from tidemill.presets.worker import preset_worker
from tidemill.testing.local import local


def run(preset: ShellCommand, *args: Any, **given: Any) -> CommandResult:
    worker = Worker("w")
    result: CommandResult = worker.add(preset, name="shell")(*args, **given)
    return result


@pytest.mark.feature("A19")
def test_a_command_gets_arguments_input_and_its_own_folder() -> None:
    shell = ShellCommand(secrets={"TOKEN": "s3cret"})
    assert run(shell, ["printf", "%s-%s", "a b", "$HOME;ls"]) == CommandResult(0, "a b-$HOME;ls", "")
    assert run(shell, ["cat"], "tide") == CommandResult(0, "tide", "")
    told = run(shell, ["env"], env={"MILL": "one"}, secret_env={"KEY": "k-{TOKEN}"}).stdout.splitlines()
    assert {"MILL=one", "KEY=k-s3cret", "LANG=C.UTF-8"} <= set(told)
    assert {line.partition("=")[0] for line in told} <= {"MILL", "KEY", "LANG", "PATH", "HOME", "PWD", "SHLVL", "_"}
    folder = Path(run(shell, ["pwd"]).stdout.strip())
    assert folder != Path.cwd()
    assert run(shell, ["false"]) == CommandResult(1, "", "")
    assert run(shell, ["true"], "x" * 1_000_000) == CommandResult(0, "", "")


def test_output_is_kept_up_to_a_bound_and_the_command_goes_on() -> None:
    result = run(
        ShellCommand(most_bytes=1000, shells=["/bin/sh"]), ["yes | head -c 300000; echo end >&2"], shell="/bin/sh"
    )
    assert (len(result.stdout), result.stderr, result.cut, result.exit_code) == (1000, "end\n", True, 0)


def test_a_shell_is_asked_for_and_allowed() -> None:
    script = ["echo $1 | tr a-z A-Z; exit 3", "a b"]
    assert run(ShellCommand(shells=["/bin/sh"]), script, shell="/bin/sh") == CommandResult(3, "A B\n", "")
    with pytest.raises(InvalidInputError, match=r"\$\.shell: allowed is none"):
        run(ShellCommand(), script, shell="/bin/sh")


def test_what_may_not_or_cannot_be_run_is_said() -> None:
    with pytest.raises(InvalidInputError, match=r"\$\.argv: allowed is echo, cat"):
        run(ShellCommand(programs=["echo", "cat"]), ["ls"])
    with pytest.raises(InvalidInputError, match="names no program"):
        run(ShellCommand(), [])
    with pytest.raises(PermanentError, match="there is no program surely-not-there"):
        run(ShellCommand(), ["surely-not-there"])
    with pytest.raises(PermanentError, match="cannot be run"):
        run(ShellCommand(), ["/etc/hostname"])
    with pytest.raises(InvalidInputError, match="no secret TOKEN; it has none"):
        run(ShellCommand(), ["env"], secret_env={"A": "{TOKEN}"})


def test_a_timeout_and_an_end_take_the_whole_group_along(tmp_path: Path) -> None:
    shell = ShellCommand(shells=["/bin/sh"])
    pids = tmp_path / "pids"
    with pytest.raises(TransientError, match=r"did not end within 0\.3 s"):
        run(shell, [f"sleep 60 & echo $! > {pids}; sleep 60"], shell="/bin/sh", timeout_s=0.3)
    left = int(pids.read_text())
    until(lambda: not is_alive(left), lambda: "the end of what it left behind")
    assert run(shell, [f"sleep 60 & echo $! > {pids}"], shell="/bin/sh").exit_code == 0
    left = int(pids.read_text())
    until(lambda: not is_alive(left), lambda: "the end of what it left behind")


def test_a_cancelled_command_is_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with local(preset_worker(ShellCommand(shells=["/bin/sh"]))) as client:
        running = client.submit_named(
            "tidemill.shell", {"argv": [f"trap '' TERM; echo $$ > {pid}; sleep 60 & wait"], "shell": "/bin/sh"}
        )
        until(lambda: pid.exists() and pid.read_text().strip(), lambda: "its start")
        running.cancel()
        with pytest.raises(RunCancelledError):
            running.result()
        until(lambda: not is_alive(int(pid.read_text())), lambda: "its end")


def test_commands_run_on_a_worker_s_kind_of_loop_in_a_thread() -> None:
    found: list[Any] = []

    class Folder:
        def folder(self) -> str:
            return str(Path.cwd())

    def live() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            files = TaskFiles(Folder())  # type: ignore[arg-type]
            found.append(runner.run(ShellCommand()(["echo", "tide"], files=files)))

    thread = threading.Thread(target=live)
    thread.start()
    thread.join(30)
    assert found == [CommandResult(0, "tide\n", "")]
