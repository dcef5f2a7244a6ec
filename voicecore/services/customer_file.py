"""Customers as clients keep them, under ids of their own, and what happened with each."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pipelines.errors import NotFound, ValidationError
from voicecore.domain import instants
from voicecore.domain.agents import merge
from voicecore.domain.customers import Customer
from voicecore.domain.ids import is_external_id, new_external_id, new_uid
from voicecore.domain.interactions import Interaction
from voicecore.domain.paging import Listing, Page
from voicecore.domain.phone import digits
from voicecore.storage import customers, interactions
from voicecore.storage.database import Database

INVALID = "Invalid input data"
MISSING = "customer not found"
NO_EMAIL = "not an e-mail address"
_PHONE = re.compile(r"\+?[0-9()/.\- ]{3,40}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
SHORTEST_PHONE = 3  # digits


class CustomerPatch(msgspec.Struct, frozen=True, kw_only=True):
    """What is None stays as it is; `custom_fields` are merged, null removes one."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    tags: tuple[str, ...] | None = None
    custom_fields: dict[str, Any] | None = None
    notes: str | None = None
    company: str | None = None
    title: str | None = None
    address: dict[str, str] | None = None  # merged


class NewInteraction(msgspec.Struct, frozen=True, kw_only=True):
    customer_id: str
    kind: str
    channel: str = ""
    duration_s: float = 0.0
    outcome: str = ""
    notes: str = ""
    metadata: dict[str, Any] = {}


def phone_problem(field: str, text: str) -> tuple[tuple[str, str], ...]:
    """What is wrong with a telephone number, if anything."""
    if _PHONE.fullmatch(text) and len(digits(text)) >= SHORTEST_PHONE:
        return ()
    return ((field, "Invalid phone number format"),)


class CustomerFile:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def listing(self, organization_uid: str, page: Page) -> Listing[Customer]:
        """Newest first."""
        async with self._database.read() as connection:
            return await customers.listing(connection, organization_uid, page)

    async def with_seq(self, organization_uid: str, seq: int) -> Customer:
        """Raises NotFound, also for another organization's."""
        async with self._database.read() as connection:
            found = await customers.with_seq(connection, organization_uid, seq)
        if found is None:
            raise NotFound(MISSING)
        return found

    async def upsert(self, organization_uid: str, customer_id: str, patch: CustomerPatch) -> tuple[Customer, bool]:
        """The customer after the patch; the bool says whether it was made. Raises ValidationError."""
        _check(customer_id, patch)
        async with self._database.write() as connection:
            old = await customers.find(connection, organization_uid, customer_id)
            if old is None:
                if not patch.name:
                    raise ValidationError(INVALID, (("name", "required"),))
                new = _patched(_blank(organization_uid, customer_id), patch)
                await customers.add(connection, new)
            else:
                new = _patched(old, patch)
                await customers.replace(connection, new)
            found = await customers.find(connection, organization_uid, customer_id)
        assert found is not None
        return found, old is None

    async def log(self, organization_uid: str, wanted: NewInteraction) -> Interaction:
        """Raises NotFound for a customer of nobody or of another organization."""
        async with self._database.write() as connection:
            customer = await customers.find(connection, organization_uid, wanted.customer_id)
            if customer is None:
                raise NotFound(MISSING)
            interaction = Interaction(
                uid=new_uid(),
                organization_uid=organization_uid,
                external_id=new_external_id("int"),
                customer_uid=customer.uid,
                created_at=instants.now(),
                **msgspec.structs.asdict(wanted),
            )
            await interactions.add(connection, interaction)
        return interaction


def _check(customer_id: str, patch: CustomerPatch) -> None:
    problems: list[tuple[str, str]] = []
    if not is_external_id(customer_id):
        problems.append(("customer_id", "letters, digits and _ . : - only, at most 100"))
    if patch.name is not None and not patch.name.strip():
        problems.append(("name", "must not be empty"))
    if patch.email and not _EMAIL.fullmatch(patch.email):
        problems.append(("email", NO_EMAIL))
    if patch.phone:
        problems += phone_problem("phone", patch.phone)
    if problems:
        raise ValidationError(INVALID, tuple(problems))


def _blank(organization_uid: str, customer_id: str) -> Customer:
    return Customer(
        uid=new_uid(), organization_uid=organization_uid, external_id=customer_id, created_at=instants.now()
    )


def _patched(old: Customer, patch: CustomerPatch) -> Customer:
    changes = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not None}
    if patch.custom_fields is not None:
        changes["custom_fields"] = merge(old.custom_fields, patch.custom_fields)
    if patch.address is not None:
        changes["address"] = old.address | patch.address
    if patch.phone is not None:
        changes["phone_digits"] = digits(patch.phone)
    return msgspec.structs.replace(old, **changes)
