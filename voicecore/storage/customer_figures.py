"""Customers with what follows from their appointments, summed by the database from an index of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain import phone
from voicecore.domain.calendar import AppointmentStatus
from voicecore.domain.customer_figures import (
    HIGH_FROM,
    MEDIUM_FROM,
    REGULAR_FROM,
    VIP_FROM,
    CustomerCard,
    CustomerFigures,
    CustomerFilter,
    CustomerSort,
    RiskLevel,
    Stage,
)
from voicecore.domain.customers import Customer, name_key
from voicecore.domain.paging import Listing, Page
from voicecore.storage import records
from voicecore.storage.bookings import LOST
from voicecore.storage.columns import Instant
from voicecore.storage.schema import appointments, calls, customers


def _sums(organization_uid: str, uids: list[str] | None) -> sa.Subquery:
    """One row for each customer who ever booked, or each of these."""
    column = appointments.c
    status = column.status
    not_cancelled = sa.case((status != AppointmentStatus.CANCELLED.value, column.starts_at))

    def counted(wanted: AppointmentStatus) -> sa.ColumnElement[int]:
        return sa.func.count(sa.case((status == wanted.value, 1)))

    whose = column.customer_uid.is_not(None) if uids is None else column.customer_uid.in_(uids)
    return (
        sa.select(
            column.customer_uid,
            sa.func.count().label("appointments"),
            sa.func.coalesce(sa.func.sum(sa.case((status.not_in(LOST), column.price))), 0.0).label("value"),
            counted(AppointmentStatus.NO_SHOW).label("no_shows"),
            counted(AppointmentStatus.CANCELLED).label("cancellations"),
            sa.func.min(not_cancelled, type_=Instant()).label("first_at"),
            sa.func.max(not_cancelled, type_=Instant()).label("last_at"),
        )
        .where(column.organization_uid == organization_uid, whose)
        .group_by(column.customer_uid)
        .subquery("sums")
    )


def _cards(
    organization_uid: str, uids: list[str] | None = None
) -> tuple[sa.Select[Any], dict[str, sa.ColumnElement[Any]]]:
    sums = _sums(organization_uid, uids)
    figure: dict[str, sa.ColumnElement[Any]] = {
        name: sa.func.coalesce(sums.c[name], 0) for name in ("appointments", "value", "no_shows", "cancellations")
    }
    figure |= {name: sums.c[name] for name in ("first_at", "last_at")}
    query = (
        sa.select(customers, *(column.label(f"sum_{name}") for name, column in figure.items()))
        .outerjoin(sums, sums.c.customer_uid == customers.c.uid)
        .where(customers.c.organization_uid == organization_uid)
    )
    return query, figure


def _conditions(wanted: CustomerFilter, figure: dict[str, sa.ColumnElement[Any]]) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.search:
        fields = (customers.c.email, customers.c.phone)
        either: list[sa.ColumnElement[bool]] = [f.icontains(wanted.search, autoescape=True) for f in fields]
        either.append(customers.c.name_key.contains(name_key(wanted.search), autoescape=True))
        if digits := phone.sought_digits(wanted.search):
            either.append(customers.c.phone_digits.contains(digits))
        conditions.append(sa.or_(*either))
    if wanted.has_appointments is not None:
        conditions.append((figure["appointments"] > 0) == wanted.has_appointments)
    if wanted.stage is not None:
        conditions.append(_in_stage(wanted.stage, figure))
    if wanted.risk is not None:
        conditions.append(_at_risk(wanted.risk, figure))
    return conditions


def _in_stage(stage: Stage, figure: dict[str, sa.ColumnElement[Any]]) -> sa.ColumnElement[bool]:
    """As `stage_at` says."""
    stood = figure["appointments"] - figure["no_shows"] - figure["cancellations"]
    said = sa.case(
        (figure["value"] >= VIP_FROM, Stage.VIP.value),
        (stood >= REGULAR_FROM, Stage.REGULAR.value),
        (stood > 0, Stage.CUSTOMER.value),
        else_=Stage.LEAD.value,
    )
    return said == stage.value


def _at_risk(level: RiskLevel, figure: dict[str, sa.ColumnElement[Any]]) -> sa.ColumnElement[bool]:
    """As `CustomerFigures.risk_level` says; nothing is divided, for there may be no appointment."""
    lost, booked = figure["no_shows"] + figure["cancellations"] * 0.5, figure["appointments"]
    said = sa.case(
        (booked == 0, RiskLevel.LOW.value),
        (lost >= booked * HIGH_FROM, RiskLevel.HIGH.value),
        (lost >= booked * MEDIUM_FROM, RiskLevel.MEDIUM.value),
        else_=RiskLevel.LOW.value,
    )
    return said == level.value


async def listing(
    connection: AsyncConnection,
    organization_uid: str,
    wanted: CustomerFilter,
    page: Page,
    sort: CustomerSort,
    descending: bool,
) -> Listing[CustomerCard]:
    """Without contacts. Who never booked comes last, whatever the direction."""
    query, figure = _cards(organization_uid)
    conditions = _conditions(wanted, figure)
    by = {
        "name": customers.c.name_key,
        "created_at": customers.c.created_at,
        "lifetime_value": figure["value"],
        "last_appointment": figure["last_at"],
    }[sort]
    ways = [way.desc() if descending else way for way in (by, customers.c.seq)]
    if sort in ("name", "created_at") and not wanted.by_figures:  # sums are made for those of the page only
        own = [customers.c.organization_uid == organization_uid, *conditions]
        of_page = sa.select(customers.c.uid).where(*own).order_by(*ways).offset(page.offset).limit(page.count)
        uids = list((await connection.execute(of_page)).scalars())
        known = await of_customers(connection, organization_uid, uids)
        return Listing([known[uid] for uid in uids if uid in known], await records.count(connection, customers, own))
    query = query.where(*conditions)
    rows = (await connection.execute(query.order_by(by.is_(None), *ways).offset(page.offset).limit(page.count))).all()
    cards = [_card(row) for row in rows]
    if not wanted.by_figures:
        own = [customers.c.organization_uid == organization_uid, *conditions]
        return Listing(cards, await records.count(connection, customers, own))
    total = (await connection.execute(query.with_only_columns(sa.func.count()))).scalar_one()
    return Listing(cards, total)


async def of_customers(
    connection: AsyncConnection, organization_uid: str, uids: list[str], since: datetime | None = None
) -> dict[str, CustomerCard]:
    """By uid; with contacts since then, if that is asked for."""
    query, _ = _cards(organization_uid, uids)
    rows = (await connection.execute(query.where(customers.c.uid.in_(uids)))).all()
    contacts = {uid: await _contacts(connection, organization_uid, uid, since) for uid in uids} if since else {}
    return {row.uid: _card(row, contacts.get(row.uid, 0)) for row in rows}


def _card(row: sa.Row[Any], contacts: int = 0) -> CustomerCard:
    names = ("appointments", "value", "no_shows", "cancellations", "first_at", "last_at")
    figures = {name: getattr(row, f"sum_{name}") for name in names}
    return CustomerCard(records.load(Customer, row), CustomerFigures(**figures, contacts=contacts))


async def _contacts(connection: AsyncConnection, organization_uid: str, uid: str, since: datetime) -> int:
    found = 0
    for table in (calls, appointments):
        column = table.c
        conditions = [column.organization_uid == organization_uid, column.customer_uid == uid]
        found += await records.count(connection, table, [*conditions, column.created_at >= since])
    return found


async def stood(connection: AsyncConnection, organization_uid: str, uid: str) -> list[tuple[datetime, float]]:
    """Start and price of a customer's appointments that were neither cancelled nor missed, earliest first."""
    column = appointments.c
    query = (
        sa.select(column.starts_at, sa.func.coalesce(column.price, 0.0))
        .where(column.organization_uid == organization_uid, column.customer_uid == uid, column.status.not_in(LOST))
        .order_by(column.starts_at)
    )
    return [(at, price) for at, price in (await connection.execute(query)).all()]
