"""Registration, login, logout and who am I."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from voicecore.api.dashboard.words import unix
from voicecore.api.kit import Auth, Exchange, Route
from voicecore.services.accounts import Accounts, Grant
from voicecore.services.passwords import LONGEST, SHORTEST

SURFACE = "dashboard"
TOKEN_S = 7 * 86400  # the document has no way to renew a token and says nothing of its life
Given = Annotated[str, Meta(min_length=1)]


class LoginRequest(msgspec.Struct):
    """`two_factor_code`: for those who have a second factor, which they set up elsewhere."""

    email: Given
    password: Given
    two_factor_code: str = ""


class RegisterRequest(msgspec.Struct):
    email: Annotated[Given, Meta(extra_json_schema={"format": "email"})]
    password: Annotated[str, Meta(extra_json_schema={"minLength": SHORTEST, "maxLength": LONGEST})]
    name: Annotated[str, Meta(max_length=200)] = ""


class UserShape(msgspec.Struct):
    id: str
    email: str
    name: str


class KnownUserShape(UserShape):
    created_at: int


class TokenResponse(msgspec.Struct):
    token: str
    user: UserShape


class MessageResponse(msgspec.Struct):
    message: str


class AuthHandlers:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def register(self, exchange: Exchange) -> TokenResponse:
        body: RegisterRequest = exchange.body
        return _response(
            await self._accounts.register(
                body.email, body.password, body.name, SURFACE, lifetime_s=TOKEN_S, device=exchange.device
            )
        )

    async def login(self, exchange: Exchange) -> TokenResponse:
        body: LoginRequest = exchange.body
        return _response(
            await self._accounts.login(
                body.email,
                body.password,
                SURFACE,
                lifetime_s=TOKEN_S,
                code=body.two_factor_code,
                device=exchange.device,
            )
        )

    async def logout(self, exchange: Exchange) -> MessageResponse:
        await self._accounts.logout(exchange.who)
        return MessageResponse("Logged out successfully")

    async def me(self, exchange: Exchange) -> KnownUserShape:
        user = await self._accounts.user(exchange.who)
        return KnownUserShape(user.uid, user.email, user.name, created_at=unix(user.created_at))

    def routes(self) -> list[Route]:
        base, tag = "/api/auth", "Authentication"
        return [
            Route(
                method="POST",
                path=f"{base}/register",
                handler=self.register,
                summary="Make an account with a workspace of its own",
                tag=tag,
                body=RegisterRequest,
                response=TokenResponse,
                auth=Auth.NONE,
                permission=None,
                limit="credentials",
            ),
            Route(
                method="POST",
                path=f"{base}/login",
                handler=self.login,
                summary="Exchange e-mail and password for a token that lives seven days",
                tag=tag,
                body=LoginRequest,
                response=TokenResponse,
                auth=Auth.NONE,
                permission=None,
                limit="credentials",
            ),
            Route(
                method="POST",
                path=f"{base}/logout",
                handler=self.logout,
                summary="End this session: its token is worthless from now on",
                tag=tag,
                response=MessageResponse,
                permission=None,
            ),
            Route(
                method="GET",
                path=f"{base}/me",
                handler=self.me,
                summary="Whose token this is",
                tag=tag,
                response=KnownUserShape,
                permission=None,
            ),
        ]


def _response(grant: Grant) -> TokenResponse:
    return TokenResponse(grant.access_token, UserShape(grant.user.uid, grant.user.email, grant.user.name))
