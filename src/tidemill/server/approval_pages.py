"""The pages of approvals, made on the server: they work without JavaScript, and whatever a task made is escaped."""

from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from tidemill.core.ids import BadIdError, parse_digest
from tidemill.core.texts import moment
from tidemill.core.wait_rows import WaitRow
from tidemill.server.values import FILE_KEY

SHOWN_LIMIT = 20_000  # characters of what is shown
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "cache-control": "no-store",
    "referrer-policy": "same-origin",  # without an origin the form could not be told from one of another site
}
_PAGE = Template(files("tidemill.server").joinpath("pages", "approve.html").read_text("utf-8"))
_encode = msgspec.json.Encoder(order=None).encode


class Asked(Struct, frozen=True):
    workflow: str
    run: str
    wait: WaitRow
    shown: Any


def asked_page(asked: Asked) -> Response:
    wait = asked.wait
    until = f" Answer until {moment(wait.until_at)}." if wait.until_at is not None else ""
    buttons = "".join(
        f'<button class="choice" name="choice" value="{escape(choice)}">{escape(choice)}</button>'
        for choice in wait.choices
    )
    parts = [
        f"<h1>{escape(wait.question)}</h1>",
        f'<p class="faint">The workflow {escape(asked.workflow)} asks, in its run <code>{asked.run}</code>.{until}</p>',
        _shown(asked.shown),
        '<form method="post">',
        '<label>Your name<input name="who" maxlength="200" autocomplete="name"></label>',
        '<label>Comment<textarea name="comment" rows="3" maxlength="4000"></textarea></label>',
        f'<div class="choices">{buttons}</div></form>',
    ]
    return _page(wait.question, "".join(parts), 200)


def told_page(title: str, text: str, status: int) -> Response:
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text[:1].upper() + text[1:])}</p>", status)


def _page(title: str, body: str, status: int) -> Response:
    html = _PAGE.substitute(title=escape(title), body=body)
    return Response(html, status, headers=HEADERS, media_type="text/html; charset=utf-8")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    links = "".join(f"<p>{link}</p>" for link in _links(value, 50))
    return f'<section class="shown">{links}{_plain(value)}</section>'


def _plain(value: Any) -> str:
    """A text as it is, a record as a list of its fields, anything else as JSON."""
    if isinstance(value, str):
        return f"<pre>{_cut(value)}</pre>"
    if isinstance(value, dict) and FILE_KEY in value:
        return ""
    if isinstance(value, dict) and len(value) <= 50:
        rows = "".join(f"<dt>{escape(str(name))}</dt><dd>{_inner(each)}</dd>" for name, each in value.items())
        return f"<dl>{rows}</dl>"
    return f"<pre>{_cut(_json(value))}</pre>"


def _inner(value: Any) -> str:
    return _cut(value if isinstance(value, str) else _json(value))


def _json(value: Any) -> str:
    return msgspec.json.format(_encode(value), indent=2).decode()


def _cut(text: str) -> str:
    left = len(text) - SHOWN_LIMIT
    return escape(text[:SHOWN_LIMIT]) + (f"… and {left:,} characters more" if left > 0 else "")


def _links(value: Any, most: int) -> list[str]:
    """The files inside, as links."""
    found: list[str] = []
    rest = [value]
    while rest and len(found) < most:
        each = rest.pop(0)
        if isinstance(each, dict):
            if (link := _link(each)) is not None:
                found.append(link)
            rest += each.values()
        elif isinstance(each, list):
            rest += each[:most]
    return found


def _link(value: dict[str, Any]) -> str | None:
    digest = value.get(FILE_KEY)
    try:
        parse_digest(digest if isinstance(digest, str) else "")
    except BadIdError:
        return None
    name = value.get("name") or "file"
    return f'<a href="/api/v1/blobs/{digest}" download="{escape(str(name))}">{escape(str(name))}</a>'
