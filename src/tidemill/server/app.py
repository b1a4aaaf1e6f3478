"""The HTTP application: every part built, every route laid."""

from dataclasses import dataclass

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tidemill.core.webhooks import PATIENCE, Patience
from tidemill.engine.engine import Engine
from tidemill.engine.rehearsal import Rehearsal
from tidemill.net.addresses import PUBLIC, Allowed
from tidemill.ports.almanac import Almanac
from tidemill.ports.blobs import Blobs
from tidemill.ports.clock import Clock
from tidemill.ports.courier import Courier
from tidemill.ports.entropy import Entropy
from tidemill.ports.faults import NO_FAULTS, Faults
from tidemill.ports.logs import Logs
from tidemill.server.approvals import Approvals
from tidemill.server.attempts import Attempts
from tidemill.server.blobs import BlobRoutes
from tidemill.server.breaks import Breaks
from tidemill.server.control import Control
from tidemill.server.data import Data
from tidemill.server.endpoints import Endpoints
from tidemill.server.exporting import Exports
from tidemill.server.faults import Answers, reaching
from tidemill.server.feeds import Feeds
from tidemill.server.fleet import Fleet, Graphs
from tidemill.server.forks import Forks
from tidemill.server.guard import Guard
from tidemill.server.handover import Handover
from tidemill.server.hooks import Hooks
from tidemill.server.importing import Imports
from tidemill.server.inbound import Inbound
from tidemill.server.intake import Ids, Intake, Targets
from tidemill.server.json_link import JsonLink
from tidemill.server.metrics import Metrics
from tidemill.server.openapi import document
from tidemill.server.openapi_served import ServedDocument
from tidemill.server.pictures import Pictures
from tidemill.server.quarantine import Quarantine
from tidemill.server.results import Results
from tidemill.server.routes import PREFIX, Parts, table
from tidemill.server.runs import Runs
from tidemill.server.schedules import Schedules
from tidemill.server.sender import Means, Sender
from tidemill.server.sessions import WorkerDesk
from tidemill.server.sharing import Sharings
from tidemill.server.signals import Signals
from tidemill.server.singles import Singles
from tidemill.server.site import site_routes
from tidemill.server.streaming import Streams
from tidemill.server.submit import Submissions
from tidemill.server.tails import Tails
from tidemill.server.values import Plains, Uploads
from tidemill.server.visits import Visits
from tidemill.server.watch import Watches
from tidemill.server.webhook_bodies import Bodies
from tidemill.server.webhooks import Webhooks
from tidemill.server.worker_socket import WorkerSocket
from tidemill.server.workers import Workers
from tidemill.wire.worker import PATH

BLOB_LIMIT_BYTES = 64 * 1024**3


@dataclass(frozen=True)
class WebSettings:
    """``hosts``: names besides loopback under which the server may be reached."""

    hosts: tuple[str, ...] = ()
    blob_limit_bytes: int = BLOB_LIMIT_BYTES
    allowed: Allowed = PUBLIC  # private addresses that webhooks may go to


@dataclass(frozen=True)
class Backing:
    """What the application stands on."""

    engine: Engine
    blobs: Blobs
    logs: Logs
    clock: Clock
    entropy: Entropy
    almanac: Almanac
    faults: Faults = NO_FAULTS


@dataclass(frozen=True)
class Sending:
    """``url``: of this server, as receivers of webhooks reach it."""

    courier: Courier
    url: str
    patience: Patience = PATIENCE


def build_sender(backing: Backing, sending: Sending) -> Sender:
    bodies = Bodies(backing.engine, backing.blobs, sending.url.rstrip("/"))
    return Sender(backing.engine, Means(sending.courier, backing.clock, backing.entropy, bodies.of), sending.patience)


class App:
    """An ASGI application; ``close`` ends the streams that clients hold open."""

    def __init__(self, app: ASGIApp, streams: Streams) -> None:
        self._app, self._streams = app, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def close(self) -> None:
        self._streams.close()


def build_app(backing: Backing, settings: WebSettings) -> App:
    streams = Streams()
    parts = _parts(backing, streams, settings)
    endpoints = table(parts)
    described = ServedDocument(document(endpoints), backing.engine, parts.endpoints.target)
    answers = Answers(backing.entropy)
    routes: list[BaseRoute] = [WebSocketRoute(PATH, _worker_socket(backing).serve)]
    routes += [Route(PREFIX + each.path, each.handler, methods=[each.method]) for each in endpoints]
    routes += [Route(path, parts.endpoints.call, methods=["POST"]) for path in ("/w/{name}", "/w/{name}/{version}")]
    routes += [Route("/hooks/{name}", parts.inbound.receive, methods=["POST"])]
    routes.append(Route("/approve/{token}", parts.approvals.show, methods=["GET"]))
    routes.append(Route("/approve/{token}", parts.approvals.submit, methods=["POST"]))
    routes += [*site_routes(described), Route("/metrics", Metrics(backing.engine).send, methods=["GET"])]
    app = reaching(answers.around(Router(routes, redirect_slashes=False)), backing.faults)
    return App(Guard(app, settings.hosts), streams)


def _worker_socket(backing: Backing) -> WorkerSocket:
    handover = Handover(backing.engine, backing.blobs)
    return WorkerSocket(
        WorkerDesk(backing.engine, backing.logs, backing.faults).serve, lambda link: JsonLink(link, handover)
    )


def _parts(backing: Backing, streams: Streams, settings: WebSettings) -> Parts:
    engine, blobs, blob_limit = backing.engine, backing.blobs, settings.blob_limit_bytes
    targets = Targets(engine, Singles(engine))
    uploads = Uploads(engine, blobs, blob_limit)
    ids, plains = Ids(backing.clock, backing.entropy), Plains(engine, blobs)
    intake = Intake(targets, blobs, uploads, ids)
    results = Results(engine, plains, streams)
    return Parts(
        submissions=Submissions(engine, intake),
        runs=Runs(engine),
        signals=Signals(engine, uploads, ids),
        approvals=Approvals(engine, plains),
        breaks=Breaks(engine, plains),
        data=Data(engine),
        pictures=Pictures(engine),
        visits=Visits(engine),
        shared=Sharings(engine, blobs, uploads),
        forks=Forks(engine, intake, uploads, Rehearsal(engine.queries, engine.graphs, engine.catalog, blobs)),
        results=results,
        watches=Watches(engine, streams),
        feeds=Feeds(engine, streams),
        tails=Tails(engine, backing.logs, streams),
        blobs=BlobRoutes(engine, blobs, streams, blob_limit),
        graphs=Graphs(engine),
        fleet=Fleet(engine),
        workers=Workers(engine),
        webhooks=Webhooks(engine, backing.entropy, settings.allowed),
        schedules=Schedules(engine, intake, backing.almanac, backing.entropy),
        endpoints=Endpoints(engine, targets, intake, results),
        hooks=Hooks(engine, targets, backing.entropy),
        inbound=Inbound(engine, intake, uploads, backing.entropy),
        control=Control(engine),
        quarantine=Quarantine(engine),
        attempts=Attempts(engine, plains, backing.logs),
        exports=Exports(engine, blobs, backing.logs, streams),
        imports=Imports(engine, blobs, backing.logs, blob_limit),
    )
