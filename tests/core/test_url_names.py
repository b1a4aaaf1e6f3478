"""Names in URLs follow one rule, and are safe there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.url_names import misnamed, url_name


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("media.thumb", "media.thumb"),
        ("Media.make_thumb", "media.make-thumb"),
        ("media.make-thumb", "media.make-thumb"),
        ("a.__b__c_", "a.b-c"),
        ("größe.café", "groe.cafe"),
        ("a/b.c d?e", "a-b.c-d-e"),
        ("a._", ""),
        ("a..b", ""),
        ("媒体.thumb", ""),
        ("", ""),
    ],
)
def test_the_rule(task: str, name: str) -> None:
    assert url_name(task) == name


@given(st.text())
def test_a_name_is_safe_in_a_url_and_stays_as_it_is(task: str) -> None:
    name = url_name(task)
    assert re.fullmatch(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)?", name)
    assert url_name(name) == name


def test_names_that_coincide_are_told_with_what_they_share() -> None:
    assert misnamed(["a.b", "a.c", "a.b"]) == ""
    assert misnamed(["a.my_b", "a.c", "A.my-B"]) == (
        "a.my_b and A.my-B have the same name in URLs, a.my-b; rename one of them"
    )
    assert "a._ has no name for URLs" in misnamed(["a._"])
