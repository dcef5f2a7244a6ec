"""Reads one utterance: its purpose, yes or no, and every slot it fills, tolerant of recognition errors.

Scores words instead of matching sentences. Refuses to know where the dialogue stands, apart from what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from enum import StrEnum
from itertools import pairwise

import msgspec
from rapidfuzz import fuzz

from pipelines.brain.dates import When, understand
from pipelines.brain.lexicon import Intent, Lexicon, lexicon
from pipelines.brain.moments import Tokens
from pipelines.brain.names import as_written, corrected_name, find_name
from pipelines.brain.numbers import phone_number
from pipelines.brain.ports import OpeningHours, Service
from pipelines.brain.tokens import tokens
from pipelines.stages import Expect


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


class Heard(msgspec.Struct, frozen=True):
    """What one utterance says. Empty strings and None: nothing about that."""

    text: str
    words: tuple[str, ...]
    answer: Answer
    when: When
    service: str
    name: str
    phone: str
    intents: dict[Intent, float]
    question: bool
    request: bool
    pick: int | None
    neither: bool
    field: str  # a slot named without a value: "the time is wrong"

    def means(self, intent: Intent) -> bool:
        return self.intents.get(intent, 0.0) >= 1.0

    @property
    def fills_slots(self) -> bool:
        return bool(self.service or self.name or self.phone) or not self.when.empty


class Context(msgspec.Struct, frozen=True):
    """What helps to read an utterance."""

    now: datetime
    language: str
    services: Sequence[Service] = ()
    hours: Sequence[OpeningHours] = ()
    expect: Expect = Expect.ANYTHING
    offered: tuple[time, ...] = ()


_FUZZY = 88.0
_LONGEST_PLAIN_YES = 2  # other words beside a yes: recognition noise, not another wish


def read(text: str, context: Context) -> Heard:
    """Everything that `text` may mean."""
    lex = lexicon(context.language)
    words = tuple(w for w in tokens(text) if w not in lex.fillers)
    expect = context.expect
    told_number = any(word in lex.fields["phone"] for word in words)  # other digits are misheard words
    phone = phone_number(words) if expect is Expect.PHONE or told_number else ""
    when = When()
    if not (phone and expect is Expect.PHONE):
        when = understand(
            _before_number(words, lex) if phone else words,
            context.now,
            language="de" if context.language.startswith("de") else context.language,
            hours=context.hours,
            bare_day=expect in (Expect.DATE, Expect.DATE_TIME),
            bare_time=expect in (Expect.TIME, Expect.DATE_TIME),
            offered=context.offered,
        )
    service, service_used = find_service(words, context.services)
    taken = when.used | service_used
    joined = f" {' '.join(words)} "
    request = any(f" {form} " in joined for form in lex.request_forms)
    asked_name = expect is Expect.NAME and not _starts_with(words, lex.question_starts) and not request
    question = _starts_with(words, lex.question_starts) and not _proposal(words)
    intents = _intents(words, joined, lex)
    answer = _answer(words, joined, lex, when.used, yes_no=expect is Expect.YES_NO)
    name = as_written(find_name(words, lex, asked=asked_name, used=taken), text)
    if not name and expect is Expect.YES_NO and answer is Answer.NO:
        name = corrected_name(words)
    if name and asked_name and not any(w in lex.changing for w in words):
        when = When()  # day and time stand already: these are what a recogniser made of the name
    return Heard(
        text=text,
        words=words,
        answer=answer,
        when=when if not phone or expect is not Expect.PHONE else When(),
        service=service,
        name=name,
        phone=phone,
        intents=_with_slots(intents, bool(service), when),
        question=question,
        request=request,
        pick=next((lex.picks[w] for w in words if w in lex.picks), None),
        neither=any(f" {phrase} " in joined for phrase in lex.neither),
        field=next((f for f, names in lex.fields.items() if any(w in names for w in words)), ""),
    )


def _proposal(words: Tokens) -> bool:
    """ "How about ten" is no question."""
    return any(pair in (("how", "about"), ("what", "about")) for pair in pairwise(words[:4]))


def _before_number(words: tuple[str, ...], lex: Lexicon) -> tuple[str, ...]:
    """Without "my number is …": its digits are no time of day."""
    marks = [i for i, word in enumerate(words) if word in lex.fields["phone"]]
    return words[: marks[0]] if marks else words


def _starts_with(words: Tokens, starts: tuple[str, ...]) -> bool:
    """A question may come after a greeting or two."""
    heads = [" ".join(words[i : i + 5]) + " " for i in range(min(4, len(words)))]
    return any(head.startswith(start + " ") for head in heads for start in starts)


def _intents(words: Tokens, joined: str, lex: Lexicon) -> dict[Intent, float]:
    scores: dict[Intent, float] = {}
    unknown = [w for w in words if not any(w in cues for cues in lex.cues.values())]
    for intent, cues in lex.cues.items():
        score = sum(
            weight
            for cue, weight in cues.items()
            if (f" {cue} " in joined if " " in cue else cue in words or _misheard(cue, unknown))
        )
        if score:
            scores[intent] = round(score, 2)
    return scores


def _misheard(cue: str, words: Sequence[str]) -> bool:
    """A long cue in a form that no intent knows: "rescheduling", "cancelation"."""
    return len(cue) >= 7 and any(abs(len(w) - len(cue)) <= 2 and fuzz.ratio(w, cue) >= _FUZZY for w in words)


def _with_slots(intents: dict[Intent, float], service: bool, when: When) -> dict[Intent, float]:
    """Naming a service or a time makes a wish for an appointment likelier."""
    extra = (0.6 if service else 0.0) + (0.3 if when.day or when.clock or when.soonest else 0.0)
    if extra:
        intents = {**intents, Intent.BOOK: round(intents.get(Intent.BOOK, 0.0) + extra, 2)}
    return intents


_KNOWN_AS_NO = frozenset(("know", "knows", "now", "noah"))  # how a recogniser hears a lone "no"


def _answer(words: Tokens, joined: str, lex: Lexicon, used: frozenset[int], *, yes_no: bool) -> Answer:
    """A plain yes or no. Both at once, or a yes with another wish in it, is unclear."""
    negative = any(w in lex.no for w in words) or (yes_no and len(words) <= 2 and bool(_KNOWN_AS_NO & set(words)))
    if " no problem " in joined or " why not " in joined:
        negative = False
    firm, soft = any(w in lex.yes for w in words), any(w in lex.soft_yes for w in words)
    if not (firm or soft) and tuple(words[:2]) in (("please", "do"), ("go", "ahead"), ("do", "it"), ("ja", "bitte")):
        soft = True
    if negative:
        return Answer.UNCLEAR if firm else Answer.NO
    if not (firm or soft) or any(w in lex.changing for w in words):
        return Answer.UNCLEAR
    known = lex.yes | lex.soft_yes | lex.polite | lex.fillers
    rest = [w for i, w in enumerate(words) if w not in known and i not in used]
    return Answer.YES if len(rest) <= _LONGEST_PLAIN_YES else Answer.UNCLEAR


def find_service(words: Tokens, services: Sequence[Service]) -> tuple[str, frozenset[int]]:
    """The service that is named, and the indices of the words that name it; the last one said wins a tie."""
    best: tuple[float, int, str, frozenset[int]] = (0.0, -1, "", frozenset())
    for service in services:
        wanted = [w for w in tokens(service.name) if len(w) > 2 or w.isalpha()]
        matched = [(part, index) for part in wanted for index, word in enumerate(words) if _alike(part, word)]
        indices = frozenset(i for _, i in matched if i == 0 or words[i - 1] not in ("not", "no", "nicht"))
        share = len({part for part, i in matched if i in indices}) / len(wanted) if wanted else 0.0
        candidate = (share, max(indices, default=-1), service.name, indices)
        if share >= 0.5 and candidate[:2] > best[:2]:
            best = candidate
    return best[2], best[3]


def _alike(part: str, word: str) -> bool:
    if part == word or word == part + "s" or word + "s" == part:
        return True
    return len(part) >= 5 and len(word) >= 4 and fuzz.ratio(part, word) >= 82.0
