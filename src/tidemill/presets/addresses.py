"""Which addresses a request may go to: public ones, and those that the operator allows.

Names are looked up once, and the connection goes to the address that was checked, so that a name whose address changes
in between leads nowhere else.
"""

import ipaddress
import socket
from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tidemill.core.errors import InputError
from tidemill.sdk.errors import DefinitionError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # holds an IPv4 address in its last four bytes


class PrivateAddressError(InputError, OSError):
    """The host is on a private network, and its operator did not allow it."""

    code = "permanent"

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} has no public address, and the operator of this preset did not allow it")


def networks_of(allowed: Sequence[str]) -> tuple[Network, ...]:
    """Raises DefinitionError for what is no address and no network."""
    try:
        return tuple(ipaddress.ip_network(each) for each in allowed)
    except ValueError as error:
        raise DefinitionError(f"allow takes addresses and networks such as '10.0.0.0/8': {error}") from None


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    inner = _inner(address)
    if any(each in network for each in {address, inner} for network in allowed if each.version == network.version):
        return True
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def check_literal(host: str, allowed: Sequence[Network]) -> None:
    """Refuse a host that is an address itself; names are for the resolver. Raises PrivateAddressError."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return
    if not is_allowed(address, allowed):
        raise PrivateAddressError(host)


class PublicResolver(AbstractResolver):
    """Gives only addresses that may be connected to."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._inner, self._allowed = aiohttp.ThreadedResolver(), allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [each for each in found if is_allowed(ipaddress.ip_address(each["host"]), self._allowed)]
        if not public:
            raise PrivateAddressError(host)
        return public

    async def close(self) -> None:
        await self._inner.close()


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
