"""The SSRF guard: which addresses webhooks may reach. Asked when a URL is given, and again at every dial.

An address is refused unless it is public, and an IPv6 address that carries an IPv4 one (mapped, compatible,
translated, NAT64, 6to4) is taken for what it carries. Configured networks open what is not public; the
addresses at which clouds serve credentials open only to an entry for exactly that address.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, final
from urllib.parse import urlsplit

from relay.errors import InvalidFieldError
from relay.settings import Networks
from relay.webhooks.lookups import Lookups

LONGEST_URL: Final = 2000
"""Characters a URL may have."""
RESOLVE_TIMEOUT: Final = 3.0
"""Seconds the name of a new subscription's URL may take to resolve; it is checked again at every dial."""

LOOKUPS: Final = 32
"""Names of such URLs looked up at a time."""

METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google Cloud, OpenStack and others
        "169.254.170.2",  # AWS container credentials
        "169.254.170.23",  # AWS pod identity
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure's wire server
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS pod identity
        "fd20:ce::254",  # Google Cloud
    )
)
"""Where clouds serve instance credentials: no broad entry opens these."""

_NOT_PUBLIC: Final = tuple(
    ip_network(text)
    for text in (  # what `is_global` lets through although no endpoint is there
        "0.0.0.0/8",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "64:ff9b:1::/48",  # NAT64 of one's own network: where it leads cannot be told
        "2001::/23",  # Teredo among others
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
        "ff00::/8",
    )
)
_CARRYING: Final = (
    IPv6Network("64:ff9b::/96"),  # NAT64
    IPv6Network("::/96"),  # compatible
    IPv6Network("::ffff:0:0:0/96"),  # translated (RFC 2765)
)
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"(?!.{{254}})(?:{_LABEL}\.)*(?![0-9]+\.?$){_LABEL}\.?", re.ASCII)
_OLD_FORM: Final = re.compile(r"0[xX][0-9a-fA-F.xX]*|[0-9][0-9a-fA-F.xX]*", re.ASCII)

AnyAddress = IPv4Address | IPv6Address


class BlockedAddressError(PermissionError):
    """A webhook was about to reach an address it may not."""

    def __init__(self, address: object) -> None:
        super().__init__(f"webhooks may not reach {address}")


def carried(address: AnyAddress) -> AnyAddress:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself without its zone."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if int(address) > 1 and _within(address, _CARRYING):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return IPv6Address(int(address))


def literal(host: str) -> AnyAddress | None:
    """Return the address a URL's host spells out, in any form a resolver would take; None for a name.

    ``127.1``, ``0x7f.1``, ``017700000001`` and ``2130706433`` all are 127.0.0.1.
    """
    try:
        return ip_address(host)
    except ValueError:
        pass
    if not _OLD_FORM.fullmatch(host):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


@final
class Guard:
    """Decides about addresses; `allow` are the networks opened although they are not public."""

    def __init__(self, allow: Networks = ()) -> None:
        self._allow = allow
        self._lookups = Lookups(LOOKUPS)

    def __repr__(self) -> str:
        return f"Guard(allow={', '.join(map(str, self._allow)) or 'public addresses only'})"

    def permits(self, address: AnyAddress) -> bool:
        """Tell whether webhooks may reach the address."""
        meant = carried(address)
        if METADATA & {address, meant}:
            return any(
                network.num_addresses == 1 and network.network_address in (address, meant)
                for network in self._allow
            )
        return _within(address, self._allow) or _within(meant, self._allow) or _public(meant)

    def check_address(self, host: str) -> None:
        """Check an address that is about to be dialled.

        Raises:
            BlockedAddressError: webhooks may not reach it.

        """
        address = literal(host)
        if address is None or not self.permits(address):
            raise BlockedAddressError(host)

    async def check_url(self, url: str) -> None:
        """Check a URL that is to become a subscription's; a name that does not resolve now is let through.

        Raises:
            InvalidFieldError: ``url`` is malformed, or leads where webhooks may not go.

        """
        host = _host(url)
        address = literal(host)
        found = {address} if address is not None else await self._resolve(host)
        if not all(self.permits(one) for one in found):
            raise InvalidFieldError("url", "must lead to a public address")
        if isinstance(address, IPv4Address) and host != str(address):
            raise InvalidFieldError("url", f"must spell the address {address} so")

    async def opens(self, url: str) -> bool:
        """Tell whether a URL leads to configured networks alone; not so where its name does not resolve.

        Raises:
            InvalidFieldError: ``url`` is malformed.

        """
        host = _host(url)
        address = literal(host)
        found = {address} if address is not None else await self._resolve(host)
        return bool(found) and all(
            _within(one, self._allow) or _within(carried(one), self._allow) for one in found
        )

    async def _resolve(self, host: str) -> set[AnyAddress]:
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT):
                found = await self._lookups.addresses(host, 0)
        except (OSError, UnicodeError):  # a timeout too
            return set()
        return {ip_address(one.where[0]) for one in found}


def _within(address: AnyAddress, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _public(address: AnyAddress) -> bool:
    return address.is_global and not _within(address, _NOT_PUBLIC)


def _host(url: str) -> str:
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidFieldError("url", f"must be at most {LONGEST_URL} printable ASCII characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidFieldError("url", f"must be a URL ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidFieldError("url", "must be a URL that begins with https:// or http://")
    if "@" in parts.netloc:
        raise InvalidFieldError("url", "must not hold a user name or password; use a custom header")
    if parts.fragment:
        raise InvalidFieldError("url", "must not have a fragment")
    if parts.port == 0:
        raise InvalidFieldError("url", "must not name port 0")
    _check_host(parts.hostname, parts.netloc.lower())
    return parts.hostname


def _check_host(host: str, netloc: str) -> None:
    spelled = f"[{host}]" if ":" in host else host  # parsers pass over what stands around brackets
    well = netloc.startswith(spelled) and netloc[len(spelled) :].partition(":")[0] == ""
    if not well or "%" in host or (literal(host) is None and not _NAME.fullmatch(host)):
        raise InvalidFieldError("url", "must name a host as DNS does, or an address")
