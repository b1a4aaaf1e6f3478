"""Errors of the driver and of the server, in our words."""

import socket
import ssl
from collections.abc import Sequence

import asyncpg
from asyncpg import exceptions as pg

from tidemill.adapters.storage.errors import StoreRefusedError
from tidemill.adapters.storage.postgres.access import Access
from tidemill.core.errors import TidemillError
from tidemill.ports.store import HeldElsewhereError, RowRefusedError, StoreFullError, StoreLostError

# What a call of the driver may raise, beside what is our own fault.
FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that breaks at a bad moment
    OSError,
    TimeoutError,
    UnicodeEncodeError,
)

_ROW_FAULTS = (
    asyncpg.DataError,  # of the driver: no such value for this column
    pg.DataError,  # of the server, such as a NUL in a text
    pg.IntegrityConstraintViolationError,
    pg.ProgramLimitExceededError,  # too long for an index
    UnicodeEncodeError,  # a lone surrogate
)
_HELD = (pg.LockNotAvailableError, pg.DeadlockDetectedError, pg.SerializationError, pg.UniqueViolationError)


def told(error: Exception, access: Access) -> TidemillError:
    """What a statement's failure means for its beat."""
    match error:
        case _ if isinstance(error, _HELD):
            return HeldElsewhereError()
        case _ if isinstance(error, _ROW_FAULTS):
            return RowRefusedError(access.hide(str(error)))
        case pg.DiskFullError():
            return StoreFullError(f"the database's disk is full ({access.hide(str(error))})")
        case _:
            return StoreLostError(why(error, access))


# In this order: an error may be of several of these kinds.
_WHY: Sequence[tuple[tuple[type[Exception], ...], str]] = (
    (
        (pg.InvalidAuthorizationSpecificationError,),
        "refuses this user or password: correct database_url, or pg_hba.conf on its server",
    ),
    ((pg.InvalidCatalogNameError,), "has no such database: make it (createdb NAME), or name another one"),
    (
        (pg.TooManyConnectionsError,),
        "has no connection left: raise its max_connections, or lower database_connections here",
    ),
    ((pg.CannotConnectNowError,), "is starting or stopping: wait a moment"),
    ((pg.ReadOnlySQLTransactionError,), "only reads: it is a standby, or was made so; name the server that writes"),
    ((pg.InsufficientPrivilegeError,), "does not let this user do it"),
    (
        (ssl.SSLCertVerificationError,),
        "shows a certificate that is not trusted: name the one that signed it (sslrootcert=FILE)",
    ),
    ((socket.gaierror,), "is a host that nobody knows: correct database_url"),
    ((ConnectionRefusedError, FileNotFoundError), "is not listening: start PostgreSQL, or correct database_url"),
    ((TimeoutError,), "does not answer"),
)


def why(error: Exception, access: Access) -> str:
    """Why there is no connection, and what to do about it."""
    words = access.hide(str(error).strip())
    advice = next((text for kinds, text in _WHY if isinstance(error, kinds)), "failed")
    return f"{access.shown} {advice} ({words or type(error).__name__})"


def refused(error: Exception, access: Access) -> TidemillError:
    """What the first connection's failure means: some of it, only a person can mend."""
    mendable = (
        pg.InvalidAuthorizationSpecificationError,
        pg.InvalidCatalogNameError,
        pg.InsufficientPrivilegeError,
        pg.ReadOnlySQLTransactionError,
        asyncpg.InterfaceError,
        ValueError,
    )
    lasting = isinstance(error, mendable) and not isinstance(error, UnicodeEncodeError)
    return StoreRefusedError(why(error, access)) if lasting else StoreLostError(why(error, access))
