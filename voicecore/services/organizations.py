"""Organizations as their members see them, and making one: whoever makes it administers it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from pipelines.errors import NotFound, ValidationError
from voicecore.domain import instants
from voicecore.domain.accounts import Business, Membership, Organization, Role
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.domain.paging import Listing, Page
from voicecore.services.customer_file import INVALID, phone_problem
from voicecore.storage import organizations as rows
from voicecore.storage import tenants
from voicecore.storage.database import Database


class NewOrganization(msgspec.Struct, frozen=True, kw_only=True):
    """`settings` may hold `language` and `timezone` (IANA)."""

    name: str
    contact_email: str = ""
    phone: str = ""
    address: dict[str, Any] = {}
    settings: dict[str, Any] = {}


class Organizations:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def listing(self, user_uid: str, search: str, page: Page) -> Listing[Organization]:
        """Those the user belongs to, by name; `search` is part of name, e-mail address or telephone number."""
        async with self._database.read() as connection:
            return await rows.of_user(connection, user_uid, search, page)

    async def get(self, user_uid: str, organization_id: str) -> Organization:
        """Raises NotFound, also for one that the user does not belong to."""
        async with self._database.read() as connection:
            found = await rows.find_of_user(connection, user_uid, organization_id)
        if found is None:
            raise NotFound("organization not found")
        return found

    async def number(self, uid: str) -> int:
        """For clients that count. Raises NotFound."""
        async with self._database.read() as connection:
            found = await tenants.organization(connection, uid)
        if found is None:
            raise NotFound("organization not found")
        return found.seq

    async def zone(self, uid: str) -> ZoneInfo:
        """By whose calendar its days are counted. Raises NotFound."""
        async with self._database.read() as connection:
            found = await tenants.organization(connection, uid)
        if found is None:
            raise NotFound("organization not found")
        return instants.zone(found.timezone)

    async def create(self, user_uid: str, wanted: NewOrganization) -> Organization:
        """With a business to answer for, and the user as its administrator. Raises ValidationError."""
        organization = _checked(wanted)
        business = Business(
            uid=new_uid(),
            organization_uid=organization.uid,
            external_id="biz_main",
            name=organization.name,
            timezone=organization.timezone,
            phone=organization.phone,
            created_at=organization.created_at,
        )
        membership = Membership(
            uid=new_uid(),
            user_uid=user_uid,
            organization_uid=organization.uid,
            organization_id=organization.external_id,
            roles=(Role.ADMIN.value, Role.USER.value),
        )
        async with self._database.write() as connection:
            await rows.add(connection, organization, business, membership)
        return organization


def _checked(wanted: NewOrganization) -> Organization:
    """Raises ValidationError."""
    problems: list[tuple[str, str]] = []
    if not wanted.name.strip():
        problems.append(("name", "must not be empty"))
    if wanted.contact_email and "@" not in wanted.contact_email.strip("@"):
        problems.append(("contact_email", "not an e-mail address"))
    if wanted.phone:
        problems += phone_problem("phone", wanted.phone)
    timezone = wanted.settings.get("timezone", "UTC")
    try:
        instants.zone(str(timezone))
    except ValueError as error:
        problems.append(("settings.timezone", str(error)))
    if not isinstance(wanted.settings.get("language", ""), str):
        problems.append(("settings.language", "must be a string"))
    if problems:
        raise ValidationError(INVALID, tuple(problems))
    return Organization(
        uid=new_uid(),
        external_id=new_external_id("org"),
        timezone=str(timezone),
        created_at=instants.now(),
        **msgspec.structs.asdict(wanted),
    )
