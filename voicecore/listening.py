"""A client that reads along in somebody else's call: transcript out, nothing in.

It took over the socket of a connection that had proven who it is; it holds no line.
"""

from __future__ import annotations

from pipelines.errors import PermissionDenied, VoicecoreError
from voicecore.live import LiveCalls
from voicecore.sockets import MediaSocket
from voicecore.transports.messages import Audio, Dialect, Dtmf, Stopped


class ListeningPeer:
    """Peer of a socket, and listener of a call."""

    def __init__(self, socket: MediaSocket, dialect: Dialect, live: LiveCalls, call_id: str) -> None:
        self._socket = socket
        self._dialect = dialect
        self._live = live
        self._call_id = call_id
        self._told = False  # that nobody hears him

    def begin(self, call_sid: str) -> None:
        """Raises Overloaded."""
        self._live.listen(self._call_id, self)
        self._send(self._dialect.connected(call_sid))
        self._socket.hand_over(self)

    # --- from the call ------------------------------------------------------------------------------

    def said(self, role: str, text: str) -> None:
        self._send(self._dialect.transcript(role, text))

    def over(self) -> None:
        self._socket.close(1000, "the call is over")

    # --- from the client ----------------------------------------------------------------------------

    def message(self, data: bytes) -> None:
        try:
            inbound = self._dialect.receive(data)
        except VoicecoreError as error:
            self._send(self._dialect.error(error.code, error.message))
            return
        if type(inbound) is Stopped:
            self._socket.close(1000)
        elif type(inbound) in (Audio, Dtmf) and not self._told:
            self._told = True
            message = "this connection listens to a running call; what it sends is not heard"
            self._send(self._dialect.error(PermissionDenied.code, message))

    def broken(self, error: VoicecoreError) -> None:
        """The socket closes itself; `gone` follows."""

    def stuck(self) -> None:
        """As `broken`."""

    def gone(self) -> None:
        self._live.unlisten(self._call_id, self)

    def _send(self, data: bytes | None) -> None:
        if data is not None:
            self._socket.send(data)
