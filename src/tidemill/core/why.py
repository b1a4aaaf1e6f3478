"""Why a step waits, in words, and the smallest change that would start it."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tidemill.core.catalog import Catalog
from tidemill.core.definitions import TaskOptions
from tidemill.core.graph import Node, TaskNode
from tidemill.core.ids import Instant, Path
from tidemill.core.match import Offer
from tidemill.core.plan import Layout
from tidemill.core.rows import Queued, Session
from tidemill.core.run import Attempt, Blocked, Held, Ready, Step, Waiting


class Server(Struct, frozen=True):
    """A live session as the matcher sees it; ``offer`` is None when it takes nothing now."""

    session: Session
    offer: Offer | None
    held: int
    connected: bool


class Reason(Struct, frozen=True):
    path: Path
    status: str
    task: str
    reasons: tuple[str, ...]
    advice: str


class Fleet(Struct, frozen=True):
    """What a moment looks like: who is there, and who holds the steps in question."""

    at: Instant
    servers: Sequence[Server]
    holders: Mapping[Path, Attempt]  # the latest attempts of held steps
    queued: Mapping[Path, Queued] = {}  # the queue rows of ready steps


def explain(steps: Sequence[Step], layout: Layout, catalog: Catalog, fleet: Fleet) -> Sequence[Reason]:
    """One answer for each step that is not final."""
    return [_explain(step, layout.node(step.path)[2], catalog, fleet) for step in steps]


def _explain(step: Step, node: Node, catalog: Catalog, fleet: Fleet) -> Reason:
    task = node.task if isinstance(node, TaskNode) else ""
    match step.state:
        case Ready() if (row := fleet.queued.get(step.path)) is not None and row.home:
            reasons, advice = _parked(node, catalog)
        case Ready():
            reasons, advice = _queue(node, catalog, fleet.servers)
        case Blocked(missing=missing):
            reasons, advice = (f"{missing} steps before it are not done",), ""
        case Held(running=running):
            reasons, advice = _held(step, "is running" if running else "was sent, and is not started yet", fleet)
        case Waiting(until_at=None):
            reasons, advice = ("steps inside it are not done",), ""
        case Waiting(until_at=int() as until_at) if step.turn_at:
            left = max(0, until_at - fleet.at) / 1_000_000
            reasons, advice = (f"its task's rate limit lets it start in {left:.0f} s",), "raise the task's rate_limit"
        case Waiting():
            reasons, advice = (f"it waits to be tried again, after {step.failures} failures",), ""
        case _:
            reasons, advice = (), ""
    return Reason(step.path, step.status, task, reasons, advice)


def _parked(node: Node, catalog: Catalog) -> tuple[tuple[str, ...], str]:
    definition = catalog.find(node.task, node.schema) if isinstance(node, TaskNode) else None
    options = definition.options if definition else TaskOptions()
    slots = options.concurrency or 1
    key = f" for its value of {options.concurrency_key}" if options.concurrency_key else ""
    reason = f"{slots} attempt{'s run' if slots > 1 else ' runs'} already, as many as its task allows at once{key}"
    return (reason,), "wait until one of them ends, or raise the task's concurrency"


def _held(step: Step, how: str, fleet: Fleet) -> tuple[tuple[str, ...], str]:
    attempt = fleet.holders.get(step.path)
    if attempt is None:
        return (f"attempt {step.latest} {how}",), ""
    on = f"attempt {step.latest} {how} on worker {attempt.worker}"
    seat = next((each for each in fleet.servers if each.session.id == attempt.session), None)
    if seat is None:
        return (f"{on}, which is gone; it goes back to the queue now",), ""
    if seat.connected:
        return (on,), ""
    left = max(0, seat.session.lease_until_at - fleet.at) / 1_000_000
    return (f"{on}, which is not connected; its lease ends in {left:.0f} s",), f"start worker {attempt.worker} again"


def _queue(node: Node, catalog: Catalog, fleet: Sequence[Server]) -> tuple[tuple[str, ...], str]:
    if not isinstance(node, TaskNode):
        return (), ""
    if catalog.latest(node.task) is None:
        near = catalog.nearest(node.task)
        hint = f"; the nearest known: {', '.join(near)}" if near else ""
        return (f"no worker ever announced {node.task}{hint}",), f"start a worker that has the task {node.task}"
    if not fleet:
        return ("no worker is connected",), f"start a worker that has the task {node.task}"
    reasons = tuple(f"worker {each.session.worker}: {_against(node, each)}" for each in fleet)
    return reasons, _advice(node, fleet)


def _against(node: TaskNode, server: Server) -> str:
    mine = {digest for name, digest in server.session.tasks if name == node.task}
    if not mine:
        return f"does not have {node.task}"
    if node.schema and node.schema not in mine:
        return f"has {node.task} as {', '.join(sorted(mine))}, and the run needs {node.schema}"
    if not server.connected:
        return "is not connected at the moment"
    if server.offer is None:
        return f"is full: it holds {server.held}"
    return "can take it, and will with the next beat"


def _advice(node: TaskNode, fleet: Sequence[Server]) -> str:
    having = [each for each in fleet if any(name == node.task for name, _ in each.session.tasks)]
    if not having:
        return f"start a worker that has the task {node.task}"
    fitting = [each for each in having if not node.schema or (node.task, node.schema) in each.session.tasks]
    if not fitting:
        return "start a worker of the version that the run was built with, or submit the run again"
    return "wait until an attempt ends, or start another worker"
