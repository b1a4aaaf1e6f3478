"""Runs made of other runs."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from tidemill.client.connection import Connection
from tidemill.client.targets import Target, bind_plain
from tidemill.wire import api, forks


class ForkOptions(TypedDict, total=False):
    """How a fork differs from its origin."""

    inputs: Mapping[str, Any]  # of the run, edited
    steps: Mapping[str, Mapping[str, Any]]  # inputs of steps, edited, by path
    again: Sequence[str]  # paths that run anew, with all below, though nothing changed for them
    graph: str  # digest of another version to go on with
    priority: int
    tags: Mapping[str, str]


async def forked(core: Connection, run: str, options: ForkOptions, word: str) -> str:
    """Start a fork; the id of the new run."""
    body = await _request(core, options, core.identity.run_id())
    return (await core.calls.post(f"/runs/{run}/{word}", body, api.Accepted)).id


async def planned(core: Connection, run: str, options: ForkOptions) -> forks.ForkPlan:
    return await core.calls.post(f"/runs/{run}/fork/plan", await _request(core, options, ""), forks.ForkPlan)


async def _request(core: Connection, options: ForkOptions, run: str) -> forks.ForkRequest:
    return forks.ForkRequest(
        id=run,
        input=await _plain(core, options.get("inputs", {})),
        steps={path: await _plain(core, inputs) for path, inputs in options.get("steps", {}).items()},
        again=tuple(options.get("again", ())),
        graph=options.get("graph", ""),
        priority=options.get("priority"),
        tags=dict(options["tags"]) if "tags" in options else None,
    )


async def _plain(core: Connection, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(await core.values.send_plain(await bind_plain(inputs)))


async def looked_at(
    core: Connection, target: Target, runs: tuple[str, ...], latest: tuple[str, int]
) -> Sequence[forks.WhatIfRun]:
    """``latest``: of which workflow, and how many, where no runs are named."""
    if not target.document:
        raise TypeError("what_if takes a workflow; a single task takes one way only")
    body = forks.WhatIfRequest("", runs, *latest, document=target.document.decode())
    return (await core.calls.post("/what-if", body, forks.WhatIfAnswer)).runs
