"""Links by which approvals are decided: only who has the secret makes one, and nobody changes one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.approval_links import LinkError, LinkOverError, read_token, token_of
from tidemill.core.ids import RunId

SECRET, RUN = b"s" * 32, RunId(b"r" * 16)


@given(st.binary(min_size=16, max_size=16), st.text(min_size=1, max_size=300).filter(str.isprintable))
def test_a_link_leads_to_the_step_that_it_was_made_for(run: bytes, path: str) -> None:
    assert read_token(SECRET, token_of(SECRET, RunId(run), path, 100), 100) == (run, path)


def test_a_link_ends() -> None:
    with pytest.raises(LinkOverError):
        read_token(SECRET, token_of(SECRET, RUN, "ask", 100), 101)


def test_another_secret_makes_other_links() -> None:
    with pytest.raises(LinkError):
        read_token(b"t" * 32, token_of(SECRET, RUN, "ask", 100), 1)


@given(st.integers(0, 200), st.integers(1, 255))
def test_no_byte_of_a_link_can_be_changed(at: int, by: int) -> None:
    token = token_of(SECRET, RUN, "states#1/ask", 100)
    data = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    data[at % len(data)] ^= by
    with pytest.raises(LinkError):
        read_token(SECRET, base64.urlsafe_b64encode(bytes(data)).decode().rstrip("="), 1)


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 10_000, "%%%%", token_of(SECRET, RUN, "ask", 100)[:-3]])
def test_what_is_no_link_is_refused(token: str) -> None:
    with pytest.raises(LinkError):
        read_token(SECRET, token, 1)
