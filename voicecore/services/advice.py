"""Advice for those who work here: the agent's own answer to a question, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from voicecore.domain.knowledge import ScoredArticle
from voicecore.services import intents
from voicecore.services.conversations import Answer, Conversations
from voicecore.services.knowledge import KnowledgeBase

CHANNEL = "assistant"
MOST_SUGGESTIONS = 3
LONGEST_EXCERPT = 160  # characters
UNDERSTOOD, GUESSED = 0.8, 0.3  # confidence in an answer that no article backs
_SUGGESTIONS = {
    "book_appointment": "Agree on a day and a time while the contact is interested",
    "reschedule_appointment": "Offer two other times rather than one",
    "cancel_appointment": "Ask for the reason, and offer another time before cancelling",
    "place_order": "Read the order back before it is passed on",
    "talk_to_human": "Let somebody who knows the contact take over",
}
_STEPS = {
    "book_appointment": "Book the appointment",
    "reschedule_appointment": "Move the appointment",
    "cancel_appointment": "Cancel the appointment",
    "place_order": "Pass the order on",
    "talk_to_human": "Arrange a call-back",
}
ASK = "Ask the contact what matters most, and answer that first"
SHARE = 'Send the contact what "{title}" says'
WRITE = "Add an article to the knowledge base that answers this question"


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """`confidence` 0…1: how well the question was understood, or is answered by an article."""

    text: str
    confidence: float
    suggestions: list[str]
    next_steps: list[str]


class Advisor:
    def __init__(self, conversations: Conversations, knowledge: KnowledgeBase) -> None:
        self._conversations = conversations
        self._knowledge = knowledge

    async def advise(self, organization_uid: str, question: str, about: Mapping[str, Any]) -> Advice:
        """Of the organization's first agent. `about` is what is known of the matter. Raises NotFound without an agent,
        StageError."""
        talk, _ = await self._conversations.start(organization_uid, "", CHANNEL, "", {})
        answer = await self._conversations.message(
            organization_uid, talk.external_id, question, about=about, voiced=False
        )
        hits = await self._knowledge.search(organization_uid, question, limit=MOST_SUGGESTIONS)
        return Advice(
            text=answer.text,
            confidence=_confidence(answer, hits),
            suggestions=[_excerpt(hit) for hit in hits] or [_SUGGESTIONS.get(answer.understood.intent, ASK)],
            next_steps=_steps(answer, hits),
        )


def _confidence(answer: Answer, hits: list[ScoredArticle]) -> float:
    known = answer.understood.intent not in (intents.OTHER, intents.ASKED)
    return round(max([UNDERSTOOD if known else GUESSED, *(hit.score for hit in hits)]), 2)


def _excerpt(hit: ScoredArticle) -> str:
    text = " ".join(hit.article.content.split())
    return f"{hit.article.title}: {text if len(text) <= LONGEST_EXCERPT else text[:LONGEST_EXCERPT].rstrip() + '…'}"


def _steps(answer: Answer, hits: list[ScoredArticle]) -> list[str]:
    steps = [_STEPS[answer.understood.intent]] if answer.understood.intent in _STEPS else []
    for kind, data in answer.actions:
        if kind == "show_calendar" and data["available_slots"]:
            steps.append(f"Offer {data['available_slots'][0]:%A, %d %B, %H:%M}")
    return steps + [SHARE.format(title=hit.article.title) for hit in hits[:1]] or [WRITE]
