"""Cartesia's streaming transcription (`/stt/websocket`, the Ink models): its frames, and how a stream is flushed.

Protocol: https://docs.cartesia.ai/api-reference/stt/websocket. Every "finalize" is acknowledged, in order, after the
text of the audio before it; so the acknowledgements tell which text belongs where. Pure: it knows no connection.
"""

from __future__ import annotations

import math

import msgspec

from pipelines.providers._refusals import refused
from pipelines.providers._stream_text import Piece, StreamText

FINALIZE = "finalize"


class _Transcript(msgspec.Struct):
    text: str
    is_final: bool
    language: str | None = None


class Failure(msgspec.Struct):
    """An "error" message of any of its sockets."""

    title: str = ""
    message: str = ""
    error: str = ""  # what the title and the message were called before 2026-03-01
    status_code: int = 500
    context_id: str | None = None

    @property
    def text(self) -> str:
        return self.error or ": ".join(part for part in (self.title, self.message) if part)


_transcript = msgspec.json.Decoder(_Transcript)
failure = msgspec.json.Decoder(Failure)


class Ink:
    """One stream's. A piece of text is of the audio before the oldest finalize that is not acknowledged."""

    def __init__(self, text: StreamText) -> None:
        self._text = text
        self._asked: list[float] = []  # positions of the finalizes that are not acknowledged
        self._asked_s = 0.0  # position of the newest

    def heard(self, kind: str, frame: str) -> None:
        """Raises StageError for an error message and msgspec errors for what is not as documented."""
        if kind == "error":
            error = failure.decode(frame)
            raise refused(error.status_code, {}, error.text, stage="stt", provider="cartesia")
        if kind == "flush_done":
            self._asked = self._asked[1:]
        elif kind == "transcript":
            message = _transcript.decode(frame)
            piece = Piece(self._asked[0] if self._asked else math.inf, message.text, language=message.language)
            if message.is_final:
                self._text.settle(piece)
            else:
                self._text.suppose(piece)

    def cut(self, at_s: float) -> str | None:
        """What to send so that text of before this position is told from text of after."""
        return self.ask(at_s)

    def ask(self, at_s: float) -> str | None:
        """What to send for the text of everything up to this position; None when it was asked for already."""
        if self._asked_s == at_s:
            return None
        self._asked_s = at_s
        self._asked.append(at_s)
        return FINALIZE

    def answered(self, at_s: float) -> bool:
        return at_s not in self._asked

    def overdue(self, at_s: float) -> None:
        """It acknowledges everything: nothing helps."""
