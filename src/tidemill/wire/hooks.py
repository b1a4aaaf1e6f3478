"""Bodies of webhooks: what a server sends, and what an operator says and sees of it."""

from typing import Any

from msgspec import Struct, field

from tidemill.core.run import Failure


class RunEvent(Struct, frozen=True, omit_defaults=True):
    """The body of a webhook. ``results`` are there when they are small; else ``results_left_out`` says why not."""

    type: str  # run.succeeded, run.failed, run.cancelled, run.halted, webhook.test
    timestamp: str
    run: str = ""
    workflow: str = ""
    status: str = ""
    outcome: str = ""  # the custom status of a success
    reason: str = ""
    failure: Failure | None = None  # without its traceback
    created_at: str = ""
    ended_at: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    link: str = ""
    results: dict[str, Any] | None = None
    results_left_out: str = ""


class WebhookSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A webhook to be. Without ``secrets`` it keeps those that it has; a new one gets one, which is told once."""

    url: str
    secrets: tuple[str, ...] = ()  # the newest first; several while they are rotated
    events: tuple[str, ...] = ()  # () is all
    workflows: tuple[str, ...] = ()  # names of workflows and tasks; * stands for any text
    tags: dict[str, str] = field(default_factory=dict)


class WebhookView(Struct, frozen=True, omit_defaults=True):
    """``secrets`` are shown by the first digits of their sha256; ``secret`` is there when it was made just now."""

    name: str
    url: str  # without what follows a question mark
    events: tuple[str, ...]
    created_at: str
    workflows: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    secret: str = ""


class WebhookList(Struct, frozen=True):
    webhooks: tuple[WebhookView, ...]


class TriedView(Struct, frozen=True, omit_defaults=True):
    at: str
    took_s: float
    status: int = 0  # 0: no answer
    error: str = ""
    answer: str = ""  # its first characters


class DeliveryView(Struct, frozen=True, omit_defaults=True):
    id: str
    webhook: str
    event: str
    status: str  # due, delivered, given_up
    made_at: str
    run: str = ""
    tries: int = 0
    due_at: str = ""
    ended_at: str = ""
    reason: str = ""
    tried: tuple[TriedView, ...] = ()  # the latest of them


class DeliveryList(Struct, frozen=True, omit_defaults=True):
    deliveries: tuple[DeliveryView, ...]
    next: str = ""  # pass as ?before=


class EndpointSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A task or workflow under a path of its own. With ``version`` that version is added, and never changes."""

    target: str  # the name of a task or of a published workflow
    version: str = ""
    digest: str = ""  # of the version: a task's definition, or a graph; "" is the newest there is now
    default: str = ""  # the version that the path alone means, or "newest"; "" leaves it as it is


class VersionView(Struct, frozen=True):
    name: str
    path: str
    digest: str
    added_at: str


class EndpointView(Struct, frozen=True):
    name: str
    path: str
    kind: str  # task, workflow
    target: str
    created_at: str
    default: str
    versions: tuple[VersionView, ...]


class EndpointList(Struct, frozen=True):
    endpoints: tuple[EndpointView, ...]


class Started(Struct, frozen=True):
    """A run that has not ended yet; ``link`` answers with its result."""

    run: str
    status: str
    link: str


class HookSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """An address for webhooks of somebody else's: each starts a run of ``target``, or sends ``signal``.

    ``inputs``: parameter to a place in the body, ``$.data.id``, ``$.items[0]``, or ``$`` for all of it. Without
    ``secrets`` it keeps those that it has; a new one gets one, which is told once.
    """

    target: str = ""  # the name of a task or of a published workflow
    inputs: dict[str, str] = field(default_factory=dict)
    scheme: str = "standard"  # standard, github, stripe, token
    secrets: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)  # of the runs
    header: str = ""  # that holds the token
    id_header: str = ""  # that tells repetitions, where the scheme has none
    id_field: str = ""  # the same, as a place in the body
    tolerance_s: int = 300  # how old a signature with a time may be
    signal: str = ""  # the name of a signal, for whoever waits for it with the key
    key: str = ""  # of the signal: a place in the body
    payload: str = "$"  # of the signal: the same


class HookView(Struct, frozen=True, omit_defaults=True):
    """``secrets`` are shown by the first digits of their sha256; ``secret`` is there when it was made just now."""

    name: str
    path: str
    scheme: str
    created_at: str
    target: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    header: str = ""
    id_header: str = ""
    id_field: str = ""
    tolerance_s: int = 300
    secrets: tuple[str, ...] = ()
    secret: str = ""
    signal: str = ""
    key: str = ""
    payload: str = ""


class HookList(Struct, frozen=True):
    hooks: tuple[HookView, ...]
