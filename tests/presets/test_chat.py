"""Chats with models: a server on loopback that speaks the protocol."""

import json
from typing import Any

import pytest
from aiohttp import web

from tests.presets.conftest import Answer, serving
from tidemill import PermanentError, RunFailedError, TransientError
from tidemill.net.addresses import PrivateAddressError
from tidemill.presets.chat import Chat, ChatStream, Endpoint, Message, Reply
from tidemill.presets.worker import preset_worker
from tidemill.testing.local import local

PATH = "/v1/chat/completions"
ASK = [Message("system", "be short"), Message("user", "What turns the mill?")]


def model(seen: list[Any]) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        seen.append((request.headers.get("Authorization"), body))
        if not body.get("stream"):
            choice = {"message": {"role": "assistant", "content": "the tide"}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 9, "completion_tokens": 2}
            return web.json_response({"model": body["model"], "choices": [choice], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in ("the", " tide"):
            event = json.dumps({"choices": [{"delta": {"content": piece}}]})
            await response.write(f": a comment\n\ndata: {event}\n\n".encode())
        await response.write(b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
        return response

    return answer


@pytest.mark.feature("A19")
async def test_a_reply_comes_whole_or_in_pieces() -> None:
    seen: list[Any] = []
    async with serving({PATH: model(seen)}) as url:
        endpoint = Endpoint(f"{url}/v1/", key="k3y", allow=["127.0.0.1"], model="small")
        async with local(preset_worker(Chat(endpoint), ChatStream(endpoint))) as client:
            asked = {"messages": [{"role": each.role, "content": each.content} for each in ASK], "max_tokens": 5}
            whole = await client.submit_named("tidemill.chat", asked)
            assert await whole.result() == {
                "text": "the tide", "model": "small", "reason": "stop", "tokens_in": 9, "tokens_out": 2
            }  # fmt: skip
            pieces = await client.submit_named("tidemill.chat_stream", {**asked, "model": "large"})
            assert await pieces.result() == ["the", " tide"]
        assert await Chat(endpoint)(ASK, temperature=0.5) == Reply("the tide", "small", "stop", 9, 2)
    assert [key for key, _ in seen] == ["Bearer k3y"] * 3
    assert seen[0][1] == {"model": "small", "max_tokens": 5, "messages": asked["messages"]}
    assert (seen[1][1]["model"], seen[1][1]["stream"]) == ("large", True)
    assert "k3y" not in repr(endpoint)


async def test_what_an_endpoint_refuses_is_an_error_of_the_task() -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, text="slow down")

    async def strange(request: web.Request) -> web.StreamResponse:
        return web.json_response({"data": "nothing"})

    async def strange_stream(request: web.Request) -> web.StreamResponse:
        return web.Response(text="data: nothing\n\n")

    async with serving({"/busy/chat/completions": busy, "/a/chat/completions": strange}) as url:
        for preset in (Chat, ChatStream):
            worker = preset_worker(preset(Endpoint(f"{url}/busy", allow=["127.0.0.1"])))
            (task,) = worker.tasks.values()
            with pytest.raises(TransientError, match="slow down"):
                await _ended(task.fn(ASK))
        with pytest.raises(PermanentError, match="gave no completion"):
            await Chat(Endpoint(f"{url}/a", allow=["127.0.0.1"]))(ASK)
        with pytest.raises(PermanentError, match="404"):
            await Chat(Endpoint(f"{url}/none", allow=["127.0.0.1"]))(ASK)
        with pytest.raises(PrivateAddressError):
            await Chat(Endpoint(f"{url}/a"))(ASK)
    async with serving({PATH: strange_stream}) as url:
        endpoint = Endpoint(f"{url}/v1", allow=["127.0.0.1"])
        with pytest.raises(PermanentError, match="no chunk"):
            await _ended(ChatStream(endpoint)(ASK))
        async with local(preset_worker(ChatStream(endpoint))) as client:
            run = await client.submit_named("tidemill.chat_stream", {"messages": [{"role": "user", "content": "x"}]})
            with pytest.raises(RunFailedError, match="no chunk"):
                await run.result()


async def _ended(given: Any) -> Any:
    return [each async for each in given] if hasattr(given, "__aiter__") else await given
