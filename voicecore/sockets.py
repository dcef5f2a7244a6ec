"""One media socket: frames to messages inward, bytes to frames outward, and what a bad or slow peer gets.

Everything that leaves goes through here, without blocking; a peer that takes nothing for the send timeout
is cut off. It knows no call: a `Peer` gets the messages.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSCloseHandshake

from pipelines.errors import AudioFormatError, MessageTooLarge, ProtocolError, VoicecoreError

# What the system and we buffer of one peer's audio: about two seconds of base64 mu-law. With the megabytes that
# a loopback or a fast link is given otherwise, a peer that stopped reading would be noticed minutes later.
SYSTEM_BUFFER_BYTES = 32 * 1024
HIGH_WATER_BYTES = 16 * 1024
CLOSE_TIMEOUT_S = 2.0  # for the peer's half of the closing handshake
BACKLOG_LIMIT = 1 << 20  # bytes unsent: two minutes of telephone audio that nobody takes


_TEXT = WSMsgType.TEXT


class Peer(Protocol):
    """Who listens to a socket. Called synchronously from the receive callback."""

    def message(self, data: bytes) -> None:
        """One whole text message."""
        ...

    def broken(self, error: VoicecoreError) -> None:
        """The peer violated the protocol beyond repair; the socket is being closed."""
        ...

    def stuck(self) -> None:
        """The peer took nothing for the send timeout; the socket was cut."""
        ...

    def gone(self) -> None:
        """The socket is closed, whoever closed it. Called exactly once, last."""
        ...


class MediaSocket(WSListener):
    """The listener of one connection. `connect` makes its peer once the handshake is done."""

    __slots__ = (
        "_close_timer",
        "_closing",
        "_connect",
        "_fragments",
        "_limit",
        "_message",
        "_peer",
        "_send_timeout_s",
        "_stuck_timer",
        "_transport",
        "worst_backlog_bytes",
    )

    def __init__(self, connect: Callable[[MediaSocket], Peer], max_message_bytes: int, send_timeout_s: float) -> None:
        self._connect = connect
        self._limit = max_message_bytes
        self._send_timeout_s = send_timeout_s
        self._peer: Peer | None = None
        self._message: Callable[[bytes], None]  # the peer's
        self._transport: WSTransport | None = None
        self._fragments = bytearray()
        self._stuck_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._closing = False
        self.worst_backlog_bytes = 0

    # --- from picows --------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        below = transport.underlying_transport
        below.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BUFFER_BYTES)
        below.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._peer = peer = self._connect(self)
        self._message = peer.message

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind, peer = frame.msg_type, self._peer
        handshake: WSCloseHandshake | None = transport.close_handshake
        if self._closing or peer is None or (handshake is not None and self._refused_by_parser(transport)):
            if kind is WSMsgType.CLOSE:
                transport.disconnect()
            return
        if kind is _TEXT:
            if frame.fin:
                self._message(frame.get_payload_as_bytes())
            else:
                self._fragment(frame)
        elif kind is WSMsgType.CONTINUATION:
            self._fragment(frame)
        elif kind is WSMsgType.BINARY:
            self._break(AudioFormatError("a binary message where only text is spoken"))
        elif kind is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        for timer in (self._stuck_timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        self._stuck_timer = self._close_timer = None
        if not self._closing:
            self._refused_by_parser(transport)
        peer, self._peer = self._peer, None
        self._transport = None
        if peer is not None:
            peer.gone()

    def pause_writing(self) -> None:
        if self._stuck_timer is None:
            loop = asyncio.get_running_loop()
            self._stuck_timer = loop.call_later(self._send_timeout_s, self._cut)

    def resume_writing(self) -> None:
        if self._stuck_timer is not None:
            self._stuck_timer.cancel()
            self._stuck_timer = None

    def _refused_by_parser(self, transport: WSTransport) -> bool:
        """Has picows itself begun to close, over an oversized or malformed frame? It reads on for a moment then."""
        handshake: WSCloseHandshake | None = transport.close_handshake
        if handshake is None or handshake.sent is None or handshake.recv_then_sent:
            return False
        self._closing = True
        reason = handshake.sent.reason or "a malformed frame"
        # A plain number, whatever the stubs say.
        too_big = cast(int, handshake.sent.code) == WSCloseCode.MESSAGE_TOO_BIG.value
        if self._peer is not None:
            self._peer.broken(MessageTooLarge(reason) if too_big else ProtocolError(reason))
        return True

    def hand_over(self, peer: Peer) -> None:
        """From now on somebody else gets the messages; nothing to the one before, not even that it is gone."""
        self._peer = peer
        self._message = peer.message

    # --- outward ------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send one text message; dropped when the socket is closing or gone."""
        transport = self._transport
        if transport is None or self._closing:
            return
        transport.send(_TEXT, data)
        if (backlog := transport.underlying_transport.get_write_buffer_size()) > self.worst_backlog_bytes:
            self.worst_backlog_bytes = backlog
            if backlog > BACKLOG_LIMIT:
                self._cut()

    def close(self, code: int, reason: str = "") -> None:
        """Close in good order; cut after a while when the peer does not answer."""
        if self._closing or self._transport is None:
            return
        self._closing = True
        # A control frame's payload is at most 125 bytes, two of them the code (RFC 6455 §5.5).
        self._transport.send_close(_close_code(code), reason.encode()[:120].decode(errors="ignore").encode())
        self._close_timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._abort)

    # --- inside -------------------------------------------------------------------------------------

    def _fragment(self, frame: WSFrame) -> None:
        assert self._peer is not None
        self._fragments += frame.get_payload_as_bytes()
        if len(self._fragments) > self._limit:
            self._break(MessageTooLarge(f"a message of more than {self._limit} bytes"))
        elif frame.fin:
            whole, self._fragments = bytes(self._fragments), bytearray()
            self._message(whole)

    def _break(self, error: VoicecoreError) -> None:
        if self._peer is not None:
            self._peer.broken(error)
        self.close(error.close_code, error.message)

    def _cut(self) -> None:
        if self._peer is not None:
            self._peer.stuck()
        self._abort()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.underlying_transport.abort()


def _close_code(code: int) -> WSCloseCode:
    try:
        return WSCloseCode(code)
    except ValueError as error:
        raise ProtocolError(f"no close code {code}") from error
