"""Takes a person's name out of a recognised answer: "my name is sarah johnson", "it's tom", "s m i t h".

A name is what stands where a name belongs and is no ordinary word: what a recogniser makes of a name it
does not know is asked for again rather than believed.
"""

from __future__ import annotations

from pipelines.brain.known_names import is_listed, may_be_name
from pipelines.brain.lexicon import Lexicon
from pipelines.brain.moments import Tokens
from pipelines.brain.tokens import fold

_LONGEST_NAME_WORDS = 4
# Markers that also open ordinary phrases ("it's for tomorrow", "for a checkup"): believed only when asked.
_WEAK = frozenset(("it's", "it is", "for", "under", "fuer", "unter", "name", "names", "i'm", "i am", "ich bin"))


def find_name(words: Tokens, lexicon: Lexicon, *, asked: bool, used: frozenset[int] = frozenset()) -> str:
    """The name as it is written ("Peter O'Connor"), or "". `asked`: the question was for a name.

    `used` are indices of tokens that said something else (a date, a service).
    """
    for marker in sorted(lexicon.name_markers, key=len, reverse=True):
        parts = tuple(marker.split())
        starts = [i for i in range(len(words)) if tuple(words[i : i + len(parts)]) == parts]
        for start in reversed(starts):  # the last one said corrects the earlier
            name = _name_from(words, start + len(parts), lexicon, used)
            complete = asked or marker not in _WEAK or (" " in name and marker not in ("for", "fuer"))
            if name and complete:
                return name
    if not asked:
        return ""
    return _after_my(words, lexicon, used) or _name_from(words, _first_candidate(words, lexicon, used), lexicon, used)


def _after_my(words: Tokens, lexicon: Lexicon, used: frozenset[int]) -> str:
    """ "My medium james wilson" was "my name is james wilson"."""
    if words[:1] != ("my",) or len(words) < 3 or not is_listed(words[2]):
        return ""
    return _name_from(words, 2, lexicon, used)


def corrected_name(words: Tokens) -> str:
    """The names beyond doubt in a refusal: "no it's three wilson" → "Wilson"."""
    runs: list[list[str]] = [[]]
    for word in words:
        if is_listed(word):
            runs[-1].append(word)
        else:
            runs.append([])
    return _written(max(runs, key=len)[:_LONGEST_NAME_WORDS])


def _first_candidate(words: Tokens, lexicon: Lexicon, used: frozenset[int]) -> int:
    for index, word in enumerate(words):
        if index not in used and _is_name(word, lexicon):
            return index
    return len(words)


def _is_name(word: str, lexicon: Lexicon) -> bool:
    return (
        word.replace("'", "").isalpha()
        and word not in lexicon.not_names
        and word not in lexicon.fillers
        and word not in lexicon.yes
        and word not in lexicon.no
        and word not in lexicon.titles
    )


def _name_from(words: Tokens, start: int, lexicon: Lexicon, used: frozenset[int]) -> str:
    at = start
    while at < len(words) and (words[at] in lexicon.fillers or words[at] in lexicon.titles or words[at] == "is"):
        at += 1
    spelled = _spelled(words, at)
    if spelled:
        return spelled
    taken: list[str] = []
    for index in range(at, min(len(words), at + _LONGEST_NAME_WORDS)):
        word = words[index]
        letter = word in ("o", "oh") and taken and index + 1 < len(words)
        if index in used or not (_is_name(word, lexicon) or letter):
            break
        taken.append(word)
    while taken and (taken[-1] in ("o", "oh") or not may_be_name(taken[-1])):
        taken.pop()
    while taken and taken[0] not in ("o", "oh") and not may_be_name(taken[0]):
        del taken[0]
    return _written(taken)


def as_written(name: str, text: str) -> str:
    """The name with the letters of the text that tokens fold away: "Mueller" → "Müller" where that was typed."""
    originals = {fold(word): word for word in text.replace(",", " ").replace(".", " ").split() if not word.isascii()}
    parts = (originals.get(part.lower(), part) for part in name.split())
    return " ".join(part if part.isascii() else part[:1].upper() + part[1:] for part in parts)


def _spelled(words: Tokens, at: int) -> str:
    """ "s m i t h" → "Smith"; at least three single letters in a row."""
    end = at
    while end < len(words) and len(words[end]) == 1 and words[end].isalpha():
        end += 1
    return "".join(words[at:end]).capitalize() if end - at >= 3 else ""


def _written(parts: list[str]) -> str:
    out: list[str] = []
    index = 0
    while index < len(parts):
        part = parts[index]
        if part in ("o", "oh") and index + 1 < len(parts):
            out.append("O'" + parts[index + 1].capitalize())
            index += 2
            continue
        head, apostrophe, tail = part.partition("'")
        out.append(head.capitalize() + apostrophe + (tail.capitalize() if len(tail) > 1 else tail))
        index += 1
    return " ".join(out)
