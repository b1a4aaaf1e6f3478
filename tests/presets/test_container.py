"""Containers as tasks. An engine is needed for the whole; what it says is read without one."""

import asyncio
import shutil
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tidemill import InvalidInputError, PermanentError
from tidemill.presets.container import Container, frames

SOCKETS = [Path("/var/run/docker.sock"), Path("/run/podman/podman.sock")]
ENGINE = next((str(each) for each in SOCKETS if each.is_socket()), "")
needs_engine = pytest.mark.skipif(not ENGINE, reason="no container engine listens on its socket here")


async def test_without_an_engine_it_is_said_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"no container engine answers at .*none\.sock .*start Docker, or Podman"):
        await Container(socket=str(tmp_path / "none.sock"))("busybox")
    with pytest.raises(InvalidInputError, match=r"\$\.image: allowed is busybox"):
        await Container(images=["busybox"])("debian")


async def test_an_engine_that_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/json"):
            return web.json_response({"message": "no such image"}, status=404)
        return web.Response(text='{"status": "pulling"}\n{"error": "denied by the registry"}\n')

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", refuse)
    runner = web.AppRunner(application)
    await runner.setup()
    socket = tmp_path / "engine.sock"
    await web.UnixSite(runner, str(socket)).start()
    try:
        with pytest.raises(PermanentError, match="the image busybox cannot be had: denied by the registry"):
            await Container(socket=str(socket))("busybox")
    finally:
        await runner.cleanup()


async def test_the_two_streams_of_a_container_are_told_apart() -> None:
    content = aiohttp.StreamReader(_Flow(), 2**16, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
    for stream, text in [(1, b"out"), (2, b"error"), (1, b""), (1, b" more")]:
        content.feed_data(bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text)
    content.feed_eof()
    assert [each async for each in frames(content)] == [(1, b"out"), (2, b"error"), (1, b" more")]


class _Flow:
    """The flow control of a connection that is not there."""

    _reading_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self, resume_parser: object = None) -> None: ...


@needs_engine
@pytest.mark.slow
@pytest.mark.feature("A19")
async def test_an_image_runs_to_its_end_and_is_removed() -> None:
    assert shutil.which("docker") or shutil.which("podman")
    preset = Container(socket=ENGINE, most_bytes=100)
    script = "echo $WORD; echo error >&2; yes | head -c 1000; exit 3"
    result = await preset("busybox", ["sh", "-c", script], env={"WORD": "tide"})
    assert (result.exit_code, result.stdout[:5], result.stderr, result.cut) == (3, "tide\n", "error\n", True)
