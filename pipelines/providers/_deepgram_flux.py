"""Deepgram's turn-based transcription (`/v2/listen`, the Flux models): its frames, and the turns it hears.

Protocol: https://developers.deepgram.com/docs/flux/state. Every TurnInfo carries the text of the whole turn so far and
how much of the audio it covers. Pure: it knows no connection.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pipelines.abilities import TurnEvent, TurnSign
from pipelines.errors import StageError
from pipelines.providers._stream_text import EDGE_S, Piece, StreamText
from pipelines.stages import Word

FORCE_END_TURN = '{"type":"ForceEndTurn"}'
STEP_S = 0.08  # the model hears in steps of this: what does not fill one is not transcribed yet
UPDATE_S = 0.25  # at the latest so much audio after the one before there is an Update
# An Update may still lack the last word of what it covers; with so much heard beyond it, it does not. The text of an
# EagerEndOfTurn is settled: it is the one of the EndOfTurn, or a TurnResumed comes first.
SETTLED_S = 0.24

EVENTS = {
    "EagerEndOfTurn": TurnEvent.EAGER_END,
    "TurnResumed": TurnEvent.RESUMED,
    "EndOfTurn": TurnEvent.END,
}


class _Word(msgspec.Struct):
    word: str
    confidence: float
    start: float | None = None
    end: float | None = None


class _TurnInfo(msgspec.Struct):
    event: str
    turn_index: int
    audio_window_start: float
    audio_window_end: float
    transcript: str
    words: list[_Word]
    end_of_turn_confidence: float
    languages: list[str] | None = None


class _Error(msgspec.Struct):
    code: str = ""
    description: str = ""


_turn_info = msgspec.json.Decoder(_TurnInfo)
_error = msgspec.json.Decoder(_Error)


class Flux:
    """One stream's. Positions are seconds of audio since its beginning."""

    path = "/v2/listen"

    def __init__(self, text: StreamText, silence: Callable[[float], bytes], told: Callable[[TurnSign], None]) -> None:
        self._text = text
        self._silence = silence
        self._told = told
        self._covered_s = 0.0  # heard up to here
        self._sure_s = -1.0  # up to here the text is settled
        self._in_turn = False
        self._padded_s = -1.0  # the position for which silence was sent

    def heard(self, kind: str, frame: str) -> None:
        """Raises StageError for an error frame and msgspec errors for frames that are not as documented."""
        if kind == "Error":
            error = _error.decode(frame)
            message = f"{error.code}: {error.description}"[:200]
            raise StageError(" ".join(message.split()), stage="stt", provider="deepgram")
        if kind != "TurnInfo":
            return  # Connected, Warning, ConfigureSuccess and what is new
        info = _turn_info.decode(frame)
        self._covered_s = max(self._covered_s, info.audio_window_end)
        self._in_turn = info.event != "EndOfTurn" and (self._in_turn or info.event == "StartOfTurn")
        if event := EVENTS.get(info.event):
            self._sure_s = -1.0 if event is TurnEvent.RESUMED else info.audio_window_end
        piece = _piece(info)
        if info.event == "EndOfTurn":
            self._text.settle(piece)
        else:
            self._text.suppose(piece)
        if event and info.audio_window_end > self._text.begun_s + EDGE_S:
            self._told(TurnSign(event, min(max(info.end_of_turn_confidence, 0.0), 1.0)))

    def cut(self, at_s: float) -> str | None:
        """What to send so that audio from before this position and audio from after share no turn."""
        return FORCE_END_TURN if self._in_turn else None

    def ask(self, at_s: float) -> str | None:
        """Nothing: an end of turn that is forced is one that cannot be heard."""
        return None

    def answered(self, at_s: float) -> bool:
        return self._sure_s > at_s - STEP_S - EDGE_S or self._covered_s >= at_s + SETTLED_S

    def overdue(self, at_s: float) -> bytes | None:
        """Nothing has come for a while: no more audio does, so silence has to push the rest through."""
        if self._padded_s == at_s:
            return None
        self._padded_s = at_s
        return self._silence(SETTLED_S + UPDATE_S + 2 * STEP_S)


def _piece(info: _TurnInfo) -> Piece:
    start_s, end_s = info.audio_window_start, info.audio_window_end
    words = tuple(
        Word(
            word.word,
            (start_s if word.start is None else word.start) * 1000,
            (end_s if word.end is None else word.end) * 1000,
            word.confidence,
        )
        for word in info.words
    )
    sure = [word.confidence for word in info.words]
    language = info.languages[0] if info.languages else None
    return Piece(end_s, info.transcript.strip(), words, sum(sure) / len(sure) if sure else None, language)
