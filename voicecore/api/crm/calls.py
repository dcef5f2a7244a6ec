"""The call centre's calls: listed, placed, handed on, ended."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from pipelines.errors import NotFound, ValidationError
from voicecore.api.crm.envelope import Many, One, PageQuery, many, one
from voicecore.api.crm.words import STATUS_FILTERS, maybe_z, moment, number, status_word, z
from voicecore.api.kit import Exchange, Route
from voicecore.api.links import Links
from voicecore.api.parsing import INVALID
from voicecore.domain import instants
from voicecore.domain.accounts import Permission
from voicecore.domain.calls import Call, CallFilter, Direction, Recording
from voicecore.domain.dialling import Placement, TransferKind
from voicecore.services.accounts import Accounts
from voicecore.services.agents import Agents
from voicecore.services.calls import Calls
from voicecore.services.customer_file import CustomerFile
from voicecore.services.outbound import Outbound
from voicecore.services.transfers import Transfers

NOBODY = "agent:nobody"  # is no agent's id: a filter by an agent who is not there finds nothing
Number = Annotated[str, Meta(min_length=1, max_length=60)]


class CallQuery(PageQuery, kw_only=True):
    """`agent_id` is a number or an id like agent_123. Dates are ISO 8601; a bare one is the whole day in the
    organization's time zone."""

    status: Literal["ringing", "answered", "completed", "failed"] | None = None
    direction: Literal["inbound", "outbound", "internal"] | None = None
    agent_id: str | None = None
    start_date: str | None = None
    end_date: str | None = None


class CallRequest(msgspec.Struct):
    """Without `from_number` the agent's own is shown. `metadata.contact_id` says who is called."""

    agent_id: str | int
    to_number: Number
    from_number: str = ""
    metadata: dict[str, Any] = {}


class CallShape(msgspec.Struct):
    """`duration` in whole seconds."""

    id: int
    call_id: str
    direction: str
    status: str
    from_number: str
    to_number: str
    agent_id: str | None
    duration: int
    sentiment: str | None
    recording_url: str | None
    metadata: dict[str, Any]
    created_at: str
    answered_at: str | None
    ended_at: str | None


class TransferRequest(msgspec.Struct):
    """`extension` is one of the exchange's, or a number with its country's code."""

    extension: Number
    transfer_type: Literal["blind", "attended", "conference"] = "blind"


class TransferShape(msgspec.Struct):
    """`status`: "transferred", or "ringing" while an attended target has not answered."""

    call_id: str
    extension: str
    transfer_type: str
    status: str


class CallHandlers:
    def __init__(
        self,
        calls: Calls,
        agents: Agents,
        accounts: Accounts,
        customers: CustomerFile,
        outbound: Outbound,
        transfers: Transfers,
        links: Links,
    ) -> None:
        self._calls = calls
        self._agents = agents
        self._accounts = accounts
        self._customers = customers
        self._outbound = outbound
        self._transfers = transfers
        self._links = links

    async def listing(self, exchange: Exchange) -> Many[CallShape]:
        query: CallQuery = exchange.query
        statuses, outcomes = STATUS_FILTERS[query.status]
        tz = instants.zone((await self._accounts.organization(exchange.who)).timezone)
        wanted = CallFilter(
            statuses=statuses,
            outcomes=outcomes,
            direction=Direction(query.direction) if query.direction else None,
            agent_id=None if query.agent_id is None else await self._agent_id(exchange, query.agent_id) or NOBODY,
            from_at=moment("start_date", query.start_date, tz),
            before_at=moment("end_date", query.end_date, tz, after=True),
        )
        found = await self._calls.listing(exchange.organization_uid, wanted, query.core())
        shapes = [self._shape(call, found.recordings.get(call.uid), exchange.http) for call in found.listing.rows]
        return many(shapes, found.listing.total, query)

    async def place(self, exchange: Exchange) -> One[CallShape]:
        body: CallRequest = exchange.body
        agent_id = await self._agent_id(exchange, str(body.agent_id))
        if not agent_id:
            raise NotFound("agent not found")
        wanted = Placement(
            agent_id=agent_id,
            to_number=body.to_number,
            from_number=body.from_number,
            metadata=body.metadata,
            customer_id=await self._customer_id(exchange, body.metadata.get("contact_id")),
        )
        placed = await self._outbound.place(exchange.organization_uid, wanted)
        return one(self._shape(placed.call, None, exchange.http))

    async def transfer(self, exchange: Exchange) -> One[TransferShape]:
        body: TransferRequest = exchange.body
        call = await self._call(exchange)
        kind = TransferKind(body.transfer_type)
        try:
            done = await self._transfers.transfer(exchange.organization_uid, call.external_id, kind, body.extension)
        except ValidationError as error:  # the document's name of the member
            raise ValidationError(INVALID, tuple(("extension", reason) for _, reason in error.fields)) from error
        return one(
            TransferShape(call.external_id, body.extension, kind.value, "transferred" if done.done else "ringing")
        )

    async def hang_up(self, exchange: Exchange) -> One[CallShape]:
        call = await self._call(exchange)
        call = await self._outbound.hang_up(exchange.organization_uid, call.external_id)
        return one(self._shape(call, None, exchange.http))

    async def get(self, exchange: Exchange) -> One[CallShape]:
        call = await self._call(exchange)
        detail = await self._calls.get(exchange.organization_uid, call.external_id)
        return one(self._shape(detail.call, detail.recording, exchange.http))

    async def _call(self, exchange: Exchange) -> Call:
        """By its id or its number. Raises NotFound."""
        given = exchange.path("call_id")
        return await self._calls.named(exchange.organization_uid, given, number(given))

    async def _agent_id(self, exchange: Exchange, given: str) -> str:
        """Of the agent with this id, or of number 123 the one called agent_123, else the one that counts as 123; "":
        there is none."""
        mine = await self._agents.listing(exchange.organization_uid)
        ids = {agent.external_id for agent in mine}
        counted = [agent.external_id for agent in mine if agent.seq == number(given)]
        named = [name for name in (given, f"agent_{given}") if name in ids]
        return next(iter(named + counted), "")

    async def _customer_id(self, exchange: Exchange, seq: Any) -> str:
        """The id of a contact that metadata may name; they are the client's own, so nothing there is wrong."""
        if not isinstance(seq, int) or number(str(seq)) is None:
            return ""
        try:
            return (await self._customers.with_seq(exchange.organization_uid, seq)).external_id
        except NotFound:
            return ""

    def _shape(self, call: Call, recording: Recording | None, request: web.Request) -> CallShape:
        url = call.recording_url or None
        if recording is not None:
            url = self._links.to(f"/recordings/{recording.external_id}.{recording.format}", request)
        return CallShape(
            id=call.seq,
            call_id=call.external_id,
            direction=call.direction.value,
            status=status_word(call),
            from_number=call.from_number,
            to_number=call.to_number,
            agent_id=call.agent_id or None,
            duration=round(call.duration_s),
            sentiment=call.sentiment.value if call.sentiment else None,
            recording_url=url,
            metadata=call.metadata,
            created_at=z(call.created_at),
            answered_at=maybe_z(call.answered_at),
            ended_at=maybe_z(call.ended_at),
        )

    def routes(self) -> list[Route]:
        path, tag = "/api/calls", "Calls"
        changing: dict[str, Any] = {"tag": tag, "permission": Permission.CONFIGURE, "limit": "write"}
        return [
            Route(
                method="GET",
                path=path,
                handler=self.listing,
                summary="Calls, newest first",
                tag=tag,
                query=CallQuery,
                response=Many[CallShape],
                retold=True,
            ),
            Route(
                method="POST",
                path=path,
                handler=self.place,
                summary="Call somebody",
                body=CallRequest,
                response=One[CallShape],
                status=201,
                **changing,
            ),
            Route(
                method="GET",
                path=f"{path}/{{call_id}}",
                handler=self.get,
                summary="One call (our addition)",
                tag=tag,
                response=One[CallShape],
            ),
            Route(
                method="PUT",
                path=f"{path}/{{call_id}}/transfer",
                handler=self.transfer,
                summary="Hand a running call on to an extension",
                body=TransferRequest,
                response=One[TransferShape],
                **changing,
            ),
            Route(
                method="POST",
                path=f"{path}/{{call_id}}/hangup",
                handler=self.hang_up,
                summary="End a call, or do not place it (our addition)",
                response=One[CallShape],
                **changing,
            ),
        ]
