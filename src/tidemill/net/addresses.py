"""Which addresses a request may go to: public ones, and those that the operator allows.

Names are looked up once, by the resolver of the connection itself, so that it goes to the address that was checked: a
name whose address changes in between leads nowhere else. Everything of ours that asks a URL of somebody else's uses it:
presets, webhooks, inputs that are fetched.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tidemill.core.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # holds an IPv4 address in its last four bytes
_CLOSED = (
    ipaddress.ip_network("192.0.0.0/24"),  # for protocols; some Pythons call parts of it public
    ipaddress.ip_network("168.63.129.16/32"),  # public by its number, and the inside of a cloud's machine
    ipaddress.ip_network("64:ff9b:1::/48"),  # NAT64 of one site; where the IPv4 address is in it, only that site knows
)
_HOST = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


class PrivateAddressError(InputError, OSError):
    """The host is on a private network, and the operator did not allow it."""

    code = "permanent"

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} has no public address, and the operator did not allow it")


@dataclass(frozen=True)
class Allowed:
    """What is open besides public addresses: networks, and hosts by their names, wherever they lead."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()


PUBLIC = Allowed()


def allowed_of(texts: Iterable[str]) -> Allowed:
    """Addresses, networks and names of hosts. Raises ValueError for what is none."""
    texts = tuple(texts)
    hosts = frozenset(text.lower() for text in texts if _HOST.fullmatch(text) and ":" not in text)
    return Allowed(tuple(ipaddress.ip_network(text) for text in texts if text.lower() not in hosts), hosts)


def is_allowed(address: Address, allowed: Allowed) -> bool:
    inner = _inner(address)
    both = {address, inner}
    if any(each in network for each in both for network in allowed.networks if each.version == network.version):
        return True
    if any(each in network for each in both for network in _CLOSED if each.version == network.version):
        return False
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def check_literal(host: str, allowed: Allowed) -> None:
    """Refuse a host that is an address itself; names are for the resolver. Raises PrivateAddressError."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return
    if not is_allowed(address, allowed):
        raise PrivateAddressError(host)


class PublicResolver(AbstractResolver):
    """Gives only addresses that may be connected to."""

    def __init__(self, allowed: Allowed) -> None:
        self._inner, self._allowed = aiohttp.ThreadedResolver(), allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if host.lower() in self._allowed.hosts:
            return found
        public = [each for each in found if is_allowed(_address(each["host"]), self._allowed)]
        if not public:
            raise PrivateAddressError(host)
        return public

    async def close(self) -> None:
        await self._inner.close()


def refusal_in(error: BaseException) -> PrivateAddressError | None:
    """The refusal of our resolver, wherever aiohttp has put it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, PrivateAddressError):
            return seen
        inner = getattr(seen, "os_error", None)
        if isinstance(inner, PrivateAddressError):
            return inner
        seen = seen.__cause__ or seen.__context__
    return None


def _address(text: str) -> Address:
    return ipaddress.ip_address(text.partition("%")[0])


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
