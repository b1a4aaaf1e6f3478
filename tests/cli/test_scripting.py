"""The command line can be scripted: help and JSON everywhere, exit codes that are documented, completion."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tests.docs.pages import read
from tidemill.cli.main import Exit, cli

SERVES = {"dev", "server"}  # these run until they are told to stop, and print a log
SCRIPTS = {"completion"}


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))


ALL = dict(commands())
DOCUMENTS = {("graph", "draw"), ("graph", "export")}  # what they print is a document in a form of its own


@pytest.mark.feature("Q3")
@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_command_has_help_that_says_what_it_does(path: tuple[str, ...]) -> None:
    said = CliRunner().invoke(cli, [*path, "--help"])
    assert said.exit_code == 0
    assert ALL[path].help
    for option in ALL[path].params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, f"{option.name} says nothing"


@pytest.mark.feature("Q3")
@pytest.mark.parametrize(
    "path", [path for path in ALL if path[0] not in SERVES | SCRIPTS and path not in DOCUMENTS], ids=" ".join
)
def test_each_command_that_answers_can_answer_in_json(path: tuple[str, ...]) -> None:
    assert "--json" in {name for option in ALL[path].params for name in option.opts}


@pytest.mark.feature("Q3")
def test_what_is_made_is_told_in_json(tmp_path: Path) -> None:
    made = json.loads(command("init", "worker", "mill", "--json", cwd=tmp_path))
    assert "main.py" in made["files"]
    asked = ("stubs", "mill", "--out", "stubs.py", "--json")
    assert json.loads(command(*asked, cwd=tmp_path)) == {"written": ["stubs.py"]}
    assert json.loads(command(*asked, "--check", cwd=tmp_path)) == {"stale": []}


@pytest.mark.feature("Q3")
def test_exit_codes_are_documented_and_true(tmp_path: Path) -> None:
    page = read("docs/cli.md")
    assert all(f"\n| {code.value} |" in page for code in Exit)
    for code, *arguments in [
        (Exit.INPUT, "runs", "show", "--nonsense"),
        (Exit.INPUT, "rum"),
        (Exit.INPUT, "conformance", "--", "/no/such/command"),
        (Exit.UNREACHABLE, "runs", "list", "--url", "http://127.0.0.1:9"),
        (Exit.OK, "--version"),
    ]:
        done = subprocess.run(ours(*arguments), capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
        assert (arguments, done.returncode) == (arguments, code)
        assert "Traceback" not in done.stderr


@pytest.mark.feature("Q3")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script_and_its_answers(shell: str) -> None:
    script = command("completion", shell)
    assert "_TIDEMILL_COMPLETE" in script
    if shell == "bash":
        answer = command(_TIDEMILL_COMPLETE="bash_complete", COMP_WORDS="tidemill comp", COMP_CWORD="1")
        assert "completion" in answer


@pytest.mark.feature("Q3")
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_takes_the_script(tmp_path: Path) -> None:
    (tmp_path / "script.sh").write_text(command("completion", "bash"))
    subprocess.run(["bash", "-n", tmp_path / "script.sh"], check=True, timeout=30)


def ours(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tidemill", *arguments]


def command(*arguments: str, cwd: Path | None = None, **environment: Any) -> str:
    done = subprocess.run(
        ours(*arguments),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=cwd,
    )
    return done.stdout
