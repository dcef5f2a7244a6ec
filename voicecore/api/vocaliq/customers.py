"""Customers under ids that the client chooses, and what happened with them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from voicecore.api.kit import Exchange, Route
from voicecore.api.vocaliq.words import z
from voicecore.domain.accounts import Permission
from voicecore.domain.customers import Customer
from voicecore.services.customer_file import CustomerFile, CustomerPatch, NewInteraction


class CustomerRequest(msgspec.Struct):
    """What is left out stays as it is; a new customer needs a name. `custom_fields` are merged, null removes one."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    tags: list[str] | None = None
    custom_fields: dict[str, Any] | None = None


class CustomerShape(msgspec.Struct):
    id: str
    name: str
    phone: str
    email: str
    tags: list[str]
    custom_fields: dict[str, Any]
    created_at: str


class InteractionRequest(msgspec.Struct):
    """`duration` in seconds."""

    customer_id: str
    type: Annotated[str, Meta(min_length=1, max_length=100)]
    channel: str = ""
    duration: Annotated[float, Meta(ge=0, le=10_000_000)] = 0.0
    outcome: str = ""
    notes: str = ""
    metadata: dict[str, Any] = {}


class InteractionShape(msgspec.Struct):
    id: str
    customer_id: str
    type: str
    channel: str
    duration: float
    outcome: str
    notes: str
    metadata: dict[str, Any]
    created_at: str


class CustomerHandlers:
    def __init__(self, customers: CustomerFile) -> None:
        self._customers = customers

    async def put(self, exchange: Exchange) -> CustomerShape:
        body: CustomerRequest = exchange.body
        patch = CustomerPatch(
            name=body.name,
            phone=body.phone,
            email=body.email,
            tags=None if body.tags is None else tuple(body.tags),
            custom_fields=body.custom_fields,
        )
        customer, _ = await self._customers.upsert(exchange.organization_uid, exchange.path("customer_id"), patch)
        return customer_shape(customer)

    async def log(self, exchange: Exchange) -> InteractionShape:
        body: InteractionRequest = exchange.body
        wanted = NewInteraction(
            customer_id=body.customer_id,
            kind=body.type,
            channel=body.channel,
            duration_s=body.duration,
            outcome=body.outcome,
            notes=body.notes,
            metadata=body.metadata,
        )
        logged = await self._customers.log(exchange.organization_uid, wanted)
        return InteractionShape(
            id=logged.external_id,
            customer_id=logged.customer_id,
            type=logged.kind,
            channel=logged.channel,
            duration=logged.duration_s,
            outcome=logged.outcome,
            notes=logged.notes,
            metadata=logged.metadata,
            created_at=z(logged.created_at),
        )

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/crm", "CRM"
        return [
            Route(
                method="PUT",
                path=f"{base}/customers/{{customer_id}}",
                handler=self.put,
                summary="Make a customer under an id of the client's choice, or change what is sent",
                tag=tag,
                body=CustomerRequest,
                response=CustomerShape,
                permission=Permission.BOOK,
            ),
            Route(
                method="POST",
                path=f"{base}/interactions",
                handler=self.log,
                summary="Log what happened with a customer",
                tag=tag,
                body=InteractionRequest,
                response=InteractionShape,
                status=201,
                permission=Permission.BOOK,
            ),
        ]


def customer_shape(customer: Customer) -> CustomerShape:
    return CustomerShape(
        id=customer.external_id,
        name=customer.name,
        phone=customer.phone,
        email=customer.email,
        tags=list(customer.tags),
        custom_fields=customer.custom_fields,
        created_at=z(customer.created_at),
    )
