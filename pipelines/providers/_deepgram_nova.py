"""Deepgram's streaming transcription (`/v1/listen`, the Nova models): its frames, and how a stream is flushed.

Protocol: https://developers.deepgram.com/reference/speech-to-text/listen-streaming and .../docs/finalize.
Pure: it knows no connection.
"""

from __future__ import annotations

import msgspec

from pipelines.errors import StageError
from pipelines.providers._stream_text import EDGE_S, Piece, StreamText
from pipelines.stages import Word

FINALIZE = '{"type":"Finalize"}'
KEEP_ALIVE = '{"type":"KeepAlive"}'
# "You may receive a response": the documentation promises one only for a noticeable amount of buffered audio, without
# saying how much that is. A rest shorter than this that stays unanswered is taken for silence.
UNNOTICED_S = 0.3


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float
    confidence: float
    punctuated_word: str | None = None


class _Alternative(msgspec.Struct):
    transcript: str
    confidence: float = 0.0
    words: list[_Word] = []
    languages: list[str] = []


class _Channel(msgspec.Struct):
    alternatives: list[_Alternative]


class _Results(msgspec.Struct):
    start: float
    duration: float
    channel: _Channel
    is_final: bool = False
    from_finalize: bool = False


class _Error(msgspec.Struct):
    description: str = ""
    variant: str = ""


_results = msgspec.json.Decoder(_Results)
_error = msgspec.json.Decoder(_Error)


class Nova:
    """One stream's. Positions are seconds of audio since its beginning; they are compared with the ones in results."""

    path = "/v1/listen"

    def __init__(self, text: StreamText) -> None:
        self._text = text
        self._settled_s = 0.0  # everything before is final
        self._asked: list[float] = []  # positions of the flushes that are not answered

    def heard(self, kind: str, frame: str) -> None:
        """Raises StageError for an error frame and msgspec errors for frames that are not as documented."""
        if kind == "Error":
            error = _error.decode(frame)
            message = f"{error.variant}: {error.description}"[:200]
            raise StageError(" ".join(message.split()), stage="stt", provider="deepgram")
        if kind != "Results":
            return  # Metadata, SpeechStarted, UtteranceEnd and what is new
        results = _results.decode(frame)
        end_s = results.start + results.duration
        piece = _piece(results, end_s)
        if not results.is_final:
            self._text.suppose(piece)
            return
        self._settled_s = end_s
        self._text.settle(piece)
        left = [at_s for at_s in self._asked if at_s > end_s + EDGE_S]
        if results.from_finalize and len(left) == len(self._asked):
            left = left[1:]  # its position is not quite ours: answers come in the order of the questions
        self._asked = left

    def cut(self, at_s: float) -> str | None:
        """What to send so that audio from before this position and audio from after share no result."""
        return self.ask(at_s) if self._settled_s < at_s - EDGE_S else None

    def ask(self, at_s: float) -> str | None:
        """What to send for the text of everything up to this position; None when it was asked for already."""
        if self._settled_s >= at_s - EDGE_S or at_s in self._asked:
            return None
        self._asked.append(at_s)
        return FINALIZE

    def answered(self, at_s: float) -> bool:
        return at_s not in self._asked

    def overdue(self, at_s: float) -> bytes | None:
        """Nothing has come for a while."""
        if at_s - self._settled_s < UNNOTICED_S:
            self._asked = [asked_s for asked_s in self._asked if asked_s != at_s]
        return None


def _piece(results: _Results, end_s: float) -> Piece:
    if not results.channel.alternatives:
        return Piece(end_s, "")
    best = results.channel.alternatives[0]
    words = tuple(
        Word(word.punctuated_word or word.word, word.start * 1000, word.end * 1000, word.confidence)
        for word in best.words
    )
    language = best.languages[0] if best.languages else None
    return Piece(end_s, best.transcript.strip(), words, best.confidence if words else None, language)
