"""An answer that broke off is gone on with by somebody else: what is left to be said, and what is said twice.

Texts only; it asks nobody. A word too much is better than one too little.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelines.machines.spoken import CHARACTER_MS
from pipelines.stages import Word

SURE_MS = 200.0  # without word times: so much of the audio may have been a breath
_WORD = re.compile(r"\S+")


def unspoken(text: str, words: Sequence[Word], spoken_ms: float) -> int:
    """Where in the text goes on who has spoken so many milliseconds of it: the start of the first word that was not
    said to its end, by the words' times; without them, by the usual pace of speech."""
    starts = [match.start() for match in _WORD.finditer(text)]
    if words:
        said = sum(word.end_ms <= spoken_ms for word in words)
    else:
        characters = max(spoken_ms - SURE_MS, 0.0) / CHARACTER_MS
        said = sum(start <= characters for start in starts) - 1
    return starts[said] if 0 <= said < len(starts) else len(text) if said > 0 else 0


class Continuation:
    """The second writer's text, without what repeats the end of the first one's. `feed` its pieces, then `finish`.

    Both are compared by letters and digits alone, so case, spaces and punctuation may differ."""

    def __init__(self, said: str) -> None:
        self._said = said
        self._letters, self._starts = _letters(said)
        self._held = ""
        self._decided = False

    def feed(self, text: str) -> str:
        """What is new of it; "" as long as it may be a repetition."""
        if self._decided:
            return text
        self._held += text
        letters, _ = _letters(self._held)
        if not letters or any(
            len(self._letters) - start >= len(letters) and self._letters.startswith(letters, start)
            for start in self._starts
        ):
            return ""
        return self.finish()

    def finish(self) -> str:
        """What is left when no more comes."""
        if self._decided:
            return ""
        self._decided = True
        held, self._held = self._held, ""
        letters, _ = _letters(held)
        for start in self._starts:  # the longest repetition first
            repeated = len(self._letters) - start
            if repeated <= len(letters) and self._letters.endswith(letters[:repeated]):
                return self._joined(_without(held, repeated), repeated)
        return self._joined(held, 0)

    def _joined(self, text: str, repeated: int) -> str:
        """With one space between the two, unless the second writer finishes a word of the first, or its sentence."""
        whole_word = not self._said.rstrip()[-1:].isalnum()
        if repeated and whole_word:
            text = text.lstrip(" ,.;:!?…")
        if not self._said or self._said[-1].isspace():
            return text.lstrip()
        parted = not text[:1].isalnum() if not repeated else not whole_word
        return text if parted or not text else f" {text}"


def _letters(text: str) -> tuple[str, list[int]]:
    """The text's letters and digits, in one case, and where in them its words begin."""
    letters: list[str] = []
    starts: list[int] = []
    inside = False
    for character in text:
        if character.isalnum():
            if not inside:
                starts.append(len(letters))
            letters += character.casefold()
        inside = character.isalnum() or (inside and not character.isspace())
    return "".join(letters), starts


def _without(text: str, letters: int) -> str:
    """The text after so many letters and digits, counted as `_letters` counts them."""
    for at, character in enumerate(text):
        if letters <= 0:
            return text[at:]
        if character.isalnum():
            letters -= len(character.casefold())
    return ""
