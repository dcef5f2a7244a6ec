"""Everything that is known of finished calls, read for many of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from config.schema import AgentSettings
from pipelines.brain import ports
from voicecore.domain import instants
from voicecore.domain.agents import Agent
from voicecore.domain.calendar import Appointment
from voicecore.domain.calls import Call
from voicecore.services.analysis.material import Material
from voicecore.services.equipment import equipped
from voicecore.services.receptionist_ports import port_hours, port_services
from voicecore.storage import agents, calendar, customers, tenants
from voicecore.storage import calls as call_rows


class Work(msgspec.Struct, frozen=True):
    """One call and what is known of it. `agent` is None where nobody answered, or nobody of ours."""

    material: Material
    agent: Agent | None


class House(msgspec.Struct, frozen=True):
    """What a business offers, and when."""

    timezone: str = "UTC"
    services: Sequence[ports.Service] = ()
    hours: Sequence[ports.OpeningHours] = ()


async def gathered(connection: AsyncConnection, taken: Sequence[Call]) -> list[Work]:
    """In the order of the calls."""
    uids = [call.uid for call in taken]
    turns = await call_rows.turns_of_calls(connection, uids)
    callbacks = await customers.callbacks_of_calls(connection, uids)
    names = await customers.names(connection, {call.customer_uid for call in taken if call.customer_uid})
    booked: dict[str | None, list[Appointment]] = {}
    for owner in {call.organization_uid for call in taken}:
        for one in await calendar.cards_of_calls(connection, owner, uids):
            booked.setdefault(one.call_uid, []).append(one)
    houses: dict[str | None, House] = {None: House()}
    known: dict[tuple[str, str], Agent | None] = {}
    works = []
    for call in taken:
        owner, place = call.organization_uid, call.business_uid
        if place is not None and place not in houses:
            houses[place] = await _house(connection, owner, place)
        if (owner, call.agent_id) not in known:
            agent = await agents.find(connection, owner, call.agent_id) if call.agent_id else None
            known[owner, call.agent_id] = await equipped(connection, agent) if agent else None
        house, agent = houses[place], known[owner, call.agent_id]
        appointments = booked.get(call.uid, [])
        possible = [
            call.party_name,
            *(one.customer_name for one in appointments),
            names.get(call.customer_uid or "", ""),
        ]
        material = Material(
            call=call,
            turns=turns.get(call.uid, []),
            appointments=appointments,
            callbacks=[one.reason for one in callbacks if one.call_uid == call.uid],
            party_name=next((name for name in possible if name), ""),
            language=(agent.config if agent else AgentSettings()).language,
            services=house.services,
            hours=house.hours,
            now=(call.answered_at or call.created_at).astimezone(instants.zone(house.timezone)),
        )
        works.append(Work(material, agent))
    return works


async def _house(connection: AsyncConnection, organization_uid: str, business_uid: str) -> House:
    business = await tenants.business(connection, organization_uid, business_uid)
    if business is None:
        return House()
    services = await calendar.services_of(connection, business_uid)
    hours = await calendar.hours_of(connection, business_uid)
    return House(business.timezone, port_services(services), port_hours(hours))
