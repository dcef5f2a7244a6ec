"""Word lists as data, one set per language, and how to look words up in them. It knows no turn and no time."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

LONGEST_ENTRY = 4  # words in an entry of words.yaml

Entries = frozenset[str]


class WordLists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What words say about the end of a turn. An empty list: the language has no such thing, or nobody wrote it."""

    open: Entries = frozenset()  # at the end: the sentence goes on
    wanting: Entries = frozenset()  # at the end: it goes on, unless a sentence happens to end in that verb or adverb
    closed: Entries = frozenset()  # at the end: it does not, although a shorter entry of these two fits too
    hesitation: Entries = frozenset()
    greeting: Entries = frozenset()  # nothing but these: the concern is still to come
    introducing: Entries = frozenset()  # a name follows, and then perhaps a concern
    naming: Entries = frozenset()  # a name follows, when one was asked for
    short_answer: Entries = frozenset()
    agreeing: Entries = frozenset()  # of the short answers: what was asked for is still to come
    backchannel: Entries = frozenset()
    question: Entries = frozenset()  # first words of questions
    fronting: Entries = frozenset()  # first words of clauses that want another one
    paired: dict[str, str] = {}  # "either" → "or": must come too
    leading: Entries = frozenset()  # before a question: "and what…"
    # A question that starts with `stranding` may end in pronoun + `stranded_verb`, or in a `stranded_preposition`.
    stranding: Entries = frozenset()
    stranded_verb: Entries = frozenset()
    stranded_preposition: Entries = frozenset()
    copula: Entries = frozenset()  # between `stranding` and a pronoun that ends it: "who is this"
    pronoun: Entries = frozenset()
    subject: Entries = frozenset()  # open behind another open word, else an inverted clause: "das mache ich"
    # Verb-final languages: `modal` and `subordinator` open a bracket that a verb closes.
    modal: Entries = frozenset()
    subordinator: Entries = frozenset()
    verb: Entries = frozenset()
    not_verb: Entries = frozenset()
    # Numbers, letters, addresses
    digits: dict[str, str] = {}  # number word → the digits that it stands for
    unit_before_ten: str = ""  # "und" in "vierunddreißig": 34
    repeating: dict[str, int] = {}  # "double" → 2 of the digit or letter that follows
    separators: Entries = frozenset()  # said between groups of digits
    phone_digits: int = 10  # that a whole number has at least; callers make no pause after so many
    phone_shortest: int = 7  # and that a short one has
    number_context: Entries = frozenset()  # a number of unknown length
    phone_context: Entries = frozenset()
    letters: Entries = frozenset()  # of spelling alphabets
    as_in: Entries = frozenset()  # "m as in mike"
    email_at: Entries = frozenset()
    email_dot: Entries = frozenset()
    email_half: Entries = frozenset()  # after a dot: another one may follow
    email_context: Entries = frozenset()
    address_context: Entries = frozenset()
    date: Entries = frozenset()
    vague_date: Entries = frozenset()  # a day is still to come
    birth: Entries = frozenset()  # a date with its year
    time: Entries = frozenset()
    before_time: Entries = frozenset()  # and then a number: "at nine"
    month: Entries = frozenset()
    month_first: bool = False  # a bare month wants its day after it: "on march"
    before_month: Entries = frozenset()  # except after these: "in march"


@cache
def word_lists(language: str) -> WordLists:
    """The lists for a language tag ("de-AT" falls back to "de"); empty lists for an unknown one."""
    data = resources.files("pipelines.machines").joinpath("words.yaml").read_bytes()
    return msgspec.yaml.decode(data, type=dict[str, WordLists]).get(language[:2].lower(), WordLists())


def words_of(text: str) -> list[str]:
    return [w for w in (part.strip(".,;:!?…\"'()").lower() for part in text.replace("’", "'").split()) if w]


def longest_end(words: list[str], entries: Entries) -> int:
    """How many of the last words make up the longest fitting entry; 0 when none does."""
    for count in range(min(LONGEST_ENTRY, len(words)), 0, -1):
        if " ".join(words[-count:]) in entries:
            return count
    return 0


def contains(words: list[str], entries: Entries) -> bool:
    """Does an entry stand anywhere in these words?"""
    joined = f" {' '.join(words)} "
    return any(f" {entry} " in joined for entry in entries)


def made_of(words: list[str], entries: Entries) -> bool:
    """Is there nothing but entries of the list in these words?"""
    reached = [True] + [False] * len(words)
    for end in range(1, len(words) + 1):
        starts = range(max(0, end - LONGEST_ENTRY), end)
        reached[end] = any(reached[start] and " ".join(words[start:end]) in entries for start in starts)
    return reached[-1]
