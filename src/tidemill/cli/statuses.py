"""Statuses of runs on the command line: ours, and the words that other systems have for them."""

from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from tidemill.core.run import STATUSES
from tidemill.core.statuses import RUN_WORDS, UnknownStatusError, known_words, run_statuses


class Status(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.4
    """One of ours among ``allowed``, given in any of its words."""

    name = "status"

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = tuple(allowed)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(self._allowed)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            (found,) = run_statuses([value])
        except UnknownStatusError as error:
            self.fail(str(error), param, ctx)
        if found not in self._allowed:
            self.fail(f"{value!r} is not one of {', '.join(self._allowed)}", param, ctx)
        return found

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        words = [word for word in known_words(STATUSES, RUN_WORDS) if run_statuses([word])[0] in self._allowed]
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]
