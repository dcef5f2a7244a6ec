"""The company's team: who belongs to it, who is invited, and what each may do."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from voicecore.api.kit import Exchange, Route
from voicecore.api.portal.auth import MessageResponse
from voicecore.api.portal.paging import Paged, PageQuery, Pager
from voicecore.api.portal.people import ROLES, permission_words, role_word
from voicecore.api.portal.words import BASE, MOST, Given, path_seq, z
from voicecore.domain.accounts import Member, Permission
from voicecore.services import team
from voicecore.services.team import Invitation, MemberPatch, Team

RoleWord = Literal["admin", "manager", "staff"]
Words = Annotated[list[str], Meta(max_length=100)]
Branches = Annotated[list[Annotated[int, Meta(ge=1, le=MOST)]], Meta(max_length=1000)]


class InviteRequest(msgspec.Struct, kw_only=True):
    """Without `permissions` the member has those of his role."""

    email: Given
    name: Annotated[str, Meta(max_length=200)] = ""
    role: RoleWord = "staff"
    permissions: Words | None = None
    branch_ids: Branches = []


class MemberChange(msgspec.Struct, kw_only=True):
    """What is left out stays."""

    role: RoleWord | None = None
    permissions: Words | None = None
    branch_ids: Branches | None = None


class MemberShape(msgspec.Struct, kw_only=True):
    """`status`: active, or invited as long as the invitation was not accepted."""

    id: int
    name: str
    email: str
    role: str
    permissions: list[str]
    branch_ids: list[int]
    status: str
    two_factor_enabled: bool
    created_at: str


class InvitedShape(MemberShape, kw_only=True):
    """`invitation_token` is told this once, for whoever is invited: `POST /auth/register` takes it."""

    invitation_token: str
    invited_until: str


class TeamHandlers:
    def __init__(self, members: Team, pager: Pager) -> None:
        self._members = members
        self._pager = pager

    async def listing(self, exchange: Exchange) -> Paged[MemberShape]:
        query: PageQuery = exchange.query
        found, secured = await self._members.listing(exchange.organization_uid, query.core())
        rows = [_shape(member, member.user_uid in secured) for member in found.rows]
        return self._pager.paged(exchange, rows, found.total)

    async def invite(self, exchange: Exchange) -> InvitedShape:
        body: InviteRequest = exchange.body
        wanted = Invitation(
            email=body.email,
            name=body.name,
            role=ROLES[body.role],
            permissions=None if body.permissions is None else tuple(dict.fromkeys(body.permissions)),
            branch_ids=tuple(dict.fromkeys(body.branch_ids)),
        )
        made, token = await self._members.invite(exchange.who, wanted)
        assert made.invited_until is not None  # an invitation ends some day
        shape = msgspec.structs.asdict(_shape(made, False))
        return InvitedShape(**shape, invitation_token=token, invited_until=z(made.invited_until))

    async def change(self, exchange: Exchange) -> MemberShape:
        body: MemberChange = exchange.body
        patch = MemberPatch(
            role=ROLES[body.role] if body.role else None,
            permissions=None if body.permissions is None else tuple(dict.fromkeys(body.permissions)),
            branch_ids=None if body.branch_ids is None else tuple(dict.fromkeys(body.branch_ids)),
        )
        member, secured = await self._members.change(exchange.who, path_seq(exchange, "id", team.MISSING), patch)
        return _shape(member, secured)

    async def remove(self, exchange: Exchange) -> MessageResponse:
        await self._members.remove(exchange.who, path_seq(exchange, "id", team.MISSING))
        return MessageResponse("Team member removed.")

    def routes(self) -> list[Route]:
        base, tag = f"{BASE}/team", "Team"
        return [
            Route(
                method="GET",
                path=base,
                handler=self.listing,
                summary="Members and who is invited, oldest first",
                tag=tag,
                query=PageQuery,
                response=Paged[MemberShape],
                permission=Permission.TEAM_VIEW,
            ),
            Route(
                method="POST",
                path=f"{base}/invite",
                handler=self.invite,
                summary="Invite somebody; he comes in when he accepts",
                tag=tag,
                body=InviteRequest,
                response=InvitedShape,
                status=201,
                permission=Permission.TEAM_MANAGE,
            ),
            Route(
                method="PUT",
                path=f"{base}/{{id}}",
                handler=self.change,
                summary="Change what a member may do, at once",
                tag=tag,
                body=MemberChange,
                response=MemberShape,
                permission=Permission.TEAM_MANAGE,
            ),
            Route(
                method="DELETE",
                path=f"{base}/{{id}}",
                handler=self.remove,
                summary="Remove a member, or take an invitation back: his tokens are worthless at once",
                tag=tag,
                response=MessageResponse,
                permission=Permission.TEAM_MANAGE,
            ),
        ]


def _shape(member: Member, secured: bool) -> MemberShape:
    return MemberShape(
        id=member.user_seq,
        name=member.name,
        email=member.email,
        role=role_word(member.roles),
        permissions=permission_words(member),
        branch_ids=list(member.branch_ids),
        status=member.state.value,
        two_factor_enabled=secured,
        created_at=z(member.created_at),
    )
