"""Traces by the W3C: a run belongs to one, and each attempt is a span of it.

A run that was submitted with a ``traceparent`` belongs to that trace; a child belongs to its parent's; any other begins
one, whose id is the run's own. So nothing is made by chance, and nothing is stored that can be said again.
"""

import hashlib
import re

from tidemill.core.ids import Path, RunId

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def is_traceparent(text: str) -> bool:
    """Whether a text is a ``traceparent`` of version 00, or of a later one that says no more."""
    return _FORM.fullmatch(text) is not None


def trace_id(run: RunId | bytes, trace: str) -> str:
    """32 hexadecimal digits. ``trace`` is the ``traceparent`` that the run was submitted with, or ""."""
    return trace[3:35] if trace else run.hex()


def span_id(run: RunId | bytes, path: Path = "", number: int = 0) -> str:
    """16 hexadecimal digits of an attempt, or of a run as a whole."""
    return hashlib.sha256(b"%s/%s/%d" % (run, path.encode(), number)).hexdigest()[:16]


def traceparent(run: RunId | bytes, trace: str, span: str) -> str:
    """What is handed on by who works in this span."""
    return f"00-{trace_id(run, trace)}-{span}-{trace[-2:] or '01'}"
