"""Submitting from the command line: files go first, and a run of the same that is unfinished is taken up again."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tidemill.client.remote import AsyncClient, AsyncRun
from tidemill.core.errors import TidemillError
from tidemill.sdk.definition import Definition, Task
from tidemill.sdk.file import File, to_upload
from tidemill.sdk.workflow import Workflow

TAG = "tidemill.input"  # of a run: the digest of what it runs on what
AT_ONCE = 8
UNFINISHED = ("running", "paused")

Told = Callable[[int, int], None]  # files done, files in all


@dataclass(frozen=True)
class Wanted:
    """What is to run. ``digest`` tells one that is the same from one that is not."""

    definition: Definition[..., Any]
    inputs: dict[str, Any]

    @property
    def name(self) -> str:
        return self.definition.name

    def digest(self) -> str:
        """Of the graph and the encoded inputs; reads the files among them."""
        hashed = hashlib.sha256(_version(self.definition).encode())
        for name, encoded in sorted(self.definition.bind((), self.inputs).items()):
            hashed.update(f"\0{name}\0{len(encoded.data)}\0".encode() + encoded.data)
        return hashed.hexdigest()


def _version(definition: Definition[..., Any]) -> str:
    match definition:
        case Workflow():
            return definition.compiled.digest
        case Task():
            return definition.definition.digest
        case _:
            return definition.name


async def find_unfinished(client: AsyncClient, name: str, digest: str) -> str | None:
    """The newest run of the same that has not ended."""
    before = ""
    while True:
        page = await client.runs(status=UNFINISHED, workflow=name, before=before)
        for run in page.runs:
            if run.tags.get(TAG) == digest:
                return run.id
        before = page.next
        if not before:
            return None


async def submit(client: AsyncClient, wanted: Wanted, digest: str, told: Told) -> AsyncRun[Any]:
    """Upload what the server lacks, then start the run."""
    inputs = await _uploaded(client, wanted.inputs, told)
    return await client.options(tags={TAG: digest}).submit(wanted.definition, **inputs)


async def _uploaded(client: AsyncClient, inputs: Mapping[str, Any], told: Told) -> dict[str, Any]:
    """The same inputs with files that the server has."""
    files = [file for value in inputs.values() for file in _files(value) if to_upload(file) is not None]
    sent: dict[int, File] = {}
    room = asyncio.Semaphore(AT_ONCE)

    async def send(file: File) -> None:
        async with room:
            sent[id(file)] = await client.upload(file.path, name=file.name)
            told(len(sent), len(files))

    try:
        async with asyncio.TaskGroup() as group:
            for file in files:
                group.create_task(send(file))
    except BaseExceptionGroup as errors:
        ours = errors.subgroup(TidemillError)
        raise (ours or errors).exceptions[0] from None
    return {name: _replaced(value, sent) for name, value in inputs.items()}


def _files(value: Any) -> list[File]:
    if isinstance(value, File):
        return [value]
    return [each for each in value if isinstance(each, File)] if isinstance(value, list) else []


def _replaced(value: Any, sent: Mapping[int, File]) -> Any:
    if isinstance(value, list):
        return [sent.get(id(each), each) for each in value]
    return sent.get(id(value), value)
