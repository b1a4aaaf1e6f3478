"""The manifest: what workers offer, as one document that needs neither their code nor a server to be read."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from tidemill.core.definitions import TaskDefinition
from tidemill.core.errors import InputError
from tidemill.core.ids import digest_of, digest_text
from tidemill.sdk.worker import Worker, tasks_in

FORMAT = "tidemill.manifest/1"
LIMIT_BYTES = 64 * 1024 * 1024


class ManifestError(InputError):
    """No manifest, or one of a version that is not read here."""


class WorkerEntry(Struct, frozen=True, omit_defaults=True):
    """One worker: its tasks with schemas, digests, options and what is injected into them."""

    name: str
    tasks: tuple[TaskDefinition, ...]
    concurrency: int | None = None  # attempts at once in all; None leaves it to the process
    pools: dict[str, int] = field(default_factory=dict)  # attempts at once of a pool's tasks

    @property
    def digest(self) -> str:
        """Of all that callers can see: names, schemas, defaults, docs."""
        told = [(each.name, each.digest, each.inputs, each.outputs, each.item, each.doc) for each in self.tasks]
        return digest_text(digest_of(msgspec.json.encode([self.name, told], order="sorted")))


class Manifest(Struct, frozen=True):
    """Workers by name, each name once; tasks in the order of their declaration."""

    workers: tuple[WorkerEntry, ...]
    format: str = FORMAT

    @property
    def tasks(self) -> dict[str, TaskDefinition]:
        """By name; of several implementations, which differ in what they require, the first."""
        every = [task for worker in self.workers for task in worker.tasks]
        found: dict[str, TaskDefinition] = {}
        for task in every:
            found.setdefault(task.name, task)
        return found


class _Format(Struct):
    format: str


def manifest_of(workers: Iterable[Worker]) -> Manifest:
    """What these workers offer.

    Raises:
        DefinitionError: two of them declare one task, or a type is still not defined.
    """
    workers = list(workers)
    tasks_in(workers)
    entries = [
        WorkerEntry(each.name, _plain(each.definitions()), each.concurrency, dict(sorted(each.pools.items())))
        for each in workers
    ]
    return _merged(entries)


def manifest_of_definitions(definitions: Iterable[TaskDefinition]) -> Manifest:
    """What a server knows of; of two versions of one task the last counts."""
    latest: dict[str, dict[str, TaskDefinition]] = {}
    for each in definitions:
        known = latest.get(each.name, {})
        others = known if {task.digest for task in known.values()} <= {each.digest} else {}
        latest[each.name] = others | {each.implementation: each}
    names = sorted({name.partition(".")[0] for name in latest})
    every = [task for found in latest.values() for task in found.values()]
    tasks = {name: [task for task in every if task.name.partition(".")[0] == name] for name in names}
    return Manifest(tuple(WorkerEntry(name, _plain(found)) for name, found in tasks.items()))


def _merged(entries: Sequence[WorkerEntry]) -> Manifest:
    """Workers of one name, of which a process may hold several, are one entry."""
    names = sorted({each.name for each in entries})
    merged = []
    for name in names:
        own = [each for each in entries if each.name == name]
        tasks = {(task.name, task.implementation): task for each in own for task in each.tasks}
        merged.append(WorkerEntry(name, tuple(tasks.values()), own[0].concurrency, own[0].pools))
    return Manifest(tuple(merged))


def _plain(definitions: Iterable[TaskDefinition]) -> tuple[TaskDefinition, ...]:
    """As they come back from JSON, so that a manifest equals what is read of it, whatever it was made from."""
    return msgspec.json.decode(msgspec.json.encode(tuple(definitions)), type=tuple[TaskDefinition, ...])


def parse_manifest(document: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ManifestError: too large, not JSON, another format version (with what to do), or a wrong field (with its path).
    """
    if len(document) > LIMIT_BYTES:
        raise ManifestError(f"the manifest has {len(document)} bytes; at most {LIMIT_BYTES} are read")
    try:
        found = msgspec.json.decode(document, type=_Format).format
        if found != FORMAT:
            raise ManifestError(f"the manifest is of format {found!r}, and {FORMAT!r} is read here: {_advice(found)}")
        manifest = msgspec.json.decode(document, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"this is no manifest: {error}") from None
    return _merged(manifest.workers)


def _advice(found: str) -> str:
    family = FORMAT.partition("/")[0]
    return "install a newer tidemill" if found.startswith(f"{family}/") else "make one with `tidemill discover`"


def manifest_document(manifest: Manifest) -> bytes:
    """The canonical bytes: JSON with sorted keys, but for parameters, fields and ports, whose order has a meaning."""
    return msgspec.json.encode(manifest)


def pretty_document(manifest: Manifest) -> str:
    """For people and for version control."""
    return msgspec.json.format(manifest_document(manifest), indent=2).decode() + "\n"


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of manifests of this format."""
    schema = msgspec.json.schema(Manifest)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": FORMAT, **schema}
