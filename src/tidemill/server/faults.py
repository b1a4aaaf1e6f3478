"""What a request runs into, as an answer: whatever is raised becomes a problem, and nothing of ours leaks."""

import logging

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidemill.core.errors import UnavailableError
from tidemill.core.plan import NoSuchPathError
from tidemill.engine.reader import NoValueError, ValueTooLargeError
from tidemill.ports.blobs import BlobMissingError
from tidemill.ports.entropy import Entropy
from tidemill.ports.faults import Faults
from tidemill.ports.store import StoreLostError
from tidemill.server.bodies import answer_problem
from tidemill.server.problems import RequestError, problem
from tidemill.wire.api import MSGPACK

READS = ("GET", "HEAD", "OPTIONS")
RETRY_AFTER = {"retry-after": "1"}
_log = logging.getLogger(__name__)


def reaching(app: ASGIApp, faults: Faults) -> ASGIApp:
    """Reach the points around each answer to a request that changes something."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                faults.reach("answer.before")
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                faults.reach("answer.after")

        is_change = scope["type"] == "http" and scope["method"] not in READS
        await app(scope, receive, sending if is_change else send)

    return answering


class Answers:
    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def around(self, app: ASGIApp) -> ASGIApp:
        async def answering(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            scope["app"] = app  # starlette then raises what it would else answer as plain text
            begun = False

            async def sending(message: Message) -> None:
                nonlocal begun
                begun = True
                await send(message)

            try:
                await app(scope, receive, sending)
            except ClientDisconnect:
                return
            except Exception as error:
                answer = self._answer(error, scope)
                if begun:
                    raise  # the server breaks the connection: half an answer must not look whole
                await answer(scope, receive, send)

        return answering

    def _answer(self, error: Exception, scope: Scope) -> Response:
        match error:
            case RequestError():
                return answer_problem(error.problem, error.headers)
            case HTTPException(status_code=404):
                return answer_problem(problem("not_found", f"nothing is served at {scope['path'][:200]}"), {})
            case HTTPException(status_code=405, headers=headers):
                return answer_problem(problem("method_not_allowed", f"not {scope['method']}"), dict(headers or {}))
            case BlobMissingError():
                return answer_problem(problem("unknown_blob", str(error)), {})
            case NoValueError() | NoSuchPathError():
                return answer_problem(problem("unknown_value", str(error)), {})
            case ValueTooLargeError():
                return answer_problem(problem("too_large", f"{error}; ask for {MSGPACK}, which is streamed"), {})
            case StoreLostError() | UnavailableError():
                return answer_problem(problem("unavailable", str(error)), RETRY_AFTER)
            case _:
                return self._internal(error, scope)

    def _internal(self, error: Exception, scope: Scope) -> Response:
        mark = self._entropy.bytes(6).hex()
        _log.error("fault %s in %s %s", mark, scope["method"], scope["path"], exc_info=error)
        detail = f"the server's log has it under {mark}"
        return answer_problem(problem("internal", detail), {})
