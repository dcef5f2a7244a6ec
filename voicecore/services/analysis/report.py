"""Sentences about a call in its own language: a summary, and what is left to do."""

from __future__ import annotations

from collections.abc import Sequence

from voicecore.domain.calls import Direction, Outcome
from voicecore.services.analysis.material import Material
from voicecore.services.analysis.purpose import COMPLAINT, DONE, NOTHING_SAID, Sentence
from voicecore.services.analysis.words import Language

LONGEST_SUMMARY, LONGEST_QUOTE, MOST_ACTIONS = 1000, 160, 8
OBVIOUS = frozenset({"appointment", "order", "complaint", "opening_hours", "services", "human", "callback"})
MADE = ("booked", "moved", "cancelled")


def summary(
    material: Material, intent: str, topics: Sequence[str], sentences: Sequence[Sentence], known: Language
) -> str:
    """The notes of whoever reported the call, if he made any; else a few sentences."""
    call, phrases = material.call, known.lists.phrases
    if call.notes.strip():
        return call.notes.strip()[:LONGEST_SUMMARY]
    if call.outcome is Outcome.MISSED:
        who = material.party_name or call.party_number or phrases["unknown"]
        return phrases["missed_outbound" if call.direction is Direction.OUTBOUND else "missed"].format(who=who)
    who = material.party_name or phrases["caller"]
    parts = [known.lists.purposes.get(intent, known.lists.purposes["other"]).format(who=who)]
    settled = _settled(material, known)
    parts += settled
    if not settled and (quote := _quote(sentences)):
        parts.append(phrases["said"].format(text=quote))
    words = {concept.topic: concept.keyword for concept, _ in known.concepts}
    others = [words[topic] for topic in topics if topic not in OBVIOUS]
    if others:
        parts.append(phrases["about"].format(topics=", ".join(others)))
    if call.outcome is Outcome.FAILED:
        parts.append(phrases["failed"])
    return " ".join(parts)[:LONGEST_SUMMARY]


def _settled(material: Material, known: Language) -> list[str]:
    phrases, done = known.lists.phrases, material.done()
    lines = [
        phrases[kind].format(service=one.get("service", "?"), when=_when(str(one.get("start", ""))))
        for kind in MADE
        for one in done.get(kind, [])
    ]
    if "booked" not in done:  # of calls whose tools are not known
        zone = material.now.tzinfo
        lines += [
            phrases["booked"].format(service=one.service, when=f"{one.starts_at.astimezone(zone):%Y-%m-%d %H:%M}")
            for one in material.appointments
        ]
    return lines + [phrases["callback"]] * bool(material.callbacks)


def _when(start: str) -> str:
    return start[:16].replace("T", " ")


def _quote(sentences: Sequence[Sentence]) -> str:
    """The caller's sentence with the most to say, of the first that he said."""
    caller = [one for one in sentences if not one.agent][:10]
    longest = max(caller, key=lambda one: min(len(one.words), 25), default=None)
    if longest is None or len(longest.words) < 3:
        return ""
    text = longest.text
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1].rstrip() + "…"


def action_items(material: Material, intent: str, sentences: Sequence[Sentence], known: Language) -> tuple[str, ...]:
    """What somebody has to do now: what was promised, asked for or not reached."""
    call, phrases = material.call, known.lists.phrases
    who = material.party_name or call.party_number or phrases["caller"]
    items: list[str] = []
    for reason in material.callbacks:
        words = phrases["do_call_back_about" if reason else "do_call_back"]
        items.append(words.format(who=who, reason=reason))
    if call.outcome is Outcome.MISSED and call.direction is not Direction.OUTBOUND:
        items.append(phrases["do_call_back"].format(who=who))
    elif call.outcome is Outcome.FAILED and intent != NOTHING_SAID:
        items.append(phrases["do_broken_off"].format(who=who))
    if intent == DONE["booked"] and material.turns and not material.appointments and not material.done():
        items.append(phrases["do_book"].format(who=who))
    if intent == COMPLAINT:
        items.append(phrases["do_complaint"].format(who=who))
    for one in sentences:
        if one.agent and known.promising.found(one.joined) and known.promised.found(one.joined):
            items.append(phrases["do_promised"].format(text=one.text[:LONGEST_QUOTE]))
        elif not one.agent and known.requesting.found(one.joined):
            items.append(phrases["do_requested"].format(text=one.text[:LONGEST_QUOTE]))
    return tuple(dict.fromkeys(items))[:MOST_ACTIONS]
