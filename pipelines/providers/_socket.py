"""A provider's WebSocket: what is to be sent waits in a bounded queue, what comes is handed on, its end is one error.

It knows frames and close codes (RFC 6455), no provider's messages, and it has no deadlines: who waits has them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from pipelines.errors import Remedy, StageError
from pipelines.providers._refusals import SHOWN, refused

MOST_WAITING = 6000  # frames: two minutes of audio in pieces of 20 ms; a peer that is so far behind is gone
FAREWELL_S = 0.02  # for the peer's half of the closing handshake: nobody waits for it
HEARTBEAT_S = 15.0  # between pings; a connection that is open on our side only is found out after 1.5 of them
LARGEST_BYTES = 4 * 1024 * 1024
POLICY = 1008  # close code: what we sent is not acceptable, and will not be the next time

Told = Callable[[str, str], None]


class _Kind(msgspec.Struct):
    type: str = ""


_kind_of = msgspec.json.Decoder(_Kind)


class ProviderSocket:
    """`start` it, `await opened()` where somebody waits, `send` as you like, `close` it. Belongs to one event loop.

    `told(kind, frame)` gets every text frame with the value of its "type"; a StageError or a msgspec error out of it
    ends the connection. `ended` is called once, when the connection has failed and `failed` says why.
    `alive`, with a period: what to send when nothing else was sent meanwhile (so at the latest after two periods).
    `complaint`: the header in which a refused handshake says why.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        headers: Mapping[str, str],
        query: list[tuple[str, str]],
        stage: str,
        provider: str,
        told: Told,
        ended: Callable[[], None],
        alive: tuple[float, Callable[[], str | bytes]] | None = None,
        complaint: str = "",
    ) -> None:
        self._session = session
        self._url = url
        self._headers = headers
        self._query = query
        self._stage = stage
        self._provider = provider
        self._told = told
        self._ended = ended
        self._alive = alive
        self._complaint = complaint
        self._waiting: deque[str | bytes] = deque()
        self._woken = asyncio.Event()
        self._open = asyncio.Event()  # or failed
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = True
        self.failed: StageError | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def opened(self) -> None:
        """Until the handshake is done. Raises StageError. Cancelling it does no harm to others who wait."""
        await self._open.wait()
        if self.failed is not None:
            raise self.failed

    def send(self, data: str | bytes) -> None:
        """In order, also while the handshake is still under way. Without effect after the end."""
        if self.failed is not None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._fail(self._error("takes nothing any more"))
            if self._task is not None:
                self._task.cancel()
            return
        self._quiet = False
        self._waiting.append(data)
        self._woken.set()

    def abandon(self) -> None:
        """Ends it; `close` waits until that is done."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # --- the connection -----------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            async with self._session.ws_connect(
                self._url,
                headers=self._headers,
                params=self._query,
                heartbeat=HEARTBEAT_S,
                max_msg_size=LARGEST_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=FAREWELL_S),
            ) as ws:
                self._open.set()
                self._keep_alive()
                sender = asyncio.create_task(self._send_all(ws))
                try:
                    await self._read_all(ws)
                finally:
                    sender.cancel()
                    await asyncio.gather(sender, return_exceptions=True)
        except StageError as error:
            self._fail(error)
        except aiohttp.WSServerHandshakeError as error:
            headers: Mapping[str, str] = error.headers or {}
            message = headers.get(self._complaint) or error.message
            self._fail(refused(error.status, headers, message, stage=self._stage, provider=self._provider))
        except (aiohttp.ClientError, OSError) as error:
            self._fail(self._error(f"no connection ({type(error).__name__})"))
        finally:
            self._fail(self._error("the connection was ended"))

    async def _send_all(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """A connection that breaks here ends in the reader."""
        while True:
            while self._waiting:
                data = self._waiting.popleft()
                await (ws.send_str(data) if isinstance(data, str) else ws.send_bytes(data))
            self._woken.clear()
            await self._woken.wait()

    async def _read_all(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Raises StageError: at the end, and at whatever is not what the protocol says."""
        while True:
            message = await ws.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                self._hear(message.data)
            elif message.type is aiohttp.WSMsgType.CLOSE:
                raise self._closed(message.data, message.extra)
            elif message.type is aiohttp.WSMsgType.ERROR:
                raise self._error(f"the connection broke ({type(message.data).__name__})")
            elif message.type in (aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
                raise self._error("the connection broke")

    def _hear(self, frame: str) -> None:
        kind = "text"
        try:
            kind = _kind_of.decode(frame).type[:SHOWN] or "untyped"
            self._told(kind, frame)
        except msgspec.MsgspecError as error:
            raise self._error(f"malformed {kind} frame") from error

    def _closed(self, code: Any, reason: Any) -> StageError:
        text = " ".join(str(reason or "").split())[:SHOWN]
        return self._error(
            f"closed the connection ({code}{': ' if text else ''}{text})",
            Remedy.SWITCH if code == POLICY else Remedy.RETRY,
        )

    def _error(self, message: str, remedy: Remedy = Remedy.RETRY) -> StageError:
        return StageError(message, stage=self._stage, provider=self._provider, remedy=remedy)

    def _fail(self, error: StageError) -> None:
        if self.failed is not None:
            return
        self.failed = error
        self._stop()
        self._open.set()
        self._ended()

    def _stop(self) -> None:
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _keep_alive(self) -> None:
        if self._alive is None:
            return
        period_s, message = self._alive
        if self._quiet:
            self.send(message())
        self._quiet = True
        self._timer = asyncio.get_running_loop().call_later(period_s, self._keep_alive)
