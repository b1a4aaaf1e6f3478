"""What a worker says in its heartbeats that it received and holds, against what the server believes."""

from collections.abc import Iterator, Mapping

from tidemill.core.events import AttemptLost, AttemptStarted
from tidemill.core.rows import AttemptKey
from tidemill.core.run import Lost
from tidemill.server.translate import key_of
from tidemill.wire.worker import Heartbeat

Fact = AttemptLost | AttemptStarted
_NOTHING: frozenset[AttemptKey] = frozenset()


class Comparison:
    """One connection's. What differs in two heartbeats after each other is no word that is on its way."""

    def __init__(self) -> None:
        self._sent: list[int] = []  # attempts sent, at the last heartbeats
        self._missing = self._unknown = _NOTHING

    def is_deaf(self, received: int, sent: int) -> bool:
        """Whether it has not received what was sent two heartbeats ago."""
        if len(self._sent) > 1 and received < self._sent[0]:
            return True
        self._sent = [*self._sent[-1:], sent]
        return False

    def facts(self, beat: Heartbeat, believed: Mapping[AttemptKey, object], sent: int) -> Iterator[Fact]:
        """What it lost, unless attempts are on their way; and of what nobody knows that it has, that it does.

        Where such an attempt counts no more, the answer is that it is stale.
        """
        if beat.held is None:
            return
        listed, known = frozenset(map(key_of, beat.held)), frozenset(believed)
        missing = known - listed if beat.received == sent else _NOTHING
        unknown = listed - known
        yield from (AttemptLost(*key, Lost.NOT_LISTED) for key in sorted(missing & self._missing))
        yield from (AttemptStarted(*key) for key in sorted(unknown & self._unknown))
        self._missing, self._unknown = missing, unknown
