"""From the numbers in a request to what they name; numbers of another company name nothing."""

from __future__ import annotations

import uuid
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Meta

from pipelines.errors import NotFound, ValidationError
from voicecore.api.kit import Exchange
from voicecore.api.parsing import INVALID
from voicecore.api.portal.words import MOST, path_seq
from voicecore.domain import instants
from voicecore.domain.accounts import Business
from voicecore.domain.calendar import Resource, Service
from voicecore.domain.counted import Counted
from voicecore.services.accounts import Accounts
from voicecore.services.directory import Directory

Number = Annotated[int, Meta(ge=0, le=MOST)]
T = TypeVar("T")
NOWHERE = ""  # the uid of nothing: a filter by it leaves nothing
WRONG = "is invalid"


class Lookups:
    def __init__(self, directory: Directory, accounts: Accounts) -> None:
        self._directory = directory
        self._accounts = accounts

    async def zone(self, exchange: Exchange) -> ZoneInfo:
        """The company's clock."""
        return instants.zone((await self._accounts.organization(exchange.who)).timezone)

    async def wanted(self, exchange: Exchange, kind: Counted, number: int | None) -> str | None:
        """What a list is narrowed to; None when it is not."""
        if number is None:
            return None
        return await self._directory.uid(exchange.organization_uid, kind, number) or NOWHERE

    async def of_path(self, exchange: Exchange, kind: Counted, missing: str) -> str:
        """The uid of what the path names. Raises NotFound."""
        found = await self._directory.uid(exchange.organization_uid, kind, path_seq(exchange, "id", missing))
        if found is None:
            raise NotFound(missing)
        return found

    async def of_path_or_uuid(self, exchange: Exchange, kind: Counted, missing: str) -> str:
        """As `of_path`; a uuid is taken as it is. Whether it is one of this company's, the service sees."""
        try:
            return str(uuid.UUID(exchange.path("id")))
        except ValueError:
            return await self.of_path(exchange, kind, missing)

    async def service(self, exchange: Exchange, number: int) -> Service:
        """Raises ValidationError."""
        return _named("service_id", await self._directory.service(exchange.organization_uid, number))

    async def staff_member(self, exchange: Exchange, number: int) -> Resource:
        """Raises ValidationError."""
        return _named("staff_id", await self._directory.staff_member(exchange.organization_uid, number))

    async def branch(self, exchange: Exchange, number: int) -> Business:
        """Raises ValidationError."""
        return _named("branch_id", await self._directory.branch(exchange.organization_uid, number))


def _named(field: str, found: T | None) -> T:
    if found is None:
        raise ValidationError(INVALID, ((field, WRONG),))
    return found
