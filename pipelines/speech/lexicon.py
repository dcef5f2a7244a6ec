"""How words sound, in the phones of the acoustic model: the wheel's dictionary, ours, then spelling rules.

Knows nothing of sentences. A word that is none (digits, symbols) has no pronunciation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pipelines.speech.corpus import data_text

_VARIANT = re.compile(r"\(\d+\)$")
_WORD = re.compile(r"[a-z][a-z'.-]*")
_SHORTEST_PART = 3  # letters of a word inside a compound

# Letters → phones, longest spelling first. Rough by design: a name heard roughly is better than a name never heard.
_RULES: tuple[tuple[str, str], ...] = (
    ("tion", "SH AH N"), ("sion", "ZH AH N"), ("ough", "AO"), ("augh", "AO"), ("eigh", "EY"), ("igh", "AY"),
    ("tch", "CH"), ("sch", "SH"), ("dge", "JH"), ("eau", "OW"), ("ch", "CH"), ("sh", "SH"), ("th", "TH"),
    ("ph", "F"), ("ck", "K"), ("qu", "K W"), ("wh", "W"), ("ng", "NG"), ("kn", "N"), ("wr", "R"), ("gh", "G"),
    ("ee", "IY"), ("ea", "IY"), ("oo", "UW"), ("ou", "AW"), ("ow", "OW"), ("oa", "OW"), ("ai", "EY"), ("ay", "EY"),
    ("ei", "AY"), ("ey", "IY"), ("ie", "IY"), ("oi", "OY"), ("oy", "OY"), ("au", "AO"), ("aw", "AO"), ("ue", "UW"),
    ("ew", "UW"), ("ar", "AA R"), ("er", "ER"), ("ir", "ER"), ("ur", "ER"), ("or", "AO R"), ("ss", "S"), ("ll", "L"),
    ("tt", "T"), ("nn", "N"), ("mm", "M"), ("pp", "P"), ("rr", "R"), ("bb", "B"), ("dd", "D"), ("ff", "F"),
    ("gg", "G"), ("zz", "Z"), ("cc", "K"), ("ce", "S EH"), ("ci", "S IH"), ("cy", "S IY"), ("a", "AE"), ("b", "B"),
    ("c", "K"), ("d", "D"), ("e", "EH"), ("f", "F"), ("g", "G"), ("h", "HH"), ("i", "IH"), ("j", "JH"), ("k", "K"),
    ("l", "L"), ("m", "M"), ("n", "N"), ("o", "OW"), ("p", "P"), ("q", "K"), ("r", "R"), ("s", "S"), ("t", "T"),
    ("u", "AH"), ("v", "V"), ("w", "W"), ("x", "K S"), ("y", "IY"), ("z", "Z"),
)  # fmt: skip


class Lexicon:
    """All pronunciations of the words asked for."""

    def __init__(self, dictionary: Path) -> None:
        """`dictionary` in the format of cmudict: `word phones…`, variants as `word(2)`."""
        self._entries: dict[str, list[str]] = {}
        for line in [*dictionary.read_text(encoding="utf-8").splitlines(), *data_text("lexicon.txt").splitlines()]:
            word, _, phones = line.partition(" ")
            if phones and not word.startswith("#"):
                self._entries.setdefault(_VARIANT.sub("", word), []).append(phones.strip())

    def __contains__(self, word: str) -> bool:
        return word in self._entries

    def pronunciations(self, word: str) -> list[str]:
        """As the dictionaries have it, else of two joined words, else by spelling. Empty: it is not a word."""
        known = self._entries.get(word)
        if known:
            return known
        if not _WORD.fullmatch(word):
            return []
        return self._compound(word) or self._possessive(word) or [spell(word)]

    def _possessive(self, word: str) -> list[str]:
        return [f"{phones} Z" for phones in self._entries.get(word.removesuffix("'s"), [])[:1]]

    def _compound(self, word: str) -> list[str]:
        for cut in range(len(word) - _SHORTEST_PART, _SHORTEST_PART - 1, -1):
            head, tail = word[:cut], word[cut:]
            if head in self._entries and tail in self._entries:
                return [f"{self._entries[head][0]} {self._entries[tail][0]}"]
        return []

    def write(self, words: Iterable[str], path: Path) -> None:
        """A dictionary of these words alone."""
        with path.open("w", encoding="utf-8") as out:
            for word in sorted(words):
                for number, phones in enumerate(self.pronunciations(word), 1):
                    out.write(f"{word if number == 1 else f'{word}({number})'} {phones}\n")


def spell(word: str) -> str:
    """Phones by the rules above, with a silent final "e"."""
    letters = re.sub(r"[^a-z]", "", word)
    if len(letters) > 3 and letters.endswith("e") and letters[-2] not in "aeiou":
        letters = letters[:-1]
    phones: list[str] = []
    while letters:
        spelling, sound = next(rule for rule in _RULES if letters.startswith(rule[0]))
        phones.append(sound)
        letters = letters[len(spelling) :]
    return " ".join(phones)
