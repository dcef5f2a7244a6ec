"""The way out of a conversation: what every telephony dialect can do for it, synchronously.

Whoever implements this owns the socket: it encodes once, writes without blocking and ends the call
when the peer does not take what it is sent.
"""

from __future__ import annotations

from typing import Protocol

from pipelines.audio import AudioFormat


class Outlet(Protocol):
    @property
    def audio_format(self) -> AudioFormat:
        """What `send_audio` takes."""
        ...

    @property
    def has_marks(self) -> bool:
        """True: a mark comes back (through `Conversation.mark_returned`) when what precedes it was played."""
        ...

    def send_audio(self, audio: bytes) -> None: ...

    def send_mark(self, name: str) -> None: ...

    def send_clear(self) -> bool:
        """Forget what was sent and not played yet. False where the dialect has no such thing: all of it is heard."""
        ...

    def send_transcript(self, role: str, text: str) -> None:
        """Show a text to a listener ("customer" or "agent"). A no-op where the dialect has no such thing."""
        ...

    def hang_up(self) -> None:
        """End the call in good order."""
        ...
