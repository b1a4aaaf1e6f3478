"""The command line: commands are found here, and imported when they are called, so that a worker stays light."""

import sys
from enum import IntEnum
from importlib import import_module
from typing import Any

import click

from tidemill.core.errors import InputError, InternalError, TidemillError, UnavailableError
from tidemill.core.version import VERSION


class Exit(IntEnum):
    """What the exit code of a command says."""

    OK = 0
    FAILED = 1  # a run failed, or what was checked is not in order
    INPUT = 2  # the command line, a setting or an input is wrong
    UNREACHABLE = 3  # no server answers, or it cannot take this now
    CANCELLED = 4  # the run was cancelled
    DETACHED = 5  # we stopped watching, and the run goes on or can be resumed
    FAULT = 70  # a fault of Tidemill
    INTERRUPTED = 130


# Each command with the module that has it, and its line in `--help`.
COMMANDS = {
    "run": ("run", "Run a workflow and watch it; starts what is missing."),
    "dev": ("dev", "A server and workers in one terminal, with reload on save."),
    "server": ("server", "Run a server on a data folder."),
    "worker": ("worker", "Serve the tasks of a folder, a file or a module."),
    "init": ("init", "A new worker or workflow, in a folder of its own."),
    "discover": ("discover", "The workers of a project, as a manifest in JSON."),
    "stubs": ("stubs", "Write typed functions for callers of a worker."),
    "runs": ("runs", "List runs, look at one, cancel it, read its logs."),
    "cancel": ("control", "Stop a run, or all that filters find."),
    "pause": ("control", "Hold back a run, a task, a queue, a worker."),
    "resume": ("control", "Let go on what was paused."),
    "set": ("control", "Change priority and tags of runs."),
    "quarantine": ("quarantine", "Steps under which workers died too often: release or discard them."),
    "retry": ("forks", "Go on where a run failed, in a new run."),
    "fork": ("forks", "Run a run again with other inputs; take over what they do not reach."),
    "whatif": ("forks", "Which recorded runs would go another way in a changed workflow."),
    "continue": ("breaks", "Let steps at a breakpoint begin."),
    "schedules": ("schedules", "Rules that start runs: add, pause, trigger, backfill."),
    "why": ("why", "Why each step of a run waits."),
    "graph": ("graph", "Check, look at, compare, draw and carry workflows as graphs."),
    "waits": ("signals", "Steps that wait, and what for."),
    "signal": ("signals", "Send a signal to a run, or to whoever waits with a key."),
    "approvals": ("signals", "Questions that runs ask people."),
    "approve": ("signals", "Decide what a run asks."),
    "tasks": ("fleet", "Tasks that workers have announced."),
    "workflows": ("fleet", "Workflows that were published."),
    "workers": ("fleet", "Workers, connected ones first."),
    "serve": ("endpoints", "Serve a task or workflow by HTTP under a path of its own."),
    "store": ("store", "Stores and channels of runs and workflows."),
    "endpoints": ("endpoints", "What is served under a path of its own."),
    "hooks": ("hooks", "Addresses for webhooks of others, which start runs."),
    "webhooks": ("webhooks", "Who is told when runs end, and what was sent."),
    "conformance": ("conformance", "Check a worker in any language against the protocol."),
    "completion": ("completion", "Let your shell complete commands and options."),
    "codes": ("codes", "What failure codes mean, and other words for statuses."),
    "settings": ("settings", "Each setting, its value and where that comes from."),
    "doctor": ("doctor", "Whether all is in order here."),
}
_NAMES = {"continue": "go_on", "set": "set_"}  # of functions that cannot be called as their command is
EPILOG = """\b
Exit codes: 0 done, 1 the run failed, 2 wrong command line or input,
3 no server answers, 4 the run was cancelled, 5 left running, 70 a
fault of Tidemill, 130 interrupted.
Settings: `tidemill settings` lists them (docs/settings.md)."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = COMMANDS.get(cmd_name)
        if home is None:
            return None
        command: click.Command = getattr(import_module(f"tidemill.cli.{home[0]}"), _NAMES.get(cmd_name, cmd_name))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.message}{nearest(args[0], COMMANDS)}", ctx) from None


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="tidemill")
def cli() -> None:
    """Durable typed tasks and workflows.

    Start with `tidemill run FOLDER`: it runs the workflow in FOLDER/main.py, and starts what is missing.
    """


def nearest(wrong: str, known: Any) -> str:
    """``; did you mean …?``, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(wrong, list(known), 3, 0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def main() -> None:
    """Run the command line of this process. A mistake of its user gets a sentence, never a traceback."""
    try:
        code = cli.main(prog_name="tidemill", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = Exit.INPUT
    except (click.Abort, KeyboardInterrupt):
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        code = Exit.OK
    except TidemillError as error:
        click.echo(f"tidemill: {sentence_of(error)}", err=True)
        code = code_of(error)
    sys.exit(int(code or 0))


def sentence_of(error: TidemillError) -> str:
    """What a person is told of it."""
    from tidemill.client.errors import ServerUnreachableError

    if isinstance(error, ServerUnreachableError):
        return f"{error.fact}. Start one with `tidemill server` or `tidemill dev`, or say where yours is: --url URL"
    return str(error)


def code_of(error: TidemillError) -> Exit:
    match error:
        case InputError():
            return Exit.INPUT
        case UnavailableError():
            return Exit.UNREACHABLE
        case InternalError():
            return Exit.FAULT
        case _:
            return Exit.FAILED


if __name__ == "__main__":
    main()
