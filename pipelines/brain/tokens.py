"""Cuts typed or recognised text into comparable tokens: lower case, no punctuation, numbers apart.

Refuses to know what the tokens mean.
"""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}"  # 2026-12-04
    r"|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}"  # 12/4/2026, 4.12.2026
    r"|\d{1,2}\.\d{1,2}\.(?!\d)"  # 4.12.
    r"|\d{1,2}[/.:]\d{1,2}"  # 12/4, 3:30, 3.30
    r"|\d+(?:st|nd|rd|th)?"
    r"|[^\W\d_]+(?:['’.][^\W\d_]+)*"
)
_FOLD = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "’": "'", "é": "e", "è": "e", "á": "a"})
_PAIRS = {
    ("p", "m"): "pm",
    ("a", "m"): "am",
    ("o", "clock"): "oclock",
    ("oh", "clock"): "oclock",
    ("a", "clock"): "oclock",
    ("i", "m"): "i'm",
    ("call", "back"): "callback",
    ("check", "up"): "checkup",
    ("hair", "cut"): "haircut",
}
_SPELLING = {"o'clock": "oclock", "p.m": "pm", "a.m": "am", "pm.": "pm", "noon's": "noon", "u": "you"}


def word_list(text: str) -> tuple[str, ...]:
    """The words of a literal: a readable way to write a vocabulary."""
    return tuple(text.split())


def fold(text: str) -> str:
    """Lower case, without umlauts and accents."""
    return text.lower().translate(_FOLD)


@lru_cache(maxsize=2048)
def tokens(text: str) -> tuple[str, ...]:
    """ "At 3:30pm, o’clock" → ("at", "3:30", "pm", "oclock"). Umlauts are folded ("für" → "fuer")."""
    found = [_SPELLING.get(word, word) for word in _TOKEN.findall(fold(text))]
    merged: list[str] = []
    index = 0
    while index < len(found):
        pair = _PAIRS.get((found[index], found[index + 1])) if index + 1 < len(found) else None
        merged.append(pair or found[index])
        index += 2 if pair else 1
    return tuple(word[:-2] if word.endswith("'s") and len(word) > 7 else word for word in merged)
