"""What a beat writes."""

from msgspec.structs import replace

from tests.contracts.store.sample import AT, a_session
from tidemill.core.catalog import Catalog
from tidemill.core.overlay import Overlay
from tidemill.core.rows import Changes
from tidemill.engine.changes import changes_of


def test_a_session_that_ends_is_not_extended_by_a_heartbeat_of_the_same_beat() -> None:
    overlay = Overlay(AT, bytes(16), Catalog(), {})
    heartbeats = [Changes(extended=[replace(a_session(number), seen_at=AT + 1)]) for number in (1, 2)]
    again = Changes(extended=[replace(a_session(2), seen_at=AT + 2)])
    ended = replace(a_session(1), live=False)
    changes = changes_of(overlay, (), [*heartbeats, Changes(sessions=[ended]), again])
    assert changes.sessions == [ended]
    assert changes.extended == again.extended
