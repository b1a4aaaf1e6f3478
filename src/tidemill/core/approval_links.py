"""Links by which a person without an account decides one approval: signed, for one step, until an instant."""

import base64
import hashlib
import hmac

from tidemill.core.errors import InputError
from tidemill.core.ids import Instant, Path, RunId

_MAC, _RUN, _AT = 20, 16, 8  # bytes
LIFETIME_US = 30 * 86_400 * 1_000_000  # of one whose wait has no end
TEXT_LIMIT = 8_000


class LinkError(InputError):
    """A link that nobody with the secret has made, or that was changed on its way."""


class LinkOverError(LinkError):
    """A link whose time is over."""


def token_of(secret: bytes, run: RunId, path: Path, until_at: Instant) -> str:
    said = run + until_at.to_bytes(_AT, "big") + path.encode()
    return base64.urlsafe_b64encode(_mac(secret, said) + said).decode().rstrip("=")


def read_token(secret: bytes, token: str, now: Instant) -> tuple[RunId, Path]:
    """Raises LinkError, LinkOverError."""
    said = b""
    try:
        data = base64.b64decode(token[:TEXT_LIMIT] + "=" * (-len(token) % 4), b"-_", validate=True)
        mac, said = data[:_MAC], data[_MAC:]
        is_ours = hmac.compare_digest(mac, _mac(secret, said)) and len(said) > _RUN + _AT
    except ValueError:
        is_ours = False
    if not is_ours:
        raise LinkError("this link was not made here, or a part of it is missing")
    if int.from_bytes(said[_RUN : _RUN + _AT], "big") < now:
        raise LinkOverError("the time of this link is over")
    return RunId(said[:_RUN]), said[_RUN + _AT :].decode()


def _mac(secret: bytes, said: bytes) -> bytes:
    return hmac.digest(secret, b"tidemill.approval/1:" + said, hashlib.sha256)[:_MAC]
