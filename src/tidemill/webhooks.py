"""For those who receive webhooks of Tidemill's, or of anybody who signs as Standard Webhooks does.

```python
from tidemill import webhooks

message = webhooks.verify(request.headers, request.body, [secret])
if message.id not in seen: ...
```
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tidemill.assembly.clock import now_s
from tidemill.core.errors import InputError
from tidemill.core.signatures import TIMESTAMP, SignatureError, StaleError, verify_standard

__all__ = ["Message", "SignatureError", "StaleError", "verify"]

TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Message:
    """What was sent. A repetition has the same ``id``: do what it asks for once. ``data`` is its JSON."""

    id: str
    sent_at: datetime
    data: Any


def verify(
    headers: Mapping[str, str],
    body: bytes | str,
    secrets: str | Sequence[str],
    tolerance: timedelta = TOLERANCE,
    *,
    now: datetime | None = None,
) -> Message:
    """Check that a webhook comes from who has a secret, and give what it says.

    Args:
        headers: of the request, in any case.
        body: as it came, byte for byte: not parsed and written again.
        secrets: any of them may have signed; give the old and the new one while you change it.
        tolerance: how far the time of signing may be from now.
        now: aware; the machine's clock by default.
    Raises:
        SignatureError: answer 401, and do nothing of it.
        StaleError: the same; it was signed too long ago.
        InputError: the body is no JSON, though who sent it is right.
    """
    small = {name.lower(): value for name, value in headers.items()}
    data = body.encode() if isinstance(body, str) else body
    at_s = now_s() if now is None else now.timestamp()
    wanted = [secrets] if isinstance(secrets, str) else list(secrets)
    identity = verify_standard(small, data, wanted, at_s, tolerance.total_seconds())
    try:
        said = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"the body is no JSON: {error}") from None
    return Message(identity, datetime.fromtimestamp(int(small[TIMESTAMP]), UTC), said)
