"""Runs name the blobs that their rows are about: what is named is not collected (docs/design/keeping.md)."""

from collections.abc import Iterable

import msgspec

from tidemill.core.ids import Digest, RunId
from tidemill.core.overlay import Draft
from tidemill.core.values import refs_in

_pack = msgspec.msgpack.Encoder().encode


def graph_holder(graph: Digest) -> RunId:
    """Who names the files of a graph's constants: the graph, for good."""
    return RunId(b"g" + graph)


def schedule_holder(schedule: bytes) -> RunId:
    """Who names the files of a schedule's input."""
    return RunId(b"s" + schedule)


def name_blobs(draft: Draft, holder: RunId, digests: Iterable[bytes]) -> list[Digest]:
    """Note that a run names blobs; give those that are not there, which it cannot."""
    wanted = list(dict.fromkeys(Digest(each) for each in digests))
    missing = draft.require_blobs(wanted) if wanted else []
    draft.blob_refs.update(dict.fromkeys((holder, digest) for digest in wanted if digest not in missing))
    return missing


def name_files(draft: Draft, holder: RunId, many: Iterable[object]) -> None:
    """Note the files that plain data names, as far as they are there."""
    found = [digest for each in many for digest in refs_in(_pack(each))]
    if found:
        name_blobs(draft, holder, found)
