"""Login, refresh and logout."""

from __future__ import annotations

import msgspec

from voicecore.api.kit import Auth, Exchange, Route
from voicecore.services.accounts import Accounts, Grant

SURFACE = "vocaliq"


class LoginRequest(msgspec.Struct):
    """`two_factor_code` (our addition): of who has a second factor, set up elsewhere."""

    username: str  # the e-mail address
    password: str
    two_factor_code: str = ""


class LoginUser(msgspec.Struct):
    id: str
    email: str
    organization_id: str
    roles: list[str]


class LoginResponse(msgspec.Struct):
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    user: LoginUser


class LogoutResponse(msgspec.Struct):
    message: str


class AuthHandlers:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def login(self, exchange: Exchange) -> LoginResponse:
        body: LoginRequest = exchange.body
        return _response(
            await self._accounts.login(
                body.username, body.password, SURFACE, code=body.two_factor_code, device=exchange.device
            )
        )

    async def refresh(self, exchange: Exchange) -> LoginResponse:
        return _response(await self._accounts.refresh(exchange.bearer(), SURFACE, exchange.device))

    async def logout(self, exchange: Exchange) -> LogoutResponse:
        await self._accounts.logout(exchange.who)
        return LogoutResponse("Logged out")

    def routes(self) -> list[Route]:
        base, tag = "/api/v1/auth", "Authentication"
        return [
            Route(
                method="POST",
                path=f"{base}/login",
                handler=self.login,
                summary="Exchange e-mail and password for two tokens",
                tag=tag,
                body=LoginRequest,
                response=LoginResponse,
                auth=Auth.NONE,
                permission=None,
            ),
            Route(
                method="POST",
                path=f"{base}/refresh",
                handler=self.refresh,
                summary="Exchange a refresh token for two fresh tokens",
                tag=tag,
                response=LoginResponse,
                auth=Auth.REFRESH,
                permission=None,
            ),
            Route(
                method="POST",
                path=f"{base}/logout",
                handler=self.logout,
                summary="End this session: both its tokens are worthless afterwards",
                tag=tag,
                response=LogoutResponse,
                permission=None,
            ),
        ]


def _response(grant: Grant) -> LoginResponse:
    return LoginResponse(
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        token_type="bearer",
        expires_in=grant.expires_in_s,
        user=LoginUser(
            id=grant.user.uid,
            email=grant.user.email,
            organization_id=grant.membership.organization_id,
            roles=list(grant.membership.roles),
        ),
    )
