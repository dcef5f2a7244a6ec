"""The SDK's requests over the pool of connections that all providers share.

The SDK speaks to any `httpx2` transport; this one is `aiohttp`: one pool, one TLS context, half the time per piece of a
stream, and a connection that is closed the moment a stream is left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import httpx2
from yarl import URL

from pipelines.connections import Connections


class PoolTransport(httpx2.AsyncBaseTransport):
    """Times nothing out: who waits decides for how long. The pool belongs to whoever gives it."""

    def __init__(self, pool: Connections) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises httpx2.ConnectError."""
        body = await request.aread()
        try:
            response = await self._pool.session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name, value) for name, value in request.headers.multi_items() if name != "content-length"],
                data=body or None,
                allow_redirects=False,
                auto_decompress=False,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ConnectError(type(error).__name__) from error
        return httpx2.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Body(response),
            extensions={"http_version": b"HTTP/1.1"},
        )


class _Body(httpx2.AsyncByteStream):
    """Raises httpx2.ReadError when the other end goes away before the end."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(type(error).__name__) from error

    async def aclose(self) -> None:
        """A connection whose answer was read to the end is in the pool again, another one is closed."""
        self._response.close()
