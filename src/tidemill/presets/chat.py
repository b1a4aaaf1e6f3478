"""`tidemill.chat` and `tidemill.chat_stream`: a chat with a model, at any endpoint that speaks OpenAI's protocol."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import aiohttp
from yarl import URL

from tidemill.net.requests import HttpRequest, check_url, read_most
from tidemill.presets.http import HttpAnswer, allowed_by, answered, check_status, opened
from tidemill.sdk.errors import PermanentError

END = "[DONE]"


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant", "tool"]
    content: str


@dataclass(frozen=True)
class Reply:
    """``reason`` is why it ended: ``stop``, ``length`` and others of the endpoint's."""

    text: str
    model: str
    reason: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class Endpoint:
    """Where a model is, and what it is asked with. Callers choose neither.

    Args:
        base_url: up to and with ``/v1``.
        key: sent as bearer token; "" sends none.
        allow: private addresses and networks that it may be at.
        model: for callers that name none.
    """

    base_url: str
    key: str = field(default="", repr=False)
    allow: Sequence[str] = ()
    model: str = ""
    most_s: float = 600.0
    most_bytes: int = 10 * 1024 * 1024

    def request(self, messages: list[Message], options: dict[str, Any]) -> HttpRequest:
        given = {name: value for name, value in options.items() if value is not None}
        body = {**given, "model": given.get("model") or self.model, "messages": [asdict(each) for each in messages]}
        private = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        url = URL(f"{self.base_url.rstrip('/')}/chat/completions")
        return HttpRequest("POST", url, {"Content-Type": "application/json"}, private, json.dumps(body).encode())


@dataclass(frozen=True)
class Chat:
    """A reply of a model, whole."""

    endpoint: Endpoint
    preset_name: str = "chat"

    async def __call__(
        self,
        messages: list[Message],
        model: str = "",
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        stop: list[str] | None = None,
    ) -> Reply:
        """Ask a model for the next message of a conversation."""
        options = {"model": model, "temperature": temperature, "max_tokens": max_tokens, "stop": stop}
        endpoint = self.endpoint
        allowed = allowed_by(endpoint.allow)
        async with opened(allowed, endpoint.most_s) as session:
            answer = await answered(session, endpoint.request(messages, options), allowed, endpoint.most_bytes)
        check_status(answer, ())
        try:
            (choice, *_), usage = answer.data["choices"], answer.data.get("usage") or {}
            text = choice["message"]["content"] or ""
            reason = choice.get("finish_reason") or ""
            counts = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
            return Reply(text, str(answer.data.get("model", model)), reason, *counts)
        except (TypeError, KeyError, ValueError, AttributeError):
            raise PermanentError(f"the endpoint gave no completion: {answer.text[:500]}") from None


@dataclass(frozen=True)
class ChatStream:
    """A reply of a model, piece by piece as it comes."""

    endpoint: Endpoint
    preset_name: str = "chat_stream"

    async def __call__(
        self,
        messages: list[Message],
        model: str = "",
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        stop: list[str] | None = None,
    ) -> AsyncIterator[str]:
        """Ask a model, and give its reply in pieces."""
        options = {"model": model, "temperature": temperature, "max_tokens": max_tokens, "stop": stop, "stream": True}
        endpoint = self.endpoint
        request, allowed = endpoint.request(messages, options), allowed_by(endpoint.allow)
        headers = {**request.headers, **request.private}
        async with opened(allowed, endpoint.most_s) as session:
            check_url(request.url, allowed)
            async with session.post(request.url, headers=headers, data=request.body, allow_redirects=False) as response:
                await _check(response, endpoint.most_bytes)
                async for piece in _pieces(response.content):
                    yield piece


async def _check(response: aiohttp.ClientResponse, most_bytes: int) -> None:
    if response.status == 200:
        return
    text = (await read_most(response.content, most_bytes)).decode(errors="replace")
    if response.status < 400:
        raise PermanentError(f"the endpoint answered {response.status}, and a stream follows no redirects")
    check_status(HttpAnswer(response.status, dict(response.headers), text, str(response.url)), ())


async def _pieces(content: aiohttp.StreamReader) -> AsyncIterator[str]:
    """The texts in server-sent events of chunks."""
    async for line in content:
        name, _, data = line.decode(errors="replace").strip().partition(":")
        if name != "data":
            continue
        if data.strip() == END:
            return
        try:
            chunk = json.loads(data)
            choices = chunk["choices"]
        except (ValueError, KeyError, TypeError):
            raise PermanentError(f"the endpoint gave no chunk of a completion: {data[:500]}") from None
        for choice in choices:
            if piece := (choice.get("delta") or {}).get("content"):
                yield piece
