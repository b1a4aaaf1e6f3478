"""Bodies of the client API about steps that wait for a person, since workers died under them."""

from msgspec import Struct

from tidemill.core.events import Verdict


class QuarantineView(Struct, frozen=True):
    run: str
    step: str
    task: str
    workflow: str
    since: str
    message: str


class QuarantineRequest(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One bite of the steps that are quarantined and fit the rest, in order of run and path.

    Send it again with ``after`` until the answer says that there are no more. Twice the same does no harm.
    """

    verdict: Verdict
    run: str = ""
    steps: tuple[str, ...] = ()  # of that run; all of its, where none is named
    workflow: str = ""
    task: str = ""
    older_than_s: float = 0.0  # in quarantine for so long
    dry_run: bool = False
    after: str = ""
    by: str = ""


class QuarantinePage(Struct, frozen=True, omit_defaults=True):
    """What is listed, or what a request was about; ``next`` leads on, "" ends."""

    steps: tuple[QuarantineView, ...]
    next: str = ""
