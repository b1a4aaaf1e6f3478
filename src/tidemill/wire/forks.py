"""Bodies about runs that are made of other runs."""

from typing import Any

from msgspec import Struct, field


class ForkRequest(Struct, frozen=True, omit_defaults=True):
    """A run that takes over what it can of another one.

    ``input`` edits inputs of the run, ``steps`` those of steps, by path and parameter; what is said in ``again`` runs
    anew, with all below it, though nothing changed for it. ``graph`` is the digest of another version to go on with.
    """

    id: str = ""
    input: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    again: tuple[str, ...] = ()
    graph: str = ""
    priority: int | None = None
    tags: dict[str, str] | None = None


class ForkPlan(Struct, frozen=True, omit_defaults=True):
    """What a fork would do: steps that take the recorded result, steps that run; what follows these is not known."""

    reused: tuple[str, ...]
    fresh: tuple[str, ...]
    ended: str = ""  # how it would end, should nothing have to run
    is_cut: bool = False  # it is longer than what is looked at


class WhatIfRequest(Struct, frozen=True, omit_defaults=True):
    """Move recorded runs through another version of their workflow: these runs, or the latest of a workflow."""

    graph: str = ""  # the digest of a published version
    runs: tuple[str, ...] = ()
    workflow: str = ""
    limit: int = 100
    document: str = ""  # or a version that is not published: its graph document, in JSON; it is not kept


class WhatIfRun(Struct, frozen=True, omit_defaults=True):
    run: str
    status: str  # as it was recorded
    ended: str = ""  # as it would end; "" when it would go on with new steps
    left: tuple[str, ...] = ()  # what was decided then, and would not be
    taken: tuple[str, ...] = ()  # what would be decided, and was not
    fresh: tuple[str, ...] = ()  # steps that have no recorded result
    is_cut: bool = False
    problem: str = ""  # why it cannot be looked at

    @property
    def is_same(self) -> bool:
        return not (self.left or self.taken or self.fresh or self.problem)


class WhatIfAnswer(Struct, frozen=True, omit_defaults=True):
    runs: tuple[WhatIfRun, ...]
