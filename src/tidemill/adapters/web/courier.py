"""Webhooks over HTTP, to addresses that may be asked."""

import aiohttp
from yarl import URL

from tidemill.core.errors import InputError
from tidemill.net.addresses import Allowed, PrivateAddressError, refusal_in
from tidemill.net.requests import FAITHFUL, Following, HttpRequest, UrlRefusedError, follow, session_to
from tidemill.ports.courier import Parcel, Receipt

MOST_REDIRECTS = 3
ANSWER_BYTES = 2048  # that are read; the rest is left
ANSWER_SHOWN = 300


class HttpCourier:
    """One pool of connections, opened with the first parcel. Redirects that would lose the body are not followed."""

    def __init__(self, allowed: Allowed, timeout_s: float) -> None:
        self._how = Following(allowed, ANSWER_BYTES, FAITHFUL, MOST_REDIRECTS, cut=True)
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def post(self, parcel: Parcel) -> Receipt:
        if self._session is None:
            self._session = session_to(self._how.allowed, self._timeout_s)
        try:
            request = HttpRequest("POST", URL(parcel.url), parcel.headers, {}, parcel.body)
            received = await follow(self._session, request, self._how)
        except (PrivateAddressError, UrlRefusedError) as error:
            return Receipt(error=str(error), is_refused=True)
        except TimeoutError:
            return Receipt(error=f"no answer within {self._timeout_s:g} s")
        except aiohttp.ClientError as error:
            refused = refusal_in(error)
            return Receipt(error=str(refused or _reason(error)), is_refused=refused is not None)
        except (InputError, ValueError, OSError) as error:
            return Receipt(error=f"{type(error).__name__}: {error}"[:ANSWER_SHOWN])
        after = received.headers.get("Retry-After", "")
        return Receipt(
            status=received.status,
            error=_redirected(received.status),
            answer=received.body.decode(errors="replace")[:ANSWER_SHOWN],
            wait_s=float(after) if after.isascii() and after.isdigit() and len(after) < 8 else 0.0,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _redirected(status: int) -> str:
    return "it redirects: register the URL that it leads to" if 300 <= status < 400 else ""


def _reason(error: aiohttp.ClientError) -> str:
    """Without the URL, which may hold a token."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"there is no host {error.host}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return f"no secure connection to {error.host}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect to {error.host}: {error.os_error.strerror or 'refused'}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed before an answer"
    return f"the request failed ({type(error).__name__})"
