"""The assistant and the sentiment of texts: the agent of the telephone, asked in writing."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pipelines.errors import EngineMissing, NotFound
from voicecore.api.crm.envelope import One, one
from voicecore.api.crm.errors import InvalidContext
from voicecore.api.crm.words import LARGEST_ID
from voicecore.api.kit import Exchange, Route
from voicecore.domain.accounts import Permission
from voicecore.services.advice import Advisor
from voicecore.services.conversations import Conversations
from voicecore.services.customer_file import CustomerFile
from voicecore.services.text_moods import TextMoods

CHANNEL = "chat"
LONGEST_TEXT = 20_000  # characters, of a text to be judged
LONGEST_CONTEXT = 20_000  # bytes of its JSON
LONGEST_WORD = 100  # characters, of a context that is a word
NO_AGENT = "no agent is configured to answer"
Question = Annotated[str, Meta(min_length=1, max_length=4000, pattern=r"\S")]


class AssistantRequest(msgspec.Struct):
    """`context` says what it is about, in a word; `lead_id` is told to the model as it is."""

    question: Question
    context: str = ""
    lead_id: int | None = None
    contact_id: int | None = None


class AdviceShape(msgspec.Struct):
    response: str
    confidence: float
    suggestions: list[str]
    next_steps: list[str]


class ChatRequest(msgspec.Struct):
    """`conversation_id`, from an earlier answer, goes on with that conversation."""

    message: Question
    context: dict[str, Any] = {}
    conversation_id: str | None = None


class ChatShape(msgspec.Struct):
    response: str
    conversation_id: str
    intent: str
    entities: dict[str, Any]


class SentimentRequest(msgspec.Struct):
    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")]
    context: str = ""


class SentimentShape(msgspec.Struct):
    """`score` -1 to 1, `confidence` 0 to 1; `urgency` is low, medium or high."""

    sentiment: str
    confidence: float
    score: float
    key_phrases: list[str]
    urgency: str
    suggested_action: str


class AssistantHandlers:
    def __init__(
        self, conversations: Conversations, advisor: Advisor, moods: TextMoods, customers: CustomerFile
    ) -> None:
        self._conversations = conversations
        self._advisor = advisor
        self._moods = moods
        self._customers = customers

    async def assistant(self, exchange: Exchange) -> One[AdviceShape]:
        body: AssistantRequest = exchange.body
        _check_word(body.context)
        given = {"context": body.context, "lead_id": body.lead_id, "contact_id": body.contact_id}
        about = await self._known(exchange, {name: value for name, value in given.items() if value not in (None, "")})
        try:
            advice = await self._advisor.advise(exchange.organization_uid, body.question, about)
        except NotFound as error:
            raise _no_agent() from error
        return one(AdviceShape(advice.text, advice.confidence, advice.suggestions, advice.next_steps))

    async def chat(self, exchange: Exchange) -> One[ChatShape]:
        body: ChatRequest = exchange.body
        if len(msgspec.json.encode(body.context)) > LONGEST_CONTEXT:
            raise InvalidContext(f"at most {LONGEST_CONTEXT} bytes")
        about = await self._known(exchange, body.context)
        conversation_id = body.conversation_id or await self._begun(exchange)
        answer = await self._conversations.message(
            exchange.organization_uid, conversation_id, body.message, about=about, voiced=False
        )
        meant = answer.understood
        return one(ChatShape(answer.text, conversation_id, meant.intent, meant.entities))

    async def sentiment(self, exchange: Exchange) -> One[SentimentShape]:
        body: SentimentRequest = exchange.body
        _check_word(body.context)
        mood = await self._moods.read(exchange.organization_uid, body.text, body.context)
        shape = SentimentShape(
            sentiment=mood.sentiment.value,
            confidence=mood.confidence,
            score=mood.score,
            key_phrases=list(mood.key_phrases),
            urgency=mood.urgency,
            suggested_action=mood.suggested_action,
        )
        return one(shape)

    async def _begun(self, exchange: Exchange) -> str:
        try:
            talk, _ = await self._conversations.start(exchange.organization_uid, "", CHANNEL, "", {})
        except NotFound as error:
            raise _no_agent() from error
        return talk.external_id

    async def _known(self, exchange: Exchange, context: dict[str, Any]) -> dict[str, Any]:
        """The context, and what is on file of the contact that it names. Raises InvalidContext when there is none."""
        seq = context.get("contact_id")
        if seq is None:
            return context
        if isinstance(seq, bool) or not isinstance(seq, int) or not 0 < seq <= LARGEST_ID:
            raise InvalidContext("contact_id must be the id of a contact")
        try:
            contact = await self._customers.with_seq(exchange.organization_uid, seq)
        except NotFound as error:
            raise InvalidContext("there is no such contact") from error
        return context | {"contact": {"name": contact.name, "company": contact.company, "title": contact.title}}

    def routes(self) -> list[Route]:
        tag = "Assistant"
        return [
            Route(
                method="POST",
                path="/api/ai/assistant",
                handler=self.assistant,
                summary="Ask the agent for advice",
                tag=tag,
                body=AssistantRequest,
                response=One[AdviceShape],
                permission=Permission.BOOK,
                limit="ai",
                changes=False,
            ),
            Route(
                method="POST",
                path="/api/ai/chat",
                handler=self.chat,
                summary="Talk to the agent in writing; it answers as on the telephone, and may book",
                tag=tag,
                body=ChatRequest,
                response=One[ChatShape],
                permission=Permission.BOOK,
                limit="ai",
                changes=False,
            ),
            Route(
                method="POST",
                path="/api/sentiment-analysis/analyze",
                handler=self.sentiment,
                summary="How the writer of a text feels, and what to do about it",
                tag=tag,
                body=SentimentRequest,
                response=One[SentimentShape],
                limit="ai",
                changes=False,
            ),
        ]


def _check_word(context: str) -> None:
    if len(context) > LONGEST_WORD or not context.isprintable():
        raise InvalidContext(f"a word of at most {LONGEST_WORD} characters")


def _no_agent() -> EngineMissing:
    return EngineMissing(NO_AGENT, stage="llm", provider="agent")
