"""`client.webhooks`, and `tidemill.webhooks.verify` at the other end."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.server.receiver import receiving
from tidemill import AsyncClient, Worker, webhooks
from tidemill.client.errors import NotFoundError, RefusedError
from tidemill.core.signatures import SecretError, signed_headers
from tidemill.testing.local import local

mill = Worker("mill")
NOW = datetime(2027, 3, 1, tzinfo=UTC)
AT = int(NOW.timestamp())
# Of the standard's own libraries: a message, and what they sign it with.
KNOWN_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KNOWN_ID, KNOWN_AT, KNOWN_BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
KNOWN_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@mill.task
def double(x: int) -> int:
    return 2 * x


async def test_a_client_registers_hears_and_removes() -> None:
    async with receiving() as receiver, local(mill) as client:
        assert isinstance(client, AsyncClient)
        made = await client.webhooks.add("chat", receiver.url, workflows=["mill.*"])
        run = await client.submit(double, 4)
        (got,) = await receiver.after(1)
        message = webhooks.verify(got.headers, got.body, made.secret)
        assert (message.data["run"], message.data["results"]) == (run.id, {"value": 8})
        assert [each.name for each in await client.webhooks.list()] == ["chat"]
        assert (await client.webhooks.get("chat")).workflows == ("mill.*",)
        tested = await client.webhooks.test("chat")
        assert (await receiver.after(2))[1].headers["webhook-id"] == tested.id
        assert [each.event for each in (await client.webhooks.log("chat")).deliveries] == [
            "webhook.test",
            "run.succeeded",
        ]
        assert (await client.webhooks.redeliver("chat", message.id)).id == message.id
        assert (await receiver.after(3))[2].body == got.body
        assert (await client.webhooks.delivery("chat", message.id)).run == run.id
        await client.webhooks.remove("chat")
        with pytest.raises(NotFoundError):
            await client.webhooks.get("chat")
        with pytest.raises(RefusedError, match="no public address"):
            await client.webhooks.add("chat", "http://10.0.0.1/")


def test_a_blocking_client_does_the_same() -> None:
    with local(mill) as client:
        assert client.webhooks.add("chat", "https://example.org/", events=["run.failed"]).secret
        assert [each.name for each in client.webhooks.list()] == ["chat"]
        assert client.webhooks.log("chat").deliveries == ()
        client.webhooks.remove("chat")
        assert client.webhooks.list() == ()
        assert client.hooks.add("in", "mill.double", inputs={"x": "$.x"}).path == "/hooks/in"
        assert [each.target for each in client.hooks.list()] == ["mill.double"]
        assert client.endpoints.serve("/double", "mill.double", version="v1").versions[0].path == "/w/double/v1"
        client.endpoints.remove("/double")
        assert client.endpoints.list() == ()


def test_we_sign_as_the_standard_says() -> None:
    headers = signed_headers(KNOWN_ID, KNOWN_AT, KNOWN_BODY, [KNOWN_SECRET])
    assert headers["webhook-signature"] == KNOWN_SIGNATURE
    sent_at = datetime.fromtimestamp(KNOWN_AT, UTC)
    message = webhooks.verify(headers, KNOWN_BODY, KNOWN_SECRET, now=sent_at)
    assert (message.id, message.sent_at, message.data) == (KNOWN_ID, sent_at, {"test": 2432232314})


def signed(body: bytes = b"{}", secrets: tuple[str, ...] = ("a secret of mine",)) -> dict[str, str]:
    return signed_headers("msg_1", AT, body, secrets)


def test_either_secret_will_do_while_they_are_rotated() -> None:
    old, new = "a secret of before", "a secret of mine"
    for signer, known in (([old], [new, old]), ([new, old], [old]), ([new, old], [new])):
        assert webhooks.verify(signed(secrets=tuple(signer)), b"{}", known, now=NOW).id == "msg_1"


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, b"{} "),
        ({"webhook-id": "msg_2"}, b"{}"),
        ({"webhook-timestamp": str(AT + 1)}, b"{}"),
        ({"webhook-signature": "v1,AAAA"}, b"{}"),
        ({"webhook-signature": "v2,AAAA"}, b"{}"),
        ({"webhook-signature": ""}, b"{}"),
        ({"webhook-signature": "v1,é"}, b"{}"),
        ({"webhook-id": ""}, b"{}"),
        ({"webhook-timestamp": ""}, b"{}"),
    ],
)
def test_what_was_changed_on_the_way_is_refused(change: dict[str, str], body: bytes) -> None:
    with pytest.raises(webhooks.SignatureError):
        webhooks.verify({**signed(), **change}, body, "a secret of mine", now=NOW)


@pytest.mark.parametrize("late", [timedelta(minutes=6), timedelta(minutes=-6), timedelta(days=9)])
def test_what_was_signed_at_another_time_is_stale(late: timedelta) -> None:
    with pytest.raises(webhooks.StaleError):
        webhooks.verify(signed(), b"{}", "a secret of mine", now=NOW + late)
    assert webhooks.verify(signed(), b"{}", "a secret of mine", timedelta(days=10), now=NOW + late)


def test_another_secret_fits_nothing_and_is_not_told() -> None:
    with pytest.raises(webhooks.SignatureError) as refused:
        webhooks.verify(signed(), b"{}", ["another secret!!", "and one more of them"], now=NOW)
    assert "another" not in str(refused.value)
    with pytest.raises(SecretError, match="at least 16"):
        webhooks.verify(signed(), b"{}", "short", now=NOW)
