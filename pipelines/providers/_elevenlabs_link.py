"""One WebSocket to ElevenLabs, as its client: messages out at once, messages in by callback, failures as StageError.

What is sent before it is open waits for it, so nobody else has to. It knows the messages of neither stage.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import msgspec
from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSParsedURL,
    WSTransport,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # missing in the package's stubs
from picows.url import parse_url

from pipelines.connections import tls_context
from pipelines.errors import Remedy, StageError
from pipelines.providers._refusals import SHOWN, refused
from pipelines.secrets import Secret

LARGEST_MESSAGE = 8 * 1024 * 1024
OPEN_S = 5.0  # others may be waiting for the same connection: it does not stay half open
SILENT_S = 10.0  # without a sign of life from the other end before it is asked for one
DEAD_S = 5.0  # without an answer to that
FAREWELL_S = 1.0  # for what is written to reach the other end

# Error names of https://elevenlabs.io/docs/eleven-api/resources/errors and of the realtime event reference: what stays
# as it is when asked again, and what is over in a moment although its close code (1008) says otherwise.
LASTING = frozenset(
    {"auth_error", "chunk_size_exceeded", "input_error", "invalid_api_key", "invalid_request", "quota_exceeded"}
    | {"rate_limited", "too_many_concurrent_requests", "unaccepted_terms", "voice_not_found"}
)
PASSING = frozenset({"commit_throttled", "insufficient_audio_activity", "max_active_conversations", "system_busy"})

_log = logging.getLogger("pipelines.providers.elevenlabs")
_log.setLevel(logging.CRITICAL)  # picows logs every connection; failures reach us as exceptions and callbacks


class Account(msgspec.Struct, frozen=True):
    """Whose stage this is, and how its failures are told."""

    stage: str
    base_url: str
    key: Secret

    def failed(self, message: str, remedy: Remedy = Remedy.RETRY) -> StageError:
        return StageError(self.clean(message), stage=self.stage, provider="elevenlabs", remedy=remedy)

    def told(self, kind: str, message: str, code: int | None) -> StageError:
        """The error for one that the provider named. `code`: of RFC 6455 §7.4, with which it then closes."""
        lasting = kind in LASTING or (code == WSCloseCode.POLICY_VIOLATION.value and kind not in PASSING)
        return self.failed(f"{kind}: {message}", Remedy.SWITCH if lasting else Remedy.RETRY)

    def refused(self, status: int, headers: Mapping[str, str], message: str) -> StageError:
        return refused(status, headers, self.clean(message), stage=self.stage, provider="elevenlabs")

    def clean(self, message: str) -> str:
        """One line, and a key that the provider repeated is not repeated by us."""
        key = self.key.reveal()
        return " ".join((message.replace(key, "…") if key else message).split())[:SHOWN]


class Peer(Protocol):
    """Who a link belongs to."""

    def message(self, data: bytes) -> None: ...

    def lost(self, error: StageError) -> None:
        """It never opened, or it is gone. Told once, and never after `Link.close`."""
        ...


class Link(WSListener):
    """Opens by itself. `path` has its query."""

    def __init__(self, path: str, account: Account, peer: Peer) -> None:
        self._account = account
        self._peer: Peer | None = peer
        self._transport: WSTransport | None = None
        self._closing = False
        self._unsent: list[dict[str, Any]] = []
        self._parts = bytearray()
        url = account.base_url.rstrip("/").replace("http", "ws", 1) + path
        self._opening = asyncio.get_running_loop().create_task(self._open(url))

    async def _open(self, url: str) -> None:
        account = self._account
        try:
            async with asyncio.timeout(OPEN_S):
                await self._shake_hands(parse_url(url))
        except WSHandshakeError as error:
            if error.response is None:
                self._over(account.failed("not a WebSocket answer"))
            else:
                body = bytes(error.raw_body or b"").decode("utf-8", "replace")
                self._over(account.refused(int(error.response.status), error.response.headers, body))
        except (OSError, WSError, TimeoutError, ValueError) as error:  # a host's name may be no name
            self._over(account.failed(f"cannot connect: {type(error).__name__}"))

    async def _shake_hands(self, url: WSParsedURL) -> None:
        """As `picows.ws_connect` does, which leaves its connection behind when it is cancelled; without redirections:
        the key is for this host."""
        protocol = WSProtocol(
            url.netloc,
            url.resource_name,
            True,  # the client's side
            lambda: self,
            _log,
            True,  # an exception in a callback closes the connection
            OPEN_S,
            True,  # asks for a sign of life
            SILENT_S,
            DEAD_S,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            True,  # answers pings
            LARGEST_MESSAGE,
            {"xi-api-key": self._account.key.reveal()},
            16 * 1024,
        )
        loop = asyncio.get_running_loop()
        tls = tls_context() if url.is_secure else None
        transport, _ = await loop.create_connection(lambda: protocol, url.host, url.port, ssl=tls)
        try:
            await protocol.wait_until_handshake_complete()
        except BaseException:
            transport.abort()
            raise

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._closing

    @property
    def finished(self) -> bool:
        """Nothing of it is left."""
        return self._opening.done() and (self._transport is None or self._transport.is_disconnected)

    async def opened(self) -> None:
        """Returns when it is open or lost. Cancelling this does not stop the opening."""
        await asyncio.wait([self._opening])

    def send(self, message: dict[str, Any]) -> None:
        if self._transport is None:
            self._unsent.append(message)
        elif not self._closing:
            self._transport.send(WSMsgType.TEXT, msgspec.json.encode(message))

    def withdraw(self, unwanted: Callable[[dict[str, Any]], bool]) -> None:
        """Of what was not sent yet."""
        self._unsent = [message for message in self._unsent if not unwanted(message)]

    def close(self) -> None:
        """The peer hears no more of it."""
        self._peer = None
        if self._closing:
            return
        self._closing = True
        self._opening.cancel()
        if self._transport is not None:
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()

    async def closed(self) -> None:
        """After `close`: returns when nothing of it is left."""
        await asyncio.wait([self._opening])
        if self._transport is not None:
            try:
                async with asyncio.timeout(FAREWELL_S):
                    await self._transport.wait_disconnected()
            except TimeoutError:
                self._transport.disconnect(graceful=False)
            except WSError:
                pass  # the other end broke the protocol: it is gone all the same

    # --- from picows --------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        for message in self._unsent:
            self.send(message)
        self._unsent.clear()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._text(frame)
        elif kind is WSMsgType.BINARY:
            self._over(self._account.failed("a binary message where only text is spoken"))
        elif kind is WSMsgType.CLOSE:
            code = cast(int, frame.get_close_code())  # a plain number, whatever the stubs say
            self._over(self._account.told(f"closed with {code}", frame.get_close_reason() or "", code))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._over(self._account.failed("connection lost"))

    def _text(self, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        if not frame.fin or self._parts:
            self._parts += data
            if len(self._parts) > LARGEST_MESSAGE:
                self._over(self._account.failed("a message larger than any of the protocol"))
            if not frame.fin:
                return
            data = bytes(self._parts)
            self._parts.clear()
        if self._peer is not None:
            self._peer.message(data)

    def _over(self, error: StageError) -> None:
        peer = self._peer
        self.close()
        if peer is not None:
            peer.lost(error)
