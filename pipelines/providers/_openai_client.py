"""One engine's client of the SDK, and what the SDK's and the server's failures mean for a call.

It retries nothing and times nothing out: both belong to who asked.
"""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI, AsyncStream

from pipelines.connections import KEEP_ALIVE_S, Connections, tls_context
from pipelines.errors import KeyRefused, Remedy, StageError
from pipelines.providers._openai_transport import PoolTransport
from pipelines.providers._refusals import SHOWN, refused
from pipelines.providers.openai import OpenaiOptions

PROVIDER = "openai"
NO_KEY = "none"  # the SDK insists on one
FRESH_S = KEEP_ALIVE_S / 2  # so long after its last use a connection is believed to be open

# Codes and types of errors that come inside a stream, after a status of 200, as the API reference has them.
_KEY = re.compile(r"api_key|authentication|permission")
_ANOTHERS_BUSINESS = re.compile(r"rate_limit|quota|billing|invalid_request")
_TRY_AGAIN = re.compile(r"try again in (?:(\d+)m(?!s))?\s*([\d.]+)\s*(ms|s)\b")


class OpenaiClient:
    """`sdk` sends over the shared pool. To be closed."""

    def __init__(self, stage: str, options: OpenaiOptions) -> None:
        self._stage = stage
        self._key = options.api_key.reveal()
        self._used_at: float | None = None  # a connection is in the pool since then
        self.pool = Connections.take()
        self.base_url = options.base_url.rstrip("/")
        self.sdk = AsyncOpenAI(
            api_key=self._key or NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            timeout=None,
            http_client=httpx2.AsyncClient(
                transport=PoolTransport(self.pool),
                timeout=None,
                headers={"Accept-Encoding": "identity"},  # compressed streams come in lumps
            ),
        )
        # Both come from the environment, which knows nothing of whose key this is.
        self.sdk.organization = self.sdk.project = None

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key or NO_KEY}"}

    async def warm(self) -> None:
        """Have an open connection in the pool. Raises StageError for a key that is refused or a server that is down."""
        if self._used_at is not None and time.monotonic() - self._used_at < FRESH_S:
            return
        with self.request():
            try:
                await self.sdk.get("/models", cast_to=httpx2.Response)
            except APIStatusError as error:
                if error.status_code not in (404, 405):  # servers of one stage may have no such list
                    raise

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around a request and all of its answer: raises what goes wrong as StageError."""
        self._used_at = None  # an answer that is left early takes its connection with it
        try:
            yield
        except APIStatusError as error:
            raise refused(
                error.status_code,
                error.response.headers,
                self.hidden(_message_of(error)),
                stage=self._stage,
                provider=PROVIDER,
            ) from error
        except (APIConnectionError, httpx2.HTTPError) as error:
            reason = error.__cause__ or error
            raise self.failure(f"the connection failed ({type(reason).__name__})") from error
        except APIError as error:
            raise self.told(error.code, error.type, error.message) from error
        except ValueError as error:  # of a JSON decoder
            raise self.failure("malformed answer") from error
        self._used_at = time.monotonic()

    def failure(self, message: str, remedy: Remedy = Remedy.RETRY, retry_after_s: float | None = None) -> StageError:
        return StageError(
            self.hidden(message), stage=self._stage, provider=PROVIDER, remedy=remedy, retry_after_s=retry_after_s
        )

    def told(self, code: object, kind: object, message: object) -> StageError:
        """The error for one that the server tells of in the middle of a stream or on a socket."""
        text = " ".join(str(message).split())[:SHOWN]
        again = _TRY_AGAIN.search(text)
        after_s = None
        if again:
            after_s = 60.0 * float(again[1] or 0) + float(again[2]) / (1000 if again[3] == "ms" else 1)
        if _KEY.search(f"{code} {kind}"):
            return KeyRefused(self.hidden(text), stage=self._stage, provider=PROVIDER, remedy=Remedy.SWITCH)
        hopeless = _ANOTHERS_BUSINESS.search(f"{code} {kind}")
        return self.failure(f"{code or kind}: {text}", Remedy.SWITCH if hopeless else Remedy.RETRY, after_s)

    def hidden(self, message: str) -> str:
        """Servers like to repeat the key that they refuse."""
        return message.replace(self._key, "…") if self._key else message

    async def close(self) -> None:
        await self.sdk.close()
        await self.pool.give_back()


@functools.cache
def rehearse() -> None:
    """Have everything loaded that the SDK loads at its first request, and the certificates: 0.3 s that a caller would
    wait for, and everybody else with him. To be called in a thread, once a process."""
    tls_context()
    asyncio.run(_ask_nobody())


async def _ask_nobody() -> None:
    async with AsyncOpenAI(api_key=NO_KEY, http_client=httpx2.AsyncClient(transport=_Nobody())) as sdk:
        async with await sdk.post("/", cast_to=object, body={}, stream=True, stream_cls=AsyncStream[object]) as stream:
            async for _ in stream:
                pass
        sound = ("speech.wav", b"", "audio/wav")
        async with sdk.audio.transcriptions.with_streaming_response.create(file=sound, model="none") as response:
            await response.read()
        async with sdk.audio.speech.with_streaming_response.create(input="", model="none", voice="none") as response:
            await response.read()


class _Nobody(httpx2.AsyncBaseTransport):
    """Answers at once, with an empty stream."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=_Done(), extensions={"http_version": b"HTTP/1.1"})


class _Done(httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"data: [DONE]\n\n"


def _message_of(error: APIStatusError) -> str:
    body: Any = error.body
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])
    return error.response.text[:SHOWN]
