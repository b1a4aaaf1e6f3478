"""How a run comes to be, at once or later, and how one that waits begins."""

from msgspec.structs import replace

from tidemill.core import children, keys
from tidemill.core.commands import AnswerSubmit, Command, RefuseSubmit
from tidemill.core.events import RunSubmitted
from tidemill.core.ids import Digest, Instant, RunId, text_of
from tidemill.core.moves import Mover
from tidemill.core.overlay import Draft
from tidemill.core.rows import Entry, Timer, TimerKind
from tidemill.core.rules import NO_RULE
from tidemill.core.run import EDITED, Code, Failed, Failure, Hidden, Paused, Pending, Run, Running
from tidemill.core.traces import span_id, traceparent
from tidemill.core.values import blobs_of

_HIDDEN = {Hidden.REMOVING: "removed", Hidden.IMPORTING: "imported"}


def submitted(draft: Draft, event: RunSubmitted) -> None:
    known = draft.run(event.run)
    if known is not None and known.hidden is not None:
        draft.order(RefuseSubmit("conflict", f"run {text_of(known.id)} is being {_HIDDEN[known.hidden]}"))
        return
    if known is not None:
        draft.order(AnswerSubmit(known, conflict=known.submitted != event.submitted))
        return
    parent = draft.run(event.parent) if event.parent else None
    digests = [digest for values in (event.inputs, *event.edits.values()) for digest in blobs_of(values)]
    against = _against(draft, event, parent, digests)
    if against is not None:
        draft.order(against)
        return
    draft.blob_refs.update(dict.fromkeys((event.run, digest) for digest in digests))
    waiting = keys.waiting_run(draft, event) if event.rule.debounce else None
    draft.order(AnswerSubmit(_replaced(draft, event, waiting) if waiting is not None else _made(draft, event, parent)))


def _against(draft: Draft, event: RunSubmitted, parent: Run | None, digests: list[Digest]) -> Command | None:
    """What is answered instead of a run of its own."""
    if event.parent and (refusal := children.refusal(parent)) is not None:
        return refusal
    if event.rule.key or event.rule.unique:
        known = keys.answer_of_known(draft, event)
        if known is not None:
            return known
    origin = draft.run(event.fork.origin) if event.fork is not None else None
    if event.fork is not None and (origin is None or origin.hidden is not None):
        return RefuseSubmit(
            "unknown_run", f"the run {text_of(event.fork.origin)} was removed: nothing can be taken over"
        )
    missing = draft.require_blobs(digests) if digests else []
    return RefuseSubmit("unknown_blob", f"upload sha256:{missing[0].hex()} first") if missing else None


def _made(draft: Draft, event: RunSubmitted, parent: Run | None) -> Run:
    pending = _pending(draft.at, event)
    run = Run(
        id=event.run,
        graph=event.graph,
        workflow=event.workflow,
        state=pending or Running(),
        created_at=draft.at,
        submitted=event.submitted,
        priority=event.priority,
        tags=event.tags,
        parent=event.parent,
        depth=parent.depth + 1 if parent else 0,
        fork=event.fork,
        breakpoints=event.breakpoints,
        longest=event.longest,
        trace=event.trace or (traceparent(parent.id, parent.trace, span_id(parent.id)) if parent else ""),
        keys=keys.claim(draft, event, event.run) if event.rule is not NO_RULE else (),
    )
    draft.put_run(run)
    if run.tags:
        draft.tagged[run.id] = run.tags
    if parent is not None:
        draft.timers_put.append(children.timer(parent.id, draft.at))
    for port, value in event.inputs.items():
        draft.values[event.run, "", port] = value
    for path, edited in event.edits.items():
        for port, value in edited.items():
            draft.values[event.run, path + EDITED, port] = value
    for port in _optional_inputs(draft, event):
        draft.over.values.rows.setdefault((event.run, "", port), None)
    draft.note(event.run, Entry("run_submitted", detail={"workflow": event.workflow}))
    return run if _waits(draft, run) else _begin(draft, run)


def _pending(at: Instant, event: RunSubmitted) -> Pending | None:
    """Until when a run waits; None when it begins at once."""
    if event.rule.debounce:
        latest_at = at + event.rule.longest
        return Pending(min(at + event.rule.debounce, latest_at), latest_at)
    return Pending(event.start_at) if event.start_at > at else None


def _waits(draft: Draft, run: Run) -> bool:
    """Set the timer that begins a pending run."""
    if not isinstance(run.state, Pending):
        return False
    draft.timers_put.append(Timer(run.id, "", TimerKind.START, max(run.state.start_at, draft.at)))
    draft.note(run.id, Entry("run_waits", detail={"start_at": run.state.start_at}))
    return True


def _optional_inputs(draft: Draft, event: RunSubmitted) -> list[str]:
    names = draft.layout(event.graph).workflow.shape.inputs
    return [name for name in names if name not in event.inputs]


def _replaced(draft: Draft, event: RunSubmitted, run: Run) -> Run:
    """A debounced run gets the inputs of the last submission, and waits anew."""
    for port in draft.layout(run.graph).workflow.shape.inputs:
        draft.values_drop.append((run.id, "", port))
    for port, value in event.inputs.items():
        draft.values[run.id, "", port] = value
    draft.blob_refs.update(dict.fromkeys((run.id, digest) for digest in blobs_of(event.inputs)))
    run = replace(run, graph=event.graph, priority=event.priority, tags=event.tags, longest=event.longest)
    draft.tagged[run.id] = run.tags
    keys.claim(draft, event, run.id)
    draft.note(run.id, Entry("run_inputs_replaced"))
    until = run.state.pending if isinstance(run.state, Paused) else run.state
    if isinstance(until, Pending):
        until = replace(until, start_at=min(draft.at + event.rule.debounce, until.latest_at))
        run = replace(run, state=replace(run.state, pending=until) if isinstance(run.state, Paused) else until)
    draft.put_run(run)
    _waits(draft, run)
    return run


def start_due(draft: Draft, run_id: RunId) -> bool:
    """Its time has come, False if not. One that is paused begins when it is resumed."""
    run = draft.run(run_id)
    if run is None or not isinstance(run.state, Pending):
        return True
    if run.state.start_at > draft.at:
        return False
    _begin(draft, replace(run, state=Running()))
    return True


def deadline_due(draft: Draft, run_id: RunId) -> None:
    """A run that is not over has taken as long as it may."""
    run = draft.run(run_id)
    if run is not None:
        failure = Failure(Code.TIMEOUT, f"the run was not over {run.longest / 1_000_000:g} s after its begin")
        Mover(draft, run).end_run(Failed(failure))


def wait_again(draft: Draft, run: Run) -> None:
    """A run that was paused before it began waits on, or begins in the next beat."""
    draft.put_run(run)
    _waits(draft, run)


def _begin(draft: Draft, run: Run) -> Run:
    if run.longest:
        run = replace(run, deadline_at=draft.at + run.longest)
        draft.timers_put.append(Timer(run.id, "", TimerKind.DEADLINE, run.deadline_at))
    draft.put_run(run)
    mover = Mover(draft, run)
    if run.created_at != draft.at:
        mover.note("run_started")
    mover.open_scope("")
    return mover.run
