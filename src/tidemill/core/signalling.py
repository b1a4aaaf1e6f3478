"""What reaches a run from outside: a signal finds who waits for it, or waits itself; a person decides an approval."""

from msgspec.structs import replace

from tidemill.core import mail, waits
from tidemill.core.commands import AnswerSignal, RefuseSignal
from tidemill.core.events import ApprovalGiven, SignalSent
from tidemill.core.graph import SignalWait
from tidemill.core.ground import may_move
from tidemill.core.ids import Path, RunId, digest_text, text_of
from tidemill.core.moves import Mover
from tidemill.core.overlay import Draft
from tidemill.core.plan import waits_in
from tidemill.core.run import MOVING, Cancelling, Pending, Phase, Run
from tidemill.core.terms import VALUE
from tidemill.core.texts import moment
from tidemill.core.values import blobs_of
from tidemill.core.wait_rows import MOST_EARLY, NOBODY, Outcome, SignalRow, WaitKind, WaitRow


def reached(draft: Draft, event: SignalSent | ApprovalGiven) -> None:
    if isinstance(event, SignalSent):
        _sent(draft, event)
    else:
        _approved(draft, event)


def _sent(draft: Draft, event: SignalSent) -> None:
    """Give a signal to the step that has waited longest, or keep it; what came before is answered as it was."""
    known = mail.signal_of(draft, event.address, event.id)
    if known is not None and known.digest != event.digest:
        draft.order(RefuseSignal("conflict", f"another payload was sent under the id {event.id!r}"))
    elif known is not None:
        draft.order(AnswerSignal(known.taken))
    elif (refusal := _refusal(draft, event)) is not None:
        draft.order(refusal)
    else:
        _deliver(draft, SignalRow(event.address, event.id, event.digest, draft.at, event.value))


def _refusal(draft: Draft, event: SignalSent) -> RefuseSignal | None:
    if event.run != NOBODY:
        run = draft.run(event.run)
        if run is None:
            return RefuseSignal("unknown_run", f"no run {text_of(event.run)}")
        if not isinstance(run.state, (*MOVING, Pending)) and not _is_awaited_at_the_end(draft, run, event.address.name):
            return RefuseSignal("run_over", f"the run is {run.status}: it takes no signals any more")
    digests = blobs_of({VALUE: event.value})
    missing = draft.require_blobs(digests) if digests else []
    return RefuseSignal("missing_blob", f"upload {digest_text(missing[0])} first") if missing else None


def _is_awaited_at_the_end(draft: Draft, run: Run, name: str) -> bool:
    """Whether what runs at the end of a run, that has not come to its last, waits for a signal of this name."""
    state = run.state
    if not isinstance(state, Cancelling) or state.phase is Phase.LAST:
        return False
    final = draft.layout(run.graph).workflow.final
    waits_there = () if final is None else waits_in(final.body)
    return any(isinstance(each.what, SignalWait) and each.what.name == name for each in waits_there)


def _deliver(draft: Draft, signal: SignalRow) -> None:
    box = mail.mailbox(draft, signal.address)
    while box.waiting:
        (run, path), *rest = box.waiting
        box = replace(box, waiting=tuple(rest))
        mail.put(draft, box)
        mover = _mover(draft, run, path)
        if mover is not None and waits.signalled(mover, path, signal):
            draft.order(AnswerSignal((run, path)))
            return
    if not mail.keep(draft, box, signal):
        name = signal.address.name
        text = f"{MOST_EARLY:,} signals {name!r} wait there to be taken: send it again when some were"
        draft.order(RefuseSignal("mailbox_full", text))
        return
    digests = blobs_of({VALUE: signal.value} if signal.value is not None else {})
    draft.blob_refs.update(dict.fromkeys((signal.address.run, digest) for digest in digests))
    draft.order(AnswerSignal())


def _mover(draft: Draft, run: RunId, path: Path) -> Mover | None:
    row = draft.run(run)
    return Mover(draft, row) if row is not None and may_move(row, path) else None


def _approved(draft: Draft, event: ApprovalGiven) -> None:
    row = mail.wait_of(draft, event.run, event.path)
    if row is None or row.kind is not WaitKind.APPROVAL:
        draft.order(RefuseSignal("no_approval", f"nothing asks for an approval at {event.path!r}"))
        return
    mover = _mover(draft, event.run, event.path)
    if row.closed is not None or mover is None or waits.open_wait(mover, event.path) is None:
        draft.order(RefuseSignal("decided", over_text(row)))
    elif event.choice not in row.choices:
        draft.order(RefuseSignal("bad_choice", f"choose one of {', '.join(row.choices)}, not {event.choice!r}"))
    else:
        waits.decided(mover, row, event.choice, event.comment, event.who)
        draft.order(AnswerSignal((event.run, event.path)))


def over_text(row: WaitRow) -> str:
    """Why an approval takes no answer any more."""
    closed = row.closed
    if closed is None:
        return "the run does not wait for it any more"
    at = moment(closed.at)
    if closed.choice:
        return f"{closed.who or 'somebody'} chose {closed.choice!r} at {at}"
    return f"it ended at {at}: {'nobody answered in time' if closed.how is Outcome.TIMEOUT else 'its run ended'}"
