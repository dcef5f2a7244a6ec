"""One organization of a seed file, section by section, as rows under its clients' keys."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import msgspec

from pipelines.brain.words import tokens
from pipelines.errors import ConfigError, ValidationError
from pipelines.timing import WATERFALL, Mark, Marks, response_latency_ms
from voicecore.domain import phone
from voicecore.domain.agents import AgentVersion
from voicecore.domain.calls import outcome
from voicecore.domain.percentiles import stage_means, stage_summaries
from voicecore.services.accounts import fold_email
from voicecore.services.agents import AgentPatch, as_version, patched
from voicecore.services.seed_format import (
    OpeningHours,
    SeedAgent,
    SeedCall,
    SeedOrganization,
    SeedResource,
    SeedTurn,
)
from voicecore.storage import agents as agent_rows
from voicecore.storage.provisioning import Provisioner
from voicecore.storage.records import Change

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TURN_S = 5.0
_SPAN = re.compile(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)")


def slug(text: str) -> str:
    return "_".join(tokens(text))[:60] or "unnamed"


def _minutes_of_day(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def spans(hours: OpeningHours) -> list[tuple[int, int, int]]:
    """(weekday, opens, closes) in minutes since midnight. Raises ValueError for what is no such span."""
    found = []
    for day, given in hours.items():
        for text in re.split(r"\s*,\s*", given) if isinstance(given, str) else given:
            if not _SPAN.fullmatch(text):
                raise ValueError(f'{day}: "HH:MM-HH:MM" is expected')
            opens, closes = (_minutes_of_day(clock) for clock in text.split("-"))
            if opens >= closes:
                raise ValueError(f"{day}: closes before it opens")
            found.append((DAYS.index(day), opens, closes))
    return found


def marks_of(turn: SeedTurn, speech_end_ms: float) -> Marks:
    """Marks whose waterfall is the given stages; none for a turn without stages."""
    if not turn.stages:
        return {}
    marks: Marks = {Mark.SPEECH_END: speech_end_ms}
    at = speech_end_ms
    for stage, mark in WATERFALL:
        at += turn.stages.get(stage, 0.0)
        marks[mark] = at
    return marks


class OrganizationSeeder:
    """`source` and `at` say where it stands, for errors."""

    def __init__(self, rows: Provisioner, wanted: SeedOrganization, source: str, at: str) -> None:
        self._rows = rows
        self._wanted = wanted
        self._source = source
        self._at = at
        self._uid = ""
        self._business = ""

    async def run(self, password_hashes: dict[str, str]) -> None:
        """Raises ConfigError."""
        wanted = self._wanted
        own = {
            name: getattr(wanted, name)
            for name in ("name", "contact_email", "phone", "address", "settings", "timezone")
        }
        self._uid, _ = await self._rows.put("organizations", {"external_id": wanted.id}, own)
        main = {"name": wanted.name, "timezone": wanted.timezone, "phone": wanted.phone, "address": ""}
        self._business, _ = await self._put("businesses", "biz_main", main)
        await self._users(password_hashes)
        await self._business_rows(self._business, wanted, "", self._at)
        for index, agent in enumerate(wanted.agents):
            await self._agent(agent, f"{self._at}.agents[{index}]")
        await self._numbers()
        for customer in wanted.customers:
            values = msgspec.structs.asdict(customer)
            digits = {"phone_digits": phone.digits(customer.phone), "phone_tail": phone.tail(customer.phone)}
            await self._put("customers", values.pop("id"), values | digits)
        for index, call in enumerate(wanted.calls):
            await self._call(call, f"{self._at}.calls[{index}].agent")
        await self._appointments()

    async def _put(self, table: str, external_id: str, values: dict[str, Any]) -> tuple[str, Change]:
        key = {"organization_uid": self._uid, "external_id": external_id}
        return await self._rows.put(table, key, values)

    async def _existing(self, table: str, external_id: str, key: str) -> str:
        uid = await self._rows.uid(table, self._uid, external_id)
        if uid is None:
            raise ConfigError(f'there is no "{external_id}" in {table}', source=self._source, key=key)
        return uid

    async def _users(self, password_hashes: dict[str, str]) -> None:
        for user in self._wanted.users:
            email = fold_email(user.email)
            values = {"name": user.name, "active": user.active, "password_hash": password_hashes[email]}
            uid, _ = await self._rows.put("users", {"email": email}, values)
            key = {"user_uid": uid, "organization_uid": self._uid}
            await self._rows.put("memberships", key, {"roles": user.roles})

    async def _business_rows(self, business: str, wanted: SeedOrganization | SeedAgent, suffix: str, at: str) -> None:
        """`suffix` keeps the made-up ids of several businesses apart."""
        for service in wanted.services:
            values: dict[str, Any] = {
                "name": service.name,
                "minutes": service.minutes,
                "price": service.price,
            }
            service_id = service.id or f"svc_{slug(service.name)}{suffix}"
            await self._put("services", service_id, values | {"business_uid": business})
        resources = wanted.resources
        if wanted.opening_hours and not resources:
            resources = (SeedResource(id=f"resource_1{suffix}", name="Reception"),)
        for resource in resources:
            values = {"name": resource.name, "active": resource.active, "business_uid": business}
            await self._put("resources", resource.id, values)
        try:
            hours = spans(wanted.opening_hours)
        except ValueError as error:
            raise ConfigError(str(error), source=self._source, key=f"{at}.opening_hours") from error
        await self._rows.opening_hours(self._uid, business, hours)
        for article in wanted.knowledge:
            values = msgspec.structs.asdict(article)
            key = values.pop("id") or f"kb_{slug(article.title)}{suffix}"
            await self._put("knowledge_articles", key, values | {"business_uid": business if suffix else None})

    async def _agent(self, agent: SeedAgent, at: str) -> None:
        assert agent.id is not None  # the reader saw to it
        business, suffix = self._business, ""
        if agent.company is not None:
            values = msgspec.structs.asdict(agent.company)
            values["timezone"] = values["timezone"] or self._wanted.timezone
            suffix = f"_{agent.id}"
            business, _ = await self._put("businesses", f"biz{suffix}", values)
        await self._business_rows(business, agent, suffix, at)
        old = await agent_rows.find(self._rows.connection, self._uid, agent.id)
        patch = AgentPatch(
            name=agent.name or None, description=agent.description, active=agent.active, config=agent.config
        )
        try:
            new = patched(old, patch, self._uid, business, agent.id)
        except ValidationError as error:
            path, reason = error.fields[0]
            raise ConfigError(reason, source=self._source, key=f"{at}.{path}") from error
        version: AgentVersion = as_version(new)
        change = Change.UNCHANGED
        if old is None:
            await agent_rows.add(self._rows.connection, new, version)
            change = Change.CREATED
        elif new is not old:
            await agent_rows.add_version(self._rows.connection, version)
            change = Change.UPDATED
        if old is not None and old.business_uid != business:
            await agent_rows.assign_business(self._rows.connection, old.uid, business)
            change = Change.UPDATED
        self._rows.changes.append(("agents", change))

    async def _numbers(self) -> None:
        for index, number in enumerate(self._wanted.phone_numbers):
            at = f"{self._at}.phone_numbers[{index}]"
            agent = await self._existing("agents", number.agent, f"{at}.agent")
            key = {"digits": phone.digits(number.number), "organization_uid": self._uid}
            values = {"number": number.number, "label": number.label, "agent_uid": agent}
            await self._rows.put("phone_numbers", key, values)

    async def _call(self, call: SeedCall, at: str) -> None:
        answered = call.duration_s > 0
        agent = await self._existing("agents", call.agent, at) if call.agent else None
        marks = [marks_of(turn, _at_ms(turn, index)) for index, turn in enumerate(call.turns)]
        values = {
            "sid": call.sid,
            "direction": call.direction,
            "status": "ended",
            "from_number": call.from_number,
            "to_number": call.to_number,
            "from_digits": phone.digits(call.from_number),
            "to_digits": phone.digits(call.to_number),
            "agent_uid": agent,
            "business_uid": await self._rows.business_of("agents", agent) if agent else self._business,
            "party_name": call.party_name,
            "notes": call.notes,
            "sentiment": call.sentiment,
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
            "answered_at": call.started_at if answered else None,
            "ended_at": call.started_at + timedelta(seconds=call.duration_s),
        }
        uid, _ = await self._put("calls", call.id, values)
        for index, turn in enumerate(call.turns):
            await self._turn(uid, values["agent_uid"], index, turn, marks[index])
        await self._rows.drop_turns_from(uid, len(call.turns))

    async def _turn(self, call_uid: str, agent_uid: Any, index: int, turn: SeedTurn, marks: Marks) -> None:
        started = _at_ms(turn, index)
        answer = marks.get(Mark.FIRST_FRAME, started)
        heard = turn.agent if turn.heard is None else turn.heard
        values = {
            "agent_uid": agent_uid,
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
            "tools": [],
        }
        await self._rows.put("turns", {"call_uid": call_uid, "index": index}, values)

    async def _appointments(self) -> None:
        for index, wanted in enumerate(self._wanted.appointments):
            at = f"{self._at}.appointments[{index}]"
            customer = next((c for c in self._wanted.customers if c.id == wanted.customer), None)
            customer_uid = call_uid = None
            if wanted.customer:
                customer_uid = await self._existing("customers", wanted.customer, f"{at}.customer")
            if wanted.call:
                call_uid = await self._existing("calls", wanted.call, f"{at}.call")
            resource = await self._existing("resources", wanted.resource, f"{at}.resource")
            values = {
                "business_uid": await self._rows.business_of("resources", resource),
                "customer_uid": customer_uid,
                "customer_name": customer.name if customer else "",
                "customer_phone": customer.phone if customer else "",
                "phone_tail": phone.tail(customer.phone) if customer else "",
                "resource_uid": resource,
                "service": wanted.service,
                "starts_at": wanted.start,
                "ends_at": wanted.start + timedelta(minutes=wanted.minutes),
                "status": wanted.status,
                "notes": wanted.notes,
                "source": wanted.source,
                "call_uid": call_uid,
            }
            await self._put("appointments", wanted.id, values)


def _at_ms(turn: SeedTurn, index: int) -> float:
    return 1000 * (index * TURN_S if turn.at_s is None else turn.at_s)
