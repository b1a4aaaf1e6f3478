"""What a worker and the program of a task tell each other: `tidemill.program/1`, docs/schemas/program-1.json.

```text
worker                                          program
call file: JSON, its path the last argument ->
                                            <-  lines on stdout: "::tidemill WORD JSON"; all other lines are its log
                                            <-  one file per output
                                            <-  done file (if it has a status to tell), or error file
SIGTERM: told to stop                       ->
                                            <-  exit code 0, or another
```
Within a major version fields are only added: a program ignores what it does not know.
"""

from enum import Enum
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

PROTOCOL = "tidemill.program/1"
PREFIX = "::tidemill "


class Kind(Enum):
    """How a value lies in its file."""

    JSON = "json"
    BYTES = "bytes"  # as they are
    FILE = "file"  # the same, with a name and a media type


class InputPart(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An input. One that the caller left out has its default."""

    path: str  # of its file; not to be written to
    kind: Kind
    value: Any | UnsetType = UNSET  # of a JSON input of at most 16 KiB; a larger one lies only in its file
    name: str | UnsetType = UNSET  # of a file
    media_type: str | UnsetType = UNSET
    size: int | UnsetType = UNSET


class OutputPart(Struct, frozen=True, kw_only=True):
    """An output: the file that is to be written."""

    path: str
    kind: Kind


class GrantedPart(Struct, frozen=True, kw_only=True):
    """What the attempt has of the machine, by what its task needs. Sizes in bytes; ``vram`` on each of ``gpus``."""

    cpus: float
    ram: int
    gpus: tuple[str, ...]  # ids
    vram: int


class AttemptPart(Struct, frozen=True, kw_only=True):
    """Which attempt this is. ``key`` is the same in every attempt of the step."""

    run: str
    step: str
    number: int  # from 1
    key: str
    worker: str
    workflow: str
    priority: int
    tags: dict[str, str]
    tenant: str
    release: str  # that the run is pinned to; ""
    parent: str  # the run that started this one; ""
    traceparent: str  # of the W3C, for what the program calls
    granted: GrantedPart


class CallFile(Struct, frozen=True, kw_only=True):
    """One call of a program."""

    protocol: str  # tidemill.program/1
    task: str  # worker.operation
    operation: str
    inputs: dict[str, InputPart]
    outputs: dict[str, OutputPart]  # a stream has none: its items are lines
    stream: bool
    done: str  # may be written: a DoneFile
    error: str  # to be written by a program that fails: an ErrorFile, or plain text
    folder: str  # where the program is started; private, removed afterwards
    deadline: str | None  # RFC 3339
    attempt: AttemptPart


class OutputFile(Struct, frozen=True, kw_only=True):
    """What a file that is an output is called."""

    name: str = ""
    media_type: str = ""


class DoneFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a program may add to its success."""

    status: str = "success"
    files: dict[str, OutputFile] = {}  # by output


class Violation(Struct, frozen=True, kw_only=True):
    path: str  # a JSON path into the inputs: $.width
    message: str


class ErrorFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a program failed."""

    message: str
    code: str = "internal"  # transient, permanent, invalid_input, resource, internal
    retry_after_s: float | None = None  # of a transient one
    violations: list[Violation] = []  # of an invalid_input


# What lines on stdout say, by their word --------------------------------------------------------------


class ProgressLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``::tidemill progress {"fraction": 0.5, "stage": "resize", "message": "3 of 6"}``; 0.5 alone is its fraction."""

    fraction: float
    stage: str = ""
    message: str = ""


class HeartbeatLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``::tidemill heartbeat``, a sign of life; a text after it says what it does."""

    details: str = ""


class LogLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``::tidemill log {"level": "warning", "message": "…"}``; a text alone is its message."""

    message: str
    level: str = "info"
    logger: str = ""


class SaveLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``::tidemill save {"path": "out/plot.png"}``: keep this file by name, with the run. A text alone is its path."""

    path: str  # in the private folder
    name: str = ""  # that of the file
    media_type: str = ""


class EventLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``::tidemill event {"type": "page_done", "payload": {"page": 3}}``: an event of the run. A text is its type."""

    type: str
    payload: Any = None
    message: str = ""


class SetLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``::tidemill set {"name": "pages", "value": 3}``: an attribute of the step, or (``"of": "run"``) of its run."""

    name: str
    value: Any
    of: Literal["step", "run"] = "step"


class MetricLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``::tidemill metric {"name": "loss", "value": 0.25, "unit": "1"}``: something that was measured."""

    name: str
    value: float
    unit: str = ""


class ItemLine(Struct, frozen=True, kw_only=True):
    """``::tidemill item {…}``: the next item of a stream; what stands there is the item itself."""

    item: Any


Line = ProgressLine | HeartbeatLine | LogLine | SaveLine | EventLine | SetLine | MetricLine | ItemLine
WORDS: dict[str, tuple[type[Struct], str]] = {  # and the field that a bare value stands for
    "progress": (ProgressLine, "fraction"),
    "heartbeat": (HeartbeatLine, "details"),
    "log": (LogLine, "message"),
    "save": (SaveLine, "path"),
    "event": (EventLine, "type"),
    "set": (SetLine, "name"),
    "metric": (MetricLine, "name"),
}
ITEM = "item"


def program_schema() -> dict[str, Any]:
    """The whole protocol as one JSON Schema document."""
    files = (CallFile, DoneFile, ErrorFile)
    lines = {word: kind for word, (kind, _) in WORDS.items()}
    schemas, defs = msgspec.json.schema_components([*files, *lines.values()], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": PROTOCOL,
        "description": f"The call file. Of a line, '{PREFIX}WORD JSON', the schema is that of its word in x-lines.",
        **schemas[0],
        "x-done": schemas[1],
        "x-error": schemas[2],
        "x-lines": dict(zip(lines, schemas[len(files) :], strict=True)) | {ITEM: {}},
        "$defs": defs,
    }
