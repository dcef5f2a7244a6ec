"""One pool of connections for every provider of a process, with one TLS context: a request finds a warm socket.

It belongs to an event loop, opens with the first engine that takes it and closes with the last that gives it back.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import ClassVar
from weakref import WeakKeyDictionary

import aiohttp

KEEP_ALIVE_S = 75.0  # longer than the pause between two turns, shorter than the idle limit of common front ends
CONNECT_S = 3.0


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Loading the certificates of the system costs some 10 to 30 ms: once."""
    return ssl.create_default_context()


class Connections:
    """The pool of one event loop. `take` it in an engine's factory, `give_back` in its `close`."""

    _of: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Connections]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._takers = 0
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def take(cls) -> Connections:
        pool = cls._of.setdefault(asyncio.get_running_loop(), cls())
        pool._takers += 1
        return pool

    @property
    def session(self) -> aiohttp.ClientSession:
        """No limit on sockets (callers wait for nobody), no total timeout: deadlines belong to who waits."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=tls_context(), limit=0, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=300
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                auto_decompress=True,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def give_back(self) -> None:
        self._takers -= 1
        if self._takers == 0 and self._session is not None:
            session, self._session = self._session, None
            await session.close()
