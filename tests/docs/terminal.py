"""A shell in which the commands of a page run one after another, and the comparison of what they print with the page.

    ```python main.py      the file main.py is written; so is one in any other language
    ```sh                  the commands run, and end with exit code 0
    ```sh exit=2           the last one ends with this exit code
    ```text                what the commands before have printed

In a shown text, ``…`` stands for any text of one line, a line that is only ``…`` for any number of lines; any run id
fits a run id, and any length of time a length of time. A page says port 7070; the shell has a free one.
$CLONE is the repository.

`python -m tests.docs.terminal PAGE` runs a page and prints what comes out.
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.pages import ROOT, Block, blocks, read

PAGE_PORT = "127.0.0.1:7070"
BLOCK_S = 60.0
_ANY = {
    "…": r"[^\n]*?",
    "ID": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "SPAN": r"\d+(?:\.\d+)? (?:ms|s)\b",
    "PORT": r"(?<=http://127\.0\.0\.1:)\d+",
}
_LOOSE = re.compile(
    f"(?P<line>^…\n)|…|(?P<id>{_ANY['ID']})|(?P<span>{_ANY['SPAN']})|(?P<port>{_ANY['PORT']})", re.MULTILINE
)


@dataclass(frozen=True)
class Said:
    text: str
    code: int


class Terminal:
    """One shell; it, and all that it started, ends with the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "here"
        self.folder.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        for name, arguments in (("tidemill", " -P -m tidemill"), ("python", "")):
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
            (programs / name).chmod(0o755)
        self.port = f"127.0.0.1:{_free_port()}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEMILL_", "PYTEST_"))}
        ours = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "CLONE": str(ROOT),
            "TIDEMILL_PORT": self.port.rpartition(":")[2],
        }
        self._environment = {**inherited, **ours}
        self._count = 0

    def __enter__(self) -> Self:
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for log in sorted(self.folder.rglob("*.log")):
                error.add_note(f"--- {log.name}\n{log.read_text()[-2000:]}")
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(text))

    def run(self, commands: str) -> Said:
        """Raises TimeoutError when the commands take too long."""
        self._count += 1
        script, end = self.folder.parent / f"block-{self._count}.sh", f"--- block {self._count} ended "
        script.write_text(self._here(commands))
        assert self._shell.stdin is not None
        self._shell.stdin.write(f'. "{script}" </dev/null\necho "{end}$?"\n'.encode())
        self._shell.stdin.flush()
        text, code = self._until(end)
        whole = text if text.endswith("\n") or not text else f"{text}\n"
        return Said(whole.replace(self.port, PAGE_PORT), code)

    def _until(self, end: str) -> tuple[str, int]:
        assert self._shell.stdout is not None
        pipe, heard, deadline = self._shell.stdout.fileno(), b"", time.monotonic() + BLOCK_S
        while not (found := re.search(rf"{end}(\d+)\n".encode(), heard)):
            if not select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"the commands have not ended within {BLOCK_S:.0f} s; so far:\n{heard.decode()}")
            heard += os.read(pipe, 65536)
        return heard[: found.start()].decode(), int(found[1])

    def _here(self, text: str) -> str:
        return text.replace(PAGE_PORT, self.port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fits(shown: str, said: str) -> bool:
    """Whether a page that shows ``shown`` is right about ``said``."""
    pattern, at = "", 0
    for loose in _LOOSE.finditer(shown):
        pattern += re.escape(shown[at : loose.start()]) + _loosely(loose)
        at = loose.end()
    return re.fullmatch(pattern + re.escape(shown[at:]), said) is not None


def _loosely(found: re.Match[str]) -> str:
    if found["line"]:
        return r"(?:[^\n]*\n)*?"
    name = next((name for name in ("id", "span", "port") if found[name]), "…")
    return _ANY[name.upper()]


def exit_code(block: Block) -> int:
    (code,) = [word.removeprefix("exit=") for word in block.words if word.startswith("exit=")] or ["0"]
    return int(code)


def played(page: str, terminal: Terminal) -> Iterator[tuple[Block, Said]]:
    """Do what each block says; gives what the commands of the block, or those before a text, have said."""
    said = Said("", 0)
    for block in blocks(read(page)):
        match block.language:
            case _ if block.words and "=" not in block.words[0]:
                terminal.write(block.words[0], block.text)
            case "sh":
                said = terminal.run(block.text)
                yield block, said
            case "text":
                yield block, said
            case other:
                raise AssertionError(f"{page}:{block.line}: nobody knows what to do with a block of {other}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, Terminal(Path(place)) as shell:
        for each, heard in played(sys.argv[1], shell):
            if each.language == "sh":
                print(f"$ {each.text}{heard.text}[{heard.code}]\n")
            elif not fits(each.text, heard.text):
                print(f"!!! line {each.line} shows another text\n")
