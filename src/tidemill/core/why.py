"""Why a step waits, in words, and the smallest change that would start it."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tidemill.core.catalog import Catalog
from tidemill.core.definitions import TaskDefinition, TaskOptions
from tidemill.core.graph import Node, State, TaskNode
from tidemill.core.ids import Instant, Path, text_of
from tidemill.core.lanes import paused_lane
from tidemill.core.pauses import Pauses, advice_of
from tidemill.core.pauses import text_of as text_of_pause
from tidemill.core.plan import Layout
from tidemill.core.requirements import NOTHING, Requirements, Unmet, narrowed, suited_gpus
from tidemill.core.reserve import Free, reserve, thousandths
from tidemill.core.rows import Pause, PauseKind, Queued, Session
from tidemill.core.run import (
    AtBreakpoint,
    Attempt,
    Blocked,
    Held,
    Paused,
    Quarantined,
    Ready,
    Run,
    Step,
    Waiting,
    pending_of,
)
from tidemill.core.serving import Station
from tidemill.core.sizes import size_text
from tidemill.core.texts import moment
from tidemill.core.wait_rows import WaitRow
from tidemill.core.why_waits import explain_wait

NO_PAUSES = Pauses()


class Server(Struct, frozen=True):
    """A live session as the matcher sees it."""

    session: Session
    station: Station
    held: int
    connected: bool
    free: Free
    left: Mapping[str, int]  # credit by pool, "" in all
    elsewhere: bool = False  # it hangs on another server than the one that is asked, which cannot know what is left


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
    waits: Mapping[Path, WaitRow] = {}  # what waiting steps wait for
    queued: Mapping[Path, Queued] = {}  # the queue rows of ready steps
    pauses: Pauses = NO_PAUSES


class Against(Struct, frozen=True):
    """What one worker has against a step now; ``unmet`` is what it will have against it as long as it is as it is."""

    worker: str
    text: str
    advice: str = ""
    unmet: tuple[Unmet, ...] = ()


def explain_run(run: Run, at: Instant) -> tuple[tuple[str, ...], str]:
    """Why a run as a whole does not go on, and what would change that; nothing for one that does."""
    name, told = text_of(run.id), []
    advice = ""
    if isinstance(run.state, Paused):
        who = run.state.by or "an operator"
        reason = f" ({run.state.reason})" if run.state.reason else ""
        told.append(f"the run is paused by {who} since {moment(run.state.since_at)}{reason}")
        advice = f"tidemill resume {name}"
    if (pending := pending_of(run)) is not None:
        left = max(0, pending.start_at - at) / 1_000_000
        told.append(f"the run begins at {moment(pending.start_at)}, in {left:.0f} s")
    return tuple(told), advice


def explain(steps: Sequence[Step], layout: Layout, catalog: Catalog, fleet: Fleet) -> Sequence[Reason]:
    """One answer for each step that is not final."""
    return [_explain(step, layout.node(step.path)[2], catalog, fleet) for step in steps]


def _explain(  # one match over a union
    step: Step, node: Node | State, catalog: Catalog, fleet: Fleet
) -> Reason:
    task = node.task if isinstance(node, TaskNode) else ""
    match step.state:
        case Ready():
            reasons, advice = _ready(step, node, catalog, fleet)
        case Blocked(missing=missing):
            reasons, advice = (f"{missing} steps before it are not done",), ""
        case Held(running=running):
            reasons, advice = _held(step, "is running" if running else "was sent, and is not started yet", fleet)
        case Quarantined(failure=failure):
            reasons = (f"it is quarantined: {failure.message}",)
            advice = f"tidemill quarantine release {text_of(step.run)} {step.path}"
        case AtBreakpoint():
            reasons, advice = ("it stands at a breakpoint",), f"tidemill continue {text_of(step.run)}"
        case Waiting(until_at=until_at):
            reasons, advice = _waiting(step, until_at, fleet)
        case _:
            reasons, advice = (), ""
    return Reason(step.path, step.status, task, reasons, advice)


def _waiting(step: Step, until_at: Instant | None, fleet: Fleet) -> tuple[tuple[str, ...], str]:
    if (wait := fleet.waits.get(step.path)) is not None:
        return explain_wait(wait)
    if until_at is None:
        return ("steps inside it are not done",), ""
    if step.turn_at:
        left = max(0, until_at - fleet.at) / 1_000_000
        return (f"its task's rate limit lets it start in {left:.0f} s",), "raise the task's rate_limit"
    return (f"it waits to be tried again, after {step.failures} failures",), ""


def _ready(step: Step, node: Node | State, catalog: Catalog, fleet: Fleet) -> tuple[tuple[str, ...], str]:
    if (pause := _pause_of(node, catalog, fleet.pauses)) is not None:
        return (text_of_pause(pause),), advice_of(pause)
    row = fleet.queued.get(step.path)
    if row is not None and row.home:
        return _parked(step, row, node, catalog)
    return _queue(node, catalog, fleet)


def _parked(step: Step, row: Queued, node: Node | State, catalog: Catalog) -> tuple[tuple[str, ...], str]:
    if row.lane == paused_lane(step.run):
        return ("its run is paused",), ""
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


def _pause_of(node: Node | State, catalog: Catalog, pauses: Pauses) -> Pause | None:
    """The pause of its task or queue that keeps a step from starting anywhere."""
    if not isinstance(node, TaskNode):
        return None
    definition = catalog.find(node.task, node.schema)
    needs = narrowed(definition.options.requires if definition else NOTHING, node.options.requires)
    return pauses.of(PauseKind.TASK, node.task) or (pauses.of(PauseKind.QUEUE, needs.queue) if needs.queue else None)


def _queue(node: Node | State, catalog: Catalog, whole: Fleet) -> tuple[tuple[str, ...], str]:
    if not isinstance(node, TaskNode):
        return (), ""
    fleet = whole.servers
    if catalog.latest(node.task) is None:
        near = catalog.nearest(node.task)
        hint = f"; the nearest known: {', '.join(near)}" if near else ""
        return (f"no worker ever announced {node.task}{hint}",), f"start a worker that has the task {node.task}"
    if not fleet:
        return ("no worker is connected",), f"start a worker that has the task {node.task}"
    against = [_against(node, each, whole.pauses) for each in fleet]
    reasons = tuple(f"worker {each.worker}: {each.text}" for each in against)
    return (*reasons, *_nobody(against, node)), _advice(node, fleet, against)


def _against(node: TaskNode, server: Server, pauses: Pauses) -> Against:
    worker = server.session.worker
    mine = {digest for name, digest in server.session.tasks if name == node.task}
    if not mine:
        return Against(worker, f"does not have {node.task}")
    if not _has_version(node, server):
        return Against(worker, f"has {node.task} as {', '.join(sorted(mine))}, and the run needs {node.schema}")
    if not server.connected:
        return Against(worker, "is not connected at the moment", f"start worker {worker} again")
    if (pause := pauses.of(PauseKind.WORKER, worker)) is not None:
        return Against(worker, f"is paused by {pause.by or 'an operator'}", advice_of(pause))
    having = [each for each in server.station.tasks.get(node.task, ()) if server.station.takes(each, node.schema)]
    lacks = [(task, server.station.unmet(task, node.options.requires)) for task in having]
    able = [task for task, unmet in lacks if not unmet]
    if not able:
        _, unmet = min(lacks, key=lambda lack: len(lack[1]))
        return Against(worker, "; ".join(each.text for each in unmet), unmet=unmet)
    return _at_the_moment(node, server, able)


def _has_version(node: TaskNode, server: Server) -> bool:
    own = not node.schema or (node.task, node.schema) in server.session.tasks
    return own or any(server.station.takes(each, node.schema) for each in server.station.tasks.get(node.task, ()))


def _at_the_moment(node: TaskNode, server: Server, able: Sequence[TaskDefinition]) -> Against:
    """What a worker that could take it lacks now: slots, or what others have of its resources."""
    worker, pools = server.session.worker, server.session.pools
    wait = "wait until an attempt ends, or start another worker"
    if server.elsewhere:
        return Against(
            worker, "could take it; how much it has left is known to the server that it is connected to", wait
        )
    if server.left.get("", 0) <= 0:
        return Against(worker, f"is full: it holds {server.held} of {pools.total}", wait)
    full = [task.options.pool for task in able if server.left.get(task.options.pool, 1) <= 0]
    if len(full) == len(able):
        limit = pools.limits.get(full[0], 0)
        return Against(worker, f"is full: {limit} of {limit} in pool {full[0]}", wait)
    needs = [
        narrowed(task.options.requires, node.options.requires)
        for task in able
        if server.left.get(task.options.pool, 1) > 0
    ]
    short = [text for each in needs if (text := _short(each, server))]
    if len(short) == len(needs):
        return Against(worker, short[0], wait)
    return Against(worker, "can take it, and will with the next beat")


def _short(needs: Requirements, server: Server) -> str:
    """What of its resources is taken by others at the moment; "" when it has enough left."""
    free, offers = server.free, server.session.offers
    if needs == NOTHING or reserve(needs, free, offers) is not None:
        return ""
    has = offers.resources
    if thousandths(needs.cpus) > free.cpus:
        return f"has {max(0, free.cpus) / 1000:g} of its {has.cpus:g} CPUs free, and it needs {needs.cpus:g}"
    if needs.ram > free.ram:
        left, wanted = size_text(max(0, free.ram)), size_text(needs.ram)
        return f"has {left} of its {size_text(has.ram)} of RAM free, and it needs {wanted}"
    suited = [free.gpus[gpu.id] for gpu in suited_gpus(needs, offers)]
    if needs.gpus:
        idle = sum(not gpu.alone and not gpu.shared and gpu.total >= needs.vram for gpu in suited)
        return f"has {idle} of {len(suited)} such GPUs free, and it needs {needs.gpus}"
    largest = max((gpu.vram for gpu in suited if not gpu.alone), default=0)
    wanted = size_text(needs.vram)
    return f"it needs {wanted} of VRAM, and the largest part that is free on a GPU has {size_text(max(0, largest))}"


def _nobody(against: Sequence[Against], node: TaskNode) -> list[str]:
    """What no worker that has the task has, said once."""
    lacking = [{(each.lack, each.what) for each in one.unmet} for one in against if one.unmet]
    having = [one for one in against if one.unmet or one.advice]
    if not lacking or len(lacking) < len(having):
        return []
    common = set.intersection(*lacking)
    shown = {(each.lack, each.what): each.change for one in against for each in one.unmet}
    return [f"no worker that has {node.task} {shown[key]}" for key in sorted(common, key=str)]


def _advice(node: TaskNode, fleet: Sequence[Server], against: Sequence[Against]) -> str:
    having = [each for each in fleet if any(name == node.task for name, _ in each.session.tasks)]
    if not having:
        return f"start a worker that has the task {node.task}"
    fitting = [each for each in having if _has_version(node, each)]
    if not fitting:
        return "start a worker of the version that the run was built with, or submit the run again"
    now = [each.advice for each in against if each.advice]
    if now:
        return now[0]
    short = [each for each in against if each.unmet]
    if not short:
        return "wait until an attempt ends, or start another worker"
    best = min(short, key=lambda each: len(each.unmet))
    changes = " and ".join(each.change for each in best.unmet)
    return f"start a worker that {changes}; worker {best.worker} lacks only that"
