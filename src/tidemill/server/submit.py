"""POST /runs and POST /runs/batch."""

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from tidemill.core.ids import text_of
from tidemill.core.run import Run
from tidemill.core.traces import is_traceparent
from tidemill.engine.engine import Engine
from tidemill.engine.orders import Order, SubmitRefused
from tidemill.server.bodies import BodyType, answer
from tidemill.server.intake import Intake
from tidemill.server.problems import KINDS, RequestError, invalid, problem, refuse
from tidemill.wire.api import BATCH_LIMIT, Accepted, Problem, Submission, SubmitAnswer, SubmitMany, SubmittedMany

RETRY_AFTER = {"retry-after": "1"}

_one = BodyType(Submission)
_many = BodyType(SubmitMany)


class Submissions:
    def __init__(self, engine: Engine, intake: Intake) -> None:
        self._engine, self._intake = engine, intake

    async def one(self, request: Request) -> Response:
        submission = await _one.read(request)
        header = request.headers.get("traceparent", "")
        if not submission.traceparent and is_traceparent(header):  # a wrong header is to be ignored, says the W3C
            submission = structs.replace(submission, traceparent=header)
        self._refuse_when_full()
        order = await self._intake.order(submission)
        (outcome,) = await self._engine.submit([order])
        said = answered(outcome)
        if said.problem is not None:
            raise RequestError(said.problem)
        return answer(request, said.accepted, 201)

    async def many(self, request: Request) -> Response:
        """One engine call for all that are right; each that is wrong has its problem in its place."""
        body = await _many.read(request)
        self._refuse_when_full()
        if len(body.runs) > BATCH_LIMIT:
            raise invalid("invalid_body", (("$.runs", f"at most {BATCH_LIMIT} in one request"),))
        made = [await self._order(each, body.watch) for each in body.runs]
        orders = [each for each in made if isinstance(each, Order)]
        outcomes = iter(await self._engine.submit(orders) if orders else ())
        answers = [answered(next(outcomes)) if isinstance(each, Order) else _refused(each) for each in made]
        return answer(request, SubmittedMany(tuple(answers), not body.watch or self._engine.is_watched(body.watch)))

    async def _order(self, submission: Submission, watch: str) -> Order | Problem:
        try:
            return await self._intake.order(submission, watch)
        except RequestError as error:
            return error.problem

    def _refuse_when_full(self) -> None:
        if self._engine.is_full():
            raise refuse("unavailable", "the server has as much to do as it can hold", RETRY_AFTER)


def answered(outcome: Run | SubmitRefused) -> SubmitAnswer:
    """What the engine said to a submission."""
    if isinstance(outcome, Run):
        return SubmitAnswer(accepted=Accepted(text_of(outcome.id), outcome.status))
    kind = {"unknown_blob": "missing_blob"}.get(outcome.type, outcome.type)
    return SubmitAnswer(problem=problem(kind if kind in KINDS else "conflict", outcome.detail))


def _refused(wrong: Problem) -> SubmitAnswer:
    return SubmitAnswer(problem=wrong)
