"""One worker of a folder of workers: its environment, then its process for as long as that is to live."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidemill.cli.children import Child, Hear, Interpreter
from tidemill.cli.main import Exit
from tidemill.core.errors import InputError
from tidemill.ports.environments import Environments

MOST_DEATHS = 8  # in a row, within some twenty seconds: then it is not started any more
_REGISTERED = re.compile(r"registered \S+ s after its start$")


@dataclass
class Post:
    """``tell`` gets the lines of the build, then an empty one; ``hear`` those of the process, or why there is none."""

    folder: Path
    arguments: Sequence[str]
    environments: Environments
    tell: Hear
    hear: Hear
    child: Child | None = None
    fault: str = ""  # why its environment cannot be had
    serves: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self) -> Exit:
        """Until it is told to stop, or has failed for good."""
        try:
            recipe = await self.environments.recipe(self.folder)
            if recipe is None:
                return await self._live(None)
            async with self.environments.use(recipe, self.tell) as environment:
                self.tell("")
                variables = self.environments.variables(environment)
                return await self._live(Interpreter(str(environment / "bin" / "python"), variables))
        except InputError as error:
            self.fault = str(error)
            self.tell("")
            for line in self.fault.splitlines():
                self.hear(line)
            return Exit.FAILED

    async def _live(self, interpreter: Interpreter | None) -> Exit:
        command = ["worker", str(self.folder), *self.arguments]
        self.child = Child(f"worker {self.folder.name}", command, self._listen, interpreter, MOST_DEATHS)
        await self.child.keep()
        return Exit.FAILED if self.child.has_failed else Exit.OK

    def _listen(self, line: str) -> None:
        if _REGISTERED.search(line):
            self.serves.set()
        self.hear(line)

    async def stop(self, holding: "asyncio.Task[Exit]", patience_s: float) -> None:
        if self.child is not None:
            await self.child.stop(holding, patience_s)
        else:  # its environment is being built: the next start goes on with that
            holding.cancel()
            await asyncio.wait([holding])
