"""The organizations that a user belongs to, and making another one."""

from __future__ import annotations

from typing import Any

import msgspec

from voicecore.api.kit import Exchange, Route
from voicecore.api.vocaliq.calls import PageQuery
from voicecore.api.vocaliq.words import pages, z
from voicecore.domain.accounts import Organization, Permission
from voicecore.services.organizations import NewOrganization, Organizations


class OrganizationQuery(PageQuery, kw_only=True):
    search: str = ""


class OrganizationRequest(msgspec.Struct):
    name: str
    contact_email: str = ""
    phone: str = ""
    address: dict[str, str] = {}
    settings: dict[str, Any] = {}


class OrganizationShape(msgspec.Struct):
    """`settings` always has `language` and `timezone`."""

    id: str
    name: str
    contact_email: str
    phone: str
    address: dict[str, Any]
    settings: dict[str, Any]
    created_at: str


class OrganizationListResponse(msgspec.Struct):
    items: list[OrganizationShape]
    total: int
    page: int
    pages: int


class OrganizationHandlers:
    def __init__(self, organizations: Organizations) -> None:
        self._organizations = organizations

    async def listing(self, exchange: Exchange) -> OrganizationListResponse:
        query: OrganizationQuery = exchange.query
        found = await self._organizations.listing(exchange.who.user_uid, query.search, query.core())
        items = [_shape(organization) for organization in found.rows]
        return OrganizationListResponse(items, found.total, query.page, pages(found.total, query.limit))

    async def get(self, exchange: Exchange) -> OrganizationShape:
        found = await self._organizations.get(exchange.who.user_uid, exchange.path("organization_id"))
        return _shape(found)

    async def create(self, exchange: Exchange) -> OrganizationShape:
        wanted = NewOrganization(**msgspec.structs.asdict(exchange.body))
        return _shape(await self._organizations.create(exchange.who.user_uid, wanted))

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/organizations", "Organizations"
        return [
            Route(
                method="GET",
                path=base,
                handler=self.listing,
                summary="The organizations that the user belongs to, by name",
                tag=tag,
                query=OrganizationQuery,
                response=OrganizationListResponse,
            ),
            Route(
                method="POST",
                path=base,
                handler=self.create,
                summary="Make an organization; who makes it administers it",
                tag=tag,
                body=OrganizationRequest,
                response=OrganizationShape,
                status=201,
                permission=Permission.ADMINISTER,
            ),
            Route(
                method="GET",
                path=f"{base}/{{organization_id}}",
                handler=self.get,
                summary="One organization (our addition)",
                tag=tag,
                response=OrganizationShape,
            ),
        ]


def _shape(organization: Organization) -> OrganizationShape:
    usual = {"language": "en", "timezone": organization.timezone}
    return OrganizationShape(
        id=organization.external_id,
        name=organization.name,
        contact_email=organization.contact_email,
        phone=organization.phone,
        address=organization.address,
        settings=usual | organization.settings,
        created_at=z(organization.created_at),
    )
