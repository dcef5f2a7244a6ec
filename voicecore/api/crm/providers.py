"""The exchanges of the call centre: configured, and tried. A password goes in and never comes out."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from voicecore.api.crm.contacts import Named
from voicecore.api.crm.envelope import Many, One, PageQuery, many, one
from voicecore.api.crm.words import path_number, z
from voicecore.api.kit import Exchange, Route
from voicecore.domain.accounts import Permission
from voicecore.domain.telephony import TelephonyProvider
from voicecore.services.telephony import MISSING, NewProvider, Telephony


class ProviderRequest(msgspec.Struct):
    """`host` is a name or an address, `context` the dial plan's."""

    name: Named
    provider_type: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\- ]{0,39}$")]
    host: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:_\-]{1,253}$")]
    port: Annotated[int, Meta(ge=1, le=65535)] = 5060
    username: str = ""
    password: Annotated[str, Meta(max_length=1000)] = ""
    context: str = ""


class ProviderShape(msgspec.Struct):
    id: int
    name: str
    provider_type: str
    host: str
    port: int
    username: str
    context: str
    has_password: bool
    created_at: str


class TestShape(msgspec.Struct):
    """`transport` is what answered, udp or tcp; `answer` the SIP status line, where it was one. `latency_ms` in
    milliseconds."""

    provider_id: int
    connected: bool
    status: str
    transport: str | None
    answer: str | None
    latency_ms: float | None
    message: str


class ProviderHandlers:
    def __init__(self, telephony: Telephony) -> None:
        self._telephony = telephony

    async def listing(self, exchange: Exchange) -> Many[ProviderShape]:
        query: PageQuery = exchange.query
        found = await self._telephony.listing(exchange.organization_uid, query.core())
        return many([_shape(row) for row in found.rows], found.total, query)

    async def create(self, exchange: Exchange) -> One[ProviderShape]:
        body: ProviderRequest = exchange.body
        wanted = NewProvider(
            name=body.name,
            kind=body.provider_type,
            host=body.host,
            port=body.port,
            username=body.username,
            password=body.password,
            context=body.context,
        )
        return one(_shape(await self._telephony.add(exchange.organization_uid, wanted)))

    async def test(self, exchange: Exchange) -> One[TestShape]:
        provider, knock = await self._telephony.test(exchange.organization_uid, path_number(exchange, "id", MISSING))
        shape = TestShape(
            provider_id=provider.seq,
            connected=knock.reached,
            status="connected" if knock.reached else "failed",
            transport=knock.transport or None,
            answer=knock.answer or None,
            latency_ms=None if knock.latency_ms is None else round(knock.latency_ms, 1),
            message="Connection successful" if knock.reached else f"Connection failed: {knock.problem}",
        )
        return one(shape)

    def routes(self) -> list[Route]:
        path, tag = "/api/telephony/providers", "Telephony providers"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Configured exchanges, oldest first",
                tag=tag,
                query=PageQuery,
                response=Many[ProviderShape],
            ),
            Route(
                method="POST",
                path=path,
                handler=self.create,
                summary="Configure an exchange",
                tag=tag,
                body=ProviderRequest,
                response=One[ProviderShape],
                status=201,
                permission=Permission.CONFIGURE,
                limit="write",
            ),
            Route(
                method="POST",
                path=f"{path}/{{id}}/test",
                handler=self.test,
                summary="Does anything answer there? Asked with SIP OPTIONS",
                tag=tag,
                response=One[TestShape],
                permission=Permission.CONFIGURE,
                limit="write",
                changes=False,
            ),
        ]


def _shape(provider: TelephonyProvider) -> ProviderShape:
    return ProviderShape(
        id=provider.seq,
        name=provider.name,
        provider_type=provider.kind,
        host=provider.host,
        port=provider.port,
        username=provider.username,
        context=provider.context,
        has_password=bool(provider.sealed_password),
        created_at=z(provider.created_at),
    )
