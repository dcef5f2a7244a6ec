"""The analysis of a call by word lists and its own records: the same input gives the same output, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.brain.tokens import tokens
from voicecore.domain.analyses import Analysis, label
from voicecore.domain.calls import Outcome, Sentiment
from voicecore.domain.ids import new_uid
from voicecore.services.analysis import mood, report
from voicecore.services.analysis.material import Material
from voicecore.services.analysis.purpose import COMPLAINT, DONE, Purpose, Sentence, keywords, purpose, topics
from voicecore.services.analysis.words import sentences, spoken

USUAL_QUALITY = 4
SLOW_MS = 2000.0  # from the caller's last word to the answer, in the mean


def analysed(material: Material) -> Analysis:
    """About six milliseconds of computing for a call of ten turns."""
    call, said = material.call, material.utterances()
    texts = [one.text for one in said] or [call.notes]
    known = spoken(texts, material.language)
    spoken_sentences = [
        Sentence(one.agent, text, words, " ".join(words), mood.sentence_score(words, known))
        for one in said
        for text in sentences(one.text)
        for words in (tokens(text),)
    ]
    if not said:  # others report calls with notes only
        notes = [(text, tokens(text)) for text in sentences(call.notes)]
        spoken_sentences = [Sentence(False, t, w, " ".join(w), mood.sentence_score(w, known)) for t, w in notes]
    found = purpose(material, said, spoken_sentences, known)
    about = topics(spoken_sentences, known)
    score = mood.score([one.score for one in spoken_sentences if not one.agent])
    sentiment = call.sentiment or label(score)
    assert call.ended_at is not None  # only calls that are over are analysed
    return Analysis(
        uid=new_uid(),
        organization_uid=call.organization_uid,
        call_uid=call.uid,
        language=known.code,
        summary=report.summary(material, found.intent, about, spoken_sentences, known),
        action_items=report.action_items(material, found.intent, spoken_sentences, known),
        keywords=keywords(material, spoken_sentences, known),
        topics=about,
        intent=found.intent,
        sentiment=sentiment,
        sentiment_score=_agreeing(score, sentiment),
        quality_score=quality(material, found.intent, sentiment),
        talk_time_ratio=material.talk_time_ratio(said),
        structured_outputs=structured(material, found),
        created_at=call.ended_at,
    )


def _agreeing(score: float, sentiment: Sentiment) -> float:
    """A reported sentiment stands; a score that says otherwise does not."""
    if label(score) is sentiment:
        return score
    return {Sentiment.POSITIVE: 0.5, Sentiment.NEUTRAL: 0.0, Sentiment.NEGATIVE: -0.5}[sentiment]


def quality(material: Material, intent: str, sentiment: Sentiment) -> int:
    """1…5. Four is a call that went well; reaching what was wanted and a good mood raise it, and what went wrong lowers
    it."""
    call = material.call
    if call.outcome is Outcome.MISSED:
        return 1
    points = USUAL_QUALITY - 2 * (call.outcome is Outcome.FAILED) - (call.success is False)
    reached = bool(material.appointments or material.done() or material.callbacks)
    points += reached
    points -= intent == DONE["booked"] and bool(material.turns) and not reached
    points += {Sentiment.POSITIVE: 1, Sentiment.NEUTRAL: 0, Sentiment.NEGATIVE: -1}[sentiment]
    points -= intent == COMPLAINT
    points -= _slow(material.turns)
    return max(1, min(5, int(points)))


def _slow(turns: Sequence[Any]) -> bool:
    waits = [turn.response_latency_ms for turn in turns if turn.response_latency_ms is not None]
    return bool(waits) and sum(waits) / len(waits) > SLOW_MS


def structured(material: Material, found: Purpose) -> dict[str, Any]:
    """What was settled, as data. Instants are UTC."""
    call = material.call
    return {
        "intent": found.intent,
        "outcome": call.outcome.value if call.outcome else None,
        "customer": {"name": material.party_name or None, "phone": call.party_number or None},
        "appointment_booked": bool(material.appointments) or "booked" in material.done(),
        "appointments": [
            {"id": one.external_id, "service": one.service, "start": one.starts_at, "status": one.status.value}
            for one in material.appointments
        ],
        "callback_requested": bool(material.callbacks),
        "entities": dict(found.entities),
    }
