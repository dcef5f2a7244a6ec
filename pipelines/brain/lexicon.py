"""The words by which an utterance's purpose is recognised, per language. Data only, apart from `lexicon`."""

from __future__ import annotations

from enum import StrEnum
from functools import cache

import msgspec


class Intent(StrEnum):
    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    LOOKUP = "lookup"  # when is my appointment
    HOURS = "hours"
    SERVICES = "services"
    ORDER = "order"
    HUMAN = "human"
    GOODBYE = "goodbye"
    THANKS = "thanks"
    REPEAT = "repeat"
    ABORT = "abort"  # never mind
    WAIT = "wait"  # one moment, please
    GREETING = "greeting"


class Lexicon(msgspec.Struct, frozen=True):
    """Cues are words or phrases with weights; an intent holds from a sum of 1.0 on."""

    cues: dict[Intent, dict[str, float]]
    yes: frozenset[str]
    no: frozenset[str]
    soft_yes: frozenset[str]  # yes, unless a "no" turns them round ("not right")
    changing: frozenset[str]  # a wish for something else: no plain yes any more
    fillers: frozenset[str]  # carry nothing
    polite: frozenset[str]
    question_starts: tuple[str, ...]
    request_forms: tuple[str, ...]  # questions in form, requests in fact
    fields: dict[str, tuple[str, ...]]  # day | clock | name | service | phone → words that name it
    picks: dict[str, int]  # which of several offers: index, -1 is the last
    neither: tuple[str, ...]
    name_markers: tuple[str, ...]
    not_names: frozenset[str]
    titles: frozenset[str]
    open_now: tuple[str, ...]
    what_is_free: frozenset[str]  # in a question: which times are there?
    pardon: frozenset[tuple[str, ...]]  # whole utterances that ask to hear it again


@cache
def lexicon(language: str) -> Lexicon:
    """The lexicon of a language ("de-AT" reads "de"); English for one that we do not have."""
    if language.startswith("de"):
        from pipelines.brain.lexicon_de import GERMAN

        return GERMAN
    from pipelines.brain.lexicon_en import ENGLISH

    return ENGLISH
