"""Contacts: the customers of the core, as people with a company and a title; and what happened with each."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from voicecore.api.crm.envelope import Many, One, PageQuery, many, one
from voicecore.api.crm.words import path_number, status_word, z
from voicecore.api.kit import Exchange, Route
from voicecore.domain.accounts import Permission
from voicecore.domain.calendar import Appointment
from voicecore.domain.calls import Call
from voicecore.domain.customers import Customer
from voicecore.domain.ids import new_external_id
from voicecore.domain.interactions import Interaction
from voicecore.services.activities import Activities, Activity
from voicecore.services.customer_file import MISSING, CustomerFile, CustomerPatch

Named = Annotated[str, Meta(min_length=1, pattern=r"\S")]


class ContactRequest(msgspec.Struct):
    """A contact needs a name; the rest may be left out."""

    name: Named
    email: str | None = None
    phone: str | None = None
    company: str | None = None
    title: str | None = None


class ContactShape(msgspec.Struct):
    """What nobody gave is null."""

    id: int
    name: str
    email: str | None
    phone: str | None
    company: str | None
    title: str | None
    created_at: str


class ActivityShape(msgspec.Struct, kw_only=True):
    """`id` counts within a `type`; `duration` in seconds. `type` is call, appointment, conversation, or what an
    interaction was logged as."""

    id: int
    contact_id: int
    type: str
    channel: str
    direction: str | None = None
    status: str
    duration: int
    notes: str
    metadata: dict[str, Any]
    call_id: str | None = None
    created_at: str


class ContactHandlers:
    def __init__(self, customers: CustomerFile, activities: Activities) -> None:
        self._customers = customers
        self._activities = activities

    async def listing(self, exchange: Exchange) -> Many[ContactShape]:
        query: PageQuery = exchange.query
        found = await self._customers.listing(exchange.organization_uid, query.core())
        return many([_shape(row) for row in found.rows], found.total, query)

    async def create(self, exchange: Exchange) -> One[ContactShape]:
        body: ContactRequest = exchange.body
        patch = CustomerPatch(**msgspec.structs.asdict(body))
        customer, _ = await self._customers.upsert(exchange.organization_uid, new_external_id("cust"), patch)
        return one(_shape(customer))

    async def get(self, exchange: Exchange) -> One[ContactShape]:
        seq = path_number(exchange, "id", MISSING)
        return one(_shape(await self._customers.with_seq(exchange.organization_uid, seq)))

    async def activities(self, exchange: Exchange) -> Many[ActivityShape]:
        query: PageQuery = exchange.query
        seq = path_number(exchange, "id", MISSING)
        found = await self._activities.of_customer(exchange.organization_uid, seq, query.core())
        return many([_activity(row, seq) for row in found.rows], found.total, query)

    def routes(self) -> list[Route]:
        path, tag = "/api/contacts", "Contacts"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Contacts, newest first",
                tag=tag,
                query=PageQuery,
                response=Many[ContactShape],
                retold=True,
            ),
            Route(
                method="POST",
                path=path,
                handler=self.create,
                summary="Add a contact",
                tag=tag,
                body=ContactRequest,
                response=One[ContactShape],
                status=201,
                permission=Permission.BOOK,
                limit="write",
            ),
            Route(
                method="GET",
                path=f"{path}/{{id}}",
                handler=self.get,
                summary="One contact (our addition)",
                tag=tag,
                response=One[ContactShape],
            ),
            Route(
                method="GET",
                path=f"{path}/{{id}}/activities",
                handler=self.activities,
                summary="What happened with a contact, calls among it; newest first",
                tag=tag,
                query=PageQuery,
                response=Many[ActivityShape],
            ),
        ]


def _shape(customer: Customer) -> ContactShape:
    return ContactShape(
        id=customer.seq,
        name=customer.name,
        email=customer.email or None,
        phone=customer.phone or None,
        company=customer.company or None,
        title=customer.title or None,
        created_at=z(customer.created_at),
    )


def _activity(row: Activity, contact_id: int) -> ActivityShape:
    common: dict[str, Any] = {"id": row.seq, "contact_id": contact_id, "created_at": z(row.created_at)}
    if isinstance(row, Interaction):
        return ActivityShape(
            **common,
            type=row.kind,
            channel=row.channel,
            status=row.outcome,
            duration=round(row.duration_s),
            notes=row.notes,
            metadata=row.metadata,
        )
    if isinstance(row, Call):
        return ActivityShape(
            **common,
            type="call",
            channel="phone",
            direction=row.direction.value,
            status=status_word(row),
            duration=round(row.duration_s),
            notes=row.notes,
            metadata=row.metadata,
            call_id=row.external_id,
        )
    if isinstance(row, Appointment):
        return ActivityShape(
            **common,
            type="appointment",
            channel=row.source,
            status=row.status.value,
            duration=round((row.ends_at - row.starts_at).total_seconds()),
            notes=row.notes,
            metadata={"service": row.service, "start": z(row.starts_at)},
            call_id=row.call_id or None,
        )
    return ActivityShape(
        **common,
        type="conversation",
        channel=row.channel,
        status=row.last_topic,
        duration=round((row.updated_at - row.created_at).total_seconds()),
        notes="",
        metadata={},
    )
