"""Mail over a real SMTP server on loopback."""

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tidemill import File, InvalidInputError, PermanentError, TransientError, Worker
from tidemill.presets.mail import Mail, Security, Sent

KEY, CERTIFICATE = "key.pem", "cert.pem"


class Postbox:
    """What arrived; recipients that begin with ``no`` are refused."""

    def __init__(self) -> None:
        self.arrived: list[tuple[list[str], EmailMessage]] = []

    async def handle_RCPT(  # noqa: N802  # the library's name, as below
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("no"):
            return "550 nobody of that name"
        if address.startswith("later"):
            return "450 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        message: Any = BytesParser(policy=default).parsebytes(bytes(envelope.content or b""))
        self.arrived.append((envelope.rcpt_tos, message))
        return "250 taken"


def logged_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"mill", b"s3cret")
    return AuthResult(success=is_known, handled=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / KEY, "-out", folder / CERTIFICATE],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def post(certificate: Path) -> Iterator[Callable[..., tuple[Postbox, int]]]:
    opened: list[Controller] = []

    def serve(**facts: Any) -> tuple[Postbox, int]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate / CERTIFICATE, certificate / KEY)
        postbox = Postbox()
        given = {"tls_context": context, "require_starttls": True, **facts} if not facts.get("plain") else {}
        port = free_port()  # the library asks its own port whether it listens, so 0 will not do
        controller = Controller(postbox, hostname="127.0.0.1", port=port, **given)
        controller.start()
        opened.append(controller)
        return postbox, port

    yield serve
    for each in opened:
        each.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mail(port: int, certificate: Path, **facts: Any) -> Mail:
    trust = ssl.create_default_context(cafile=str(certificate / CERTIFICATE))
    return Mail("localhost", "Mill <mill@example.org>", **{"port": port, "trust": trust, **facts})


def send(preset: Mail, *args: Any, **given: Any) -> Sent:
    sent: Sent = Worker("w").add(preset, name="mail")(*args, **given)
    return sent


@pytest.mark.feature("A19")
def test_a_message_is_sent_over_starttls_after_a_login(post: Any, certificate: Path, tmp_path: Path) -> None:
    postbox, port = post(authenticator=logged_in, auth_required=True)
    preset = mail(port, certificate, user="mill", password="s3cret")
    (tmp_path / "tide.txt").write_text("high water")
    given = {"attachments": [File(tmp_path / "tide.txt")], "reply_to": "ask@example.org"}
    sent = send(preset, ["a@example.org", "no@example.org"], "Tide", "water", "<p>water</p>", **given)
    assert sent.refused == {"no@example.org": "550 nobody of that name"}
    ((recipients, message),) = postbox.arrived
    assert recipients == ["a@example.org"]
    assert (message["From"], message["Subject"]) == ("Mill <mill@example.org>", "Tide")
    assert (message["Message-ID"], message["Reply-To"]) == (sent.message_id, "ask@example.org")
    parts = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert parts == ["text/plain", "text/html", "text/plain"]
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content().strip()) == ("tide.txt", "high water")  # type: ignore[attr-defined]
    assert send(preset, ["a@example.org"], "Tide", "water").message_id == sent.message_id
    assert "s3cret" not in repr(preset)
    with pytest.raises(PermanentError, match="535"):
        send(mail(port, certificate, user="mill", password="wrong"), ["a@example.org"], "Tide", "water")


def test_what_a_mail_server_refuses_says_whether_to_try_again(post: Any, certificate: Path) -> None:
    _, port = post()
    with pytest.raises(PermanentError, match=r"no recipient was taken: no@example\.org: 550 nobody"):
        send(mail(port, certificate), ["no@example.org"], "Tide", "water")
    with pytest.raises(TransientError, match="450 come again"):
        send(mail(port, certificate), ["later@example.org"], "Tide", "water")
    with pytest.raises(PermanentError, match="certificate is not trusted"):
        send(mail(port, certificate, trust=None), ["a@example.org"], "Tide", "water")
    with pytest.raises(PermanentError, match="STARTTLS"):
        send(mail(port, certificate, security=Security.NONE), ["a@example.org"], "Tide", "water")
    _, plain = post(plain=True)
    with pytest.raises(PermanentError, match="cannot do that"):
        send(mail(plain, certificate), ["a@example.org"], "Tide", "water")
    postbox, plain = post(plain=True)
    send(mail(plain, certificate, security=Security.NONE), ["a@example.org"], "Tide", "water")
    assert len(postbox.arrived) == 1


def test_no_server_is_tried_again_and_a_wrong_header_is_not(certificate: Path) -> None:
    with pytest.raises(TransientError, match="no mail server took it"):
        send(mail(1, certificate), ["a@example.org"], "Tide", "water")
    with pytest.raises(InvalidInputError, match="a header of the message is wrong"):
        send(mail(1, certificate), ["a@example.org"], "Tide\r\nBcc: all@example.org", "water")
    with pytest.raises(InvalidInputError, match=r"\$\.to: has 1 to 100 recipients"):
        send(mail(1, certificate), [], "Tide", "water")
