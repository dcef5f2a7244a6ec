"""An agent's own words as they are spoken: articles and names into lower-case sentences without digits."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"[.!?;:\n]+(?=\s|$)|\s[-–—]\s|[()\[\]\"]")
_TOKEN = re.compile(r"\d{1,2}:\d{2}|\d+(?:st|nd|rd|th)\b|\d+|[^\W\d_]+(?:['’][^\W\d_]+)*|[$€£%&+]")
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_SYMBOLS = {"$": "dollars", "€": "euros", "£": "pounds", "%": "percent", "&": "and", "+": "plus"}
_ABBREVIATIONS = {"am": "a.m.", "pm": "p.m.", "dr": "doctor", "mr": "mister", "ok": "okay"}
_SPELLED_OUT = 9999  # larger numbers are said digit by digit
_TOPIC_WORDS = 5


def cardinal(number: int) -> list[str]:
    """0 to 9999 in words; anything larger digit by digit."""
    if number > _SPELLED_OUT:
        return [_ONES[int(digit)] for digit in str(number)]
    words: list[str] = []
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            words += [_ONES[number // size], name]
            number %= size
    if number >= 20:
        words.append(_TENS[number // 10])
        number %= 10
        return [*words, _ONES[number]] if number else words
    return [*words, _ONES[number]] if number or not words else words


def ordinal(number: int) -> list[str]:
    *words, last = cardinal(number)
    if last.endswith("y"):
        return [*words, last[:-1] + "ieth"]
    return [*words, _ORDINALS.get(last, last + "th")]


def _spoken(token: str) -> list[str]:
    if ":" in token:
        hour, minute = map(int, token.split(":"))
        return cardinal(hour) + (cardinal(minute) if minute else [])
    if token.isdigit():
        return cardinal(int(token))
    if token[0].isdigit():
        return ordinal(int(token[:-2]))
    if token in _SYMBOLS:
        return [_SYMBOLS[token]]
    return [_ABBREVIATIONS.get(token, token)]


def sentences(phrase: str) -> list[tuple[str, ...]]:
    """The sentences of one phrase, a word an element."""
    spoken: list[tuple[str, ...]] = []
    for part in _SENTENCE.split(phrase.lower().replace("’", "'")):
        words = [word for token in _TOKEN.findall(part) for word in _spoken(token)]
        if words:
            spoken.append(tuple(words))
    return spoken


def topics(phrases: tuple[str, ...]) -> list[str]:
    """Short phrases: names of services and products that fit into "how much is …"."""
    found = [said[0] for phrase in phrases if len(said := sentences(phrase)) == 1 and len(said[0]) <= _TOPIC_WORDS]
    return list(dict.fromkeys(" ".join(words) for words in found))
