"""From a wish to a call's row: who speaks, to which number, from which, and when."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pipelines.errors import NotFound, ValidationError
from voicecore.domain import phone
from voicecore.domain.agents import Agent
from voicecore.domain.calls import Call, CallStatus, Direction
from voicecore.domain.customers import Customer
from voicecore.domain.dialling import Dial, Placement
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.services.carrier import Carrier
from voicecore.storage import agents, customers, dials

LONGEST_WAIT = timedelta(days=366)
INVALID = "Invalid input data"


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """`estimated_start`: as it was wished, also where that is over."""

    call: Call
    estimated_start: datetime


async def wanted_call(
    connection: AsyncConnection, organization_uid: str, wanted: Placement, now: datetime, carrier: Carrier
) -> tuple[Call, Dial]:
    """Raises NotFound, ValidationError."""
    agent = await _agent(connection, organization_uid, wanted.agent_id)
    customer = await _customer(connection, organization_uid, wanted.customer_id)
    to_number = (wanted.to_number or (customer.phone if customer else "")).strip()
    dialled = _number(to_number, "to_number")
    customer = customer or next(iter(await customers.with_number(connection, organization_uid, dialled)), None)
    from_number = await _from_number(connection, agent, wanted.from_number.strip(), carrier)
    at = max(wanted.scheduled_at or now, now)
    if at > now + LONGEST_WAIT:
        raise ValidationError(INVALID, (("scheduled_time", f"at most {LONGEST_WAIT.days} days ahead"),))
    call = Call(
        uid=new_uid(),
        organization_uid=organization_uid,
        external_id=new_external_id("call"),
        sid=carrier.reserve(),
        direction=Direction.OUTBOUND,
        status=CallStatus.SCHEDULED if at > now else CallStatus.QUEUED,
        from_number=from_number,
        to_number=to_number,
        agent_uid=agent.uid,
        agent_id=agent.external_id,
        agent_version=agent.version,
        business_uid=agent.business_uid,
        customer_uid=customer.uid if customer else None,
        party_name=customer.name if customer else "",
        metadata=wanted.metadata,
        created_at=now,
    )
    dial = Dial(
        uid=new_uid(),
        organization_uid=organization_uid,
        call_uid=call.uid,
        dialled_number=dialled,
        caller_number=_caller_number(from_number),
        scheduled_at=at,
        next_at=at,
        created_at=now,
    )
    return call, dial


async def _agent(connection: AsyncConnection, organization_uid: str, agent_id: str) -> Agent:
    if agent_id:
        found = await agents.find(connection, organization_uid, agent_id)
    else:
        found = next((one for one in await agents.of_organization(connection, organization_uid) if one.active), None)
    if found is None or not found.active:
        raise NotFound("agent not found")
    return found


async def _customer(connection: AsyncConnection, organization_uid: str, customer_id: str) -> Customer | None:
    if not customer_id:
        return None
    found = await customers.find(connection, organization_uid, customer_id)
    if found is None:
        raise NotFound("customer not found")
    return found


async def _from_number(connection: AsyncConnection, agent: Agent, wanted: str, carrier: Carrier) -> str:
    """Nobody calls in another organization's name. Whether the carrier lets us use the number is its business."""
    if wanted:
        owner = await dials.number_owner(connection, phone.digits(wanted))
        if owner not in (None, agent.organization_uid):
            raise ValidationError(INVALID, (("from_number", "not one of your numbers"),))
        return wanted
    own = await agents.number_of(connection, agent.uid)
    own = own or await dials.first_number(connection, agent.organization_uid) or carrier.default_number
    if not own:
        raise ValidationError(INVALID, (("from_number", "the organization has no number to call from"),))
    return own


def _number(raw: str, field: str) -> str:
    try:
        return phone.e164(raw)
    except ValueError as error:
        raise ValidationError(INVALID, ((field, f"no telephone number: {error}"),)) from error


def _caller_number(raw: str) -> str:
    """Less strict: whether it may be shown to the one who is called is the carrier's to judge."""
    kept = phone.digits(raw)
    if not 3 <= len(kept) <= 15:
        raise ValidationError(INVALID, (("from_number", "no telephone number: 3 to 15 digits"),))
    return f"+{kept}"
