"""Where the database is and how we talk to it. Its password is in no text that anybody reads."""

import re
from enum import Enum
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from tidemill.adapters.storage.errors import StoreRefusedError

SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,50}")


class Durable(Enum):
    """OFF may lose what was acknowledged in the last moments before the database itself dies."""

    ON = "on"
    OFF = "off"


class PostgresOptions(Struct, frozen=True):
    """``connections`` are those for queries; beats, peers and logs have one each beside them."""

    schema: str = "tidemill"
    connections: int = 4
    durable: Durable = Durable.ON


class Purpose(Struct, frozen=True):
    """How long one kind of connection may wait, in seconds."""

    name: str
    statement_s: float
    lock_s: float = 1.0
    idle_s: float = 5.0  # in a transaction: a server that froze holds its runs for so long


BEATS = Purpose("beats", statement_s=10.0, lock_s=0.1)  # a frozen server's lock holds up a beat no longer
PEERS = Purpose("peers", statement_s=5.0)
QUERIES = Purpose("queries", statement_s=30.0)
LOGS = Purpose("logs", statement_s=30.0)
MIGRATION = Purpose("migration", statement_s=600.0, lock_s=600.0, idle_s=600.0)


class Access(Struct, frozen=True):
    url: str
    options: PostgresOptions = PostgresOptions()

    @property
    def shown(self) -> str:
        return shown(self.url)

    def hide(self, text: str) -> str:
        """``text`` without the password, should it be there."""
        for word in {word for word in self._secrets() if word}:
            text = text.replace(word, "…")
        return text

    def session(self, purpose: Purpose) -> str:
        """What a new connection is told first.

        Plans may not depend on what the planner believes of tables that have just grown: each statement here has its
        index, so the ways around one are closed.
        """
        settings = {
            "search_path": f'"{self.options.schema}"',
            "statement_timeout": f"{purpose.statement_s * 1000:.0f}",
            "lock_timeout": f"{purpose.lock_s * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{purpose.idle_s * 1000:.0f}",
            "synchronous_commit": self.options.durable.value,
            "plan_cache_mode": "force_generic_plan",
            **dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_bitmapscan"), "off"),
            **dict.fromkeys(("enable_material", "jit"), "off"),
            "client_min_messages": "warning",
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        }
        return "; ".join(f"set {name} = {value}" for name, value in settings.items())

    def _secrets(self) -> set[str]:
        place = self.url.partition("://")[2].partition("?")[0]
        user, _, _ = place.rpartition("@")
        written = user.partition(":")[2]
        found = {written, unquote(written)}
        return found | {word.partition("=")[2] for word in self.url.split("?")[-1].split("&") if "password=" in word}


def shown(url: str) -> str:
    """The address without what is secret in it."""
    place = url.partition("://")[2].partition("?")[0]
    user, at, host = place.rpartition("@")
    return f"postgresql://{user.partition(':')[0]}{at}{host}"


def access_to(url: str, options: PostgresOptions) -> Access:
    """Check what can be checked without a connection. Raises StoreRefusedError."""
    access = Access(url, options)
    if url.partition("://")[0] not in {"postgresql", "postgres"}:
        raise StoreRefusedError("database_url must look like postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    if not _is_readable(url):
        message = (
            f"database_url cannot be read ({access.shown}): a character such as / @ : % # in its user or password "
            "must be written as % and its two hexadecimal digits"
        )
        raise StoreRefusedError(message)
    if not SCHEMA.fullmatch(options.schema):
        raise StoreRefusedError(f"{options.schema[:60]!r} is no name for a schema: use letters a to z, digits and _")
    return access


def _is_readable(url: str) -> bool:
    """Whether a password with bare characters of an address leaves it what it was meant to be."""
    try:
        parts = urlsplit(url)
        return (parts.port or 1) > 0 and "@" not in parts.path and not parts.fragment
    except ValueError:
        return False
