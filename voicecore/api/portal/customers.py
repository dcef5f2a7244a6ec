"""Customers: lists, one with his history, and changing him. Nobody is made here: they come from calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from voicecore.api.kit import Exchange, Route
from voicecore.api.portal.call_shapes import EventShape
from voicecore.api.portal.paging import Paged, PageQuery, Pager
from voicecore.api.portal.words import BASE, maybe_z, path_seq, z
from voicecore.domain.accounts import Permission
from voicecore.domain.calendar import Appointment
from voicecore.domain.calls import Call
from voicecore.domain.conversations import Conversation
from voicecore.domain.customer_figures import CustomerCard, CustomerFilter, RiskLevel, Stage
from voicecore.domain.customers import Customer
from voicecore.domain.paging import Page
from voicecore.services.activities import Activities, Activity
from voicecore.services.customer_file import MISSING, CustomerFile, CustomerPatch
from voicecore.services.customer_profiles import CustomerProfile, CustomerProfiles

TIMELINE = Page(0, 50)
Text = Annotated[str, Meta(max_length=10_000)]
Name = Annotated[str, Meta(min_length=1, max_length=1000)]


class CustomerQuery(PageQuery, kw_only=True):
    """`search`: part of name, e-mail address or number."""

    search: str | None = None
    journey_stage: str | None = None
    risk_level: Literal["high", "medium", "low"] | None = None
    has_appointments: bool | None = None
    sort_by: Literal["name", "created_at", "lifetime_value", "last_appointment"] = "name"
    sort_order: Literal["asc", "desc"] | None = None

    def descending(self) -> bool:
        """Names from A on, the rest from the newest and highest on, unless it is said."""
        return self.sort_order == "desc" or (self.sort_order is None and self.sort_by != "name")


class CustomerShape(msgspec.Struct, kw_only=True):
    id: int
    name: str
    email: str
    phone: str
    journey_stage: str
    risk_level: str
    risk_score: float
    lifetime_value: float
    total_appointments: int
    last_appointment: str | None
    tags: list[str]
    created_at: str


class AddressShape(msgspec.Struct, kw_only=True):
    street: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = ""


class JourneyShape(msgspec.Struct, kw_only=True):
    """Scores from 0 to 1."""

    current_stage: str
    stage_entered_at: str
    lifetime_value: float
    total_appointments: int
    risk_score: float
    engagement_score: float


class StatsShape(msgspec.Struct, kw_only=True):
    first_appointment: str | None
    last_appointment: str | None
    total_spent: float
    average_spend: float
    no_show_count: int
    cancellation_count: int


class CustomerDetailShape(msgspec.Struct, kw_only=True):
    id: int
    name: str
    email: str
    phone: str
    address: AddressShape
    journey: JourneyShape
    stats: StatsShape
    timeline: list[EventShape]
    tags: list[str]
    notes: str
    created_at: str


class AddressChange(msgspec.Struct, kw_only=True):
    street: Text | None = None
    city: Text | None = None
    postal_code: Text | None = None
    country: Text | None = None


class CustomerChange(msgspec.Struct, kw_only=True):
    """What is left out stays; tags replace the old ones."""

    name: Name | None = None
    email: str | None = None
    phone: str | None = None
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=100)] | None = None
    notes: Text | None = None
    address: AddressChange | None = None


class CustomerHandlers:
    def __init__(
        self, profiles: CustomerProfiles, customers: CustomerFile, activities: Activities, pager: Pager
    ) -> None:
        self._profiles = profiles
        self._customers = customers
        self._activities = activities
        self._pager = pager

    async def listing(self, exchange: Exchange) -> Paged[CustomerShape]:
        query: CustomerQuery = exchange.query
        stages = [stage for stage in Stage if stage.value == query.journey_stage]
        if query.journey_stage is not None and not stages:
            return self._pager.paged(exchange, [], 0)  # a stage that nobody is in
        wanted = CustomerFilter(
            search=(query.search or "").strip() or None,
            stage=stages[0] if stages else None,
            risk=RiskLevel(query.risk_level) if query.risk_level else None,
            has_appointments=query.has_appointments,
        )
        found = await self._profiles.listing(
            exchange.organization_uid, wanted, query.core(), query.sort_by, descending=query.descending()
        )
        return self._pager.paged(exchange, [_shape(card) for card in found.rows], found.total)

    async def get(self, exchange: Exchange) -> CustomerDetailShape:
        return await self._detail(exchange)

    async def change(self, exchange: Exchange) -> CustomerDetailShape:
        body: CustomerChange = exchange.body
        old = await self._customers.with_seq(exchange.organization_uid, path_seq(exchange, "id", MISSING))
        given = msgspec.structs.asdict(body.address) if body.address else {}
        patch = CustomerPatch(
            name=body.name,
            email=body.email,
            phone=body.phone,
            tags=None if body.tags is None else tuple(dict.fromkeys(body.tags)),
            notes=body.notes,
            address={name: text for name, text in given.items() if text is not None},
        )
        await self._customers.upsert(exchange.organization_uid, old.external_id, patch)
        return await self._detail(exchange)

    async def _detail(self, exchange: Exchange) -> CustomerDetailShape:
        seq = path_seq(exchange, "id", MISSING)
        profile = await self._profiles.with_seq(exchange.organization_uid, seq)
        activities = await self._activities.of_customer(exchange.organization_uid, seq, TIMELINE)
        return _detail_shape(profile, activities.rows)

    def routes(self) -> list[Route]:
        path, tag = f"{BASE}/customers", "Customers"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Customers with what they are worth",
                tag=tag,
                query=CustomerQuery,
                response=Paged[CustomerShape],
                permission=Permission.CUSTOMERS_VIEW,
                retold=True,
            ),
            Route(
                method="GET",
                path=f"{path}/{{id}}",
                handler=self.get,
                summary="One customer with his history",
                tag=tag,
                response=CustomerDetailShape,
                permission=Permission.CUSTOMERS_VIEW,
            ),
            Route(
                method="PUT",
                path=f"{path}/{{id}}",
                handler=self.change,
                summary="Change what is sent, keep the rest",
                tag=tag,
                body=CustomerChange,
                response=CustomerDetailShape,
                permission=Permission.CUSTOMERS_MANAGE,
            ),
        ]


def _shape(card: CustomerCard) -> CustomerShape:
    who, figures = card.customer, card.figures
    return CustomerShape(
        id=who.seq,
        name=who.name,
        email=who.email,
        phone=who.phone,
        journey_stage=figures.stage.value,
        risk_level=figures.risk_level.value,
        risk_score=round(figures.risk_score, 2),
        lifetime_value=round(figures.value, 2),
        total_appointments=figures.appointments,
        last_appointment=maybe_z(figures.last_at),
        tags=list(who.tags),
        created_at=z(who.created_at),
    )


def _detail_shape(profile: CustomerProfile, activities: list[Activity]) -> CustomerDetailShape:
    who, figures = profile.card.customer, profile.card.figures
    return CustomerDetailShape(
        id=who.seq,
        name=who.name,
        email=who.email,
        phone=who.phone,
        address=_address(who),
        journey=JourneyShape(
            current_stage=figures.stage.value,
            stage_entered_at=z(profile.stage_since),
            lifetime_value=round(figures.value, 2),
            total_appointments=figures.appointments,
            risk_score=round(figures.risk_score, 2),
            engagement_score=round(figures.engagement_score, 2),
        ),
        stats=StatsShape(
            first_appointment=maybe_z(figures.first_at),
            last_appointment=maybe_z(figures.last_at),
            total_spent=round(figures.value, 2),
            average_spend=round(figures.average_spend, 2),
            no_show_count=figures.no_shows,
            cancellation_count=figures.cancellations,
        ),
        timeline=[event_shape(activity) for activity in activities],
        tags=list(who.tags),
        notes=who.notes,
        created_at=z(who.created_at),
    )


def _address(who: Customer) -> AddressShape:
    known = {name: who.address.get(name, "") for name in AddressShape.__struct_fields__}
    return AddressShape(**known)


def event_shape(activity: Activity) -> EventShape:
    """What happened, in the words of a call's timeline."""
    details: dict[str, Any]
    if isinstance(activity, Call):
        event, word = "call", activity.outcome.value if activity.outcome else activity.status.value
        details = {"call_id": activity.seq, "status": word, "duration": round(activity.duration_s)}
    elif isinstance(activity, Appointment):
        event = "appointment_booked"
        details = {
            "appointment_id": activity.seq,
            "service": activity.service,
            "scheduled_at": z(activity.starts_at),
            "status": activity.status.value,
        }
    elif isinstance(activity, Conversation):
        event, details = "conversation", {"channel": activity.channel, "topic": activity.last_topic}
    else:
        event = activity.kind
        details = {"channel": activity.channel, "outcome": activity.outcome, "notes": activity.notes}
    return EventShape(z(activity.created_at), event, details)
