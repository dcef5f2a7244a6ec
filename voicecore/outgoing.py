"""What a conversation says, in the dialect of its line: the outlet of one call (see `pipelines/outlet.py`).

It encodes, and counts what it sent. When and whether to speak is the conversation's business, a slow peer the socket's.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.audio import AudioFormat
from voicecore.sockets import MediaSocket
from voicecore.transports.messages import Dialect


class Outgoing:
    """One connection's."""

    __slots__ = ("_dialect", "_socket", "messages", "overheard")

    def __init__(self, socket: MediaSocket, dialect: Dialect) -> None:
        self._socket = socket
        self._dialect = dialect
        self.messages = 0  # of audio
        self.overheard: Callable[[str, str], None] = _nobody  # gets each text, too

    @property
    def audio_format(self) -> AudioFormat:
        return self._dialect.outbound

    @property
    def has_marks(self) -> bool:
        return self._dialect.has_marks

    def send_audio(self, audio: bytes) -> None:
        self.messages += 1
        self._socket.send(self._dialect.audio(audio))

    def send_mark(self, name: str) -> None:
        self._socket.send(self._dialect.mark(name))

    def send_clear(self) -> bool:
        return self.send_if(self._dialect.clear())

    def send_transcript(self, role: str, text: str) -> None:
        self.send_if(self._dialect.transcript(role, text))
        self.overheard(role, text)

    def hang_up(self) -> None:
        self._socket.close(1000)

    def send_if(self, data: bytes | None) -> bool:
        """A message that the dialect may not have. False: it has none."""
        if data is None:
            return False
        self._socket.send(data)
        return True


def _nobody(role: str, text: str) -> None:
    pass
