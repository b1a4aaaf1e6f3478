"""The client process: `python -m benchmarks.client SYSTEM ADDRESS`, spoken to in lines of JSON.

It is a process of its own, so that its CPU is that of one system's client and of nothing else.
"""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator

import msgspec
import uvloop

from benchmarks.loads import LOADS, Stage
from benchmarks.plan import Size
from benchmarks.systems.system import Client, NotPossibleError


class Question(msgspec.Struct):
    """``load`` begins one; without it the one under way goes on to its next stage."""

    load: str = ""
    size: Size = Size()


async def serve(client: Client) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    stages: AsyncIterator[Stage] | None = None
    while line := await lines.readline():
        question = msgspec.json.decode(line, type=Question)
        try:
            if question.load == "open":
                await client.open()
                answer: Stage = {}
            else:
                if question.load:
                    stages = LOADS[question.load](client, question.size)
                assert stages is not None
                answer = await anext(stages)
        except Exception as error:  # noqa: BLE001  # whatever it is, the harness must hear of it
            _say({"error": str(error) if isinstance(error, NotPossibleError) else f"{type(error).__name__}: {error}"})
        else:
            _say(answer)
    await client.close()


def _say(answer: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    system, address = sys.argv[1:]
    client: Client = importlib.import_module(f"benchmarks.systems.{system}_client").connect(address)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(client))


if __name__ == "__main__":
    main()
