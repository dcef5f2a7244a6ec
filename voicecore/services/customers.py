"""Customers come from calls: found by their number in any spelling, or made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.customers import Customer
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.phone import digits
from voicecore.storage import customers


async def find_or_make_customer(
    connection: AsyncConnection, organization_uid: str, phone: str, name: str, at: datetime
) -> Customer | None:
    """Whoever has the number; among several the one of that name. None without number and name."""
    known = await customers.with_number(connection, organization_uid, phone)
    if known:
        return next((c for c in known if c.name.casefold() == name.casefold()), known[0])
    if not phone and not name:
        return None
    customer = new_customer(organization_uid, phone, name, at)
    await customers.add(connection, customer)
    return customer


def new_customer(organization_uid: str, phone: str, name: str, at: datetime) -> Customer:
    return Customer(
        uid=new_uid(),
        organization_uid=organization_uid,
        external_id=new_external_id("cust"),
        name=name,
        phone=phone,
        phone_digits=digits(phone),
        created_at=at,
    )
