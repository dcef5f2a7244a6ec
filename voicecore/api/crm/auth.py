"""Login, who am I, logout. There is no registration: accounts are provisioned."""

from __future__ import annotations

import msgspec
from aiohttp import web

from pipelines.errors import PermissionDenied
from voicecore.api.crm.envelope import Done, One, one
from voicecore.api.crm.words import number, role_word
from voicecore.api.kit import Auth, Exchange, Route
from voicecore.domain.accounts import Principal, User
from voicecore.services.accounts import Accounts

SURFACE = "crm"
TOKEN_S = 86400  # the document says nothing: a day, as there is no refresh
ORGANIZATION_HEADER = "X-Organization-ID"
LOGGED_OUT = "Successfully logged out"


class LoginRequest(msgspec.Struct):
    """`two_factor_code` (our addition): of who has a second factor, set up elsewhere."""

    email: str
    password: str
    two_factor_code: str = ""


class UserShape(msgspec.Struct):
    id: int
    name: str
    email: str
    role: str
    organization_id: int
    avatar_url: str | None


class GrantShape(msgspec.Struct):
    access_token: str
    token_type: str
    user: UserShape


class AuthHandlers:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def login(self, exchange: Exchange) -> One[GrantShape]:
        body: LoginRequest = exchange.body
        grant = await self._accounts.login(
            body.email,
            body.password,
            SURFACE,
            lifetime_s=TOKEN_S,
            code=body.two_factor_code,
            device=exchange.device,
        )
        mine = grant.membership
        return one(GrantShape(grant.access_token, "bearer", _shape(grant.user, mine.roles, mine.organization_seq)))

    async def me(self, exchange: Exchange) -> One[UserShape]:
        user = await self._accounts.user(exchange.who)
        organization = await self._accounts.organization(exchange.who)
        return one(_shape(user, exchange.who.roles, organization.seq))

    async def logout(self, exchange: Exchange) -> Done:
        await self._accounts.logout(exchange.who)
        return Done(True, LOGGED_OUT)

    async def admit(self, principal: Principal, request: web.Request) -> Principal:
        """The header chooses among the organizations that somebody belongs to, and opens no other. Raises
        PermissionDenied."""
        wanted = request.headers.get(ORGANIZATION_HEADER, "").strip()
        if not wanted:
            return principal
        seq = number(wanted)
        if seq is None:
            raise PermissionDenied("not a member of that organization")
        return await self._accounts.within(principal, seq)

    def routes(self) -> list[Route]:
        base, tag = "/api/auth", "Authentication"
        return [
            Route(
                method="POST",
                path=f"{base}/login",
                handler=self.login,
                summary="Exchange e-mail and password for a token that lives a day",
                tag=tag,
                body=LoginRequest,
                response=One[GrantShape],
                auth=Auth.NONE,
                permission=None,
                limit="authentication",
            ),
            Route(
                method="GET",
                path=f"{base}/me",
                handler=self.me,
                summary="Whose token this is",
                tag=tag,
                response=One[UserShape],
                permission=None,
                limit="authentication",
            ),
            Route(
                method="POST",
                path=f"{base}/logout",
                handler=self.logout,
                summary="End this session: its token is worthless afterwards",
                tag=tag,
                response=Done,
                permission=None,
                limit="authentication",
            ),
        ]


def _shape(user: User, roles: tuple[str, ...], organization_seq: int) -> UserShape:
    return UserShape(
        id=user.seq,
        name=user.name,
        email=user.email,
        role=role_word(roles),
        organization_id=organization_seq,
        avatar_url=user.avatar_url or None,
    )
