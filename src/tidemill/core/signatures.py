"""Signatures of webhooks, ours and others': made, and compared in constant time.

The scheme of ours is Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`, in base64, `v1,`
before it; several, apart by spaces, while secrets are rotated.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from enum import Enum

from tidemill.core.errors import InputError

PREFIX = "whsec_"  # of a secret in base64
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
LEAST_SECRET = 16  # characters, or bytes in base64


class SignatureError(InputError):
    """Nobody who has the secret has signed this."""


class StaleError(SignatureError):
    """It was signed too long ago, or for a time to come: it may be a repetition by somebody else."""


class Scheme(Enum):
    """How a sender signs."""

    STANDARD = "standard"  # Standard Webhooks
    GITHUB = "github"  # X-Hub-Signature-256: sha256=HEX of the body
    STRIPE = "stripe"  # Stripe-Signature: t=SECONDS,v1=HEX of `t.body`
    TOKEN = "token"  # noqa: S105  # a header that holds the secret itself


class SecretError(InputError):
    """A secret that cannot be used."""


def key_of(secret: str) -> bytes:
    """The key in a secret. Raises SecretError, which does not tell it."""
    if not secret.startswith(PREFIX):
        key = secret.encode()
    else:
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except ValueError:
            raise SecretError(f"a secret that begins with {PREFIX} goes on in base64") from None
    if len(key) < LEAST_SECRET:
        raise SecretError(f"a secret has at least {LEAST_SECRET} characters")
    return key


def new_secret(entropy: bytes) -> str:
    """A secret from 32 random bytes."""
    return PREFIX + base64.b64encode(entropy).decode()


def shown(secret: str) -> str:
    """What may be shown of a secret: enough to tell two apart."""
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()[:8]}"


def signed_headers(message: str, at_s: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of a webhook of ours; ``message`` is its id."""
    signatures = " ".join(f"v1,{_standard(message, str(at_s), body, key_of(secret))}" for secret in secrets)
    return {ID: message, TIMESTAMP: str(at_s), SIGNATURE: signatures}


def verify_standard(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: float, tolerance_s: float
) -> str:
    """The id of the message. ``headers`` are in lower case. Raises SignatureError or StaleError."""
    message, at = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not message or not at:
        raise SignatureError(f"the headers {ID} and {TIMESTAMP} are missing")
    given = [each.removeprefix("v1,") for each in headers.get(SIGNATURE, "").split() if each.startswith("v1,")]
    expected = [_standard(message, at, body, key_of(secret)) for secret in secrets]
    _check(given, expected)
    _check_age(at, now_s, tolerance_s)
    return message


def verify_github(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> str:
    """The id of the delivery; "" when it has none."""
    given = headers.get("x-hub-signature-256", "").removeprefix("sha256=")
    _check([given], [_hex(body, secret.encode()) for secret in secrets])
    return headers.get("x-github-delivery", "")


def verify_stripe(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: float, tolerance_s: float
) -> None:
    parts = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    at = next((value for name, _, value in parts if name == "t"), "")
    given = [value for name, _, value in parts if name == "v1"]
    _check(given, [_hex(f"{at}.".encode() + body, secret.encode()) for secret in secrets])
    _check_age(at, now_s, tolerance_s)


def verify_token(given: str, secrets: Sequence[str]) -> None:
    _check([given], secrets)


def _standard(message: str, at: str, body: bytes, key: bytes) -> str:
    signed = f"{message}.{at}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _hex(body: bytes, key: bytes) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def _check(given: Sequence[str], expected: Sequence[str]) -> None:
    fits = [hmac.compare_digest(one.encode(), other.encode()) for one in given[:10] for other in expected]
    if not any(fits):
        raise SignatureError("the signature fits no secret")


def _check_age(at: str, now_s: float, tolerance_s: float) -> None:
    if not (at.isascii() and at.isdecimal() and len(at) < 15):
        raise SignatureError("the timestamp is no number of seconds")
    if abs(now_s - int(at)) > tolerance_s:
        raise StaleError(f"it was signed for another time, more than {tolerance_s:g} s from now")
