"""Keys of submissions: the run that a further one with the same key gets.

```text
key       known until some time after its run's end; another body under it is a conflict
unique    known until its run's end
debounce  known until its run's end; while that has not begun, a further submission replaces its inputs
```
A key belongs to what is submitted by name: versions of one workflow share it.
"""

from hashlib import blake2b

from msgspec.structs import replace

from tidemill.core.commands import AnswerSubmit, Command, RefuseSubmit
from tidemill.core.events import RunSubmitted
from tidemill.core.ids import Instant, RunId, text_of
from tidemill.core.overlay import Draft
from tidemill.core.rows import SubmitKey
from tidemill.core.rules import OnActive
from tidemill.core.run import Ended, Run, pending_of

WHILE_ACTIVE: Instant = 2**62  # later than any end


def names_of(event: RunSubmitted) -> dict[str, bytes]:
    """The keys of a submission, by kind."""
    rule = event.rule
    told = {"debounce" if rule.debounce else "key": rule.key, "unique": rule.unique}
    return {kind: _digest(kind, event.workflow, text) for kind, text in told.items() if text}


def _digest(kind: str, target: str, text: str) -> bytes:
    return blake2b(f"{kind}\0{target}\0{text}".encode(), digest_size=16).digest()


def answer_of_known(draft: Draft, event: RunSubmitted) -> Command | None:
    """What a submission gets whose key has a run already; None where it may go on."""
    names = names_of(event)
    if "unique" in names and (active := _run_of(draft, names["unique"])) is not None and not _is_over(active):
        if event.rule.on_active is OnActive.RETURN:
            return AnswerSubmit(active)
        told = f"the unique key {event.rule.unique!r} of {event.workflow}"
        return RefuseSubmit(
            "active", f"run {text_of(active.id)} has {told}, and is {active.status}: await or cancel it"
        )
    if "debounce" in names:
        row = draft.submit_key(names["debounce"])
        again = draft.run(row.run) if row is not None and row.last == event.run else None
        return AnswerSubmit(again) if again is not None else None
    return _answer_of_key(draft, event, names["key"]) if "key" in names else None


def _answer_of_key(draft: Draft, event: RunSubmitted, name: bytes) -> Command | None:
    row = draft.submit_key(name)
    known = draft.run(row.run) if row is not None and row.expires_at > draft.at else None
    if known is None or row is None:
        return None
    if row.submitted == event.submitted:
        return AnswerSubmit(known)
    told = f"the key {event.rule.key!r} of {event.workflow} belongs to run {text_of(known.id)}"
    return RefuseSubmit("conflict", f"{told}, which has another body; run {text_of(event.run)} was not started")


def _run_of(draft: Draft, name: bytes) -> Run | None:
    row = draft.submit_key(name)
    return draft.run(row.run) if row is not None else None


def _is_over(run: Run) -> bool:
    return isinstance(run.state, Ended)


def waiting_run(draft: Draft, event: RunSubmitted) -> Run | None:
    """The run that has not begun, and whose inputs a debounced submission replaces."""
    name = names_of(event).get("debounce")
    run = _run_of(draft, name) if name else None
    return run if run is not None and pending_of(run) is not None else None


def claim(draft: Draft, event: RunSubmitted, run: RunId) -> tuple[tuple[bytes, int], ...]:
    """Give the keys of a submission to its run; what the run's row keeps of them."""
    names = names_of(event)
    for name in names.values():
        draft.put_submit_key(SubmitKey(name, run, event.submitted, draft.at, WHILE_ACTIVE, event.run))
    return tuple((name, event.rule.lifetime if kind == "key" else 0) for kind, name in names.items())


def let_go(draft: Draft, run: Run) -> None:
    """The run has ended: its keys are known for as long as they were to be."""
    for name, lifetime in run.keys:
        row = draft.submit_key(name)
        if row is not None and row.run == run.id:
            draft.put_submit_key(replace(row, made_at=draft.at, expires_at=draft.at + lifetime))
