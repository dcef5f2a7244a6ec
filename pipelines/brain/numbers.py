"""Spoken numbers, English and German: small cardinals, ordinals, and strings of telephone digits."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from pipelines.brain.moments import Tokens


class Number(msgspec.Struct, frozen=True):
    value: int
    length: int  # tokens
    ordinal: bool = False


_UNITS_EN = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_TENS_EN = {"twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50}
_ORDINALS_EN = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_CARDINAL_EN = {w: n for n, w in enumerate((_UNITS_EN + " seventeen eighteen nineteen").split())}
_ORDINAL_EN = {w: n for n, w in enumerate(_ORDINALS_EN.split(), start=1)} | {"thirtieth": 30, "twelth": 12}

# Words that a recogniser writes for a number; they count only where a number is certain to stand.
HOMOPHONES = {"to": 2, "too": 2, "for": 4, "fore": 4, "ate": 8, "won": 1, "tree": 3, "free": 3, "nein": 9}

TEN = frozenset(("can", "then", "tin", "tan"))  # "ten" misheard: believed only before or after words of a time

_UNITS_DE = "null eins zwei drei vier fuenf sechs sieben acht neun zehn elf zwoelf dreizehn vierzehn fuenfzehn sechzehn"
_CARDINAL_DE = {w: n for n, w in enumerate((_UNITS_DE + " siebzehn achtzehn neunzehn").split())}
_CARDINAL_DE |= {"ein": 1, "zwo": 2, "eine": 1, "einem": 1, "einer": 1}
_TENS_DE = {"zwanzig": 20, "dreissig": 30, "vierzig": 40, "fuenfzig": 50}
_STEMS_DE = {"ein": 1} | {w: n for w, n in _CARDINAL_DE.items() if 2 <= n <= 9}
for _tens, _ten in _TENS_DE.items():
    _CARDINAL_DE[_tens] = _ten
    _CARDINAL_DE |= {f"{stem}und{_tens}": _ten + unit for stem, unit in _STEMS_DE.items()}
_ORDINAL_DE: dict[str, int] = {}
for _word, _value in list(_CARDINAL_DE.items()):
    _root = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}.get(_value, _word + ("t" if _value < 20 else "st"))
    if 0 < _value <= 31:
        _ORDINAL_DE |= {_root + ending: _value for ending in ("e", "en", "er", "es", "em")}


def number_at(words: Tokens, index: int, language: str = "en") -> Number | None:
    """The number that starts at `index`: digits, or words up to ninety-nine."""
    if index >= len(words):
        return None
    word = words[index]
    if word.isdecimal() and len(word) <= 4:
        return Number(int(word), 1)
    if word[:-2].isdecimal() and word[-2:] in ("st", "nd", "rd", "th"):
        return Number(int(word[:-2]), 1, ordinal=True)
    return _german(word) if language == "de" else _english(words, index)


def _german(word: str) -> Number | None:
    if word in _ORDINAL_DE:
        return Number(_ORDINAL_DE[word], 1, ordinal=True)
    return Number(_CARDINAL_DE[word], 1) if word in _CARDINAL_DE else None


def _english(words: Tokens, index: int) -> Number | None:
    word = words[index]
    following = words[index + 1] if index + 1 < len(words) else ""
    if word in _TENS_EN:
        tens = _TENS_EN[word]
        if 1 <= _CARDINAL_EN.get(following, 0) <= 9:
            return Number(tens + _CARDINAL_EN[following], 2)
        if 1 <= _ORDINAL_EN.get(following, 0) <= 9:
            return Number(tens + _ORDINAL_EN[following], 2, ordinal=True)
        return Number(tens, 1)
    if word in _CARDINAL_EN:
        return Number(_CARDINAL_EN[word], 1)
    if word in _ORDINAL_EN:
        return Number(_ORDINAL_EN[word], 1, ordinal=True)
    return None


_DIGIT = {w: str(n) for w, n in _CARDINAL_EN.items() if n < 10} | {w: str(n) for w, n in _STEMS_DE.items()}
_DIGIT |= {"oh": "0", "o": "0", "null": "0", "eins": "1", "zwo": "2", "for": "4", "to": "2", "too": "2", "ate": "8"}
_DIGIT |= {"won": "1"}
_REPEAT = {"double": 2, "doppel": 2, "triple": 3}


def phone_number(words: Tokens) -> str:
    """The longest run of spoken or typed digits with at least six of them; else "". "double five" is 55."""
    runs, current = [], ""
    for before, word in pairwise(("", *words, "")):
        if before in _REPEAT and word in _DIGIT:
            current += _DIGIT[word] * _REPEAT[before]
        elif word.isdecimal():
            current += word
        elif word in _DIGIT:
            current += _DIGIT[word]
        elif word == "plus" and not current:
            current = "+"
        elif word not in _REPEAT and (two := number_at((word,), 0)) and 10 <= two.value < 100:
            current += str(two.value)
        elif word not in _REPEAT and word not in ("and", "und", "dash", "uh", "um"):
            runs.append(current)
            current = ""
    best = max(runs, key=len, default="")
    return best if len(best.lstrip("+")) >= 6 else ""


_SAID_TENS_EN = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty"}


def say_number(value: int, language: str = "en") -> str:
    """0 to 59 in words."""
    if language == "de":
        return _say_german(value)
    small = (_UNITS_EN + " seventeen eighteen nineteen").split()
    if value < 20:
        return small[value]
    unit = value % 10
    return _SAID_TENS_EN[value - unit] + (f" {small[unit]}" if unit else "")


def _say_german(value: int) -> str:
    small = "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn"
    words = (small + " siebzehn achtzehn neunzehn").split()
    if value < 20:
        return words[value]
    unit, tens = value % 10, {2: "zwanzig", 3: "dreißig", 4: "vierzig", 5: "fünfzig"}[value // 10]
    stem = "ein" if unit == 1 else words[unit]
    return f"{stem}und{tens}" if unit else tens


def say_ordinal(value: int, language: str = "en") -> str:
    """1 to 31 in words; German in the accusative ("ersten")."""
    if language == "de":
        root = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}.get(value)
        return (root or _say_german(value) + ("t" if value < 20 else "st")) + "en"
    by_value = {n: w for w, n in reversed(_ORDINAL_EN.items())}
    by_value[12] = "twelfth"
    if value in by_value:
        return by_value[value]
    unit = value % 10
    return f"{_SAID_TENS_EN[value - unit]} {by_value[unit]}"


def say_digits(digits: str, language: str = "en") -> str:
    """A telephone number digit by digit, in groups that a voice can breathe between."""
    said = [say_number(int(d), language) for d in digits if d.isdecimal()]
    groups = [" ".join(said[i : i + 3]) for i in range(0, len(said), 3)]
    if len(groups) > 1 and " " not in groups[-1]:
        groups[-2:] = [" ".join(groups[-2:])]
    return ", ".join(groups)
