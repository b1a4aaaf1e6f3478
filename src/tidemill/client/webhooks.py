"""`client.webhooks`: who is told when runs end, what was sent, and what was answered."""

from collections.abc import Mapping, Sequence

from tidemill.client.calls import Calls, escaped
from tidemill.wire import hooks


class AsyncWebhooks:
    """Webhooks of a server; those who receive them use `tidemill.webhooks.verify`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def add(  # noqa: PLR0913  # the fields of a webhook
        self,
        name: str,
        url: str,
        *,
        secrets: Sequence[str] = (),
        events: Sequence[str] = (),
        workflows: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> hooks.WebhookView:
        """Register one, or change the one of this name.

        Args:
            secrets: the newest first; each signs, so that two stand side by side while they are rotated. Without any it
                keeps those that it has; a new one gets one, as ``secret`` of the answer, and nobody sees it again.
            events: ``run.succeeded``, ``run.failed``, ``run.cancelled``, ``run.halted``; all by default.
            workflows: names of workflows and tasks, ``*`` for any text; all by default.
            tags: that a run must have, all of them.
        Raises:
            RefusedError: with each value that is wrong; a URL at a private address is.
        """
        spec = hooks.WebhookSpec(url, tuple(secrets), tuple(events), tuple(workflows), dict(tags or {}))
        return await self._calls.put(_path(name), spec, hooks.WebhookView)

    async def list(self) -> Sequence[hooks.WebhookView]:
        """By name."""
        return (await self._calls.get("/webhooks", hooks.WebhookList)).webhooks

    async def get(self, name: str) -> hooks.WebhookView:
        """Raises NotFoundError."""
        return await self._calls.get(_path(name), hooks.WebhookView)

    async def remove(self, name: str) -> None:
        """It is sent nothing more, and its log goes. Raises NotFoundError."""
        await self._calls.delete(_path(name))

    async def test(self, name: str) -> hooks.DeliveryView:
        """Send it an event of the type ``webhook.test``; `delivery` tells what became of it."""
        return await self._calls.post(f"{_path(name)}/test", {}, hooks.DeliveryView)

    async def log(self, name: str, *, before: str = "", limit: int = 50) -> hooks.DeliveryList:
        """Deliveries, newest first. Pass ``next`` as ``before`` for the page after it."""
        query = {"before": before, "limit": limit}
        return await self._calls.get(f"{_path(name)}/deliveries", hooks.DeliveryList, query)

    async def delivery(self, name: str, delivery: str) -> hooks.DeliveryView:
        """One of them, with its latest tries."""
        return await self._calls.get(f"{_path(name)}/deliveries/{escaped(delivery)}", hooks.DeliveryView)

    async def redeliver(self, name: str, delivery: str) -> hooks.DeliveryView:
        """Send it once more, at once and under the same id."""
        return await self._calls.post(f"{_path(name)}/deliveries/{escaped(delivery)}/redeliver", {}, hooks.DeliveryView)


def _path(name: str) -> str:
    return f"/webhooks/{escaped(name)}"
