"""Signals, waits and approvals, from a client and from its runs."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Raw

from tidemill.client.calls import escaped
from tidemill.client.connection import Connection
from tidemill.client.quarantine import Judged, QuarantineOfClient
from tidemill.client.targets import bind_plain
from tidemill.client.visits import OfStates
from tidemill.wire.waiting import ApprovalBody, SignalBody, SignalView, WaitPage, WaitView


class SignalsOfRun(Judged, OfStates):
    """What a run can be told while it waits."""

    async def signal(self, name: str, payload: Any = None, *, id: str = "") -> SignalView:  # noqa: A002  # its name
        """Send a signal to a ``wait_signal`` of this name; one that comes before its wait is kept for it.

        Args:
            payload: plain data, and what has a form as such: records, dates, a File (which is uploaded).
            id: of the signal: sent again under it, it is taken once, and answered the same.
        Raises:
            InvalidInputError: the payload is not of the type that is waited for.
            RefusedError: the workflow waits for no such signal.
            WrongStatusError: the run is over.
        """
        return await send(self._core, f"/runs/{self.id}/signals/{escaped(name)}", payload, id)

    async def approve(self, choice: str, *, step: str = "", comment: str = "", who: str = "") -> WaitView:
        """Decide an approval that the run asks for.

        Args:
            step: the path of the approval; it may be left out where there is but one.
        Raises:
            WrongStatusError: it is decided; the text says by whom.
        """
        body = ApprovalBody(choice, step, comment, who)
        return await self._core.calls.post(f"/runs/{self.id}/approvals", body, WaitView)

    async def waits(self) -> Sequence[WaitView]:
        """What its steps wait for, and what they waited for before."""
        found: list[WaitView] = []
        after = ""
        while True:
            query = {"after": after, "limit": 1000}
            page = await self._core.calls.get(f"/runs/{self.id}/waits", WaitPage, query)
            found += page.waits
            after = page.next
            if not after:
                return found


class SignalsOfClient(QuarantineOfClient):
    """What a client tells those who wait."""

    async def signal(
        self,
        name: str,
        payload: Any = None,
        *,
        key: str | int,
        id: str = "",  # noqa: A002  # its name
    ) -> SignalView:
        """Send a signal to whoever waits for the name with this key, or will; see `AsyncRun.signal`."""
        return await send(self._core, f"/signals/{escaped(name)}?{urlencode({'key': key})}", payload, id)

    async def waits(
        self, *, kinds: Sequence[str] = (), workflow: str = "", after: str = "", links: str = "", limit: int = 50
    ) -> WaitPage:
        """Steps that wait, of all runs. Pass a page's ``next`` as ``after`` for the one after it.

        Args:
            kinds: signal, event, time, approval; all where nothing is said.
            links: "true" for approvals with the links by which anybody may decide them.
        """
        query = {"kind": tuple(kinds), "workflow": workflow, "after": after, "links": links, "limit": limit}
        return await self._core.calls.get("/waits", WaitPage, query)


async def send(core: Connection, path: str, payload: Any, id_: str) -> SignalView:
    """A signal has an id from here on, so that sending it again while the server is away does no harm."""
    plain: Raw | None = None
    if payload is not None:
        plain = (await core.values.send_plain(await bind_plain({"payload": payload})))["payload"]
    return await core.calls.post(path, SignalBody(plain, id_ or core.identity.run_id()), SignalView)
