"""Free attributes of runs and steps: set by tasks, as events are told, and from outside. The last write wins."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.commands import AnswerAttributes, RefuseAttributes
from tidemill.core.events import AttributesChanged, EventsEmitted
from tidemill.core.ids import Path, RunId
from tidemill.core.moves import Mover
from tidemill.core.naming import name_files
from tidemill.core.overlay import Draft
from tidemill.core.rows import Entry, Keys
from tidemill.core.shared_rows import Attribute, Attributes
from tidemill.core.tables import RowsMissingError
from tidemill.core.telling import ATTRIBUTE_LIMIT_BYTES, ATTRIBUTES_MOST, Emission, Tells

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
NAME_EXPECTED = "letters, digits, '_', '.' and '-', up to 64, a letter first"

_size = msgspec.msgpack.Encoder().encode


def fault_of(name: str, value: Any) -> str:
    """Why an attribute cannot be kept; "" when it can."""
    if not NAME.fullmatch(name):
        return f"{name[:80]!r} is no name of an attribute: {NAME_EXPECTED}"
    if (size := len(_size(value))) > ATTRIBUTE_LIMIT_BYTES:
        return f"the attribute {name!r} has {size:,} bytes, and may have {ATTRIBUTE_LIMIT_BYTES:,}"
    return ""


def told(mover: Mover, event: EventsEmitted, each: Emission) -> None:
    """A task set an attribute. What cannot be kept is left out, and the history says so."""
    draft, path = mover.draft, event.path if each.tells is Tells.STEP else ""
    detail: dict[str, object] = {"name": each.type[:80], "of": each.tells.value}
    fault = fault_of(each.type, each.payload) or _put(
        draft, (mover.id, path), {each.type: each.payload}, (), event.path
    )
    mover.note("data_left_out" if fault else "data_set", event.path, event.number, **detail)


def changed(draft: Draft, event: AttributesChanged) -> None:
    """Somebody outside sets and removes some: all of it, or nothing."""
    if (refusal := _refusal(draft, event)) is not None:
        draft.order(refusal)
        return
    faults = [fault for name, value in event.values.items() if (fault := fault_of(name, value))]
    fault = "; ".join(faults) or _put(draft, (event.run, event.path), event.values, event.remove, "")
    if fault:
        draft.order(RefuseAttributes("invalid_input", fault))
        return
    names = sorted({*event.values, *event.remove})
    draft.note(event.run, Entry("data_set", event.path, detail={"names": names}))
    draft.order(AnswerAttributes(_known(draft, event.run, event.path)))


def _refusal(draft: Draft, event: AttributesChanged) -> RefuseAttributes | None:
    run = draft.run(event.run)
    if run is None or run.hidden is not None:
        return RefuseAttributes("unknown_run", "")
    if event.path and draft.step(event.run, event.path) is None:
        return RefuseAttributes("unknown_step", f"the run has no step {event.path[:200]!r} so far")
    return None


def _put(draft: Draft, key: tuple[RunId, Path], values: Mapping[str, Any], remove: Sequence[str], by: Path) -> str:
    """Change the row of a run or a step; gives why it cannot be, and then changes nothing."""
    known = _known(draft, *key)
    kept = dict(known.values) if known else {}
    for name in remove:
        kept.pop(name, None)
    kept |= {name: Attribute(value, draft.at, by) for name, value in values.items()}
    if len(kept) > ATTRIBUTES_MOST and len(kept) > len(known.values if known else ()):
        return f"a run and a step have {ATTRIBUTES_MOST} attributes each at most: remove some"
    name_files(draft, key[0], values.values())
    draft.attributes[key] = Attributes(*key, kept)
    return ""


def _known(draft: Draft, run: RunId, path: Path) -> Attributes | None:
    key = (run, path)
    if (row := draft.attributes.get(key)) is not None:
        return row
    try:
        return draft.over.attributes.rows[key]
    except KeyError:
        raise RowsMissingError(Keys(attributes=[key])) from None
