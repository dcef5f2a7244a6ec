"""A text and its audio: which of its words lie before a position. It knows neither lines nor clocks."""

from __future__ import annotations

import msgspec

from pipelines.stages import Word

CHARACTER_MS = 65.0  # of text whose audio is not complete yet: about 15 characters a second of ordinary speech


class Spoken(msgspec.Struct):
    """A chunk of text and where its audio lies in the reply (milliseconds of the reply's audio)."""

    text: str
    start_ms: float
    end_ms: float
    words: list[Word] = []
    whole: bool = False  # no more audio of this text comes

    def heard(self, position_ms: float) -> str:
        """The words of this chunk that lie before a position; a word counts once its middle was played."""
        if self.whole and position_ms >= self.end_ms - 1.0:
            return self.text
        if position_ms <= self.start_ms:
            return ""
        into_ms = position_ms - self.start_ms
        written = self.text.split()
        if self.words:
            count = sum(1 for w in self.words if (w.start_ms + w.end_ms) / 2 <= into_ms)
            share = count / (len(self.words) if self.whole else max(len(self.words), len(written)))
        else:
            length_ms = self.end_ms - self.start_ms
            share = into_ms / (length_ms if self.whole else max(length_ms, len(self.text) * CHARACTER_MS))
        return " ".join(written[: int(share * len(written) + 0.5)])
