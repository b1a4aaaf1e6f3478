"""Values as the command line prints them."""

import pytest

from tidemill.cli.show import scalar


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "0.5"),
        (1 / 3, "0.333333"),
        (1795280000.12, "1795280000.12"),
        (1234567.0, "1234567.0"),
        (-123456.789, "-123456.789"),
        (1e30, "1e+30"),
        (float("nan"), "nan"),
        (True, "yes"),
        (None, "none"),
    ],
)
def test_a_number_is_shown_with_all_digits_before_its_point(value: object, shown: str) -> None:
    assert scalar(value) == shown
