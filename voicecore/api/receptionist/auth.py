"""Registration, login, who am I, and the exchange of one token for another."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from voicecore.api.kit import Auth, Exchange, Route
from voicecore.api.receptionist.words import naive
from voicecore.domain.accounts import User
from voicecore.services.accounts import Accounts, Grant

SURFACE = "receptionist"
TOKEN_S = 86400  # document "Authentication": 24 hours
Given = Annotated[str, Meta(min_length=1)]


class LoginRequest(msgspec.Struct):
    """`two_factor_code` (our addition): of who has a second factor, set up elsewhere."""

    email: Given
    password: Given
    two_factor_code: str | None = None


class RegisterRequest(msgspec.Struct):
    email: Given
    password: Given
    name: str | None = None


class UserShape(msgspec.Struct):
    id: str
    email: str
    name: str | None


class KnownUserShape(UserShape):
    created_at: str


class TokenResponse(msgspec.Struct):
    token: str
    user: UserShape


class UserResponse(msgspec.Struct):
    user: KnownUserShape


class AuthHandlers:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def register(self, exchange: Exchange) -> TokenResponse:
        body: RegisterRequest = exchange.body
        return _response(
            await self._accounts.register(
                body.email, body.password, body.name or "", SURFACE, lifetime_s=TOKEN_S, device=exchange.device
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
                code=body.two_factor_code or "",
                device=exchange.device,
            )
        )

    async def me(self, exchange: Exchange) -> UserResponse:
        user = await self._accounts.user(exchange.who)
        shape = KnownUserShape(user.uid, user.email, user.name or None, created_at=naive(user.created_at))
        return UserResponse(shape)

    async def refresh(self, exchange: Exchange) -> TokenResponse:
        return _response(await self._accounts.renew(exchange.bearer(), SURFACE, TOKEN_S))

    def routes(self) -> list[Route]:
        base, tag = "/api/auth", "Authentication"
        return [
            Route(
                method="POST",
                path=f"{base}/register",
                handler=self.register,
                summary="Make an account with an organization of its own",
                tag=tag,
                body=RegisterRequest,
                response=TokenResponse,
                status=201,
                auth=Auth.NONE,
                permission=None,
                limit="credentials",
                failure="Failed to register user",
            ),
            Route(
                method="POST",
                path=f"{base}/login",
                handler=self.login,
                summary="Exchange e-mail and password for a token that lives 24 hours",
                tag=tag,
                body=LoginRequest,
                response=TokenResponse,
                auth=Auth.NONE,
                permission=None,
                limit="credentials",
                failure="Failed to login",
            ),
            Route(
                method="GET",
                path=f"{base}/me",
                handler=self.me,
                summary="Whose token this is",
                tag=tag,
                response=UserResponse,
                permission=None,
            ),
            Route(
                method="POST",
                path=f"{base}/refresh",
                handler=self.refresh,
                summary="Exchange a living token for another one that lives 24 hours from now",
                tag=tag,
                response=TokenResponse,
                auth=Auth.REFRESH,
                permission=None,
            ),
        ]


def _response(grant: Grant) -> TokenResponse:
    return TokenResponse(grant.access_token, _shape(grant.user))


def _shape(user: User) -> UserShape:
    return UserShape(user.uid, user.email, user.name or None)
