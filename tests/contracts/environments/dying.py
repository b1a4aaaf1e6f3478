"""A process that builds an environment, or removes one, until a fault point ends it."""

import asyncio
import sys
from pathlib import Path

from tidemill.adapters.environments.uv_environments import UvEnvironments
from tidemill.adapters.system.faults import CrashFaults


async def build(environments: UvEnvironments, folder: Path) -> None:
    recipe = await environments.recipe(folder)
    assert recipe is not None
    async with environments.use(recipe, print):
        pass


def main(what: str, envs: Path, of: str, plan: str) -> None:
    environments = UvEnvironments(envs, lambda _: {}, CrashFaults(plan))
    if what == "build":
        asyncio.run(build(environments, Path(of)))
    else:
        environments.remove(of)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
