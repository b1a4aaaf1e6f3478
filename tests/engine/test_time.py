"""The clock of a server that keeps to the store's."""

from tidemill.engine.time import StoreClock


class Still:
    def __init__(self) -> None:
        self.at = 1_000_000

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1e6


def test_it_goes_as_ours_does_from_where_the_store_s_was() -> None:
    ours = Still()
    clock = StoreClock(ours)
    assert clock.now() == 1_000_000
    assert clock.keep(5_000_000) == 4_000_000
    ours.at += 7
    assert clock.now() == 5_000_007


def test_what_differs_by_less_than_a_look_takes_moves_nothing() -> None:
    clock = StoreClock(Still())
    assert clock.keep(1_000_500) == 0
    assert clock.now() == 1_000_000
