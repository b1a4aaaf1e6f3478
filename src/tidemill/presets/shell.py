"""`tidemill.shell`: one command, as a list of arguments, in a folder and a process group of its own."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tidemill.presets.secrets import secret_of
from tidemill.sdk.errors import InvalidInputError, PermanentError, TransientError
from tidemill.sdk.files import TaskFiles
from tidemill.sdk.options import injected

GRACE_S = 2.0


@dataclass(frozen=True)
class CommandResult:
    """``exit_code`` is negative for a signal. ``cut`` says that there was more output than is kept."""

    exit_code: int
    stdout: str
    stderr: str
    cut: bool = False


@dataclass(frozen=True)
class ShellCommand:
    """Runs a command as this worker's user; never through a shell, unless a caller names one that is allowed.

    The command sees ``PATH``, ``HOME`` (its folder), ``LANG`` and what its caller gives, nothing else of the worker's
    environment. However it ends, its whole process group is gone then.

    Args:
        programs: names or paths that may be run; none means any.
        shells: of ``shell``, such as ``["/bin/sh"]``; none means never.
        secrets: what callers may name in ``secret_env``.
        most_bytes: of each output that is kept.
        path: where programs are looked for.
    """

    programs: Sequence[str] = ()
    shells: Sequence[str] = ()
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    most_bytes: int = 1024 * 1024
    path: str = "/usr/local/bin:/usr/bin:/bin"
    preset_name: str = "shell"

    async def __call__(  # noqa: PLR0913  # the inputs of a task
        self,
        argv: list[str],
        stdin: str = "",
        *,
        env: dict[str, str] | None = None,
        secret_env: dict[str, str] | None = None,
        shell: str = "",
        timeout_s: float | None = None,
        files: TaskFiles = injected,
    ) -> CommandResult:
        """Run a command, and give what it wrote and its exit code, whatever that is.

        Args:
            secret_env: variable to a text with ``{NAME}`` of a secret in it.
            shell: run ``argv[0]`` as a script of this shell, with the rest as its parameters.
        """
        command = self._checked(argv, shell)
        folder = str(files.path_to("here").parent)
        given = {name: secret_of(value, self.secrets) for name, value in (secret_env or {}).items()}
        environment = {"PATH": self.path, "HOME": folder, "LANG": "C.UTF-8", **(env or {}), **given}
        process = await _started(command, folder, environment)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ended(process, stdin.encode())
        except TimeoutError:
            raise TransientError(f"{argv[0]} did not end within {timeout_s:g} s") from None
        finally:
            await asyncio.shield(_end_group(process))

    def _checked(self, argv: list[str], shell: str) -> list[str]:
        if not argv or not argv[0]:
            raise InvalidInputError("", [("$.argv", "names no program")])
        if shell:
            if shell not in self.shells:
                raise InvalidInputError("", [("$.shell", f"allowed is {', '.join(self.shells) or 'none'}")])
            return [shell, "-c", argv[0], shell, *argv[1:]]
        if self.programs and argv[0] not in self.programs:
            raise InvalidInputError("", [("$.argv", f"allowed is {', '.join(self.programs)}")])
        return argv

    async def _ended(self, process: Process, stdin: bytes) -> CommandResult:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise PermanentError("the command has no pipes")
        out, err = _Kept(self.most_bytes), _Kept(self.most_bytes)
        async with asyncio.TaskGroup() as group:
            flows = [
                group.create_task(_feed(process.stdin, stdin)),
                group.create_task(out.read(process.stdout)),
                group.create_task(err.read(process.stderr)),
            ]
            code = await _exit_code(process)
            _signal(process.pid, signal.SIGKILL)  # what it has left behind holds the pipes open
            _, late = await asyncio.wait(flows, timeout=GRACE_S)
            for flow in late:  # of one that left the group
                flow.cancel()
        return CommandResult(code, out.text, err.text, out.is_cut or err.is_cut)


class _Kept:
    """The beginning of an output. The rest is read and dropped, so that the command can go on."""

    def __init__(self, most: int) -> None:
        self._most, self._data = most, bytearray()
        self.is_cut = False

    @property
    def text(self) -> str:
        return self._data.decode(errors="replace")

    async def read(self, stream: asyncio.StreamReader) -> None:
        while part := await stream.read(64 * 1024):
            room = self._most - len(self._data)
            self._data += part[:room]
            self.is_cut = self.is_cut or len(part) > room


async def _started(command: list[str], folder: str, environment: dict[str, str]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=folder, env=environment, start_new_session=True
        )
    except FileNotFoundError:
        raise PermanentError(f"there is no program {command[0]} on this worker") from None
    except (OSError, ValueError) as error:
        raise PermanentError(f"{command[0]} cannot be run: {error}") from None


async def _feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError, RuntimeError):  # it reads no more; the last is uvloop's word
        if data:
            stdin.write(data)
            await stdin.drain()
        stdin.close()


async def _exit_code(process: Process) -> int:
    """When it has ended itself: `Process.wait` waits for its pipes too, which others may hold open."""
    pause_s = 0.001
    while process.returncode is None:
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.05)
    return process.returncode


async def _end_group(process: Process) -> None:
    """Ask the whole group, then kill it: a command may have left others behind."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await _exit_code(process)
    _signal(process.pid, signal.SIGKILL)
    await _exit_code(process)
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  # nothing public closes its pipes
    await asyncio.sleep(0)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
