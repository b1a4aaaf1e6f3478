"""Which addresses may be asked."""

import ipaddress
import socket

import pytest

from tidemill.net.addresses import Allowed, PrivateAddressError, PublicResolver, allowed_of, check_literal, is_allowed


@pytest.mark.parametrize(
    ("address", "allowed", "is_open"),
    [
        ("93.184.215.14", (), True),
        ("2606:4700::1111", (), True),
        ("10.0.0.1", (), False),
        ("192.168.1.1", ("192.168.0.0/16",), True),
        ("100.64.0.1", (), False),
        ("0.0.0.0", (), False),
        ("169.254.169.254", (), False),
        ("224.0.0.1", (), False),
        ("::1", (), False),
        ("fe80::1", (), False),
        ("fd00::1", (), False),
        ("::ffff:10.0.0.1", (), False),
        ("::ffff:10.0.0.1", ("10.0.0.0/8",), True),
        ("64:ff9b::a00:1", (), False),
        ("2002:a00:1::1", (), False),
        ("64:ff9b::169.254.169.254", (), False),
        ("64:ff9b::5db8:d70e", (), True),
        ("64:ff9b:1::a00:1", (), False),
        ("2001:0:5ef5:79fd::1", (), False),
        ("::127.0.0.1", (), False),
        ("168.63.129.16", (), False),
        ("168.63.129.16", ("168.63.129.16",), True),
        ("192.0.0.192", (), False),
        ("fd00:ec2::254", (), False),
        ("ff02::1", (), False),
        ("::", (), False),
        ("255.255.255.255", (), False),
    ],
)
def test_what_counts_as_public(address: str, allowed: tuple[str, ...], *, is_open: bool) -> None:
    assert is_allowed(ipaddress.ip_address(address), allowed_of(allowed)) is is_open


async def test_a_name_is_refused_by_the_address_that_it_has_and_opened_by_name_or_network() -> None:
    with pytest.raises(PrivateAddressError, match="localhost has no public address"):
        await PublicResolver(Allowed()).resolve("localhost", 80, socket.AF_INET)
    for opened in ("localhost", "LOCALHOST", "127.0.0.0/8"):
        found = await PublicResolver(allowed_of([opened])).resolve("localhost", 80, socket.AF_INET)
        assert [each["host"] for each in found] == ["127.0.0.1"]
    with pytest.raises(PrivateAddressError):
        await PublicResolver(allowed_of(["other.internal"])).resolve("localhost", 80, socket.AF_INET)


def test_a_name_opens_no_address_and_an_address_no_name() -> None:
    with pytest.raises(PrivateAddressError):
        check_literal("[::1]", allowed_of(["localhost"]))
    check_literal("[::1]", allowed_of(["::1"]))
    assert allowed_of(["10.0.0.0/8", "Hooks.internal", "::1"]).hosts == {"hooks.internal"}


@pytest.mark.parametrize("text", ["10.0.0.0/99", "10.0.0.1/8", "a b", "", "*", "-x", "999.1.1.1"])
def test_what_is_no_address_no_network_and_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear to be|has host bits set"):
        allowed_of([text])
