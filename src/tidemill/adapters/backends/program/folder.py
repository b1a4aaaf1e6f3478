"""The private folder of one call: inputs are written, the call file, and what the program left is read.

```text
FOLDER/call.json   inputs/PORT   outputs/PORT   done   error   work/ (where it is started)   tmp/
```
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import msgspec

from tidemill.adapters.backends.program.forms import Locate, admits_none, form_of, from_json, from_plain, plain_of
from tidemill.core.bodies import AttemptFacts
from tidemill.sdk.errors import PermanentError
from tidemill.sdk.failures import NotAsDeclaredError
from tidemill.sdk.file import File
from tidemill.sdk.plans import TypePlan
from tidemill.sdk.program import ProgramTask
from tidemill.wire.program import PROTOCOL, AttemptPart, CallFile, GrantedPart, InputPart, Kind, OutputFile, OutputPart

INLINE_BYTES = 16 * 1024  # of a JSON input, in the call file
VALUE_BYTES = 4 * 1024  # of an input, in the environment
LARGEST_BYTES = 256 * 1024 * 1024  # of an output that is not a file
LARGEST_TOLD_BYTES = 64 * 1024  # of a done or an error file

AnyProgram = ProgramTask[..., Any]


class Folder:
    """Blocks: for the thread of the attempt."""

    def __init__(self, root: str, task: AnyProgram, locate: Locate) -> None:
        self.root, self._task, self._locate = Path(root).resolve(), task, locate
        self.work, self.call = self.root / "work", self.root / "call.json"
        self.done, self.error = self.root / "done", self.root / "error"

    def write(self, given: Mapping[str, Any], facts: AttemptFacts, traceparent: str) -> dict[str, str]:
        """Write the call; gives what goes into the environment of its program."""
        for name in ("inputs", "outputs", "work", "tmp"):
            (self.root / name).mkdir()
        variables = self._variables(facts, traceparent)
        inputs = {}
        for name, parameter in self._task.signature.parameters.items():
            value = given.get(name, parameter.default)
            if value is msgspec.UNSET:
                continue  # a default that has no wire form
            inputs[name] = part = self._input(name, parameter.plan, value)
            variables[f"TASK_INPUT_{name}"] = part.path
            if (text := _as_text(part)) is not None:
                variables[f"TASK_VALUE_{name}"] = text
        outputs = self._outputs()
        variables |= {f"TASK_OUTPUT_{name}": part.path for name, part in outputs.items()}
        call = self._call_file(inputs, outputs, (facts, traceparent))
        self.call.write_bytes(msgspec.json.encode(call) + b"\n")
        return variables

    def _variables(self, facts: AttemptFacts, traceparent: str) -> dict[str, str]:
        variables = {
            "TASK_CALL": str(self.call),
            "TASK_NAME": self._task.name,
            "TASK_DONE": str(self.done),
            "TASK_ERROR": str(self.error),
            "TASK_FOLDER": str(self.work),
            "TMPDIR": str(self.root / "tmp"),
            "TRACEPARENT": traceparent,
        }
        if facts.granted.gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(facts.granted.gpus)
        return variables

    def _call_file(
        self, inputs: dict[str, InputPart], outputs: dict[str, OutputPart], told: tuple[AttemptFacts, str]
    ) -> CallFile:
        facts, traceparent = told
        return CallFile(
            protocol=PROTOCOL,
            task=self._task.name,
            operation=self._task.name.rpartition(".")[2],
            inputs=inputs,
            outputs=outputs,
            stream=self._task.signature.item is not None,
            done=str(self.done),
            error=str(self.error),
            folder=str(self.work),
            deadline=facts.deadline.isoformat() if facts.deadline else None,
            attempt=AttemptPart(
                run=facts.run,
                step=facts.path,
                number=facts.number,
                key=f"{facts.run}/{facts.path}",
                worker=facts.worker,
                workflow=facts.workflow,
                priority=facts.priority,
                tags=facts.tags,
                tenant=facts.tenant,
                release=facts.release,
                parent=facts.parent,
                traceparent=traceparent,
                granted=GrantedPart(
                    cpus=facts.granted.cpus, ram=facts.granted.ram, gpus=facts.granted.gpus, vram=facts.granted.vram
                ),
            ),
        )

    def _input(self, name: str, plan: TypePlan, value: Any) -> InputPart:
        path = self.root / "inputs" / name
        if isinstance(value, File):
            path = path.with_suffix(PurePath(value.name).suffix)
            path.symlink_to(value.path.resolve())
            return InputPart(
                path=str(path), kind=Kind.FILE, name=value.name, media_type=value.media_type, size=value.size
            )
        if form_of(plan) is Kind.BYTES and value is not None:
            path.write_bytes(value)
            return InputPart(path=str(path), kind=Kind.BYTES, size=len(value))
        plain = plain_of(plan, value, self._locate)
        data = msgspec.json.encode(plain)
        path.write_bytes(data + b"\n")  # so that a shell can read it as a line
        small = plain if len(data) <= INLINE_BYTES else msgspec.UNSET
        return InputPart(path=str(path), kind=Kind.JSON, value=small)

    def _outputs(self) -> dict[str, OutputPart]:
        if self._task.signature.item is not None:
            return {}
        return {
            port: OutputPart(path=str(self._output(port)), kind=form_of(plan))
            for port, plan in self._task.signature.outputs.items()
        }

    def _output(self, port: str) -> Path:
        return self.root / "outputs" / port

    # Afterwards -------------------------------------------------------------------------------------

    def read_told(self, path: Path) -> bytes:
        """A done or an error file; nothing when there is none."""
        return self._read(path, path.name, LARGEST_TOLD_BYTES) or b""

    def result(self, files: Mapping[str, OutputFile]) -> Any:
        """What the task gives. Raises NotAsDeclaredError, PermanentError."""
        signature = self._task.signature
        if unknown := set(files) - set(signature.outputs):
            raise NotAsDeclaredError(f"the done file names an output {min(unknown)!r} that there is not")
        values = {
            port: self._value(port, plan, files.get(port, OutputFile())) for port, plan in signature.outputs.items()
        }
        return signature.tuple_type(**values) if signature.tuple_type else next(iter(values.values()))

    def _value(self, port: str, plan: TypePlan, told: OutputFile) -> Any:
        path, kind = self._output(port), form_of(plan)
        if kind is Kind.FILE and self._is_there(path, f"output {port}"):
            name = told.name or path.name
            return File(path, name=name, media_type=told.media_type)
        data = None if kind is Kind.FILE else self._read(path, f"output {port}", LARGEST_BYTES)
        if data is None:
            return self._missing(port, plan)
        return data if kind is Kind.BYTES else self.from_json(data, plan, f"output {port}")

    def _missing(self, port: str, plan: TypePlan) -> None:
        if not admits_none(plan):
            raise NotAsDeclaredError(
                f"the program ended well, and wrote no output {port}: its place is $TASK_OUTPUT_{port}"
            )

    def from_json(self, data: bytes, plan: TypePlan, what: str) -> Any:
        """A value that the program wrote. Raises NotAsDeclaredError."""
        return from_json(data, plan, what, self.inside)

    def from_plain(self, plain: Any, plan: TypePlan, what: str) -> Any:
        """The same for JSON data."""
        return from_plain(plain, plan, what, self.inside)

    def inside(self, name: str, what: str) -> Path:
        """A file that the program names, relative to where it was started. Raises NotAsDeclaredError."""
        path = self.work / name
        if not self._is_there(path, what):
            raise NotAsDeclaredError(f"{what} is a file that there is not: {name}")
        return path

    def _is_there(self, path: Path, what: str) -> bool:
        """Whether there is a plain file; one that leads elsewhere is refused."""
        try:
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False
        if stat.S_ISLNK(found.st_mode) or not path.parent.resolve().is_relative_to(self.root):
            raise NotAsDeclaredError(f"{what} is a link, or leads out of the task's folder; write the file itself")
        if not stat.S_ISREG(found.st_mode):
            raise NotAsDeclaredError(f"{what} is no plain file")
        return True

    def _read(self, path: Path, what: str, limit: int) -> bytes | None:
        if not self._is_there(path, what):
            return None
        with open(path, "rb", opener=_no_link) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise PermanentError(f"{what} has more than {limit:,} bytes; declare a File")
        return data


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _as_text(part: InputPart) -> str | None:
    """An input for a shell: a text as it is, anything else as JSON; None when it is too large, or a file."""
    if part.kind is not Kind.JSON or part.value is msgspec.UNSET:
        return None
    text = part.value if isinstance(part.value, str) else msgspec.json.encode(part.value).decode()
    return text if len(text.encode()) <= VALUE_BYTES and "\0" not in text else None
