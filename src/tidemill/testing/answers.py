"""`answered`: what the world says to workflows that a test calls plainly, with no server.

```python
def test_a_refusal_ends_it() -> None:
    with answered(signals={"paid": Payment(3)}, approvals={"Publish?": "no"}):
        assert publish(draft) is None
```
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tidemill.sdk.answers import InVain, World, answering

in_vain = InVain()
"""An answer that does not come: the wait times out."""


def answered(
    *,
    signals: Mapping[str, Any] | None = None,
    events: Mapping[str, Any] | None = None,
    approvals: Mapping[str, Any] | None = None,
) -> AbstractContextManager[None]:
    """Answer the waits of workflows and words that are called plainly in this block.

    Args:
        signals: payloads by the signal's name; a list has one for each wait, in order. ``in_vain`` lets one time out.
        events: payloads by the event's type, in the same way.
        approvals: by question, a choice, or an `Approval` with a comment and a name.
    """
    return answering(World(signals or {}, events or {}, approvals or {}))
