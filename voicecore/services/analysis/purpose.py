"""Why somebody called and what it was about: intent, topics and keywords, found in what was said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from pipelines.brain.tokens import fold, tokens
from pipelines.brain.understanding import Context, read
from voicecore.domain.analyses import LONGEST_KEYWORD, Keyword, label
from voicecore.services import intents
from voicecore.services.analysis.material import Material, Utterance
from voicecore.services.analysis.words import Language

NOTHING_SAID, OTHER, INQUIRY, COMPLAINT, CALLBACK = (
    "no_conversation",
    "other",
    "inquiry",
    "complaint",
    "request_callback",
)
SOCIAL = frozenset({"goodbye", "thanks", "greeting", "abort", intents.OTHER})  # say nothing of a call as a whole
DONE = {"booked": "book_appointment", "moved": "reschedule_appointment", "cancelled": "cancel_appointment"}
MOST_KEYWORDS, MOST_TOPICS = 12, 6
ENOUGH = 4  # a plain word counts two in each of the caller's sentences
MOST_READ = 40  # utterances of a caller whose purpose is looked for
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


class Sentence(msgspec.Struct, frozen=True):
    """`words` are tokens, `joined` the same with blanks between, `score` how the speaker feels."""

    agent: bool
    text: str
    words: tuple[str, ...]
    joined: str
    score: float


class Purpose(msgspec.Struct, frozen=True):
    """`entities` are the slots that the caller filled: service, date, time, name, phone."""

    intent: str
    entities: dict[str, str]


def purpose(material: Material, said: Sequence[Utterance], sentences: Sequence[Sentence], known: Language) -> Purpose:
    """What was done goes before what was said, a complaint of somebody who is angry before all but that."""
    context = Context(now=material.now, language=known.code, services=material.services, hours=material.hours)
    weights: Counter[str] = Counter()
    entities: dict[str, str] = {}
    topic = ""
    for one in [one for one in said if not one.agent][:MOST_READ]:
        meant = intents.understood(read(one.text, context), topic)
        topic = meant.topic or topic
        entities |= {name: value for name, value in meant.entities.items() if name not in ("action", "object")}
        if meant.intent not in SOCIAL:
            weights[INQUIRY if meant.intent == intents.ASKED else meant.intent] += 1
    return Purpose(_intent(material, said, sentences, known, weights), entities)


def _intent(
    material: Material,
    said: Sequence[Utterance],
    sentences: Sequence[Sentence],
    known: Language,
    weights: Counter[str],
) -> str:
    for kind in material.done():
        return DONE[kind]
    if material.appointments:
        return DONE["booked"]
    caller = [one for one in sentences if not one.agent]
    if any(known.complaining.found(one.joined) and one.score < 0 for one in caller):
        return COMPLAINT
    if material.callbacks:
        return CALLBACK
    if weights:
        return weights.most_common(1)[0][0]
    if any(one.joined.startswith(tuple(f"{form} " for form in known.asking)) for one in caller):
        return INQUIRY
    return OTHER if said or material.call.notes else NOTHING_SAID


def topics(sentences: Sequence[Sentence], known: Language) -> tuple[str, ...]:
    """The most frequent first, what the caller said counting double."""
    counts: Counter[str] = Counter()
    for concept, search in known.concepts:
        found = sum(search.count(one.joined) * (1 if one.agent else 2) for one in sentences)
        if found:
            counts[concept.topic] = found
    return tuple(topic for topic, _ in counts.most_common(MOST_TOPICS))


def keywords(material: Material, sentences: Sequence[Sentence], known: Language) -> tuple[Keyword, ...]:
    """Concepts and services that came up, and words that came up again and again, each with the mood of the caller's
    sentences around it. Names are none: they say who it was, not what it was about."""
    counts: Counter[str] = Counter()
    scores: dict[str, list[float]] = {}
    services = [(service.name.lower(), f" {' '.join(tokens(service.name))} ") for service in material.services]
    nobody = set(tokens(material.party_name)) | known.stopwords
    concept_words = [(concept.keyword, search) for concept, search in known.concepts]
    for one in sentences:
        weight = 1 if one.agent else 2
        padded = f" {one.joined} "
        found = {keyword for keyword, search in concept_words if search.found(one.joined)}
        found |= {name for name, form in services if form in padded}
        taken = set(tokens(" ".join(found)))
        for keyword in found:
            counts[keyword] += 10 * weight  # before any plain word
        plain = {word.lower() for word in _WORD.findall(one.text) if len(word) > 3 and not one.agent}
        for word in plain:
            if fold(word) not in nobody and fold(word) not in taken and (fold(word),) not in known.moods:
                counts[word] += weight
                found.add(word)
        if not one.agent:
            for keyword in found:
                scores.setdefault(keyword, []).append(one.score)
    enough = [word for word, count in counts.most_common() if count >= ENOUGH]
    return tuple(_keyword(word, scores.get(word, [])) for word in enough[:MOST_KEYWORDS])


def _keyword(word: str, scores: Sequence[float]) -> Keyword:
    score = round(sum(scores) / len(scores), 3) if scores else 0.0
    return Keyword(keyword=word[:LONGEST_KEYWORD], sentiment=label(score), score=score)
