"""Finished calls of a seed file as rows: with their turns, whose they were, and what was made of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pipelines.errors import ConfigError
from pipelines.timing import WATERFALL, Mark, Marks, response_latency_ms
from voicecore.domain import phone
from voicecore.domain.calls import outcome
from voicecore.domain.customers import name_key
from voicecore.domain.percentiles import stage_means, stage_summaries
from voicecore.services.seed_format import SeedAnalysis, SeedCall, SeedTurn
from voicecore.storage import customers
from voicecore.storage.provisioning import Provisioner

TURN_S = 5.0
SCORES = {"positive": 0.6, "neutral": 0.0, "negative": -0.6}


class CallSeeder:
    """Of one organization. `business_uid` is whose line it was when no agent says so; `source` is for errors."""

    def __init__(self, rows: Provisioner, organization_uid: str, business_uid: str, source: str) -> None:
        self._rows = rows
        self._uid = organization_uid
        self._business = business_uid
        self._source = source

    async def put(self, call: SeedCall, at: str) -> None:
        """`at` says where it stands. Raises ConfigError."""
        agent = await self._existing("agents", call.agent, f"{at}.agent") if call.agent else None
        marks = [_marks(turn, _at_ms(turn, index)) for index, turn in enumerate(call.turns)]
        values = _values(call, marks) | {
            "agent_uid": agent,
            "business_uid": await self._rows.business_of("agents", agent) if agent else self._business,
            "customer_uid": await self._customer(call, at),
        }
        values["party_key"] = await self._party_key(call, values["customer_uid"])
        sentiment = call.sentiment or (call.analysis.sentiment if call.analysis else None)
        if sentiment is not None:  # else it is what the analysis says
            values["sentiment"] = sentiment
        key = {"organization_uid": self._uid, "external_id": call.id}
        due = None if call.analysis else values["ended_at"]
        uid, _ = await self._rows.put("calls", key, values, analysis_due_at=due)
        for index, turn in enumerate(call.turns):
            values_of_turn = _turn_values(turn, index, marks[index]) | {"agent_uid": agent}
            await self._rows.put("turns", {"call_uid": uid, "index": index}, values_of_turn)
        await self._rows.drop_turns_from(uid, len(call.turns))
        if call.analysis is not None:
            await self._analysis(uid, call.analysis, values)

    async def _existing(self, table: str, external_id: str, key: str) -> str:
        uid = await self._rows.uid(table, self._uid, external_id)
        if uid is None:
            raise ConfigError(f'there is no "{external_id}" in {table}', source=self._source, key=key)
        return uid

    async def _customer(self, call: SeedCall, at: str) -> str | None:
        """Who is named, else who has the number."""
        if call.customer is not None:
            return await self._existing("customers", call.customer, f"{at}.customer")
        number = call.to_number if call.direction == "outbound" else call.from_number
        known = await customers.with_number(self._rows.connection, self._uid, number)
        return known[0].uid if known else None

    async def _party_key(self, call: SeedCall, customer_uid: str | None) -> str:
        known = await customers.by_uid(self._rows.connection, customer_uid) if customer_uid else None
        return name_key((known.name if known else "") or call.party_name)

    async def _analysis(self, call_uid: str, made: SeedAnalysis, call: dict[str, Any]) -> None:
        values = {
            "method": "words",
            "language": made.language,
            "summary": made.summary,
            "action_items": made.action_items,
            "topics": made.topics,
            "intent": made.intent,
            "sentiment": made.sentiment,
            "sentiment_score": SCORES[made.sentiment],
            "quality_score": made.quality_score,
            "talk_time_ratio": made.talk_time_ratio,
            "structured_outputs": {},
        }
        key = {"organization_uid": self._uid, "call_uid": call_uid}
        await self._rows.put("call_analyses", key, values, created_at=call["ended_at"])
        rows = [
            {"keyword": word, "sentiment": made.sentiment, "score": SCORES[made.sentiment]}
            for word in dict.fromkeys(made.keywords)
        ]
        await self._rows.keywords(self._uid, call_uid, rows, call["ended_at"])


def _values(call: SeedCall, marks: list[Marks]) -> dict[str, Any]:
    answered = call.duration_s > 0
    reached = call.started_at + timedelta(seconds=call.waited_s)
    return {
        "sid": call.sid,
        "direction": call.direction,
        "status": "ended",
        "from_number": call.from_number,
        "to_number": call.to_number,
        "from_digits": phone.digits(call.from_number),
        "to_digits": phone.digits(call.to_number),
        "from_tail": phone.tail(call.from_number),
        "to_tail": phone.tail(call.to_number),
        "party_name": call.party_name,
        "transcript": call.transcript,
        "recording_url": call.recording_url,
        "notes": call.notes,
        "success": call.success,
        "agent_id": call.agent or "",
        "agent_version": 1 if call.agent else 0,
        "end_reason": call.end_reason.value,
        "outcome": outcome(call.end_reason, answered=answered).value,
        "metadata": call.metadata,
        "media_health": {},
        "stages": stage_summaries(marks),
        "stt_ms": None,
        "llm_ms": None,
        "tts_ms": None,
        **stage_means(marks),
        "duration_s": call.duration_s,
        "created_at": call.started_at,
        "answered_at": reached if answered else None,
        "ended_at": call.ended_at,
    }


def _turn_values(turn: SeedTurn, index: int, marks: Marks) -> dict[str, Any]:
    started = _at_ms(turn, index)
    answer = marks.get(Mark.FIRST_FRAME, started)
    heard = turn.agent if turn.heard is None else turn.heard
    return {
        "started_ms": started,
        "ended_ms": answer + TURN_S * 500,
        "caller_text": turn.caller,
        "generated_text": turn.agent,
        "heard_text": heard,
        "interrupted": turn.interrupted,
        "marks": {mark.value: at for mark, at in marks.items()},
        "caller_started_ms": started if turn.caller else None,
        "caller_ended_ms": marks.get(Mark.SPEECH_END) if turn.caller else None,
        "agent_started_ms": answer if heard else None,
        "agent_ended_ms": None,
        "response_latency_ms": response_latency_ms(marks),
        "tools": [{"name": use.name, "arguments": use.arguments, "result": use.result} for use in turn.tools],
    }


def _marks(turn: SeedTurn, speech_end_ms: float) -> Marks:
    """Marks whose waterfall is the given stages; none for a turn without stages."""
    if not turn.stages:
        return {}
    marks: Marks = {Mark.SPEECH_END: speech_end_ms}
    at = speech_end_ms
    for stage, mark in WATERFALL:
        at += turn.stages.get(stage, 0.0)
        marks[mark] = at
    return marks


def _at_ms(turn: SeedTurn, index: int) -> float:
    return 1000 * (index * TURN_S if turn.at_s is None else turn.at_s)
