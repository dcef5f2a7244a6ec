"""Where this server may be sent by its clients: to the public internet, and nowhere else unless a setting allows it.

An address is checked when a connection is made to it and not before, so that no name can change its mind in between.
"""

from __future__ import annotations

import asyncio
import re
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from pipelines.errors import ValidationError

RESOLVE_S = 2.0
LONGEST_URL = 2000
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_GLOBAL = IPv6Network("2000::/3")  # RFC 4291 §2.4: what is routed in public; no other way to write IPv4 is in it
_OURSELVES = re.compile(r"(.+\.)?localhost", re.IGNORECASE)  # RFC 6761 §6.3: whatever a resolver says


class PrivateDestination(OSError):
    """A name leads to an address that clients may not send us to."""


def is_public(text: str) -> bool:
    """May a client send us to this address? Looks through the ways to write IPv4 as IPv6."""
    address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None or (inner is None and address not in _GLOBAL):
            return False
        address = inner or address
    return address.is_global and not address.is_multicast


class Destinations(AbstractResolver):
    """Implements aiohttp's resolver: what it returns is what is connected to."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._system: ThreadedResolver | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises PrivateDestination, OSError."""
        self._system = self._system or ThreadedResolver()
        found = await self._system.resolve(host, port, family)
        if not self._allow_private and not all(is_public(result["host"]) for result in found):
            raise PrivateDestination("not a public address")
        return found

    async def close(self) -> None:
        """The system's resolver keeps nothing."""

    def literal_refused(self, host: str) -> bool:
        """Is this an address (which nobody resolves) or a name of ourselves, and one that is not allowed?"""
        host = host.rstrip(".")
        try:
            return not self._allow_private and (_OURSELVES.fullmatch(host) is not None or not is_public(host))
        except ValueError:
            return False

    async def check(self, url: str) -> None:
        """A destination as a client names it; a name that does not resolve now may later. Raises ValidationError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _refused("not a URL") from error
        host = parts.hostname or ""
        escaped = "%" in host and ":" not in host  # in an IPv6 address it begins a zone
        writable = url.isprintable() and " " not in url and not escaped
        if parts.scheme not in ("http", "https") or not host or len(url) > LONGEST_URL or not writable:
            raise _refused("must be an http or https URL")
        if parts.username is not None or parts.password is not None:
            raise _refused("must not contain a user name or password")
        if self.literal_refused(host):
            raise _refused("must be a public address")
        try:
            async with asyncio.timeout(RESOLVE_S):
                await self.resolve(host, port or 0, socket.AF_UNSPEC)
        except PrivateDestination as error:
            raise _refused("must lead to a public address") from error
        except (OSError, UnicodeError, TimeoutError):
            return


def _refused(reason: str) -> ValidationError:
    return ValidationError("Invalid input data", (("url", reason),))
