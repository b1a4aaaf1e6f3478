"""`tidemill conformance`."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections import Counter
from collections.abc import Sequence

import click
import msgspec

from tidemill.cli.main import Exit, nearest
from tidemill.cli.options import Output, output_option
from tidemill.conformance.desk import Desk
from tidemill.conformance.exam import TASKS, Exam
from tidemill.conformance.plan import CHECKS, examine
from tidemill.conformance.verdict import Outcome, Verdict

ENDING_S = 5.0
KEPT_BYTES = 100_000
_SIGNS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.SKIPPED: "-"}
KNOWN = "\n".join(f"  {sentence}" for sentence in TASKS.values())


@click.command(
    epilog=f"\b\nThe worker must announce tasks by these names, under any prefix:\n{KNOWN}\nSee docs/protocol.md."
)
@click.option("--listen", default="127.0.0.1:0", show_default="a free port", help="HOST:PORT to listen on.")
@click.option(
    "--within", "within_s", default=10.0, show_default=True, help="Seconds that the worker has for an answer."
)
@click.option("--check", "only", multiple=True, help="Only this check; may be repeated.")
@output_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def conformance(listen: str, within_s: float, only: Sequence[str], output: Output, command: Sequence[str]) -> int:
    """Check a worker in any language against the worker protocol.

    A fake server drives the worker through every message and says what is wrong. COMMAND starts the worker, with
    TIDEMILL_URL set; without one the kit waits for a worker to connect. Exit code 0: all required checks have passed.
    """
    known = [check.id for check in CHECKS]
    if unknown := [each for each in only if each not in known]:
        raise click.UsageError(f"there is no check {unknown[0]!r}.{nearest(unknown[0], known)}")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise click.UsageError(f"--listen takes HOST:PORT, not {listen!r}")
    desk = Desk(within_s)
    if command and shutil.which(command[0]) is None:
        raise click.UsageError(f"there is no command {command[0]}; write it as you would in this folder")
    exam = Exam(desk, Started(command) if command else Awaited(), within_s)
    verdicts = asyncio.run(_examined(exam, (host, int(port)), only, output))
    if output is Output.JSON:
        click.echo(msgspec.json.encode(verdicts))
    else:
        _sum_up(verdicts)
    return Exit.OK if all(each.is_fine for each in verdicts) else Exit.FAILED


async def _examined(exam: Exam, address: tuple[str, int], only: Sequence[str], output: Output) -> Sequence[Verdict]:
    async with exam.desk.open(*address):
        if output is Output.PEOPLE:
            click.echo(f"a fake server listens at {exam.desk.url}")
        return await examine(exam, _tell if output is Output.PEOPLE else lambda _: None, only)


class Started:
    """The worker's process, in a group of its own, so that what it starts ends with it."""

    is_seen = True

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said = bytearray()

    async def start(self, url: str) -> None:
        await self.stop()
        self._said.clear()
        try:
            self._process = await asyncio.create_subprocess_exec(
                "/usr/bin/env",
                f"TIDEMILL_URL={url}",
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise click.UsageError(f"the command cannot be started: {error}") from None
        self._reading = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        while process.stdout is not None and (data := await process.stdout.read(65536)):
            self._said += data
            del self._said[:-KEPT_BYTES]

    async def ended(self, within_s: float) -> int | None:
        if self._process is None:
            return None
        try:
            async with asyncio.timeout(within_s):
                code = await self._process.wait()
                if self._reading is not None:
                    await self._reading
                return code
        except TimeoutError:
            return None

    async def stop(self) -> None:
        process = self._process
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                await self.ended(ENDING_S)
        self._process = None

    @property
    def output(self) -> str:
        return self._said.decode("utf-8", "replace")


class Awaited:
    """A worker that somebody else starts."""

    is_seen = False
    output = ""

    def __init__(self) -> None:
        self._starts = 0

    async def start(self, url: str) -> None:
        self._starts += 1
        again = "" if self._starts == 1 else " again"
        click.echo(f"start the worker{again}: TIDEMILL_URL={url}", err=True)

    async def ended(self, within_s: float) -> int | None:
        return None

    async def stop(self) -> None:
        """Not ours."""


def _tell(verdict: Verdict) -> None:
    click.echo(f"{_SIGNS[verdict.outcome]} {verdict.id:<18} {verdict.sentence}")
    if verdict.reason:
        click.echo(f"{'':21}{verdict.reason}")
    for frame in verdict.frames:
        click.echo(f"{'':23}{frame}")


def _sum_up(verdicts: Sequence[Verdict]) -> None:
    counts = Counter(each.outcome for each in verdicts)
    parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
    click.echo(f"\n{', '.join(parts)}")
    if missing := [each.id for each in verdicts if not each.is_fine]:
        click.echo(f"not conformant: {', '.join(missing)}")
    else:
        click.echo("the worker conforms to tidemill.v1")
