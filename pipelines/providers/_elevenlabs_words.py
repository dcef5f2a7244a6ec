"""Characters with times, as they come in pieces, to words with times. It knows neither audio nor sockets."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.stages import Word

CUT_SHORT = 0.2  # of the characters: what is never aligned, such as an emoji at the end, is less


class Aligner:
    """Of one text. A piece may begin and end in the middle of a word."""

    def __init__(self, text: str) -> None:
        self._all = self._missing = sum(not character.isspace() for character in text)  # characters without a time
        self._word = ""
        self._start_ms = 0.0
        self.end_ms = 0.0  # of the newest character that was not a space

    @property
    def complete(self) -> bool:
        """Has every character its time?"""
        return self._missing <= 0

    @property
    def cut_short(self) -> bool:
        """If nothing more comes: was a part of the text not spoken? Without any times nobody knows."""
        return CUT_SHORT * self._all < self._missing < self._all

    def feed(self, characters: Iterable[tuple[str, float, float]]) -> tuple[Word, ...]:
        """Takes (character, start, end), milliseconds from the beginning of the speech. Returns the words that ended.

        Times never run backwards: those of two pieces may overlap by a few milliseconds.
        """
        words: list[Word] = []
        for text, start_ms, end_ms in characters:
            if text.isspace() or not text:
                words += self.rest()
                continue
            if not self._word:
                self._start_ms = max(start_ms, self.end_ms)
            self._word += text
            self._missing -= len(text)
            self.end_ms = max(end_ms, self.end_ms)
        if self._missing == 0:
            words += self.rest()
        return tuple(words)

    def rest(self) -> tuple[Word, ...]:
        """The word that no space has ended yet."""
        word, self._word = self._word, ""
        return (Word(word, self._start_ms, max(self.end_ms, self._start_ms)),) if word else ()
