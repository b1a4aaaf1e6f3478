"""`tidemill codes`: what failure codes mean, and the words that other systems have for our statuses."""

from collections.abc import Mapping

import click

from tidemill.cli.asking import print_json
from tidemill.cli.main import Exit
from tidemill.cli.options import Output, output_option
from tidemill.cli.show import table
from tidemill.core.codes import MEANINGS
from tidemill.core.run import STATUSES
from tidemill.core.statuses import RUN_WORDS, STEP_STATUSES, STEP_WORDS, words_of
from tidemill.core.version import VERSION

_HEAD = """# Codes and statuses

## Failure codes

A run, a step, an attempt that failed has one of these codes. The HTTP status is that of `GET /api/v1/runs/{run}/result`
as JSON, whose body has the code; the exit code is that of a command that watched the run. [Errors and
retries](guide/errors-and-retries.md) says how to raise them, and how to have them tried again.

"""
_STATUSES = """
An input that does not fit is mostly refused when it is submitted, with 422 and exit code 2: then there is no run.

## Statuses

Each status has exactly one word in each set of words that people bring along, and each word means exactly one of ours.
Filters (`?status=`, `--status`, `statuses=`) take all of them, in any case, with spaces or hyphens for `_`.

"""
_CODE_HEAD = ("code", "raised by", "tried again", "attempts by default", "HTTP", "exit")


@click.command()
@output_option
@click.option("--reference", is_flag=True, help="Print the page about them, in Markdown.")
def codes(output: Output, **said: bool) -> None:
    """What failure codes mean: HTTP status, exit code, whether they are tried again; and words for statuses.

    With --json: {"codes": [...], "runs": {...}, "steps": {...}}.
    """
    if said["reference"]:
        click.echo(page(), nl=False)
    elif output is Output.JSON:
        names = ("code", "by", "again", "tries", "http", "exit")
        found = [dict(zip(names, row, strict=True)) for row in _codes()]
        print_json({"codes": found, "runs": _words(STATUSES, RUN_WORDS), "steps": _words(STEP_STATUSES, STEP_WORDS)})
    else:
        for line in table([tuple(map(str, row)) for row in _codes()], _CODE_HEAD):
            click.echo(line)


def _codes() -> list[tuple[str, str, str, int, int, int]]:
    return [
        (code.value, each.by, each.again.value, each.tries, each.status, int(Exit(each.exit)))
        for code, each in MEANINGS.items()
    ]


def _words(ours: tuple[str, ...], sets: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    return {status: words_of(status, sets) for status in ours}


def page() -> str:
    """The reference page."""
    lines = [_HEAD + _row(_CODE_HEAD), _row(["---"] * len(_CODE_HEAD))]
    lines += [_row([f"`{row[0]}`", *map(str, row[1:])]) for row in _codes()]
    lines.append(_STATUSES + "### Of runs\n")
    lines += _of_statuses(STATUSES, RUN_WORDS)
    lines.append("\n### Of steps\n")
    lines += _of_statuses(STEP_STATUSES, STEP_WORDS)
    return "\n".join(lines) + f"\n\nOf version {VERSION}; printed by `tidemill codes --reference`.\n"


def _of_statuses(ours: tuple[str, ...], sets: Mapping[str, Mapping[str, str]]) -> list[str]:
    head = _row(["ours", *(f"words of {name}" for name in sets)])
    words = _words(ours, sets)
    rows = [_row([f"`{status}`", *(f"`{word}`" for word in words[status].values())]) for status in ours]
    return [head, _row(["---"] * (len(sets) + 1)), *rows]


def _row(cells: object) -> str:
    return "| " + " | ".join(cells) + " |"  # type: ignore[arg-type]  # texts
