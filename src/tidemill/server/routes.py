"""The table of routes: the one place that says what the API is. OpenAPI is made from it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.run import STATUSES
from tidemill.core.statuses import RUN_WORDS, STEP_STATUSES, STEP_WORDS, known_words
from tidemill.server.approvals import KINDS, Approvals
from tidemill.server.attempts import Attempts
from tidemill.server.blobs import BlobRoutes
from tidemill.server.bodies import OCTETS
from tidemill.server.breaks import Breaks
from tidemill.server.control import Control
from tidemill.server.data import Data
from tidemill.server.endpoints import Endpoints
from tidemill.server.exporting import TAR, Exports
from tidemill.server.feeds import Feeds
from tidemill.server.fleet import Fleet, Graphs
from tidemill.server.forks import Forks
from tidemill.server.hooks import Hooks
from tidemill.server.importing import Imports
from tidemill.server.inbound import Inbound
from tidemill.server.parameters import Query
from tidemill.server.pictures import SVG, Pictures
from tidemill.server.quarantine import Quarantine
from tidemill.server.results import Results
from tidemill.server.runs import Runs
from tidemill.server.schedules import Schedules
from tidemill.server.sharing import Sharings
from tidemill.server.signals import Signals
from tidemill.server.streaming import EVENTS
from tidemill.server.submit import Submissions
from tidemill.server.tails import Tails
from tidemill.server.visits import Visits
from tidemill.server.watch import Watches
from tidemill.server.webhooks import Webhooks
from tidemill.server.workers import Workers
from tidemill.wire import api, hooks, waiting
from tidemill.wire import breaks as standing
from tidemill.wire import control as controls
from tidemill.wire import forks as bodies
from tidemill.wire import quarantine as judged
from tidemill.wire import schedules as wire
from tidemill.wire.attempts import AttemptRecord
from tidemill.wire.data import DataChange, DataPage, DataView
from tidemill.wire.exports import Imported
from tidemill.wire.sharing import ChannelPage, EntryView, SharedAsk, StorePage, StoreValue
from tidemill.wire.visits import VisitPage

PREFIX = "/api/v1"

Handler = Callable[[Request], Awaitable[Response]]

LIMIT = Query("limit", "Entries of one page", "integer")
AFTER = Query("after", "Go on after this one", "integer")
FOLLOW = Query("follow", "Whether to go on as things happen; false gives a page of JSON", "boolean")
PORT = Query("port", "The output port; `value` where there is but one")


@dataclass(frozen=True)
class Endpoint:
    """``body`` and ``answer`` are structs of `wire.api`, or media types for what is no JSON."""

    method: str
    path: str
    handler: Handler
    summary: str
    answer: type | str
    body: type | str | None = None
    query: tuple[Query, ...] = ()
    status: int = 200


@dataclass(frozen=True)
class Parts:
    """What answers."""

    submissions: Submissions
    runs: Runs
    signals: Signals
    approvals: Approvals
    pictures: Pictures
    forks: Forks
    breaks: Breaks
    data: Data
    visits: Visits
    shared: Sharings
    results: Results
    watches: Watches
    feeds: Feeds
    tails: Tails
    blobs: BlobRoutes
    graphs: Graphs
    fleet: Fleet
    workers: Workers
    webhooks: Webhooks
    schedules: Schedules
    endpoints: Endpoints
    hooks: Hooks
    inbound: Inbound
    control: Control
    quarantine: Quarantine
    exports: Exports
    attempts: Attempts
    imports: Imports


def table(parts: Parts) -> tuple[Endpoint, ...]:
    of_work = (_submitting, _of_runs, _of_waits, _control, _live, _blobs)
    groups = (*of_work, _known, _webhooks, _schedules, _endpoints, _hooks)
    return tuple(endpoint for group in groups for endpoint in group(parts))


def _submitting(parts: Parts) -> tuple[Endpoint, ...]:
    one, many, watch = parts.submissions.one, parts.submissions.many, parts.watches
    return (
        Endpoint("POST", "/runs/batch", many, "Submit many runs", api.SubmittedMany, api.SubmitMany),
        Endpoint("POST", "/runs", one, "Submit a run", api.Accepted, api.Submission, status=201),
        Endpoint("GET", "/watch/{token}", watch.follow, "Outcomes of all runs submitted with a token", api.FRAMES),
        Endpoint("POST", "/watch/{token}", watch.add, "Watch runs that exist", "", api.WatchRuns, status=204),
    )


def _of_runs(parts: Parts) -> tuple[Endpoint, ...]:
    runs, results, blobs = parts.runs, parts.results, parts.blobs
    lists = (
        Query("status", f"One of {', '.join(known_words(STATUSES, RUN_WORDS))}; may be repeated", is_list=True),
        Query("workflow", "Runs of this workflow or task"),
        Query("before", "The last id of the page before"),
        Query("tag", "With this tag, `name=text`; may be repeated", is_list=True),
        Query("older_than", "Submitted so many seconds ago, or earlier", "number"),
        Query("parent", "Runs that a task of this run started"),
        LIMIT,
    )
    wait = Query("wait", "Seconds to wait for the end", "number")
    one_attempt = "/runs/{run}/attempts/{number}/{path:path}"
    path, step = Query("path", "Of this step"), Query("step", "The step that published it")
    timeline = Query("timeline", "Whether to draw when its steps ran, and not its graph", "boolean")
    paths = Query("path", "These steps only; may be repeated", is_list=True)
    after = Query("after", "The last path of the page before")
    words = ", ".join(known_words(STEP_STATUSES, STEP_WORDS))
    stand = Query("status", f"One of {words}; may be repeated, and a page may be short", is_list=True)
    of_steps = (paths, stand, after, LIMIT)
    return (
        Endpoint("GET", "/runs", runs.page, "Runs, newest first", api.RunPage, query=lists),
        Endpoint("GET", "/runs/{run}", runs.get, "One run", api.RunView),
        Endpoint("GET", "/runs/{run}/export", parts.exports.export, "It as one file", TAR),
        Endpoint("POST", "/runs/import", parts.imports.take, "Take in an exported run", Imported, OCTETS, status=201),
        Endpoint("GET", "/runs/{run}/result", results.result, "Its result", api.Result, query=(wait,)),
        Endpoint(
            "POST", "/runs/{run}/cancel", runs.cancel, "Cancel it", api.RunView, controls.CancelRequest, status=202
        ),
        *_of_forks(parts.forks),
        *_of_breaks(parts.breaks),
        *_of_data(parts.data),
        _of_visits(parts.visits),
        *_shared(parts.shared),
        Endpoint("GET", "/runs/{run}/steps", runs.steps, "Its steps, by path", api.StepPage, query=of_steps),
        Endpoint("GET", "/runs/{run}/attempts", runs.attempts, "Attempts", api.AttemptList, query=(path, LIMIT)),
        Endpoint("GET", one_attempt, parts.attempts.record, "One attempt: inputs, events, logs", AttemptRecord),
        Endpoint("GET", "/runs/{run}/picture", parts.pictures.picture, "A picture of it", SVG, query=(timeline,)),
        Endpoint("GET", "/runs/{run}/why", runs.why, "Why it waits", api.WhyAnswer),
        Endpoint("GET", "/runs/{run}/artifacts", runs.artifacts, "Files that it published", api.ArtifactList),
        Endpoint("GET", "/runs/{run}/artifacts/{name:path}", blobs.artifact, "One of them", OCTETS, query=(step,)),
        Endpoint("GET", "/runs/{run}/values/{path:path}", results.value, "A step's value", api.MSGPACK, query=(PORT,)),
    )


def _of_visits(visits: Visits) -> Endpoint:
    query = (
        Query("state", "Visits of this state"),
        Query("machine", "The step whose machine it is; without it, that of the run"),
        Query("after", "The `next` of the page before", "integer"),
        LIMIT,
    )
    return Endpoint("GET", "/runs/{run}/visits", visits.page, "Visits of its states", VisitPage, query=query)


def _of_breaks(breaks: Breaks) -> tuple[Endpoint, ...]:
    go_on, request = breaks.go_on, standing.ContinueRequest
    return (
        Endpoint("GET", "/runs/{run}/stopped", breaks.stopped, "Its steps at a breakpoint", standing.Stopped),
        Endpoint("POST", "/runs/{run}/continue", go_on, "Let them begin", standing.Stopped, request, status=202),
        Endpoint("GET", "/runs/{run}/inputs/{path:path}", breaks.inputs, "A step's inputs", standing.StepInputs),
    )


def _of_data(data: Data) -> tuple[Endpoint, ...]:
    after, path = Query("after", "The last path of the page before"), Query("path", "Of this step, not of the run")
    return (
        Endpoint(
            "GET", "/runs/{run}/data", data.page, "Its attributes, and its steps'", DataPage, query=(after, LIMIT)
        ),
        Endpoint("PATCH", "/runs/{run}/data", data.change, "Set or remove some", DataView, DataChange, query=(path,)),
    )


def _shared(at: Sharings) -> tuple[Endpoint, ...]:
    prefix, key = Query("prefix", "Keys that begin with it"), Query("after", "The last key of the page before")
    version = Query("version", "Only if the entry has this one", "integer")
    wait = Query("wait", "Seconds to wait for an item, where there is none", "number")
    found = [Endpoint("POST", "/shared", at.ask, "What attempts ask of stores and channels", api.MSGPACK, SharedAsk)]
    for owner, whose in (("/runs/{run}", "a run"), ("/workflows/{workflow}", "a workflow")):
        store, one = f"{owner}/store/{{name}}", f"{owner}/store/{{name}}/{{key:path}}"
        channel = f"{owner}/channel/{{name}}"
        found += [
            Endpoint("GET", store, at.page, f"A store of {whose}", StorePage, query=(prefix, key, LIMIT)),
            Endpoint("GET", one, at.get, "One of its values", EntryView),
            Endpoint("PUT", one, at.put, "Set one", EntryView, StoreValue),
            Endpoint("DELETE", one, at.delete, "Delete one", "", query=(version,), status=204),
            Endpoint("GET", channel, at.items, f"A channel of {whose}", ChannelPage, query=(AFTER, LIMIT, wait)),
        ]
    return tuple(found)


def _of_forks(forks: Forks) -> tuple[Endpoint, ...]:
    body, made = bodies.ForkRequest, api.Accepted
    return (
        Endpoint("POST", "/runs/{run}/retry", forks.retry, "Go on where it failed", made, body, status=201),
        Endpoint("POST", "/runs/{run}/fork", forks.fork, "Run it again, edited", made, body, status=201),
        Endpoint("POST", "/runs/{run}/fork/plan", forks.plan, "What a fork would do", bodies.ForkPlan, body),
        Endpoint(
            "POST", "/what-if", forks.what_if, "Recorded runs, another graph", bodies.WhatIfAnswer, bodies.WhatIfRequest
        ),
    )


def _of_waits(parts: Parts) -> tuple[Endpoint, ...]:
    signals, approvals = parts.signals, parts.approvals
    which = (
        Query("kind", f"One of {', '.join(KINDS)}; may be repeated", is_list=True),
        Query("workflow", "Of this workflow"),
        Query("links", "Whether approvals come with the links by which anybody may decide them", "boolean"),
        Query("after", "`next` of the page before"),
        LIMIT,
    )
    of_run = (Query("after", "`next` of the page before"), LIMIT)
    key, body, sent = Query("key", "Whom it is for"), waiting.SignalBody, waiting.SignalView
    page, decision = waiting.WaitPage, waiting.ApprovalBody
    return (
        Endpoint("POST", "/runs/{run}/signals/{name}", signals.to_run, "Send a run a signal", sent, body),
        Endpoint("POST", "/signals/{name}", signals.by_key, "Send a signal to a key", sent, body, query=(key,)),
        Endpoint("GET", "/waits", approvals.page, "Steps that wait", page, query=which),
        Endpoint("GET", "/runs/{run}/waits", approvals.of_run, "What a run waits and waited for", page, query=of_run),
        Endpoint("POST", "/runs/{run}/approvals", approvals.decide, "Decide an approval", waiting.WaitView, decision),
    )


def _live(parts: Parts) -> tuple[Endpoint, ...]:
    feeds, tails = parts.feeds, parts.tails
    offset = (
        Query("from", "Index of the first item", "integer"),
        Query("epoch", "The epoch that the reader has items of; a newer one begins with `restart`", "integer"),
        Query("attempt", "Items of this attempt only, superseded or not", "integer"),
    )
    path = Query("path", "Of this step")
    text, level = Query("q", "Lines with this text, in any case"), Query("level", "Of this level, or more serious")
    found = (path, text, level, AFTER, LIMIT, FOLLOW)
    told = (Query("type", "Of this type"), AFTER, LIMIT, FOLLOW)
    return (
        Endpoint("GET", "/events", feeds.all_events, "Events of all runs", EVENTS, query=(AFTER, LIMIT, FOLLOW)),
        Endpoint("GET", "/runs/{run}/events", feeds.events, "Events of a run", EVENTS, query=(AFTER, LIMIT, FOLLOW)),
        Endpoint(
            "GET", "/runs/{run}/emitted", tails.emitted, "Events that its tasks told of", api.EmittedPage, query=told
        ),
        Endpoint("GET", "/runs/{run}/logs", tails.logs, "Its logs", api.LogPage, query=found),
        Endpoint("GET", "/runs/{run}/stream", tails.stream, "Items of its stream", EVENTS, query=offset),
        Endpoint("GET", "/runs/{run}/stream/{path:path}", tails.stream, "Items of a step", EVENTS, query=offset),
    )


def _control(parts: Parts) -> tuple[Endpoint, ...]:
    control, place, held = parts.control, "/pauses/{kind}/{name:path}", parts.quarantine
    of_held = (Query("workflow", "Of this workflow"), Query("after", "`next` of the page before"), LIMIT)
    return (
        Endpoint("POST", "/runs/bulk", control.bulk, "Cancel, pause, change many", api.BulkBite, controls.BulkRequest),
        Endpoint(
            "PATCH", "/runs/{run}", control.change, "Change its priority or tags", api.RunView, controls.RunChange
        ),
        Endpoint("DELETE", "/runs/{run}", control.remove, "Remove a run that ended", "", status=204),
        Endpoint("POST", "/runs/{run}/pause", control.pause, "Pause it", api.RunView, controls.PauseRequest),
        Endpoint("POST", "/runs/{run}/resume", control.resume, "Let it go on", api.RunView, controls.ResumeRequest),
        Endpoint("GET", "/quarantine", held.page, "Steps that wait for a person", judged.QuarantinePage, query=of_held),
        Endpoint(
            "POST", "/quarantine", held.judge, "Release or discard", judged.QuarantinePage, judged.QuarantineRequest
        ),
        Endpoint("GET", "/pauses", control.pauses, "Tasks, queues and workers that are paused", controls.PauseList),
        Endpoint(
            "PUT", place, control.hold, "Pause a task, queue or worker", controls.PauseView, controls.PauseRequest
        ),
        Endpoint("DELETE", place, control.let_go, "Let it go on", controls.PauseView),
    )


def _blobs(parts: Parts) -> tuple[Endpoint, ...]:
    blobs = parts.blobs
    return (
        Endpoint("HEAD", "/blobs/{digest}", blobs.head, "Whether a blob is here, and its size", OCTETS),
        Endpoint("GET", "/blobs/{digest}", blobs.get, "A blob, or a range of it", OCTETS),
        Endpoint("PUT", "/blobs/{digest}", blobs.put, "Upload a blob", api.BlobView, OCTETS, status=201),
        Endpoint("POST", "/blobs", blobs.post, "Upload bytes of an unknown digest", api.BlobView, OCTETS, status=201),
    )


def _schedules(parts: Parts) -> tuple[Endpoint, ...]:
    at, view = parts.schedules, wire.ScheduleView
    one = "/schedules/{schedule}"
    revision = Query("revision", "Of the one to change, 0 where there is none; else the answer is 409", "integer")
    names, later = Query("after", "The last name of the page before"), Query("after", "Later than this instant")
    older = Query("before", "Lines before this one", "integer")
    pause, fire, fill = wire.PauseRequest, wire.FireView, wire.BackfillRequest
    return (
        Endpoint("GET", "/schedules", at.page, "Schedules, by name", wire.SchedulePage, query=(names, LIMIT)),
        Endpoint("GET", one, at.get, "One, with its next ten instants", view),
        Endpoint("PUT", one, at.put, "Make or change one", view, wire.ScheduleSpec, query=(revision,)),
        Endpoint("DELETE", one, at.remove, "Remove one; its runs go on", "", status=204),
        Endpoint("POST", f"{one}/pause", at.pause, "Nothing is due until it is resumed", view, pause),
        Endpoint("POST", f"{one}/resume", at.resume, "Go on from now", view),
        Endpoint("POST", f"{one}/trigger", at.trigger, "Fire now", fire, wire.TriggerRequest, status=201),
        Endpoint("POST", f"{one}/backfill", at.backfill, "Runs for a range", wire.DueList, fill, status=202),
        Endpoint("GET", f"{one}/due", at.due, "Instants to come", wire.DueList, query=(later, LIMIT)),
        Endpoint("GET", f"{one}/fires", at.fires, "What became of each", wire.FirePage, query=(older, LIMIT)),
    )


def _known(parts: Parts) -> tuple[Endpoint, ...]:
    fleet, graphs, workers = parts.fleet, parts.graphs, parts.workers
    which = (
        Query("type", "Of this type"),
        Query("label", "With this label, `name=value`; may be repeated", is_list=True),
        Query("tag", "With this tag; may be repeated", is_list=True),
    )
    return (
        Endpoint("GET", "/tasks", fleet.tasks, "Tasks that workers have announced", api.TaskList),
        Endpoint("GET", "/tasks/{name}", fleet.task, "Versions of a task, newest first", api.TaskList),
        Endpoint("GET", "/workers", workers.page, "Workers, live ones first", api.WorkerList, query=which),
        Endpoint("GET", "/workers/{worker}", workers.get, "One, with what it has and runs", api.WorkerDetail),
        Endpoint("GET", "/graphs", graphs.page, "Published graphs, newest first", api.GraphList),
        Endpoint("GET", "/graphs/{digest}", graphs.get, "The document of a graph", api.JSON),
        Endpoint("PUT", "/graphs/{digest}", graphs.put, "Publish a graph", api.PublishedGraph, api.JSON, status=201),
        Endpoint("GET", "/health", fleet.health, "How the server is", api.Health),
    )


def _webhooks(parts: Parts) -> tuple[Endpoint, ...]:
    of, one = parts.webhooks, "/webhooks/{name}"
    before = Query("before", "The last id of the page before")
    page, delivery = hooks.DeliveryList, hooks.DeliveryView
    return (
        Endpoint("GET", "/webhooks", of.page, "Webhooks, by name", hooks.WebhookList),
        Endpoint("PUT", one, of.put, "Register a webhook, or change it", hooks.WebhookView, hooks.WebhookSpec),
        Endpoint("GET", one, of.get, "One of them", hooks.WebhookView),
        Endpoint("DELETE", one, of.delete, "Remove it, and what was to be sent", "", status=204),
        Endpoint("POST", one + "/test", of.test, "Send a test", delivery, status=202),
        Endpoint("GET", one + "/deliveries", of.deliveries, "Deliveries, newest first", page, query=(before, LIMIT)),
        Endpoint("GET", one + "/deliveries/{delivery}", of.delivery, "One delivery with its tries", delivery),
        Endpoint(
            "POST", one + "/deliveries/{delivery}/redeliver", of.redeliver, "Send it once more", delivery, status=202
        ),
    )


def _endpoints(parts: Parts) -> tuple[Endpoint, ...]:
    of, one = parts.endpoints, "/endpoints/{name}"
    spec, view = hooks.EndpointSpec, hooks.EndpointView
    return (
        Endpoint("GET", "/endpoints", of.page, "What has a path of its own, by name", hooks.EndpointList),
        Endpoint("PUT", one, of.put, "Serve a task or workflow at /w/{name}, or one more version of it", view, spec),
        Endpoint("GET", one, of.get, "One of them", view),
        Endpoint("DELETE", one, of.delete, "Serve it no more", "", status=204),
        Endpoint("DELETE", one + "/versions/{version}", of.delete_version, "Serve a version no more", "", status=204),
    )


def _hooks(parts: Parts) -> tuple[Endpoint, ...]:
    of, one = parts.hooks, "/hooks/{name}"
    return (
        Endpoint("GET", "/hooks", of.page, "Addresses for webhooks of others, by name", hooks.HookList),
        Endpoint("PUT", one, of.put, "Register one at /hooks/{name}, or change it", hooks.HookView, hooks.HookSpec),
        Endpoint("GET", one, of.get, "One of them", hooks.HookView),
        Endpoint("DELETE", one, of.delete, "Take its webhooks no more", "", status=204),
    )
