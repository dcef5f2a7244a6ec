"""Clients: each is a business, the agent that answers it and its number in one form."""

from __future__ import annotations

import msgspec

from voicecore.api.kit import Exchange, Route
from voicecore.api.receptionist.auth import Given
from voicecore.api.receptionist.words import naive, path_uid
from voicecore.domain.accounts import Line, Permission
from voicecore.services.businesses import MISSING, Businesses, LinePatch


class ClientRequest(msgspec.Struct):
    name: Given
    phone_number: Given
    profession: str | None = None
    voice_name: str | None = None


class ClientChange(msgspec.Struct):
    """What is left out stays; null empties it where that is possible."""

    name: Given | msgspec.UnsetType = msgspec.UNSET
    phone_number: Given | msgspec.UnsetType = msgspec.UNSET
    profession: str | msgspec.UnsetType | None = msgspec.UNSET
    voice_name: str | msgspec.UnsetType | None = msgspec.UNSET


class ClientShape(msgspec.Struct):
    id: str
    name: str
    phone_number: str
    profession: str | None
    voice_name: str | None
    created_at: str


class ClientResponse(msgspec.Struct):
    client: ClientShape


class ClientListResponse(msgspec.Struct):
    clients: list[ClientShape]


class MessageResponse(msgspec.Struct):
    message: str


class ClientHandlers:
    def __init__(self, businesses: Businesses) -> None:
        self._businesses = businesses

    async def listing(self, exchange: Exchange) -> ClientListResponse:
        return ClientListResponse([_shape(line) for line in await self._businesses.listing(exchange.organization_uid)])

    async def create(self, exchange: Exchange) -> ClientResponse:
        body: ClientRequest = exchange.body
        wanted = LinePatch(
            name=body.name, number=body.phone_number, profession=body.profession, voice_name=body.voice_name
        )
        return ClientResponse(_shape(await self._businesses.create(exchange.organization_uid, wanted)))

    async def get(self, exchange: Exchange) -> ClientResponse:
        uid = path_uid(exchange, "client_id", MISSING)
        return ClientResponse(_shape(await self._businesses.get(exchange.organization_uid, uid)))

    async def change(self, exchange: Exchange) -> ClientResponse:
        body: ClientChange = exchange.body
        patch = LinePatch(
            name=_given(body.name),
            number=_given(body.phone_number),
            profession=_given(body.profession),
            voice_name=_given(body.voice_name),
        )
        uid = path_uid(exchange, "client_id", MISSING)
        return ClientResponse(_shape(await self._businesses.change(exchange.organization_uid, uid, patch)))

    async def delete(self, exchange: Exchange) -> MessageResponse:
        await self._businesses.close(exchange.organization_uid, path_uid(exchange, "client_id", MISSING))
        return MessageResponse("Client deleted")

    def routes(self) -> list[Route]:
        path, tag = "/api/clients", "Clients"
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="All clients, oldest first",
                tag=tag,
                response=ClientListResponse,
                retold=True,
            ),
            Route(
                method="POST",
                path=path,
                handler=self.create,
                summary="Add a client: calls to its number are answered from now on",
                tag=tag,
                body=ClientRequest,
                response=ClientResponse,
                status=201,
                permission=Permission.CONFIGURE,
                failure="Failed to create client",
            ),
            Route(
                method="GET",
                path=f"{path}/{{client_id}}",
                handler=self.get,
                summary="One client",
                tag=tag,
                response=ClientResponse,
            ),
            Route(
                method="PUT",
                path=f"{path}/{{client_id}}",
                handler=self.change,
                summary="Change what is sent, keep the rest",
                tag=tag,
                body=ClientChange,
                response=ClientResponse,
                permission=Permission.CONFIGURE,
                failure="Failed to update client",
            ),
            Route(
                method="DELETE",
                path=f"{path}/{{client_id}}",
                handler=self.delete,
                summary="Remove a client: its number is free, its calls still count",
                tag=tag,
                response=MessageResponse,
                permission=Permission.CONFIGURE,
                failure="Failed to delete client",
            ),
        ]


def _given(value: str | msgspec.UnsetType | None) -> str | None:
    """What the service understands: None keeps, "" empties."""
    return None if value is msgspec.UNSET else value or ""


def _shape(line: Line) -> ClientShape:
    return ClientShape(
        id=line.uid,
        name=line.name,
        phone_number=line.number,
        profession=line.profession or None,
        voice_name=line.voice_name or None,
        created_at=naive(line.created_at),
    )
