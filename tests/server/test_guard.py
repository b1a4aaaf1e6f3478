"""What holds on loopback too: a web page cannot run tasks, and nonsense is answered with its reason."""

import aiohttp
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.http import Http, speaking
from tests.server.mill import Mill, mill
from tidemill.wire.worker import PATH

RUNS = "/api/v1/runs"
SUBMISSION = {"task": "media.add", "input": {"a": 1}}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7070", "127.0.0.1.evil.example", "", "[::1", "a b"])
async def test_another_host_name_is_refused(http: Http, host: str) -> None:
    assert (await http.get(RUNS, host=host)).problem == "wrong_host"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:99", "127.0.0.1", "127.1.2.3:7070", "[::1]:7070", "LOCALHOST"]
)
async def test_loopback_names_are_served(http: Http, host: str) -> None:
    assert (await http.get(RUNS, host=host)).status == 200


async def test_configured_hosts_are_served(tmp_path: object) -> None:
    async with mill(tmp_path, hosts=["Mill.example"]) as running, speaking(running.url) as http:
        assert (await http.get(RUNS, host="mill.EXAMPLE:80")).status == 200
        assert (await http.get(RUNS, host="evil.example")).status == 403


async def test_a_page_of_another_site_is_refused_even_for_reading(http: Http) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"):
        assert (await http.post(RUNS, SUBMISSION, origin=origin)).problem == "wrong_origin"
        assert (await http.get(RUNS, origin=origin)).problem == "wrong_origin"
    assert (await http.get(RUNS, origin=http.url)).status == 200


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_what_a_form_can_send_is_refused(http: Http, kind: str) -> None:
    body = msgspec.json.encode(SUBMISSION)
    for path in (RUNS, f"{RUNS}/batch", f"{RUNS}/{'0' * 32}/cancel", "/api/v1/blobs", "/api/v1/watch/" + "a" * 16):
        assert (await http("POST", path, body, content_type=kind)).problem == "unsupported_media_type"


async def test_no_answer_allows_another_origin(http: Http) -> None:
    answer = await http("OPTIONS", RUNS, None, origin=http.url)
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_a_worker_socket_has_the_same_doors(http: Http) -> None:
    url = http.url + PATH
    with pytest.raises(aiohttp.WSServerHandshakeError) as no_protocol:
        await http.session.ws_connect(url)
    assert no_protocol.value.status == 400
    with pytest.raises(aiohttp.WSServerHandshakeError) as foreign:
        await http.session.ws_connect(url, protocols=["tidemill.v1+msgpack"], origin="https://evil.example")
    assert foreign.value.status == 403
    answer = await http.get(
        PATH, upgrade="websocket", connection="Upgrade", sec_websocket_version="13", sec_websocket_key="a" * 22 + "=="
    )
    assert "tidemill.v1+msgpack" in answer.json["detail"]


async def test_too_much_is_refused_before_it_is_read(http: Http) -> None:
    assert (await http.post(RUNS, b" " * (17 << 20))).problem == "too_large"
    assert (await http.post("/api/v1/blobs", b" " * 1_000_001, content_type="application/octet-stream")).status == 413
    assert (await http.post(RUNS, b'{"input":' + b"[" * 200 + b"]" * 200 + b"}")).problem == "malformed"
    assert (await http.post(RUNS, b'{"input":' + b"[" * 100_000)).problem == "malformed"
    twice = await http.post(RUNS, b'{"task":"a.b","input":{"x":[{"a":1,"b":{},"a":2}]}}')
    assert (twice.problem, twice.json["detail"]) == ("malformed", "the key 'a' comes twice in one object")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"3", b'{"task": 3}', b'{"task": "a", "priority": "x"}'])
async def test_a_body_that_is_none_is_refused(http: Http, body: bytes) -> None:
    for kind in ("application/json", "application/msgpack"):
        assert (await http("POST", RUNS, body, content_type=kind)).status in (400, 422)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
fields = st.sampled_from(["task", "workflow", "graph", "input", "values", "id", "priority", "tags", "retries", "runs"])
submissions = st.dictionaries(fields | st.text(max_size=3), plain | st.just("media.add"), max_size=5)


def _bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    body = draw(submissions | submissions.map(lambda each: {"runs": [each]}) | plain)
    kind = draw(st.sampled_from(["application/json", "application/msgpack"]))
    try:
        data = (msgspec.json if kind.endswith("json") else msgspec.msgpack).encode(body)
    except (OverflowError, UnicodeEncodeError):
        data = b"{}"
    cut = draw(st.integers(0, len(data)) | st.just(len(data)))
    return kind, data[:cut] + draw(st.binary(max_size=3) | st.just(b""))


bodies = st.composite(_bodies)()


async def test_nonsense_is_never_a_fault_of_ours(working: Http) -> None:
    import asyncio

    loop = asyncio.get_running_loop()

    @settings(max_examples=150, suppress_health_check=list(HealthCheck), database=None)
    @given(bodies, st.sampled_from([RUNS, f"{RUNS}/batch", "/api/v1/watch/" + "a" * 16, f"{RUNS}/{'0' * 32}/cancel"]))
    def check(body: tuple[str, bytes], path: str) -> None:
        sent = working("POST", path, body[1], content_type=body[0])
        answer = asyncio.run_coroutine_threadsafe(sent, loop).result(30)
        assert answer.status < 500, (body, answer)

    await asyncio.to_thread(check)


async def test_a_fault_of_ours_has_a_mark_and_tells_nothing(served: Mill, http: Http, caplog: object) -> None:
    served.engine.queries.runs = None  # a fault if ever there was one
    answer = await http.get(RUNS)
    assert (answer.status, answer.problem) == (500, "internal")
    assert "NoneType" not in answer.body.decode()
    mark = answer.json["detail"].split()[-1]
    assert mark in caplog.text
