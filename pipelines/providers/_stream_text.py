"""The text of one utterance out of a recogniser's endless stream, told apart by positions in the audio.

Results come late and in pieces; what belongs to audio from before the utterance is not part of it. Pure: it knows no
provider and no connection.
"""

from __future__ import annotations

import msgspec

from pipelines.errors import Remedy, StageError
from pipelines.stages import Transcript, Word

EDGE_S = 0.02  # positions are computed in floating point on both sides
BLUR_MS = 60.0  # times of words are as coarse as the steps of a recogniser; half a short word is longer
MOST_CHARACTERS = 50_000  # an hour of speech: more is a flood


class Piece(msgspec.Struct, frozen=True):
    """What was recognised of the audio up to a position in the stream; times of its words count from its beginning."""

    end_s: float
    text: str
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    language: str | None = None


class StreamText:
    """Settled pieces do not change any more; the guess is the newest opinion of what follows them. `joint` is what
    stands between two pieces."""

    def __init__(self, provider: str, joint: str = " ") -> None:
        self._provider = provider
        self._joint = joint
        self._settled: list[Piece] = []
        self._guess: Piece | None = None
        self._characters = 0
        self.begun_s = 0.0  # of the utterance

    def begin(self, at_s: float) -> None:
        """An utterance starts here."""
        self._settled.clear()
        self._guess = None
        self._characters = 0
        self.begun_s = at_s

    def settle(self, piece: Piece) -> None:
        """Raises StageError when there is more text than anybody can have said."""
        self._guess = None
        if (mine := self._mine(piece)) is None:
            return
        self._characters += len(mine.text)
        if self._characters > MOST_CHARACTERS:
            raise StageError("more text than can be said", stage="stt", provider=self._provider, remedy=Remedy.RETRY)
        self._settled.append(mine)

    def suppose(self, piece: Piece) -> None:
        self._guess = self._mine(piece)

    @property
    def text(self) -> str:
        return self._joint.join(piece.text for piece in self._pieces()).strip()

    def transcript(self) -> Transcript:
        pieces = self._pieces()
        words = tuple(word for piece in pieces for word in piece.words)
        sure = [piece.confidence for piece in pieces if piece.confidence is not None]
        return Transcript(
            self.text,
            words,
            language=next((piece.language for piece in pieces if piece.language), None),
            confidence=round(sum(sure) / len(sure), 4) if sure else None,
        )

    def _pieces(self) -> list[Piece]:
        return [*self._settled, self._guess] if self._guess is not None else self._settled

    def _mine(self, piece: Piece) -> Piece | None:
        """The part of it that is of this utterance, the times of its words counted from there; None without any."""
        if not piece.text or piece.end_s <= self.begun_s + EDGE_S:
            return None
        begun_ms = self.begun_s * 1000
        words = tuple(
            Word(word.text, max(word.start_ms - begun_ms, 0.0), max(word.end_ms - begun_ms, 0.0), word.confidence)
            for word in piece.words
            if (word.start_ms + word.end_ms) / 2 >= begun_ms - BLUR_MS
        )
        if len(words) == len(piece.words):
            return msgspec.structs.replace(piece, words=words)
        if not words:
            return None
        return msgspec.structs.replace(piece, text=" ".join(word.text for word in words), words=words)
