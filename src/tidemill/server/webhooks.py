"""What operators say and see of webhooks."""

import re
from collections.abc import Sequence

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response
from yarl import URL

from tidemill.core.errors import InputError
from tidemill.core.ids import Instant, text_of
from tidemill.core.rows import Changes
from tidemill.core.signatures import SecretError, key_of, new_secret, shown
from tidemill.core.webhooks import EVENTS, TEST, Delivery, Due, GivenUp, Tried, Webhook, again, delivery_id
from tidemill.engine.engine import Engine
from tidemill.net.addresses import Allowed
from tidemill.net.requests import check_url
from tidemill.ports.entropy import Entropy
from tidemill.server import parameters
from tidemill.server.bodies import BodyType, answer
from tidemill.server.problems import invalid, refuse
from tidemill.server.views import time_text
from tidemill.server.webhook_bodies import message_id
from tidemill.wire.hooks import DeliveryList, DeliveryView, TriedView, WebhookList, WebhookSpec, WebhookView

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SPEC_LIMIT_BYTES = 64 * 1024
MOST = 100  # webhooks; each may have four deliveries under way
MOST_SECRETS = 4
MOST_FILTERS, FILTER_LIMIT = 64, 256
URL_LIMIT = 2048
PAGE, MOST_PAGE = 50, 1000

_spec = BodyType(WebhookSpec, SPEC_LIMIT_BYTES)


class Webhooks:
    def __init__(self, engine: Engine, entropy: Entropy, allowed: Allowed) -> None:
        self._engine, self._registry = engine, engine.registry
        self._entropy, self._allowed = entropy, allowed

    async def page(self, request: Request) -> Response:
        return answer(request, WebhookList(tuple(webhook_view(each) for each in self._registry.all(Webhook))))

    async def get(self, request: Request) -> Response:
        return answer(request, webhook_view(self._known(request)))

    async def put(self, request: Request) -> Response:
        """Register one, or change it."""
        name, spec = named(request), await _spec.read(request)
        before = self._registry.get(Webhook, name)
        if wrong := self._wrong(spec):
            raise invalid("invalid_body", wrong)
        if before is None and len(self._registry.all(Webhook)) >= MOST:
            raise refuse("too_many", f"a server has at most {MOST} webhooks")
        kept = before.secrets if before else ()
        made = "" if spec.secrets or kept else new_secret(self._entropy.bytes(32))
        hook = Webhook(
            name=name,
            url=spec.url,
            secrets=spec.secrets or kept or (made,),
            created_at=before.created_at if before else self._engine.clock.now(),
            events=spec.events or EVENTS,
            workflows=spec.workflows,
            tags=spec.tags,
        )
        await self._engine.record(Changes(registered=[hook]))
        return answer(request, structs.replace(webhook_view(hook), secret=made), 200 if before else 201)

    async def delete(self, request: Request) -> Response:
        """What was to be sent to it goes with it."""
        hook = self._known(request)
        await self._engine.record(Changes(registered_drop=[("webhook", hook.name)]))
        return Response(status_code=204)

    async def test(self, request: Request) -> Response:
        hook, now = self._known(request), self._engine.clock.now()
        identity = delivery_id(now, self._entropy.bytes(16), hook.name)
        delivery = Delivery(identity, hook.name, TEST, None, now, Due(now))
        await self._engine.record(Changes(outbox=[delivery]))
        return answer(request, delivery_view(delivery), 202)

    async def deliveries(self, request: Request) -> Response:
        hook = self._known(request)
        limit = max(parameters.number(request, "limit", PAGE, MOST_PAGE), 1)
        before = request.query_params.get("before", "")
        found = await self._engine.queries.deliveries(hook.name, _identity(before) if before else None, limit)
        following = message_id(found[-1]) if len(found) == limit else ""
        return answer(request, DeliveryList(tuple(map(delivery_view, found)), following))

    async def delivery(self, request: Request) -> Response:
        return answer(request, delivery_view(await self._delivery(request)))

    async def redeliver(self, request: Request) -> Response:
        """Send it once more, under the same id; one that is due goes at once."""
        updated = again(await self._delivery(request), self._engine.clock.now())
        await self._engine.record(Changes(sent=[updated]))
        return answer(request, delivery_view(updated), 202)

    async def _delivery(self, request: Request) -> Delivery:
        hook, text = self._known(request), request.path_params["delivery"]
        found = await self._engine.queries.delivery(_identity(text))
        if found is None or found.hook != hook.name:
            raise refuse("no_delivery", f"webhook {hook.name} has no delivery {text[:80]!r}")
        return found

    def _known(self, request: Request) -> Webhook:
        name = request.path_params["name"]
        found = self._registry.get(Webhook, name)
        if found is None:
            raise refuse("no_webhook", f"no webhook {name[:80]!r}")
        return found

    def _wrong(self, spec: WebhookSpec) -> tuple[tuple[str, str], ...]:
        wrong = [("$.url", what) for what in _wrong_url(spec.url, self._allowed)]
        wrong += [
            (f"$.events[{index}]", f"{event[:80]!r} is none of {', '.join(EVENTS)}")
            for index, event in enumerate(spec.events)
            if event not in EVENTS
        ]
        wrong += wrong_secrets(spec.secrets)
        filters = [*spec.workflows, *spec.tags, *spec.tags.values()]
        if len(filters) > MOST_FILTERS or any(not 0 < len(each) <= FILTER_LIMIT for each in filters):
            wrong.append(("$", f"names and tags are at most {MOST_FILTERS}, of 1 to {FILTER_LIMIT} characters"))
        return tuple(wrong)


def named(request: Request) -> str:
    """The name in the path, of what is to be registered. Raises RequestError."""
    name: str = request.path_params["name"]
    if not NAME.fullmatch(name):
        raise refuse("bad_request", f"{name[:80]!r} is no name: letters, digits and . _ -, up to 64")
    return name


def wrong_secrets(secrets: Sequence[str]) -> list[tuple[str, str]]:
    wrong = [] if len(secrets) <= MOST_SECRETS else [("$.secrets", f"are at most {MOST_SECRETS}")]
    for index, secret in enumerate(secrets):
        try:
            key_of(secret)
        except SecretError as error:
            wrong.append((f"$.secrets[{index}]", str(error)))
    return wrong


def _wrong_url(text: str, allowed: Allowed) -> list[str]:
    try:
        url = URL(text)
        check_url(url, allowed)
    except (InputError, ValueError) as error:
        return [str(error)]
    if url.user or url.password:
        return ["names a user or a password: receivers know us by the signature"]
    return [] if len(text) <= URL_LIMIT else [f"has more than {URL_LIMIT} characters"]


def _identity(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("msg_"))
    except ValueError:
        raise refuse("no_delivery", f"{text[:80]!r} is no delivery") from None


def webhook_view(hook: Webhook) -> WebhookView:
    base, query, _ = hook.url.partition("?")
    return WebhookView(
        name=hook.name,
        url=f"{base}?…" if query else base,
        events=hook.events,
        created_at=time_text(hook.created_at),
        workflows=hook.workflows,
        tags=hook.tags,
        secrets=tuple(map(shown, hook.secrets)),
    )


def delivery_view(delivery: Delivery) -> DeliveryView:
    ended_at: Instant | None = getattr(delivery.state, "ended_at", None)
    return DeliveryView(
        id=message_id(delivery),
        webhook=delivery.hook,
        event=delivery.event,
        status=delivery.status,
        made_at=time_text(delivery.made_at),
        run=text_of(delivery.run) if delivery.run else "",
        tries=delivery.tries,
        due_at=time_text(delivery.due_at),
        ended_at=time_text(ended_at),
        reason=delivery.state.reason if isinstance(delivery.state, GivenUp) else "",
        tried=tuple(map(_tried_view, delivery.tried)),
    )


def _tried_view(tried: Tried) -> TriedView:
    return TriedView(time_text(tried.at), tried.took_us / 1_000_000, tried.status, tried.error, tried.answer)
