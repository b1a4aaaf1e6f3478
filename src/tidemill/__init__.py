"""Tidemill: durable typed tasks and workflows. What users write is exported here, and loaded at first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.assembly.offers import detect_resources
    from tidemill.cli.app import app
    from tidemill.client.blocking import Client
    from tidemill.client.errors import ServerUnreachableError, StreamRestartedError, UnknownTaskError
    from tidemill.client.remote import AsyncClient
    from tidemill.client.streams import Numbered, Restarted
    from tidemill.core.graph import Rest
    from tidemill.core.recurrence import CatchUp, Overlap
    from tidemill.core.rules import OnActive
    from tidemill.core.run import Code
    from tidemill.core.sharing import Reach
    from tidemill.graphs.phases import CycleError
    from tidemill.graphs.view import Graph
    from tidemill.sdk import ops
    from tidemill.sdk.approvals import Approval
    from tidemill.sdk.batch import Batch
    from tidemill.sdk.catalog import Catalog, NotInCatalogError, UnknownNamespaceError, task_named
    from tidemill.sdk.clamps import Clamp
    from tidemill.sdk.codecs import Codec, PickleCodec
    from tidemill.sdk.comparing import has, in_, status_of
    from tidemill.sdk.context import Context
    from tidemill.sdk.dag import Dag
    from tidemill.sdk.definition import LocalTask, Task
    from tidemill.sdk.depends import Depends, Scope
    from tidemill.sdk.directory import Directory
    from tidemill.sdk.errors import (
        DefinitionError,
        InvalidInputError,
        PermanentError,
        ResourceError,
        RunCancelledError,
        RunFailedError,
        SharingError,
        TransientError,
    )
    from tidemill.sdk.file import File
    from tidemill.sdk.files import TaskFiles
    from tidemill.sdk.joining import each_of, first_of, some_of
    from tidemill.sdk.machine import StateMachine
    from tidemill.sdk.middleware import Middleware, Proceed, ProceedSync, TaskCall
    from tidemill.sdk.needs import Needs
    from tidemill.sdk.options import (
        FOREVER,
        Backend,
        Backoff,
        Cache,
        OnFailure,
        RateLimit,
        Retries,
        collect,
        default,
        injected,
    )
    from tidemill.sdk.places import End, State
    from tidemill.sdk.processes import Processes
    from tidemill.sdk.result import Failure, Final, Result, Streamed
    from tidemill.sdk.schedule import Schedule
    from tidemill.sdk.sharing import Channel, Entry, Item, ReadStore, Receiver, Sender, Shared, Store, WriteStore
    from tidemill.sdk.standin import TraceError
    from tidemill.sdk.steps import Step
    from tidemill.sdk.stubs import StubCalledError, stub, stub_stream, unset
    from tidemill.sdk.waiting import approval, sleep_for, sleep_until, wait_event, wait_signal
    from tidemill.sdk.words import (
        all_of,
        any_of,
        branch,
        call,
        finally_,
        if_some,
        loop,
        map_over,
        not_,
        record,
        size,
        switch,
    )
    from tidemill.sdk.worker import Worker
    from tidemill.sdk.workflow import Workflow, workflow
    from tidemill.wire.control import BulkAction, BulkRequest, RunChange

__version__ = "0.1.0.dev0"

_HOMES = {
    "tidemill.cli.app": ("app",),
    "tidemill.assembly.offers": ("detect_resources",),
    "tidemill.client.blocking": ("Client",),
    "tidemill.client.errors": ("ServerUnreachableError", "StreamRestartedError", "UnknownTaskError"),
    "tidemill.client.remote": ("AsyncClient",),
    "tidemill.client.streams": ("Numbered", "Restarted"),
    "tidemill.core.rules": ("OnActive",),
    "tidemill.core.recurrence": ("CatchUp", "Overlap"),
    "tidemill.core.graph": ("Rest",),
    "tidemill.core.run": ("Code",),
    "tidemill.graphs.phases": ("CycleError",),
    "tidemill.graphs.view": ("Graph",),
    "tidemill.sdk.approvals": ("Approval",),
    "tidemill.sdk": ("ops",),  # a module
    "tidemill.sdk.batch": ("Batch",),
    "tidemill.sdk.catalog": ("Catalog", "NotInCatalogError", "UnknownNamespaceError", "task_named"),
    "tidemill.sdk.clamps": ("Clamp",),
    "tidemill.sdk.codecs": ("Codec", "PickleCodec"),
    "tidemill.sdk.comparing": ("has", "in_", "status_of"),
    "tidemill.sdk.context": ("Context",),
    "tidemill.sdk.dag": ("Dag",),
    "tidemill.sdk.definition": ("LocalTask", "Task"),
    "tidemill.sdk.depends": ("Depends", "Scope"),
    "tidemill.sdk.directory": ("Directory",),
    "tidemill.sdk.errors": (
        "DefinitionError",
        "InvalidInputError",
        "PermanentError",
        "ResourceError",
        "RunCancelledError",
        "RunChange",
        "RunFailedError",
        "SharingError",
        "TransientError",
    ),
    "tidemill.sdk.file": ("File",),
    "tidemill.sdk.files": ("TaskFiles",),
    "tidemill.sdk.joining": ("each_of", "first_of", "some_of"),
    "tidemill.sdk.machine": ("StateMachine",),
    "tidemill.sdk.middleware": ("Middleware", "Proceed", "ProceedSync", "TaskCall"),
    "tidemill.sdk.needs": ("Needs",),
    "tidemill.sdk.options": (
        "FOREVER",
        "Backend",
        "Backoff",
        "Cache",
        "OnFailure",
        "RateLimit",
        "Retries",
        "collect",
        "default",
        "injected",
    ),
    "tidemill.sdk.places": ("End", "State"),
    "tidemill.sdk.processes": ("Processes",),
    "tidemill.sdk.result": ("Failure", "Final", "Result", "Streamed"),
    "tidemill.sdk.schedule": ("Schedule",),
    "tidemill.core.sharing": ("Reach",),
    "tidemill.sdk.sharing": (
        "Channel",
        "Entry",
        "Item",
        "ReadStore",
        "Receiver",
        "Sender",
        "Shared",
        "Store",
        "WriteStore",
    ),
    "tidemill.sdk.standin": ("TraceError",),
    "tidemill.sdk.steps": ("Step",),
    "tidemill.sdk.stubs": ("StubCalledError", "stub", "stub_stream", "unset"),
    "tidemill.sdk.waiting": ("approval", "sleep_for", "sleep_until", "wait_event", "wait_signal"),
    "tidemill.sdk.words": (
        "all_of",
        "any_of",
        "branch",
        "call",
        "finally_",
        "if_some",
        "loop",
        "map_over",
        "not_",
        "record",
        "size",
        "switch",
    ),
    "tidemill.sdk.worker": ("Worker",),
    "tidemill.sdk.workflow": ("Workflow", "workflow"),
    "tidemill.wire.control": ("BulkAction", "BulkRequest", "RunChange"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "FOREVER",
    "Approval",
    "AsyncClient",
    "Backend",
    "Backoff",
    "Batch",
    "BulkAction",
    "BulkRequest",
    "Cache",
    "Catalog",
    "CatchUp",
    "Channel",
    "Clamp",
    "Client",
    "Code",
    "Codec",
    "Context",
    "CycleError",
    "Dag",
    "DefinitionError",
    "Depends",
    "Directory",
    "End",
    "Entry",
    "Failure",
    "File",
    "Final",
    "Graph",
    "InvalidInputError",
    "Item",
    "LocalTask",
    "Middleware",
    "Needs",
    "NotInCatalogError",
    "Numbered",
    "OnActive",
    "OnFailure",
    "Overlap",
    "PermanentError",
    "PickleCodec",
    "Proceed",
    "ProceedSync",
    "Processes",
    "RateLimit",
    "Reach",
    "ReadStore",
    "Receiver",
    "ResourceError",
    "Rest",
    "Restarted",
    "Result",
    "Retries",
    "RunCancelledError",
    "RunChange",
    "RunFailedError",
    "Schedule",
    "Scope",
    "Sender",
    "ServerUnreachableError",
    "Shared",
    "SharingError",
    "State",
    "StateMachine",
    "Step",
    "Store",
    "StreamRestartedError",
    "Streamed",
    "StubCalledError",
    "Task",
    "TaskCall",
    "TaskFiles",
    "TraceError",
    "TransientError",
    "UnknownNamespaceError",
    "UnknownTaskError",
    "Worker",
    "Workflow",
    "WriteStore",
    "__version__",
    "all_of",
    "any_of",
    "app",
    "approval",
    "branch",
    "call",
    "collect",
    "default",
    "detect_resources",
    "each_of",
    "finally_",
    "first_of",
    "has",
    "if_some",
    "in_",
    "injected",
    "loop",
    "map_over",
    "not_",
    "ops",
    "record",
    "size",
    "sleep_for",
    "sleep_until",
    "some_of",
    "status_of",
    "stub",
    "stub_stream",
    "switch",
    "task_named",
    "unset",
    "wait_event",
    "wait_signal",
    "workflow",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'tidemill' has no attribute {name!r}")
    value = import_module(f"{home}.{name}") if name == "ops" else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
