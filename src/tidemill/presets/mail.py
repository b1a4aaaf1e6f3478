"""`tidemill.mail`: send an e-mail over SMTP."""

import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import Enum

from tidemill.sdk.context import Context
from tidemill.sdk.errors import InvalidInputError, PermanentError, TransientError
from tidemill.sdk.file import File


class Security(Enum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True)
class Sent:
    """``refused`` are recipients that the server did not take, with its reason."""

    message_id: str
    refused: dict[str, str]


@dataclass(frozen=True)
class Mail:
    """Sends from one address, over one server. Callers choose neither.

    Each attempt of a step has the same Message-ID, by which mail programs drop a second copy.

    Args:
        sender: ``"Mill <mill@example.org>"``.
        user: to log in as; "" does not log in.
        trust: of the server's certificate; None trusts what the machine trusts.
        most_recipients: of one message.
    """

    host: str
    sender: str
    port: int = 587
    security: Security = Security.STARTTLS
    user: str = ""
    password: str = field(default="", repr=False)
    trust: ssl.SSLContext | None = field(default=None, repr=False)
    timeout_s: float = 30.0
    most_recipients: int = 100
    preset_name: str = "mail"

    def __call__(  # noqa: PLR0913  # the inputs of a task
        self,
        ctx: Context,
        to: list[str],
        subject: str,
        text: str,
        html: str = "",
        *,
        attachments: list[File] | None = None,
        reply_to: str = "",
    ) -> Sent:
        """Send a message of text, and of HTML if there is any."""
        if not 1 <= len(to) <= self.most_recipients:
            raise InvalidInputError("", [("$.to", f"has 1 to {self.most_recipients} recipients")])
        message = self._message(to, {"Subject": subject, "Reply-To": reply_to})
        message["Message-ID"] = f"<{hashlib.sha256(ctx.idempotency_key.encode()).hexdigest()[:32]}@tidemill>"
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
        for file in attachments or ():
            main, _, sub = file.media_type.partition("/")
            message.add_attachment(file.read(), maintype=main, subtype=sub, filename=file.name)
        with _told(), self._connected() as server:
            refused = server.send_message(message)
        return Sent(message["Message-ID"], {who: _reason(*why) for who, why in refused.items()})

    def _message(self, to: list[str], headers: dict[str, str]) -> EmailMessage:
        message = EmailMessage()
        try:
            message["From"], message["To"] = self.sender, ", ".join(to)
            for name, value in headers.items():
                if value:
                    message[name] = value
        except (ValueError, IndexError) as error:  # a line end in a header, or an address that is none
            raise InvalidInputError(f"a header of the message is wrong: {error}") from None
        return message

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        trust = self.trust or ssl.create_default_context()
        if self.security is Security.TLS:
            opened: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=trust)
        else:
            opened = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        with opened as server:
            if self.security is Security.STARTTLS:
                server.starttls(context=trust)
            if self.user:
                server.login(self.user, self.password)
            yield server


@contextmanager
def _told() -> Iterator[None]:
    """What SMTP says, as an error of a task: replies from 500 on are for good, others may pass."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        told = "; ".join(f"{who}: {_reason(*why)}" for who, why in error.recipients.items())
        kind = PermanentError if all(code >= 500 for code in codes) else TransientError
        raise kind(f"no recipient was taken: {told}") from None
    except smtplib.SMTPResponseException as error:
        kind = PermanentError if error.smtp_code >= 500 else TransientError
        raise kind(f"the mail server said {_reason(error.smtp_code, error.smtp_error)}") from None
    except smtplib.SMTPNotSupportedError as error:
        raise PermanentError(f"the mail server cannot do that: {error}") from None
    except ssl.SSLError as error:
        raise PermanentError(f"the mail server's certificate is not trusted: {error.reason}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise TransientError(f"no mail server took it: {type(error).__name__}: {error}") from error


def _reason(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
